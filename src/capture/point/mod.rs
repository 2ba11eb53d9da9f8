//! All files of one capture point as one sequence in time order.
//!
//! Each file is in order by itself ([`super::order`]); the next frame is the earliest of all. A file is opened when its
//! first frame's turn comes and closed after its last, so that any number of rotated files can be read.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::base::anomaly::{Anomalies, Place};
use crate::base::limits::OPEN_FILES;
use crate::base::time::Timestamp;
use crate::error::{Error, Result};

use super::archive::Members;
use super::bpf::Filter;
use super::buffer::Lies;
use super::order::Ordered;
use super::reader::{Records, Shared};
use super::{FileFacts, Frame, InterfaceFacts, Source, input};

/// How to read a point.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Only frames that pass this capture filter (`man pcap-filter`).
    pub filter: Option<String>,
    /// Grows by the bytes read from the files, as they lie on the disk: see [`super::total_bytes`].
    pub progress: Option<Arc<AtomicU64>>,
    /// Paths that are members of archives.
    pub members: Members,
}

/// A frame and where it lies.
pub type Located<'a> = (Frame<'a>, Lies<'a>);

type File = Ordered<Box<dyn Read + Send>>;

/// One file of the point.
enum State {
    /// Not open; its earliest frame is at this time.
    Waiting(Timestamp),
    Open(Box<File>),
    Done,
}

struct Slot {
    path: PathBuf,
    file: u16,
    state: State,
}

/// The frames of one capture point.
pub struct PointSource {
    /// By the time of their first frames.
    slots: Vec<Slot>,
    current: usize,
    /// Frames of the current file up to this time come before those of all others.
    bound: Timestamp,
    last: Timestamp,
    progress: Option<Arc<AtomicU64>>,
    members: Members,
    shared: Shared,
    /// By the order of the paths.
    facts: Vec<FileFacts>,
}

/// Opens the files of one capture point, in any order: rotated, overlapping, or one per interface.
pub fn open_point(paths: &[PathBuf], options: &OpenOptions) -> Result<PointSource> {
    if paths.is_empty() {
        return Err(Error::new("expected at least one capture file for a point, found none"));
    }
    if paths.len() > usize::from(u16::MAX) {
        return Err(Error::new(format!("expected at most {} files for one point, found {}", u16::MAX, paths.len())));
    }
    let mut seen = HashSet::new();
    for path in paths {
        if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            let error = Error::new("the file is given twice for the same point").at(path);
            return Err(error.advice("Give it once; its packets would be counted twice."));
        }
    }
    let filter = options.filter.as_deref().map(Filter::new).transpose()?;
    let shared = Shared { filter, ..Shared::default() };
    let facts = paths.iter().map(|p| FileFacts { path: p.display().to_string(), ..FileFacts::default() }).collect();
    let (bound, last) = (Timestamp::MIN, Timestamp::MIN);
    let (progress, members) = (options.progress.clone(), options.members.clone());
    let mut point = PointSource { slots: Vec::new(), current: 0, bound, last, progress, members, shared, facts };
    for (path, file) in paths.iter().zip(0u16..) {
        let state = if paths.len() > 1 && (input::is_regular(path) || options.members.get(path).is_some()) {
            // Only the beginning is read here, and neither counted nor kept.
            let mut scratch = Shared { filter: point.shared.filter.clone(), ..Shared::default() };
            let start = open(path, file, &options.members, None, false, &mut scratch)?.prepare(&mut scratch)?;
            State::Waiting(start.unwrap_or(Timestamp::MAX))
        } else {
            let mut opened = open(path, file, &options.members, point.progress.clone(), true, &mut point.shared)?;
            opened.prepare(&mut point.shared)?;
            State::Open(Box::new(opened))
        };
        point.slots.push(Slot { path: path.clone(), file, state });
    }
    // Among frames of the same time, those of the file that starts earlier come first, whatever the order of the paths.
    point.slots.sort_by_key(|slot| (slot.state.head(), slot.file));
    Ok(point)
}

fn open(path: &Path, file: u16, members: &Members, progress: Option<Arc<AtomicU64>>, threaded: bool, shared: &mut Shared) -> Result<File> {
    let input = input::open(path, members, progress, threaded)?;
    Ok(Ordered::new(Records::open(input.read, file, input.facts, shared)?))
}

impl State {
    /// The time of the next frame.
    fn head(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting(at) => Some(*at),
            Self::Open(file) => file.ready().map(|r| r.at),
            Self::Done => None,
        }
    }
}

impl PointSource {
    /// Finds out which file the next frame comes from. False at the end of all.
    #[cold]
    fn choose(&mut self) -> Result<bool> {
        loop {
            let Self { slots, shared, .. } = self;
            if let Some(Slot { state: State::Open(file), .. }) = slots.get_mut(self.current) {
                file.prepare(shared)?;
            }
            let mut earliest: Option<(Timestamp, usize)> = None;
            for (rank, slot) in slots.iter_mut().enumerate() {
                match slot.state.head() {
                    Some(at) if earliest.is_none_or(|(t, _)| at < t) => earliest = Some((at, rank)),
                    Some(_) => {}
                    None => {
                        if let State::Open(file) = std::mem::replace(&mut slot.state, State::Done) {
                            self.facts[usize::from(slot.file)] = file.facts();
                        }
                    }
                }
            }
            let Some((_, rank)) = earliest else { return Ok(false) };
            self.current = rank;
            if let State::Waiting(_) = self.slots[rank].state {
                self.start(rank)?;
                continue;
            }
            let others = self.slots.iter().enumerate().filter(|(other, _)| *other != rank);
            let bounds = others.filter_map(|(other, slot)| {
                let at = slot.state.head()?;
                // An earlier file goes first at the same time.
                Some(if other < rank { Timestamp(at.0.saturating_sub(1)) } else { at })
            });
            self.bound = bounds.min().unwrap_or(Timestamp::MAX);
            return Ok(true);
        }
    }

    fn start(&mut self, rank: usize) -> Result<()> {
        let open_now = self.slots.iter().filter(|slot| matches!(slot.state, State::Open(_))).count();
        let slot = &mut self.slots[rank];
        if open_now >= OPEN_FILES {
            let error = Error::new(format!("more than {OPEN_FILES} files of one point overlap in time")).at(&slot.path);
            return Err(error.advice("Merge them first: mergecap -w NEW OLD..."));
        }
        slot.state = State::Open(Box::new(open(&slot.path, slot.file, &self.members, self.progress.clone(), true, &mut self.shared)?));
        Ok(())
    }

    /// A frame that is earlier than one that was handed on before.
    #[cold]
    fn late(&mut self, at: Timestamp, frame: u64) {
        let slot = &self.slots[self.current];
        let place = Place { file: slot.file, frame };
        let (path, last) = (slot.path.display(), self.last);
        self.shared.anomalies.explain("time_backwards", place, || {
            format!("{path}: the time goes back from {last} to {at}, further than frames are held back to be sorted")
        });
    }

    /// [`Source::next_frame`], with the block that holds the frame's bytes and where they start there; without one if the frame must be
    /// copied to be looked at later.
    #[inline]
    pub fn next_in_block(&mut self) -> Result<Option<Located<'_>>> {
        let (at, frame) = loop {
            if let Some(Slot { state: State::Open(file), .. }) = self.slots.get(self.current)
                && let Some(record) = file.ready().filter(|r| r.at <= self.bound)
            {
                break (record.at, record.frame);
            }
            if !self.choose()? {
                return Ok(None);
            }
        };
        if at < self.last {
            self.late(at, frame);
        } else {
            self.last = at;
        }
        let Some(Slot { state: State::Open(file), file: number, .. }) = self.slots.get_mut(self.current) else { return Ok(None) };
        Ok(file.take().map(|(record, bytes, block)| (record.frame(*number, bytes), block)))
    }
}

impl Source for PointSource {
    #[inline]
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>> {
        Ok(self.next_in_block()?.map(|(frame, _)| frame))
    }

    fn files(&self) -> Vec<FileFacts> {
        let mut facts = self.facts.clone();
        for slot in &self.slots {
            if let State::Open(file) = &slot.state {
                facts[usize::from(slot.file)] = file.facts();
            }
        }
        facts
    }

    fn interfaces(&self) -> Vec<InterfaceFacts> {
        self.shared.interfaces.clone()
    }

    fn anomalies(&self) -> &Anomalies {
        &self.shared.anomalies
    }
}

#[cfg(test)]
mod tests;
