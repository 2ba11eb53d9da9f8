//! Quality of service per scenario and phase: means over the runs, graded on the scale of the runs.

use super::Builder;
use super::form::level;
use crate::grade::{self, Figures, Method};
use crate::model::Grade;
use crate::report::document::{Cell, Section, Table};
use crate::report::qos::PHASES;
use crate::report::words::Words;
use crate::study::figures::{Quality, Run};
use crate::study::statistics::SCENARIO;

pub(super) fn section(b: &Builder<'_>) -> Option<Section> {
    let words = b.words;
    let mut paths: Vec<(&str, &str)> = b.runs.iter().flat_map(|run| &run.qos).map(|q| (q.from.as_str(), q.to.as_str())).collect();
    // From the VM first: that is what a viewer gets.
    paths.sort_by_key(|(from, to)| (*from != "vm", *from, *to));
    paths.dedup();
    if paths.is_empty() {
        return None;
    }
    let mut section = Section::new("quality", words.t("section.quality"));
    section.text(words.t("study.quality-intro"));
    for (from, to) in paths {
        section.table(table(b, from, to));
    }
    Some(section)
}

fn table(b: &Builder<'_>, from: &str, to: &str) -> Table {
    let words = b.words;
    let columns = [
        (words.t("doc.phase"), "", false),
        ("n", "", true),
        (words.t("throughput"), "Mbit/s", true),
        (words.t("delay"), "ms", true),
        (words.t("jitter"), "ms", true),
        (words.t("loss"), "%", true),
        (words.t("doc.index"), "", true),
        (words.t("doc.grade"), "", false),
    ];
    let path = format!("{} → {}", words.name("role", from), words.name("role", to));
    let mut table = Table::new(format!("qos-{}-{}", slug(from), slug(to)), words.fill("study.table.quality", &[("path", &path)]), &columns);
    let place = |run: &Run| run.places.get(SCENARIO).copied().unwrap_or(usize::MAX);
    let mut scenarios: Vec<(usize, &str)> =
        b.runs.iter().filter(|run| !run.qos.is_empty()).map(|run| (place(run), run.scenario.as_str())).collect();
    scenarios.sort_unstable();
    scenarios.dedup();
    for (_, scenario) in scenarios {
        let rows: Vec<(&str, Vec<&Quality>)> = PHASES
            .iter()
            .map(|phase| {
                let runs = b.runs.iter().filter(|run| run.scenario == scenario);
                let all = runs.flat_map(|run| &run.qos).filter(|q| q.from == from && q.to == to && q.phase == *phase);
                (*phase, all.collect::<Vec<_>>())
            })
            .filter(|(_, rows)| !rows.is_empty())
            .collect();
        if rows.is_empty() {
            continue;
        }
        table.group(&level(SCENARIO, scenario, words));
        for (phase, rows) in rows {
            row(&mut table, phase, &rows, words);
        }
    }
    table
}

/// Roles are a fixed set, but a file's name takes no chances.
fn slug(role: &str) -> String {
    role.chars().filter(|c| c.is_ascii_alphanumeric()).take(20).collect()
}

fn row(table: &mut Table, phase: &str, rows: &[&Quality], words: Words) {
    // A scale of the user's own, or several, do not say how a mean is to be graded.
    let mut scales: Vec<&str> = rows.iter().map(|q| q.scale.as_str()).filter(|name| !name.is_empty()).collect();
    scales.sort_unstable();
    scales.dedup();
    let grading = if let [one] = scales[..] { grade::builtin(one) } else { None };
    let mean = |of: fn(&Quality) -> Option<f64>| {
        let known: Vec<f64> = rows.iter().filter_map(|q| of(q)).filter(|v| v.is_finite()).collect();
        ((!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64), known.len())
    };
    let throughput = mean(|q| q.throughput_bps);
    let percent = mean(|q| q.percent_of_link);
    let (delay, jitter, loss) = (mean(|q| q.delay_ms), mean(|q| q.jitter_ms), mean(|q| q.loss_percent));
    let figures = Figures {
        throughput_bps: throughput.0,
        // The share of the link counts only where it is known of all.
        percent_of_link: percent.0.filter(|_| percent.1 == throughput.1),
        delay_ms: delay.0,
        jitter_ms: jitter.0,
        loss_percent: loss.0,
        ipdv_ms: None,
        // Said at the cell, with how many runs it is true of.
        delay_is_rtt: false,
    };
    let grades = grading.and_then(|scale| scale.grade(&figures, Method::Rigorous));
    let mut cells = vec![Cell::label(words.name("phase-row", phase)), Cell::number(words.count(rows.len() as u64))];
    let grade = |of: fn(&crate::model::Grades) -> Option<&Grade>| grades.as_ref().and_then(of);
    let rtt = rows.iter().filter(|q| q.delay_ms.is_some() && q.delay_is_rtt).count();
    for ((value, n), divide, grade, round_trips) in [
        (throughput, 1e6, grade(|g| g.throughput.as_ref()), 0),
        (delay, 1.0, grade(|g| g.delay.as_ref()), rtt),
        (jitter, 1.0, grade(|g| g.jitter.as_ref()), 0),
        (loss, 1.0, grade(|g| g.loss.as_ref()), 0),
    ] {
        let Some(value) = value else {
            cells.push(table.unknown(Some(words.t("study.no-value")), words));
            continue;
        };
        let mut cell = Cell::number(words.plain(value / divide));
        cell.detail = grade.map(|grade| format!("{} ({})", words.grade(grade), grade.index)).unwrap_or_default();
        let mut letters = Vec::new();
        let mut say = |key: &'static str, n: usize| {
            let holes = [("n", words.count(n as u64)), ("all", words.count(rows.len() as u64))];
            letters.push(table.note(&words.fill(key, &holes.each_ref().map(|(k, v)| (*k, v.as_str())))));
        };
        if n < rows.len() {
            say("study.note.known-in", n);
        }
        if round_trips > 0 {
            say("study.note.rtt", round_trips);
        }
        cell.note = (!letters.is_empty()).then(|| letters.join(","));
        cells.push(cell);
    }
    match grades.as_ref().and_then(|grades| grades.overall.as_ref()) {
        Some(overall) => {
            cells.push(Cell::number(words.fixed(overall.index, 2)));
            cells.push(Cell::grade(overall.index.clamp(0.0, 4.0).floor() as u8, words.overall(overall)));
        }
        None => cells.extend([table.unknown(Some(words.t("doc.no-overall")), words), Cell::none()]),
    }
    for key in grades.iter().flat_map(|grades| &grades.notes) {
        if let Some(text) = words.find(&format!("note.{key}")) {
            table.remark(text);
        }
    }
    table.row(cells);
}
