//! Faults around a run: disks that are full, folders in the way, inputs that change, signals, pipes. A run ends with a report, or with an
//! error that says why; a file under its final name is always whole.
#![cfg(all(feature = "testkit", unix))]

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use lmpcap::capture::write::{ByteOrder, Precision};
use lmpcap::testkit::fuzz::seeds;
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_lmpcap");

fn capture() -> Vec<u8> {
    seeds::pcap(&seeds::traffic(), Precision::Nanoseconds, ByteOrder::Little)
}

/// The same frames again and again, `mib` long: time goes on, and what comes again is new to nobody.
fn long_capture(mib: usize) -> Vec<u8> {
    let once = capture();
    let (head, records) = once.split_at(24);
    let mut bytes = head.to_vec();
    while bytes.len() < mib << 20 {
        bytes.extend_from_slice(records);
    }
    bytes
}

fn folder_with(bytes: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("run.pcap"), bytes).unwrap();
    dir
}

fn start(args: &[&str], folder: &Path) -> Child {
    let mut command = Command::new(BINARY);
    command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary runs")
}

fn run(args: &[&str], folder: &Path) -> Output {
    start(args, folder).wait_with_output().unwrap()
}

fn said(out: &Output) -> String {
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!text.contains("panicked") && !text.contains("failed inside"), "{text}");
    text
}

/// Every file below `folder`; what has a final name must be whole.
fn whole_files(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            match path.extension().and_then(|e| e.to_str()) {
                Some("json") => drop(serde_json::from_slice::<Value>(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))),
                Some("html") => assert!(bytes.trim_ascii_end().ends_with(b"</html>"), "{}", path.display()),
                Some("parquet") => assert!(bytes.ends_with(b"PAR1"), "{}", path.display()),
                _ => {}
            }
            found.push(path);
        }
    }
    found
}

#[test]
fn a_full_standard_output_is_an_error() {
    let dir = folder_with(&capture());
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else { return common::skip("no /dev/full") };
    let mut command = Command::new(BINARY);
    command.args(["analyze", "run.pcap", "-o", "-", "--format", "json"]).current_dir(dir.path());
    let out = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(2), "{}", said(&out));
    assert!(said(&out).contains("standard output"), "{}", said(&out));
}

#[test]
fn a_full_disk_leaves_whole_files_or_none() {
    // A limit on the size of a file fails a write as a full disk does, wherever it is reached.
    let dir = folder_with(&capture());
    let mut failed = 0;
    for blocks in [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 1024] {
        let out = format!("full-{blocks}");
        let script =
            format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" analyze run.pcap -q -o {out} --format json,html,csv,parquet,docx,svg");
        let ended = Command::new("sh").args(["-c", &script, BINARY]).current_dir(dir.path()).output().unwrap();
        let text = said(&ended);
        let files = whole_files(&dir.path().join(&out));
        assert!(!files.iter().any(|f| f.extension().is_some_and(|e| e == "tmp")), "a leftover: {files:?}");
        match ended.status.code() {
            Some(0) => {}
            Some(2) => {
                failed += 1;
                assert!(text.contains("cannot write the file") && text.contains("free space"), "{text}");
            }
            code => panic!("{blocks} blocks: {code:?} {text}"),
        }
    }
    assert!(failed >= 4, "only {failed} of the limits were met");
}

#[test]
fn a_small_disk_is_told() {
    if !common::root() {
        return;
    }
    let dir = folder_with(&capture());
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=96k", "tmpfs"]).arg(&disk).status().is_ok_and(|s| s.success());
    if !mounted {
        return common::skip("cannot mount a tmpfs");
    }
    let out = run(&["analyze", "run.pcap", "-q", "-o", "disk/report", "--format", "json,csv,html,parquet"], dir.path());
    let slice = run(&["slice", "run.pcap", "--around", "2023-11-14T22:13:20Z", "--margin", "9000h", "-o", "disk/cut.pcapng"], dir.path());
    let files = whole_files(&disk);
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    assert_eq!(out.status.code(), Some(2), "{}", said(&out));
    assert!(said(&out).contains("No space left"), "{}", said(&out));
    assert_ne!(slice.status.code(), None, "{}", said(&slice));
    assert!(!files.iter().any(|f| f.extension().is_some_and(|e| e == "tmp")), "a leftover: {files:?}");
}

#[test]
fn folders_that_cannot_be_written_are_told() {
    let dir = folder_with(&capture());
    fs::write(dir.path().join("file"), b"x").unwrap();
    fs::create_dir_all(dir.path().join("taken/report.json/x")).unwrap();
    for (out, says) in [("file", "file"), ("file/below", "file"), ("/proc/nowhere", "/proc/nowhere"), ("taken", "report.json")] {
        let ended = run(&["analyze", "run.pcap", "-o", out, "--format", "json"], dir.path());
        assert_eq!(ended.status.code(), Some(2), "{out}: {}", said(&ended));
        assert!(said(&ended).contains(says), "{out}: {}", said(&ended));
    }
    for out in ["file/cut.pcapng", "nowhere/cut.pcapng"] {
        let ended = run(&["slice", "run.pcap", "--around", "2023-11-14T22:13:20Z", "-o", out], dir.path());
        assert_eq!(ended.status.code(), Some(2), "{out}: {}", said(&ended));
    }
    assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"x");
}

#[test]
fn another_runs_report_is_replaced_and_what_stays_of_it_is_named() {
    let dir = folder_with(&capture());
    fs::write(dir.path().join("other.pcap"), &capture()[..400]).unwrap();
    assert_ne!(run(&["analyze", "run.pcap", "-o", "out", "--format", "json,markdown,csv"], dir.path()).status.code(), Some(2));
    let json = || -> Value { serde_json::from_slice(&fs::read(dir.path().join("out/report.json")).unwrap()).unwrap() };
    assert_eq!(json()["run"]["name"], "run");
    let out = run(&["analyze", "other.pcap", "-o", "out", "--format", "json,csv"], dir.path());
    assert_eq!(json()["run"]["name"], "other");
    assert!(said(&out).contains("report.md") && !said(&out).contains("csv"), "{}", said(&out));
    let again = run(&["analyze", "other.pcap", "-o", "out", "--format", "json,csv,markdown"], dir.path());
    assert!(!said(&again).contains("report.md"), "{}", said(&again));
}

#[test]
fn an_input_that_grows_is_read_as_far_as_it_goes() {
    let whole = long_capture(4);
    let dir = folder_with(&whole[..whole.len() / 3]);
    let child = start(&["analyze", "run.pcap", "-q", "-o", "out", "--format", "json"], dir.path());
    let mut file = OpenOptions::new().append(true).open(dir.path().join("run.pcap")).unwrap();
    // Pieces that end within records.
    for piece in whole[whole.len() / 3..].chunks(77_777) {
        file.write_all(piece).unwrap();
    }
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    let report: Value = serde_json::from_slice(&fs::read(dir.path().join("out/report.json")).unwrap()).unwrap();
    let file = &report["points"][0]["files"][0];
    assert!(file["packets"].as_u64().unwrap() > 1000, "{file}");
    assert_eq!(file["packets"], report["points"][0]["packets"]);
}

#[test]
fn an_input_that_shrinks_ends_early() {
    for wait in [0, 3, 10, 30, 100, 300] {
        let dir = folder_with(&long_capture(4));
        let child = start(&["analyze", "run.pcap", "-q", "-o", "out", "--format", "json"], dir.path());
        std::thread::sleep(Duration::from_millis(wait));
        OpenOptions::new().write(true).open(dir.path().join("run.pcap")).unwrap().set_len(1000).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(matches!(out.status.code(), Some(0)), "after {wait} ms: {:?} {}", out.status, said(&out));
        assert_eq!(whole_files(&dir.path().join("out")).len(), 1);
    }
}

fn fifo(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_fifo_is_read_like_a_file() {
    let dir = folder_with(&capture());
    let path = fifo(dir.path(), "client.pcap");
    let child = start(&["analyze", "--client", "client.pcap", "-q", "-o", "pipe", "--format", "json"], dir.path());
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    for piece in capture().chunks(1000) {
        file.write_all(piece).unwrap();
    }
    drop(file);
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    run(&["analyze", "--client", "run.pcap", "-q", "-o", "file", "--format", "json"], dir.path());
    let packets = |out: &str| -> Value {
        let report: Value = serde_json::from_slice(&fs::read(dir.path().join(out).join("report.json")).unwrap()).unwrap();
        assert!(report["coverage"]["packets"].as_u64().unwrap() > 10);
        report["flows"].clone()
    };
    assert_eq!(packets("pipe"), packets("file"));
}

/// Sends a signal by name.
fn send(signal: &str, child: &Child) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn signals_end_a_run_with_nothing_half_written() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        // While packets come: the pipe is fed until the process has gone.
        let dir = folder_with(&capture());
        let mut command = Command::new(BINARY);
        command.args(["analyze", "-", "-q", "-o", "out", "--format", "json,html"]).current_dir(dir.path());
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let bytes = long_capture(1);
        input.write_all(&bytes).unwrap();
        send(signal, &child);
        while input.write_all(&bytes[24..]).is_ok() {}
        drop(input);
        let out = child.wait_with_output().unwrap();
        assert_eq!(out.status.code(), Some(code), "SIG{signal}: {}", said(&out));
        assert!(said(&out).contains(&format!("SIG{signal}")), "{}", said(&out));
        assert!(whole_files(&dir.path().join("out")).is_empty());

        // While none come: the pipe stays open and empty.
        let mut command = Command::new(BINARY);
        command.args(["analyze", "-", "-q", "-o", "out", "--format", "json"]).current_dir(dir.path());
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(&capture()).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        send(signal, &child);
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "SIG{signal} on an idle pipe: {text}");
        drop(input);
        assert!(whole_files(&dir.path().join("out")).is_empty());
    }
}

#[test]
fn signals_at_any_moment_leave_whole_files() {
    for wait in (0..60).step_by(6).chain((100..1500).step_by(200)) {
        let dir = folder_with(&long_capture(1));
        let child = start(&["analyze", "run.pcap", "-q", "-o", "out", "--format", "json,html,csv,parquet"], dir.path());
        std::thread::sleep(Duration::from_millis(wait));
        // It may have ended already.
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).stderr(Stdio::null()).status();
        let out = child.wait_with_output().unwrap();
        // Before the handler stands, the signal ends the process itself.
        assert!(matches!(out.status.code(), Some(0 | 143) | None), "after {wait} ms: {:?} {}", out.status, said(&out));
        whole_files(&dir.path().join("out"));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = folder_with(&capture());
    let mut child = start(&["analyze", "run.pcap", "-o", "-", "--format", "json"], dir.path());
    let mut some = [0; 10];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut some).unwrap();
    drop(out);
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    // Nor is a reader that never came.
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" analyze run.pcap --format json -o - >&-", BINARY]).current_dir(dir.path());
    let out = command.output().unwrap();
    assert!(out.status.code().is_some(), "{}", said(&out));
}

#[test]
fn nothing_is_left_open_for_later() {
    // A file that an earlier run left under its temporary name is not in the way.
    let dir = folder_with(&capture());
    fs::create_dir(dir.path().join("out")).unwrap();
    File::create(dir.path().join("out/.report.json.1.tmp")).unwrap();
    assert_eq!(run(&["analyze", "run.pcap", "-q", "-o", "out", "--format", "json"], dir.path()).status.code(), Some(0));
    assert!(dir.path().join("out/report.json").is_file());
}
