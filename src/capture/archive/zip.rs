//! Zip.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ::zip::{CompressionMethod, ZipArchive};

use super::{Each, Member, Stored, inner_path, packed, tar};
use crate::error::{Error, Result};

/// Local file header, and the end of the directory of an empty archive.
pub(super) fn is_zip(start: &[u8]) -> bool {
    matches!(start, [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..])
}

pub(super) fn members(path: &Path, each: &mut Each<'_>) -> Result<()> {
    let wrong = |e: ::zip::result::ZipError| {
        let error = Error::new(format!("cannot read the archive: {e}")).at(path);
        error.advice("A zip has its directory at its end: one that is cut off cannot be read. Copy it again.")
    };
    let file = File::open(path).map_err(|e| Error::io(path, "read the archive", &e))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(wrong)?;
    tar::check_count(path, archive.len())?;
    for n in 0..archive.len() {
        let file = archive.by_index_raw(n).map_err(wrong)?;
        if file.is_dir() {
            continue;
        }
        let name = file.name().map_err(wrong)?.into_owned();
        let (inner, bad) = match inner_path(&name) {
            Ok(Some(inner)) => (inner, None),
            Ok(None) => continue,
            Err(why) => (name, Some(why)),
        };
        let (len, size) = (file.size(), file.compressed_size());
        let method = file.compression();
        let why = bad.or_else(|| match method {
            _ if file.encrypted() => Some("it is encrypted: unpack it with its password and pack it again without".to_owned()),
            _ if file.is_symlink() => Some("it is a link; pack the file itself".to_owned()),
            CompressionMethod::Stored | CompressionMethod::Deflated => packed::too_large(len, size),
            other => Some(format!("it is compressed with {other}: pack it again with deflate, or as tar.zst")),
        });
        let stored = match (why, file.data_start()) {
            (Some(why), _) => Err(why),
            (None, None) => Err("its place in the archive cannot be told".to_owned()),
            (None, Some(offset)) => {
                let deflated = method == CompressionMethod::Deflated;
                Ok(Some(Stored { file: path.to_owned(), offset, packed: size, len, deflated, crc: Some(file.crc32()) }))
            }
        };
        each(Member { path: inner, len, stored }, None)?;
    }
    Ok(())
}
