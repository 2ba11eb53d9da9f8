//! Calls over AMQP on the control timeline, against what tshark makes of the same frames.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Real Nova migrations, with the method by which each ends.
const RUNS: &[(&str, &str)] =
    &[("openstack-live", "post_live_migration_at_destination"), ("openstack-abort", "rollback_live_migration_at_destination")];

/// A message as tshark shows it.
struct Shown {
    frame: u64,
    epoch: f64,
    published: bool,
    envelope: Value,
}

/// The messages with an envelope of oslo.messaging in one capture.
fn shown(capture: &Path) -> Vec<Shown> {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("capture.pcap");
    let out = Command::new("zstd").arg("-dqc").arg(capture).output().unwrap();
    std::fs::write(&plain, out.stdout).unwrap();
    let fields = ["frame.number", "frame.time_epoch", "tcp.dstport", "amqp.payload"];
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&plain).args(["-Y", "amqp.payload", "-T", "fields"]);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let text = common::stdout(&mut tshark);
    text.lines()
        .flat_map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let (frame, epoch, published) = (columns[0].parse().unwrap(), columns[1].parse().unwrap(), columns[2] == "5672");
            let bodies: Vec<Value> = columns[3].split(',').filter_map(envelope).collect();
            bodies.into_iter().map(move |envelope| Shown { frame, epoch, published, envelope })
        })
        .collect()
}

/// What is inside `oslo.message` of a body in hexadecimal digits.
fn envelope(hex: &str) -> Option<Value> {
    let digits: Vec<u8> = hex.bytes().filter(|b| *b != b':').collect();
    let bytes: Vec<u8> = digits.chunks(2).filter_map(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok()).collect();
    let outer: Value = serde_json::from_slice(&bytes).ok()?;
    serde_json::from_str(outer["oslo.message"].as_str()?).ok()
}

fn report(run: &Path) -> Value {
    let mut lmpcap = Command::new(env!("CARGO_BIN_EXE_lmpcap"));
    serde_json::from_str(&common::stdout(lmpcap.arg("analyze").arg(run).args(["--format", "json", "-o", "-"]))).unwrap()
}

fn epoch(time: &Value) -> f64 {
    lmpcap::base::time::Timestamp::parse_rfc3339(time.as_str().unwrap()).unwrap().0 as f64 / 1e9
}

fn amqp(report: &Value) -> Vec<&Value> {
    report["control"].as_array().unwrap().iter().filter(|s| s["detail"].as_str().unwrap().starts_with("AMQP")).collect()
}

/// Each call that tshark shows on the controller is one step, at the time of its frame; its reply comes when tshark sees it.
#[test]
fn calls_are_where_tshark_sees_them() {
    if !common::has("tshark", "tshark") || !common::has("zstd", "zstd") {
        return;
    }
    for (name, last) in RUNS {
        let Some(run) = common::capture(name) else { return };
        let messages = shown(&run.join("controller.pcap.zst"));
        let calls: BTreeMap<&str, &Shown> = messages
            .iter()
            .filter(|m| m.published && m.envelope["method"].is_string())
            .map(|m| (m.envelope["_unique_id"].as_str().unwrap(), m))
            .collect();
        assert!(calls.len() > 50, "{name}: tshark shows {} calls", calls.len());
        let report = report(&run);
        let steps = amqp(&report);
        for call in calls.values() {
            let method = call.envelope["method"].as_str().unwrap();
            let near = |s: &&&Value| s["what"] == method && (epoch(&s["time"]) - call.epoch).abs() <= 0.001;
            let step = steps.iter().find(near).unwrap_or_else(|| panic!("{name}: {method} at {} in frame {}", call.epoch, call.frame));
            let request = call.envelope["_context_request_id"].as_str();
            assert!(request.is_none_or(|id| step["detail"].as_str().unwrap().contains(id)), "{name}: {step}");
            // The last delivery of a reply to the call.
            let reply = |m: &&Shown| !m.published && !m.envelope["method"].is_string() && m.envelope["_msg_id"] == call.envelope["_msg_id"];
            let answer = call.envelope["_msg_id"].as_str().and_then(|_| messages.iter().rfind(reply));
            match (answer, step["ms"].as_f64()) {
                (Some(answer), Some(ms)) => {
                    let expected = (answer.epoch - call.epoch) * 1000.0;
                    assert!((ms - expected).abs() <= 1.0, "{name}: {method} took {expected} ms: {step}");
                }
                (None, None) => {}
                (answer, ms) => panic!("{name}: {method}: answered in {:?}, here {ms:?}", answer.map(|a| a.frame)),
            }
        }
        let extra: BTreeSet<&str> = steps.iter().filter_map(|s| s["what"].as_str()).collect();
        for what in
            ["live_migrate_instance", "select_destinations", "check_can_live_migrate_source", "live_migration", "pre_live_migration", last]
        {
            assert!(extra.contains(what), "{name}: {what} of {extra:?}");
        }
        // None is listed twice, though three points saw many of them.
        assert_eq!(steps.iter().filter(|s| s["what"] == "pre_live_migration").count(), 1, "{name}");
        assert!(
            steps.len() >= calls.len() && steps.len() <= calls.len() + calls.len() / 10,
            "{name}: {} here, {} in tshark",
            steps.len(),
            calls.len()
        );
    }
}

/// What the bodies hold beside the names of calls: tokens and the catalogue's addresses.
#[test]
fn no_secret_of_a_body_reaches_the_report() {
    if !common::has("tshark", "tshark") || !common::has("zstd", "zstd") {
        return;
    }
    for (name, _) in RUNS {
        let Some(run) = common::capture(name) else { return };
        let messages = shown(&run.join("controller.pcap.zst"));
        let tokens: BTreeSet<&str> = messages.iter().filter_map(|m| m.envelope["_context_auth_token"].as_str()).collect();
        assert!(!tokens.is_empty());
        let text = report(&run).to_string();
        for token in tokens {
            assert!(!text.contains(token) && !text.contains(&token[..24]), "{name}: {token}");
        }
    }
}
