//! Round-trip times of one direction: count, sum, extremes, and a small histogram for the quantile.
//!
//! The first three samples can be told from count, sum and extremes; bins are kept from the fourth on. Bins are logarithmic, 32 to
//! the octave: a quantile is within 1.1 % of the truth between 1 µs and 68 s, and exact for fewer than 20 samples.

/// Bins per octave.
const FINE: u32 = 5;
/// The lowest octave with bins of its own begins at 2^10 ns.
const LOWEST: u32 = 10;
/// The highest begins at 2^35 ns.
const HIGHEST: u32 = 35;
const BINS: usize = ((HIGHEST - LOWEST + 1) << FINE) as usize;
/// Distinct bins that are kept as a list before a whole histogram is worth its 3 KiB.
const LIST: usize = 32;

/// Collects samples.
#[derive(Debug, Default)]
pub(super) struct Rtt {
    count: u32,
    min: i64,
    max: i64,
    sum: i64,
    bins: Option<Box<Bins>>,
}

#[derive(Debug)]
enum Bins {
    /// Bin and count, in ascending order of bins.
    List(Vec<(u16, u32)>),
    All(Box<[u32; BINS]>),
}

/// Round-trip times, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RttSummary {
    /// Samples.
    pub samples: u32,
    /// The shortest.
    pub min: i64,
    /// Arithmetic mean.
    pub mean: i64,
    /// 95th percentile, nearest rank; from logarithmic bins (within 1.1 %) where there are 20 samples or more.
    pub p95: i64,
    /// The longest.
    pub max: i64,
}

impl Rtt {
    pub fn add(&mut self, sample: i64) {
        let sample = sample.max(0);
        match self.count {
            0 => (self.min, self.max) = (sample, sample),
            3 => {
                let mut bins = Bins::List(Vec::with_capacity(4));
                for early in [self.min, self.sum.saturating_sub(self.min).saturating_sub(self.max), self.max, sample] {
                    bins.add(early);
                }
                self.bins = Some(Box::new(bins));
            }
            _ => {
                if let Some(bins) = &mut self.bins {
                    bins.add(sample);
                }
            }
        }
        self.count = self.count.saturating_add(1);
        self.min = self.min.min(sample);
        self.max = self.max.max(sample);
        self.sum = self.sum.saturating_add(sample);
    }

    pub fn summary(&self) -> Option<RttSummary> {
        if self.count == 0 {
            return None;
        }
        let rank = (u64::from(self.count) * 95).div_ceil(100);
        let p95 = match &self.bins {
            // Nearest rank: with fewer than 20 samples the 95th percentile is the last one.
            Some(bins) if rank < u64::from(self.count) => bins.at_rank(rank).clamp(self.min, self.max),
            _ => self.max,
        };
        Some(RttSummary { samples: self.count, min: self.min, mean: self.sum / i64::from(self.count), p95, max: self.max })
    }

    /// The shortest so far.
    pub fn min(&self) -> Option<i64> {
        (self.count > 0).then_some(self.min)
    }
}

impl Bins {
    fn add(&mut self, sample: i64) {
        let bin = bin(sample);
        match self {
            Self::All(all) => all[usize::from(bin)] = all[usize::from(bin)].saturating_add(1),
            Self::List(list) => match list.binary_search_by_key(&bin, |&(b, _)| b) {
                Ok(i) => list[i].1 = list[i].1.saturating_add(1),
                Err(i) if list.len() < LIST => list.insert(i, (bin, 1)),
                Err(_) => {
                    let mut all = Box::new([0; BINS]);
                    for &(b, n) in list.iter() {
                        all[usize::from(b)] = n;
                    }
                    all[usize::from(bin)] = 1;
                    *self = Self::All(all);
                }
            },
        }
    }

    fn at_rank(&self, rank: u64) -> i64 {
        let mut below = 0u64;
        let mut reached = |n: u32| {
            below += u64::from(n);
            below >= rank
        };
        let found = match self {
            Self::List(list) => list.iter().find(|&&(_, n)| reached(n)).map(|&(b, _)| b),
            Self::All(all) => all.iter().position(|&n| reached(n)).map(|b| b as u16),
        };
        found.map_or(0, middle)
    }
}

fn bin(sample: i64) -> u16 {
    let sample = (sample.max(1) as u64).clamp(1 << LOWEST, (2 << HIGHEST) - 1);
    let octave = sample.ilog2();
    let fine = (sample >> (octave - FINE)) as u32 & ((1 << FINE) - 1);
    (((octave - LOWEST) << FINE) + fine) as u16
}

fn middle(bin: u16) -> i64 {
    let octave = u32::from(bin >> FINE) + LOWEST;
    let width = 1i64 << (octave - FINE);
    let low = (1i64 << octave) + i64::from(bin & ((1 << FINE) - 1)) * width;
    low + width / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::random::Random;

    #[test]
    fn bins_hold_what_they_say() {
        for sample in [1024, 1055, 1056, 44_123, 1_000_000, 200_000_000, 68_000_000_000] {
            let m = middle(bin(sample));
            assert!((m - sample).abs() as f64 <= sample as f64 / 64.0 + 1.0, "{sample} {m}");
        }
        assert_eq!(usize::from(bin(i64::MAX)), BINS - 1);
        assert_eq!(bin(-5), 0);
    }

    #[test]
    fn few_samples_are_exact_and_many_close() {
        for n in [1usize, 2, 3, 4, 5, 19, 20, 21, 40, 1000, 30_000] {
            let mut random = Random::new(n as u64);
            let mut samples: Vec<i64> = (0..n).map(|_| (20_000 << random.below(8)) + random.below(9_999) as i64).collect();
            let mut rtt = Rtt::default();
            for &s in &samples {
                rtt.add(s);
            }
            samples.sort_unstable();
            let summary = rtt.summary().unwrap();
            assert_eq!((summary.min, summary.max), (samples[0], samples[n - 1]));
            assert_eq!(summary.mean, samples.iter().sum::<i64>() / n as i64);
            let exact = samples[(n * 95).div_ceil(100) - 1];
            let tolerance = if n < 20 { 0.0 } else { 0.016 };
            assert!((summary.p95 - exact).abs() as f64 <= tolerance * exact as f64, "{n}: {} {exact}", summary.p95);
        }
        assert_eq!(Rtt::default().summary(), None);
    }
}
