//! What the figures rest on: files, clocks, coverage, oddities.

use super::{Block, Builder, Cell, Section, Table};
use crate::report::escape::visible;
use crate::report::words::Words;

/// A sentence of another layer, in the language of the report where the dictionary has it, safe to show and whole.
pub(super) fn sentence(text: &str, words: Words) -> String {
    visible(&words.sentence(text)).into_owned()
}

pub(super) fn points(b: &mut Builder<'_>) -> Option<Section> {
    let (report, words) = (b.report, b.words);
    let mut section = Section::new("captures", words.t("section.captures"));
    section.table(files(b));
    let columns = [
        (words.t("doc.point"), "", false),
        (words.t("doc.method"), "", false),
        (words.t("doc.offset"), "ms", true),
        (words.t("doc.drift"), "ppm", true),
        (words.t("doc.uncertainty"), "ms", true),
        (words.t("doc.samples"), "", true),
    ];
    let mut table = Table::new("clocks", words.t("table.clocks"), &columns);
    for point in &report.points {
        let clock = &point.clock;
        let why = clock.why.as_deref();
        let known = clock.offset_ns.is_some();
        let note = why.filter(|_| known).map(|why| table.note(&words.sentence(why)));
        let ms = |ns: i64| ns as f64 / 1e6;
        let cells = vec![
            Cell::strong(words.name("role", &point.role)),
            Cell::text(words.name("clock", &clock.method)).noted(note),
            table.float(clock.offset_ns.map(ms), why, words),
            table.float(clock.drift_ppb.map(|ppb| ppb / 1000.0), why, words),
            table.float(clock.uncertainty_ns.map(ms), why, words),
            Cell::number(words.count(clock.samples)),
        ];
        table.row(cells);
    }
    section.table(table);
    Some(section)
}

fn files(b: &Builder<'_>) -> Table {
    let (report, words) = (b.report, b.words);
    let columns = [
        (words.t("doc.point"), "", false),
        (words.t("doc.file"), "", false),
        (words.t("doc.format"), "", false),
        (words.t("doc.packets"), "", true),
        (words.t("doc.wire"), "", true),
        (words.t("doc.first"), "UTC", true),
        (words.t("doc.last"), "UTC", true),
        (words.t("doc.snaplen"), "B", true),
        (words.t("doc.drops"), "", true),
    ];
    let mut table = Table::new("files", words.t("table.files"), &columns);
    for point in &report.points {
        let given = words.name("source", &point.role_source);
        for file in &point.files {
            let cut = file.cut_short.then(|| table.note(words.t("doc.cut-short")));
            let format = match &file.compression {
                Some(compression) => format!("{} ({compression})", file.format),
                None => file.format.clone(),
            };
            let cells = vec![
                Cell::text(format!("{} ({given})", words.name("role", &point.role))),
                Cell::code(&file.path).noted(cut),
                Cell::text(format),
                Cell::number(words.count(file.packets)),
                Cell::number(words.bytes(file.bytes_wire).text()),
                table.moment(file.first, Some(words.t("doc.no-packet")), words),
                table.moment(file.last, Some(words.t("doc.no-packet")), words),
                if file.snaplen == 0 { Cell::text(words.t("doc.unlimited")) } else { Cell::number(words.count(file.snaplen.into())) },
                table.known(file.capture_drops, Some(words.t("doc.no-drops")), words, |n| words.count(n)),
            ];
            table.row(cells);
        }
    }
    table
}

pub(super) fn coverage(b: &mut Builder<'_>) -> Option<Section> {
    let (report, words) = (b.report, b.words);
    let mut section = Section::new("coverage", words.t("section.coverage"));
    let columns = [(words.t("doc.what"), "", false), (words.t("doc.packets"), "", true), (words.t("doc.share"), "%", true)];
    let mut table = Table::new("coverage", words.t("table.coverage"), &columns);
    let coverage = &report.coverage;
    let all = coverage.packets;
    let share = |n: u64| if all == 0 { Cell::none() } else { Cell::number(words.fixed(n as f64 * 100.0 / all as f64, 2)) };
    let mut add = |name: &str, n: u64| table.row(vec![Cell::label(name), Cell::number(words.count(n)), share(n)]);
    add(words.t("coverage.packets"), all);
    add(words.t("coverage.decoded"), coverage.decoded);
    add(words.t("coverage.attributed"), coverage.attributed);
    for point in &report.points {
        let role = words.name("role", &point.role);
        if point.duplicates > 0 {
            add(&words.fill("coverage.duplicates", &[("point", &role)]), point.duplicates);
        }
        for (reason, n) in &point.undecoded {
            add(&words.fill("coverage.undecoded", &[("point", &role), ("reason", &words.name("undecoded", reason))]), *n);
        }
    }
    for (reason, n) in &coverage.ignored {
        add(&words.fill("coverage.ignored", &[("reason", &words.name("ignored", reason))]), *n);
    }
    if let Some(ms) = coverage.phase_resolution_ms {
        section.text(words.fill("doc.phase-resolution", &[("ms", &words.plain(ms))]));
    }
    section.table(table);
    Some(section)
}

pub(super) fn anomalies(b: &mut Builder<'_>) -> Option<Section> {
    let (report, words) = (b.report, b.words);
    let mut section = Section::new("anomalies", words.t("section.anomalies"));
    if !report.warnings.is_empty() {
        section.blocks.push(Block::List { items: report.warnings.iter().map(|w| sentence(w, words)).collect() });
    }
    let columns = [
        (words.t("doc.kind"), "", false),
        (words.t("doc.count"), "", true),
        (words.t("doc.places"), "", false),
        (words.t("doc.detail"), "", false),
    ];
    let mut table = Table::new("anomalies", words.t("table.anomalies"), &columns);
    for anomaly in &report.anomalies {
        let places: Vec<String> = anomaly
            .first
            .iter()
            .map(|place| {
                let name = words.name("role", &place.point);
                if place.frame == 0 { format!("{name}: {}", place.file) } else { format!("{name} #{}", place.frame) }
            })
            .collect();
        table.row(vec![
            Cell::code(&anomaly.kind),
            Cell::number(words.count(anomaly.count)),
            Cell::text(places.join(", ")),
            anomaly.detail.as_deref().map_or_else(Cell::none, |detail| Cell::text(words.sentence(detail))),
        ]);
    }
    if table.rows.is_empty() && report.warnings.is_empty() {
        section.text(words.t("doc.no-anomaly"));
    }
    section.table(table);
    Some(section)
}
