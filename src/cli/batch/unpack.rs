//! Runs of a compressed tar, which can only be read from its start: the files of a run are written beside the study while it waits for
//! its turn, and removed after it. Files bear numbers there, whatever they are called in the archive.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::capture::archive::{Archive, Members, Stored};
use crate::error::{Error, Result};
use crate::report::make_dir;
use crate::study::discover::Found;

/// Folder for them in the folder of the study.
const FOLDER: &str = ".unpacked";

/// Removes all of them.
pub(super) fn clear(dir: &Path) {
    // What cannot be removed is hidden and in nobody's way.
    let _ = std::fs::remove_dir_all(dir.join(FOLDER));
}

/// Files of one run; removed when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Unpacked(Vec<PathBuf>);

impl Drop for Unpacked {
    fn drop(&mut self) {
        for file in &self.0 {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// A run that is being unpacked.
struct Waiting {
    run: Found,
    missing: usize,
    members: HashMap<PathBuf, Stored>,
    files: Unpacked,
}

/// Unpacks `runs` of the archive at `path`, and gives each to `ready` when its last file is there. `ready` may wait, and says whether
/// to go on.
pub(super) fn unpack(path: &Path, runs: Vec<Found>, dir: &Path, mut ready: impl FnMut(Found, Members, Unpacked) -> bool) -> Result<()> {
    let folder = dir.join(FOLDER);
    make_dir(&folder)?;
    let mut whose: HashMap<String, usize> = HashMap::new();
    let mut waiting: Vec<Option<Waiting>> = Vec::new();
    for run in runs {
        whose.extend(run.files.iter().map(|f| (f.clone(), waiting.len())));
        let missing = run.files.len();
        waiting.push(Some(Waiting { run, missing, members: HashMap::new(), files: Unpacked::default() }));
    }
    let mut number = 0u64;
    let end = Archive::PackedTar.members(path, &mut |member, read| {
        let Some((i, read)) = whose.remove(&member.path).zip(read) else { return Ok(()) };
        let Some(mine) = waiting[i].as_mut() else { return Ok(()) };
        number += 1;
        let file = folder.join(number.to_string());
        mine.files.0.push(file.clone());
        let written = File::create(&file).and_then(|mut out| io::copy(read, &mut out));
        let len = written.map_err(|e| {
            Error::io(&file, "unpack a file of the archive", &e).advice("Check the free space of the folder given with -o.")
        })?;
        mine.members.insert(path.join(&member.path), Stored { file, packed: len, len, ..Stored::default() });
        mine.missing -= 1;
        if mine.missing == 0
            && let Some(done) = waiting[i].take()
            && !ready(done.run, Members::new(done.members), done.files)
        {
            return Err(Error::new("stopped"));
        }
        Ok(())
    });
    // Runs that lack a file now had it a moment ago: the archive has changed, or cannot be read any longer.
    for mut left in waiting.into_iter().flatten() {
        let why = end.as_ref().err().map_or_else(|| "the archive has changed while it was read".to_owned(), |e| e.message.clone());
        left.run.spec = Err(Error::new(why).at(path));
        if !ready(left.run, Members::default(), Unpacked::default()) {
            break;
        }
    }
    Ok(())
}
