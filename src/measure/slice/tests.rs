use std::fs::File;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::base::interval::Interval;
use crate::capture::write::{PcapWriter, Precision};
use crate::model;

fn pcap(path: &Path, times: &[i64], link: LinkType) {
    let mut writer = PcapWriter::new(File::create(path).unwrap(), link, 0, Precision::Nanoseconds, ByteOrder::Little).unwrap();
    for (i, t) in times.iter().enumerate() {
        writer.write(Timestamp(*t), 60 + i as u32, &[i as u8; 60]).unwrap();
    }
    writer.finish().unwrap();
}

/// Time, interface and bytes of a frame.
type Read = (Timestamp, u16, Vec<u8>);

fn read_back(bytes: &[u8], dir: &Path) -> (Vec<Read>, Vec<String>) {
    let path = dir.join("slice.pcapng");
    std::fs::write(&path, bytes).unwrap();
    let mut source = open_point(&[path], &OpenOptions::default()).unwrap();
    let mut frames = Vec::new();
    while let Some(f) = source.next_frame().unwrap() {
        frames.push((f.at, f.interface, f.bytes.to_vec()));
    }
    (frames, source.interfaces().into_iter().map(|i| i.name.unwrap_or_default()).collect())
}

#[test]
fn points_are_merged_on_the_reference_clock_with_comments() {
    let dir = tempfile::tempdir().unwrap();
    let s = NS_PER_S;
    let (a, b) = (dir.path().join("client.pcap"), dir.path().join("source.pcap"));
    pcap(&a, &[s, 5 * s, 6 * s, 9 * s], LinkType::ETHERNET);
    // One hour ahead.
    pcap(&b, &[3605 * s + 5, 3606 * s - 5, 3610 * s], LinkType::LINUX_SLL2);
    let point = |name: &str, path: &Path, offset: i64, comment: (u64, &str)| SlicePoint {
        name: name.to_owned(),
        paths: vec![path.to_owned()],
        clock: ClockMap::constant(Nanos(offset), None),
        comments: HashMap::from([((0, comment.0), comment.1.to_owned())]),
    };
    let points = [point("client", &a, 0, (3, "first packet after")), point("source", &b, -3600 * s, (1, "last frame"))];
    let (bytes, sliced) = slice(&points, (Timestamp(5 * s), Timestamp(6 * s)), None, "around the downtime", None, Vec::new()).unwrap();
    assert_eq!(sliced, Sliced { frames: vec![2, 2], comments: 2 });
    let text = String::from_utf8_lossy(&bytes);
    for wanted in ["around the downtime", "first packet after", "last frame"] {
        assert!(text.contains(wanted), "{wanted}");
    }
    let (frames, names) = read_back(&bytes, dir.path());
    let times: Vec<(i64, u16, u8)> = frames.iter().map(|f| (f.0.0, f.1, f.2[0])).collect();
    assert_eq!(times, [(5 * s, 0, 1), (5 * s + 5, 1, 0), (6 * s - 5, 1, 1), (6 * s, 0, 2)]);
    assert_eq!(names, ["client", "source"]);
}

#[test]
fn the_report_says_what_to_cut_and_what_to_write_on_it() {
    let t = |s: i64| Timestamp(s * NS_PER_S);
    let window_of = |from, to| Window { start: Some(Interval::exact(t(from))), end: Some(Interval::exact(t(to))), ..Window::default() };
    let evidence = |file: &str, frame, what: &str| model::Evidence {
        file: file.to_owned(),
        frame,
        what: what.to_owned(),
        ..model::Evidence::default()
    };
    let mut report = Report::default();
    assert!(window(&report, Around::Downtime, Nanos(0)).is_err());
    report.migrations.push(model::Migration::default());
    report.migrations.push(model::Migration {
        downtime: Downtime {
            vm: window_of(10, 11),
            network: window_of(9, 12),
            evidence: vec![evidence("b.pcap", 7, "one"), evidence("b.pcap", 7, "two"), evidence("elsewhere", 1, "lost")],
            ..Downtime::default()
        },
        ..model::Migration::default()
    });
    report.points.push(model::Point {
        role: "source".to_owned(),
        files: ["a.pcap", "b.pcap"].map(|p| model::File { path: p.to_owned(), first: Some(t(4)), ..model::File::default() }).to_vec(),
        clock: model::Clock { offset_ns: Some(-NS_PER_S), drift_ppb: Some(1000.0), ..model::Clock::default() },
        ..model::Point::default()
    });
    assert_eq!(window(&report, Around::Downtime, Nanos(NS_PER_S)).unwrap(), (t(8), t(13)));
    assert_eq!(window(&report, "1970-01-01T00:00:07Z".parse().unwrap(), Nanos(0)).unwrap(), (t(7), t(7)));
    assert!(window(&report, Around::Migration, Nanos(0)).is_err());
    assert!("sometimes".parse::<Around>().unwrap_err().contains("expected downtime"));
    let points = points(&report, None);
    assert_eq!(points[0].comments, HashMap::from([((1, 7), "one; two".to_owned())]));
    // The point's own first packet is at 5 s; a million seconds of drift count from there.
    assert_eq!(points[0].clock.to_reference(t(5)), t(4));
    assert_eq!(points[0].clock.to_reference(t(1_000_005)), t(1_000_005));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Every frame in the window is written once, in order; none outside.
    #[test]
    fn nothing_is_lost_or_added(mut a in proptest::collection::vec(0i64..20_000, 1..60), mut b in proptest::collection::vec(0i64..20_000, 1..60), from in 0i64..20_000, len in 0i64..20_000) {
        a.sort_unstable();
        b.sort_unstable();
        let dir = tempfile::tempdir().unwrap();
        let ms = |v: &[i64]| v.iter().map(|t| t * 1_000_000).collect::<Vec<_>>();
        let mut points = Vec::new();
        for (name, times) in [("client", &a), ("source", &b)] {
            let path = dir.path().join(format!("{name}.pcap"));
            pcap(&path, &ms(times), LinkType::ETHERNET);
            points.push(SlicePoint { name: name.to_owned(), paths: vec![path], clock: ClockMap::identity(), comments: HashMap::new() });
        }
        let (start, end) = (from * 1_000_000, (from + len) * 1_000_000);
        let (bytes, _) = slice(&points, (Timestamp(start), Timestamp(end)), None, "", None, Vec::new()).unwrap();
        let (frames, _) = read_back(&bytes, dir.path());
        let mut wanted: Vec<i64> = ms(&a).into_iter().chain(ms(&b)).filter(|t| (start..=end).contains(t)).collect();
        wanted.sort_unstable();
        prop_assert_eq!(frames.iter().map(|f| f.0.0).collect::<Vec<_>>(), wanted);
    }
}
