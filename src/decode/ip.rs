//! IPv4 and IPv6 headers with options and extension headers; ARP and RARP. etherparse reads the headers, lengths are ours.

use std::net::Ipv4Addr;

use etherparse::{
    ArpPacketSlice, IpAuthHeaderSlice, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice, err,
};

use super::span::Span;
use super::{Arp, Ip, link};
use crate::base::limits::IPV6_EXTENSIONS;
use crate::base::net::Mac;

/// Protocol numbers that are walked over or into.
const HOP_BY_HOP: u8 = 0;
pub(super) const IPV4: u8 = 4;
pub(super) const IPV6: u8 = 41;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
pub(super) const GRE: u8 = 47;
const AUTHENTICATION: u8 = 51;
const NO_NEXT_HEADER: u8 = 59;
const DESTINATION_OPTIONS: u8 = 60;

const BAD: &str = "bad_ip_header";

/// Reads the IP header at the start of `span`, and what belongs to it. Returns the IP payload without padding or trailers.
pub(super) fn read(ethertype: u16, span: Span<'_>) -> Result<(Ip, Span<'_>), &'static str> {
    if ethertype == link::IPV4 { v4(span) } else { v6(span) }
}

/// RFC 791.
fn v4(span: Span<'_>) -> Result<(Ip, Span<'_>), &'static str> {
    let header = Ipv4HeaderSlice::from_slice(span.bytes).map_err(|error| match error {
        err::ipv4::HeaderSliceError::Len(len) => span.missing(len.required_len, BAD),
        err::ipv4::HeaderSliceError::Content(_) => BAD,
    })?;
    let header_len = header.slice().len();
    // An offloading card is handed TCP segments with a total length of 0 where 16 bits do not hold it.
    let total_len = match u32::from(header.total_len()) {
        0 => span.wire,
        len if (len as usize) < header_len => return Err(BAD),
        len => len,
    };
    let offset = header.fragments_offset().value() * 8;
    let more = header.more_fragments();
    let mut ip = Ip {
        src: header.source_addr().into(),
        dst: header.destination_addr().into(),
        proto: header.protocol().0,
        ttl: header.ttl(),
        ident: header.identification().into(),
        tos: header.slice()[1],
        total_len,
        fragment: (more || offset != 0).then_some((offset, more)),
    };
    let body = bounded(span, total_len).skip(header_len);
    let body = if ip.fragment.is_none() { rest_of_chain(body, &mut ip) } else { body };
    Ok((ip, body))
}

/// RFC 8200.
fn v6(span: Span<'_>) -> Result<(Ip, Span<'_>), &'static str> {
    let header = Ipv6HeaderSlice::from_slice(span.bytes).map_err(|error| match error {
        err::ipv6::HeaderSliceError::Len(len) => span.missing(len.required_len, BAD),
        err::ipv6::HeaderSliceError::Content(_) => BAD,
    })?;
    let rest = span.skip(40);
    let total_len = match u32::from(header.payload_length()) {
        0 if header.next_header().0 == NO_NEXT_HEADER => 40,
        // RFC 2675; without the option it is an offloaded segment, as long as its frame.
        0 => jumbo_length(header.next_header().0, rest).map_or(span.wire, |len| len.saturating_add(40)),
        len => len + 40,
    };
    let mut ip = Ip {
        src: header.source_addr().into(),
        dst: header.destination_addr().into(),
        proto: header.next_header().0,
        ttl: header.hop_limit(),
        ident: 0,
        tos: header.traffic_class(),
        total_len,
        fragment: None,
    };
    let body = extensions(bounded(span, total_len).skip(40), &mut ip);
    Ok((ip, body))
}

/// The packet within its frame. A length beyond the frame's is believed: captures that were cut by other tools state the cut
/// length as the wire's.
fn bounded(span: Span<'_>, total_len: u32) -> Span<'_> {
    let mut packet = span.limit(total_len);
    packet.wire = total_len;
    packet
}

/// The length of a jumbogram, from the hop-by-hop header that must come first.
fn jumbo_length(next: u8, rest: Span<'_>) -> Option<u32> {
    if next != HOP_BY_HOP {
        return None;
    }
    let header = Ipv6RawExtHeaderSlice::from_slice(rest.bytes).ok()?;
    let mut options = header.slice().get(2..)?;
    while let [kind, after @ ..] = options {
        match (kind, after) {
            (0, _) => options = after,
            (0xc2, [4, a, b, c, d, ..]) => return Some(u32::from_be_bytes([*a, *b, *c, *d])).filter(|len| *len > 0xffff),
            (_, [len, value @ ..]) => options = value.get(usize::from(*len)..)?,
            _ => return None,
        }
    }
    None
}

/// RFC 8200 4: walks to the upper-layer header, or to the fragment header of a later fragment. Where a header is cut or there
/// are too many, `ip.proto` stays that header's number: the transport is then unknown, not guessed.
fn extensions<'b>(mut body: Span<'b>, ip: &mut Ip) -> Span<'b> {
    for _ in 0..IPV6_EXTENSIONS {
        let (next, len) = match ip.proto {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => match Ipv6RawExtHeaderSlice::from_slice(body.bytes) {
                Ok(header) => (header.next_header(), header.slice().len()),
                Err(_) => return body,
            },
            AUTHENTICATION => match IpAuthHeaderSlice::from_slice(body.bytes) {
                Ok(header) => (header.next_header(), header.slice().len()),
                Err(_) => return body,
            },
            FRAGMENT => match Ipv6FragmentHeaderSlice::from_slice(body.bytes) {
                Ok(header) => {
                    let offset = header.fragment_offset().value() * 8;
                    let more = header.more_fragments();
                    ip.ident = header.identification();
                    // Offset 0 and nothing to follow is an atomic fragment: whole (RFC 6946).
                    if more || offset != 0 {
                        ip.fragment = Some((offset, more));
                        ip.proto = header.next_header().0;
                        // The rest of the chain lies in the datagram, to be read once that is whole.
                        return body.skip(8);
                    }
                    (header.next_header(), 8)
                }
                Err(_) => return body,
            },
            _ => return body,
        };
        ip.proto = next.0;
        body = body.skip(len);
    }
    body
}

/// Walks what may stand between IP and transport header: IPv6 extension headers, an authentication header (RFC 4302) in IPv4.
/// For whole packets, and for reassembled datagrams.
pub(super) fn rest_of_chain<'b>(body: Span<'b>, ip: &mut Ip) -> Span<'b> {
    if ip.src.is_ipv6() {
        return extensions(body, ip);
    }
    match ip.proto == AUTHENTICATION {
        true => match IpAuthHeaderSlice::from_slice(body.bytes) {
            Ok(header) => {
                ip.proto = header.next_header().0;
                body.skip(header.slice().len())
            }
            Err(_) => body,
        },
        false => body,
    }
}

/// RFC 826, RFC 903, for Ethernet and IPv4; `None` for others and where it is cut.
pub(super) fn arp(span: Span<'_>, rarp: bool) -> Option<Arp> {
    let arp = ArpPacketSlice::from_slice(span.bytes).ok()?;
    if arp.proto_addr_type().0 != link::IPV4 {
        return None;
    }
    Some(Arp {
        rarp,
        operation: arp.operation().0,
        sender_mac: Mac(arp.sender_hw_addr().try_into().ok()?),
        sender_ip: Ipv4Addr::from(<[u8; 4]>::try_from(arp.sender_protocol_addr()).ok()?),
        target_mac: Mac(arp.target_hw_addr().try_into().ok()?),
        target_ip: Ipv4Addr::from(<[u8; 4]>::try_from(arp.target_protocol_addr()).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn ok(ethertype: u16, bytes: &[u8], wire: u32) -> (Ip, Vec<u8>, u32) {
        let (ip, body) = read(ethertype, Span::new(bytes, wire)).expect("an IP header");
        (ip, body.bytes.to_vec(), body.wire)
    }

    /// 192.0.2.10 to 192.0.2.50, TCP, ident 0xb840, total length 24.
    const V4: [u8; 24] = [0x45, 0xb8, 0, 24, 0xb8, 0x40, 0x40, 0, 64, 6, 0xde, 0xad, 192, 0, 2, 10, 192, 0, 2, 50, b'a', b'b', b'c', b'd'];

    fn v6_header(next: u8, payload_len: u16) -> Vec<u8> {
        let mut bytes = vec![0x61, 0x20, 0, 0];
        bytes.extend(payload_len.to_be_bytes());
        bytes.extend([next, 63]);
        bytes.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        bytes
    }

    #[test]
    fn v4_fields_and_padding() {
        let padded = [&V4[..], &[0; 22]].concat();
        let (ip, body, wire) = ok(link::IPV4, &padded, 46);
        assert_eq!((ip.src, ip.dst), (IpAddr::from([192, 0, 2, 10]), IpAddr::from([192, 0, 2, 50])));
        assert_eq!((ip.proto, ip.ttl, ip.ident, ip.tos, ip.total_len, ip.fragment), (6, 64, 0xb840, 0xb8, 24, None));
        assert_eq!((body, wire), (b"abcd".to_vec(), 4));
    }

    #[test]
    fn v4_lengths_that_surprise() {
        let mut offloaded = V4;
        offloaded[3] = 0;
        assert_eq!(ok(link::IPV4, &offloaded, 66_000).0.total_len, 66_000);
        assert_eq!(ok(link::IPV4, &offloaded, 66_000).2, 65_980);
        let mut longer = V4;
        longer[2] = 1;
        assert_eq!(ok(link::IPV4, &longer, 24).2, 256 + 24 - 20);
        let mut shorter = V4;
        shorter[3] = 19;
        assert_eq!(read(link::IPV4, Span::new(&shorter, 24)).map(|_| ()), Err(BAD));
    }

    #[test]
    fn v4_options_are_walked_over() {
        let mut bytes = [&V4[..20], &[0x94, 4, 0, 0], b"abcd"].concat();
        bytes[0] = 0x46;
        bytes[3] = 28;
        assert_eq!(ok(link::IPV4, &bytes, 28).1, b"abcd");
        assert_eq!(read(link::IPV4, Span::new(&bytes[..22], 28)).map(|_| ()), Err("cut_header"));
        bytes[0] = 0x44;
        assert_eq!(read(link::IPV4, Span::new(&bytes, 28)).map(|_| ()), Err(BAD));
        assert_eq!(read(link::IPV4, Span::new(&V4[..10], 10)).map(|_| ()), Err(BAD));
    }

    #[test]
    fn v4_fragments() {
        let mut bytes = V4;
        bytes[6..8].copy_from_slice(&[0x20, 0xb9]);
        assert_eq!(ok(link::IPV4, &bytes, 24).0.fragment, Some((0xb9 * 8, true)));
        bytes[6..8].copy_from_slice(&[0x1f, 0xff]);
        assert_eq!(ok(link::IPV4, &bytes, 24).0.fragment, Some((65528, false)));
    }

    #[test]
    fn v6_extension_chain() {
        let bytes = [&v6_header(0, 28)[..], &[60, 0, 1, 4, 0, 0, 0, 0], &[6, 1], &[0; 14], b"abcd", b"pad"].concat();
        let (ip, body, wire) = ok(link::IPV6, &bytes, bytes.len() as u32);
        assert_eq!((ip.proto, ip.ttl, ip.tos, ip.total_len, ip.ident), (6, 63, 0x12, 68, 0));
        assert_eq!((body, wire), (b"abcd".to_vec(), 4));
        let (ip, _, wire) = ok(link::IPV6, &bytes[..50], bytes.len() as u32);
        assert_eq!((ip.proto, wire), (60, 20));
    }

    #[test]
    fn v6_fragments() {
        let part = [&v6_header(44, 12)[..], &[17, 0, 0x05, 0xb1, 0, 1, 2, 3], b"abcd"].concat();
        let (ip, body, _) = ok(link::IPV6, &part, 52);
        assert_eq!((ip.fragment, ip.ident, ip.proto, body), (Some((1456, true)), 0x0001_0203, 17, b"abcd".to_vec()));
        let atomic = [&v6_header(44, 12)[..], &[17, 0, 0, 0, 0, 1, 2, 3], b"abcd"].concat();
        let (ip, _, _) = ok(link::IPV6, &atomic, 52);
        assert_eq!((ip.fragment, ip.ident, ip.proto), (None, 0x0001_0203, 17));
    }

    #[test]
    fn v6_lengths_that_surprise() {
        let jumbo = [&v6_header(0, 0)[..], &[6, 0, 0xc2, 4, 0, 2, 0, 0], b"abcd"].concat();
        let (ip, body, wire) = ok(link::IPV6, &jumbo, 0x2_0000 + 40 + 60);
        assert_eq!((ip.total_len, wire, body), (0x2_0000 + 40, 0x2_0000 - 8, b"abcd".to_vec()));
        let offloaded = [&v6_header(6, 0)[..], b"abcd"].concat();
        assert_eq!(ok(link::IPV6, &offloaded, 70_000).2, 69_960);
        assert_eq!(ok(link::IPV6, &v6_header(59, 0), 46).2, 0);
    }

    #[test]
    fn a_long_chain_ends() {
        let bytes = [v6_header(60, 0), [60, 0, 1, 4, 0, 0, 0, 0].repeat(1000)].concat();
        assert_eq!(ok(link::IPV6, &bytes, bytes.len() as u32).0.proto, DESTINATION_OPTIONS);
    }

    #[test]
    fn arp_and_rarp() {
        let bytes = [0, 1, 8, 0, 6, 4, 0, 3, 0x52, 0x54, 0, 0xaa, 0, 0x50, 0, 0, 0, 0, 0x52, 0x54, 0, 0xaa, 0, 0x50, 0, 0, 0, 0, 0, 0];
        let guest = Mac([0x52, 0x54, 0, 0xaa, 0, 0x50]);
        let read = arp(Span::new(&bytes, 46), true).expect("RARP");
        assert_eq!((read.rarp, read.operation, read.sender_mac, read.target_mac), (true, 3, guest, guest));
        assert_eq!((read.sender_ip, read.target_ip), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED));
        assert_eq!(arp(Span::new(&bytes[..27], 46), true), None);
        let mut infiniband = bytes;
        infiniband[4] = 20;
        assert_eq!(arp(Span::new(&infiniband, 46), false), None);
    }
}
