//! Files of a report: written whole or not at all.

// Reports are written here, and nowhere else.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Makes the folder and those above it.
///
/// # Errors
/// The file system refuses.
pub fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(|error| Error::io(dir, "make the folder", &error).advice("choose another one with -o"))
}

/// Writes `dir/name` through `fill`: under a temporary name in the same folder, flushed to disk, then renamed.
///
/// # Errors
/// What `fill` says, or the file system.
pub fn file(dir: &Path, name: &str, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<PathBuf> {
    let mut pending = Pending::create(dir, name)?;
    match fill(&mut pending) {
        Ok(()) => pending.finish(),
        Err(error) => Err(pending.wrong(&error)),
    }
}

/// A file that is being written: nobody sees it under its name before [`Pending::finish`]; dropped before that, it was never there.
pub struct Pending {
    out: Option<BufWriter<File>>,
    temporary: PathBuf,
    path: PathBuf,
}

impl Pending {
    /// Begins `dir/name`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(name);
        let temporary = dir.join(format!(".{name}.{}{TEMPORARY}", std::process::id()));
        match File::create(&temporary) {
            Ok(file) => Ok(Self { out: Some(BufWriter::new(file)), temporary, path }),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    /// The error that writing ended with.
    pub fn wrong(&self, error: &io::Error) -> Error {
        failed(&self.path, error)
    }

    /// Flushes it to disk and gives it its name.
    ///
    /// # Errors
    /// The file system refuses; then the file was never there.
    pub fn finish(mut self) -> Result<PathBuf> {
        let made = self.out.take().map(|out| {
            let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            drop(file);
            fs::rename(&self.temporary, &self.path)
        });
        if let Some(Err(error)) = made {
            return Err(self.wrong(&error));
        }
        // The rename itself lasts only once the folder is on disk; some file systems cannot do that, and then it is as good as it gets.
        if let Some(Ok(folder)) = self.path.parent().map(File::open) {
            let _ = folder.sync_all();
        }
        Ok(self.path.clone())
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.as_mut().map_or(Ok(0), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // Renamed it is no longer there; a leftover that cannot be removed changes nothing about the error that matters.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::io(path, "write the file", error).advice("check the free space and the rights of the folder")
}

/// Removes what a process that was killed has left in `dir` under temporary names. Nobody else may be writing there.
pub fn remove_leftovers(dir: &Path) {
    let Ok(list) = fs::read_dir(dir) else { return };
    for entry in list.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(TEMPORARY) {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// How temporary names end.
const TEMPORARY: &str = ".tmp";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_leftover() {
        let dir = tempfile::tempdir().unwrap();
        file(dir.path(), "a.txt", |out| out.write_all(b"old")).unwrap();
        let error = file(dir.path(), "a.txt", |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        })
        .unwrap_err();
        assert!(error.to_string().contains("a.txt") && error.to_string().contains("disk full"), "{error}");
        assert_eq!(fs::read(dir.path().join("a.txt")).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_new_file_replaces_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["old and long", "new"] {
            file(dir.path(), "a.txt", |out| out.write_all(text.as_bytes())).unwrap();
        }
        assert_eq!(fs::read(dir.path().join("a.txt")).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
