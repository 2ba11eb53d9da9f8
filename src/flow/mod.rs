//! Packets in, conversations out: who talks to whom, what each TCP segment is, round-trip times, in-order bytes.
//!
//! Knows nothing of the protocols above TCP and UDP.

mod deliver;
mod echo;
mod key;
mod record;
mod rtt;
mod shared;
mod streams;
mod table;
mod tcp;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::base::anomaly::Place;
use crate::base::net::{Endpoint, Side};
use crate::base::time::Timestamp;

pub use echo::EchoCounts;
pub use record::{Direction, FlowRecord, TcpSide};
pub use rtt::RttSummary;
pub use table::{Evicted, FlowTable};
pub use tcp::{RTO_SILENCE_NS, TcpCounts};

/// Name of a conversation in its point's table; not reused within a run. Counts up from 0 until [`crate::base::limits::FLOWS`]
/// conversations were met; after that a new one takes the slot of an old one and gets a number beyond, so do not index a list by it:
/// use [`FlowId::slot`] and compare the id, or [`FlowTable::user_mut`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlowId(pub u32);

impl FlowId {
    /// A number below [`crate::base::limits::FLOWS`] that no other conversation in the table has at the same time.
    #[inline]
    pub fn slot(self) -> usize {
        self.0 as usize & (crate::base::limits::FLOWS - 1)
    }
}

/// The two ends of a conversation and its protocol, client first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlowKey {
    /// IP protocol number.
    pub proto: u8,
    /// Who opened it, or is taken for the client.
    pub client: Endpoint,
    /// Who was called.
    pub server: Endpoint,
}

impl FlowKey {
    /// The end on `side`.
    pub fn end(&self, side: Side) -> Endpoint {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    /// True if `ip` is one of the ends.
    pub fn has_ip(&self, ip: IpAddr) -> bool {
        self.client.ip == ip || self.server.ip == ip
    }
}

impl std::fmt::Display for FlowKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.proto {
            6 => f.write_str("tcp ")?,
            17 => f.write_str("udp ")?,
            1 => f.write_str("icmp ")?,
            58 => f.write_str("icmp6 ")?,
            other => write!(f, "ip{other} ")?,
        }
        write!(f, "{} > {}", self.client, self.server)
    }
}

/// A packet's time and place: what a parser needs to say when and where it saw something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    /// Time of capture on the clock of its point.
    pub at: Timestamp,
    /// File and frame number.
    pub place: Place,
}

/// What one packet means for its conversation.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    /// The conversation.
    pub flow: FlowId,
    /// Who sent the packet.
    pub from: Side,
    /// What the segment is.
    pub verdict: Verdict,
    /// Payload bytes that were new: goodput.
    pub goodput: u32,
    /// Round-trip time in nanoseconds that this packet completes: an ACK of data seen here, an echo reply. It is the way from this
    /// capture point to the end `from` and back; the other end's part is measured by the packets that go the other way.
    pub rtt: Option<i64>,
    /// Payload bytes just before this segment that were never captured, noticed now (Wireshark: previous segment not captured).
    pub gap_before: u32,
    /// The first packet of the conversation.
    pub first: bool,
}

/// What a TCP segment is; packets of other protocols are `New`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// New data, or the first of its kind.
    New,
    /// No payload, SYN or FIN: an acknowledgment, or a reset.
    Ack,
    /// A duplicate acknowledgment (RFC 5681 section 2).
    DuplicateAck,
    /// Data sent again.
    Retransmitted,
    /// Data that was sent once and arrived late.
    Reordered,
    /// One byte, or none, just below the next expected: asks whether the peer is there.
    KeepAlive,
    /// One byte beyond a closed window.
    ZeroWindowProbe,
    /// Data seen before, of which the evidence does not say whether it was sent twice.
    Ambiguous,
}

/// Why bytes of a stream are missing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GapReason {
    /// The capture holds the segment but its snap length cut the bytes off.
    SnapLength,
    /// The segment is not in the capture.
    NotCaptured,
    /// A bound of the tool was reached.
    Limit,
}

/// How much a parser wants to see of what follows on the side it was just given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// The next bytes.
    More,
    /// The next this many bytes are of no interest: they are passed over unread, and gaps within them are not told.
    /// The parser is called again with what follows. Counted from the end of the slice just given.
    Skip(u64),
    /// Nothing more of this side.
    Nothing,
}

/// How a stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EndOfStream {
    /// Both sides sent FIN.
    Closed,
    /// One side sent RST.
    Reset,
    /// The capture ended, or the conversation was idle until it did.
    CaptureEnded,
    /// A bound of the tool closed it.
    Limit,
}

/// Takes what conversations carry. The flow layer calls it; the application layer implements it.
pub trait Sink {
    /// Comes once before anything else of a TCP conversation that carries payload. `whole`: its SYN was seen, so the first byte told of
    /// each side is the first one that it sent; else the conversation was picked up in the middle.
    fn begin(&mut self, _flow: FlowId, _key: &FlowKey, _when: Moment, _whole: bool) {}
    /// The next in-order bytes of `side`.
    fn bytes(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment, bytes: &[u8]) -> Need;
    /// `missing` bytes of `side` will never come.
    fn gap(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment, missing: u64, why: GapReason) -> Need;
    /// `side` sent its FIN and all its bytes were given. Not told of a side of which nothing more was asked.
    fn fin(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment);
    /// One datagram of a UDP conversation.
    fn datagram(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment, bytes: &[u8], wire_len: u32) -> Need;
    /// Nothing more will come of this conversation. Told once of each conversation of which anything else was told.
    fn end(&mut self, flow: FlowId, key: &FlowKey, when: Moment, how: EndOfStream);
}
