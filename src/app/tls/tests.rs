use super::*;
use crate::app::Event;
use crate::flow::{FlowKey, GapReason};
use crate::testkit::parser::{any_cut, play, play_without, torture};

/// A ClientHello message with the given server name and two application protocols.
pub(crate) fn client_hello(name: &str) -> Vec<u8> {
    let ext = |kind: u16, body: Vec<u8>| [kind.to_be_bytes().to_vec(), (body.len() as u16).to_be_bytes().to_vec(), body].concat();
    let n = name.len() as u16;
    let sni = ext(0, [(n + 3).to_be_bytes().to_vec(), vec![0], n.to_be_bytes().to_vec(), name.as_bytes().to_vec()].concat());
    let alpn = ext(16, [vec![0, 12, 2], b"h2".to_vec(), vec![8], b"http/1.1".to_vec()].concat());
    let versions = ext(43, vec![6, 0x1a, 0x1a, 3, 4, 3, 3]);
    let exts = [sni, alpn, versions, ext(21, vec![0; 300])].concat();
    let body = [vec![3, 3], vec![7; 32], vec![0, 0, 2, 0x13, 1, 1, 0], (exts.len() as u16).to_be_bytes().to_vec(), exts].concat();
    [vec![1, 0, (body.len() >> 8) as u8, body.len() as u8], body].concat()
}

fn server_hello() -> Vec<u8> {
    let body = [vec![3, 3], vec![9; 32], vec![0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]].concat();
    [vec![2, 0, 0, body.len() as u8], body].concat()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &(body.len() as u16).to_be_bytes(), body].concat()
}

fn key() -> FlowKey {
    let end = |ip: [u8; 4], port| crate::base::net::Endpoint::new(ip.into(), port);
    FlowKey { proto: 6, client: end([192, 0, 2, 10], 40000), server: end([198, 51, 100, 80], 443) }
}

fn script() -> Vec<(Side, Vec<u8>)> {
    let hello = client_hello("Video.example.net");
    vec![
        (Side::Client, [record(22, &hello[..100]), record(22, &hello[100..])].concat()),
        (Side::Server, [record(22, &server_hello()), record(20, &[1]), record(23, &[5; 900])].concat()),
        (Side::Client, record(23, &[1; 70])),
        (Side::Server, (0..20).flat_map(|_| record(23, &[2; 4000])).collect()),
    ]
}

fn connection(events: &[Event]) -> &TlsConnection {
    let found = events.iter().find_map(|e| if let Event::Tls(TlsEvent::Connection(c)) = e { Some(c) } else { None });
    found.expect("a connection")
}

#[test]
fn names_and_counts_at_any_cut() {
    let start = || -> Box<dyn crate::app::StreamParser> { Box::new(TlsParser::new(key())) };
    let events = play(start(), &script());
    let c = connection(&events);
    assert_eq!(c.host(), Some("video.example.net"));
    let hello = c.client.as_ref().unwrap();
    assert_eq!((hello.version, hello.alpn.iter().map(|a| &**a).collect::<Vec<_>>()), (0x0304, vec!["h2", "http/1.1"]));
    assert_eq!(c.server, Some(ServerHello { version: 0x0304, cipher: 0x1301, alpn: None }));
    assert_eq!((c.application, c.exact), ([70, 900 + 80_000], true));
    assert_eq!(c.arrivals.total(), 80_900);
    any_cut(start, &script(), 200);
    torture(start, &script(), 200);
}

#[test]
fn gaps_inside_records_keep_the_count_and_others_make_it_an_upper_bound() {
    let start = || Box::new(TlsParser::new(key()));
    let events = play_without(start(), &script(), Side::Server, 1500..2500, GapReason::NotCaptured);
    let c = connection(&events);
    assert_eq!((c.application[1], c.missing[1], c.exact), (80_900, 1000, true));
    let events = play_without(start(), &script(), Side::Server, 3000..9000, GapReason::NotCaptured);
    let c = connection(&events);
    assert!(!c.exact && (80_900..=81_100).contains(&c.application[1]), "{:?}", c.application);
    let events = play_without(start(), &script(), Side::Client, 50..60, GapReason::SnapLength);
    assert_eq!(connection(&events).host(), None);
}

#[test]
fn probes_know_hellos_and_records() {
    let client = record(22, &client_hello("a"));
    assert_eq!(probe(&key(), Side::Client, &client), Probe::Yes);
    assert_eq!(probe(&key(), Side::Client, &client[..4]), Probe::More);
    assert_eq!(probe(&key(), Side::Server, &client), Probe::No);
    assert_eq!(probe(&key(), Side::Client, b"GET / HTTP/1.1"), Probe::No);
    let data = [record(23, &[1; 50]), record(23, &[1; 5])].concat();
    assert_eq!(resync(&key(), Side::Server, &data), Probe::Yes);
    assert_eq!(resync(&key(), Side::Server, &data[1..]), Probe::No);
    assert_eq!(resync(&key(), Side::Server, &[&data[..55], b"junk!!"].concat()), Probe::No);
}
