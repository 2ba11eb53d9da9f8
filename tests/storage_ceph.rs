//! Shared storage on real captures: what tshark sees of the same messages, and when the guest stopped and went on.

mod common;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A message with data of whole sectors that begins with a segment: time, client's address, bytes.
struct Shown {
    epoch: f64,
    client: String,
    bytes: u64,
}

fn le(hex: &str, at: usize, len: usize) -> Option<u64> {
    let digits = hex.get(2 * at..2 * (at + len))?;
    (0..len).rev().try_fold(0, |sum, i| Some(sum << 8 | u64::from_str_radix(&digits[2 * i..2 * i + 2], 16).ok()?))
}

/// Operations of clients (`written`) or answers with data, as the first bytes of segments show them.
fn shown(capture: &Path, version: u8, written: bool) -> Vec<Shown> {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("capture");
    let out = Command::new("zstd").arg("-dqc").arg(capture).output().unwrap();
    std::fs::write(&plain, out.stdout).unwrap();
    let (port, who) = if written { ("dst", "ip.src") } else { ("src", "ip.dst") };
    let filter = format!("tcp.{port}port == 6800 && tcp.len > 0 && !tcp.analysis.retransmission");
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&plain).args(["-Y", &filter, "-T", "fields"]);
    tshark.args(["-e", "frame.time_epoch", "-e", who, "-e", "tcp.payload"]);
    let text = common::stdout(&mut tshark);
    let wanted = if written { 42 } else { 43 };
    text.lines()
        .filter_map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let hex = columns[2];
            // The destination's files are cut within the head; with a storage daemon only the wanted kinds carry data.
            let (kind, bytes) = match version {
                2 if hex.starts_with("110429000000") => (le(hex, 48, 2), le(hex, 20, 4)?),
                1 if hex.starts_with("07") => (le(hex, 17, 2), le(hex, 31, 4)?),
                _ => return None,
            };
            let whole = kind.is_none_or(|k| k == wanted) && bytes > 0 && bytes % 512 == 0;
            whole.then(|| Shown { epoch: columns[0].parse().unwrap(), client: columns[1].to_owned(), bytes })
        })
        .collect()
}

fn epoch(time: &Value) -> f64 {
    lmpcap::base::time::Timestamp::parse_rfc3339(time.as_str().unwrap()).unwrap().0 as f64 / 1e9
}

#[test]
fn what_the_nodes_write_and_when_the_disk_passes_over() {
    if !common::has("tshark", "tshark") || !common::has("zstd", "zstd") {
        return;
    }
    for (name, suffix, version) in [("ceph-v2-any", "pcap.zst", 2), ("ceph-v1-pcapng", "pcapng.zst", 1)] {
        let Some(run) = common::capture(name) else { return };
        let mut lmpcap = Command::new(env!("CARGO_BIN_EXE_lmpcap"));
        let report: Value =
            serde_json::from_str(&common::stdout(lmpcap.arg("analyze").arg(&run).args(["--format", "json", "-o", "-"]))).unwrap();
        let truth: Value = serde_json::from_str(&std::fs::read_to_string(run.join("truth.json")).unwrap()).unwrap();
        let rows = report["storage"].as_array().unwrap();
        for (role, client) in [("source", "172.16.5.11"), ("destination", "172.16.5.12")] {
            let row =
                rows.iter().find(|r| r["node"] == client && r["service"] == "ceph-osd").unwrap_or_else(|| panic!("{name}: {rows:#?}"));
            assert_eq!(
                (row["role"].as_str(), row["messenger"].as_u64(), &row["secure"]),
                (Some(role), Some(version.into()), &Value::Bool(false))
            );
            let written: Vec<Shown> =
                shown(&run.join(format!("{role}.{suffix}")), version, true).into_iter().filter(|s| s.client == client).collect();
            let bytes: u64 = written.iter().map(|s| s.bytes).sum();
            assert!(bytes > 1_000_000, "{name}: {role}: tshark shows {bytes} bytes");
            assert_eq!(
                (row["writes"].as_u64(), row["written_bytes"].as_u64()),
                (Some(written.len() as u64), Some(bytes)),
                "{name}: {role}: {row}"
            );
            let last = written.iter().map(|s| s.epoch).fold(0.0, f64::max);
            assert!((epoch(&row["last_write"]) - last).abs() <= 0.001, "{name}: {role}: {last} in tshark: {row}");
            let read: u64 = shown(&run.join(format!("{role}.{suffix}")), version, false).iter().map(|s| s.bytes).sum();
            assert_eq!(row["read_bytes"].as_u64(), Some(read), "{name}: {role}");
            let monitors = rows.iter().filter(|r| r["node"] == client && r["service"] == "ceph-mon").count();
            assert!(role == "source" || monitors > 0, "{name}: {role}: {rows:#?}");
        }
        // The pause of the guest lies where nobody writes.
        let handover = &report["migrations"][0]["storage_handover"];
        let (stop, resume) = (truth["source_stop_at"].as_f64().unwrap(), truth["destination_resume_at"].as_f64().unwrap());
        let (last, first) = (epoch(&handover["last_write"]), epoch(&handover["first_use"]));
        eprintln!(
            "{name}: last write {:.1} ms after the stop, first use {:.1} ms after the resume",
            (last - stop) * 1e3,
            (first - resume) * 1e3
        );
        assert!(last < resume && first > resume, "{name}: {handover}, stop {stop}, resume {resume}");
        assert!(last > stop - 1.0 && first < resume + 2.0, "{name}: {handover}, stop {stop}, resume {resume}");
        let services = report["services"].as_array().unwrap();
        for service in ["ceph-mon", "ceph-osd"] {
            let found = services
                .iter()
                .find(|s| s["name"] == service && s["measured_at"] == "storage")
                .unwrap_or_else(|| panic!("{name}: {service}"));
            assert_eq!((found["detected_by"].as_str(), found["class"].as_str()), (Some("content"), Some("storage")), "{name}");
        }
    }
}
