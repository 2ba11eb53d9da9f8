//! Two runs, or two studies, against each other: what changed, and whether it is more than was allowed.

mod condition;
mod render;

use std::collections::BTreeMap;

use serde::Serialize;

use super::figures::{METRICS, Quality, Run, Unit};
use super::stats::{compare, describe, holm};

pub use condition::{Condition, Verdict};
pub use render::{document, json, text};

/// Version of the schema of the comparison.
pub const SCHEMA: &str = "lmpcap.comparison/1";
/// Phases whose quality is compared.
const PHASES: [&str; 4] = ["before", "during", "after", "whole"];

/// A figure of the quality of service: its name after the phase, its word, its unit, its value.
struct Parameter {
    key: &'static str,
    word: &'static str,
    unit: Option<Unit>,
    of: fn(&Quality) -> Option<f64>,
}

const PARAMETERS: [Parameter; 5] = [
    Parameter { key: "throughput_bps", word: "throughput", unit: Some(Unit::Bps), of: |q| q.throughput_bps },
    Parameter { key: "delay_ms", word: "delay", unit: Some(Unit::Ms), of: |q| q.delay_ms },
    Parameter { key: "jitter_ms", word: "jitter", unit: Some(Unit::Ms), of: |q| q.jitter_ms },
    Parameter { key: "loss_percent", word: "loss", unit: None, of: |q| q.loss_percent },
    Parameter { key: "grade_index", word: "doc.index", unit: None, of: |q| q.index },
];

/// The names of all figures that can be compared: those of migrations, and `PHASE.NAME` for quality of service.
pub fn names() -> Vec<String> {
    let quality = PHASES.iter().flat_map(|phase| PARAMETERS.iter().map(move |parameter| format!("{phase}.{}", parameter.key)));
    METRICS.iter().map(|metric| metric.key.to_owned()).chain(quality).collect()
}

/// One side of a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    /// What the user named.
    pub name: String,
    /// Its runs; one alone if it is no study.
    pub runs: Vec<Run>,
}

/// What one side says of a figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Values.
    pub n: usize,
    /// Migrations or runs without the figure.
    pub unknown: usize,
    /// Mean; with one value that value.
    pub mean: Option<f64>,
    /// Sample standard deviation.
    pub sd: Option<f64>,
    /// Bounds, where it is one value that is an interval.
    pub bounds: Option<(f64, f64)>,
    /// Why it is unknown.
    pub why: Option<String>,
    #[serde(skip)]
    values: Vec<f64>,
}

/// One figure on both sides.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Change {
    /// Scenario; `null` where two single runs are compared.
    pub scenario: Option<String>,
    /// Name of the figure.
    pub figure: String,
    /// First side.
    pub a: Summary,
    /// Second side.
    pub b: Summary,
    /// Second less first.
    pub change: Option<f64>,
    /// The same in percent of the first.
    pub change_percent: Option<f64>,
    /// The intervals of two single values overlap: the change is within what is not known.
    pub within_bounds: bool,
    /// Welch's test, corrected after Holm over the scenarios of the same figure.
    pub p_welch_holm: Option<f64>,
    /// Mann-Whitney's test, corrected in the same way.
    pub p_mann_whitney_holm: Option<f64>,
    /// Hedges' g, second less first.
    pub hedges_g: Option<f64>,
    /// Why there is no test.
    pub why: Option<String>,
}

/// A comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Name of the first side.
    pub a: String,
    /// Name of the second side.
    pub b: String,
    /// Runs of each.
    pub runs: (usize, usize),
    /// Runs without a result of each.
    pub failed: (usize, usize),
    /// Figures, by scenario.
    pub changes: Vec<Change>,
    /// Scenarios that only the first side has.
    pub only_a: Vec<String>,
    /// Scenarios that only the second side has.
    pub only_b: Vec<String>,
    /// Conditions of failure with what became of them.
    pub conditions: Vec<condition::Judged>,
}

/// Compares two sides and judges the conditions.
pub fn comparison(a: &Side, b: &Side, conditions: &[Condition]) -> Comparison {
    let failed = |side: &Side| side.runs.iter().filter(|run| run.error.is_some()).count();
    let single = a.runs.len() == 1 && b.runs.len() == 1;
    let scenarios = |side: &Side| {
        let mut all: Vec<String> = side.runs.iter().filter(|run| run.error.is_none()).map(|run| run.scenario.clone()).collect();
        all.sort();
        all.dedup();
        all
    };
    let (mut of_a, of_b) = (scenarios(a), scenarios(b));
    let only = |mine: &[String], theirs: &[String]| -> Vec<String> {
        if single { Vec::new() } else { mine.iter().filter(|scenario| !theirs.contains(scenario)).cloned().collect() }
    };
    let (only_a, only_b) = (only(&of_a, &of_b), only(&of_b, &of_a));
    of_a.retain(|scenario| of_b.contains(scenario));
    let groups: Vec<Option<String>> = if single { vec![None] } else { of_a.into_iter().map(Some).collect() };
    let mut changes: Vec<Change> =
        groups.iter().flat_map(|scenario| names().into_iter().map(move |name| change(a, b, scenario.as_deref(), &name))).collect();
    correct(&mut changes);
    changes.retain(|change| change.a.n > 0 || change.b.n > 0);
    let conditions = conditions.iter().map(|condition| condition.judge(&changes)).collect();
    Comparison {
        schema: SCHEMA,
        a: a.name.clone(),
        b: b.name.clone(),
        runs: (a.runs.len(), b.runs.len()),
        failed: (failed(a), failed(b)),
        changes,
        only_a,
        only_b,
        conditions,
    }
}

fn change(a: &Side, b: &Side, scenario: Option<&str>, name: &str) -> Change {
    let (a, b) = (summary(a, scenario, name), summary(b, scenario, name));
    let tested = compare(&b.values, &a.values);
    let change = a.mean.zip(b.mean).map(|(a, b)| b - a);
    let percent = change.zip(a.mean).and_then(|(change, a)| match a {
        _ if change == 0.0 => Some(0.0),
        0.0 => None,
        a => Some(change / a.abs() * 100.0),
    });
    let overlap = a.bounds.zip(b.bounds).is_some_and(|(a, b)| a.0 <= b.1 && b.0 <= a.1);
    let several = a.n > 1 || b.n > 1;
    Change {
        scenario: scenario.map(str::to_owned),
        figure: name.to_owned(),
        change,
        change_percent: percent,
        within_bounds: overlap && change.is_some_and(|change| change != 0.0),
        p_welch_holm: tested.welch.map(|w| w.p),
        p_mann_whitney_holm: tested.mann_whitney.map(|m| m.p),
        hedges_g: tested.hedges_g,
        why: tested.why.filter(|_| several),
        a,
        b,
    }
}

fn summary(side: &Side, scenario: Option<&str>, name: &str) -> Summary {
    let runs = side.runs.iter().filter(|run| run.error.is_none() && scenario.is_none_or(|s| run.scenario == s));
    let (mut values, mut bounds, mut unknown, mut why) = (Vec::new(), None, 0, None);
    let mut add = |value: Option<f64>, limits: Option<(f64, f64)>, reason: Option<&String>| match value.filter(|v| v.is_finite()) {
        Some(value) => {
            values.push(value);
            bounds = limits;
        }
        None => {
            unknown += 1;
            why = why.take().or(reason.cloned());
        }
    };
    for run in runs {
        if let Some((phase, key)) = name.split_once('.') {
            let parameter = PARAMETERS.iter().find(|parameter| parameter.key == key);
            // The first row of a phase is the path that a summary shows: from the VM to the client if there is one.
            let mut rows: Vec<&Quality> = run.qos.iter().filter(|q| q.phase == phase).collect();
            rows.sort_by_key(|q| (q.from != "vm", q.to != "client"));
            add(rows.first().zip(parameter).and_then(|(row, parameter)| (parameter.of)(row)), None, None);
        } else {
            for migration in run.migrations.iter().filter(|m| m.outcome == "completed") {
                let figure = migration.figures.get(name);
                add(figure.and_then(|f| f.value), figure.and_then(|f| f.lower.zip(f.upper)), figure.and_then(|f| f.why.as_ref()));
            }
        }
    }
    let d = describe(&values);
    Summary { n: d.n, unknown, mean: d.mean, sd: d.sd, bounds: bounds.filter(|_| d.n == 1), why, values }
}

/// Holm's correction over the scenarios of each figure.
fn correct(changes: &mut [Change]) {
    let mut by_figure: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, change) in changes.iter().enumerate().filter(|(_, change)| change.p_welch_holm.is_some()) {
        by_figure.entry(change.figure.clone()).or_default().push(i);
    }
    for places in by_figure.values() {
        let welch: Vec<f64> = places.iter().filter_map(|i| changes[*i].p_welch_holm).collect();
        let ranks: Vec<f64> = places.iter().filter_map(|i| changes[*i].p_mann_whitney_holm).collect();
        for (i, p) in places.iter().zip(holm(&welch)) {
            changes[*i].p_welch_holm = Some(p);
        }
        for (i, p) in places.iter().zip(holm(&ranks)) {
            changes[*i].p_mann_whitney_holm = Some(p);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::study;

    fn side(name: &str, runs: Vec<Run>) -> Side {
        Side { name: name.into(), runs }
    }

    #[test]
    fn a_study_against_itself_did_not_change() {
        let a = side("a", study::runs(4));
        let found = comparison(&a, &a.clone(), &[]);
        assert!(found.changes.iter().filter(|c| c.a.n > 0).all(|c| c.change == Some(0.0) && c.change_percent == Some(0.0)));
        assert_eq!(found.changes.iter().filter(|c| c.figure == "total_ms").count(), 3);
        let total = found.changes.iter().find(|c| c.figure == "total_ms").unwrap();
        assert!((total.p_welch_holm.unwrap() - 1.0).abs() < 1e-9 && total.a.n == 8);
    }

    #[test]
    fn single_runs_are_compared_whatever_their_scenario() {
        let (a, b) = (study::report(0, 1024, 2), study::report(2, 2048, 2));
        let one = |report| vec![Run::of("r", &report, &BTreeMap::new())];
        let found = comparison(&side("a", one(a)), &side("b", one(b)), &[]);
        let total = found.changes.iter().find(|c| c.figure == "total_ms").unwrap();
        assert!(total.scenario.is_none() && total.change_percent.unwrap() > 50.0 && !total.within_bounds);
        assert!(total.a.bounds.is_some() && total.p_welch_holm.is_none() && total.why.is_none());
        assert!(found.changes.iter().any(|c| c.figure == "during.loss_percent"));
    }

    #[test]
    fn scenarios_of_one_side_are_named() {
        let mut b = study::runs(1);
        b.retain(|run| run.scenario != "no-video");
        let found = comparison(&side("a", study::runs(1)), &side("b", b), &[]);
        assert_eq!((found.only_a.as_slice(), found.only_b.len()), (["no-video".to_owned()].as_slice(), 0));
        assert!(found.changes.iter().all(|c| c.scenario.as_deref() != Some("no-video")));
    }
}
