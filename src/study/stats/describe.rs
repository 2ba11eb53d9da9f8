//! One group of values.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::CONFIDENCE;

/// What is said of one group of values.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Description {
    /// Values.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Median.
    pub median: Option<f64>,
    /// Sample standard deviation (n − 1); needs two values.
    pub sd: Option<f64>,
    /// Least value.
    pub min: Option<f64>,
    /// Largest value.
    pub max: Option<f64>,
    /// First quartile (linear interpolation, as NumPy's default).
    pub q1: Option<f64>,
    /// Third quartile.
    pub q3: Option<f64>,
    /// 95 % confidence interval of the mean after Student; needs two values.
    pub ci: Option<(f64, f64)>,
    /// Indices of values outside of the fences (1.5 interquartile ranges beyond the quartiles, Tukey); needs four values.
    pub outliers: Vec<usize>,
}

/// The `q`-quantile (0 to 1) of sorted values by linear interpolation (type 7).
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * last as f64;
    let low = at.floor() as usize;
    let high = (low + 1).min(last);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64))
}

/// The median of values in any order.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Sum of squared deviations from the mean.
pub(super) fn squares(values: &[f64]) -> f64 {
    let m = mean(values);
    values.iter().map(|v| (v - m).powi(2)).sum()
}

/// Two-sided quantile of Student's t at [`CONFIDENCE`].
pub(super) fn t_quantile(df: f64) -> Option<f64> {
    Some(StudentsT::new(0.0, 1.0, df).ok()?.inverse_cdf(0.5 + CONFIDENCE / 2.0))
}

/// Two-sided p value of Student's t.
pub(super) fn t_p(t: f64, df: f64) -> Option<f64> {
    if !t.is_finite() {
        return t.is_infinite().then_some(0.0);
    }
    Some((2.0 * StudentsT::new(0.0, 1.0, df).ok()?.sf(t.abs())).min(1.0))
}

/// Describes a group; values that are not finite must have been left out before.
pub fn describe(values: &[f64]) -> Description {
    let n = values.len();
    if n == 0 {
        return Description::default();
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mean = mean(values);
    let sd = (n > 1).then(|| (squares(values) / (n - 1) as f64).sqrt());
    let ci = sd.and_then(|sd| {
        let half = t_quantile((n - 1) as f64)? * sd / (n as f64).sqrt();
        Some((mean - half, mean + half))
    });
    let (q1, q3) = (quantile(&sorted, 0.25), quantile(&sorted, 0.75));
    let outliers = match (q1, q3) {
        (Some(q1), Some(q3)) if n >= 4 => {
            let reach = 1.5 * (q3 - q1);
            values.iter().enumerate().filter(|(_, v)| **v < q1 - reach || **v > q3 + reach).map(|(i, _)| i).collect()
        }
        _ => Vec::new(),
    };
    Description {
        n,
        mean: Some(mean),
        median: quantile(&sorted, 0.5),
        sd,
        min: sorted.first().copied(),
        max: sorted.last().copied(),
        q1,
        q3,
        ci,
        outliers,
    }
}
