use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::app::migration::{Channel, ChannelKind, ChannelReport, Mark, Timeline};
use crate::base::anomaly::Place;
use crate::base::net::{Endpoint, Side};
use crate::decode::{Arp, Icmp, Ip, Link, Net, Packet, SllType, Tcp, Transport};
use crate::flow::{FlowId, FlowKey, Observation, Verdict};
use crate::measure::tally::Tally;

const VM: Mac = Mac([0x52, 0x54, 0, 0xaa, 0, 0x50]);
const PEER: Mac = Mac([0x52, 0x54, 0, 0, 0, 0x10]);
const VM_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 50));
const PEER_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
const STREAM: FlowId = FlowId(7);
const US: i64 = 1_000;
const MS: i64 = 1_000_000;
const EPOCH: i64 = 1_700_000_000_000_000_000;

/// A point under construction. Times are microseconds of true time since [`EPOCH`]; its own clock is off by `offset`.
struct Point {
    role: Role,
    offset: i64,
    uncertainty: i64,
    frames: u64,
    last: i64,
    presence: Presence,
    meter: Meter,
    services: ServiceWatch,
    pace: Pace,
    migration: Option<Observed>,
    clock: ClockMap,
    asked: Option<i64>,
}

impl Point {
    fn new(role: Role, offset_us: i64, uncertainty_us: i64) -> Self {
        let clock = ClockMap::constant(Nanos(-offset_us * US), Some(Nanos(uncertainty_us * US)));
        let pace = Pace::new();
        Self {
            role,
            offset: offset_us,
            uncertainty: uncertainty_us,
            frames: 0,
            last: 0,
            presence: Presence::new(),
            meter: Meter::default(),
            services: ServiceWatch::new(),
            pace,
            migration: None,
            clock,
            asked: None,
        }
    }

    fn at(&self, us: i64) -> Timestamp {
        Timestamp(EPOCH + (us + self.offset) * US)
    }

    fn packet(&mut self, us: i64, link: Link, net: Net, transport: Transport, len: u32) -> Packet<'static> {
        self.frames += 1;
        self.last = self.last.max(us);
        Packet {
            at: self.at(us),
            place: Place { file: 0, frame: self.frames },
            wire_len: 60 + len,
            frames: 1,
            link,
            tunnel: None,
            net,
            transport,
            payload: &[],
            payload_wire: len,
        }
    }

    /// An echo request to the VM or a reply from it.
    fn echo(&mut self, us: i64, reply: bool, link: Link) {
        let (src, dst) = if reply { (VM_IP, PEER_IP) } else { (PEER_IP, VM_IP) };
        let net = Net::Ip(Ip { src, dst, proto: 1, ttl: 64, ident: 0, tos: 0, total_len: 84, fragment: None });
        let icmp = Icmp { v6: false, kind: if reply { 0 } else { 8 }, code: 0, echo: Some((1, 1)), reply };
        let link = Link { src: Some(if reply { VM } else { PEER }), dst: Some(if reply { PEER } else { VM }), ..link };
        let packet = self.packet(us, link, net, Transport::Icmp(icmp), 56);
        self.presence.packet(&packet);
        let key = FlowKey { proto: 1, client: Endpoint::new(PEER_IP, 0), server: Endpoint::new(VM_IP, 0) };
        let channel = self.meter.channel_of(&key);
        let from = if reply { Side::Server } else { Side::Client };
        let rtt = if reply { self.asked.take().map(|asked| (us - asked) * US) } else { None };
        if !reply {
            self.asked = Some(us);
        }
        let seen = Observation { flow: FlowId(1), from, verdict: Verdict::New, goodput: 56, rtt, gap_before: 0, first: false };
        let tally = Tally::new(&packet, &seen, false);
        self.meter.take(&tally, channel);
        self.services.take(&tally, channel, self.meter.pair_of(channel));
    }

    fn rarp(&mut self, us: i64, link: Link) {
        let arp = Arp { rarp: true, operation: 3, sender_mac: VM, sender_ip: [0; 4].into(), target_mac: VM, target_ip: [0; 4].into() };
        let link = Link { src: Some(VM), dst: Some(Mac::BROADCAST), ..link };
        let packet = self.packet(us, link, Net::Arp(arp), Transport::Other, 0);
        self.presence.packet(&packet);
    }

    /// A segment of the stream and its acknowledgment.
    fn segment(&mut self, us: i64, seq: u32, len: u32, acked_us: Option<i64>) {
        let tcp = Tcp { seq, flags: Tcp::ACK, ..Tcp::default() };
        let packet = self.packet(us, Link::default(), Net::Other, Transport::Tcp(tcp), len);
        self.pace.packet(&packet, STREAM, Side::Client);
        if let Some(acked) = acked_us {
            let tcp = Tcp { ack: seq + len, flags: Tcp::ACK, window: 500, ..Tcp::default() };
            let packet = self.packet(acked, Link::default(), Net::Other, Transport::Tcp(tcp), 0);
            self.pace.packet(&packet, STREAM, Side::Server);
        }
    }

    fn mark(&self, us: i64) -> Option<Mark> {
        Some(Mark::exact(Moment { at: self.at(us), place: Place { file: 0, frame: 1_000_000 + us.unsigned_abs() } }, 0))
    }

    fn stream(&mut self, timeline: Timeline, outcome: Outcome) {
        let (source, destination) = (Endpoint::new([10, 0, 0, 11].into(), 40000), Endpoint::new([10, 0, 0, 12].into(), 49152));
        let key = FlowKey { proto: 6, client: source, server: destination };
        let mut report = ChannelReport::new(ChannelKind::Main, "content", Side::Client);
        report.timeline = timeline;
        self.migration = Some(Observed {
            storage: Vec::new(),
            hypervisor: "qemu",
            detected_by: "content",
            source,
            destination,
            timeline,
            outcome,
            outcome_why: String::new(),
            transport: vec!["tcp"],
            channels: vec![Channel { flow: STREAM, key, facts: None, report }],
        });
    }
}

fn view<'a>(p: &'a Point, files: &'a [String]) -> PointView<'a> {
    PointView {
        role: p.role,
        name: p.role,
        clock: &p.clock,
        files,
        first: p.at(0),
        last: p.at(p.last),
        presence: &p.presence,
        meter: &p.meter,
        services: &p.services,
        pace: &p.pace,
        migration: p.migration.as_ref(),
        finish_call: None,
        finish_reply: None,
    }
}

fn run(points: &[Point], outcome: Option<Outcome>) -> model::Downtime {
    let files = ["a.pcap".to_owned()];
    let views: Vec<PointView<'_>> = points.iter().map(|p| view(p, &files)).collect();
    let span = outcome.map(|_| (Timestamp(EPOCH), Timestamp(EPOCH + 1000 * MS)));
    let inputs = Inputs {
        points: &views,
        macs: &[VM],
        ips: &[VM_IP],
        outcome,
        after: None,
        before: None,
        span,
        service: &|_| "icmp".to_owned(),
        port_bindings: &[],
    };
    assemble(&inputs)
}

/// One migration as it really happened, in microseconds.
#[derive(Clone, Debug)]
struct World {
    stop: i64,
    rest: i64,
    end_section: i64,
    eof: i64,
    resume: i64,
    flush: i64,
    held: bool,
    ping: i64,
    answer: i64,
    offsets: [i64; 3],
    errors: [i64; 3],
    sll: bool,
    announced: bool,
    dead: bool,
}

fn tap(sll: bool, from_vm: bool) -> Link {
    let kind = if from_vm { SllType::OtherHost } else { SllType::Outgoing };
    Link { if_index: 5, sll: sll.then_some(kind), ..Link::default() }
}

impl World {
    /// Client, source, destination.
    fn play(&self) -> [Point; 3] {
        let point = |role, i: usize| {
            let mut p = Point::new(role, self.offsets[i] + self.errors[i], self.errors[i].abs());
            p.clock = ClockMap::constant(Nanos(-self.offsets[i] * US), Some(Nanos(p.uncertainty * US)));
            p.pace.watch(STREAM);
            p
        };
        let mut client = point(Role::Client, 0);
        let mut source = point(Role::Source, 1);
        let mut destination = point(Role::Destination, 2);
        let alive = |t: i64| t < self.stop || (t > self.resume && !self.dead);
        let mut t = 0;
        let mut events: Vec<(i64, u8)> = Vec::new();
        while t < 1_500_000 {
            events.push((t, 0));
            if alive(t) && alive(t + self.answer) && (t >= self.stop || t + self.answer < self.stop) {
                events.push((t + self.answer, 1));
            }
            t += self.ping;
        }
        if self.announced {
            let first = if self.held { self.resume - 90_000 } else { self.resume };
            for due in [0, 50_000, 200_000, 450_000, 800_000] {
                events.push(((first + due).max(self.resume) + self.flush, 2));
            }
        }
        events.sort_unstable();
        for (t, kind) in events {
            let here = t < self.stop;
            match kind {
                0 => {
                    client.echo(t - 60, false, Link::default());
                    let at = if t < self.resume + self.flush { &mut source } else { &mut destination };
                    at.echo(t, false, tap(self.sll, false));
                }
                1 => {
                    let at = if here { &mut source } else { &mut destination };
                    at.echo(t, true, tap(self.sll, true));
                    client.echo(t + 60, true, Link::default());
                }
                _ => {
                    destination.rarp(t, tap(self.sll, true));
                    client.rarp(t + 60, Link::default());
                    // The network floods it back to the node that the VM left.
                    source.rarp(t + 70, tap(self.sll, false));
                }
            }
        }
        let mut seq = 1;
        for (at, len) in
            [(self.rest - 100_000, 60_000), (self.rest, 5), (self.end_section, 1000), (self.end_section + 10, 1000), (self.eof - 100, 50)]
        {
            source.segment(at, seq, len, Some(at + 300));
            destination.segment(at + 80, seq, len, Some(at + 100));
            seq += len;
        }
        let line = |p: &Point, way: i64| Timeline {
            syn: p.mark(500).map(|m| m.at),
            first_byte: p.mark(1000 + way),
            last_part: p.mark(self.rest - 100_000 + way),
            switchover_first: p.mark(self.end_section + way),
            eof: p.mark(self.eof - 100 + way),
            last_byte: p.mark(self.eof - 100 + way),
            ..Timeline::default()
        };
        let (s, d) = (line(&source, 0), line(&destination, 80));
        source.stream(s, Outcome::Completed);
        destination.stream(d, Outcome::Completed);
        [client, source, destination]
    }
}

fn true_time(us: i64) -> Timestamp {
    Timestamp(EPOCH + us * US)
}

prop_compose! {
    fn world()(
        stop in 400_000i64..600_000,
        (before, end_section, load, wait, flush) in (100i64..5_000, 50i64..40_000, 1_000i64..60_000, 200i64..90_000, 10i64..4_000),
        (held, sll, announced, dead) in (any::<bool>(), any::<bool>(), prop::bool::weighted(0.8), prop::bool::weighted(0.2)),
        ping in 5_000i64..60_000,
        answer in 200i64..2_000,
        offsets in prop::array::uniform3(-5_000_000i64..5_000_000),
        errors in prop::array::uniform3(-900i64..900),
    ) -> World {
        let (end_section, resume_after) = (stop + end_section, wait);
        let eof = end_section + load;
        World {
            stop, rest: stop - before, end_section, eof, resume: eof + resume_after, flush, held, ping, answer,
            offsets: [offsets[0], offsets[1], offsets[2]], errors, sll, announced, dead,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The truth lies in every interval, whatever the clocks and the points that are there.
    #[test]
    fn bounds_hold(world in world(), without in 0usize..8) {
        let points: Vec<Point> = world.play().into_iter().enumerate().filter(|(i, _)| without & (1 << i) == 0).map(|(_, p)| p).collect();
        let has = |role| points.iter().any(|p| p.role == role);
        let stream = has(Role::Source) || has(Role::Destination);
        let down = run(&points, stream.then_some(Outcome::Completed));
        if let Some(start) = down.vm.start {
            prop_assert!(start.contains(true_time(world.stop)), "stop {:?} not in {start:?}", true_time(world.stop));
        } else {
            prop_assert!(!stream, "{:?}", down.vm.why);
        }
        if let Some(end) = down.vm.end {
            prop_assert!(end.contains(true_time(world.resume)), "resume {:?} not in {end:?} {:?}", true_time(world.resume), down.vm.ended_by);
            let pause = (world.resume - world.stop) as f64 / 1e3;
            let ms = down.vm.ms.unwrap();
            prop_assert!(ms.contains(pause), "{pause} not in {ms:?}");
        }
        if has(Role::Source) && has(Role::Destination) && world.announced {
            prop_assert!(down.vm.end.is_some(), "{:?}", down.vm.why);
        }
        let text = serde_json::to_string(&down).unwrap();
        prop_assert!(!text.contains("NaN"));
        if has(Role::Client) && stream {
            prop_assert_eq!(down.network.recovered, Some(!world.dead), "{:?}", down.network);
            let icmp: Vec<_> = down.service.iter().filter(|s| s.direction == "from-vm").collect();
            prop_assert!(icmp.iter().all(|s| s.cause == "migration"), "{:?}", icmp);
            if world.dead {
                prop_assert!(icmp.len() == 1 && !icmp[0].recovered && icmp[0].end.is_none());
            } else if let Some(ms) = down.network.ms {
                // Requests come each `ping`, so what the client sees is the pause, widened by at most two of them and the answer.
                let pause = (world.resume - world.stop) as f64 / 1e3;
                // A silence too short to be kept is told by a bound.
                prop_assert!(ms.upper >= pause - 0.2 && ms.estimate <= pause + (3 * world.ping + 2 * world.answer + world.flush) as f64 / 1e3, "{ms:?} {pause}");
            }
        }
    }
}

fn plain() -> World {
    World {
        stop: 500_000,
        rest: 498_000,
        end_section: 501_000,
        eof: 512_000,
        resume: 520_000,
        flush: 50,
        held: false,
        ping: 20_000,
        answer: 700,
        offsets: [0; 3],
        errors: [0; 3],
        sll: true,
        announced: true,
        dead: false,
    }
}

#[test]
fn a_plain_migration_is_told_within_milliseconds() {
    let down = run(&plain().play(), Some(Outcome::Completed));
    let ms = down.vm.ms.unwrap();
    assert!((ms.estimate - 20.0).abs() < 1.0 && ms.upper - ms.lower < 9.0, "{ms:?}");
    assert_eq!(down.vm.end.unwrap().upper, true_time(520_050));
    assert_eq!(down.vm.ended_by.as_deref(), Some("first RARP of the VM"));
    let what: Vec<&str> = down.evidence.iter().map(|e| e.what.as_str()).collect();
    for wanted in [
        "last pre-copy segment that left after a rest",
        "first byte of the switch-over: the guest is stopped",
        "last byte of the stream",
        "first RARP of the VM",
        "last packet of the VM at the client",
    ] {
        assert!(what.contains(&wanted), "{wanted} is missing in {what:?}");
    }
    assert!(down.evidence.windows(2).all(|w| w[0].time <= w[1].time));
    let network = down.network;
    assert_eq!((network.recovered, network.ended_by.as_deref()), (Some(true), Some("announcement")));
    assert_eq!(network.ms.unwrap().estimate, 60.0);
    assert_eq!(down.service.len(), 1);
    assert_eq!((down.service[0].resolution_ms.unwrap().round(), down.service[0].ms), (20.0, Some(60.0)));
    assert!((down.qemu_ms.unwrap() - 12.0).abs() < 2.0);
}

#[test]
fn a_flooded_copy_on_the_source_is_not_the_vm() {
    // Taken on Ethernet there is no direction: the announcement that comes back must not move the last frame.
    let mut world = plain();
    world.sll = false;
    world.rest = 300_000;
    let down = run(&world.play(), Some(Outcome::Completed));
    let start = down.vm.start.unwrap();
    assert_eq!(start.lower, true_time(480_700));
    assert!(start.upper == true_time(501_000) && start.contains(true_time(500_000)));
}

#[test]
fn what_did_not_happen_is_not_measured() {
    for outcome in [Outcome::Cancelled, Outcome::Failed] {
        let down = run(&plain().play(), Some(outcome));
        assert!(down.vm.ms.is_none() && down.vm.start.is_none() && down.vm.why.is_some());
        assert!(down.network.ms.is_none() && down.network.why.is_some());
    }
    let down = run(&[], None);
    assert!(down.vm.why.is_some() && down.network.why.is_some() && down.why.is_some());
}

#[test]
fn a_client_alone_tells_network_and_service() {
    let [client, _, _] = plain().play();
    let down = run(&[client], None);
    assert!(down.vm.ms.is_none());
    assert_eq!(down.network.ms.unwrap().estimate, 60.0);
    assert_eq!(down.service.len(), 1);
    assert_eq!(down.service[0].cause, "migration");
}

#[test]
fn a_long_wait_without_any_trace_of_a_migration_stands_alone() {
    let mut world = plain();
    (world.announced, world.resume) = (false, 1_200_000);
    let [client, _, _] = world.play();
    let down = run(&[client], None);
    assert_eq!((down.network.ms.unwrap().estimate, down.network.recovered), (740.0, Some(true)), "{:?}", down.network);
    assert!(down.network.why.unwrap().contains("whatever it came from"));
    assert_eq!(down.network.start.unwrap().lower, true_time(480_760));
    assert!(!down.service.is_empty() && down.service.iter().all(|w| w.cause == "other"));
    // A migration whose stream was captured, and that did not move the guest, is not such a run.
    let [client, _, _] = world.play();
    assert!(run(&[client], Some(Outcome::Cancelled)).network.ms.is_none());
}

#[test]
fn announcements_far_apart_are_of_two_migrations() {
    let mut client = Point::new(Role::Client, 0, 0);
    for us in [1_000_000, 1_050_000, 1_800_000, 40_000_000, 40_050_000] {
        client.rarp(us, Link::default());
    }
    let with = |points: &[Point], macs: &[Mac]| {
        let files = ["a.pcap".to_owned()];
        let views: Vec<PointView<'_>> = points.iter().map(|p| view(p, &files)).collect();
        announced(&views, macs)
    };
    let series = [(true_time(1_000_000), true_time(1_800_000)), (true_time(40_000_000), true_time(40_050_000))];
    assert_eq!(with(std::slice::from_ref(&client), &[VM]), series);
    assert_eq!(with(&[client], &[PEER]), []);
}

#[test]
fn the_destination_without_the_vms_side_leaves_the_end_open_in_words() {
    let mut world = plain();
    world.announced = false;
    let [_, source, mut destination] = world.play();
    destination.presence = Presence::new();
    let down = run(&[source, destination], Some(Outcome::Completed));
    assert!(down.vm.end.is_none() && down.vm.ms.is_none() && down.vm.recovered.is_none());
    assert!(down.vm.why.unwrap().contains("cannot be told"));
}
