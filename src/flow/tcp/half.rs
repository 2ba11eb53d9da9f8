//! One direction of a TCP conversation.

use super::counts::TcpCounts;
use super::flight::{Flight, Sent};
use super::holes::{Hole, Holes};
use super::{PLAUSIBLE, Segment};
use crate::base::seq::distance;

/// What one side sends, and how far the peer has acknowledged it. The two halves are most of what a conversation costs in memory.
#[derive(Debug)]
pub(in crate::flow) struct Half {
    /// Behind the highest sequence number seen.
    pub nxt: u32,
    /// The highest acknowledgment of the peer.
    pub una: u32,
    /// Offset of `nxt`: sequence numbers from the first one seen. The ISN is offset 0 if the SYN was seen first.
    pub sent: i64,
    /// When a segment with payload, SYN or FIN was seen last.
    pub at: i64,
    /// When its first segment was seen.
    pub begun: i64,
    /// Segments with payload.
    pub data_segments: u64,
    /// Handshake round trip to this end in nanoseconds; negative if not measured.
    pub handshake_rtt: i64,
    pub(super) flight: Option<Box<Flight>>,
    /// Newest TSval.
    pub ts: u32,
    /// Newest IPv4 identification.
    pub ident: u16,
    /// That of the segment that ends at `nxt`.
    pub edge_ident: u16,
    /// Last window announced, unscaled.
    pub window: u16,
    /// Duplicate ACKs that this side sent since its last new one.
    pub duplicate_run: u16,
    pub resets: u16,
    /// Segments in a row without a place in the sequence.
    pub strays: u8,
    /// Window scale option of the SYN.
    pub shift: Option<u8>,
    pub seen: bool,
    pub syn: bool,
    pub fin: bool,
    /// The peer has acknowledged something: `una` is valid.
    pub acked: bool,
    /// This side has sent an ACK: `window` is valid.
    pub heard: bool,
    /// `ts` is valid.
    pub stamped: bool,
}

impl Default for Half {
    fn default() -> Self {
        Self {
            nxt: 0,
            una: 0,
            sent: 0,
            at: 0,
            begun: 0,
            data_segments: 0,
            handshake_rtt: -1,
            flight: None,
            ts: 0,
            ident: 0,
            edge_ident: 0,
            window: 0,
            duplicate_run: 0,
            resets: 0,
            strays: 0,
            shift: None,
            seen: false,
            syn: false,
            fin: false,
            acked: false,
            heard: false,
            stamped: false,
        }
    }
}

/// What most directions never need.
#[derive(Debug, Default)]
pub(super) struct Rare {
    pub counts: TcpCounts,
    pub holes: Holes,
    /// The lowest offset seen: below 0 if data came that precedes the first segment seen.
    pub low: i64,
    /// Stamp and time of the last retransmission, if no earlier segment bore that stamp.
    pub again: Option<(u32, i64)>,
    /// Sequence number and IPv4 identification of the last segment below `nxt`.
    pub last_old: (u32, u16),
    /// The byte behind `nxt` was sent as a window probe; the peer may have taken it.
    pub probed: bool,
}

impl Half {
    pub fn begin(&mut self, seq: u32, at: i64) {
        self.seen = true;
        self.begun = at;
        self.nxt = seq;
        self.sent = 0;
        self.acked &= i64::from(distance(seq, self.una)).abs() <= PLAUSIBLE;
    }

    /// The first sequence number seen: the ISN if the SYN was.
    pub fn first(&self) -> u32 {
        self.nxt.wrapping_sub(self.sent as u32)
    }

    /// Offset of the peer's highest acknowledgment.
    pub fn una_offset(&self) -> Option<i64> {
        (self.acked && self.seen).then(|| self.sent + i64::from(distance(self.nxt, self.una)))
    }

    #[inline]
    pub fn is_acknowledged(&self) -> bool {
        self.acked && distance(self.nxt, self.una) >= 0
    }

    pub fn stamp(&self) -> Option<u32> {
        self.stamped.then_some(self.ts)
    }

    /// Nobody acknowledges: the other direction is not captured, and nothing will ever leave the flight.
    #[inline]
    pub fn is_one_way(&self) -> bool {
        !self.acked && self.data_segments > 64
    }

    /// True if a segment whose bytes were all seen may be the same packet seen twice: the sender has not stamped it anew, and it bears the
    /// same IPv4 identification, or, where there is none, came before the sender could know of a loss.
    ///
    /// `first` is what was known of its bytes, `last` that it is like the last segment below `nxt`.
    pub(super) fn may_be_one_packet(
        &self,
        segment: &Segment<'_>,
        first: Option<&Sent>,
        last: bool,
        far_rtt: Option<i64>,
        asked: u16,
    ) -> bool {
        if segment.stamp().zip(self.stamp()).is_some_and(|(stamp, newest)| distance(newest, stamp) > 0) {
            return false;
        }
        if segment.ident != 0 {
            return last || segment.ident == self.ident || first.is_some_and(|f| f.ident == segment.ident);
        }
        asked == 0 && first.is_some_and(|f| segment.at.saturating_sub(f.at) < far_rtt.unwrap_or(1_000_000))
    }

    #[inline]
    pub(super) fn remember(&mut self, segment: &Segment<'_>) {
        // A delayed packet does not set a counter back.
        if self.ident.wrapping_sub(segment.ident) > super::late::IDENT_STEP {
            self.ident = segment.ident;
        }
        if let Some(stamp) = segment.stamp()
            && (!self.stamped || distance(self.ts, stamp) > 0)
        {
            self.ts = stamp;
            self.stamped = true;
        }
    }
}

impl Rare {
    /// Offsets below the lowest seen so far came.
    pub fn reach_down(&mut self, start: i64, end: i64, revealed: i64) {
        if end < self.low {
            self.counts.gap_bytes = self.counts.gap_bytes.saturating_add((self.low - end) as u64);
            self.holes.push_front(Hole { start: end, end: self.low, at: revealed, ts: None, idents: (0, 0) });
        }
        self.low = start;
    }

    /// True if a window probe lay there, which is thereby shown to have been taken.
    pub fn take_probed(&mut self) -> bool {
        let probed = std::mem::take(&mut self.probed);
        self.counts.repeated_bytes -= u64::from(probed).min(self.counts.repeated_bytes);
        probed
    }

    /// How many of the offsets from `start` to `end` were not seen yet; `end` must not lie above what was seen.
    pub fn unseen(&self, start: i64, end: i64) -> u64 {
        if end <= start {
            return 0;
        }
        self.holes.bytes_in(&(start..end)) + (self.low.min(end) - start).max(0) as u64
    }
}

pub(super) fn rare_of(rare: &mut Option<Box<Rare>>) -> &mut Rare {
    rare.get_or_insert_default()
}
