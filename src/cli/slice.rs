//! `lmpcap slice`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Slice;
use super::progress::Progress;
use super::signals::Signals;
use super::{Exit, config, print};
use crate::base::clock::parse_duration;
use crate::capture;
use crate::engine;
use crate::error::{Error, Result};
use crate::measure::slice::{self, Around};
use crate::report::{pseudonymize, write_file};

/// Analyzes a run and cuts a window out of its captures.
pub fn slice(args: &Slice, signals: &Signals) -> Result<Exit> {
    let run = config::run_spec(&args.input, &args.known)?;
    let paths: Vec<PathBuf> = run.points.iter().flat_map(|p| p.paths.clone()).collect();
    if paths.iter().any(|p| p.as_os_str() == "-") {
        return Err(
            Error::new("a slice reads its input twice, which standard input does not allow").advice("Write the capture to a file first.")
        );
    }
    let around: Around = args.around.parse().map_err(|e| Error::new(format!("--around: {e}")))?;
    let margin = parse_duration(&args.margin).map_err(|e| Error::new(format!("--margin: {e}")))?;
    if margin.0 < 0 {
        return Err(Error::new(format!("--margin: expected a positive length of time, found {}", args.margin)));
    }
    let pseudonyms = config::pseudonyms(args.anonymize.as_ref())?;
    let mut options = config::options(&args.input, &args.known)?;
    options.stop = Arc::clone(&signals.stop);
    let bar = Progress::show(capture::total_bytes(&paths), Arc::clone(&options.read), false);
    let (report, clocks) = engine::analyze_in_full(&run, &options)?;
    drop(bar);
    let (from, to) = slice::window(&report, around, margin)?;
    let mut points = slice::points(&report, Some(&clocks));
    let mut run_name = report.run.name.clone();
    if let Some(names) = &pseudonyms {
        for comment in points.iter_mut().flat_map(|p| p.comments.values_mut()) {
            *comment = pseudonymize::text(comment, names);
        }
        if args.known.name.is_none() {
            run_name = names.name("run", &run_name);
        }
    }
    let comment = format!("lmpcap {}: {run_name} around {}, all points on the reference clock", env!("CARGO_PKG_VERSION"), args.around);
    let (folder, name) = place(&args.output)?;
    let mut sliced = slice::Sliced::default();
    let filter = args.input.filter.as_deref();
    let path = write_file(folder, name, |out| {
        sliced =
            slice::slice(&points, (from, to), filter, &comment, pseudonyms.as_ref(), out).map_err(|e| io::Error::other(e.to_string()))?.1;
        Ok(())
    })?;
    let frames: Vec<String> = points.iter().zip(&sliced.frames).map(|(p, n)| format!("{n} of {}", p.name)).collect();
    print(&format!(
        "{}: {:.3} s from {}; frames: {}; {} of them with a comment\n",
        path.display(),
        (to - from).seconds(),
        from.rfc3339(),
        frames.join(", "),
        sliced.comments
    ))?;
    Ok(if sliced.frames.iter().all(|n| *n == 0) { Exit::NothingFound } else { Exit::Done })
}

/// Folder and name of an output file.
pub(super) fn place(path: &Path) -> Result<(&Path, &str)> {
    let name = path.file_name().and_then(|n| n.to_str()).ok_or_else(|| Error::new("expected the name of a file to write").at(path))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((folder, name))
}
