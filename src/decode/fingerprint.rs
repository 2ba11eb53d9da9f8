//! 64-bit fingerprints of what no router, bridge or tunnel changes in a packet, to know it again at another capture point.
//!
//! In: addresses, ports, protocol, identification, lengths; TCP sequence and acknowledgment numbers, flags, window, timestamps, the first SACK
//! block; ICMP type, code, identifier and sequence number; all of ARP. Out: MACs, VLAN, tunnels, TTL, checksums, DSCP and ECN,
//! and the other TCP options (routers clamp the MSS).
//!
//! Payload bytes are used only where the headers do not tell packets apart: packets other than TCP and ICMP echo that have no IPv4
//! identification. It is then the first [`PAYLOAD_BYTES`], enough for the sequence number of RTP (RFC 3550 5.1) and the protected packet number of QUIC
//! behind its usual identifiers. A capture cut at 96 bytes still holds them: SLL2, VLAN, IPv6 and UDP are 72 bytes. In a VXLAN tunnel
//! it needs 126. Where the cut leaves fewer, fewer are used, and the fingerprint differs from that of an uncut
//! capture: [`is_weak`] tells.
//!
//! Equal does not prove one packet: a retransmission repeats all of this where the sender numbers nothing (IPv6, or
//! identification 0, without timestamps), identifications come round after 65,536 packets, and RARP announcements are
//! all alike. Whoever matches must count and look at the time.

use std::net::IpAddr;

use super::{Arp, Icmp, Ip, Net, Packet, Tcp, Transport};

/// Payload bytes that go into the fingerprint of a packet whose headers do not identify it.
pub const PAYLOAD_BYTES: usize = 16;

/// Arbitrary bits: the fractional part of pi.
const K: [u64; 5] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345, 0xa409_3822_299f_31d1, 0x082e_fa98_ec4e_6c89, 0x4528_21e6_38d0_1377];

/// Fingerprint of a packet: equal at every capture point that the packet passes, unless its addresses or ports are translated.
#[inline]
pub fn fingerprint(packet: &Packet<'_>) -> u64 {
    hash::<true>(packet)
}

/// The same, blind to addresses and ports (and the identifier of an ICMP echo): equal on both sides of a NAT or floating IP too.
#[inline]
pub fn fingerprint_blind(packet: &Packet<'_>) -> u64 {
    hash::<false>(packet)
}

/// True if the capture cut so much of the packet that its fingerprint may differ from that of an uncut capture.
pub fn is_weak(packet: &Packet<'_>) -> bool {
    let wanted = (packet.payload_wire as usize).min(PAYLOAD_BYTES);
    let needs_payload = match packet.net {
        Net::Ip(ip) => !identified(&ip, &packet.transport),
        Net::Arp(_) => false,
        Net::Other => true,
    };
    // A TCP header whose options were cut may lack timestamps; one that was cut itself lacks everything.
    let cut_header = match packet.transport {
        Transport::Tcp(_) => packet.payload.is_empty() && packet.payload_wire > 0,
        Transport::Other => packet.payload.len() < packet.payload_wire as usize,
        _ => false,
    };
    (needs_payload && packet.payload.len() < wanted) || cut_header
}

/// True if the headers alone tell one packet of a sender from the next.
#[inline(always)]
fn identified(ip: &Ip, transport: &Transport) -> bool {
    match transport {
        Transport::Tcp(_) | Transport::Icmp(Icmp { echo: Some(_), .. }) => true,
        _ => ip.ident != 0,
    }
}

#[inline(always)]
fn hash<const ADDRESSES: bool>(packet: &Packet<'_>) -> u64 {
    match &packet.net {
        Net::Ip(ip) => {
            let network = network::<ADDRESSES>(ip);
            let transport = transport::<ADDRESSES>(&packet.transport);
            let known = mix(network ^ K[0], transport ^ K[1]);
            if identified(ip, &packet.transport) { known } else { known ^ payload(packet) }
        }
        Net::Arp(arp) => self::arp(arp),
        Net::Other => mix(u64::from(packet.link.ethertype) ^ K[3], payload(packet)),
    }
}

#[inline(always)]
fn network<const ADDRESSES: bool>(ip: &Ip) -> u64 {
    let (offset, more) = ip.fragment.unwrap_or((0, false));
    let rest = u64::from(ip.ident) << 32 | u64::from(ip.total_len) ^ u64::from(offset) << 16 ^ u64::from(more);
    let rest = mix(rest ^ K[2], u64::from(ip.proto) ^ K[3]);
    if !ADDRESSES {
        return rest;
    }
    match (&ip.src, &ip.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => rest ^ mix(u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits()), K[4]),
        (src, dst) => {
            let bits = |ip: &IpAddr| match ip {
                IpAddr::V4(ip) => u128::from(ip.to_bits()),
                IpAddr::V6(ip) => ip.to_bits(),
            };
            rest ^ mix(wide(bits(src)) ^ K[2], wide(bits(dst)) ^ K[4])
        }
    }
}

#[inline(always)]
fn transport<const ADDRESSES: bool>(transport: &Transport) -> u64 {
    let ports = |src: u16, dst: u16| if ADDRESSES { u64::from(src) << 16 | u64::from(dst) } else { 0 };
    match transport {
        Transport::Tcp(tcp) => {
            let Tcp { seq, ack, .. } = *tcp;
            let numbers = u64::from(seq) << 32 | u64::from(ack);
            let rest = ports(tcp.src, tcp.dst) << 32 | u64::from(tcp.window) << 8 | u64::from(tcp.flags);
            let (value, echo) = tcp.timestamps.unwrap_or((0, 0));
            let times = u64::from(value) << 32 | u64::from(echo);
            let known = mix(numbers ^ K[0], rest ^ K[1]) ^ mix(times ^ K[2], K[3]);
            match tcp.sack_count {
                0 => known,
                _ => known ^ mix((u64::from(tcp.sack[0].0) << 32 | u64::from(tcp.sack[0].1)) ^ K[4], K[1]),
            }
        }
        Transport::Udp { src, dst } => mix(ports(*src, *dst) ^ K[4], K[1]),
        Transport::Icmp(icmp) => {
            let (id, seq) = icmp.echo.unwrap_or((0, 0));
            let id = if ADDRESSES { id } else { 0 };
            let kind = u64::from(icmp.kind) << 8 | u64::from(icmp.code) | 0x1_0000;
            mix(kind << 32 | u64::from(id) << 16 | u64::from(seq), K[1])
        }
        Transport::Other => K[4],
    }
}

fn arp(arp: &Arp) -> u64 {
    let mac = |mac: [u8; 6]| mac.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    let sender = mix(mac(arp.sender_mac.0) ^ K[0], u64::from(arp.sender_ip.to_bits()) ^ K[1]);
    let target = mix(mac(arp.target_mac.0) ^ K[2], u64::from(arp.target_ip.to_bits()) ^ K[3]);
    mix(sender ^ target.rotate_left(1), u64::from(arp.operation) << 1 | u64::from(arp.rarp) | K[4])
}

fn payload(packet: &Packet<'_>) -> u64 {
    let mut bytes = [0u8; PAYLOAD_BYTES];
    let len = packet.payload.len().min(PAYLOAD_BYTES);
    bytes[..len].copy_from_slice(&packet.payload[..len]);
    mix(wide(u128::from_le_bytes(bytes)) ^ K[0], u64::from(packet.payload_wire) << 8 | len as u64)
}

#[inline(always)]
fn wide(bits: u128) -> u64 {
    mix(bits as u64 ^ K[1], (bits >> 64) as u64 ^ K[3])
}

/// The two halves of a product, folded.
#[inline(always)]
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::base::net::Mac;
    use crate::base::time::Timestamp;
    use crate::capture::{Frame, LinkType};
    use crate::decode::{Decoded, Decoder, SllType};
    use crate::testkit::packet as kit;
    use crate::testkit::packet::TcpOption;

    fn of(frame: &Frame<'_>) -> (u64, u64, bool) {
        match Decoder::new().decode(frame) {
            Decoded::Packet(packet) => (fingerprint(&packet), fingerprint_blind(&packet), is_weak(&packet)),
            other => panic!("{other:?}"),
        }
    }

    fn ip(a: &str, b: &str) -> kit::Ip {
        kit::Ip { ident: 7, ..kit::Ip::new(a.parse().unwrap(), b.parse().unwrap()) }
    }

    fn segments() -> Vec<(u8, Vec<u8>)> {
        let tcp = kit::Tcp { src: 1, dst: 2, seq: 3, ack: 4, flags: 0x10, window: 5, options: vec![TcpOption::Timestamps(6, 7)] };
        vec![(6, kit::tcp(&tcp, &[9; 60])), (17, kit::udp(1, 2, &[9; 60])), (1, kit::icmp_echo(false, false, 1, 2, &[9; 60]))]
    }

    #[test]
    fn the_way_there_does_not_matter() {
        let at = Timestamp(0);
        for (proto, segment) in segments() {
            let header = ip("192.0.2.10", "192.0.2.50");
            let plain = kit::ip_frame(&header, proto, &segment);
            let routed = kit::ip(&kit::Ip { ttl: 63, tos: 3, ..header }, proto, &segment);
            let other = Mac([6; 6]);
            let expected = of(&kit::frame(&plain, at));
            let tagged = kit::ethernet(other, other, kit::VLAN, &kit::vlan(3, kit::IPV4, &routed));
            assert_eq!(of(&kit::frame(&tagged, at)), expected);
            let cooked = kit::sll2(5, SllType::Outgoing, other, kit::VLAN, &kit::vlan(3, kit::IPV4, &routed));
            assert_eq!(of(&kit::cut(kit::frame_as(LinkType::LINUX_SLL2, &cooked, at), 96)), expected);
            let wrapped = kit::ip_frame(&ip("10.0.0.1", "10.0.0.2"), 17, &kit::udp(1, 4789, &kit::vxlan(7, &plain)));
            assert_eq!(of(&kit::cut(kit::frame(&wrapped, at), 126)), expected);
        }
    }

    #[test]
    fn each_field_matters() {
        let mut seen = HashSet::new();
        let mut new = |bytes: Vec<u8>| assert!(seen.insert(of(&kit::frame(&bytes, Timestamp(0))).0));
        let header = ip("192.0.2.10", "192.0.2.50");
        let tcp = kit::Tcp { src: 1, dst: 2, seq: 3, ack: 4, flags: 0x10, window: 5, options: vec![TcpOption::Timestamps(6, 7)] };
        let mut variants = vec![tcp.clone()];
        variants.push(kit::Tcp { src: 9, ..tcp.clone() });
        variants.push(kit::Tcp { dst: 9, ..tcp.clone() });
        variants.push(kit::Tcp { seq: 9, ..tcp.clone() });
        variants.push(kit::Tcp { ack: 9, ..tcp.clone() });
        variants.push(kit::Tcp { flags: 0x18, ..tcp.clone() });
        variants.push(kit::Tcp { window: 9, ..tcp.clone() });
        variants.push(kit::Tcp { options: vec![TcpOption::Timestamps(9, 7)], ..tcp.clone() });
        variants.push(kit::Tcp { options: vec![TcpOption::Timestamps(6, 9)], ..tcp.clone() });
        variants.push(kit::Tcp { options: vec![TcpOption::Sack(vec![(1, 2)]), TcpOption::Timestamps(6, 7)], ..tcp.clone() });
        for variant in &variants {
            new(kit::ip_frame(&header, 6, &kit::tcp(variant, b"")));
        }
        for header in [ip("192.0.2.11", "192.0.2.50"), ip("192.0.2.10", "192.0.2.51"), kit::Ip { ident: 8, ..header }] {
            new(kit::ip_frame(&header, 6, &kit::tcp(&tcp, b"")));
        }
        new(kit::ip_frame(&header, 6, &kit::tcp(&tcp, b"x")));
        for (id, seq, reply) in [(1, 1, false), (2, 1, false), (1, 2, false), (1, 1, true)] {
            new(kit::ip_frame(&header, 1, &kit::icmp_echo(false, reply, id, seq, b"")));
        }
        // No identification: the payload tells, to its 16th byte.
        let header = kit::Ip { ident: 0, ..header };
        for last in 0..3u8 {
            new(kit::ip_frame(&header, 17, &kit::udp(1, 2, &[&[0; 15][..], &[last]].concat())));
        }
        new(kit::announcement(Mac([2; 6])));
        new(kit::announcement(Mac([4; 6])));
        for ethertype in [0x88cc, 0x88cd] {
            new(kit::ethernet(Mac([2; 6]), Mac([4; 6]), ethertype, &[0; 46]));
        }
    }

    #[test]
    fn blind_sees_through_translation() {
        let at = Timestamp(0);
        let inside = kit::Tcp { src: 40000, dst: 80, seq: 3, ack: 4, flags: 0x10, window: 5, options: vec![] };
        let outside = kit::Tcp { src: 61234, ..inside.clone() };
        let a = kit::ip_frame(&ip("10.0.0.5", "192.0.2.50"), 6, &kit::tcp(&inside, b"GET"));
        let b = kit::ip_frame(&ip("203.0.113.9", "192.0.2.50"), 6, &kit::tcp(&outside, b"GET"));
        let (a, b) = (of(&kit::frame(&a, at)), of(&kit::frame(&b, at)));
        assert_ne!(a.0, b.0);
        assert_eq!(a.1, b.1);
    }

    #[test]
    fn weak_where_the_cut_took_what_is_needed() {
        let header = kit::Ip { ident: 0, ..ip("192.0.2.10", "192.0.2.50") };
        let bytes = kit::ip_frame(&header, 17, &kit::udp(1, 2, &[9; 60]));
        let whole = kit::frame(&bytes, Timestamp(0));
        assert!(!of(&kit::cut(whole, 14 + 28 + 16)).2);
        assert!(of(&kit::cut(whole, 14 + 28 + 15)).2);
        let bytes = kit::ip_frame(&ip("192.0.2.10", "192.0.2.50"), 17, &kit::udp(1, 2, &[9; 60]));
        assert!(!of(&kit::cut(kit::frame(&bytes, Timestamp(0)), 14 + 28)).2);
    }
}
