//! The longest silences of a sequence of frames, kept per stretch of time, so that "the last frame at or before T and the
//! first at or after it" can be answered for a T that is known only later.
//!
//! Time is cut into [`STRATA`] stretches of equal length, doubled when the capture outgrows them; each stretch keeps its
//! [`KEPT`] longest silences and remembers how long the longest forgotten one was. A silence belongs to the stretch in which
//! it ended.

use crate::base::time::{NS_PER_S, Nanos, Timestamp};
use crate::flow::Moment;

/// Stretches of time.
pub const STRATA: usize = 32;
/// Silences kept in each.
pub const KEPT: usize = 4;
/// Length of a stretch at first.
const FIRST_WIDTH: i64 = NS_PER_S;

/// A time without frames: the last frame before it and the first after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// Last frame before.
    pub start: Moment,
    /// First frame after.
    pub end: Moment,
}

impl Silence {
    /// Length.
    pub fn length(&self) -> Nanos {
        self.end.at - self.start.at
    }
}

/// Something with a rank: the longest are kept.
pub trait Ranked: Copy {
    /// Rank in nanoseconds.
    fn rank(&self) -> i64;
    /// When it ended.
    fn ended(&self) -> Timestamp;
}

impl Ranked for Silence {
    fn rank(&self) -> i64 {
        self.length().0
    }
    fn ended(&self) -> Timestamp {
        self.end.at
    }
}

#[derive(Clone, Copy, Debug)]
struct Stratum<T> {
    kept: [Option<T>; KEPT],
    /// Rank that a silence must exceed to be kept; 0 while there is room.
    floor: i64,
    /// Rank of the highest that was not kept.
    forgotten: i64,
}

impl<T: Ranked> Stratum<T> {
    const EMPTY: Self = Self { kept: [None; KEPT], floor: 0, forgotten: 0 };

    fn add(&mut self, new: T) {
        let mut new = Some(new);
        for slot in &mut self.kept {
            if slot.is_none_or(|old| new.is_some_and(|n| n.rank() > old.rank())) {
                std::mem::swap(slot, &mut new);
            }
        }
        // Slots are in falling order of rank, so what is left over is the lowest.
        if let Some(lost) = new {
            self.forgotten = self.forgotten.max(lost.rank());
        }
        self.floor = self.kept[KEPT - 1].map_or(0, |s| s.rank());
    }

    fn merge(&mut self, other: &Self) {
        self.forgotten = self.forgotten.max(other.forgotten);
        for silence in other.kept.iter().flatten() {
            self.add(*silence);
        }
    }
}

/// The longest silences per stretch of time.
#[derive(Clone, Debug)]
pub struct Longest<T> {
    origin: Timestamp,
    width: i64,
    strata: Box<[Stratum<T>; STRATA]>,
    /// Stretch of the last silence, and where it ends: the next is mostly in the same.
    current: usize,
    current_start: Timestamp,
    current_end: Timestamp,
}

/// Silences of frames.
pub type Silences = Longest<Silence>;

/// What is known of the frames around a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// The moment lies in this silence.
    Known(Silence),
    /// The moment lies in no silence that is kept: the last frame before it and the first after it are nearer to each other than this.
    Within(Nanos),
}

impl<T: Ranked> Longest<T> {
    /// Starting at `origin`.
    pub fn new(origin: Timestamp) -> Self {
        Self {
            origin,
            width: FIRST_WIDTH,
            strata: Box::new([Stratum::EMPTY; STRATA]),
            current: 0,
            current_start: Timestamp::MIN,
            current_end: origin + Nanos(FIRST_WIDTH),
        }
    }

    /// Takes a silence that just ended, if it is among the longest.
    #[inline]
    pub fn offer(&mut self, new: T) {
        let ended = new.ended();
        if ended >= self.current_end || ended < self.current_start {
            self.advance(ended);
        }
        let stratum = &mut self.strata[self.current];
        if new.rank() > stratum.floor {
            stratum.add(new);
        } else if new.rank() > stratum.forgotten {
            stratum.forgotten = new.rank();
        }
    }

    #[cold]
    fn advance(&mut self, at: Timestamp) {
        let since = (at - self.origin).0.max(0);
        while since / self.width >= STRATA as i64 {
            for i in 0..STRATA / 2 {
                let mut merged = self.strata[2 * i];
                merged.merge(&self.strata[2 * i + 1]);
                self.strata[i] = merged;
            }
            self.strata[STRATA / 2..].fill(Stratum::EMPTY);
            let Some(doubled) = self.width.checked_mul(2) else { break };
            self.width = doubled;
        }
        self.current = ((since / self.width) as usize).min(STRATA - 1);
        self.current_start = match self.current {
            0 => Timestamp::MIN,
            current => self.origin + Nanos(self.width.saturating_mul(current as i64)),
        };
        self.current_end = if self.current == STRATA - 1 && since / self.width >= STRATA as i64 {
            Timestamp::MAX // Only at the end of what a timestamp can tell.
        } else {
            self.origin + Nanos(self.width.saturating_mul(self.current as i64 + 1))
        };
    }

    /// All that are kept, in order of their ends.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        let mut all: Vec<T> = self.strata.iter().flat_map(|s| s.kept.iter().flatten().copied()).collect();
        all.sort_by_key(|s| s.ended());
        all.into_iter()
    }

    /// Rank of the highest silence that contains or follows `at` and may have been forgotten; 0 if none was.
    pub fn forgotten_around(&self, at: Timestamp) -> Nanos {
        let since = (at - self.origin).0.max(0);
        let first = ((since / self.width) as usize).min(STRATA - 1);
        let mut most = 0;
        for (i, stratum) in self.strata.iter().enumerate().skip(first) {
            // Only a silence that reaches from `at` into this stretch can contain `at`.
            let starts = self.width.saturating_mul(i as i64);
            if i == first || stratum.forgotten >= starts - since {
                most = most.max(stratum.forgotten);
            }
        }
        Nanos(most)
    }
}

impl Silences {
    /// The silence that contains `at` (its ends counted), or a bound on its length. The caller knows that there was a frame before and one after.
    pub fn around(&self, at: Timestamp) -> Around {
        let found = self.iter().filter(|s| s.start.at <= at && at <= s.end.at).max_by_key(Silence::length);
        found.map_or_else(|| Around::Within(self.forgotten_around(at)), Around::Known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moment(at: i64) -> Moment {
        Moment { at: Timestamp(at), place: crate::base::anomaly::Place::default() }
    }

    fn feed(times: &[i64]) -> Silences {
        let mut s = Silences::new(Timestamp(times[0]));
        for pair in times.windows(2) {
            s.offer(Silence { start: moment(pair[0]), end: moment(pair[1]) });
        }
        s
    }

    #[test]
    fn the_longest_survive_and_the_rest_bound_the_answer() {
        let ms = 1_000_000;
        let mut times: Vec<i64> = (0..200).map(|i| i * 4 * ms).collect();
        times.extend((0..50).map(|i| 900 * ms + i * ms));
        let s = feed(&times);
        let Around::Known(found) = s.around(Timestamp(850 * ms)) else { panic!("the long one was lost") };
        assert_eq!((found.start.at.0, found.end.at.0), (796 * ms, 900 * ms));
        assert_eq!(s.around(Timestamp(931 * ms + ms / 2)), Around::Within(Nanos(4 * ms)));
    }

    #[test]
    fn a_jump_of_the_clock_ends() {
        let mut s = feed(&[0, 10]);
        s.offer(Silence { start: moment(10), end: moment(i64::MAX) });
        s.offer(Silence { start: moment(i64::MAX), end: moment(20) });
        assert!(s.iter().any(|x| x.end.at == Timestamp::MAX));
        let mut s = Silences::new(Timestamp::MIN);
        s.offer(Silence { start: moment(i64::MIN), end: moment(i64::MAX) });
        assert_eq!(s.iter().count(), 1);
    }

    proptest! {
        /// Whatever the frames: a known answer is the right one, and a bound holds.
        #[test]
        fn answers_hold(gaps in proptest::collection::vec(prop_oneof![1i64..5_000_000, 1i64..3_000_000_000], 2..400), at in 0.0f64..1.0) {
            let mut times = vec![1_700_000_000_000_000_000i64];
            for gap in &gaps {
                times.push(times[times.len() - 1] + gap);
            }
            let s = feed(&times);
            let (first, last) = (times[0], times[times.len() - 1]);
            let t = first + ((last - first) as f64 * at) as i64;
            let i = times.partition_point(|x| *x <= t);
            let (before, after) = (times[i - 1], *times.get(i).unwrap_or(&last));
            match s.around(Timestamp(t)) {
                Around::Known(found) if before == t || after == t => prop_assert!(found.start.at.0 <= t && t <= found.end.at.0),
                Around::Known(found) => prop_assert_eq!((found.start.at.0, found.end.at.0), (before, after)),
                Around::Within(bound) => prop_assert!(bound.0 >= after - before, "bound {} gap {}", bound.0, after - before),
            }
        }
    }
}
