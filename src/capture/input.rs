//! Paths in, byte streams out: files, standard input and pipes, decompressed if need be (once; twice is refused later).

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

use super::FileFacts;
use super::archive::Members;
use super::compressed::{decoder, in_thread};
use super::lz4::skip;
use super::magic::{self, Compression, skippable};

/// Bytes of a capture, and where they come from.
pub(super) struct Input {
    pub(super) read: Box<dyn Read + Send>,
    /// Path and compression filled in.
    pub(super) facts: FileFacts,
}

/// True if `path` can be opened again to read the same bytes: not so standard input and pipes.
pub(super) fn is_regular(path: &Path) -> bool {
    path != Path::new("-") && path.metadata().is_ok_and(|m| m.is_file())
}

/// Opens `path`, `-` for standard input, or one of `members`. `progress` counts the bytes read, before decompression. A decoder runs in a thread of
/// its own if `threaded`.
pub(super) fn open(path: &Path, members: &Members, progress: Option<Arc<AtomicU64>>, threaded: bool) -> Result<Input> {
    let raw: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else if members.get(path).is_some() {
        members.open(path)?
    } else {
        let metadata = path.metadata().map_err(|e| Error::io(path, "open", &e).advice("Check the path; quote names with spaces."))?;
        if metadata.is_dir() {
            let error = Error::new("expected a capture file, found a folder").at(path);
            return Err(error.advice("Give the capture files in it."));
        }
        let advice = "Captures are often readable by root only: check the permissions.";
        Box::new(File::open(path).map_err(|e| Error::io(path, "open", &e).advice(advice))?)
    };
    let raw = Counted { read: raw, progress };
    decompressed(raw, threaded, path).map_err(|e| Error::io(path, "read", &e))
}

/// As [`open`] with the bytes at hand.
#[cfg(any(test, feature = "testkit"))]
pub(super) fn from_memory(bytes: Vec<u8>) -> io::Result<Input> {
    decompressed(Cursor::new(bytes), false, Path::new("memory"))
}

fn decompressed(mut raw: impl Read + Send + 'static, threaded: bool, path: &Path) -> io::Result<Input> {
    let mut facts = FileFacts { path: path.display().to_string(), ..FileFacts::default() };
    let mut start = first(&mut raw)?;
    // Skippable frames may stand before the first frame of zstd and lz4 (pzstd writes them) and say nothing of which it is.
    while let Some(len) = skippable(&start) {
        let beyond = start.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        skip(&mut raw, len - beyond as u64)?;
        let rest = start.split_off(beyond);
        start = rest;
        raw.by_ref().take((magic::LONGEST - start.len()) as u64).read_to_end(&mut start)?;
    }
    let compression = Compression::of(&start);
    let whole = Cursor::new(start).chain(raw);
    facts.compression = compression.map(Compression::name);
    let read: Box<dyn Read + Send> = match compression {
        None => Box::new(whole),
        Some(compression) if threaded => Box::new(in_thread(decoder(whole, compression)?)?),
        Some(compression) => decoder(whole, compression)?,
    };
    Ok(Input { read, facts })
}

/// The first bytes, fewer than [`magic::LONGEST`] only if there are no more.
fn first(raw: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(magic::LONGEST);
    raw.by_ref().take(magic::LONGEST as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// The size of all files; `None` if one has none.
pub(super) fn total_bytes(paths: &[PathBuf]) -> Option<u64> {
    paths.iter().map(|path| path.metadata().ok().filter(|_| is_regular(path)).map(|m| m.len())).sum()
}

/// True if the file starts like a capture.
pub(super) fn looks_like_capture(path: &Path) -> bool {
    if !is_regular(path) {
        return false;
    }
    let start = open(path, &Members::default(), None, false).ok().and_then(|mut input| first(&mut input.read).ok());
    start.is_some_and(|start| magic::is_capture(&start))
}

/// Counts what is read.
struct Counted<R> {
    read: R,
    progress: Option<Arc<AtomicU64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.read.read(into)?;
        if let Some(progress) = &self.progress {
            progress.fetch_add(count as u64, Ordering::Relaxed);
        }
        Ok(count)
    }
}
