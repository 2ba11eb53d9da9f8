//! Opens what the user gave: folders, archives, capture files; finds the runs in them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::Signals;
use crate::capture::archive::{Archive, Member, Stored};
use crate::error::{Error, Result};
use crate::run::{DESCRIPTION_BYTES, Entry, RUN_FILE, RunSpec, Tree, read_description};
use crate::study::discover::{Found, Place, discover};
use crate::study::{Description, Factor, FileHash, RunEntry, STUDY_DESCRIPTION, hash};

/// All that was found.
pub(super) struct Opened {
    pub(super) name: String,
    pub(super) described: Vec<Factor>,
    /// By id.
    pub(super) runs: Vec<Found>,
    pub(super) unmatched: Vec<String>,
    /// Members of archives that can be read where they lie, by the paths that stand for them.
    pub(super) members: HashMap<PathBuf, Stored>,
    /// Archives whose members can only be read one after the other, and the hashes of these by the paths that stand for them.
    pub(super) packed: Vec<(PathBuf, HashMap<PathBuf, FileHash>)>,
}

/// Looks into all `paths`.
pub(super) fn open(paths: &[PathBuf], study: Option<&Path>, signals: &Signals) -> Result<Opened> {
    let mut archives = Archives { members: HashMap::new(), packed: Vec::new(), signals };
    let mut places = Vec::new();
    let mut names = BTreeSet::new();
    let mut text = study.map(|path| read_description(path).map(|text| (text, path.to_owned()))).transpose()?;
    for path in paths {
        let mut name = name_of(path);
        while !names.insert(name.clone()) {
            name += "~";
        }
        let prefix = if paths.len() > 1 { name.clone() } else { String::new() };
        let (place, described) = one(path, name, prefix, &mut archives)?;
        text = text.or(described);
        places.push(place);
    }
    let described = text.map(|(text, path)| Description::new(&text).map_err(|e| e.at(path))).transpose()?.unwrap_or_default();
    let mut opened = Opened {
        name: described.name.clone().unwrap_or_else(|| names.into_iter().collect::<Vec<_>>().join(", ")),
        described: described.factors.clone(),
        runs: Vec::new(),
        unmatched: Vec::new(),
        members: archives.members,
        packed: archives.packed,
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

/// What was learnt of archives.
struct Archives<'a> {
    members: HashMap<PathBuf, Stored>,
    packed: Vec<(PathBuf, HashMap<PathBuf, FileHash>)>,
    signals: &'a Signals,
}

fn one(path: &Path, name: String, prefix: String, archives: &mut Archives<'_>) -> Result<((Place, Vec<Found>), Described)> {
    let advice = "Give folders of runs, archives of them, or capture files.";
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, "open", &e).advice(advice))?;
    if meta.is_dir() {
        return folder(path, name, prefix);
    }
    // What cannot be read stands among the runs, with its error.
    if let Ok(Some(kind)) = Archive::of(path) {
        return Ok(archive(path, kind, name, prefix, archives));
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

/// Looks through an archive. One that is damaged gives the runs before the damage, and a run that says so.
fn archive(path: &Path, kind: Archive, name: String, prefix: String, archives: &mut Archives<'_>) -> ((Place, Vec<Found>), Described) {
    let mut place = Place { path: path.to_owned(), name, prefix, archive: true, ..Place::default() };
    let (mut faults, mut described, mut hashes, mut last) = (Vec::new(), None, HashMap::new(), None);
    let mut names = HashSet::new();
    let stop = &archives.signals.stop;
    let mut each = |member: Member, now: Option<&mut dyn Read>| -> Result<()> {
        let at = path.join(&member.path);
        let file = member.path.rsplit('/').next().unwrap_or(&member.path);
        let description = file == RUN_FILE || file == STUDY_DESCRIPTION;
        last = Some(member.path.clone());
        if !names.insert(member.path.clone()) {
            place.refused.insert(member.path, "the archive has two files of this name".to_owned());
            return Ok(());
        }
        let mut text = None;
        match (member.stored, now) {
            (Err(why), _) if at.strip_prefix(path).is_err() || member.path.contains("..") || member.path.starts_with('/') => {
                faults.push((member.path, Error::new(why)));
                return Ok(());
            }
            (Err(why), _) => {
                place.refused.insert(member.path.clone(), why);
            }
            (Ok(Some(stored)), _) => {
                if description {
                    text = Some(stored.text(DESCRIPTION_BYTES).map_err(|e| Error::io(&at, "read", &e)));
                }
                archives.members.insert(at.clone(), stored);
            }
            (Ok(None), Some(read)) if description => {
                let mut all = String::new();
                let read = read.take(DESCRIPTION_BYTES).read_to_string(&mut all);
                text = Some(read.map(|_| all).map_err(|e| Error::io(&at, "read", &e)));
            }
            (Ok(None), Some(read)) => {
                hashes.insert(at.clone(), hash(&at, read, |_| stop.load(Ordering::Relaxed))?);
            }
            (Ok(None), None) => {
                place.refused.insert(member.path.clone(), "its bytes cannot be reached".to_owned());
            }
        }
        if file == STUDY_DESCRIPTION {
            described = described.take().or(text.take().and_then(Result::ok).map(|text| (text, at)));
        } else if let Some(text) = text {
            let folder = member.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            place.descriptions.insert(folder.to_owned(), text);
        }
        place.files.push(Entry { path: member.path, bytes: member.len });
        Ok(())
    };
    let end = kind.members(path, &mut each);
    if let Err(error) = end {
        // The file at which reading ended may be damaged, or its run may lack those after it.
        if let Some(last) = last {
            let folder = last.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            for file in place.files.iter().filter(|f| f.path.starts_with(&folder)) {
                place.refused.entry(file.path.clone()).or_insert_with(|| "the archive is damaged here, files may be missing".to_owned());
            }
        }
        faults.push((path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(), error));
    }
    place.files.sort();
    if kind == Archive::PackedTar {
        archives.packed.push((path.to_owned(), hashes));
    }
    let faults = faults.into_iter().map(|(at, error)| fault(&place, &at, error)).collect();
    ((place, faults), described)
}

/// What could not be looked into stands among the runs, with its error.
fn fault(place: &Place, at: &str, error: Error) -> Found {
    let id = if place.prefix.is_empty() { at.to_owned() } else { format!("{}/{at}", place.prefix) };
    let where_ = place.path.join(at).display().to_string();
    let entry = RunEntry { id, name: at.to_owned(), place: where_, ..RunEntry::default() };
    Found { entry, spec: Err(error), files: Vec::new() }
}
