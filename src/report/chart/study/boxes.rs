//! Box plots: one row for each group, every value a dot.

use super::super::WIDTH;
use super::super::axis::{Frame, Scale, x_axis};
use super::super::canvas::{AXIS, Anchor, BLUE, Canvas, GRID, INK, LABEL, SMALL, VERMILION, draw as on_canvas, fit};
use super::{Axis, ends};
use crate::report::words::Words;

/// One group of values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BoxGroup {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Vec<f64>,
    /// First and third quartile; `None` with too few values for a box.
    pub quartiles: Option<(f64, f64)>,
    /// Median.
    pub median: Option<f64>,
    /// Mean.
    pub mean: Option<f64>,
    /// Least and largest value that is no outlier.
    pub whiskers: Option<(f64, f64)>,
    /// Places of the outliers among `values`.
    pub outliers: Vec<usize>,
}

/// A box plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Boxes {
    /// The figure that is shown.
    pub axis: Axis,
    /// Its groups, from the top.
    pub groups: Vec<BoxGroup>,
}

const LEFT: f64 = 230.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 12.0;
const ROW: f64 = 54.0;
/// Half the height of a box.
const HALF: f64 = 13.0;

impl Boxes {
    /// The chart as SVG; `None` without a value.
    pub fn draw(&self, words: Words) -> Option<String> {
        let groups: Vec<&BoxGroup> = self.groups.iter().filter(|group| !group.values.is_empty()).collect();
        let (low, high) = ends(groups.iter().flat_map(|group| group.values.iter().copied()))?;
        let frame = Frame { left: LEFT, top: TOP, right: RIGHT, bottom: TOP + ROW * groups.len() as f64 };
        let x = Scale::linear(low, high, frame.left + 8.0, frame.right - 8.0);
        on_canvas(WIDTH, frame.bottom + 44.0, |canvas| {
            for tick in x.ticks(10).0 {
                canvas.line((x.at(tick), frame.top), (x.at(tick), frame.bottom), GRID, 1.0);
            }
            canvas.line((frame.left, frame.top), (frame.left, frame.bottom), AXIS, 1.0);
            for (i, group) in groups.iter().enumerate() {
                let middle = frame.top + ROW * (i as f64 + 0.5);
                canvas.text(&fit(&group.name, LEFT - 20.0, LABEL), (LEFT - 10.0, middle - 8.0), Anchor::Right, LABEL);
                canvas.text(&format!("n = {}", words.count(group.values.len() as u64)), (LEFT - 10.0, middle + 8.0), Anchor::Right, SMALL);
                one(canvas, group, x, middle);
            }
            x_axis(canvas, frame, x, Some(&self.axis.text()), words);
        })
    }
}

fn one(canvas: &mut Canvas<'_>, group: &BoxGroup, x: Scale, middle: f64) {
    if let (Some((q1, q3)), Some((least, most))) = (group.quartiles, group.whiskers) {
        let (from, to) = (x.at(q1), x.at(q3));
        for (value, edge) in [(least, from), (most, to)] {
            canvas.line((x.at(value), middle), (edge, middle), INK, 1.25);
            canvas.line((x.at(value), middle - HALF * 0.6), (x.at(value), middle + HALF * 0.6), INK, 1.25);
        }
        canvas.bar((from, middle - HALF), (to, middle + HALF), BLUE, 0.22);
        let corners = [(from, middle - HALF), (to, middle - HALF), (to, middle + HALF), (from, middle + HALF), (from, middle - HALF)];
        canvas.path(&corners, BLUE, 1.25);
    }
    for (i, value) in group.values.iter().enumerate() {
        // Spread over the height in a fixed pattern, so that equal values do not hide each other.
        let shift = if group.values.len() == 1 { 0.0 } else { ((i * 5) % 9) as f64 / 8.0 - 0.5 };
        let color = if group.outliers.contains(&i) { VERMILION } else { BLUE };
        canvas.dot((x.at(*value), middle + shift * HALF * 1.1), 2.5, color);
    }
    if let Some(median) = group.median {
        canvas.line((x.at(median), middle - HALF), (x.at(median), middle + HALF), INK, 2.25);
    }
    if let Some(mean) = group.mean {
        let (at, size) = (x.at(mean), 5.0);
        canvas.area(&[(at, middle - size), (at + size, middle), (at, middle + size), (at - size, middle)], INK, 1.0);
    }
}
