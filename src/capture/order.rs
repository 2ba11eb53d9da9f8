//! One file's frames in time order.
//!
//! Most files are in order. That is found out by looking ahead a little: as long as nothing out of order comes up, frames are
//! handed on where they lie in the read buffer. From the first one on that is out of order (and from the start if a pcapng
//! describes several interfaces, since dumpcap then writes blocks of frames per interface), frames are copied into a window
//! of [`crate::base::limits::REORDER_NS`] and sorted there. Frames of the same time stay in the order of the file.

use std::io::Read;

use crate::base::limits::{LOOK_AHEAD_BYTES, LOOK_AHEAD_FRAMES, REORDER_FRAMES_LEAST};
use crate::base::time::Timestamp;
use crate::error::Result;

use super::FileFacts;
use super::buffer::Lies;
use super::reader::{Records, Shared};
use super::record::Record;
use super::window::Window;

/// A file, its frames in time order as far as the window reaches.
pub(super) struct Ordered<R> {
    records: Records<R>,
    /// In time order up to `safe`; handed on up to `next`.
    queue: Vec<Record>,
    next: usize,
    safe: usize,
    ended: bool,
    window: Option<Window>,
    fresh: Vec<Record>,
    /// Time of the frame that was read last.
    last: Timestamp,
}

impl<R: Read> Ordered<R> {
    /// Frames of `records`, of which none has been read yet.
    pub(super) fn new(records: Records<R>) -> Self {
        Self { records, queue: Vec::new(), next: 0, safe: 0, ended: false, window: None, fresh: Vec::new(), last: Timestamp::MIN }
    }

    /// The next frame if it is at hand; `None` if [`Self::prepare`] must say.
    #[inline]
    pub(super) fn ready(&self) -> Option<&Record> {
        if self.next < self.safe { self.queue.get(self.next) } else { None }
    }

    /// Takes the frame that [`Self::ready`] told of: with its bytes, and with the block that they lie in where they may be held on to.
    #[inline]
    pub(super) fn take(&mut self) -> Option<(&Record, &[u8], Lies<'_>)> {
        let record = self.queue.get(self.next)?;
        self.next += 1;
        Some(match &self.window {
            None => (record, self.records.bytes(record), Some(self.records.lies(record))),
            Some(window) => (record, window.bytes(record), None),
        })
    }

    /// Makes the next frame ready. Its time; `None` at the end of the file.
    pub(super) fn prepare(&mut self, shared: &mut Shared) -> Result<Option<Timestamp>> {
        while self.next == self.safe && !(self.ended && self.safe == self.queue.len()) {
            if let Some(window) = &mut self.window {
                window.release(&self.queue[..self.next]);
            }
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
            // What was in order up to here is sorted once more with the rest.
            let mut window = Window::default();
            for record in &mut self.queue {
                window.hold(record, self.records.bytes(record));
            }
            self.window = Some(window);
            self.queue.sort_by_key(|r| r.at);
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

    /// Adds frames to the window and finds out how many of them need not wait any longer.
    fn sort(&mut self, shared: &mut Shared) -> Result<()> {
        let Some(window) = &mut self.window else { return Ok(()) };
        let from = self.queue.len();
        while !self.ended && self.queue.len() < from + REORDER_FRAMES_LEAST && !window.is_full() {
            self.fresh.clear();
            self.ended = !self.records.scan(u64::MAX, &mut self.fresh, shared)?;
            self.last = self.fresh.last().map_or(self.last, |r| r.at);
            self.records.filter(&mut self.fresh, 0, shared);
            for record in &mut self.fresh {
                window.hold(record, self.records.bytes(record));
            }
            self.queue.extend_from_slice(&self.fresh);
        }
        // Only what the new frames reach back to. Stable, and quick where long runs are in order already.
        if let Some(earliest) = self.queue[from..].iter().map(|r| r.at).min() {
            let reached = self.queue[..from].partition_point(|r| r.at <= earliest);
            self.queue[reached..].sort_by_key(|r| r.at);
        }
        let waiting = if self.ended { 0 } else { window.waiting(&self.queue, self.last) };
        self.safe = self.queue.len() - waiting;
        Ok(())
    }
}
