//! Charts over many runs. They draw what they are given: figures, lines and bands are the study's work.

mod aligned;
mod boxes;
mod scatter;

pub use aligned::{Aligned, Panel};
pub use boxes::{BoxGroup, Boxes};
pub use scatter::{Scatter, Spot};

/// The name of an axis with its unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Axis {
    /// What it shows.
    pub title: String,
    /// Unit; empty if there is none.
    pub unit: String,
}

impl Axis {
    fn text(&self) -> String {
        if self.unit.is_empty() { self.title.clone() } else { format!("{}, {}", self.title, self.unit) }
    }
}

/// Lower and upper end of an axis that shows all `values`: from 0, unless they lie far from it.
fn ends(values: impl Iterator<Item = f64> + Clone) -> Option<(f64, f64)> {
    let finite = values.filter(|v| v.is_finite());
    let (low, high) = (finite.clone().reduce(f64::min)?, finite.reduce(f64::max)?);
    if low >= 0.0 && low <= 0.6 * high {
        return Some((0.0, super::axis::round_up(high)));
    }
    // A single value, or values that hardly differ, stand in the middle.
    let span = if high > low { high - low } else { high.abs().max(1.0) * 0.1 };
    let step = super::axis::nice_step(span / 4.0);
    Some(((low / step - 0.5).floor() * step, (high / step + 0.5).ceil() * step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_hold_all_values() {
        for values in [vec![5.0], vec![0.0], vec![1e9, 1.01e9], vec![3.0, 900.0], vec![-4.0, 2.0], vec![f64::NAN, 7.0]] {
            let (low, high) = ends(values.iter().copied()).unwrap();
            assert!(low < high, "{values:?}: {low} {high}");
            assert!(values.iter().filter(|v| v.is_finite()).all(|v| (low..=high).contains(v)), "{values:?}: {low} {high}");
        }
        assert_eq!(ends([1.0, 10.0].into_iter()), Some((0.0, 10.0)));
        assert_eq!(ends([].into_iter()), None);
    }
}
