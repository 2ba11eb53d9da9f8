//! TCP, UDP and ICMP headers. A header that is not wholly there gives [`Transport::Other`], except TCP options: those that the
//! capture holds are read.

use super::span::Span;
use super::{Icmp, Tcp, Transport};

/// IP protocol numbers.
pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMPV6: u8 = 58;

/// Reads the header of protocol `proto` and returns what follows it.
pub(super) fn read<'b>(proto: u8, body: Span<'b>) -> (Transport, Span<'b>) {
    let read = match proto {
        TCP => tcp(body),
        UDP => udp(body),
        ICMP => icmp(body, false),
        ICMPV6 => icmp(body, true),
        _ => None,
    };
    read.unwrap_or((Transport::Other, body))
}

/// RFC 9293 3.1.
fn tcp(body: Span<'_>) -> Option<(Transport, Span<'_>)> {
    let fixed: [u8; 20] = body.array(0)?;
    let header_len = usize::from(fixed[12] >> 4) * 4;
    if header_len < 20 || header_len > body.wire as usize {
        return None;
    }
    let mut tcp = tcp_fixed(&fixed);
    let captured = header_len.min(body.bytes.len());
    tcp_options(&body.bytes[20..captured], &mut tcp);
    Some((Transport::Tcp(tcp), body.skip(header_len)))
}

/// The fields of the fixed header; no options.
#[inline(always)]
pub(super) fn tcp_fixed(h: &[u8; 20]) -> Tcp {
    Tcp {
        src: u16::from_be_bytes([h[0], h[1]]),
        dst: u16::from_be_bytes([h[2], h[3]]),
        seq: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
        ack: u32::from_be_bytes([h[8], h[9], h[10], h[11]]),
        flags: h[13],
        window: u16::from_be_bytes([h[14], h[15]]),
        ..Tcp::default()
    }
}

/// Reads the options that are there; stops at the end-of-list option and at the first that makes no sense (RFC 9293 3.2).
pub(super) fn tcp_options(mut options: &[u8], tcp: &mut Tcp) {
    while let [kind, rest @ ..] = options {
        if *kind == 1 {
            options = rest;
            continue;
        }
        let Some(len) = rest.first().map(|len| usize::from(*len)).filter(|len| *kind != 0 && *len >= 2) else { return };
        let Some(value) = options.get(2..len) else { return };
        match (kind, value) {
            (2, [a, b]) => tcp.mss = Some(u16::from_be_bytes([*a, *b])),
            (3, [shift]) => tcp.window_scale = Some(*shift),
            (4, []) => tcp.sack_permitted = true,
            (5, blocks) if blocks.len() % 8 == 0 => {
                tcp.sack_count = 0;
                for (slot, block) in tcp.sack.iter_mut().zip(blocks.chunks_exact(8)) {
                    let [a, b, c, d, e, f, g, h] = block.try_into().unwrap_or_default();
                    *slot = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
                    tcp.sack_count += 1;
                }
            }
            (8, [a, b, c, d, e, f, g, h]) => {
                tcp.timestamps = Some((u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes([*e, *f, *g, *h])));
            }
            _ => {}
        }
        options = &options[len..];
    }
}

/// RFC 768. A length of 0 is that of a jumbogram or an offloaded datagram: the IP length counts.
fn udp(body: Span<'_>) -> Option<(Transport, Span<'_>)> {
    let [a, b, c, d, e, f, _, _] = body.array(0)?;
    let len = u32::from(u16::from_be_bytes([e, f]));
    let payload = match len {
        0 => body,
        1..8 => return None,
        _ => body.limit(len),
    };
    let udp = Transport::Udp { src: u16::from_be_bytes([a, b]), dst: u16::from_be_bytes([c, d]) };
    Some((udp, payload.skip(8)))
}

/// RFC 792, RFC 4443. The payload starts behind the first 8 bytes, whatever the type.
fn icmp(body: Span<'_>, v6: bool) -> Option<(Transport, Span<'_>)> {
    let header: [u8; 8] = body.array(0)?;
    Some((Transport::Icmp(icmp_fixed(&header, v6)), body.skip(8)))
}

#[inline(always)]
pub(super) fn icmp_fixed(header: &[u8; 8], v6: bool) -> Icmp {
    let [kind, code, _, _, a, b, c, d] = *header;
    let (request, reply) = if v6 { (128, 129) } else { (8, 0) };
    let echo = (kind == request || kind == reply).then(|| (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])));
    Icmp { v6, kind, code, echo, reply: kind == reply }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(bytes: &[u8]) -> Span<'_> {
        Span::new(bytes, bytes.len() as u32)
    }

    /// SYN of a Linux client: MSS 1460, SACK permitted, timestamps, NOP, window scale 7.
    const SYN: [u8; 40] = [
        0x9c, 0x40, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04, 0, 0, 0, 0, 0xa0, 0x02, 0xfa, 0xf0, 0xab, 0xcd, 0, 0, // fixed
        2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0, 1, 3, 3, 7,
    ];

    #[test]
    fn reads_a_syn() {
        let (Transport::Tcp(tcp), payload) = read(TCP, span(&SYN)) else { panic!("TCP") };
        assert_eq!((tcp.src, tcp.dst, tcp.seq, tcp.ack, tcp.flags, tcp.window), (40000, 80, 0x0102_0304, 0, Tcp::SYN, 64240));
        assert_eq!((tcp.mss, tcp.window_scale, tcp.sack_permitted), (Some(1460), Some(7), true));
        assert_eq!(tcp.timestamps, Some((0x1122_3344, 0)));
        assert_eq!(payload.wire, 0);
    }

    #[test]
    fn reads_sack_blocks() {
        let mut bytes = [&SYN[..20], &[1, 1, 5, 18, 0, 0, 0, 10, 0, 0, 0, 20, 0, 0, 0, 30, 0, 0, 0, 40], b"data"].concat();
        bytes[12] = 0xa0;
        let (Transport::Tcp(tcp), payload) = read(TCP, span(&bytes)) else { panic!("TCP") };
        assert_eq!((tcp.sack_count, tcp.sack[0], tcp.sack[1]), (2, (10, 20), (30, 40)));
        assert_eq!(payload.bytes, b"data");
    }

    #[test]
    fn unknown_and_broken_options_do_not_hide_the_header() {
        // RFC 7413 fast-open cookie, then timestamps, then a length of 0.
        let mut bytes = [&SYN[..20], &[34, 4, 9, 9, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 254, 0, 2, 4, 9, 9]].concat();
        bytes[12] = 0xa0;
        let (Transport::Tcp(tcp), _) = read(TCP, span(&bytes)) else { panic!("TCP") };
        assert_eq!((tcp.timestamps, tcp.mss), (Some((1, 2)), None));
    }

    #[test]
    fn cut_options_keep_ports_and_wire_length() {
        let (transport, payload) = read(TCP, Span::new(&SYN[..30], 1000));
        let Transport::Tcp(tcp) = transport else { panic!("TCP") };
        assert_eq!((tcp.dst, tcp.mss, tcp.timestamps), (80, Some(1460), None));
        assert_eq!((payload.bytes.len(), payload.wire), (0, 960));
        assert_eq!(read(TCP, Span::new(&SYN[..19], 1000)).0, Transport::Other);
    }

    #[test]
    fn nonsense_lengths_are_no_header() {
        let mut bytes = SYN;
        bytes[12] = 0x40;
        assert_eq!(read(TCP, span(&bytes)).0, Transport::Other);
        bytes[12] = 0xf0;
        assert_eq!(read(TCP, span(&bytes)).0, Transport::Other);
        assert_eq!(read(UDP, span(&[0, 1, 0, 2, 0, 7, 0, 0])).0, Transport::Other);
    }

    #[test]
    fn udp_length_excludes_what_follows() {
        let (udp, payload) = read(UDP, span(&[0x13, 0x88, 0x00, 0x35, 0, 10, 0, 0, b'a', b'b', 0, 0]));
        assert_eq!(udp, Transport::Udp { src: 5000, dst: 53 });
        assert_eq!((payload.bytes, payload.wire), (&b"ab"[..], 2));
        let (_, jumbo) = read(UDP, span(&[0, 1, 0, 2, 0, 0, 0, 0, b'a', b'b', b'c']));
        assert_eq!(jumbo.bytes, b"abc");
    }

    #[test]
    fn icmp_echo_of_both_versions() {
        let (icmp, payload) = read(ICMP, span(&[8, 0, 0, 0, 0, 7, 0, 9, 1]));
        assert_eq!(icmp, Transport::Icmp(Icmp { v6: false, kind: 8, code: 0, echo: Some((7, 9)), reply: false }));
        assert_eq!(payload.bytes, [1]);
        let (icmp, _) = read(ICMPV6, span(&[129, 0, 0, 0, 0, 7, 0, 9]));
        assert_eq!(icmp, Transport::Icmp(Icmp { v6: true, kind: 129, code: 0, echo: Some((7, 9)), reply: true }));
        let (icmp, _) = read(ICMP, span(&[3, 1, 0, 0, 0, 0, 0, 0]));
        assert_eq!(icmp, Transport::Icmp(Icmp { v6: false, kind: 3, code: 1, echo: None, reply: false }));
    }
}
