//! Bootstrap confidence interval of the mean: for values that are far from normal.

use super::CONFIDENCE;
use super::describe::{mean, quantile};

/// Resamples.
const RESAMPLES: usize = 9999;

/// A small generator with a fixed seed, so that the same data give the same interval: xorshift64* (Vigna 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let word = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        // Multiply-shift: the bias for n far below 2^64 is nothing.
        ((u128::from(word) * n as u128) >> 64) as usize
    }
}

/// 95 % percentile interval of the mean from 9999 resamples with a fixed seed; needs three values.
pub fn bootstrap_mean(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 3 {
        return None;
    }
    let mut random = Random(0x6c6d_7063_6170_0001);
    let mut resample = vec![0.0; values.len()];
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            for slot in &mut resample {
                *slot = values[random.below(values.len())];
            }
            mean(&resample)
        })
        .collect();
    means.sort_by(f64::total_cmp);
    Some((quantile(&means, 0.5 - CONFIDENCE / 2.0)?, quantile(&means, 0.5 + CONFIDENCE / 2.0)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_data_same_interval_that_holds_the_mean() {
        let values = [3.0, 4.0, 8.0, 1.0, 5.0, 9.0, 2.0];
        let (low, high) = bootstrap_mean(&values).unwrap();
        assert_eq!(bootstrap_mean(&values), Some((low, high)));
        assert!(low < mean(&values) && mean(&values) < high);
        assert!(low >= 1.0 && high <= 9.0);
        assert_eq!(bootstrap_mean(&[1.0, 2.0]), None);
    }
}
