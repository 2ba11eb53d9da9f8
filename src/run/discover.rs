//! Which files of a folder belong to which point.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{PointSpec, RunSpec, file};
use crate::base::role::Role;
use crate::error::{Error, Result};

/// Endings of capture files, before the endings of compression.
const ENDINGS: [&str; 5] = [".pcapng", ".pcap", ".cap", ".dmp", ".ntar"];
/// Endings of compressed files.
const COMPRESSED: [&str; 7] = [".zst", ".zstd", ".gz", ".xz", ".lz4", ".bz2", ".gzip"];
/// How the names of files begin that belong to a role.
const PREFIXES: [(&str, Role); 9] = [
    ("client", Role::Client),
    ("source", Role::Source),
    ("src", Role::Source),
    ("destination", Role::Destination),
    ("dest", Role::Destination),
    ("dst", Role::Destination),
    ("storage", Role::Storage),
    ("controller", Role::Controller),
    ("control", Role::Controller),
];

/// The role that a file's name says.
pub fn role_of_name(name: &str) -> Role {
    let name = name.to_ascii_lowercase();
    PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or(Role::Unknown, |p| p.1)
}

fn strip_compression(name: &str) -> &str {
    COMPRESSED.iter().find_map(|e| name.strip_suffix(e)).unwrap_or(name)
}

/// A file's name without the endings of captures and compression.
pub fn stem_of_name(name: &str) -> &str {
    let name = strip_compression(name);
    ENDINGS.iter().find_map(|e| name.strip_suffix(e)).unwrap_or(name)
}

/// True if the name is that of a capture, also of a rotated one (`x.pcap3`).
pub fn named_like_capture(name: &str) -> bool {
    let plain = strip_compression(name).trim_end_matches(|c: char| c.is_ascii_digit());
    ENDINGS.iter().any(|e| plain.ends_with(e) && plain.len() > e.len())
}

/// The common name of files that a rotation made: `x_00001_20261124010203`, `x.pcap1`, `x-20261124-010203`, `x.003`.
fn rotation_base(name: &str) -> &str {
    let mut stem = strip_compression(name);
    let digits_off = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    if let Some(base) = ENDINGS.iter().find_map(|e| digits_off.strip_suffix(e)) {
        stem = base;
    } else {
        stem = stem_of_name(stem);
    }
    loop {
        let shorter = stem.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = stem.len() - shorter.len();
        match shorter.strip_suffix(['_', '-', '.']) {
            Some(rest) if digits >= 3 && !rest.is_empty() => stem = rest,
            _ => return stem,
        }
    }
}

/// A run from a folder: `run.toml` if there is one, else by the names of the files.
pub fn folder(path: &Path) -> Result<RunSpec> {
    let name = std::fs::canonicalize(path)
        .ok()
        .and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "run".to_owned());
    let mut run = RunSpec { name, path: path.to_owned(), ..RunSpec::default() };
    let described = path.join(file::RUN_FILE);
    if described.is_file() {
        file::read(&described, &mut run)?;
    }
    if run.points.is_empty() {
        run.points = by_names(path)?;
    }
    run.check()
}

fn by_names(folder: &Path) -> Result<Vec<PointSpec>> {
    let list = std::fs::read_dir(folder).map_err(|e| Error::io(folder, "list the folder", &e))?;
    let mut names: Vec<String> = Vec::new();
    for entry in list {
        let entry = entry.map_err(|e| Error::io(folder, "list the folder", &e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if named_like_capture(&name) && entry.path().is_file() {
            names.push(name);
        }
    }
    names.sort();
    Ok(points_of_names(folder, &names))
}

/// Points from the names of the captures in `folder`: role by role, then what no name tells, rotation by rotation.
pub fn points_of_names(folder: &Path, names: &[String]) -> Vec<PointSpec> {
    let mut known: BTreeMap<Role, Vec<PathBuf>> = BTreeMap::new();
    let mut unknown: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for name in names {
        match role_of_name(name) {
            Role::Unknown => unknown.entry(rotation_base(name).to_owned()).or_default().push(folder.join(name)),
            role => known.entry(role).or_default().push(folder.join(name)),
        }
    }
    let known = known.into_iter().map(|(role, paths)| PointSpec { role, paths });
    let unknown = unknown.into_values().map(|paths| PointSpec { role: Role::Unknown, paths });
    known.chain(unknown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_roles_and_rotations() {
        assert_eq!(role_of_name("client.pcap.zst"), Role::Client);
        assert_eq!(role_of_name("Source-tap.pcapng"), Role::Source);
        assert_eq!(role_of_name("dst_00001_20261124.pcap"), Role::Destination);
        assert_eq!(role_of_name("compute1.pcap"), Role::Unknown);
        assert_eq!(stem_of_name("run.pcapng.gz"), "run");
        assert_eq!(rotation_base("node_00001_20261124010203.pcap"), "node");
        assert_eq!(rotation_base("node.pcap12"), "node");
        assert_eq!(rotation_base("compute1.pcap"), "compute1");
        assert_eq!(rotation_base("compute-2.pcap.zst"), "compute-2");
        assert!(named_like_capture("x.pcap3") && named_like_capture("x.pcapng.zst"));
        assert!(!named_like_capture("truth.json") && !named_like_capture(".pcap"));
    }

    #[test]
    fn a_folder_becomes_points() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["client.pcap", "source.pcap", "source-tap.pcap", "dst.pcapng.zst", "extra.pcap", "notes.txt"] {
            std::fs::write(dir.path().join(name), b"").unwrap();
        }
        let run = RunSpec::from_path(dir.path()).unwrap();
        let shape: Vec<_> = run.points.iter().map(|p| (p.role, p.paths.len())).collect();
        assert_eq!(shape, [(Role::Client, 1), (Role::Source, 2), (Role::Destination, 1), (Role::Unknown, 1)]);
    }

    #[test]
    fn an_empty_folder_is_an_error_that_says_what_was_expected() {
        let dir = tempfile::tempdir().unwrap();
        let error = RunSpec::from_path(dir.path()).unwrap_err();
        assert!(error.to_string().contains("client*.pcap"), "{error}");
    }
}
