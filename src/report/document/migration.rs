//! The migration itself: result, bytes, pages, passes, phases.

use super::{Builder, Cell, Section, Table};
use crate::model::{Migration, Node};
use crate::report::words::Words;

/// Passes that are listed.
const PASSES: usize = 200;

pub(super) fn section(b: &mut Builder<'_>) -> Option<Section> {
    let (report, words) = (b.report, b.words);
    let mut section = Section::new("migration", words.t("section.migration"));
    for (i, migration) in report.migrations.iter().enumerate() {
        if report.migrations.len() > 1 {
            section.heading(format!("{} {}", words.t("doc.migration"), migration.id));
        }
        section.table(result(migration, i + 1, words));
        b.figure(&mut section, &format!("passes-{}", i + 1));
        section.table(passes(migration, i + 1, words));
        section.table(phases(migration, i + 1, words));
        if migration.detected_by != Migration::ANNOUNCED {
            section.table(volume(migration, i + 1, words));
        }
    }
    (!report.migrations.is_empty()).then_some(section)
}

/// Address and role of a node.
pub(super) fn node(node: &Node, words: Words) -> String {
    let role = if node.role.is_empty() { "".into() } else { words.name("role", &node.role) };
    match (&node.address, role.as_ref()) {
        (Some(address), "") => address.clone(),
        (Some(address), role) => format!("{address} ({role})"),
        (None, role) => role.to_owned(),
    }
}

fn result(migration: &Migration, n: usize, words: Words) -> Table {
    let columns = [(words.t("doc.property"), "", false), (words.t("doc.value"), "", false)];
    let mut table = Table::new(format!("result-{n}"), words.t("table.result"), &columns);
    let told = migration.outcome_why.as_deref().map(|why| table.note(&words.sentence(why)));
    let outcome = words.name("outcome", &migration.outcome);
    let outcome = if migration.outcome == "completed" { Cell::strong(outcome) } else { Cell::bad(outcome) }.noted(told);
    let undecoded = migration.why_not_decoded.as_deref().map(|why| words.not_decoded(why).into_owned());
    let mode = match &migration.mode {
        Some(mode) => Cell::text(words.name("mode", mode)),
        None => table.unknown(undecoded.as_deref(), words),
    };
    let setup = table.known(migration.setup_ms, undecoded.as_deref(), words, |ms| words.ms(ms).text());
    let machine = match &migration.machine {
        Some(machine) => Cell::code(machine),
        None => table.unknown(undecoded.as_deref().or(Some(words.t("doc.no-machine"))), words),
    };
    let read = if migration.decoded {
        Cell::text(words.t("doc.read-whole"))
    } else {
        let note = migration.why_not_decoded.as_deref().map(|why| table.note(&words.not_decoded(why)));
        Cell::bad(words.t("doc.read-partly")).noted(note)
    };
    if migration.detected_by == Migration::ANNOUNCED {
        // Nothing of its stream was captured: rows of unknowns would tell nothing.
        table.row(vec![Cell::label(words.t("outcome")), outcome]);
        table.row(vec![Cell::label(words.t("doc.detected-by")), Cell::text(words.name("detected", &migration.detected_by))]);
        return table;
    }
    let rows = [
        ("outcome", outcome),
        ("doc.hypervisor", Cell::text(words.name("hypervisor", &migration.hypervisor))),
        ("doc.mode", mode),
        ("doc.transport", Cell::text(migration.transport.join(", "))),
        ("doc.detected-by", Cell::text(words.name("detected", &migration.detected_by))),
        ("doc.from", Cell::code(node(&migration.from, words))),
        ("doc.to", Cell::code(node(&migration.to, words))),
        ("doc.start-utc", table.moment(migration.start, None, words)),
        ("doc.end-utc", table.moment(migration.end, migration.outcome_why.as_deref(), words)),
        ("total-time", table.interval(migration.total_ms.as_ref(), migration.outcome_why.as_deref(), words)),
        ("doc.setup", setup),
        ("doc.machine", machine),
        ("doc.stream", read),
    ];
    for (key, cell) in rows {
        table.row(vec![Cell::label(words.t(key)), cell]);
    }
    table
}

fn passes(migration: &Migration, n: usize, words: Words) -> Table {
    let columns = [
        (words.t("doc.pass"), "", true),
        (words.t("doc.start"), "UTC", true),
        (words.t("doc.length"), "", true),
        (words.t("doc.sent"), "MB", true),
        (words.t("doc.normal-pages"), "", true),
        (words.t("doc.zero-pages"), "", true),
        (words.t("doc.send-rate"), "MB/s", true),
        (words.t("doc.dirty-rate"), "MB/s", true),
    ];
    let mut table = Table::new(format!("passes-{n}"), words.t("table.passes"), &columns);
    let last = migration.passes.len();
    for (i, pass) in migration.passes.iter().take(PASSES).enumerate() {
        let estimated = pass.estimated.then(|| table.note(words.t("doc.pass-estimated")));
        let rate = crate::report::chart::sent_per_s(pass);
        let no_dirty = if i + 1 == last { words.t("doc.last-pass") } else { words.t("unknown.no-reason") };
        let length = pass.start.zip(pass.end).map(|(start, end)| (end - start).ms());
        let cells = vec![
            Cell::number(pass.index.to_string()).noted(estimated),
            table.moment(pass.start, None, words),
            table.known(length, None, words, |ms| words.ms(ms).text()),
            Cell::number(words.plain(pass.bytes as f64 / 1e6)),
            table.known(pass.normal, migration.pages.why.as_deref(), words, |v| words.count(v)),
            table.known(pass.zero, migration.pages.why.as_deref(), words, |v| words.count(v)),
            table.float(rate.map(|v| v / 1e6), None, words),
            table.float(pass.dirty_bytes_per_s.map(|v| v / 1e6), Some(no_dirty), words),
        ];
        table.row(cells);
    }
    table.rest(PASSES.min(last), last, "passes.csv", words);
    table
}

fn phases(migration: &Migration, n: usize, words: Words) -> Table {
    let columns = [
        (words.t("doc.phase"), "", false),
        (words.t("doc.start"), "UTC", true),
        (words.t("doc.end"), "UTC", true),
        (words.t("doc.length"), "", true),
        (words.t("doc.payload"), "", true),
    ];
    let mut table = Table::new(format!("phases-{n}"), words.t("table.phases"), &columns);
    for phase in &migration.phases {
        let length = phase.start.zip(phase.end).map(|(start, end)| (end - start).ms());
        let cells = vec![
            Cell::label(words.name("migration-phase", &phase.name)),
            table.moment(phase.start, None, words),
            table.moment(phase.end, None, words),
            table.known(length, None, words, |ms| words.ms(ms).text()),
            Cell::number(words.bytes(phase.bytes).text()),
        ];
        table.row(cells);
    }
    table
}

fn volume(migration: &Migration, n: usize, words: Words) -> Table {
    let columns = [(words.t("doc.what"), "", false), (words.t("doc.value"), "", true), (words.t("doc.meaning"), "", false)];
    let mut table = Table::new(format!("volume-{n}"), words.t("table.volume"), &columns);
    let (bytes, pages) = (&migration.bytes, &migration.pages);
    let rows = [
        ("volume.wire", bytes.wire),
        ("volume.payload", bytes.payload),
        ("volume.retransmitted", bytes.retransmitted),
        ("volume.ram", bytes.ram),
        ("volume.device-state", bytes.device_state),
        ("volume.storage", bytes.storage),
    ];
    table.group(words.t("doc.bytes"));
    for (key, value) in rows {
        let cell = table.known(value, bytes.why.as_deref(), words, |v| words.bytes(v).text());
        table.row(vec![Cell::label(words.t(key)), cell, Cell::text(words.name("meaning", key))]);
    }
    let rows = [
        ("pages.normal", pages.normal),
        ("pages.zero", pages.zero),
        ("pages.xbzrle", pages.xbzrle),
        ("pages.compressed", pages.compressed),
        ("pages.resent", pages.resent),
    ];
    table.group(words.t("doc.pages"));
    for (key, value) in rows {
        let cell = table.known(value, pages.why.as_deref(), words, |v| words.count(v));
        table.row(vec![Cell::label(words.t(key)), cell, Cell::text(words.name("meaning", key))]);
    }
    if let Some(repeated) = pages.repeated.filter(|r| *r > 0) {
        let key = "pages.repeated";
        table.row(vec![Cell::label(words.t(key)), Cell::number(words.count(repeated)), Cell::text(words.name("meaning", key))]);
    }
    for (key, value) in [("pages.xbzrle-bytes", pages.xbzrle_bytes), ("pages.compressed-bytes", pages.compressed_bytes)] {
        if let Some(bytes) = value.filter(|b| *b > 0) {
            table.row(vec![Cell::label(words.t(key)), Cell::number(words.bytes(bytes).text()), Cell::text(words.name("meaning", key))]);
        }
    }
    let ram = table.known(pages.ram_total_bytes, pages.why.as_deref(), words, |v| words.bytes(v).text());
    table.row(vec![Cell::label(words.t("pages.ram-total")), ram, Cell::text(words.t("meaning.pages.ram-total"))]);
    table
}
