//! The flow layer on real captures, against tshark and tcptrace.
//!
//! - Conversations: frames per direction equal `tshark -z conv,tcp` and `conv,udp`, bytes per end equal `-z endpoints` (which prints them
//!   unrounded), on every capture. tshark sees each frame, so copies of a packet are fed here too. It counts both the datagrams of a tunnel
//!   and what is inside; we count what is inside, so the tunnels' own datagrams are left out. It makes one line of conversations that used
//!   the same ports after each other; ours are added up.
//! - Retransmissions: the sum of what tshark calls retransmissions and out-of-order equals what we call sent again, late, or ambiguous.
//!   How that sum divides is a judgement: where ours differs from theirs, the test says why.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use lmpcap::base::net::{Endpoint, Side};
use lmpcap::capture::{OpenOptions, Source, open_point};
use lmpcap::decode::{Decoded, Decoder, Duplicates, Packet, Transport};
use lmpcap::flow::{EndOfStream, FlowId, FlowKey, FlowTable, GapReason, Moment, Need, Observation, Sink, TcpCounts, Verdict};

/// Asks for everything and checks that what it is told makes sense.
#[derive(Default)]
struct Greedy {
    told: BTreeMap<(u32, bool), u64>,
    open: std::collections::BTreeSet<u32>,
}

impl Greedy {
    fn told(&mut self, flow: FlowId, side: Side, bytes: u64) -> Need {
        assert!(bytes > 0 && self.open.contains(&flow.0));
        *self.told.entry((flow.0, side == Side::Client)).or_default() += bytes;
        Need::More
    }
}

impl Sink for Greedy {
    fn begin(&mut self, flow: FlowId, _: &FlowKey, _: Moment, _: bool) {
        assert!(self.open.insert(flow.0));
    }
    fn bytes(&mut self, flow: FlowId, _: &FlowKey, side: Side, _: Moment, bytes: &[u8]) -> Need {
        self.told(flow, side, bytes.len() as u64)
    }
    fn gap(&mut self, flow: FlowId, _: &FlowKey, side: Side, _: Moment, missing: u64, why: GapReason) -> Need {
        assert_ne!(why, GapReason::Limit);
        self.told(flow, side, missing)
    }
    fn fin(&mut self, _: FlowId, _: &FlowKey, _: Side, _: Moment) {}
    fn datagram(&mut self, flow: FlowId, _: &FlowKey, _: Side, _: Moment, _: &[u8], _: u32) -> Need {
        self.open.insert(flow.0);
        Need::More
    }
    fn end(&mut self, flow: FlowId, _: &FlowKey, _: Moment, _: EndOfStream) {
        assert!(self.open.remove(&flow.0));
    }
}

/// Runs a capture through the flow layer; `copies`: feed what was captured twice, too.
fn flows(path: &Path, copies: bool, mut each: impl FnMut(&Packet<'_>, &Observation)) -> (FlowTable, Greedy) {
    let mut source = open_point(&[path.to_owned()], &OpenOptions::default()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (mut decoder, mut duplicates) = (Decoder::new(), Duplicates::new());
    let (mut table, mut sink) = (FlowTable::new(), Greedy::default());
    while let Some(frame) = source.next_frame().unwrap_or_else(|e| panic!("{}: {e}", path.display())) {
        let Decoded::Packet(packet) = decoder.decode(&frame) else { continue };
        if (copies || duplicates.check(&packet) == lmpcap::decode::Verdict::First)
            && let Some(seen) = table.packet(&packet, &mut sink)
        {
            each(&packet, &seen);
        }
    }
    table.finish(&mut sink);
    assert!(sink.open.is_empty());
    (table, sink)
}

fn captures() -> Vec<PathBuf> {
    let Some(shared) = common::shared() else { return Vec::new() };
    let list = |folder: &Path| {
        let mut found: Vec<PathBuf> = std::fs::read_dir(folder).expect("a folder").flatten().map(|e| e.path()).collect();
        found.sort();
        found
    };
    let runs = list(&shared.join("captures")).into_iter().filter(|p| p.is_dir());
    let files = runs.flat_map(|run| list(&run)).chain(list(&shared.join("public")));
    files.filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().contains(".pcap"))).collect()
}

type Ends = (Endpoint, Endpoint);

/// Frames from the lower end and from the higher end, per pair.
type Conversations = BTreeMap<Ends, (u64, u64)>;
/// Bytes sent and received, per end.
type Totals = BTreeMap<Endpoint, (u64, u64)>;

fn add(to: &mut Conversations, from: Endpoint, other: Endpoint, frames: u64) {
    let entry = to.entry((from.min(other), from.max(other))).or_default();
    if from < other {
        entry.0 += frames;
    } else {
        entry.1 += frames;
    }
}

fn ours(table: &FlowTable, proto: u8) -> (Conversations, Totals) {
    let (mut conversations, mut totals) = (Conversations::new(), Totals::new());
    for (_, record) in table.records().filter(|(_, r)| r.key().proto == proto) {
        for side in [Side::Client, Side::Server] {
            let (from, to, sent) = (record.key().end(side), record.key().end(side.other()), record.sent(side));
            add(&mut conversations, from, to, sent.packets);
            totals.entry(from).or_default().0 += sent.bytes;
            totals.entry(to).or_default().1 += sent.bytes;
        }
    }
    (conversations, totals)
}

fn endpoint(text: &str) -> Endpoint {
    let (ip, port) = text.rsplit_once(':').unwrap_or_else(|| panic!("address:port expected, found {text:?}"));
    Endpoint::new(ip.parse().unwrap(), port.parse().unwrap())
}

fn theirs(path: &Path) -> [(Conversations, Totals); 2] {
    let statistics = ["conv,tcp", "conv,udp", "endpoints,tcp", "endpoints,udp"];
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-q", "-r"]).arg(path).args(statistics.iter().flat_map(|s| ["-z", s]));
    let mut result = <[(Conversations, Totals); 2]>::default();
    let mut proto = 0;
    for line in common::stdout(&mut tshark).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["TCP", ..] => proto = 0,
            ["UDP", ..] => proto = 1,
            // `a <-> b`, then frames and bytes from b to a, then from a to b; bytes are rounded and have a unit.
            [a, "<->", b, back, _, _, there, ..] => {
                let (a, b) = (endpoint(a), endpoint(b));
                add(&mut result[proto].0, a, b, there.parse().unwrap());
                add(&mut result[proto].0, b, a, back.parse().unwrap());
            }
            [ip, port, _, _, _, sent, _, received] if ip.parse::<std::net::IpAddr>().is_ok() => {
                let end = endpoint(&format!("{ip}:{port}"));
                result[proto].1.insert(end, (sent.parse().unwrap(), received.parse().unwrap()));
            }
            _ => {}
        }
    }
    result
}

/// VXLAN, Linux's older port of it, Geneve.
fn is_tunnel(ends: &Ends) -> bool {
    [ends.0.port, ends.1.port].iter().any(|p| [4789, 8472, 6081].contains(p))
}

#[test]
fn conversations_equal_those_of_tshark() {
    let files = captures();
    if files.is_empty() || !common::has("tshark", "tshark") {
        return;
    }
    let (mut frames, mut conversations) = (0, 0);
    for path in files {
        let mut tunnelled = false;
        let (table, _) = flows(&path, true, |packet, _| tunnelled |= packet.tunnel.is_some());
        for (proto, (mut theirs, their_totals)) in [6, 17].into_iter().zip(theirs(&path)) {
            let (ours, our_totals) = ours(&table, proto);
            let tunnels: Vec<Ends> = theirs.keys().filter(|e| tunnelled && proto == 17 && is_tunnel(e)).copied().collect();
            theirs.retain(|ends, _| !tunnels.contains(ends));
            assert_eq!(ours, theirs, "{} protocol {proto}", path.display());
            for (end, ours) in &our_totals {
                if !tunnels.iter().any(|(a, b)| a == end || b == end) {
                    assert_eq!(Some(ours), their_totals.get(end), "{} protocol {proto} {end}", path.display());
                }
            }
            frames += theirs.values().map(|(a, b)| a + b).sum::<u64>();
            conversations += theirs.len();
        }
    }
    println!("{conversations} conversations with {frames} frames");
    assert!(conversations > 1000 && frames > 100_000);
}

/// All directions of a capture together.
fn counts(table: &FlowTable) -> TcpCounts {
    let mut sum = TcpCounts::default();
    for (_, record) in table.records() {
        for tcp in [Side::Client, Side::Server].into_iter().filter_map(|side| record.tcp(side)) {
            sum.add(&tcp.counts);
        }
    }
    sum
}

fn public(name: &str, copies: bool) -> Option<TcpCounts> {
    let path = common::public(name)?;
    Some(counts(&flows(&path, copies, |_, _| {}).0))
}

#[test]
fn retransmissions_equal_those_of_tcptrace() {
    // tcptrace 6.6.7: 7.
    if let Some(c) = public("tcptrace-dsack.pcap.gz", false) {
        assert_eq!((c.retransmitted, c.reordered, c.ambiguous), (7, 0, 0));
        assert_eq!(c.received_twice, 1);
    }
    // tcptrace: 115 segments sent again, one of them a SYN, and 2 out of order. The two came 200 ms late with the newest
    // identification of the sender, so they were lost before the capture and sent again. 43 of the rest bear the identification of a
    // packet just before: that sender's network doubles packets (an ACK as well), and the layer below drops the copies.
    if let Some(c) = public("tcptrace-discard.solaris.pcap.gz", true) {
        assert_eq!(c.retransmitted + c.reordered + c.ambiguous, 115 + 2);
        assert_eq!((c.retransmitted_unseen, c.reordered), (2, 0));
    }
    if let Some(c) = public("tcptrace-discard.solaris.pcap.gz", false) {
        assert_eq!((c.retransmitted, c.reordered, c.ambiguous), (115 + 2 - 43, 0, 0));
    }
    // tcptrace: 485, of which 483 are the same packet captured twice. One frame of the file bears a later time than those after it.
    if let Some(c) = public("tcptrace-hardware_dups.pcap.gz", false) {
        assert_eq!((c.retransmitted, c.reordered, c.ambiguous), (0, 1, 0));
    }
    // tcptrace: 19. tshark divides them into 14 retransmissions and 5 out of order.
    if let Some(c) = public("zeek-206-a.pcap", false) {
        assert_eq!((c.retransmitted, c.reordered, c.ambiguous), (19, 0, 0));
        assert_eq!(c.duplicate_acks, 80);
    }
    // tshark: 56 retransmissions and 52 out of order. All of these bytes were seen before: the receiver had closed its window on them.
    if let Some(c) = public("zeek-206-b.pcap", false) {
        assert_eq!((c.retransmitted, c.reordered, c.ambiguous), (56 + 52, 0, 0));
        assert_eq!((c.zero_window, c.duplicate_acks), (57, 64));
    }
}

#[test]
fn sequence_numbers_may_wrap() {
    // The second file is the first with its sequence numbers moved to the end of their range, except for those in SACK options.
    let files = ["pcapplusplus-one_tcp_stream.pcap", "pcapplusplus-one_tcp_stream_max_seq.pcap"].map(common::public);
    let [Some(plain), Some(wrapped)] = files else { return };
    let [plain, wrapped] = [plain, wrapped].map(|path| {
        let mut seen = Vec::new();
        let (table, sink) = flows(&path, false, |_, s| seen.push((s.from, s.verdict, s.goodput, s.gap_before, s.rtt.is_some())));
        (seen, sink.told, TcpCounts { received_twice: 0, ..counts(&table) })
    });
    assert_eq!(plain, wrapped);
    assert_eq!((plain.2.retransmitted, plain.2.keep_alives), (2, 1), "as tshark has it");
}

/// Frames that a display filter shows.
fn filtered(path: &Path, filter: &str) -> Vec<u64> {
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-r"]).arg(path).args(["-Y", filter, "-T", "fields", "-e", "frame.number"]);
    common::stdout(&mut tshark).lines().map(|l| l.parse().unwrap()).collect()
}

/// The first SACK block lies below the acknowledgment (RFC 2883).
fn is_d_sack(packet: &Packet<'_>) -> bool {
    matches!(&packet.transport, Transport::Tcp(tcp) if tcp.sack_count > 0 && tcp.ack.wrapping_sub(tcp.sack[0].1) < 1 << 31)
}

/// Frames of which we say so.
fn judged(path: &Path, which: impl Fn(&Observation) -> bool) -> Vec<u64> {
    let mut frames = Vec::new();
    flows(path, true, |packet, seen| {
        if which(seen) && !(seen.verdict == Verdict::DuplicateAck && is_d_sack(packet)) {
            frames.push(packet.place.frame);
        }
    });
    frames.sort_unstable();
    frames
}

#[test]
fn every_frame_is_judged_as_tshark_judges_it() {
    let Some(shared) = common::shared() else { return };
    if !common::has("tshark", "tshark") {
        return;
    }
    // Captures without copies, whose frames are in time order.
    for name in [
        "public/ndpi-quickplay.pcap",
        "public/pcapplusplus-sll.pcap",
        "public/suricata-http-gap-simple.pcap",
        "public/suricata-http-range-file.pcap",
        "public/tcptrace-dsack.pcap.gz",
        "public/zeek-206-a.pcap",
        "captures/lossy/client.pcap.zst",
        "captures/lossy/source.pcap.zst",
        "captures/lossy/source-tap.pcap.zst",
        "captures/offline-full/source.pcap.zst",
        "captures/online/client.pcap.zst",
        "captures/openstack-live/controller.pcap.zst",
    ] {
        let path = shared.join(name);
        let again = |v| matches!(v, Verdict::Retransmitted | Verdict::Reordered | Verdict::Ambiguous);
        for (filter, ours) in [
            ("tcp.analysis.retransmission || tcp.analysis.out_of_order", judged(&path, |s| again(s.verdict))),
            // With nothing outstanding a D-SACK is no duplicate ACK (RFC 5681 section 2); tshark takes it for one.
            ("tcp.analysis.duplicate_ack && !tcp.options.sack.dsack_le", judged(&path, |s| s.verdict == Verdict::DuplicateAck)),
            ("tcp.analysis.lost_segment", judged(&path, |s| s.gap_before > 0)),
        ] {
            assert_eq!(ours, filtered(&path, filter), "{name}: {filter}");
        }
    }
}

#[test]
fn real_losses_are_found_where_they_were_made() {
    // 1 % of the packets to and from the client are dropped in the network: 15 data segments are sent again to the client; the 9 that
    // were lost before they reached it had never been seen there, but had been at the sender's tap.
    let Some(run) = common::capture("lossy") else { return };
    let client = counts(&flows(&run.join("client.pcap.zst"), false, |_, _| {}).0);
    assert_eq!((client.retransmitted, client.retransmitted_unseen, client.received_twice), (15, 9, 6));
    let tap = counts(&flows(&run.join("source-tap.pcap.zst"), false, |_, _| {}).0);
    assert_eq!((tap.retransmitted, tap.retransmitted_unseen), (15, 0));
    assert_eq!((client.gap_bytes, tap.gap_bytes), (0, 0), "TCP made all of it good");
}

#[test]
fn echoes_of_the_client_equal_what_ping_says() {
    let Some(run) = common::capture("offline-full") else { return };
    let (table, _) = flows(&run.join("client.pcap.zst"), false, |_, _| {});
    let echo = table.records().find_map(|(_, r)| r.echo(Side::Client).map(|e| (e, r.rtt(Side::Server)))).expect("pings");
    let text = common::stdout(Command::new("zstd").arg("-dc").arg(run.join("ping.txt.zst")));
    println!("{echo:?}\n{}", text.lines().rev().take(3).collect::<Vec<_>>().join("\n"));
    let answered = text.lines().filter(|l| l.contains("bytes from")).count() as u64;
    assert_eq!(echo.0.answered, answered);
}
