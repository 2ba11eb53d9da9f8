//! `lmpcap batch`: many runs to one study.

mod merge;
mod places;
mod unpack;
mod work;

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::analyze::lang;
use super::args::Batch;
use super::signals::Signals;
use super::{Exit, config, print, say};
use crate::capture::archive::Members;
use crate::error::{Error, Result};
use crate::report::{escape, make_dir, remove_leftovers};
use crate::study::discover::Found;
use crate::study::report::{check, of_folder};
use crate::study::{Manifest, RUNS_FOLDER, Record, RunEntry, record_name, tables};

/// File that is locked while a batch writes into its folder.
const LOCK: &str = ".lock";
/// Failed runs that are named on the terminal; all are in the table.
const NAMED: usize = 10;

/// Analyzes the runs of a study, or lists or joins them.
pub fn batch(args: &Batch, signals: &Signals) -> Result<Exit> {
    check(&formats(args))?;
    if !args.merge.is_empty() {
        let dir = output(args)?;
        let _lock = lock(dir)?;
        let manifest = merge::merge(&args.merge, dir)?;
        return close(args, dir, &manifest, 0);
    }
    let options = config::batch_options(args)?;
    let opened = places::open(&args.paths, args.study.as_deref(), signals)?;
    let all: BTreeSet<String> = opened.runs.iter().map(|r| r.entry.id.clone()).collect();
    let (name, described, unmatched) = (opened.name, opened.described, opened.unmatched);
    let (members, packed) = (Members::new(opened.members), opened.packed);
    let chosen = choose(opened.runs, args)?;
    if args.list {
        print(&list(&chosen))?;
        return Ok(Exit::Done);
    }
    let dir = output(args)?;
    let _lock = lock(dir)?;
    if !args.quiet && !unmatched.is_empty() {
        say(&format!("lmpcap: no pattern fits {} captures, such as {}; they are left out", unmatched.len(), unmatched[0]));
    }
    let mut runs: Vec<RunEntry> = chosen.iter().map(|r| r.entry.clone()).collect();
    let whole = chosen.len() == all.len();
    let done = work::work(chosen, members, &packed, &options, args, dir, signals)?;
    if whole {
        forget(dir, &all);
    } else {
        // A part adds to what other parts have left in the same folder.
        runs.extend(earlier(dir, &all, &runs));
    }
    let manifest = Manifest { name, described, runs, unmatched, ..Manifest::default() }.settled();
    close(args, dir, &manifest, done.kept)
}

/// The formats of the study report.
fn formats(args: &Batch) -> Vec<&str> {
    let names = args.report.iter().map(String::as_str);
    if names.clone().eq(["none"]) { Vec::new() } else { names.collect() }
}

fn output(args: &Batch) -> Result<&Path> {
    let dir = args.output.as_deref().ok_or_else(|| Error::new("no folder for the study was given").advice("Give one with -o DIR."))?;
    make_dir(&dir.join(RUNS_FOLDER))?;
    Ok(dir)
}

/// Two batches in one folder would take each other's files. Where locks do not work (some network file systems), nothing is locked.
fn lock(dir: &Path) -> Result<Option<Lock>> {
    let path = dir.join(LOCK);
    let file = File::create(&path).map_err(|e| Error::io(&path, "write", &e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let error = Error::new("another batch is writing into this folder").at(dir);
            return Err(error.advice("Wait for it, or give another folder with -o and join them with --merge."));
        }
        Err(TryLockError::Error(_)) => return Ok(None),
    }
    for folder in [dir.to_owned(), dir.join(RUNS_FOLDER), dir.join(tables::TABLES_FOLDER)] {
        remove_leftovers(&folder);
    }
    unpack::clear(dir);
    Ok(Some(Lock { path, _file: file }))
}

/// Removed when the batch ends, however it ends; one that was killed leaves a file that nobody holds.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A lock that stays behind is in nobody's way.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn choose(runs: Vec<Found>, args: &Batch) -> Result<Vec<Found>> {
    if let Some(shard) = &args.shard {
        let (part, parts) = parse_shard(shard)?;
        let mine = runs.into_iter().enumerate().filter(|(i, _)| i % parts == part - 1);
        return Ok(mine.map(|(_, run)| run).collect());
    }
    if !args.only.is_empty() {
        if let Some(gone) = args.only.iter().find(|id| runs.iter().all(|r| r.entry.id != **id)) {
            let error = Error::new(format!("--only: there is no run {gone:?} among {}", runs.len()));
            return Err(error.advice("The ids are those that --list prints."));
        }
        return Ok(runs.into_iter().filter(|r| args.only.contains(&r.entry.id)).collect());
    }
    Ok(runs)
}

fn parse_shard(text: &str) -> Result<(usize, usize)> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    parts.filter(|(i, n): &(usize, usize)| (1..=*n).contains(i)).ok_or_else(|| {
        Error::new(format!("--shard: expected I/N with I from 1 to N, found {text:?}")).advice("For the second of four parts: --shard 2/4.")
    })
}

/// The manifest for people and scripts.
fn list(runs: &[Found]) -> String {
    let mut out = "id\tfiles\tbytes\tscenario\tfactors\tplace\terror\n".to_owned();
    for run in runs {
        let e = &run.entry;
        let factors: Vec<String> = e.factors.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let error = run.spec.as_ref().err().map(|e| e.message.clone()).unwrap_or_default();
        let cells = [
            e.id.clone(),
            e.files.to_string(),
            e.bytes.to_string(),
            e.scenario.clone().unwrap_or_default(),
            factors.join(";"),
            e.place.clone(),
            error,
        ];
        out += &cells.iter().map(|c| escape::visible(c)).collect::<Vec<_>>().join("\t");
        out.push('\n');
    }
    out
}

/// Removes the records of runs that the study no longer has.
fn forget(dir: &Path, ids: &BTreeSet<String>) {
    let names: BTreeSet<String> = ids.iter().map(|id| record_name(id)).collect();
    let Ok(entries) = std::fs::read_dir(dir.join(RUNS_FOLDER)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".json") && !names.contains(&name) {
            // Nothing reads it; it may stay where it cannot be removed.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Runs that were done before by other parts, and that the study still has.
fn earlier(dir: &Path, all: &BTreeSet<String>, now: &[RunEntry]) -> Vec<RunEntry> {
    let before = Manifest::load(dir).map(|m| m.runs).unwrap_or_default();
    let other = |run: &RunEntry| all.contains(&run.id) && now.iter().all(|n| n.id != run.id);
    before.into_iter().filter(|run| other(run) && Record::load(dir, &run.id).is_ok()).collect()
}

/// Writes what stands on the records, and says what was done.
fn close(args: &Batch, dir: &Path, manifest: &Manifest, kept: usize) -> Result<Exit> {
    manifest.save(dir)?;
    let files = tables::write(dir, manifest)?;
    let formats = formats(args);
    // A part knows only its own runs; merging the parts, or a batch over all, reports on all.
    let written = if formats.is_empty() || args.shard.is_some() || !args.only.is_empty() {
        Vec::new()
    } else {
        of_folder(dir, &formats, lang(args.lang))?
    };
    let mut failed = Vec::new();
    for entry in &manifest.runs {
        if let Some(error) = Record::load(dir, &entry.id)?.error {
            failed.push(format!("  {}: {}", entry.id, escape::terminal(&error)));
        }
    }
    let good = manifest.runs.len() - failed.len();
    if !failed.is_empty() {
        say(&format!("lmpcap: {} of {} runs could not be analyzed:", failed.len(), manifest.runs.len()));
        failed.iter().take(NAMED).for_each(|line| say(line));
        if failed.len() > NAMED {
            say(&format!("  … and {} more: see the column error of study.csv", failed.len() - NAMED));
        }
    }
    if !args.quiet {
        let again = if kept > 0 { format!(", {kept} of them done before") } else { String::new() };
        print(&format!("Study: {good} runs{again}, {} tables in {}\n", files.len(), dir.display()))?;
        if let Some(page) = written.iter().find(|file| file.extension().is_some_and(|e| e == "html")).or(written.first()) {
            print(&format!("Report: {} ({} files)\n", page.display(), written.len()))?;
        }
    }
    if good == 0 {
        say("lmpcap: no run could be analyzed; the tables say why");
        return Ok(Exit::NothingFound);
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_counted_from_one() {
        assert_eq!(parse_shard("2/4").unwrap(), (2, 4));
        for wrong in ["0/4", "5/4", "1", "a/b", "1/0", "-1/2"] {
            assert!(parse_shard(wrong).unwrap_err().to_string().contains("--shard"), "{wrong}");
        }
    }
}
