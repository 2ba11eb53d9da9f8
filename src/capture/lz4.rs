//! The outer structure of lz4 frames: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>.
//!
//! lz4_flex takes a file that ends between two blocks for complete and refuses skippable frames. This reader stands before
//! it, follows the frames, drops the skippable ones and reports an end inside a frame.

use std::io::{self, BufRead, ErrorKind, Read};

use super::magic::skippable;

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// Passes lz4 frames on as they are.
pub(super) struct Frames<R> {
    read: R,
    /// Read already, and to be passed on first.
    ready: [u8; 20],
    ready_from: usize,
    ready_to: usize,
    next: Next,
    block_checksums: bool,
    content_checksum: bool,
}

/// What comes after the bytes in `ready`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Frame,
    Block,
    /// This many bytes of a block, then the next block.
    Data(u64),
    /// The frame's checksum, then the next frame.
    Checksum,
    End,
    /// The file ended inside a frame.
    Cut,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(read: R) -> Self {
        let (ready, next) = ([0; 20], Next::Frame);
        Self { read, ready, ready_from: 0, ready_to: 0, next, block_checksums: false, content_checksum: false }
    }

    /// True after the last frame.
    pub(super) fn ended(&self) -> bool {
        self.next == Next::End
    }

    /// True if the file ended inside a frame.
    pub(super) fn cut(&self) -> bool {
        self.next == Next::Cut
    }

    /// Gets `count` more bytes ready.
    fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        let from = self.ready_to;
        self.read.read_exact(&mut self.ready[from..from + count])?;
        self.ready_to += count;
        Ok(&self.ready[from..self.ready_to])
    }

    /// Reads what comes before the data of the next block.
    fn advance(&mut self) -> io::Result<()> {
        (self.ready_from, self.ready_to) = (0, 0);
        self.next = match self.next {
            Next::Frame if self.read.fill_buf()?.is_empty() => Next::End,
            Next::Frame => {
                let magic = self.take(4)?;
                if magic != MAGIC {
                    let found = u32::from_le_bytes([magic[0], magic[1], magic[2], magic[3]]);
                    self.take(4)?;
                    let Some(len) = skippable(&self.ready) else {
                        let message = format!("expected a frame's magic number, found {found:#010x}");
                        return Err(io::Error::new(ErrorKind::InvalidData, message));
                    };
                    self.ready_to = 0;
                    skip(&mut self.read, len - 8)?;
                    Next::Frame
                } else {
                    let flags = self.take(2)?[0];
                    (self.block_checksums, self.content_checksum) = (flags & 0x10 != 0, flags & 0x04 != 0);
                    let content_size = if flags & 0x08 != 0 { 8 } else { 0 };
                    let dictionary = if flags & 0x01 != 0 { 4 } else { 0 };
                    self.take(content_size + dictionary + 1)?;
                    Next::Block
                }
            }
            Next::Block => {
                let size = self.take(4)?;
                let size = u32::from_le_bytes([size[0], size[1], size[2], size[3]]);
                match size & 0x7fff_ffff {
                    0 if size == 0 && self.content_checksum => Next::Checksum,
                    0 if size == 0 => Next::Frame,
                    size => Next::Data(u64::from(size) + if self.block_checksums { 4 } else { 0 }),
                }
            }
            Next::Checksum => {
                self.take(4)?;
                Next::Frame
            }
            other => other,
        };
        Ok(())
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            if self.ready_from < self.ready_to {
                let count = into.len().min(self.ready_to - self.ready_from);
                into[..count].copy_from_slice(&self.ready[self.ready_from..self.ready_from + count]);
                self.ready_from += count;
                return Ok(count);
            }
            match self.next {
                Next::End => return Ok(0),
                Next::Cut => return Err(ErrorKind::UnexpectedEof.into()),
                Next::Data(0) => self.next = Next::Block,
                Next::Data(left) => {
                    let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
                    let count = self.read.read(&mut into[..most])?;
                    if count == 0 {
                        self.next = Next::Cut;
                        continue;
                    }
                    self.next = Next::Data(left - count as u64);
                    return Ok(count);
                }
                _ => self.advance().inspect_err(|error| {
                    if error.kind() == ErrorKind::UnexpectedEof {
                        self.next = Next::Cut;
                    }
                })?,
            }
        }
    }
}

/// Reads past `count` bytes.
pub(super) fn skip(read: &mut impl Read, count: u64) -> io::Result<()> {
    let passed = io::copy(&mut read.by_ref().take(count), &mut io::sink())?;
    if passed == count { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}
