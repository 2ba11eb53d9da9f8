//! Tunnel headers: what they carry, and under which identifier. Whether it makes sense is for the inner layers to say.

use super::span::Span;
use super::{TunnelKind, ip, link};

/// UDP destination ports of VXLAN: RFC 7348, and Linux's default.
pub(super) const VXLAN: u16 = 4789;
pub(super) const VXLAN_LINUX: u16 = 8472;
/// UDP destination port of Geneve (RFC 8926).
pub(super) const GENEVE: u16 = 6081;

/// GRE protocol types of ERSPAN I and II, and of III (draft-foschiano-erspan).
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;

/// What a tunnel carries.
pub(super) struct Inner<'b> {
    pub kind: TunnelKind,
    pub id: u32,
    /// Ethertype of `body`; [`link::TEB`] for an Ethernet frame.
    pub ethertype: u16,
    pub body: Span<'b>,
}

/// A tunnel directly in IP.
pub(super) fn in_ip(proto: u8, body: Span<'_>) -> Option<Inner<'_>> {
    match proto {
        ip::IPV4 => Some(Inner { kind: TunnelKind::IpInIp, id: 0, ethertype: link::IPV4, body }),
        ip::IPV6 => Some(Inner { kind: TunnelKind::IpInIp, id: 0, ethertype: link::IPV6, body }),
        ip::GRE => gre(body),
        _ => None,
    }
}

/// A tunnel in UDP, told by the destination port.
pub(super) fn in_udp(port: u16, payload: Span<'_>) -> Option<Inner<'_>> {
    match port {
        VXLAN | VXLAN_LINUX => vxlan(payload),
        GENEVE => geneve(payload),
        _ => None,
    }
}

/// RFC 7348 5, with the group policy bit of draft-smith-vxlan-group-policy. Stricter than a receiver need be, since any UDP may
/// come to these ports: other flags and the reserved byte must be 0.
fn vxlan(payload: Span<'_>) -> Option<Inner<'_>> {
    let [flags, _, p0, p1, v0, v1, v2, reserved] = payload.array(0)?;
    let plain = flags == 0x08 && p0 == 0 && p1 == 0;
    if reserved != 0 || !(plain || flags == 0x88) {
        return None;
    }
    let id = u32::from_be_bytes([0, v0, v1, v2]);
    Some(Inner { kind: TunnelKind::Vxlan, id, ethertype: link::TEB, body: payload.skip(8) })
}

/// RFC 8926 3.4.
fn geneve(payload: Span<'_>) -> Option<Inner<'_>> {
    let [words, flags, e0, e1, v0, v1, v2, reserved] = payload.array(0)?;
    // Version 0; the flags are O and C. OAM packets (O) carry no tenant's data.
    if words >> 6 != 0 || flags & 0x80 != 0 || flags & 0x3f != 0 || reserved != 0 {
        return None;
    }
    let header = 8 + usize::from(words & 0x3f) * 4;
    if header > payload.wire as usize {
        return None;
    }
    let id = u32::from_be_bytes([0, v0, v1, v2]);
    Some(Inner { kind: TunnelKind::Geneve, id, ethertype: u16::from_be_bytes([e0, e1]), body: payload.skip(header) })
}

/// RFC 2784 2 and RFC 2890 2: checksum, key and sequence number are optional. PPTP's version 1 and RFC 1701's routing are not read.
fn gre(body: Span<'_>) -> Option<Inner<'_>> {
    let flags = body.u16(0)?;
    let protocol = body.u16(2)?;
    if flags & 0x4007 != 0 {
        return None;
    }
    let (checksum, key, sequence) = (flags & 0x8000 != 0, flags & 0x2000 != 0, flags & 0x1000 != 0);
    let mut at = if checksum { 8 } else { 4 };
    let id = if key { body.u32(at)? } else { 0 };
    at += usize::from(key) * 4 + usize::from(sequence) * 4;
    let inner = body.skip(at);
    match protocol {
        ERSPAN | ERSPAN_III => erspan(protocol, sequence, inner),
        // RFC 7637 3.2: key without checksum and sequence; 24 bits of subnet, of which the first 4096 are reserved. A smaller key is
        // that of an ordinary keyed tunnel.
        link::TEB if key && !checksum && !sequence && (0x1000..0xff_ffff).contains(&(id >> 8)) => {
            Some(Inner { kind: TunnelKind::Nvgre, id: id >> 8, ethertype: protocol, body: inner })
        }
        _ => Some(Inner { kind: TunnelKind::Gre, id, ethertype: protocol, body: inner }),
    }
}

/// Type I has no header of its own and no GRE sequence number, type II has 8 bytes, type III 12 and perhaps 8 more.
fn erspan(protocol: u16, sequence: bool, body: Span<'_>) -> Option<Inner<'_>> {
    let frame = |id, len| Some(Inner { kind: TunnelKind::Erspan, id, ethertype: link::TEB, body: body.skip(len) });
    if protocol == ERSPAN && !sequence {
        return frame(0, 0);
    }
    let session = u32::from(body.u16(2)? & 0x03ff);
    match (body.u8(0)? >> 4, protocol) {
        (1, ERSPAN) => frame(session, 8),
        (2, ERSPAN_III) => frame(session, if body.u8(11)? & 1 != 0 { 20 } else { 12 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(bytes: &[u8]) -> Span<'_> {
        Span::new(bytes, bytes.len() as u32)
    }

    fn seen(inner: Option<Inner<'_>>) -> Option<(TunnelKind, u32, u16, Vec<u8>)> {
        inner.map(|i| (i.kind, i.id, i.ethertype, i.body.bytes.to_vec()))
    }

    #[test]
    fn vxlan_header() {
        let bytes = [8, 0, 0, 0, 0, 0x12, 0x34, 0, 0xff];
        assert_eq!(seen(in_udp(4789, span(&bytes))), Some((TunnelKind::Vxlan, 0x1234, link::TEB, vec![0xff])));
        assert!(in_udp(8472, span(&[0x88, 0, 0, 7, 0, 0x12, 0x34, 0])).is_some());
        for (at, value) in [(0, 0), (0, 0x0c), (2, 1), (7, 1)] {
            let mut wrong = bytes;
            wrong[at] = value;
            assert!(in_udp(4789, span(&wrong)).is_none(), "byte {at} = {value}");
        }
        assert!(in_udp(4789, span(&bytes[..7])).is_none());
        assert!(in_udp(4790, span(&bytes)).is_none());
    }

    #[test]
    fn geneve_header() {
        let bytes = [1, 0x40, 0x65, 0x58, 0, 0, 5, 0, 9, 9, 9, 9, 0xff];
        assert_eq!(seen(in_udp(6081, span(&bytes))), Some((TunnelKind::Geneve, 5, link::TEB, vec![0xff])));
        assert!(in_udp(6081, span(&[0x41, 0, 0x65, 0x58, 0, 0, 5, 0, 9, 9, 9, 9])).is_none());
        assert!(in_udp(6081, span(&[2, 0, 0x65, 0x58, 0, 0, 5, 0, 9, 9, 9, 9])).is_none());
    }

    #[test]
    fn gre_headers() {
        assert_eq!(seen(in_ip(47, span(&[0, 0, 8, 0, 0x45]))), Some((TunnelKind::Gre, 0, link::IPV4, vec![0x45])));
        let all = [0xb0, 0, 0x86, 0xdd, 1, 2, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0x60];
        assert_eq!(seen(in_ip(47, span(&all))), Some((TunnelKind::Gre, 7, link::IPV6, vec![0x60])));
        let nvgre = [0x20, 0, 0x65, 0x58, 0, 0x50, 0x01, 3, 0xff];
        assert_eq!(seen(in_ip(47, span(&nvgre))), Some((TunnelKind::Nvgre, 0x5001, link::TEB, vec![0xff])));
        let keyed = [0x20, 0, 0x65, 0x58, 0, 0, 0x50, 3, 0xff];
        assert_eq!(seen(in_ip(47, span(&keyed))), Some((TunnelKind::Gre, 0x5003, link::TEB, vec![0xff])));
        assert!(in_ip(47, span(&[0x30, 1, 0x88, 0x0b, 0, 0, 0, 0])).is_none());
    }

    #[test]
    fn erspan_types() {
        assert_eq!(seen(in_ip(47, span(&[0, 0, 0x88, 0xbe, 0xff]))), Some((TunnelKind::Erspan, 0, link::TEB, vec![0xff])));
        let two = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0x07, 0x18, 0x65, 0, 0, 0, 0, 0xff];
        assert_eq!(seen(in_ip(47, span(&two))), Some((TunnelKind::Erspan, 0x65, link::TEB, vec![0xff])));
        let mut three = [&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0x07, 0x00, 0x66][..], &[0; 8], &[0xff]].concat();
        assert_eq!(seen(in_ip(47, span(&three))), Some((TunnelKind::Erspan, 0x66, link::TEB, vec![0xff])));
        three[19] = 1;
        three.splice(20..20, [0; 8]);
        assert_eq!(seen(in_ip(47, span(&three))), Some((TunnelKind::Erspan, 0x66, link::TEB, vec![0xff])));
    }
}
