//! Runs of which only some points were captured: what remains is told, and what is missing says why.

mod common;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// The files of these roles of a real migration, in a folder of their own.
fn only(name: &str, roles: &[&str]) -> Option<TempDir> {
    let from = common::capture(name)?;
    let to = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(&from).unwrap().map(|f| f.unwrap()) {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.contains(".pcap") && roles.iter().any(|r| name.starts_with(r)) {
            std::fs::copy(file.path(), to.path().join(&name)).unwrap();
        }
    }
    Some(to)
}

fn report(folder: &Path, options: &[&str]) -> (Value, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmpcap"));
    let out = command.arg("analyze").arg(folder).args(["--format", "json", "-o", "-", "-q"]).args(options).output().unwrap();
    let code = out.status.code().unwrap();
    assert!(matches!(code, 0 | 3), "{}: {}", folder.display(), String::from_utf8_lossy(&out.stderr));
    (serde_json::from_slice(&out.stdout).unwrap(), code)
}

fn text(folder: &Path, options: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmpcap"));
    let out = command.arg("analyze").arg(folder).args(["--format", "text", "-o", "-", "-q"]).args(options).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

fn ms(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// STOP on the source to RESUME on the destination in QEMU's own account.
fn pause_ms(name: &str) -> f64 {
    let truth: Value = serde_json::from_slice(&std::fs::read(common::capture(name).unwrap().join("truth.json")).unwrap()).unwrap();
    let last = |events: &Value, what: &str| {
        let event = events.as_array().unwrap().iter().rev().find(|e| e["event"] == what).unwrap().clone();
        ms(&event["t"]) * 1000.0
    };
    last(&truth["destination_events"], "RESUME") - last(&truth["source_events"], "STOP")
}

#[test]
fn a_client_alone_tells_network_and_service() {
    for name in ["none", "hls-any", "vxlan", "offline-full"] {
        let Some(folder) = only(name, &["client"]) else { return };
        let (alone, code) = report(folder.path(), &[]);
        assert_eq!(code, 0, "{name}");
        let migration = &alone["migrations"][0];
        assert_eq!(alone["migrations"].as_array().unwrap().len(), 1, "{name}");
        assert_eq!((&migration["detected_by"], &migration["decoded"]), (&"announcement".into(), &false.into()), "{name}");
        let down = &migration["downtime"];
        assert!(down["vm"]["ms"].is_null() && down["vm"]["why"].is_string() && migration["outcome_why"].is_string(), "{name}: {down:#}");
        let (whole, _) = report(&common::capture(name).unwrap(), &[]);
        let of_all = &whole["migrations"][0]["downtime"];
        // The client's own clock is the reference now: the same silence, but for its rate.
        let (mine, theirs) = (&down["network"]["ms"], &of_all["network"]["ms"]);
        assert!((ms(&mine["upper"]) - ms(&theirs["upper"])).abs() < 0.5, "{name}: {mine} {theirs}");
        assert!(ms(&mine["upper"]) >= pause_ms(name), "{name}: {mine}");
        assert_eq!(down["network"]["ended_by"], of_all["network"]["ended_by"], "{name}");
        let windows = |d: &Value| -> Vec<(String, String, String)> {
            let mine = d["service"].as_array().unwrap().iter().filter(|w| w["cause"] == "migration");
            mine.map(|w| (w["service"].to_string(), w["direction"].to_string(), format!("{:.0}", ms(&w["ms"])))).collect()
        };
        // The guest's pause is not known here, so a wait that began after the silence has no place in it.
        for window in windows(down) {
            assert!(windows(of_all).contains(&window), "{name}: {window:?} {:#}", of_all["service"]);
        }
        assert!(windows(down).iter().any(|w| w.0.contains("icmp")), "{name}: {down:#}");
        // When it began is not known: no phase may claim to.
        assert!(alone["qos"].as_array().unwrap().iter().all(|q| q["phase"] == "whole"), "{name}");
        assert!(down["evidence"].as_array().unwrap().iter().any(|e| e["what"] == "first RARP of the VM at the client"), "{name}: {down:#}");
    }
}

#[test]
fn a_client_alone_says_first_that_the_vm_is_dead() {
    let Some(folder) = only("guest-dead", &["client"]) else { return };
    let (alone, _) = report(folder.path(), &[]);
    let down = &alone["migrations"][0]["downtime"];
    assert_eq!(down["network"]["recovered"], false, "{down:#}");
    let open = down["service"].as_array().unwrap().iter().filter(|w| w["recovered"] == false && w["cause"] == "migration").count();
    assert_eq!(open, 2, "{down:#}");
    assert!(text(folder.path(), &[]).replace('\n', " ").contains("but the VM never answered again"));
    assert!(text(folder.path(), &["--lang", "id"]).replace('\n', " ").contains("VM tidak pernah menjawab lagi"));
    // Behind a router no announcement is heard either.
    let routed = ["--filter", "not rarp"];
    let (alone, code) = report(folder.path(), &routed);
    assert!(code == 3 && alone["migrations"].as_array().unwrap().is_empty(), "{alone:#}");
    let network = &alone["downtime"]["network"];
    assert!(network["recovered"] == false && network["end"].is_null() && network["start"].is_object(), "{network:#}");
    assert!(alone["downtime"]["service"].as_array().unwrap().iter().all(|w| w["cause"] == "other"));
    let said = text(folder.path(), &routed);
    assert!(said.starts_with("No migration was found in these captures; the VM stopped answering"), "{said}");
}

#[test]
fn a_client_that_never_waited_long_has_no_downtime_and_hears_why() {
    let Some(folder) = only("hls-any", &["client"]) else { return };
    let (alone, _) = report(folder.path(), &["--filter", "not rarp"]);
    let network = &alone["downtime"]["network"];
    assert!(network["ms"].is_null() && network["start"].is_null(), "{network:#}");
    assert!(network["why"].as_str().unwrap().contains("never waited longer than"), "{network:#}");
}

#[test]
fn nodes_alone_tell_the_vms_pause() {
    for name in ["none", "hls-any", "vxlan", "offline-full"] {
        let Some(folder) = only(name, &["source", "destination"]) else { return };
        let (alone, _) = report(folder.path(), &[]);
        let down = &alone["migrations"][0]["downtime"];
        let (vm, pause) = (&down["vm"]["ms"], pause_ms(name));
        assert!(ms(&vm["lower"]) <= pause && pause <= ms(&vm["upper"]), "{name}: {pause} {vm}");
        assert!(down["network"]["ms"].is_null() && down["service"].as_array().unwrap().is_empty(), "{name}: {down:#}");
        assert!(down["network"]["why"].as_str().unwrap().contains("no capture at a client"), "{name}: {down:#}");
        assert!(alone.get("downtime").is_none(), "{name}");
    }
}

#[test]
fn a_dead_guest_gives_the_right_reasons() {
    let Some(run) = common::capture("guest-dead") else { return };
    let (all, _) = report(&run, &[]);
    let row = |from: &str, service: &str| {
        let rows = all["qos"].as_array().unwrap();
        rows.iter().find(|q| q["phase"] == "after" && q["service"] == service && q["from"] == from).unwrap().clone()
    };
    // The VM sent nothing; the client did, and what it sent arrived.
    let (to, from) = (row("client", "icmp"), row("vm", "icmp"));
    assert_eq!((&from["packets"], &to["loss"]["lost"]), (&0.into(), &0.into()), "{from:#} {to:#}");
    assert_eq!(from["loss"]["why"], "no packet was sent in this direction in this phase");
    assert!(from["loss"]["percent"].is_null() && from["delay"]["mean_ms"].is_null());
    let delay = &to["delay"];
    let told = delay["mean_ms"].is_number() && delay["method"] == "one-way";
    assert!(told || delay["why"].as_str().unwrap().contains("the clocks are known to"), "{delay:#}");
}
