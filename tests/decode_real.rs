//! The decoder against real captures: both paths, etherparse and tshark must agree, and copies must be found where they are.

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use lmpcap::base::time::Timestamp;
use lmpcap::capture::{Frame, OpenOptions, Source, open_point};
use lmpcap::decode::{Decoded, Decoder, Duplicates, Net, Packet, Transport, Verdict};

/// Calls `each` for every frame of a file.
fn frames(path: &Path, mut each: impl FnMut(&Frame<'_>)) {
    first_frames(path, u64::MAX, |frame| each(frame));
}

/// Calls `each` for every frame of a file up to a number.
fn first_frames(path: &Path, count: u64, mut each: impl FnMut(&Frame<'_>)) {
    let mut source = open_point(&[path.to_owned()], &OpenOptions::default()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    while let Some(frame) = source.next_frame().unwrap_or_else(|e| panic!("{}: {e}", path.display())) {
        // In time order, so that a frame of a higher number may come early.
        if frame.place.frame > count.saturating_add(5000) {
            break;
        }
        if frame.place.frame <= count {
            each(&frame);
        }
    }
}

/// Calls `each` for every packet of a file, with what [`Duplicates`] says of it.
fn packets(path: &Path, mut each: impl FnMut(&Packet<'_>, Verdict)) -> Duplicates {
    let (mut decoder, mut duplicates) = (Decoder::new(), Duplicates::new());
    frames(path, |frame| {
        if let Decoded::Packet(packet) = decoder.decode(frame) {
            let verdict = duplicates.check(&packet);
            each(&packet, verdict);
        }
    });
    duplicates
}

fn captures_in(folder: &Path) -> Vec<PathBuf> {
    let name = |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().contains(".pcap"));
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).expect("a folder").flatten().map(|e| e.path()).filter(name).collect();
    found.sort();
    found
}

fn all() -> Vec<PathBuf> {
    let Some(shared) = common::shared() else { return Vec::new() };
    let mut found = captures_in(&shared.join("public"));
    let mut runs: Vec<PathBuf> = std::fs::read_dir(shared.join("captures")).expect("captures").flatten().map(|e| e.path()).collect();
    runs.sort();
    for run in runs.iter().filter(|p| p.is_dir()) {
        found.extend(captures_in(run));
    }
    found
}

/// What must hold for a frame, and whether the fast path took it.
fn agree(decoder: &mut Decoder, frame: &Frame<'_>, path: &Path) -> bool {
    let fast = Decoder::decode_fast(frame);
    let complete = match decoder.decode_complete(frame) {
        Decoded::Packet(packet) => Some(packet),
        Decoded::Held => None,
        Decoded::Undecoded(reason) => {
            assert!(Decoder::REASONS.contains(&reason), "{reason}");
            None
        }
    };
    if let Some(fast) = &fast {
        assert_eq!(Some(fast), complete.as_ref(), "{} frame {}", path.display(), frame.place.frame);
    }
    fast.is_some()
}

#[test]
fn both_paths_agree_on_every_real_frame() {
    let (mut taken, mut total) = (0u64, 0u64);
    for path in all() {
        let mut decoder = Decoder::new();
        frames(&path, |frame| {
            total += 1;
            taken += u64::from(agree(&mut decoder, frame, &path));
        });
    }
    assert!(total == 0 || taken * 1000 > total * 999, "the fast path took {taken} of {total} frames");
}

#[test]
fn real_frames_may_be_cut_anywhere() {
    for path in all() {
        let mut decoder = Decoder::new();
        let (mut number, mut next) = (0, 0);
        frames(&path, |frame| {
            number += 1;
            // The first 40 of each file, then ever fewer.
            if number > 40 && number < next {
                return;
            }
            next = number + 1 + number / 10;
            for len in 0..frame.bytes.len().min(400) {
                agree(&mut decoder, &Frame { bytes: &frame.bytes[..len], ..*frame }, &path);
            }
        });
        while decoder.release(Timestamp::MAX).is_some() {}
    }
}

const FIELDS: [&str; 15] = [
    "frame.number",
    "frame.len",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.len",
    "tcp.options.timestamp.tsval",
    "udp.srcport",
    "udp.dstport",
    "ip.id",
];

/// What tshark says of the first frames of a file: the values of each field, outermost first.
fn tshark(path: &Path, count: u32) -> Vec<Vec<Vec<String>>> {
    let mut command = Command::new("tshark");
    command.args([
        "-n",
        "-o",
        "tcp.desegment_tcp_streams:FALSE",
        "-o",
        "tcp.analyze_sequence_numbers:FALSE",
        "-T",
        "fields",
        "-E",
        "separator=|",
    ]);
    command.arg("-c").arg(count.to_string()).arg("-r").arg(path);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let values = |field: &str| field.split(',').filter(|v| !v.is_empty()).map(str::to_owned).collect();
    common::stdout(&mut command).lines().map(|line| line.split('|').map(values).collect()).collect()
}

/// The same of a packet; `None` for what need not be compared.
fn ours(packet: &Packet<'_>) -> [Option<String>; 15] {
    let mut said: [Option<String>; 15] = Default::default();
    said[0] = Some(packet.place.frame.to_string());
    said[1] = Some(packet.wire_len.to_string());
    let Net::Ip(ip) = packet.net else { return said };
    let family = if ip.src.is_ipv4() { 2 } else { 4 };
    said[family] = Some(ip.src.to_string());
    said[family + 1] = Some(ip.dst.to_string());
    if ip.src.is_ipv4() {
        said[14] = Some(format!("0x{:04x}", ip.ident));
    }
    match packet.transport {
        Transport::Tcp(tcp) => {
            said[6] = Some(tcp.src.to_string());
            said[7] = Some(tcp.dst.to_string());
            said[8] = Some(tcp.seq.to_string());
            said[9] = Some(tcp.ack.to_string());
            said[10] = Some(packet.payload_wire.to_string());
            said[11] = tcp.timestamps.map(|t| t.0.to_string());
        }
        Transport::Udp { src, dst } => {
            said[12] = Some(src.to_string());
            said[13] = Some(dst.to_string());
        }
        Transport::Icmp(_) | Transport::Other => {}
    }
    said
}

#[test]
fn tshark_says_the_same() {
    if !common::has("tshark", "tshark") {
        return;
    }
    for path in all() {
        let public = path.parent().is_some_and(|p| p.ends_with("public"));
        let count = if public { 1 << 20 } else { 1500 };
        let theirs = tshark(&path, count);
        let mut decoder = Decoder::new();
        let mut compared = 0;
        first_frames(&path, count.into(), |frame| {
            let Some(row) = theirs.get(frame.place.frame as usize - 1) else { return };
            let Decoded::Packet(packet) = decoder.decode(frame) else { return };
            // An ICMP error quotes a packet, which tshark reads too: there the first behind the tunnel's header counts.
            let errors = |v6: bool, kind: u8| if v6 { kind < 5 } else { [3, 4, 5, 11, 12].contains(&kind) };
            let quotes = matches!(packet.transport, Transport::Icmp(icmp) if errors(icmp.v6, icmp.kind));
            let before = match (packet.net, packet.tunnel) {
                (Net::Ip(ip), Some(tunnel)) if ip.src.is_ipv4() == tunnel.src.is_ipv4() => usize::from(tunnel.depth),
                _ => 0,
            };
            for ((field, theirs), ours) in FIELDS.iter().zip(row).zip(ours(&packet)) {
                let Some(ours) = ours else { continue };
                let theirs = if quotes && field.starts_with("ip") { theirs.get(before) } else { theirs.last() };
                assert_eq!(theirs, Some(&ours), "{field} of frame {} of {}: {packet:?}", frame.place.frame, path.display());
                compared += 1;
            }
        });
        assert!(compared >= theirs.len() * 2, "{}: only {compared} fields of {} frames were compared", path.display(), theirs.len());
    }
}

fn copies(name: &str) -> Option<(u64, u64, u64, u64, u64)> {
    let path = common::public(name)?;
    let mut packets_seen = 0;
    let found = packets(&path, |_, _| packets_seen += 1).copies();
    Some((packets_seen, found.other_place, found.routed, found.repeated, found.resegmented))
}

#[test]
fn copies_are_found_and_nothing_else() {
    // Counted with tshark: same addresses, identification, numbers and length as an earlier frame.
    let expected = [
        ("zeek-vxlan-overlapping-http-get.pcap", (42, 28, 0, 0, 0)),
        ("tcptrace-hardware_dups.pcap.gz", (1458, 0, 486, 0, 0)),
        // Routed copies there too; the 72 segments that were sent again have identifications of their own and stay.
        ("tcptrace-discard.solaris.pcap.gz", (2550, 0, 44, 0, 0)),
        ("tcptrace-dsack.pcap.gz", (15712, 0, 0, 0, 0)),
        ("zeek-206-a.pcap", (672, 0, 0, 0, 0)),
        ("zeek-206-b.pcap", (1556, 0, 0, 0, 0)),
        ("suricata-http-range-file.pcap", (316, 0, 0, 0, 0)),
        ("pcapplusplus-many-interfaces.pcapng", (64, 2, 0, 0, 0)),
    ];
    for (name, expected) in expected {
        if let Some(found) = copies(name) {
            assert_eq!(found, expected, "{name}");
        }
    }
}

/// A direction of a TCP conversation.
type Direction = (std::net::IpAddr, u16, std::net::IpAddr, u16);
/// Interface and packet type.
type Seen = (u32, Option<lmpcap::decode::SllType>);

/// Of every conversation what counts is what the place that saw most of it saw: bytes once each, however cut, sent again where sent again.
#[test]
fn each_byte_counts_once_on_any_interface() {
    let runs = ["hls-any", "libvirt-any", "ceph-v2-any", "openstack-live", "openstack-abort"];
    let mut removed = 0;
    for path in runs.iter().filter_map(|run| common::capture(run)).flat_map(|folder| captures_in(&folder)) {
        let mut counted: HashMap<Direction, u64> = HashMap::new();
        let mut places: HashMap<(Direction, Seen), u64> = HashMap::new();
        let mut all = 0;
        packets(&path, |packet, verdict| {
            let (Net::Ip(ip), Transport::Tcp(tcp)) = (packet.net, packet.transport) else { return };
            let direction = (ip.src, tcp.src, ip.dst, tcp.dst);
            let bytes = u64::from(packet.payload_wire);
            all += bytes;
            *places.entry((direction, (packet.link.if_index, packet.link.sll))).or_default() += bytes;
            *counted.entry(direction).or_default() += if verdict == Verdict::First { bytes } else { 0 };
        });
        let most = |direction: &Direction| places.iter().filter(|(key, _)| key.0 == *direction).map(|(_, n)| *n).max().unwrap_or(0);
        let wrong: Vec<_> = counted.iter().map(|(d, n)| (d, *n, most(d))).filter(|(_, counted, most)| counted != most).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
        removed += all - counted.values().sum::<u64>();
    }
    assert!(common::shared().is_none() || removed > 10_000_000, "only {removed} bytes were copies");
}
