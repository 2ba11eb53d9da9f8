//! Whole reports of real captures whose clocks were set wrong, at random: the offsets come back, and no duration changes.

mod common;

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use lmpcap::base::time::{NS_PER_S, Nanos, Timestamp};
use lmpcap::capture::{self, OpenOptions, Source};
use serde_json::Value;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn within(&mut self, most: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % (2 * most as u64 + 1)) as i64 - most
    }
}

/// A clock that is `offset` ahead at `origin` and gains `ppm`.
#[derive(Clone, Copy, Debug, Default)]
struct Wrong {
    offset: i64,
    ppm: i64,
}

impl Wrong {
    fn read(self, t: Timestamp, origin: Timestamp) -> Timestamp {
        t + Nanos(self.offset + (i128::from((t - origin).0) * i128::from(self.ppm) / 1_000_000) as i64)
    }
}

/// Writes one file again as pcap with ns, on the wrong clock.
fn rewrite(from: &Path, to: &Path, clock: Wrong, origin: Timestamp) {
    let mut source = capture::open_point(&[from.to_owned()], &OpenOptions::default()).unwrap();
    let mut out = BufWriter::new(std::fs::File::create(to).unwrap());
    let mut begun = false;
    while let Some(frame) = source.next_frame().unwrap() {
        if !std::mem::replace(&mut begun, true) {
            let words = [0xa1b2_3c4du32, 2 | 4 << 16, 0, 0, 262_144, u32::from(frame.link.0)];
            words.iter().for_each(|w| out.write_all(&w.to_le_bytes()).unwrap());
        }
        let at = clock.read(frame.at, origin).0;
        let words = [(at / NS_PER_S) as u32, (at % NS_PER_S) as u32, frame.bytes.len() as u32, frame.wire_len];
        words.iter().for_each(|w| out.write_all(&w.to_le_bytes()).unwrap());
        out.write_all(frame.bytes).unwrap();
    }
    out.flush().unwrap();
}

fn report(folder: &Path) -> Value {
    report_with(folder, &[])
}

fn report_with(folder: &Path, options: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmpcap"));
    let out = command.arg("analyze").arg(folder).args(["--format", "json", "-o", "-"]).args(options).output().unwrap();
    assert!(out.status.success(), "{}: {}", folder.display(), String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// The run with client and destination on these clocks. The origin of all drifts is `origin`.
fn shifted(folder: &Path, clocks: [Wrong; 2], origin: Timestamp) -> Value {
    report(set_wrong(folder, clocks, origin).path())
}

fn set_wrong(folder: &Path, clocks: [Wrong; 2], origin: Timestamp) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let Some((stem, _)) = name.split_once(".pcap") else { continue };
        let clock = match stem.split('-').next() {
            Some("client") => clocks[0],
            Some("destination") => clocks[1],
            _ => Wrong::default(),
        };
        rewrite(&file, &out.path().join(format!("{stem}.pcap")), clock, origin);
    }
    out
}

/// Durations that must not depend on the clocks.
fn durations(report: &Value) -> Vec<(String, Option<f64>)> {
    let mut all = Vec::new();
    for m in report["migrations"].as_array().unwrap() {
        all.push(("total".to_owned(), m["total_ms"]["estimate"].as_f64()));
        for kind in ["vm", "network"] {
            for end in ["lower", "estimate", "upper"] {
                all.push((format!("{kind} {end}"), m["downtime"][kind]["ms"][end].as_f64()));
            }
        }
        for s in m["downtime"]["service"].as_array().unwrap() {
            all.push((format!("{} {}", s["service"], s["direction"]), s["ms"].as_f64()));
        }
    }
    all
}

#[test]
fn clocks_set_wrong_at_random_change_no_duration() {
    for (name, seed) in [("none", 1), ("vxlan", 2), ("lossy", 3), ("online", 4), ("none", 5)] {
        let Some(folder) = common::capture(name) else { return };
        let origin = Timestamp::parse_rfc3339(report(&folder)["run"]["start"].as_str().unwrap()).unwrap();
        let mut random = Random(seed);
        let clocks = [(); 2].map(|()| Wrong { offset: random.within(3600 * NS_PER_S), ppm: random.within(200) });
        let right = shifted(&folder, [Wrong::default(); 2], origin);
        let wrong = shifted(&folder, clocks, origin);
        let points = |r: &Value| r["points"].as_array().unwrap().clone();
        for (before, after) in points(&right).iter().zip(points(&wrong)) {
            let clock = match after["role"].as_str() {
                Some("client") => clocks[0],
                Some("destination") => clocks[1],
                _ => continue,
            };
            let (found, unsure) = (after["clock"]["offset_ns"].as_i64().unwrap(), after["clock"]["uncertainty_ns"].as_i64().unwrap());
            assert!(unsure <= 1_000_000, "{name}, seed {seed}: {after:#}");
            // The captures were made on one machine: the offset of the clock as it was is zero.
            let files = before["files"].as_array().unwrap().iter();
            let first = files.filter_map(|f| Timestamp::parse_rfc3339(f["first"].as_str()?)).min().unwrap();
            let first = Timestamp(first.0 - before["clock"]["offset_ns"].as_i64().unwrap());
            let off = found + (clock.read(first, origin) - first).0;
            assert!(off.abs() <= unsure, "{name}, seed {seed}, {clock:?}: off by {off} ns, said ± {unsure} ns");
        }
        let (a, b) = (durations(&right), durations(&wrong));
        assert_eq!(a.len(), b.len(), "{name}, seed {seed}: {a:?} {b:?}");
        for ((what, x), (also, y)) in a.iter().zip(&b) {
            assert_eq!(what, also, "{name}, seed {seed}");
            let same = match (x, y) {
                (Some(x), Some(y)) => (x - y).abs() < 2.0,
                (x, y) => x == y,
            };
            assert!(same, "{name}, seed {seed}, {what}: {x:?} became {y:?}");
        }
    }
}

#[test]
fn every_form_of_the_clock_option_gives_the_same_durations() {
    let Some(folder) = common::capture("none") else { return };
    let estimated = report(&folder);
    let second = Wrong { offset: -2500 * NS_PER_S / 1000, ppm: 0 };
    let hundredth = Wrong { offset: NS_PER_S / 100, ppm: 0 };
    let wrong = set_wrong(&folder, [second, hundredth], Timestamp(0));
    let cases = [
        (folder.as_path(), "trusted", ["trusted", "reference", "trusted"], [0, 0, 0]),
        (wrong.path(), "client=+2.5s,destination=-10ms", ["given"; 3], [2_500_000_000, 0, -10_000_000]),
    ];
    for (run, how, methods, offsets) in cases {
        let said = report_with(run, &["--clock", how]);
        for ((point, method), offset) in said["points"].as_array().unwrap().iter().zip(methods).zip(offsets) {
            let clock = &point["clock"];
            assert_eq!((clock["method"].as_str(), clock["offset_ns"].as_i64()), (Some(method), Some(offset)), "{how}: {point:#}");
            assert!(method == "reference" || clock["why"].is_string(), "{how}: {clock}");
        }
        for ((what, x), (_, y)) in durations(&estimated).iter().zip(&durations(&said)) {
            let (Some(x), Some(y)) = (x, y) else { panic!("{how}: {what} is not known") };
            assert!((x - y).abs() < 2.0, "{how}, {what}: {x} became {y}");
        }
    }
    // Clocks that are said to agree and do not: bounds that contradict each other are told, and delays are absent.
    let said = report_with(wrong.path(), &["--clock", "trusted"]);
    let rows = said["qos"].as_array().unwrap();
    assert!(rows.iter().all(|q| q["delay"]["method"] != "one-way" || q["delay"]["mean_ms"].as_f64().unwrap() >= 0.0));
    let whole = rows.iter().find(|q| q["phase"] == "whole" && q["service"] == "icmp" && q["from"] == "client").unwrap();
    assert_eq!(whole["delay"]["method"], "rtt");
    assert!(whole["delay"]["why"].as_str().unwrap().contains("do not agree"), "{whole:#}");
}
