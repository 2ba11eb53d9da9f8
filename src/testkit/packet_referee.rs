//! A second opinion on a frame: etherparse's own reading of all layers of an Ethernet frame without tunnels.

use etherparse::{LaxNetSlice, LaxSlicedPacket, LinkSlice, TcpOptionElement, TransportSlice};

use crate::decode::{Net, Packet, Transport};

/// Compares a packet with what etherparse reads in the same Ethernet frame. Says in words what differs; fields that etherparse
/// does not read, or reads with other rules (cut headers, tunnels, fragments), are not compared.
pub fn disagreement(bytes: &[u8], packet: &Packet<'_>) -> Option<String> {
    if packet.tunnel.is_some() || packet.frames != 1 {
        return None;
    }
    let theirs = LaxSlicedPacket::from_ethernet(bytes).ok()?;
    let mut wrong = Vec::new();
    let mut same = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            wrong.push(format!("{what}: {ours}, etherparse {theirs}"));
        }
    };
    if let Some(LinkSlice::Ethernet2(ethernet)) = &theirs.link {
        same("source", format!("{:?}", packet.link.src.map(|m| m.0)), format!("{:?}", Some(ethernet.source())));
        same("destination", format!("{:?}", packet.link.dst.map(|m| m.0)), format!("{:?}", Some(ethernet.destination())));
    }
    let Net::Ip(ip) = packet.net else { return None };
    let (src, dst, proto, ttl) = match &theirs.net {
        Some(LaxNetSlice::Ipv4(v4)) => {
            let h = v4.header();
            same("ident", ip.ident.to_string(), h.identification().to_string());
            (h.source_addr().into(), h.destination_addr().into(), v4.payload_ip_number().0, h.ttl())
        }
        Some(LaxNetSlice::Ipv6(v6)) => {
            let h = v6.header();
            (h.source_addr().into(), h.destination_addr().into(), v6.payload().ip_number.0, h.hop_limit())
        }
        // Behind MPLS, PPPoE or SNAP, which etherparse does not read.
        _ => return None,
    };
    same("IP source", ip.src.to_string(), std::net::IpAddr::to_string(&src));
    same("IP destination", ip.dst.to_string(), std::net::IpAddr::to_string(&dst));
    same("TTL", ip.ttl.to_string(), ttl.to_string());
    if ip.fragment.is_none() && theirs.stop_err.is_none() {
        same("protocol", ip.proto.to_string(), proto.to_string());
    }
    match (&packet.transport, &theirs.transport) {
        (Transport::Tcp(tcp), Some(TransportSlice::Tcp(t))) => {
            let flags = t.header_slice()[13];
            let ours = (tcp.src, tcp.dst, tcp.seq, tcp.ack, tcp.flags, tcp.window);
            let other = (t.source_port(), t.destination_port(), t.sequence_number(), t.acknowledgment_number(), flags, t.window_size());
            same("TCP", format!("{ours:?}"), format!("{other:?}"));
            same("TCP payload", packet.payload.len().to_string(), t.payload().len().to_string());
            options(tcp, t, &mut same);
        }
        (Transport::Udp { src, dst }, Some(TransportSlice::Udp(u))) => {
            same("UDP", format!("{:?}", (src, dst)), format!("{:?}", (&u.source_port(), &u.destination_port())));
            same("UDP payload", packet.payload.len().to_string(), u.payload().len().to_string());
        }
        (Transport::Icmp(icmp), Some(TransportSlice::Icmpv4(i))) => {
            same("ICMP", format!("{:?}", (icmp.kind, icmp.code)), format!("{:?}", (i.type_u8(), i.code_u8())));
        }
        (Transport::Icmp(icmp), Some(TransportSlice::Icmpv6(i))) => {
            same("ICMPv6", format!("{:?}", (icmp.kind, icmp.code)), format!("{:?}", (i.type_u8(), i.code_u8())));
        }
        (Transport::Tcp(_), Some(_)) | (Transport::Udp { .. }, Some(_)) | (Transport::Icmp(_), Some(_)) => {
            same("transport", format!("{:?}", packet.transport), format!("{:?}", theirs.transport));
        }
        _ => {}
    }
    if wrong.is_empty() { None } else { Some(wrong.join("; ")) }
}

/// Compares the options as far as etherparse gets: it stops at the first that it does not know.
fn options(tcp: &crate::decode::Tcp, theirs: &etherparse::TcpSlice<'_>, same: &mut impl FnMut(&str, String, String)) {
    let known: Vec<TcpOptionElement> = theirs.options_iterator().map_while(Result::ok).collect();
    let twice = |a: &TcpOptionElement| known.iter().filter(|b| std::mem::discriminant(a) == std::mem::discriminant(b)).count() > 1;
    for option in known.iter().filter(|o| !twice(o)) {
        match option {
            TcpOptionElement::MaximumSegmentSize(v) => same("MSS", format!("{:?}", tcp.mss), format!("{:?}", Some(*v))),
            TcpOptionElement::WindowScale(v) => same("window scale", format!("{:?}", tcp.window_scale), format!("{:?}", Some(*v))),
            TcpOptionElement::SelectiveAcknowledgementPermitted => same("SACK permitted", tcp.sack_permitted.to_string(), true.to_string()),
            TcpOptionElement::SelectiveAcknowledgement(first, rest) => {
                let blocks: Vec<(u32, u32)> = std::iter::once(*first).chain(rest.iter().flatten().copied()).collect();
                same("SACK", format!("{:?}", &tcp.sack[..usize::from(tcp.sack_count)]), format!("{blocks:?}"));
            }
            TcpOptionElement::Timestamp(value, echo) => {
                same("timestamps", format!("{:?}", tcp.timestamps), format!("{:?}", Some((*value, *echo))));
            }
            TcpOptionElement::Noop => {}
        }
    }
}
