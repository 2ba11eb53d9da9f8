//! Makes the captures that `make bench` measures with, from real migrations: `cargo bench --bench corpus -- SHARED DIR`.
//!
//! - `full.pcap`: about 1 GB, full payload: migration streams and video, repeated with shifted times and changed ports.
//! - `headers.pcap`: about 6 million packets cut at 96 bytes.
//! - `flows.pcap`: a million short TCP conversations, generated.
//! - `points/{client,source,destination}.pcap`: three points of one run, repeated alike.
//!
//! `full8.pcap` and `headers8.pcap` are not kept: a file is read eight times through a pipe instead (`benches/run.py`).

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use lmpcap::base::time::{NS_PER_S, Nanos, Timestamp};
use lmpcap::capture::write::{ByteOrder, PcapWriter, Precision};
use lmpcap::capture::{LinkType, OpenOptions, Source, open_point};

/// Bytes of the corpus with full payload.
const FULL_BYTES: u64 = 1_000_000_000;
/// Packets of the corpus of headers.
const HEADER_PACKETS: u64 = 6_000_000;
/// Bytes kept of each of its packets.
const HEADER_SNAPLEN: usize = 96;
/// Conversations of the corpus of flows.
const FLOWS: u32 = 1_000_000;
/// Repetitions of the run of three points.
const POINT_ROUNDS: u32 = 40;
/// Time between the starts of two repetitions: longer than any of the runs.
const ROUND: Nanos = Nanos(60 * NS_PER_S);

type Out = PcapWriter<BufWriter<File>>;

fn create(path: &Path, snaplen: u32) -> Out {
    let file = BufWriter::with_capacity(1 << 20, File::create(path).expect("the corpus can be written"));
    PcapWriter::new(file, LinkType::ETHERNET, snaplen, Precision::Microseconds, ByteOrder::Little).expect("the corpus can be written")
}

/// Gives the client's port of an Ethernet, IPv4, TCP or UDP frame another number, the same in both directions and in every capture
/// of a round, so that each round has conversations of its own.
fn change_ports(frame: &mut [u8], round: u32) {
    if round == 0 || frame.len() < 38 || frame[12..14] != [8, 0] || !matches!(frame[23], 6 | 17) || frame[20] & 0x1f != 0 || frame[21] != 0
    {
        return;
    }
    let transport = 14 + usize::from(frame[14] & 15) * 4;
    for at in [transport, transport + 2] {
        if let Some(field) = frame.get_mut(at..at + 2) {
            let port = u16::from_be_bytes([field[0], field[1]]);
            if port >= 32_768 && !(49_152..=49_215).contains(&port) {
                // 241 is coprime to 16,384: rounds do not meet for as many rounds.
                let moved = 32_768 + ((u32::from(port) - 32_768 + round * 241) % 16_384) as u16;
                field.copy_from_slice(&moved.to_be_bytes());
            }
        }
    }
}

/// Appends a capture, shifted and with changed ports; answers packets and bytes written.
fn append(out: &mut Out, path: &Path, round: u32, snaplen: usize, base: &mut Option<Timestamp>) -> (u64, u64) {
    let mut source = open_point(&[path.to_owned()], &OpenOptions::default()).expect("a capture of the shared folder");
    let (mut packets, mut bytes) = (0, 0);
    let mut first = None;
    let mut copy = Vec::new();
    while let Some(frame) = source.next_frame().expect("a sound capture") {
        if frame.link != LinkType::ETHERNET {
            continue;
        }
        let own = *first.get_or_insert(frame.at);
        let start = *base.get_or_insert(own);
        let at = start + (frame.at - own) + Nanos(ROUND.0 * i64::from(round));
        copy.clear();
        copy.extend_from_slice(&frame.bytes[..frame.bytes.len().min(snaplen)]);
        change_ports(&mut copy, round);
        out.write(at, frame.wire_len, &copy).expect("the corpus can be written");
        packets += 1;
        bytes += copy.len() as u64 + 16;
    }
    (packets, bytes)
}

fn repeat(target: &Path, inputs: &[PathBuf], snaplen: usize, mut enough: impl FnMut(u64, u64) -> bool) {
    let mut out = create(target, if snaplen > 65_535 { 262_144 } else { snaplen as u32 });
    let (mut packets, mut bytes, mut round) = (0, 24, 0);
    let mut base = None;
    while !enough(packets, bytes) {
        let (p, b) = append(&mut out, &inputs[round as usize % inputs.len()], round, snaplen, &mut base);
        (packets, bytes, round) = (packets + p, bytes + b, round + 1);
    }
    out.finish().expect("the corpus can be written");
    println!("{}: {packets} packets, {bytes} bytes, {round} rounds", target.display());
}

/// SYN, SYN ACK, ACK, request, response, FINs: eight packets of one conversation.
fn flows(target: &Path) {
    let mut out = create(target, 65_535);
    let mut frame = [0u8; 14 + 20 + 20 + 64];
    frame[12] = 8;
    frame[14] = 0x45;
    frame[22] = 64;
    frame[23] = 6;
    frame[46] = 0x50;
    frame[48..50].copy_from_slice(&[0x20, 0]);
    let server = [198, 51, 100, 1];
    for n in 0..FLOWS {
        let client = [10, (n >> 16) as u8 & 15, (n >> 8) as u8, n as u8 & 0x7f];
        let port = (1024 + n % 60_000) as u16;
        let (mut a, mut b) = (1000u32, 2000u32);
        let steps: [(bool, u8, usize); 8] = [
            (true, 2, 0),
            (false, 0x12, 0),
            (true, 0x10, 0),
            (true, 0x18, 32),
            (false, 0x18, 64),
            (true, 0x11, 0),
            (false, 0x11, 0),
            (true, 0x10, 0),
        ];
        for (step, (from_client, flags, payload)) in steps.into_iter().enumerate() {
            let (src, dst) = if from_client { (client, server) } else { (server, client) };
            let (sport, dport) = if from_client { (port, 80) } else { (80, port) };
            let (seq, ack) = if from_client { (a, b) } else { (b, a) };
            let total = (40 + payload) as u16;
            frame[16..18].copy_from_slice(&total.to_be_bytes());
            frame[18..20].copy_from_slice(&((n * 8) as u16).wrapping_add(step as u16).to_be_bytes());
            frame[26..30].copy_from_slice(&src);
            frame[30..34].copy_from_slice(&dst);
            frame[34..36].copy_from_slice(&sport.to_be_bytes());
            frame[36..38].copy_from_slice(&dport.to_be_bytes());
            frame[38..42].copy_from_slice(&seq.to_be_bytes());
            frame[42..46].copy_from_slice(&ack.to_be_bytes());
            frame[47] = flags;
            let len = 14 + usize::from(total);
            // 20 µs per packet, conversations overlapping a little.
            let at = Timestamp(1_700_000_000 * NS_PER_S + i64::from(n) * 40_000 + step as i64 * 20_000);
            out.write(at, len as u32, &frame[..len]).expect("the corpus can be written");
            let used = payload as u32 + u32::from(flags & 3 != 0);
            if from_client { a += used } else { b += used }
        }
    }
    out.finish().expect("the corpus can be written");
    println!("{}: {} packets", target.display(), u64::from(FLOWS) * 8);
}

fn main() {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).filter(|a| a != "--bench").map(PathBuf::from).collect();
    let [shared, dir] = args.as_slice() else {
        eprintln!("usage: cargo bench --bench corpus -- SHARED DIR (the folder of real captures, the folder to write)");
        return;
    };
    let captures = shared.join("captures");
    fs::create_dir_all(dir.join("points")).expect("the folder can be made");
    let whole: Vec<PathBuf> =
        ["offline-full/source.pcap.zst", "offline-full/client.pcap.zst", "lossy/client.pcap.zst", "online/client.pcap.zst"]
            .iter()
            .map(|p| captures.join(p))
            .collect();
    repeat(&dir.join("full.pcap"), &whole, usize::MAX, |_, bytes| bytes >= FULL_BYTES);
    let mut all = whole.clone();
    all.extend(["none/source.pcap.zst", "vxlan/source.pcap.zst", "online/destination.pcap.zst"].iter().map(|p| captures.join(p)));
    repeat(&dir.join("headers.pcap"), &all, HEADER_SNAPLEN, |packets, _| packets >= HEADER_PACKETS);
    flows(&dir.join("flows.pcap"));
    for point in ["client", "source", "destination"] {
        let input = [captures.join("none").join(format!("{point}.pcap.zst"))];
        let mut rounds = 0;
        repeat(&dir.join("points").join(format!("{point}.pcap")), &input, usize::MAX, |_, _| {
            rounds += 1;
            rounds > POINT_ROUNDS
        });
    }
}
