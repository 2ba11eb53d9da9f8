use std::net::Ipv4Addr;

use super::*;
use crate::app::migration::{Mark, Timeline};
use crate::base::anomaly::Place;
use crate::base::net::{Endpoint, Side};
use crate::decode::{Arp, Ip, Link, Net, Packet, Transport};
use crate::flow::{FlowId, FlowKey, Moment, Observation, Verdict};
use crate::measure::tally::Tally;

const VM: Mac = Mac([0x52, 0x54, 0, 0xaa, 0, 0x50]);
const PEER: Mac = Mac([0x52, 0x54, 0, 0, 0, 0x10]);
const ROUTER: Mac = Mac([0xfa, 0x16, 0x3e, 0, 0, 1]);

fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

#[derive(Default)]
struct Point {
    presence: Presence,
    meter: Meter,
    migrations: Vec<Observed>,
}

impl Point {
    fn packet(&mut self, ms: i64, src: Mac, net: Net) -> Packet<'static> {
        let packet = Packet {
            at: Timestamp(ms * 1_000_000),
            place: Place::default(),
            wire_len: 60,
            frames: 1,
            link: Link { src: Some(src), dst: Some(Mac::BROADCAST), ..Link::default() },
            tunnel: None,
            net,
            transport: Transport::Other,
            payload: &[],
            payload_wire: 10,
        };
        self.presence.packet(&packet);
        packet
    }

    fn talk(&mut self, ms: i64, server: (Mac, IpAddr), client: (Mac, IpAddr)) {
        for (from, (src, ip), (_, to)) in [(Side::Client, client, server), (Side::Server, server, client)] {
            let net = Net::Ip(Ip { src: ip, dst: to, proto: 6, ttl: 64, ident: 0, tos: 0, total_len: 50, fragment: None });
            let packet = self.packet(ms, src, net);
            let key = FlowKey { proto: 6, client: Endpoint::new(client.1, 40000), server: Endpoint::new(server.1, 80) };
            let channel = self.meter.channel_of(&key);
            let seen = Observation { flow: FlowId(1), from, verdict: Verdict::New, goodput: 10, rtt: None, gap_before: 0, first: false };
            self.meter.take(&Tally::new(&packet, &seen, false), channel);
        }
    }

    fn arp(&mut self, ms: i64, rarp: bool, mac: Mac, ip: [u8; 4]) {
        let operation = if rarp { 3 } else { 1 };
        self.packet(
            ms,
            mac,
            Net::Arp(Arp { rarp, operation, sender_mac: mac, sender_ip: ip.into(), target_mac: mac, target_ip: ip.into() }),
        );
    }

    fn migration(&mut self, switch_ms: i64) {
        let mark = Some(Mark::exact(Moment { at: Timestamp(switch_ms * 1_000_000), place: Place::default() }, 0));
        let timeline = Timeline { switchover_first: mark, last_byte: mark, ..Timeline::default() };
        self.migrations.push(Observed {
            storage: Vec::new(),
            hypervisor: "qemu",
            detected_by: "content",
            source: Endpoint::new([10, 0, 0, 11].into(), 40000),
            destination: Endpoint::new([10, 0, 0, 12].into(), 49152),
            timeline,
            outcome: Outcome::Completed,
            outcome_why: String::new(),
            transport: vec![],
            channels: vec![],
        });
    }
}

fn tell(points: &[(Role, &Point)], macs: &[Mac], ips: &[IpAddr]) -> model::Vm {
    let clock = ClockMap::identity();
    let views: Vec<VmView<'_>> = points
        .iter()
        .map(|(role, p)| VmView { role: *role, clock: &clock, presence: &p.presence, meter: &p.meter, migrations: &p.migrations })
        .collect();
    infer(&views, macs, ips)
}

#[test]
fn the_one_that_announces_itself_after_the_switch_is_the_vm() {
    let mut source = Point::default();
    source.talk(0, (VM, v4(50)), (PEER, v4(10)));
    source.arp(10, true, PEER, [0; 4]); // Somebody else, long before.
    source.arp(50_010, false, ROUTER, [192, 0, 2, 1]); // A router that repeats itself.
    source.migration(50_000);
    source.arp(50_030, true, VM, [0; 4]);
    source.arp(50_060, false, VM, [192, 0, 2, 50]);
    let vm = tell(&[(Role::Source, &source)], &[], &[]);
    assert_eq!((vm.macs, vm.ips, vm.source.as_str()), (vec![VM], vec![v4(50)], "inferred"));
}

#[test]
fn what_is_given_stands_and_is_completed() {
    let mut source = Point::default();
    source.talk(0, (VM, v4(50)), (PEER, v4(10)));
    let vm = tell(&[(Role::Source, &source)], &[VM], &[]);
    assert_eq!((vm.ips, vm.source.as_str()), (vec![v4(50)], "given"));
    let vm = tell(&[(Role::Source, &source)], &[], &[v4(50)]);
    assert_eq!((vm.macs, vm.source.as_str()), (vec![VM], "given"));
}

#[test]
fn a_routers_address_is_not_the_vms() {
    // The client sees the VM behind a router: the MAC address is the router's.
    let mut client = Point::default();
    for i in 50..70 {
        client.talk(i64::from(i), (ROUTER, v4(i)), (PEER, v4(10)));
    }
    let vm = tell(&[(Role::Client, &client)], &[], &[v4(50)]);
    assert_eq!(vm.macs, []);
}

#[test]
fn without_an_announcement_only_the_unambiguous_counts() {
    let mut client = Point::default();
    client.talk(0, (VM, v4(50)), (PEER, v4(10)));
    let vm = tell(&[(Role::Client, &client)], &[], &[]);
    assert_eq!((vm.ips, vm.macs), (vec![v4(50)], vec![VM]));
    client.talk(1, (ROUTER, [198, 51, 100, 80].into()), (PEER, v4(10)));
    let vm = tell(&[(Role::Client, &client)], &[], &[]);
    assert!(vm.ips.is_empty() && vm.why.unwrap().contains("several servers"));
    // The node carries only the VM's traffic.
    let mut source = Point::default();
    source.talk(0, (VM, v4(50)), (PEER, v4(10)));
    source.talk(0, (Mac([2; 6]), [10, 0, 0, 12].into()), (Mac([3; 6]), [10, 0, 0, 11].into()));
    source.migration(5);
    let vm = tell(&[(Role::Client, &client), (Role::Source, &source)], &[], &[]);
    assert_eq!(vm.ips, [v4(50)]);
    let nothing = Point::default();
    let vm = tell(&[(Role::Unknown, &nothing)], &[], &[]);
    assert!(vm.ips.is_empty() && vm.why.is_some());
}
