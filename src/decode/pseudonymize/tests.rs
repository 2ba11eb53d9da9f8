use std::net::IpAddr;

use super::*;
use crate::base::net::Endpoint;
use crate::base::time::Timestamp;
use crate::capture::Frame as Captured;
use crate::decode::{Arp, Decoded, Decoder, SllType, Tcp as Flags, Transport};
use crate::testkit::packet::{self, Ip, Tcp, TcpOption};

fn names() -> Pseudonyms {
    Pseudonyms::new(b"key")
}

fn rewritten(kind: LinkType, bytes: &[u8]) -> Vec<u8> {
    let names = names();
    let mut bytes = bytes.to_vec();
    Pseudonymizer::new(&names).frame(kind, &mut bytes);
    bytes
}

fn all_four() -> [(IpAddr, IpAddr); 2] {
    let ip = |text: &str| text.parse().unwrap();
    [(ip("10.0.0.11"), ip("192.0.2.50")), (ip("2001:db8::11"), ip("fe80::5054:ff:fe00:1"))]
}

/// An Ethernet frame between the pseudonyms of two addresses' stations.
fn between(names: &Pseudonyms, src: IpAddr, dst: IpAddr, packet: &[u8]) -> Vec<u8> {
    let ethertype = if src.is_ipv4() { packet::IPV4 } else { packet::IPV6 };
    packet::ethernet(names.mac(packet::mac_of(src)), names.mac(packet::mac_of(dst)), ethertype, packet)
}

/// What is rewritten must be what would have been built of the pseudonyms, checksums too, less the payload.
fn expect(proto: u8, header: usize, segment: &[u8]) {
    let names = names();
    for (src, dst) in all_four() {
        let (new_src, new_dst) = (names.ip(src), names.ip(dst));
        let bytes = rewritten(LinkType::ETHERNET, &packet::ip_frame(&Ip::new(src, dst), proto, segment));
        let packet = packet::ip(&Ip::new(new_src, new_dst), proto, segment);
        let mut wanted = between(&names, src, dst, &packet);
        wanted.truncate(wanted.len() - segment.len() + header);
        assert_eq!(bytes, wanted, "protocol {proto}, {src}");
    }
}

#[test]
fn headers_stay_checksums_hold_payload_goes() {
    let options = vec![TcpOption::Mss(1460), TcpOption::SackPermitted, TcpOption::Timestamps(7, 9), TcpOption::WindowScale(7)];
    for payload in [&b""[..], b"secret", b"GET /secret HTTP/1.1\r\nHost: vm.example\r\n\r\n"] {
        let plain = packet::tcp(&Tcp { src: 40_000, dst: 80, seq: 9, flags: Flags::ACK, ..Tcp::default() }, payload);
        expect(6, 20, &plain);
        let full = packet::tcp(&Tcp { src: 40_000, dst: 80, options: options.clone(), ..Tcp::default() }, payload);
        expect(6, full.len() - payload.len(), &full);
        expect(17, 8, &packet::udp(5000, 53, payload));
    }
}

#[test]
fn echoes_keep_their_numbers() {
    let names = names();
    for (src, dst) in all_four() {
        let bytes = rewritten(LinkType::ETHERNET, &packet::icmp_frame(src, dst, false, 7, 3, b"who I am"));
        let proto = if src.is_ipv4() { 1 } else { 58 };
        let packet = packet::ip(&Ip::new(names.ip(src), names.ip(dst)), proto, &packet::icmp_echo(src.is_ipv6(), false, 7, 3, b"who I am"));
        let wanted = between(&names, src, dst, &packet);
        assert_eq!(bytes, wanted[..wanted.len() - 8]);
    }
}

#[test]
fn options_that_may_name_somebody_are_blanked() {
    // MPTCP's ADD_ADDR, and a kind that nobody knows.
    let raw = TcpOption::Raw(vec![30, 8, 0x30, 1, 10, 0, 0, 11, 254, 4, 1, 2]);
    let (src, dst) = all_four()[0];
    let bytes = rewritten(
        LinkType::ETHERNET,
        &packet::ip_frame(&Ip::new(src, dst), 6, &packet::tcp(&Tcp { options: vec![raw], ..Tcp::default() }, b"")),
    );
    let blank = TcpOption::Raw(vec![1; 12]);
    let names = names();
    let packet = packet::ip(&Ip::new(names.ip(src), names.ip(dst)), 6, &packet::tcp(&Tcp { options: vec![blank], ..Tcp::default() }, b""));
    assert_eq!(bytes, between(&names, src, dst, &packet));
}

#[test]
fn tunnels_are_rewritten_inside_too() {
    let names = names();
    let [(a, b), (c, d)] = all_four();
    let inner = |src, dst| packet::ip_frame(&Ip::new(src, dst), 6, &packet::tcp(&Tcp { src: 1, dst: 2, ..Tcp::default() }, b"inside"));
    let mut renamed = between(
        &names,
        c,
        d,
        &packet::ip(&Ip::new(names.ip(c), names.ip(d)), 6, &packet::tcp(&Tcp { src: 1, dst: 2, ..Tcp::default() }, b"inside")),
    );
    let payload = 6;
    for port in [4789, 8472] {
        let bytes = rewritten(
            LinkType::ETHERNET,
            &packet::ip_frame(&Ip::new(a, b), 17, &packet::udp(50_000, port, &packet::vxlan(7, &inner(c, d)))),
        );
        let outer = packet::ip(&Ip::new(names.ip(a), names.ip(b)), 17, &packet::udp(50_000, port, &packet::vxlan(7, &renamed)));
        let wanted = between(&names, a, b, &outer);
        assert_eq!(bytes, wanted[..wanted.len() - payload], "port {port}");
    }
    let geneve = packet::geneve(7, 0x6558, &[0, 1, 2, 1, 9, 9, 9, 9], &inner(c, d));
    let bytes = rewritten(LinkType::ETHERNET, &packet::ip_frame(&Ip::new(a, b), 17, &packet::udp(50_000, 6081, &geneve)));
    let blank = packet::geneve(7, 0x6558, &[0, 1, 2, 1, 0, 0, 0, 0], &renamed);
    let wanted = between(&names, a, b, &packet::ip(&Ip::new(names.ip(a), names.ip(b)), 17, &packet::udp(50_000, 6081, &blank)));
    assert_eq!(bytes, wanted[..wanted.len() - payload]);
    let gre = |inner: &[u8]| packet::gre(0x6558, true, None, Some(3), inner);
    let bytes = rewritten(LinkType::ETHERNET, &packet::ip_frame(&Ip::new(a, b), 47, &gre(&inner(c, d))));
    renamed.truncate(renamed.len() - payload);
    assert!(bytes.ends_with(&renamed), "GRE");
}

#[test]
fn announcements_are_those_of_the_pseudonym() {
    let names = names();
    let mac = Mac([0x52, 0x54, 0, 1, 2, 3]);
    let mut wanted = packet::announcement(names.mac(mac));
    wanted.truncate(42);
    assert_eq!(rewritten(LinkType::ETHERNET, &packet::announcement(mac)), wanted);
    let (ip, asked) = (Ipv4Addr::new(192, 0, 2, 50), Ipv4Addr::new(192, 0, 2, 1));
    let arp = |mac, ip, asked| {
        packet::arp(&Arp { rarp: false, operation: 1, sender_mac: mac, sender_ip: ip, target_mac: Mac([0; 6]), target_ip: asked })
    };
    let old = packet::sll(SllType::Broadcast, mac, packet::ARP, &arp(mac, ip, asked));
    let new = packet::sll(SllType::Broadcast, names.mac(mac), packet::ARP, &arp(names.mac(mac), names.v4(ip), names.v4(asked)));
    assert_eq!(rewritten(LinkType::LINUX_SLL, &old), new);
    let old = packet::sll2(3, SllType::Outgoing, mac, packet::ARP, &arp(mac, ip, asked));
    let new = packet::sll2(3, SllType::Outgoing, names.mac(mac), packet::ARP, &arp(names.mac(mac), names.v4(ip), names.v4(asked)));
    assert_eq!(rewritten(LinkType::LINUX_SLL2, &old), new);
}

#[test]
fn errors_name_nobody() {
    let (a, b) = all_four()[0];
    let about = packet::ip(&Ip::new(a, b), 17, &packet::udp(5000, 53, b"question"));
    let error = [&[3u8, 3, 0, 0, 0, 0, 0, 0][..], &about].concat();
    let bytes = rewritten(LinkType::ETHERNET, &packet::ip_frame(&Ip::new(b, a), 1, &error));
    let names = names();
    let about = packet::ip(&Ip::new(names.ip(a), names.ip(b)), 17, &packet::udp(5000, 53, b"question"));
    let error = [&[3u8, 3, 0, 0, 0, 0, 0, 0][..], &about].concat();
    let wanted = between(&names, b, a, &packet::ip(&Ip::new(names.ip(b), names.ip(a)), 1, &error));
    assert_eq!(bytes, wanted[..wanted.len() - 8]);
}

#[test]
fn what_is_not_known_is_cut_off() {
    let station = Mac([0x52, 0x54, 0, 1, 2, 3]);
    let lldp = packet::ethernet(station, Mac([1, 0x80, 0xc2, 0, 0, 0x0e]), 0x88cc, b"the name of a switch");
    assert_eq!(rewritten(LinkType::ETHERNET, &lldp).len(), 14);
    assert_eq!(rewritten(LinkType(105), &lldp).len(), 0);
    let (a, b) = all_four()[0];
    assert_eq!(rewritten(LinkType::ETHERNET, &packet::ip_frame(&Ip::new(a, b), 50, b"sealed")).len(), 34);
    let later = Ip { fragment: Some((1480, false)), ..Ip::new(a, b) };
    assert_eq!(rewritten(LinkType::ETHERNET, &packet::ip_frame(&later, 17, b"the rest of a secret")).len(), 34);
}

#[test]
fn any_cut_of_any_frame_is_rewritten_or_cut() {
    let [(a, b), (c, d)] = all_four();
    let inner = packet::ip_frame(&Ip::new(c, d), 6, &packet::tcp(&Tcp::default(), b"inside"));
    let frames = [
        packet::ip_frame(&Ip::new(a, b), 17, &packet::udp(50_000, 4789, &packet::vxlan(7, &inner))),
        packet::ip_frame(&Ip::new(a, b), 47, &packet::gre(0x6558, true, Some(1), Some(3), &inner)),
        packet::icmp_frame(c, d, true, 1, 1, b"x"),
    ];
    let real = [Ipv4Addr::new(10, 0, 0, 11).octets().to_vec(), Ipv4Addr::new(192, 0, 2, 50).octets().to_vec()];
    for whole in &frames {
        for end in 0..=whole.len() {
            for kind in [LinkType::ETHERNET, LinkType::LINUX_SLL, LinkType::LINUX_SLL2, LinkType::RAW, LinkType::NULL] {
                let bytes = rewritten(kind, &whole[..end]);
                assert!(bytes.len() <= end);
                if kind == LinkType::ETHERNET {
                    assert!(!real.iter().any(|r| bytes.windows(4).any(|w| w == r)), "{end}: {bytes:02x?}");
                }
            }
        }
    }
}

#[test]
fn what_remains_is_read_as_before() {
    let (a, b) = all_four()[0];
    let whole = packet::tcp_frame(Endpoint::new(a, 1), Endpoint::new(b, 2), &Tcp { seq: 5, ..Tcp::default() }, &[7; 1000]);
    let bytes = rewritten(LinkType::ETHERNET, &whole);
    let mut decoder = Decoder::new();
    let frame = Captured { wire_len: whole.len() as u32, ..packet::frame(&bytes, Timestamp(1)) };
    let Decoded::Packet(p) = decoder.decode(&frame) else { panic!("a packet") };
    assert_eq!((p.payload.len(), p.payload_wire), (0, 1000));
    assert!(matches!(p.transport, Transport::Tcp(t) if t.seq == 5));
}
