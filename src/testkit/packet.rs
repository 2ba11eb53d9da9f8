//! Frames built layer by layer, inside out: `ethernet(a, b, 0x0800, &ip(&Ip::new(src, dst), 6, &tcp(&Tcp { .. }, b"data")))`.
//!
//! Each function returns its header followed by the payload given. Transport checksums are filled in by [`ip`], which knows
//! the pseudo header; everything below it may be wrapped in any order. [`tcp_frame`] and its likes build whole Ethernet frames.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{IpNumber, Ipv4Header, Ipv6Header, TcpHeaderSlice, UdpHeaderSlice};

use crate::base::anomaly::Place;
use crate::base::net::{Endpoint, Mac};
use crate::base::time::Timestamp;
use crate::capture::{Frame, LinkType};
use crate::decode::{Arp, SllType};

pub use super::packet_referee::disagreement;
pub use super::packet_tunnel::{erspan2, geneve, gre, mpls, pppoe, vxlan};

/// Ethertype of IPv4.
pub const IPV4: u16 = 0x0800;
/// Ethertype of IPv6.
pub const IPV6: u16 = 0x86dd;
/// Ethertype of ARP.
pub const ARP: u16 = 0x0806;
/// Ethertype of RARP.
pub const RARP: u16 = 0x8035;
/// Ethertype of IEEE 802.1Q.
pub const VLAN: u16 = 0x8100;

/// An Ethernet frame, whole, on interface 0, the first of its file.
pub fn frame(bytes: &[u8], at: Timestamp) -> Frame<'_> {
    frame_as(LinkType::ETHERNET, bytes, at)
}

/// A whole frame of any link type on interface 0.
pub fn frame_as(link: LinkType, bytes: &[u8], at: Timestamp) -> Frame<'_> {
    Frame { at, place: Place { file: 0, frame: 1 }, link, interface: 0, wire_len: bytes.len() as u32, bytes }
}

/// A frame cut to its first `snaplen` bytes; its wire length stays.
pub fn cut(frame: Frame<'_>, snaplen: usize) -> Frame<'_> {
    Frame { bytes: &frame.bytes[..frame.bytes.len().min(snaplen)], ..frame }
}

/// Ethernet II.
pub fn ethernet(src: Mac, dst: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&dst.0[..], &src.0, &ethertype.to_be_bytes(), payload].concat()
}

/// What follows the ethertype 0x8100 (or 0x88a8): tag, next ethertype, payload.
pub fn vlan(id: u16, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &ethertype.to_be_bytes(), payload].concat()
}

/// An 802.3 frame with LLC and SNAP.
pub fn snap(src: Mac, dst: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len() + 8).expect("an 802.3 payload has at most 1500 bytes");
    [&dst.0[..], &src.0, &len.to_be_bytes(), &[0xaa, 0xaa, 3, 0, 0, 0], &ethertype.to_be_bytes(), payload].concat()
}

fn sll_code(kind: SllType) -> u16 {
    match kind {
        SllType::Host => 0,
        SllType::Broadcast => 1,
        SllType::Multicast => 2,
        SllType::OtherHost => 3,
        SllType::Outgoing => 4,
        SllType::Unknown(code) => code,
    }
}

/// Linux cooked capture, version 1, of an Ethernet interface.
pub fn sll(kind: SllType, src: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&sll_code(kind).to_be_bytes()[..], &[0, 1, 0, 6], &src.0, &[0, 0], &ethertype.to_be_bytes(), payload].concat()
}

/// Linux cooked capture, version 2, of an Ethernet interface.
pub fn sll2(if_index: u32, kind: SllType, src: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let code = sll_code(kind) as u8;
    [&ethertype.to_be_bytes()[..], &[0, 0], &if_index.to_be_bytes(), &[0, 1, code, 6], &src.0, &[0, 0], payload].concat()
}

/// What an IP header is to say; both addresses of one family.
#[derive(Clone, Copy, Debug)]
pub struct Ip {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// IPv4 identification (IPv6 has none outside of fragments).
    pub ident: u32,
    /// TTL or hop limit.
    pub ttl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// Fragment offset in bytes, a multiple of 8, and whether more follow.
    pub fragment: Option<(u16, bool)>,
}

impl Ip {
    /// Not fragmented, TTL 64, ident 0.
    pub fn new(src: IpAddr, dst: IpAddr) -> Self {
        Self { src, dst, ident: 0, ttl: 64, tos: 0, fragment: None }
    }
}

/// IPv4 or IPv6 around a transport segment; a TCP, UDP or ICMP checksum is filled in where the segment is whole.
pub fn ip(header: &Ip, proto: u8, payload: &[u8]) -> Vec<u8> {
    let segment = if header.fragment.is_none() { with_checksum(header.src, header.dst, proto, payload) } else { payload.to_vec() };
    match (header.src, header.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => ipv4(header, src, dst, proto, &segment),
        (IpAddr::V6(src), IpAddr::V6(dst)) => ipv6(header, src, dst, proto, &segment),
        _ => panic!("both addresses of a packet are of one family: {} {}", header.src, header.dst),
    }
}

fn ipv4(header: &Ip, src: Ipv4Addr, dst: Ipv4Addr, proto: u8, payload: &[u8]) -> Vec<u8> {
    let (offset, more) = header.fragment.unwrap_or((0, false));
    let len = u16::try_from(payload.len()).expect("an IPv4 payload has at most 65515 bytes");
    let mut ip = Ipv4Header::new(len, header.ttl, IpNumber(proto), src.octets(), dst.octets()).expect("length fits");
    ip.identification = header.ident as u16;
    ip.dont_fragment = header.fragment.is_none();
    ip.more_fragments = more;
    ip.fragment_offset = (offset / 8).try_into().expect("13 bits");
    ip.header_checksum = ip.calc_header_checksum();
    let mut bytes = ip.to_bytes().to_vec();
    bytes[1] = header.tos;
    bytes[10..12].copy_from_slice(&[0, 0]);
    let sum = !internet_sum(0, &bytes);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    [&bytes, payload].concat()
}

fn ipv6(header: &Ip, src: Ipv6Addr, dst: Ipv6Addr, proto: u8, payload: &[u8]) -> Vec<u8> {
    let extension = header
        .fragment
        .map(|(offset, more)| [&[proto, 0][..], &(offset & 0xfff8 | u16::from(more)).to_be_bytes(), &header.ident.to_be_bytes()].concat());
    let next = if extension.is_some() { 44 } else { proto };
    let body = [extension.as_deref().unwrap_or(&[]), payload].concat();
    let ip = Ipv6Header {
        payload_length: u16::try_from(body.len()).expect("an IPv6 payload has at most 65535 bytes"),
        next_header: IpNumber(next),
        hop_limit: header.ttl,
        source: src.octets(),
        destination: dst.octets(),
        ..Ipv6Header::default()
    };
    let mut bytes = ip.to_bytes().to_vec();
    bytes[0] = 0x60 | header.tos >> 4;
    bytes[1] = header.tos << 4;
    [&bytes[..], &body].concat()
}

/// What a TCP header is to say.
#[derive(Clone, Debug, Default)]
pub struct Tcp {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// Flags, as [`crate::decode::Tcp::SYN`] and its likes.
    pub flags: u8,
    /// Window field, unscaled.
    pub window: u16,
    /// Options, in order; padded with NOPs to a multiple of 4 bytes.
    pub options: Vec<TcpOption>,
}

/// A TCP option.
#[derive(Clone, Debug)]
pub enum TcpOption {
    /// RFC 9293 3.7.1.
    Mss(u16),
    /// RFC 7323 2.
    WindowScale(u8),
    /// RFC 2018 2.
    SackPermitted,
    /// RFC 2018 3.
    Sack(Vec<(u32, u32)>),
    /// RFC 7323 3: TSval, TSecr.
    Timestamps(u32, u32),
    /// Any other bytes.
    Raw(Vec<u8>),
}

/// TCP; the checksum is left to [`ip`].
pub fn tcp(header: &Tcp, payload: &[u8]) -> Vec<u8> {
    let mut options = Vec::new();
    for option in &header.options {
        match option {
            TcpOption::Mss(mss) => options.extend([&[2, 4][..], &mss.to_be_bytes()].concat()),
            TcpOption::WindowScale(shift) => options.extend([3, 3, *shift]),
            TcpOption::SackPermitted => options.extend([4, 2]),
            TcpOption::Sack(blocks) => {
                options.extend([5, 2 + 8 * blocks.len() as u8]);
                for (left, right) in blocks {
                    options.extend([left.to_be_bytes(), right.to_be_bytes()].concat());
                }
            }
            TcpOption::Timestamps(value, echo) => options.extend([&[8, 10][..], &value.to_be_bytes(), &echo.to_be_bytes()].concat()),
            TcpOption::Raw(bytes) => options.extend(bytes),
        }
    }
    options.resize(options.len().next_multiple_of(4), 1);
    assert!(options.len() <= 40, "TCP options have at most 40 bytes");
    let offset = (5 + options.len() / 4) as u8;
    [
        &header.src.to_be_bytes()[..],
        &header.dst.to_be_bytes(),
        &header.seq.to_be_bytes(),
        &header.ack.to_be_bytes(),
        &[offset << 4, header.flags],
        &header.window.to_be_bytes(),
        &[0; 4],
        &options,
        payload,
    ]
    .concat()
}

/// UDP; the checksum is left to [`ip`].
pub fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len() + 8).expect("a UDP payload has at most 65507 bytes");
    [&src.to_be_bytes()[..], &dst.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload].concat()
}

/// Echo request or reply (protocol 1, or 58 with `v6`).
pub fn icmp_echo(v6: bool, reply: bool, id: u16, seq: u16, payload: &[u8]) -> Vec<u8> {
    let kind = match (v6, reply) {
        (false, false) => 8,
        (false, true) => 0,
        (true, false) => 128,
        (true, true) => 129,
    };
    [&[kind, 0, 0, 0][..], &id.to_be_bytes(), &seq.to_be_bytes(), payload].concat()
}

/// ARP or RARP for Ethernet and IPv4, without Ethernet padding.
pub fn arp(arp: &Arp) -> Vec<u8> {
    [
        &[0, 1, 8, 0, 6, 4][..],
        &arp.operation.to_be_bytes(),
        &arp.sender_mac.0,
        &arp.sender_ip.octets(),
        &arp.target_mac.0,
        &arp.target_ip.octets(),
    ]
    .concat()
}

/// The RARP broadcast by which QEMU announces a guest (net/announce.c): 60 bytes.
pub fn announcement(mac: Mac) -> Vec<u8> {
    let none = Ipv4Addr::UNSPECIFIED;
    let body = arp(&Arp { rarp: true, operation: 3, sender_mac: mac, sender_ip: none, target_mac: mac, target_ip: none });
    let mut bytes = ethernet(mac, Mac::BROADCAST, RARP, &body);
    bytes.resize(60, 0);
    bytes
}

/// A MAC address made of an IP address, so that tests need not name any.
pub fn mac_of(ip: IpAddr) -> Mac {
    let [a, b, c, d] = match ip {
        IpAddr::V4(ip) => ip.octets(),
        IpAddr::V6(ip) => ip.octets().last_chunk().copied().unwrap_or_default(),
    };
    Mac([0x02, 0, a, b, c, d])
}

/// An IP packet in an Ethernet frame between the two addresses' own MACs.
pub fn ip_frame(header: &Ip, proto: u8, payload: &[u8]) -> Vec<u8> {
    let ethertype = if header.src.is_ipv4() { IPV4 } else { IPV6 };
    ethernet(mac_of(header.src), mac_of(header.dst), ethertype, &ip(header, proto, payload))
}

/// A TCP segment in an Ethernet frame; ports of `header` are taken from the ends.
pub fn tcp_frame(from: Endpoint, to: Endpoint, header: &Tcp, payload: &[u8]) -> Vec<u8> {
    let header = Tcp { src: from.port, dst: to.port, ..header.clone() };
    ip_frame(&Ip::new(from.ip, to.ip), 6, &tcp(&header, payload))
}

/// A UDP datagram in an Ethernet frame.
pub fn udp_frame(from: Endpoint, to: Endpoint, payload: &[u8]) -> Vec<u8> {
    ip_frame(&Ip::new(from.ip, to.ip), 17, &udp(from.port, to.port, payload))
}

/// An echo request or reply in an Ethernet frame.
pub fn icmp_frame(from: IpAddr, to: IpAddr, reply: bool, id: u16, seq: u16, payload: &[u8]) -> Vec<u8> {
    let v6 = from.is_ipv6();
    ip_frame(&Ip::new(from, to), if v6 { 58 } else { 1 }, &icmp_echo(v6, reply, id, seq, payload))
}

/// RFC 1071: the ones' complement sum, folded, not inverted.
fn internet_sum(start: u32, bytes: &[u8]) -> u16 {
    let mut sum = start;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn with_checksum(src: IpAddr, dst: IpAddr, proto: u8, segment: &[u8]) -> Vec<u8> {
    let at = match proto {
        1 | 58 if segment.len() >= 8 => 2,
        6 if TcpHeaderSlice::from_slice(segment).is_ok() => 16,
        17 if UdpHeaderSlice::from_slice(segment).is_ok() => 6,
        _ => return segment.to_vec(),
    };
    let mut bytes = segment.to_vec();
    let pseudo = match (src, dst) {
        _ if proto == 1 => 0,
        (IpAddr::V4(src), IpAddr::V4(dst)) => internet_sum(0, &[src.octets(), dst.octets()].concat()),
        (IpAddr::V6(src), IpAddr::V6(dst)) => internet_sum(0, &[src.octets(), dst.octets()].concat()),
        _ => 0,
    };
    let start = if proto == 1 { 0 } else { u32::from(pseudo) + u32::from(proto) + segment.len() as u32 };
    let sum = match !internet_sum(start, &bytes) {
        0 if proto == 17 => 0xffff,
        sum => sum,
    };
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 50));

    #[test]
    fn tcp_frame_equals_etherparse() {
        let ours =
            tcp_frame(Endpoint::new(A, 40000), Endpoint::new(B, 80), &Tcp { seq: 7, flags: 2, window: 512, ..Tcp::default() }, b"abc");
        let mut theirs = Vec::new();
        PacketBuilder::ethernet2(mac_of(A).0, mac_of(B).0)
            .ipv4([192, 0, 2, 10], [192, 0, 2, 50], 64)
            .tcp(40000, 80, 7, 512)
            .syn()
            .write(&mut theirs, b"abc")
            .expect("to memory");
        assert_eq!(ours, theirs);
    }

    #[test]
    fn udp_and_icmp_over_ipv6_equal_etherparse() {
        let (a, b): (Ipv6Addr, Ipv6Addr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let macs = (mac_of(a.into()).0, mac_of(b.into()).0);
        let mut theirs = Vec::new();
        let start = || PacketBuilder::ethernet2(macs.0, macs.1).ipv6(a.octets(), b.octets(), 64);
        start().udp(5000, 5001).write(&mut theirs, b"hello").expect("to memory");
        assert_eq!(udp_frame(Endpoint::new(a.into(), 5000), Endpoint::new(b.into(), 5001), b"hello"), theirs);
        theirs.clear();
        start().icmpv6_echo_request(3, 9).write(&mut theirs, b"ping").expect("to memory");
        assert_eq!(icmp_frame(a.into(), b.into(), false, 3, 9, b"ping"), theirs);
    }

    #[test]
    fn announcement_is_qemus() {
        let bytes = announcement(Mac([0x52, 0x54, 0, 0xaa, 0, 0x50]));
        assert_eq!(bytes.len(), 60);
        assert_eq!(
            bytes[..24],
            [255, 255, 255, 255, 255, 255, 0x52, 0x54, 0, 0xaa, 0, 0x50, 0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3, 0x52, 0x54]
        );
    }
}
