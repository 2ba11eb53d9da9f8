//! `study.json`: which runs a study has, and their factors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::report::write_file;

/// Its name in the folder of a study.
pub const STUDY_FILE: &str = "study.json";
/// Version of its schema.
const SCHEMA: &str = "lmpcap.study/1";

/// What the values of a factor are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FactorKind {
    /// Whole numbers, in all runs that have a value.
    Integer,
    /// Numbers.
    Number,
    /// Anything else.
    #[default]
    Text,
}

/// A column of the study that was set, not measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Factor {
    /// Name of its column.
    pub name: String,
    /// What its values are.
    pub kind: FactorKind,
    /// Unit, if `study.toml` says it.
    pub unit: Option<String>,
    /// It numbers repetitions: a column, but nothing to compare by.
    pub repetition: bool,
    /// What people read instead of the name.
    pub label: Option<String>,
    /// Values in the order in which they are to be shown; those not named follow, sorted.
    pub order: Vec<String>,
}

/// One run of the study.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunEntry {
    /// Unique in the study: the path of the run below what was given. Sorted by it.
    pub id: String,
    /// Name that people read.
    pub name: String,
    /// Path of the folder, file or archive member, as given.
    pub place: String,
    /// Scenario that the user gave, which may be another one than the three of a single run.
    pub scenario: Option<String>,
    /// Factors by name. A factor that does not apply to the run is left out.
    pub factors: BTreeMap<String, String>,
    /// Capture files.
    pub files: u64,
    /// Their bytes as they lie on the disk or in the archive.
    pub bytes: u64,
}

/// The runs of a study.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// Version of the schema.
    pub schema: String,
    /// Name of the study.
    pub name: String,
    /// Its factors, in the order of their columns.
    pub factors: Vec<Factor>,
    /// What `study.toml` says of factors, of those too that no run here has.
    pub described: Vec<Factor>,
    /// Its runs, sorted by id.
    pub runs: Vec<RunEntry>,
    /// Places with captures that are no run of the study because no name pattern fits them.
    pub unmatched: Vec<String>,
}

impl Manifest {
    /// Reads it from the folder of a study.
    ///
    /// # Errors
    /// There is none, or it is none.
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(STUDY_FILE);
        let text = std::fs::read_to_string(&path)
            .map_err(|e| Error::io(&path, "read", &e).advice("Expected the folder that `lmpcap batch … -o DIR` has written."))?;
        let manifest: Self = serde_json::from_str(&text).map_err(|e| Error::new(format!("not the runs of a study: {e}")).at(&path))?;
        if manifest.schema != SCHEMA {
            return Err(Error::new(format!("expected schema {SCHEMA}, found {:?}", manifest.schema)).at(path));
        }
        Ok(manifest)
    }

    /// Writes it into the folder of a study.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<PathBuf> {
        let whole = Self { schema: SCHEMA.to_owned(), ..self.clone() };
        write_file(dir, STUDY_FILE, |out| {
            serde_json::to_writer_pretty(&mut *out, &whole)?;
            out.write_all(b"\n")
        })
    }

    /// Sorts the runs and tells the factors.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.runs.sort_by(|a, b| a.id.cmp(&b.id));
        self.unmatched.sort();
        self.unmatched.dedup();
        self.factors = Self::tell_factors(&self.runs, &self.described);
        self
    }

    /// The names of the factors that any run has, with what their values are; what `described` says of a factor is kept and comes first.
    pub fn tell_factors(runs: &[RunEntry], described: &[Factor]) -> Vec<Factor> {
        let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in runs.iter().flat_map(|run| &run.factors) {
            values.entry(name).or_default().push(value);
        }
        let mut factors: Vec<Factor> = described.to_vec();
        for name in values.keys().filter(|name| described.iter().all(|f| f.name != **name)) {
            factors.push(Factor { name: (*name).to_owned(), ..Factor::default() });
        }
        // What is described and in no run is no column.
        factors.retain(|factor| values.contains_key(factor.name.as_str()));
        for factor in &mut factors {
            factor.kind = kind(values.get(factor.name.as_str()).map_or(&[], Vec::as_slice));
        }
        factors
    }
}

/// Numbers only if each value reads as the number it is: `007` is a name.
fn kind(values: &[&str]) -> FactorKind {
    let integer = |v: &&str| v.parse::<i64>().is_ok_and(|n| n.to_string() == **v);
    let padded = |v: &str| v.starts_with('0') && v != "0" && !v.starts_with("0.");
    let number = |v: &&str| v.parse::<f64>().is_ok_and(f64::is_finite) && !v.starts_with('+') && !padded(v);
    match values {
        [] => FactorKind::Text,
        all if all.iter().all(integer) => FactorKind::Integer,
        all if all.iter().all(number) => FactorKind::Number,
        _ => FactorKind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, factors: &[(&str, &str)]) -> RunEntry {
        let factors = factors.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        RunEntry { id: id.into(), name: id.into(), factors, ..RunEntry::default() }
    }

    #[test]
    fn factors_are_what_their_values_are() {
        let runs =
            [entry("a", &[("ram", "512"), ("load", "0.5"), ("code", "007")]), entry("b", &[("ram", "2048"), ("load", "1"), ("code", "8")])];
        let described = [Factor { name: "ram".into(), unit: Some("MiB".into()), ..Factor::default() }];
        let told = Manifest::tell_factors(&runs, &described);
        let shape: Vec<_> = told.iter().map(|f| (f.name.as_str(), f.kind)).collect();
        assert_eq!(shape, [("ram", FactorKind::Integer), ("code", FactorKind::Text), ("load", FactorKind::Number)]);
        assert_eq!(told[0].unit.as_deref(), Some("MiB"));
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Manifest::load(dir.path()).unwrap_err().to_string().contains("lmpcap batch"));
        let manifest = Manifest { name: "s".into(), runs: vec![entry("a", &[("ram", "1")])], ..Manifest::default() };
        manifest.save(dir.path()).unwrap();
        let read = Manifest::load(dir.path()).unwrap();
        assert_eq!((read.name, read.runs), (manifest.name, manifest.runs));
    }
}
