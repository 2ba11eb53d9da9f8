//! `lmpcap extract`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Extract;
use super::progress::Progress;
use super::signals::Signals;
use super::slice::place;
use super::{Exit, config, print, say};
use crate::base::clock::ClockMap;
use crate::base::time::{NS_PER_S, Nanos};
use crate::capture::{self, OpenOptions};
use crate::engine;
use crate::error::{Error, Result};
use crate::measure::extract::{Extracted, Wanted, extract};
use crate::model::Migration;
use crate::report::write_file;
use crate::run::RunSpec;

/// A conversation of a migration lies within its span, give or take this much.
const SLACK: Nanos = Nanos(NS_PER_S);

/// Writes a stream; one that is not whole gets another name, a map of its holes, and exit code 1.
pub fn run(args: &Extract, signals: &Signals) -> Result<Exit> {
    let run = config::run_spec(&args.input, &args.known)?;
    let paths: Vec<PathBuf> = run.points.iter().flat_map(|p| p.paths.clone()).collect();
    if paths.iter().any(|p| p.as_os_str() == "-") {
        return Err(Error::new("extracting reads its input twice, which standard input does not allow")
            .advice("Write the capture to a file first."));
    }
    let mut options = config::options(&args.input, &args.known)?;
    options.stop = Arc::clone(&signals.stop);
    let (folder, name) = place(&args.output)?;
    let bar = Progress::show(capture::total_bytes(&paths), Arc::clone(&options.read), false);
    let candidates = match &args.flow {
        Some(key) => every_point(&run, key.parse()?),
        None => of_migration(&run, args.migration, &options)?,
    };
    let open = OpenOptions { filter: options.filter.clone(), ..OpenOptions::default() };
    let mut best: Option<(usize, Extracted)> = None;
    for (i, (point, wanted)) in candidates.iter().enumerate() {
        let found = extract(&run.points[*point].paths, &open, *wanted, io::sink())?;
        let better =
            best.as_ref().is_none_or(|(_, b)| (found.is_whole(), found.bytes - found.missing) > (b.is_whole(), b.bytes - b.missing));
        if found.bytes > 0 && better {
            best = Some((i, found));
        }
    }
    drop(bar);
    let Some((chosen, found)) = best else {
        return Err(Error::new("no point captured a byte of that stream").advice("`lmpcap analyze` lists migrations and conversations."));
    };
    let (point, wanted) = candidates[chosen];
    let whole = found.is_whole();
    let final_name = if whole { name.to_owned() } else { format!("{name}.incomplete") };
    let path = write_file(folder, &final_name, |out| {
        extract(&run.points[point].paths, &open, wanted, out).map(|_| ()).map_err(|e| io::Error::other(e.to_string()))
    })?;
    if whole {
        print(&format!("{}: {} bytes of {} > {}, whole\n", path.display(), found.bytes, wanted.from, wanted.to))?;
        return Ok(Exit::Done);
    }
    let map = write_file(folder, &format!("{name}.gaps.json"), |out| {
        serde_json::to_writer_pretty(&mut *out, &found).map_err(io::Error::from)?;
        out.write_all(b"\n")
    })?;
    say(&incomplete(&path, &map, &found));
    Ok(Exit::Missed)
}

fn incomplete(path: &Path, map: &Path, found: &Extracted) -> String {
    let mut reasons = Vec::new();
    if found.missing > 0 {
        reasons.push(format!("{} of {} bytes are missing (written as zeros)", found.missing, found.bytes));
    }
    if !found.from_the_start {
        reasons.push("its beginning was not captured".to_owned());
    }
    if !found.to_the_end {
        reasons.push("its end was not captured".to_owned());
    }
    format!("lmpcap: the stream is not whole: {}; see {} and {}", reasons.join("; "), path.display(), map.display())
}

fn every_point(run: &RunSpec, wanted: Wanted) -> Vec<(usize, Wanted)> {
    (0..run.points.len()).map(|p| (p, wanted)).collect()
}

/// The main connection of a migration at every point, each on its own clock.
fn of_migration(run: &RunSpec, number: u32, options: &engine::Options) -> Result<Vec<(usize, Wanted)>> {
    let (report, clocks) = engine::analyze_in_full(run, options)?;
    let found = report.migrations.iter().find(|m| m.id == number).ok_or_else(|| {
        Error::new(format!("there is no migration {number}: the captures hold {}", report.migrations.len()))
            .advice("`lmpcap analyze` lists them.")
    })?;
    let wanted = direction(found)?;
    let (Some(start), Some(end)) = (found.start, found.end) else { return Ok(every_point(run, wanted)) };
    Ok(clocks
        .iter()
        .enumerate()
        .map(|(p, clock)| (p, Wanted { between: Some((own(clock, start - SLACK), own(clock, end + SLACK))), ..wanted }))
        .collect())
}

/// A moment of the reference clock on a point's own; the offset changes slowly, so one correction suffices.
fn own(clock: &ClockMap, at: crate::base::time::Timestamp) -> crate::base::time::Timestamp {
    let guess = at - (clock.to_reference(at) - at);
    guess - (clock.to_reference(guess) - at)
}

fn direction(migration: &Migration) -> Result<Wanted> {
    if migration.transport.iter().any(|t| t == "tunnelled") {
        return Err(Error::new("this migration travels inside libvirt's RPC: its stream cannot be extracted as a TCP direction"));
    }
    let (Some(from), Some(to)) = (&migration.from.address, &migration.to.address) else {
        return Err(Error::new("the ends of this migration's connection are not known"));
    };
    format!("{from}>{to}").parse()
}
