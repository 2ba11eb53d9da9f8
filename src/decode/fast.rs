//! The fast path: Ethernet with at most one VLAN tag, or a cooked capture of an Ethernet or loopback interface; IPv4 without options or IPv6
//! without extension headers; TCP, UDP or ICMP, not fragmented; inside at most one VXLAN or Geneve tunnel.
//!
//! Anything else, and anything odd, is `None`: the complete path decides. Where both decode a frame they must agree.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::span::Span;
use super::{Ip, Link, Net, Packet, Transport, Tunnel, link, transport, tunnel};
use crate::base::net::Mac;
use crate::capture::{Frame, LinkType};

/// Decodes a frame of the common kind and hands the packet to `done`. All is inlined, and `done` is called once for each kind of
/// packet: each field is then written once, to where the packet is wanted. Copying a packet costs as much as decoding it.
#[inline(always)]
pub(super) fn decode<'a, R>(frame: &Frame<'a>, mut done: impl FnMut(Packet<'a>) -> R) -> Option<R> {
    let bytes = frame.bytes;
    if bytes.len() > frame.wire_len as usize {
        return None;
    }
    let (link, header) = match frame.link {
        LinkType::ETHERNET => ethernet(bytes, frame.interface)?,
        LinkType::LINUX_SLL2 => cooked2(bytes, frame.interface)?,
        LinkType::LINUX_SLL => cooked(bytes, frame.interface)?,
        _ => return None,
    };
    let head = Head { frame, link, tunnel: None };
    network(head, bytes.get(header..)?, frame.wire_len - header as u32, &mut done, |outer, done| inside(frame, outer).map(done))
}

/// What is known below IP.
#[derive(Clone, Copy)]
struct Head<'f, 'a> {
    frame: &'f Frame<'a>,
    link: Link,
    tunnel: Option<Tunnel>,
}

impl<'a> Head<'_, 'a> {
    #[inline(always)]
    fn packet(self, ip: Ip, transport: Transport, payload: &'a [u8], payload_wire: u32) -> Packet<'a> {
        Packet {
            at: self.frame.at,
            place: self.frame.place,
            wire_len: self.frame.wire_len,
            frames: 1,
            link: self.link,
            tunnel: self.tunnel,
            net: Net::Ip(ip),
            transport,
            payload,
            payload_wire,
        }
    }
}

/// The packet in a VXLAN or Geneve tunnel.
#[inline(never)]
fn inside<'a>(frame: &Frame<'a>, outer: Packet<'a>) -> Option<Packet<'a>> {
    let (Transport::Udp { dst, .. }, Net::Ip(ip)) = (outer.transport, outer.net) else { return None };
    let inner = tunnel::in_udp(dst, Span::new(outer.payload, outer.payload_wire))?;
    if inner.ethertype != link::TEB {
        return None;
    }
    let (link, header) = ethernet(inner.body.bytes, frame.interface)?;
    let link = Link { if_index: outer.link.if_index, sll: outer.link.sll, ..link };
    let tunnel = Some(Tunnel { kind: inner.kind, id: inner.id, src: ip.src, dst: ip.dst, depth: 1 });
    let rest = inner.body.bytes.get(header..)?;
    // A tunnel in the tunnel is left to the complete path.
    network(Head { frame, link, tunnel }, rest, inner.body.wire.checked_sub(header as u32)?, &mut |packet| packet, |_, _| None)
}

#[inline(always)]
fn ethernet(bytes: &[u8], interface: u16) -> Option<(Link, usize)> {
    let h: &[u8; 14] = bytes.first_chunk()?;
    let mut link = Link {
        interface,
        if_index: 0,
        src: Some(Mac([h[6], h[7], h[8], h[9], h[10], h[11]])),
        dst: Some(Mac([h[0], h[1], h[2], h[3], h[4], h[5]])),
        sll: None,
        vlan: None,
        ethertype: u16::from_be_bytes([h[12], h[13]]),
    };
    let header = tag(bytes, &mut link, 14)?;
    Some((link, header))
}

/// Hardware types ARPHRD_ETHER and ARPHRD_LOOPBACK.
const WITH_ETHERTYPE: [[u8; 2]; 2] = [[0, 1], [3, 4]];

#[inline(always)]
fn cooked(bytes: &[u8], interface: u16) -> Option<(Link, usize)> {
    let h: &[u8; 16] = bytes.first_chunk()?;
    if !WITH_ETHERTYPE.contains(&[h[2], h[3]]) || h[4..6] != [0, 6] {
        return None;
    }
    let mut link = Link {
        interface,
        if_index: 0,
        src: Some(Mac([h[6], h[7], h[8], h[9], h[10], h[11]])),
        dst: None,
        sll: Some(link::sll_type(u16::from_be_bytes([h[0], h[1]]))),
        vlan: None,
        ethertype: u16::from_be_bytes([h[14], h[15]]),
    };
    let header = tag(bytes, &mut link, 16)?;
    Some((link, header))
}

#[inline(always)]
fn cooked2(bytes: &[u8], interface: u16) -> Option<(Link, usize)> {
    let h: &[u8; 20] = bytes.first_chunk()?;
    if !WITH_ETHERTYPE.contains(&[h[8], h[9]]) || h[11] != 6 {
        return None;
    }
    let mut link = Link {
        interface,
        if_index: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
        src: Some(Mac([h[12], h[13], h[14], h[15], h[16], h[17]])),
        dst: None,
        sll: Some(link::sll_type(u16::from(h[10]))),
        vlan: None,
        ethertype: u16::from_be_bytes([h[0], h[1]]),
    };
    let header = tag(bytes, &mut link, 20)?;
    Some((link, header))
}

/// Steps over one VLAN tag at `at`.
#[inline(always)]
fn tag(bytes: &[u8], link: &mut Link, at: usize) -> Option<usize> {
    if link.ethertype != link::VLAN {
        return Some(at);
    }
    let [a, b, c, d]: [u8; 4] = *bytes.get(at..)?.first_chunk()?;
    link.vlan = Some(u16::from_be_bytes([a, b]) & 0x0fff);
    link.ethertype = u16::from_be_bytes([c, d]);
    Some(at + 4)
}

/// Behind a link header; `wire` is the length of `bytes` on the wire.
#[inline(always)]
fn network<'a, R, D: FnMut(Packet<'a>) -> R>(
    head: Head<'_, 'a>,
    bytes: &'a [u8],
    wire: u32,
    done: &mut D,
    tunnel: impl FnOnce(Packet<'a>, &mut D) -> Option<R>,
) -> Option<R> {
    // One call each, not one after the other: the addresses are then of a known family wherever they are written.
    match head.link.ethertype {
        link::IPV4 => {
            let (ip, header) = v4(bytes, wire)?;
            upper(head, ip, header, bytes, done, tunnel)
        }
        link::IPV6 => {
            let (ip, header) = v6(bytes, wire)?;
            upper(head, ip, header, bytes, done, tunnel)
        }
        _ => None,
    }
}

/// Behind an IP header of `header` bytes.
#[inline(always)]
fn upper<'a, R, D: FnMut(Packet<'a>) -> R>(
    head: Head<'_, 'a>,
    ip: Ip,
    header: usize,
    bytes: &'a [u8],
    done: &mut D,
    tunnel: impl FnOnce(Packet<'a>, &mut D) -> Option<R>,
) -> Option<R> {
    // Padding and trailers end here.
    let body = bytes.get(header..bytes.len().min(ip.total_len as usize))?;
    let wire = ip.total_len - header as u32;
    match ip.proto {
        transport::TCP => {
            let fixed: &[u8; 20] = body.first_chunk()?;
            let header = usize::from(fixed[12] >> 4) * 4;
            if header < 20 || header > wire as usize {
                return None;
            }
            let mut tcp = transport::tcp_fixed(fixed);
            let options = &body[20..header.min(body.len())];
            match options {
                [] => {}
                // What established connections send (RFC 7323 appendix A).
                [1, 1, 8, 10, a, b, c, d, e, f, g, h] => {
                    tcp.timestamps = Some((u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes([*e, *f, *g, *h])));
                }
                _ => transport::tcp_options(options, &mut tcp),
            }
            let payload = body.get(header..).unwrap_or(&[]);
            Some(done(head.packet(ip, Transport::Tcp(tcp), payload, wire - header as u32)))
        }
        transport::UDP => {
            let h: &[u8; 8] = body.first_chunk()?;
            let len = u32::from(u16::from_be_bytes([h[4], h[5]]));
            if len < 8 || len > wire {
                return None;
            }
            let (src, dst) = (u16::from_be_bytes([h[0], h[1]]), u16::from_be_bytes([h[2], h[3]]));
            let payload = body.get(8..body.len().min(len as usize))?;
            let packet = head.packet(ip, Transport::Udp { src, dst }, payload, len - 8);
            match dst {
                tunnel::VXLAN | tunnel::VXLAN_LINUX | tunnel::GENEVE => tunnel(packet, done),
                _ => Some(done(packet)),
            }
        }
        transport::ICMP | transport::ICMPV6 => {
            let icmp = transport::icmp_fixed(body.first_chunk()?, ip.proto == transport::ICMPV6);
            Some(done(head.packet(ip, Transport::Icmp(icmp), &body[8..], wire.checked_sub(8)?)))
        }
        _ => None,
    }
}

#[inline(always)]
fn v4(bytes: &[u8], wire: u32) -> Option<(Ip, usize)> {
    let h: &[u8; 20] = bytes.first_chunk()?;
    let total_len = u32::from(u16::from_be_bytes([h[2], h[3]]));
    // 0x3fff: more fragments, or an offset.
    if h[0] != 0x45 || u16::from_be_bytes([h[6], h[7]]) & 0x3fff != 0 || total_len < 20 || total_len > wire {
        return None;
    }
    let ip = Ip {
        src: IpAddr::V4(Ipv4Addr::new(h[12], h[13], h[14], h[15])),
        dst: IpAddr::V4(Ipv4Addr::new(h[16], h[17], h[18], h[19])),
        proto: h[9],
        ttl: h[8],
        ident: u32::from(u16::from_be_bytes([h[4], h[5]])),
        tos: h[1],
        total_len,
        fragment: None,
    };
    Some((ip, 20))
}

#[inline(always)]
fn v6(bytes: &[u8], wire: u32) -> Option<(Ip, usize)> {
    let h: &[u8; 40] = bytes.first_chunk()?;
    let len = u32::from(u16::from_be_bytes([h[4], h[5]]));
    if h[0] >> 4 != 6 || len == 0 || len + 40 > wire {
        return None;
    }
    let (_, src) = h[..24].split_last_chunk::<16>()?;
    let (_, dst) = h.split_last_chunk::<16>()?;
    let ip = Ip {
        src: IpAddr::V6(Ipv6Addr::from(*src)),
        dst: IpAddr::V6(Ipv6Addr::from(*dst)),
        proto: h[6],
        ttl: h[7],
        ident: 0,
        tos: h[0] << 4 | h[1] >> 4,
        total_len: len + 40,
        fragment: None,
    };
    Some((ip, 40))
}
