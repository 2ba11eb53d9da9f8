use super::procedures::{KEEPALIVE, REMOTE};
use super::{Call, LIBVIRT, probe};
use crate::app::migration::MigrationEvent;
use crate::app::{Event, Probe, StreamParser};
use crate::base::net::{Endpoint, Side};
use crate::flow::{FlowKey, GapReason};
use crate::testkit::migration::Stream;
use crate::testkit::parser::{Line, any_cut, moment, play, play_without, torture};

fn key() -> FlowKey {
    let end = |last, port| Endpoint { ip: std::net::IpAddr::from([10, 0, 0, last]), port };
    FlowKey { proto: 6, client: end(11, 40_000), server: end(12, 16_509) }
}

fn start() -> Box<dyn StreamParser> {
    (LIBVIRT.start)(&key())
}

fn message(program: u32, procedure: u32, kind: u32, serial: u32, status: u32, body: &[u8]) -> Vec<u8> {
    let words = [28 + body.len() as u32, program, 1, procedure, kind, serial, status];
    words.iter().flat_map(|w| w.to_be_bytes()).chain(body.iter().copied()).collect()
}

fn calls(events: &[Event]) -> Vec<&Call> {
    events
        .iter()
        .filter_map(|e| match e {
            Event::Libvirt(call) => Some(call),
            _ => None,
        })
        .collect()
}

/// An empty cookie, then the address.
fn prepared(uri: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1];
    body.extend((uri.len() as u32).to_be_bytes());
    body.extend(uri);
    body.resize(body.len().next_multiple_of(4), 0);
    body
}

fn script() -> Vec<Line> {
    vec![
        (Side::Client, message(REMOTE, 66, 0, 0, 0, &[])),
        (Side::Server, message(REMOTE, 66, 1, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])),
        (Side::Client, message(REMOTE, 303, 0, 7, 0, &[1; 400])),
        (Side::Server, message(KEEPALIVE, 1, 2, 0, 0, &[])),
        (Side::Server, message(REMOTE, 303, 1, 7, 0, &prepared(b"tcp:10.0.0.12:49152"))),
        (Side::Client, message(REMOTE, 306, 0, 8, 0, &[0, 0, 0, 9, 0, 0, 0, 1])),
        (Side::Server, message(REMOTE, 306, 1, 8, 1, b"\0\0\0\x09\0\0\0\x0a\0\0\0\x01\0\0\0\x05oops!\0\0\0")),
        (Side::Client, message(REMOTE, 2, 0, 9, 0, &[])),
    ]
}

#[test]
fn calls_find_their_replies() {
    let events = play(start(), &script());
    let found = calls(&events);
    let names: Vec<String> = found.iter().map(|c| c.name()).collect();
    assert_eq!(names, ["AUTH_LIST", "DOMAIN_MIGRATE_PREPARE3_PARAMS", "DOMAIN_MIGRATE_FINISH3_PARAMS", "CONNECT_CLOSE"]);
    assert_eq!((found[1].asked, found[1].answered), (Some(moment(2)), Some(moment(4))));
    assert_eq!(found[1].detail.as_deref(), Some("tcp:10.0.0.12:49152"));
    assert_eq!((found[2].detail.as_deref(), found[2].error.as_deref()), (Some("cancelled"), Some("oops!")));
    assert_eq!((found[3].asked, found[3].answered), (Some(moment(7)), None));
    assert!(found.iter().all(|c| c.from == Side::Client));
}

/// A migration in the stream of its Prepare, `piece` bytes a message.
fn tunnelled(piece: usize) -> (Vec<Line>, u64) {
    let stream = Stream::sample().0.bytes;
    let mut script = vec![(Side::Client, message(REMOTE, 304, 0, 7, 0, &[1; 40])), (Side::Server, message(REMOTE, 304, 1, 7, 0, &[0; 4]))];
    script.extend(stream.chunks(piece).map(|b| (Side::Client, message(REMOTE, 304, 3, 7, 2, b))));
    script.push((Side::Client, message(REMOTE, 304, 3, 7, 0, &[])));
    script.push((Side::Client, message(REMOTE, 306, 0, 8, 0, &[0; 8])));
    script.push((Side::Server, message(REMOTE, 306, 1, 8, 0, &[0; 4])));
    (script, stream.len() as u64)
}

#[test]
fn a_tunnelled_stream_is_read_like_any_other() {
    for piece in [100, 5000] {
        let (script, len) = tunnelled(piece);
        let events = play(start(), &script);
        let mut reports = events.iter().filter_map(|e| match e {
            Event::Migration(MigrationEvent::Closed(report)) => Some(report),
            _ => None,
        });
        let report = reports.next().expect("the stream is told");
        assert!(report.tunnelled && report.complete && report.damage.none(), "{:?}", report.damage);
        assert_eq!((report.ram.normal, report.ram.zero, report.sent_bytes), (3, 3, len));
        assert_eq!(calls(&events).len(), 2);
    }
}

#[test]
fn any_cut_gives_the_same_events() {
    any_cut(start, &script(), 100);
    any_cut(start, &tunnelled(1000).0, 40);
}

#[test]
fn damage_is_survived_and_calls_after_it_are_found() {
    torture(start, &script(), 300);
    torture(start, &tunnelled(700).0, 300);
    let events = play_without(start(), &script(), Side::Server, 30..80, GapReason::NotCaptured);
    assert!(calls(&events).iter().any(|c| c.error.as_deref() == Some("oops!")), "{events:?}");
}

#[test]
fn told_by_its_header() {
    let head = message(REMOTE, 66, 0, 0, 0, &[]);
    assert_eq!(probe(&key(), Side::Client, &head), Probe::Yes);
    assert_eq!(probe(&key(), Side::Client, &head[..10]), Probe::More);
    assert_eq!(probe(&key(), Side::Client, b"GET / HTTP/1.1\r\nHost: example.net\r\n"), Probe::No);
    assert_eq!(probe(&key(), Side::Client, b"GET"), Probe::No);
}
