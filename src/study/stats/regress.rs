//! A straight line through pairs of values (ordinary least squares).

use super::LEAST_FOR_REGRESSION;
use super::describe::{mean, squares, t_p, t_quantile};

/// A line with what it is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Regression {
    /// Pairs.
    pub n: usize,
    /// Slope.
    pub slope: f64,
    /// Intercept.
    pub intercept: f64,
    /// Share of the variance that the line explains.
    pub r2: f64,
    /// Pearson's r.
    pub r: f64,
    /// Two-sided p value of slope 0; `None` with too few pairs.
    pub p: Option<f64>,
    /// Standard error of the slope.
    pub slope_error: Option<f64>,
    /// 95 % confidence interval of the slope.
    pub slope_ci: Option<(f64, f64)>,
    /// Why something is missing.
    pub why: Option<String>,
    mean_x: f64,
    sxx: f64,
    residual: Option<f64>,
}

impl Regression {
    /// The line at `x`.
    pub fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }

    /// 95 % prediction band at `x`: where one more run would lie.
    pub fn prediction(&self, x: f64) -> Option<(f64, f64)> {
        let n = self.n as f64;
        let spread = (1.0 + 1.0 / n + (x - self.mean_x).powi(2) / self.sxx).sqrt();
        let half = t_quantile(n - 2.0)? * self.residual? * spread;
        Some((self.at(x) - half, self.at(x) + half))
    }
}

/// Fits a line; `None` with fewer than two pairs or when x does not vary.
pub fn regress(x: &[f64], y: &[f64]) -> Option<Regression> {
    let n = x.len();
    if n < 2 || n != y.len() {
        return None;
    }
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (sxx, syy) = (squares(x), squares(y));
    if sxx <= 0.0 {
        return None;
    }
    let sxy: f64 = x.iter().zip(y).map(|(a, b)| (a - mean_x) * (b - mean_y)).sum();
    let slope = sxy / sxx;
    let r = if syy > 0.0 { (sxy / (sxx * syy).sqrt()).clamp(-1.0, 1.0) } else { 0.0 };
    let mut out = Regression {
        n,
        slope,
        intercept: mean_y - slope * mean_x,
        r2: r * r,
        r,
        p: None,
        slope_error: None,
        slope_ci: None,
        why: None,
        mean_x,
        sxx,
        residual: None,
    };
    if n < LEAST_FOR_REGRESSION {
        out.why = Some(format!("too few runs for a claim: {n}, at least {LEAST_FOR_REGRESSION} are needed"));
        return Some(out);
    }
    let df = (n - 2) as f64;
    let left: f64 = x.iter().zip(y).map(|(a, b)| (b - out.at(*a)).powi(2)).sum();
    let residual = (left / df).sqrt();
    let error = residual / sxx.sqrt();
    out.residual = Some(residual);
    out.slope_error = Some(error);
    out.p = if error > 0.0 { t_p(slope / error, df) } else { Some(if slope == 0.0 { 1.0 } else { 0.0 }) };
    out.slope_ci = t_quantile(df).map(|t| (slope - t * error, slope + t * error));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_line_has_no_error() {
        let r = regress(&[1.0, 2.0, 3.0, 4.0], &[3.0, 5.0, 7.0, 9.0]).unwrap();
        assert!((r.slope - 2.0).abs() < 1e-12 && (r.intercept - 1.0).abs() < 1e-12 && (r.r2 - 1.0).abs() < 1e-12);
        let (low, high) = r.prediction(10.0).unwrap();
        assert!((low - 21.0).abs() < 1e-6 && (high - 21.0).abs() < 1e-6);
    }

    #[test]
    fn what_cannot_be_fitted_is_none() {
        assert!(regress(&[1.0], &[1.0]).is_none());
        assert!(regress(&[2.0, 2.0], &[1.0, 3.0]).is_none());
        let few = regress(&[1.0, 2.0, 3.0], &[1.0, 2.0, 2.0]).unwrap();
        assert!(few.p.is_none() && few.why.is_some());
    }
}
