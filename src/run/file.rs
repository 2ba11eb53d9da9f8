//! `run.toml`: what the user says about a run.
//!
//! ```toml
//! name = "offline, 2 GiB, first"
//! scenario = "offline-video"          # no-video, offline-video, online-video
//! link_bandwidth = "1 Gbit/s"         # or a number of bits per second
//! [vm]
//! macs = ["fa:16:3e:00:00:01"]
//! ips = ["192.0.2.50"]
//! [points]                            # files relative to this folder; without this table the names decide
//! client = "laptop.pcapng"
//! source = ["compute1-eth0.pcap", "compute1-tap.pcap"]
//! destination = ["compute2.pcap"]
//! [player]                            # how the viewer's player behaves, in seconds; these are the defaults
//! start = 1.0                         # media buffered before it starts
//! resume = 1.0                        # and before it goes on after a stall
//! near_stall = 0.5                    # a buffer below this is a near-stall
//! least_stall = 0.05                  # shorter stalls are not counted
//! [factors]                           # columns of a study
//! ram_mib = 2048
//! stress = "cpu"
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::{PointSpec, RunSpec, SCENARIOS};
use crate::base::net::Mac;
use crate::base::role::Role;
use crate::error::{Error, Result};
use crate::measure::video::PlaybackOptions;

/// Its name.
pub const RUN_FILE: &str = "run.toml";
/// Largest description that is read: a few hundred files fit many times over.
pub const LARGEST: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    name: Option<String>,
    scenario: Option<String>,
    link_bandwidth: Option<toml::Value>,
    #[serde(default)]
    vm: Vm,
    #[serde(default)]
    points: BTreeMap<String, Files>,
    #[serde(default)]
    player: Player,
    #[serde(default)]
    factors: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Player {
    start: Option<f64>,
    resume: Option<f64>,
    near_stall: Option<f64>,
    least_stall: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Vm {
    #[serde(default)]
    macs: Vec<Mac>,
    #[serde(default)]
    ips: Vec<IpAddr>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Files {
    One(PathBuf),
    Many(Vec<PathBuf>),
}

/// Reads the description at `path` into `run`.
pub(super) fn read(path: &Path, run: &mut RunSpec) -> Result<()> {
    let text = read_description(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    apply(&text, folder, run).map_err(|e| e.at(path))
}

/// The text of a description, which may be a `study.toml` too.
///
/// # Errors
/// It cannot be read, or is too long for a description.
pub fn read_description(path: &Path) -> Result<String> {
    let size = std::fs::metadata(path).map_err(|e| Error::io(path, "read", &e))?.len();
    if size > LARGEST {
        return Err(Error::new(format!("expected a description of at most {LARGEST} bytes, found {size}")).at(path));
    }
    std::fs::read_to_string(path).map_err(|e| Error::io(path, "read", &e))
}

/// Applies a description whose files lie in `folder`.
pub(crate) fn apply(text: &str, folder: &Path, run: &mut RunSpec) -> Result<()> {
    let described: Described = toml::from_str(text).map_err(|e| Error::new(format!("not a run description: {e}")))?;
    if let Some(name) = described.name {
        run.name = name;
    }
    if let Some(scenario) = described.scenario {
        if !SCENARIOS.contains(&scenario.as_str()) {
            return Err(Error::new(format!("scenario: expected one of {}, found {scenario:?}", SCENARIOS.join(", "))));
        }
        run.scenario = Some(scenario);
    }
    if let Some(value) = described.link_bandwidth {
        run.link_bandwidth_bps = Some(bandwidth(&value)?);
    }
    run.vm_macs = described.vm.macs;
    run.vm_ips = described.vm.ips;
    for (role, files) in described.points {
        let role: Role = role.parse().map_err(|e| Error::new(format!("points: {e}")))?;
        let paths = match files {
            Files::One(path) => vec![path],
            Files::Many(paths) => paths,
        };
        for path in &paths {
            // A description comes with an archive from somewhere else: it must not make lmpcap read files outside of its run.
            if path.components().any(|c| !matches!(c, Component::Normal(_) | Component::CurDir)) {
                return Err(Error::new(format!("points.{role}: expected a file inside the run's folder, found {:?}", path.display())));
            }
        }
        run.points.push(PointSpec { role, paths: paths.into_iter().map(|p| folder.join(p)).collect() });
    }
    let (player, usual) = (described.player, PlaybackOptions::default());
    run.player = PlaybackOptions {
        start_s: player.start.unwrap_or(usual.start_s),
        resume_s: player.resume.unwrap_or(usual.resume_s),
        near_s: player.near_stall.unwrap_or(usual.near_s),
        least_stall_s: player.least_stall.unwrap_or(usual.least_stall_s),
    };
    run.player.check().map_err(|e| Error::new(format!("player.{e}")))?;
    run.factors = described.factors.into_iter().map(|(k, v)| (k, plain(&v))).collect();
    Ok(())
}

fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn bandwidth(value: &toml::Value) -> Result<f64> {
    match value {
        toml::Value::Integer(bps) => parse_bandwidth(&bps.to_string()),
        toml::Value::Float(bps) => parse_bandwidth(&bps.to_string()),
        toml::Value::String(text) => parse_bandwidth(text),
        other => {
            Err(Error::new(format!("link_bandwidth: expected a number of bits per second or a text such as \"1 Gbit/s\", found {other}")))
        }
    }
}

/// Reads `1000000`, `100 Mbit/s`, `1Gbit`, `2.5gbps` as bits per second.
pub fn parse_bandwidth(text: &str) -> Result<f64> {
    let wrong = || Error::new(format!("bandwidth: expected bits per second such as 1000000000, 100Mbit/s or 1 Gbit/s, found {text:?}"));
    let lower = text.trim().to_ascii_lowercase();
    let split = lower.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(split);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let scale = match unit.trim() {
        "" | "bit/s" | "bps" | "bit" | "b/s" => 1.0,
        "k" | "kbit/s" | "kbps" | "kbit" => 1e3,
        "m" | "mbit/s" | "mbps" | "mbit" => 1e6,
        "g" | "gbit/s" | "gbps" | "gbit" => 1e9,
        _ => return Err(wrong()),
    };
    let bps = number * scale;
    if bps > 0.0 && bps.is_finite() { Ok(bps) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_everything() {
        let mut run = RunSpec::default();
        let text = r#"
            name = "offline 1"
            scenario = "offline-video"
            link_bandwidth = "1 Gbit/s"
            [vm]
            macs = ["fa:16:3e:00:00:01"]
            ips = ["192.0.2.50", "2001:db8::5"]
            [points]
            client = "a.pcap"
            source = ["b.pcap", "c.pcap"]
            [player]
            start = 2
            near_stall = 0.8
            [factors]
            ram_mib = 2048
            stress = "cpu"
        "#;
        apply(text, Path::new("x"), &mut run).unwrap();
        assert_eq!(run.link_bandwidth_bps, Some(1e9));
        assert_eq!(run.vm_ips.len(), 2);
        assert_eq!(run.points[0], PointSpec { role: Role::Client, paths: vec!["x/a.pcap".into()] });
        assert_eq!(run.player, PlaybackOptions { start_s: 2.0, near_s: 0.8, ..PlaybackOptions::default() });
        assert_eq!((run.factors["ram_mib"].as_str(), run.factors["stress"].as_str()), ("2048", "cpu"));
    }

    #[test]
    fn says_what_is_wrong() {
        let fail = |text: &str| apply(text, Path::new("x"), &mut RunSpec::default()).unwrap_err().message;
        assert!(fail("scenario = \"film\"").contains("offline-video"));
        assert!(fail("points.moon = \"a\"").contains("not a role"));
        assert!(fail("points.client = \"../../etc/passwd\"").contains("inside the run's folder"));
        assert!(fail("points.client = \"/etc/passwd\"").contains("inside the run's folder"));
        assert!(fail("player.start = -1").contains("player.start: expected seconds from 0"));
        assert!(fail("player.speed = 2").contains("unknown field"));
        assert!(fail("colour = 1").contains("unknown field"));
        assert!(fail("link_bandwidth = \"fast\"").contains("Gbit/s"));
        assert!(parse_bandwidth("-5").is_err() && parse_bandwidth("0").is_err());
        assert_eq!(parse_bandwidth("2.5gbps").unwrap(), 2.5e9);
    }
}
