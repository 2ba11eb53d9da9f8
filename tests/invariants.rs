//! What must not change: sums are wholes, and a report's figures do not depend on how the same packets were stored or stamped.
#![cfg(feature = "testkit")]

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};

use lmpcap::base::net::{Endpoint, Mac, Side};
use lmpcap::base::role::Role;
use lmpcap::base::time::{Nanos, Timestamp};
use lmpcap::capture::memory::OwnedFrame;
use lmpcap::capture::write::{ByteOrder, InterfaceDescription, PcapWriter, PcapngWriter, Precision};
use lmpcap::capture::{LinkType, OpenOptions, Source, open_point};
use lmpcap::engine::{Options, analyze};
use lmpcap::model::Report;
use lmpcap::run::{PointSpec, RunSpec};
use lmpcap::testkit::lossy::{self, Path as Way};
use lmpcap::testkit::packet;
use lmpcap::testkit::random::Random;
use lmpcap::testkit::talk::Talk;
use serde_json::Value;

/// All windows lie on it: their lengths are powers of two, those of peaks three of them.
const GRID: i64 = 3 << 40;
const START: i64 = 1_700_000_000_000_000_000;

/// Frames as they lie in a capture, and how their conversations are told apart.
type Frames = Vec<OwnedFrame>;

fn generated(seed: u64) -> Frames {
    let mut random = Random::new(seed);
    let end = |text: &str| -> Endpoint {
        let at: std::net::SocketAddr = text.parse().unwrap();
        Endpoint::new(at.ip(), at.port())
    };
    let path = Way { seed, ..Way::default() };
    let mut frames: Vec<(Timestamp, Vec<u8>)> = lossy::download(path).frames(end("192.0.2.10:40000"), end("192.0.2.50:80"));
    let first = frames[0].0;
    for n in 0..3u64 {
        let mut talk = Talk::between(&format!("192.0.2.1{n}:{}", 41_000 + n), "192.0.2.50:8080");
        talk.now = first + Nanos(random.below(200_000_000) as i64);
        talk.open();
        for _ in 0..4 {
            talk.say(Side::Client, b"GET /x HTTP/1.1\r\nHost: vm\r\n\r\n").ack(Side::Server);
            talk.wait(Nanos(random.below(30_000_000) as i64));
            talk.say(Side::Server, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc").ack(Side::Client);
        }
        talk.close();
        frames.extend(talk.frames());
    }
    for n in 0..60u16 {
        for reply in [false, true] {
            let (a, b) = ("192.0.2.10".parse().unwrap(), "192.0.2.50".parse().unwrap());
            let (src, dst) = if reply { (b, a) } else { (a, b) };
            let late = if reply { 1_000_000 + random.below(500_000) as i64 } else { 0 };
            let at = first + Nanos(i64::from(n) * 20_000_000 + late);
            if n != 17 || !reply {
                frames.push((at, packet::icmp_frame(src, dst, reply, 7, n, &[0; 56])));
            }
        }
    }
    frames.push((first + Nanos(300_000_000), packet::announcement(Mac([0x52, 0x54, 0, 1, 2, 3]))));
    frames.sort_by_key(|f| f.0);
    let shift = Nanos(START) - Nanos(first.0);
    frames.into_iter().map(|(at, bytes)| OwnedFrame::ethernet(at + shift, bytes)).collect()
}

fn read(path: &Path) -> Frames {
    let mut source = open_point(&[path.to_owned()], &OpenOptions::default()).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = source.next_frame().unwrap() {
        frames.push(OwnedFrame::from(frame));
    }
    frames
}

fn pcap(frames: &[OwnedFrame]) -> Vec<u8> {
    let link = frames[0].link;
    let mut out = PcapWriter::new(Vec::new(), link, 0, Precision::Nanoseconds, ByteOrder::Little).unwrap();
    for frame in frames {
        out.write(frame.at, frame.wire_len, &frame.bytes).unwrap();
    }
    out.finish().unwrap()
}

fn pcapng(frames: &[OwnedFrame]) -> Vec<u8> {
    let mut out = PcapngWriter::new(Vec::new(), ByteOrder::Big, "").unwrap();
    let interface = out.interface(&InterfaceDescription { link: frames[0].link, ..InterfaceDescription::default() }).unwrap();
    for frame in frames {
        out.write(interface, frame.at, frame.wire_len, &frame.bytes, "").unwrap();
    }
    out.finish().unwrap()
}

/// The report of one point with these files.
fn report(files: &[(&str, Vec<u8>)]) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let mut paths: Vec<PathBuf> = Vec::new();
    for (name, bytes) in files {
        paths.push(dir.path().join(name));
        std::fs::write(&paths[paths.len() - 1], bytes).unwrap();
    }
    let vm_ips = vec!["192.0.2.50".parse().unwrap()];
    let points = vec![PointSpec { role: Role::Client, paths }];
    let run = RunSpec { name: "run".into(), points, vm_ips, ..RunSpec::default() };
    analyze(&run, &Options::default()).unwrap()
}

fn of(frames: &[OwnedFrame]) -> Report {
    report(&[("run.pcap", pcap(frames))])
}

/// A report without what says where its packets lay.
fn figures(report: &Report) -> Value {
    let mut data = serde_json::to_value(report).unwrap();
    for point in data["points"].as_array_mut().unwrap() {
        point["files"] = Value::Null;
    }
    forget(&mut data);
    data
}

fn forget(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(forget),
        Value::Object(fields) => {
            for place in ["file", "frame", "filter", "first_frame"] {
                fields.remove(place);
            }
            // Where an oddity was met first.
            if fields.contains_key("count") && fields.contains_key("kind") {
                fields.remove("first");
                fields.remove("detail");
            }
            fields.values_mut().for_each(forget);
        }
        _ => {}
    }
}

/// The first difference of two values, with its place.
fn difference(place: &str, a: &Value, b: &Value) -> Option<String> {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) if x.len() == y.len() => {
            x.iter().find_map(|(k, v)| difference(&format!("{place}.{k}"), v, y.get(k).unwrap_or(&Value::Null)))
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            x.iter().zip(y).enumerate().find_map(|(i, (v, w))| difference(&format!("{place}[{i}]"), v, w))
        }
        (Value::Number(x), Value::Number(y)) => {
            let (x, y) = (x.as_f64()?, y.as_f64()?);
            // Sums in another order differ in their last bits.
            ((x - y).abs() > 1e-9 * x.abs().max(y.abs()).max(1e-3)).then(|| format!("{place}: {x} and {y}"))
        }
        _ => (a != b).then(|| format!("{place}: {a} and {b}").chars().take(400).collect()),
    }
}

#[track_caller]
fn same(what: &str, a: &Value, b: &Value) {
    if let Some(found) = difference("", a, b) {
        panic!("{what}: {found}");
    }
}

/// Captures that the invariants are tried on: generated ones and real ones.
fn all() -> Vec<(String, Frames)> {
    let mut all: Vec<(String, Frames)> = (1..=4).map(|seed| (format!("generated {seed}"), generated(seed))).collect();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/demo");
    all.push(("demo, client".into(), read(&demo.join("client.pcapng.zst"))));
    all.push(("demo, source".into(), read(&demo.join("source.pcapng.zst"))));
    for public in ["pcapplusplus-one_tcp_stream.pcap", "zeek-pipelined-requests.pcap"] {
        if let Some(path) = common::public(public) {
            all.push((public.into(), read(&path)));
        }
    }
    // One link type per file is what a pcap file holds.
    all.retain(|(_, frames)| frames.iter().all(|f| f.link == frames[0].link));
    assert!(all.len() >= 5, "{} captures", all.len());
    all
}

#[test]
fn how_packets_are_stored_changes_nothing() {
    for (name, frames) in all() {
        let plain = figures(&of(&frames));
        assert!(plain["coverage"]["decoded"].as_u64().unwrap() > 20, "{name}");
        same(&format!("{name} as pcapng"), &plain, &figures(&report(&[("run.pcapng", pcapng(&frames))])));
        let zstd = zstd::encode_all(&pcap(&frames)[..], 1).unwrap();
        same(&format!("{name} by zstd"), &plain, &figures(&report(&[("run.pcap.zst", zstd)])));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&pcap(&frames)).unwrap();
        same(&format!("{name} by gzip"), &plain, &figures(&report(&[("run.pcap.gz", gzip.finish().unwrap())])));
        let mut random = Random::new(5);
        for _ in 0..2 {
            let (one, other) = frames.split_at(1 + random.below(frames.len() as u64 - 1) as usize);
            let halves = report(&[("run-1.pcap", pcap(one)), ("run-2.pcap", pcap(other))]);
            same(&format!("{name} in two files, {} and {} frames", one.len(), other.len()), &plain, &figures(&halves));
        }
    }
}

/// Moments become null: all of them are shifted.
fn without_moments(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::String(text) if Timestamp::parse_rfc3339(text).is_some() => *value = Value::Null,
            Value::Array(list) => list.iter_mut().for_each(walk),
            Value::Object(fields) => fields.values_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    value
}

#[test]
fn a_shift_in_time_changes_nothing_but_the_times() {
    for (name, frames) in all() {
        let plain = without_moments(figures(&of(&frames)));
        let shifted =
            |by: i64| -> Report { of(&frames.iter().map(|f| OwnedFrame { at: f.at + Nanos(by), ..f.clone() }).collect::<Frames>()) };
        // A shift by the grid of the windows changes nothing at all.
        for by in [-(GRID << 6), GRID << 8, GRID] {
            same(&format!("{name}, {by} ns later"), &plain, &without_moments(figures(&shifted(by))));
        }
        // One off the grid may move a packet into the next window, and with it a peak, a curve or the border of a phase.
        for by in [1, 123_456_789, -86_400_000_000_001] {
            let mut other = without_moments(figures(&shifted(by)));
            let mut plain = plain.clone();
            for data in [&mut plain, &mut other] {
                for curves in ["series", "services"] {
                    data[curves] = Value::Null;
                }
                let rows = data["qos"].as_array_mut().unwrap();
                rows.retain(|row| row["phase"] == "whole");
                rows.iter_mut().for_each(|row| row["throughput"]["peak_bps"] = Value::Null);
            }
            same(&format!("{name}, {by} ns later"), &plain, &other);
        }
    }
}

/// Adds to the sequence numbers of Ethernet frames with IPv4 and TCP: each end's own, so acknowledgments move by the other's.
fn renumbered(frame: &OwnedFrame, by: u32) -> OwnedFrame {
    let mut bytes = frame.bytes.clone();
    let tcp = (bytes.len() > 54 - 1 && bytes[12..14] == [8, 0] && bytes[23] == 6).then(|| 14 + usize::from(bytes[14] & 15) * 4);
    if let Some(at) = tcp.filter(|at| bytes.len() >= at + 20) {
        let mut add = |place: usize| {
            if let Some(four) = bytes.get_mut(place..place + 4) {
                let value = u32::from_be_bytes([four[0], four[1], four[2], four[3]]).wrapping_add(by);
                four.copy_from_slice(&value.to_be_bytes());
            }
        };
        add(at + 4);
        if frame.bytes[at + 13] & 0x10 != 0 {
            add(at + 8);
        }
        let end = at + usize::from(frame.bytes[at + 12] >> 4) * 4;
        let mut option = at + 20;
        while option + 1 < end.min(frame.bytes.len()) {
            match (frame.bytes[option], usize::from(frame.bytes[option + 1])) {
                (0, _) => break,
                (1, _) => option += 1,
                (kind, length) if length >= 2 => {
                    if kind == 5 {
                        (option + 2..option + length).step_by(4).for_each(&mut add);
                    }
                    option += length;
                }
                _ => break,
            }
        }
    }
    OwnedFrame { bytes, ..frame.clone() }
}

#[test]
fn where_sequence_numbers_start_changes_nothing() {
    for (name, frames) in all().into_iter().filter(|(_, f)| f[0].link == LinkType::ETHERNET) {
        let plain = figures(&of(&frames));
        // So that numbers wrap early, late, and pass the middle.
        for by in [1, 0x7fff_f000, 0xffff_0000, 0xffff_fff0] {
            let moved: Frames = frames.iter().map(|f| renumbered(f, by)).collect();
            same(&format!("{name}, sequence numbers by {by:#x}"), &plain, &figures(&of(&moved)));
        }
    }
}

#[test]
fn a_tunnel_around_everything_changes_no_conversation() {
    for (name, frames) in all().into_iter().filter(|(_, f)| f[0].link == LinkType::ETHERNET) {
        let wrap = |f: &OwnedFrame| {
            let header = packet::Ip::new("10.9.0.1".parse().unwrap(), "10.9.0.2".parse().unwrap());
            let inner = packet::vxlan(42, &f.bytes);
            let mut outer = packet::ip_frame(&header, 17, &packet::udp(50_000, 4789, &inner));
            // Lengths are those on the wire, not of what the snap length left.
            let cut = f.wire_len as usize - f.bytes.len();
            for (at, length) in [(16, outer.len() - 14 + cut), (38, outer.len() - 34 + cut)] {
                outer[at..at + 2].copy_from_slice(&(length as u16).to_be_bytes());
            }
            OwnedFrame { wire_len: f.wire_len + (outer.len() - f.bytes.len()) as u32, bytes: outer, ..f.clone() }
        };
        // A frame of a card that segments has no room for more around it.
        if frames.iter().any(|f| f.wire_len > 65_000) {
            continue;
        }
        let (plain, wrapped) = (of(&frames), of(&frames.iter().map(wrap).collect::<Frames>()));
        // The frames are longer; what went on inside of them is the same.
        let flows = |report: &Report| -> Vec<Value> {
            let mut flows: Vec<Value> = report.flows.iter().map(|f| serde_json::to_value(f).unwrap()).collect();
            for flow in &mut flows {
                for longer in ["bytes", "bytes_from_client"] {
                    flow.as_object_mut().unwrap().remove(longer);
                }
            }
            flows.sort_by_key(|f| (f["key"].to_string(), f["first"].to_string()));
            flows
        };
        let (a, b) = (flows(&plain), flows(&wrapped));
        same(&format!("{name} in VXLAN"), &Value::Array(a), &Value::Array(b));
        for (inside, outside) in plain.qos.iter().zip(&wrapped.qos) {
            assert_eq!((&inside.phase, &inside.service, inside.packets), (&outside.phase, &outside.service, outside.packets), "{name}");
            assert_eq!((&inside.loss, &inside.delay, &inside.jitter), (&outside.loss, &outside.delay, &outside.jitter), "{name}");
        }
        assert_eq!(plain.migrations.len(), wrapped.migrations.len(), "{name}");
    }
}

#[test]
fn order_within_one_moment_changes_nothing() {
    for seed in 1..=6 {
        let mut frames = generated(seed);
        // A coarse clock: many packets have one time stamp.
        for frame in &mut frames {
            frame.at = Timestamp(frame.at.0 / 4_000_000 * 4_000_000);
        }
        let flow = |f: &OwnedFrame| -> Vec<u8> {
            // Addresses and ports of both ends, in one order for both directions; pings are one conversation.
            let (mut a, mut b) = (f.bytes[26..30].to_vec(), f.bytes[30..34].to_vec());
            if f.bytes[23] == 6 {
                a.extend(&f.bytes[34..36]);
                b.extend(&f.bytes[36..38]);
            }
            if a <= b { [a, b].concat() } else { [b, a].concat() }
        };
        let mut random = Random::new(seed);
        let mut shuffled = frames.clone();
        let mut swapped = 0;
        for _ in 0..3 {
            for i in 1..shuffled.len() {
                let near = shuffled[i - 1].at == shuffled[i].at && flow(&shuffled[i - 1]) != flow(&shuffled[i]);
                if near && random.chance(0.5) {
                    shuffled.swap(i - 1, i);
                    swapped += 1;
                }
            }
        }
        assert!(swapped > 20, "seed {seed}: {swapped} swaps");
        let sorted = |frames: &[OwnedFrame]| {
            let mut data = figures(&of(frames));
            // Equal ones may stand in either order.
            data["flows"].as_array_mut().unwrap().sort_by_key(|f| f["key"].to_string());
            data
        };
        same(&format!("seed {seed}, {swapped} swaps"), &sorted(&frames), &sorted(&shuffled));
    }
}

#[test]
fn sums_are_wholes() {
    let mut all_rows = 0;
    for (name, frames) in all() {
        let report = of(&frames);
        let bytes: u64 = report.services.iter().map(|s| s.bytes).sum();
        let flows: u64 = report.flows.iter().map(|f| f.bytes).sum();
        assert_eq!(bytes, flows, "{name}: bytes of services and of conversations");
        assert_eq!(report.services.iter().map(|s| s.packets).sum::<u64>(), report.coverage.attributed, "{name}");
        for s in &report.services {
            assert_eq!(s.bytes, s.bytes_before + s.bytes_during + s.bytes_after, "{name}: {}", s.name);
        }
        let c = &report.coverage;
        let undecoded: u64 = report.points.iter().flat_map(|p| p.undecoded.values()).sum();
        assert!(
            c.decoded <= c.packets && c.packets - undecoded <= c.decoded + c.ignored.get("fragment_held").copied().unwrap_or(0),
            "{name}: {c:?}"
        );
        assert_eq!(
            c.decoded,
            c.attributed + c.ignored.get("no_conversation").copied().unwrap_or(0) + report.points[0].duplicates,
            "{name}: {c:?}"
        );
        let mut rows = 0;
        for whole in report.qos.iter().filter(|q| q.phase == "whole") {
            let parts = report
                .qos
                .iter()
                .filter(|q| q.phase != "whole" && (&q.service, &q.from, &q.to) == (&whole.service, &whole.from, &whole.to));
            let (mut packets, mut seconds, mut any) = (0, 0.0, false);
            for part in parts {
                (packets, seconds, any) = (packets + part.packets, seconds + part.seconds, true);
            }
            if any {
                rows += 1;
                assert_eq!(packets, whole.packets, "{name}: {} from {} to {}", whole.service, whole.from, whole.to);
                assert!(
                    (seconds - whole.seconds).abs() < 1e-6 || !report.migrations.is_empty(),
                    "{name}: {seconds} s of {}",
                    whole.seconds
                );
            }
        }
        all_rows += rows;
        for m in &report.migrations {
            for p in m.phases.windows(2) {
                assert!(p[0].start <= p[1].start, "{name}: phases out of order");
            }
            if let (Some(payload), true) = (m.bytes.payload, m.decoded) {
                let phases: u64 = m.phases.iter().map(|p| p.bytes).sum();
                assert_eq!(phases, payload, "{name}: bytes of phases and of the migration");
            }
        }
    }
    assert!(all_rows > 0, "no row has phases");
}
