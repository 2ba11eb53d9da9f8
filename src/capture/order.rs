//! One file's frames in time order.
//!
//! Most files are in order. That is found out by looking ahead a little: as long as nothing out of order comes up, frames are
//! handed on where they lie in the read buffer. From the first one on that is out of order (and from the start if a pcapng
//! describes several interfaces, since dumpcap then writes blocks of frames per interface), frames are copied into a window
//! of [`REORDER_FRAMES`] and sorted there. Frames of the same time stay in the order of the file.

use std::io::Read;

use crate::base::limits::{LOOK_AHEAD_BYTES, LOOK_AHEAD_FRAMES, REORDER_BYTES, REORDER_FRAMES};
use crate::base::time::Timestamp;
use crate::error::Result;

use super::FileFacts;
use super::reader::{Records, Shared};
use super::record::Record;

/// A file, its frames in time order as far as the window reaches.
pub(super) struct Ordered<R> {
    records: Records<R>,
    /// In time order up to `safe`; handed on up to `next`.
    queue: Vec<Record>,
    next: usize,
    safe: usize,
    ended: bool,
    window: Option<Window>,
}

/// Copies of the frames in the queue, whose records then count their offsets in `bytes`.
#[derive(Default)]
struct Window {
    bytes: Vec<u8>,
    spare: Vec<u8>,
    fresh: Vec<Record>,
}

impl<R: Read> Ordered<R> {
    /// Frames of `records`, of which none has been read yet.
    pub(super) fn new(records: Records<R>) -> Self {
        Self { records, queue: Vec::new(), next: 0, safe: 0, ended: false, window: None }
    }

    /// The next frame if it is at hand; `None` if [`Self::prepare`] must say.
    #[inline]
    pub(super) fn ready(&self) -> Option<&Record> {
        if self.next < self.safe { self.queue.get(self.next) } else { None }
    }

    /// Takes the frame that [`Self::ready`] told of.
    #[inline]
    pub(super) fn take(&mut self) -> Option<(&Record, &[u8])> {
        let record = self.queue.get(self.next)?;
        self.next += 1;
        let bytes = match &self.window {
            None => self.records.bytes(record),
            Some(window) => window.of(record),
        };
        Some((record, bytes))
    }

    /// Makes the next frame ready. Its time; `None` at the end of the file.
    pub(super) fn prepare(&mut self, shared: &mut Shared) -> Result<Option<Timestamp>> {
        while self.next == self.safe && !(self.ended && self.safe == self.queue.len()) {
            self.queue.drain(..self.next);
            (self.next, self.safe) = (0, 0);
            if self.window.is_some() { self.sort(shared)? } else { self.look_ahead(shared)? }
        }
        Ok(self.ready().map(|r| r.at))
    }

    /// What is known of the file by now.
    pub(super) fn facts(&self) -> FileFacts {
        self.records.facts()
    }

    fn look_ahead(&mut self, shared: &mut Shared) -> Result<()> {
        let from = self.queue.len();
        let keep = self.queue.first().map_or(u64::MAX, |r| r.offset);
        self.ended = !self.records.scan(keep, &mut self.queue, shared)?;
        self.records.filter(&mut self.queue, from, shared);
        let ordered = self.queue[from.saturating_sub(1)..].is_sorted_by_key(|r| r.at);
        if !ordered || self.records.several_interfaces() {
            let mut window = Window::default();
            for record in &mut self.queue {
                window.copy(record, self.records.bytes(record));
            }
            self.window = Some(window);
            return self.sort(shared);
        }
        self.safe = self.queue.len();
        if !self.ended {
            self.safe = self.safe.saturating_sub(LOOK_AHEAD_FRAMES);
            let end = self.records.offset();
            while self.queue.get(self.safe).is_some_and(|r| end - r.offset > LOOK_AHEAD_BYTES as u64) {
                self.safe += 1;
            }
        }
        Ok(())
    }

    /// Fills the window to twice what it must hold back, so that half of it can be handed on.
    fn sort(&mut self, shared: &mut Shared) -> Result<()> {
        let Some(window) = &mut self.window else { return Ok(()) };
        window.compact(&mut self.queue);
        while !self.ended && self.queue.len() < 2 * REORDER_FRAMES && window.bytes.len() < 2 * REORDER_BYTES {
            window.fresh.clear();
            self.ended = !self.records.scan(u64::MAX, &mut window.fresh, shared)?;
            self.records.filter(&mut window.fresh, 0, shared);
            let from = self.queue.len();
            self.queue.extend_from_slice(&window.fresh);
            for record in &mut self.queue[from..] {
                window.copy(record, self.records.bytes(record));
            }
        }
        // Stable, and quick where long runs are in order already.
        self.queue.sort_by_key(|r| r.at);
        self.safe = self.queue.len();
        if !self.ended {
            let mut bytes = 0;
            let fits = |r: &&Record| {
                bytes += r.len as usize;
                bytes <= REORDER_BYTES
            };
            self.safe -= self.queue.iter().rev().take(REORDER_FRAMES).take_while(fits).count();
        }
        Ok(())
    }
}

impl Window {
    fn copy(&mut self, record: &mut Record, bytes: &[u8]) {
        record.offset = self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
    }

    #[inline]
    fn of(&self, record: &Record) -> &[u8] {
        let from = record.offset as usize;
        self.bytes.get(from..from + record.len as usize).unwrap_or_default()
    }

    /// Gives up the bytes of all frames but those in `queue`.
    fn compact(&mut self, queue: &mut [Record]) {
        self.spare.clear();
        for record in queue {
            let (from, to) = (record.offset as usize, self.spare.len() as u64);
            self.spare.extend_from_slice(&self.bytes[from..from + record.len as usize]);
            record.offset = to;
        }
        std::mem::swap(&mut self.bytes, &mut self.spare);
    }
}
