//! The report in every format. Knows only `base` and `model`.
//!
//! [`FORMATS`] is the one list: a new format is one file and one line. All words come from [`words`], all numbers are put
//! into the locale's form by [`number`], every string that may come from a capture passes [`escape`]. The same report gives
//! the same bytes: nothing here reads a clock, the environment or an unordered map.

pub mod chart;
pub mod document;
pub mod docx;
pub mod draw;
pub mod escape;
pub mod headline;
pub mod html;
pub mod json;
pub mod latex;
pub mod markdown;
pub mod number;
mod output;
pub mod p1203;
pub mod pseudonymize;
pub mod qos;
pub mod tables;
pub mod text;
pub mod words;

use std::path::{Path, PathBuf};

pub use output::{Pending, file as write_file, make_dir, remove_leftovers};
pub use words::Lang;

use crate::error::{Error, Result};
use crate::model::Report;

/// What a writer may be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// Language of words and numbers. JSON, CSV and Parquet are data and do not change with it.
    pub lang: Lang,
}

/// A format of the report.
pub struct Format {
    /// Name on the command line.
    pub name: &'static str,
    /// File or folder that it makes in the output folder.
    pub file: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// Writes it into `dir` and returns the files it made.
    pub write: fn(report: &Report, dir: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>>,
}

/// All formats, in the order of the help.
pub const FORMATS: &[Format] = &[
    Format { name: "json", file: "report.json", what: "everything, for programs", write: json::write },
    Format { name: "html", file: "report.html", what: "everything, for people, in one page", write: html::write },
    Format { name: "csv", file: "csv/", what: "tables for spreadsheets, with a data dictionary", write: tables::write_csv },
    Format { name: "parquet", file: "parquet/", what: "tables for data frames, with a data dictionary", write: tables::write_parquet },
    Format { name: "markdown", file: "report.md", what: "everything, for people, as text with tables", write: markdown::write },
    Format { name: "latex", file: "latex/", what: "tables with booktabs and charts for a thesis", write: latex::write },
    Format { name: "docx", file: "report.docx", what: "everything, for Word and LibreOffice", write: docx::write },
    Format { name: "svg", file: "charts/", what: "the charts, to edit", write: draw::write_svg },
    Format { name: "png", file: "charts/", what: "the charts, as pictures", write: draw::write_png },
    Format { name: "pdf", file: "charts/", what: "the charts, for print", write: draw::write_pdf },
    Format { name: "p1203", file: "p1203/", what: "input of ITU-T P.1203 (mode 0) for each video session", write: p1203::write },
    Format { name: "text", file: "report.txt", what: "summary of one screen", write: text::write },
];

/// The format of that name.
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// Writes `report` in the named formats into `dir`, which is made if needed, and returns the files in the order they were made.
///
/// Each file is written under a temporary name, flushed to disk and renamed: a reader sees the old file or the new one, never half.
///
/// # Errors
/// An unknown format name (nothing is written then), or a file that cannot be written.
pub fn write(report: &Report, formats: &[&str], dir: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>> {
    let chosen = formats.iter().map(|name| format(name).ok_or_else(|| unknown_format(name))).collect::<Result<Vec<_>>>()?;
    output::make_dir(dir)?;
    let mut files = Vec::new();
    for format in chosen {
        files.extend((format.write)(report, dir, options)?);
    }
    Ok(files)
}

fn unknown_format(name: &str) -> Error {
    let known: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    Error::new(format!("there is no report format {:?}", escape::visible(name))).advice(format!("choose from: {}", known.join(", ")))
}
