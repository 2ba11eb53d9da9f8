//! Files of a report: written whole or not at all.

// Reports are written here, and nowhere else.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Makes the folder and those above it.
pub(super) fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(|error| Error::io(dir, "make the folder", &error).advice("choose another one with -o"))
}

/// Writes `dir/name` through `fill`: under a temporary name in the same folder, flushed to disk, then renamed.
pub fn file(dir: &Path, name: &str, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<PathBuf> {
    let path = dir.join(name);
    let temporary = dir.join(format!(".{name}.{}.tmp", std::process::id()));
    let made = (|| {
        let mut out = BufWriter::new(File::create(&temporary)?);
        fill(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, &path)
    })();
    if let Err(error) = made {
        // The error that matters is the first one; a leftover that cannot be removed changes nothing about it.
        let _ = fs::remove_file(&temporary);
        return Err(Error::io(&path, "write the file", &error).advice("check the free space and the rights of the folder"));
    }
    // The rename itself lasts only once the folder is on disk; some file systems cannot do that, and then it is as good as it gets.
    if let Ok(folder) = File::open(dir) {
        let _ = folder.sync_all();
    }
    Ok(path)
}

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
