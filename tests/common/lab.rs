//! The lab: fresh real migrations, made on this machine by `tests/lab/lab.py`.

#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

use crate::common;

/// What the lab runs, and the packages that have it.
const TOOLS: [(&str, &str); 12] = [
    ("python3", "python3"),
    ("ip", "iproute2"),
    ("tcpdump", "tcpdump"),
    ("dumpcap", "wireshark-common"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("ffmpeg", "ffmpeg"),
    ("nft", "nftables"),
    ("ethtool", "ethtool"),
    ("ping", "iputils-ping"),
    ("curl", "curl"),
];

/// About a third of the guests is dead after a migration that QEMU calls completed: an emulated processor loses a dirtied page now and then.
const TRIES: usize = 6;

/// Two migrations at once, or one beside an analysis, would take each other's processor.
static ONE: Mutex<()> = Mutex::new(());

/// A migration that was made, and what QEMU says of it.
pub struct Made {
    folder: TempDir,
    _alone: MutexGuard<'static, ()>,
    /// `truth.json`.
    pub truth: Value,
}

impl Made {
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `query-migrate` at the end.
    pub fn said(&self) -> &Value {
        &self.truth["query_migrate"]
    }

    /// A counter of `query-migrate`'s `ram`.
    pub fn ram(&self, name: &str) -> u64 {
        self.said()["ram"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {}", self.said()))
    }

    /// STOP on the source to RESUME on the destination, in milliseconds.
    pub fn pause_ms(&self) -> f64 {
        let last = |events: &Value, name: &str| {
            let all = events.as_array().unwrap();
            all.iter().rev().find(|e| e["event"] == name).unwrap_or_else(|| panic!("no {name}"))["t"].as_f64().unwrap()
        };
        (last(&self.truth["destination_events"], "RESUME") - last(&self.truth["source_events"], "STOP")) * 1000.0
    }

    /// lmpcap's report.
    pub fn report(&self) -> Value {
        report(self.path(), &[])
    }
}

/// lmpcap's report of a run; the run must be readable.
pub fn report(run: &Path, options: &[&str]) -> Value {
    let out = Command::new(env!("CARGO_BIN_EXE_lmpcap"))
        .arg("analyze")
        .arg(run)
        .args(["--format", "json", "-o", "-", "-q"])
        .args(options)
        .output()
        .expect("the binary runs");
    assert!(matches!(out.status.code(), Some(0 | 3)), "{}: {} {}", run.display(), out.status, String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("the report is JSON")
}

/// True if migrations can be made here.
pub fn can() -> bool {
    common::root() && TOOLS.iter().all(|(tool, package)| common::has(tool, package)) && namespaces() && kernel()
}

fn namespaces() -> bool {
    let name = format!("lmpcap-try-{}-{:?}", std::process::id(), std::thread::current().id()).replace(['(', ')'], "");
    let ip = |what: &str| Command::new("ip").args(["netns", what, &name]).output().is_ok_and(|o| o.status.success());
    let made = ip("add");
    if made {
        ip("del");
    } else {
        common::skip("network namespaces cannot be made here");
    }
    made
}

fn kernel() -> bool {
    let found = std::fs::read_dir("/boot").is_ok_and(|d| d.flatten().any(|e| e.file_name().to_string_lossy().starts_with("vmlinuz")));
    if !found {
        common::skip("no kernel in /boot (Debian: apt install linux-image-amd64)");
    }
    found
}

/// Makes a migration. `alive`: until one is made that the guest lives through.
pub fn migration(options: &[&str], alive: bool) -> Option<Made> {
    if !can() {
        return None;
    }
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab.py");
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("lab-guest");
    let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..TRIES {
        let folder = tempfile::tempdir().unwrap();
        let out = Command::new("python3").arg(&lab).arg(folder.path()).arg("--cache").arg(&cache).args(options).output().unwrap();
        match out.status.code() {
            Some(0) => {}
            Some(4) if !alive => {}
            Some(4) => continue,
            _ => {
                panic!("the lab failed with {options:?}: {}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
            }
        }
        let text = std::fs::read_to_string(folder.path().join("truth.json")).expect("truth.json");
        return Some(Made { folder, _alone: alone, truth: serde_json::from_str(&text).unwrap() });
    }
    panic!("no guest lived through {TRIES} migrations with {options:?}");
}
