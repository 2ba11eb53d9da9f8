//! Several runs at a time, each kept in a file as soon as it is done.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::super::args::Batch;
use super::super::progress::Tally;
use super::super::signals::Signals;
use super::unpack::{self, Unpacked};
use crate::capture::archive::Members;
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

/// Hashes of files that were read before, by their paths.
type Hashes = HashMap<PathBuf, FileHash>;

/// A run whose files can be read.
struct Job {
    run: Found,
    members: Members,
    /// Removed with the job.
    _files: Unpacked,
}

/// What all workers share.
struct Shared<'a> {
    jobs: Mutex<Receiver<Job>>,
    hashes: &'a [(PathBuf, Hashes)],
    options: &'a Options,
    told: String,
    dir: &'a Path,
    stop: Arc<AtomicBool>,
    tally: Tally,
    kept: AtomicUsize,
    /// The first error that ends the batch: a result that cannot be written.
    broken: Mutex<Option<Error>>,
}

/// Does what is not done yet of `runs`. `packed` are the archives that must be unpacked, with the hashes of their files.
pub(super) fn work(
    runs: Vec<Found>,
    members: Members,
    packed: &[(PathBuf, Hashes)],
    options: &Options,
    args: &Batch,
    dir: &Path,
    signals: &Signals,
) -> Result<Done> {
    let threads = args.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, |n| n.get()).min(runs.len().max(1));
    let bytes = runs.iter().map(|r| r.entry.bytes).sum();
    // A run waits unpacked only when a worker will be free for it soon.
    let (send, jobs) = sync_channel(0);
    let shared = Shared {
        tally: Tally::start(runs.len() as u64, bytes, args.quiet),
        jobs: Mutex::new(jobs),
        hashes: packed,
        options,
        told: format!("{:?} {:?} {:?} {:?}", options.filter, options.clock, options.scale, options.method),
        dir,
        stop: Arc::clone(&signals.stop),
        kept: AtomicUsize::new(0),
        broken: Mutex::new(None),
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| worker(&shared));
        }
        if let Err(error) = feed(runs, &members, &shared, &send) {
            shared.breaks(error);
        }
        drop(send);
    });
    unpack::clear(dir);
    if let Some(error) = shared.broken.into_inner().ok().flatten() {
        return Err(error);
    }
    if signals.stop.load(Ordering::Relaxed) {
        return Err(Error::new("stopped before the end"));
    }
    Ok(Done { kept: shared.kept.into_inner() })
}

/// Gives the runs to the workers: first those that can be read where they lie.
fn feed(runs: Vec<Found>, members: &Members, shared: &Shared<'_>, send: &SyncSender<Job>) -> Result<()> {
    let mut packed: Vec<Vec<Found>> = shared.hashes.iter().map(|_| Vec::new()).collect();
    for run in runs {
        let inside = |archive: &Path| run.spec.as_ref().is_ok_and(|s| s.path.starts_with(archive));
        match shared.hashes.iter().position(|(archive, _)| inside(archive)) {
            // One whose result is there need not be unpacked.
            Some(archive) if !shared.is_kept(&run, members) => packed[archive].push(run),
            Some(_) => shared.keep(&run),
            None if !shared.goes_on() => return Ok(()),
            None => _ = send.send(Job { run, members: members.clone(), _files: Unpacked::default() }),
        }
    }
    for ((archive, _), runs) in shared.hashes.iter().zip(packed) {
        if !runs.is_empty() {
            unpack::unpack(archive, runs, shared.dir, |run, members, files| {
                shared.goes_on() && send.send(Job { run, members, _files: files }).is_ok()
            })?;
        }
    }
    Ok(())
}

impl Shared<'_> {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && self.broken.lock().is_ok_and(|b| b.is_none())
    }

    fn breaks(&self, error: Error) {
        if let Ok(mut broken) = self.broken.lock() {
            broken.get_or_insert(error);
        }
    }

    fn keep(&self, run: &Found) {
        self.kept.fetch_add(1, Ordering::Relaxed);
        let read = self.tally.begin(run.entry.bytes);
        self.tally.end(&read, run.entry.bytes);
    }

    fn is_kept(&self, run: &Found, members: &Members) -> bool {
        run.spec.as_ref().is_ok_and(|spec| self.key(spec, members).is_ok_and(|key| has_record(self.dir, &run.entry.id, &key)))
    }

    /// The key of a run. Files are read to their end, unless that was done before.
    fn key(&self, spec: &RunSpec, members: &Members) -> Result<String> {
        let paths = spec.points.iter().flat_map(|p| &p.paths);
        let of = |path: &PathBuf| match self.hashes.iter().find_map(|(_, hashes)| hashes.get(path)) {
            Some(hash) => Ok(*hash),
            None => hash(path, members.open(path)?, |_| self.stop.load(Ordering::Relaxed)),
        };
        Ok(key(spec, &paths.map(of).collect::<Result<Vec<_>>>()?, &self.told))
    }
}

fn worker(shared: &Shared<'_>) {
    loop {
        let next = shared.jobs.lock().ok().and_then(|jobs| jobs.recv().ok());
        let Some(job) = next else { return };
        // After an error or a signal jobs are taken and left, so that nobody waits for this worker.
        if shared.goes_on()
            && let Err(error) = one(job, shared)
        {
            shared.breaks(error);
        }
    }
}

/// Does one run, unless its result is there. An error means that the result could not be kept.
fn one(job: Job, shared: &Shared<'_>) -> Result<()> {
    let Job { run, members, _files } = job;
    let (id, bytes) = (run.entry.id.clone(), run.entry.bytes);
    let keyed = run.spec.as_ref().map_err(|e| Error {
        path: e.path.clone(),
        offset: e.offset,
        message: e.message.clone(),
        advice: e.advice.clone(),
    });
    let keyed = keyed.and_then(|spec| Ok((spec, shared.key(spec, &members)?)));
    let read = shared.tally.begin(bytes);
    let record = match keyed {
        Err(error) => Record::new(&id, String::new(), Err(error)),
        Ok((_, key)) if has_record(shared.dir, &id, &key) => {
            shared.kept.fetch_add(1, Ordering::Relaxed);
            shared.tally.end(&read, bytes);
            return Ok(());
        }
        Ok((spec, key)) => {
            // Runs side by side keep the cores busy by themselves.
            let options =
                Options { cores: Some(1), members, read: Arc::clone(&read), stop: Arc::clone(&shared.stop), ..shared.options.clone() };
            Record::new(&id, key, analyze(spec, &options))
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
