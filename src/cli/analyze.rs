//! `lmpcap analyze`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{Analyze, Lang};
use super::progress::Progress;
use super::signals::Signals;
use super::{Exit, config, print, say};
use crate::capture;
use crate::engine;
use crate::error::{Error, Result};
use crate::model::Report;
use crate::report::{self, WriteOptions};

/// Columns of a terminal that does not say its width.
const COLUMNS: usize = 80;

/// Analyzes a run and writes its report.
pub fn analyze(args: &Analyze, signals: &Signals) -> Result<Exit> {
    let mut run = config::run_spec(&args.input, &args.known)?;
    run.player = config::player(&args.player, &run)?;
    let mut options = config::analyze_options(args)?;
    options.stop = Arc::clone(&signals.stop);
    let pseudonyms = config::pseudonyms(args.anonymize.as_ref())?;
    let formats: Vec<&str> = args.format.iter().map(String::as_str).collect();
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    if to_stdout && formats.len() != 1 {
        return Err(
            Error::new(format!("standard output takes one format, found {}", formats.len())).advice("Add --format json, for example.")
        );
    }
    check_formats(&formats)?;
    let paths: Vec<PathBuf> = run.points.iter().flat_map(|p| p.paths.clone()).collect();
    let bar = Progress::show(capture::total_bytes(&paths), Arc::clone(&options.read), args.quiet || to_stdout);
    let report = engine::analyze(&run, &options);
    drop(bar);
    let mut report = report?;
    if let Some(names) = &pseudonyms {
        report = report::pseudonymize::pseudonymize(&report, names, args.known.name.is_some())?;
    }
    let write = WriteOptions { lang: lang(args.lang) };
    if to_stdout {
        print(&one_format(&report, formats[0], &write)?)?;
    } else {
        let folder = args.output.clone().unwrap_or_else(|| config::report_folder(&run));
        let files = report::write(&report, &formats, &folder, &write)?;
        let old = left_over(&folder, &formats);
        if !old.is_empty() {
            say(&format!("lmpcap: {} also holds what an earlier report left there: {}", folder.display(), old.join(", ")));
        }
        if !args.quiet {
            let terminal = std::io::stdout().is_terminal();
            let color = terminal && std::env::var_os("NO_COLOR").is_none();
            print(&report::text::summary(&report, write.lang, COLUMNS, color))?;
            print(&format!("\n{}\n", written(&folder, &files)))?;
        }
    }
    Ok(verdict(args, &report))
}

/// All names at once, before any work.
fn check_formats(names: &[&str]) -> Result<()> {
    let known: Vec<&str> = report::FORMATS.iter().map(|f| f.name).collect();
    match names.iter().find(|n| !known.contains(n)) {
        Some(name) => {
            Err(Error::new(format!("--format: there is no format {name:?}")).advice(format!("Choose from: {}.", known.join(", "))))
        }
        None => Ok(()),
    }
}

/// A format that can go to a pipe.
fn one_format(report: &Report, name: &str, options: &WriteOptions) -> Result<String> {
    match name {
        "json" => {
            let mut bytes = Vec::new();
            report::json::to_writer(report, &mut bytes).map_err(|e| Error::new(format!("cannot write JSON: {e}")))?;
            String::from_utf8(bytes).map_err(|e| Error::new(format!("JSON is not UTF-8: {e}")))
        }
        "p1203" => {
            let mut bytes = Vec::new();
            report::p1203::to_writer(report, &mut bytes)?;
            String::from_utf8(bytes).map_err(|e| Error::new(format!("JSON is not UTF-8: {e}")))
        }
        "text" => Ok(report::text::summary(report, options.lang, COLUMNS, false)),
        other => Err(Error::new(format!("{other} cannot go to standard output"))
            .advice("json, text and p1203 can; give a folder with -o DIR for the others.")),
    }
}

/// Outputs of formats that were not written now: another run's report may have left them.
fn left_over(folder: &Path, formats: &[&str]) -> Vec<&'static str> {
    let written: Vec<&str> = report::FORMATS.iter().filter(|f| formats.contains(&f.name)).map(|f| f.file).collect();
    let mut old: Vec<&str> = report::FORMATS.iter().map(|f| f.file).filter(|f| !written.contains(f) && folder.join(f).exists()).collect();
    old.dedup();
    old
}

fn written(folder: &Path, files: &[PathBuf]) -> String {
    let html = files.iter().find(|f| f.extension().is_some_and(|e| e == "html"));
    match html {
        Some(html) => format!("Report: {} ({} files in {})", html.display(), files.len(), folder.display()),
        None => format!("Report: {} files in {}", files.len(), folder.display()),
    }
}

/// The language of the writers.
pub(super) fn lang(lang: Lang) -> report::Lang {
    match lang {
        Lang::En => report::Lang::En,
        Lang::Id => report::Lang::Id,
    }
}

fn verdict(args: &Analyze, report: &Report) -> Exit {
    let asked = args.input.run.as_ref().is_none_or(|p| p.is_dir()) || !args.known.vm_ip.is_empty() || !args.known.vm_mac.is_empty();
    if asked && report.migrations.is_empty() {
        say("lmpcap: no migration was found in these captures; the report says what was");
        return Exit::NothingFound;
    }
    if asked && report.vm.macs.is_empty() && report.vm.ips.is_empty() {
        say("lmpcap: no packet of the VM was found in these captures; the report says what was");
        return Exit::NothingFound;
    }
    if let Some(least) = args.fail_below {
        let index = headline_index(report);
        if index.is_none_or(|i| i < least) {
            match index {
                Some(i) => say(&format!("lmpcap: the overall grade is {i:.2}, below {least}")),
                None => say(&format!("lmpcap: there is no overall grade to compare with {least}")),
            }
            return Exit::Missed;
        }
    }
    Exit::Done
}

/// The overall index of the VM's traffic over the whole run: the worse direction.
fn headline_index(report: &Report) -> Option<f64> {
    report
        .qos
        .iter()
        .filter(|q| q.phase == "whole" && q.service == "all" && (q.from == "vm" || q.to == "vm"))
        .filter_map(|q| q.grades.as_ref()?.overall.as_ref().map(|o| o.index))
        .reduce(f64::min)
}
