//! What a user says of the viewer (player, scenario) and what the report makes of it, on the demo run.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The demo run with a description of its own.
fn run(description: &str) -> tempfile::TempDir {
    let room = tempfile::tempdir().unwrap();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/demo");
    for name in ["client.pcapng.zst", "source.pcapng.zst", "destination.pcapng.zst"] {
        fs::copy(demo.join(name), room.path().join(name)).unwrap();
    }
    fs::write(room.path().join("run.toml"), description).unwrap();
    room
}

fn lmpcap(run: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lmpcap")).arg("analyze").arg(run).args(options).output().expect("the binary runs")
}

fn report(run: &Path, options: &[&str]) -> Value {
    let out = lmpcap(run, &[&["--format", "json", "-o", "-"], options].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("JSON")
}

fn text(run: &Path, options: &[&str]) -> String {
    let out = lmpcap(run, &[&["--format", "text", "-o", "-"], options].concat());
    // Lines are broken for a terminal.
    String::from_utf8_lossy(&out.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_player_is_as_the_run_and_the_command_line_say() {
    let video = |report: &Value| report["video"][0].clone();
    let said = |video: &Value| {
        video["assumptions"].as_array().unwrap().iter().map(|a| a.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let usual = video(&report(run("").path(), &[]));
    assert!(said(&usual).contains("starts with 1 s of media buffered and goes on after a stall with 1 s"), "{}", said(&usual));
    assert!(said(&usual).contains("below 0.5 s that does not run empty is a near-stall; stalls shorter than 0.05 s"), "{}", said(&usual));

    // Segments of 2 s: with 5 s three must come, and the third is asked for when the first has played for a while.
    let patient = run("[player]\nstart = 5\nnear_stall = 3\n");
    let described = video(&report(patient.path(), &[]));
    assert!(said(&described).contains("starts with 5 s") && said(&described).contains("below 3 s"), "{}", said(&described));
    let third = |video: &Value| video["segment_table"][2]["done"].as_str().unwrap().to_owned();
    let startup = |video: &Value| video["startup_ms"].as_f64().unwrap();
    assert!(startup(&described) > startup(&usual) && third(&described) == third(&usual));
    assert!(described["buffer_min_s"].as_f64() > usual["buffer_min_s"].as_f64());

    // The command line goes before the description, value by value.
    let given = video(&report(patient.path(), &["--player-start", "0.5", "--player-resume", "4", "--least-stall", "0.2"]));
    assert!(said(&given).contains("starts with 0.5 s of media buffered and goes on after a stall with 4 s"), "{}", said(&given));
    assert!(said(&given).contains("below 3 s that does not run empty is a near-stall; stalls shorter than 0.2 s"), "{}", said(&given));
    assert_eq!(startup(&given), startup(&usual));

    let wrong = lmpcap(patient.path(), &["--player-start=-1"]);
    assert_eq!(wrong.status.code(), Some(2));
    let message = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(message.contains("video player: start: expected seconds from 0 to 600, found -1"), "{message}");
    let wrong = lmpcap(run("[player]\nnear_stall = 1e9\n").path(), &[]);
    assert_eq!(wrong.status.code(), Some(2));
    let message = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(message.contains("run.toml") && message.contains("player.near_stall: expected seconds from 0 to 600"), "{message}");
}

#[test]
fn the_scenario_that_was_given_is_compared_with_the_traffic() {
    let told = |report: &Value| {
        let run = &report["run"];
        ["scenario", "scenario_source", "scenario_inferred"].map(|k| run[k].as_str().unwrap_or("-").to_owned())
    };
    let warned = |report: &Value| report["warnings"].as_array().unwrap().iter().any(|w| w.as_str().unwrap().contains("cenario"));

    let none = run("");
    let inferred = report(none.path(), &[]);
    assert_eq!((told(&inferred), warned(&inferred)), (["offline-video", "inferred", "-"].map(String::from), false));
    assert!(inferred["run"]["scenario_why"].as_str().unwrap().contains("which is the VM"), "{}", inferred["run"]);
    assert!(text(none.path(), &[]).contains("offline video (inferred)"));

    let same = run("scenario = \"offline-video\"\n");
    let agreed = report(same.path(), &[]);
    assert_eq!((told(&agreed), warned(&agreed)), (["offline-video", "given", "offline-video"].map(String::from), false));
    assert!(text(same.path(), &[]).contains("offline video (given; the traffic agrees)"));

    let other = run("scenario = \"online-video\"\n");
    let differs = report(other.path(), &[]);
    assert_eq!((told(&differs), warned(&differs)), (["online-video", "given", "offline-video"].map(String::from), true));
    let warnings = differs["warnings"].to_string();
    assert!(warnings.contains("The scenario was given as online-video; the traffic is that of offline-video."), "{warnings}");
    assert!(warnings.contains("The largest video is hls from 192.0.2.50"), "{warnings}");
    assert!(text(other.path(), &[]).contains("online video (given; the traffic looks like offline video)"));
    let page = lmpcap(other.path(), &["--format", "markdown", "-q", "--lang", "id", "-o", &other.path().join("out").display().to_string()]);
    assert!(page.status.success());
    let page = fs::read_to_string(other.path().join("out/report.md")).unwrap();
    assert!(page.contains("lalu lintasnya tampak seperti video luring"), "{page}");
    assert!(page.contains("lalu lintasnya adalah offline-video") && page.contains("video terbesar adalah hls dari"), "{page}");

    // The command line goes before the description.
    let over = report(other.path(), &["--scenario", "offline-video"]);
    assert_eq!((told(&over), warned(&over)), (["offline-video", "given", "offline-video"].map(String::from), false));
}
