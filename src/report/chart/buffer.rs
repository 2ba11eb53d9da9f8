//! Video under the downtime: the player's buffer as modelled, its stalls, how fast the media came against its own bit rate, and each
//! segment's download.

use std::collections::BTreeSet;

use super::WIDTH;
use super::axis::{Frame, Scale, round_up, x_axis, y_axis};
use super::bands::{Key, band_keys, bands, legend, origin, seconds, shade};
use super::canvas::{Anchor, BLUE, CURVES, Canvas, INK, LABEL, SKY, SMALL, VERMILION, draw as on_canvas, fit};
use super::curve::runs;
use super::timeline::rate_unit;
use crate::base::time::Timestamp;
use crate::model::{Curve, Report, Stall, Video};
use crate::report::words::Words;

const LEFT: f64 = 62.0;
const RIGHT: f64 = WIDTH - 14.0;
const LANE: f64 = 9.0;
const LANES: usize = 4;
/// Sessions drawn; the table has all.
const SESSIONS: usize = 4;
/// Length of a dash and of the gap behind it.
const DASH: f64 = 6.0;
/// Segments drawn per session.
const SEGMENTS: usize = 3000;

/// The chart; `None` without a buffer curve and without segments or gaps.
pub(super) fn draw(report: &Report, words: Words) -> Option<String> {
    let origin = origin(report)?;
    let curves: Vec<_> = report.series.buffer.iter().filter(|c| !c.points.is_empty()).take(CURVES.len()).collect();
    let timed = |v: &&Video| v.segment_table.iter().any(|s| s.asked.is_some()) || v.gaps.iter().any(|g| g.start.is_some());
    let sessions: Vec<&Video> = report.video.iter().filter(timed).take(SESSIONS).collect();
    if curves.is_empty() && sessions.is_empty() {
        return None;
    }
    let of_session = |(i, curve): (usize, _)| (curve, report.video.get(i).and_then(|v| v.media_bps));
    let drawn = |c: &(usize, &Curve)| !c.1.points.is_empty();
    let rates: Vec<(&Curve, Option<f64>)> =
        report.series.video.iter().enumerate().filter(drawn).map(of_session).take(CURVES.len()).collect();
    let done = sessions.iter().flat_map(|v| v.segment_table.iter().filter_map(|s| s.last_byte.or(s.asked))).map(|t| seconds(origin, t));
    let last = curves.iter().flat_map(|c| c.points.iter().map(|p| p.0)).chain(done).chain(report.run.end.map(|t| seconds(origin, t)));
    let end = last.filter(|t| t.is_finite()).fold(1.0, f64::max);
    let x = Scale::linear(0.0, end, LEFT, RIGHT);
    let mut keys = band_keys(report, words);
    if report.video.iter().any(|v| !v.stalls.is_empty()) {
        keys.push(Key::new(words.t("legend.stall"), INK, 1.0));
    }
    if !sessions.is_empty() {
        keys.push(Key::new(words.t("legend.segment"), SKY, 1.0));
        keys.push(Key::new(words.t("legend.segment-failed"), VERMILION, 1.0));
    }
    // A session has both curves or only its rate: it keeps its colour.
    let named = |name: &str| rates.iter().position(|r| r.0.name == name).map_or(CURVES[0], |i| CURVES[i]);
    let mut names: Vec<&str> = rates.iter().map(|r| r.0).chain(curves.iter().copied()).map(|c| c.name.as_str()).collect();
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    for name in names.into_iter().take(CURVES.len()) {
        keys.push(Key::new(fit(name, 240.0, LABEL), named(name), 1.0));
    }
    let top = 6.0 + legend(None, &keys, LEFT, 6.0, RIGHT) + 28.0;
    let panel = if curves.is_empty() { 0.0 } else { 150.0 };
    let each = LANES as f64 * LANE + 34.0;
    let speed = if rates.is_empty() { 0.0 } else { 90.0 };
    let room = |height: f64, below: f64| if height > 0.0 { height + below } else { 0.0 };
    let bottom = top + room(panel, 12.0) + room(speed, 44.0) + sessions.len() as f64 * each;
    let bands = bands(report, origin, end);
    on_canvas(WIDTH, bottom + 44.0, |canvas| {
        legend(Some(canvas), &keys, LEFT, 6.0, RIGHT);
        let mut y_top = top;
        if panel > 0.0 {
            let frame = Frame { left: LEFT, top, right: RIGHT, bottom: top + panel };
            let most = curves.iter().flat_map(|c| c.points.iter().map(|p| p.1)).filter(|v| v.is_finite()).fold(0.0, f64::max);
            let y = Scale::linear(0.0, round_up(most), frame.bottom, frame.top);
            shade(canvas, frame, x, &bands);
            y_axis(canvas, frame, y, words.t("panel.buffer"), "s", words);
            for curve in &curves {
                for run in runs(curve, x, y, 1.0, false) {
                    canvas.path(&run, named(&curve.name), 1.75);
                }
            }
            let stalls = report.video.iter().flat_map(|v| &v.stalls);
            marks(canvas, stalls, origin, x, (frame.bottom - 6.0, frame.bottom));
            let last = sessions.is_empty() && rates.is_empty();
            x_axis(canvas, frame, x, last.then(|| words.t("axis.seconds")), words);
            y_top = frame.bottom + 12.0;
        }
        if speed > 0.0 {
            let frame = Frame { left: LEFT, top: y_top + 32.0, right: RIGHT, bottom: y_top + 32.0 + speed };
            shade(canvas, frame, x, &bands);
            rate_panel(canvas, &rates, frame, x, words);
            x_axis(canvas, frame, x, sessions.is_empty().then(|| words.t("axis.seconds")), words);
            y_top = frame.bottom + 12.0;
        }
        for (i, video) in sessions.iter().enumerate() {
            let frame = Frame { left: LEFT, top: y_top + 20.0, right: RIGHT, bottom: y_top + 20.0 + LANES as f64 * LANE + 4.0 };
            shade(canvas, frame, x, &bands);
            session(canvas, video, frame, origin, x, words);
            let name = (i + 1 == sessions.len()).then(|| words.t("axis.seconds"));
            x_axis(canvas, frame, x, name, words);
            y_top += each;
        }
    })
}

/// How fast the media came, window by window, and dashed the bit rate of the media itself: below it the buffer shrinks.
fn rate_panel(canvas: &mut Canvas<'_>, rates: &[(&Curve, Option<f64>)], frame: Frame, x: Scale, words: Words) {
    let values = rates.iter().flat_map(|(c, media)| c.points.iter().map(|p| p.1).chain(*media));
    let most = values.filter(|v| v.is_finite()).fold(0.0, f64::max);
    let (divide, unit) = rate_unit(most);
    let y = Scale::linear(0.0, round_up(most / divide), frame.bottom, frame.top);
    y_axis(canvas, frame, y, words.t("panel.video-rate"), unit, words);
    for ((curve, media), color) in rates.iter().zip(CURVES) {
        for run in runs(curve, x, y, divide, true) {
            canvas.path(&run, color, 1.25);
        }
        let ends = curve.points.first().zip(curve.points.last());
        let (Some(bps), Some((first, last))) = (media.filter(|b| b.is_finite()), ends) else { continue };
        let (mut at, end, level) = (x.at(first.0), x.at(last.0 + curve.window_ms / 1000.0), y.at(bps / divide));
        while at < end {
            canvas.line((at, level), ((at + DASH).min(end), level), color, 1.5);
            at += DASH * 2.0;
        }
    }
}

fn session(canvas: &mut Canvas<'_>, video: &Video, frame: Frame, origin: Timestamp, x: Scale, words: Words) {
    let host = video.host.as_deref().unwrap_or(&video.server);
    let title = format!("{} {host}", words.name("video", &video.kind));
    let font = super::canvas::Font { color: INK, ..SMALL };
    canvas.text(&fit(&title, 600.0, font), (LEFT, frame.top - 9.0), Anchor::Left, font);
    for (i, segment) in video.segment_table.iter().take(SEGMENTS).enumerate() {
        let Some(asked) = segment.asked else { continue };
        let from = x.at(seconds(origin, asked));
        let to = segment.last_byte.or(segment.done).map_or(from, |t| x.at(seconds(origin, t)));
        let failed = segment.done.is_none() || segment.status.is_some_and(|s| s >= 400);
        let y = frame.top + 2.0 + (i % LANES) as f64 * LANE;
        canvas.bar((from, y), (to.max(from + 2.0), y + LANE - 2.0), if failed { VERMILION } else { SKY }, 1.0);
    }
    for gap in &video.gaps {
        let (Some(start), Some(ms)) = (gap.start, gap.ms) else { continue };
        let from = seconds(origin, start);
        canvas.bar((x.at(from), frame.top + 4.0), (x.at(from + ms / 1000.0), frame.bottom - 4.0), BLUE, 0.35);
    }
}

fn marks<'a>(canvas: &mut Canvas<'_>, stalls: impl Iterator<Item = &'a Stall>, origin: Timestamp, x: Scale, y: (f64, f64)) {
    for stall in stalls {
        let (Some(start), Some(ms)) = (stall.start, stall.ms) else { continue };
        let from = seconds(origin, start);
        let (left, right) = (x.at(from), x.at(from + ms / 1000.0));
        canvas.bar((left, y.0), (right.max(left + 2.0), y.1), INK, 1.0);
    }
}
