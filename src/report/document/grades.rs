//! Grades: what was measured and what a thesis computes from Wireshark, side by side, with the footnotes that a reader needs.

use super::{Builder, Cell, Section, Table};
use crate::model::{Grade, Grades, Qos};
use crate::report::qos::{PHASES, headline_rows};
use crate::report::words::Words;

/// Paths that are graded in the overview.
const ROWS: usize = 200;

pub(super) fn section(b: &mut Builder<'_>) -> Option<Section> {
    let (report, words) = (b.report, b.words);
    let graded = report.qos.iter().any(|q| q.grades.is_some() || q.thesis_grades.is_some());
    if !graded {
        return None;
    }
    let mut section = Section::new("grades", words.t("section.grades"));
    section.text(words.t("doc.grades-intro"));
    section.table(side_by_side(&headline_rows(report), words));
    section.table(overview(&report.qos, words));
    Some(section)
}

/// The grades of the measured figures and those of the thesis figures, whichever of the two was chosen for the headline.
fn both(qos: &Qos) -> (Option<&Grades>, Option<&Grades>) {
    let (first, second) = (qos.grades.as_ref(), qos.thesis_grades.as_ref());
    if first.is_some_and(|g| g.method == "thesis") { (second, first) } else { (first, second) }
}

/// A figure in words, and why it is unknown or a caveat.
type Told = (Option<String>, Option<String>);

struct Parameter {
    key: &'static str,
    name: &'static str,
    measured: fn(&Qos, Words) -> Told,
    thesis: fn(&Qos, Words) -> Option<String>,
    grade: fn(&Grades) -> Option<&Grade>,
}

const PARAMETERS: [Parameter; 4] = [
    Parameter {
        key: "throughput",
        name: "throughput",
        measured: |q, w| (q.throughput.bps.map(|v| w.bps(v).text()), q.throughput.why.clone()),
        thesis: |q, w| q.thesis.throughput_bps.map(|v| w.bps(v).text()),
        grade: |g| g.throughput.as_ref(),
    },
    Parameter {
        key: "delay",
        name: "delay",
        measured: |q, w| (q.delay.mean_ms.map(|v| w.ms(v).text()), q.delay.why.clone()),
        thesis: |q, w| q.thesis.delay_ms.map(|v| w.ms(v).text()),
        grade: |g| g.delay.as_ref(),
    },
    Parameter {
        key: "jitter",
        name: "jitter",
        measured: |q, w| (q.jitter.mean_ms.map(|v| w.ms(v).text()), q.jitter.why.clone()),
        thesis: |q, w| q.thesis.jitter_ms.map(|v| w.ms(v).text()),
        grade: |g| g.jitter.as_ref(),
    },
    Parameter {
        key: "loss",
        name: "loss",
        measured: |q, w| (q.loss.percent.map(|v| w.percent(v)), q.loss.why.clone()),
        thesis: |q, w| q.thesis.loss_percent.map(|v| w.percent(v)),
        grade: |g| g.loss.as_ref(),
    },
];

fn side_by_side(rows: &[&Qos], words: Words) -> Table {
    let columns = [
        (words.t("doc.parameter"), "", false),
        (words.t("doc.measured"), "", true),
        (words.t("doc.index"), "", true),
        (words.t("doc.grade"), "", false),
        (words.t("doc.thesis"), "", true),
        (words.t("doc.index"), "", true),
        (words.t("doc.grade"), "", false),
    ];
    let path = rows.first().map_or_else(String::new, |q| path(q, words));
    let caption = words.fill("table.grades", &[("scale", &scale(rows, words)), ("path", &path)]);
    let mut table = Table::new("grades", crate::report::escape::shown(&caption), &columns);
    for qos in rows {
        let (measured, thesis) = both(qos);
        let span = format!("{} ({} s)", words.name("phase-row", &qos.phase), words.plain(qos.seconds));
        table.group(&span);
        for parameter in &PARAMETERS {
            let (value, why) = (parameter.measured)(qos, words);
            let mut cells = vec![Cell::label(words.name("parameter", parameter.name))];
            cells.push(table.known(value, why.as_deref(), words, |text| text));
            graded(&mut table, measured, parameter, &mut cells, words);
            cells.push(table.known((parameter.thesis)(qos, words), qos.thesis.why.as_deref(), words, |text| text));
            graded(&mut table, thesis, parameter, &mut cells, words);
            table.row(cells);
        }
        let mut cells = vec![Cell::strong(words.t("doc.overall"))];
        for grades in [measured, thesis] {
            match grades.and_then(|g| g.overall.as_ref()) {
                Some(overall) => {
                    cells.push(Cell::number(words.percent(overall.percent)));
                    cells.push(Cell::number(words.fixed(overall.index, 2)));
                    cells.push(Cell::grade(overall.index.clamp(0.0, 4.0).floor() as u8, words.overall(overall)));
                }
                None => cells.extend([table.unknown(Some(words.t("doc.no-overall")), words), Cell::none(), Cell::none()]),
            }
        }
        table.total(cells);
    }
    for qos in rows {
        for grades in [qos.grades.as_ref(), qos.thesis_grades.as_ref()].into_iter().flatten() {
            for key in &grades.notes {
                let text = words.find(&format!("note.{key}")).map_or_else(|| key.clone(), str::to_owned);
                table.note(&text);
            }
        }
    }
    table
}

fn graded(table: &mut Table, grades: Option<&Grades>, parameter: &Parameter, cells: &mut Vec<Cell>, words: Words) {
    let Some(grade) = grades.and_then(parameter.grade) else {
        cells.extend([Cell::none(), Cell::none()]);
        return;
    };
    let also = grades.and_then(|g| g.also.iter().find(|other| other.parameter == parameter.key)).map(|other| {
        let reading = words.name("reading", &other.reading);
        table.note(&words.fill("doc.other-reading", &[("reading", &reading), ("index", &other.index.to_string())]))
    });
    cells.push(Cell::number(grade.index.to_string()).noted(also));
    cells.push(Cell::grade(grade.index, words.grade(grade)));
}

/// `VM → client, all services`.
pub(super) fn path(qos: &Qos, words: Words) -> String {
    format!("{} → {}, {}", words.name("role", &qos.from), words.name("role", &qos.to), words.name("service", &qos.service))
}

fn scale(rows: &[&Qos], words: Words) -> String {
    let grades = rows.iter().find_map(|q| q.grades.as_ref().or(q.thesis_grades.as_ref()));
    grades.map_or_else(String::new, |grades| {
        let name = words.name("scale", &grades.scale);
        match &grades.reading {
            Some(reading) => format!("{name} ({})", words.name("reading", reading)),
            None => name.into_owned(),
        }
    })
}

fn overview(qos: &[Qos], words: Words) -> Table {
    let columns = [
        (words.t("doc.phase"), "", false),
        (words.t("throughput"), "", true),
        (words.t("delay"), "", true),
        (words.t("jitter"), "", true),
        (words.t("loss"), "", true),
        (words.t("doc.mean"), "", true),
        (words.t("doc.grade"), "", false),
        (words.t("doc.mean-thesis"), "", true),
    ];
    let mut table = Table::new("grades-all", words.t("table.grades-all"), &columns);
    let mut rows: Vec<&Qos> = qos.iter().filter(|q| q.grades.is_some() || q.thesis_grades.is_some()).collect();
    sort(&mut rows);
    let mut before = None;
    for qos in rows.iter().take(ROWS) {
        let (measured, thesis) = both(qos);
        let here = (&qos.from, &qos.to, &qos.service);
        if before != Some(here) {
            table.group(&path(qos, words));
        }
        before = Some(here);
        let mut cells = vec![Cell::label(words.name("phase", &qos.phase))];
        for parameter in &PARAMETERS {
            cells.push(match measured.and_then(parameter.grade) {
                Some(grade) => Cell::grade(grade.index, grade.index.to_string()),
                None => table.unknown((parameter.measured)(qos, words).1.as_deref(), words),
            });
        }
        let overall = |grades: Option<&Grades>| grades.and_then(|g| g.overall.clone());
        match overall(measured) {
            Some(grade) => {
                cells.push(Cell::number(words.fixed(grade.index, 2)));
                cells.push(Cell::grade(grade.index.clamp(0.0, 4.0).floor() as u8, words.overall(&grade)));
            }
            None => cells.extend([table.unknown(Some(words.t("doc.no-overall")), words), Cell::none()]),
        }
        cells.push(match overall(thesis) {
            Some(grade) => Cell::number(words.fixed(grade.index, 2)),
            None => table.unknown(qos.thesis.why.as_deref().or(Some(words.t("doc.no-overall"))), words),
        });
        table.row(cells);
    }
    table.rest(ROWS.min(rows.len()), rows.len(), "qos.csv", words);
    table
}

/// Orders rows by path (as they came), then by phase.
pub(super) fn sort(rows: &mut [&Qos]) {
    let mut paths: Vec<(String, String, String)> = Vec::new();
    for qos in rows.iter() {
        let key = (qos.from.clone(), qos.to.clone(), qos.service.clone());
        if !paths.contains(&key) {
            paths.push(key);
        }
    }
    let rank = |qos: &Qos| {
        let path = paths.iter().position(|(from, to, service)| *from == qos.from && *to == qos.to && *service == qos.service);
        (path, PHASES.iter().position(|phase| *phase == qos.phase))
    };
    rows.sort_by_key(|qos| rank(qos));
}
