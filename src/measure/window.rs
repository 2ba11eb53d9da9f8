//! Counters in time windows: memory is bounded however long the capture is.
//!
//! All lanes of one point share one window width, a power of two of nanoseconds. It starts at about 1 ms and doubles for all
//! lanes when one of them, or all together, would hold more cells than [`LANE_CELLS`] or [`TOTAL_CELLS`]. Windows are aligned
//! to the epoch, so those of different points fall together. A phase is cut at window borders: the report says how wide they are.

use super::lane::GapStep;
use super::tally::Tally;
use crate::base::time::{NS_PER_MS, Timestamp};
use crate::flow::Verdict;

/// Most windows of one lane: a 20 s capture is cut to about 4 ms, an hour to about 0.5 s.
pub const LANE_CELLS: usize = 8192;
/// Most windows of all lanes of a point together (about 96 bytes each).
pub const TOTAL_CELLS: usize = 160_000;
/// First width: 2^20 ns, 1.05 ms.
const FIRST_SHIFT: u32 = 20;
/// Last width: 2^36 ns, 69 s.
const LAST_SHIFT: u32 = 36;

/// What one window counts of one direction of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    /// Packets.
    pub packets: u32,
    /// Segments sent again.
    pub retransmitted: u32,
    /// Segments that came late.
    pub reordered: u32,
    /// Copies of which the evidence does not say whether they were sent twice.
    pub ambiguous: u32,
    /// Segments with payload.
    pub data: u32,
    /// "Previous segment not captured" events.
    pub lost_events: u32,
    /// Bytes of frames on the wire.
    pub bytes: u64,
    /// New payload bytes.
    pub goodput: u64,
    /// Gaps between consecutive packets that end here.
    pub gaps: u32,
    /// Differences of consecutive gaps that end here.
    pub variations: u32,
    /// Sum of the absolute differences of consecutive gaps, ns.
    pub variation_sum: u64,
    /// Signed sum of the differences of consecutive gaps, ns.
    pub variation_signed: i64,
    /// Sum of the gaps, ns.
    pub gap_sum: u64,
    /// ICMP echo requests.
    pub echo_requests: u32,
    /// ICMP echo replies.
    pub echo_replies: u32,
}

impl Cell {
    /// Adds a packet.
    #[inline]
    pub fn count(&mut self, tally: &Tally, step: GapStep) {
        self.packets += 1;
        self.bytes += u64::from(tally.bytes);
        self.goodput += u64::from(tally.goodput);
        self.data += u32::from(tally.data);
        self.lost_events += u32::from(tally.after_gap);
        match tally.verdict {
            Verdict::Retransmitted => self.retransmitted += 1,
            Verdict::Reordered => self.reordered += 1,
            Verdict::Ambiguous => self.ambiguous += 1,
            _ => {}
        }
        if let Some(reply) = tally.echo_reply {
            self.echo_replies += u32::from(reply);
            self.echo_requests += u32::from(!reply);
        }
        if let Some(gap) = step.gap {
            self.gaps += 1;
            self.gap_sum = self.gap_sum.saturating_add(gap.max(0) as u64);
        }
        if let Some(v) = step.variation {
            self.variations += 1;
            self.variation_sum = self.variation_sum.saturating_add(v.unsigned_abs());
            self.variation_signed = self.variation_signed.saturating_add(v);
        }
    }

    /// Adds `other`, which lies in the same or the next window.
    pub fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.retransmitted += other.retransmitted;
        self.reordered += other.reordered;
        self.ambiguous += other.ambiguous;
        self.data += other.data;
        self.lost_events += other.lost_events;
        self.bytes += other.bytes;
        self.goodput += other.goodput;
        self.gaps += other.gaps;
        self.variations += other.variations;
        self.variation_sum += other.variation_sum;
        self.variation_signed += other.variation_signed;
        self.gap_sum += other.gap_sum;
        self.echo_requests += other.echo_requests;
        self.echo_replies += other.echo_replies;
    }
}

/// The common width of a point's windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    shift: u32,
}

impl Default for Width {
    fn default() -> Self {
        Self { shift: FIRST_SHIFT }
    }
}

impl Width {
    /// Index of the window that holds `at`.
    #[inline]
    pub fn index(self, at: Timestamp) -> i64 {
        at.0 >> self.shift
    }

    /// Start of a window.
    pub fn start(self, index: i64) -> Timestamp {
        Timestamp(index.saturating_mul(1i64 << self.shift))
    }

    /// Middle of a window: what decides to which phase it belongs.
    pub fn middle(self, index: i64) -> Timestamp {
        Timestamp(self.start(index).0.saturating_add(1i64 << (self.shift - 1)))
    }

    /// Width in milliseconds.
    pub fn ms(self) -> f64 {
        (1i64 << self.shift) as f64 / NS_PER_MS as f64
    }

    /// Twice as wide; false at the widest: 69 s, with which a lane spans six days. A packet further off has a broken time stamp.
    pub fn double(&mut self) -> bool {
        let more = self.shift < LAST_SHIFT;
        self.shift += u32::from(more);
        more
    }
}

/// The windows of one lane, from the first used to the last used.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    base: i64,
    cells: Vec<Cell>,
}

/// A window could not be opened: the width must double first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl Windows {
    /// The cell of window `index` if it is open.
    #[inline]
    pub fn known(&mut self, index: i64) -> Option<&mut Cell> {
        self.cells.get_mut(usize::try_from(index.wrapping_sub(self.base)).ok()?)
    }

    /// The cell of window `index`, opened if need be. Answers how many cells were added.
    #[inline]
    pub fn cell(&mut self, index: i64) -> Result<(&mut Cell, usize), TooMany> {
        let mut added = 0;
        if self.cells.is_empty() {
            self.base = index;
        }
        let at = index.wrapping_sub(self.base);
        if at < 0 {
            let more = at.unsigned_abs() as usize;
            if more.saturating_add(self.cells.len()) > LANE_CELLS {
                return Err(TooMany);
            }
            self.cells.splice(0..0, std::iter::repeat_n(Cell::default(), more));
            self.base = index;
            added = more;
        } else if at as usize >= self.cells.len() {
            let want = at as usize + 1;
            if want > LANE_CELLS {
                return Err(TooMany);
            }
            added = want - self.cells.len();
            self.cells.resize(want, Cell::default());
        }
        let at = (index - self.base) as usize;
        Ok((&mut self.cells[at], added))
    }

    /// Merges pairs of windows: to be called for every lane when the common width doubles. Answers how many cells went.
    pub fn halve(&mut self) -> usize {
        if self.cells.is_empty() {
            return 0;
        }
        let before = self.cells.len();
        let base = self.base >> 1;
        let mut merged = vec![Cell::default(); ((self.base + before as i64 - 1) >> 1).wrapping_sub(base) as usize + 1];
        for (i, cell) in self.cells.iter().enumerate() {
            merged[(((self.base + i as i64) >> 1) - base) as usize].add(cell);
        }
        self.base = base;
        self.cells = merged;
        before - self.cells.len()
    }

    /// All windows with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Cell)> {
        self.cells.iter().enumerate().map(|(i, c)| (self.base + i as i64, c))
    }

    /// The sum of the windows that `wanted` chooses.
    pub fn sum(&self, mut wanted: impl FnMut(i64) -> bool) -> Cell {
        let mut sum = Cell::default();
        for (index, cell) in self.iter() {
            if wanted(index) {
                sum.add(cell);
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn grows_both_ways_and_refuses_too_many() {
        let mut w = Windows::default();
        w.cell(100).unwrap().0.packets = 1;
        assert_eq!(w.cell(103).unwrap().1, 3);
        assert_eq!(w.cell(98).unwrap().1, 2);
        assert_eq!(w.iter().map(|(i, c)| (i, c.packets)).collect::<Vec<_>>(), [(98, 0), (99, 0), (100, 1), (101, 0), (102, 0), (103, 0)]);
        assert_eq!(w.cell(98 + LANE_CELLS as i64).unwrap_err(), TooMany);
        assert_eq!(w.cell(104 - 1 - LANE_CELLS as i64).unwrap_err(), TooMany);
    }

    proptest! {
        #[test]
        fn halving_keeps_every_count(at in proptest::collection::vec(-3000i64..3000, 1..200)) {
            let mut w = Windows::default();
            for &i in &at {
                w.cell(i).unwrap().0.packets += 1;
            }
            let mut halved = w.clone();
            halved.halve();
            prop_assert_eq!(halved.sum(|_| true).packets as usize, at.len());
            for (i, c) in halved.iter() {
                prop_assert_eq!(c.packets, w.sum(|j| j >> 1 == i).packets);
            }
        }
    }
}
