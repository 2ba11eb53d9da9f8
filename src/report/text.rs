//! The summary for a terminal: at most [`LINES`] lines, at most `width` columns, what matters most first.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use super::escape::terminal;
use super::headline::{Severity, headline, open_windows, scenario};
use super::words::{Lang, Words};
use super::{WriteOptions, output, qos};
use crate::base::interval::Interval;
use crate::error::Result;
use crate::model::{Downtime, Grade, Grades, Migration, Qos, Report, ServiceWindow, Window};
use screen::{Screen, Style};

mod screen;

/// Lines of a summary.
pub const LINES: usize = 40;
/// Columns of the summary that goes to a file.
pub const WIDTH: usize = 80;
/// Migrations listed when there are several.
const MIGRATIONS: usize = 8;
/// Windows without service that are listed while still open.
const OPEN: usize = 3;

/// The summary, with a line feed after each line. Colour is ANSI SGR, only if asked for.
pub fn summary(report: &Report, lang: Lang, width: usize, color: bool) -> String {
    let words = Words::new(lang);
    let mut out = Screen::new(width.max(40));
    head(report, words, &mut out);
    match report.migrations.as_slice() {
        [] => {
            if let Some(downtime) = &report.downtime {
                out.blank();
                alone(downtime, words, &mut out);
            }
        }
        [one] => {
            out.blank();
            in_detail(one, words, &mut out);
        }
        many => {
            out.blank();
            in_lines(many, words, &mut out);
        }
    }
    quality(report, words, &mut out);
    applications(report, words, &mut out);
    warnings(report, words, &mut out);
    out.finish(LINES, words.t("text.cut"), color)
}

pub(super) fn write(report: &Report, dir: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>> {
    let text = summary(report, options.lang, WIDTH, false);
    output::file(dir, "report.txt", |out| out.write_all(text.as_bytes())).map(|file| vec![file])
}

fn head(report: &Report, words: Words, out: &mut Screen) {
    let said = headline(report, words);
    let style = match said.severity {
        Severity::Good => Style::Good,
        Severity::Notice => Style::Notice,
        Severity::Bad => Style::Bad,
    };
    out.wrapped(style, "", &terminal(&said.text), 2);
    let mut parts = vec![format!("{} {}", words.t("run"), terminal(&report.run.name))];
    parts.push(terminal(&scenario(&report.run, words)).into_owned());
    if let Some(ip) = report.vm.ips.first() {
        parts.push(format!("{} {ip}", words.t("vm")));
    }
    let packets = words.count(report.coverage.packets);
    parts.push(words.fill("text.packets", &[("packets", &packets), ("points", &report.points.len().to_string())]));
    out.wrapped(Style::Plain, "", &parts.join(" · "), 2);
}

fn route(migration: &Migration) -> String {
    let end = |address: &Option<String>, role: &str| address.clone().unwrap_or_else(|| role.to_owned());
    let [from, to] = [end(&migration.from.address, &migration.from.role), end(&migration.to.address, &migration.to.role)];
    if from.is_empty() && to.is_empty() { String::new() } else { format!("{from} → {to}") }
}

fn in_detail(migration: &Migration, words: Words, out: &mut Screen) {
    let announced = migration.detected_by == Migration::ANNOUNCED;
    let mode = migration.mode.as_deref().map_or_else(|| words.t("mode.unknown").into(), |mode| words.name("mode", mode));
    let parts = [format!("{} {mode}", words.name("hypervisor", &migration.hypervisor)), migration.transport.join("+"), route(migration)];
    // Of one that was only announced, nothing of this is known.
    let about: Vec<String> = parts.into_iter().filter(|part| !announced && !part.is_empty()).collect();
    out.heading(words.t("text.migration"), &terminal(&about.join(", ")));
    let why = migration.outcome_why.as_deref().map(|why| format!(": {}", words.sentence(why))).unwrap_or_default();
    out.field(words.t("outcome"), Style::Plain, &terminal(&format!("{}{why}", words.name("outcome", &migration.outcome))), 3);
    if !announced {
        stream(migration, words, out);
    }
    let downtime = &migration.downtime;
    out.field(words.t("downtime.vm"), Style::Plain, &window(&downtime.vm, words), 2);
    out.field(words.t("downtime.network"), Style::Plain, &window(&downtime.network, words), 2);
    let open: Vec<&ServiceWindow> = open_windows(migration).collect();
    still_open(&open, words, out);
    let closed: Vec<String> = downtime
        .service
        .iter()
        .filter(|window| window.recovered && window.cause != "other")
        .map(|window| {
            let ms = window.ms.map_or_else(|| words.t("unknown").to_owned(), |ms| words.ms(ms).text());
            format!("{} {ms}", service_window(window, words))
        })
        .collect();
    if !closed.is_empty() {
        out.field(words.t("downtime.service"), Style::Plain, &closed.join(" · "), 2);
    } else if open.is_empty() {
        out.field(words.t("downtime.service"), Style::Plain, words.t("text.no-window"), 1);
    }
    if let Some(ms) = downtime.qemu_ms {
        out.field(words.t("downtime.qemu"), Style::Plain, &words.ms(ms).text(), 1);
    }
}

/// What the stream itself says.
fn stream(migration: &Migration, words: Words, out: &mut Screen) {
    let total = migration.total_ms.as_ref().map_or_else(|| words.t("unknown").to_owned(), |ms| words.ms_interval(ms));
    out.field(words.t("total-time"), Style::Plain, &total, 1);
    out.field(words.t("text.sent"), Style::Plain, &sent(migration, words), 1);
    if !migration.decoded {
        let why = migration.why_not_decoded.as_deref().map_or_else(|| words.t("unknown.no-reason").into(), |why| words.not_decoded(why));
        out.field(words.t("text.stream"), Style::Notice, &terminal(&format!("{} {why}", words.t("text.not-decoded"))), 2);
    }
}

/// What the client saw of a run without a migration.
fn alone(downtime: &Downtime, words: Words, out: &mut Screen) {
    out.field(words.t("downtime.network"), Style::Plain, &window(&downtime.network, words), 3);
    let mut longest: Vec<&ServiceWindow> = downtime.service.iter().collect();
    longest.sort_by(|a, b| (a.recovered, b.ms.unwrap_or(0.0)).partial_cmp(&(b.recovered, a.ms.unwrap_or(0.0))).unwrap_or(Ordering::Equal));
    let open: Vec<&ServiceWindow> = longest.iter().copied().filter(|w| !w.recovered).collect();
    still_open(&open, words, out);
    let closed = longest.iter().filter(|w| w.recovered).take(OPEN).map(|window| {
        let ms = window.ms.map_or_else(|| words.t("unknown").to_owned(), |ms| words.ms(ms).text());
        format!("{} {ms}", service_window(window, words))
    });
    let closed = closed.collect::<Vec<_>>().join(" · ");
    if !closed.is_empty() {
        out.field(words.t("downtime.service"), Style::Plain, &closed, 2);
    }
}

fn service_window(window: &ServiceWindow, words: Words) -> String {
    let name = words.name("service", &window.service);
    terminal(&format!("{name} {}", words.name("direction", &window.direction))).into_owned()
}

fn sent(migration: &Migration, words: Words) -> String {
    let bytes = &migration.bytes;
    let Some(wire) = bytes.wire.or(bytes.payload) else { return words.t("unknown").to_owned() };
    let mut parts = vec![words.bytes(wire).text()];
    if let Some(again) = bytes.retransmitted.filter(|again| *again > 0) {
        parts.push(words.fill("text.again", &[("bytes", &words.bytes(again).text())]));
    }
    if !migration.passes.is_empty() {
        parts.push(words.fill("text.passes", &[("n", &migration.passes.len().to_string())]));
    }
    if let Some(storage) = bytes.storage.filter(|storage| *storage > 0) {
        parts.push(words.fill("text.storage", &[("bytes", &words.bytes(storage).text())]));
    }
    parts.join(", ")
}

fn window(window: &Window, words: Words) -> String {
    if window.recovered == Some(false) {
        let why = window.why.as_deref().map(|why| words.sentence(why));
        return match (&window.ms, why) {
            (Some(ms), _) => words.fill("text.still-open", &[("ms", &words.ms(ms.lower).text())]),
            (None, Some(why)) => terminal(&why).into_owned(),
            (None, None) => words.t("not-recovered").to_owned(),
        };
    }
    let Some(ms) = &window.ms else {
        let why = window.why.as_deref().map(|why| format!(": {}", terminal(&words.sentence(why)))).unwrap_or_default();
        return format!("{}{why}", words.t("unknown"));
    };
    let ended = window
        .ended_by
        .as_deref()
        .map(|by| format!(", {} {}", words.t("ended-by"), terminal(&words.sentence(&words.name("ended-by", by)))));
    format!("{}{}", words.ms_interval(ms), ended.unwrap_or_default())
}

fn still_open(open: &[&ServiceWindow], words: Words, out: &mut Screen) {
    for window in open.iter().take(OPEN) {
        let since = window.start.map_or_else(|| words.t("unknown").to_owned(), |t| format!("{} UTC", t.clock()));
        let name = service_window(window, words);
        out.field(words.t("not-recovered"), Style::Bad, &words.fill("text.open", &[("service", &name), ("since", &since)]), 2);
    }
    if open.len() > OPEN {
        out.field("", Style::Bad, &words.fill("text.more", &[("n", &(open.len() - OPEN).to_string())]), 1);
    }
}

/// Several migrations: one line each, then what is still out.
fn in_lines(migrations: &[Migration], words: Words, out: &mut Screen) {
    out.heading(words.t("text.migrations"), "");
    let heads = ["total-time", "downtime.vm", "downtime.network"].map(|key| words.t(key).to_owned());
    out.columns(Style::Dim, "", &heads);
    for migration in migrations.iter().take(MIGRATIONS) {
        let estimate = |ms: &Option<Interval>| ms.as_ref().map_or_else(|| words.t("unknown").to_owned(), |ms| words.ms_parts(ms).0);
        let network = match migration.downtime.network.recovered {
            Some(false) => words.t("not-recovered").to_owned(),
            _ => estimate(&migration.downtime.network.ms),
        };
        let label = format!("{}  {}", migration.id, terminal(&words.name("outcome", &migration.outcome)));
        let style = if open_windows(migration).next().is_some() { Style::Bad } else { Style::Plain };
        out.columns(style, &label, &[estimate(&migration.total_ms), estimate(&migration.downtime.vm.ms), network]);
    }
    if migrations.len() > MIGRATIONS {
        out.wrapped(Style::Plain, "  ", &words.fill("text.more", &[("n", &(migrations.len() - MIGRATIONS).to_string())]), 1);
    }
    still_open(&migrations.iter().flat_map(open_windows).collect::<Vec<_>>(), words, out);
}

fn quality(report: &Report, words: Words, out: &mut Screen) {
    let mut rows = qos::headline_rows(report);
    // Three phases fill the line; the whole run is for a report without them.
    if rows.len() > 3 {
        rows.retain(|row| row.phase != "whole");
    }
    let Some(first) = rows.first() else { return };
    out.blank();
    let path = terminal(&format!("{} → {}, {}", first.from, first.to, words.name("service", &first.service))).into_owned();
    out.heading(words.t("text.quality"), &path);
    out.columns(Style::Dim, "", &rows.iter().map(|row| words.name("phase", &row.phase).into_owned()).collect::<Vec<_>>());
    let mut line = |label: &str, cell: &dyn Fn(&Qos) -> String| {
        out.columns(Style::Plain, label, &rows.iter().map(|row| cell(row)).collect::<Vec<_>>());
    };
    let graded = |value: Option<String>, grade: Option<u8>| match (value, grade) {
        (None, _) => words.t("unknown").to_owned(),
        (Some(value), None) => format!("{value} –"),
        (Some(value), Some(index)) => format!("{value} {index}"),
    };
    let index = |qos: &Qos, pick: fn(&Grades) -> Option<&Grade>| qos.grades.as_ref().and_then(pick).map(|grade| grade.index);
    line(words.t("throughput"), &|q| graded(q.throughput.bps.map(|v| words.bps(v).text()), index(q, |g| g.throughput.as_ref())));
    let delay = match first.delay.method.as_deref() {
        Some(method) => format!("{} ({})", words.t("delay"), words.name("delay-method", method)),
        None => words.t("delay").to_owned(),
    };
    line(&delay, &|q| graded(q.delay.mean_ms.map(|v| words.ms(v).text()), index(q, |g| g.delay.as_ref())));
    line(words.t("jitter"), &|q| graded(q.jitter.mean_ms.map(|v| words.ms(v).text()), index(q, |g| g.jitter.as_ref())));
    line(words.t("loss"), &|q| graded(q.loss.percent.map(|v| words.percent(v)), index(q, |g| g.loss.as_ref())));
    let overall = |grades: &Option<Grades>| grades.as_ref().and_then(|grades| grades.overall.clone());
    if rows.iter().any(|row| row.grades.is_some()) {
        let scale = rows.iter().find_map(|row| row.grades.as_ref()).map_or("", |grades| grades.scale.as_str());
        line(&words.fill("text.overall", &[("scale", &terminal(&words.name("scale", scale)))]), &|q| {
            overall(&q.grades).map_or_else(|| words.t("unknown").to_owned(), |grade| terminal(words.overall(&grade)).into_owned())
        });
        let index = |grades: &Option<Grades>| overall(grades).map_or_else(|| "–".to_owned(), |grade| words.fixed(grade.index, 2));
        line(words.t("text.index"), &|q| format!("{} ({})", index(&q.grades), index(&q.thesis_grades)));
        if scale.starts_with("tiphon") {
            out.wrapped(Style::Dim, "  ", words.t("text.tiphon-note"), 2);
        }
    }
}

fn applications(report: &Report, words: Words, out: &mut Screen) {
    let http = &report.http;
    if http.exchanges > 0 || !report.video.is_empty() {
        out.blank();
    }
    if http.exchanges > 0 {
        let mut parts = vec![words.fill("text.http", &[("n", &words.count(http.exchanges))])];
        for (count, key) in
            [(http.failed, "text.http-failed"), (http.incomplete, "text.http-incomplete"), (http.overlapping_downtime, "text.http-hit")]
        {
            if count > 0 {
                parts.push(words.fill(key, &[("n", &words.count(count))]));
            }
        }
        if let Some(p95) = http.total_ms.p95 {
            parts.push(words.fill("text.http-total", &[("ms", &words.ms(p95).text())]));
        }
        out.field("HTTP", Style::Plain, &parts.join(", "), 2);
    }
    for video in report.video.iter().take(3) {
        let mut parts = vec![words.name("video", &video.kind).into_owned()];
        if let Some(host) = &video.host {
            parts.push(host.clone());
        }
        if video.knowable {
            let total = video.stall_total_ms.map_or_else(|| words.t("unknown").to_owned(), |ms| words.ms(ms).text());
            parts.push(match video.stalls.len() {
                0 => words.t("text.no-stall").to_owned(),
                n => words.fill("text.stalls", &[("n", &n.to_string()), ("ms", &total)]),
            });
            if let Some(startup) = video.startup_ms {
                parts.push(words.fill("text.startup", &[("ms", &words.ms(startup).text())]));
            }
        } else {
            parts.push(format!("{} ({})", words.t("unknown"), video.why.as_deref().map_or("–".into(), |why| words.sentence(why))));
        }
        out.field(words.t("text.video"), Style::Plain, &terminal(&parts.join(", ")), 2);
    }
    if report.video.len() > 3 {
        out.field("", Style::Plain, &words.fill("text.more", &[("n", &(report.video.len() - 3).to_string())]), 1);
    }
}

fn warnings(report: &Report, words: Words, out: &mut Screen) {
    if report.warnings.is_empty() {
        return;
    }
    out.blank();
    let left = LINES.saturating_sub(out.len() + 1);
    let mut shown = 0;
    for (i, warning) in report.warnings.iter().enumerate() {
        // The last line is kept for "and more" unless this is the last warning.
        let reserve = usize::from(i + 1 < report.warnings.len());
        if out.len() + reserve >= LINES || left == 0 {
            break;
        }
        let room = (LINES - out.len() - reserve).min(3);
        out.wrapped(Style::Notice, "! ", &terminal(&words.sentence(warning)), room);
        shown += 1;
    }
    if shown < report.warnings.len() {
        let n = (report.warnings.len() - shown).to_string();
        out.wrapped(Style::Notice, "! ", &words.fill("text.more-warnings", &[("n", &n)]), 1);
    }
}
