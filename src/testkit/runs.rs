//! A study of many small runs, some of them broken, as files to be packed or written.

use super::migration::{RAM_ID, Stream};
use super::packet::icmp_frame;
use super::random::Random;
use super::talk::Talk;
use crate::base::net::Side;
use crate::base::time::{Nanos, Timestamp};
use crate::capture::LinkType;
use crate::capture::write::{ByteOrder, PcapWriter, Precision};

/// Scenarios of the runs, in turn.
pub const SCENARIOS: [&str; 3] = ["no-video", "offline-video", "online-video"];
/// A `study.toml` that tells their factors.
pub const DESCRIPTION: &str = "name = \"small\"\npatterns = [\"{scenario}/{ram}/run{n}\"]\n[factors.ram]\nunit = \"MiB\"\n";

fn capture(frames: &[(Timestamp, Vec<u8>)]) -> Vec<u8> {
    let mut out = PcapWriter::new(Vec::new(), LinkType::ETHERNET, 262_144, Precision::Nanoseconds, ByteOrder::Little).expect("memory");
    for (at, frame) in frames {
        out.write(*at, frame.len() as u32, frame).expect("memory");
    }
    out.finish().expect("memory")
}

/// A small migration as the source sees it: `pages` pages, then the end of the stream.
fn source(pages: u64) -> Vec<u8> {
    let mut talk = Talk::between("10.0.0.11:40000", "10.0.0.12:49152");
    let mut stream = Stream::with_machine("pc-i440fx-7.2");
    stream.ram_start(RAM_ID, &[("pc.ram", pages << 12)]).more(2, RAM_ID);
    for page in 0..pages {
        stream.page((page == 0).then_some("pc.ram"), page, page as u8);
    }
    stream.eos().footer(RAM_ID).more(3, RAM_ID).eos().footer(RAM_ID).device(0, "timer", &[1; 8]).end("{\"page_size\": 4096}");
    talk.open().say(Side::Client, &stream.bytes).close();
    capture(&talk.frames())
}

/// A ping of the VM as the client sees it.
fn client(random: &mut Random) -> Vec<u8> {
    let (a, b) = ([192, 0, 2, 10].into(), [192, 0, 2, 50].into());
    let mut frames = Vec::new();
    for n in 0..10u16 {
        let at = Timestamp(1_700_000_000_000_000_000 + i64::from(n) * 20_000_000);
        let answer = at + Nanos(200_000 + (random.next() % 100_000) as i64);
        frames.push((at, icmp_frame(a, b, false, 7, n, &[0; 56])));
        frames.push((answer, icmp_frame(b, a, true, 7, n, &[0; 56])));
    }
    capture(&frames)
}

/// Files of a study of `runs` runs, with its `study.toml`, in the order of their paths. Each `broken`-th of them is broken, in one of
/// five ways: no capture, an empty file, damaged compression, a description that is none, a file that is not there.
pub fn files(runs: usize, broken: usize) -> Vec<(String, Vec<u8>)> {
    let mut random = Random::new(7);
    let mut files = vec![("study.toml".to_owned(), DESCRIPTION.as_bytes().to_vec())];
    for n in 0..runs {
        let folder = format!("{}/{}/run{n}", SCENARIOS[n % 3], 512 << (n / 3 % 3));
        let mut add = |name: &str, bytes: Vec<u8>| files.push((format!("{folder}/{name}"), bytes));
        add("client.pcap", client(&mut random));
        let whole = source(2 + random.next() % 6);
        if n % broken != broken - 1 {
            add("source.pcap", whole);
            continue;
        }
        match n / broken % 5 {
            0 => add("source.pcap", b"somebody saved the web page in place of the capture".to_vec()),
            1 => add("source.pcap", Vec::new()),
            2 => add("source.pcap", vec![0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            3 => {
                add("run.toml", b"scenario = \"film\"\n".to_vec());
                add("source.pcap", whole);
            }
            _ => add("run.toml", b"[points]\nclient = \"client.pcap\"\nsource = \"gone.pcap\"\n".to_vec()),
        }
    }
    files.sort();
    files
}
