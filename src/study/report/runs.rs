//! The runs one by one, those that failed, and what was left out of the statistics.

use std::collections::BTreeMap;

use super::Builder;
use super::form::{level, title};
use crate::base::interval::Interval;
use crate::report::document::{Cell, Section, Table};
use crate::study::figures::{METRICS, Migration};
use crate::study::statistics::SCENARIO;

/// Rows of the table of runs; the data files have all.
const ROWS: usize = 60;
/// Reasons listed for each metric.
const REASONS: usize = 5;

pub(super) fn section(b: &Builder<'_>) -> Option<Section> {
    let words = b.words;
    let mut section = Section::new("runs", words.t("study.section.runs"));
    let columns = [
        (words.t("run"), "", false),
        (words.t("doc.scenario"), "", false),
        (words.t("study.factors"), "", false),
        (words.t("study.migration-number"), "", true),
        (words.t("outcome"), "", false),
        (words.t("total-time"), "", true),
        (words.t("downtime.vm"), "", true),
        (words.t("downtime.network"), "", true),
        (words.t("study.metric.transferred"), "", true),
    ];
    let mut table = Table::new("runs", words.t("study.table.runs"), &columns);
    let all = b.runs.iter().flat_map(|run| run.migrations.iter().map(move |m| (run, m)));
    let count = all.clone().count();
    for (run, m) in all.take(ROWS) {
        let factors: Vec<String> = run.factors.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let mut cells = vec![Cell::code(&run.id), Cell::text(level(SCENARIO, &run.scenario, words)), Cell::text(factors.join(", "))];
        if run.factors.is_empty() {
            cells[2] = Cell::none();
        }
        cells.push(Cell::number(m.number.to_string()));
        let outcome = words.name("outcome", &m.outcome);
        cells.push(if m.outcome == "completed" { Cell::text(outcome) } else { Cell::bad(outcome) });
        for key in ["total_ms", "downtime_ms", "network_downtime_ms"] {
            let (interval, why) = interval(m, key);
            cells.push(table.interval(interval.as_ref(), why, words));
        }
        let figure = m.figures.get("transferred_bytes");
        let bytes = figure.and_then(|f| f.value);
        cells.push(table.known(bytes, figure.and_then(|f| f.why.as_deref()), words, |v| words.bytes(v as u64).text()));
        table.row(cells);
    }
    table.rest(count.min(ROWS), count, "statistics.json", words);
    section.table(table);
    (count > 0).then_some(section)
}

fn interval<'a>(m: &'a Migration, key: &str) -> (Option<Interval>, Option<&'a str>) {
    let Some(figure) = m.figures.get(key) else { return (None, None) };
    let interval = figure.value.map(|estimate| Interval {
        lower: figure.lower.unwrap_or(estimate),
        estimate,
        upper: figure.upper.unwrap_or(estimate),
    });
    (interval, figure.why.as_deref())
}

pub(super) fn failed(b: &Builder<'_>) -> Option<Section> {
    let words = b.words;
    let failed: Vec<_> = b.runs.iter().filter_map(|run| Some((run, run.error.as_ref()?))).collect();
    if failed.is_empty() {
        return None;
    }
    let mut section = Section::new("failed", words.t("study.section.failed"));
    section.text(words.t("study.failed-intro"));
    let columns = [(words.t("run"), "", false), (words.t("doc.scenario"), "", false), (words.t("study.error"), "", false)];
    let mut table = Table::new("failed", words.t("study.table.failed"), &columns);
    for (run, error) in failed {
        let scenario = if run.scenario.is_empty() { Cell::none() } else { Cell::text(level(SCENARIO, &run.scenario, words)) };
        table.row(vec![Cell::code(&run.id), scenario, Cell::text(error)]);
    }
    section.table(table);
    Some(section)
}

/// How many completed migrations lack each figure, and why.
pub(super) fn left_out(b: &Builder<'_>) -> Option<Section> {
    let words = b.words;
    let columns = [
        (words.t("doc.figure-name"), "", false),
        (words.t("study.completed"), "", true),
        (words.t("study.known"), "", true),
        (words.t("study.unknown"), "", true),
        (words.t("study.reasons"), "", false),
    ];
    let mut table = Table::new("left-out", words.t("study.table.left-out"), &columns);
    for metric in METRICS {
        let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
        for case in b.cases.iter().filter(|case| case.value(metric).is_none()) {
            let why = case.migration.figures.get(metric.key).and_then(|figure| figure.why.as_deref());
            *reasons.entry(why.unwrap_or_default()).or_default() += 1;
        }
        let unknown: u64 = reasons.values().sum();
        if unknown == 0 {
            continue;
        }
        let mut listed: Vec<(&str, u64)> = reasons.into_iter().collect();
        listed.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let more = listed.len().saturating_sub(REASONS);
        let say = |(why, n): &(&str, u64)| {
            let why = if why.is_empty() { words.t("unknown.no-reason").into() } else { words.sentence(why) };
            format!("{why} ({})", words.count(*n))
        };
        let mut said: Vec<String> = listed.iter().take(REASONS).map(say).collect();
        if more > 0 {
            said.push(words.fill("text.more", &[("n", &words.count(more as u64))]));
        }
        let all = b.cases.len() as u64;
        let counts = [all, all - unknown, unknown].map(|n| Cell::number(words.count(n)));
        let mut cells = vec![Cell::label(title(metric, words))];
        cells.extend(counts);
        cells.push(Cell::text(said.join("; ")));
        table.row(cells);
    }
    if table.rows.is_empty() {
        return None;
    }
    let mut section = Section::new("left-out", words.t("study.section.left-out"));
    section.text(words.t("study.left-out-intro"));
    section.table(table);
    Some(section)
}
