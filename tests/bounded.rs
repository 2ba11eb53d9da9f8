//! Memory does not know how long a capture is.

mod common;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::Command;

use lmpcap::base::net::Side;
use lmpcap::base::time::{Nanos, Timestamp};
use lmpcap::capture::LinkType;
use lmpcap::capture::write::{ByteOrder, PcapWriter, Precision};
use lmpcap::testkit::migration::{PAGE, RAM_ID, Stream};
use lmpcap::testkit::packet::icmp_frame;
use lmpcap::testkit::talk::Talk;

type Out = PcapWriter<BufWriter<File>>;

fn create(path: &Path) -> Out {
    let out = BufWriter::new(File::create(path).unwrap());
    PcapWriter::new(out, LinkType::ETHERNET, 262_144, Precision::Nanoseconds, ByteOrder::Little).unwrap()
}

/// Peak memory of a whole analysis in KiB, and its report. The kernel's account of a child that has ended.
fn analyze(path: &Path) -> Option<(u64, serde_json::Value)> {
    if !common::has("python3", "python3") {
        return None;
    }
    let script = "import os,resource,subprocess,sys\n\
                  done = subprocess.run(sys.argv[1:])\n\
                  print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n\
                  sys.exit(done.returncode)";
    let report = path.with_extension("json");
    let out = Command::new("python3")
        .args(["-c", script, env!("CARGO_BIN_EXE_lmpcap"), "analyze"])
        .arg(path)
        .args(["--format", "json", "-q", "-o"])
        .arg(&report)
        .output()
        .unwrap();
    assert!(matches!(out.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&out.stderr));
    let peak = String::from_utf8_lossy(&out.stdout).trim().parse().expect("a number of KiB");
    let file = if report.is_dir() { report.join("report.json") } else { report };
    Some((peak, serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()))
}

/// A migration that sends the pages of a small guest again and again, `passes` times.
fn migration(path: &Path, passes: u64) {
    const PAGES: u64 = 256;
    let mut talk = Talk::between("10.0.0.11:40000", "10.0.0.12:49152");
    talk.open();
    let mut head = Stream::with_machine("pc-i440fx-7.2");
    head.ram_start(RAM_ID, &[("pc.ram", PAGES * PAGE as u64)]);
    talk.say(Side::Client, &head.bytes);
    for _ in 0..passes {
        let mut part = Stream::new();
        part.more(2, RAM_ID);
        for page in 0..PAGES {
            part.page((page == 0).then_some("pc.ram"), page, page as u8);
        }
        part.eos().footer(RAM_ID);
        talk.say(Side::Client, &part.bytes);
        talk.wait(Nanos(100_000_000));
    }
    let mut tail = Stream::new();
    tail.more(3, RAM_ID).eos().footer(RAM_ID).device(0, "timer", &[1; 8]).end("{\"page_size\": 4096}");
    talk.say(Side::Client, &tail.bytes);
    talk.close();
    let mut out = create(path);
    for (at, frame) in talk.frames() {
        out.write(at, frame.len() as u32, &frame).unwrap();
    }
    out.finish().unwrap();
}

#[test]
fn a_stream_eight_times_as_long_takes_the_same_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut peaks = Vec::new();
    for passes in [6, 48] {
        let path = dir.path().join(format!("{passes}.pcap"));
        migration(&path, passes);
        let Some((peak, report)) = analyze(&path) else { return };
        assert_eq!(report["migrations"][0]["pages"]["normal"], passes * 256);
        assert_eq!(report["migrations"][0]["bytes"]["unnamed"], 0);
        peaks.push(peak);
    }
    // Windows of time and passes are bounded but not all in use in the short one.
    assert!(peaks[1] < peaks[0] + 6 * 1024, "{peaks:?} KiB");
}

/// A ping of `packets` packets, each answered, as two points see it; the second one's clock is `apart` from the first one's, and the first one begins `late`
/// packets later.
fn points(folder: &Path, packets: u64, apart: Nanos, late: u64) {
    let (a, b) = ([192, 0, 2, 10].into(), [192, 0, 2, 50].into());
    std::fs::create_dir_all(folder).unwrap();
    let (mut client, mut source) = (create(&folder.join("client.pcap")), create(&folder.join("source.pcap")));
    for n in 0..packets {
        let at = Timestamp(1_700_000_000_000_000_000 + n as i64 * 500_000);
        let (seq, asks) = ((n / 2) as u16, n % 2 == 0);
        // As ping does: the time of sending comes first. The number comes round after 65,536.
        let data = u128::from(n / 2).to_be_bytes();
        let frame = if asks { icmp_frame(a, b, false, 1, seq, &data) } else { icmp_frame(b, a, true, 1, seq, &data) };
        let [here, there] = if asks { [at, at + Nanos(100_000)] } else { [at + Nanos(100_000), at] };
        if n >= late {
            client.write(here, frame.len() as u32, &frame).unwrap();
        }
        source.write(there + apart, frame.len() as u32, &frame).unwrap();
    }
    client.finish().unwrap();
    source.finish().unwrap();
}

#[test]
fn ten_times_the_packets_take_the_same_memory_to_match() {
    let dir = tempfile::tempdir().unwrap();
    let mut peaks = Vec::new();
    // Both are more than the matcher can hold at a time.
    for packets in [120_000, 1_200_000] {
        let folder = dir.path().join(packets.to_string());
        points(&folder, packets, Nanos(0), 0);
        let Some((peak, report)) = analyze(&folder) else { return };
        assert_eq!(report["points"].as_array().unwrap().len(), 2);
        assert!(report["points"][0]["clock"]["samples"].as_u64().unwrap() > 100, "{}", report["points"]);
        peaks.push(peak);
    }
    assert!(peaks[1] < peaks[0] + peaks[0] / 10, "{peaks:?} KiB");
}

#[test]
fn clocks_an_hour_apart_are_related_in_captures_larger_than_the_table() {
    let dir = tempfile::tempdir().unwrap();
    // When the first packets of the point that began late come, the table is full of what it never saw.
    for (hours, late) in [(1, 140_000), (-1, 140_000)] {
        let folder = dir.path().join(format!("{hours} {late}"));
        let apart = Nanos(hours * 3_600_000_000_000);
        points(&folder, 330_000, apart, late);
        let Some((_, report)) = analyze(&folder) else { return };
        let clock = &report["points"][0]["clock"];
        let off = clock["offset_ns"].as_i64().unwrap_or_else(|| panic!("{clock}")) - apart.0;
        assert!(off.abs() <= clock["uncertainty_ns"].as_i64().unwrap() && off.abs() < 1_000_000, "{clock}");
        let samples = clock["samples"].as_u64().unwrap();
        assert!(samples > 180_000, "{clock}");
    }
}
