//! Frames in, packets out: link layers, VLAN, MPLS, PPPoE, IP with extension headers and fragments, transports, tunnels.
//!
//! The innermost packet is what counts; the tunnel is noted. Lengths are wire lengths even where the snap length cut the bytes.
//! What is not read: Wi-Fi, PPP without Ethernet, MACsec, pseudowires, IPsec, the packets that ICMP errors quote.
//!
//! [`Decoder`] turns frames into packets; [`Duplicates`] says which of them the point had seen already; [`fingerprint`] lets
//! another point know them again.
//! Checksums are never a reason to drop a packet: captured outgoing packets carry unfinished ones (offload).

mod decoder;
pub mod duplicates;
mod fast;
pub mod fingerprint;
mod fragments;
mod ip;
mod link;
#[cfg(test)]
mod properties;
pub mod pseudonymize;
mod span;
mod transport;
mod tunnel;
mod walk;

use std::net::IpAddr;

pub use decoder::{Counters, Decoded, Decoder, Outcome};
pub use duplicates::{Duplicates, Verdict};

use crate::base::anomaly::Place;
use crate::base::net::Mac;
use crate::base::time::Timestamp;

/// One decoded packet; borrows its payload from the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Time of capture on the clock of its point.
    pub at: Timestamp,
    /// File and frame number.
    pub place: Place,
    /// Length of the whole outermost frame on the wire; the sum of all frames where fragments were put together.
    pub wire_len: u32,
    /// Frames that carried this packet: 1, or the number of fragments that were put together.
    pub frames: u32,
    /// The link layer that is next to the packet (the inner Ethernet header in a VXLAN tunnel).
    pub link: Link,
    /// Innermost tunnel, if any.
    pub tunnel: Option<Tunnel>,
    /// Network layer.
    pub net: Net,
    /// Transport layer.
    pub transport: Transport,
    /// Captured bytes of the transport payload (of the IP payload where the transport is not known).
    pub payload: &'a [u8],
    /// Length of that payload on the wire; more than `payload.len()` where the snap length cut it.
    pub payload_wire: u32,
}

/// What the link layer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Interface as [`crate::capture::Frame::interface`] numbers it.
    pub interface: u16,
    /// SLL2 interface index of the capturing host; 0 if not said.
    pub if_index: u32,
    /// Source address of the (inner) Ethernet or SLL header.
    pub src: Option<Mac>,
    /// Destination address; SLL does not say it.
    pub dst: Option<Mac>,
    /// Direction as SLL and SLL2 say it.
    pub sll: Option<SllType>,
    /// Innermost VLAN identifier.
    pub vlan: Option<u16>,
    /// Ethertype of the payload.
    pub ethertype: u16,
}

/// Packet types of Linux cooked captures (`LINUX_SLL_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SllType {
    /// To this host.
    Host,
    /// Broadcast by somebody else.
    Broadcast,
    /// Multicast by somebody else.
    Multicast,
    /// Between two other hosts; seen in promiscuous mode (bridged traffic coming in).
    OtherHost,
    /// Sent out by this host on that interface.
    Outgoing,
    /// Another value.
    Unknown(u16),
}

/// Kinds of tunnels that are looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    /// RFC 7348, UDP 4789, or 8472 as Linux chose before there was a number.
    Vxlan,
    /// RFC 8926, UDP 6081.
    Geneve,
    /// RFC 2784, 2890.
    Gre,
    /// RFC 7637.
    Nvgre,
    /// ERSPAN over GRE.
    Erspan,
    /// RFC 2003, 4213, 2473.
    IpInIp,
}

/// The innermost tunnel around a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Kind.
    pub kind: TunnelKind,
    /// VNI, VSID, GRE key or ERSPAN session; 0 if none.
    pub id: u32,
    /// Outer source.
    pub src: IpAddr,
    /// Outer destination.
    pub dst: IpAddr,
    /// Tunnels around the packet, this one counted.
    pub depth: u8,
}

/// Network layer of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// IPv4 or IPv6.
    Ip(Ip),
    /// ARP or RARP (`rarp` true).
    Arp(Arp),
    /// Neither.
    Other,
}

/// What the IP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// Protocol after all extension headers.
    pub proto: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4 identification, or that of the IPv6 fragment header; 0 if none.
    pub ident: u32,
    /// ECN and DSCP byte.
    pub tos: u8,
    /// Total length on the wire: header, extensions and payload. Taken from the frame where the field is 0 (TSO).
    pub total_len: u32,
    /// Fragment: offset in bytes and whether more follow; `None` if not fragmented.
    pub fragment: Option<(u16, bool)>,
}

/// What an ARP (RFC 826) or RARP (RFC 903) packet says, for Ethernet and IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// RARP (ethertype 0x8035).
    pub rarp: bool,
    /// 1 request, 2 reply, 3 reverse request, 4 reverse reply.
    pub operation: u16,
    /// Sender hardware address.
    pub sender_mac: Mac,
    /// Sender protocol address.
    pub sender_ip: std::net::Ipv4Addr,
    /// Target hardware address.
    pub target_mac: Mac,
    /// Target protocol address.
    pub target_ip: std::net::Ipv4Addr,
}

/// Transport layer of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, RFC 9293.
    Tcp(Tcp),
    /// UDP.
    Udp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
    },
    /// ICMP or ICMPv6.
    Icmp(Icmp),
    /// Another protocol, a later fragment, or a header that the snap length cut.
    Other,
}

/// What the TCP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tcp {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number; meaningful with [`Tcp::ACK`].
    pub ack: u32,
    /// Flags byte (CWR … FIN).
    pub flags: u8,
    /// Window field, unscaled.
    pub window: u16,
    /// Window scale option (SYN only).
    pub window_scale: Option<u8>,
    /// Maximum segment size option (SYN only).
    pub mss: Option<u16>,
    /// TSval and TSecr, RFC 7323.
    pub timestamps: Option<(u32, u32)>,
    /// SACK blocks, RFC 2018; the first `sack_count` are valid.
    pub sack: [(u32, u32); 4],
    /// How many of `sack` are valid.
    pub sack_count: u8,
    /// SACK-permitted option (SYN only).
    pub sack_permitted: bool,
}

impl Tcp {
    /// FIN flag.
    pub const FIN: u8 = 0x01;
    /// SYN flag.
    pub const SYN: u8 = 0x02;
    /// RST flag.
    pub const RST: u8 = 0x04;
    /// PSH flag.
    pub const PSH: u8 = 0x08;
    /// ACK flag.
    pub const ACK: u8 = 0x10;

    /// True if any of `flags` is set.
    #[inline]
    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }
}

/// What an ICMP or ICMPv6 header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// ICMPv6.
    pub v6: bool,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Identifier and sequence number of echo requests and replies.
    pub echo: Option<(u16, u16)>,
    /// For echoes: true for a reply.
    pub reply: bool,
}
