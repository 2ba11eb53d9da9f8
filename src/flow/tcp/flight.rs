//! Segments that were seen and not yet acknowledged: for round-trip times, and to know a segment again.

use std::collections::VecDeque;

use crate::base::limits::{FLIGHT_SEGMENTS, FLIGHT_SEGMENTS_TOTAL};
use crate::base::seq::distance;

/// One segment on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub start: u32,
    pub end: u32,
    /// When it was seen first.
    pub at: i64,
    /// Of some of its payload bytes ([`print_of`]).
    pub print: u32,
    pub ident: u16,
    pub syn: bool,
    /// It was sent again, or an ACK of it may have waited for another segment: its ACK measures nothing (Karn's rule).
    pub tainted: bool,
}

/// The segments of one direction in the order of their sequence numbers.
pub(super) type Flight = VecDeque<Sent>;

/// Empty flights to be used again, so that a conversation that is acknowledged pays neither memory nor allocation.
#[derive(Debug, Default)]
pub(in crate::flow) struct Hangar {
    #[allow(clippy::vec_box, reason = "the boxes themselves are used again")]
    spare: Vec<Box<Flight>>,
    in_use: usize,
    /// Segments forgotten because a bound was reached; their round trips are not measured.
    pub forgotten: u64,
}

/// What an acknowledgment says of the flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Acked {
    /// When the last acknowledged byte was sent; `None` if that segment was not seen or its ACK measures nothing.
    pub sent_at: Option<i64>,
    /// It acknowledged something that was sent again.
    pub tainted: bool,
    /// The segment was the SYN.
    pub syn: bool,
}

impl Sent {
    /// True if the same range surely bore other bytes.
    pub fn differs(&self, start: u32, end: u32, print: u32) -> bool {
        (self.start, self.end) == (start, end) && self.print != 0 && print != 0 && self.print != print
    }
}

impl Hangar {
    #[inline]
    pub(super) fn push(&mut self, flight: &mut Option<Box<Flight>>, sent: Sent) {
        let queue = flight.get_or_insert_with(|| self.spare.pop().unwrap_or_default());
        if queue.len() >= FLIGHT_SEGMENTS || self.in_use >= FLIGHT_SEGMENTS_TOTAL {
            self.forgotten += 1;
            if queue.pop_front().is_none() {
                return self.retire(flight);
            }
            self.in_use -= 1;
        }
        queue.push_back(sent);
        self.in_use += 1;
    }

    /// The same for a segment that came late, if its place is among those on their way.
    pub(super) fn insert(&mut self, flight: &mut Option<Box<Flight>>, sent: Sent) {
        let Some(queue) = flight else { return };
        if queue.len() >= FLIGHT_SEGMENTS || self.in_use >= FLIGHT_SEGMENTS_TOTAL {
            return;
        }
        let at = queue.partition_point(|s| distance(s.start, sent.start) >= 0);
        queue.insert(at, sent);
        self.in_use += 1;
    }

    /// Takes off what lies below `ack`.
    #[inline]
    pub(super) fn acknowledge(&mut self, flight: &mut Option<Box<Flight>>, ack: u32) -> Acked {
        let Some(queue) = flight else { return Acked::default() };
        let mut acked = Acked::default();
        while let Some(front) = queue.front_mut() {
            if distance(front.start, ack) <= 0 {
                break;
            }
            acked.tainted |= front.tainted;
            acked.syn = front.syn;
            if distance(front.end, ack) < 0 {
                // The ACK ends inside of a segment that left as one large frame (TSO): its last acknowledged byte left with that frame.
                acked.sent_at = Some(front.at);
                front.start = ack;
                // The print is that of the whole segment.
                front.print = 0;
                break;
            }
            acked.sent_at = (front.end == ack).then_some(front.at);
            queue.pop_front();
            self.in_use -= 1;
        }
        if acked.tainted {
            acked.sent_at = None;
        }
        if queue.is_empty() {
            self.retire(flight);
        }
        acked
    }

    /// Gives the queue back.
    pub(super) fn retire(&mut self, flight: &mut Option<Box<Flight>>) {
        let Some(mut queue) = flight.take() else { return };
        self.in_use -= queue.len();
        if self.spare.len() < 64 && queue.capacity() <= 1024 {
            queue.clear();
            self.spare.push(queue);
        }
    }
}

/// Marks all segments that share bytes with `start..end`; gives what was known of the first of them.
pub(super) fn taint(flight: &mut Option<Box<Flight>>, start: u32, end: u32) -> Option<Sent> {
    let queue = flight.as_deref_mut()?;
    let from = queue.partition_point(|s| distance(start, s.end) <= 0);
    let mut first = None;
    for sent in queue.range_mut(from..).take_while(|s| distance(s.start, end) > 0) {
        first.get_or_insert(*sent);
        sent.tainted = true;
    }
    first
}

/// The segment that begins at `start` was sent again with this identification: another copy of that packet is known by it.
pub(super) fn set_ident(flight: &mut Option<Box<Flight>>, start: u32, ident: u16) {
    let Some(queue) = flight.as_deref_mut() else { return };
    let at = queue.partition_point(|s| distance(start, s.start) < 0);
    if let Some(sent) = queue.get_mut(at).filter(|s| s.start == start) {
        sent.ident = ident;
    }
}

/// Marks the segment that follows a late one: its ACK had to wait.
pub(super) fn taint_after(flight: &mut Option<Box<Flight>>, end: u32) {
    let Some(queue) = flight.as_deref_mut() else { return };
    let from = queue.partition_point(|s| distance(end, s.start) < 0);
    if let Some(sent) = queue.get_mut(from) {
        sent.tainted = true;
    }
}

/// A cheap print of a payload: its first and last eight bytes. 0 if it is shorter.
#[inline]
pub(super) fn print_of(payload: &[u8]) -> u32 {
    let (Some(first), Some(last)) = (payload.first_chunk::<8>(), payload.last_chunk::<8>()) else { return 0 };
    let mixed = (u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed >> 32) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(start: u32, end: u32, at: i64) -> Sent {
        Sent { start, end, at, print: 0, ident: 0, syn: false, tainted: false }
    }

    #[test]
    fn an_ack_measures_the_segment_of_its_last_byte() {
        let (mut hangar, mut flight) = (Hangar::default(), None);
        hangar.push(&mut flight, sent(u32::MAX - 9, 10, 100));
        hangar.push(&mut flight, sent(10, 60, 200));
        hangar.push(&mut flight, sent(80, 90, 300));
        assert_eq!(hangar.acknowledge(&mut flight, 10).sent_at, Some(100));
        assert_eq!(hangar.acknowledge(&mut flight, 30).sent_at, Some(200));
        assert_eq!(hangar.acknowledge(&mut flight, 30).sent_at, None, "nothing new");
        assert_eq!(hangar.acknowledge(&mut flight, 70).sent_at, None, "byte 69 was never seen");
        assert_eq!(hangar.acknowledge(&mut flight, 90).sent_at, Some(300));
        assert!(flight.is_none());
        assert_eq!((hangar.in_use, hangar.spare.len()), (0, 1));
    }

    #[test]
    fn retransmitted_segments_measure_nothing() {
        let (mut hangar, mut flight) = (Hangar::default(), None);
        for n in 0..4 {
            hangar.push(&mut flight, sent(n * 10, n * 10 + 10, i64::from(n)));
        }
        assert_eq!(taint(&mut flight, 10, 20).map(|s| s.at), Some(1));
        assert_eq!(hangar.acknowledge(&mut flight, 10), Acked { sent_at: Some(0), tainted: false, syn: false });
        assert_eq!(hangar.acknowledge(&mut flight, 30), Acked { sent_at: None, tainted: true, syn: false });
        assert_eq!(hangar.acknowledge(&mut flight, 40).sent_at, Some(3));
        hangar.push(&mut flight, sent(50, 60, 7));
        taint_after(&mut flight, 50);
        assert!(hangar.acknowledge(&mut flight, 60).tainted);
    }

    #[test]
    fn without_acks_the_newest_are_kept() {
        let (mut hangar, mut flight) = (Hangar::default(), None);
        for n in 0..FLIGHT_SEGMENTS as u32 + 10 {
            hangar.push(&mut flight, sent(n, n + 1, i64::from(n)));
        }
        assert_eq!(hangar.forgotten, 10);
        assert_eq!(flight.as_ref().unwrap().len(), FLIGHT_SEGMENTS);
        assert_eq!(hangar.acknowledge(&mut flight, FLIGHT_SEGMENTS as u32 + 10).sent_at, Some(FLIGHT_SEGMENTS as i64 + 9));
    }
}
