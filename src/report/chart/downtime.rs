//! The downtime from near: the three kinds on one axis, with what is proven, what is possible, and the frames that prove it.

use plotters::style::RGBColor;

use super::WIDTH;
use super::axis::{Frame, Scale, x_axis};
use super::bands::{Key, NETWORK, SERVICE, VM, legend};
use super::canvas::{AXIS, Anchor, Canvas, Font, GRID, INK, LABEL, MUTED, ON_COLOR, ON_DARK, SMALL, draw as on_canvas, fit, text_width};
use crate::base::time::Timestamp;
use crate::model::{Downtime, ServiceWindow, Window};
use crate::report::words::Words;

const LEFT: f64 = 190.0;
const RIGHT: f64 = WIDTH - 16.0;
const ROW: f64 = 30.0;
/// Windows of services that are drawn; the table has all.
const SERVICES: usize = 12;

struct Row {
    name: String,
    value: String,
    color: RGBColor,
    /// Earliest start, latest start.
    start: (f64, f64),
    /// Earliest end, latest end; `None`: still open.
    end: Option<(f64, f64)>,
    /// Best start and end.
    best: (f64, Option<f64>),
}

/// The chart; `None` if no window has a start.
pub(super) fn draw(downtime: &Downtime, capture_end: Option<Timestamp>, words: Words) -> Option<String> {
    let (zero, zero_name) = zero(downtime, words)?;
    let ms = |t: Timestamp| (t - zero).ms();
    let rows = rows(downtime, &ms, words);
    let (low, high) = span(&rows, capture_end.map(ms))?;
    let x = Scale::linear(low, high, LEFT, RIGHT);
    let proofs: Vec<(usize, f64)> = downtime
        .evidence
        .iter()
        .enumerate()
        .filter_map(|(i, e)| Some((i + 1, e.time.map(ms)?)))
        .filter(|(_, t)| x.holds(*t))
        .take(40)
        .collect();
    let levels = levels(&proofs, x);
    let depth = levels.iter().copied().max().map_or(0, |deepest| deepest + 1);
    let keys = [
        Key::new(words.t("legend.proven"), VM, 0.9),
        Key::new(words.t("legend.possible"), VM, 0.3),
        Key::new(words.t("legend.best"), INK, 1.0),
    ];
    let top = 8.0 + legend(None, &keys, LEFT, 6.0, RIGHT) + 6.0;
    let bottom = top + rows.len() as f64 * ROW;
    let proof_top = bottom + 6.0;
    let axis = if depth == 0 { bottom } else { proof_top + depth as f64 * 18.0 + 4.0 };
    on_canvas(WIDTH, axis + 44.0, |canvas| {
        legend(Some(canvas), &keys, LEFT, 6.0, RIGHT);
        for tick in x.ticks(10).0 {
            canvas.line((x.at(tick), top), (x.at(tick), axis), GRID, 1.0);
        }
        for ((n, at), level) in proofs.iter().zip(&levels) {
            let (at, y) = (x.at(*at), proof_top + *level as f64 * 18.0 + 9.0);
            canvas.line((at, top), (at, y), AXIS, 0.75);
            canvas.dot((at, y), 8.0, MUTED);
            let white = Font { color: ON_DARK, bold: true, size: 10.0 };
            canvas.text(&n.to_string(), (at, y), Anchor::Middle, white);
        }
        if depth > 0 {
            canvas.text(words.t("legend.evidence"), (LEFT - 10.0, proof_top + 9.0), Anchor::Right, SMALL);
        }
        for (i, row) in rows.iter().enumerate() {
            one(canvas, row, top + i as f64 * ROW, x);
        }
        let frame = Frame { left: LEFT, top, right: RIGHT, bottom: axis };
        x_axis(canvas, frame, x, Some(zero_name), words);
    })
}

/// Time 0 of the axis, and what to call the axis.
fn zero(downtime: &Downtime, words: Words) -> Option<(Timestamp, &'static str)> {
    if let Some(start) = &downtime.vm.start {
        return Some((start.estimate, words.t("axis.since-vm")));
    }
    if let Some(start) = &downtime.network.start {
        return Some((start.estimate, words.t("axis.since-network")));
    }
    shown(downtime).filter_map(|w| w.start).min().map(|t| (t, words.t("axis.since-service")))
}

/// The services' windows to draw: those of the migration; where the network's window is of no migration, those that touch it.
fn shown(downtime: &Downtime) -> impl Iterator<Item = &ServiceWindow> {
    let alone = downtime.vm.start.is_none() && downtime.service.iter().all(|w| w.cause == "other");
    let network = downtime.network.start.filter(|_| alone).map(|start| (start.lower, downtime.network.end.map(|end| end.upper)));
    downtime.service.iter().filter(move |w| match network {
        Some((from, to)) => w.end.is_none_or(|end| end >= from) && w.start.is_some_and(|start| to.is_none_or(|to| start <= to)),
        None => w.cause != "other",
    })
}

fn rows(downtime: &Downtime, ms: &dyn Fn(Timestamp) -> f64, words: Words) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut window = |name: &str, window: &Window, color| {
        let Some(start) = &window.start else { return };
        let end = window.end.as_ref().map(|end| (ms(end.lower), ms(end.upper)));
        if end.is_none() && window.recovered != Some(false) {
            return;
        }
        rows.push(Row {
            name: name.to_owned(),
            value: match (&window.ms, &end) {
                (_, None) => words.t("not-recovered").to_owned(),
                (Some(ms), _) => words.ms_interval(ms),
                (None, _) => words.t("unknown").to_owned(),
            },
            color,
            start: (ms(start.lower), ms(start.upper)),
            end,
            best: (ms(start.estimate), window.end.as_ref().map(|end| ms(end.estimate))),
        });
    };
    window(words.t("downtime.vm"), &downtime.vm, VM);
    window(words.t("downtime.network"), &downtime.network, NETWORK);
    for window in shown(downtime).take(SERVICES) {
        let Some(start) = window.start.map(ms) else { continue };
        let end = window.end.filter(|_| window.recovered).map(ms);
        rows.push(Row {
            name: format!("{} {}", words.name("service", &window.service), words.name("direction", &window.direction)),
            value: match (window.ms, end) {
                (_, None) => words.t("not-recovered").to_owned(),
                (Some(ms), _) => words.ms(ms).text(),
                (None, _) => words.t("unknown").to_owned(),
            },
            color: SERVICE,
            start: (start, start),
            end: end.map(|end| (end, end)),
            best: (start, end),
        });
    }
    rows
}

/// First and last millisecond of the axis.
fn span(rows: &[Row], capture_end: Option<f64>) -> Option<(f64, f64)> {
    let first = rows.iter().map(|r| r.start.0).reduce(f64::min)?;
    let closed = rows.iter().filter_map(|r| r.end).map(|e| e.1).reduce(f64::max);
    let open = rows.iter().any(|r| r.end.is_none());
    let latest_start = rows.iter().map(|r| r.start.1).fold(first, f64::max);
    let last = match (closed, open) {
        (Some(closed), false) => closed,
        // Open bars leave the picture at its right border: a little after all that has an end.
        (Some(closed), true) => closed.max(latest_start) + 0.25 * (closed.max(latest_start) - first).max(1.0),
        (None, _) => capture_end.unwrap_or(latest_start + 1000.0).min(latest_start + 2000.0).max(latest_start + 1.0),
    };
    let pad = ((last - first) * 0.06).max(0.5);
    Some((first - pad, if open { last } else { last + pad }))
}

/// On which level each proof's mark is drawn, so that marks do not cover each other.
fn levels(proofs: &[(usize, f64)], x: Scale) -> Vec<usize> {
    let mut order: Vec<usize> = (0..proofs.len()).collect();
    order.sort_by(|a, b| proofs[*a].1.total_cmp(&proofs[*b].1));
    let mut ends: Vec<f64> = Vec::new();
    let mut out = vec![0; proofs.len()];
    for i in order {
        let at = x.at(proofs[i].1);
        let level = ends.iter().position(|end| at - end >= 18.0).unwrap_or(ends.len());
        if level == ends.len() {
            ends.push(at);
        } else {
            ends[level] = at;
        }
        out[i] = level;
    }
    out
}

fn one(canvas: &mut Canvas<'_>, row: &Row, top: f64, x: Scale) {
    let (from, to, middle) = (top + 6.0, top + ROW - 6.0, top + ROW / 2.0);
    canvas.text(&fit(&row.name, LEFT - 16.0, LABEL), (LEFT - 10.0, middle), Anchor::Right, LABEL);
    let (s0, s1) = (x.at(row.start.0), x.at(row.start.1));
    let right = match row.end {
        Some((e0, e1)) => {
            let (e0, e1) = (x.at(e0), x.at(e1));
            canvas.bar((s0, from), (e1.max(s0 + 1.5), to), row.color, 0.3);
            if e0 >= s1 {
                canvas.bar((s1, from), (e0.max(s1 + 1.5), to), row.color, 0.9);
            }
            e1
        }
        None => {
            canvas.bar((s0, from), (RIGHT - 9.0, to), row.color, 0.3);
            canvas.bar((s1, from), (RIGHT - 9.0, to), row.color, 0.9);
            canvas.area(&[(RIGHT - 9.0, from - 3.0), (RIGHT, middle), (RIGHT - 9.0, to + 3.0)], row.color, 0.9);
            RIGHT
        }
    };
    for best in [Some(row.best.0), row.best.1].into_iter().flatten() {
        canvas.line((x.at(best), from - 3.0), (x.at(best), to + 3.0), INK, 1.5);
    }
    let font = Font { color: INK, ..SMALL };
    let width = text_width(&row.value, font) + 8.0;
    if right + width < RIGHT {
        canvas.text(&row.value, (right + 8.0, middle), Anchor::Left, font);
    } else if s0 - width > LEFT {
        canvas.text(&row.value, (s0 - 8.0, middle), Anchor::Right, font);
    } else {
        let inside = Font { color: ON_COLOR, bold: true, ..SMALL };
        canvas.text(&row.value, ((s1 + right.min(RIGHT - 12.0)) / 2.0, middle), Anchor::Middle, inside);
    }
}
