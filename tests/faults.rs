//! Broken input: cut files and flipped bytes end with frames, a report or an error, never with a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lmpcap::capture::write::{ByteOrder, Precision};
use lmpcap::engine::{Options, analyze};
use lmpcap::model::Report;
use lmpcap::run::RunSpec;
use lmpcap::testkit::fuzz::{TARGETS, run_named, seeds};
use lmpcap::testkit::random::Random;

fn captures() -> [(&'static str, Vec<u8>); 3] {
    let frames = seeds::traffic();
    [
        ("pcap, microseconds, big-endian", seeds::pcap(&frames, Precision::Microseconds, ByteOrder::Big)),
        ("pcap, nanoseconds", seeds::pcap(&frames, Precision::Nanoseconds, ByteOrder::Little)),
        ("pcapng", seeds::pcapng(&frames, ByteOrder::Little)),
    ]
}

/// The report of a capture, `None` if it is refused.
fn report(bytes: &[u8]) -> Option<Report> {
    let file = tempfile::Builder::new().suffix(".pcap").tempfile().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let run = RunSpec::from_path(file.path()).unwrap();
    let report = analyze(&run, &Options::default());
    if let Err(error) = &report {
        // A thread that panics becomes this error.
        assert!(!error.message.contains("failed inside"), "{error}");
    }
    report.ok()
}

#[test]
fn a_capture_cut_anywhere_is_read_or_refused() {
    let mut random = Random::new(1);
    for (name, whole) in captures() {
        let first = 0..whole.len().min(4096);
        let random_places: Vec<usize> = (0..200).map(|_| random.below(whole.len() as u64) as usize).collect();
        let mut frames = Vec::new();
        for at in first.chain(random_places) {
            let read = catch_unwind(AssertUnwindSafe(|| run_named("capture", &whole[..at])));
            assert!(read.is_ok(), "{name} cut at byte {at}");
        }
        for at in (0..whole.len()).step_by(whole.len() / 24 + 1) {
            frames.push(report(&whole[..at]).map_or(0, |r| r.points[0].files[0].packets));
        }
        assert!(frames.is_sorted(), "{name}: more bytes, fewer frames: {frames:?}");
        assert!(frames.last().is_some_and(|n| *n > 10), "{name}: the longest cut has almost no frames: {frames:?}");
    }
}

#[test]
fn flipped_bytes_are_read_or_refused() {
    let mut random = Random::new(2);
    let mut reports = 0;
    for (n, (_, whole)) in captures().iter().cycle().take(1000).enumerate() {
        let mut bytes = whole.clone();
        for _ in 0..1 + n % 8 {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
        reports += u32::from(report(&bytes).is_some());
    }
    assert!(reports > 300, "only {reports} of 1000 damaged captures gave a report");
}

#[test]
fn every_fuzz_target_survives_damaged_seeds() {
    let mut random = Random::new(3);
    for target in TARGETS {
        let program = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/fuzz_targets/{}.rs", target.name));
        assert!(program.is_file(), "{} has no program", target.name);
        for seed in (target.seeds)() {
            (target.run)(&seed);
            for _ in 0..100 {
                let mut bytes = seed.clone();
                for _ in 0..1 + random.below(6) {
                    let at = random.below(bytes.len() as u64) as usize;
                    bytes[at] = random.next() as u8;
                }
                bytes.truncate(1 + random.below(bytes.len() as u64 * 2) as usize);
                (target.run)(&bytes);
            }
        }
    }
}
