//! Input for the reference software of ITU-T P.1203 (mode 0): a file per video session of which enough is known, and which are missing and why.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{WriteOptions, output};
use crate::error::{Error, Result};
use crate::model::{Report, Video};

/// Sessions with their numbers, from 1, and their input.
fn inputs(report: &Report) -> impl Iterator<Item = (usize, &serde_json::Value)> {
    report.video.iter().enumerate().filter_map(|(i, v)| Some((i + 1, v.p1203.as_ref()?)))
}

/// Writes the input of the only session that has one.
///
/// # Errors
/// Several sessions, or none: with the reasons.
pub fn to_writer(report: &Report, out: &mut dyn Write) -> Result<()> {
    let all: Vec<_> = inputs(report).collect();
    let [(_, input)] = all[..] else {
        return Err(match all.len() {
            0 => none(&report.video),
            n => Error::new(format!("there are {n} video sessions, each with an input of its own")).advice("give a folder with -o DIR"),
        });
    };
    put(input, out).map_err(|e| Error::new(format!("cannot write the input of P.1203: {e}")))
}

pub(super) fn write(report: &Report, dir: &Path, _: &WriteOptions) -> Result<Vec<PathBuf>> {
    let folder = dir.join("p1203");
    let mut files = Vec::new();
    for (number, input) in inputs(report) {
        output::make_dir(&folder)?;
        files.push(output::file(&folder, &format!("video-{number}.json"), |out| put(input, out))?);
    }
    let mut missing: Vec<String> = report
        .video
        .iter()
        .enumerate()
        .filter_map(|(i, v)| Some(format!("video {}: {}", i + 1, v.p1203_why.as_deref().filter(|_| v.p1203.is_none())?)))
        .collect();
    if report.video.is_empty() {
        missing.push("there is no video session".to_owned());
    }
    if !missing.is_empty() {
        output::make_dir(&folder)?;
        files.push(output::file(&folder, "missing.txt", |out| missing.iter().try_for_each(|line| writeln!(out, "{line}")))?);
    }
    Ok(files)
}

fn put(input: &serde_json::Value, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, input)?;
    out.write_all(b"\n")
}

fn none(video: &[Video]) -> Error {
    let why: Vec<&str> = video.iter().filter_map(|v| v.p1203_why.as_deref()).collect();
    let error = Error::new(
        "there is no video session with all that P.1203 needs: codec, resolution, frame rate, length and bit rate of its segments",
    );
    if why.is_empty() { error } else { error.advice(format!("what is missing: {}", why.join("; "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_session_the_reason_is_given() {
        let mut report = Report::default();
        let mut out = Vec::new();
        assert!(to_writer(&report, &mut out).is_err());
        report.video = vec![Video { p1203_why: Some("the codec is not known".into()), ..Video::default() }];
        let error = to_writer(&report, &mut out).unwrap_err().to_string();
        assert!(error.contains("the codec is not known"), "{error}");
        report.video.push(Video { p1203: Some(serde_json::json!({"I11": {}})), ..Video::default() });
        to_writer(&report, &mut out).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap(), report.video[1].p1203.clone().unwrap());
    }
}
