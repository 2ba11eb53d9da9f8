//! `study.toml`: what the user says about a study as a whole.
//!
//! ```toml
//! name = "Live migration under load"
//! patterns = ["{scenario}/{ram}/run{n}"]   # without them, folders and run.toml tell the runs
//! repetitions = ["n"]                      # fields that number repetitions: columns, but nothing to compare by
//! [scenarios]                              # what a name in {scenario} means
//! tanpa-video = "no-video"
//! [factors.ram]
//! unit = "MiB"
//! label = "Memory of the VM"
//! order = ["512", "1024", "2048"]
//! [run]                                    # for each run whose run.toml does not say it
//! link_bandwidth = "1 Gbit/s"
//! vm = { ips = ["192.0.2.50"] }
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use super::manifest::Factor;
use super::pattern::Pattern;
use crate::error::{Error, Result};
use crate::run::{RunSpec, SCENARIOS};

/// Its name.
pub const STUDY_DESCRIPTION: &str = "study.toml";

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Described {
    name: Option<String>,
    patterns: Vec<String>,
    repetitions: Option<Vec<String>>,
    scenarios: BTreeMap<String, String>,
    factors: BTreeMap<String, DescribedFactor>,
    run: toml::Table,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct DescribedFactor {
    unit: Option<String>,
    label: Option<String>,
    order: Vec<toml::Value>,
}

/// A study as it was described.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// Its name.
    pub name: Option<String>,
    /// Name patterns, the first that fits counts.
    pub patterns: Vec<Pattern>,
    /// Scenarios by the names that the user has for them.
    pub scenarios: BTreeMap<String, String>,
    /// What is said of factors.
    pub factors: Vec<Factor>,
    /// What holds for all runs.
    pub defaults: RunSpec,
}

impl Description {
    /// Reads a `study.toml`.
    ///
    /// # Errors
    /// What is wrong in it.
    pub fn new(text: &str) -> Result<Self> {
        let described: Described = toml::from_str(text).map_err(|e| Error::new(format!("not the description of a study: {e}")))?;
        for (name, scenario) in &described.scenarios {
            if !SCENARIOS.contains(&scenario.as_str()) {
                return Err(Error::new(format!("scenarios.{name}: expected one of {}, found {scenario:?}", SCENARIOS.join(", "))));
            }
        }
        let mut defaults = RunSpec::default();
        if described.run.contains_key("points") || described.run.contains_key("name") {
            return Err(Error::new("run: name and points belong to one run").advice("Write them into the run.toml of that run."));
        }
        defaults.describe(&described.run.to_string()).map_err(|e| Error::new(format!("run: {}", e.message)))?;
        let repetitions = described.repetitions.unwrap_or_else(|| vec!["n".to_owned()]);
        let mut factors: Vec<Factor> = described.factors.into_iter().map(|(name, d)| factor(name, d)).collect();
        for name in repetitions {
            match factors.iter_mut().find(|f| f.name == name) {
                Some(factor) => factor.repetition = true,
                None => factors.push(Factor { name, repetition: true, ..Factor::default() }),
            }
        }
        Ok(Self {
            name: described.name,
            patterns: described.patterns.iter().map(|p| Pattern::new(p)).collect::<Result<_>>()?,
            scenarios: described.scenarios,
            factors,
            defaults,
        })
    }
}

fn factor(name: String, described: DescribedFactor) -> Factor {
    let plain = |value: toml::Value| match value {
        toml::Value::String(text) => text,
        other => other.to_string(),
    };
    let order = described.order.into_iter().map(plain).collect();
    Factor { name, unit: described.unit, label: described.label, order, ..Factor::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_everything() {
        let text = r#"
            name = "s"
            patterns = ["{scenario}/{ram}/run{n}"]
            [scenarios]
            tanpa = "no-video"
            [factors.ram]
            unit = "MiB"
            order = [512, 2048]
            [run]
            link_bandwidth = "1 Gbit/s"
            vm = { ips = ["192.0.2.50"] }
        "#;
        let study = Description::new(text).unwrap();
        assert_eq!(study.patterns[0].depth(), 3);
        assert_eq!(
            (study.factors[0].unit.as_deref(), &study.factors[0].order[..]),
            (Some("MiB"), &["512".to_owned(), "2048".to_owned()][..])
        );
        assert!(study.factors[1].repetition && study.factors[1].name == "n");
        assert_eq!((study.defaults.link_bandwidth_bps, study.defaults.vm_ips.len()), (Some(1e9), 1));
    }

    #[test]
    fn says_what_is_wrong() {
        let fail = |text: &str| Description::new(text).unwrap_err().message;
        assert!(fail("pattern = []").contains("unknown field"));
        assert!(fail("[scenarios]\na = \"film\"").contains("offline-video"));
        assert!(fail("[run]\nname = \"a\"").contains("one run"));
        assert!(fail("[run]\nlink_bandwidth = \"fast\"").contains("Gbit/s"));
        assert!(fail("patterns = [\"{a\"]").contains("pattern"));
    }
}
