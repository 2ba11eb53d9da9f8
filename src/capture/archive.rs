//! Captures inside archives: tar, compressed tar, zip.
//!
//! A member of a plain tar or of a zip is read where it lies. A compressed tar can only be read from its start, so that its members
//! are handed on one after the other. No member is ever written under its own name, and no path leads out of the archive.

mod packed;
mod tar;
mod zip;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::magic::Compression;
use crate::error::{Error, Result};

/// A kind of archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archive {
    /// A plain tar.
    Tar,
    /// A tar compressed as a whole.
    PackedTar,
    /// A zip.
    Zip,
}

/// Where the bytes of a member lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// File that holds them.
    pub file: PathBuf,
    /// Where they begin in it.
    pub offset: u64,
    /// How many bytes they take there.
    pub packed: u64,
    /// How many they are.
    pub len: u64,
    /// They are compressed with deflate.
    pub deflated: bool,
    /// Their CRC-32, if the archive has it.
    pub crc: Option<u32>,
}

/// A file in an archive.
#[derive(Debug)]
pub struct Member {
    /// Its path in the archive, parted by `/`.
    pub path: String,
    /// Its size.
    pub len: u64,
    /// Where it lies, if it can be read there; or why it cannot be read at all.
    pub stored: std::result::Result<Option<Stored>, String>,
}

/// What is done with each member. The bytes of those that can only be read now come with it.
pub type Each<'a> = dyn FnMut(Member, Option<&mut dyn Read>) -> Result<()> + 'a;

impl Archive {
    /// What the file at `path` is, told by its content; `None` if it is no archive.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        let wrong = |e: io::Error| Error::io(path, "read", &e);
        let mut start = Vec::new();
        File::open(path).map_err(wrong)?.take(tar::BLOCK).read_to_end(&mut start).map_err(wrong)?;
        if zip::is_zip(&start) {
            return Ok(Some(Self::Zip));
        }
        if tar::is_tar(&start) {
            return Ok(Some(Self::Tar));
        }
        let Some(compression) = Compression::of(&start) else { return Ok(None) };
        let mut inner = Vec::new();
        // Damage is said when the archive, or the capture, is read.
        let decoder = super::compressed::decoder(File::open(path).map_err(wrong)?, compression);
        let read = decoder.and_then(|decoder| decoder.take(tar::BLOCK).read_to_end(&mut inner));
        Ok((read.is_ok() && tar::is_tar(&inner)).then_some(Self::PackedTar))
    }

    /// Hands the files of the archive at `path` to `each`, in their order. Folders and hidden files are passed over.
    ///
    /// # Errors
    /// Damage; what was before it has been handed on. Bounds that are exceeded. What `each` says.
    pub fn members(self, path: &Path, each: &mut Each<'_>) -> Result<()> {
        match self {
            Self::Tar => tar::members(path, each),
            Self::PackedTar => packed::members(path, each),
            Self::Zip => zip::members(path, each),
        }
    }
}

/// The path of a member as it is used here; an error if it leads out of the archive, `None` if it is hidden.
fn inner_path(name: &str) -> std::result::Result<Option<String>, String> {
    let parts: Vec<&str> = name.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect();
    if name.starts_with(['/', '\\']) || parts.contains(&"..") || parts.first().is_some_and(|p| p.ends_with(':')) {
        return Err("its path leads out of the archive".to_owned());
    }
    let hidden = parts.iter().any(|part| part.starts_with('.') || *part == "__MACOSX");
    Ok((!hidden && !parts.is_empty()).then(|| parts.join("/")))
}

/// Members by the paths that stand for them: that of the archive with that of the member behind it.
#[derive(Clone, Debug, Default)]
pub struct Members(Arc<HashMap<PathBuf, Stored>>);

impl Members {
    /// From paths and places.
    pub fn new(members: HashMap<PathBuf, Stored>) -> Self {
        Self(Arc::new(members))
    }

    /// Where the bytes of `path` lie, if it is a member.
    pub fn get(&self, path: &Path) -> Option<&Stored> {
        self.0.get(path)
    }

    /// Opens `path`, a member or a file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(&self, path: &Path) -> Result<Box<dyn Read + Send>> {
        let opened = match self.get(path) {
            Some(stored) => stored.open(),
            None => File::open(path).map(|file| Box::new(file) as Box<dyn Read + Send>),
        };
        opened.map_err(|e| Error::io(path, "open", &e).advice("Captures are often readable by root only: check the permissions."))
    }
}

impl Stored {
    /// The bytes as text, if they are at most `most`.
    ///
    /// # Errors
    /// They are more, no text, or cannot be read.
    pub fn text(&self, most: u64) -> io::Result<String> {
        if self.len > most {
            return Err(io::Error::other(format!("expected at most {most} bytes, found {}", self.len)));
        }
        let mut text = String::new();
        self.open()?.read_to_string(&mut text)?;
        Ok(text)
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let packed = file.take(self.packed);
        let read: Box<dyn Read + Send> =
            if self.deflated { Box::new(flate2::bufread::DeflateDecoder::new(BufReader::new(packed))) } else { Box::new(packed) };
        // One byte more than there should be is asked for, so that more is noticed.
        Ok(Box::new(Whole { read: read.take(self.len.saturating_add(1)), len: self.len, crc: self.crc, sum: flate2::Crc::new(), seen: 0 }))
    }
}

/// A member that must have its size and its check sum.
struct Whole<R> {
    read: R,
    len: u64,
    crc: Option<u32>,
    sum: flate2::Crc,
    seen: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.read.read(into)?;
        self.sum.update(&into[..count]);
        self.seen += count as u64;
        let wrong = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        if self.seen > self.len || (count == 0 && !into.is_empty() && self.seen < self.len) {
            return wrong(format!("the archive says {} bytes, found {}", self.len, if self.seen > self.len { "more" } else { "fewer" }));
        }
        if count == 0 && !into.is_empty() && self.crc.is_some_and(|crc| crc != self.sum.sum()) {
            return wrong("the check sum in the archive is another one: the archive is damaged".to_owned());
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
