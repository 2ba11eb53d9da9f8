//! What charts over time share: seconds since the start of the run, the bands of downtime, the strip of phases, legends.

use super::axis::{Frame, Scale};
use super::canvas::{Anchor, BLUE, Canvas, GREEN, LABEL, ON_DARK, ORANGE, PINK, SKY, SMALL, VERMILION, text_width};
use crate::base::time::Timestamp;
use crate::model::{Downtime, Migration, Report};
use crate::report::words::Words;
use plotters::style::RGBColor;

/// Colour of the VM's pause.
pub(super) const VM: RGBColor = VERMILION;
/// Colour of the network's silence.
pub(super) const NETWORK: RGBColor = ORANGE;
/// Colour of windows without service.
pub(super) const SERVICE: RGBColor = PINK;

/// Seconds from `origin`.
pub(super) fn seconds(origin: Timestamp, t: Timestamp) -> f64 {
    (t - origin).seconds()
}

/// Start of the time axis.
pub(super) fn origin(report: &Report) -> Option<Timestamp> {
    report.series.origin.or(report.run.start).or_else(|| report.migrations.iter().filter_map(|m| m.start).min())
}

/// A band to be shaded: from, to (the right border if still open), colour, opacity.
pub(super) struct Band {
    pub from: f64,
    pub to: f64,
    pub color: RGBColor,
    pub opacity: f64,
}

/// The bands of all migrations, widest kind first. `end` is the end of the axis, for windows that are still open.
pub(super) fn bands(report: &Report, origin: Timestamp, end: f64) -> Vec<Band> {
    let mut out = Vec::new();
    for (_, downtime) in report.downtimes() {
        let caused = || downtime.service.iter().filter(|w| w.cause != "other");
        if let Some(from) = caused().filter_map(|w| w.start).min() {
            let open = caused().any(|w| !w.recovered || w.end.is_none());
            let to = if open { end } else { caused().filter_map(|w| w.end).max().map_or(end, |t| seconds(origin, t)) };
            out.push(Band { from: seconds(origin, from), to, color: SERVICE, opacity: 0.14 });
        }
        for (window, color, opacity) in [(&downtime.network, NETWORK, 0.25), (&downtime.vm, VM, 0.55)] {
            let Some(from) = &window.start else { continue };
            let to = match &window.end {
                Some(to) => seconds(origin, to.estimate),
                None if window.recovered == Some(false) => end,
                None => continue,
            };
            out.push(Band { from: seconds(origin, from.estimate), to, color, opacity });
        }
    }
    out
}

/// Shades the bands over the panel.
pub(super) fn shade(canvas: &mut Canvas<'_>, frame: Frame, x: Scale, bands: &[Band]) {
    for band in bands.iter().filter(|b| b.to >= b.from) {
        let (from, to) = (x.at(band.from), x.at(band.to));
        canvas.bar((from, frame.top), (to.max(from + 1.0), frame.bottom), band.color, band.opacity);
    }
}

/// The colour of a phase.
pub(super) fn phase_color(name: &str) -> RGBColor {
    match name {
        "setup" => SKY,
        "iteration" => BLUE,
        "stop-and-copy" => VERMILION,
        "postcopy" => PINK,
        _ => GREEN,
    }
}

/// The lane of each migration in the strip of phases: those that overlap in time lie below each other.
pub(super) fn lanes(migrations: &[Migration]) -> Vec<usize> {
    let mut ends: Vec<Timestamp> = Vec::new();
    let lane = |migration: &Migration| {
        let Some(start) = migration.start else { return 0 };
        let end = migration.end.unwrap_or(Timestamp::MAX);
        match ends.iter().position(|before| *before <= start) {
            Some(lane) => {
                ends[lane] = end;
                lane
            }
            None => {
                ends.push(end);
                ends.len() - 1
            }
        }
    };
    migrations.iter().map(lane).collect()
}

/// A strip with the phases of one migration, with their names where they fit.
pub(super) fn phase_strip(canvas: &mut Canvas<'_>, migration: &Migration, origin: Timestamp, frame: Frame, x: Scale, words: Words) {
    let white = super::canvas::Font { color: ON_DARK, bold: true, ..SMALL };
    let middle = (frame.top + frame.bottom) / 2.0;
    {
        for phase in &migration.phases {
            let (Some(from), Some(to)) = (phase.start, phase.end) else { continue };
            let (from, to) = (x.at(seconds(origin, from)), x.at(seconds(origin, to)));
            canvas.bar((from, frame.top), (to.max(from + 0.75), frame.bottom), phase_color(&phase.name), 1.0);
            let name = words.name("migration-phase", &phase.name);
            if text_width(&name, white) + 8.0 < to - from {
                canvas.text(&name, ((from + to) / 2.0, middle), Anchor::Middle, white);
            }
        }
        // A stream that was not read has no phases: its span alone.
        if let ([], Some(from)) = (migration.phases.as_slice(), migration.start) {
            let to = migration.end.map_or(frame.right, |t| x.at(seconds(origin, t)));
            canvas.bar((x.at(seconds(origin, from)), frame.top), (to, frame.bottom), BLUE, 0.45);
        }
    }
}

/// What a legend names.
pub(super) struct Key {
    pub name: String,
    pub color: RGBColor,
    pub opacity: f64,
}

impl Key {
    pub(super) fn new(name: impl Into<String>, color: RGBColor, opacity: f64) -> Self {
        Self { name: name.into(), color, opacity }
    }
}

/// A legend in rows from `left` to `right`; returns its height, which is the same whether `canvas` is there or not.
pub(super) fn legend(mut canvas: Option<&mut Canvas<'_>>, keys: &[Key], left: f64, top: f64, right: f64) -> f64 {
    const ROW: f64 = 18.0;
    let (mut x, mut y) = (left, top + ROW / 2.0);
    for key in keys {
        let width = 18.0 + text_width(&key.name, LABEL) + 16.0;
        if x > left && x + width > right {
            (x, y) = (left, y + ROW);
        }
        if let Some(canvas) = canvas.as_deref_mut() {
            canvas.bar((x, y - 5.0), (x + 12.0, y + 5.0), key.color, key.opacity);
            canvas.text(&key.name, (x + 18.0, y), Anchor::Left, LABEL);
        }
        x += width;
    }
    if keys.is_empty() { 0.0 } else { y + ROW / 2.0 - top }
}

/// The legend's keys for the bands that are there.
pub(super) fn band_keys(report: &Report, words: Words) -> Vec<Key> {
    let has = |of: fn(&Downtime) -> bool| report.downtimes().any(|(_, d)| of(d));
    let mut keys = Vec::new();
    if has(|d| d.vm.start.is_some()) {
        keys.push(Key::new(words.t("legend.vm"), VM, 0.55));
    }
    if has(|d| d.network.start.is_some()) {
        keys.push(Key::new(words.t("legend.network"), NETWORK, 0.35));
    }
    if has(|d| d.service.iter().any(|w| w.cause != "other" && w.start.is_some())) {
        keys.push(Key::new(words.t("legend.service"), SERVICE, 0.25));
    }
    keys
}
