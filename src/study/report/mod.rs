//! The report of a study: what hundreds of runs say together, for people who paste it into a thesis.
//!
//! It is a document like that of a single run ([`crate::report::document`]), so the same writers lay it out.

mod compare;
mod curves;
mod describe;
mod form;
mod method;
mod overview;
mod quality;
mod regress;
mod runs;

use std::path::{Path, PathBuf};

pub(super) use form::{level, p_said};

use serde::Serialize;

use super::figures::Run;
use super::statistics::{Case, Statistics, cases};
use crate::error::{Error, Result};
use crate::report::document::{self, Document, Section};
use crate::report::words::Words;
use crate::report::{Lang, docx, draw, escape, html, latex, make_dir, markdown, write_file};

/// Version of the schema of `statistics.json`.
pub const SCHEMA: &str = "lmpcap.statistics/1";
/// Its name.
pub const STATISTICS_FILE: &str = "statistics.json";

/// What the builders of sections share.
struct Builder<'a> {
    runs: &'a [Run],
    cases: Vec<Case<'a>>,
    statistics: &'a Statistics,
    words: Words,
}

/// The document of a study.
pub fn build(name: &str, runs: &[Run], statistics: &Statistics, words: Words) -> Document {
    let b = Builder { runs, cases: cases(runs), statistics, words };
    let sections =
        [overview::design(&b), describe::section(&b), compare::section(&b), compare::order(&b), regress::section(&b), curves::section(&b)];
    let rest = [quality::section(&b), runs::section(&b), runs::failed(&b), runs::left_out(&b), method::section(&b)];
    let mut sections: Vec<Section> = sections.into_iter().chain(rest).flatten().collect();
    document::number(&mut sections, words);
    Document {
        lang: words.lang().code(),
        title: if name.is_empty() { words.t("study.unnamed").to_owned() } else { escape::shown(name).into_owned() },
        facts: overview::facts(&b),
        banner: overview::banner(&b),
        tiles: overview::tiles(&b),
        sections,
        colophon: words.fill("study.colophon", &[("version", env!("CARGO_PKG_VERSION"))]),
    }
}

/// `statistics.json`.
#[derive(Serialize)]
struct File<'a> {
    schema: &'static str,
    name: &'a str,
    version: &'static str,
    statistics: &'a Statistics,
    runs: &'a [Run],
}

/// What is written, by the names of `--report`; `statistics.json` is written with any of them.
pub const FORMATS: [&str; 5] = ["html", "markdown", "docx", "latex", "charts"];

/// Reads the folder that a batch wrote and writes the report into it: see [`write`].
///
/// # Errors
/// There is no study in `dir`, or a file cannot be written.
pub fn of_folder(dir: &Path, formats: &[&str], lang: Lang) -> Result<Vec<PathBuf>> {
    let study = super::figures::Study::load(dir)?;
    write(&study.name, &study.runs, dir, formats, lang)
}

/// Writes the report into `dir`: `statistics.json`, and of [`FORMATS`] those named: `report.html`, `report.md` (with `charts/`),
/// `report.docx`, `latex/`, `charts/`. `runs` are in the order in which they are shown; the same runs give the same bytes.
///
/// # Errors
/// An unknown format, or a file that cannot be written.
pub fn write(name: &str, runs: &[Run], dir: &Path, formats: &[&str], lang: Lang) -> Result<Vec<PathBuf>> {
    check(formats)?;
    let words = Words::new(lang);
    let statistics = Statistics::of(runs);
    let doc = build(name, runs, &statistics, words);
    make_dir(dir)?;
    let mut files = vec![write_statistics(name, runs, &statistics, dir)?];
    for format in formats {
        match *format {
            "html" => {
                let page = html::render(&doc, words.t("study.kicker"), words.t("study.report"), words)?;
                files.push(write_file(dir, "report.html", |out| out.write_all(page.as_bytes()))?);
            }
            "markdown" => {
                let text = markdown::render(&doc, words);
                files.push(write_file(dir, "report.md", |out| out.write_all(text.as_bytes()))?);
                files.extend(draw::write_figures(&doc, dir, &["svg"])?);
            }
            "docx" => {
                let bytes = docx::render(&doc, words)?;
                files.push(write_file(dir, "report.docx", |out| out.write_all(&bytes))?);
            }
            "latex" => files.extend(latex::write_document(&doc, dir)?),
            _ => files.extend(draw::write_figures(&doc, dir, &["svg", "png", "pdf"])?),
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Checks the names of formats before any work.
///
/// # Errors
/// One is unknown.
pub fn check(formats: &[&str]) -> Result<()> {
    match formats.iter().find(|name| !FORMATS.contains(name)) {
        Some(name) => Err(Error::new(format!("--report: there is no format {:?}", escape::visible(name)))
            .advice(format!("Choose from: {}; none for no report.", FORMATS.join(", ")))),
        None => Ok(()),
    }
}

/// Writes `statistics.json` alone.
///
/// # Errors
/// The file cannot be written.
pub fn write_statistics(name: &str, runs: &[Run], statistics: &Statistics, dir: &Path) -> Result<PathBuf> {
    let file = File { schema: SCHEMA, name, version: env!("CARGO_PKG_VERSION"), statistics, runs };
    write_file(dir, STATISTICS_FILE, |out| {
        serde_json::to_writer_pretty(&mut *out, &file)?;
        out.write_all(b"\n")
    })
}
