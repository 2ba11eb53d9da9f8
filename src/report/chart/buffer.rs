//! Video under the downtime: the player's buffer as modelled, its stalls, and each segment's download.

use super::WIDTH;
use super::axis::{Frame, Scale, round_up, x_axis, y_axis};
use super::bands::{Key, band_keys, bands, legend, origin, seconds, shade};
use super::canvas::{Anchor, BLUE, CURVES, Canvas, INK, LABEL, SKY, SMALL, VERMILION, draw as on_canvas, fit};
use super::curve::runs;
use crate::base::time::Timestamp;
use crate::model::{Report, Stall, Video};
use crate::report::words::Words;

const LEFT: f64 = 62.0;
const RIGHT: f64 = WIDTH - 14.0;
const LANE: f64 = 9.0;
const LANES: usize = 4;
/// Sessions drawn; the table has all.
const SESSIONS: usize = 4;
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
    let done = sessions.iter().flat_map(|v| v.segment_table.iter().filter_map(|s| s.done.or(s.asked))).map(|t| seconds(origin, t));
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
    for (curve, color) in curves.iter().zip(CURVES) {
        keys.push(Key::new(fit(&curve.name, 240.0, LABEL), color, 1.0));
    }
    let top = 6.0 + legend(None, &keys, LEFT, 6.0, RIGHT) + 28.0;
    let panel = if curves.is_empty() { 0.0 } else { 150.0 };
    let each = LANES as f64 * LANE + 34.0;
    let bottom = top + panel + if panel > 0.0 { 12.0 } else { 0.0 } + sessions.len() as f64 * each;
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
            for (curve, color) in curves.iter().zip(CURVES) {
                for run in runs(curve, x, y, 1.0, false) {
                    canvas.path(&run, color, 1.75);
                }
            }
            let stalls = report.video.iter().flat_map(|v| &v.stalls);
            marks(canvas, stalls, origin, x, (frame.bottom - 6.0, frame.bottom));
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

fn session(canvas: &mut Canvas<'_>, video: &Video, frame: Frame, origin: Timestamp, x: Scale, words: Words) {
    let host = video.host.as_deref().unwrap_or(&video.server);
    let title = format!("{} {host}", words.name("video", &video.kind));
    let font = super::canvas::Font { color: INK, ..SMALL };
    canvas.text(&fit(&title, 600.0, font), (LEFT, frame.top - 9.0), Anchor::Left, font);
    for (i, segment) in video.segment_table.iter().take(SEGMENTS).enumerate() {
        let Some(asked) = segment.asked else { continue };
        let from = x.at(seconds(origin, asked));
        let to = segment.done.map_or(from, |t| x.at(seconds(origin, t)));
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
