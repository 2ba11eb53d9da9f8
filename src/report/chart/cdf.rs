//! How delay is distributed: the share of packets that took at most so long.

use super::WIDTH;
use super::axis::{Frame, Scale, x_axis, y_axis};
use super::bands::{Key, legend};
use super::canvas::{AXIS, Anchor, CURVES, Font, SMALL, draw as on_canvas, fit};
use crate::model::{Curve, Report};
use crate::report::words::Words;

const LEFT: f64 = 62.0;
const RIGHT: f64 = WIDTH - 14.0;

/// The chart; `None` without a curve.
pub(super) fn draw(report: &Report, words: Words) -> Option<String> {
    let good = |p: &&(f64, f64)| p.0.is_finite() && p.1.is_finite();
    let curves: Vec<&Curve> =
        report.series.delay_cdf.iter().filter(|c| c.points.iter().filter(good).count() >= 2).take(CURVES.len()).collect();
    let xs = || curves.iter().flat_map(|c| c.points.iter().filter(good)).map(|p| p.0).filter(|x| *x > 0.0);
    let (low, high) = (xs().reduce(f64::min)?, xs().reduce(f64::max)?);
    let log = high > low * 20.0;
    let keys: Vec<Key> =
        curves.iter().zip(CURVES).map(|(curve, color)| Key::new(fit(&curve.name, 260.0, super::canvas::LABEL), color, 1.0)).collect();
    let top = 6.0 + legend(None, &keys, LEFT, 6.0, RIGHT) + 28.0;
    let frame = Frame { left: LEFT, top, right: RIGHT, bottom: top + 240.0 };
    let x = if log {
        Scale::log(low, high, frame.left, frame.right)
    } else {
        Scale::linear(if low < high * 0.5 { 0.0 } else { low }, high, frame.left, frame.right)
    };
    let y = Scale::linear(0.0, 100.0, frame.bottom, frame.top);
    on_canvas(WIDTH, frame.bottom + 44.0, |canvas| {
        legend(Some(canvas), &keys, LEFT, 6.0, RIGHT);
        for tick in x.ticks(10).0 {
            canvas.line((x.at(tick), frame.top), (x.at(tick), frame.bottom), super::canvas::GRID, 1.0);
        }
        y_axis(canvas, frame, y, words.t("panel.cdf"), "%", words);
        for (share, name) in [(50.0, "50 %"), (95.0, "95 %")] {
            canvas.line((frame.left, y.at(share)), (frame.right, y.at(share)), AXIS, 0.75);
            let font = Font { size: 10.0, ..SMALL };
            canvas.text(name, (frame.right - 4.0, y.at(share) - 7.0), Anchor::Right, font);
        }
        for (curve, color) in curves.iter().zip(CURVES) {
            let points: Vec<_> = curve.points.iter().filter(good).map(|p| (x.at(p.0), y.at(p.1 * 100.0))).collect();
            canvas.path(&points, color, 1.75);
        }
        let name = if log { words.t("axis.delay-log") } else { words.t("axis.delay") };
        x_axis(canvas, frame, x, Some(name), words);
    })
}
