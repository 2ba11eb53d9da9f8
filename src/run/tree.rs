//! All files below a folder.

use std::path::Path;

use crate::base::limits::{STUDY_DEPTH, STUDY_FILES};
use crate::error::{Error, Result};

/// A file below a folder or in an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its path from there, parted by `/`.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What lies below a folder.
#[derive(Debug, Default)]
pub struct Tree {
    /// Its files, sorted by path. Hidden ones are left out.
    pub files: Vec<Entry>,
    /// Folders that could not be read: their paths from there, and why.
    pub faults: Vec<(String, Error)>,
}

impl Tree {
    /// Looks through `root`. Links to folders are not followed: they could lead round in a circle.
    ///
    /// # Errors
    /// `root` cannot be read, or holds more files than a study may.
    pub fn walk(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        let mut folders = vec![(String::new(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            if let Err(error) = tree.list(root, &folder, depth, &mut folders) {
                if folder.is_empty() {
                    return Err(error);
                }
                tree.faults.push((folder, error));
            }
            if tree.files.len() > STUDY_FILES {
                let error = Error::new(format!("expected at most {STUDY_FILES} files below the folder, found more")).at(root);
                return Err(error.advice("Give the folder of the study, or its parts one after the other."));
            }
        }
        tree.files.sort();
        tree.faults.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(tree)
    }

    fn list(&mut self, root: &Path, folder: &str, depth: usize, folders: &mut Vec<(String, usize)>) -> Result<()> {
        let path = if folder.is_empty() { root.to_owned() } else { root.join(folder) };
        if depth > STUDY_DEPTH {
            return Err(Error::new(format!("expected folders at most {STUDY_DEPTH} deep, found deeper ones")).at(path));
        }
        let wrong = |e: std::io::Error| Error::io(&path, "list the folder", &e);
        for entry in std::fs::read_dir(&path).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            // A name that is not UTF-8 cannot be an id; it is passed over with the hidden ones, except that a capture is missed loudly.
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                self.faults.push((format!("{folder}/{}", name.to_string_lossy()), Error::new("the name is not UTF-8").at(entry.path())));
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            let below = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            if entry.file_type().map_err(wrong)?.is_dir() {
                folders.push((below, depth + 1));
            } else if let Ok(meta) = std::fs::metadata(entry.path())
                && meta.is_file()
            {
                self.files.push(Entry { path: below, bytes: meta.len() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["b/2/client.pcap", "a/client.pcap", ".git/x", "a/.hidden"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"12").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("round")).unwrap();
        let tree = Tree::walk(dir.path()).unwrap();
        let found: Vec<_> = tree.files.iter().map(|e| (e.path.as_str(), e.bytes)).collect();
        assert_eq!(found, [("a/client.pcap", 2), ("b/2/client.pcap", 2)]);
        assert!(tree.faults.is_empty());
    }
}
