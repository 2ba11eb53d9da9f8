//! Which conversation a packet belongs to: hashing of the two ends, and which end is the client.

use std::hash::BuildHasher;
use std::net::IpAddr;

use hashbrown::DefaultHashBuilder;

use super::FlowKey;
use crate::base::net::{Endpoint, Side};
use crate::decode::{Icmp, Net, Packet, Tcp, Transport};

/// Sender, receiver and protocol of one packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub proto: u8,
    pub src: Endpoint,
    pub dst: Endpoint,
}

impl Ends {
    /// `None` for packets that belong to no conversation (ARP, frames without IP).
    #[inline]
    pub fn of(packet: &Packet<'_>) -> Option<Self> {
        let Net::Ip(ip) = &packet.net else { return None };
        let (sport, dport) = match &packet.transport {
            Transport::Tcp(tcp) => (tcp.src, tcp.dst),
            Transport::Udp { src, dst } => (*src, *dst),
            Transport::Icmp(_) | Transport::Other => (0, 0),
        };
        Some(Self { proto: ip.proto, src: Endpoint::new(ip.src, sport), dst: Endpoint::new(ip.dst, dport) })
    }

    /// As if the client had sent a packet.
    pub fn of_key(key: &FlowKey) -> Self {
        Self { proto: key.proto, src: key.client, dst: key.server }
    }

    /// The same for both directions. Keyed per table, because a capture may be hostile: foldhash with random seeds; a file that
    /// was written before the seeds were drawn cannot aim at one bucket.
    #[inline]
    pub fn hash(&self, build: &DefaultHashBuilder) -> u64 {
        match (self.src.ip, self.dst.ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let a = u64::from(a.to_bits()) << 16 | u64::from(self.src.port);
                let b = u64::from(b.to_bits()) << 16 | u64::from(self.dst.port);
                build.hash_one((a.min(b), a.max(b) | u64::from(self.proto) << 56))
            }
            _ => {
                let a = (wide(self.src.ip), self.src.port);
                let b = (wide(self.dst.ip), self.dst.port);
                let (a, b) = if a <= b { (a, b) } else { (b, a) };
                build.hash_one((a, b, self.proto))
            }
        }
    }

    /// Which end of `key` sent this packet; `None` if it is of another conversation.
    #[inline]
    pub fn side_in(&self, key: &FlowKey) -> Option<Side> {
        if self.proto != key.proto {
            None
        } else if self.src == key.client && self.dst == key.server {
            Some(Side::Client)
        } else if self.src == key.server && self.dst == key.client {
            Some(Side::Server)
        } else {
            None
        }
    }

    /// Which side the sender of a conversation's first packet is.
    pub fn role_of_sender(&self, transport: &Transport) -> Side {
        match transport {
            // RFC 9293 3.5: who sends SYN without ACK opens, who answers with SYN and ACK was called.
            Transport::Tcp(tcp) if tcp.has(Tcp::SYN) => {
                if tcp.has(Tcp::ACK) {
                    Side::Server
                } else {
                    Side::Client
                }
            }
            Transport::Tcp(_) => match rank(self.src.port).cmp(&rank(self.dst.port)) {
                std::cmp::Ordering::Greater => Side::Server,
                std::cmp::Ordering::Less => Side::Client,
                std::cmp::Ordering::Equal if self.src.port < self.dst.port => Side::Server,
                std::cmp::Ordering::Equal => Side::Client,
            },
            // A datagram needs no opening: who spoke first asked, unless only the other port is one that servers use.
            Transport::Udp { .. } if rank(self.src.port) > rank(self.dst.port) => Side::Server,
            Transport::Icmp(Icmp { reply: true, .. }) => Side::Server,
            _ => Side::Client,
        }
    }

    /// The conversation with the sender on side `sender`.
    pub fn key(&self, sender: Side) -> FlowKey {
        match sender {
            Side::Client => FlowKey { proto: self.proto, client: self.src, server: self.dst },
            Side::Server => FlowKey { proto: self.proto, client: self.dst, server: self.src },
        }
    }
}

fn wide(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// How likely a port is that of a server. Below 1024: system ports (RFC 6335 section 6). Below 32768: where Linux takes no ephemeral ports
/// from. 49152 to 49215: libvirt's default range for migrations (`migration_port_min`, `migration_port_max` in qemu.conf), which lies within
/// Linux's ephemeral range.
fn rank(port: u16) -> u8 {
    match port {
        0..1024 => 3,
        1024..32768 => 2,
        49152..=49215 => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(src: &str, sport: u16, dst: &str, dport: u16) -> Ends {
        Ends { proto: 6, src: Endpoint::new(src.parse().unwrap(), sport), dst: Endpoint::new(dst.parse().unwrap(), dport) }
    }

    #[test]
    fn both_directions_hash_alike_and_differ_from_others() {
        let build = DefaultHashBuilder::default();
        for (a, b) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")] {
            let there = ends(a, 1000, b, 80);
            let back = ends(b, 80, a, 1000);
            assert_eq!(there.hash(&build), back.hash(&build));
            assert_ne!(there.hash(&build), ends(a, 80, b, 1000).hash(&build), "ports belong to their addresses");
            assert_ne!(there.hash(&build), ends(a, 1001, b, 80).hash(&build));
            assert_ne!(there.hash(&build), Ends { proto: 17, ..there }.hash(&build));
            let key = there.key(Side::Client);
            assert_eq!(there.side_in(&key), Some(Side::Client));
            assert_eq!(back.side_in(&key), Some(Side::Server));
            assert_eq!(ends(a, 80, b, 1000).side_in(&key), None);
        }
    }

    #[test]
    fn the_client_is_told_by_syn_then_by_port() {
        let role = |sport, dport, flags| {
            ends("192.0.2.1", sport, "192.0.2.2", dport).role_of_sender(&Transport::Tcp(Tcp { flags, ..Tcp::default() }))
        };
        assert_eq!(role(80, 40000, Tcp::SYN), Side::Client);
        assert_eq!(role(40000, 80, Tcp::SYN | Tcp::ACK), Side::Server);
        assert_eq!(role(80, 40000, Tcp::ACK), Side::Server);
        assert_eq!(role(49152, 41000, Tcp::ACK), Side::Server, "a migration picked up in the middle");
        assert_eq!(role(41000, 49152, Tcp::ACK), Side::Client);
        assert_eq!(role(8774, 5672, Tcp::ACK), Side::Client);
    }
}
