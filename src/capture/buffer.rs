//! A window onto a byte stream: frames are borrowed from it, never copied one by one.

use std::io::{self, ErrorKind, Read};

use crate::base::limits::READ_BYTES;

/// A large buffer over a reader. Offsets count the bytes of the stream, after decompression, from 0.
pub(super) struct Buffer<R> {
    read: R,
    data: Vec<u8>,
    /// Stream offset of `data[0]`.
    base: u64,
    /// What is not parsed yet starts here in `data`.
    start: usize,
    end: usize,
    ended: bool,
    fault: Option<io::Error>,
}

impl<R: Read> Buffer<R> {
    /// Over `read`, which stands at offset 0.
    pub(super) fn new(read: R) -> Self {
        Self { read, data: vec![0; READ_BYTES], base: 0, start: 0, end: 0, ended: false, fault: None }
    }

    /// What was read and not yet consumed.
    pub(super) fn unread(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }

    /// Stream offset of the first unread byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Passes over `count` unread bytes; they stay readable through [`Self::bytes`] until [`Self::fill`] is told otherwise.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// `len` bytes at stream offset `at`, which must not have been given up.
    #[inline]
    pub(super) fn bytes(&self, at: u64, len: u32) -> &[u8] {
        let from = at.wrapping_sub(self.base) as usize;
        self.data.get(from..from.wrapping_add(len as usize)).unwrap_or_default()
    }

    /// Reads until at least `need` bytes are unread, giving up everything before stream offset `keep`. False if the stream ends
    /// before that; see [`Self::fault`] for why. What is kept and needed is bounded by the callers and fits into [`READ_BYTES`].
    pub(super) fn fill(&mut self, keep: u64, need: usize) -> bool {
        let keep = (keep.max(self.base) - self.base) as usize;
        let keep = keep.min(self.start);
        if keep > 0 {
            self.data.copy_within(keep..self.end, 0);
            self.base += keep as u64;
            self.start -= keep;
            self.end -= keep;
        }
        if self.data.len() < self.start + need {
            self.data.resize(self.start + need, 0);
        }
        while self.end - self.start < need && !self.ended {
            match self.read.read(&mut self.data[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.fault = Some(error);
                    self.ended = true;
                }
            }
        }
        self.end - self.start >= need
    }

    /// Why the stream ended, if not by its proper end.
    pub(super) fn fault(&self) -> Option<&io::Error> {
        self.fault.as_ref()
    }
}
