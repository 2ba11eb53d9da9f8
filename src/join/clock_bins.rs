//! The lowest and the highest clock difference per stretch of time: all that the hulls need, in bounded memory.

use crate::base::time::Timestamp;

/// Bins of one direction; their width doubles when more are needed: 8 ms over the first 8 s, 4 s over an hour.
const BINS: usize = 1024;
/// First width, 2^23 ns = 8.4 ms.
const FIRST_SHIFT: u32 = 23;
/// Widest bins, 2^40 ns = 18 min: a capture of 13 days.
const LAST_SHIFT: u32 = 40;

/// One stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin {
    index: i64,
    /// When the lowest difference was seen, and the difference, ns.
    pub low: (Timestamp, i64),
    /// The highest.
    pub high: (Timestamp, i64),
}

/// The extremes of one direction over time.
#[derive(Clone, Debug)]
pub struct Extremes {
    shift: u32,
    bins: Vec<Bin>,
    /// Differences taken.
    pub samples: u64,
    /// Differences too far from the others in time to have a bin.
    pub outside: u64,
}

impl Default for Extremes {
    fn default() -> Self {
        Self { shift: FIRST_SHIFT, bins: Vec::new(), samples: 0, outside: 0 }
    }
}

impl Extremes {
    /// Takes one difference.
    pub fn add(&mut self, at: Timestamp, delta: i64) {
        self.samples += 1;
        loop {
            let index = at.0 >> self.shift;
            let place = match self.bins.last() {
                Some(last) if last.index == index => Ok(self.bins.len() - 1),
                Some(last) if last.index < index => Err(self.bins.len()),
                _ => self.bins.binary_search_by_key(&index, |b| b.index),
            };
            match place {
                Ok(i) => return self.bins[i].take((at, delta), (at, delta)),
                Err(i) if self.bins.len() < BINS => return self.bins.insert(i, Bin { index, low: (at, delta), high: (at, delta) }),
                Err(_) if self.shift >= LAST_SHIFT => {
                    self.outside += 1;
                    return;
                }
                Err(_) => self.coarsen(),
            }
        }
    }

    fn coarsen(&mut self) {
        self.shift += 1;
        let mut merged: Vec<Bin> = Vec::with_capacity(BINS);
        for bin in self.bins.drain(..) {
            let index = bin.index >> 1;
            match merged.last_mut() {
                Some(last) if last.index == index => last.take(bin.low, bin.high),
                _ => merged.push(Bin { index, ..bin }),
            }
        }
        self.bins = merged;
    }

    /// All stretches that saw something, in order.
    pub fn bins(&self) -> &[Bin] {
        &self.bins
    }

    /// Lowest and highest difference since `since`.
    pub fn recent(&self, since: Timestamp) -> Option<(i64, i64)> {
        let from = since.0 >> self.shift;
        let recent = self.bins.iter().rev().take_while(|b| b.index >= from);
        recent.map(|b| (b.low.1, b.high.1)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}

impl Bin {
    fn take(&mut self, low: (Timestamp, i64), high: (Timestamp, i64)) {
        if low.1 < self.low.1 {
            self.low = low;
        }
        if high.1 > self.high.1 {
            self.high = high;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_survive_coarsening() {
        let mut e = Extremes::default();
        for i in 0..100_000i64 {
            e.add(Timestamp(i * 10_000_000), if i == 77_777 { -5 } else { 100 + i % 7 });
        }
        assert!(e.bins().len() <= BINS);
        assert_eq!(e.bins().iter().map(|b| b.low.1).min(), Some(-5));
        assert_eq!(e.bins().iter().map(|b| b.high.1).max(), Some(106));
        assert_eq!(e.recent(Timestamp(99_990 * 10_000_000)).map(|r| r.1), Some(106));
    }
}
