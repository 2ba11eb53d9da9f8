//! The report as JSON: the whole of it, the contract with other programs. It has no language.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{WriteOptions, output};
use crate::error::Result;
use crate::model::Report;

/// Writes the report, indented, with a line feed at its end.
///
/// # Errors
/// What `out` says.
pub fn to_writer(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    out.write_all(b"\n")
}

pub(super) fn write(report: &Report, dir: &Path, _: &WriteOptions) -> Result<Vec<PathBuf>> {
    output::file(dir, "report.json", |out| to_writer(report, out)).map(|file| vec![file])
}
