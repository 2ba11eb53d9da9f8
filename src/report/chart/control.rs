//! The orchestration as a waterfall: each call from its request to its reply.

use super::WIDTH;
use super::axis::{Frame, Scale, x_axis};
use super::bands::{Key, NETWORK, VM, band_keys, bands, legend, origin, seconds, shade};
use super::canvas::{Anchor, BLUE, Font, GREEN, GRID, INK, SMALL, draw as on_canvas, fit, text_width};
use crate::base::time::Timestamp;
use crate::model::{Control, Report};
use crate::report::words::Words;

const LEFT: f64 = 300.0;
const RIGHT: f64 = WIDTH - 70.0;
const ROW: f64 = 18.0;
/// Steps drawn; the table has all.
const ROWS: usize = 40;

/// The chart; `None` without a step that has a time.
pub(super) fn draw(report: &Report, words: Words) -> Option<String> {
    let origin = origin(report)?;
    let steps = choose(report);
    let first = steps.iter().filter_map(|s| s.time).map(|t| seconds(origin, t)).reduce(f64::min)?;
    let end = |s: &&Control| s.time.map(|t| seconds(origin, t) + s.ms.unwrap_or(0.0) / 1000.0);
    let last = steps.iter().filter_map(end).filter(|t| t.is_finite()).fold(first, f64::max);
    let pad = ((last - first) * 0.03).max(0.01);
    let x = Scale::linear(first - pad, last + pad, LEFT, RIGHT);
    let mut keys = vec![Key::new(words.t("legend.call"), BLUE, 1.0), Key::new(words.t("legend.event"), GREEN, 1.0)];
    keys.extend(band_keys(report, words).into_iter().filter(|key| key.color == VM || key.color == NETWORK));
    let top = 6.0 + legend(None, &keys, LEFT, 6.0, WIDTH - 14.0) + 10.0;
    let bottom = top + steps.len() as f64 * ROW;
    let frame = Frame { left: LEFT, top, right: RIGHT, bottom };
    let bands: Vec<_> = bands(report, origin, last + pad).into_iter().filter(|b| b.color == VM || b.color == NETWORK).collect();
    on_canvas(WIDTH, bottom + 44.0, |canvas| {
        legend(Some(canvas), &keys, LEFT, 6.0, WIDTH - 14.0);
        shade(canvas, frame, x, &bands);
        for tick in x.ticks(8).0 {
            canvas.line((x.at(tick), top), (x.at(tick), bottom), GRID, 1.0);
        }
        for (i, step) in steps.iter().enumerate() {
            let middle = top + (i as f64 + 0.5) * ROW;
            let ink = Font { color: INK, ..SMALL };
            let what = words.name("control", &step.what);
            let label = if step.detail.is_empty() { what.into_owned() } else { format!("{what}: {}", step.detail) };
            canvas.text(&fit(&label, LEFT - 16.0, ink), (LEFT - 8.0, middle), Anchor::Right, ink);
            let Some(time) = step.time else { continue };
            let from = x.at(seconds(origin, time));
            match step.ms.filter(|ms| ms.is_finite() && *ms > 0.0) {
                Some(ms) => {
                    let to = x.at(seconds(origin, time) + ms / 1000.0).max(from + 1.5);
                    canvas.bar((from, middle - 5.0), (to, middle + 5.0), BLUE, 1.0);
                    let value = words.ms(ms).text();
                    let room = to + text_width(&value, SMALL) + 8.0 < WIDTH;
                    let (at, anchor) = if room { (to + 5.0, Anchor::Left) } else { (from - 5.0, Anchor::Right) };
                    canvas.text(&value, (at, middle), anchor, SMALL);
                }
                None => canvas.dot((from, middle), 4.0, GREEN),
            }
        }
        x_axis(canvas, frame, x, Some(words.t("axis.seconds")), words);
    })
}

/// The steps to draw: all if they fit, else those nearest to the migrations, in the order of time.
fn choose(report: &Report) -> Vec<&Control> {
    let mut steps: Vec<&Control> = report.control.iter().filter(|step| step.time.is_some()).collect();
    if steps.len() > ROWS {
        let spans: Vec<(Timestamp, Timestamp)> =
            report.migrations.iter().filter_map(|m| Some((m.start?, m.end.or(report.run.end)?))).collect();
        let far = |t: Timestamp| {
            let away = |(from, to): &(Timestamp, Timestamp)| (*from - t).0.max((t - *to).0).max(0);
            spans.iter().map(away).min().unwrap_or(0)
        };
        steps.sort_by_key(|step| step.time.map(far));
        steps.truncate(ROWS);
    }
    steps.sort_by_key(|step| step.time);
    steps
}
