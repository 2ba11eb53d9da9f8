use super::*;
use crate::base::anomaly::Place;
use crate::decode::{Icmp, Link, Net};
use crate::flow::{FlowId, Observation};
use crate::measure::tally::Tally;

const MS: i64 = 1_000_000;

fn feed(watch: &mut ServiceWatch, at_ms: i64, from: Side, transport: Transport, len: u32, verdict: Verdict) {
    let packet = Packet {
        at: Timestamp(at_ms * MS),
        place: Place { file: 0, frame: at_ms as u64 },
        wire_len: 60,
        frames: 1,
        link: Link::default(),
        tunnel: None,
        net: Net::Other,
        transport,
        payload: &[],
        payload_wire: len,
    };
    let seen = Observation { flow: FlowId(0), from, verdict, goodput: len, rtt: None, gap_before: 0, first: false };
    watch.take(&Tally::new(&packet, &seen, false), 2, Some((1, true)));
}

fn echo(reply: bool) -> Transport {
    Transport::Icmp(Icmp { v6: false, kind: if reply { 0 } else { 8 }, code: 0, echo: Some((1, 1)), reply })
}

fn tcp(flags: u8) -> Transport {
    Transport::Tcp(Tcp { flags, ..Tcp::default() })
}

#[test]
fn a_ping_that_stops_is_no_outage_and_one_that_goes_unanswered_is() {
    let mut w = ServiceWatch::new();
    for i in 0..50 {
        let at = if i < 25 { i * 20 } else { 3000 + i * 20 };
        feed(&mut w, at, Side::Client, echo(false), 56, Verdict::New);
        if !(30..33).contains(&i) {
            feed(&mut w, at + 1, Side::Server, echo(true), 56, Verdict::New);
        }
    }
    let server = &w.track(2).unwrap().sides[Side::Server.index()];
    let longest = server.waits().max_by_key(Ranked::rank).unwrap();
    assert_eq!((longest.last.at.0 / MS, longest.since().0 / MS, longest.end.at.0 / MS, longest.asks), (3581, 3600, 3661, 4));
    assert_eq!(server.asks.quantile(0.5).unwrap() / MS, 20);
    assert!(server.unanswered().is_none());
    let client = &w.track(2).unwrap().sides[Side::Client.index()];
    assert_eq!(client.waits().map(|x| x.rank() / MS).max(), Some(3020), "the client itself paused");
    let pair = &w.track(1).unwrap().sides[Side::Client.index()];
    assert_eq!(pair.packets, server.packets, "sides are swapped in the pair");
}

#[test]
fn idle_between_requests_is_no_wait_and_a_retransmitted_request_is() {
    let mut w = ServiceWatch::new();
    let mut at = 0;
    for _ in 0..20 {
        feed(&mut w, at, Side::Client, tcp(Tcp::ACK), 100, Verdict::New);
        feed(&mut w, at + 5, Side::Server, tcp(Tcp::ACK), 1000, Verdict::New);
        feed(&mut w, at + 6, Side::Client, tcp(Tcp::ACK), 0, Verdict::Ack);
        at += 2000;
    }
    feed(&mut w, at, Side::Client, tcp(Tcp::ACK), 100, Verdict::New);
    feed(&mut w, at + 200, Side::Client, tcp(Tcp::ACK), 100, Verdict::Retransmitted);
    feed(&mut w, at + 203, Side::Server, tcp(Tcp::ACK), 1000, Verdict::New);
    feed(&mut w, at + 603, Side::Server, tcp(Tcp::ACK), 1000, Verdict::Retransmitted);
    let [client, server] = &w.track(2).unwrap().sides;
    let waits: Vec<_> = server.waits().collect();
    let long: Vec<_> = waits.iter().filter(|x| x.rank() > 10 * MS).collect();
    assert_eq!(long.len(), 2);
    assert_eq!((long[0].rank() / MS, long[0].asks, long[0].asked_again), (203, 2, Some(Timestamp((at + 200) * MS))));
    assert_eq!((long[1].rank() / MS, long[1].asked, long[1].resent), (400, None, true));
    assert!(client.waits().all(|x| x.rank() <= 200 * MS), "two seconds between requests are no outage");
    assert!(server.unanswered().is_none() && client.unanswered().is_none(), "a response asks for nothing");
}

#[test]
fn a_server_that_waits_for_its_clients_window_is_not_down() {
    let mut w = ServiceWatch::new();
    feed(&mut w, 0, Side::Client, tcp(Tcp::ACK), 100, Verdict::New);
    for i in 0..20 {
        feed(&mut w, 5 + i * 700, Side::Server, tcp(Tcp::ACK), 1000, Verdict::New);
        feed(&mut w, 6 + i * 700, Side::Client, tcp(Tcp::ACK), 0, Verdict::Ack);
        feed(&mut w, 700 + i * 700, Side::Client, tcp(Tcp::ACK), 0, Verdict::Ack);
    }
    feed(&mut w, 14_300, Side::Server, tcp(Tcp::ACK), 1000, Verdict::New);
    let server = &w.track(2).unwrap().sides[1];
    assert_eq!(server.waits().map(|x| x.rank() / MS).collect::<std::collections::BTreeSet<_>>(), [5, 300].into());
}

#[test]
fn a_dead_server_leaves_requests_unanswered() {
    let mut w = ServiceWatch::new();
    feed(&mut w, 0, Side::Client, echo(false), 56, Verdict::New);
    feed(&mut w, 1, Side::Server, echo(true), 56, Verdict::New);
    for i in 1..10 {
        feed(&mut w, i * 20, Side::Client, echo(false), 56, Verdict::New);
    }
    let open = w.track(2).unwrap().sides[1].unanswered().unwrap();
    assert_eq!((open.last.unwrap().at.0 / MS, open.asked.0 / MS, open.asks), (1, 20, 9));
    assert!(w.track(7).is_none());
}
