//! What the sink is told.

use super::*;
use crate::base::limits;
use crate::decode::Tcp;
use crate::testkit::lossy::{Path, download};
use crate::testkit::random::Random;

fn text(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

/// A handshake and four segments of 100 bytes from the client, whose values are 0, 1, 2, 3: frames 4 to 7. Nobody acknowledges them.
fn four() -> Talk {
    let mut talk = Talk::new();
    talk.open();
    for n in 0..4u8 {
        talk.segment(Side::Client, Tcp::ACK, &[n; 100]);
    }
    talk
}

fn in_order(bytes: &[u8]) -> bool {
    bytes.is_sorted()
}

#[test]
fn a_whole_conversation() {
    let mut talk = Talk::new();
    talk.open().say(Side::Client, b"GET").say(Side::Server, &[7; 2000]).close();
    let (table, _, log) = run_talk(&talk);
    assert_eq!(
        text(&log.lines),
        ["0 begin true", "0 Client 3 @4", "0 Server 1448 @6", "0 Server 552 @7", "0 Client fin @9", "0 Server fin @10", "0 end Closed"]
    );
    let record = only(&table);
    assert!(record.handshake());
    assert_eq!(record.closed(), Some(EndOfStream::Closed));
    assert_eq!((record.goodput(Side::Client), record.goodput(Side::Server)), (3, 2000));
    assert_eq!(record.tcp(Side::Client).unwrap().isn, Some(1000));
    assert_eq!(record.tcp(Side::Server).unwrap().window_scale, Some(7));
    assert_eq!(record.tcp(Side::Client).unwrap().handshake_rtt, Some(1_000_000));
}

#[test]
fn what_comes_early_waits() {
    let mut talk = four();
    talk.segments.swap(3, 6);
    let (_, seen, log) = run_talk(&talk);
    assert_eq!(
        text(&log.lines),
        ["0 begin true", "0 Client 100 @7", "0 Client 100 @5", "0 Client 100 @6", "0 Client 100 @4", "0 end CaptureEnded"]
    );
    assert_eq!(log.bytes[0].len(), 400);
    assert!(in_order(&log.bytes[0]));
    assert_eq!(seen[3].gap_before, 300);
}

#[test]
fn a_hole_that_the_peer_has_acknowledged_is_a_gap() {
    let mut talk = four();
    talk.segments.remove(4);
    talk.ack(Side::Server);
    talk.say(Side::Client, b"later");
    let (table, _, log) = run_talk(&talk);
    assert_eq!(log.gaps, [(Side::Client, 100, 100, GapReason::NotCaptured)]);
    // Told of when the ACK has stood for a while, with the moments of the packets that carried the bytes.
    assert_eq!(
        text(&log.lines)[1..],
        ["0 Client 100 @4", "0 Client gap 100 NotCaptured @5", "0 Client 100 @5", "0 Client 100 @6", "0 Client 5 @8", "0 end CaptureEnded"]
    );
    let counts = only(&table).tcp(Side::Client).unwrap().counts;
    assert_eq!((counts.gap_events, counts.gap_bytes, counts.acked_unseen_bytes), (1, 100, 100));
}

#[test]
fn data_after_its_own_ack_is_no_gap() {
    // Two interfaces, written out of order: the ACK of everything comes right after the first segment.
    let mut talk = four();
    let ack = talk.ack(Side::Server).segments.pop().unwrap();
    talk.segments.insert(4, ack);
    talk.segments.swap(5, 7);
    for (n, s) in talk.segments.iter_mut().enumerate() {
        s.at = Timestamp(1_700_000_000_000_000_000 + n as i64 * 10_000);
    }
    let (table, _, log) = run_talk(&talk);
    assert_eq!(log.gaps, []);
    assert_eq!(log.bytes[0].len(), 400);
    assert!(in_order(&log.bytes[0]));
    let counts = only(&table).tcp(Side::Client).unwrap().counts;
    assert_eq!((counts.gap_bytes, counts.acked_unseen_bytes), (0, 0));
}

#[test]
fn a_capture_of_one_direction_does_not_stall() {
    let path = Path { bytes: 3_000_000, loss_near: 0.01, ..Path::default() };
    let sight = download(path);
    let talk = Talk::new();
    // Only the server's packets are captured, and one in fifty of them is not.
    let mut random = Random::new(3);
    let mut one_way = sight.segments.clone();
    one_way.retain(|(s, _)| s.from == Side::Server && !random.chance(0.02));
    let frames: Vec<_> = one_way.iter().map(|(s, _)| (s.at, talk::frame(talk.client, talk.server, s))).collect();
    let (table, _, log) = run(&frames);
    let missing: u64 = log.gaps.iter().map(|g| g.2).sum();
    assert_eq!(log.bytes[1].len() as u64 + missing, 3_000_000);
    assert!(missing > 0);
    assert_eq!(only(&table).goodput(Side::Server), log.bytes[1].len() as u64);
    assert!(log.gaps.iter().all(|g| g.3 == GapReason::NotCaptured));
    // Long before the end: the first hole is given up when it has waited long enough.
    let first = log.lines.iter().position(|l| l.contains("gap")).unwrap();
    assert!(first < log.lines.len() / 2, "{first} of {}", log.lines.len());
}

#[test]
fn what_the_snap_length_cut_is_a_gap_at_once() {
    let mut talk = Talk::new();
    talk.open().say(Side::Client, &[1; 1448]).say(Side::Client, &[2; 10]).close();
    let mut log = Log::default();
    // 14 + 20 + 20 bytes of headers.
    run_cut(&talk.frames(), 100, &mut log);
    assert_eq!(
        text(&log.lines)[1..],
        ["0 Client 46 @4", "0 Client gap 1402 SnapLength @4", "0 Client 10 @6", "0 Client fin @8", "0 Server fin @9", "0 end Closed"]
    );
    let mut log = Log::default();
    run_cut(&talk.frames(), 54, &mut log);
    assert_eq!(text(&log.lines)[1..3], ["0 Client gap 1448 SnapLength @4", "0 Client gap 10 SnapLength @6"]);
}

#[test]
fn skips_pass_over_bytes_holes_and_cuts() {
    let mut talk = four();
    talk.segments.remove(4);
    let mut log = Log { answer: Some(|log, _| if log.lines.len() == 2 { Need::Skip(250) } else { Need::More }), ..Log::default() };
    let (table, _) = run_cut(&talk.frames(), usize::MAX, &mut log);
    // 100 told, 250 skipped of which 100 are a hole: the last 50 follow, and nobody waited for the hole.
    assert_eq!(text(&log.lines)[1..], ["0 Client 100 @4", "0 Client 50 @6", "0 end CaptureEnded"]);
    assert_eq!(only(&table).tcp(Side::Client).unwrap().counts.gap_bytes, 100, "but it is counted");

    let mut log = Log { answer: Some(|log, _| if log.lines.len() == 2 { Need::Skip(270) } else { Need::More }), ..Log::default() };
    run_cut(&four().frames(), 74, &mut log);
    assert_eq!(text(&log.lines)[1..4], ["0 Client 20 @4", "0 Client gap 10 SnapLength @6", "0 Client 20 @7"]);

    let mut log = Log { answer: Some(|_, _| Need::Skip(0)), ..Log::default() };
    run_cut(&four().frames(), usize::MAX, &mut log);
    assert_eq!(log.bytes[0].len(), 400, "a skip of nothing skips nothing");
}

#[test]
fn a_hole_that_outreaches_a_skip_is_waited_for() {
    let mut talk = four();
    talk.segments.swap(4, 5);
    let mut log = Log { answer: Some(|log, _| if log.lines.len() == 2 { Need::Skip(50) } else { Need::More }), ..Log::default() };
    run_cut(&talk.frames(), usize::MAX, &mut log);
    assert_eq!(text(&log.lines)[1..5], ["0 Client 100 @4", "0 Client 50 @6", "0 Client 100 @5", "0 Client 100 @7"]);
    assert!(in_order(&log.bytes[0]));
}

#[test]
fn a_side_of_which_nothing_is_wanted_costs_nothing() {
    let mut talk = four();
    talk.say(Side::Server, b"answer").segments.remove(4);
    talk.close();
    let mut log = Log { answer: Some(|_, side| if side == Side::Client { Need::Nothing } else { Need::More }), ..Log::default() };
    run_cut(&talk.frames(), usize::MAX, &mut log);
    assert_eq!(text(&log.lines)[1..], ["0 Client 100 @4", "0 Server 6 @7", "0 Server fin @10", "0 end Closed"]);
    let mut log = Log { answer: Some(|_, _| Need::Nothing), ..Log::default() };
    run_cut(&talk.frames(), usize::MAX, &mut log);
    assert_eq!(text(&log.lines)[1..], ["0 Client 100 @4", "0 Server 6 @7", "0 end Closed"]);
}

#[test]
fn the_first_copy_wins() {
    let mut talk = four();
    let mut other = talk.segments[4].clone();
    other.payload.fill(0xff);
    other.at = talk.now;
    // While the first copy is on its way, and while it waits.
    talk.segments.insert(5, other.clone());
    let (table, seen, log) = run_talk(&talk);
    assert!(in_order(&log.bytes[0]) && log.bytes[0].len() == 400);
    assert_eq!((seen[5].verdict, seen[5].goodput), (Verdict::Ambiguous, 0), "the same identification");
    assert_eq!(table.anomalies().count("tcp_retransmission_differs"), 1);
    let mut talk = four();
    let first = talk.segments.remove(3);
    talk.segments.insert(5, other);
    talk.segments.push(first);
    let (table, _, log) = run_talk(&talk);
    assert!(in_order(&log.bytes[0]) && log.bytes[0].len() == 400);
    assert!(table.anomalies().count("tcp_retransmission_differs") > 0);
}

#[test]
fn a_stream_picked_up_in_the_middle_begins_with_the_first_segment() {
    let mut talk = Talk::new();
    talk.say(Side::Server, b"tail").say(Side::Client, b"next").reset(Side::Client);
    let (table, _, log) = run_talk(&talk);
    assert_eq!(text(&log.lines), ["0 begin false", "0 Server 4 @1", "0 Client 4 @3", "0 end Reset"]);
    assert!(!only(&table).handshake());
    assert_eq!(only(&table).key().server.port, 80);
}

#[test]
fn an_acknowledged_tail_that_is_missing_is_told_at_the_end() {
    let mut talk = four();
    talk.ack(Side::Server);
    talk.segments.drain(5..7);
    let (_, _, log) = run_talk(&talk);
    // Without a FIN in sight the last number may have been one.
    assert_eq!(text(&log.lines)[3..], ["0 Client gap 199 NotCaptured @6", "0 end CaptureEnded"]);
    let mut talk = four();
    talk.close().segments.drain(5..7);
    let (_, _, log) = run_talk(&talk);
    assert_eq!(text(&log.lines)[3..], ["0 Server fin @7", "0 Client gap 200 NotCaptured @6", "0 Client fin @8", "0 end Closed"]);
}

#[test]
fn a_full_buffer_gives_the_hole_up() {
    let mut talk = Talk::new();
    talk.open();
    let mut frames = talk.frames();
    let mut early = talk.clone();
    early.mss = 60_000;
    early.segments.clear();
    // The server acknowledges nothing of it: the hole is waited for until the bound.
    early.segment(Side::Client, Tcp::ACK, &[0; 100]);
    early.segments.clear();
    early.say(Side::Client, &vec![1; 2 * limits::REASSEMBLY_BYTES]);
    early.segments.pop();
    frames.extend(early.frames());
    let (table, _, log) = run(&frames);
    assert_eq!(log.gaps, [(Side::Client, 0, 100, GapReason::Limit)]);
    assert_eq!(log.bytes[0].len(), 2 * limits::REASSEMBLY_BYTES);
    assert_eq!(table.anomalies().count("reassembly_limit"), 1);
}

#[test]
fn sequence_numbers_may_wrap_in_a_hole() {
    for isn in [u32::MAX - 150, u32::MAX, u32::MAX - 1, 0, 1 << 31] {
        let mut talk = Talk::new();
        talk.seq[0] = isn;
        talk.open();
        for n in 0..4u8 {
            talk.segment(Side::Client, Tcp::ACK, &[n; 100]);
        }
        talk.segments.swap(3, 6);
        talk.segments.swap(4, 5);
        let (_, _, log) = run_talk(&talk);
        assert_eq!(log.gaps, []);
        assert!(in_order(&log.bytes[0]) && log.bytes[0].len() == 400, "{isn}");
    }
}

#[test]
fn any_shuffle_loss_and_overlap_gives_the_bytes_in_order_once() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let data: Vec<u8> = random.bytes(5000);
        let mut talk = Talk::new();
        talk.seq = [u32::MAX - 2000, 50];
        talk.open();
        let base = talk.seq[0];
        let mut pieces: Vec<(usize, usize)> = (0..50).map(|n| (n * 100, n * 100 + 100)).collect();
        for _ in 0..30 {
            let start = random.below(4900) as usize;
            pieces.push((start, start + 1 + random.below(100) as usize));
        }
        for n in (1..pieces.len()).rev() {
            pieces.swap(n, random.below(n as u64 + 1) as usize);
        }
        let lost = random.below(5);
        pieces.drain(..lost as usize);
        for &(start, end) in &pieces {
            talk.seq[0] = base.wrapping_add(start as u32);
            talk.segment(Side::Client, Tcp::ACK, &data[start..end]);
        }
        talk.seq[0] = base.wrapping_add(5000);
        talk.segment(Side::Client, Tcp::ACK | Tcp::FIN, &[]);
        let (table, seen, log) = run_talk(&talk);
        // What was told is the data with holes exactly where nothing came.
        let mut covered = vec![false; 5000];
        for &(start, end) in &pieces {
            covered[start..end].fill(true);
        }
        let expected: Vec<u8> = (0..5000).filter(|&n| covered[n]).map(|n| data[n]).collect();
        assert_eq!(log.bytes[0], expected, "seed {seed}");
        let missing: u64 = log.gaps.iter().map(|g| g.2).sum();
        assert_eq!(missing, 5000 - expected.len() as u64, "seed {seed}");
        let record = only(&table);
        assert_eq!(record.goodput(Side::Client), expected.len() as u64, "seed {seed}");
        assert_eq!(seen.iter().map(|s| u64::from(s.goodput)).sum::<u64>(), expected.len() as u64, "seed {seed}");
        assert_eq!(record.tcp(Side::Client).unwrap().counts.gap_bytes, missing, "seed {seed}");
        assert!(log.lines.last().unwrap().ends_with("end CaptureEnded"));
        assert_eq!(log.lines.iter().filter(|l| l.contains("fin")).count(), 1);
    }
}
