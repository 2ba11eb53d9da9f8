//! `--anonymize`: nothing of what the captures say about somebody is left in any output, and the figures are the same.
#![cfg(feature = "testkit")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lmpcap::base::net::{Endpoint, Mac};
use lmpcap::base::time::Timestamp;
use lmpcap::capture::LinkType;
use lmpcap::capture::write::{ByteOrder, PcapWriter, Precision};
use lmpcap::decode::Tcp as Flags;
use lmpcap::testkit::packet::{self, Tcp};
use polars::prelude::{ParquetReader, SerReader};
use serde_json::Value;

fn lmpcap(args: &[&str], folder: &Path) -> Output {
    let out = Command::new(env!("CARGO_BIN_EXE_lmpcap")).args(args).current_dir(folder).output().expect("the binary runs");
    assert!(out.status.code().is_some_and(|c| c != 2), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out
}

fn key(folder: &Path, name: &str) -> String {
    fs::write(folder.join(name), format!("a key for tests that is called {name}")).unwrap();
    format!("--anonymize={name}")
}

/// All formats of the command.
fn formats() -> String {
    lmpcap::report::FORMATS.iter().map(|f| f.name).collect::<Vec<_>>().join(",")
}

/// Files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

/// Everything that a program could read out of an output, unpacked.
fn readable(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    match path.extension().and_then(|e| e.to_str()) {
        Some("parquet") => {
            let frame = ParquetReader::new(Cursor::new(bytes)).finish().unwrap();
            let cells = frame.columns().iter().flat_map(|c| (0..c.len()).map(move |i| c.get(i).unwrap().to_string()));
            cells.collect::<Vec<_>>().join("\n")
        }
        Some("docx") => {
            let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
            let mut text = Vec::new();
            for i in 0..archive.len() {
                archive.by_index(i).unwrap().read_to_end(&mut text).unwrap();
            }
            String::from_utf8_lossy(&text).into_owned()
        }
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// What a report says about somebody: addresses in any string, hosts, paths.
fn told(value: &Value, key: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            if matches!(key, "host" | "path" | "file") && text.len() > 3 {
                found.insert(text.clone());
            }
            for word in text.split(|c: char| !(c.is_ascii_hexdigit() || matches!(c, ':' | '.'))) {
                let bare = word.trim_end_matches([':', '.']);
                let v4 = bare.split(':').find(|p| p.parse::<std::net::Ipv4Addr>().is_ok());
                let whole = Some(bare).filter(|w| w.parse::<IpAddr>().is_ok() || w.parse::<Mac>().is_ok());
                found.extend([v4, whole].into_iter().flatten().map(str::to_owned));
            }
        }
        Value::Array(list) => list.iter().for_each(|v| told(v, key, found)),
        Value::Object(fields) => fields.iter().for_each(|(k, v)| told(v, k, found)),
        _ => {}
    }
}

/// Addresses that stand for no station.
fn keeps(text: &str) -> bool {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.octets()[0] == 0 || ip.octets()[0] >= 224 || ip.is_loopback(),
        Ok(IpAddr::V6(ip)) => ip.is_unspecified() || ip.is_loopback() || ip.is_multicast(),
        Err(_) => text.parse::<Mac>().is_ok_and(Mac::is_group),
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The numbers of a report in their order: what must not change.
fn numbers(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Number(n) => out.push(n.to_string()),
        Value::Array(list) => list.iter().for_each(|v| numbers(v, out)),
        Value::Object(fields) => fields.iter().filter(|f| f.0 != "warnings").for_each(|(_, v)| numbers(v, out)),
        _ => {}
    }
}

/// Analyzes `run` with and without pseudonyms and looks for every address and name in every output.
fn nothing_is_left(run: &Path, extra: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let run = run.to_str().unwrap();
    lmpcap(&["analyze", run, "-o", "open", "--format", "json"], dir.path());
    let anonymize = key(dir.path(), "key");
    let said = lmpcap(&["analyze", run, "-o", "closed", "--format", &formats(), &anonymize], dir.path());
    let open = json(&dir.path().join("open/report.json"));
    let mut found: BTreeSet<String> = extra.iter().map(|s| (*s).to_owned()).collect();
    told(&open, "", &mut found);
    found.retain(|text| !keeps(text));
    assert!(found.len() > 5, "{found:?}");
    let outputs = files(&dir.path().join("closed"));
    assert!(outputs.len() > 40, "{} files", outputs.len());
    for output in &outputs {
        let text = readable(output);
        for name in &found {
            // An address must not be found within a longer one.
            let inside = |at: usize| {
                let word = |c: char| c.is_ascii_alphanumeric() || c == '.';
                let (before, after) = (text[..at].chars().next_back(), text[at + name.len()..].chars().next());
                before.is_some_and(word) || after.is_some_and(|c| c.is_ascii_alphanumeric())
            };
            let left = text.match_indices(name.as_str()).find(|(at, _)| !inside(*at));
            assert!(
                left.is_none(),
                "{name} is left in {}: …{}…",
                output.display(),
                text.get(left.unwrap().0.saturating_sub(60)..).map(|t| t.chars().take(160).collect::<String>()).unwrap_or_default()
            );
        }
    }
    let screen = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(!found.iter().any(|name| screen.contains(name.as_str())), "{screen}");
    let closed = json(&dir.path().join("closed/report.json"));
    let (mut a, mut b) = (Vec::new(), Vec::new());
    numbers(&open, &mut a);
    numbers(&closed, &mut b);
    assert_eq!(a, b, "figures have changed");
    assert!(closed["warnings"][0].as_str().unwrap().contains("pseudonyms"));
}

#[test]
fn the_key_alone_decides_the_names() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("run.pcap"), &gossip());
    let anonymize = key(dir.path(), "key");
    // The same key gives the same report, another one another, none a random one.
    let again = |name: &str, option: &str| {
        lmpcap(&["analyze", "run.pcap", "-o", name, "--format", "json", option], dir.path());
        fs::read(dir.path().join(name).join("report.json")).unwrap()
    };
    let first = again("first", &anonymize);
    assert_eq!(again("same", &anonymize), first);
    let other = key(dir.path(), "other");
    assert_ne!(again("another", &other), first);
    assert_ne!(again("random", "--anonymize"), again("random2", "--anonymize"));
}

#[test]
fn nothing_is_left_of_the_demo() {
    nothing_is_left(&Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/demo"), &[]);
}

#[test]
fn nothing_is_left_of_a_real_orchestrated_migration() {
    if let Some(run) = common::capture("openstack-live") {
        nothing_is_left(&run, &["openstack-live"]);
    }
}

fn end(ip: &str, port: u16) -> Endpoint {
    Endpoint::new(ip.parse().unwrap(), port)
}

/// A download over IPv4 and IPv6 with names in it, pings, an announcement, neighbours.
fn gossip() -> Vec<(i64, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut ms = 0;
    let mut put = |frame: Vec<u8>| {
        ms += 7;
        frames.push((ms, frame));
    };
    for (client, server) in [("10.11.12.13", "192.0.2.77"), ("2001:db8:77::13", "2001:db8:99::50")] {
        let (c, s) = (end(client, 40_123), end(server, 80));
        let request = b"GET /budi/holiday.mp4 HTTP/1.1\r\nHost: vm-of-budi.example\r\nUser-Agent: Budi\r\n\r\n";
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: secret-server\r\n\r\nhello";
        let tcp = |seq, ack, flags| Tcp { seq, ack, flags, window: 1000, ..Tcp::default() };
        put(packet::tcp_frame(c, s, &tcp(1, 0, Flags::SYN), b""));
        put(packet::tcp_frame(s, c, &tcp(1, 2, Flags::SYN | Flags::ACK), b""));
        put(packet::tcp_frame(c, s, &tcp(2, 2, Flags::ACK), request));
        put(packet::tcp_frame(s, c, &tcp(2, 2 + request.len() as u32, Flags::ACK), answer));
        put(packet::tcp_frame(c, s, &tcp(2 + request.len() as u32, 2 + answer.len() as u32, Flags::FIN | Flags::ACK), b""));
        for n in 0..20 {
            put(packet::icmp_frame(c.ip, s.ip, false, 7, n, b"who is it"));
            put(packet::icmp_frame(s.ip, c.ip, true, 7, n, b"who is it"));
        }
    }
    put(packet::announcement(Mac([0x52, 0x54, 0, 0xab, 0xcd, 0xef])));
    frames
}

#[test]
fn nothing_is_left_of_names_in_a_generated_capture() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm-of-budi.pcap");
    write(&path, &gossip());
    nothing_is_left(&path, &["budi", "Budi", "vm-of-budi", "holiday", "52:54:00:ab:cd:ef", "10.11.12.13", "2001:db8:77::13"]);
}

fn write(path: &Path, frames: &[(i64, Vec<u8>)]) {
    let file = fs::File::create(path).unwrap();
    let mut writer = PcapWriter::new(file, LinkType::ETHERNET, 65_535, Precision::Nanoseconds, ByteOrder::Little).unwrap();
    for (ms, frame) in frames {
        writer.write(Timestamp(1_700_000_000_000_000_000 + ms * 1_000_000), frame.len() as u32, frame).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn slices_hold_no_address_and_no_payload() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.pcap");
    write(&path, &gossip());
    let anonymize = key(dir.path(), "key");
    lmpcap(&["slice", "run.pcap", "--around", "2023-11-14T22:13:20Z", "--margin", "60s", "-o", "cut.pcapng", &anonymize], dir.path());
    let bytes = fs::read(dir.path().join("cut.pcapng")).unwrap();
    let mut secret: Vec<Vec<u8>> =
        vec![b"budi".to_vec(), b"hello".to_vec(), b"Host".to_vec(), b"who is it".to_vec(), vec![0x52, 0x54, 0, 0xab, 0xcd, 0xef]];
    for ip in ["10.11.12.13", "192.0.2.77", "2001:db8:77::13", "2001:db8:99::50"] {
        let ip: IpAddr = ip.parse().unwrap();
        secret.push(packet::mac_of(ip).0.to_vec());
        secret.push(match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        });
    }
    for secret in &secret {
        assert!(!bytes.windows(secret.len()).any(|w| w == secret), "{secret:02x?} is in the slice");
    }
    // The slice and the report under one key name the same conversations; what was on the wire stays.
    lmpcap(&["analyze", "run.pcap", "-o", "closed", "--format", "json", &anonymize], dir.path());
    lmpcap(&["analyze", "cut.pcapng", "-o", "cut", "--format", "json"], dir.path());
    let flows = |folder: &str| -> Vec<(String, u64, u64)> {
        let report = json(&dir.path().join(folder).join("report.json"));
        let text = |f: &Value| (f["key"].as_str().unwrap().to_owned(), f["packets"].as_u64().unwrap(), f["bytes"].as_u64().unwrap());
        let mut flows: Vec<_> = report["flows"].as_array().unwrap().iter().map(text).collect();
        flows.sort();
        flows
    };
    assert!(flows("cut").len() >= 4, "{:?}", flows("cut"));
    assert_eq!(flows("cut"), flows("closed"));
}

/// Per capture: frames with a wrong checksum among those of which tshark sees everything that a checksum covers.
fn wrong_checksums(file: &Path, filter: &str) -> usize {
    let options = ["ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE"];
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(options.iter().flat_map(|o| ["-o", o])).args(["-Y", filter, "-T", "fields", "-e", "frame.number"]);
    common::stdout(&mut tshark).lines().count()
}

#[test]
fn checksums_of_real_slices_are_as_good_as_before() {
    if !common::has("tshark", "tshark") {
        return;
    }
    let Some(run) = common::capture("vxlan") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (run, anonymize) = (run.to_str().unwrap(), key(dir.path(), "key"));
    lmpcap(&["slice", run, "--margin", "1s", "-o", "open.pcapng"], dir.path());
    lmpcap(&["slice", run, "--margin", "1s", "-o", "closed.pcapng", &anonymize], dir.path());
    let (open, closed) = (dir.path().join("open.pcapng"), dir.path().join("closed.pcapng"));
    // Without payload tshark still judges IP headers and segments that carry nothing.
    for wrong in ["ip.checksum.status == 0", "tcp.len == 0 && tcp.checksum.status == 0"] {
        assert_eq!(wrong_checksums(&open, wrong), wrong_checksums(&closed, wrong), "{wrong}");
    }
    for good in ["ip.checksum.status == 1", "tcp.len == 0 && tcp.checksum.status == 1"] {
        let (before, after) = (wrong_checksums(&open, good), wrong_checksums(&closed, good));
        assert!(after > 100 && before == after, "{good}: {before} before, {after} after");
    }
    let count = |file: &Path, filter: &str| wrong_checksums(file, filter);
    for same in ["tcp", "udp.port == 4789", "icmp.type == 8", "arp", "frame.comment"] {
        assert_eq!(count(&open, same), count(&closed, same), "{same}");
    }
}
