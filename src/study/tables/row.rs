//! One row per run and phase: what the run is, its main migration, the traffic from and to the VM.

use super::{Column, own, push_own};
use crate::model::{Migration, Qos, Report};
use crate::report::tables::{self, Data, Sheet};
use crate::study::{Factor, Record, RunEntry};

/// Phases in their order.
const PHASES: [&str; 4] = ["before", "during", "after", "whole"];
/// Columns of the run that each of its rows repeats.
const RUN: [&str; 8] = ["start", "end", "link_bandwidth_bps", "vm_ips", "migrations", "packets", "headline", "tool_version"];

/// Where a column comes from.
#[derive(Clone, Copy)]
enum Source {
    /// Table of the run.
    Run(usize),
    /// Table of migrations.
    Migration(usize),
    /// Table of quality, the row from the VM.
    OutOf(usize),
    /// The row to the VM.
    Into(usize),
    /// A figure of [`FIGURES`].
    Figure(usize),
}

/// A figure that no table of a single run has.
struct Figure {
    name: &'static str,
    what: &'static str,
    of: fn(&Report, Option<&Migration>) -> Data,
}

const FIGURES: [Figure; 5] = [
    Figure {
        name: "dirty_bytes_per_s",
        what: "memory dirtied, over all passes that tell it, each with the weight of its time",
        of: |_, m| Data::Float(vec![m.and_then(dirty_rate)]),
    },
    Figure {
        name: "service_downtime_ms",
        what: "longest time without a service that the migration caused; empty if one had not come back by the end of the capture",
        of: |_, m| Data::Float(vec![m.and_then(service_downtime)]),
    },
    Figure {
        name: "services_not_recovered",
        what: "services that had not come back by the end of the capture",
        of: |_, m| {
            let open = |m: &Migration| m.downtime.service.iter().filter(|w| caused(w) && !w.recovered).count() as i64;
            Data::Int(vec![m.map(open)])
        },
    },
    Figure {
        name: "video_stall_ms",
        what: "stalls of the video sessions whose playback can be known, together; empty without such a session",
        of: |report, _| {
            let known = report.video.iter().filter(|v| v.knowable).filter_map(|v| v.stall_total_ms);
            Data::Float(vec![known.reduce(|a, b| a + b)])
        },
    },
    Figure {
        name: "http_failed",
        what: "HTTP exchanges with status 400 or above",
        of: |report, _| Data::Int(vec![i64::try_from(report.http.failed).ok()]),
    },
];

fn caused(window: &crate::model::ServiceWindow) -> bool {
    window.cause == "migration"
}

fn service_downtime(m: &Migration) -> Option<f64> {
    let windows = m.downtime.service.iter().filter(|w| caused(w));
    if windows.clone().any(|w| !w.recovered) {
        // What had not ended has no length.
        return None;
    }
    windows.filter_map(|w| w.ms).reduce(f64::max)
}

fn dirty_rate(m: &Migration) -> Option<f64> {
    let known = m.passes.iter().filter_map(|p| Some((p.dirty_bytes_per_s?, (p.end? - p.start?).seconds())));
    let (bytes, seconds) = known.filter(|(_, s)| *s > 0.0).fold((0.0, 0.0), |(b, t), (rate, s)| (b + rate * s, t + s));
    (seconds > 0.0).then(|| bytes / seconds)
}

/// The tables that rows are taken from.
struct Sheets {
    run: Sheet,
    migrations: Sheet,
    qos: Sheet,
}

impl Sheets {
    fn of(report: &Report) -> Self {
        let (mut run, mut migrations, mut qos) = (None, None, None);
        for sheet in tables::all(report) {
            match sheet.name {
                "runs" => run = Some(sheet),
                "migrations" => migrations = Some(sheet),
                "qos" => qos = Some(sheet),
                _ => {}
            }
        }
        let none = |name| Sheet { name, what: "", fields: Vec::new() };
        Self {
            run: run.unwrap_or_else(|| none("runs")),
            migrations: migrations.unwrap_or_else(|| none("migrations")),
            qos: qos.unwrap_or_else(|| none("qos")),
        }
    }
}

/// The table as it grows.
pub(super) struct Rows {
    pub(super) columns: Vec<Column>,
    from: Vec<Source>,
    factors: Vec<Factor>,
    /// Columns before those of `from`.
    fixed: usize,
}

impl Rows {
    pub(super) fn new(factors: &[Factor]) -> Self {
        let text = Data::Text(Vec::new());
        let mut columns = own(factors);
        for (name, what) in [
            ("phase", "before, during, after (the migration) or whole; empty if the run has no traffic of the VM"),
            ("error", "why the run could not be analyzed; empty if it was"),
            ("run", "name of the run"),
            ("place", "where it lies"),
        ] {
            columns.push(Column::new(name, what, &text));
        }
        let fixed = columns.len();
        let sheets = Sheets::of(&Report::default());
        let mut from = Vec::new();
        let mut add = |name: String, what: &str, like: &Data, source: Source| {
            columns.push(Column::new(name, what, like));
            from.push(source);
        };
        for (i, field) in sheets.run.fields.iter().enumerate().filter(|(_, f)| RUN.contains(&f.name)) {
            add(field.name.to_owned(), field.what, &field.data, Source::Run(i));
        }
        for (i, field) in sheets.migrations.fields.iter().enumerate().skip(1) {
            let name = match field.name {
                "start" | "end" | "mode" | "transport" | "outcome" | "outcome_why" | "detected_by" => format!("migration_{}", field.name),
                name => name.to_owned(),
            };
            add(name, field.what, &field.data, Source::Migration(i));
        }
        for (i, figure) in FIGURES.iter().enumerate() {
            add(figure.name.to_owned(), figure.what, &(figure.of)(&Report::default(), None), Source::Figure(i));
        }
        type Of = fn(usize) -> Source;
        for (prefix, whose, source) in [("from_vm", "from the VM", Source::OutOf as Of), ("to_vm", "to the VM", Source::Into as Of)] {
            for (i, field) in sheets.qos.fields.iter().enumerate().filter(|(_, f)| !["run", "phase", "service"].contains(&f.name)) {
                add(format!("{prefix}_{}", field.name), &format!("all traffic {whose}: {}", field.what), &field.data, source(i));
            }
        }
        Self { columns, from, factors: factors.to_vec(), fixed }
    }

    /// Adds the rows of a run.
    pub(super) fn add(&mut self, entry: &RunEntry, record: &Record) {
        let Some(report) = &record.report else {
            let error = record.error.clone().unwrap_or_else(|| "no result".to_owned());
            return self.row(entry, None, Some(error), None, None, [None, None]);
        };
        let sheets = Sheets::of(report);
        // The migration that the run is about: the first that was completed, else the first.
        let main = report.migrations.iter().position(|m| m.outcome == "completed").or((!report.migrations.is_empty()).then_some(0));
        let mut any = false;
        for phase in PHASES {
            let quality = [chosen(&report.qos, phase, true), chosen(&report.qos, phase, false)];
            if quality.iter().any(Option::is_some) {
                any = true;
                self.row(entry, Some(phase), None, Some((report, &sheets)), main, quality);
            }
        }
        if !any {
            self.row(entry, None, None, Some((report, &sheets)), main, [None, None]);
        }
    }

    fn row(
        &mut self,
        entry: &RunEntry,
        phase: Option<&str>,
        error: Option<String>,
        of: Option<(&Report, &Sheets)>,
        main: Option<usize>,
        [from_vm, to_vm]: [Option<usize>; 2],
    ) {
        let (own, rest) = self.columns.split_at_mut(self.fixed);
        push_own(own, entry, of.map(|(r, _)| r.run.scenario.as_str()), &self.factors);
        let at = own.len() - 4;
        for (column, value) in
            own[at..].iter_mut().zip([phase.map(str::to_owned), error, Some(entry.name.clone()), Some(entry.place.clone())])
        {
            column.data.push(&Data::Text(vec![value]), Some(0));
        }
        for (column, source) in rest.iter_mut().zip(&self.from) {
            let Some((report, sheets)) = of else {
                let null = column.data.none();
                column.data.push(&null, None);
                continue;
            };
            let (sheet, i, row) = match *source {
                Source::Run(i) => (&sheets.run, i, Some(0)),
                Source::Migration(i) => (&sheets.migrations, i, main),
                Source::OutOf(i) => (&sheets.qos, i, from_vm),
                Source::Into(i) => (&sheets.qos, i, to_vm),
                Source::Figure(i) => {
                    column.data.push(&(FIGURES[i].of)(report, main.and_then(|m| report.migrations.get(m))), Some(0));
                    continue;
                }
            };
            column.data.push(&sheet.fields[i].data, row);
        }
    }
}

/// The row of all traffic from (or to) the VM in a phase: with the client if it was captured, else that with most packets.
fn chosen(qos: &[Qos], phase: &str, from_vm: bool) -> Option<usize> {
    let of = |q: &Qos| if from_vm { (q.from == "vm", q.to == "client") } else { (q.to == "vm", q.from == "client") };
    let rows = qos.iter().enumerate().filter(|(_, q)| q.phase == phase && q.service == "all" && of(q).0);
    rows.max_by_key(|(i, q)| (of(q).1, q.packets, std::cmp::Reverse(*i))).map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::sample;

    fn value(rows: &Rows, name: &str, row: usize) -> String {
        let column = rows.columns.iter().find(|c| c.name == name).unwrap_or_else(|| panic!("no column {name}"));
        match &column.data {
            Data::Text(v) => format!("{:?}", v[row].as_deref().unwrap_or("null")),
            Data::Float(v) => format!("{:?}", v[row]),
            Data::Int(v) => format!("{:?}", v[row]),
            Data::Bool(v) => format!("{:?}", v[row]),
            Data::Time(v) => format!("{:?}", v[row]),
        }
    }

    #[test]
    fn a_row_per_phase_holds_what_the_report_says() {
        let factors = [Factor { name: "ram".into(), kind: crate::study::FactorKind::Integer, ..Factor::default() }];
        let mut rows = Rows::new(&factors);
        let entry = RunEntry { id: "a".into(), factors: [("ram".to_owned(), "512".to_owned())].into(), ..RunEntry::default() };
        rows.add(&entry, &Record { report: Some(sample::report()), ..Record::default() });
        rows.add(&RunEntry { id: "b".into(), ..RunEntry::default() }, &Record { error: Some("broken".into()), ..Record::default() });
        rows.add(&RunEntry { id: "c".into(), ..RunEntry::default() }, &Record { report: Some(sample::empty()), ..Record::default() });
        let height = rows.columns[0].data.len();
        assert!(rows.columns.iter().all(|c| c.data.len() == height));
        let mut names: Vec<_> = rows.columns.iter().map(|c| &c.name).collect();
        names.sort();
        assert!(names.windows(2).all(|w| w[0] != w[1]), "{names:?}");
        assert_eq!((value(&rows, "phase", 0), value(&rows, "factor_ram", 0)), ("\"before\"".to_owned(), "Some(512)".to_owned()));
        assert_eq!(value(&rows, "total_ms", 0), "Some(4918.1)");
        assert_eq!(value(&rows, "service_downtime_ms", 0), "Some(412.40000000000146)");
        assert_eq!(value(&rows, "from_vm_packets", 0), "Some(7812)");
        assert_eq!(value(&rows, "to_vm_packets", 0), "Some(242)");
        // Passes of 3.65 s and 0.85 s tell their rates, the third does not.
        let rate = (4_311_200.0 * 3.65 + 5_020_100.0 * 0.85) / 4.5;
        let Data::Float(dirty) = &rows.columns.iter().find(|c| c.name == "dirty_bytes_per_s").unwrap().data else { panic!("no number") };
        assert!((dirty[0].unwrap() - rate).abs() < 1.0);
        assert_eq!((value(&rows, "error", height - 2), value(&rows, "total_ms", height - 2)), ("\"broken\"".to_owned(), "None".to_owned()));
        assert_eq!((value(&rows, "error", height - 1), value(&rows, "phase", height - 1)), ("\"null\"".to_owned(), "\"null\"".to_owned()));
    }
}
