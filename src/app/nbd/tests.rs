use super::*;
use crate::testkit::parser::{Line, any_cut, play, play_without, torture};

fn request(kind: u16, cookie: u64, offset: u64, len: u32, data: &[u8]) -> Vec<u8> {
    let mut b = 0x2560_9513u32.to_be_bytes().to_vec();
    b.extend([0, 0]);
    b.extend(kind.to_be_bytes());
    b.extend(cookie.to_be_bytes());
    b.extend(offset.to_be_bytes());
    b.extend(len.to_be_bytes());
    b.extend(data);
    b
}

fn simple(error: u32, cookie: u64, data: &[u8]) -> Vec<u8> {
    let mut b = 0x6744_6698u32.to_be_bytes().to_vec();
    b.extend(error.to_be_bytes());
    b.extend(cookie.to_be_bytes());
    b.extend(data);
    b
}

fn structured(flags: u16, kind: u16, cookie: u64, data: &[u8]) -> Vec<u8> {
    let mut b = 0x668e_33efu32.to_be_bytes().to_vec();
    b.extend(flags.to_be_bytes());
    b.extend(kind.to_be_bytes());
    b.extend(cookie.to_be_bytes());
    b.extend((data.len() as u32).to_be_bytes());
    b.extend(data);
    b
}

fn option(number: u32, data: &[u8]) -> Vec<u8> {
    let mut b = b"IHAVEOPT".to_vec();
    b.extend(number.to_be_bytes());
    b.extend((data.len() as u32).to_be_bytes());
    b.extend(data);
    b
}

fn option_reply(number: u32, kind: u32, data: &[u8]) -> Vec<u8> {
    let mut b = 0x0003_e889_0455_65a9u64.to_be_bytes().to_vec();
    b.extend(number.to_be_bytes());
    b.extend(kind.to_be_bytes());
    b.extend((data.len() as u32).to_be_bytes());
    b.extend(data);
    b
}

/// A mirror as QEMU runs it: structured replies, GO, two writes, one of them again, zeroes, a flush, the end.
fn script() -> Vec<Line> {
    let (c, s) = (Side::Client, Side::Server);
    let mut go = 5u32.to_be_bytes().to_vec();
    go.extend(b"drive");
    go.extend([0, 0]);
    let mut info = 0u16.to_be_bytes().to_vec();
    info.extend((1u64 << 20).to_be_bytes());
    info.extend([0, 1]);
    vec![
        (s, b"NBDMAGICIHAVEOPT\0\x03".to_vec()),
        (c, vec![0, 0, 0, 3]),
        (c, option(8, &[])),
        (s, option_reply(8, 1, &[])),
        (c, option(7, &go)),
        (s, option_reply(7, 3, &info)),
        (s, option_reply(7, 1, &[])),
        (c, request(1, 1, 0, 512, &[0xaa; 512])),
        (s, structured(1, 0, 1, &[])),
        (c, request(1, 2, 512, 1024, &[0x25; 1024])),
        (s, structured(1, 0, 2, &[])),
        (c, request(6, 3, 1536, 4096, &[])),
        (s, structured(1, 0, 3, &[])),
        (c, request(1, 4, 0, 512, &[0; 512])),
        (s, structured(1, 0x8001, 4, &[0; 6])),
        (c, request(0, 5, 0, 16, &[])),
        (s, structured(1, 1, 5, &[0; 24])),
        (c, request(3, 6, 0, 0, &[])),
        (s, simple(0, 6, &[])),
        (c, request(2, 7, 0, 0, &[])),
    ]
}

fn report(events: &[Event]) -> NbdReport {
    match events {
        [Event::Migration(MigrationEvent::Storage(report))] => (**report).clone(),
        other => panic!("{other:?}"),
    }
}

fn key() -> FlowKey {
    let end = |n| crate::base::net::Endpoint::new(std::net::Ipv4Addr::new(10, 0, 0, n).into(), 49153);
    FlowKey { proto: 6, client: end(1), server: end(2) }
}

fn parser() -> Box<dyn StreamParser> {
    (NBD.start)(&key())
}

#[test]
fn counts_a_mirror() {
    let r = report(&play(parser(), &script()));
    assert_eq!((r.export.as_deref(), r.size), (Some("drive"), Some(1 << 20)));
    assert_eq!((r.writes, r.written, r.zeroings, r.zeroed), (3, 2048, 1, 4096));
    assert_eq!((r.reads, r.read, r.others, r.errors), (1, 16, 2, 1));
    assert_eq!(r.reached, 1536 + 4096);
    assert_eq!(r.converged.map(|m| m.place.frame), Some(12), "what was written after that is a repetition");
    assert!(r.disconnected && !r.damaged && !r.tls);
    assert_eq!(r.payload[0], script().iter().filter(|l| l.0 == Side::Client).map(|l| l.1.len() as u64).sum::<u64>());
}

#[test]
fn reads_the_old_option_and_simple_replies_with_data() {
    let (c, s) = (Side::Client, Side::Server);
    let mut export = 4096u64.to_be_bytes().to_vec();
    export.extend([0, 1]);
    export.extend([0; 124]);
    let script = vec![
        (s, b"NBDMAGICIHAVEOPT\0\x01".to_vec()),
        (c, vec![0, 0, 0, 1]),
        (c, option(1, b"disk0")),
        (s, export),
        (c, request(0, 9, 0, 32, &[])),
        (s, simple(0, 9, &[0x67; 32])),
        (c, request(0, 10, 0, 32, &[])),
        (s, simple(5, 10, &[])),
        (c, request(2, 0, 0, 0, &[])),
    ];
    let r = report(&play(parser(), &script));
    assert_eq!((r.export.as_deref(), r.size, r.reads, r.errors, r.damaged), (Some("disk0"), Some(4096), 2, 1, false));
}

#[test]
fn tls_ends_what_can_be_read() {
    let (c, s) = (Side::Client, Side::Server);
    let script = vec![
        (s, b"NBDMAGICIHAVEOPT\0\x03".to_vec()),
        (c, vec![0, 0, 0, 3]),
        (c, option(5, &[])),
        (s, option_reply(5, 1, &[])),
        (c, vec![0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]),
        (s, vec![0x16, 3, 3, 0, 2, 1, 2]),
    ];
    let r = report(&play(parser(), &script));
    assert!(r.tls && r.writes == 0);
}

#[test]
fn however_it_is_cut_and_whatever_is_missing() {
    any_cut(parser, &script(), 200);
    torture(parser, &script(), 500);
    let whole = report(&play(parser(), &script()));
    let len = whole.payload[0] as usize;
    for at in (0..len).step_by(7) {
        let r = report(&play_without(parser(), &script(), Side::Client, at..at + 40, GapReason::NotCaptured));
        assert!(r.written <= whole.written && r.payload == whole.payload, "at {at}: {r:?}");
        assert!(!r.derived || r.written == whole.written, "at {at}: what is derived is exact: {r:?}");
        assert!(r.damaged || r == whole, "at {at}: a gap that matters must be said");
    }
}

/// The first write's header is readable, the second's is cut off; the replies say that there was one.
#[test]
fn what_the_snap_length_cut_is_told_by_the_replies() {
    let before: usize = script().iter().take(9).filter(|l| l.0 == Side::Client).map(|l| l.1.len()).sum();
    let r = report(&play_without(parser(), &script(), Side::Client, before..before + 28 + 1024, GapReason::SnapLength));
    assert!(r.damaged && r.derived);
    assert_eq!((r.writes, r.written), (2, 2048));
}

#[test]
fn the_server_gives_it_away() {
    assert_eq!((NBD.probe)(&key(), Side::Server, b"NBDMAGICIHAVEOPT\0\x03"), Probe::Yes);
    assert_eq!((NBD.probe)(&key(), Side::Server, b"NBDMAGIC"), Probe::More);
    assert_eq!((NBD.probe)(&key(), Side::Server, b"HTTP/1.1"), Probe::No);
    let resync = NBD.resync.unwrap();
    assert_eq!(resync(&key(), Side::Client, &request(1, 1, 0, 512, &[0; 8])), Probe::Yes);
    assert_eq!(resync(&key(), Side::Client, &request(99, 1, 0, 512, &[0; 8])), Probe::No);
}
