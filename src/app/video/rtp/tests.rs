use super::*;
use crate::base::anomaly::Place;
use crate::base::net::Endpoint;
use crate::base::time::Timestamp;

fn key() -> FlowKey {
    FlowKey { proto: 17, client: Endpoint::new([192, 0, 2, 50].into(), 5004), server: Endpoint::new([192, 0, 2, 10].into(), 40_000) }
}

fn packet(sequence: u16, timestamp: u32) -> Vec<u8> {
    [&[0x80, 96][..], &sequence.to_be_bytes(), &timestamp.to_be_bytes(), &7u32.to_be_bytes(), &[0; 100]].concat()
}

fn run(packets: &[(i64, Vec<u8>)]) -> RtpStats {
    let mut parser = RtpParser::new(key());
    let mut out: Vec<Event> = Vec::new();
    for (us, bytes) in packets {
        let when = Moment { at: Timestamp(us * 1000), place: Place::default() };
        parser.datagram(Side::Client, when, bytes, bytes.len() as u32, &mut out);
    }
    parser.end(Moment::default(), &mut out);
    match out.pop() {
        Some(Event::Media(MediaEvent::Rtp(s))) => s.stats,
        other => panic!("{other:?}"),
    }
}

/// 25 pictures per second, one packet each, over the wrap of the sequence number.
fn steady(n: u16) -> Vec<(i64, Vec<u8>)> {
    (0..n)
        .map(|i| (i64::from(i) * 40_000, packet(65_500u16.wrapping_add(i), (u32::MAX - 10_000).wrapping_add(u32::from(i) * 3600))))
        .collect::<Vec<_>>()
}

#[test]
fn a_steady_stream_has_no_loss_and_no_jitter() {
    let stats = run(&steady(100));
    assert_eq!((stats.packets, stats.expected(), stats.lost(), stats.reordered, stats.duplicates), (100, 100, 0, 0, 0));
    assert_eq!(stats.clock_rate(), Some(90_000));
    let (now, most) = stats.jitter_ms(90_000).unwrap();
    assert!(now < 1e-9 && most < 1e-9, "{now} {most}");
}

#[test]
fn loss_copies_and_late_packets_are_told_apart() {
    let mut packets = steady(100);
    packets.remove(80);
    packets.remove(50);
    packets.swap(20, 21);
    packets.insert(31, packets[30].clone());
    let stats = run(&packets);
    assert_eq!((stats.packets, stats.expected(), stats.lost(), stats.reordered, stats.duplicates), (98, 100, 2, 1, 1));
}

#[test]
fn jitter_follows_rfc_3550() {
    // Every second packet 8 ms late: |D| is 8 ms each time, to which J rises as 8 (1 - (15/16)^n).
    let late: Vec<_> = steady(50).into_iter().enumerate().map(|(i, (t, p))| (t + if i % 2 == 1 { 8000 } else { 0 }, p)).collect();
    let stats = run(&late);
    let (now, _) = stats.jitter_ms(90_000).unwrap();
    let expected = 8.0 * (1.0 - (15.0f64 / 16.0).powi(49));
    assert!((now - expected).abs() < 1e-6, "{now} {expected}");
}

#[test]
fn a_source_that_begins_anew_is_no_loss() {
    let mut packets = steady(50);
    packets.extend((0..50).map(|i| (2_000_000 + i64::from(i) * 40_000, packet(20_000 + i, u32::from(i) * 3600))));
    let stats = run(&packets);
    assert_eq!((stats.expected(), stats.lost(), stats.restarts()), (100, 0, 1));
}

#[test]
fn shape_tells_rtp_from_other_datagrams() {
    let stream: Vec<Vec<u8>> = steady(5).into_iter().map(|p| p.1).collect();
    let list: Vec<&[u8]> = stream.iter().map(Vec::as_slice).collect();
    assert_eq!(probe(&key(), Side::Client, &list[..1]), Probe::More);
    assert_eq!(probe(&key(), Side::Client, &list[..3]), Probe::More);
    assert_eq!(probe(&key(), Side::Client, &list[..4]), Probe::Yes);
    let stun: &[u8] = &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    assert_eq!(probe(&key(), Side::Client, &[stun, list[0], list[1], list[2], list[3]]), Probe::Yes);
    assert_eq!(probe(&key(), Side::Client, &[b"GET / HTTP/1.1 and so on"]), Probe::More);
    assert_eq!(probe(&key(), Side::Client, &[&[0xff; 40]]), Probe::No);
    let noise: Vec<Vec<u8>> = (0..13u8).map(|i| [&[0x80, 96, i.wrapping_mul(97), 1][..], &[i; 40]].concat()).collect();
    let noise: Vec<&[u8]> = noise.iter().map(Vec::as_slice).collect();
    assert_eq!(probe(&key(), Side::Client, &noise), Probe::No);
}

proptest::proptest! {
    #[test]
    fn any_packets_are_survived(list in proptest::collection::vec((proptest::num::i64::ANY, proptest::num::u16::ANY, proptest::num::u32::ANY), 2..60)) {
        let packets: Vec<_> = list.into_iter().map(|(t, s, ts)| (t / 1000, packet(s, ts))).collect();
        let stats = run(&packets);
        proptest::prop_assert!(stats.expected() + stats.reordered + stats.duplicates + 1 >= stats.packets);
        let _ = (stats.clock_rate(), stats.jitter_ms(90_000));
    }
}
