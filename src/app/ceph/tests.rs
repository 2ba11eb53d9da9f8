use super::frame::{Preamble, V1Message, crc32c};
use super::{CEPH_V1, CEPH_V2, CephReport, Kind};
use crate::app::{Event, Probe, StreamParser};
use crate::base::net::{Endpoint, Side};
use crate::flow::{FlowKey, GapReason};
use crate::testkit::parser::{Line, any_cut, moment, play, play_without, torture};

fn key() -> FlowKey {
    let end = |last, port| Endpoint { ip: std::net::IpAddr::from([10, 0, 0, last]), port };
    FlowKey { proto: 6, client: end(11, 40_000), server: end(30, 6800) }
}

fn v1() -> Box<dyn StreamParser> {
    (CEPH_V1.start)(&key())
}

fn v2() -> Box<dyn StreamParser> {
    (CEPH_V2.start)(&key())
}

/// A frame of version 2, revision 1.
fn frame(tag: u8, segments: &[&[u8]]) -> Vec<u8> {
    let mut head = vec![tag, segments.len() as u8];
    for i in 0..4 {
        head.extend((segments.get(i).map_or(0, |s| s.len()) as u32).to_le_bytes());
        head.extend(8u16.to_le_bytes());
    }
    head.extend([0, 0]);
    head.extend(crc32c(&head).to_le_bytes());
    head.extend(segments[0]);
    head.extend([9; 4]);
    if segments.len() > 1 {
        head.extend(segments[1..].concat());
        head.extend([8; 13]);
    }
    head
}

fn message(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut head = [0; 41];
    head[16..18].copy_from_slice(&kind.to_le_bytes());
    frame(17, &[&head, &[1; 50], &[], data])
}

fn auth_done(mode: u32) -> Vec<u8> {
    frame(6, &[&[&[7; 8][..], &mode.to_le_bytes(), &[0; 10]].concat()])
}

fn banner() -> Vec<u8> {
    [&b"ceph v2\n\x10\0"[..], &1u64.to_le_bytes(), &1u64.to_le_bytes()].concat()
}

fn script_v2(mode: u32) -> Vec<Line> {
    vec![
        (Side::Client, banner()),
        (Side::Server, [banner(), frame(1, &[&[4; 36]])].concat()),
        (Side::Client, frame(1, &[&[8; 36]])),
        (Side::Server, auth_done(mode)),
        (Side::Client, frame(11, &[&[0; 40]])),
        // A call of a class, a write, a read, and a keepalive between them.
        (Side::Client, message(42, b"lock")),
        (Side::Client, message(42, &[3; 4096])),
        (Side::Server, message(43, &[])),
        (Side::Client, frame(18, &[&[0; 8]])),
        (Side::Client, message(42, &[])),
        (Side::Server, message(43, &[5; 1024])),
    ]
}

fn message_v1(kind: u16, from: u8, data: &[u8]) -> Vec<u8> {
    let mut head = vec![7; 1];
    head.extend([0; 16]);
    head.extend(kind.to_le_bytes());
    head.extend([0; 4]);
    for len in [30, 0, data.len() as u32] {
        head.extend(len.to_le_bytes());
    }
    head.extend([0, 0, from]);
    head.extend([0; 12]);
    head.extend(crc32c(&head[1..]).to_le_bytes());
    [head, vec![1; 30], data.to_vec(), vec![2; 21]].concat()
}

fn script_v1() -> Vec<Line> {
    let connect = |authorizer: u32| {
        [&[0; 8][..], &8u32.to_le_bytes(), &[0; 8], &24u32.to_le_bytes(), &[0; 4], &authorizer.to_le_bytes(), &[0]].concat()
    };
    let answer = |tag: u8, authorizer: u32| [&[tag][..], &[0; 20], &authorizer.to_le_bytes(), &[0]].concat();
    vec![
        (Side::Client, b"ceph v027".to_vec()),
        (Side::Server, [&b"ceph v027"[..], &[0; 272]].concat()),
        (Side::Client, [vec![0; 136], connect(0)].concat()),
        (Side::Server, [answer(16, 5), vec![6; 5]].concat()),
        (Side::Client, [connect(4), vec![6; 4]].concat()),
        (Side::Server, [answer(13, 0), vec![0; 8]].concat()),
        (Side::Client, [vec![0; 8], message_v1(42, 8, &[3; 4096])].concat()),
        (Side::Server, [vec![8, 1, 0, 0, 0, 0, 0, 0, 0], message_v1(43, 4, &[])].concat()),
        (Side::Client, vec![14, 1, 2, 3, 4, 5, 6, 7, 8]),
        (Side::Client, message_v1(42, 8, &[])),
        (Side::Server, message_v1(43, 4, &[5; 1024])),
    ]
}

fn report(events: &[Event]) -> &CephReport {
    let [Event::Ceph(report)] = events else { panic!("{events:?}") };
    report
}

fn sums(report: &CephReport) -> [u64; 4] {
    [report.written.operations, report.written.bytes, report.read.operations, report.read.bytes]
}

#[test]
fn version_2_tells_what_was_read_and_written() {
    let events = play(v2(), &script_v2(1));
    let report = report(&events);
    assert_eq!((report.server, sums(report), report.messages), (Some(Kind::Osd), [1, 4096, 1, 1024], 5));
    assert!(report.reconnect && !report.secure && !report.damaged && !report.picked_up);
    assert_eq!((report.written.bursts[0].1, report.read.bursts[0].0), (moment(6), moment(10)));
}

#[test]
fn secure_mode_is_marked_and_nothing_is_guessed() {
    let events = play(v2(), &script_v2(2));
    let report = report(&events);
    assert!(report.secure && !report.damaged);
    assert_eq!((report.server, sums(report)), (Some(Kind::Osd), [0; 4]));
}

#[test]
fn version_1_tells_what_was_read_and_written() {
    let events = play(v1(), &script_v1());
    let report = report(&events);
    assert_eq!((report.server, sums(report), report.messages, report.damaged), (Some(Kind::Osd), [1, 4096, 1, 1024], 4, false));
}

#[test]
fn any_cut_gives_the_same_events() {
    any_cut(v2, &script_v2(1), 60);
    any_cut(v2, &script_v2(2), 20);
    any_cut(v1, &script_v1(), 60);
}

#[test]
fn damage_is_survived_and_what_follows_is_counted() {
    torture(v2, &script_v2(1), 300);
    torture(v1, &script_v1(), 300);
    // Data that the snap length cut off is counted all the same.
    let before: usize = script_v2(1)[..6].iter().filter(|l| l.0 == Side::Client).map(|l| l.1.len()).sum();
    let cut = play_without(v2(), &script_v2(1), Side::Client, before + 120..before + 4000, GapReason::SnapLength);
    assert_eq!((sums(report(&cut)), report(&cut).damaged), ([1, 4096, 1, 1024], false));
    // Nor does it matter that the type of the message is cut off, where a storage daemon answers.
    for (start, script, from) in [(v2 as fn() -> Box<dyn StreamParser>, script_v2(1), 38), (v1, script_v1(), 8 + 40)] {
        let before: usize = script[..6].iter().filter(|l| l.0 == Side::Client).map(|l| l.1.len()).sum();
        let cut = play_without(start(), &script, Side::Client, before + from..before + 4000, GapReason::SnapLength);
        assert_eq!((sums(report(&cut)), report(&cut).damaged), ([1, 4096, 1, 1024], false));
    }
    // Without the first message's head, the next one is found.
    let torn = play_without(v2(), &script_v2(1), Side::Client, before - 20..before + 40, GapReason::NotCaptured);
    assert_eq!((sums(report(&torn)), report(&torn).damaged), ([0, 0, 1, 1024], true));
}

#[test]
fn a_connection_is_picked_up_at_a_message() {
    let two = message(42, &[1; 512]);
    assert_eq!((CEPH_V2.resync.unwrap())(&key(), Side::Client, &two), Probe::Yes);
    assert_eq!((CEPH_V2.resync.unwrap())(&key(), Side::Client, &two[1..]), Probe::No);
    let one = message_v1(42, 8, &[1; 512]);
    assert_eq!((CEPH_V1.resync.unwrap())(&key(), Side::Client, &one), Probe::Yes);
    for (mut parser, bytes) in [(v2(), two), (v1(), one)] {
        let mut events: Vec<Event> = Vec::new();
        parser.picked_up(Side::Client, moment(0));
        parser.bytes(Side::Client, moment(0), &bytes, &mut events);
        parser.end(moment(1), crate::flow::EndOfStream::CaptureEnded, &mut events);
        assert_eq!((sums(report(&events)), report(&events).picked_up), ([1, 512, 0, 0], true));
    }
}

/// The checksum of a real head (Ceph 16.2).
#[test]
fn heads_are_known_by_their_checksums() {
    let head = b"\x11\x04\x29\0\0\0\x08\0\xf7\0\0\0\x08\0\0\0\0\0\x08\0\0\x10\0\0\0\x10\0\0\xfb\xf4\x95\xc9";
    let preamble = Preamble::read(head).unwrap();
    assert_eq!((preamble.tag, preamble.lengths, preamble.rest(true)), (17, [41, 247, 0, 4096], 41 + 4 + 247 + 4096 + 13));
    let mut other = *head;
    other[2] ^= 1;
    assert_eq!(Preamble::read(&other), None);
    let one = b"\x07\x9e\0\0\0\0\0\0\0\x9c\0\0\0\0\0\0\0\x2a\0\x3f\0\x08\0\xf7\0\0\0\0\0\0\0\0\x10\0\0\0\0\x08\x23\x10\0\0\0\0\0\0\x03\0\0\0\x8e\x24\x95\xd2";
    let message = V1Message::read(one).unwrap();
    assert_eq!((message.kind, message.data, message.from, message.rest), (42, 4096, 8, 247 + 4096 + 21));
}
