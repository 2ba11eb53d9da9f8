//! What is counted of one packet: one cache line, so that counting may happen in another thread than the packet's.

use super::service::PacketKind;
use crate::base::anomaly::Place;
use crate::base::net::Side;
use crate::base::time::Timestamp;
use crate::decode::{Packet, Transport};
use crate::flow::{Moment, Observation, Verdict};

/// One packet, as far as counters and waits are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// Time of capture.
    pub at: Timestamp,
    /// File and frame.
    pub place: Place,
    /// Round trip that it completes, ns.
    pub rtt: Option<i64>,
    /// The slot of its conversation ([`crate::flow::FlowId::slot`]); `None` for packets of none: ARP and the like.
    pub slot: Option<u32>,
    /// Bytes of the frame on the wire.
    pub bytes: u32,
    /// New payload bytes.
    pub goodput: u32,
    /// Who sent it.
    pub from: Side,
    /// What the segment is.
    pub verdict: Verdict,
    /// What it means for waiting.
    pub(super) kind: PacketKind,
    /// It is a TCP segment.
    pub tcp: bool,
    /// It carries payload.
    pub data: bool,
    /// Bytes before it were never captured.
    pub after_gap: bool,
    /// An ICMP echo: `Some(true)` for a reply.
    pub echo_reply: Option<bool>,
    /// The conversation is new, or its client and server were taken for each other until now.
    pub opens: bool,
}

impl Tally {
    /// Of a packet of a conversation.
    #[inline]
    pub fn new(packet: &Packet<'_>, seen: &Observation, opens: bool) -> Self {
        Self {
            at: packet.at,
            place: packet.place,
            rtt: seen.rtt,
            slot: Some(seen.flow.slot() as u32),
            bytes: packet.wire_len,
            goodput: seen.goodput,
            from: seen.from,
            verdict: seen.verdict,
            kind: PacketKind::of(packet, seen.from),
            tcp: matches!(packet.transport, Transport::Tcp(_)),
            data: packet.payload_wire > 0,
            after_gap: seen.gap_before > 0,
            echo_reply: match packet.transport {
                Transport::Icmp(icmp) => icmp.echo.map(|_| icmp.reply),
                _ => None,
            },
            opens,
        }
    }

    /// Of a packet of no conversation: it counts for the point as a whole.
    pub fn other(packet: &Packet<'_>) -> Self {
        Self {
            at: packet.at,
            place: packet.place,
            rtt: None,
            slot: None,
            bytes: packet.wire_len,
            goodput: 0,
            from: Side::Client,
            verdict: Verdict::New,
            kind: PacketKind::Idle,
            tcp: false,
            data: false,
            after_gap: false,
            echo_reply: None,
            opens: false,
        }
    }

    /// Time and place.
    #[inline]
    pub fn moment(&self) -> Moment {
        Moment { at: self.at, place: self.place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_is_one_cache_line() {
        assert!(size_of::<Tally>() <= 64, "{}", size_of::<Tally>());
    }
}
