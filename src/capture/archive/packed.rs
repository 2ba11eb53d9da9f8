//! A tar that is compressed as a whole: read from its start, once.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::tar::Archive;

use super::{Each, tar};
use crate::base::limits::{ARCHIVE_GRACE, ARCHIVE_RATIO, UNPACKED_BYTES};
use crate::capture::compressed::decoder;
use crate::capture::magic::Compression;
use crate::error::{Error, Result};

pub(super) fn members(path: &Path, each: &mut Each<'_>) -> Result<()> {
    let wrong = |e: io::Error| Error::io(path, "read the archive", &e);
    let mut start = Vec::new();
    File::open(path).map_err(wrong)?.take(16).read_to_end(&mut start).map_err(wrong)?;
    let Some(compression) = Compression::of(&start) else { return Err(Error::new("expected a compressed tar").at(path)) };
    let taken = Arc::new(AtomicU64::new(0));
    let raw = Counted { read: File::open(path).map_err(wrong)?, taken: Arc::clone(&taken) };
    let decoder = decoder(raw, compression).map_err(wrong)?;
    let mut archive = Archive::new(Bounded { read: decoder, taken, given: 0 });
    for (n, entry) in archive.entries().map_err(wrong)?.enumerate() {
        let mut entry = entry.map_err(wrong)?;
        tar::check_count(path, n)?;
        if let Some(member) = tar::member(&entry) {
            each(member, Some(&mut entry))?;
        }
    }
    Ok(())
}

struct Counted<R> {
    read: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.read.read(into)?;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Ends an archive that grows beyond measure.
struct Bounded<R> {
    read: R,
    taken: Arc<AtomicU64>,
    given: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.read.read(into)?;
        self.given += count as u64;
        let taken = self.taken.load(Ordering::Relaxed);
        too_large(self.given, taken).map_or(Ok(count), |why| Err(io::Error::other(why)))
    }
}

/// Why `given` bytes out of `taken` are refused; `None` if they are not.
pub(super) fn too_large(given: u64, taken: u64) -> Option<String> {
    if given > UNPACKED_BYTES {
        return Some(format!("expected at most {UNPACKED_BYTES} bytes unpacked, found more: split the archive"));
    }
    let bomb = given > ARCHIVE_GRACE && given / ARCHIVE_RATIO > taken;
    bomb.then(|| format!("it grows more than {ARCHIVE_RATIO} times when unpacked, as captures do not: refused"))
}
