//! What happens when there is too much of something.

use super::*;
use crate::base::limits;
use crate::base::net::Endpoint;
use crate::decode::Tcp;
use crate::testkit::packet::{icmp_frame, udp_frame};
use crate::testkit::random::Random;

#[test]
fn a_full_table_closes_what_was_not_used_lately_and_keeps_the_sums() {
    let server = Talk::new().server;
    let mut table = FlowTable::with_capacity(10);
    let mut log = Log::default();
    let mut frames = Vec::new();
    for port in 1..=1000u16 {
        let client = Endpoint::new(Talk::new().client.ip, port);
        frames.push((Timestamp(i64::from(port) * 1000), udp_frame(client, server, b"once")));
        // One conversation goes on all the time.
        frames.push((Timestamp(i64::from(port) * 1000 + 1), udp_frame(Talk::new().client, server, b"always")));
    }
    let mut ids = std::collections::BTreeSet::new();
    let mut steady = std::collections::BTreeSet::new();
    talk::decode(&frames, |packet| {
        let seen = table.packet(packet, &mut log).unwrap();
        assert_eq!(seen.first, ids.insert(seen.flow), "no name is used twice");
        if packet.payload == b"always" {
            steady.insert(seen.flow);
        }
        *table.user_mut(seen.flow).unwrap() = 7;
        assert_eq!(table.get(seen.flow).unwrap().id(), seen.flow);
    });
    assert_eq!(steady.len(), 1, "what is used stays");
    assert_eq!(ids.len(), 1001);
    let evicted = table.evicted();
    assert_eq!((evicted.flows, evicted.packets, evicted.payload), (991, 991, 4 * 991));
    let kept: u64 = table.records().map(|(_, r)| r.sent(Side::Client).packets + r.sent(Side::Server).packets).sum();
    assert_eq!(kept + evicted.packets, 2000);
    assert_eq!(log.lines.iter().filter(|l| l.ends_with("end Limit")).count(), 991);
    assert_eq!(table.key(*ids.iter().next().unwrap()).is_some(), steady.contains(ids.iter().next().unwrap()));
    table.finish(&mut log);
    assert_eq!(log.lines.iter().filter(|l| l.contains("end")).count(), 1001);
}

#[test]
fn shared_bounds_are_given_back() {
    let mut table = FlowTable::with_capacity(4);
    let mut log = Log::default();
    for port in 1..200u16 {
        let mut talk = Talk::between(&format!("192.0.2.1:{port}"), "192.0.2.2:9999");
        talk.open().say(Side::Client, &[1; 3000]).segment(Side::Server, Tcp::ACK, &[2; 10]);
        talk.segments.remove(3);
        let mut frames = talk.frames();
        frames.push((talk.now, icmp_frame(Talk::new().client.ip, std::net::Ipv4Addr::from(u32::from(port)).into(), false, 1, port, &[])));
        talk::decode(&frames, |packet| {
            table.packet(packet, &mut log);
        });
    }
    assert!(table.shared.holes <= 4 && table.shared.echoes <= 4);
    assert!(table.shared.held < 4 * 2000);
    table.finish(&mut log);
    assert_eq!(table.shared.held, 0);
}

#[test]
fn holes_beyond_the_bound_are_forgotten_and_counted() {
    let mut talk = Talk::new();
    talk.open();
    let base = talk.seq[0];
    let n = limits::HOLES as u32 + 10;
    for hole in 0..n {
        talk.seq[0] = base + 1 + 2 * hole;
        talk.segment(Side::Client, Tcp::ACK, b"x");
    }
    let (table, _, _) = run_talk(&talk);
    let counts = only(&table).tcp(Side::Client).unwrap().counts;
    assert_eq!((counts.gap_events, counts.gap_bytes), (n, u64::from(n)));
    assert_eq!(table.anomalies().count("tcp_holes_forgotten"), 10);
    assert_eq!(table.shared.holes, limits::HOLES);
}

#[test]
fn echoes_without_end_are_bounded() {
    let (a, b) = (Talk::new().client.ip, Talk::new().server.ip);
    let frames: Vec<_> = (0..limits::ECHOES as i64 + 50).map(|n| (Timestamp(n), icmp_frame(a, b, false, 1, n as u16, &[]))).collect();
    let (table, _, _) = run(&frames);
    assert_eq!(only(&table).echo(Side::Client).unwrap().requests, limits::ECHOES as u64 + 50);
    assert_eq!(table.anomalies().count("echoes_forgotten"), 50);
    assert_eq!(table.shared.echoes, limits::ECHOES);
}

/// Packets that no stack would send: random numbers, flags, lengths and orders.
#[test]
fn nonsense_does_no_harm() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut talk = Talk::new();
        talk.step = crate::base::time::Nanos(random.below(5_000_000) as i64 - 1_000_000);
        let spread = [10, 1000, 1 << 20, 1 << 31, u64::from(u32::MAX)][random.below(5) as usize];
        for _ in 0..300 {
            let side = if random.chance(0.5) { Side::Client } else { Side::Server };
            let flags = match random.below(10) {
                0 => random.next() as u8,
                1 => Tcp::SYN,
                2 => Tcp::SYN | Tcp::ACK,
                3 => Tcp::FIN | Tcp::ACK,
                _ => Tcp::ACK,
            };
            let flags = if random.chance(0.95) { flags & !Tcp::RST } else { flags };
            let payload = vec![1; random.below(200) as usize * random.below(2) as usize];
            talk.seq = [spread, spread].map(|s| (u32::MAX / 2).wrapping_add(random.below(s) as u32));
            let header = talk.segment(side, flags, &payload);
            header.window = random.below(3) as u16 * 1000;
            if random.chance(0.2) {
                let mut block = || (u32::MAX / 2).wrapping_add(random.below(spread) as u32);
                header.options = vec![crate::testkit::packet::TcpOption::Sack(vec![(block(), block()), (block(), block())])];
            }
        }
        let mut log = Log::default();
        log.answer = match seed % 4 {
            0 => None,
            1 => Some(|log, _| Need::Skip(log.lines.len() as u64 * 37 % 500)),
            2 => Some(|log, _| if log.lines.len() % 50 == 49 { Need::Nothing } else { Need::More }),
            _ => Some(|_, _| Need::Skip(u64::MAX)),
        };
        let snaplen = if seed % 3 == 0 { 80 } else { usize::MAX };
        let (table, seen) = run_cut(&talk.frames(), snaplen, &mut log);
        assert_eq!(seen.len(), 300);
        assert_eq!(table.shared.held, 0, "seed {seed}");
        for (_, record) in table.records() {
            for side in [Side::Client, Side::Server] {
                assert!(record.goodput(side) <= record.sent(side).payload);
            }
        }
        let begun = log.lines.iter().filter(|l| l.contains("begin")).count();
        assert_eq!(begun, log.lines.iter().filter(|l| l.contains(" end ")).count());
    }
}
