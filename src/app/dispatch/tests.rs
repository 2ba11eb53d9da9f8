use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};

use super::super::{DatagramParser, Probe};
use super::*;
use crate::base::net::Endpoint;
use crate::base::time::Timestamp;

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn log(line: String) {
    LOG.with_borrow_mut(|l| l.push(line));
}

fn logged() -> Vec<String> {
    LOG.take()
}

/// Ten bytes `TOYnnnnnnn`, then `n` bytes to be skipped, and again.
struct Toy(&'static str);

impl StreamParser for Toy {
    fn picked_up(&mut self, side: Side, _: Moment) {
        log(format!("{} picked up {side:?}", self.0));
    }
    fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], _: &mut dyn Emit<Event>) -> Need {
        log(format!("{side:?} {} {}", when.at.0, String::from_utf8_lossy(bytes)));
        match std::str::from_utf8(bytes) {
            Ok(text) if text.ends_with('!') => Need::Nothing,
            Ok(text) => text.strip_prefix("TOY").and_then(|n| n.parse().ok()).map_or(Need::More, Need::Skip),
            Err(_) => Need::More,
        }
    }
    fn gap(&mut self, side: Side, _: Moment, missing: u64, why: GapReason, _: &mut dyn Emit<Event>) -> Need {
        log(format!("{side:?} gap {missing} {why:?}"));
        Need::More
    }
    fn fin(&mut self, side: Side, _: Moment, _: &mut dyn Emit<Event>) {
        log(format!("{side:?} fin"));
    }
    fn end(&mut self, _: Moment, how: EndOfStream, _: &mut dyn Emit<Event>) {
        log(format!("end {how:?}"));
    }
}

fn begins(bytes: &[u8], with: &[u8]) -> Probe {
    let n = bytes.len().min(with.len());
    if bytes[..n] != with[..n] {
        Probe::No
    } else if n == with.len() {
        Probe::Yes
    } else {
        Probe::More
    }
}

static STREAMS: &[Protocol] = &[
    Protocol {
        name: "client-toy",
        probe: |_, side, bytes| if side == Side::Client { begins(bytes, b"TOY") } else { Probe::More },
        resync: None,
        start: |_| Box::new(Toy("client-toy")),
    },
    Protocol {
        name: "server-toy",
        probe: |_, side, bytes| if side == Side::Server { begins(bytes, b"HELLO") } else { Probe::More },
        resync: Some(|_, _, bytes| begins(bytes, b"MESSAGE")),
        start: |_| Box::new(Toy("server-toy")),
    },
];

impl DatagramParser for Toy {
    fn datagram(&mut self, side: Side, _: Moment, bytes: &[u8], wire_len: u32, _: &mut dyn Emit<Event>) -> Need {
        log(format!("{side:?} {} of {wire_len}", String::from_utf8_lossy(bytes)));
        Need::More
    }
    fn end(&mut self, _: Moment, _: &mut dyn Emit<Event>) {
        log("end".into());
    }
}

static DATAGRAMS: &[DatagramProtocol] = &[DatagramProtocol {
    name: "thrice",
    probe: |_, _, datagrams| match datagrams {
        [.., a, b, c] if [a, b, c].iter().all(|d| d[0] == b'x') => Probe::Yes,
        all if all.last().is_some_and(|d| d.first() == Some(&b'x')) => Probe::More,
        _ => Probe::No,
    },
    start: |_| Box::new(Toy("thrice")),
}];

const KEY: FlowKey = FlowKey {
    proto: 6,
    client: Endpoint { ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), port: 40000 },
    server: Endpoint { ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), port: 80 },
};
const F: FlowId = FlowId(7);

fn at(n: i64) -> Moment {
    Moment { at: Timestamp(n), ..Moment::default() }
}

fn started(whole: bool) -> Dispatcher<Vec<Tagged>> {
    logged();
    let mut d = Dispatcher::with(STREAMS, DATAGRAMS, Vec::new());
    d.begin(F, &KEY, at(0), whole);
    d
}

#[test]
fn first_bytes_settle_it_and_are_replayed_with_their_moments() {
    let mut d = started(true);
    assert_eq!(d.bytes(F, &KEY, Side::Client, at(1), b"T"), Need::More);
    assert_eq!(d.protocol(F), None);
    assert_eq!(d.bytes(F, &KEY, Side::Client, at(2), b"OY"), Need::More);
    assert_eq!(d.protocol(F), Some("client-toy"));
    assert_eq!(d.bytes(F, &KEY, Side::Client, at(3), b"TOY0000900"), Need::Skip(900));
    assert_eq!(d.gap(F, &KEY, Side::Server, at(4), 5, GapReason::NotCaptured), Need::More);
    d.fin(F, &KEY, Side::Client, at(5));
    d.end(F, &KEY, at(5), EndOfStream::Closed);
    assert_eq!(logged(), ["Client 1 T", "Client 2 OY", "Client 3 TOY0000900", "Server gap 5 NotCaptured", "Client fin", "end Closed"]);
    assert_eq!(d.protocol(F), Some("client-toy"), "known after the end");
    assert_eq!(d.protocol(FlowId(7 + limits::FLOWS as u32)), None, "but of another conversation in the same slot");
    assert_eq!(d.held, 0);
}

#[test]
fn needs_of_the_replay_hold_for_what_follows() {
    // The client says nothing that tells; its first two segments wait for the server's word.
    let mut d = started(true);
    assert_eq!(d.bytes(F, &KEY, Side::Client, at(1), b"quiet!"), Need::More);
    assert_eq!(d.bytes(F, &KEY, Side::Client, at(2), b"never told"), Need::More);
    assert_eq!(d.bytes(F, &KEY, Side::Server, at(3), b"HELLO"), Need::More);
    assert_eq!(d.bytes(F, &KEY, Side::Client, at(4), b"nor this"), Need::Nothing);
    assert_eq!(logged(), ["Client 1 quiet!", "Server 3 HELLO"]);
    assert_eq!(d.protocol(F), Some("server-toy"));
}

#[test]
fn a_skip_reaches_beyond_the_replay() {
    let mut d = started(true);
    assert_eq!(d.bytes(F, &KEY, Side::Client, at(1), b"TOY0000012"), Need::Skip(12));
    let mut d = started(true);
    d.bytes(F, &KEY, Side::Server, at(1), b"HE");
    // Rules out nothing: only the server's word counts for the second protocol.
    d.bytes(F, &KEY, Side::Client, at(2), b"TO");
    assert_eq!(logged(), Vec::<String>::new());
    d.bytes(F, &KEY, Side::Server, at(3), b"LLO");
    assert_eq!(logged(), ["Server 1 HE", "Client 2 TO", "Server 3 LLO"]);

    let mut s = Stream { parser: Box::new(Toy("s")), pending: [Need::Skip(12), Need::More] };
    let out = &mut crate::base::emit::Discard;
    assert_eq!(s.bytes(Side::Client, at(1), b"1234567890", out), Need::Skip(2));
    assert_eq!(s.gap(Side::Client, at(1), 5, GapReason::NotCaptured, out), Need::More);
    assert_eq!(logged(), ["Client gap 3 NotCaptured"]);
    s.pending[0] = Need::Skip(3);
    assert_eq!(s.bytes(Side::Client, at(1), b"abc", out), Need::More);
    assert!(logged().is_empty());
}

#[test]
fn unknown_content_is_let_go_at_once() {
    let mut d = started(true);
    assert_eq!(d.bytes(F, &KEY, Side::Client, at(1), b"GET /"), Need::More, "the server may still say HELLO");
    assert_eq!(d.bytes(F, &KEY, Side::Server, at(2), b"HTTP/1.1"), Need::Nothing);
    assert_eq!(d.bytes(F, &KEY, Side::Client, at(3), b"GET /"), Need::Nothing);
    assert_eq!(d.states.len(), d.free.len(), "and nothing is kept of it");
    assert_eq!(d.held, 0);
}

#[test]
fn a_silent_side_cannot_make_it_keep_for_ever() {
    let mut d = started(true);
    let mut given = 0;
    while d.bytes(F, &KEY, Side::Client, at(1), &[b'x'; 1000]) == Need::More {
        given += 1000;
        assert!(given <= 2 * limits::PROBE_BYTES);
    }
    assert_eq!(d.anomalies().count("probe_limit"), 1);
    assert_eq!(d.held, 0);
}

#[test]
fn a_stream_without_start_is_entered_at_a_message() {
    let mut d = started(false);
    assert_eq!(d.gap(F, &KEY, Side::Server, at(1), 10, GapReason::SnapLength), Need::More);
    assert_eq!(d.bytes(F, &KEY, Side::Server, at(1), b"tail of something"), Need::More);
    assert_eq!(d.bytes(F, &KEY, Side::Server, at(2), b"MESSAGE 1"), Need::More);
    assert_eq!(d.protocol(F), Some("server-toy"));
    assert_eq!(logged(), ["server-toy picked up Server", "Server 2 MESSAGE 1"]);

    let mut d = started(false);
    for n in 1..limits::RESYNC_SEGMENTS {
        assert_eq!(d.bytes(F, &KEY, Side::Client, at(i64::from(n)), b"?"), Need::More);
    }
    assert_eq!(d.bytes(F, &KEY, Side::Client, at(99), b"MESSAG"), Need::Nothing);
}

#[test]
fn a_start_that_was_not_captured_is_as_none() {
    let mut d = started(true);
    assert_eq!(d.gap(F, &KEY, Side::Client, at(1), 1448, GapReason::NotCaptured), Need::More);
    assert_eq!(d.gap(F, &KEY, Side::Server, at(1), 100, GapReason::NotCaptured), Need::More);
    assert_eq!(d.bytes(F, &KEY, Side::Client, at(2), b"MESSAGE 2"), Need::More);
    assert_eq!(logged(), ["server-toy picked up Client", "Client 2 MESSAGE 2"]);
}

#[test]
fn datagrams_are_asked_together_and_replayed() {
    let udp = FlowKey { proto: 17, ..KEY };
    logged();
    let mut d = Dispatcher::with(STREAMS, DATAGRAMS, Vec::new());
    assert_eq!(d.datagram(F, &udp, Side::Client, at(1), b"x1", 2), Need::More);
    assert_eq!(d.datagram(F, &udp, Side::Server, at(1), b"?", 1), Need::More);
    assert_eq!(d.datagram(F, &udp, Side::Client, at(2), b"x2", 2), Need::More);
    assert_eq!(d.datagram(F, &udp, Side::Client, at(3), b"x3", 900), Need::More);
    assert_eq!(d.protocol(F), Some("thrice"));
    d.end(F, &udp, at(4), EndOfStream::CaptureEnded);
    assert_eq!(logged(), ["Client x1 of 2", "Server ? of 1", "Client x2 of 2", "Client x3 of 900", "end"]);
    assert_eq!(d.held, 0);

    let other = FlowId(8);
    for n in 1..4 {
        assert_eq!(d.datagram(other, &udp, Side::Client, at(n), b"?", 1), Need::More);
    }
    assert_eq!(d.datagram(other, &udp, Side::Client, at(4), b"?", 1), Need::Nothing);
    assert_eq!(d.protocol(other), None);
}
