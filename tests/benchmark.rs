//! The comparison that `make bench` prints runs through, on a few packets of the demo run. What it measures here means nothing.

mod common;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::process::Command;

use lmpcap::capture::write::{ByteOrder, PcapWriter, Precision};
use lmpcap::capture::{OpenOptions, Source, open_point};

/// Packets of each capture.
const PACKETS: usize = 2000;

/// The first packets of a capture of the demo run as a plain pcap, cut at `snaplen`.
fn begin_of(name: &str, to: &Path, snaplen: usize) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/demo").join(name);
    let mut source = open_point(&[from], &OpenOptions::default()).unwrap();
    let mut out = None;
    for _ in 0..PACKETS {
        let Some(frame) = source.next_frame().unwrap() else { break };
        let writer = out.get_or_insert_with(|| {
            let file = BufWriter::new(File::create(to).unwrap());
            PcapWriter::new(file, frame.link, snaplen as u32, Precision::Nanoseconds, ByteOrder::Little).unwrap()
        });
        let bytes = &frame.bytes[..frame.bytes.len().min(snaplen)];
        writer.write(frame.at, frame.wire_len, bytes).unwrap();
    }
    out.unwrap().finish().unwrap();
}

#[test]
fn the_comparison_runs_through_and_fills_its_tables() {
    for (tool, package) in [("python3", "python3"), ("capinfos", "wireshark-common"), ("tcpdump", "tcpdump"), ("zstd", "zstd")] {
        if !common::has(tool, package) {
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let points = folder.path().join("points");
    fs::create_dir(&points).unwrap();
    for point in ["client", "source", "destination"] {
        begin_of(&format!("{point}.pcapng.zst"), &points.join(format!("{point}.pcap")), 65_535);
    }
    for (name, snaplen) in [("full", 65_535), ("headers", 96), ("flows", 96)] {
        begin_of("source.pcapng.zst", &folder.path().join(format!("{name}.pcap")), snaplen);
    }
    let results = folder.path().join("RESULTS.md");
    let mark = "<!-- what follows is written by hand -->";
    fs::write(&results, format!("old figures\n{mark}\nkept\n")).unwrap();
    let out = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/run.py"))
        .arg(env!("CARGO_BIN_EXE_lmpcap"))
        .args([folder.path(), &results])
        .args(["--rounds", "1", "--only", "full,headers,flows,points,scaling,compressed,start"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = fs::read_to_string(&results).unwrap();
    let rows = |program: &str| text.lines().filter(|l| l.starts_with(&format!("| {program} |"))).count();
    assert_eq!((rows("lmpcap"), rows("tcpdump -w /dev/null")), (3, 3), "{text}");
    for wanted in ["## full: ", "## headers: ", "## flows: ", "of the sum", "times; peak", "- zstd: ", "Start-up to the report"] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(text.ends_with(&format!("{mark}\nkept\n")) && !text.contains("old figures"), "{text}");
}
