//! Real migrations against the account that QEMU, libvirt and Nova gave of them (`truth.json`).

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use serde_json::Value;

/// Runs of the lab and how each ended.
const LAB: &[(&str, &str)] = &[
    ("offline-full", "completed"),
    ("hls-any", "completed"),
    ("none", "completed"),
    ("online", "completed"),
    ("vxlan", "completed"),
    ("lossy", "completed"),
    ("pcapng", "completed"),
    ("guest-dead", "completed"),
    ("cancel", "cancelled"),
];

/// Runs with libvirt, Ceph and OpenStack.
const CLOUD: &[&str] =
    &["libvirt-any", "libvirt-tunnelled", "libvirt-copy-storage", "ceph-v1-pcapng", "ceph-v2-any", "openstack-live", "openstack-abort"];

/// The report of a run; each run is analyzed once for all tests.
fn report(folder: &Path) -> Value {
    static DONE: OnceLock<Mutex<BTreeMap<PathBuf, Value>>> = OnceLock::new();
    let done = DONE.get_or_init(Mutex::default);
    if let Some(report) = done.lock().unwrap().get(folder) {
        return report.clone();
    }
    let out = Command::new(env!("CARGO_BIN_EXE_lmpcap"))
        .arg("analyze")
        .arg(folder)
        .args(["--format", "json", "-o", "-"])
        .output()
        .expect("the binary runs");
    // 3: the report is written, but it holds no migration.
    assert!(matches!(out.status.code(), Some(0 | 3)), "{}: {} {}", folder.display(), out.status, String::from_utf8_lossy(&out.stderr));
    let report: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    done.lock().unwrap().insert(folder.to_owned(), report.clone());
    report
}

fn truth(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("truth.json")).expect("truth.json");
    serde_json::from_str(&text).expect("truth.json is JSON")
}

/// Seconds since the epoch of an RFC 3339 time.
fn epoch(time: &Value) -> f64 {
    let text = time.as_str().unwrap_or_else(|| panic!("{time} is no time"));
    let t = lmpcap::base::time::Timestamp::parse_rfc3339(text).unwrap_or_else(|| panic!("{text} is no RFC 3339 time"));
    t.0 as f64 / 1e9
}

/// Time of an event in a list of QMP events; the last of its kind.
fn event(events: &Value, name: &str) -> Option<f64> {
    events.as_array()?.iter().rev().find(|e| e["event"] == name)?["t"].as_f64()
}

/// STOP on the source and RESUME on the destination.
fn pause(truth: &Value) -> Option<(f64, f64)> {
    if let (Some(stop), Some(resume)) = (truth["source_stop_at"].as_f64(), truth["destination_resume_at"].as_f64()) {
        return Some((stop, resume));
    }
    Some((event(&truth["source_events"], "STOP")?, event(&truth["destination_events"], "RESUME")?))
}

/// The keys that the contract names, as paths; `[]` goes into every element of a list.
const CONTRACT: &[&str] = &[
    "schema",
    "tool.name",
    "tool.version",
    "run.name",
    "run.scenario",
    "run.scenario_source",
    "run.link_bandwidth_bps",
    "vm.macs",
    "vm.ips",
    "vm.source",
    "points[].role",
    "points[].role_source",
    "points[].packets",
    "points[].duplicates",
    "points[].undecoded",
    "points[].files[].path",
    "points[].files[].format",
    "points[].files[].compression",
    "points[].files[].link_types",
    "points[].files[].packets",
    "points[].files[].bytes_captured",
    "points[].files[].bytes_wire",
    "points[].files[].first",
    "points[].files[].last",
    "points[].files[].snaplen",
    "points[].files[].cut_short",
    "points[].files[].capture_drops",
    "points[].clock.method",
    "points[].clock.offset_ns",
    "points[].clock.drift_ppb",
    "points[].clock.uncertainty_ns",
    "points[].clock.samples",
    "migrations[].id",
    "migrations[].hypervisor",
    "migrations[].mode",
    "migrations[].transport",
    "migrations[].outcome",
    "migrations[].from.address",
    "migrations[].from.role",
    "migrations[].to.address",
    "migrations[].to.role",
    "migrations[].start",
    "migrations[].end",
    "migrations[].total_ms",
    "migrations[].setup_ms",
    "migrations[].bytes.wire",
    "migrations[].bytes.payload",
    "migrations[].bytes.retransmitted",
    "migrations[].bytes.ram",
    "migrations[].bytes.device_state",
    "migrations[].bytes.storage",
    "migrations[].pages.normal",
    "migrations[].pages.zero",
    "migrations[].pages.xbzrle",
    "migrations[].pages.compressed",
    "migrations[].pages.resent",
    "migrations[].pages.ram_total_bytes",
    "migrations[].passes[].index",
    "migrations[].passes[].start",
    "migrations[].passes[].end",
    "migrations[].passes[].bytes",
    "migrations[].passes[].normal",
    "migrations[].passes[].zero",
    "migrations[].passes[].dirty_bytes_per_s",
    "migrations[].passes[].estimated",
    "migrations[].phases[].name",
    "migrations[].phases[].start",
    "migrations[].phases[].end",
    "migrations[].phases[].bytes",
    "migrations[].decoded",
    "migrations[].why_not_decoded",
    "migrations[].downtime.vm.ms",
    "migrations[].downtime.vm.start",
    "migrations[].downtime.vm.end",
    "migrations[].downtime.network.ms",
    "migrations[].downtime.network.start",
    "migrations[].downtime.network.end",
    "migrations[].downtime.service[].service",
    "migrations[].downtime.service[].client",
    "migrations[].downtime.service[].direction",
    "migrations[].downtime.service[].start",
    "migrations[].downtime.service[].end",
    "migrations[].downtime.service[].ms",
    "migrations[].downtime.service[].recovered",
    "migrations[].downtime.service[].resolution_ms",
    "migrations[].downtime.service[].cause",
    "migrations[].downtime.qemu_ms",
    "migrations[].downtime.evidence[].what",
    "migrations[].downtime.evidence[].point",
    "migrations[].downtime.evidence[].file",
    "migrations[].downtime.evidence[].frame",
    "migrations[].downtime.evidence[].time",
    "migrations[].downtime.evidence[].filter",
    "qos[].phase",
    "qos[].service",
    "qos[].from",
    "qos[].to",
    "qos[].seconds",
    "qos[].packets",
    "qos[].throughput.bps",
    "qos[].throughput.goodput_bps",
    "qos[].throughput.peak_bps",
    "qos[].throughput.percent_of_link",
    "qos[].delay.method",
    "qos[].delay.mean_ms",
    "qos[].delay.p50_ms",
    "qos[].delay.p95_ms",
    "qos[].delay.p99_ms",
    "qos[].delay.max_ms",
    "qos[].delay.samples",
    "qos[].delay.uncertainty_ms",
    "qos[].jitter.method",
    "qos[].jitter.mean_ms",
    "qos[].jitter.p99_ms",
    "qos[].jitter.samples",
    "qos[].loss.method",
    "qos[].loss.percent",
    "qos[].loss.lost",
    "qos[].loss.expected",
    "qos[].loss.misdelivered",
    "qos[].loss.not_captured",
    "qos[].loss.retransmitted",
    "qos[].loss.reordered",
    "qos[].loss.ambiguous",
    "qos[].thesis.throughput_bps",
    "qos[].thesis.delay_ms",
    "qos[].thesis.jitter_ms",
    "qos[].thesis.jitter_signed_ms",
    "qos[].thesis.loss_percent",
    "qos[].grades",
    "http.exchanges",
    "http.ok",
    "http.failed",
    "http.incomplete",
    "http.ttfb_ms.p50",
    "http.ttfb_ms.p95",
    "http.ttfb_ms.max",
    "http.total_ms.p50",
    "http.total_ms.p95",
    "http.total_ms.max",
    "http.overlapping_downtime",
    "video[].kind",
    "video[].client",
    "video[].server",
    "video[].host",
    "video[].path",
    "video[].segments",
    "video[].media_seconds",
    "video[].media_bps",
    "video[].startup_ms",
    "video[].stalls",
    "video[].stall_total_ms",
    "video[].buffer_min_s",
    "video[].knowable",
    "video[].why",
    "video[].assumptions",
    "services[].name",
    "services[].detected_by",
    "services[].packets",
    "services[].bytes",
    "services[].bytes_before",
    "services[].bytes_during",
    "services[].bytes_after",
    "control[].time",
    "control[].from",
    "control[].to",
    "control[].what",
    "control[].detail",
    "control[].frame",
    "flows[].key",
    "flows[].service",
    "flows[].packets",
    "flows[].bytes",
    "flows[].goodput",
    "flows[].rtt_ms.min",
    "flows[].rtt_ms.mean",
    "flows[].rtt_ms.p95",
    "flows[].rtt_ms.max",
    "flows[].retransmitted",
    "flows[].reordered",
    "flows[].duplicate_acks",
    "flows[].zero_window",
    "flows[].first",
    "flows[].last",
    "coverage.packets",
    "coverage.decoded",
    "coverage.attributed",
    "coverage.ignored",
    "anomalies[].kind",
    "anomalies[].count",
    "anomalies[].first",
];

fn has_key(value: &Value, path: &str) -> bool {
    let Some((head, rest)) = path.split_once('.').map_or(Some((path, "")), Some) else { return true };
    let (name, list) = head.strip_suffix("[]").map_or((head, false), |n| (n, true));
    let Some(inner) = value.get(name) else { return false };
    match (list, rest) {
        (false, "") => true,
        (false, rest) => has_key(inner, rest),
        (true, rest) => inner.as_array().is_some_and(|items| items.iter().all(|i| rest.is_empty() || has_key(i, rest))),
    }
}

#[test]
fn every_report_has_the_keys_of_the_contract() {
    let Some(shared) = common::shared() else { return };
    for name in LAB.iter().map(|l| l.0).chain(CLOUD.iter().copied()) {
        let report = report(&shared.join("captures").join(name));
        for path in CONTRACT {
            assert!(has_key(&report, path), "{name}: no {path}");
        }
        assert_eq!(report["schema"], "lmpcap.report/1");
    }
}

#[test]
fn one_migration_each_with_the_right_outcome() {
    let Some(shared) = common::shared() else { return };
    for (name, outcome) in LAB {
        let report = report(&shared.join("captures").join(name));
        let migrations = report["migrations"].as_array().unwrap();
        assert_eq!(migrations.len(), 1, "{name}: {:#}", report["migrations"]);
        let m = &migrations[0];
        assert_eq!(m["hypervisor"], "qemu", "{name}");
        assert_eq!(m["outcome"], *outcome, "{name}: {}", m["outcome_why"]);
        assert_eq!((m["from"]["role"].as_str(), m["to"]["role"].as_str()), (Some("source"), Some("destination")), "{name}");
        assert_eq!(report["vm"]["macs"], serde_json::json!(["52:54:00:aa:00:50"]), "{name}");
    }
}

#[test]
fn total_time_is_within_20_ms_of_qemus() {
    let Some(shared) = common::shared() else { return };
    for (name, _) in LAB {
        let folder = shared.join("captures").join(name);
        let (report, truth) = (report(&folder), truth(&folder));
        let Some(total) = truth["query_migrate"]["total-time"].as_f64() else { continue };
        let ours = &report["migrations"][0]["total_ms"];
        let estimate = ours["estimate"].as_f64().unwrap_or_else(|| panic!("{name}: no total_ms"));
        assert!((estimate - total).abs() <= 20.0, "{name}: {estimate} here, {total} in QEMU");
    }
}

#[test]
fn pages_and_bytes_of_a_whole_stream_equal_qmps() {
    let Some(folder) = common::capture("offline-full") else { return };
    let (report, truth) = (report(&folder), truth(&folder));
    let (ours, ram) = (&report["migrations"][0], &truth["query_migrate"]["ram"]);
    assert_eq!(ours["decoded"], true, "{}", ours["why_not_decoded"]);
    assert_eq!(ours["pages"]["normal"], ram["normal"]);
    assert_eq!(ours["pages"]["zero"], ram["duplicate"]);
    assert_eq!(ours["pages"]["ram_total_bytes"], ram["total"]);
    let (here, there) = (ours["bytes"]["ram"].as_f64().unwrap(), ram["transferred"].as_f64().unwrap());
    assert!((here - there).abs() <= there * 0.001, "{here} here, {there} in QEMU");
    let (qemu, downtime) = (ours["downtime"]["qemu_ms"].as_f64().unwrap(), truth["query_migrate"]["downtime"].as_f64().unwrap());
    assert!((qemu - downtime).abs() <= 15.0, "{qemu} ms here, {downtime} ms in QEMU");
}

#[test]
fn a_tunnelled_stream_is_counted_as_qmp_counts_it() {
    let Some(run) = common::capture("libvirt-tunnelled") else { return };
    let (report, truth) = (report(&run), truth(&run));
    let migrations = report["migrations"].as_array().unwrap();
    assert_eq!(migrations.len(), 1);
    let (migration, said) = (&migrations[0], &truth["query_migrate"]);
    assert_eq!(migration["transport"], serde_json::json!(["tunnelled"]));
    assert_eq!((&migration["decoded"], &migration["bytes"]["unnamed"]), (&Value::Bool(true), &Value::from(0)));
    assert_eq!((&migration["pages"]["normal"], &migration["pages"]["zero"]), (&said["ram"]["normal"], &said["ram"]["duplicate"]));
    assert_eq!(migration["bytes"]["ram"], said["ram"]["transferred"]);
    let (total, told) = (migration["total_ms"]["estimate"].as_f64().unwrap(), said["total-time"].as_f64().unwrap());
    assert!((total - told).abs() <= 20.0, "{total}, QEMU says {told}");
}

/// Calls of libvirt as tshark lists them in a capture's `wire.txt` or README: each is on the control timeline, at the time of its frame.
#[test]
fn calls_of_libvirt_are_where_tshark_sees_them() {
    if !common::has("tshark", "tshark") {
        return;
    }
    for (name, file) in [("libvirt-tunnelled", "source.pcap.zst"), ("libvirt-any", "source.pcap.zst")] {
        let Some(run) = common::capture(name) else { return };
        let report = report(&run);
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("source.pcap");
        let out = Command::new("zstd").arg("-dqc").arg(run.join(file)).output().unwrap();
        std::fs::write(&plain, out.stdout).unwrap();
        // Program, procedure and type of each message that begins a segment on the port of libvirt.
        let filter = "tcp.port == 16509 && tcp.len >= 28";
        let fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "tcp.dstport", "-e", "tcp.payload"];
        let mut tshark = Command::new("tshark");
        let lines = common::stdout(tshark.arg("-r").arg(&plain).args(["-Y", filter]).args(fields));
        let finish: Vec<f64> = lines
            .lines()
            .filter_map(|line| {
                let columns: Vec<&str> = line.split('\t').collect();
                let head = columns.get(2)?.get(8..48)?;
                // remote, version 1, FINISH3_PARAMS (306), CALL.
                (head.starts_with("20008086000000010000013200000000")).then(|| columns[0].parse().ok()).flatten()
            })
            .collect();
        let steps = report["control"].as_array().unwrap();
        let found: Vec<&Value> = steps.iter().filter(|s| s["what"] == "DOMAIN_MIGRATE_FINISH3_PARAMS").collect();
        assert_eq!(found.len(), 1, "{name}: {steps:#?}");
        assert!(finish.iter().any(|t| (t - epoch(&found[0]["time"])).abs() <= 0.001), "{name}: {finish:?}, {}", found[0]);
        assert!(found[0]["ms"].as_f64().unwrap() > 0.0);
        for what in ["AUTH_LIST", "CONNECT_OPEN", "CONNECT_CLOSE"] {
            assert!(steps.iter().any(|s| s["what"] == what), "{name}: {what}");
        }
    }
}

#[test]
fn losses_from_the_client_equal_the_networks_own_counter() {
    let Some(folder) = common::capture("lossy") else { return };
    let (report, truth) = (report(&folder), truth(&folder));
    let dropped = |comment: &str| {
        let rules = truth["dropped"]["nftables"].as_array().unwrap();
        let rule = rules.iter().map(|r| &r["rule"]).find(|r| r["comment"] == comment).unwrap();
        rule["expr"].as_array().unwrap().iter().find_map(|e| e["counter"]["packets"].as_u64()).unwrap()
    };
    let lost = |from: &str| {
        let rows = report["qos"].as_array().unwrap();
        let row = rows.iter().find(|q| q["phase"] == "whole" && q["service"] == "all" && q["from"] == from).unwrap();
        assert_eq!(row["loss"]["method"], "matched");
        row["loss"]["lost"].as_u64().unwrap()
    };
    assert_eq!(lost("client"), dropped("from-client"));
    // The rule went on counting after the client's capture had ended: the VM's echo replies 873 to 887 were sent after it.
    let (ours, all) = (lost("vm"), dropped("to-client"));
    assert!(ours <= all && all - ours <= 1, "{ours} here, {all} in the network");
}

#[test]
fn the_true_pause_lies_inside_the_interval() {
    let Some(shared) = common::shared() else { return };
    for name in LAB.iter().map(|l| l.0).chain(CLOUD.iter().copied()) {
        let folder = shared.join("captures").join(name);
        let (report, truth) = (report(&folder), truth(&folder));
        let Some(completed) = report["migrations"].as_array().unwrap().iter().find(|m| m["outcome"] == "completed") else { continue };
        let Some((stop, resume)) = pause(&truth) else { continue };
        let vm = &completed["downtime"]["vm"];
        let inside = |what: &str, interval: &Value, value: f64| {
            let (low, high) = (epoch(&interval["lower"]), epoch(&interval["upper"]));
            assert!(low <= value && value <= high, "{name}: {what} {value:.6} outside of {low:.6} to {high:.6}: {}", vm["why"]);
        };
        // Time stamps of QMP events are whole microseconds.
        inside("stop", &vm["start"], stop);
        inside("resume", &vm["end"], resume);
        let (low, high) = (vm["ms"]["lower"].as_f64().unwrap(), vm["ms"]["upper"].as_f64().unwrap());
        let pause = (resume - stop) * 1000.0;
        assert!(low <= pause && pause <= high, "{name}: pause {pause:.3} ms outside of {low:.3} to {high:.3}");
    }
}

#[test]
fn a_guest_that_never_came_back_is_an_open_window() {
    let Some(folder) = common::capture("guest-dead") else { return };
    let report = report(&folder);
    let downtime = &report["migrations"][0]["downtime"];
    assert!(downtime["vm"]["ms"].is_object(), "{downtime:#}");
    assert_eq!(downtime["network"]["recovered"], false);
    assert!(downtime["network"]["end"].is_null());
    let services = downtime["service"].as_array().unwrap();
    assert!(services.iter().any(|s| s["service"] == "icmp" && s["recovered"] == false && s["end"].is_null()), "{services:#?}");
    let from_vm = services.iter().filter(|s| s["direction"] == "from-vm" && s["cause"] == "migration");
    assert!(from_vm.clone().all(|s| s["recovered"] == false), "{services:#?}");
}

#[test]
fn bytes_of_services_and_packets_of_coverage_add_up() {
    let Some(shared) = common::shared() else { return };
    for name in LAB.iter().map(|l| l.0).chain(CLOUD.iter().copied()) {
        let report = report(&shared.join("captures").join(name));
        let number = |v: &Value| v.as_u64().unwrap();
        for s in report["services"].as_array().unwrap() {
            let parts = number(&s["bytes_before"]) + number(&s["bytes_during"]) + number(&s["bytes_after"]);
            assert_eq!(parts, number(&s["bytes"]), "{name}: {s}");
        }
        let c = &report["coverage"];
        let ignored: u64 = c["ignored"].as_object().unwrap().values().map(number).sum();
        assert_eq!(number(&c["attributed"]) + ignored, number(&c["packets"]), "{name}: {c:#}");
        let at_points: u64 = report["points"].as_array().unwrap().iter().map(|p| number(&p["packets"])).sum();
        assert_eq!(at_points, number(&c["packets"]), "{name}");
    }
}
