//! Curves of many runs on one time axis whose zero is an event of each run.

use super::super::WIDTH;
use super::super::axis::{Frame, Scale, round_up, x_axis, y_axis};
use super::super::bands::{Key, legend};
use super::super::canvas::{BLUE, GRID, INK, VERMILION, draw as on_canvas};
use super::super::curve;
use super::Axis;
use crate::model::Curve;
use crate::report::words::Words;

/// The curves of one group, in seconds from the event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// Name of the group.
    pub name: String,
    /// One curve for each run, in bits per second.
    pub curves: Vec<Curve>,
    /// Their median, where enough of them have a value.
    pub median: Option<Curve>,
}

/// Panels below each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aligned {
    /// Name of the time axis.
    pub x: Axis,
    /// First and last second that is shown.
    pub range: (f64, f64),
    /// Unit of y.
    pub unit: String,
    /// By what values are divided for it.
    pub divide: f64,
    /// One for each group.
    pub panels: Vec<Panel>,
}

const LEFT: f64 = 74.0;
const RIGHT: f64 = WIDTH - 20.0;
const HEIGHT: f64 = 140.0;
const GAP: f64 = 34.0;

impl Aligned {
    /// The chart as SVG; `None` without a curve.
    pub fn draw(&self, words: Words) -> Option<String> {
        let panels: Vec<&Panel> = self.panels.iter().filter(|panel| panel.curves.iter().any(|curve| !curve.points.is_empty())).collect();
        let inside = |at: f64| at >= self.range.0 && at <= self.range.1;
        let all = || panels.iter().flat_map(|panel| &panel.curves).flat_map(|curve| &curve.points);
        let most = all().filter(|p| inside(p.0) && p.1.is_finite()).map(|p| p.1 / self.divide).reduce(f64::max)?;
        let mut keys = vec![Key::new(words.t("study.legend.run"), BLUE, 0.45)];
        if panels.iter().any(|panel| panel.median.is_some()) {
            keys.push(Key::new(words.t("study.legend.median"), INK, 1.0));
        }
        keys.push(Key::new(words.t("study.legend.switch"), VERMILION, 1.0));
        let head = 6.0 + legend(None, &keys, LEFT, 6.0, RIGHT) + 28.0;
        let x = Scale::linear(self.range.0, self.range.1, LEFT, RIGHT);
        let count = panels.len() as f64;
        let bottom = head + HEIGHT * count + GAP * (count - 1.0);
        on_canvas(WIDTH, bottom + 44.0, |canvas| {
            legend(Some(canvas), &keys, LEFT, 6.0, RIGHT);
            for (i, panel) in panels.iter().enumerate() {
                let top = head + (HEIGHT + GAP) * i as f64;
                let frame = Frame { left: LEFT, top, right: RIGHT, bottom: top + HEIGHT };
                let y = Scale::linear(0.0, round_up(most), frame.bottom, frame.top);
                y_axis(canvas, frame, y, &panel.name, &self.unit, words);
                for tick in x.ticks(12).0 {
                    canvas.line((x.at(tick), frame.top), (x.at(tick), frame.bottom), GRID, 1.0);
                }
                for curve in &panel.curves {
                    for run in curve::runs(&within(curve, self.range), x, y, self.divide, false) {
                        canvas.path(&run, BLUE, if panel.curves.len() > 12 { 0.5 } else { 1.0 });
                    }
                }
                if let Some(median) = &panel.median {
                    for run in curve::runs(&within(median, self.range), x, y, self.divide, false) {
                        canvas.path(&run, INK, 2.0);
                    }
                }
                if inside(0.0) {
                    canvas.line((x.at(0.0), frame.top), (x.at(0.0), frame.bottom), VERMILION, 1.25);
                }
                x_axis(canvas, frame, x, (i + 1 == panels.len()).then(|| self.x.text()).as_deref(), words);
            }
        })
    }
}

/// The points within the range: those outside would pile up at its borders.
fn within(curve: &Curve, (from, to): (f64, f64)) -> Curve {
    Curve { points: curve.points.iter().filter(|p| p.0 >= from && p.0 <= to).copied().collect(), ..curve.clone() }
}
