//! A comparison as text for a terminal, as a document, as JSON.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use super::condition::Verdict;
use super::{Change, Comparison, PARAMETERS, Summary};
use crate::error::{Error, Result};
use crate::report::document::{Banner, Cell, Document, Section, Table, capital};
use crate::report::escape::shown;
use crate::report::words::Words;
use crate::study::figures::{Unit, metric};
use crate::study::report::{level, p_said};
use crate::study::statistics::SCENARIO;

/// Columns of the figure's name, of each value and of the change in a terminal: 80 with the rest.
const NAME: usize = 34;
const VALUE: usize = 12;
const CHANGE: usize = 10;

/// As JSON.
///
/// # Errors
/// None that a comparison gives cause for.
pub fn json(comparison: &Comparison) -> Result<String> {
    let mut out = serde_json::to_string_pretty(comparison).map_err(|e| Error::new(format!("cannot write JSON: {e}")))?;
    out.push('\n');
    Ok(out)
}

fn name(figure: &str, words: Words) -> String {
    if let Some(metric) = metric(figure) {
        return words.find(metric.word).unwrap_or(metric.key).to_owned();
    }
    let (phase, key) = figure.split_once('.').unwrap_or(("", figure));
    let word = PARAMETERS.iter().find(|p| p.key == key).and_then(|p| words.find(p.word)).unwrap_or(key);
    format!("{word}, {}", words.name("phase-row", phase))
}

/// A value in the unit of its figure.
fn value(figure: &str, value: f64, words: Words) -> String {
    let key = figure.split_once('.').map_or(figure, |(_, key)| key);
    let unit = metric(figure).map(|m| m.unit).or_else(|| PARAMETERS.iter().find(|p| p.key == key)?.unit);
    match unit {
        Some(Unit::Ms) => words.ms(value).text(),
        Some(Unit::Bytes) if value >= 0.0 => words.bytes(value as u64).text(),
        Some(Unit::BytesPerS) => words.bytes_per_s(value).text(),
        Some(Unit::Bps) => words.bps(value).text(),
        Some(Unit::Count) => words.plain(value),
        _ if key == "loss_percent" => words.percent(value),
        _ => words.fixed(value, 2),
    }
}

fn side(figure: &str, summary: &Summary, words: Words) -> String {
    summary.mean.map_or_else(|| words.t("unknown").to_owned(), |mean| value(figure, mean, words))
}

/// The change in percent with its sign, or in index points where percent mean nothing.
fn changed(change: &Change, words: Words) -> String {
    let sign = |v: f64| if v > 0.0 { "+" } else { "" };
    let points = change.figure.ends_with("grade_index") || change.figure.ends_with("loss_percent");
    match (change.change, change.change_percent) {
        (Some(difference), _) if points => {
            let unit = if change.figure.ends_with("loss_percent") { words.t("compare.points") } else { "" };
            format!("{}{} {unit}", sign(difference), words.fixed(difference, 2)).trim_end().to_owned()
        }
        (Some(_), Some(percent)) => format!("{}{}\u{a0}%", sign(percent), words.fixed(percent, 1)),
        _ => "–".to_owned(),
    }
}

/// What a reader must know of a change.
fn remark(change: &Change, words: Words) -> String {
    let mut parts = Vec::new();
    if change.a.n > 1 || change.b.n > 1 {
        parts.push(format!("n = {}; {}", change.a.n, change.b.n));
    }
    if let Some(p) = change.p_welch_holm {
        parts.push(p_said(p, words));
    }
    if change.within_bounds {
        parts.push(words.t("compare.within").to_owned());
    }
    if change.a.n == 0 || change.b.n == 0 {
        let why = [&change.a, &change.b].iter().find(|s| s.n == 0).and_then(|s| s.why.as_deref());
        parts.extend(why.map(|why| shown(&words.sentence(why)).into_owned()));
    }
    parts.join(", ")
}

fn verdicts(comparison: &Comparison, words: Words) -> Vec<String> {
    let say = |judged: &super::condition::Judged| {
        let scenarios: Vec<String> = judged.scenarios.iter().map(|scenario| level(SCENARIO, scenario, words)).collect();
        let scenarios = if scenarios.is_empty() { String::new() } else { format!(" ({})", scenarios.join(", ")) };
        let key = match judged.verdict {
            Verdict::Holds => "compare.holds",
            Verdict::No => "compare.holds-not",
            Verdict::Unknown => "compare.not-judged",
        };
        words.fill(key, &[("condition", &shown(&judged.condition)), ("scenarios", &scenarios)])
    };
    comparison.conditions.iter().map(say).collect()
}

/// Sentences about what was not compared.
fn notes(comparison: &Comparison, words: Words) -> Vec<String> {
    let mut out = Vec::new();
    for (key, scenarios) in [("compare.only-a", &comparison.only_a), ("compare.only-b", &comparison.only_b)] {
        if !scenarios.is_empty() {
            let names: Vec<String> = scenarios.iter().map(|scenario| level(SCENARIO, scenario, words)).collect();
            out.push(words.fill(key, &[("names", &names.join(", "))]));
        }
    }
    let (a, b) = comparison.failed;
    if a + b > 0 {
        out.push(words.fill("compare.failed", &[("a", &words.count(a as u64)), ("b", &words.count(b as u64))]));
    }
    if comparison.changes.is_empty() {
        out.push(words.t("compare.nothing").to_owned());
    }
    out
}

fn scenarios(comparison: &Comparison) -> Vec<Option<&str>> {
    let mut all: Vec<Option<&str>> = comparison.changes.iter().map(|change| change.scenario.as_deref()).collect();
    all.dedup();
    all
}

/// For a terminal of 80 columns.
pub fn text(comparison: &Comparison, words: Words) -> String {
    let mut out = String::new();
    let runs = |n: usize| words.fill("compare.runs", &[("n", &words.count(n as u64))]);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "A: {} ({})", shown(&comparison.a), runs(comparison.runs.0));
    let _ = writeln!(out, "B: {} ({})", shown(&comparison.b), runs(comparison.runs.1));
    for scenario in scenarios(comparison) {
        let title = scenario.map_or_else(String::new, |scenario| capital(&level(SCENARIO, scenario, words)));
        let _ =
            writeln!(out, "\n{}{}{}{}", left(&title, NAME), right("A", VALUE), right("B", VALUE), right(words.t("compare.change"), CHANGE));
        for change in comparison.changes.iter().filter(|change| change.scenario.as_deref() == scenario) {
            let row = format!(
                "  {}{}{}{}",
                left(&name(&change.figure, words), NAME - 2),
                right(&side(&change.figure, &change.a, words), VALUE),
                right(&side(&change.figure, &change.b, words), VALUE),
                right(&changed(change, words), CHANGE)
            );
            let _ = writeln!(out, "{}", row.trim_end());
            let remark = remark(change, words);
            if !remark.is_empty() {
                let _ = writeln!(out, "    {remark}");
            }
        }
    }
    for line in notes(comparison, words).into_iter().chain(verdicts(comparison, words)) {
        let _ = write!(out, "\n{line}\n");
    }
    out.replace('\u{a0}', " ")
}

fn left(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width()).max(1)))
}

/// As a document, for Markdown.
pub fn document(comparison: &Comparison, words: Words) -> Document {
    let mut section = Section::new("comparison", words.t("compare.section"));
    let columns = [
        (words.t("doc.figure-name"), "", false),
        ("A", "", true),
        ("B", "", true),
        (words.t("compare.change"), "", true),
        (words.t("compare.remark"), "", false),
    ];
    let mut table = Table::new("comparison", words.t("compare.table"), &columns);
    for scenario in scenarios(comparison) {
        if let Some(scenario) = scenario {
            table.group(&level(SCENARIO, scenario, words));
        }
        for change in comparison.changes.iter().filter(|change| change.scenario.as_deref() == scenario) {
            let remark = remark(change, words);
            table.row(vec![
                Cell::label(name(&change.figure, words)),
                Cell::number(side(&change.figure, &change.a, words)),
                Cell::number(side(&change.figure, &change.b, words)),
                Cell::number(changed(change, words)),
                if remark.is_empty() { Cell::none() } else { Cell::text(remark) },
            ]);
        }
    }
    table.remark(words.t("compare.method"));
    section.table(table);
    let failed = comparison.conditions.iter().any(|judged| judged.verdict == Verdict::Holds);
    let mut sections = vec![section];
    crate::report::document::number(&mut sections, words);
    let said = verdicts(comparison, words);
    let text = if said.is_empty() { words.t("compare.section").to_owned() } else { said.join(" ") };
    Document {
        lang: words.lang().code(),
        title: words.fill("compare.title", &[("a", &shown(&comparison.a)), ("b", &shown(&comparison.b))]),
        facts: Vec::new(),
        banner: Banner { severity: if failed { "bad" } else { "good" }, text, open: Vec::new(), warnings: notes(comparison, words) },
        tiles: Vec::new(),
        sections,
        colophon: words.fill("compare.colophon", &[("version", env!("CARGO_PKG_VERSION"))]),
    }
}
