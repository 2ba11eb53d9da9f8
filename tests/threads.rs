//! In how many threads a point is read changes nothing in the report.

mod common;

use std::path::{Path, PathBuf};

use lmpcap::engine::{Options, analyze};
use lmpcap::run::RunSpec;

/// The report of a run on so many cores.
fn report(path: &Path, cores: usize) -> serde_json::Value {
    let run = RunSpec::from_path(path).unwrap();
    serde_json::to_value(analyze(&run, &Options { cores: Some(cores), ..Options::default() }).unwrap()).unwrap()
}

fn assert_alike(path: &Path) {
    let one = report(path, 1);
    assert!(one["coverage"]["packets"].as_u64().unwrap() > 1000, "{path:?}");
    assert_eq!(one, report(path, 16), "{path:?}");
}

#[test]
fn the_demo_run_is_the_same_in_one_thread_per_point_and_in_three() {
    assert_alike(&Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/demo"));
}

#[test]
fn real_captures_are_the_same_in_one_thread_per_point_and_in_three() {
    // Fragments, losses, tunnels, frames out of order, and one file alone.
    let runs: Vec<PathBuf> = ["lossy", "vxlan", "pcapng", "lossy/client.pcap.zst"].into_iter().filter_map(common::capture).collect();
    runs.iter().for_each(|run| assert_alike(run));
}
