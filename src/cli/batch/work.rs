//! Several runs at a time, each kept in a file as soon as it is done.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::super::args::Batch;
use super::super::progress::Tally;
use super::super::signals::Signals;
use crate::engine::{self, Options};
use crate::error::{Error, Result};
use crate::model::Report;
use crate::run::RunSpec;
use crate::study::discover::Found;
use crate::study::{FileHash, Record, has_record, hash, key};

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Runs whose result was there already.
    pub(super) kept: usize,
}

/// What all workers share.
struct Shared<'a> {
    runs: Mutex<std::vec::IntoIter<Found>>,
    options: &'a Options,
    dir: &'a Path,
    stop: Arc<AtomicBool>,
    tally: Tally,
    kept: AtomicUsize,
    /// The first error that ends the batch: a result that cannot be written.
    broken: Mutex<Option<Error>>,
}

/// Does what is not done yet of `runs`.
pub(super) fn work(runs: Vec<Found>, _packed: &[PathBuf], options: &Options, args: &Batch, dir: &Path, signals: &Signals) -> Result<Done> {
    let threads = args.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, |n| n.get()).min(runs.len().max(1));
    let bytes = runs.iter().map(|r| r.entry.bytes).sum();
    let shared = Shared {
        tally: Tally::start(runs.len() as u64, bytes, args.quiet),
        runs: Mutex::new(runs.into_iter()),
        options,
        dir,
        stop: Arc::clone(&signals.stop),
        kept: AtomicUsize::new(0),
        broken: Mutex::new(None),
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| worker(&shared));
        }
    });
    if let Some(error) = shared.broken.into_inner().ok().flatten() {
        return Err(error);
    }
    if signals.stop.load(Ordering::Relaxed) {
        return Err(Error::new("stopped before the end"));
    }
    Ok(Done { kept: shared.kept.into_inner() })
}

fn worker(shared: &Shared<'_>) {
    loop {
        let stopped = shared.stop.load(Ordering::Relaxed) || shared.broken.lock().map_or(true, |b| b.is_some());
        let next = shared.runs.lock().ok().and_then(|mut runs| runs.next());
        let Some(run) = next.filter(|_| !stopped) else { return };
        if let Err(error) = one(run, shared)
            && let Ok(mut broken) = shared.broken.lock()
        {
            broken.get_or_insert(error);
        }
    }
}

/// Does one run, unless its result is there. An error means that the result could not be kept.
fn one(run: Found, shared: &Shared<'_>) -> Result<()> {
    let (id, bytes) = (run.entry.id.clone(), run.entry.bytes);
    let read = shared.tally.begin(bytes);
    let options = format!("{:?} {:?} {:?} {:?}", shared.options.filter, shared.options.clock, shared.options.scale, shared.options.method);
    let hashed = run.spec.and_then(|spec| {
        let hashes = hashes(&spec, &shared.stop)?;
        Ok((key(&spec, &hashes, &options), spec))
    });
    let record = match hashed {
        Err(error) => Record::new(&id, String::new(), Err(error)),
        Ok((key, _)) if has_record(shared.dir, &id, &key) => {
            shared.kept.fetch_add(1, Ordering::Relaxed);
            shared.tally.end(&read, bytes);
            return Ok(());
        }
        Ok((key, spec)) => {
            let options = Options { read: Arc::clone(&read), stop: Arc::clone(&shared.stop), ..shared.options.clone() };
            Record::new(&id, key, analyze(&spec, &options))
        }
    };
    if shared.stop.load(Ordering::Relaxed) {
        // What was stopped in the middle is no failure of the run.
        return Ok(());
    }
    record.save(shared.dir)?;
    shared.tally.end(&read, bytes);
    Ok(())
}

/// In a thread of its own: a fault of the analyzer itself costs one run.
fn analyze(spec: &RunSpec, options: &Options) -> Result<Report> {
    thread::scope(|scope| {
        let failed = || Error::new("the analysis failed inside: please report it");
        scope.spawn(|| engine::analyze(spec, options)).join().unwrap_or_else(|_| Err(failed()))
    })
}

fn hashes(spec: &RunSpec, stop: &AtomicBool) -> Result<Vec<FileHash>> {
    let paths = spec.points.iter().flat_map(|p| &p.paths);
    paths
        .map(|path| {
            let file = File::open(path).map_err(|e| Error::io(path, "open", &e))?;
            hash(path, file, |_| stop.load(Ordering::Relaxed))
        })
        .collect()
}
