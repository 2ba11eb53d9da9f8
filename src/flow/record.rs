//! What is kept of each conversation.

use super::echo::{Echo, EchoCounts};
use super::rtt::RttSummary;
use super::tcp::{Tcp, TcpCounts};
use super::{EndOfStream, FlowId, FlowKey};
use crate::base::net::Side;
use crate::base::time::Timestamp;

/// One conversation: who, when, how much, how well.
#[derive(Debug)]
pub struct FlowRecord {
    pub(super) key: FlowKey,
    pub(super) id: FlowId,
    pub(super) user: u32,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) directions: [Direction; 2],
    pub(super) more: More,
    /// UDP: nothing more of this side is asked for.
    pub(super) quiet: [bool; 2],
    /// The sink was told of it and not yet of its end.
    pub(super) told: bool,
    /// Used since expiry looked at it last.
    pub(super) used: bool,
}

/// State of the protocols that have any. Boxed: most conversations of a scan or a flood are one packet.
#[derive(Debug)]
pub(super) enum More {
    None,
    Tcp(Box<Tcp>),
    Echo(Box<Echo>),
}

/// What one side of a conversation sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// Frames.
    pub packets: u64,
    /// Bytes of whole frames on the wire.
    pub bytes: u64,
    /// Bytes of transport payload on the wire, each as often as it was seen.
    pub payload: u64,
}

/// What is known of one side of a TCP conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSide {
    /// Initial sequence number, if the SYN was seen.
    pub isn: Option<u32>,
    /// When its first segment was seen; `None` if none was.
    pub begun: Option<Timestamp>,
    /// Window scale option of its SYN (RFC 7323 2.2).
    pub window_scale: Option<u8>,
    /// Its FIN was seen.
    pub fin: bool,
    /// Segments with payload.
    pub data_segments: u64,
    /// Round trip to this end and back in the handshake, in nanoseconds.
    pub handshake_rtt: Option<i64>,
    /// Everything else that is counted of it.
    pub counts: TcpCounts,
}

impl FlowRecord {
    pub(super) fn new(id: FlowId, key: FlowKey, at: Timestamp, more: More) -> Self {
        Self {
            key,
            id,
            user: 0,
            first: at,
            last: at,
            directions: [Direction::default(); 2],
            more,
            quiet: [false; 2],
            told: false,
            used: false,
        }
    }

    /// Its name in the table.
    pub fn id(&self) -> FlowId {
        self.id
    }

    /// Its two ends.
    pub fn key(&self) -> &FlowKey {
        &self.key
    }

    /// Time of the earliest packet.
    pub fn first(&self) -> Timestamp {
        self.first
    }

    /// Time of the latest packet.
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// What `side` sent.
    pub fn sent(&self, side: Side) -> Direction {
        self.directions[side.index()]
    }

    /// Payload bytes of `side`, each once. For protocols without sequence numbers all of them.
    pub fn goodput(&self, side: Side) -> u64 {
        let repeated = match &self.more {
            More::Tcp(tcp) => tcp.repeated_bytes(side),
            _ => 0,
        };
        self.directions[side.index()].payload.saturating_sub(repeated)
    }

    /// Round-trip times from the capture point to the end `side` and back. The sum of both sides is the whole path. A receiver may hold
    /// its ACKs back (40 to 200 ms), which lengthens the upper quantiles of TCP.
    pub fn rtt(&self, side: Side) -> Option<RttSummary> {
        match &self.more {
            More::Tcp(tcp) => tcp.rtt(side),
            More::Echo(echo) => echo.rtt(side),
            More::None => None,
        }
    }

    /// What TCP says of `side`; `None` for other protocols.
    pub fn tcp(&self, side: Side) -> Option<TcpSide> {
        let More::Tcp(tcp) = &self.more else { return None };
        let half = tcp.side(side);
        Some(TcpSide {
            isn: half.syn.then(|| half.first()),
            begun: half.seen.then_some(Timestamp(half.begun)),
            window_scale: half.shift,
            fin: half.fin,
            data_segments: half.data_segments,
            handshake_rtt: tcp.handshake_rtt(side),
            counts: tcp.counts(side),
        })
    }

    /// The SYN of both sides was seen, and acknowledged.
    pub fn handshake(&self) -> bool {
        let More::Tcp(tcp) = &self.more else { return false };
        [Side::Client, Side::Server].into_iter().all(|side| tcp.side(side).syn && tcp.side(side).acked)
    }

    /// How a TCP conversation ended, if its end was seen.
    pub fn closed(&self) -> Option<EndOfStream> {
        match &self.more {
            More::Tcp(tcp) => tcp.closed,
            _ => None,
        }
    }

    /// Echo requests of `side`; `None` for conversations without echoes.
    pub fn echo(&self, side: Side) -> Option<EchoCounts> {
        match &self.more {
            More::Echo(echo) => Some(echo.counts(side)),
            _ => None,
        }
    }

    /// Echo requests of `side` sent at or after `since` that are not answered: near the end of a capture their replies may be to come.
    pub fn echoes_waiting_since(&self, side: Side, since: Timestamp) -> u64 {
        match &self.more {
            More::Echo(echo) => echo.waiting_since(side, since),
            _ => 0,
        }
    }

    /// The engine's number for it, 0 until set. Set back to 0 if client and server turn out to have been taken for each other.
    pub fn user(&self) -> u32 {
        self.user
    }

    /// Client and server were taken for each other.
    pub(super) fn swap(&mut self) {
        std::mem::swap(&mut self.key.client, &mut self.key.server);
        self.user = 0;
        self.directions.swap(0, 1);
        if let More::Tcp(tcp) = &mut self.more {
            tcp.swap();
        }
    }
}
