//! Joins the folders that parts of a study were done in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::study::{Manifest, Record, RunEntry};

/// Copies the records of all `parts` into `dir` and gives the manifest of the whole.
pub(super) fn merge(parts: &[PathBuf], dir: &Path) -> Result<Manifest> {
    let mut whole = Manifest::default();
    let mut runs: BTreeMap<String, RunEntry> = BTreeMap::new();
    let mut keys: BTreeMap<String, (String, &Path)> = BTreeMap::new();
    for part in parts {
        let manifest = Manifest::load(part)?;
        if whole.name.is_empty() {
            whole.name.clone_from(&manifest.name);
            whole.described.clone_from(&manifest.described);
        }
        if (&whole.name, &whole.described) != (&manifest.name, &manifest.described) {
            let error = Error::new(format!(
                "expected a part of the study {:?}, found one of {:?} or with other factors",
                whole.name, manifest.name
            ));
            return Err(error.at(part).advice("Make all parts with the same PATH and the same study.toml."));
        }
        whole.unmatched.extend(manifest.unmatched);
        for entry in manifest.runs {
            let record = Record::load(part, &entry.id)?;
            match keys.get(&entry.id) {
                Some((key, _)) if *key == record.key => continue,
                Some((_, other)) => {
                    let error =
                        Error::new(format!("the run {:?} is in two parts with different inputs, options or versions", entry.id)).at(part);
                    return Err(
                        error.advice(format!("The other one is {}: do that run again in one of them, or leave one out.", other.display()))
                    );
                }
                None => {}
            }
            record.save(dir)?;
            keys.insert(entry.id.clone(), (record.key, part));
            runs.insert(entry.id.clone(), entry);
        }
    }
    whole.runs = runs.into_values().collect();
    Ok(whole.settled())
}
