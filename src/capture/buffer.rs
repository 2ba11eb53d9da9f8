//! A window onto a byte stream: frames are borrowed from it, never copied one by one.
//!
//! The bytes lie in a block that others may hold on to, to look at frames later than their reader does. A block that is held is not
//! written to any more: reading goes on in another.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

use crate::base::limits::READ_BYTES;

/// Bytes that are shared by those who look at frames in them.
pub type Block = Arc<Vec<u8>>;

/// The block that a frame lies in and where it starts there; `None` if the frame must be copied to be looked at later.
pub type Lies<'a> = Option<(&'a Block, usize)>;

/// A large buffer over a reader. Offsets count the bytes of the stream, after decompression, from 0.
pub(super) struct Buffer<R> {
    read: R,
    block: Block,
    /// Blocks that were held when they were left; as many as are held at the same time.
    left: Vec<Block>,
    /// Stream offset of the block's first byte.
    base: u64,
    /// What is not parsed yet starts here in the block.
    start: usize,
    end: usize,
    ended: bool,
    fault: Option<io::Error>,
}

impl<R: Read> Buffer<R> {
    /// Over `read`, which stands at offset 0.
    pub(super) fn new(read: R) -> Self {
        Self { read, block: new_block(), left: Vec::new(), base: 0, start: 0, end: 0, ended: false, fault: None }
    }

    /// What was read and not yet consumed.
    pub(super) fn unread(&self) -> &[u8] {
        &self.block[self.start..self.end]
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
        self.block.get(from..from.wrapping_add(len as usize)).unwrap_or_default()
    }

    /// The block that holds the byte at stream offset `at`, and its place there.
    #[inline]
    pub(super) fn lies(&self, at: u64) -> (&Block, usize) {
        (&self.block, at.wrapping_sub(self.base) as usize)
    }

    /// Reads until at least `need` bytes are unread, giving up everything before stream offset `keep`. False if the stream ends
    /// before that; see [`Self::fault`] for why. What is kept and needed is bounded by the callers and fits into [`READ_BYTES`].
    pub(super) fn fill(&mut self, keep: u64, need: usize) -> bool {
        let keep = (keep.max(self.base) - self.base) as usize;
        let keep = keep.min(self.start);
        if Arc::get_mut(&mut self.block).is_none() {
            let free = self.left.iter_mut().position(|block| Arc::get_mut(block).is_some());
            let mut next = free.map_or_else(new_block, |at| self.left.swap_remove(at));
            let data = Arc::make_mut(&mut next);
            let kept = &self.block[keep..self.end];
            if data.len() < kept.len() {
                data.resize(kept.len(), 0);
            }
            data[..kept.len()].copy_from_slice(kept);
            self.left.push(std::mem::replace(&mut self.block, next));
        } else if keep > 0 {
            Arc::make_mut(&mut self.block).copy_within(keep..self.end, 0);
        }
        self.base += keep as u64;
        self.start -= keep;
        self.end -= keep;
        // Nobody else holds it: this copies nothing.
        let data = Arc::make_mut(&mut self.block);
        if data.len() < self.start + need {
            data.resize(self.start + need, 0);
        }
        while self.end - self.start < need && !self.ended {
            match self.read.read(&mut data[self.end..]) {
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

fn new_block() -> Block {
    Arc::new(vec![0; READ_BYTES])
}
