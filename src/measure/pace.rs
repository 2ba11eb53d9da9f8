//! How the bytes of a migration stream left: which of them cannot have waited in the sender's buffer.
//!
//! A byte's time on the wire is not its time in the hypervisor: the send buffer may hold it while earlier bytes are under way.
//! A segment that leaves when everything before it has been acknowledged, and some time after the acknowledgment came and the
//! receiver last widened its window, was written just then (a closed window holds back what was written long ago); what follows it without such a rest was written between it and its own time on the wire. So the last
//! rest before a byte bounds from below when the byte was written. True only where the capture was taken at the sender:
//! elsewhere the rest may be the network's.

use std::collections::VecDeque;

use super::histogram::Histogram;
use crate::base::limits::{PACED_FLOWS, RESTS};
use crate::base::net::Side;
use crate::base::seq::distance;
use crate::base::time::{Nanos, Timestamp};
use crate::decode::{Packet, SllType, Tcp, Transport};
use crate::flow::{FlowId, Moment};

/// A sender that has data answers an acknowledgment within microseconds; one that waits longer had nothing to send.
const REST: Nanos = Nanos(200_000);

/// A segment that left after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// The segment.
    pub moment: Moment,
    /// From the acknowledgment of everything before it, or the widening of the receiver's window after that.
    pub idle: Nanos,
}

/// One direction of a connection.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// Segments with payload.
    pub segments: u64,
    /// Payload bytes on the wire, those sent again counted again.
    pub bytes: u64,
    /// First segment with payload.
    pub first: Option<Moment>,
    /// Last segment with payload.
    pub last: Option<Moment>,
    /// Segments that the link layer says this host sent.
    pub outgoing: u64,
    /// Segments that the link layer says came to this host.
    pub incoming: u64,
    /// From the last payload segment to the acknowledgment of everything, in nanoseconds: a round trip at the sender, the time
    /// of the stack at the receiver.
    pub answers: Histogram,
    rests: VecDeque<Rest>,
    next: Option<u32>,
    acked: Option<u32>,
    /// The receiver's window as its newest segment has it, unscaled.
    window: u16,
    /// Since when nothing that the receiver said can have held the sender back.
    free_at: Timestamp,
}

impl Lane {
    #[inline]
    fn data(&mut self, when: Moment, tcp: &Tcp, len: u32, sll: Option<SllType>, frozen: bool) {
        self.segments += 1;
        self.bytes += u64::from(len);
        match sll {
            Some(SllType::Outgoing) => self.outgoing += 1,
            Some(_) => self.incoming += 1,
            None => {}
        }
        self.first.get_or_insert(when);
        self.last = Some(when);
        let rested = match (self.next, self.acked) {
            (Some(next), Some(acked)) => next == acked && tcp.seq == next && self.window > 0 && when.at - self.free_at >= REST,
            _ => false,
        };
        if rested && !frozen {
            if self.rests.len() == RESTS {
                self.rests.pop_front();
            }
            self.rests.push_back(Rest { moment: when, idle: when.at - self.free_at });
        }
        let end = tcp.seq.wrapping_add(len);
        if self.next.is_none_or(|next| distance(next, end) > 0) {
            self.next = Some(end);
        }
    }

    #[inline]
    fn acknowledged(&mut self, at: Timestamp, ack: u32, window: u16) {
        let ahead = self.acked.map_or(1, |acked| distance(acked, ack));
        if ahead < 0 {
            return;
        }
        if ahead > 0 || window > self.window {
            self.free_at = at;
        }
        self.window = window;
        if ahead == 0 {
            return;
        }
        self.acked = Some(ack);
        if self.next.is_some_and(|next| distance(next, ack) >= 0)
            && let Some(last) = self.last
        {
            self.answers.record((at - last.at).0);
        }
    }

    /// The last segment at or before `at` that left after a rest of at least `idle`: what was sent from it on until `at` was
    /// written no earlier.
    pub fn rested_before(&self, at: Timestamp, idle: Nanos) -> Option<Moment> {
        self.rests.iter().rev().find(|r| r.moment.at <= at && r.idle >= idle).map(|r| r.moment)
    }
}

/// A connection that is watched.
#[derive(Clone, Debug)]
pub struct Paced {
    /// Which conversation of the point.
    pub flow: FlowId,
    /// By the side that sends.
    pub lanes: [Lane; 2],
    frozen: bool,
}

/// The connections of migration streams at one point.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    flows: Vec<Paced>,
    /// Connections that were not watched because there were too many.
    pub unwatched: u64,
}

impl Pace {
    /// Watches nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Watches a conversation from now on; watching it twice changes nothing.
    pub fn watch(&mut self, flow: FlowId) {
        if self.flows.iter().any(|f| f.flow == flow) {
            return;
        }
        if self.flows.len() >= PACED_FLOWS {
            self.unwatched += 1;
            return;
        }
        self.flows.push(Paced { flow, lanes: Default::default(), frozen: false });
    }

    /// From now on the rests of this conversation are of no interest: the switch-over has begun, and the pages of a post-copy
    /// must not crowd out what came before.
    pub fn freeze(&mut self, flow: FlowId) {
        if let Some(paced) = self.flows.iter_mut().find(|f| f.flow == flow) {
            paced.frozen = true;
        }
    }

    /// Takes each packet (copies dropped) that belongs to a conversation.
    #[inline]
    pub fn packet(&mut self, packet: &Packet<'_>, flow: FlowId, from: Side) {
        let Some(paced) = self.flows.iter_mut().find(|f| f.flow == flow) else { return };
        let Transport::Tcp(tcp) = &packet.transport else { return };
        let when = Moment { at: packet.at, place: packet.place };
        if packet.payload_wire > 0 {
            paced.lanes[from.index()].data(when, tcp, packet.payload_wire, packet.link.sll, paced.frozen);
        }
        if tcp.has(Tcp::ACK) {
            paced.lanes[from.other().index()].acknowledged(packet.at, tcp.ack, tcp.window);
        }
    }

    /// What was seen of a conversation.
    pub fn of(&self, flow: FlowId) -> Option<&Paced> {
        self.flows.iter().find(|f| f.flow == flow)
    }

    /// All that was watched.
    pub fn flows(&self) -> &[Paced] {
        &self.flows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::anomaly::Place;
    use crate::decode::{Link, Net};

    const US: i64 = 1000;

    fn segment(at_us: i64, seq: u32, ack: u32, len: u32) -> Packet<'static> {
        Packet {
            at: Timestamp(at_us * US),
            place: Place { file: 0, frame: at_us as u64 },
            wire_len: len + 66,
            frames: 1,
            link: Link { sll: Some(SllType::Outgoing), ..Link::default() },
            tunnel: None,
            net: Net::Other,
            transport: Transport::Tcp(Tcp { seq, ack, flags: Tcp::ACK, window: 500, ..Tcp::default() }),
            payload: &[],
            payload_wire: len,
        }
    }

    #[test]
    fn a_rest_is_an_acknowledged_pause() {
        let flow = FlowId(3);
        let mut pace = Pace::new();
        pace.watch(flow);
        let mut go = |at, from, seq, ack, len| pace.packet(&segment(at, seq, ack, len), flow, from);
        go(0, Side::Client, u32::MAX - 50, 1, 100);
        go(100, Side::Server, 1, 49, 0);
        go(110, Side::Client, 49, 1, 100); // At once after the acknowledgment: it had waited.
        go(120, Side::Client, 149, 1, 100);
        go(250, Side::Server, 1, 149, 0); // Not all.
        go(900, Side::Client, 249, 1, 100);
        go(1000, Side::Server, 1, 349, 0);
        go(2000, Side::Client, 349, 1, 5); // After a rest.
        go(2010, Side::Client, 354, 1, 1000);
        let lane = &pace.of(flow).unwrap().lanes[0];
        assert_eq!(lane.rested_before(Timestamp(1999 * US), Nanos(0)), None);
        assert_eq!(lane.rested_before(Timestamp(2010 * US), Nanos(1_000_000)).unwrap().place.frame, 2000);
        assert_eq!((lane.segments, lane.outgoing, lane.bytes), (6, 6, 1405));
        assert_eq!((lane.answers.count(), lane.answers.min()), (2, Some(100 * US)));
    }

    #[test]
    fn what_a_closed_window_held_back_did_not_rest() {
        let flow = FlowId(3);
        let mut pace = Pace::new();
        pace.watch(flow);
        let mut go = |at, from, seq, ack, len, window| {
            let mut packet = segment(at, seq, ack, len);
            let Transport::Tcp(tcp) = &mut packet.transport else { return };
            tcp.window = window;
            pace.packet(&packet, flow, from);
        };
        go(0, Side::Client, 1, 1, 100, 500);
        go(100, Side::Server, 1, 101, 0, 0); // All has come, there is no room for more.
        go(5000, Side::Server, 1, 101, 0, 300);
        go(5020, Side::Client, 101, 1, 100, 500); // Held back by the window.
        go(5100, Side::Server, 1, 201, 0, 0);
        go(9000, Side::Client, 201, 1, 1, 500); // A probe of the closed window.
        go(9100, Side::Server, 1, 202, 0, 300);
        go(9900, Side::Client, 202, 1, 100, 500); // After a rest.
        let lane = &pace.of(flow).unwrap().lanes[0];
        assert_eq!(lane.rested_before(Timestamp(9899 * US), Nanos(0)), None);
        assert_eq!(lane.rested_before(Timestamp(9900 * US), Nanos(0)).unwrap().place.frame, 9900);
    }

    #[test]
    fn bounds_hold() {
        let mut pace = Pace::new();
        for i in 0..(PACED_FLOWS as u32 + 3) {
            pace.watch(FlowId(i));
            pace.watch(FlowId(i));
        }
        assert_eq!(pace.flows().len(), PACED_FLOWS);
        assert_eq!(pace.unwatched, 6);
        let mut seq = 1u32;
        for i in 0..(RESTS as i64 * 2) {
            pace.packet(&segment(i * 1000, seq, 1, 10), FlowId(0), Side::Client);
            seq += 10;
            pace.packet(&segment(i * 1000 + 100, 1, seq, 0), FlowId(0), Side::Server);
            if i == RESTS as i64 + 7 {
                pace.freeze(FlowId(0));
            }
        }
        let lane = &pace.of(FlowId(0)).unwrap().lanes[0];
        assert_eq!(lane.rests.len(), RESTS);
        assert_eq!(lane.rests.back().unwrap().moment.at, Timestamp((RESTS as i64 + 7) * 1000 * US));
    }
}
