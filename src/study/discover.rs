//! Which files are which run: by name patterns, by `run.toml`, by folder.
//!
//! Works on a list of paths, so that a folder and an archive are searched alike. Without patterns a run is a folder with a
//! `run.toml`, a folder with captures, or a folder whose folders are named like capture points and hold captures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::file::Description;
use super::manifest::RunEntry;
use super::pattern::{Fields, Pattern};
use crate::base::role::Role;
use crate::error::{Error, Result};
use crate::report::escape::visible;
use crate::run::{Entry, PointSpec, RUN_FILE, RunSpec, named_like_capture, points_of_names, role_of_name};

/// Folders that are one capture point each. Beginnings are not enough here: `control-group` is no controller.
const POINT_FOLDERS: [&str; 8] = ["client", "source", "src", "destination", "dest", "dst", "storage", "controller"];
/// The field of a pattern that names the capture point of a file.
const POINT: &str = "point";
/// The field of a pattern that names the scenario.
const SCENARIO: &str = "scenario";

/// Where runs are looked for: a folder or an archive.
#[derive(Debug, Default)]
pub struct Place {
    /// Its path as given.
    pub path: PathBuf,
    /// Name of a run that is the whole place.
    pub name: String,
    /// What ids of its runs begin with, if there are several places.
    pub prefix: String,
    /// Its files, sorted.
    pub files: Vec<Entry>,
    /// It is an archive: what is not among its files is nowhere.
    pub archive: bool,
    /// Files that cannot be read, and why.
    pub refused: BTreeMap<String, String>,
    /// The texts of its `run.toml`, by folder; or why one cannot be read.
    pub descriptions: BTreeMap<String, Result<String>>,
}

/// A run that was found.
#[derive(Debug)]
pub struct Found {
    /// What the study says of it.
    pub entry: RunEntry,
    /// What is to be analyzed, or why it cannot be.
    pub spec: Result<RunSpec>,
    /// Its files, by their paths in the place.
    pub files: Vec<String>,
}

/// What was found in a place.
#[derive(Debug, Default)]
pub struct Discovery {
    /// Runs, by id.
    pub runs: Vec<Found>,
    /// Folders, or files, with captures that no pattern fits.
    pub unmatched: Vec<String>,
}

/// A run before its description is read: the folder, the files, what its path says.
struct Candidate {
    folder: String,
    id: String,
    files: Vec<String>,
    points: Option<Vec<PointSpec>>,
    fields: Fields,
}

/// Finds the runs of `place`.
pub fn discover(place: &Place, study: &Description) -> Discovery {
    let folders = Folders::new(place);
    let mut unmatched = Vec::new();
    let candidates = if study.patterns.is_empty() { folders.plain() } else { by_patterns(place, &folders, study, &mut unmatched) };
    let mut runs: Vec<Found> = candidates.into_iter().map(|c| found(place, study, c)).collect();
    runs.sort_by(|a, b| a.entry.id.cmp(&b.entry.id));
    unmatched.sort();
    Discovery { runs, unmatched }
}

fn found(place: &Place, study: &Description, candidate: Candidate) -> Found {
    let at = if candidate.folder.is_empty() { place.path.clone() } else { place.path.join(&candidate.folder) };
    let id = match (place.prefix.is_empty(), candidate.id.is_empty()) {
        (true, true) => place.name.clone(),
        (true, false) => candidate.id.clone(),
        (false, true) => place.prefix.clone(),
        (false, false) => format!("{}/{}", place.prefix, candidate.id),
    };
    let id = visible(&id).into_owned();
    let mut factors = candidate.fields;
    let given = factors.remove(SCENARIO);
    let known = given.as_ref().and_then(|name| {
        let same = crate::run::SCENARIOS.contains(&name.as_str()).then(|| name.clone());
        study.scenarios.get(name).cloned().or(same)
    });
    let mut spec = RunSpec { name: id.clone(), path: at.clone(), ..study.defaults.clone() };
    spec.factors = study.defaults.factors.clone();
    spec.scenario = known.clone().or(spec.scenario);
    let described = describe(place, &candidate.folder, &mut spec);
    for (name, value) in &spec.factors {
        factors.insert(name.clone(), value.clone());
    }
    // Factors are the study's: the same run has the same result whatever they are called.
    spec.factors.clear();
    if let Some(points) = candidate.points {
        spec.points = points;
    } else if spec.points.is_empty() {
        spec.points = points(&at, &candidate.folder, &candidate.files);
    }
    let size: BTreeMap<&str, u64> = place.files.iter().map(|e| (e.path.as_str(), e.bytes)).collect();
    let paths = spec.points.iter().flat_map(|p| &p.paths);
    let files: Vec<String> = paths.filter_map(|p| p.strip_prefix(&place.path).ok()).map(|p| p.to_string_lossy().into_owned()).collect();
    let entry = RunEntry {
        name: spec.name.clone(),
        place: at.display().to_string(),
        scenario: known.or(given).or_else(|| spec.scenario.clone()),
        factors,
        files: files.len() as u64,
        bytes: files.iter().filter_map(|f| size.get(f.as_str())).sum(),
        id,
    };
    let bad = files.iter().find_map(|f| place.refused.get(f).map(|why| Error::new(why.clone()).at(place.path.join(f))));
    let gone = files.iter().find(|f| place.archive && !size.contains_key(f.as_str()));
    let bad =
        bad.or_else(|| gone.map(|f| Error::new("expected the file that run.toml names, found none in the archive").at(place.path.join(f))));
    let spec = described.and_then(|()| bad.map_or_else(|| spec.check(), Err));
    Found { entry, spec, files }
}

/// Applies the `run.toml` of a run, if it has one; what it does not say stays as the study says it.
fn describe(place: &Place, folder: &str, spec: &mut RunSpec) -> Result<()> {
    let file = |e: Error| e.at(place.path.join(folder).join(RUN_FILE));
    match place.descriptions.get(folder) {
        None => Ok(()),
        Some(Err(error)) => Err(file(Error::new(error.message.clone()))),
        Some(Ok(text)) => {
            let before = spec.clone();
            spec.describe(text).map_err(file)?;
            if spec.vm_macs.is_empty() {
                spec.vm_macs = before.vm_macs;
            }
            if spec.vm_ips.is_empty() {
                spec.vm_ips = before.vm_ips;
            }
            for (name, value) in before.factors {
                spec.factors.entry(name).or_insert(value);
            }
            Ok(())
        }
    }
}

/// Points of a run from its files: those in a folder named like a point are that point's, the names of the others tell.
fn points(at: &Path, folder: &str, files: &[String]) -> Vec<PointSpec> {
    let mut by_role: BTreeMap<Role, Vec<PathBuf>> = BTreeMap::new();
    let mut by_folder: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let below = file.strip_prefix(folder).unwrap_or(file).trim_start_matches('/');
        let (parent, name) = below.rsplit_once('/').unwrap_or(("", below));
        match parent.split('/').find(|part| point_folder(part)) {
            Some(part) => by_role.entry(role_of_name(part)).or_default().push(at.join(below)),
            None => by_folder.entry(parent.to_owned()).or_default().push(name.to_owned()),
        }
    }
    let mut all: Vec<PointSpec> = by_role.into_iter().map(|(role, paths)| PointSpec { role, paths }).collect();
    for (parent, names) in by_folder {
        for point in points_of_names(&at.join(parent), &names) {
            match all.iter_mut().find(|p| p.role == point.role && p.role != Role::Unknown) {
                Some(same) => same.paths.extend(point.paths),
                None => all.push(point),
            }
        }
    }
    all
}

fn point_folder(name: &str) -> bool {
    POINT_FOLDERS.contains(&name.to_ascii_lowercase().as_str())
}

/// The folders of a place, with the captures in each.
struct Folders<'a> {
    captures: BTreeMap<&'a str, Vec<&'a str>>,
    described: BTreeSet<&'a str>,
    all: BTreeSet<&'a str>,
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// True if `path` lies in `folder`, however deep.
fn inside(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

impl<'a> Folders<'a> {
    fn new(place: &'a Place) -> Self {
        let mut this = Self { captures: BTreeMap::new(), described: BTreeSet::new(), all: BTreeSet::new() };
        for file in &place.files {
            let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
            if named_like_capture(name) {
                this.captures.entry(folder).or_default().push(&file.path);
            }
            let mut up = folder;
            while this.all.insert(up) && !up.is_empty() {
                up = parent(up);
            }
        }
        this.described.extend(place.descriptions.keys().map(String::as_str));
        this
    }

    /// Captures in `folder` and below.
    fn below(&self, folder: &str) -> Vec<String> {
        let inner = self.captures.iter().filter(|(f, _)| **f == folder || inside(f, folder));
        inner.flat_map(|(_, files)| files.iter().map(|f| (*f).to_owned())).collect()
    }

    /// Runs by `run.toml` and by folder.
    fn plain(&self) -> Vec<Candidate> {
        let mut runs: Vec<Candidate> = Vec::new();
        let mut taken: Vec<&str> = Vec::new();
        // Folders come before what lies in them.
        for folder in &self.all {
            if taken.iter().any(|t| *folder == *t || inside(folder, t)) {
                continue;
            }
            let mut files: Vec<String> = self.captures.get(folder).into_iter().flatten().map(|f| (*f).to_owned()).collect();
            if self.described.contains(folder) {
                taken.push(folder);
                files = self.below(folder);
            } else {
                for point in
                    self.all.iter().filter(|f| parent(f) == *folder && point_folder(f.rsplit('/').next().unwrap_or(f)) && !f.is_empty())
                {
                    let inner = self.below(point);
                    if !inner.is_empty() {
                        taken.push(point);
                        files.extend(inner);
                    }
                }
                if files.is_empty() {
                    continue;
                }
            }
            let folder = (*folder).to_owned();
            runs.push(Candidate { id: folder.clone(), folder, files, points: None, fields: Fields::new() });
        }
        runs
    }
}

/// Runs by patterns. Folders above those that the patterns speak of (the one folder that an archive often has) are left out.
fn by_patterns(place: &Place, folders: &Folders<'_>, study: &Description, unmatched: &mut Vec<String>) -> Vec<Candidate> {
    let deepest = folders.all.iter().map(|f| f.split('/').count()).max().unwrap_or(0);
    for skip in 0..=deepest {
        let mut runs: BTreeMap<String, Candidate> = BTreeMap::new();
        for pattern in &study.patterns {
            if of_files(pattern) {
                files_that_fit(place, pattern, skip, &mut runs);
            } else {
                folders_that_fit(folders, pattern, skip, &mut runs);
            }
        }
        if runs.is_empty() {
            continue;
        }
        let taken: BTreeSet<&str> = runs.values().flat_map(|r| r.files.iter().map(String::as_str)).collect();
        let left = folders.captures.values().flatten().filter(|f| !taken.contains(**f)).map(|f| place.path.join(f).display().to_string());
        unmatched.extend(left);
        return runs.into_values().collect();
    }
    unmatched.extend(folders.captures.values().flatten().map(|f| place.path.join(f).display().to_string()));
    Vec::new()
}

fn of_files(pattern: &Pattern) -> bool {
    pattern.has(POINT) || named_like_capture(&format!("x{}", pattern.ending()))
}

fn folders_that_fit(folders: &Folders<'_>, pattern: &Pattern, skip: usize, runs: &mut BTreeMap<String, Candidate>) {
    for folder in folders.all.iter().filter(|f| !f.is_empty()) {
        let parts: Vec<&str> = folder.split('/').skip(skip).collect();
        let Some(fields) = pattern.fit(&parts) else { continue };
        let files = folders.below(folder);
        let nested = runs.values().any(|run| inside(folder, &run.folder) && !run.folder.is_empty());
        if (!files.is_empty() || folders.described.contains(folder)) && !nested {
            let folder = (*folder).to_owned();
            runs.entry(folder.clone()).or_insert(Candidate { id: folder.clone(), folder, files, points: None, fields });
        }
    }
}

/// Files that differ only in their point are one run; its id is the path with the point left out.
fn files_that_fit(place: &Place, pattern: &Pattern, skip: usize, runs: &mut BTreeMap<String, Candidate>) {
    let taken: BTreeSet<String> = runs.values().flat_map(|r| r.files.clone()).collect();
    for file in place.files.iter().filter(|f| named_like_capture(f.path.rsplit('/').next().unwrap_or(&f.path)) && !taken.contains(&f.path))
    {
        let parts: Vec<&str> = file.path.split('/').skip(skip).collect();
        let Some(mut fields) = pattern.fit(&parts) else { continue };
        let point = fields.remove(POINT);
        let id = if point.is_some() {
            let values: Vec<&str> = fields.values().map(String::as_str).collect();
            if values.is_empty() { parent(&file.path).to_owned() } else { values.join("-") }
        } else {
            let name = file.path.rsplit('/').next().unwrap_or(&file.path);
            file.path[..file.path.len() - name.len()].to_owned() + crate::run::stem_of_name(name)
        };
        let role = point.as_deref().map_or(Role::Unknown, role_of_name);
        let run = runs.entry(format!("{id}\n{fields:?}")).or_insert_with(|| Candidate {
            folder: parent(&file.path).to_owned(),
            id,
            files: Vec::new(),
            points: Some(Vec::new()),
            fields,
        });
        run.files.push(file.path.clone());
        let path = place.path.join(&file.path);
        let points = run.points.get_or_insert_default();
        match points.iter_mut().find(|p| p.role == role && role != Role::Unknown) {
            Some(same) => same.paths.push(path),
            None => points.push(PointSpec { role, paths: vec![path] }),
        }
    }
}

#[cfg(test)]
mod tests;
