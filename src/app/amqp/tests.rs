use super::ledger::AmqpLedger;
use super::{AMQP, Message, probe, resync};
use crate::app::{Event, Probe, StreamParser};
use crate::base::net::{Endpoint, Side};
use crate::flow::{FlowKey, GapReason};
use crate::testkit::parser::{Line, any_cut, moment, play, play_without, torture};

fn key() -> FlowKey {
    let end = |last, port| Endpoint { ip: std::net::IpAddr::from([10, 0, 0, last]), port };
    FlowKey { proto: 6, client: end(11, 40_000), server: end(10, 5672) }
}

fn start() -> Box<dyn StreamParser> {
    (AMQP.start)(&key())
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    [&[kind][..], &channel.to_be_bytes(), &(payload.len() as u32).to_be_bytes(), payload, &[0xce]].concat()
}

fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

fn content(channel: u16, method: Vec<u8>, body: &str, piece: usize) -> Vec<u8> {
    // Class 60, weight 0, size, no properties.
    let header = [&[0, 60, 0, 0][..], &(body.len() as u64).to_be_bytes(), &[0, 0]].concat();
    let bodies = body.as_bytes().chunks(piece).flat_map(|b| frame(3, channel, b));
    [frame(1, channel, &method), frame(2, channel, &header)].concat().into_iter().chain(bodies).collect()
}

fn publish(channel: u16, exchange: &str, routing_key: &str, body: &str, piece: usize) -> Vec<u8> {
    content(channel, [vec![0, 60, 0, 40, 0, 0], short(exchange), short(routing_key), vec![0]].concat(), body, piece)
}

fn deliver(channel: u16, exchange: &str, routing_key: &str, body: &str) -> Vec<u8> {
    let method = [vec![0, 60, 0, 60], short("2"), vec![0, 0, 0, 0, 0, 0, 0, 9, 0], short(exchange), short(routing_key)].concat();
    content(channel, method, body, 4096)
}

const CALL: &str = r#"{"oslo.version": "2.0", "oslo.message": "{\"method\": \"pre_live_migration\", \"args\": {\"method\": \"no\", \"list\": [{\"_msg_id\": \"no\"}]}, \"version\": \"6.0\", \"_msg_id\": \"aa11\", \"_reply_q\": \"reply_5\", \"_timeout\": null, \"_unique_id\": \"u1\", \"_context_auth_token\": \"gAAAAA-secret\", \"_context_request_id\": \"req-1\"}"}"#;
const REPLY: &str = r#"{"oslo.version": "2.0", "oslo.message": "{\"result\": null, \"failure\": \"{\\\"class\\\": \\\"MigrationPreCheckError\\\", \\\"message\\\": \\\"secret\\\"}\", \"ending\": true, \"_msg_id\": \"aa11\", \"_unique_id\": \"u2\"}"}"#;
const BARE: &str = r#"{"method": "report_state", "args": {}, "_unique_id": "u3"}"#;

fn script() -> Vec<Line> {
    let log_in = [&[0, 10, 0, 11, 0, 0, 0, 0][..], &short("PLAIN"), b"\0\0\0\x0b\0nova\0secret"].concat();
    vec![
        (Side::Client, b"AMQP\0\0\x09\x01".to_vec()),
        (Side::Server, frame(1, 0, &[0, 10, 0, 10, 0, 9, 0, 0, 0, 0])),
        (Side::Client, frame(1, 0, &log_in)),
        (Side::Client, publish(1, "nova", "compute.dst", CALL, 100)),
        (Side::Server, frame(1, 1, &[0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 1, 0])),
        (Side::Server, frame(8, 0, &[])),
        (Side::Server, deliver(1, "nova", "compute.dst", CALL)),
        (Side::Client, publish(2, "", "reply_5", REPLY, 4096)),
        (Side::Server, deliver(1, "", "reply_5", REPLY)),
        (Side::Client, publish(1, "nova", "conductor", BARE, 4096)),
    ]
}

fn messages(events: &[Event]) -> Vec<&Message> {
    events
        .iter()
        .map(|e| match e {
            Event::Amqp(message) => &**message,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn calls_and_replies_are_told_by_their_envelopes() {
    let events = play(start(), &script());
    let found = messages(&events);
    assert_eq!(found.len(), 5);
    let call = found[0];
    assert_eq!((call.published, call.exchange.as_str(), call.routing_key.as_str()), (true, "nova", "compute.dst"));
    assert_eq!((call.method.as_deref(), call.msg_id.as_deref()), (Some("pre_live_migration"), Some("aa11")));
    assert_eq!((call.reply_queue.as_deref(), call.unique_id.as_deref()), (Some("reply_5"), Some("u1")));
    assert_eq!((call.request_id.as_deref(), call.completed, call.size), (Some("req-1"), Some(moment(3)), Some(CALL.len() as u64)));
    assert_eq!((found[1].published, found[1].unique_id.as_deref()), (false, Some("u1")));
    assert_eq!((&found[2].method, found[2].failure.as_deref(), found[2].ending), (&None, Some("MigrationPreCheckError"), true));
    assert_eq!((found[4].method.as_deref(), found[4].msg_id.as_deref()), (Some("report_state"), None));
    assert!(!format!("{events:?}").contains("secret"));
}

#[test]
fn a_call_is_one_entry_with_its_way_there_and_back() {
    let mut ledger = AmqpLedger::default();
    for event in play(start(), &script()) {
        if let Event::Amqp(message) = event {
            ledger.message(key(), *message);
        }
    }
    assert_eq!((ledger.calls.len(), ledger.left_out), (2, 0));
    let call = &ledger.calls[0];
    let at = |leg: &Option<super::ledger::Leg>| leg.map(|l| l.1);
    assert_eq!((at(&call.sent), at(&call.taken), call.takers), (Some(moment(3)), Some(moment(6)), 1));
    assert_eq!((at(&call.reply_sent), at(&call.reply_taken)), (Some(moment(7)), Some(moment(8))));
    assert_eq!(call.message.failure.as_deref(), Some("MigrationPreCheckError"));
}

#[test]
fn any_cut_gives_the_same_events() {
    any_cut(start, &script(), 100);
}

#[test]
fn damage_is_survived_and_messages_after_it_are_found() {
    torture(start, &script(), 300);
    // From within the log-in to within the first body.
    let events = play_without(start(), &script(), Side::Client, 20..200, GapReason::NotCaptured);
    let found = messages(&events);
    assert_eq!(found.iter().filter(|m| m.published).count(), 2, "{found:?}");
    assert_eq!(found.last().unwrap().method.as_deref(), Some("report_state"));
}

#[test]
fn a_body_that_is_cut_off_tells_what_its_beginning_says() {
    let line = publish(1, "nova", "compute.dst", CALL, 4096);
    let (from, all) = (line.len() - 200, line.len());
    let script = vec![(Side::Client, line), (Side::Client, publish(1, "nova", "conductor", BARE, 4096))];
    let events = play_without(start(), &script, Side::Client, from..all, GapReason::SnapLength);
    let found = messages(&events);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].method.as_deref(), &found[0].msg_id), (Some("pre_live_migration"), &None));
    assert_eq!(found[1].unique_id.as_deref(), Some("u3"));
}

#[test]
fn a_connection_is_picked_up_at_a_frame() {
    let message = publish(1, "nova", "conductor", BARE, 4096);
    assert_eq!(resync(&key(), Side::Client, &message), Probe::Yes);
    assert_eq!(resync(&key(), Side::Client, &message[1..]), Probe::No);
    assert_eq!(resync(&key(), Side::Client, &message[..12]), Probe::No);
    let mut parser = start();
    parser.picked_up(Side::Client, moment(0));
    let mut events: Vec<Event> = Vec::new();
    parser.bytes(Side::Client, moment(0), &message, &mut events);
    // The other side begins within a body.
    let other = [b"},]\x01\x00\x01\x08".as_slice(), &deliver(3, "nova", "conductor", BARE)].concat();
    parser.bytes(Side::Server, moment(1), &other, &mut events);
    assert_eq!(messages(&events).len(), 2);
}

#[test]
fn told_by_its_opening() {
    assert_eq!(probe(&key(), Side::Client, b"AMQP\0\0\x09\x01"), Probe::Yes);
    assert_eq!(probe(&key(), Side::Client, b"AMQ"), Probe::More);
    assert_eq!(probe(&key(), Side::Client, b"AMQP\x03\x01\0\0"), Probe::No);
}
