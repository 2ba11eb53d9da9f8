//! The tables of a study, from its records.
//!
//! `study.parquet` and `study.csv` have one row per run and phase; a run that failed has one row with its error. Each detail table is
//! a folder of Parquet files of the same columns, which data frame libraries read as one data set, and one CSV file. Rows go by
//! the ids of the runs: the same records make the same bytes.

mod detail;
mod row;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use polars::prelude::{CsvWriter, DataFrame, SerWriter};

use super::{Factor, FactorKind, Manifest, Record, RunEntry};
use crate::error::Result;
use crate::report::tables::{DICTIONARY, Data, other, parquet_frame};
use crate::report::{escape, write_file};

/// Folder of the detail tables in the folder of a study.
pub const TABLES_FOLDER: &str = "tables";

/// A column that is growing.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    what: String,
    unit: String,
    data: Data,
}

impl Column {
    /// Empty, of the type of `like`.
    fn new(name: impl Into<String>, what: impl Into<String>, like: &Data) -> Self {
        let name = name.into();
        let unit = unit(&name).to_owned();
        Self { name, what: what.into(), unit, data: like.none() }
    }
}

/// The unit that a column's name ends in.
fn unit(name: &str) -> &'static str {
    const UNITS: [(&str, &str); 14] = [
        ("_bytes_per_s", "bytes/s"),
        ("_lower_ms", "ms"),
        ("_ms", "ms"),
        ("_ns", "ns"),
        ("_s", "s"),
        ("_bps", "bit/s"),
        ("_bytes", "bytes"),
        ("_packets", "packets"),
        ("_pages", "pages"),
        ("_percent", "%"),
        ("_ppb", "10^-9"),
        ("_segments", "segments"),
        ("packets", "packets"),
        ("_index", "0 (worst) to 4 (best)"),
    ];
    UNITS.iter().find(|(ending, _)| name.ends_with(ending)).map_or("", |u| u.1)
}

/// The value of a factor in the type of its column.
fn factor_value(factor: &Factor, value: Option<&String>) -> Data {
    match factor.kind {
        FactorKind::Integer => Data::Int(vec![value.and_then(|v| v.parse().ok())]),
        FactorKind::Number => Data::Float(vec![value.and_then(|v| v.parse().ok())]),
        FactorKind::Text => Data::Text(vec![value.cloned()]),
    }
}

/// A description of a table's columns, for the dictionary.
struct Described {
    table: String,
    holds: String,
    columns: Vec<Column>,
}

/// Writes all tables of the study in `dir` and returns the files.
///
/// # Errors
/// A record is missing or damaged, a file cannot be written.
pub fn write(dir: &Path, manifest: &Manifest) -> Result<Vec<PathBuf>> {
    let mut study = row::Rows::new(&manifest.factors);
    let mut details = detail::Details::create(&dir.join(TABLES_FOLDER), &manifest.factors)?;
    for entry in &manifest.runs {
        let record = Record::load(dir, &entry.id)?;
        study.add(entry, &record);
        if let Some(report) = &record.report {
            details.add(entry, report)?;
        }
    }
    let mut files = details.finish()?;
    files.push(write_file(dir, "study.parquet", |out| parquet(&study.columns, out))?);
    files.push(write_file(dir, "study.csv", |out| csv(&study.columns, true, out))?);
    let holds = "a phase of a run (before, during, after or whole); a run that failed has one row with its error".to_owned();
    let mut described = vec![Described { table: "study".to_owned(), holds, columns: study.columns }];
    described.extend(details_described(&manifest.factors));
    files.push(write_file(dir, DICTIONARY, |out| csv(&dictionary(&described), true, out))?);
    Ok(files)
}

fn details_described(factors: &[Factor]) -> Vec<Described> {
    detail::empty(factors)
        .into_iter()
        .map(|(sheet, columns)| Described { table: format!("{TABLES_FOLDER}/{}", sheet.name), holds: sheet.what.to_owned(), columns })
        .collect()
}

fn dictionary(tables: &[Described]) -> Vec<Column> {
    let rows: Vec<(&Described, &Column)> = tables.iter().flat_map(|t| t.columns.iter().map(move |c| (t, c))).collect();
    let column = |name: &str, of: &dyn Fn(&(&Described, &Column)) -> String| Column {
        name: name.to_owned(),
        what: String::new(),
        unit: String::new(),
        data: Data::Text(rows.iter().map(|row| Some(of(row))).collect()),
    };
    vec![
        column("table", &|(t, _)| t.table.clone()),
        column("table_holds", &|(t, _)| t.holds.clone()),
        column("column", &|(_, c)| c.name.clone()),
        column("type", &|(_, c)| c.data.kind().to_owned()),
        column("unit", &|(_, c)| c.unit.clone()),
        column("meaning", &|(_, c)| c.what.clone()),
    ]
}

fn frame(columns: &[Column], form: impl Fn(&str) -> String) -> io::Result<DataFrame> {
    let height = columns.first().map_or(0, |c| c.data.len());
    DataFrame::new(height, columns.iter().map(|c| c.data.column(&c.name, &form)).collect()).map_err(other)
}

/// Comma, UTF-8, decimal point. Text that a spreadsheet would take for a formula gets an apostrophe before it, in the head too.
fn csv(columns: &[Column], head: bool, out: &mut dyn Write) -> io::Result<()> {
    let safe: Vec<Column> = columns.iter().map(|c| Column { name: escape::csv(&c.name).into_owned(), ..c.clone() }).collect();
    let mut frame = frame(&safe, |text| escape::csv(text).into_owned())?;
    CsvWriter::new(out).include_header(head).n_threads(1).finish(&mut frame).map_err(other)
}

fn parquet(columns: &[Column], out: &mut dyn Write) -> io::Result<()> {
    parquet_frame(&mut frame(columns, str::to_owned)?, out)
}

/// Columns that say which run a row belongs to.
fn own(factors: &[Factor]) -> Vec<Column> {
    let text = Data::Text(Vec::new());
    let mut all = vec![
        Column::new("run_id", "id of the run, unique in the study", &text),
        Column::new("scenario", "scenario, as given, else as the captures tell it", &text),
    ];
    for factor in factors {
        let what = factor.label.clone().unwrap_or_else(|| "a factor of the study".to_owned());
        let mut column = Column::new(format!("factor_{}", factor.name), what, &factor_value(factor, None));
        column.unit = factor.unit.clone().unwrap_or_default();
        all.push(column);
    }
    all
}

/// Adds a row to the columns of [`own`].
fn push_own(columns: &mut [Column], entry: &RunEntry, scenario: Option<&str>, factors: &[Factor]) {
    let scenario = entry.scenario.as_deref().or(scenario);
    let text = |value: Option<&str>| Data::Text(vec![value.map(str::to_owned)]);
    columns[0].data.push(&text(Some(&entry.id)), Some(0));
    columns[1].data.push(&text(scenario), Some(0));
    for (column, factor) in columns[2..].iter_mut().zip(factors) {
        column.data.push(&factor_value(factor, entry.factors.get(&factor.name)), Some(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_their_units() {
        for (name, is) in
            [("total_ms", "ms"), ("from_vm_throughput_bps", "bit/s"), ("phase_s", "s"), ("dirty_bytes_per_s", "bytes/s"), ("run", "")]
        {
            assert_eq!(unit(name), is, "{name}");
        }
    }
}
