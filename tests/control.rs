//! The orchestration in real captures of OpenStack and libvirt: what the report tells against the captures' own accounts and tshark.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use lmpcap::base::time::Timestamp;
use serde_json::Value;

const OPENSTACK: [&str; 2] = ["openstack-live", "openstack-abort"];
/// A time agrees within this.
const CLOSE: i64 = 1_000_000;

/// Reports of a run in every format; the folder.
fn analyzed(run: &Path, into: &Path, lang: &str) -> PathBuf {
    let out = into.join(format!("report-{lang}"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmpcap"));
    command.args(["analyze", "-q", "--clock", "trusted", "--lang", lang, "--format", "json,html,csv,markdown,latex,svg,text"]);
    let done = command.arg(run).arg("-o").arg(&out).output().expect("the binary runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    out
}

fn report(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap()
}

fn unpacked(run: &Path, role: &str, into: &Path) -> Option<PathBuf> {
    let packed = std::fs::File::open(run.join(format!("{role}.pcap.zst"))).ok()?;
    let out = into.join(format!("{role}.pcap"));
    std::fs::write(&out, zstd::decode_all(packed).expect("zstd")).expect("room for a capture");
    Some(out)
}

fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-Y", filter, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=\u{1f}"]);
    for field in fields {
        command.args(["-e", field]);
    }
    common::stdout(&mut command).lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// Nanoseconds of `seconds.fraction`.
fn nanos(text: &str) -> i64 {
    let (whole, part) = text.split_once('.').expect("a fraction");
    whole.parse::<i64>().unwrap() * 1_000_000_000 + format!("{part:0<9}")[..9].parse::<i64>().unwrap()
}

fn time(step: &Value) -> i64 {
    Timestamp::parse_rfc3339(step["time"].as_str().unwrap()).expect("a time").0
}

fn text<'a>(step: &'a Value, name: &str) -> &'a str {
    step[name].as_str().unwrap_or_default()
}

/// One call as tshark sees it.
#[derive(Debug)]
struct Seen {
    asked: i64,
    client: String,
    line: String,
    answer: Option<(i64, String)>,
    /// The capture does not have all of the request or of the head of the answer.
    cut: bool,
}

/// The calls of OpenStack's APIs in a capture.
fn calls(file: &Path) -> Vec<Seen> {
    let fields = ["http.request_in", "frame.time_epoch", "http.response.code", "frame.len", "frame.cap_len"];
    let answers: BTreeMap<String, (i64, String, bool)> =
        tshark(file, "http.response", &fields).into_iter().map(|f| (f[0].clone(), (nanos(&f[1]), f[2].clone(), f[3] != f[4]))).collect();
    let fields = [
        "frame.number",
        "frame.time_epoch",
        "ip.src",
        "tcp.srcport",
        "http.request.method",
        "http.request.uri",
        "frame.len",
        "frame.cap_len",
    ];
    let of_api = |uri: &str| ["/v2", "/v3", "/allocation", "/resource_providers"].iter().any(|p| uri.starts_with(p));
    tshark(file, "http.request", &fields)
        .into_iter()
        .filter(|f| of_api(&f[5]))
        .map(|f| Seen {
            asked: nanos(&f[1]),
            client: format!("{}:{}", f[2], f[3]),
            line: format!("{} {}", f[4], f[5].split('?').next().unwrap()),
            answer: answers.get(&f[0]).map(|a| (a.0, a.1.clone())),
            cut: f[6] != f[7] || answers.get(&f[0]).is_some_and(|a| a.2),
        })
        .collect()
}

/// The step of the report that is this call.
fn find<'a>(control: &'a [Value], seen: &Seen) -> Option<&'a Value> {
    control.iter().find(|step| {
        let detail = text(step, "detail");
        let line = detail.strip_prefix(seen.line.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ';']));
        line && text(step, "from") == seen.client && (time(step) - seen.asked).abs() <= CLOSE
    })
}

#[test]
fn every_api_call_is_found_where_tshark_sees_it() {
    if !common::has("tshark", "tshark") {
        return;
    }
    for run in OPENSTACK {
        let Some(folder) = common::capture(run) else { return };
        let dir = tempfile::tempdir().unwrap();
        let report = report(&analyzed(&folder, dir.path(), "en"));
        let control = report["control"].as_array().unwrap();
        let seen = calls(&unpacked(&folder, "controller", dir.path()).unwrap());
        assert!(seen.len() > 60, "{run}: {} calls", seen.len());
        let (mut latest, mut cut) = (0, 0);
        for call in &seen {
            let step = find(control, call).unwrap_or_else(|| panic!("{run}: {call:?}"));
            latest = latest.max((time(step) - call.asked).abs());
            let Some((at, status)) = &call.answer else { continue };
            assert!(text(step, "detail").split("; ").any(|part| part == status), "{run}: {call:?}: {step}");
            // Where the answer ends cannot be told without its head.
            let Some(ms) = step["ms"].as_f64() else {
                assert!(call.cut && text(step, "detail").ends_with("; not whole: gap"), "{run}: {call:?}: {step}");
                cut += 1;
                continue;
            };
            let end = time(step) + (ms * 1e6) as i64;
            assert!((end - at).abs() <= CLOSE, "{run}: {call:?}: {step}");
            latest = latest.max((end - at).abs());
        }
        eprintln!("{run}: {} calls, {cut} with heads cut off, times at most {latest} ns apart", seen.len());
        let api = control.iter().filter(|s| s["kind"] == "api").count();
        assert_eq!(api, seen.len(), "{run}: calls told once, and nothing else");
    }
}

/// `HH:MM:SS.ffffff`, on the day of the captures.
fn of_day(text: &str) -> Option<i64> {
    Timestamp::parse_rfc3339(&format!("2026-11-24T{text}Z")).map(|t| t.0)
}

#[test]
fn the_events_that_the_captures_list_are_found() {
    for run in OPENSTACK {
        let Some(folder) = common::capture(run) else { return };
        let dir = tempfile::tempdir().unwrap();
        let report = report(&analyzed(&folder, dir.path(), "en"));
        let control = report["control"].as_array().unwrap();
        let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
        let mut found = 0;
        for line in readme.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [at, _, "->", service, method, path, ..] = words[..] else { continue };
            let (true, Some(at)) = (["GET", "POST", "PUT", "DELETE"].contains(&method), of_day(at)) else { continue };
            let start = format!("{method} {}", path.split('?').next().unwrap());
            let step = control.iter().find(|s| text(s, "detail").starts_with(&start) && (time(s) - at).abs() <= CLOSE);
            let step = step.unwrap_or_else(|| panic!("{run}: {line}"));
            let (_, answer) = line.split_once("=> ").expect("an answer");
            assert!(text(step, "detail").contains(&format!("; {}", &answer[..3])), "{run}: {line}: {step}");
            assert_eq!(text(step, "outcome"), if &answer[..1] == "2" { "ok" } else { "failed" }, "{step}");
            assert!(["keystone", "nova", "placement", "neutron", "glance"].contains(&service), "{line}");
            found += 1;
        }
        assert!(found >= 15, "{run}: {found}");
        eprintln!("{run}: {found} events");
    }
}

#[test]
fn the_chain_of_a_live_migration() {
    for run in OPENSTACK {
        let Some(folder) = common::capture(run) else { return };
        let dir = tempfile::tempdir().unwrap();
        let report = report(&analyzed(&folder, dir.path(), "en"));
        let control = report["control"].as_array().unwrap();
        let asked: Vec<&Value> = control.iter().filter(|s| s["what"] == "os-migrateLive").collect();
        let [asked] = asked[..] else { panic!("{run}: {asked:?}") };
        assert!(text(asked, "detail").contains("os-migrateLive block_migration=auto host=null; 202"), "{asked}");
        assert_eq!(asked["user"], "admin", "{asked}");
        // The client's own log tells the id that it was given.
        let log = std::fs::read_to_string(folder.join("client.out")).unwrap();
        let id = log.split_whitespace().find(|w| w.starts_with("req-")).expect("a request id");
        assert_eq!(asked["request_id"], id);
        let chain: BTreeSet<&str> = control.iter().filter(|s| s["chain"] == id).map(|s| text(s, "what")).collect();
        let mut wanted = vec!["os-migrateLive", "allocations-move", "allocation-candidates", "allocations-set"];
        wanted.extend(["port-binding-create", "port-update", "port-binding-delete"]);
        if run == "openstack-live" {
            wanted.extend(["port-binding-activate", "allocations-clear"]);
        }
        for what in wanted {
            assert!(chain.contains(what), "{run}: {what} is not in {chain:?}");
        }
        // Nova asked Keystone who the client is when it got its first call: that check is of that call's chain.
        let check = control.iter().find(|s| s["what"] == "token-check").expect("a token check");
        let cause = control.iter().find(|s| s["chain"] == check["chain"] && s["what"] != "token-check");
        assert_eq!(cause.map(|s| (&s["what"], &s["user"])), Some((&Value::from("server-list"), &Value::from("admin"))), "{check}");
    }
}

#[test]
fn no_secret_of_the_captures_is_in_any_output() {
    if !common::has("tshark", "tshark") {
        return;
    }
    for run in OPENSTACK {
        let Some(folder) = common::capture(run) else { return };
        let dir = tempfile::tempdir().unwrap();
        let secrets = secrets(&folder, dir.path());
        assert!(secrets.len() >= 5, "{run}: {} secrets known", secrets.len());
        let mut files = 0;
        for lang in ["en", "id"] {
            let mut open = vec![analyzed(&folder, dir.path(), lang)];
            while let Some(entry) = open.pop() {
                if entry.is_dir() {
                    open.extend(std::fs::read_dir(&entry).unwrap().map(|e| e.unwrap().path()));
                    continue;
                }
                files += 1;
                let bytes = std::fs::read(&entry).unwrap();
                for secret in &secrets {
                    assert!(memchr::memmem::find(&bytes, secret).is_none(), "{run}: {} holds a secret", entry.display());
                }
            }
        }
        eprintln!("{run}: {} secrets, {files} files", secrets.len());
        assert!(files >= 20, "{run}: {files} files");
    }
}

/// What tshark finds of fields of HTTP that hold secrets, and the values of passwords in what the captures hold, wherever they are.
fn secrets(run: &Path, into: &Path) -> BTreeSet<Vec<u8>> {
    const FIELDS: [&str; 6] = ["x-auth-token", "x-subject-token", "x-service-token", "cookie", "set-cookie", "authorization"];
    let mut found = BTreeSet::new();
    for role in ["client", "source", "destination", "controller"] {
        let Some(file) = unpacked(run, role, into) else { continue };
        for line in tshark(&file, "http", &["http.request.line", "http.response.line"]).concat() {
            for line in line.split('\u{1f}') {
                if let Some((name, value)) = line.split_once(':')
                    && FIELDS.contains(&name.trim().to_ascii_lowercase().as_str())
                {
                    found.insert(value.trim().trim_end_matches("\\r\\n").as_bytes().to_vec());
                }
            }
        }
        let bytes = std::fs::read(&file).unwrap();
        for name in [&b"\"password\": \""[..], b"\"adminPass\": \"", b"_token\\\": \\\"", b"_password\": \""] {
            for at in memchr::memmem::find_iter(&bytes, name) {
                let value = &bytes[at + name.len()..];
                let end = value.iter().position(|b| matches!(b, b'"' | b'\\')).unwrap_or(0);
                found.insert(value[..end].to_vec());
            }
        }
    }
    // A report may cut a text: the first part is enough to know it. Shorter ones are in any text.
    found.into_iter().filter(|s| s.len() >= 6).map(|s| s[..s.len().min(32)].to_vec()).collect()
}
