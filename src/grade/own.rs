//! A user's own scale, from TOML.
//!
//! ```toml
//! name = "campus"
//! delay = [{ index = 4, below = 100 }, { index = 2, below = 300 }, { index = 1 }]
//! jitter = [{ index = 4, at_most = 5 }, { index = 1 }]
//! loss = [{ index = 4, at_most = 0.1 }, { index = 1 }]
//! throughput_percent = [{ index = 4, above = 75 }, { index = 1 }]
//! throughput_kbps = [{ index = 4, at_least = 5000 }, { index = 1 }]
//! labels = [{ index = 4, en = "Fine", id = "Baik" }, { index = 1, en = "Bad", id = "Buruk" }]
//! overall = [{ at_least = 3.0, en = "Fine", id = "Baik" }, { en = "Bad", id = "Buruk" }]
//! ```
//! Bands are asked in order, the first that holds counts, the last has no bound. Delay and jitter are in ms, loss in percent.

use serde::Deserialize;

use super::scale::{Band, Bound, Scale};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    delay: Vec<Row>,
    #[serde(default)]
    jitter: Vec<Row>,
    #[serde(default)]
    loss: Vec<Row>,
    #[serde(default)]
    throughput_percent: Vec<Row>,
    #[serde(default)]
    throughput_kbps: Vec<Row>,
    labels: Vec<Label>,
    overall: Vec<Whole>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    index: u8,
    below: Option<f64>,
    at_most: Option<f64>,
    above: Option<f64>,
    at_least: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    index: u8,
    en: String,
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    at_least: Option<f64>,
    en: String,
    id: Option<String>,
}

fn bands(parameter: &str, rows: Vec<Row>) -> Result<Vec<Band>> {
    let last = rows.len();
    rows.into_iter()
        .enumerate()
        .map(|(i, row)| {
            let mut bounds = [
                row.below.map(Bound::Below),
                row.at_most.map(Bound::AtMost),
                row.above.map(Bound::Above),
                row.at_least.map(Bound::AtLeast),
            ]
            .into_iter()
            .flatten();
            let bound = bounds.next();
            if bounds.next().is_some() {
                return Err(Error::new(format!(
                    "{parameter}, band {}: expected one of below, at_most, above, at_least; found several",
                    i + 1
                )));
            }
            if bound.is_none() != (i + 1 == last) {
                return Err(Error::new(format!(
                    "{parameter}, band {}: every band but the last needs a bound, and the last has none",
                    i + 1
                )));
            }
            Ok(Band { bound: bound.unwrap_or(Bound::Rest), index: row.index })
        })
        .collect()
}

/// Reads a scale; the error names the parameter and what was expected.
pub fn from_toml(text: &str) -> Result<Scale> {
    let file: File = toml::from_str(text).map_err(|e| Error::new(format!("not a grading scale: {e}")))?;
    let scale = Scale {
        name: file.name,
        reading: None,
        delay: bands("delay", file.delay)?,
        jitter: bands("jitter", file.jitter)?,
        loss: bands("loss", file.loss)?,
        throughput_percent: bands("throughput_percent", file.throughput_percent)?,
        throughput_kbps: bands("throughput_kbps", file.throughput_kbps)?,
        also: Vec::new(),
        labels: file.labels.into_iter().map(|l| (l.index, l.en.clone(), l.id.unwrap_or(l.en))).collect(),
        overall: file.overall.into_iter().map(|o| (o.at_least.unwrap_or(f64::NEG_INFINITY), o.en.clone(), o.id.unwrap_or(o.en))).collect(),
        notes: vec!["own-scale"],
        classes: false,
    };
    let used = [&scale.delay, &scale.jitter, &scale.loss, &scale.throughput_percent, &scale.throughput_kbps];
    for band in used.into_iter().flatten() {
        if !scale.labels.iter().any(|l| l.0 == band.index) {
            return Err(Error::new(format!("index {} has no entry in labels", band.index)));
        }
    }
    Ok(scale)
}

#[cfg(test)]
mod tests {
    use super::super::{Figures, Method};
    use super::*;

    const SMALL: &str = r#"
        name = "campus"
        delay = [{ index = 4, below = 100 }, { index = 1 }]
        labels = [{ index = 4, en = "Fine", id = "Baik" }, { index = 1, en = "Bad" }]
        overall = [{ at_least = 3.0, en = "Fine" }, { en = "Bad" }]
    "#;

    #[test]
    fn reads_and_grades() {
        let scale = from_toml(SMALL).unwrap();
        let g = scale.grade(&Figures { delay_ms: Some(99.0), ..Figures::default() }, Method::Rigorous).unwrap();
        assert_eq!(g.delay.unwrap().label_id, "Baik");
        assert_eq!(g.overall.unwrap().label_en, "Fine");
    }

    #[test]
    fn says_what_is_wrong() {
        let two = SMALL.replace("below = 100", "below = 100, at_most = 3");
        assert!(from_toml(&two).unwrap_err().message.contains("found several"));
        let open = SMALL.replace(", below = 100", "");
        assert!(from_toml(&open).unwrap_err().message.contains("needs a bound"));
        let label = SMALL.replace("{ index = 1 }", "{ index = 2 }");
        assert!(from_toml(&label).unwrap_err().message.contains("index 2"));
        assert!(from_toml("nonsense").is_err());
    }
}
