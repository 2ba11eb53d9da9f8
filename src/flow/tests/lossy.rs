//! Verdicts, losses and round trips against the truth of simulated downloads.

use super::*;
use crate::testkit::lossy::{Idents, Path, Sight, Truth, byte_at, download};
use crate::testkit::talk::Segment;

struct Outcome {
    sight: Sight,
    table: FlowTable,
    seen: Vec<Observation>,
    log: Log,
}

fn outcome(path: Path) -> Outcome {
    let sight = download(path);
    let talk = Talk::new();
    let (table, seen, log) = run(&sight.frames(talk.client, talk.server));
    assert_eq!(seen.len(), sight.segments.len());
    Outcome { sight, table, seen, log }
}

fn expected(truth: Truth) -> Option<Verdict> {
    match truth {
        Truth::New | Truth::Hidden => Some(Verdict::New),
        Truth::Late => Some(Verdict::Reordered),
        Truth::Again { .. } => Some(Verdict::Retransmitted),
        Truth::Doubled => Some(Verdict::Ambiguous),
        Truth::Control => None,
    }
}

/// Frames (from 0) whose verdict differs from the truth.
fn wrong(o: &Outcome) -> Vec<usize> {
    let pairs = o.seen.iter().zip(&o.sight.segments).enumerate();
    pairs.filter(|(_, (seen, (_, truth)))| expected(*truth).is_some_and(|v| v != seen.verdict)).map(|(n, _)| n).collect()
}

/// The frames before frame `n` (from 0) and what became of them, for messages.
fn context(o: &Outcome, n: usize) -> String {
    let line = |n: usize| {
        let ((segment, truth), seen) = (&o.sight.segments[n], &o.seen[n]);
        let Segment { at, from, ident, header, .. } = segment;
        format!(
            "{} {} {from:?} ident {ident} seq {} ack {} {:?}: {truth:?} taken for {:?}, rtt {:?}",
            n + 1,
            at.0 % 1_000_000_000_000,
            header.seq,
            header.ack,
            header.options,
            seen.verdict,
            seen.rtt
        )
    };
    (n.saturating_sub(40)..=n).map(line).collect::<Vec<_>>().join("\n")
}

fn check_all_but_verdicts(o: &Outcome, path: &Path) {
    // Every byte came at last, in order, once.
    assert_eq!(o.log.bytes[1].len(), path.bytes, "{path:?} {:?}", o.log.gaps);
    assert!(o.log.bytes[1].iter().enumerate().all(|(n, &b)| b == byte_at(n)));
    assert!(o.log.gaps.is_empty());
    let record = only(&o.table);
    assert_eq!(record.goodput(Side::Server), path.bytes as u64);
    let counts = record.tcp(Side::Server).unwrap().counts;
    assert_eq!((counts.gap_bytes, counts.acked_unseen_bytes, counts.stray), (0, 0, 0));
    let goodput: u64 = o.seen.iter().map(|s| u64::from(s.goodput)).sum();
    assert_eq!(goodput, path.bytes as u64);
    // The receiver answers at once, so every sample is the round trip behind the point, to the nanosecond.
    let rtt = record.rtt(Side::Client).unwrap();
    if let Some(n) = o.seen.iter().position(|s| s.from == Side::Client && s.rtt.is_some_and(|rtt| rtt != 2 * path.far)) {
        panic!("{path:?}\n{}", context(o, n));
    }
    assert_eq!((rtt.min, rtt.max), (2 * path.far, 2 * path.far));
    assert_eq!(record.rtt(Side::Server).unwrap().max, 2 * path.near);
    assert_eq!(u64::from(counts.received_twice), o.sight.received_twice);
}

fn paths(timestamps: bool, idents: Idents) -> Vec<Path> {
    let base = Path { timestamps, idents, bytes: 400_000, ..Path::default() };
    let mut all = Vec::new();
    for seed in 0..4 {
        let isn = u32::MAX - 200_000 * seed as u32;
        let base = Path { seed, isn, ..base };
        all.extend([
            base,
            Path { loss_near: 0.02, ..base },
            Path { loss_far: 0.02, ..base },
            Path { loss_near: 0.05, loss_far: 0.05, loss_ack: 0.1, ..base },
            Path { delayed: 0.03, delay: 2_000_000, ..base },
            Path { delayed: 0.03, delay: 2_000_000, loss_near: 0.02, loss_far: 0.02, ..base },
            Path { near: 100_000, far: 60_000, loss_near: 0.03, loss_far: 0.01, ..base },
            Path { near: 80_000_000, far: 90_000_000, loss_near: 0.03, loss_far: 0.01, delayed: 0.02, delay: 20_000_000, ..base },
        ]);
    }
    all
}

#[test]
fn with_stamps_and_idents_every_verdict_is_right() {
    for path in paths(true, Idents::Counter) {
        for path in [path, Path { doubled: 0.02, ..path }] {
            let o = outcome(path);
            check_all_but_verdicts(&o, &path);
            if let Some(&n) = wrong(&o).first() {
                panic!("{path:?}\n{}", context(&o, n));
            }
            let counts = only(&o.table).tcp(Side::Server).unwrap().counts;
            assert_eq!(u64::from(counts.retransmitted_unseen), o.sight.count(Truth::Again { first_here: true }), "lost before the point");
            assert_eq!(u64::from(counts.reordered), o.sight.count(Truth::Late));
            assert_eq!(u64::from(counts.ambiguous), o.sight.count(Truth::Doubled));
        }
    }
}

#[test]
fn one_kind_of_evidence_is_enough_nearly_always() {
    for (timestamps, idents, allowed) in [
        (false, Idents::Counter, 0.000),
        (true, Idents::Zero, 0.002),
        (true, Idents::Random, 0.002),
        (false, Idents::Zero, 0.002),
        (false, Idents::Random, 0.004),
    ] {
        let (mut failed, mut total) = (Vec::new(), 0);
        for path in paths(timestamps, idents) {
            let o = outcome(path);
            check_all_but_verdicts(&o, &path);
            total += o.seen.len();
            failed.extend(wrong(&o).into_iter().map(|n| context(&o, n)));
        }
        println!("timestamps {timestamps} idents {idents:?}: {} of {total}", failed.len());
        assert!(
            failed.len() as f64 <= allowed * total as f64,
            "timestamps {timestamps} idents {idents:?}: {} of {total}\n{}",
            failed.len(),
            failed[0]
        );
    }
}
