//! Ranges of one direction's sequence space that were not seen when later data came.
//!
//! Offsets are 64-bit and count from the first sequence number seen of the direction; they may be negative.

use std::ops::Range;

/// Bytes not seen yet.
#[derive(Clone, Debug)]
pub(super) struct Hole {
    pub start: i64,
    pub end: i64,
    /// When the segment that revealed it came.
    pub at: i64,
    /// TSval of that segment.
    pub ts: Option<u32>,
    /// IPv4 identification of the segment before it, and of the one that revealed it.
    pub idents: (u16, u16),
}

/// All holes of a direction in ascending order; they never touch.
#[derive(Debug, Default)]
pub(super) struct Holes(Vec<Hole>);

impl Holes {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds one beyond all others.
    pub fn push(&mut self, hole: Hole) {
        debug_assert!(self.0.last().is_none_or(|h| h.end <= hole.start));
        self.0.push(hole);
    }

    /// Adds one below all others.
    pub fn push_front(&mut self, hole: Hole) {
        debug_assert!(self.0.first().is_none_or(|h| hole.end <= h.start));
        self.0.insert(0, hole);
    }

    /// Drops the oldest.
    pub fn forget_oldest(&mut self) {
        if !self.0.is_empty() {
            self.0.remove(0);
        }
    }

    /// The first hole that shares bytes with `range`.
    pub fn touching(&self, range: &Range<i64>) -> Option<&Hole> {
        self.0.get(self.0.partition_point(|h| h.end <= range.start)).filter(|h| h.start < range.end && !range.is_empty())
    }

    /// How many bytes of `range` lie in holes.
    pub fn bytes_in(&self, range: &Range<i64>) -> u64 {
        let from = self.0.partition_point(|h| h.end <= range.start);
        self.0[from..]
            .iter()
            .take_while(|h| h.start < range.end && !range.is_empty())
            .map(|h| (h.end.min(range.end) - h.start.max(range.start)) as u64)
            .fold(0, u64::saturating_add)
    }

    /// Takes `range` out of all holes.
    pub fn fill(&mut self, range: &Range<i64>) {
        let from = self.0.partition_point(|h| h.end <= range.start);
        let to = from + self.0[from..].partition_point(|h| h.start < range.end);
        if from == to || range.is_empty() {
            return;
        }
        let (first, last) = (self.0[from].clone(), self.0[to - 1].clone());
        let before = (first.start < range.start).then_some(Hole { end: range.start, ..first });
        let after = (last.end > range.end).then_some(Hole { start: range.end, ..last });
        self.0.splice(from..to, before.into_iter().chain(after));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::random::Random;

    #[test]
    fn agrees_with_a_set_of_bytes() {
        let mut random = Random::new(1);
        for _ in 0..200 {
            let (mut holes, mut set) = (Holes::default(), std::collections::BTreeSet::new());
            let mut end = -20;
            for _ in 0..10 {
                let start = end + 1 + random.below(5) as i64;
                end = start + 1 + random.below(9) as i64;
                holes.push(Hole { start, end, at: 0, ts: None, idents: (0, 0) });
                set.extend(start..end);
            }
            for _ in 0..20 {
                let start = random.below(120) as i64 - 30;
                let range = start..start + random.below(30) as i64;
                assert_eq!(holes.bytes_in(&range), range.clone().filter(|b| set.contains(b)).count() as u64);
                assert_eq!(holes.touching(&range).is_some(), range.clone().any(|b| set.contains(&b)));
                holes.fill(&range);
                set.retain(|b| !range.contains(b));
            }
            let left: Vec<i64> = holes.0.iter().flat_map(|h| h.start..h.end).collect();
            assert_eq!(left, set.into_iter().collect::<Vec<_>>());
        }
    }
}
