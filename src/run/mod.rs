//! What is to be analyzed: which files belong to which point, what the user says about the run.
//!
//! Reads folders and `run.toml`; opens no capture beyond its magic number.

// Descriptions of runs and the folders they lie in are read here.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod discover;
mod file;
mod tree;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::base::net::Mac;
use crate::base::role::Role;
use crate::error::{Error, Result};
use crate::measure::video::PlaybackOptions;

pub use discover::{named_like_capture, points_of_names, role_of_name, stem_of_name};
#[cfg(any(test, feature = "testkit"))]
pub(crate) use file::apply as apply_description;
pub use file::{LARGEST as DESCRIPTION_BYTES, RUN_FILE, parse_bandwidth, read_description};
pub use tree::{Entry, Tree};

/// Scenarios of the experiments.
pub const SCENARIOS: [&str; 3] = ["no-video", "offline-video", "online-video"];

/// One capture point: its files, and its role if it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointSpec {
    /// Role; [`Role::Unknown`] is inferred.
    pub role: Role,
    /// Capture files; `-` is standard input.
    pub paths: Vec<PathBuf>,
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSpec {
    /// Name for the report and its folder.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Scenario, if given.
    pub scenario: Option<String>,
    /// Points with at least one file each.
    pub points: Vec<PointSpec>,
    /// MAC addresses of the VM, if given.
    pub vm_macs: Vec<Mac>,
    /// IP addresses of the VM, if given.
    pub vm_ips: Vec<IpAddr>,
    /// Bandwidth of the link, if given.
    pub link_bandwidth_bps: Option<f64>,
    /// The player that video sessions are modelled with.
    pub player: PlaybackOptions,
    /// Factors of a study.
    pub factors: BTreeMap<String, String>,
}

impl RunSpec {
    /// From a capture file, a folder of captures, a folder with a `run.toml`, or a `run.toml`.
    pub fn from_path(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            let point = PointSpec { role: Role::Unknown, paths: vec![path.to_owned()] };
            return Ok(Self { name: "stdin".to_owned(), path: path.to_owned(), points: vec![point], ..Self::default() });
        }
        let meta = std::fs::metadata(path)
            .map_err(|e| Error::io(path, "open", &e).advice("Give a capture file, a folder with captures, or - for standard input."))?;
        if meta.is_dir() {
            return discover::folder(path);
        }
        if path.file_name().is_some_and(|n| n == RUN_FILE) {
            return discover::folder(path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")));
        }
        let name = path.file_name().map(|n| stem_of_name(&n.to_string_lossy()).to_owned()).unwrap_or_default();
        let point = PointSpec { role: Role::Unknown, paths: vec![path.to_owned()] };
        Ok(Self { name, path: path.to_owned(), points: vec![point], ..Self::default() })
    }

    /// Applies the text of a `run.toml`; files lie in the run's path.
    ///
    /// # Errors
    /// What is wrong in it.
    pub fn describe(&mut self, text: &str) -> Result<()> {
        let folder = self.path.clone();
        file::apply(text, &folder, self)
    }

    /// Replaces the files of the points whose role is in `given`; a run made only of given files has no path.
    pub fn with_points(mut self, given: Vec<PointSpec>) -> Self {
        for point in given.into_iter().filter(|p| !p.paths.is_empty()) {
            match self.points.iter_mut().find(|p| p.role == point.role) {
                Some(mine) => mine.paths = point.paths,
                None => self.points.push(point),
            }
        }
        self
    }

    /// An error if there is nothing to read.
    pub fn check(self) -> Result<Self> {
        if self.points.iter().all(|p| p.paths.is_empty()) {
            return Err(Error::new("no capture was found").at(self.path).advice(
                "Expected client*.pcap, source*.pcap, destination*.pcap (also .pcapng, .zst, .gz, …), or a run.toml that names the files.",
            ));
        }
        Ok(self)
    }
}
