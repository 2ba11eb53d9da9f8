//! Many runs: discovery, one table, statistics, a study report.
//!
//! A batch leaves a folder that everything after it starts from:
//!
//! ```text
//! DIR/study.json               which runs there are, with their factors: [`Manifest`]
//! DIR/runs/ID-xxxxxxxx.json    what the analysis of one run gave, or its error: [`Record`]
//! DIR/study.parquet, .csv      one row per run and phase
//! DIR/tables/                  detail tables of all runs
//! ```
//!
//! [`each`] reads the folder back, one run at a time. Starting an analysis is not done here: `cli` does.

// The folder of a study is read here.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

pub mod diff;
pub mod discover;
pub mod figures;
mod file;
mod key;
mod manifest;
mod pattern;
mod record;
pub mod report;
pub mod statistics;
pub mod stats;
pub mod tables;

use std::path::Path;

pub use file::{Description, STUDY_DESCRIPTION};
pub use key::{FileHash, hash, key};
pub use manifest::{Factor, FactorKind, Manifest, RunEntry, STUDY_FILE};
pub use record::{RECORD_SCHEMA, RUNS_FOLDER, Record, has_record, record_name};

use crate::error::Result;

/// Reads what a batch left in `dir`: its manifest, and each run with its record through `take`, by id. One record is in memory at
/// a time.
///
/// # Errors
/// No `study.json`, a record that is missing or damaged, what `take` says.
pub fn each(dir: &Path, mut take: impl FnMut(&RunEntry, Record) -> Result<()>) -> Result<Manifest> {
    let manifest = Manifest::load(dir)?;
    for entry in &manifest.runs {
        take(entry, Record::load(dir, &entry.id)?)?;
    }
    Ok(manifest)
}
