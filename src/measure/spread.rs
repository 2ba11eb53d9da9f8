//! Distributions over time: how often a value fell into a bucket of a window, sparsely.
//!
//! Phases are known only at the end, so a distribution must be cut in time afterwards. The number of (window, bucket) cells is
//! bounded: when it is reached, windows double, and when that does not help any more, samples are counted as dropped.

use hashbrown::HashMap;

use super::histogram::{Histogram, bucket_of};
use super::window::Width;
use crate::base::time::Timestamp;

/// Most cells of one spread: about 1 MB.
const CELLS: usize = 32_768;

/// Moments of one window: what buckets cannot tell exactly.
#[derive(Clone, Copy, Debug)]
struct Moments {
    count: u64,
    sum: f64,
    min: i64,
    max: i64,
}

impl Moments {
    fn of(value: i64) -> Self {
        Self { count: 1, sum: value as f64, min: value, max: value }
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// A distribution of non-negative nanoseconds over time windows.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    width: Width,
    cells: HashMap<(i64, u16), u32>,
    windows: HashMap<i64, Moments>,
    /// Samples that no window could take.
    pub dropped: u64,
}

impl Spread {
    /// Counts `value` at time `at`; negative values count as 0.
    #[inline]
    pub fn add(&mut self, at: Timestamp, value: i64) {
        let value = value.max(0);
        if self.cells.len() >= CELLS && !self.coarsen() {
            self.dropped += 1;
            return;
        }
        let window = self.width.index(at);
        *self.cells.entry((window, bucket_of(value) as u16)).or_insert(0) += 1;
        let new = Moments::of(value);
        self.windows.entry(window).and_modify(|m| m.add(&new)).or_insert(new);
    }

    fn coarsen(&mut self) -> bool {
        while self.cells.len() * 4 >= CELLS * 3 {
            if !self.width.double() {
                return self.cells.len() < CELLS;
            }
            for ((window, bucket), n) in std::mem::take(&mut self.cells) {
                *self.cells.entry((window >> 1, bucket)).or_insert(0) += n;
            }
            for (window, m) in std::mem::take(&mut self.windows) {
                self.windows.entry(window >> 1).and_modify(|w| w.add(&m)).or_insert(m);
            }
        }
        true
    }

    /// The distribution over the windows whose middle `wanted` chooses.
    pub fn histogram(&self, mut wanted: impl FnMut(Timestamp) -> bool) -> Histogram {
        let mut sum = Histogram::default();
        let mut chosen: HashMap<i64, bool> = HashMap::new();
        let mut exact: Option<Moments> = None;
        // In the order of time: floating sums must not depend on the order of a hash map.
        let mut windows: Vec<_> = self.windows.iter().collect();
        windows.sort_unstable_by_key(|(w, _)| **w);
        for (&window, moments) in windows {
            let take = wanted(self.width.middle(window));
            chosen.insert(window, take);
            if take {
                match &mut exact {
                    None => exact = Some(*moments),
                    Some(all) => all.add(moments),
                }
            }
        }
        for (&(window, bucket), &n) in &self.cells {
            if chosen.get(&window).copied().unwrap_or(false) {
                sum.add_bucket(usize::from(bucket), u64::from(n));
            }
        }
        if let Some(m) = exact {
            sum.set_moments(m.sum, m.min, m.max);
        }
        sum
    }

    /// Mean per window in the order of time: middle, mean and largest value in nanoseconds.
    pub fn means(&self) -> Vec<(Timestamp, f64, i64)> {
        let mut all: Vec<_> = self.windows.iter().map(|(&w, m)| (self.width.middle(w), m.sum / m.count as f64, m.max)).collect();
        all.sort_unstable_by_key(|m| m.0);
        all
    }

    /// Width of the windows in milliseconds.
    pub fn window_ms(&self) -> f64 {
        self.width.ms()
    }

    /// Samples taken.
    pub fn count(&self) -> u64 {
        self.windows.values().map(|m| m.count).sum()
    }
}
