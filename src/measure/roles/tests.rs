use super::*;
use crate::app::migration::{Channel, ChannelKind, ChannelReport, Mark, Outcome, Timeline};
use crate::base::anomaly::Place;
use crate::base::net::{Endpoint, Side};
use crate::base::time::Timestamp;
use crate::decode::{Link, Net, Packet, SllType, Tcp, Transport};
use crate::flow::{FlowId, FlowKey, Moment};
use crate::measure::tally::Tally;

const VM: Mac = Mac([0x52, 0x54, 0, 0xaa, 0, 0x50]);
const STREAM: FlowId = FlowId(3);

struct Point {
    given: Role,
    presence: Presence,
    meter: Meter,
    services: Vec<String>,
    pace: Pace,
    migrations: Vec<Observed>,
}

fn moment(ms: i64) -> Moment {
    Moment { at: Timestamp(ms * 1_000_000), place: Place::default() }
}

fn segment(us: i64, sll: Option<SllType>, tcp: Tcp, len: u32) -> Packet<'static> {
    Packet {
        at: Timestamp(us * 1_000),
        place: Place::default(),
        wire_len: 60 + len,
        frames: 1,
        link: Link { sll, src: Some(VM), dst: Some(Mac([2; 6])), ..Link::default() },
        tunnel: None,
        net: Net::Other,
        transport: Transport::Tcp(tcp),
        payload: &[],
        payload_wire: len,
    }
}

/// A node with a stream that is acknowledged after `answer_us`.
fn node(sll: Option<SllType>, answer_us: i64) -> Point {
    let mut pace = Pace::new();
    pace.watch(STREAM);
    for i in 0..20u32 {
        let at = i64::from(i) * 10_000;
        let data = Tcp { seq: i * 100, flags: Tcp::ACK, ..Tcp::default() };
        pace.packet(&segment(at, sll, data, 100), STREAM, Side::Client);
        let ack = Tcp { ack: i * 100 + 100, flags: Tcp::ACK, ..Tcp::default() };
        pace.packet(&segment(at + answer_us, None, ack, 0), STREAM, Side::Server);
    }
    let mark = |ms| Some(Mark::exact(moment(ms), 0));
    let timeline = Timeline { switchover_first: mark(1000), last_byte: mark(1020), ..Timeline::default() };
    let (source, destination) = (Endpoint::new([10, 0, 0, 11].into(), 40000), Endpoint::new([10, 0, 0, 12].into(), 49152));
    let key = FlowKey { proto: 6, client: source, server: destination };
    let report = ChannelReport::new(ChannelKind::Main, "content", Side::Client);
    let observed = Observed {
        storage: Vec::new(),
        hypervisor: "qemu",
        detected_by: "content",
        source,
        destination,
        timeline,
        outcome: Outcome::Completed,
        outcome_why: String::new(),
        transport: vec![],
        channels: vec![Channel { flow: STREAM, key, facts: None, report }],
    };
    Point { given: Role::Unknown, presence: Presence::new(), meter: Meter::default(), services: vec![], pace, migrations: vec![observed] }
}

fn bystander(service: &str, server: [u8; 4]) -> Point {
    let mut meter = Meter::default();
    let key = FlowKey { proto: 6, client: Endpoint::new([192, 0, 2, 10].into(), 40000), server: Endpoint::new(server.into(), 80) };
    let channel = meter.channel_of(&key);
    let seen = crate::flow::Observation {
        flow: FlowId(0),
        from: Side::Client,
        verdict: crate::flow::Verdict::New,
        goodput: 1,
        rtt: None,
        gap_before: 0,
        first: true,
    };
    meter.take(&Tally::new(&segment(0, None, Tcp::default(), 1), &seen, true), channel);
    let services = meter.channels.iter().map(|_| service.to_owned()).collect();
    Point { given: Role::Unknown, presence: Presence::new(), meter, services, pace: Pace::new(), migrations: vec![] }
}

fn roles(points: &[Point]) -> Vec<Role> {
    let views: Vec<RoleView<'_>> = points
        .iter()
        .map(|p| RoleView {
            given: p.given,
            presence: &p.presence,
            meter: &p.meter,
            services: &p.services,
            pace: &p.pace,
            migrations: &p.migrations,
        })
        .collect();
    let found = infer_roles(&views, &[VM], &[[192, 0, 2, 50].into()]);
    assert!(found.iter().zip(points).all(|(f, p)| f.given == (p.given != Role::Unknown) && (f.given || f.why.is_some())));
    found.into_iter().map(|f| f.role).collect()
}

#[test]
fn the_link_layer_says_which_way_the_stream_went() {
    let points = [node(Some(SllType::Host), 50), node(Some(SllType::Outgoing), 50), bystander("http", [192, 0, 2, 50])];
    assert_eq!(roles(&points), [Role::Destination, Role::Source, Role::Client]);
}

#[test]
fn the_vms_frames_say_where_it_was() {
    let mut here = node(None, 50);
    here.presence.packet(&segment(999_000, None, Tcp::default(), 0));
    let mut there = node(None, 900);
    there.presence.packet(&segment(1_030_000, None, Tcp::default(), 0));
    assert_eq!(roles(&[there, here]), [Role::Destination, Role::Source]);
}

#[test]
fn acknowledgments_take_longer_at_the_sender() {
    assert_eq!(roles(&[node(None, 40), node(None, 300)]), [Role::Destination, Role::Source]);
    assert_eq!(roles(&[node(None, 40)]), [Role::Unknown], "one alone says nothing");
    let mut given = node(None, 300);
    given.given = Role::Destination;
    assert_eq!(roles(&[given, node(None, 40)]), [Role::Destination, Role::Source], "what is given stands");
}

#[test]
fn others_are_told_by_their_services() {
    let points = [bystander("ceph-osd", [172, 16, 5, 30]), bystander("keystone", [10, 20, 0, 10]), bystander("http", [203, 0, 113, 1])];
    assert_eq!(roles(&points), [Role::Storage, Role::Controller, Role::Unknown]);
}
