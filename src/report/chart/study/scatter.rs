//! One figure over another: a spot for each migration, the regression line and its prediction band.

use super::super::WIDTH;
use super::super::axis::{Frame, Scale, x_axis, y_axis};
use super::super::bands::{Key, legend};
use super::super::canvas::{CURVES, GRID, INK, LABEL, MUTED, draw as on_canvas, fit};
use super::{Axis, ends};
use crate::report::words::Words;

/// A migration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spot {
    /// Place of its group in [`Scatter::groups`].
    pub group: usize,
    /// x.
    pub x: f64,
    /// y.
    pub y: f64,
    /// Bounds of y where it is an interval.
    pub bounds: Option<(f64, f64)>,
}

/// A scatter plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scatter {
    /// Figure along x.
    pub x: Axis,
    /// Figure along y.
    pub y: Axis,
    /// Names of the groups.
    pub groups: Vec<String>,
    /// The migrations.
    pub spots: Vec<Spot>,
    /// The regression line, from its left to its right end; empty without one.
    pub line: Vec<(f64, f64)>,
    /// x, lower and upper bound of the prediction band; empty without one.
    pub band: Vec<(f64, f64, f64)>,
}

const LEFT: f64 = 74.0;
const RIGHT: f64 = WIDTH - 20.0;
const HEIGHT: f64 = 330.0;

impl Scatter {
    /// The chart as SVG; `None` without a spot.
    pub fn draw(&self, words: Words) -> Option<String> {
        let (low, high) = ends(self.spots.iter().map(|spot| spot.x))?;
        let heights = self.spots.iter().flat_map(|spot| [spot.y].into_iter().chain(spot.bounds.into_iter().flat_map(|(l, u)| [l, u])));
        let band = self.band.iter().flat_map(|(_, lower, upper)| [*lower, *upper]);
        let (mut bottom, top) = ends(heights.clone().chain(band))?;
        // A band below zero is a property of the straight line, not of times and rates: the axis ends at zero.
        if heights.clone().all(|y| y >= 0.0) {
            bottom = bottom.max(0.0);
        }
        let several = self.groups.len() > 1;
        let mut keys: Vec<Key> = Vec::new();
        if several {
            keys.extend(self.groups.iter().enumerate().map(|(i, name)| Key::new(fit(name, 220.0, LABEL), color(i), 1.0)));
        }
        if !self.line.is_empty() {
            keys.push(Key::new(words.t("study.legend.line"), INK, 1.0));
        }
        if !self.band.is_empty() {
            keys.push(Key::new(words.t("study.legend.band"), MUTED, 0.18));
        }
        let head = 6.0 + legend(None, &keys, LEFT, 6.0, RIGHT) + 28.0;
        let frame = Frame { left: LEFT, top: head, right: RIGHT, bottom: head + HEIGHT };
        let x = Scale::linear(low, high, frame.left + 10.0, frame.right - 10.0);
        let y = Scale::linear(bottom, top, frame.bottom, frame.top);
        on_canvas(WIDTH, frame.bottom + 44.0, |canvas| {
            legend(Some(canvas), &keys, LEFT, 6.0, RIGHT);
            y_axis(canvas, frame, y, &self.y.title, &self.y.unit, words);
            for tick in x.ticks(10).0 {
                canvas.line((x.at(tick), frame.top), (x.at(tick), frame.bottom), GRID, 1.0);
            }
            let upper = self.band.iter().map(|(at, _, upper)| (x.at(*at), y.at(*upper)));
            let lower = self.band.iter().rev().map(|(at, lower, _)| (x.at(*at), y.at(*lower)));
            canvas.area(&upper.chain(lower).collect::<Vec<_>>(), MUTED, 0.14);
            canvas.path(&self.line.iter().map(|(at, value)| (x.at(*at), y.at(*value))).collect::<Vec<_>>(), INK, 1.75);
            for spot in &self.spots {
                if let Some((lower, upper)) = spot.bounds.filter(|(lower, upper)| upper > lower) {
                    canvas.line((x.at(spot.x), y.at(lower)), (x.at(spot.x), y.at(upper)), color(spot.group), 1.0);
                }
                canvas.dot((x.at(spot.x), y.at(spot.y)), 3.75, color(spot.group));
            }
            x_axis(canvas, frame, x, Some(&self.x.text()), words);
        })
    }
}

/// Colours begin again after the last: more groups than colours are told apart in the tables.
fn color(group: usize) -> plotters::style::RGBColor {
    CURVES[group % CURVES.len()]
}
