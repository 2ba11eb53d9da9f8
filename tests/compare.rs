//! `lmpcap compare` as a user calls it: sides of every kind, formats, conditions and exit codes.
#![cfg(feature = "testkit")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use lmpcap::model::Report;
use lmpcap::report::{self, WriteOptions};
use lmpcap::study::figures::Run;
use lmpcap::study::report::write_statistics;
use lmpcap::study::statistics::Statistics;
use lmpcap::testkit::{sample, study};
use serde_json::Value;

fn run(dir: &Path, name: &str, report: &Report) -> PathBuf {
    let folder = dir.join(name);
    report::write(report, &["json"], &folder, &WriteOptions::default()).unwrap();
    folder
}

fn statistics(dir: &Path, name: &str, runs: &[Run]) -> PathBuf {
    let folder = dir.join(name);
    fs::create_dir(&folder).unwrap();
    write_statistics(name, runs, &Statistics::of(runs), &folder).unwrap();
    folder
}

/// Exit code, standard output, standard error.
fn compare(a: &Path, b: &Path, more: &[&str]) -> (i32, String, String) {
    let out = Command::cargo_bin("lmpcap").unwrap().arg("compare").args([a, b]).args(more).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn two_runs_and_the_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (run(dir.path(), "a", &study::report(0, 1024, 2)), run(dir.path(), "b", &study::report(2, 1024, 2)));
    let (code, text, _) = compare(&a, &b, &[]);
    assert_eq!(code, 0);
    assert!(text.contains("VM downtime") && text.lines().all(|line| line.chars().count() <= 80 || line.starts_with(['A', 'B'])), "{text}");
    let code = |condition: &str| compare(&a, &b, &["--fail-if", condition]);
    assert_eq!(code("downtime_ms > +10%").0, 1);
    assert!(code("downtime_ms > +10%").1.contains("FAILED: downtime_ms > +10%"));
    assert_eq!(code("downtime_ms > +1000%").0, 0);
    assert_eq!(code("downtime_ms < -10%").0, 0);
    let (wrong, _, error) = code("downtime > +10%");
    assert!(wrong == 2 && error.contains("downtime_ms, network_downtime_ms"), "{error}");
    // The file itself is as good as its folder.
    assert_eq!(compare(&a.join("report.json"), &b, &["--fail-if", "total_ms >= +0"]).0, 1);
}

#[test]
fn an_unknown_figure_fails_in_its_own_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut unknown = sample::report();
    unknown.migrations[0].downtime.vm.ms = None;
    unknown.migrations[0].downtime.vm.why = Some("the stop of the guest is not known".into());
    let (a, b) = (run(dir.path(), "a", &sample::report()), run(dir.path(), "b", &unknown));
    let (code, text, error) = compare(&a, &b, &["--fail-if", "downtime_ms > +10%", "--lang", "id"]);
    assert_eq!(code, 3);
    assert!(text.contains("TIDAK DINILAI") && text.contains("saat tamu berhenti tidak diketahui"), "{text}");
    assert!(error.contains("could not be judged"), "{error}");
    // One that holds counts more.
    assert_eq!(compare(&a, &b, &["--fail-if", "downtime_ms > +10%", "--fail-if", "total_ms <= +0"]).0, 1);
}

#[test]
fn studies_are_compared_by_scenario() {
    let dir = tempfile::tempdir().unwrap();
    let mut slower = study::runs(5);
    for figure in slower.iter_mut().filter(|run| run.scenario == "online-video").flat_map(|run| &mut run.migrations) {
        let figure = figure.figures.get_mut("total_ms").unwrap();
        figure.value = figure.value.map(|ms| ms * 1.5);
    }
    let (a, b) = (statistics(dir.path(), "a", &study::runs(5)), statistics(dir.path(), "b", &slower));
    let (code, text, _) = compare(&a, &b, &["--format", "json", "--fail-if", "total_ms > +20%"]);
    assert_eq!(code, 1);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["schema"], "lmpcap.comparison/1");
    assert_eq!(found["conditions"][0]["scenarios"], serde_json::json!(["online-video"]));
    let total = |scenario: &str| {
        let all = found["changes"].as_array().unwrap();
        all.iter().find(|c| c["figure"] == "total_ms" && c["scenario"] == scenario).unwrap().clone()
    };
    assert_eq!(total("no-video")["change"], 0.0);
    assert!((total("online-video")["change_percent"].as_f64().unwrap() - 50.0).abs() < 1e-9);
    let file = dir.path().join("out/changes.md");
    assert_eq!(compare(&a, &b, &["--format", "markdown", "-o", file.to_str().unwrap()]).0, 0);
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains("| Migration time |") && text.contains("Online video"), "{text}");
}

#[test]
fn what_is_no_report_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let a = run(dir.path(), "a", &sample::report());
    let other = dir.path().join("other.json");
    fs::write(&other, "{\"schema\":\"x\\u001b[2J\"}").unwrap();
    let (code, _, error) = compare(&a, &other, &[]);
    assert!(code == 2 && error.contains("found \"x\\\\x1b[2J\"") && error.contains("other.json"), "{error}");
    fs::write(&other, "{").unwrap();
    assert_eq!(compare(&a, &other, &[]).0, 2);
    assert_eq!(compare(&a, &dir.path().join("missing"), &[]).0, 2);
    // Hostile names stay text on a terminal.
    let hostile = statistics(dir.path(), "h", &study::hostile());
    let (_, text, _) = compare(&hostile, &hostile, &[]);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
}
