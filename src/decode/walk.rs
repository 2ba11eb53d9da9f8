//! The complete path: walks any frame layer by layer, into tunnels and through fragments, to its innermost packet.
//!
//! A tunnel whose inside cannot be read is no tunnel: the packet around it counts. Recursion is bounded by
//! [`crate::base::limits::TUNNEL_DEPTH`].

use std::ops::Range;

use super::fragments::{Added, Fragments, Whole};
use super::span::Span;
use super::tunnel::{self, Inner};
use super::{Counters, Ip, Net, Packet, Transport, Tunnel, ip, link, transport};
use crate::base::limits::TUNNEL_DEPTH;
use crate::capture::LinkType;

/// How a walk ended. Names the payload by its place in the buffer, so that it borrows nothing.
#[allow(clippy::large_enum_variant, reason = "nearly every step is a packet, and it lives for one call")]
pub(super) enum Step {
    /// At a packet.
    Packet(Packet<'static>, Range<usize>),
    /// At a fragment that was kept.
    Held,
    /// At a fragment that completed a datagram; the walk goes on there.
    Whole(Box<Whole>),
    /// Nowhere, and why.
    Undecoded(&'static str),
}

/// One walk.
pub(super) struct Walk<'d> {
    pub fragments: &'d mut Fragments,
    pub counters: &'d mut Counters,
}

impl Walk<'_> {
    /// From the outermost link header.
    pub fn frame(&mut self, kind: LinkType, mut packet: Packet<'static>, span: Span<'_>) -> Step {
        match link::outermost(kind, span, &mut packet.link) {
            Ok(rest) => self.network(packet, rest),
            Err(reason) => Step::Undecoded(reason),
        }
    }

    /// From the start of a datagram that was put together.
    pub fn datagram(&mut self, whole: Whole) -> (Step, Vec<u8>) {
        let Whole { packet, mut ip, bytes, wire } = whole;
        let started = ip.fragment.is_none_or(|(offset, _)| offset == 0);
        let body = Span::new(&bytes, wire);
        let step = match started {
            true => {
                let body = ip::rest_of_chain(body, &mut ip);
                self.upper(packet, ip, body)
            }
            false => done(packet, Net::Ip(ip), Transport::Other, body),
        };
        (step, bytes)
    }

    /// Behind a link header; `packet.link.ethertype` says what is there.
    fn network(&mut self, packet: Packet<'static>, span: Span<'_>) -> Step {
        match packet.link.ethertype {
            link::IPV4 | link::IPV6 => self.ip(packet, span),
            ethertype @ (link::ARP | link::RARP) => match ip::arp(span, ethertype == link::RARP) {
                Some(arp) => done(packet, Net::Arp(arp), Transport::Other, span.limit(0)),
                None => done(packet, Net::Other, Transport::Other, span),
            },
            _ => done(packet, Net::Other, Transport::Other, span),
        }
    }

    fn ip(&mut self, packet: Packet<'static>, span: Span<'_>) -> Step {
        let (ip, body) = match ip::read(packet.link.ethertype, span) {
            Ok(read) => read,
            Err(reason) => return Step::Undecoded(reason),
        };
        if ip.total_len > span.wire {
            if packet.tunnel.is_some() {
                return Step::Undecoded("bad_ip_header");
            }
            self.counters.longer_than_frame += 1;
        }
        if ip.fragment.is_none() {
            return self.upper(packet, ip, body);
        }
        match self.fragments.add(&packet, &ip, body, self.counters) {
            Added::Held => Step::Held,
            Added::Whole(whole) => Step::Whole(whole),
            Added::Alone => match ip.fragment {
                Some((0, _)) => self.upper(packet, ip, body),
                _ => done(packet, Net::Ip(ip), Transport::Other, body),
            },
        }
    }

    /// Behind an IP header and its extensions.
    fn upper(&mut self, packet: Packet<'static>, ip: Ip, body: Span<'_>) -> Step {
        let (transport, payload) = transport::read(ip.proto, body);
        let inner = match transport {
            Transport::Udp { dst, .. } => tunnel::in_udp(dst, payload),
            _ => tunnel::in_ip(ip.proto, body),
        };
        if let Some(inner) = inner
            && let Some(step) = self.tunnel(&packet, &ip, inner)
        {
            return step;
        }
        done(packet, Net::Ip(ip), transport, payload)
    }

    /// Into a tunnel; `None` if its inside makes no sense or lies too deep.
    fn tunnel(&mut self, outer: &Packet<'static>, ip: &Ip, inner: Inner<'_>) -> Option<Step> {
        let depth = outer.tunnel.map_or(0, |t| t.depth);
        if usize::from(depth) >= TUNNEL_DEPTH {
            self.counters.tunnel_depth += 1;
            return None;
        }
        let mut packet = outer.clone();
        packet.tunnel = Some(Tunnel { kind: inner.kind, id: inner.id, src: ip.src, dst: ip.dst, depth: depth + 1 });
        let body = match inner.ethertype {
            link::TEB => match link::ethernet(inner.body, &mut packet.link) {
                Ok(body) => body,
                Err(_) => return self.unreadable(),
            },
            other => link::tags(inner.body, &mut packet.link, other),
        };
        match self.network(packet, body) {
            Step::Undecoded(_) => self.unreadable(),
            // An Ethernet frame may carry anything; another payload that is neither IP nor ARP tells less than its tunnel does.
            Step::Packet(Packet { net: Net::Other, .. }, _) if inner.ethertype != link::TEB => self.unreadable(),
            step => Some(step),
        }
    }

    fn unreadable(&mut self) -> Option<Step> {
        self.counters.tunnel_unreadable += 1;
        None
    }
}

fn done(mut packet: Packet<'static>, net: Net, transport: Transport, payload: Span<'_>) -> Step {
    packet.net = net;
    packet.transport = transport;
    packet.payload_wire = payload.wire;
    Step::Packet(packet, payload.range())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use crate::base::net::Mac;
    use crate::base::time::Timestamp;
    use crate::decode::{Decoded, Decoder, Net, Packet, Transport, TunnelKind};
    use crate::testkit::packet::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 11));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 12));
    const GUEST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 50));
    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 10));

    fn check(bytes: &[u8], wire: u32, test: impl FnOnce(&Packet<'_>)) {
        let mut decoder = Decoder::new();
        let mut frame = frame(bytes, Timestamp(5));
        frame.wire_len = wire;
        match decoder.decode_complete(&frame) {
            Decoded::Packet(packet) => test(&packet),
            other => panic!("{other:?}"),
        }
    }

    fn whole(bytes: &[u8], test: impl FnOnce(&Packet<'_>)) {
        check(bytes, bytes.len() as u32, test);
    }

    fn addresses(packet: &Packet<'_>) -> (IpAddr, IpAddr) {
        match packet.net {
            Net::Ip(ip) => (ip.src, ip.dst),
            other => panic!("{other:?}"),
        }
    }

    fn inner_udp() -> Vec<u8> {
        ip_frame(&Ip::new(CLIENT, GUEST), 17, &udp(5000, 53, b"question"))
    }

    fn expect_inner(kind: TunnelKind, id: u32, bytes: &[u8]) {
        whole(bytes, |p| {
            assert_eq!(addresses(p), (CLIENT, GUEST));
            assert_eq!(p.transport, Transport::Udp { src: 5000, dst: 53 });
            assert_eq!((p.payload, p.payload_wire), (&b"question"[..], 8));
            let t = p.tunnel.expect("a tunnel");
            assert_eq!((t.kind, t.id, t.src, t.dst, t.depth), (kind, id, A, B, 1));
            assert_eq!(p.wire_len as usize, bytes.len());
        });
    }

    fn over(proto: u8, body: &[u8]) -> Vec<u8> {
        ip_frame(&Ip::new(A, B), proto, body)
    }

    #[test]
    fn every_tunnel_gives_the_inner_packet() {
        let inner = inner_udp();
        expect_inner(TunnelKind::Vxlan, 100, &over(17, &udp(50000, 4789, &vxlan(100, &inner))));
        expect_inner(TunnelKind::Vxlan, 100, &over(17, &udp(50000, 8472, &vxlan(100, &inner))));
        expect_inner(TunnelKind::Geneve, 7, &over(17, &udp(50000, 6081, &geneve(7, 0x6558, &[0, 1, 2, 1, 9, 9, 9, 9], &inner))));
        expect_inner(TunnelKind::Geneve, 7, &over(17, &udp(50000, 6081, &geneve(7, 0x0800, &[], &inner[14..]))));
        expect_inner(TunnelKind::Gre, 0, &over(47, &gre(0x0800, true, None, Some(3), &inner[14..])));
        expect_inner(TunnelKind::Gre, 9, &over(47, &gre(0x6558, false, Some(9), None, &inner)));
        expect_inner(TunnelKind::Nvgre, 0x5001, &over(47, &gre(0x6558, false, Some(0x50_0103), None, &inner)));
        expect_inner(TunnelKind::Erspan, 3, &over(47, &gre(0x88be, false, None, Some(1), &erspan2(7, 3, &inner))));
        expect_inner(TunnelKind::IpInIp, 0, &over(4, &inner[14..]));
    }

    #[test]
    fn ip_in_ip_of_all_families() {
        let (c6, g6): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let inner = ip(&Ip::new(c6, g6), 17, &udp(1, 2, b"x"));
        whole(&over(41, &inner), |p| assert_eq!((addresses(p), p.link.ethertype), ((c6, g6), IPV6)));
        for (proto, inner) in [(41, inner.clone()), (4, inner_udp()[14..].to_vec())] {
            whole(&ip_frame(&Ip::new(c6, g6), proto, &inner), |p| {
                assert_eq!(p.tunnel.map(|t| (t.kind, t.src, t.depth)), Some((TunnelKind::IpInIp, c6, 1)));
                assert!(matches!(p.transport, Transport::Udp { .. }));
            });
        }
    }

    #[test]
    fn the_inner_link_counts() {
        let tagged = ethernet(Mac([2; 6]), Mac([4; 6]), VLAN, &vlan(12, ARP, &[0; 10]));
        let bytes = ethernet(Mac([6; 6]), Mac([8; 6]), VLAN, &vlan(99, IPV4, &over(17, &udp(1, 4789, &vxlan(1, &tagged)))[14..]));
        whole(&bytes, |p| {
            assert_eq!((p.link.src, p.link.vlan, p.link.ethertype), (Some(Mac([2; 6])), Some(12), ARP));
            assert_eq!((p.net, p.payload.len()), (Net::Other, 10));
        });
        let untagged = over(17, &udp(1, 4789, &vxlan(1, &inner_udp())));
        let bytes = ethernet(Mac([6; 6]), Mac([8; 6]), VLAN, &vlan(99, IPV4, &untagged[14..]));
        whole(&bytes, |p| assert_eq!(p.link.vlan, None));
    }

    #[test]
    fn what_is_no_tunnel_stays_udp() {
        let mut decoder = Decoder::new();
        let nonsense = vxlan(100, &ethernet(Mac([2; 6]), Mac([4; 6]), IPV4, &[0x99; 30]));
        let longer = {
            let mut inner = inner_udp();
            inner[16] = 9;
            vxlan(100, &inner)
        };
        for payload in [&b"dns over vxlan port"[..], &[8, 0, 0, 0, 0, 0, 1, 0], &nonsense, &longer] {
            let bytes = over(17, &udp(50000, 8472, payload));
            let frame = frame(&bytes, Timestamp(0));
            let Decoded::Packet(packet) = decoder.decode_complete(&frame) else { panic!("a packet") };
            assert_eq!((addresses(&packet), packet.tunnel), ((A, B), None));
            assert_eq!(packet.transport, Transport::Udp { src: 50000, dst: 8472 });
            assert_eq!(packet.payload, payload);
        }
        assert_eq!(decoder.counters().tunnel_unreadable, 3);
        // GRE that carries neither a frame nor IP (a keepalive).
        whole(&over(47, &gre(0, false, None, None, &[1, 2, 3])), |p| assert_eq!((addresses(p), p.tunnel), ((A, B), None)));
    }

    #[test]
    fn nested_tunnels_end_at_the_bound() {
        let mut packet = ip(&Ip::new(CLIENT, GUEST), 17, &udp(1, 2, b"x"));
        for _ in 0..6 {
            packet = ip(&Ip::new(A, B), 4, &packet);
        }
        let mut decoder = Decoder::new();
        let bytes = ethernet(Mac([2; 6]), Mac([4; 6]), IPV4, &packet);
        let frame = frame(&bytes, Timestamp(0));
        let Decoded::Packet(packet) = decoder.decode_complete(&frame) else { panic!("a packet") };
        assert_eq!(packet.tunnel.map(|t| t.depth), Some(4));
        assert_eq!((addresses(&packet), packet.transport), ((A, B), Transport::Other));
        assert_eq!(decoder.counters().tunnel_depth, 1);
    }

    #[test]
    fn snap_length_does_not_shorten_the_packet() {
        let bytes = over(17, &udp(1, 4789, &vxlan(1, &ip_frame(&Ip::new(CLIENT, GUEST), 6, &tcp(&Tcp::default(), &[7; 1400])))));
        check(&bytes[..120], bytes.len() as u32, |p| {
            assert_eq!((p.payload.len(), p.payload_wire), (120 - 14 - 20 - 8 - 8 - 14 - 20 - 20, 1400));
            assert_eq!(p.wire_len as usize, bytes.len());
        });
        // Cut inside the inner IP header: the outer packet counts.
        check(&bytes[..70], bytes.len() as u32, |p| assert_eq!((p.tunnel, p.payload_wire), (None, 8 + 14 + 40 + 1400)));
        // Cut inside the inner TCP header: addresses are known, ports are not.
        check(&bytes[..90], bytes.len() as u32, |p| {
            assert_eq!((addresses(p), p.transport, p.payload_wire), ((CLIENT, GUEST), Transport::Other, 1420));
        });
    }

    #[test]
    fn padding_and_trailers_are_no_payload() {
        let mut bytes = ip_frame(&Ip::new(A, B), 6, &tcp(&Tcp::default(), b""));
        bytes.resize(60, 0);
        whole(&bytes, |p| assert_eq!((p.payload_wire, p.wire_len), (0, 60)));
        whole(&announcement(Mac([2, 0, 0, 0, 0, 9])), |p| {
            let Net::Arp(arp) = p.net else { panic!("RARP") };
            assert_eq!((arp.rarp, arp.operation, arp.sender_mac, p.payload_wire), (true, 3, Mac([2, 0, 0, 0, 0, 9]), 0));
        });
    }

    #[test]
    fn neither_ip_nor_arp_is_a_packet_too() {
        let lldp = ethernet(Mac([2; 6]), Mac([0x01, 0x80, 0xc2, 0, 0, 0x0e]), 0x88cc, &[2, 7, 4, 1, 2, 3, 4, 5, 6]);
        whole(&lldp, |p| assert_eq!((p.net, p.link.ethertype, p.payload.len()), (Net::Other, 0x88cc, 9)));
    }

    #[test]
    fn reasons_are_the_named_ones() {
        let mut decoder = Decoder::new();
        let bytes = over(17, &udp(1, 2, b"x"));
        let mut cases = vec![(frame(&bytes[..10], Timestamp(0)), "short_frame")];
        cases.push((cut(frame(&bytes, Timestamp(0)), 20), "cut_header"));
        cases.push((frame(&bytes[..20], Timestamp(0)), "bad_ip_header"));
        cases.push((frame_as(crate::capture::LinkType(105), &bytes, Timestamp(0)), "link_type"));
        for (frame, reason) in cases {
            assert!(Decoder::REASONS.contains(&reason));
            assert!(matches!(decoder.decode_complete(&frame), Decoded::Undecoded(r) if r == reason), "{reason}");
        }
    }
}
