//! The first page: how it ended, what is still open, the main figures.

use serde::Serialize;

use super::table::capital;
use super::{Builder, Cell, Section, Table};
use crate::base::interval::Interval;
use crate::model::{Migration, Report};
use crate::report::escape::shown;
use crate::report::headline::{After, after, headline, open_windows, scenario};
use crate::report::qos::headline_rows;
use crate::report::words::Words;

/// What is said before all else.
#[derive(Clone, Debug, Serialize)]
pub struct Banner {
    /// `good`, `notice` or `bad`.
    pub severity: &'static str,
    /// The sentence.
    pub text: String,
    /// Windows without service that were still open, one sentence each.
    pub open: Vec<String>,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// A main figure.
#[derive(Clone, Debug, Serialize)]
pub struct Tile {
    /// What it is.
    pub label: String,
    /// Its value.
    pub value: String,
    /// Its bounds, or why it is unknown.
    pub detail: String,
    /// `known`, `unknown` or `bad`.
    pub class: &'static str,
    /// Index of a grade, for its colour.
    pub grade: Option<u8>,
}

pub(super) fn title(report: &Report, words: Words) -> String {
    if report.run.name.is_empty() { words.t("doc.unnamed").to_owned() } else { shown(&report.run.name).into_owned() }
}

pub(super) fn facts(report: &Report, words: Words) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut add = |label: &str, value: String| facts.push((capital(&shown(label)), shown(&value).into_owned()));
    let run = &report.run;
    add(words.t("doc.scenario"), scenario(run, words));
    let mut vm: Vec<String> = report.vm.ips.iter().map(ToString::to_string).collect();
    vm.extend(report.vm.macs.iter().map(ToString::to_string));
    let vm = if vm.is_empty() { words.t("unknown").to_owned() } else { vm.join(", ") };
    let why = report.vm.why.as_deref().map(|why| format!("; {}", words.sentence(why))).unwrap_or_default();
    add(words.t("vm"), format!("{vm} ({}{why})", words.name("source", &report.vm.source)));
    if let (Some(start), Some(end)) = (run.start, run.end) {
        add(
            words.t("doc.captured"),
            format!(
                "{} {} – {} UTC ({})",
                start.rfc3339().get(..10).unwrap_or_default(),
                start.clock(),
                end.clock(),
                words.ms((end - start).ms()).text()
            ),
        );
    }
    if let Some(bps) = run.link_bandwidth_bps {
        add(words.t("doc.link"), words.bps(bps).text());
    }
    for (name, value) in run.factors.iter().take(20) {
        add(name, value.clone());
    }
    facts
}

pub(super) fn banner(report: &Report, words: Words) -> Banner {
    let said = headline(report, words);
    let several = report.migrations.len() > 1;
    let mut open = Vec::new();
    for migration in &report.migrations {
        for window in open_windows(migration) {
            let since = window.start.map_or_else(|| words.t("unknown").to_owned(), |t| format!("{} UTC", t.clock()));
            let service = format!("{} {}", words.name("service", &window.service), words.name("direction", &window.direction));
            let ms = window.ms.map_or_else(|| words.t("unknown").to_owned(), |ms| words.ms(ms).text());
            let mut line = words.fill("doc.open", &[("service", &service), ("client", &window.client), ("since", &since), ("ms", &ms)]);
            if several {
                line = format!("{} {}: {line}", words.t("doc.migration"), migration.id);
            }
            open.push(shown(&line).into_owned());
        }
    }
    open.truncate(50);
    Banner {
        severity: said.severity.class(),
        text: shown(&said.text).into_owned(),
        open,
        warnings: report.warnings.iter().map(|w| super::capture::sentence(w, words)).collect(),
    }
}

/// The migration that the tiles are about: the last completed one, else the last.
fn main_migration(report: &Report) -> Option<&Migration> {
    report.migrations.iter().rfind(|m| m.outcome == "completed").or(report.migrations.last())
}

pub(super) fn tiles(report: &Report, words: Words) -> Vec<Tile> {
    let mut tiles = Vec::new();
    if let Some(migration) = main_migration(report) {
        let downtime = &migration.downtime;
        let label = |key: &'static str| {
            if report.migrations.len() > 1 {
                format!("{} ({} {})", words.t(key), words.t("migration"), migration.id)
            } else {
                words.t(key).to_owned()
            }
        };
        tiles.push(interval(label("total-time"), migration.total_ms.as_ref(), migration.why_not_decoded.as_deref(), words));
        tiles.push(interval(label("downtime.vm"), downtime.vm.ms.as_ref(), downtime.vm.why.as_deref(), words));
        let mut network = interval(label("downtime.network"), downtime.network.ms.as_ref(), downtime.network.why.as_deref(), words);
        if after(migration) == After::Never {
            network = Tile {
                value: words.t("not-recovered").to_owned(),
                detail: downtime
                    .network
                    .ms
                    .as_ref()
                    .map_or_else(String::new, |ms| words.fill("doc.at-least", &[("ms", &words.ms(ms.lower).text())])),
                class: "bad",
                ..network
            };
        }
        tiles.push(network);
        tiles.push(service(label("doc.service-longest"), migration, words));
    }
    tiles.extend(grade(report, words));
    for tile in &mut tiles {
        tile.label = capital(&tile.label);
        tile.value = capital(&tile.value);
    }
    tiles
}

fn interval(label: String, value: Option<&Interval>, why: Option<&str>, words: Words) -> Tile {
    match value {
        Some(ms) => {
            let (value, bounds) = words.ms_parts(ms);
            Tile { label, value, detail: bounds.unwrap_or_default(), class: "known", grade: None }
        }
        None => unknown(label, why, words),
    }
}

fn unknown(label: String, why: Option<&str>, words: Words) -> Tile {
    let why = why.map_or_else(|| words.t("unknown.no-reason").to_owned(), |why| words.sentence(why).into_owned());
    Tile { label, value: words.t("unknown").to_owned(), detail: shown(&why).into_owned(), class: "unknown", grade: None }
}

fn service(label: String, migration: &Migration, words: Words) -> Tile {
    let name = |w: &crate::model::ServiceWindow| format!("{} {}", words.name("service", &w.service), words.name("direction", &w.direction));
    if let Some(open) = open_windows(migration).next() {
        let detail = shown(&name(open)).into_owned();
        return Tile { label, value: words.t("not-recovered").to_owned(), detail, class: "bad", grade: None };
    }
    let caused = migration.downtime.service.iter().filter(|w| w.cause != "other");
    let longest = caused.filter_map(|w| Some((w.ms?, w))).max_by(|a, b| a.0.total_cmp(&b.0));
    match longest {
        Some((ms, window)) => {
            let quantity = words.ms(ms);
            Tile { label, value: quantity.text(), detail: shown(&name(window)).into_owned(), class: "known", grade: None }
        }
        None => Tile { label, value: words.t("doc.none-seen").to_owned(), detail: String::new(), class: "known", grade: None },
    }
}

fn grade(report: &Report, words: Words) -> Option<Tile> {
    let rows = headline_rows(report);
    let row = rows.iter().find(|q| q.phase == "during").or(rows.first())?;
    let grades = row.grades.as_ref()?;
    let label =
        words.fill("doc.grade-tile", &[("scale", &words.name("scale", &grades.scale)), ("phase", &words.name("phase", &row.phase))]);
    let label = shown(&label).into_owned();
    let Some(overall) = &grades.overall else { return Some(unknown(label, Some(words.t("doc.no-overall")), words)) };
    Some(Tile {
        label,
        value: shown(words.overall(overall)).into_owned(),
        detail: words.fill("doc.of-4", &[("index", &words.fixed(overall.index, 2)), ("percent", &words.percent(overall.percent))]),
        class: "known",
        grade: Some(overall.index.clamp(0.0, 4.0).floor() as u8),
    })
}

pub(super) fn overview(b: &mut Builder<'_>) -> Option<Section> {
    let (report, words) = (b.report, b.words);
    if report.migrations.len() < 2 {
        return None;
    }
    let mut section = Section::new("overview", words.t("section.overview"));
    let columns = [
        ("#", "", true),
        (words.t("outcome"), "", false),
        (words.t("doc.start"), "UTC", true),
        (words.t("total-time"), "", true),
        (words.t("downtime.vm"), "", true),
        (words.t("downtime.network"), "", true),
        (words.t("doc.from"), "", false),
        (words.t("doc.to"), "", false),
    ];
    let mut table = Table::new("migrations", words.t("table.migrations"), &columns);
    for migration in &report.migrations {
        let downtime = &migration.downtime;
        let outcome = words.name("outcome", &migration.outcome);
        let network = if after(migration) == After::Never {
            Cell::bad(words.t("not-recovered"))
        } else {
            table.interval(downtime.network.ms.as_ref(), downtime.network.why.as_deref(), words)
        };
        let cells = vec![
            Cell::number(migration.id.to_string()),
            if migration.outcome == "completed" { Cell::text(outcome) } else { Cell::bad(outcome) },
            table.moment(migration.start, None, words),
            table.interval(migration.total_ms.as_ref(), migration.outcome_why.as_deref(), words),
            table.interval(downtime.vm.ms.as_ref(), downtime.vm.why.as_deref(), words),
            network,
            Cell::code(super::migration::node(&migration.from, words)),
            Cell::code(super::migration::node(&migration.to, words)),
        ];
        table.row(cells);
    }
    section.table(table);
    Some(section)
}

pub(super) fn timeline(b: &mut Builder<'_>) -> Option<Section> {
    let mut section = Section::new("timeline", b.words.t("section.timeline"));
    b.figure(&mut section, "timeline");
    Some(section)
}
