//! Opens what the user gave: folders, archives, capture files; finds the runs in them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Signals;
use crate::error::{Error, Result};
use crate::run::{Entry, RUN_FILE, RunSpec, Tree, read_description};
use crate::study::discover::{Found, Place, discover};
use crate::study::{Description, Factor, RunEntry, STUDY_DESCRIPTION};

/// All that was found.
pub(super) struct Opened {
    pub(super) name: String,
    pub(super) described: Vec<Factor>,
    /// By id.
    pub(super) runs: Vec<Found>,
    pub(super) unmatched: Vec<String>,
    /// Archives whose members must be unpacked one after the other.
    pub(super) packed: Vec<PathBuf>,
}

/// Looks into all `paths`.
pub(super) fn open(paths: &[PathBuf], study: Option<&Path>, _signals: &Signals) -> Result<Opened> {
    let mut places = Vec::new();
    let mut names = BTreeSet::new();
    let mut text = study.map(|path| read_description(path).map(|text| (text, path.to_owned()))).transpose()?;
    for path in paths {
        let mut name = name_of(path);
        while !names.insert(name.clone()) {
            name += "~";
        }
        let prefix = if paths.len() > 1 { name.clone() } else { String::new() };
        let (place, described) = one(path, name, prefix)?;
        text = text.or(described);
        places.push(place);
    }
    let described = text.map(|(text, path)| Description::new(&text).map_err(|e| e.at(path))).transpose()?.unwrap_or_default();
    let mut opened = Opened {
        name: described.name.clone().unwrap_or_else(|| names.into_iter().collect::<Vec<_>>().join(", ")),
        described: described.factors.clone(),
        runs: Vec::new(),
        unmatched: Vec::new(),
        packed: Vec::new(),
    };
    for (place, faults) in places {
        let found = discover(&place, &described);
        opened.runs.extend(found.runs);
        opened.runs.extend(faults);
        opened.unmatched.extend(found.unmatched);
    }
    opened.runs.sort_by(|a, b| a.entry.id.cmp(&b.entry.id));
    if let Some(twice) = opened.runs.windows(2).find(|w| w[0].entry.id == w[1].entry.id) {
        let (a, b) = (&twice[0].entry, &twice[1].entry);
        let error = Error::new(format!("two runs have the id {:?}: {} and {}", a.id, a.place, b.place));
        return Err(error.advice("Rename one of them, or let the pattern tell them apart."));
    }
    if opened.runs.is_empty() {
        let error = Error::new("no run was found").at(&paths[0]);
        return Err(error.advice(match opened.unmatched.len() {
            0 => "Expected folders with captures (client*.pcap, source*.pcap, …) or with a run.toml.".to_owned(),
            n => format!("There are {n} captures, such as {}, but no pattern of study.toml fits them.", opened.unmatched[0]),
        }));
    }
    Ok(opened)
}

/// The last part of a path, or of where it leads.
fn name_of(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    whole.file_name().map_or_else(|| "study".to_owned(), |n| n.to_string_lossy().into_owned())
}

type Described = Option<(String, PathBuf)>;

fn one(path: &Path, name: String, prefix: String) -> Result<((Place, Vec<Found>), Described)> {
    let advice = "Give folders of runs, archives of them, or capture files.";
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, "open", &e).advice(advice))?;
    if meta.is_dir() {
        return folder(path, name, prefix);
    }
    // A capture file is a run of its own.
    let id = if prefix.is_empty() { name.clone() } else { prefix };
    let entry = RunEntry { id, name, place: path.display().to_string(), files: 1, bytes: meta.len(), ..RunEntry::default() };
    let found = Found { entry, spec: RunSpec::from_path(path), files: Vec::new() };
    Ok(((Place { path: path.to_owned(), ..Place::default() }, vec![found]), None))
}

fn folder(path: &Path, name: String, prefix: String) -> Result<((Place, Vec<Found>), Described)> {
    let tree = Tree::walk(path)?;
    let mut place = Place { path: path.to_owned(), name, prefix, files: tree.files, ..Place::default() };
    for Entry { path: file, .. } in &place.files {
        let (folder, last) = file.rsplit_once('/').unwrap_or(("", file));
        if last == RUN_FILE {
            place.descriptions.insert(folder.to_owned(), read_description(&path.join(file)));
        }
    }
    let faults = tree.faults.into_iter().map(|(at, error)| fault(&place, &at, error)).collect();
    let study = path.join(STUDY_DESCRIPTION);
    let described = study.is_file().then(|| read_description(&study).map(|text| (text, study))).transpose()?;
    Ok(((place, faults), described))
}

/// What could not be looked into stands among the runs, with its error.
fn fault(place: &Place, at: &str, error: Error) -> Found {
    let id = if place.prefix.is_empty() { at.to_owned() } else { format!("{}/{at}", place.prefix) };
    let where_ = place.path.join(at).display().to_string();
    let entry = RunEntry { id, name: at.to_owned(), place: where_, ..RunEntry::default() };
    Found { entry, spec: Err(error), files: Vec::new() }
}
