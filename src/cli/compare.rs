//! `lmpcap compare`.

use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::analyze::lang;
use super::args::{Compare, CompareFormat, Input, Known};
use super::signals::Signals;
use super::{Exit, config, print, say};
use crate::engine;
use crate::error::{Error, Result};
use crate::model::{self, Report};
use crate::report::words::Words;
use crate::report::{self, markdown};
use crate::study::STUDY_FILE;
use crate::study::diff::{self, Comparison, Condition, Side, Verdict};
use crate::study::figures::{Run, Study};
use crate::study::report::{SCHEMA, STATISTICS_FILE};

/// File of a run's report.
const REPORT: &str = "report.json";

/// Compares two runs or studies.
pub fn compare(args: &Compare, signals: &Signals) -> Result<Exit> {
    // Conditions first: a mistake in one should not cost two analyses.
    let conditions = args.fail_if.iter().map(|text| Condition::parse(text)).collect::<Result<Vec<_>>>()?;
    let (a, b) = (side(&args.a, signals)?, side(&args.b, signals)?);
    let comparison = diff::comparison(&a, &b, &conditions);
    let words = Words::new(lang(args.lang));
    let text = match args.format {
        CompareFormat::Text => diff::text(&comparison, words),
        CompareFormat::Json => diff::json(&comparison)?,
        CompareFormat::Markdown => markdown::render(&diff::document(&comparison, words), words),
    };
    match &args.output {
        Some(path) => {
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| Error::new("expected the name of a file").at(path).advice("Give one with -o FILE."))?;
            report::make_dir(dir)?;
            report::write_file(dir, name, |out| out.write_all(text.as_bytes()))?;
        }
        None => print(&text)?,
    }
    Ok(verdict(&comparison))
}

/// A condition that holds weighs more than one that cannot be told.
fn verdict(comparison: &Comparison) -> Exit {
    let any = |verdict| comparison.conditions.iter().any(|judged| judged.verdict == verdict);
    if any(Verdict::Holds) {
        return Exit::Missed;
    }
    if any(Verdict::Unknown) {
        say("lmpcap: a condition could not be judged: a figure that it needs is unknown");
        return Exit::NothingFound;
    }
    if comparison.changes.is_empty() {
        say("lmpcap: the two have no scenario with a known figure in common");
        return Exit::NothingFound;
    }
    Exit::Done
}

/// A study's folder or `statistics.json`, a report's folder or `report.json`, or captures, which are then analyzed.
fn side(path: &Path, signals: &Signals) -> Result<Side> {
    let name = path.display().to_string();
    if path.join(STUDY_FILE).is_file() {
        return Ok(Side { name, runs: Study::load(path)?.runs });
    }
    for file in [STATISTICS_FILE, REPORT] {
        if path.join(file).is_file() {
            return read(&path.join(file), name);
        }
    }
    if path.extension().is_some_and(|ending| ending == "json") && path.is_file() {
        return read(path, name);
    }
    let input = Input { run: Some(path.to_owned()), ..Input::default() };
    let run = config::run_spec(&input, &Known { clock: "estimate".to_owned(), ..Known::default() })?;
    let options = engine::Options { stop: Arc::clone(&signals.stop), ..engine::Options::default() };
    let report = engine::analyze(&run, &options)?;
    Ok(Side { runs: vec![Run::of(&name, &report, &Default::default())], name })
}

/// What of a JSON file tells what it is.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    schema: String,
}

#[derive(Deserialize)]
struct Runs {
    runs: Vec<Run>,
}

fn read(path: &Path, name: String) -> Result<Side> {
    let open = || std::fs::File::open(path).map(BufReader::new).map_err(|error| Error::io(path, "read the file", &error));
    let broken = |error: serde_json::Error| Error::new(format!("cannot read it as JSON: {error}")).at(path);
    let head: Head = serde_json::from_reader(open()?).map_err(broken)?;
    let runs = match head.schema.as_str() {
        SCHEMA => serde_json::from_reader::<_, Runs>(open()?).map_err(broken)?.runs,
        model::SCHEMA => {
            let report: Report = serde_json::from_reader(open()?).map_err(broken)?;
            vec![Run::of(&name, &report, &Default::default())]
        }
        other => {
            return Err(Error::new(format!(
                "expected the schema {} or {SCHEMA}, found {:?}",
                model::SCHEMA,
                report::escape::visible(other)
            ))
            .at(path)
            .advice("Give the report of a run, the folder of a study, or captures."));
        }
    };
    Ok(Side { name, runs })
}
