//! Quality of service per path, service and phase: throughput, delay, jitter, loss, and the thesis figures.

use super::grades::{path, sort};
use super::{Builder, Cell, Section, Table};
use crate::model::Qos;
use crate::report::words::Words;

/// Rows of each table.
const ROWS: usize = 200;

pub(super) fn section(b: &mut Builder<'_>) -> Option<Section> {
    let words = b.words;
    let mut section = Section::new("quality", words.t("section.quality"));
    b.figure(&mut section, "delay-cdf");
    let mut rows: Vec<&Qos> = b.report.qos.iter().collect();
    sort(&mut rows);
    for mut table in [throughput(words), delay(words), jitter(words), loss(words), thesis(words)] {
        let mut before = None;
        for qos in rows.iter().take(ROWS) {
            let here = (&qos.from, &qos.to, &qos.service);
            if before != Some(here) {
                table.0.group(&path(qos, words));
            }
            before = Some(here);
            let mut cells = vec![Cell::label(words.name("phase", &qos.phase))];
            (table.1)(qos, &mut table.0, &mut cells, words);
            table.0.row(cells);
        }
        table.0.rest(ROWS.min(rows.len()), rows.len(), "qos.csv", words);
        section.table(table.0);
    }
    Some(section)
}

type Fill = fn(&Qos, &mut Table, &mut Vec<Cell>, Words);

fn throughput(words: Words) -> (Table, Fill) {
    let columns = [
        (words.t("doc.phase"), "", false),
        (words.t("doc.length"), "s", true),
        (words.t("doc.packets"), "", true),
        (words.t("throughput"), "", true),
        (words.t("doc.goodput"), "", true),
        (words.t("doc.peak"), "", true),
        (words.t("doc.percent-of-link"), "", true),
        (words.t("doc.measured-at"), "", false),
    ];
    let table = Table::new("throughput", words.t("table.throughput"), &columns);
    (table, |q, table, cells, words| {
        let why = q.throughput.why.as_deref();
        let peak = q.throughput.peak_window_ms.map(|ms| table.note(&words.fill("doc.peak-window", &[("ms", &words.count(ms as u64))])));
        cells.push(Cell::number(words.plain(q.seconds)));
        cells.push(Cell::number(words.count(q.packets)));
        cells.push(table.known(q.throughput.bps, why, words, |v| words.bps(v).text()));
        cells.push(table.known(q.throughput.goodput_bps, why, words, |v| words.bps(v).text()));
        let cell = table.known(q.throughput.peak_bps, why, words, |v| words.bps(v).text());
        cells.push(if q.throughput.peak_bps.is_some() { cell.noted(peak) } else { cell });
        let no_link = why.or(Some(words.t("doc.no-link")));
        cells.push(table.known(q.throughput.percent_of_link, no_link, words, |v| words.percent(v)));
        cells.push(Cell::text(words.name("role", &q.measured_at)));
    })
}

fn delay(words: Words) -> (Table, Fill) {
    let columns = [
        (words.t("doc.phase"), "", false),
        (words.t("doc.method"), "", false),
        (words.t("doc.samples"), "", true),
        (words.t("doc.minimum"), "ms", true),
        (words.t("doc.mean"), "ms", true),
        (words.t("doc.median"), "ms", true),
        ("95 %", "ms", true),
        ("99 %", "ms", true),
        (words.t("doc.maximum"), "ms", true),
        ("±", "ms", true),
    ];
    let table = Table::new("delay", words.t("table.delay"), &columns);
    (table, |q, table, cells, words| {
        let delay = &q.delay;
        let why = delay.why.as_deref();
        cells.push(method(table, delay.method.as_deref(), "delay-method", why, delay.mean_ms.is_some(), words));
        cells.push(Cell::number(words.count(delay.samples)));
        for value in [delay.min_ms, delay.mean_ms, delay.p50_ms, delay.p95_ms, delay.p99_ms, delay.max_ms, delay.uncertainty_ms] {
            cells.push(table.float(value, why, words));
        }
    })
}

/// The method of a figure; with a footnote if there is a caveat to a known figure.
fn method(table: &mut Table, method: Option<&str>, set: &str, why: Option<&str>, known: bool, words: Words) -> Cell {
    match method {
        Some(method) => {
            let note = why.filter(|_| known).map(|why| table.note(&words.sentence(why)));
            Cell::text(words.name(set, method)).noted(note)
        }
        None => table.unknown(why, words),
    }
}

fn jitter(words: Words) -> (Table, Fill) {
    let columns = [
        (words.t("doc.phase"), "", false),
        (words.t("doc.method"), "", false),
        (words.t("doc.samples"), "", true),
        (words.t("doc.mean"), "ms", true),
        ("99 %", "ms", true),
        ("RFC 3550", "ms", true),
    ];
    let table = Table::new("jitter", words.t("table.jitter"), &columns);
    (table, |q, table, cells, words| {
        let jitter = &q.jitter;
        let why = jitter.why.as_deref();
        cells.push(method(table, jitter.method.as_deref(), "jitter-method", why, jitter.mean_ms.is_some(), words));
        cells.push(Cell::number(words.count(jitter.samples)));
        for value in [jitter.mean_ms, jitter.p99_ms, jitter.rfc3550_ms] {
            cells.push(table.float(value, why, words));
        }
    })
}

fn loss(words: Words) -> (Table, Fill) {
    let columns = [
        (words.t("doc.phase"), "", false),
        (words.t("doc.method"), "", false),
        (words.t("loss"), "%", true),
        (words.t("doc.lost"), "", true),
        (words.t("doc.expected"), "", true),
        (words.t("doc.misdelivered"), "", true),
        (words.t("doc.not-captured"), "", true),
        (words.t("doc.retransmitted"), "", true),
        (words.t("doc.reordered"), "", true),
        (words.t("doc.ambiguous"), "", true),
    ];
    let table = Table::new("loss", words.t("table.loss"), &columns);
    (table, |q, table, cells, words| {
        let loss = &q.loss;
        let why = loss.why.as_deref();
        cells.push(method(table, loss.method.as_deref(), "loss-method", why, loss.percent.is_some(), words));
        cells.push(table.float(loss.percent, why, words));
        for value in [loss.lost, loss.expected, loss.misdelivered, loss.not_captured, loss.retransmitted, loss.reordered, loss.ambiguous] {
            // Where the percentage is known, `why` is a caveat to it, not the reason why another count is missing.
            let why = why.filter(|_| loss.percent.is_none()).or(Some(words.t("doc.not-by-method")));
            cells.push(table.known(value, why, words, |v| words.count(v)));
        }
    })
}

fn thesis(words: Words) -> (Table, Fill) {
    let columns = [
        (words.t("doc.phase"), "", false),
        (words.t("throughput"), "", true),
        (words.t("doc.thesis-delay"), "ms", true),
        (words.t("doc.thesis-jitter"), "ms", true),
        (words.t("doc.thesis-jitter-signed"), "ms", true),
        (words.t("loss"), "%", true),
    ];
    let table = Table::new("thesis", words.t("table.thesis"), &columns);
    (table, |q, table, cells, words| {
        let thesis = &q.thesis;
        let why = thesis.why.as_deref();
        cells.push(table.known(thesis.throughput_bps, why, words, |v| words.bps(v).text()));
        for value in [thesis.delay_ms, thesis.jitter_ms, thesis.jitter_signed_ms, thesis.loss_percent] {
            cells.push(table.float(value, why, words));
        }
    })
}
