//! Quantities that are known only within bounds.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// A quantity with a proven lower and upper bound and the best estimate between them.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Interval<T = f64> {
    /// The truth is not below this.
    pub lower: T,
    /// The best single value.
    pub estimate: T,
    /// The truth is not above this.
    pub upper: T,
}

impl<T: Copy> Interval<T> {
    /// A quantity known exactly.
    pub fn exact(value: T) -> Self {
        Self { lower: value, estimate: value, upper: value }
    }
}

impl<T: Copy + PartialOrd> Interval<T> {
    /// With the bounds put in order and the estimate moved between them.
    pub fn new(lower: T, estimate: T, upper: T) -> Self {
        let (lower, upper) = if lower <= upper { (lower, upper) } else { (upper, lower) };
        let estimate = if estimate < lower {
            lower
        } else if estimate > upper {
            upper
        } else {
            estimate
        };
        Self { lower, estimate, upper }
    }

    /// True if `value` lies within the bounds.
    pub fn contains(&self, value: T) -> bool {
        self.lower <= value && value <= self.upper
    }
}

impl Interval<Timestamp> {
    /// The length in milliseconds of the span from `self` to `end`; never negative.
    pub fn ms_until(&self, end: &Self) -> Interval<f64> {
        let lower = (end.lower - self.upper).ms().max(0.0);
        let upper = (end.upper - self.lower).ms().max(lower);
        Interval::new(lower, (end.estimate - self.estimate).ms(), upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_take_the_outer_and_inner_ends() {
        let t = |ms: i64| Timestamp(ms * 1_000_000);
        let start = Interval::new(t(100), t(102), t(105));
        let end = Interval::new(t(120), t(121), t(130));
        assert_eq!(start.ms_until(&end), Interval { lower: 15.0, estimate: 19.0, upper: 30.0 });
        assert_eq!(end.ms_until(&start).lower, 0.0);
    }
}
