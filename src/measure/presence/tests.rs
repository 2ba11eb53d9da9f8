use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::base::anomaly::Place;
use crate::base::limits::ANNOUNCEMENTS;
use crate::decode::{Arp, Icmp, Ip, Link, Transport, Tunnel, TunnelKind};
use announce::Kind;

const VM: Mac = Mac([0x52, 0x54, 0, 0xaa, 0, 0x50]);
const MS: i64 = 1_000_000;

fn packet(at: i64, frame: u64, link: Link, net: Net, transport: Transport) -> Packet<'static> {
    Packet {
        at: Timestamp(at),
        place: Place { file: 0, frame },
        wire_len: 60,
        frames: 1,
        link,
        tunnel: None,
        net,
        transport,
        payload: &[],
        payload_wire: 0,
    }
}

fn ip(src: IpAddr, dst: IpAddr) -> Net {
    Net::Ip(Ip { src, dst, proto: 1, ttl: 64, ident: 0, tos: 0, total_len: 40, fragment: None })
}

fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

fn tap(sll: SllType, if_index: u32) -> Link {
    Link { src: Some(VM), sll: Some(sll), if_index, ..Link::default() }
}

fn arp(rarp: bool, operation: u16, sender_ip: [u8; 4], target_ip: [u8; 4], target_mac: Mac) -> Net {
    Net::Arp(Arp { rarp, operation, sender_mac: VM, sender_ip: sender_ip.into(), target_mac, target_ip: target_ip.into() })
}

#[test]
fn directions_and_groups_are_kept_apart() {
    let mut p = Presence::new();
    p.packet(&packet(MS, 1, tap(SllType::OtherHost, 5), ip(v4(50), v4(10)), Transport::Other));
    p.packet(&packet(MS + 10, 2, tap(SllType::Outgoing, 4), ip(v4(50), v4(10)), Transport::Other));
    p.packet(&packet(30 * MS, 3, tap(SllType::Outgoing, 5), arp(true, 3, [0; 4], [0; 4], VM), Transport::Other));
    p.packet(&packet(31 * MS, 4, tap(SllType::OtherHost, 5), ip(v4(50), v4(11)), Transport::Other));
    let from_vm: Vec<_> = p.of(VM).filter(|s| s.if_index == 5 && s.is_incoming()).collect();
    assert_eq!(from_vm.len(), 1);
    assert_eq!((from_vm[0].first.place.frame, from_vm[0].last.place.frame, from_vm[0].count), (1, 4, 2));
    assert_eq!(from_vm[0].addresses.iter().collect::<Vec<_>>(), [v4(50)]);
    let flooded: Vec<_> = p.of(VM).filter(|s| s.if_index == 5 && s.is_outgoing()).collect();
    assert!(flooded.len() == 1 && flooded[0].group, "a flooded announcement is no frame of the VM's own port");
    assert_eq!(from_vm[0].last_before(Timestamp(20 * MS)), Some(Bounded::Exact(from_vm[0].first)));
    assert_eq!(from_vm[0].first_after(Timestamp(20 * MS)), Some(Bounded::Exact(from_vm[0].last)));
    assert_eq!(from_vm[0].first_after(Timestamp(32 * MS)), None);
    assert_eq!(from_vm[0].last_before(Timestamp(0)), None);
}

#[test]
fn announcements_are_told_from_questions() {
    let mut p = Presence::new();
    let link = tap(SllType::Broadcast, 5);
    p.packet(&packet(1, 1, link, arp(true, 3, [0; 4], [0; 4], VM), Transport::Other));
    p.packet(&packet(2, 2, link, arp(true, 3, [0; 4], [0; 4], Mac::BROADCAST), Transport::Other));
    p.packet(&packet(3, 3, link, arp(false, 1, [192, 0, 2, 50], [192, 0, 2, 50], Mac::default()), Transport::Other));
    p.packet(&packet(4, 4, link, arp(false, 1, [192, 0, 2, 50], [192, 0, 2, 1], Mac::default()), Transport::Other));
    p.packet(&packet(5, 5, link, arp(false, 1, [0; 4], [0; 4], Mac::default()), Transport::Other));
    let na = Transport::Icmp(Icmp { v6: true, kind: 136, code: 0, echo: None, reply: false });
    let me: IpAddr = "fe80::1".parse().unwrap();
    p.packet(&packet(6, 6, link, ip(me, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).into()), na));
    p.packet(&packet(7, 7, link, ip(me, "fe80::2".parse().unwrap()), na));
    let found: Vec<_> = p.announcements().of(VM).map(|a| (a.kind, a.when.place.frame, a.ip)).collect();
    assert_eq!(found, [(Kind::Rarp, 1, None), (Kind::GratuitousArp, 3, Some(v4(50))), (Kind::NeighborAdvertisement, 6, Some(me))]);
    let claims: Vec<_> = p.of(VM).flat_map(|s| s.claimed.iter()).collect();
    assert_eq!(claims, [v4(50)]);
}

#[test]
fn bounds_are_counted() {
    let mut p = Presence::new();
    for i in 0..(PRESENCE_SENDERS as u32 + 10) {
        let [_, a, b, c] = i.to_be_bytes();
        let link = Link { src: Some(Mac([2, 0, 0, a, b, c])), dst: Some(VM), ..Link::default() };
        p.packet(&packet(i64::from(i), 1, link, ip(v4(1), v4(2)), Transport::Other));
    }
    assert_eq!(p.senders().len(), PRESENCE_SENDERS);
    assert_eq!(p.frames_of_unkept_senders, 10);
    for i in 0..=255 {
        let mut x = packet(1, 1, tap(SllType::Host, 1), ip(v4(1), v4(2)), Transport::Other);
        x.tunnel = Some(Tunnel { kind: TunnelKind::Vxlan, id: 1, src: v4(i), dst: v4(0), depth: 1 });
        p.packet(&x);
    }
    assert_eq!(p.frames_of_unkept_tunnels, 256 - PRESENCE_TUNNELS as u64);
    for i in 0..(ANNOUNCEMENTS as i64 + 5) {
        p.packet(&packet(i, 1, tap(SllType::Broadcast, 5), arp(false, 1, [1, 2, 3, 4], [1, 2, 3, 4], VM), Transport::Other));
    }
    p.packet(&packet(9, 99, tap(SllType::Broadcast, 5), arp(true, 3, [0; 4], [0; 4], VM), Transport::Other));
    assert!(p.announcements().unkept > 0);
    assert_eq!(p.announcements().of(VM).filter(|a| a.kind == Kind::Rarp).count(), 1, "gratuitous ARP must not crowd out RARP");
}

#[test]
fn the_address_of_a_loopback_is_a_sender_like_others() {
    let mut p = Presence::new();
    let first = Link { src: Some(VM), ..Link::default() };
    let zero = Link { src: Some(Mac::default()), ..Link::default() };
    p.packet(&packet(1, 1, first, ip(v4(1), v4(2)), Transport::Other));
    p.packet(&packet(2, 2, zero, ip(v4(1), v4(2)), Transport::Other));
    p.packet(&packet(3, 3, zero, ip(v4(1), v4(2)), Transport::Other));
    let counts: Vec<_> = p.senders().iter().map(|s| (s.mac, s.count)).collect();
    assert_eq!(counts, [(VM, 1), (Mac::default(), 2)]);
}
