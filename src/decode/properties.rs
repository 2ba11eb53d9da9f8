//! Properties of the whole decoder: no input panics, both paths agree with each other and with etherparse.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::{Decoded, Decoder, Net, Packet};
use crate::base::net::Mac;
use crate::base::time::Timestamp;
use crate::capture::{Frame, LinkType};
use crate::testkit::packet as kit;
use crate::testkit::packet::disagreement;

const LINKS: [LinkType; 11] = [
    LinkType::NULL,
    LinkType::ETHERNET,
    LinkType::RAW_12,
    LinkType::RAW_14,
    LinkType::RAW,
    LinkType::LOOP,
    LinkType::LINUX_SLL,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::LINUX_SLL2,
    LinkType(9999),
];

/// What must hold for any frame.
fn holds(decoder: &mut Decoder, frame: &Frame<'_>) {
    let fast = Decoder::decode_fast(frame);
    let complete = match decoder.decode_complete(frame) {
        Decoded::Packet(packet) => Some(packet),
        Decoded::Held => None,
        Decoded::Undecoded(reason) => {
            assert!(Decoder::REASONS.contains(&reason), "{reason}");
            None
        }
    };
    if let Some(packet) = &complete {
        lengths_hold(frame, packet);
        if frame.link == LinkType::ETHERNET {
            assert_eq!(disagreement(frame.bytes, packet), None);
        }
    }
    if let Some(fast) = fast {
        assert_eq!(Some(fast), complete);
    }
}

fn lengths_hold(frame: &Frame<'_>, packet: &Packet<'_>) {
    assert!(packet.payload.len() <= packet.payload_wire as usize, "{packet:?}");
    assert!(packet.frames >= 1 && packet.wire_len >= frame.wire_len);
    if let Net::Ip(ip) = packet.net {
        assert!(packet.payload_wire <= ip.total_len, "{packet:?}");
        assert_eq!(ip.src.is_ipv4(), ip.dst.is_ipv4());
    }
    assert!(packet.tunnel.is_none_or(|t| usize::from(t.depth) <= crate::base::limits::TUNNEL_DEPTH));
}

fn ips() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![
        (any::<u32>(), any::<u32>()).prop_map(|(a, b)| (Ipv4Addr::from(a).into(), Ipv4Addr::from(b).into())),
        (any::<u128>(), any::<u128>()).prop_map(|(a, b)| (Ipv6Addr::from(a).into(), Ipv6Addr::from(b).into())),
    ]
}

fn option() -> impl Strategy<Value = kit::TcpOption> {
    prop_oneof![
        any::<u16>().prop_map(kit::TcpOption::Mss),
        any::<u8>().prop_map(kit::TcpOption::WindowScale),
        Just(kit::TcpOption::SackPermitted),
        prop::collection::vec(any::<(u32, u32)>(), 1..3).prop_map(kit::TcpOption::Sack),
        any::<(u32, u32)>().prop_map(|(a, b)| kit::TcpOption::Timestamps(a, b)),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(kit::TcpOption::Raw),
    ]
}

fn segment() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let payload = || prop::collection::vec(any::<u8>(), 0..80);
    let port = || prop_oneof![any::<u16>(), Just(4789u16), Just(8472u16), Just(6081u16)];
    let tcp = (any::<(u16, u16, u32, u32, u8, u16)>(), prop::collection::vec(option(), 0..2), payload());
    prop_oneof![
        tcp.prop_map(|((src, dst, seq, ack, flags, window), options, payload)| {
            (6, kit::tcp(&kit::Tcp { src, dst, seq, ack, flags, window, options }, &payload))
        }),
        (port(), port(), payload()).prop_map(|(src, dst, payload)| (17, kit::udp(src, dst, &payload))),
        (any::<(bool, bool, u16, u16)>(), payload())
            .prop_map(|((v6, reply, id, seq), payload)| (if v6 { 58 } else { 1 }, kit::icmp_echo(v6, reply, id, seq, &payload))),
        (any::<u8>(), payload()),
    ]
}

fn packet() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let fragment = prop_oneof![4 => Just(None), 1 => (0u16..100, any::<bool>()).prop_map(|(n, more)| Some((n * 8, more)))];
    (ips(), any::<(u16, u8, u8)>(), fragment, segment()).prop_map(|((src, dst), (ident, ttl, tos), fragment, (proto, body))| {
        let header = kit::Ip { src, dst, ident: ident.into(), ttl, tos, fragment };
        (if src.is_ipv4() { kit::IPV4 } else { kit::IPV6 }, kit::ip(&header, proto, &body))
    })
}

/// An Ethernet frame, plain, tagged, or in a tunnel of any kind.
fn ethernet() -> impl Strategy<Value = Vec<u8>> {
    let plain =
        (any::<([u8; 6], [u8; 6])>(), packet()).prop_map(|((a, b), (ethertype, body))| kit::ethernet(Mac(a), Mac(b), ethertype, &body));
    let wrap = |frame: Vec<u8>, how: u8, id: u32, (src, dst): (IpAddr, IpAddr)| {
        let id = id & 0xff_ffff;
        let udp = |port, payload: &[u8]| kit::ip_frame(&kit::Ip::new(src, dst), 17, &kit::udp(50000, port, payload));
        let over = |proto, payload: &[u8]| kit::ip_frame(&kit::Ip::new(src, dst), proto, payload);
        match how % 12 {
            0 => udp(4789, &kit::vxlan(id, &frame)),
            1 => udp(8472, &kit::vxlan(id, &frame)),
            2 => udp(6081, &kit::geneve(id, 0x6558, &[0; 8], &frame)),
            3 => over(47, &kit::gre(0x6558, false, Some(id), None, &frame)),
            4 => over(47, &kit::gre(0x88be, false, None, Some(1), &kit::erspan2(3, 4, &frame))),
            5 => over(4, &frame[14..]),
            6 => over(41, &frame[14..]),
            7 => [&frame[..12], &[0x81, 0], &kit::vlan(id as u16, 0, &[])[..2], &frame[12..]].concat(),
            8 => [&frame[..12], &[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2], &frame[12..]].concat(),
            9 => [&frame[..12], &[0x88, 0x47], &kit::mpls(&[id & 0xf_ffff, 3], &frame[14..])[..]].concat(),
            10 => [&frame[..12], &[0x88, 0x64], &kit::pppoe(7, if frame[13] == 0 { 0x21 } else { 0x57 }, &frame[14..])[..]].concat(),
            _ => frame,
        }
    };
    (plain, prop::collection::vec((any::<(u8, u32)>(), ips()), 0..4))
        .prop_map(move |(frame, wraps)| wraps.into_iter().fold(frame, |frame, ((how, id), ips)| wrap(frame, how, id, ips)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_of_every_link_type(bytes in prop::collection::vec(any::<u8>(), 0..200), longer in 0u32..100) {
        let mut decoder = Decoder::new();
        for link in LINKS {
            let frame = kit::frame_as(link, &bytes, Timestamp(0));
            holds(&mut decoder, &Frame { wire_len: frame.wire_len + longer, ..frame });
        }
        while decoder.release(Timestamp::MAX).is_some() {}
    }

    #[test]
    fn generated_frames_and_their_cuts(frame in ethernet(), pad in 0usize..20) {
        let mut decoder = Decoder::new();
        let wire = [&frame[..], &vec![0; pad]].concat();
        for len in 0..=wire.len() {
            // Each cut is a datagram of its own time, so that fragments do not add up over cuts.
            let at = Timestamp(len as i64 * 20_000_000_000);
            holds(&mut decoder, &kit::cut(kit::frame(&wire, at), len));
            while decoder.release(at + crate::base::time::Nanos(19_000_000_000)).is_some() {}
        }
    }

    #[test]
    fn generated_frames_with_wrong_bytes(frame in ethernet(), errors in prop::collection::vec(any::<(u16, u8)>(), 1..4)) {
        let mut bytes = frame;
        for (at, value) in errors {
            let at = usize::from(at) % bytes.len();
            bytes[at] = value;
        }
        let mut decoder = Decoder::new();
        holds(&mut decoder, &kit::frame(&bytes, Timestamp(0)));
        while decoder.release(Timestamp::MAX).is_some() {}
    }

    #[test]
    fn cooked_frames_agree((ethertype, body) in packet(), index in any::<u32>(), kind in 0u16..6, tagged in any::<bool>()) {
        let kind = super::link::sll_type(kind);
        let (ethertype, body) = if tagged { (kit::VLAN, kit::vlan(9, ethertype, &body)) } else { (ethertype, body) };
        let mut decoder = Decoder::new();
        let v2 = kit::sll2(index, kind, Mac([2; 6]), ethertype, &body);
        holds(&mut decoder, &kit::frame_as(LinkType::LINUX_SLL2, &v2, Timestamp(0)));
        let v1 = kit::sll(kind, Mac([2; 6]), ethertype, &body);
        holds(&mut decoder, &kit::frame_as(LinkType::LINUX_SLL, &v1, Timestamp(0)));
    }
}
