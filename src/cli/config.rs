//! From arguments to what the engine takes: all validation, no work but reading a scale's file.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::args::{Analyze, Batch, Input, Known, MethodArg, Player};
use crate::base::pseudonym::{KEY_BYTES, Pseudonyms};
use crate::base::role::Role;
use crate::engine::Options;
use crate::error::{Error, Result};
use crate::grade::{self, Method, Scale};
use crate::measure::video::PlaybackOptions;
use crate::run::{PointSpec, RunSpec, parse_bandwidth};

/// The run that the arguments name.
pub fn run_spec(input: &Input, known: &Known) -> Result<RunSpec> {
    let given = [
        (Role::Client, &input.client),
        (Role::Source, &input.source),
        (Role::Destination, &input.destination),
        (Role::Storage, &input.storage),
        (Role::Controller, &input.controller),
    ];
    let given: Vec<PointSpec> = given.into_iter().map(|(role, paths)| PointSpec { role, paths: paths.clone() }).collect();
    let none = given.iter().all(|p| p.paths.is_empty());
    let base = match &input.run {
        Some(path) => RunSpec::from_path(path)?,
        None if none => {
            return Err(Error::new("no capture was given").advice("Give a capture file or a folder, or --client, --source, --destination."));
        }
        None => RunSpec { name: "run".to_owned(), ..RunSpec::default() },
    };
    let mut run = base.with_points(given);
    let stdin = run.points.iter().flat_map(|p| &p.paths).filter(|p| p.as_os_str() == "-").count();
    if stdin > 1 {
        return Err(Error::new(format!("standard input was given {stdin} times, but can be read only once")));
    }
    if let Some(name) = &known.name {
        run.name.clone_from(name);
    }
    if let Some(scenario) = &known.scenario {
        run.scenario = Some(scenario.clone());
    }
    if !known.vm_mac.is_empty() {
        run.vm_macs.clone_from(&known.vm_mac);
    }
    if !known.vm_ip.is_empty() {
        run.vm_ips.clone_from(&known.vm_ip);
    }
    if let Some(rate) = &known.link_bandwidth {
        run.link_bandwidth_bps = Some(parse_bandwidth(rate)?);
    }
    run.check()
}

/// The player that the arguments describe; what they leave open is as `run` says.
pub fn player(args: &Player, run: &RunSpec) -> Result<PlaybackOptions> {
    let player = PlaybackOptions {
        start_s: args.player_start.unwrap_or(run.player.start_s),
        resume_s: args.player_resume.unwrap_or(run.player.resume_s),
        near_s: args.near_stall.unwrap_or(run.player.near_s),
        least_stall_s: args.least_stall.unwrap_or(run.player.least_stall_s),
    };
    player.check().map_err(|e| Error::new(format!("video player: {e}")))?;
    Ok(player)
}

/// The scale that `--scale` names.
fn scale(name: &str) -> Result<Scale> {
    if let Some(scale) = grade::builtin(name) {
        return Ok(scale);
    }
    let names: Vec<&str> = grade::SCALES.iter().map(|s| s.name).collect();
    let path = Path::new(name);
    let text = std::fs::read_to_string(path).map_err(|e| {
        Error::io(path, "read the grading scale", &e).advice(format!("Expected one of {}, or a TOML file.", names.join(", ")))
    })?;
    grade::from_toml(&text).map_err(|e| e.at(path))
}

/// Largest key file that is read: keys are short.
const LARGEST_KEY: u64 = 1 << 16;

/// The pseudonyms that `--anonymize` asks for: under the key of a file, or under a random one that is kept nowhere.
pub fn pseudonyms(asked: Option<&Option<PathBuf>>) -> Result<Option<Pseudonyms>> {
    let Some(asked) = asked else { return Ok(None) };
    let Some(path) = asked else {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key)
            .map_err(|e| Error::new(format!("--anonymize: no random key can be had: {e}")).advice("Give a key file."))?;
        return Ok(Some(Pseudonyms::new(&key)));
    };
    let advice = "Make one with: head -c 32 /dev/urandom > KEYFILE";
    let mut key = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST_KEY + 1).read_to_end(&mut key));
    read.map_err(|e| Error::io(path, "read the key", &e).advice(advice))?;
    match key.len() as u64 {
        0..16 => Err(Error::new(format!("expected a key of 16 bytes or more, found {}", key.len())).at(path).advice(advice)),
        16..=LARGEST_KEY => Ok(Some(Pseudonyms::new(&key))),
        _ => Err(Error::new(format!("expected a key of at most {LARGEST_KEY} bytes, found more")).at(path).advice(advice)),
    }
}

/// The engine's options.
pub fn options(input: &Input, known: &Known) -> Result<Options> {
    let clock = known.clock.parse().map_err(|e| Error::new(format!("--clock: {e}")))?;
    Ok(Options { filter: input.filter.clone(), clock, ..Options::default() })
}

fn method(method: MethodArg) -> Method {
    match method {
        MethodArg::Rigorous => Method::Rigorous,
        MethodArg::Thesis => Method::Thesis,
    }
}

/// The engine's options for the runs of a `batch`.
pub fn batch_options(args: &Batch) -> Result<Options> {
    let clock = args.clock.parse().map_err(|e| Error::new(format!("--clock: {e}")))?;
    let (scale, method) = (scale(&args.scale)?, method(args.method));
    Ok(Options { filter: args.filter.clone(), clock, scale, method, ..Options::default() })
}

/// The engine's options for `analyze`.
pub fn analyze_options(args: &Analyze) -> Result<Options> {
    let method = method(args.method);
    Ok(Options { scale: scale(&args.scale)?, method, ..options(&args.input, &args.known)? })
}

/// A folder name made of the run's name.
pub fn report_folder(run: &RunSpec) -> PathBuf {
    let safe: String = run.name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }).collect();
    let safe = safe.trim_matches(['-', '.']);
    Path::new("reports").join(if safe.is_empty() { "run" } else { safe })
}
