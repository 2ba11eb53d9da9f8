//! The passes over the guest's memory: what each sent, and whether sending outran dirtying.

use super::WIDTH;
use super::axis::{Frame, Scale, round_up, y_axis};
use super::bands::{Key, legend};
use super::canvas::{Anchor, BLUE, Canvas, ORANGE, SMALL, VERMILION, draw as on_canvas};
use crate::model::{Migration, Pass};
use crate::report::words::Words;

/// The chart; `None` without passes.
pub(super) fn draw(migration: &Migration, words: Words) -> Option<String> {
    let passes = &migration.passes;
    if passes.is_empty() {
        return None;
    }
    let keys = [
        Key::new(words.t("legend.pass-bytes"), BLUE, 1.0),
        Key::new(words.t("legend.pass-rate"), ORANGE, 1.0),
        Key::new(words.t("legend.dirty-rate"), VERMILION, 1.0),
    ];
    let top = 6.0 + legend(None, &keys, 62.0, 6.0, WIDTH - 14.0) + 28.0;
    let bottom = top + 170.0;
    let left = Frame { left: 62.0, top, right: WIDTH / 2.0 - 24.0, bottom };
    let right = Frame { left: WIDTH / 2.0 + 52.0, top, right: WIDTH - 14.0, bottom };
    on_canvas(WIDTH, bottom + 44.0, |canvas| {
        legend(Some(canvas), &keys, 62.0, 6.0, WIDTH - 14.0);
        let most = passes.iter().map(|p| p.bytes as f64).fold(0.0, f64::max);
        let (divide, unit) = bytes_unit(most);
        let y = Scale::linear(0.0, round_up(most / divide), bottom, top);
        y_axis(canvas, left, y, words.t("panel.pass-bytes"), unit, words);
        bars(canvas, left, passes, words, &[(&|p: &Pass| Some(p.bytes as f64 / divide), BLUE)], y);
        let rates = passes.iter().flat_map(|p| [sent_per_s(p), p.dirty_bytes_per_s]).flatten();
        let most = rates.filter(|v| v.is_finite()).fold(0.0, f64::max);
        let (divide, unit) = bytes_unit(most);
        let y = Scale::linear(0.0, round_up(most / divide), bottom, top);
        y_axis(canvas, right, y, words.t("panel.pass-rate"), &format!("{unit}/s"), words);
        let series: [Value<'_>; 2] =
            [(&|p: &Pass| sent_per_s(p).map(|v| v / divide), ORANGE), (&|p: &Pass| p.dirty_bytes_per_s.map(|v| v / divide), VERMILION)];
        bars(canvas, right, passes, words, &series, y);
    })
}

fn bytes_unit(most: f64) -> (f64, &'static str) {
    match most {
        v if v >= 1e9 => (1e9, "GB"),
        v if v >= 1e6 => (1e6, "MB"),
        v if v >= 1e3 => (1e3, "kB"),
        _ => (1.0, "B"),
    }
}

/// Bytes of the pass over its time.
pub(crate) fn sent_per_s(pass: &Pass) -> Option<f64> {
    let seconds = (pass.end? - pass.start?).seconds();
    (seconds > 0.0).then(|| pass.bytes as f64 / seconds)
}

type Value<'a> = (&'a dyn Fn(&Pass) -> Option<f64>, plotters::style::RGBColor);

fn bars(canvas: &mut Canvas<'_>, frame: Frame, passes: &[Pass], words: Words, series: &[Value<'_>], y: Scale) {
    let slot = (frame.right - frame.left) / passes.len() as f64;
    let width = (slot * 0.7 / series.len() as f64).min(46.0);
    // Numbers under the bars where they fit, else under every second, fifth, …
    let every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].into_iter().find(|n| slot * *n as f64 >= 22.0).unwrap_or(1000);
    for (i, pass) in passes.iter().enumerate() {
        let middle = frame.left + slot * (i as f64 + 0.5);
        let first = middle - width * series.len() as f64 / 2.0;
        for (k, (value, color)) in series.iter().enumerate() {
            let Some(value) = value(pass).filter(|v| v.is_finite()) else { continue };
            let at = first + width * k as f64;
            canvas.bar((at, y.at(value)), (at + width * 0.94, frame.bottom), *color, 1.0);
        }
        if i % every == 0 {
            let mark = if pass.estimated { "≈" } else { "" };
            canvas.text(&format!("{mark}{}", pass.index), (middle, frame.bottom + 13.0), Anchor::Middle, SMALL);
        }
    }
    canvas.line((frame.left, frame.bottom), (frame.right, frame.bottom), super::canvas::AXIS, 1.0);
    let font = super::canvas::Font { color: super::canvas::MUTED, ..super::canvas::LABEL };
    canvas.text(words.t("axis.pass"), ((frame.left + frame.right) / 2.0, frame.bottom + 30.0), Anchor::Middle, font);
}
