//! Distributions over time: a sparse histogram per window.
//!
//! Phases are known only at the end, so a distribution must be cut in time afterwards. The number of windows is bounded: when it
//! is reached, their width doubles.

use super::histogram::Histogram;
use super::window::Width;
use crate::base::time::Timestamp;

/// A distribution of non-negative nanoseconds over time windows.
#[derive(Clone, Debug)]
pub struct Spread {
    width: Width,
    most: usize,
    windows: Vec<(i64, Histogram)>,
    /// Samples too far from the others in time to have a window.
    pub outside: u64,
}

impl Spread {
    /// With at most `most` windows.
    pub fn new(most: usize) -> Self {
        Self { width: Width::default(), most, windows: Vec::new(), outside: 0 }
    }

    /// Counts `value` at time `at`; negative values count as 0.
    pub fn add(&mut self, at: Timestamp, value: i64) {
        loop {
            let index = self.width.index(at);
            let place = match self.windows.last() {
                Some(last) if last.0 == index => Ok(self.windows.len() - 1),
                Some(last) if last.0 < index => Err(self.windows.len()),
                _ => self.windows.binary_search_by_key(&index, |w| w.0),
            };
            match place {
                Ok(i) => return self.windows[i].1.record(value.max(0)),
                Err(i) if self.windows.len() < self.most => self.windows.insert(i, (index, Histogram::new())),
                Err(_) => {
                    if !self.coarsen() {
                        self.outside += 1;
                        return;
                    }
                }
            }
        }
    }

    fn coarsen(&mut self) -> bool {
        if !self.width.double() {
            return false;
        }
        let mut merged: Vec<(i64, Histogram)> = Vec::with_capacity(self.windows.len() / 2 + 1);
        for (index, histogram) in self.windows.drain(..) {
            match merged.last_mut() {
                Some(last) if last.0 == index >> 1 => last.1.merge(&histogram),
                _ => merged.push((index >> 1, histogram)),
            }
        }
        self.windows = merged;
        true
    }

    /// The distribution over the windows whose middle `wanted` chooses.
    pub fn histogram(&self, mut wanted: impl FnMut(Timestamp) -> bool) -> Histogram {
        let mut sum = Histogram::new();
        for (index, histogram) in &self.windows {
            if wanted(self.width.middle(*index)) {
                sum.merge(histogram);
            }
        }
        sum
    }

    /// Per window, in the order of time: its middle, mean in nanoseconds, and samples.
    pub fn means(&self) -> impl Iterator<Item = (Timestamp, f64, u64)> + '_ {
        self.windows.iter().filter_map(|(i, h)| Some((self.width.middle(*i), h.mean()?, h.count())))
    }

    /// Width of the windows in milliseconds.
    pub fn window_ms(&self) -> f64 {
        self.width.ms()
    }

    /// Samples taken.
    pub fn count(&self) -> u64 {
        self.windows.iter().map(|w| w.1.count()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_bounded_and_no_sample_is_lost() {
        let mut s = Spread::new(64);
        for i in 0..10_000i64 {
            s.add(Timestamp(i * 1_000_000), i);
        }
        assert!(s.windows.len() <= 64);
        assert_eq!((s.count(), s.outside), (10_000, 0));
        let all = s.histogram(|_| true);
        assert_eq!((all.min(), all.max(), all.count()), (Some(0), Some(9_999), 10_000));
        let border = Timestamp(5_000_000_000);
        let (before, after) = (s.histogram(|t| t < border).count(), s.histogram(|t| t >= border).count());
        assert_eq!(before + after, 10_000);
        assert!((before as i64 - 5_000).abs() <= (s.window_ms() as i64) / 2 + 1);
    }

    #[test]
    fn a_broken_time_stamp_does_not_blur_the_rest() {
        let mut s = Spread::new(8);
        for i in 0..100i64 {
            s.add(Timestamp(1_000_000_000_000_000_000 + i * 100_000_000), 5);
        }
        let width = s.window_ms();
        s.add(Timestamp(0), 5);
        assert_eq!(s.count(), 101);
        assert!(s.window_ms() <= width * 2.0);
    }
}
