use std::net::IpAddr;

use super::*;
use crate::base::net::{Endpoint, Mac};
use crate::capture::{Frame, LinkType};
use crate::decode::{Decoded, Decoder, Tcp};
use crate::testkit::packet as kit;

const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 10));
const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 50));
const MS: i64 = 1_000_000;

/// A point that is fed frame by frame.
struct Point {
    decoder: Decoder,
    duplicates: Duplicates,
}

impl Point {
    fn new() -> Self {
        Self { decoder: Decoder::new(), duplicates: Duplicates::new() }
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Verdict {
        match self.decoder.decode(frame) {
            Decoded::Packet(packet) => self.duplicates.check(&packet),
            other => panic!("{other:?}"),
        }
    }

    /// An IP packet as `-i any` shows it.
    fn any(&mut self, at: i64, (index, kind): (u32, SllType), packet: &[u8]) -> Verdict {
        let ethertype = if packet[0] >> 4 == 4 { kit::IPV4 } else { kit::IPV6 };
        let bytes = kit::sll2(index, kind, Mac([2; 6]), ethertype, packet);
        self.frame(&kit::frame_as(LinkType::LINUX_SLL2, &bytes, Timestamp(at)))
    }

    fn ethernet(&mut self, at: i64, bytes: &[u8]) -> Verdict {
        self.frame(&kit::frame(bytes, Timestamp(at)))
    }
}

const TAP: (u32, SllType) = (5, SllType::OtherHost);
const NIC: (u32, SllType) = (4, SllType::Outgoing);
const BRIDGE: (u32, SllType) = (3, SllType::Multicast);

fn data(ident: u32, seq: u32, len: usize) -> Vec<u8> {
    let header = kit::Tcp { src: 80, dst: 40000, seq, ack: 1, flags: Tcp::ACK, window: 500, options: vec![] };
    kit::ip(&kit::Ip { ident, ..kit::Ip::new(B, A) }, 6, &kit::tcp(&header, &vec![7; len]))
}

use Verdict::{Copy, First};

#[test]
fn a_bridge_shows_a_packet_several_times() {
    let mut point = Point::new();
    assert_eq!(point.any(0, TAP, &data(1, 100, 50)), First);
    assert_eq!(point.any(10, NIC, &data(1, 100, 50)), Copy);
    assert_eq!(point.any(5, BRIDGE, &data(1, 100, 50)), Copy);
    assert_eq!(point.duplicates.copies(), Copies { other_place: 2, ..Copies::default() });
}

#[test]
fn a_retransmission_counts_at_every_place() {
    for ident in [1, 0] {
        let mut point = Point::new();
        for (n, at) in [0, 250 * MS, 650 * MS].into_iter().enumerate() {
            // Without identification the three are equal to the last bit.
            let packet = data(ident * (n as u32 + 1), 100, 50);
            assert_eq!(point.any(at, TAP, &packet), First);
            assert_eq!(point.any(at + 10_000, NIC, &packet), Copy);
        }
    }
}

#[test]
fn equal_packets_in_a_row_count_as_often_as_one_place_saw_them() {
    let mut point = Point::new();
    let acknowledgment = data(0, 100, 0);
    for at in 0..300 {
        assert_eq!(point.any(at * 1000, TAP, &acknowledgment), First, "{at}");
    }
    for at in 0..300 {
        assert_eq!(point.any(300_000 + at * 1000, NIC, &acknowledgment), Copy, "{at}");
    }
}

#[test]
fn announcements_repeat() {
    let mut point = Point::new();
    let rarp = kit::announcement(Mac([2, 0, 0, 0, 0, 0x50]));
    let mut any = |at: i64, (index, kind): (u32, SllType)| {
        let bytes = kit::sll2(index, kind, Mac([2, 0, 0, 0, 0, 0x50]), kit::RARP, &rarp[14..]);
        point.frame(&kit::frame_as(LinkType::LINUX_SLL2, &bytes, Timestamp(at)))
    };
    // Three flushed at once, then on schedule.
    let tap: Vec<Verdict> = [0, 20_000, 40_000, 250 * MS, 600 * MS].iter().map(|at| any(*at, (5, SllType::Broadcast))).collect();
    assert_eq!(tap, [First; 5]);
    assert_eq!([0, 1, 2].map(|n| any(600 * MS + n, NIC)), [Copy; 3]);
    let mut point = Point::new();
    assert_eq!([0, 20_000, 50 * MS].map(|at| point.ethernet(at, &rarp)), [First; 3]);
}

#[test]
fn a_tunnel_shows_it_again() {
    let mut point = Point::new();
    let inner = kit::ethernet(Mac([2; 6]), Mac([4; 6]), kit::IPV4, &data(0, 100, 50));
    let outer = |vni, port| kit::udp_frame(Endpoint::new(A, port), Endpoint::new(B, 4789), &kit::vxlan(vni, &inner));
    assert_eq!(point.ethernet(0, &outer(7, 1)), First);
    assert_eq!(point.ethernet(0, &outer(8, 1)), Copy);
    assert_eq!(point.ethernet(0, &inner), Copy);
    assert_eq!(point.ethernet(300 * MS, &inner), First);
}

#[test]
fn a_tagged_copy_is_a_copy() {
    let mut point = Point::new();
    let packet = data(0, 100, 50);
    assert_eq!(point.ethernet(0, &kit::ethernet(Mac([2; 6]), Mac([4; 6]), kit::IPV4, &packet)), First);
    let tagged = kit::ethernet(Mac([2; 6]), Mac([4; 6]), kit::VLAN, &kit::vlan(9, kit::IPV4, &packet));
    assert_eq!(point.ethernet(1000, &tagged), Copy);
}

fn routed(ident: u32, ttl: u8, mac: u8) -> Vec<u8> {
    let segment = kit::tcp(&kit::Tcp { src: 1, dst: 2, seq: 3, ..kit::Tcp::default() }, b"data");
    kit::ethernet(Mac([mac; 6]), Mac([8; 6]), kit::IPV4, &kit::ip(&kit::Ip { ident, ttl, ..kit::Ip::new(A, B) }, 6, &segment))
}

#[test]
fn a_router_on_the_same_wire() {
    for (ident, at, second) in [(9, 19 * MS, Copy), (9, 120 * MS, First), (0, 19 * MS, Copy), (0, 30 * MS, First)] {
        let mut point = Point::new();
        assert_eq!(point.ethernet(0, &routed(ident, 64, 2)), First);
        assert_eq!(point.ethernet(at, &routed(ident, 63, 4)), second, "{ident} {at}");
    }
    // Another path from the same neighbour, or a neighbour that is no router: nothing tells a copy but the identification.
    let mut point = Point::new();
    assert_eq!(point.ethernet(0, &routed(0, 64, 2)), First);
    assert_eq!(point.ethernet(15 * MS, &routed(0, 63, 2)), First);
    let mut point = Point::new();
    assert_eq!(point.ethernet(0, &routed(0, 64, 2)), First);
    assert_eq!(point.ethernet(15 * MS, &routed(0, 64, 6)), First);
}

#[test]
fn doubled_frames_need_an_identification() {
    let mut point = Point::new();
    assert_eq!(point.ethernet(0, &routed(9, 64, 2)), First);
    assert_eq!(point.ethernet(MS, &routed(9, 64, 2)), Copy);
    assert_eq!(point.ethernet(9 * MS, &routed(9, 64, 2)), Copy);
    assert_eq!(point.ethernet(11 * MS, &routed(9, 64, 2)), First);
    let mut point = Point::new();
    assert_eq!(point.ethernet(0, &routed(0, 64, 2)), First);
    assert_eq!(point.ethernet(MS, &routed(0, 64, 2)), First);
}

#[test]
fn a_constant_identification_identifies_nothing() {
    let mut point = Point::new();
    let packet = |seq| kit::ethernet(Mac([2; 6]), Mac([4; 6]), kit::IPV4, &data(0x1234, seq, 0));
    assert_eq!(point.ethernet(0, &packet(1)), First);
    assert_eq!(point.ethernet(1000, &packet(2)), First);
    assert_eq!(point.ethernet(2000, &packet(2)), First);
    assert_eq!(point.ethernet(3000, &packet(2)), First);
}

#[test]
fn offload_cuts_and_joins_segments() {
    for ident in [1, 0] {
        let mut point = Point::new();
        let id = |n: u32| if ident == 0 { 0 } else { ident + n };
        assert_eq!(point.any(0, TAP, &data(id(0), 1000, 4000)), First);
        assert_eq!(point.any(10, NIC, &data(id(0), 1000, 1448)), Copy);
        assert_eq!(point.any(11, NIC, &data(id(1), 2448, 1448)), Copy);
        assert_eq!(point.any(12, NIC, &data(id(2), 3896, 1104)), Copy);
        // A piece again is sent again.
        assert_eq!(point.any(300 * MS, TAP, &data(id(3), 2448, 1448)), First);
        assert_eq!(point.any(300 * MS + 10, NIC, &data(id(3), 2448, 1448)), Copy);
        assert_eq!(point.duplicates.copies(), Copies { other_place: 1, resegmented: 3, ..Copies::default() });
        let mut point = Point::new();
        assert_eq!(point.any(0, NIC, &data(id(0), 1000, 1448)), First);
        assert_eq!(point.any(1, NIC, &data(id(1), 2448, 1448)), First);
        assert_eq!(point.any(2, TAP, &data(id(0), 1000, 2896)), Copy);
        // Of the next only half was seen.
        assert_eq!(point.any(3, NIC, &data(id(2), 3896, 1448)), First);
        assert_eq!(point.any(4, TAP, &data(id(2), 3896, 2896)), First);
    }
}

#[test]
fn a_late_retransmission_meets_what_its_place_sent() {
    let mut point = Point::new();
    assert_eq!(point.any(0, TAP, &data(1, 1000, 2896)), First);
    // The queue of the interface held it for 100 ms.
    assert_eq!(point.any(100 * MS, NIC, &data(1, 1000, 1448)), Copy);
    assert_eq!(point.any(100 * MS, NIC, &data(2, 2448, 1448)), Copy);
    assert_eq!(point.any(300 * MS, TAP, &data(3, 1000, 1448)), First);
}

#[test]
fn rotated_files_are_one_interface() {
    let mut point = Point::new();
    let rarp = kit::announcement(Mac([2, 0, 0, 0, 0, 0x50]));
    let mut on = |at: i64, file: u16| {
        let frame = kit::frame(&rarp, Timestamp(at));
        let place = crate::base::anomaly::Place { file, ..frame.place };
        point.frame(&Frame { place, interface: file, ..frame })
    };
    assert_eq!(on(0, 0), First);
    assert_eq!(on(0, 1), Copy);
    assert_eq!(on(50 * MS, 1), First);
    assert_eq!(on(100 * MS, 2), First);
}

#[test]
fn equal_reports_of_different_hosts() {
    let mut point = Point::new();
    let report = kit::ip(&kit::Ip { ttl: 1, ..kit::Ip::new([0, 0, 0, 0].into(), [224, 0, 0, 22].into()) }, 2, &[0x22; 16]);
    let inner = kit::ethernet(Mac([4; 6]), Mac([8; 6]), kit::IPV4, &report);
    let wrapped = kit::udp_frame(Endpoint::new(A, 1), Endpoint::new(B, 4789), &kit::vxlan(7, &inner));
    assert_eq!(point.ethernet(0, &kit::ethernet(Mac([2; 6]), Mac([8; 6]), kit::IPV4, &report)), First);
    assert_eq!(point.ethernet(56 * MS, &wrapped), First);
    assert_eq!(point.ethernet(57 * MS, &inner), Copy);
}

#[test]
fn memory_tells_its_reach() {
    let mut point = Point::new();
    for n in 0..200_000u32 {
        let segment = kit::tcp(&kit::Tcp { seq: n, ..kit::Tcp::default() }, b"");
        point.ethernet(i64::from(n) * 1000, &kit::ip_frame(&kit::Ip { ident: n & 0xffff, ..kit::Ip::new(A, B) }, 6, &segment));
    }
    let reach = point.duplicates.reach().expect("more packets than room");
    assert!(reach.0 > 200_000 && reach.0 < 2 * MS, "{reach:?}");
    assert_eq!(point.duplicates.copies().total(), 0);
}
