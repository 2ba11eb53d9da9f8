//! Detail tables: the tables of all runs, one under the other.

use std::path::{Path, PathBuf};

use super::{Column, csv, own, parquet, push_own};
use crate::base::limits::STUDY_PART_ROWS;
use crate::error::{Error, Result};
use crate::model::Report;
use crate::report::tables::{self, Sheet};
use crate::report::{Pending, make_dir, write_file};
use crate::study::{Factor, RunEntry};

/// Tables of a run that a study keeps.
const KEPT: [&str; 11] =
    ["flows", "passes", "windows", "services", "migrations", "phases", "qos", "video", "files", "anomalies", "warnings"];

/// The kept tables without rows, with their columns in a study.
pub(super) fn empty(factors: &[Factor]) -> Vec<(Sheet, Vec<Column>)> {
    let all = tables::all(&Report::default()).into_iter().filter(|sheet| KEPT.contains(&sheet.name));
    all.map(|sheet| {
        let columns = columns(&sheet, factors);
        (sheet, columns)
    })
    .collect()
}

fn columns(sheet: &Sheet, factors: &[Factor]) -> Vec<Column> {
    let mut all = own(factors);
    all.extend(sheet.fields.iter().map(|f| Column::new(f.name, f.what, &f.data)));
    all
}

/// One detail table as it is written.
struct Detail {
    name: &'static str,
    folder: PathBuf,
    csv: Pending,
    columns: Vec<Column>,
    parts: Vec<PathBuf>,
}

/// All detail tables as they are written.
pub(super) struct Details {
    tables: Vec<Detail>,
    factors: Vec<Factor>,
}

impl Details {
    pub(super) fn create(dir: &Path, factors: &[Factor]) -> Result<Self> {
        let mut tables = Vec::new();
        for (sheet, columns) in empty(factors) {
            let folder = dir.join(sheet.name);
            make_dir(&folder)?;
            let csv = Pending::create(dir, &format!("{}.csv", sheet.name))?;
            tables.push(Detail { name: sheet.name, folder, csv, columns, parts: Vec::new() });
        }
        Ok(Self { tables, factors: factors.to_vec() })
    }

    /// Adds the rows of a run.
    pub(super) fn add(&mut self, entry: &RunEntry, report: &Report) -> Result<()> {
        for sheet in tables::all(report) {
            let Some(detail) = self.tables.iter_mut().find(|t| t.name == sheet.name) else { continue };
            let rows = sheet.fields.first().map_or(0, |f| f.data.len());
            for row in 0..rows {
                let (own, rest) = detail.columns.split_at_mut(2 + self.factors.len());
                push_own(own, entry, Some(&report.run.scenario), &self.factors);
                for (column, field) in rest.iter_mut().zip(&sheet.fields) {
                    column.data.push(&field.data, Some(row));
                }
                if detail.columns[0].data.len() >= STUDY_PART_ROWS {
                    detail.flush()?;
                }
            }
        }
        Ok(())
    }

    /// Writes what is left. Parts of an earlier batch beyond those of this one are removed.
    pub(super) fn finish(self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for mut detail in self.tables {
            // A table without rows has one part all the same: its columns.
            if detail.parts.is_empty() || !detail.columns[0].data.is_empty() {
                detail.flush()?;
            }
            detail.remove_old()?;
            files.append(&mut detail.parts);
            files.push(detail.csv.finish()?);
        }
        Ok(files)
    }
}

impl Detail {
    fn flush(&mut self) -> Result<()> {
        let name = format!("part-{:05}.parquet", self.parts.len());
        let head = self.parts.is_empty();
        self.parts.push(write_file(&self.folder, &name, |out| parquet(&self.columns, out))?);
        if let Err(error) = csv(&self.columns, head, &mut self.csv) {
            return Err(self.csv.wrong(&error));
        }
        for column in &mut self.columns {
            column.data = column.data.none();
        }
        Ok(())
    }

    fn remove_old(&self) -> Result<()> {
        let wrong = |e: std::io::Error| Error::io(&self.folder, "list the folder", &e);
        for entry in std::fs::read_dir(&self.folder).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            let part = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("part-"));
            if part && !self.parts.contains(&path) {
                std::fs::remove_file(&path).map_err(|e| Error::io(&path, "remove a part of an earlier batch", &e))?;
            }
        }
        Ok(())
    }
}
