//! Each figure in numbers: one table for each, and a box plot of those that a user feels.

use super::Builder;
use super::form::{Form, factor, level, name, slug, title};
use crate::report::chart::study::{Axis, BoxGroup, Boxes};
use crate::report::document::{Cell, Section, Table, capital};
use crate::report::words::Words;
use crate::study::figures::{METRICS, Metric};
use crate::study::statistics::{Described, RESPONSES, SCENARIO, factors};

/// Fewest values for which a box is drawn: below it dots say all.
const LEAST_FOR_BOX: usize = 5;
/// Names that a footnote on outliers lists.
const NAMED: usize = 12;

pub(super) fn section(b: &Builder<'_>) -> Option<Section> {
    let words = b.words;
    if b.cases.is_empty() {
        return None;
    }
    let mut section = Section::new("figures", words.t("study.section.figures"));
    section.text(words.t("study.figures-intro"));
    for metric in METRICS {
        let rows: Vec<&Described> = b.statistics.described.iter().filter(|d| d.metric == metric.key).collect();
        if rows.iter().all(|d| d.n == 0) {
            continue;
        }
        section.heading(title(metric, words));
        section.table(table(metric, &rows, b));
        if RESPONSES.contains(&metric.key) {
            let caption = words.fill("study.figure.boxes", &[("metric", &title(metric, words))]);
            section.chart(format!("box-{}", slug(metric)), caption, boxes(metric, &rows, b));
        }
    }
    (section.blocks.len() > 1).then_some(section)
}

fn form(metric: &Metric, rows: &[&Described]) -> Form {
    Form::of(metric, rows.iter().filter_map(|d| d.max).fold(0.0, f64::max))
}

fn table(metric: &Metric, rows: &[&Described], b: &Builder<'_>) -> Table {
    let words = b.words;
    let form = form(metric, rows);
    let mut columns = vec![
        (words.t("study.group"), "", false),
        ("n", "", true),
        (words.t("doc.mean"), form.unit, true),
        (words.t("doc.median"), form.unit, true),
        (words.t("study.sd"), form.unit, true),
        (words.t("study.ci"), form.unit, true),
        (words.t("study.range"), form.unit, true),
    ];
    if metric.interval {
        columns.push((words.t("study.width"), form.unit, true));
    }
    columns.push((words.t("study.outliers"), "", true));
    let caption = words.fill("study.table.figure", &[("metric", name(metric, words)), ("n", &words.count(rows[0].n as u64))]);
    let mut table = Table::new(slug(metric), capital(&caption), &columns);
    let mut heading = String::new();
    for d in rows {
        let names: Vec<&str> = d.group.keys().map(String::as_str).collect();
        let said = match names.as_slice() {
            [] => String::new(),
            [SCENARIO] => words.t("study.by-scenario").to_owned(),
            [one] => words.fill("study.by-factor", &[("factor", &factor(one))]),
            // Keys are in the order of their letters; the scenario comes first for a reader.
            both => {
                let other = both.iter().find(|name| **name != SCENARIO).copied().unwrap_or_default();
                words.fill("study.by-both", &[("factor", &factor(other))])
            }
        };
        // A factor with one level says nothing that all together do not say.
        if let ([only], Some(all)) = (names.as_slice(), rows.first())
            && *only != SCENARIO
            && d.migrations == all.migrations
        {
            continue;
        }
        if said != heading {
            table.group(&said);
            heading = said;
        }
        row(&mut table, metric, d, &form, words);
    }
    if metric.interval {
        table.remark(words.t("study.note.interval"));
    }
    table
}

fn row(table: &mut Table, metric: &Metric, d: &Described, form: &Form, words: Words) {
    let mut levels: Vec<String> = Vec::new();
    if let Some(scenario) = d.group.get(SCENARIO) {
        levels.push(level(SCENARIO, scenario, words));
    }
    levels.extend(d.group.iter().filter(|(name, _)| *name != SCENARIO).map(|(name, value)| level(name, value, words)));
    let label = if levels.is_empty() { words.t("study.all").to_owned() } else { levels.join(", ") };
    let mut cells = vec![if levels.is_empty() { Cell::strong(label) } else { Cell::text(label) }];
    let mut n = Cell::number(words.count(d.n as u64));
    if d.excluded > 0 {
        n.detail = words.fill("study.left-out", &[("n", &words.count(d.excluded as u64))]);
    }
    cells.push(n);
    let value = |v: Option<f64>| v.map_or_else(Cell::none, |v| Cell::number(form.number(v, words)));
    cells.extend([value(d.mean), value(d.median), value(d.sd)]);
    let mut ci = d.ci_t.map_or_else(Cell::none, |ci| Cell::number(form.bounds(ci, words)));
    ci.detail = d.ci_bootstrap.map(|ci| form.bounds(ci, words)).unwrap_or_default();
    cells.push(ci);
    cells.push(d.min.zip(d.max).map_or_else(Cell::none, |range| Cell::number(form.bounds(range, words))));
    if metric.interval {
        cells.push(value(d.interval_width));
    }
    cells.push(match d.outliers.as_slice() {
        _ if d.n < 4 => Cell::none(),
        [] => Cell::number("0"),
        outliers => {
            let mut names: Vec<String> =
                outliers.iter().take(NAMED).map(|(run, value)| format!("{run} ({})", form.text(*value, words))).collect();
            if outliers.len() > NAMED {
                names.push(words.fill("text.more", &[("n", &words.count((outliers.len() - NAMED) as u64))]));
            }
            // One note for each name keeps long names whole.
            let letters: Vec<String> = names.iter().map(|name| table.note(&words.fill("study.note.outlier", &[("name", name)]))).collect();
            Cell::number(words.count(outliers.len() as u64)).noted(Some(letters.join(",")))
        }
    });
    table.row(cells);
}

fn boxes(metric: &Metric, rows: &[&Described], b: &Builder<'_>) -> Option<String> {
    let words = b.words;
    let form = form(metric, rows);
    let scaled = |v: f64| v / form.divide;
    let scenarios = factors(&b.cases);
    let (_, levels) = scenarios.iter().find(|(name, _)| name == SCENARIO)?;
    let group = |scenario: &String| {
        let d = b.statistics.described(metric.key, &[(SCENARIO, scenario)])?;
        let inner = || d.values.iter().enumerate().filter(|(i, _)| !d.outlier_places.contains(i)).map(|(_, v)| scaled(*v));
        let enough = d.n >= LEAST_FOR_BOX;
        Some(BoxGroup {
            name: level(SCENARIO, scenario, words),
            values: d.values.iter().map(|v| scaled(*v)).collect(),
            quartiles: d.q1.zip(d.q3).filter(|_| enough).map(|(q1, q3)| (scaled(q1), scaled(q3))),
            median: d.median.filter(|_| d.n > 1).map(scaled),
            mean: d.mean.filter(|_| d.n > 1).map(scaled),
            whiskers: inner().reduce(f64::min).zip(inner().reduce(f64::max)),
            outliers: d.outlier_places.clone(),
        })
    };
    let axis = Axis { title: title(metric, words), unit: form.unit.to_owned() };
    Boxes { axis, groups: levels.iter().filter_map(group).collect() }.draw(words)
}
