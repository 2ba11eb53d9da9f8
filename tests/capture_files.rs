//! Capture files from the wild, compared with what the tools of Wireshark and tcpdump read from them.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lmpcap::base::time::Timestamp;
use lmpcap::capture::memory::OwnedFrame;
use lmpcap::capture::{OpenOptions, PointSource, Source, looks_like_capture, open_point};

/// Number of the file and of the frame in it, and the frame.
type Numbered = (u16, u64, OwnedFrame);

fn read(paths: &[PathBuf], filter: Option<&str>) -> (Vec<Numbered>, PointSource) {
    let options = OpenOptions { filter: filter.map(str::to_owned), ..OpenOptions::default() };
    let mut source = open_point(paths, &options).unwrap_or_else(|e| panic!("{e}"));
    let mut frames = Vec::new();
    while let Some(frame) = source.next_frame().unwrap_or_else(|e| panic!("{e}")) {
        frames.push((frame.place.file, frame.place.frame, frame.into()));
    }
    (frames, source)
}

fn one(path: &Path) -> (Vec<Numbered>, PointSource) {
    read(&[path.to_owned()], None)
}

/// A copy of `path` without its compression, in `folder`.
fn plain(path: &Path, folder: &Path) -> PathBuf {
    let bytes = fs::read(path).unwrap();
    let bytes = match path.extension().and_then(|e| e.to_str()) {
        Some("zst") => zstd::decode_all(&bytes[..]).unwrap(),
        Some("gz") => {
            let mut out = Vec::new();
            std::io::copy(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut out).unwrap();
            out
        }
        _ => bytes,
    };
    let to = folder.join("plain");
    fs::write(&to, bytes).unwrap();
    to
}

/// Every capture of the shared folders.
fn every_capture() -> Option<Vec<PathBuf>> {
    let shared = common::shared()?;
    let (mut found, mut folders) = (Vec::new(), vec![shared.join("public"), shared.join("captures")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let named = path.to_string_lossy().contains(".pcap");
            assert_eq!(looks_like_capture(&path), named, "{}", path.display());
            if named {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 60, "only {} captures", found.len());
    Some(found)
}

/// `seconds`, as another tool printed it, is `at` cut to as many digits.
fn same_time(at: Timestamp, seconds: &str) -> bool {
    let ours = at.epoch_seconds();
    ours.starts_with(seconds) && ours[seconds.len()..].bytes().all(|b| b == b'0')
}

#[test]
fn all_captures_hold_what_capinfos_says() {
    let Some(paths) = every_capture() else { return };
    if !common::has("capinfos", "wireshark-common") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for path in &paths {
        let (frames, source) = one(path);
        let facts = &source.files()[0];
        // File, snap length, lowest and highest inferred one, packets, file size, data size, start, end.
        let said = common::stdout(Command::new("capinfos").arg("-TrMcdslaeS").arg(plain(path, folder.path())));
        let fields: Vec<_> = said.trim_end().split('\t').collect();
        let context = format!("{}: {facts:?}: {said}", path.display());
        assert_eq!((facts.packets.to_string(), frames.len() as u64), (fields[4].into(), facts.packets), "{context}");
        assert_eq!(facts.bytes_wire.to_string(), fields[6], "{context}");
        for (time, field) in [(facts.first, fields[7]), (facts.last, fields[8])] {
            assert!(time.map_or(field == "n/a", |time| same_time(time, field)), "{context}");
        }
        assert_eq!(frames.iter().map(|(.., f)| u64::from(f.wire_len)).sum::<u64>(), facts.bytes_wire, "{context}");
        assert!(frames.is_sorted_by_key(|(.., f)| f.at), "{context}");
        let odd: Vec<_> = source.anomalies().iter().filter(|(kind, _)| *kind != "no_frames").collect();
        assert!(odd.is_empty(), "{context}: {odd:?}");
        assert!(!facts.cut_short && facts.format.starts_with("pcap"), "{context}");
        let compression = path
            .extension()
            .and_then(|e| e.to_str())
            .and_then(|e| [("zst", "zstd"), ("gz", "gzip")].into_iter().find(|(ext, _)| *ext == e));
        assert_eq!(facts.compression, compression.map(|(_, name)| name), "{context}");
    }
}

#[test]
fn every_frame_is_as_tshark_reads_it() {
    let Some(paths) = every_capture() else { return };
    if !common::has("tshark", "tshark") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let chosen =
        |p: &&PathBuf| p.parent().is_some_and(|f| f.ends_with("public") || f.ends_with("guest-dead") || f.ends_with("openstack-abort"));
    for path in paths.iter().filter(chosen) {
        let (frames, source) = one(path);
        let fields = ["frame.number", "frame.time_epoch", "frame.cap_len", "frame.len", "frame.interface_id"];
        let mut command = Command::new("tshark");
        // Nothing below the frame is asked for.
        command
            .args(["--disable-protocol", "eth", "--disable-protocol", "sll", "-n", "-T", "fields"])
            .args(fields.iter().flat_map(|f| ["-e", f]));
        let said = common::stdout(command.arg("-r").arg(plain(path, folder.path())));
        let mut lines: Vec<Vec<_>> = said.lines().map(|line| line.split('\t').collect()).collect();
        assert_eq!(lines.len(), frames.len(), "{}", path.display());
        lines.sort_by_key(|line| (line[1].to_owned(), line[0].parse::<u64>().ok()));
        for (line, (_, number, frame)) in lines.iter().zip(&frames) {
            let id = source.interfaces()[usize::from(frame.interface)].id.to_string();
            let ours = [number.to_string(), String::new(), frame.bytes.len().to_string(), frame.wire_len.to_string(), id];
            let context = format!("{}: {line:?} {frame:?}", path.display());
            assert!(same_time(frame.at, line[1]), "{context}");
            assert_eq!((&ours[0][..], &ours[2..4]), (line[0], &[line[2].to_owned(), line[3].to_owned()][..]), "{context}");
            assert!(line[4].is_empty() || line[4] == ours[4], "{context}");
        }
    }
}

#[test]
fn eleven_interfaces_of_three_link_types() {
    let Some(path) = common::public("pcapplusplus-many-interfaces.pcapng") else { return };
    let (frames, source) = one(&path);
    let interfaces = source.interfaces();
    let names: Vec<_> = interfaces.iter().filter_map(|i| i.name.as_deref()).collect();
    assert_eq!(names, ["en0", "awdl0", "bridge0", "vboxnet0", "utun0", "en1", "vboxnet1", "en2", "p2p0", "vboxnet2", "lo0"]);
    assert_eq!(source.files()[0].link_types, [1, 0, 12]);
    assert_eq!(frames.len(), 64);
    assert!(frames.iter().all(|(.., f)| interfaces[usize::from(f.interface)].link == f.link.0));
}

#[test]
fn filters_choose_what_tcpdump_chooses() {
    let Some(folder) = common::capture("hls-any") else { return };
    if !common::has("tcpdump", "tcpdump") {
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    for (name, filter) in [
        ("client.pcap.zst", "tcp port 80 and greater 1000"),
        ("source.pcap.zst", "host 192.0.2.50 or arp"),
        ("source.pcap.zst", "tcp[13] & 7 != 0"),
    ] {
        let path = folder.join(name);
        let (frames, source) = read(std::slice::from_ref(&path), Some(filter));
        let said = common::stdout(Command::new("tcpdump").args(["-nttr"]).arg(plain(&path, temporary.path())).arg(filter));
        let mut times: Vec<_> = said.lines().filter_map(|line| line.split(' ').next()).collect();
        times.sort_unstable();
        assert!(times.len() > 5 && times.len() == frames.len(), "{filter}: {} {}", times.len(), frames.len());
        assert!(frames.iter().zip(times).all(|((.., f), time)| same_time(f.at, time)));
        let facts = &source.files()[0];
        assert_eq!(facts.packets, facts.filtered_out + frames.len() as u64);
    }
}

/// Rotated, the files given in disorder and some of them compressed, and still the same capture.
#[test]
fn slices_by_editcap_are_the_whole_again() {
    let Some(path) = common::capture("pcapng").map(|folder| folder.join("source.pcapng.zst")) else { return };
    if !common::has("editcap", "wireshark-common") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (whole, source) = one(&path);
    common::stdout(Command::new("editcap").args(["-c", "7000"]).arg(plain(&path, folder.path())).arg(folder.path().join("slice.pcapng")));
    let mut slices: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).filter(|p| !p.ends_with("plain")).collect();
    slices.sort();
    slices.reverse();
    assert_eq!(slices.len(), 8);
    let compressed = slices[2].with_extension("zst");
    fs::write(&compressed, zstd::encode_all(&fs::read(&slices[2]).unwrap()[..], 1).unwrap()).unwrap();
    slices[2] = compressed;
    let (parts, sliced) = read(&slices, None);
    let name = |source: &PointSource, frame: &OwnedFrame| source.interfaces()[usize::from(frame.interface)].name.clone();
    assert_eq!(parts.len(), whole.len());
    // Frames of one time may change places between two files.
    for ((.., one), (.., other)) in parts.iter().zip(&whole) {
        assert_eq!(one.at, other.at);
    }
    let sorted = |frames: &[Numbered], source: &PointSource| {
        let mut all: Vec<_> = frames.iter().map(|(.., f)| (f.at, name(source, f), f.wire_len, f.bytes.clone())).collect();
        all.sort();
        all
    };
    assert!(sorted(&parts, &sliced) == sorted(&whole, &source));
    assert_eq!(sliced.anomalies().count("time_backwards"), 0);
}
