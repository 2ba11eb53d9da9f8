//! Curves as they are drawn: thinned to what a pixel can show, broken where nothing was measured.

use super::axis::Scale;
use super::canvas::At;
use crate::model::Curve;

/// Points in pixels, in runs without a gap. `steps`: each value holds over its whole window (rates); else points are joined (delays).
pub(super) fn runs(curve: &Curve, x: Scale, y: Scale, divide: f64, steps: bool) -> Vec<Vec<At>> {
    let window = curve.window_ms / 1000.0;
    let gap = if steps { window * 1.5 } else { (window * 1.5).max(usual_gap(curve) * 4.0) };
    let mut runs: Vec<Vec<At>> = Vec::new();
    let mut last: Option<f64> = None;
    for &(at, value) in curve.points.iter().filter(|(at, value)| at.is_finite() && value.is_finite()) {
        let (left, level) = (x.at(at), y.at(value / divide));
        // A window without a point was not measured: no line is drawn over it.
        let joined = last.is_some_and(|before| window <= 0.0 || at - before <= gap);
        last = Some(at);
        if !joined || runs.is_empty() {
            runs.push(Vec::new());
        }
        if let Some(run) = runs.last_mut() {
            run.push((left, level));
            if steps && window > 0.0 {
                run.push((x.at(at + window), level));
            }
        }
    }
    runs.into_iter().map(|run| thin(&run)).collect()
}

/// The median distance of points. Delay has no point where there was no packet, which is most of the time for a slow sender:
/// a hole is only what is much longer than usual.
fn usual_gap(curve: &Curve) -> f64 {
    let mut gaps: Vec<f64> = curve.points.windows(2).map(|pair| pair[1].0 - pair[0].0).filter(|gap| gap.is_finite()).collect();
    let middle = gaps.len().saturating_sub(1) / 2;
    if gaps.is_empty() { 0.0 } else { *gaps.select_nth_unstable_by(middle, f64::total_cmp).1 }
}

/// At most four points for each half pixel: the first, the lowest, the highest and the last. Peaks stay.
fn thin(points: &[At]) -> Vec<At> {
    let column = |x: f64| (x * 2.0).floor();
    let mut out = Vec::new();
    let mut rest = points;
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|p| column(p.0) == column(first.0)).count();
        let (here, after) = rest.split_at(count);
        rest = after;
        if count <= 4 {
            out.extend_from_slice(here);
            continue;
        }
        let by_y = |a: &usize, b: &usize| here[*a].1.total_cmp(&here[*b].1);
        let low = (0..count).min_by(by_y).unwrap_or(0);
        let high = (0..count).max_by(by_y).unwrap_or(0);
        let mut keep = [0, low.min(high), low.max(high), count - 1].to_vec();
        keep.dedup();
        out.extend(keep.into_iter().map(|i| here[i]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_window_breaks_the_line() {
        let curve = Curve { window_ms: 100.0, points: vec![(0.0, 1.0), (0.1, 2.0), (0.5, 3.0)], ..Curve::default() };
        let runs = runs(&curve, Scale::linear(0.0, 1.0, 0.0, 100.0), Scale::linear(0.0, 10.0, 100.0, 0.0), 1.0, true);
        assert_eq!(runs.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2]);
    }

    #[test]
    fn sparse_delays_are_joined_but_for_long_holes() {
        let points = [0.0, 0.02, 0.04, 0.06, 0.9, 0.92].map(|x| (x, 1.0)).to_vec();
        let curve = Curve { window_ms: 1.0, points, ..Curve::default() };
        let (x, y) = (Scale::linear(0.0, 1.0, 0.0, 1000.0), Scale::linear(0.0, 10.0, 100.0, 0.0));
        assert_eq!(runs(&curve, x, y, 1.0, false).iter().map(Vec::len).collect::<Vec<_>>(), [4, 2]);
        assert_eq!(runs(&curve, x, y, 1.0, true).len(), 6);
    }

    #[test]
    fn thinning_keeps_peaks() {
        let mut points: Vec<At> = (0..10_000).map(|i| (f64::from(i) / 1000.0, 5.0)).collect();
        points[5_003].1 = 99.0;
        let thinned = thin(&points);
        assert!(thinned.len() <= 4 * 21, "{}", thinned.len());
        assert!(thinned.iter().any(|p| p.1 == 99.0));
        assert_eq!(thinned.first(), points.first());
        assert_eq!(thinned.last(), points.last());
    }
}
