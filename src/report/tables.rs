//! The report as tables for spreadsheets and data frames: CSV and Parquet with the same columns, and a dictionary of them.
//!
//! A column's name ends in its unit. Times are text after RFC 3339 with nanoseconds in both, which every tool reads without loss.
//! What is unknown is an empty cell (null); the `why` column beside it says the reason. All tables are always there, if only with
//! their heads, and all begin with the run's name, so that tables of several runs can be put one under the other.

mod content;
mod sheet;

use std::io;
use std::path::{Path, PathBuf};

use polars::prelude::{CsvWriter, DataFrame, ParquetCompression, ParquetWriter, PolarsError, SerWriter};

pub use sheet::{Data, Field, Sheet};

use super::{WriteOptions, escape, output};
use crate::error::Result;
use crate::model::Report;

/// Name of the dictionary's file.
pub const DICTIONARY: &str = "data-dictionary.csv";

/// All tables.
pub fn all(report: &Report) -> Vec<Sheet> {
    content::all(report)
}

pub(super) fn write_csv(report: &Report, dir: &Path, _: &WriteOptions) -> Result<Vec<PathBuf>> {
    let dir = dir.join("csv");
    output::make_dir(&dir)?;
    let sheets = all(report);
    let mut files = Vec::new();
    for sheet in &sheets {
        files.push(output::file(&dir, &format!("{}.csv", sheet.name), |out| csv(sheet, out))?);
    }
    files.push(output::file(&dir, DICTIONARY, |out| csv(&dictionary(&sheets), out))?);
    Ok(files)
}

pub(super) fn write_parquet(report: &Report, dir: &Path, _: &WriteOptions) -> Result<Vec<PathBuf>> {
    let dir = dir.join("parquet");
    output::make_dir(&dir)?;
    let sheets = all(report);
    let mut files = Vec::new();
    for sheet in &sheets {
        files.push(output::file(&dir, &format!("{}.parquet", sheet.name), |out| parquet(sheet, out))?);
    }
    files.push(output::file(&dir, DICTIONARY, |out| csv(&dictionary(&sheets), out))?);
    Ok(files)
}

/// Writes one table as CSV after RFC 4180: comma, UTF-8 without a byte order mark, decimal point, a header row. Text that a
/// spreadsheet would take for a formula gets an apostrophe before it.
///
/// # Errors
/// What `out` says.
pub fn csv(sheet: &Sheet, out: &mut dyn io::Write) -> io::Result<()> {
    let mut frame = sheet.frame(|text| escape::csv(text).into_owned()).map_err(other)?;
    CsvWriter::new(out).include_header(true).n_threads(1).finish(&mut frame).map_err(other)
}

/// Writes one table as Parquet. Text is as it was captured: Parquet is read by programs.
///
/// # Errors
/// What `out` says.
pub fn parquet(sheet: &Sheet, out: &mut dyn io::Write) -> io::Result<()> {
    parquet_frame(&mut sheet.frame(str::to_owned).map_err(other)?, out)
}

/// Writes a frame as all of lmpcap's Parquet files are written: the same bytes whatever the number of threads.
pub(crate) fn parquet_frame(frame: &mut DataFrame, out: &mut dyn io::Write) -> io::Result<()> {
    let writer = ParquetWriter::new(out).with_compression(ParquetCompression::Zstd(None)).set_parallel(false);
    writer.finish(frame).map(|_| ()).map_err(other)
}

/// What polars says, as an error of writing.
pub(crate) fn other(error: PolarsError) -> io::Error {
    match error {
        PolarsError::IO { error, .. } => io::Error::new(error.kind(), error.to_string()),
        error => io::Error::other(error.to_string()),
    }
}

/// What each column of each table is.
fn dictionary(sheets: &[Sheet]) -> Sheet {
    let fields: Vec<(&Sheet, &Field)> = sheets.iter().flat_map(|sheet| sheet.fields.iter().map(move |field| (sheet, field))).collect();
    let mut out = Sheet::plain("data-dictionary", "what each column of each table is");
    out.text("table", "name of the table's file", fields.iter().map(|(sheet, _)| Some(sheet.name.to_owned())));
    out.text("table_holds", "what a row of the table is", fields.iter().map(|(sheet, _)| Some(sheet.what.to_owned())));
    out.text("column", "name of the column; its ending says the unit", fields.iter().map(|(_, field)| Some(field.name.to_owned())));
    out.text("type", "text, integer, number, boolean or time (text after RFC 3339, UTC)", {
        fields.iter().map(|(_, field)| Some(field.data.kind().to_owned()))
    });
    out.text("meaning", "what the column holds", fields.iter().map(|(_, field)| Some(field.what.to_owned())));
    out
}
