//! One run from its files to its report: the only place that knows all layers.

mod assemble;
mod belt;
mod counting;
mod intake;
mod join;
mod ledgers;
mod point;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::base::clock::{ClockChoice, ClockMap};
use crate::base::limits::POINTS;
use crate::base::role::Role;
use crate::capture::archive::Members;
use crate::error::{Error, Result};
use crate::grade::{self, Method, Scale};
use crate::join::{Hint, Joined, Joiner};
use crate::measure::path::PathMeter;
use crate::model::Report;
use crate::run::RunSpec;

pub use point::PointResult;

/// How a run is to be analyzed.
#[derive(Clone, Debug)]
pub struct Options {
    /// BPF expression that packets must match.
    pub filter: Option<String>,
    /// How the clocks relate.
    pub clock: ClockChoice,
    /// Grading scale.
    pub scale: Scale,
    /// Which figures are graded in the headline.
    pub method: Method,
    /// Paths that are members of archives.
    pub members: Members,
    /// Cores that the run may use; `None` for all. A point is read in three threads where there are more cores than points.
    pub cores: Option<usize>,
    /// Bytes of input read so far: for a progress bar.
    pub read: Arc<AtomicU64>,
    /// Set to stop early: the run then ends with an error.
    pub stop: Arc<AtomicBool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            filter: None,
            clock: ClockChoice::default(),
            scale: (grade::SCALES[0].scale)(),
            method: Method::default(),
            members: Members::default(),
            cores: None,
            read: Arc::default(),
            stop: Arc::default(),
        }
    }
}

/// What all points say, and what joining them says.
struct Read {
    points: Vec<PointResult>,
    joined: Option<Joined>,
    paths: Option<PathMeter>,
}

/// Reads all points of a run, each in its own thread (three where there are cores enough), and joins them in this one.
fn read_points(run: &RunSpec, options: &Options, hints: &[Hint]) -> Result<Read> {
    let several = run.points.len() > 1;
    // Where each core has a point to itself already, more threads only cost.
    let cores = options.cores.or_else(|| thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let helped = cores > run.points.len();
    let roles: Vec<Role> = run.points.iter().map(|p| p.role).collect();
    let (results, joined) = thread::scope(|scope| {
        let mut inboxes = Vec::new();
        let threads: Vec<_> = run
            .points
            .iter()
            .enumerate()
            .map(|(i, spec)| {
                let outbox = (several && i < POINTS).then(|| {
                    let (outbox, inbox) = join::connect();
                    inboxes.push(inbox);
                    outbox
                });
                scope.spawn(move || point::run(spec, options, outbox, helped))
            })
            .collect();
        let joined = several.then(|| {
            let mut joiner = Joiner::new(&roles, options.clock.clone(), PathMeter::new(&roles)).with_hints(hints);
            join::drive(&mut joiner, &inboxes);
            joiner.finish()
        });
        let results: Vec<Result<PointResult>> = threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|_| Err(Error::new("the analysis of a capture point failed inside: please report it"))))
            .collect();
        (results, joined)
    });
    let points = results.into_iter().collect::<Result<Vec<_>>>()?;
    if options.stop.load(Ordering::Relaxed) || points.iter().any(|p| p.sighted.stopped) {
        return Err(Error::new("stopped before the end: no report was written"));
    }
    let (joined, paths) = joined.unzip();
    Ok(Read { points, joined, paths })
}

/// Analyzes a run.
///
/// # Errors
/// Files that cannot be read at all, a filter that does not compile, a request to stop. Faults inside a capture are anomalies
/// of the report.
pub fn analyze(run: &RunSpec, options: &Options) -> Result<Report> {
    analyze_in_full(run, options).map(|a| a.0)
}

/// Analyzes a run and tells, beside its report, how the clock of each point leads to the reference clock.
///
/// # Errors
/// As [`analyze`].
pub fn analyze_in_full(run: &RunSpec, options: &Options) -> Result<(Report, Vec<ClockMap>)> {
    let read = read_points(run, options, &[])?;
    if run.points.len() < 2 || run.points.iter().flat_map(|p| &p.paths).any(|p| p.as_os_str() == "-") {
        return Ok(assemble::report(run, options, read, &[]));
    }
    let hints = read.joined.as_ref().map(|j| j.hints.clone()).unwrap_or_default();
    if run.points.iter().any(|p| p.role == Role::Unknown) {
        // Which clock is the reference and what counts as the VM's path depends on the roles: once they are told, the points are
        // read again with them.
        let roles = assemble::roles(run, read.points);
        let mut told = run.clone();
        told.points.iter_mut().zip(&roles).for_each(|(p, role)| p.role = *role);
        let found = roles.iter().any(|r| *r != Role::Unknown);
        let inferred: Vec<bool> = run.points.iter().map(|p| found && p.role == Role::Unknown).collect();
        return Ok(assemble::report(&told, options, read_points(&told, options, &hints)?, &inferred));
    }
    if !hints.is_empty() {
        // Packets had to go before it was known how the clocks relate.
        return Ok(assemble::report(run, options, read_points(run, options, &hints)?, &[]));
    }
    Ok(assemble::report(run, options, read, &[]))
}
