//! The command as a user meets it: exit codes, messages on bad input, output on standard output.
#![cfg(feature = "testkit")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use lmpcap::testkit::packet;
use serde_json::Value;

fn lmpcap(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lmpcap")).args(args).current_dir(folder).output().expect("the binary runs")
}

fn code(out: &Output) -> i32 {
    out.status.code().expect("no signal")
}

fn stderr(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// A classic pcap of microseconds, little endian, Ethernet.
fn pcap(frames: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(word.to_le_bytes());
    }
    for (ms, frame) in frames {
        for word in [1_700_000_000 + ms / 1000, ms % 1000 * 1000, frame.len() as u32, frame.len() as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// Ten pings and their answers.
fn pings() -> Vec<(u32, Vec<u8>)> {
    let mut frames = Vec::new();
    for n in 0..10u16 {
        for reply in [false, true] {
            let (a, b) = ("192.0.2.10".parse().unwrap(), "192.0.2.50".parse().unwrap());
            let (src, dst) = if reply { (b, a) } else { (a, b) };
            frames.push((u32::from(n) * 100 + u32::from(reply) * 2, packet::icmp_frame(src, dst, reply, 7, n, &[0; 56])));
        }
    }
    frames
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(name), bytes).unwrap();
}

#[test]
fn one_file_of_pings_becomes_json_on_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "run.pcap", &pcap(&pings()));
    let out = lmpcap(&["analyze", "run.pcap", "--format", "json", "-o", "-"], dir.path());
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    let report: Value = serde_json::from_slice(&out.stdout).expect("JSON alone");
    assert_eq!(report["schema"], "lmpcap.report/1");
    assert_eq!(report["points"][0]["packets"], 20);
    assert_eq!(report["coverage"]["decoded"], 20);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is written");
}

#[test]
fn a_pipe_is_read_like_a_file() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "run.pcap", &pcap(&pings()));
    let input = fs::File::open(dir.path().join("run.pcap")).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_lmpcap"))
        .args(["analyze", "-", "--format", "json", "-o", "-"])
        .stdin(input)
        .current_dir(dir.path())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(report["points"][0]["packets"], 20);
    assert_eq!(report["points"][0]["files"][0]["path"], "-");
}

#[test]
fn nothing_to_read_is_exit_2_and_says_what_was_expected() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "zero.pcap", b"");
    write(dir.path(), "text.pcap", b"this is no capture at all, but a text that somebody named so\n");
    fs::create_dir(dir.path().join("empty")).unwrap();
    write(dir.path(), "run.pcap", &pcap(&pings()));
    for (args, says) in [
        (vec!["analyze", "missing.pcap"], "missing.pcap"),
        (vec!["analyze", "empty"], "client*.pcap"),
        (vec!["analyze", "zero.pcap"], "zero.pcap"),
        (vec!["analyze", "text.pcap"], "text.pcap"),
        (vec!["analyze"], "Give a capture"),
        (vec!["analyze", "run.pcap", "--format", "film"], "there is no format"),
        (vec!["analyze", "run.pcap", "--filter", "port port"], "filter"),
        (vec!["analyze", "run.pcap", "--scale", "nonsense"], "tiphon"),
        (vec!["analyze", "run.pcap", "--clock", "guess"], "expected estimate"),
        (vec!["analyze", "run.pcap", "--link-bandwidth", "fast"], "Gbit/s"),
        (vec!["analyze", "run.pcap", "-o", "-"], "one format"),
        (vec!["analyze", "run.pcap", "--source", "gone.pcap"], "gone.pcap"),
    ] {
        let out = lmpcap(&args, dir.path());
        assert_eq!(code(&out), 2, "{args:?}: {}", stderr(&out));
        assert!(stderr(&out).contains(says), "{args:?} should say {says:?}: {}", stderr(&out));
        assert!(!stderr(&out).contains("panicked"), "{args:?}");
        assert!(!dir.path().join("reports").exists(), "{args:?} wrote a report");
    }
}

#[test]
fn everything_up_to_the_fault_is_analyzed() {
    let dir = tempfile::tempdir().unwrap();
    let whole = pcap(&pings());
    for (name, cut, packets) in
        [("in_record.pcap", whole.len() - 10, 19), ("in_header.pcap", whole.len() - 98 - 8, 19), ("header_only.pcap", 24, 0)]
    {
        write(dir.path(), name, &whole[..cut]);
        let out = lmpcap(&["analyze", name, "--format", "json", "-o", "-"], dir.path());
        assert_eq!(code(&out), 0, "{name}: {}", stderr(&out));
        let report: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(report["points"][0]["packets"], packets, "{name}");
        assert_eq!(report["points"][0]["files"][0]["cut_short"], packets > 0, "{name}");
    }
}

#[test]
fn an_unknown_link_type_and_a_backward_clock_are_said_in_the_report() {
    let dir = tempfile::tempdir().unwrap();
    let mut strange = pcap(&pings());
    strange[20] = 147;
    write(dir.path(), "strange.pcap", &strange);
    let out = lmpcap(&["analyze", "strange.pcap", "--format", "json", "-o", "-"], dir.path());
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    let undecoded: u64 = report["points"][0]["undecoded"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(undecoded, 20, "{report:#}");

    let mut frames = pings();
    frames.reverse();
    write(dir.path(), "backward.pcap", &pcap(&frames));
    let out = lmpcap(&["analyze", "backward.pcap", "--format", "json", "-o", "-"], dir.path());
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(report["coverage"]["decoded"], 20);
}

#[test]
fn no_migration_where_one_was_asked_for_is_exit_3() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["client.pcap", "source.pcap", "destination.pcap"] {
        write(dir.path(), name, &pcap(&pings()));
    }
    let out = lmpcap(&["analyze", ".", "-o", "out"], dir.path());
    assert_eq!(code(&out), 3, "{}", stderr(&out));
    assert!(dir.path().join("out/report.json").is_file(), "the report is written all the same");
}

#[test]
fn a_missed_threshold_is_exit_1() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "run.pcap", &pcap(&pings()));
    let out = lmpcap(&["analyze", "run.pcap", "-o", "out", "--fail-below", "3.9", "-q"], dir.path());
    assert_eq!(code(&out), 1, "{}", stderr(&out));
}

#[test]
fn a_filter_leaves_out_what_does_not_match() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "run.pcap", &pcap(&pings()));
    let out = lmpcap(&["analyze", "run.pcap", "--filter", "src host 192.0.2.50", "--format", "json", "-o", "-"], dir.path());
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(report["coverage"]["decoded"], 10);
}

#[test]
fn help_version_man_and_completions() {
    let dir = tempfile::tempdir().unwrap();
    for args in [vec!["--help"], vec!["analyze", "--help"], vec!["--version"], vec!["man"], vec!["completions", "bash"]] {
        let out = lmpcap(&args, dir.path());
        assert_eq!(code(&out), 0, "{args:?}");
        assert!(!out.stdout.is_empty(), "{args:?}");
    }
}
