//! The first page of a study: how many runs, what came out, how it was laid out.

use super::Builder;
use super::form::{Form, level};
use crate::report::document::{Banner, Cell, Section, Table, Tile, capital};
use crate::report::escape::shown;
use crate::study::figures::metric;
use crate::study::statistics::{RESPONSES, SCENARIO, factors};

/// Names of scenarios or runs that a sentence lists.
const NAMED: usize = 8;

pub(super) fn facts(b: &Builder<'_>) -> Vec<(String, String)> {
    let words = b.words;
    let list = |factor: &str, levels: &[String]| {
        let mut names: Vec<String> =
            levels.iter().take(NAMED).map(|l| if factor == SCENARIO { level(factor, l, words) } else { l.clone() }).collect();
        if levels.len() > NAMED {
            names.push(words.fill("text.more", &[("n", &words.count((levels.len() - NAMED) as u64))]));
        }
        shown(&names.join(", ")).into_owned()
    };
    let name = |factor: &str| if factor == SCENARIO { capital(words.t("doc.scenario")) } else { super::form::factor(factor) };
    factors(&b.cases).iter().take(20).map(|(factor, levels)| (name(factor), list(factor, levels))).collect()
}

pub(super) fn banner(b: &Builder<'_>) -> Banner {
    let words = b.words;
    let failed: Vec<&str> = b.runs.iter().filter(|run| run.error.is_some()).map(|run| run.id.as_str()).collect();
    let count = |n: usize| words.count(n as u64);
    let holes = [("runs", count(b.runs.len())), ("migrations", count(b.cases.len())), ("failed", count(failed.len()))];
    let holes = holes.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (severity, text) = if b.runs.is_empty() {
        ("bad", words.t("study.banner.empty").to_owned())
    } else if failed.len() == b.runs.len() {
        ("bad", words.fill("study.banner.all-failed", &holes))
    } else if b.cases.is_empty() {
        ("bad", words.fill("study.banner.no-migration", &holes))
    } else if failed.is_empty() {
        ("good", words.fill("study.banner.good", &holes))
    } else {
        ("notice", words.fill("study.banner.some-failed", &holes))
    };
    let mut warnings = Vec::new();
    if !failed.is_empty() {
        let mut names: Vec<String> = failed.iter().take(NAMED).map(|id| shown(id).into_owned()).collect();
        if failed.len() > NAMED {
            names.push(words.fill("text.more", &[("n", &count(failed.len() - NAMED))]));
        }
        warnings.push(words.fill("study.warn.failed", &[("names", &names.join(", "))]));
    }
    let without = b.runs.iter().filter(|run| run.error.is_none() && run.migrations.is_empty()).count();
    if without > 0 {
        warnings.push(words.fill("study.warn.no-migration", &[("n", &count(without))]));
    }
    let broken = b.runs.iter().flat_map(|run| &run.migrations).filter(|m| m.outcome != "completed").count();
    if broken > 0 {
        warnings.push(words.fill("study.warn.not-completed", &[("n", &count(broken))]));
    }
    Banner { severity, text, open: Vec::new(), warnings }
}

pub(super) fn tiles(b: &Builder<'_>) -> Vec<Tile> {
    let words = b.words;
    let tile = |label: String, value: String, detail: String, class| Tile { label, value, detail, class, grade: None };
    let analyzed = b.runs.iter().filter(|run| run.error.is_none()).count();
    let detail = words.fill("study.tile.of-runs", &[("n", &words.count(b.runs.len() as u64))]);
    let mut tiles = vec![tile(capital(words.t("study.runs-analyzed")), words.count(analyzed as u64), detail, "known")];
    let all: usize = b.runs.iter().map(|run| run.migrations.len()).sum();
    let detail = words.fill("study.tile.of-migrations", &[("n", &words.count(all as u64))]);
    tiles.push(tile(capital(words.t("study.completed")), words.count(b.cases.len() as u64), detail, "known"));
    for metric in RESPONSES.iter().take(3).filter_map(|key| metric(key)) {
        let Some(d) = b.statistics.described(metric.key, &[]) else { continue };
        let label = words.fill("study.tile.mean", &[("metric", super::form::name(metric, words))]);
        let label = capital(&label);
        let (Some(mean), Some(max)) = (d.mean, d.max) else {
            tiles.push(tile(label, capital(words.t("unknown")), words.t("study.no-value").to_owned(), "unknown"));
            continue;
        };
        let form = Form::of(metric, max);
        let n = format!("n = {}", words.count(d.n as u64));
        let detail = d.sd.map_or_else(|| n.clone(), |sd| format!("{} {}; {n}", words.t("study.sd"), form.text(sd, words)));
        tiles.push(tile(label, form.text(mean, words), detail, "known"));
    }
    tiles
}

/// How many runs each scenario has and what became of them.
pub(super) fn design(b: &Builder<'_>) -> Option<Section> {
    let words = b.words;
    if b.runs.is_empty() {
        return None;
    }
    let mut section = Section::new("design", words.t("study.section.design"));
    section.text(words.t("study.design-intro"));
    let columns = [
        (words.t("doc.scenario"), "", false),
        (words.t("study.runs"), "", true),
        (words.t("study.runs-failed"), "", true),
        (words.t("study.migrations"), "", true),
        (words.t("study.completed"), "", true),
    ];
    let mut table = Table::new("design", words.t("study.table.design"), &columns);
    let mut scenarios: Vec<&str> = b.runs.iter().map(|run| run.scenario.as_str()).collect();
    scenarios.sort_unstable();
    scenarios.dedup();
    let row = |scenario: Option<&str>| {
        let runs = b.runs.iter().filter(|run| scenario.is_none_or(|s| run.scenario == s));
        let (mut all, mut failed, mut migrations, mut completed) = (0, 0, 0, 0);
        for run in runs {
            all += 1;
            failed += u64::from(run.error.is_some());
            migrations += run.migrations.len() as u64;
            completed += run.migrations.iter().filter(|m| m.outcome == "completed").count() as u64;
        }
        [all, failed, migrations, completed].map(|n| Cell::number(words.count(n)))
    };
    for scenario in &scenarios {
        let mut cells = vec![Cell::label(level(SCENARIO, scenario, words))];
        cells.extend(row(Some(scenario)));
        table.row(cells);
    }
    if scenarios.len() > 1 {
        let mut cells = vec![Cell::strong(words.t("study.all"))];
        cells.extend(row(None));
        table.total(cells);
    }
    section.table(table);
    let one = factors(&b.cases).iter().any(|(factor, levels)| factor == SCENARIO && levels.len() == 1);
    if one {
        section.text(words.t("study.one-scenario"));
    }
    Some(section)
}
