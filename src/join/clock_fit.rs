//! The straight line between two hulls: an unknown clock offset that changes at a constant rate, bounded from above by some
//! packets and from below by others.
//!
//! Every packet that went one way says "not above", every packet that came back says "not below". All lines that obey all of
//! them form a convex set. The line that keeps the greatest distance from both hulls is the estimate (Moon, Skelly, Towsley,
//! INFOCOM 1999, solve the one-way case with the same hull); the extremes of the set, at both ends of the capture, bound its
//! error: delays may be as unequal as they like.

/// No quartz is off by more than this; clocks that are being slewed move at up to 500 ppm.
const STEEPEST: f64 = 1e-3;
/// Time stamps are whole microseconds in most captures, each cut off: two differ by up to this much from the truth, ns.
pub const GRAIN: f64 = 2_000.0;
/// Halvings of the search interval for the rate: 1e-3 / 2^50 is far below a nanosecond per day.
const HALVINGS: usize = 50;

/// "At `t` seconds the offset is not above (or not below) `bound` ns."
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constraint {
    /// Seconds from an origin that all constraints share.
    pub t: f64,
    /// Nanoseconds from an origin that all share.
    pub bound: f64,
    /// An upper bound; else a lower one.
    pub upper: bool,
}

/// `offset(t) = at_zero + slope · t`, ns and ns per second (parts per billion).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Offset at the origin of time.
    pub at_zero: f64,
    /// Rate.
    pub slope: f64,
    /// The constraints' distance from the line, at least; negative if no line obeys all of them.
    pub margin: f64,
}

impl Line {
    /// The offset at `t`.
    pub fn at(&self, t: f64) -> f64 {
        self.at_zero + self.slope * t
    }
}

/// Both hulls.
#[derive(Clone, Debug)]
pub struct Hulls {
    /// Lower hull of the upper bounds.
    upper: Vec<(f64, f64)>,
    /// Upper hull of the lower bounds.
    lower: Vec<(f64, f64)>,
}

impl Hulls {
    /// Of constraints in any order; `None` unless there are bounds from both sides.
    pub fn of(constraints: &[Constraint]) -> Option<Self> {
        let side = |upper: bool| {
            let sign = if upper { 1.0 } else { -1.0 };
            let mut points: Vec<_> = constraints.iter().filter(|c| c.upper == upper).map(|c| (c.t, sign * c.bound)).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
            lower_hull(&points).into_iter().map(|(t, b)| (t, sign * b)).collect::<Vec<_>>()
        };
        let hulls = Self { upper: side(true), lower: side(false) };
        (!hulls.upper.is_empty() && !hulls.lower.is_empty()).then_some(hulls)
    }

    /// The highest and the lowest line of a slope that the bounds allow, as offsets at time zero.
    fn band(&self, slope: f64) -> (f64, f64) {
        let top = self.upper.iter().map(|(t, b)| b - slope * t).fold(f64::INFINITY, f64::min);
        let bottom = self.lower.iter().map(|(t, b)| b - slope * t).fold(f64::NEG_INFINITY, f64::max);
        (top, bottom)
    }

    fn gap(&self, slope: f64) -> f64 {
        let (top, bottom) = self.band(slope);
        top - bottom
    }

    /// The line with the greatest distance from both hulls.
    pub fn line(&self) -> Line {
        // The gap is concave in the slope: least of concave functions.
        let steepest = STEEPEST * 1e9;
        let (mut a, mut b) = (-steepest, steepest);
        for _ in 0..2 * HALVINGS {
            let (c, d) = (a + (b - a) / 3.0, b - (b - a) / 3.0);
            if self.gap(c) < self.gap(d) {
                a = c;
            } else {
                b = d;
            }
        }
        let slope = f64::midpoint(a, b);
        let (top, bottom) = self.band(slope);
        Line { at_zero: f64::midpoint(top, bottom), slope, margin: (top - bottom) / 2.0 }
    }

    /// The slopes between which lines obey all bounds, within the grain of the time stamps.
    fn slopes(&self) -> (f64, f64) {
        let best = self.line();
        let ok = |slope: f64| self.gap(slope) >= -2.0 * GRAIN;
        let edge = |far: f64| {
            if ok(far) {
                return far;
            }
            let (mut inside, mut outside) = (best.slope, far);
            for _ in 0..HALVINGS {
                let middle = f64::midpoint(inside, outside);
                if ok(middle) {
                    inside = middle;
                } else {
                    outside = middle;
                }
            }
            outside
        };
        (edge(-STEEPEST * 1e9), edge(STEEPEST * 1e9))
    }

    /// The greatest distance, between `from` and `to`, of the line from any other line that obeys all bounds.
    pub fn uncertainty(&self, line: &Line, from: f64, to: f64) -> f64 {
        let (low, high) = self.slopes();
        let mut worst = 0f64;
        for i in 0..=64 {
            let slope = low + (high - low) * f64::from(i) / 64.0;
            let (top, bottom) = self.band(slope);
            for t in [from, to] {
                worst = worst.max(top + slope * t - line.at(t)).max(line.at(t) - bottom - slope * t);
            }
        }
        worst + GRAIN
    }
}

/// Andrew's monotone chain, lower half; points sorted by t, then by value.
fn lower_hull(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut hull: Vec<(f64, f64)> = Vec::new();
    for &p in points {
        if hull.last().is_some_and(|last| last.0 == p.0) {
            continue;
        }
        while let [.., a, b] = hull[..] {
            if (b.0 - a.0) * (p.1 - a.1) - (b.1 - a.1) * (p.0 - a.0) > 0.0 {
                break;
            }
            hull.pop();
        }
        hull.push(p);
    }
    hull
}

/// Cuts a stretch of time into the fewest pieces, each of which one line fits: a clock that was stepped or slewed needs several.
/// Constraints must be in the order of time. Answers the pieces as index ranges, at most `most` of them; the last takes the rest.
pub fn pieces(constraints: &[Constraint], most: usize) -> Vec<std::ops::Range<usize>> {
    let mut out = Vec::new();
    let mut from = 0;
    while from < constraints.len() {
        let fits = |to: usize| Hulls::of(&constraints[from..to]).is_none_or(|h| h.line().margin >= -GRAIN);
        let mut to = constraints.len();
        if out.len() + 1 < most && !fits(to) {
            // The longest prefix that fits; a prefix of what fits fits too.
            let (mut good, mut bad) = (from + 1, to);
            while bad - good > 1 {
                let middle = usize::midpoint(good, bad);
                if fits(middle) {
                    good = middle;
                } else {
                    bad = middle;
                }
            }
            to = good;
        }
        out.push(from..to);
        from = to;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn truth(at_zero: f64, slope: f64, delays: &[(f64, f64, bool)]) -> Vec<Constraint> {
        let line = Line { at_zero, slope, margin: 0.0 };
        delays.iter().map(|&(t, d, upper)| Constraint { t, bound: line.at(t) + if upper { d } else { -d }, upper }).collect()
    }

    proptest! {
        #[test]
        fn the_truth_lies_within_the_uncertainty(
            at_zero in -3.6e12f64..3.6e12, slope in -2e5f64..2e5,
            delays in prop::collection::vec((0f64..30.0, 20e3f64..5e6, any::<bool>()), 4..200),
        ) {
            let constraints = truth(at_zero, slope, &delays);
            let Some(hulls) = Hulls::of(&constraints) else { return Ok(()) };
            let line = hulls.line();
            prop_assert!(line.margin >= 0.0);
            let unsure = hulls.uncertainty(&line, 0.0, 30.0);
            for t in [0.0, 11.0, 30.0] {
                prop_assert!((line.at(t) - at_zero - slope * t).abs() <= unsure + 10.0, "{} {unsure}", line.at(t) - at_zero - slope * t);
            }
            prop_assert_eq!(pieces(&constraints, 8).len(), 1);
        }
    }

    #[test]
    fn many_packets_make_it_certain() {
        let delays: Vec<_> = (0..2000).map(|i| (f64::from(i) * 0.015, 50e3 + f64::from(i * 7919 % 1000) * 1e3, i % 2 == 0)).collect();
        let hulls = Hulls::of(&truth(1.25e9, 150e3, &delays)).unwrap();
        let line = hulls.line();
        assert!((line.at(15.0) - 1.25e9 - 150e3 * 15.0).abs() < 5e3);
        assert!((line.slope - 150e3).abs() < 1e3, "{}", line.slope);
        let unsure = hulls.uncertainty(&line, 0.0, 30.0);
        assert!(unsure > 50e3 && unsure < 200e3, "{unsure}");
    }

    #[test]
    fn a_step_makes_two_pieces() {
        let step = |t: f64| if t < 12.3 { 0.0 } else { 40e6 };
        let constraints: Vec<_> = (0..3000)
            .map(|i| {
                let (t, upper) = (f64::from(i) * 0.01, i % 2 == 0);
                let d = 60e3 + f64::from(i * 131 % 97) * 1e3;
                Constraint { t, bound: step(t) + if upper { d } else { -d }, upper }
            })
            .collect();
        let cut = pieces(&constraints, 8);
        assert_eq!(cut.len(), 2);
        assert!((constraints[cut[1].start].t - 12.3).abs() < 0.05, "{}", constraints[cut[1].start].t);
    }
}
