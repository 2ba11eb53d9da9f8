//! Scales, ticks and the frames of panels.

use super::canvas::{AXIS, Anchor, Canvas, GRID, MUTED, SMALL, TITLE, fit, text_width};
use crate::report::words::Words;

/// From values to pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// Values `low` to `high` onto pixels `from` to `to`.
    pub(super) fn linear(low: f64, high: f64, from: f64, to: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { low, high, from, to, log: false }
    }

    /// The same with logarithms; `low` is above 0.
    pub(super) fn log(low: f64, high: f64, from: f64, to: f64) -> Self {
        let low = low.max(1e-9);
        let high = if high > low { high } else { low * 10.0 };
        Self { low, high, from, to, log: true }
    }

    /// Where `value` lies; outside values keep to the borders.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if value.is_nan() { self.low } else { value.clamp(self.low, self.high) };
        let part =
            if self.log { (value / self.low).ln() / (self.high / self.low).ln() } else { (value - self.low) / (self.high - self.low) };
        self.from + part * (self.to - self.from)
    }

    /// True if `value` lies within.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Values for about `wanted` ticks, and how many decimals tell them apart.
    pub(super) fn ticks(&self, wanted: usize) -> (Vec<f64>, usize) {
        if self.log { self.log_ticks(wanted) } else { self.linear_ticks(wanted) }
    }

    fn linear_ticks(&self, wanted: usize) -> (Vec<f64>, usize) {
        let step = nice_step((self.high - self.low) / wanted.max(1) as f64);
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        let first = (self.low / step - 1e-9).ceil();
        let last = (self.high / step + 1e-9).floor();
        let count = ((last - first) as usize).min(100);
        ((0..=count).map(|i| (first + i as f64) * step).collect(), decimals)
    }

    fn log_ticks(&self, wanted: usize) -> (Vec<f64>, usize) {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        // A decade has three round numbers; where there is no room for them, its first alone.
        let decades = (self.high / self.low).log10();
        let factors: &[f64] = if decades * 3.0 <= wanted as f64 * 1.6 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let all = (first..=last).flat_map(|e| factors.iter().map(move |f| f * 10f64.powi(e)));
        let ticks: Vec<f64> = all.filter(|v| *v >= self.low * 0.999 && *v <= self.high * 1.001).collect();
        (ticks, usize::MAX)
    }
}

/// 1, 2 or 5 times a power of ten, at least `rough`.
pub(super) fn nice_step(rough: f64) -> f64 {
    if !rough.is_finite() || rough <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= rough * 0.999_999).unwrap_or(10.0);
    factor * power
}

/// The upper end of an axis for values up to `most`: a round number a little above.
pub(super) fn round_up(most: f64) -> f64 {
    if !most.is_finite() || most <= 0.0 {
        return 1.0;
    }
    let step = nice_step(most / 4.0);
    (most / step - 1e-9).ceil().max(1.0) * step
}

/// The label of a tick.
pub(super) fn tick_label(value: f64, decimals: usize, words: Words) -> String {
    if decimals == usize::MAX {
        // Of a logarithmic axis: as many decimals as its own size needs.
        return words.fixed(value, (-value.log10().floor()).clamp(0.0, 6.0) as usize);
    }
    words.fixed(value, decimals)
}

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

/// Grid, ticks and labels of the y axis; the title with the unit above the panel.
pub(super) fn y_axis(canvas: &mut Canvas<'_>, frame: Frame, y: Scale, title: &str, unit: &str, words: Words) {
    let (ticks, decimals) = y.ticks(((frame.bottom - frame.top) / 30.0).clamp(2.0, 6.0) as usize);
    for tick in ticks {
        let at = y.at(tick);
        canvas.line((frame.left, at), (frame.right, at), GRID, 1.0);
        canvas.text(&tick_label(tick, decimals, words), (frame.left - 6.0, at), Anchor::Right, SMALL);
    }
    let title = fit(title, (frame.right - frame.left) * 0.5, TITLE);
    canvas.text(&title, (frame.left, frame.top - 10.0), Anchor::Left, TITLE);
    if !unit.is_empty() {
        let after = frame.left + text_width(&title, TITLE) + 6.0;
        canvas.text(unit, (after, frame.top - 10.0), Anchor::Left, SMALL);
    }
}

/// The x axis under a panel; with `labels`, numbers and the axis' name below it.
pub(super) fn x_axis(canvas: &mut Canvas<'_>, frame: Frame, x: Scale, labels: Option<&str>, words: Words) {
    canvas.line((frame.left, frame.bottom), (frame.right, frame.bottom), AXIS, 1.0);
    let (ticks, decimals) = x.ticks(((frame.right - frame.left) / 80.0).clamp(2.0, 12.0) as usize);
    for tick in ticks {
        let at = x.at(tick);
        canvas.line((at, frame.bottom), (at, frame.bottom + 4.0), AXIS, 1.0);
        if labels.is_some() {
            canvas.text(&tick_label(tick, decimals, words), (at, frame.bottom + 13.0), Anchor::Middle, SMALL);
        }
    }
    if let Some(name) = labels {
        let font = super::canvas::Font { color: MUTED, ..super::canvas::LABEL };
        canvas.text(name, ((frame.left + frame.right) / 2.0, frame.bottom + 30.0), Anchor::Middle, font);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(Scale::linear(0.0, 30.0, 0.0, 900.0).ticks(10), ((0..=6).map(|i| f64::from(i) * 5.0).collect(), 0));
        let (ticks, decimals) = Scale::linear(-0.13, 0.42, 0.0, 1.0).ticks(5);
        assert_eq!(decimals, 1);
        assert!(ticks.iter().all(|t| (-0.13..=0.42).contains(t)) && ticks.len() >= 2, "{ticks:?}");
        assert_eq!(Scale::log(0.1, 10.0, 0.0, 1.0).ticks(5).0, [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]);
        assert_eq!(round_up(155e6), 200e6);
        assert_eq!(round_up(0.0), 1.0);
        assert_eq!(round_up(f64::NAN), 1.0);
    }

    #[test]
    fn no_value_leaves_the_scale() {
        let scale = Scale::linear(5.0, 5.0, 0.0, 100.0);
        for value in [f64::NAN, f64::INFINITY, -1e300, 5.0, 6.0] {
            assert!((0.0..=100.0).contains(&scale.at(value)), "{value}");
        }
        assert!((Scale::log(0.0, 0.0, 0.0, 1.0).at(1e-9)).is_finite());
    }
}
