//! Two groups of values: do they differ, and by how much?

use statrs::distribution::{ContinuousCDF, Normal};

use super::LEAST_FOR_TEST;
use super::describe::{mean, squares, t_p, t_quantile};

/// Welch's t test (unequal variances), two-sided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Welch {
    /// Statistic.
    pub t: f64,
    /// Degrees of freedom after Welch and Satterthwaite.
    pub df: f64,
    /// p value.
    pub p: f64,
    /// 95 % confidence interval of the difference of the means (first less second).
    pub ci: (f64, f64),
}

/// Mann-Whitney U test, two-sided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// U of the first group.
    pub u: f64,
    /// p value: exact where both groups are small and no values tie (as SciPy's `method="auto"`), else normal with continuity correction.
    pub p: f64,
    /// Rank-biserial correlation: 1 if every value of the first group is larger, −1 if every one is smaller.
    pub rank_biserial: f64,
}

/// All that is said of two groups.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Comparison {
    /// Difference of the means, first less second.
    pub difference: Option<f64>,
    /// Hedges' g: difference in pooled standard deviations, corrected for small groups.
    pub hedges_g: Option<f64>,
    /// Welch's test.
    pub welch: Option<Welch>,
    /// Mann-Whitney's test.
    pub mann_whitney: Option<MannWhitney>,
    /// Why there is no test.
    pub why: Option<String>,
}

/// Welch's test; `None` with fewer than two values in a group or when nothing varies.
pub fn welch(a: &[f64], b: &[f64]) -> Option<Welch> {
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    let (na, nb) = (a.len() as f64, b.len() as f64);
    let (va, vb) = (squares(a) / (na - 1.0) / na, squares(b) / (nb - 1.0) / nb);
    let error = (va + vb).sqrt();
    if error == 0.0 {
        return None;
    }
    let difference = mean(a) - mean(b);
    let t = difference / error;
    let df = (va + vb).powi(2) / (va.powi(2) / (na - 1.0) + vb.powi(2) / (nb - 1.0));
    let half = t_quantile(df)? * error;
    Some(Welch { t, df, p: t_p(t, df)?, ci: (difference - half, difference + half) })
}

/// Midranks of all values, and the sum of t³ − t over groups of ties.
fn ranks(values: &[f64]) -> (Vec<f64>, f64) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut ties = 0.0;
    let mut from = 0;
    while from < order.len() {
        let same = order[from..].iter().take_while(|&&i| values[i] == values[order[from]]).count();
        for &i in &order[from..from + same] {
            ranks[i] = from as f64 + (same as f64 + 1.0) / 2.0;
        }
        ties += (same as f64).powi(3) - same as f64;
        from += same;
    }
    (ranks, ties)
}

/// Number of ways in which U takes each value, for groups of `m` and `n` without ties.
fn u_counts(m: usize, n: usize) -> Vec<f64> {
    // counts[i][u]: ways for i values of the first group among those looked at so far.
    let mut counts = vec![vec![0.0; m * n + 1]; m + 1];
    counts[0][0] = 1.0;
    for total in 1..=m + n {
        for i in (1..=m.min(total)).rev() {
            // The value at rank `total` belongs to the first group: it beats the total − i values of the second before it.
            let beaten = total - i;
            if beaten > n {
                continue;
            }
            for u in (beaten..=m * n).rev() {
                counts[i][u] += counts[i - 1][u - beaten];
            }
        }
    }
    counts.swap_remove(m)
}

/// Mann-Whitney's test; `None` if a group is empty or all values are equal.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Option<MannWhitney> {
    let (m, n) = (a.len(), b.len());
    if m == 0 || n == 0 {
        return None;
    }
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let (ranks, ties) = ranks(&all);
    let (mf, nf) = (m as f64, n as f64);
    let u = ranks[..m].iter().sum::<f64>() - mf * (mf + 1.0) / 2.0;
    let larger = u.max(mf * nf - u);
    let p = if m.min(n) <= 8 && ties == 0.0 && m * n <= 10_000 {
        let counts = u_counts(m, n);
        let ways: f64 = counts.iter().sum();
        2.0 * counts[larger as usize..].iter().sum::<f64>() / ways
    } else {
        let total = mf + nf;
        let variance = mf * nf / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
        if variance <= 0.0 {
            return None;
        }
        let z = (larger - mf * nf / 2.0 - 0.5) / variance.sqrt();
        2.0 * Normal::new(0.0, 1.0).ok()?.sf(z)
    };
    Some(MannWhitney { u, p: p.min(1.0), rank_biserial: 2.0 * u / (mf * nf) - 1.0 })
}

/// Holm's step-down correction of p values, in their order.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    let mut corrected = vec![0.0; p.len()];
    let mut least: f64 = 0.0;
    for (rank, &i) in order.iter().enumerate() {
        least = least.max(p[i] * (p.len() - rank) as f64).min(1.0);
        corrected[i] = least;
    }
    corrected
}

fn hedges_g(a: &[f64], b: &[f64]) -> Option<f64> {
    let df = (a.len() + b.len()).checked_sub(2).filter(|d| *d > 0)? as f64;
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let pooled = ((squares(a) + squares(b)) / df).sqrt();
    (pooled > 0.0).then(|| (mean(a) - mean(b)) / pooled * (1.0 - 3.0 / (4.0 * df - 1.0)))
}

/// Compares two groups; with too few values the tests are left out and `why` says so.
pub fn compare(a: &[f64], b: &[f64]) -> Comparison {
    let mut out = Comparison::default();
    if !a.is_empty() && !b.is_empty() {
        out.difference = Some(mean(a) - mean(b));
    }
    if a.len() < LEAST_FOR_TEST || b.len() < LEAST_FOR_TEST {
        out.why = Some(format!("too few runs for a test: {} and {}, at least {LEAST_FOR_TEST} each are needed", a.len(), b.len()));
        return out;
    }
    out.hedges_g = hedges_g(a, b);
    out.welch = welch(a, b);
    out.mann_whitney = mann_whitney(a, b);
    if out.welch.is_none() {
        out.why = Some("all values are equal".to_owned());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u_counts_are_binomial_in_sum() {
        assert_eq!(u_counts(2, 2), [1.0, 1.0, 2.0, 1.0, 1.0]);
        assert_eq!(u_counts(5, 4).iter().sum::<f64>(), 126.0);
    }

    #[test]
    fn holm_is_monotone_and_bounded() {
        assert_eq!(holm(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn few_runs_get_no_p_value_but_a_reason() {
        let c = compare(&[1.0, 2.0, 3.0], &[2.0, 3.0, 4.0]);
        assert!(c.welch.is_none() && c.mann_whitney.is_none() && c.hedges_g.is_none());
        assert!(c.why.unwrap().contains("too few runs"));
        assert_eq!(c.difference, Some(-1.0));
    }

    #[test]
    fn equal_groups_do_not_divide_by_zero() {
        let c = compare(&[5.0; 5], &[5.0; 5]);
        assert!(c.welch.is_none() && c.mann_whitney.is_none() && c.hedges_g.is_none());
        assert_eq!(c.why.as_deref(), Some("all values are equal"));
    }
}
