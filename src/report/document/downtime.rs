//! Downtime: the three kinds, each window, and the frames that prove them.

use super::{Builder, Cell, Section, Table};
use crate::base::interval::Interval;
use crate::base::time::Timestamp;
use crate::model::{Downtime, Window};
use crate::report::number::{clock_us, seconds_us};
use crate::report::words::Words;

/// Windows and frames that are listed.
const ROWS: usize = 200;

pub(super) fn section(b: &mut Builder<'_>) -> Option<Section> {
    let (report, words) = (b.report, b.words);
    let mut section = Section::new("downtime", words.t("section.downtime"));
    for (i, migration) in report.migrations.iter().enumerate() {
        if report.migrations.len() > 1 {
            let outcome = words.name("outcome", &migration.outcome);
            section
                .heading(crate::report::escape::shown(&format!("{} {} ({outcome})", words.t("doc.migration"), migration.id)).into_owned());
        } else {
            section.text(words.t("doc.downtime-intro"));
        }
        b.figure(&mut section, &format!("downtime-{}", i + 1));
        tables(&mut section, &migration.downtime, i + 1, words);
    }
    if let Some(downtime) = &report.downtime {
        section.text(words.t("doc.downtime-alone"));
        b.figure(&mut section, "downtime-0");
        tables(&mut section, downtime, 0, words);
    }
    report.downtimes().next().is_some().then_some(section)
}

fn tables(section: &mut Section, downtime: &Downtime, n: usize, words: Words) {
    section.table(kinds(downtime, n, words));
    section.table(services(downtime, n, words));
    section.table(evidence(downtime, n, words));
}

fn bounds(table: &mut Table, value: Option<&Interval<Timestamp>>, why: Option<&str>, words: Words) -> Cell {
    let Some(t) = value else { return table.unknown(why, words) };
    let detail = if t.lower == t.upper { String::new() } else { format!("{} – {}", seconds_us(t.lower), seconds_us(t.upper)) };
    Cell { detail, ..Cell::number(clock_us(t.estimate)) }
}

fn kinds(downtime: &Downtime, n: usize, words: Words) -> Table {
    let columns = [
        (words.t("doc.kind"), "", false),
        (words.t("doc.length"), "", true),
        (words.t("doc.start"), "UTC", true),
        (words.t("doc.end"), "UTC", true),
        (words.t("doc.how"), "", false),
    ];
    let mut table = Table::new(format!("downtime-{n}"), words.t("table.downtime"), &columns);
    for (key, window) in [("downtime.vm", &downtime.vm), ("downtime.network", &downtime.network)] {
        let why = window.why.as_deref();
        let open = window.recovered == Some(false);
        let length = match &window.ms {
            Some(ms) if open => Cell::bad(words.fill("doc.at-least", &[("ms", &words.ms(ms.lower).text())])),
            None if open => Cell::bad(words.t("not-recovered")),
            ms => table.interval(ms.as_ref(), why, words),
        };
        let start = bounds(&mut table, window.start.as_ref(), why, words);
        let end = if open { Cell::bad(words.t("not-recovered")) } else { bounds(&mut table, window.end.as_ref(), why, words) };
        table.row(vec![Cell::strong(words.t(key)), length, start, end, Cell::text(how(window, words))]);
    }
    let qemu = table.known(downtime.qemu_ms, downtime.why.as_deref(), words, |ms| words.ms(ms).text());
    let none = || Cell::none();
    table.row(vec![Cell::strong(words.t("downtime.qemu")), qemu, none(), none(), Cell::text(words.t("doc.qemu-how"))]);
    table
}

fn how(window: &Window, words: Words) -> String {
    let ended = window.ended_by.as_deref().map(|by| format!("{} {}", words.t("ended-by"), words.sentence(&words.name("ended-by", by))));
    let why = window.why.as_deref().map(|why| words.sentence(why).into_owned());
    let parts: Vec<String> = ended.into_iter().chain(why).collect();
    if parts.is_empty() { "–".to_owned() } else { parts.join("; ") }
}

fn services(downtime: &Downtime, n: usize, words: Words) -> Table {
    let columns = [
        (words.t("doc.service"), "", false),
        (words.t("doc.direction"), "", false),
        (words.t("role.client"), "", false),
        (words.t("doc.last-before"), "UTC", true),
        (words.t("doc.first-after"), "UTC", true),
        (words.t("doc.length"), "", true),
        (words.t("doc.resolution"), "ms", true),
        (words.t("doc.cause"), "", false),
    ];
    let mut table = Table::new(format!("service-downtime-{n}"), words.t("table.service-downtime"), &columns);
    // What is still out comes first, then the longest.
    let mut windows: Vec<_> = downtime.service.iter().collect();
    windows.sort_by(|a, b| {
        let rank = |w: &crate::model::ServiceWindow| (w.recovered, w.cause == "other");
        rank(a).cmp(&rank(b)).then(b.ms.unwrap_or(0.0).total_cmp(&a.ms.unwrap_or(0.0)))
    });
    for window in windows.iter().take(ROWS) {
        let note = window.note.as_deref().map(|note| table.note(&words.sentence(note)));
        let end = if window.recovered { table.known(window.end, None, words, clock_us) } else { Cell::bad(words.t("not-recovered")) };
        let length = match window.ms {
            Some(ms) if !window.recovered => Cell::bad(words.fill("doc.at-least", &[("ms", &words.ms(ms).text())])),
            ms => table.known(ms, None, words, |ms| words.ms(ms).text()),
        };
        let cells = vec![
            Cell::strong(words.name("service", &window.service)).noted(note),
            Cell::text(words.name("direction", &window.direction)),
            Cell::code(&window.client),
            table.known(window.start, None, words, clock_us),
            end,
            length,
            table.float(window.resolution_ms, Some(words.t("doc.no-resolution")), words),
            Cell::text(words.name("cause", &window.cause)),
        ];
        table.row(cells);
    }
    table.rest(ROWS.min(windows.len()), windows.len(), "windows.csv", words);
    table
}

fn evidence(downtime: &Downtime, n: usize, words: Words) -> Table {
    let columns = [
        ("#", "", true),
        (words.t("doc.shows"), "", false),
        (words.t("doc.point"), "", false),
        (words.t("doc.file"), "", false),
        ("frame", "", true),
        (words.t("doc.time"), "UTC", true),
        (words.t("doc.filter"), "", false),
    ];
    let mut table = Table::new(format!("evidence-{n}"), words.t("table.evidence"), &columns);
    for (i, evidence) in downtime.evidence.iter().take(ROWS).enumerate() {
        let cells = vec![
            Cell::number((i + 1).to_string()),
            Cell::label(words.sentence(&evidence.what)),
            Cell::text(words.name("role", &evidence.point)),
            Cell::code(&evidence.file),
            Cell::number(words.count(evidence.frame)),
            table.known(evidence.time, None, words, clock_us),
            Cell::code(&evidence.filter),
        ];
        table.row(cells);
    }
    table.rest(ROWS.min(downtime.evidence.len()), downtime.evidence.len(), "evidence.csv", words);
    table
}
