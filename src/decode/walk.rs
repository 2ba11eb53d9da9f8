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
