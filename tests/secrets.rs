//! No secret of the traffic reaches a report: cookies, passwords, tokens in headers, queries, paths and bodies, in any format.
#![cfg(feature = "testkit")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use lmpcap::base::net::Side;
use lmpcap::base::time::{Nanos, Timestamp};
use lmpcap::capture::write::{ByteOrder, PcapWriter, Precision};
use lmpcap::capture::{LinkType, OpenOptions, Source, open_point};
use lmpcap::report::FORMATS;
use lmpcap::testkit::talk::Talk;

/// What must not be shown. None of them is a part of anything else.
const SECRETS: [&str; 12] = [
    "qUeRyT0kenAAA",
    "c00kieValueBBB",
    "dXNlcjpwYXNzd29yZENDQw",
    "x4uthT0kenDDD",
    "s3tC00kieEEE",
    "subj3ctT0kenFFF",
    "us3rGGG",
    "pa55w0rdHHH",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJIIn0.c2lnSElJSQ",
    "j5essi0nJJJ",
    "r3directT0kenKKK",
    "m4nifestT0kenLLL",
];

/// A run with secrets wherever HTTP, playlists, manifests and RTSP can hold them. Some wait for their answer while the VM is away.
fn conversations(away: Timestamp) -> Vec<Talk> {
    let [query, cookie, basic, header, set, subject, user, password, jwt, session, redirect, manifest] = SECRETS;
    let head = |method: &str, target: &str, more: &str| {
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {user}:{password}@vm.example\r\nCookie: s={cookie}\r\nAuthorization: Basic {basic}\r\n\
             X-Auth-Token: {header}\r\n{more}\r\n"
        )
    };
    let answer = |kind: &str, body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nSet-Cookie: s={set}\r\nX-Subject-Token: {subject}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let list = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/live/{jwt}/0.ts?token={query}\n#EXTINF:2,\n1.ts?token={query}\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"https://{user}:{password}@k.example/{manifest}?k={query}\"\n#EXT-X-ENDLIST\n"
    );
    let exchanges = [
        (head("GET", &format!("/index.html?token={query}"), ""), answer("text/html", "x")),
        (
            head("GET", &format!("http://{user}:{password}@vm.example/a;jsessionid={session}/b?x={query}#{query}"), ""),
            answer("text/html", "x"),
        ),
        (
            head("POST", &format!("/v3/auth/tokens?nocatalog={query}"), "Content-Length: 0\r\n"),
            answer("application/json", &format!("{{\"token\": \"{manifest}\"}}")),
        ),
        (
            head("GET", &format!("/go?{query}"), ""),
            format!("HTTP/1.1 302 Found\r\nLocation: https://{user}:{password}@vm.example/{jwt}?t={redirect}\r\nContent-Length: 0\r\n\r\n"),
        ),
        (head("GET", &format!("/live/{jwt}/list.m3u8?token={query}"), ""), answer("application/vnd.apple.mpegurl", &list)),
        (head("GET", &format!("/live/{jwt}/0.ts?token={query}"), ""), answer("video/mp2t", &"G".repeat(150_000))),
        // Neither a playlist nor a manifest: the messages of their parsers must not quote it.
        (head("GET", "/broken.m3u8", ""), answer("application/vnd.apple.mpegurl", &format!("#EXTM4U {manifest}\ntoken={query}\n"))),
        (
            head("GET", "/broken.mpd", ""),
            answer("application/dash+xml", &format!("<MPD minBufferTime=\"token={manifest}\" token={manifest}")),
        ),
    ];
    let mut all = Vec::new();
    for (i, (request, response)) in exchanges.iter().enumerate() {
        for (j, start) in [away + Nanos(-2_000_000_000), away + Nanos(-20_000_000)].into_iter().enumerate() {
            let mut talk = Talk::between(&format!("192.0.2.10:{}", 51_000 + 10 * i + j), "192.0.2.50:80");
            (talk.now, talk.step) = (start, Nanos(100_000));
            talk.open().say(Side::Client, request.as_bytes());
            if j == 1 {
                talk.wait(Nanos(400_000_000));
            }
            talk.say(Side::Server, response.as_bytes()).close();
            all.push(talk);
        }
    }
    let mut rtsp = Talk::between("192.0.2.10:52000", "192.0.2.50:554");
    rtsp.now = away + Nanos(-1_500_000_000);
    let url = format!("rtsp://{user}:{password}@vm.example/{jwt}?t={query}");
    rtsp.open().say(Side::Client, format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\nAuthorization: Basic {basic}\r\n\r\n").as_bytes());
    rtsp.say(Side::Server, b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n").close();
    all.push(rtsp);
    all
}

/// The demo run with more conversations in the client's capture.
fn run(folder: &Path) {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/demo");
    let truth: serde_json::Value = serde_json::from_slice(&fs::read(demo.join("truth.json")).unwrap()).unwrap();
    let events = truth["source_events"].as_array().expect("events");
    let stop = events.iter().find(|e| e["event"] == "STOP").expect("STOP")["t"].as_f64().unwrap();
    let mut frames: Vec<(Timestamp, u32, Vec<u8>)> = Vec::new();
    let mut source = open_point(&[demo.join("client.pcapng.zst")], &OpenOptions::default()).unwrap();
    while let Some(frame) = source.next_frame().unwrap() {
        assert_eq!(frame.link, LinkType::ETHERNET);
        frames.push((frame.at, frame.wire_len, frame.bytes.to_vec()));
    }
    for talk in conversations(Timestamp((stop * 1e9) as i64)) {
        frames.extend(talk.frames().into_iter().map(|(at, bytes)| (at, bytes.len() as u32, bytes)));
    }
    frames.sort_by_key(|f| f.0);
    let out = std::io::BufWriter::new(fs::File::create(folder.join("client.pcap")).unwrap());
    let mut out = PcapWriter::new(out, LinkType::ETHERNET, 262_144, Precision::Nanoseconds, ByteOrder::Little).unwrap();
    frames.iter().for_each(|(at, len, bytes)| out.write(*at, *len, bytes).unwrap());
    drop(out);
    for name in ["source.pcapng.zst", "destination.pcapng.zst"] {
        fs::copy(demo.join(name), folder.join(name)).unwrap();
    }
}

/// All formats of the report of `run`, in both languages, with their names, and what the command said.
fn all_formats(run: &Path, formats: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for lang in ["en", "id"] {
        let room = tempfile::tempdir().unwrap();
        let out = Command::new(env!("CARGO_BIN_EXE_lmpcap"))
            .args(["analyze", "--format", formats, "--lang", lang, "-o"])
            .arg(room.path())
            .arg(run)
            .output()
            .expect("the binary runs");
        assert!(matches!(out.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&out.stderr));
        found.push((format!("{lang}: standard output"), out.stdout));
        found.push((format!("{lang}: standard error"), out.stderr));
        let mut folders = vec![room.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
                match entry.is_dir() {
                    true => folders.push(entry),
                    false => found.push((format!("{lang}: {}", entry.display()), fs::read(&entry).unwrap())),
                }
            }
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

#[test]
fn no_secret_of_generated_traffic_reaches_any_format() {
    let room = tempfile::tempdir().unwrap();
    run(room.path());
    let names: Vec<&str> = FORMATS.iter().map(|f| f.name).collect();
    let files = all_formats(room.path(), &names.join(","));
    let json: serde_json::Value = files
        .iter()
        .find(|f| f.0.ends_with(".json") && !f.0.contains("p1203"))
        .map(|f| serde_json::from_slice(&f.1).unwrap())
        .expect("a JSON report");
    // The traffic was read: it is in the report, and what was under way while the VM was away is listed.
    assert!(json["http"]["overlapping_downtime"].as_u64().unwrap() >= 8, "{:#}", json["http"]);
    let hit: Vec<&str> = json["http"]["hit"].as_array().unwrap().iter().filter_map(|h| h["request"].as_str()).collect();
    for expected in ["GET /index.html", "GET /a;jsessionid=***/b", "POST /v3/auth/tokens", "GET /live/***/list.m3u8", "GET /live/***/0.ts"]
    {
        assert!(hit.contains(&expected), "{expected} is not in {hit:?}");
    }
    let paths: Vec<&str> = json["video"].as_array().unwrap().iter().filter_map(|v| v["path"].as_str()).collect();
    assert!(paths.contains(&"/live/***/list.m3u8"), "{paths:?}");
    for secret in SECRETS {
        for (name, bytes) in &files {
            assert!(!holds(bytes, secret), "{name} holds {secret}");
        }
    }
}

/// A real control plane: passwords and tokens as tshark finds them in the captures.
#[test]
fn no_token_of_a_real_cloud_reaches_any_format() {
    let Some(run) = common::capture("openstack-live") else { return };
    if !common::has("tshark", "tshark") {
        return;
    }
    let room = tempfile::tempdir().unwrap();
    let mut secrets = std::collections::BTreeSet::new();
    for file in fs::read_dir(&run).unwrap().map(|f| f.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if !name.contains(".pcap") {
            continue;
        }
        let plain = if name.ends_with(".zst") {
            let out = room.path().join(name.trim_end_matches(".zst"));
            fs::write(&out, zstd::decode_all(fs::File::open(&file).unwrap()).unwrap()).unwrap();
            out
        } else {
            file
        };
        let lines = common::stdout(Command::new("tshark").arg("-r").arg(&plain).args([
            "-Y",
            "http",
            "-T",
            "fields",
            "-e",
            "http.request.line",
            "-e",
            "http.response.line",
        ]));
        for (name, value) in lines.split(['\t', '\n', ',']).filter_map(|l| l.trim().trim_end_matches("\\r\\n").split_once(": ")) {
            if ["x-auth-token", "x-subject-token", "authorization", "cookie", "set-cookie"].contains(&name.to_ascii_lowercase().as_str()) {
                secrets.insert(value.trim().to_owned());
            }
        }
    }
    secrets.retain(|s| s.len() >= 12);
    assert!(secrets.len() > 3, "tshark finds tokens in these captures: {secrets:?}");
    for (name, bytes) in all_formats(&run, "json,html,csv,text,markdown,svg") {
        for secret in &secrets {
            assert!(!holds(&bytes, &secret[..secret.len().min(48)]), "{name} holds a token");
        }
    }
}
