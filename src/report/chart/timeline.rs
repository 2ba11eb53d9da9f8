//! The whole run on one time axis: one panel for each capture point, then the migration, the delay and the losses.

use plotters::style::RGBColor;

use super::WIDTH;
use super::axis::{Frame, Scale, round_up, x_axis, y_axis};
use super::bands::{Band, Key, band_keys, bands, lanes, legend, origin, phase_color, phase_strip, seconds, shade};
use super::canvas::{Anchor, BLUE, CURVES, Canvas, Font, GREEN, SMALL, VERMILION, draw as on_canvas, fit, text_width};
use super::curve::runs;
use crate::base::time::Timestamp;
use crate::model::{Curve, Migration, Report};
use crate::report::words::Words;

const LEFT: f64 = 62.0;
const RIGHT: f64 = WIDTH - 14.0;
/// Height of a lane of the strip of phases, and how many there are at most.
const LANE: f64 = 21.0;
const LANES: usize = 6;
/// Curves in one panel; more would not be told apart.
const CURVES_SHOWN: usize = 6;

/// Capture points that have a panel.
const POINTS_SHOWN: usize = 8;

enum Kind {
    Rate,
    Delay,
    Loss,
}

struct Panel<'a> {
    title: String,
    kind: Kind,
    height: f64,
    curves: Vec<(&'a Curve, RGBColor)>,
}

/// The timeline; `None` without any curve.
pub(super) fn draw(report: &Report, words: Words) -> Option<String> {
    let origin = origin(report)?;
    let panels = panels(report, words);
    if panels.is_empty() {
        return None;
    }
    let last = panels.iter().flat_map(|p| &p.curves).flat_map(|(c, _)| c.points.iter().map(|p| p.0 + c.window_ms / 1000.0));
    let ends = last.chain(report.run.end.map(|t| (t - origin).seconds()));
    let end = ends.filter(|t| t.is_finite()).fold(0.0, f64::max);
    let x = Scale::linear(0.0, end, LEFT, RIGHT);
    let keys = keys(report, words);
    let strip = report.migrations.iter().any(|m| m.start.is_some());
    let legend_height = legend(None, &keys, LEFT, 6.0, RIGHT);
    let lanes = lanes(&report.migrations);
    let deepest = lanes.iter().copied().max().unwrap_or(0).min(LANES - 1);
    let first = 6.0 + legend_height + if strip { 34.0 + deepest as f64 * LANE } else { 4.0 };
    let height = first + panels.iter().map(|p| p.height + 38.0).sum::<f64>() + 26.0;
    let bands = bands(report, origin, end);
    on_canvas(WIDTH, height, |canvas| {
        legend(Some(canvas), &keys, LEFT, 6.0, RIGHT);
        if strip {
            let top = 6.0 + legend_height + 10.0;
            let phased = report.migrations.iter().any(|m| !m.phases.is_empty());
            let name = if phased { words.t("legend.phases") } else { words.t("migration") };
            canvas.text(name, (LEFT - 6.0, top + 9.0), Anchor::Right, SMALL);
            let mut taken = [LEFT; LANES];
            for (migration, lane) in report.migrations.iter().zip(&lanes).filter(|(_, lane)| **lane < LANES) {
                let frame = Frame { left: LEFT, top: top + *lane as f64 * LANE, right: RIGHT, bottom: top + *lane as f64 * LANE + 18.0 };
                phase_strip(canvas, migration, origin, frame, x, words);
                let next = report.migrations.iter().zip(&lanes).filter(|(m, l)| *l == lane && m.start > migration.start);
                let limit = next.filter_map(|(m, _)| m.start).min().map_or(RIGHT, |t| x.at(seconds(origin, t)));
                taken[*lane] = length(canvas, migration, origin, (taken[*lane], limit, frame), x, words);
            }
        }
        let mut top = first + 24.0;
        for (i, panel) in panels.iter().enumerate() {
            let frame = Frame { left: LEFT, top, right: RIGHT, bottom: top + panel.height };
            let name = (i + 1 == panels.len()).then(|| words.t("axis.seconds"));
            one(canvas, panel, frame, x, &bands, name, words);
            top += panel.height + 38.0;
        }
    })
}

/// How long the downtime was, in words: right of the migration's strip, or left of it where there is no room. Returns where the
/// next free place of the lane begins.
fn length(canvas: &mut Canvas<'_>, migration: &Migration, origin: Timestamp, lane: (f64, f64, Frame), x: Scale, words: Words) -> f64 {
    let (free, limit, strip) = lane;
    let downtime = &migration.downtime;
    let mut parts = Vec::new();
    if let Some(ms) = &downtime.vm.ms {
        parts.push(format!("{} {}", words.t("vm"), words.ms_parts(ms).0));
    }
    match (&downtime.network.ms, downtime.network.recovered) {
        (_, Some(false)) => parts.push(words.t("not-recovered").to_owned()),
        (Some(ms), _) => parts.push(format!("{} {}", words.t("legend.net"), words.ms_parts(ms).0)),
        _ => {}
    }
    let ends = [downtime.vm.end.map(|t| t.estimate), downtime.network.end.map(|t| t.estimate), migration.end];
    let end = ends.into_iter().flatten().max().map_or(strip.right, |t| x.at(seconds(origin, t)));
    if parts.is_empty() {
        return end;
    }
    let text = format!("{} {}", words.t("legend.downtime"), parts.join(", "));
    let font = Font { color: super::canvas::INK, ..SMALL };
    let (middle, width) = ((strip.top + strip.bottom) / 2.0, text_width(&text, font));
    let before = migration.start.map_or(strip.left, |t| x.at(seconds(origin, t))) - 8.0;
    if end + 8.0 + width < limit - 8.0 {
        canvas.text(&text, (end + 8.0, middle), Anchor::Left, font);
        return end + 8.0 + width;
    }
    if before - width > free {
        canvas.text(&text, (before, middle), Anchor::Right, font);
    }
    end
}

fn keys(report: &Report, words: Words) -> Vec<Key> {
    let mut keys = band_keys(report, words);
    let mut names: Vec<&str> = Vec::new();
    for phase in report.migrations.iter().flat_map(|m| &m.phases) {
        if !names.contains(&phase.name.as_str()) && names.len() < 6 {
            names.push(&phase.name);
            keys.push(Key::new(words.name("migration-phase", &phase.name), phase_color(&phase.name), 1.0));
        }
    }
    keys
}

fn panels<'a>(report: &'a Report, words: Words) -> Vec<Panel<'a>> {
    let series = &report.series;
    let drawn = |curve: &&Curve| curve.points.iter().any(|(x, y)| x.is_finite() && y.is_finite());
    let mut panels = Vec::new();
    for curve in series.throughput.iter().filter(drawn).take(POINTS_SHOWN) {
        let title = words.fill("panel.throughput", &[("point", &words.name("role", &curve.name))]);
        panels.push(Panel { title, kind: Kind::Rate, height: 86.0, curves: vec![(curve, BLUE)] });
    }
    let colored = |curves: &'a [Curve], colors: &[RGBColor]| -> Vec<(&'a Curve, RGBColor)> {
        curves.iter().filter(drawn).zip(colors.iter().copied().cycle()).take(CURVES_SHOWN).collect()
    };
    let mut add = |key, kind, height, curves: Vec<(&'a Curve, RGBColor)>| {
        if !curves.is_empty() {
            panels.push(Panel { title: words.t(key).to_owned(), kind, height, curves });
        }
    };
    add("panel.migration", Kind::Rate, 86.0, colored(&series.migration, &[GREEN, BLUE, VERMILION]));
    add("panel.delay", Kind::Delay, 110.0, colored(&series.delay, &CURVES));
    add("panel.loss", Kind::Loss, 60.0, colored(&series.loss, &[VERMILION, BLUE, GREEN]));
    panels
}

fn one(canvas: &mut Canvas<'_>, panel: &Panel<'_>, frame: Frame, x: Scale, bands: &[Band], x_name: Option<&str>, words: Words) {
    let values = || panel.curves.iter().flat_map(|(c, _)| c.points.iter().map(|p| p.1)).filter(|v| v.is_finite());
    let most = values().fold(0.0, f64::max);
    let (divide, unit) = match panel.kind {
        Kind::Rate => rate_unit(most),
        Kind::Delay => (1.0, "ms"),
        Kind::Loss => (1.0, words.t("unit.packets-per-window")),
    };
    let least = values().filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
    // Delays of more than two orders of magnitude: a linear axis would show the largest alone.
    let log = matches!(panel.kind, Kind::Delay) && least.is_finite() && most > least * 100.0;
    let y = if log {
        Scale::log(10f64.powf(least.log10().floor()), 10f64.powf(most.log10().ceil()), frame.bottom, frame.top)
    } else {
        // Packets come whole: no axis of theirs has halves.
        let least = if matches!(panel.kind, Kind::Loss) { 4.0 } else { 0.0 };
        Scale::linear(0.0, round_up((most / divide).max(least)), frame.bottom, frame.top)
    };
    let unit = if log { format!("{unit}, {}", words.t("axis.log")) } else { unit.to_owned() };
    shade(canvas, frame, x, bands);
    y_axis(canvas, frame, y, &panel.title, &unit, words);
    for (curve, color) in &panel.curves {
        match panel.kind {
            Kind::Rate => {
                for run in runs(curve, x, y, divide, true) {
                    let mut area = run.clone();
                    if let (Some(first), Some(last)) = (run.first(), run.last()) {
                        area.push((last.0, frame.bottom));
                        area.push((first.0, frame.bottom));
                    }
                    canvas.area(&area, *color, 0.16);
                    canvas.path(&run, *color, 1.25);
                }
            }
            Kind::Delay => {
                for run in runs(curve, x, y, divide, false) {
                    match run.as_slice() {
                        [one] => canvas.dot(*one, 1.5, *color),
                        run => canvas.path(run, *color, 1.25),
                    }
                }
            }
            Kind::Loss => {
                for (at, lost) in curve.points.iter().filter(|(_, lost)| *lost > 0.0) {
                    let (from, to) = (x.at(*at), x.at(*at + curve.window_ms / 1000.0));
                    canvas.bar((from, y.at(*lost)), (to.max(from + 1.0), frame.bottom), *color, 0.9);
                }
            }
        }
    }
    names(canvas, panel, frame, &unit, words);
    x_axis(canvas, frame, x, x_name, words);
}

/// The unit in which rates up to `most` bit/s are drawn, and how many bit/s it has.
pub(super) fn rate_unit(most: f64) -> (f64, &'static str) {
    match most {
        _ if most >= 1e9 => (1e9, "Gbit/s"),
        _ if most >= 1e6 => (1e6, "Mbit/s"),
        _ if most >= 1e3 => (1e3, "kbit/s"),
        _ => (1.0, "bit/s"),
    }
}

/// The curves' names, right of the title and above the data.
fn names(canvas: &mut Canvas<'_>, panel: &Panel<'_>, frame: Frame, unit: &str, words: Words) {
    if panel.curves.len() < 2 && !matches!(panel.kind, Kind::Delay | Kind::Loss) {
        return;
    }
    let font = Font { color: super::canvas::INK, ..SMALL };
    let taken = text_width(&panel.title, super::canvas::TITLE).min((frame.right - frame.left) * 0.5) + text_width(unit, SMALL) + 30.0;
    let room = (frame.right - frame.left - taken) / panel.curves.len().max(1) as f64 - 32.0;
    let mut right = frame.right;
    for (curve, color) in panel.curves.iter().rev() {
        let name = match curve.name.parse::<u32>() {
            Ok(id) => format!("{} {id}", words.t("migration")),
            Err(_) => fit(&curve.name, room.clamp(40.0, 200.0), font),
        };
        canvas.text(&name, (right, frame.top - 10.0), Anchor::Right, font);
        right -= text_width(&name, font) + 6.0;
        canvas.line((right - 14.0, frame.top - 10.0), (right, frame.top - 10.0), *color, 3.0);
        right -= 26.0;
    }
}
