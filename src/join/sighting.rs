//! What one capture point tells the join thread of a packet: a fixed-size record, made in the point's own thread.
//!
//! The key of a sighting is the same at every point that the packet passes: it knows nothing of addresses, ports, TTL,
//! tunnels, link layers or checksums, and for TCP nothing of how the bytes are cut into frames (offload).
//! What the key leaves open (copies of one packet) [`Sighting::copy`] tells apart where the packet has something to tell by.

use crate::base::anomaly::Place;
use crate::base::net::Side;
use crate::base::time::Timestamp;
use crate::decode::{Net, Packet, Tcp, Transport};
use crate::flow::{FlowId, FlowKey, Observation, Verdict};

/// Sightings per batch: crossing threads then costs 7 ns per packet (measured), and a batch fits a second-level cache.
pub const BATCH: usize = 512;

/// One packet as one point saw it: 72 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Time on the point's own clock.
    pub at: Timestamp,
    /// File and frame.
    pub place: Place,
    /// Hash of what identifies the packet. For TCP segments with payload the joiner adds sequence number and length of each piece.
    pub key: u64,
    /// TCP: sequence number. ICMP echo: identifier and sequence number.
    pub seq: u32,
    /// Payload bytes on the wire.
    pub len: u32,
    /// TCP: acknowledgment number, if [`flag::ACK`].
    pub ack: u32,
    /// Tells copies with equal keys apart: equal for the same packet at two points unless a router renumbers; 0 if there is nothing.
    pub copy: u32,
    /// Conversation at this point.
    pub flow: Option<FlowId>,
    /// Bytes of the frame on the wire.
    pub wire: u32,
    /// [`flag`].
    pub flags: u32,
    /// Maximum segment size that a SYN announced, else 0.
    pub mss: u16,
    /// TTL or hop limit; 0 if not IP.
    pub ttl: u8,
}

/// Bits of [`Sighting::flags`].
pub mod flag {
    /// Sent by the server side of its conversation.
    pub const SERVER: u32 = 1;
    /// TCP payload: a byte range that may be cut differently elsewhere.
    pub const RANGE: u32 = 1 << 1;
    /// A TCP segment with valid acknowledgment number.
    pub const ACK: u32 = 1 << 2;
    /// SYN.
    pub const SYN: u32 = 1 << 3;
    /// FIN.
    pub const FIN: u32 = 1 << 4;
    /// Carries the timestamps option.
    pub const STAMPS: u32 = 1 << 5;
    /// Sent again, as its point judges it.
    pub const RETRANSMITTED: u32 = 1 << 6;
    /// Sent once, late, as its point judges it.
    pub const REORDERED: u32 = 1 << 7;
    /// Data seen before, cause unknown.
    pub const AMBIGUOUS: u32 = 1 << 8;
    /// An ICMP echo request.
    pub const ECHO_REQUEST: u32 = 1 << 9;
    /// An ICMP echo reply.
    pub const ECHO_REPLY: u32 = 1 << 10;
    /// Captured inside a tunnel.
    pub const TUNNELLED: u32 = 1 << 11;
    /// To a group: several hosts receive it.
    pub const GROUP: u32 = 1 << 12;
    /// The key alone identifies the packet: two different packets have it only by chance.
    pub const STRONG: u32 = 1 << 13;
    /// The first frame of a conversation at its point.
    pub const FIRST: u32 = 1 << 14;
    /// TCP.
    pub const TCP: u32 = 1 << 15;
    /// An ICMP message that is no echo: a host or router on the way may have sent it in another's name.
    pub const NOTICE: u32 = 1 << 16;
    /// Of these: a packet was too big to be carried on. [`super::Sighting::seq`] is the sequence number of the TCP segment it quotes.
    pub const TOO_BIG: u32 = 1 << 17;
}

impl Sighting {
    /// The sighting of a packet that passed the duplicate filter. `seen` is `None` for packets without a conversation.
    #[inline]
    pub fn of(packet: &Packet<'_>, seen: Option<&Observation>) -> Self {
        let mut out = Self {
            at: packet.at,
            place: packet.place,
            key: 0,
            seq: 0,
            len: packet.payload_wire,
            ack: 0,
            copy: 0,
            flow: None,
            wire: packet.wire_len,
            flags: 0,
            mss: 0,
            ttl: 0,
        };
        if let Some(seen) = seen {
            out.flow = Some(seen.flow);
            out.flags |= if seen.from == Side::Server { flag::SERVER } else { 0 };
            out.flags |= if seen.first { flag::FIRST } else { 0 };
            out.flags |= match seen.verdict {
                Verdict::Retransmitted => flag::RETRANSMITTED,
                Verdict::Reordered => flag::REORDERED,
                Verdict::Ambiguous => flag::AMBIGUOUS,
                _ => 0,
            };
        }
        if packet.tunnel.is_some() {
            out.flags |= flag::TUNNELLED;
        }
        if packet.link.dst.is_some_and(|mac| mac.is_group()) {
            out.flags |= flag::GROUP;
        }
        match &packet.net {
            Net::Ip(ip) => {
                out.ttl = ip.ttl;
                if ip.dst.is_multicast() {
                    out.flags |= flag::GROUP;
                }
                match &packet.transport {
                    Transport::Tcp(tcp) => out.tcp(tcp, ip.ident),
                    Transport::Icmp(icmp) if icmp.echo.is_some() => {
                        let (id, number) = icmp.echo.unwrap_or_default();
                        out.seq = u32::from(id) << 16 | u32::from(number);
                        out.flags |= flag::STRONG | if icmp.reply { flag::ECHO_REPLY } else { flag::ECHO_REQUEST };
                        out.key =
                            mix(mix(u64::from(icmp.kind) << 8 | u64::from(icmp.code), u64::from(out.seq)), u64::from(out.len) | 1 << 40);
                        out.copy = ident(ip.ident);
                        out.ack = packet.payload.first_chunk().map_or(0, |head| echo_mark(*head));
                    }
                    other => {
                        let kind = match other {
                            Transport::Icmp(icmp) => {
                                out.flags |= flag::NOTICE;
                                // RFC 1191 section 4, RFC 4443 section 3.2.
                                let too_big = if icmp.v6 { icmp.kind == 2 } else { (icmp.kind, icmp.code) == (3, 4) };
                                if let Some(seq) = quoted_sequence(packet.payload).filter(|_| too_big) {
                                    out.flags |= flag::TOO_BIG;
                                    out.seq = seq;
                                }
                                u64::from(icmp.kind) << 8 | u64::from(icmp.code)
                            }
                            _ => 0,
                        };
                        let fragment = ip.fragment.map_or(0, |(at, more)| 2 | u64::from(at) << 2 | u64::from(more));
                        let head = mix(u64::from(ip.proto) << 32 | kind, u64::from(out.len) << 20 | fragment);
                        out.plain(head, ip.ident, packet.payload);
                    }
                }
            }
            Net::Arp(arp) => {
                let ends = u64::from(u32::from(arp.sender_ip)) << 32 | u64::from(u32::from(arp.target_ip));
                let kind = u64::from(arp.operation) << 1 | u64::from(arp.rarp);
                out.key = mix(mix(kind, mac_bits(arp.sender_mac.0)), mix(ends, mac_bits(arp.target_mac.0)));
            }
            Net::Other => {
                let ends = packet.link.src.map_or(0, |m| mac_bits(m.0)) ^ packet.link.dst.map_or(0, |m| mac_bits(m.0)).rotate_left(16);
                let head = mix(u64::from(packet.link.ethertype), ends);
                out.plain(mix(head, u64::from(out.len)), 0, packet.payload);
            }
        }
        out
    }

    /// RFC 9293 3.1. Segments that offload cuts from one frame share the acknowledgment number; flags and window stay out of a
    /// range's key, since only the last piece has PSH and FIN. Options stay out too: a snap length may have cut them at one point.
    fn tcp(&mut self, tcp: &Tcp, id: u32) {
        let ack = if tcp.has(Tcp::ACK) { tcp.ack } else { 0 };
        self.seq = tcp.seq;
        self.ack = ack;
        self.mss = tcp.mss.unwrap_or(0);
        self.flags |= flag::TCP | flag::STRONG;
        for (bit, mine) in [(Tcp::ACK, flag::ACK), (Tcp::SYN, flag::SYN), (Tcp::FIN, flag::FIN)] {
            self.flags |= if tcp.has(bit) { mine } else { 0 };
        }
        self.copy = ident(id);
        if let Some((value, echo)) = tcp.timestamps {
            self.flags |= flag::STAMPS;
            if self.copy == 0 {
                // Without identification (IPv6) the time stamps tell copies apart (RFC 7323 3.2), and the blocks duplicate acknowledgments.
                let blocks =
                    tcp.sack.iter().take(usize::from(tcp.sack_count)).fold(0, |sum, b| mix(sum, u64::from(b.0) << 32 | u64::from(b.1)));
                self.copy = mix(u64::from(value) << 32 | u64::from(echo), blocks) as u32 & !NUMBERED | 1;
            }
        }
        self.key = range_base(ack);
        if self.len > 0 {
            self.flags |= flag::RANGE;
        } else {
            self.key = mix(self.key, u64::from(tcp.seq) << 32 | u64::from(tcp.window) << 8 | u64::from(tcp.flags));
        }
    }

    /// Packets of which only the length, the identification and the first bytes tell.
    fn plain(&mut self, head: u64, id: u32, payload: &[u8]) {
        // A snap length may have cut the payload at one point only, so its bytes are in the key only where nothing else is.
        let start = match payload.first_chunk::<8>() {
            Some(bytes) => Some(u64::from_le_bytes(*bytes)),
            None if payload.len() == self.len as usize => Some(payload.iter().fold(1, |sum, b| sum << 8 | u64::from(*b))),
            None => None,
        };
        if id == 0 {
            self.key = mix(head, start.unwrap_or(0));
        } else {
            self.key = mix(head, u64::from(id));
            self.copy = start.map_or(0, |s| mix(s, 1) as u32 & !NUMBERED | 1);
        }
    }

    /// The side of the conversation that sent it.
    pub fn side(&self) -> Side {
        if self.has(flag::SERVER) { Side::Server } else { Side::Client }
    }

    /// True if any of `bits` is set.
    #[inline]
    pub fn has(&self, bits: u32) -> bool {
        self.flags & bits != 0
    }
}

/// A conversation that a point's sightings speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowNote {
    /// As [`Sighting::flow`] names it.
    pub flow: FlowId,
    /// Its ends, as the point sees them.
    pub key: FlowKey,
}

/// What crosses from a point's thread to the join thread; cleared and used again.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Packets in the order of their capture.
    pub sightings: Vec<Sighting>,
    /// Conversations that begin in this batch, or whose ends were corrected.
    pub flows: Vec<FlowNote>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { sightings: Vec::with_capacity(BATCH), flows: Vec::new() }
    }
}

impl Batch {
    /// Adds a packet; `key` is asked for only when a conversation begins. True when the batch should be sent.
    #[inline]
    pub fn push(&mut self, packet: &Packet<'_>, seen: Option<&Observation>, key: impl FnOnce() -> Option<FlowKey>) -> bool {
        if let Some(seen) = seen
            && seen.first
            && let Some(key) = key()
        {
            self.flows.push(FlowNote { flow: seen.flow, key });
        }
        self.sightings.push(Sighting::of(packet, seen));
        self.sightings.len() >= BATCH
    }

    /// Makes it ready to be used again.
    pub fn clear(&mut self) {
        self.sightings.clear();
        self.flows.clear();
    }
}

/// Marks a copy mark that is an identification.
const NUMBERED: u32 = 1 << 31;

/// The IPv4 identification (or that of a fragment header) as a copy mark; 0 says nothing (RFC 6864: atomic datagrams may have any value).
#[inline]
fn ident(id: u32) -> u32 {
    if id == 0 { 0 } else { id | NUMBERED }
}

/// The copy mark of the `n`-th piece of a frame that offload will cut (or has glued): identifications count up from the first.
#[inline]
pub(super) fn piece_copy(copy: u32, n: u32) -> u32 {
    if copy & NUMBERED == 0 { copy } else { (copy & !0xffff) | (copy.wrapping_add(n) & 0xffff) }
}

/// What the data of an echo begins with, hashed; never 0. Usually the time of sending, which tells it from one whose number came round
/// 65,536 echoes later.
#[inline]
fn echo_mark(head: [u8; 16]) -> u32 {
    let bits = u128::from_be_bytes(head);
    mix(bits as u64, (bits >> 64) as u64) as u32 | 1
}

/// What all pieces of a byte range with this acknowledgment number have in their keys.
#[inline]
pub(super) fn range_base(ack: u32) -> u64 {
    mix(u64::from(ack), 6 << 40)
}

/// The key of one piece of a byte range.
#[inline]
pub(super) fn piece_key(base: u64, seq: u32, len: u32) -> u64 {
    mix(base, u64::from(seq) << 32 | u64::from(len))
}

/// The sequence number of the TCP segment that an ICMP error quotes: its IP header and at least 8 bytes (RFC 792).
fn quoted_sequence(quote: &[u8]) -> Option<u32> {
    let first = *quote.first()?;
    let (protocol, header) = match first >> 4 {
        4 => (*quote.get(9)?, usize::from(first & 15) * 4),
        6 => (*quote.get(6)?, 40),
        _ => return None,
    };
    let bytes = quote.get(header + 4..header + 8).filter(|_| protocol == 6)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn mac_bits(mac: [u8; 6]) -> u64 {
    mac.iter().fold(0, |sum, b| sum << 8 | u64::from(*b))
}

/// Folds two words into one: a 128-bit product, both halves together. Not for adversaries: the matcher bounds its chains.
#[inline]
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xd1b5_4a32_d192_ed03);
    (product as u64) ^ (product >> 64) as u64
}
