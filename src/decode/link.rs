//! Link layers down to an ethertype: Ethernet, Linux cooked captures, loopback, raw IP; VLAN tags, MPLS, PPPoE and LLC/SNAP.
//!
//! Does not look into Wi-Fi, PPP without Ethernet, MACsec or pseudowires: their frames are [`super::Net::Other`].

use etherparse::{LinuxSllHeaderSlice, LinuxSllProtocolType};

use super::span::Span;
use super::{Link, SllType};
use crate::base::limits::LINK_TAGS;
use crate::base::net::Mac;
use crate::capture::LinkType;

/// Ethertypes.
pub(super) const IPV4: u16 = 0x0800;
pub(super) const ARP: u16 = 0x0806;
pub(super) const RARP: u16 = 0x8035;
pub(super) const VLAN: u16 = 0x8100;
pub(super) const IPV6: u16 = 0x86dd;
pub(super) const TEB: u16 = 0x6558;
pub(super) const MPLS: u16 = 0x8847;
pub(super) const MPLS_UPSTREAM: u16 = 0x8848;
pub(super) const PPPOE_SESSION: u16 = 0x8864;
pub(super) const QINQ: u16 = 0x88a8;
pub(super) const QINQ_OLD: u16 = 0x9100;

/// Ethertype of a length field: LLC follows.
const LLC: u16 = 0x0600;
/// IEEE 802 header of LLC's protocol types in cooked captures (ETH_P_802_2).
const SLL_LLC: u16 = 0x0004;

/// Reads the outermost link header of a frame. What follows has the type `link.ethertype`.
pub(super) fn outermost<'b>(kind: LinkType, span: Span<'b>, link: &mut Link) -> Result<Span<'b>, &'static str> {
    match kind {
        LinkType::ETHERNET => ethernet(span, link),
        LinkType::LINUX_SLL => sll(span, link),
        LinkType::LINUX_SLL2 => sll2(span, link),
        LinkType::RAW | LinkType::RAW_12 | LinkType::RAW_14 => {
            link.ethertype = match span.u8(0).map(|b| b >> 4) {
                Some(4) => IPV4,
                Some(6) => IPV6,
                Some(_) => return Err("bad_ip_header"),
                None => return Err(span.missing(1, "short_frame")),
            };
            Ok(span)
        }
        LinkType::IPV4 => Ok(typed(span, link, IPV4)),
        LinkType::IPV6 => Ok(typed(span, link, IPV6)),
        LinkType::NULL | LinkType::LOOP => loopback(span, link),
        _ => Err("link_type"),
    }
}

fn typed<'b>(span: Span<'b>, link: &mut Link, ethertype: u16) -> Span<'b> {
    link.ethertype = ethertype;
    span
}

/// IEEE 802.3: two addresses and a type, or a length with LLC behind it.
pub(super) fn ethernet<'b>(span: Span<'b>, link: &mut Link) -> Result<Span<'b>, &'static str> {
    let header: [u8; 14] = span.array(0).ok_or_else(|| span.missing(14, "short_frame"))?;
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, e0, e1] = header;
    link.dst = Some(Mac([d0, d1, d2, d3, d4, d5]));
    link.src = Some(Mac([s0, s1, s2, s3, s4, s5]));
    link.vlan = None;
    Ok(tags(span.skip(14), link, u16::from_be_bytes([e0, e1])))
}

/// <https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html>.
fn sll<'b>(span: Span<'b>, link: &mut Link) -> Result<Span<'b>, &'static str> {
    let head: [u8; 16] = span.array(0).ok_or_else(|| span.missing(16, "short_frame"))?;
    let kind = u16::from_be_bytes([head[0], head[1]]);
    link.sll = Some(sll_type(kind));
    if u16::from_be_bytes([head[4], head[5]]) == 6 {
        link.src = Some(Mac([head[6], head[7], head[8], head[9], head[10], head[11]]));
    }
    // etherparse knows for which hardware types the last field is no ethertype (netlink, radiotap).
    let ethertype = match LinuxSllHeaderSlice::from_slice(&head).map(|h| h.protocol_type()) {
        Ok(LinuxSllProtocolType::NetlinkProtocolType(_) | LinuxSllProtocolType::Ignored(_)) => 0,
        _ => u16::from_be_bytes([head[14], head[15]]),
    };
    Ok(tags(span.skip(16), link, ethertype))
}

/// <https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>.
fn sll2<'b>(span: Span<'b>, link: &mut Link) -> Result<Span<'b>, &'static str> {
    let head: [u8; 20] = span.array(0).ok_or_else(|| span.missing(20, "short_frame"))?;
    link.if_index = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    link.sll = Some(sll_type(u16::from(head[10])));
    if head[11] == 6 {
        link.src = Some(Mac([head[12], head[13], head[14], head[15], head[16], head[17]]));
    }
    const NETLINK: u16 = 824;
    let ethertype = if u16::from_be_bytes([head[8], head[9]]) == NETLINK { 0 } else { u16::from_be_bytes([head[0], head[1]]) };
    Ok(tags(span.skip(20), link, ethertype))
}

#[inline(always)]
pub(super) fn sll_type(code: u16) -> SllType {
    match code {
        0 => SllType::Host,
        1 => SllType::Broadcast,
        2 => SllType::Multicast,
        3 => SllType::OtherHost,
        4 => SllType::Outgoing,
        other => SllType::Unknown(other),
    }
}

/// <https://www.tcpdump.org/linktypes/LINKTYPE_NULL.html>: an address family, in the byte order of whoever captured.
fn loopback<'b>(span: Span<'b>, link: &mut Link) -> Result<Span<'b>, &'static str> {
    let family: [u8; 4] = span.array(0).ok_or_else(|| span.missing(4, "short_frame"))?;
    let family = match u32::from_be_bytes(family) {
        big if big <= 0xffff => big,
        big => big.swap_bytes(),
    };
    // AF_INET6 is 10 on Linux, 23 on Windows, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on macOS.
    link.ethertype = match family {
        2 => IPV4,
        10 | 23 | 24 | 28 | 30 => IPV6,
        _ => 0,
    };
    Ok(span.skip(4))
}

/// Walks over VLAN tags, MPLS labels, PPPoE and SNAP to what they carry. Stops where it does not know the way: what is left
/// then keeps the type of the header that could not be read.
pub(super) fn tags<'b>(mut span: Span<'b>, link: &mut Link, first: u16) -> Span<'b> {
    link.ethertype = first;
    for _ in 0..LINK_TAGS {
        let next = match link.ethertype {
            VLAN | QINQ | QINQ_OLD => vlan(span, link),
            MPLS | MPLS_UPSTREAM => mpls(span),
            PPPOE_SESSION => pppoe(span),
            SLL_LLC if link.sll.is_some() => llc(span),
            length if length < LLC && link.dst.is_some() => llc(span.limit(u32::from(length))),
            _ => return span,
        };
        let Some((ethertype, rest)) = next else { break };
        link.ethertype = ethertype;
        span = rest;
    }
    // 802.3 without SNAP: the length says nothing about what follows.
    if link.ethertype < LLC {
        link.ethertype = 0;
    }
    span
}

/// IEEE 802.1Q.
fn vlan<'b>(span: Span<'b>, link: &mut Link) -> Option<(u16, Span<'b>)> {
    let ethertype = span.u16(2)?;
    link.vlan = Some(span.u16(0)? & 0x0fff);
    Some((ethertype, span.skip(4)))
}

/// RFC 3032: labels to the bottom of the stack; what follows says by its first nibble what it is (RFC 4928 3).
fn mpls(mut span: Span<'_>) -> Option<(u16, Span<'_>)> {
    for _ in 0..LINK_TAGS {
        let label = span.u32(0)?;
        span = span.skip(4);
        if label & 0x100 != 0 {
            return match span.u8(0)? >> 4 {
                4 => Some((IPV4, span)),
                6 => Some((IPV6, span)),
                _ => None,
            };
        }
    }
    None
}

/// RFC 2516 4 with RFC 1661 protocol numbers.
fn pppoe(span: Span<'_>) -> Option<(u16, Span<'_>)> {
    let [version, code, _, _, l0, l1, p0, p1] = span.array(0)?;
    if version != 0x11 || code != 0 {
        return None;
    }
    let ethertype = match u16::from_be_bytes([p0, p1]) {
        0x0021 => IPV4,
        0x0057 => IPV6,
        0x0281 => MPLS,
        _ => return None,
    };
    let inner = span.skip(6).limit(u32::from(u16::from_be_bytes([l0, l1]))).skip(2);
    Some((ethertype, inner))
}

/// IEEE 802.2 with SNAP (RFC 1042).
fn llc(span: Span<'_>) -> Option<(u16, Span<'_>)> {
    match span.array(0)? {
        [0xaa, 0xaa, 3, 0, 0, 0, e0, e1] => Some((u16::from_be_bytes([e0, e1]), span.skip(8))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: LinkType, bytes: &[u8]) -> (Link, Vec<u8>) {
        let mut link = Link::default();
        let rest = outermost(kind, Span::new(bytes, bytes.len() as u32), &mut link).expect("a link header");
        (link, rest.bytes.to_vec())
    }

    const MACS: [u8; 12] = [0x52, 0x54, 0, 0, 0, 1, 0x52, 0x54, 0, 0, 0, 2];

    fn ethernet(rest: &[u8]) -> (Link, Vec<u8>) {
        read(LinkType::ETHERNET, &[&MACS[..], rest].concat())
    }

    #[test]
    fn ethernet_and_tags() {
        let (link, rest) = ethernet(&[0x08, 0x00, 0x45]);
        assert_eq!((link.dst, link.src), (Some(Mac([0x52, 0x54, 0, 0, 0, 1])), Some(Mac([0x52, 0x54, 0, 0, 0, 2]))));
        assert_eq!((link.ethertype, link.vlan, rest), (IPV4, None, vec![0x45]));
        let (link, rest) = ethernet(&[0x81, 0x00, 0x20, 0x65, 0x86, 0xdd, 0x60]);
        assert_eq!((link.ethertype, link.vlan, rest), (IPV6, Some(0x65), vec![0x60]));
        let (link, _) = ethernet(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, 0x08, 0x06, 0]);
        assert_eq!((link.ethertype, link.vlan), (ARP, Some(9)));
        let (link, _) = ethernet(&[0x91, 0x00, 0, 7, 0x81, 0, 0, 9, 0x08, 0x00, 0]);
        assert_eq!((link.ethertype, link.vlan), (IPV4, Some(9)));
    }

    #[test]
    fn mpls_pppoe_snap() {
        let (link, rest) = ethernet(&[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64, 0x45, 0]);
        assert_eq!((link.ethertype, rest), (IPV4, vec![0x45, 0]));
        let (link, rest) = ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 3, 0, 0x57, 0x60, 0xff, 0xff]);
        assert_eq!((link.ethertype, rest), (IPV6, vec![0x60]));
        let (link, rest) = ethernet(&[0, 9, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00, 0x45, 0, 0]);
        assert_eq!((link.ethertype, rest), (IPV4, vec![0x45]));
    }

    #[test]
    fn what_is_not_known_is_left_whole() {
        // Spanning tree: LLC without SNAP, padded.
        let (link, rest) = ethernet(&[0, 3, 0x42, 0x42, 3, 0, 0]);
        assert_eq!((link.ethertype, rest), (0, vec![0x42, 0x42, 3, 0, 0]));
        // LLDP; a pseudowire; a PPPoE LCP packet.
        assert_eq!(ethernet(&[0x88, 0xcc, 2]).0.ethertype, 0x88cc);
        assert_eq!(ethernet(&[0x88, 0x47, 0, 1, 1, 64, 0, 0, 0, 0]).0.ethertype, MPLS);
        assert_eq!(ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 4, 0xc0, 0x21, 1, 1]).0.ethertype, PPPOE_SESSION);
        // A tag that is cut.
        assert_eq!(ethernet(&[0x81, 0x00, 0, 7, 8]).0.ethertype, VLAN);
    }

    #[test]
    fn endless_tags_end() {
        let tags: Vec<u8> = [0x81, 0x00, 0, 1].repeat(5000);
        assert_eq!(ethernet(&tags).0.ethertype, VLAN);
        let labels = [&[0x88, 0x47][..], &[0, 1, 0, 64].repeat(5000)].concat();
        assert_eq!(ethernet(&labels).0.ethertype, MPLS);
    }

    #[test]
    fn cooked() {
        let v1 = [0, 3, 0, 1, 0, 6, 0x52, 0x54, 0, 0, 0, 2, 0, 0, 0x08, 0x00, 0x45];
        let (link, rest) = read(LinkType::LINUX_SLL, &v1);
        assert_eq!((link.sll, link.src, link.dst), (Some(SllType::OtherHost), Some(Mac([0x52, 0x54, 0, 0, 0, 2])), None));
        assert_eq!((link.ethertype, rest), (IPV4, vec![0x45]));
        let v2 = [0x81, 0, 0, 0, 0, 0, 0, 5, 0, 1, 4, 6, 0x52, 0x54, 0, 0, 0, 2, 0, 0, 0, 9, 0x08, 0x00, 0x45];
        let (link, rest) = read(LinkType::LINUX_SLL2, &v2);
        assert_eq!((link.sll, link.if_index, link.vlan), (Some(SllType::Outgoing), 5, Some(9)));
        assert_eq!((link.ethertype, rest), (IPV4, vec![0x45]));
        // A tun device: no address, raw IP.
        let tun = [0, 0, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x86, 0xdd, 0x60];
        let (link, _) = read(LinkType::LINUX_SLL, &tun);
        assert_eq!((link.src, link.ethertype), (None, IPV6));
    }

    #[test]
    fn loopback_and_raw() {
        assert_eq!(read(LinkType::NULL, &[2, 0, 0, 0, 0x45]).0.ethertype, IPV4);
        assert_eq!(read(LinkType::NULL, &[0, 0, 0, 2, 0x45]).0.ethertype, IPV4);
        assert_eq!(read(LinkType::NULL, &[30, 0, 0, 0, 0x60]).0.ethertype, IPV6);
        assert_eq!(read(LinkType::LOOP, &[0, 0, 0, 24, 0x60]).0.ethertype, IPV6);
        for raw in [LinkType::RAW, LinkType::RAW_12, LinkType::RAW_14] {
            assert_eq!(read(raw, &[0x45]).0.ethertype, IPV4);
            assert_eq!(read(raw, &[0x60]).0.ethertype, IPV6);
        }
        assert_eq!(read(LinkType::IPV6, &[0x60]).0.ethertype, IPV6);
        let mut link = Link::default();
        let nothing = Span::new(&[], 0);
        assert_eq!(outermost(LinkType::RAW, nothing, &mut link).map(|_| ()), Err("short_frame"));
        assert_eq!(outermost(LinkType(105), nothing, &mut link).map(|_| ()), Err("link_type"));
        assert_eq!(outermost(LinkType::ETHERNET, Span::new(&MACS, 100), &mut link).map(|_| ()), Err("cut_header"));
    }
}
