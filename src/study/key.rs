//! What the result of a run depends on, as a hash: the bytes of its files, what is said of it, the options, the version.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::RECORD_SCHEMA;
use crate::base::limits::READ_BYTES;
use crate::error::{Error, Result};
use crate::run::RunSpec;

/// Hash of the bytes of a file.
pub type FileHash = [u8; 32];

/// Hashes what `read` gives. `stop` says whether to go on, between two buffers.
///
/// # Errors
/// It cannot be read to its end, or it was told to stop.
pub fn hash(path: &Path, mut read: impl Read, mut stop: impl FnMut(u64) -> bool) -> Result<FileHash> {
    let mut buffer = vec![0; READ_BYTES / 4];
    let mut hash = Sha256::new();
    loop {
        match read.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(path, "read", &error)),
        }
        if stop(buffer.len() as u64) {
            return Err(Error::new("stopped"));
        }
    }
}

/// The key of a run whose files have these hashes, in the order of its points and their paths. `options` is all that the analysis
/// was told besides.
pub fn key(spec: &RunSpec, hashes: &[FileHash], options: &str) -> String {
    let mut all = Sha256::new();
    let mut part = |bytes: &[u8]| {
        all.update((bytes.len() as u64).to_le_bytes());
        all.update(bytes);
    };
    part(RECORD_SCHEMA.as_bytes());
    part(env!("CARGO_PKG_VERSION").as_bytes());
    part(options.as_bytes());
    // Paths are in it, for reports name files: a study that was moved is done anew.
    part(format!("{spec:?}").as_bytes());
    for hash in hashes {
        part(hash);
    }
    all.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let file = |bytes: &[u8]| hash(Path::new("x"), bytes, |_| false).unwrap();
        let spec = RunSpec { name: "a".into(), ..RunSpec::default() };
        let base = key(&spec, &[file(b"abc")], "o");
        assert_eq!(base, key(&spec.clone(), &[file(b"abc")], "o"));
        for other in [
            key(&spec, &[file(b"abd")], "o"),
            key(&spec, &[file(b"abc"), file(b"")], "o"),
            key(&spec, &[file(b"abc")], "p"),
            key(&RunSpec { scenario: Some("no-video".into()), ..spec.clone() }, &[file(b"abc")], "o"),
        ] {
            assert_ne!(base, other);
        }
        assert!(hash(Path::new("x"), &b"abc"[..], |_| true).is_err());
    }
}
