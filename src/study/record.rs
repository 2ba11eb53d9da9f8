//! What the analysis of one run gave, kept in a file of its own: `runs/ID-xxxxxxxx.json`.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::model::Report;
use crate::report::write_file;

/// Folder of the records in the folder of a study.
pub const RUNS_FOLDER: &str = "runs";
/// Version of the schema; a record of another version counts as missing.
pub const RECORD_SCHEMA: &str = "lmpcap.study-run/1";
/// Characters of an id that its file's name keeps.
const NAME_CHARS: usize = 80;

/// The result of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// [`RECORD_SCHEMA`].
    pub schema: String,
    /// Id of the run.
    pub id: String,
    /// Hash of inputs, options and version, in hexadecimal. The same key means the same result.
    pub key: String,
    /// Why there is no report.
    pub error: Option<String>,
    /// The report of the run.
    pub report: Option<Report>,
}

/// The name of the file of the run `id`: what a file system takes of the id, and a hash that makes it unique.
pub fn record_name(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' };
    let kept: String = id.chars().map(plain).take(NAME_CHARS).collect();
    let hash: String = Sha256::digest(id.as_bytes()).iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!("{}-{hash}.json", kept.trim_start_matches('.'))
}

/// What tells whether a record is still good.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Head {
    schema: String,
    id: String,
    key: String,
}

/// True if the study in `dir` has a result of the run `id` under this key.
pub fn has_record(dir: &Path, id: &str, key: &str) -> bool {
    let Ok(file) = std::fs::File::open(dir.join(RUNS_FOLDER).join(record_name(id))) else { return false };
    let head: Head = serde_json::from_reader(BufReader::new(file)).unwrap_or_default();
    head.schema == RECORD_SCHEMA && head.id == id && head.key == key
}

impl Record {
    /// The result of the run `id` under `key`.
    pub fn new(id: &str, key: String, result: Result<Report>) -> Self {
        // The whole error in one line: it becomes a cell of a table.
        let (report, error) = match result {
            Ok(report) => (Some(report), None),
            Err(error) => (None, Some(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))),
        };
        Self { schema: RECORD_SCHEMA.to_owned(), id: id.to_owned(), key, error, report }
    }

    /// Of the run `id` in the folder of a study.
    ///
    /// # Errors
    /// It is missing or damaged.
    pub fn load(dir: &Path, id: &str) -> Result<Self> {
        let path = dir.join(RUNS_FOLDER).join(record_name(id));
        let file =
            std::fs::File::open(&path).map_err(|e| Error::io(&path, "read", &e).advice("Run the batch again: it does what is missing."))?;
        let record: Self =
            serde_json::from_reader(BufReader::new(file)).map_err(|e| Error::new(format!("not the result of a run: {e}")).at(&path))?;
        if record.schema != RECORD_SCHEMA || record.id != id {
            let found = format!("{:?} of {:?}", record.schema, record.id);
            return Err(Error::new(format!("expected {RECORD_SCHEMA:?} of {id:?}, found {found}")).at(path));
        }
        Ok(record)
    }

    /// Writes it into the folder of a study, whose folder of records must be there.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<PathBuf> {
        write_file(&dir.join(RUNS_FOLDER), &record_name(&self.id), |out| {
            serde_json::to_writer(&mut *out, self)?;
            out.write_all(b"\n")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::sample;

    #[test]
    fn a_record_keeps_the_whole_report() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(RUNS_FOLDER)).unwrap();
        for report in [sample::report(), sample::several(), sample::hostile(), sample::empty()] {
            let record = Record { schema: RECORD_SCHEMA.into(), id: "a/b".into(), key: "0".into(), error: None, report: Some(report) };
            record.save(dir.path()).unwrap();
            assert!(Record::load(dir.path(), "a/b").unwrap() == record, "not the same when read back");
        }
        assert!(Record::load(dir.path(), "a/c").is_err());
    }

    #[test]
    fn names_of_files_are_safe_and_apart() {
        assert!(record_name("a/b").starts_with("a_b-") && record_name("a/b") != record_name("a_b"));
        assert!(!record_name("../..").contains('/') && !record_name("../..").starts_with('.'));
        assert!(record_name(&"x".repeat(500)).len() < 120);
    }
}
