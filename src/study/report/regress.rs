//! What drives a figure: straight lines through all migrations.

use super::Builder;
use super::compare::ALPHA;
use super::form::{Form, level, name, p_said, p_value, significant, slug, title};
use crate::report::chart::study::{Axis, Scatter, Spot};
use crate::report::document::{Cell, Section, Table};
use crate::report::words::Words;
use crate::study::figures::{Metric, metric};
use crate::study::statistics::{Regressed, SCENARIO, factors};

/// Points of the band in a chart.
const STEPS: usize = 40;

pub(super) fn section(b: &Builder<'_>) -> Option<Section> {
    let words = b.words;
    if b.cases.is_empty() || b.statistics.regressed.iter().all(|line| line.points.is_empty()) {
        return None;
    }
    let mut section = Section::new("relations", words.t("study.section.relations"));
    section.text(words.t("study.relations-intro"));
    let columns = [
        (words.t("study.explained"), "", false),
        ("n", "", true),
        (words.t("study.slope"), "", true),
        (words.t("study.intercept"), "", true),
        ("R²", "", true),
        ("p", "", true),
        (words.t("study.p-holm"), "", true),
    ];
    let mut table = Table::new("regression", words.t("study.table.regression"), &columns);
    let mut sentences = Vec::new();
    let mut charts = Vec::new();
    let mut heading = "";
    for line in &b.statistics.regressed {
        let (Some(y), Some(x)) = (metric(line.y), metric(line.x)) else { continue };
        let forms = (form(x, line.points.iter().map(|p| p.0)), form(y, line.points.iter().map(|p| p.1)));
        if line.y != heading {
            heading = line.y;
            table.group(name(y, words));
        }
        sentences.push(sentence(line, x, y, &forms, b));
        row(&mut table, line, x, &forms, b);
        let caption = if line.line.is_some() { "study.figure.scatter" } else { "study.figure.scatter-plain" };
        let caption = words.fill(caption, &[("y", &title(y, words)), ("x", name(x, words)), ("n", &words.count(line.n as u64))]);
        charts.push((format!("scatter-{}-{}", slug(y), slug(x)), caption, scatter(line, x, y, &forms, b)));
    }
    section.list(sentences);
    section.table(table);
    for (id, caption, svg) in charts {
        section.chart(id, caption, svg);
    }
    Some(section)
}

fn form(metric: &Metric, values: impl Iterator<Item = f64>) -> Form {
    Form::of(metric, values.fold(0.0, |most: f64, v| most.max(v.abs())))
}

/// A slope in the units shown: of y for each unit of x.
fn shown(slope: f64, (x, y): &(Form, Form)) -> f64 {
    slope * x.divide / y.divide
}

fn row(table: &mut Table, line: &Regressed, x: &Metric, forms: &(Form, Form), b: &Builder<'_>) {
    let words = b.words;
    let mut n = Cell::number(words.count(line.n as u64));
    if line.excluded > 0 {
        n.detail = words.fill("study.left-out", &[("n", &words.count(line.excluded as u64))]);
    }
    let note = line.why.as_deref().map(|why| table.note(&words.sentence(why)));
    let number = |value: Option<String>| value.map_or_else(|| Cell::none().noted(note.clone()), Cell::number);
    let mut slope = number(line.slope.map(|v| format!("{} {} per {}", significant(shown(v, forms), words), forms.1.unit, forms.0.unit)));
    if let Some((low, high)) = line.slope_ci {
        slope.detail = format!("{} {} {}", significant(shown(low, forms), words), words.t("to"), significant(shown(high, forms), words));
    }
    slope.note = few(line, words).map(|said| table.note(&said));
    if line.slope.is_none() {
        slope.note.clone_from(&note);
    }
    let intercept = number(line.intercept.map(|v| forms.1.text(v, words)));
    let r2 = number(line.r2.map(|v| words.fixed(v, 3)));
    let [p, holm] = [line.p, line.p_holm].map(|p| number(p.map(|p| p_value(p, words))));
    table.row(vec![Cell::label(name(x, words)), n, slope, intercept, r2, p, holm]);
}

/// Says so where the line rests on two values of x alone: it would fit any two groups.
fn few(line: &Regressed, words: Words) -> Option<String> {
    let mut xs: Vec<u64> = line.points.iter().map(|p| p.0.to_bits()).collect();
    xs.sort_unstable();
    xs.dedup();
    (line.slope.is_some() && xs.len() < 3).then(|| words.fill("study.note.few-x", &[("n", &xs.len().to_string())]))
}

fn sentence(line: &Regressed, x: &Metric, y: &Metric, forms: &(Form, Form), b: &Builder<'_>) -> String {
    let words = b.words;
    let mut holes = vec![("y", title(y, words)), ("x", name(x, words).to_owned()), ("n", words.count(line.n as u64))];
    let key = match (line.slope, line.slope_ci, line.r2, line.p_holm.or(line.p)) {
        (Some(slope), Some((low, high)), Some(r2), Some(p)) => {
            let (low, high) = if slope < 0.0 { (-high, -low) } else { (low, high) };
            let said = |v: f64| significant(shown(v, forms), words);
            holes.push(("slope", format!("{} {}", said(slope.abs()), forms.1.unit)));
            holes.push(("step", format!("1 {}", forms.0.unit)));
            holes.push(("ci", format!("{} {} {} {}", said(low), words.t("to"), said(high), forms.1.unit)));
            holes.push(("r2", words.fixed(r2, 2)));
            holes.push(("p", p_said(p, words)));
            match (p < ALPHA, slope > 0.0) {
                (true, true) => "study.say.grows",
                (true, false) => "study.say.falls",
                (false, _) => "study.say.no-relation",
            }
        }
        _ => {
            holes.push(("why", line.why.as_deref().map(|why| words.sentence(why).into_owned()).unwrap_or_default()));
            "study.say.no-line"
        }
    };
    let said = words.fill(key, &holes.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>());
    match few(line, words) {
        Some(few) => format!("{said} {}.", crate::report::document::capital(&few)),
        None => said,
    }
}

fn scatter(line: &Regressed, x: &Metric, y: &Metric, forms: &(Form, Form), b: &Builder<'_>) -> Option<String> {
    let words = b.words;
    if line.points.len() < 2 {
        return None;
    }
    let all = factors(&b.cases);
    let (_, scenarios) = all.iter().find(|(factor, _)| factor == SCENARIO)?;
    let spot = |case: &crate::study::statistics::Case<'_>| {
        let figure = case.migration.figures.get(y.key)?;
        Some(Spot {
            group: scenarios.iter().position(|scenario| *scenario == case.run.scenario)?,
            x: case.value(x)? / forms.0.divide,
            y: case.value(y)? / forms.1.divide,
            bounds: figure.lower.zip(figure.upper).map(|(lower, upper)| (lower / forms.1.divide, upper / forms.1.divide)),
        })
    };
    let spots: Vec<Spot> = b.cases.iter().filter_map(spot).collect();
    let ends = line.points.iter().map(|p| p.0);
    let (low, high) = (ends.clone().reduce(f64::min)?, ends.reduce(f64::max)?);
    let (mut drawn, mut band) = (Vec::new(), Vec::new());
    if let Some(fit) = &line.line {
        for i in 0..=STEPS {
            let at = low + (high - low) * i as f64 / STEPS as f64;
            let show = |v: f64| v / forms.1.divide;
            drawn.push((at / forms.0.divide, show(fit.at(at))));
            band.extend(fit.prediction(at).map(|(lower, upper)| (at / forms.0.divide, show(lower), show(upper))));
        }
    }
    Scatter {
        x: Axis { title: title(x, words), unit: forms.0.unit.to_owned() },
        y: Axis { title: title(y, words), unit: forms.1.unit.to_owned() },
        groups: scenarios.iter().map(|scenario| level(SCENARIO, scenario, words)).collect(),
        spots,
        line: drawn,
        band,
    }
    .draw(words)
}
