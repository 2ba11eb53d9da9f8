//! Plain tar.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ::tar::{Archive, Entry, EntryType};

use super::{Each, Member, Stored, inner_path};
use crate::base::limits::STUDY_FILES;
use crate::error::{Error, Result};

/// Bytes of a tar header.
pub(super) const BLOCK: u64 = 512;
/// Where a header says which kind of tar it is (POSIX ustar, GNU).
const MAGIC: std::ops::Range<usize> = 257..262;

pub(super) fn is_tar(start: &[u8]) -> bool {
    start.get(MAGIC).is_some_and(|magic| magic == b"ustar") || old_header(start)
}

/// Tars of before 1988 have no magic, only the check sum over the header, in which its own field counts as spaces.
fn old_header(start: &[u8]) -> bool {
    let Some(header) = start.first_chunk::<512>() else { return false };
    let text: String = header[148..156].iter().map(|b| char::from(*b)).collect();
    let Ok(said) = u32::from_str_radix(text.trim_matches([' ', '\0']), 8) else { return false };
    let sum: u32 = header.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
    said == sum && header[0] != 0
}

pub(super) fn members(path: &Path, each: &mut Each<'_>) -> Result<()> {
    let wrong = |e: std::io::Error| Error::io(path, "read the archive", &e);
    let file = File::open(path).map_err(wrong)?;
    let size = file.metadata().map_err(wrong)?.len();
    let mut archive = Archive::new(BufReader::new(file));
    for (n, entry) in archive.entries_with_seek().map_err(wrong)?.enumerate() {
        let entry = entry.map_err(wrong)?;
        check_count(path, n)?;
        let Some(mut member) = member(&entry) else { continue };
        let offset = entry.raw_file_position();
        if member.stored.is_ok() {
            member.stored = if offset.saturating_add(member.len) > size {
                Err("the archive ends inside it".to_owned())
            } else {
                Ok(Some(Stored { file: path.to_owned(), offset, packed: member.len, len: member.len, ..Stored::default() }))
            };
        }
        each(member, None)?;
    }
    Ok(())
}

pub(super) fn check_count(path: &Path, n: usize) -> Result<()> {
    if n < STUDY_FILES {
        return Ok(());
    }
    let error = Error::new(format!("expected at most {STUDY_FILES} files in the archive, found more")).at(path);
    Err(error.advice("Split the archive."))
}

/// The file that an entry is; `None` for folders, hidden files and what is no file of a user.
pub(super) fn member<R: Read>(entry: &Entry<'_, R>) -> Option<Member> {
    let kind = entry.header().entry_type();
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let refused = |path: String, why: &str| Some(Member { path, len: 0, stored: Err(why.to_owned()) });
    let path = match inner_path(&name) {
        Ok(path) => path?,
        Err(why) => return refused(name, &why),
    };
    match kind {
        EntryType::Regular | EntryType::Continuous => Some(Member { path, len: entry.size(), stored: Ok(None) }),
        EntryType::GNUSparse => refused(path, "it is a sparse file; pack it again without --sparse"),
        EntryType::Link | EntryType::Symlink => refused(path, "it is a link; pack it again with --dereference --hard-dereference"),
        _ => None,
    }
}
