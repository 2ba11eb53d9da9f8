use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::memory::OwnedFrame;
use super::super::write::{ByteOrder, InterfaceDescription, PcapWriter, PcapngWriter, Precision};
use super::super::{LinkType, looks_like_capture, total_bytes};
use super::*;

/// A frame at `ns` whose bytes say which it is.
fn frame(ns: i64, id: u32) -> OwnedFrame {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.resize(14 + (id as usize * 7) % 50, id as u8);
    OwnedFrame::ethernet(Timestamp(ns), bytes)
}

fn pcap(frames: &[OwnedFrame], precision: Precision, order: ByteOrder) -> Vec<u8> {
    let mut writer = PcapWriter::new(Vec::new(), LinkType::ETHERNET, 0, precision, order).unwrap();
    for f in frames {
        writer.write(f.at, f.wire_len, &f.bytes).unwrap();
    }
    writer.finish().unwrap()
}

fn plain(frames: &[OwnedFrame]) -> Vec<u8> {
    pcap(frames, Precision::Nanoseconds, ByteOrder::Little)
}

/// Writes the files and opens them as one point.
struct Point {
    folder: TempDir,
    paths: Vec<PathBuf>,
}

impl Point {
    fn new<'a>(files: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for (n, bytes) in files.into_iter().enumerate() {
            paths.push(folder.path().join(format!("{n}.pcap")));
            fs::write(&paths[n], bytes).unwrap();
        }
        Self { folder, paths }
    }

    fn open(&self) -> Result<PointSource> {
        open_point(&self.paths, &OpenOptions::default())
    }

    fn read(&self) -> (Vec<OwnedFrame>, PointSource) {
        all(self.open().unwrap())
    }

    fn refusal(&self) -> String {
        self.open().err().map(|e| e.to_string()).unwrap_or_default()
    }
}

fn all(mut source: PointSource) -> (Vec<OwnedFrame>, PointSource) {
    let mut frames = Vec::new();
    while let Some(frame) = source.next_frame().unwrap() {
        frames.push(frame.into());
    }
    (frames, source)
}

/// Interfaces are numbered by file: for comparisons across files.
fn on_one_interface(mut frames: Vec<OwnedFrame>) -> Vec<OwnedFrame> {
    frames.iter_mut().for_each(|f| f.interface = 0);
    frames
}

fn kinds(source: &PointSource) -> Vec<(&'static str, u64)> {
    source.anomalies().iter().map(|(kind, counted)| (kind, counted.count)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pcap_gives_back_what_was_written(
        list in prop::collection::vec((0i64..4_294_967_296_000_000_000, prop::collection::vec(any::<u8>(), 0..200), 0u32..70000), 0..60),
        micro in any::<bool>(),
        big in any::<bool>(),
    ) {
        let unit = if micro { 1000 } else { 1 };
        let mut frames: Vec<_> = list.into_iter().map(|(ns, bytes, more)| {
            let wire_len = bytes.len() as u32 + more;
            OwnedFrame { wire_len, ..OwnedFrame::ethernet(Timestamp(ns / unit * unit), bytes) }
        }).collect();
        let precision = if micro { Precision::Microseconds } else { Precision::Nanoseconds };
        let point = Point::new([&pcap(&frames, precision, if big { ByteOrder::Big } else { ByteOrder::Little })[..]]);
        frames.sort_by_key(|f| f.at);
        let (found, source) = point.read();
        prop_assert_eq!(&found, &frames);
        let facts = &source.files()[0];
        prop_assert_eq!((facts.packets, facts.first, facts.last), (frames.len() as u64, frames.first().map(|f| f.at), frames.last().map(|f| f.at)));
        prop_assert_eq!(facts.bytes_wire, frames.iter().map(|f| u64::from(f.wire_len)).sum::<u64>());
        prop_assert_eq!(facts.bytes_captured, frames.iter().map(|f| f.bytes.len() as u64).sum::<u64>());
    }

    #[test]
    fn pcapng_gives_back_what_was_written(
        list in prop::collection::vec((0i64..1_800_000_000_000_000_000, prop::collection::vec(any::<u8>(), 0..200), 0u16..4, 0usize..6000), 0..60),
        resolutions in prop::array::uniform4(prop::sample::select(vec![0u8, 3, 6, 9, 10, 0x80, 0x8a, 0x9e, 0xa1])),
        offsets in prop::array::uniform4(-1000i64..=0),
        big in any::<bool>(),
    ) {
        let mut writer = PcapngWriter::new(Vec::new(), if big { ByteOrder::Big } else { ByteOrder::Little }, "of the section").unwrap();
        for n in 0..4 {
            let name = format!("eth{n}");
            let link = LinkType(101 + n as u16);
            let interface = InterfaceDescription { name: &name, link, snaplen: 99, tsresol: resolutions[n], tsoffset: offsets[n] };
            prop_assert_eq!(writer.interface(&interface).unwrap(), n as u32);
        }
        let mut frames = Vec::new();
        for (ns, bytes, n, comment) in list {
            let resolution = resolutions[usize::from(n)];
            let unit: i64 = if resolution & 0x80 == 0 { 10i64.pow(9u32.saturating_sub(u32::from(resolution))) } else { 1_000_000_000 >> (resolution & 0x7f) };
            // A moment that the interface can tell exactly.
            let at = match unit { 976_562 => ns / 1_000_000_000 * 1_000_000_000, 0 | 1 => ns, unit => ns / unit * unit };
            let wire_len = bytes.len() as u32;
            writer.write(u32::from(n), Timestamp(at), wire_len, &bytes, &"é".repeat(comment)).unwrap();
            frames.push(OwnedFrame { at: Timestamp(at), link: LinkType(101 + n), interface: n, wire_len, bytes });
        }
        writer.statistics(2, 3, 4).unwrap();
        let point = Point::new([&writer.finish().unwrap()[..]]);
        frames.sort_by_key(|f| f.at);
        let (found, source) = point.read();
        prop_assert_eq!(found, frames);
        prop_assert_eq!(source.files()[0].capture_drops, Some(7));
        let names: Vec<_> = source.interfaces().into_iter().filter_map(|i| i.name).collect();
        prop_assert_eq!(names, ["eth0", "eth1", "eth2", "eth3"]);
    }

    #[test]
    fn frames_dealt_to_files_come_back_in_order(
        deal in prop::collection::vec((0usize..5, 0i64..3), 1..2000),
        order in Just([0usize, 1, 2, 3, 4]).prop_shuffle(),
    ) {
        let mut files = vec![Vec::new(); 5];
        let (mut now, mut times) = (0, Vec::new());
        for (id, (file, step)) in deal.into_iter().enumerate() {
            now += step;
            times.push(now);
            files[file].push(frame(now, id as u32));
        }
        let bytes: Vec<_> = order.iter().map(|n| plain(&files[*n])).collect();
        let point = Point::new(bytes.iter().map(|b| &b[..]));
        let (found, source) = point.read();
        prop_assert_eq!(found.iter().map(|f| f.at.0).collect::<Vec<_>>(), times);
        let mut ids: Vec<_> = found.iter().map(|f| f.bytes.clone()).collect();
        let mut expected: Vec<_> = files.concat().into_iter().map(|f| f.bytes).collect();
        ids.sort();
        expected.sort();
        prop_assert_eq!(ids, expected);
        prop_assert_eq!(source.anomalies().count("time_backwards"), 0);
        // The same again, whatever the order.
        prop_assert_eq!(point.read().0, found);
    }
}

/// Numbers that look random and are the same every time.
fn noise(n: u32) -> u32 {
    let mut x = n.wrapping_add(1).wrapping_mul(0x9e37_79b9);
    x ^= x >> 15;
    x = x.wrapping_mul(0x85eb_ca6b);
    x ^ x >> 13
}

#[test]
fn halves_in_either_order_are_the_whole() {
    let frames: Vec<_> = (0..9000).map(|n| frame(i64::from(n) / 3 * 1000, n)).collect();
    // Two frames of the same time on both sides of the cut.
    let (one, two) = frames.split_at(4000);
    let (one, two, whole) = (plain(one), plain(two), plain(&frames));
    assert_eq!(Point::new([&whole[..]]).read().0, frames);
    for files in [[&one[..], &two], [&two[..], &one]] {
        let (found, source) = Point::new(files).read();
        assert_eq!(on_one_interface(found), frames);
        assert_eq!(source.files().iter().map(|f| f.packets).sum::<u64>(), 9000);
        assert_eq!(kinds(&source), []);
    }
}

#[test]
fn disorder_within_the_window_is_put_right_from_wherever_it_begins() {
    for ordered in [0, 100, 3000, 60_000] {
        // Neighbourhoods of 3000 frames are mixed.
        let mut frames: Vec<_> = (0..70_000u32).map(|n| frame(i64::from(n) * 1000, n)).collect();
        frames[ordered..].chunks_mut(3000).for_each(|part| part.sort_by_key(|f| noise(f.at.0 as u32)));
        let (found, source) = Point::new([&plain(&frames)[..]]).read();
        frames.sort_by_key(|f| f.at);
        assert!(found == frames, "ordered up to {ordered}");
        assert_eq!(kinds(&source), []);
        assert_eq!(source.files()[0].packets, 70_000);
    }
}

#[test]
fn what_is_later_than_the_window_is_handed_on_and_counted() {
    let mut frames: Vec<_> = (0..20_000u32).map(|n| frame(i64::from(n) * 1000, n)).collect();
    // Too late by far, in a file that is in order else; and one from the future, which must not hold up the others.
    frames[15_000].at = Timestamp(7);
    frames[17_000].at = Timestamp(1_000_000_000_000);
    let (found, source) = Point::new([&plain(&frames)[..]]).read();
    assert_eq!(kinds(&source), [("time_backwards", 1)]);
    let (_, counted) = source.anomalies().iter().next().unwrap();
    assert_eq!(counted.first, [Place { file: 0, frame: 15_001 }]);
    let late = found.iter().position(|f| f.at == Timestamp(7)).unwrap();
    assert!((10_000..15_000).contains(&late), "{late}");
    assert_eq!(found.last().map(|f| f.at), Some(Timestamp(1_000_000_000_000)));
    let mut sorted = found;
    sorted.sort_by_key(|f| f.at);
    frames.sort_by_key(|f| f.at);
    assert!(sorted == frames);
}

#[test]
fn a_clock_that_steps_back_loses_nothing() {
    let frames: Vec<_> = (0..30_000u32).map(|n| frame(i64::from(if n < 15_000 { n } else { n - 8000 }) * 1000, n)).collect();
    let (found, source) = Point::new([&plain(&frames)[..]]).read();
    assert_eq!(found.len(), 30_000);
    let late = source.anomalies().count("time_backwards");
    let expected = found.iter().scan(Timestamp::MIN, |max, f| {
        let late = f.at < *max;
        *max = f.at.max(*max);
        Some(late)
    });
    assert_eq!(late, expected.filter(|late| *late).count() as u64);
    assert!(late > 0);
}

#[test]
fn large_frames_are_sorted_within_fewer_frames() {
    let large = |n: u32| OwnedFrame::ethernet(Timestamp(i64::from(n)), vec![n as u8; 200_000]);
    let mut frames: Vec<_> = (0..300u32).map(large).collect();
    frames.chunks_mut(40).for_each(|part| part.reverse());
    let (found, source) = Point::new([&plain(&frames)[..]]).read();
    frames.sort_by_key(|f| f.at);
    assert!(found == frames);
    assert_eq!(kinds(&source), []);
}

#[test]
fn several_interfaces_in_one_file_are_sorted_from_the_start() {
    let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Little, "").unwrap();
    for name in ["eth0", "tap0"] {
        writer.interface(&InterfaceDescription { name, ..InterfaceDescription::default() }).unwrap();
    }
    // As dumpcap writes: a block of one interface's frames, then a block of the other's for the same time.
    for block in 0..20 {
        for interface in 0..2u32 {
            for n in 0..2000 {
                writer.write(interface, Timestamp(block * 4000 + n * 2 + i64::from(interface)), 4, &[0; 4], "").unwrap();
            }
        }
    }
    let (found, source) = Point::new([&writer.finish().unwrap()[..]]).read();
    assert_eq!(found.len(), 80_000);
    assert!(found.iter().enumerate().all(|(n, f)| f.at.0 == n as i64 && f.interface == n as u16 % 2));
    assert_eq!(kinds(&source), []);
}

#[test]
fn any_number_of_rotated_files_but_not_of_overlapping_ones() {
    let rotated: Vec<_> = (0..300u32).map(|n| plain(&[frame(i64::from(n) * 10, n), frame(i64::from(n) * 10 + 9, n)])).collect();
    let point = Point::new(rotated.iter().rev().map(|b| &b[..]));
    let (found, source) = point.read();
    assert!(found.len() == 600 && found.is_sorted_by_key(|f| f.at));
    assert_eq!((source.files().len(), source.interfaces().len(), kinds(&source).len()), (300, 300, 0));
    let overlapping: Vec<_> = (0..300u32).map(|n| plain(&[frame(i64::from(n), n), frame(10_000 + i64::from(n), n)])).collect();
    let mut source = Point::new(overlapping.iter().map(|b| &b[..]));
    // The files must outlive the reading.
    let mut opened = source.open().unwrap();
    let error = loop {
        match opened.next_frame() {
            Ok(frame) => assert!(frame.is_some()),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("256") && error.to_string().contains("mergecap"), "{error}");
    source.paths.truncate(256);
    assert_eq!(source.read().0.len(), 512);
}

#[test]
fn what_is_wrong_with_one_file_does_not_stop_the_others() {
    let frames: Vec<_> = (0..3000u32).map(|n| frame(i64::from(n) * 10, n)).collect();
    let (one, two) = (plain(&frames[..1000]), plain(&frames[1000..]));
    let empty = plain(&[]);
    let (found, source) = Point::new([&two[..], &empty, &one[..one.len() - 1]]).read();
    let expected = [&frames[..999], &frames[1000..]].concat();
    assert!(on_one_interface(found) == expected);
    assert_eq!(kinds(&source), [("cut_in_record", 1), ("no_frames", 1)]);
    let files = source.files();
    assert_eq!(files.iter().map(|f| (f.packets, f.cut_short)).collect::<Vec<_>>(), [(2000, false), (0, false), (999, true)]);
    let (_, counted) = source.anomalies().iter().next().unwrap();
    assert_eq!(counted.first, [Place { file: 2, frame: 999 }]);
    assert!(counted.detail.as_deref().is_some_and(|d| d.contains("2.pcap, byte ")), "{counted:?}");
}

#[test]
fn compressed_files_are_named_and_their_faults_too() {
    let frames: Vec<_> = (0..100_000u32).map(|n| frame(i64::from(n) * 10, noise(n))).collect();
    let whole = plain(&frames);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&whole).unwrap();
    let gzip = gzip.finish().unwrap();
    let (found, source) = Point::new([&gzip[..]]).read();
    assert!(found == frames);
    assert_eq!((source.files()[0].compression, source.files()[0].format), (Some("gzip"), "pcap"));
    let point = Point::new([&gzip[..gzip.len() / 2]]);
    let (found, source) = point.read();
    assert!(found.len() > 30_000 && found[..] == frames[..found.len()]);
    assert_eq!(kinds(&source), [("decompression_fault", 1)]);
    assert!(source.files()[0].cut_short);
    let detail = source.anomalies().iter().next().unwrap().1.detail.clone().unwrap();
    assert!(detail.contains("0.pcap, byte ") && detail.contains(&format!("end of the file at byte {}", gzip.len() / 2)), "{detail}");
    assert!(looks_like_capture(&point.paths[0]));
    let twice = zstd::encode_all(&gzip[..], 1).unwrap();
    let twice = Point::new([&twice[..]]);
    assert!(twice.refusal().contains("compressed twice"));
    assert!(!looks_like_capture(&twice.paths[0]));
}

#[test]
fn skippable_frames_before_the_first_frame() {
    let frames: Vec<_> = (0..10).map(|n| frame(i64::from(n), n)).collect();
    let zstd = zstd::encode_all(&plain(&frames)[..], 1).unwrap();
    let skippable = |len: usize| [&b"\x50\x2a\x4d\x18"[..], &(len as u32).to_le_bytes(), &vec![7; len]].concat();
    for lens in [[0, 0], [1, 40], [9, 7]] {
        let (found, source) = Point::new([&[skippable(lens[0]), skippable(lens[1]), zstd.clone()].concat()[..]]).read();
        assert_eq!((found, source.files()[0].compression), (frames.clone(), Some("zstd")));
    }
}

#[test]
fn refusals_name_the_file_and_say_what_to_do() {
    let good = plain(&[frame(1, 1)]);
    for (bad, words) in [(&b""[..], "no bytes at all"), (b"\0\0\0\0\0\0\0\0", "zeros"), (b"{\"a\": 1}", "text")] {
        let point = Point::new([&good[..], bad]);
        let text = point.refusal();
        assert!(text.contains("1.pcap, byte 0: ") && text.contains(words) && text.contains("\n  "), "{text}");
        assert!(!looks_like_capture(&point.paths[1]) && looks_like_capture(&point.paths[0]));
    }
    let mut point = Point::new([&good[..]]);
    point.paths.push(point.folder.path().join(".").join("0.pcap"));
    assert!(point.refusal().contains("given twice"));
    point.paths[1] = point.folder.path().into();
    assert!(point.refusal().contains("found a folder"));
    assert!(!looks_like_capture(point.folder.path()));
    point.paths[1] = point.folder.path().join("none");
    assert!(point.refusal().contains("none: cannot open: "));
    assert!(open_point(&[], &OpenOptions::default()).is_err());
}

#[test]
fn progress_counts_each_byte_once() {
    let frames: Vec<_> = (0..50_000u32).map(|n| frame(i64::from(n) * 10, n)).collect();
    let (one, two) = (plain(&frames[..20_000]), zstd::encode_all(&plain(&frames[20_000..])[..], 1).unwrap());
    let point = Point::new([&two[..], &one]);
    let progress = Arc::new(AtomicU64::new(0));
    let options = OpenOptions { progress: Some(Arc::clone(&progress)), ..OpenOptions::default() };
    assert!(on_one_interface(all(open_point(&point.paths, &options).unwrap()).0) == frames);
    assert_eq!(Some(progress.load(Ordering::Relaxed)), total_bytes(&point.paths));
    assert_eq!(total_bytes(&[point.paths[0].clone(), "-".into()]), None);
}

#[test]
fn a_filter_leaves_frames_out_and_says_how_many() {
    let mut frames: Vec<_> = (0..5000u32).map(|n| frame(i64::from(n) * 10, n)).collect();
    frames.swap(4000, 4001);
    frames.iter_mut().step_by(5).for_each(|f| f.wire_len = 1500);
    let point = Point::new([&plain(&frames)[..]]);
    let options = OpenOptions { filter: Some("greater 1000".into()), ..OpenOptions::default() };
    let (found, source) = all(open_point(&point.paths, &options).unwrap());
    frames.sort_by_key(|f| f.at);
    frames.retain(|f| f.wire_len == 1500);
    assert!(found == frames);
    let facts = &source.files()[0];
    assert_eq!((facts.packets, facts.filtered_out), (5000, 4000));
    let none = OpenOptions { filter: Some("wlan type mgt".into()), ..OpenOptions::default() };
    let (found, source) = all(open_point(&point.paths, &none).unwrap());
    assert_eq!((found.len(), kinds(&source)), (0, vec![("filter_not_applicable", 5000)]));
    let wrong = OpenOptions { filter: Some("greater than ever".into()), ..OpenOptions::default() };
    assert!(open_point(&point.paths, &wrong).is_err());
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_as_it_comes() {
    let frames: Vec<_> = (0..20_000u32).map(|n| frame(i64::from(n) * 10, n)).collect();
    let file = Point::new([&plain(&frames[..5000])[..]]);
    let pipe = file.folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    assert_eq!(total_bytes(std::slice::from_ref(&pipe)), None);
    assert!(!looks_like_capture(&pipe));
    let (bytes, to) = (plain(&frames[5000..]), pipe.clone());
    let writer = std::thread::spawn(move || fs::OpenOptions::new().write(true).open(to).unwrap().write_all(&bytes).unwrap());
    let (found, _) = all(open_point(&[pipe, file.paths[0].clone()], &OpenOptions::default()).unwrap());
    writer.join().unwrap();
    assert!(on_one_interface(found) == frames);
}
