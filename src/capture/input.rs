//! Paths in, byte streams out: files, standard input and pipes, decompressed if need be.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

use super::{FileFacts, magic};

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

/// Opens `path`, `-` for standard input. `progress` counts the bytes read, before decompression.
pub(super) fn open(path: &Path, progress: Option<Arc<AtomicU64>>) -> Result<Input> {
    let raw: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let advice = "Check the path; quote names with spaces.";
        let metadata = path.metadata().map_err(|e| Error::io(path, "open", &e).advice(advice))?;
        if metadata.is_dir() {
            let error = Error::new("expected a capture file, found a folder").at(path);
            return Err(error.advice("Give the capture files in it."));
        }
        Box::new(File::open(path).map_err(|e| Error::io(path, "open", &e))?)
    };
    let raw = Counted { read: raw, progress };
    let facts = FileFacts { path: path.display().to_string(), ..FileFacts::default() };
    Ok(Input { read: Box::new(raw), facts })
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
    let Ok(mut input) = open(path, None) else { return false };
    let mut start = Vec::new();
    input.read.by_ref().take(magic::LONGEST as u64).read_to_end(&mut start).is_ok() && magic::is_capture(&start)
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
