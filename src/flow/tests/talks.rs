//! Conversations written by hand: roles, reuse of ports, probes, echoes.

use super::*;
use crate::base::time::Nanos;
use crate::decode::Tcp;
use crate::testkit::packet::{TcpOption, icmp_frame, udp_frame};

const MS: i64 = 1_000_000;

fn verdicts(seen: &[Observation]) -> Vec<Verdict> {
    seen.iter().map(|s| s.verdict).collect()
}

#[test]
fn the_plain_case() {
    let mut talk = Talk::new();
    talk.open().say(Side::Client, b"GET").say(Side::Server, &[0; 3000]).close();
    let (table, seen, _) = run_talk(&talk);
    use Verdict::{Ack, New};
    assert_eq!(verdicts(&seen), [New, New, Ack, New, Ack, New, New, New, Ack, New, New, Ack]);
    assert_eq!(seen.iter().map(|s| s.rtt.is_some()).collect::<Vec<_>>().iter().filter(|&&r| r).count(), 6);
    assert!(seen[0].first && !seen[1].first);
    let record = only(&table);
    let (c, s) = (record.sent(Side::Client), record.sent(Side::Server));
    assert_eq!((c.packets, s.packets), (6, 6));
    assert_eq!(c.bytes + s.bytes, talk.frames().iter().map(|f| f.1.len() as u64).sum::<u64>());
    assert_eq!(record.last() - record.first(), Nanos(11 * MS));
    assert_eq!(record.tcp(Side::Client).unwrap().counts, TcpCounts::default());
    assert_eq!(record.rtt(Side::Server).unwrap().min, MS);
}

#[test]
fn repeated_syn_and_fin_are_retransmissions_after_a_timeout() {
    let mut talk = Talk::new();
    let syn = talk.segment(Side::Client, Tcp::SYN, &[]).clone();
    talk.wait(Nanos(999 * MS));
    talk.seq[0] = 1000;
    *talk.segment(Side::Client, Tcp::SYN, &[]) = syn;
    talk.segment(Side::Server, Tcp::SYN | Tcp::ACK, &[]);
    talk.ack(Side::Client).segment(Side::Client, Tcp::FIN | Tcp::ACK, &[]);
    talk.seq[0] -= 1;
    talk.wait(Nanos(300 * MS)).segment(Side::Client, Tcp::FIN | Tcp::ACK, &[]);
    let (table, seen, log) = run_talk(&talk);
    assert_eq!(seen[1].verdict, Verdict::Retransmitted);
    assert_eq!(seen[2].rtt, None, "Karn: the SYN was sent twice");
    assert_eq!(seen[5].verdict, Verdict::Retransmitted);
    let counts = only(&table).tcp(Side::Client).unwrap().counts;
    assert_eq!((counts.retransmitted, counts.timeouts, counts.longest_timeout), (2, 2, 1000 * MS));
    assert!(log.lines.is_empty(), "nothing was said: nothing is told");
}

#[test]
fn an_echoed_stamp_measures_what_was_sent_again() {
    let stamp = |value, echo| vec![TcpOption::Timestamps(value, echo)];
    let mut talk = Talk::new();
    talk.segment(Side::Client, Tcp::SYN, &[]).options = stamp(1, 0);
    talk.segment(Side::Server, Tcp::SYN | Tcp::ACK, &[]).options = stamp(501, 1);
    talk.segment(Side::Client, Tcp::ACK, &[]).options = stamp(2, 501);
    talk.segment(Side::Client, Tcp::ACK, b"lost").options = stamp(3, 501);
    talk.seq[0] -= 4;
    talk.wait(Nanos(250 * MS)).segment(Side::Client, Tcp::ACK, b"lost").options = stamp(253, 501);
    talk.wait(Nanos(6 * MS)).segment(Side::Server, Tcp::ACK, &[]).options = stamp(760, 253);
    let (_, seen, _) = run_talk(&talk);
    assert_eq!((seen[4].verdict, seen[5].rtt), (Verdict::Retransmitted, Some(7 * MS)));
    // The ACK of the first transmission, late: the stamp says so, and nothing is measured.
    talk.segments[5].header.options = stamp(760, 3);
    let (_, seen, _) = run_talk(&talk);
    assert_eq!(seen[5].rtt, None);
}

#[test]
fn keep_alives_and_window_probes() {
    let mut talk = Talk::new();
    talk.open().say(Side::Client, b"hello");
    talk.seq[0] -= 1;
    talk.segment(Side::Client, Tcp::ACK, &[]);
    talk.segment(Side::Server, Tcp::ACK, &[]).ack += 1;
    talk.segment(Side::Client, Tcp::ACK, &[0]);
    talk.ack(Side::Server);
    // The server closes its window; a Linux client asks below, others send one byte beyond, which is taken in the end.
    talk.window[1] = 0;
    talk.ack(Side::Server);
    talk.seq[0] -= 1;
    talk.segment(Side::Client, Tcp::ACK, &[]);
    talk.seq[0] += 1;
    talk.segment(Side::Client, Tcp::ACK, b"x");
    talk.seq[0] -= 1;
    talk.ack(Side::Server);
    talk.segment(Side::Client, Tcp::ACK, b"x");
    talk.window[1] = 9000;
    talk.ack(Side::Server).say(Side::Client, b"yz").close();
    let (table, seen, log) = run_talk(&talk);
    use Verdict::{Ack, KeepAlive, New, ZeroWindowProbe};
    assert_eq!(verdicts(&seen)[5..9], [KeepAlive, Ack, KeepAlive, Ack]);
    assert_eq!(verdicts(&seen)[9..16], [Ack, ZeroWindowProbe, ZeroWindowProbe, Ack, ZeroWindowProbe, Ack, New]);
    let record = only(&table);
    let client = record.tcp(Side::Client).unwrap().counts;
    assert_eq!((client.keep_alives, client.window_probes, client.retransmitted), (2, 3, 0));
    assert_eq!((client.gap_events, client.gap_bytes, client.acked_unseen_bytes), (0, 0, 0));
    assert_eq!(record.tcp(Side::Server).unwrap().counts.zero_window, 2);
    assert_eq!(record.goodput(Side::Client), 8);
    assert_eq!(log.bytes[0], b"helloxyz");
}

#[test]
fn duplicate_acks_need_data_on_its_way() {
    let mut talk = Talk::new();
    talk.open().ack(Side::Client).say(Side::Client, b"one");
    let lost = talk.seq[0];
    talk.segment(Side::Client, Tcp::ACK, &[1; 10]);
    talk.segment(Side::Client, Tcp::ACK, &[2; 10]);
    let seq = talk.seq[0];
    talk.seq[0] = lost;
    for _ in 0..3 {
        talk.ack(Side::Server);
    }
    talk.window[1] -= 1;
    talk.ack(Side::Server);
    talk.segment(Side::Client, Tcp::ACK, &[1; 10]);
    talk.seq[0] = seq;
    talk.ack(Side::Server);
    let (table, seen, _) = run_talk(&talk);
    use Verdict::{Ack, DuplicateAck, New, Retransmitted};
    assert_eq!(verdicts(&seen)[3..], [Ack, New, Ack, New, New, DuplicateAck, DuplicateAck, DuplicateAck, Ack, Retransmitted, Ack]);
    assert_eq!(seen[13].rtt, None, "an ACK that waited for what was sent again");
    assert_eq!(only(&table).tcp(Side::Server).unwrap().counts.duplicate_acks, 3);
}

#[test]
fn a_new_syn_after_the_end_is_a_new_conversation() {
    let mut talk = Talk::new();
    talk.open().say(Side::Client, b"one").close();
    let again = talk.segments[0].clone();
    talk.segments.push(again);
    talk.seq = [777_000, 888_000];
    talk.open().say(Side::Client, b"two").reset(Side::Server);
    talk.seq = [1_777_000, 1_888_000];
    talk.open().say(Side::Client, b"three");
    talk.seq = [2_777_000, 2_888_000];
    talk.open();
    let (table, seen, log) = run_talk(&talk);
    let flows: Vec<u32> = seen.iter().map(|s| s.flow.0).collect();
    assert_eq!(flows, [vec![0; 9], vec![1; 6], vec![2; 5], vec![3; 3]].concat(), "the same SYN again stays with the old one");
    let ends: Vec<&String> = log.lines.iter().filter(|l| l.contains("end")).collect();
    assert_eq!(ends, ["0 end Closed", "1 end Reset", "2 end CaptureEnded"]);
    let all: Vec<FlowRecord2> = table.records().map(|(id, r)| FlowRecord2(id.0, r.sent(Side::Client).packets)).collect();
    assert_eq!(all, [FlowRecord2(0, 6), FlowRecord2(1, 3), FlowRecord2(2, 3), FlowRecord2(3, 2)]);
    assert!(seen.iter().filter(|s| s.first).count() == 4);
}

#[derive(Debug, PartialEq)]
struct FlowRecord2(u32, u64);

#[test]
fn without_its_syn_a_new_conversation_is_told_by_its_numbers() {
    let mut talk = Talk::new();
    talk.open().say(Side::Client, b"one").say(Side::Server, b"two");
    talk.seq = [0x7000_0000, 0x9000_0000];
    for n in 0..6u8 {
        talk.segment(Side::Client, Tcp::ACK, &[n; 10]);
    }
    let (table, seen, log) = run_talk(&talk);
    assert_eq!(seen.iter().map(|s| s.flow.0).collect::<Vec<_>>()[7..], [0, 0, 0, 1, 1, 1]);
    assert_eq!(table.records().next().unwrap().1.tcp(Side::Client).unwrap().counts.stray, 3);
    assert_eq!(log.bytes[0], [&b"one"[..], &[3; 10], &[4; 10], &[5; 10]].concat());
    // One stray packet changes nothing.
    let mut talk = Talk::new();
    talk.open().say(Side::Client, b"one");
    let seq = talk.seq;
    talk.seq = [seq[0] ^ 0x8000_0000, seq[1]];
    talk.segment(Side::Client, Tcp::ACK, b"stray");
    talk.seq = seq;
    talk.say(Side::Client, b"two").close();
    let (table, seen, log) = run_talk(&talk);
    assert_eq!((seen[5].verdict, seen[5].goodput), (Verdict::Ambiguous, 0));
    assert_eq!(log.bytes[0], b"onetwo");
    assert_eq!(only(&table).closed(), Some(EndOfStream::Closed));
    assert_eq!(only(&table).goodput(Side::Client), 6 + 5, "its payload was never seen before, nor does it belong");
}

#[test]
fn sides_are_put_right_when_the_syn_comes_late() {
    // From an ephemeral port to a higher one: without the SYN the sender of the higher one is taken for the client.
    let mut talk = Talk::between("192.0.2.10:40000", "192.0.2.50:55000");
    talk.open();
    talk.segments.swap(0, 2);
    talk.say(Side::Client, b"hello");
    let (table, seen, log) = run_talk(&talk);
    assert_eq!(only(&table).key().server.port, 55000);
    assert_eq!(seen[2].from, Side::Client);
    assert_eq!(log.bytes[0], b"hello");
    assert!(only(&table).handshake());
    // A SYN-ACK alone says it too.
    let mut talk = Talk::between("192.0.2.10:80", "192.0.2.50:55000");
    talk.open().segments.remove(0);
    assert_eq!(only(&run_talk(&talk).0).key().server.port, 55000);
}

#[test]
fn a_refused_connection() {
    let mut talk = Talk::new();
    talk.segment(Side::Client, Tcp::SYN, &[]);
    talk.seq[1] = 0;
    talk.reset(Side::Server);
    let (table, seen, log) = run_talk(&talk);
    assert_eq!(seen[1].rtt, Some(MS));
    let record = only(&table);
    assert_eq!(record.closed(), Some(EndOfStream::Reset));
    let server = record.tcp(Side::Server).unwrap().counts;
    assert_eq!((server.resets, server.zero_window), (1, 0));
    assert!(log.lines.is_empty());
}

#[test]
fn ipv6_conversations() {
    let mut talk = Talk::between("[2001:db8::1]:40000", "[2001:db8::2]:80");
    talk.open().say(Side::Client, b"GET").say(Side::Server, b"answer").close();
    let (table, _, log) = run_talk(&talk);
    assert_eq!(only(&table).closed(), Some(EndOfStream::Closed));
    assert_eq!(log.bytes[1], b"answer");
    assert_eq!(only(&table).key().to_string(), "tcp [2001:db8::1]:40000 > [2001:db8::2]:80");
}

#[test]
fn datagrams_until_nobody_wants_them() {
    let talk = Talk::new();
    let frame = |n: i64, back: bool| {
        let (from, to) = if back { (talk.server, talk.client) } else { (talk.client, talk.server) };
        (Timestamp(n * MS), udp_frame(from, to, b"datagram"))
    };
    let frames: Vec<_> = (0..10).map(|n| frame(n, n % 2 == 1)).collect();
    let (table, seen, log) = run(&frames);
    assert_eq!((log.datagrams, seen.len()), (10, 10));
    assert_eq!(log.lines, ["0 end CaptureEnded"]);
    assert_eq!(only(&table).goodput(Side::Server), 40);
    let mut log = Log { answer: Some(|_, side| if side == Side::Client { Need::Nothing } else { Need::More }), ..Log::default() };
    run_cut(&frames, usize::MAX, &mut log);
    assert_eq!(log.datagrams, 6);
}

#[test]
fn echoes_measure_and_their_loss_is_counted() {
    let (a, b) = (Talk::new().client.ip, Talk::new().server.ip);
    for (a, b) in [(a, b), ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap())] {
        let mut frames = Vec::new();
        for seq in 0..100u16 {
            let at = i64::from(seq) * 20 * MS;
            frames.push((Timestamp(at), icmp_frame(a, b, false, 5, seq, &[0; 56])));
            if seq % 10 != 3 {
                frames.push((Timestamp(at + 2 * MS), icmp_frame(b, a, true, 5, seq, &[0; 56])));
            }
            if seq == 50 {
                // Another identifier the other way, a repeated request and a repeated reply.
                frames.push((Timestamp(at + 2 * MS), icmp_frame(b, a, false, 6, seq, &[0; 56])));
                frames.push((Timestamp(at + 3 * MS), icmp_frame(b, a, false, 6, seq, &[0; 56])));
                frames.push((Timestamp(at + 5 * MS), icmp_frame(a, b, true, 6, seq, &[0; 56])));
                frames.push((Timestamp(at + 6 * MS), icmp_frame(a, b, true, 6, seq, &[0; 56])));
            }
        }
        let (table, seen, _) = run(&frames);
        let record = only(&table);
        assert_eq!(record.echo(Side::Client), Some(EchoCounts { requests: 100, answered: 90, repeated: 0, unasked: 0 }));
        assert_eq!(record.echo(Side::Server), Some(EchoCounts { requests: 1, answered: 1, repeated: 1, unasked: 1 }));
        assert_eq!(record.echoes_waiting_since(Side::Client, Timestamp(1900 * MS)), 0);
        assert_eq!(record.echoes_waiting_since(Side::Client, Timestamp(1860 * MS)), 1);
        let rtt = record.rtt(Side::Server).unwrap();
        assert_eq!((rtt.samples, rtt.min, rtt.max), (90, 2 * MS, 2 * MS));
        assert_eq!(record.rtt(Side::Client).unwrap().max, 3 * MS);
        assert_eq!(seen[1].rtt, Some(2 * MS));
        assert_eq!(seen[1].from, Side::Server);
    }
}
