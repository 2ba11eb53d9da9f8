//! What reading a migration stream costs on top of following the same connection: `cargo bench --bench follow -- CAPTURE [--parser | --none]`.
//!
//! Each way decodes every packet of the capture and follows its conversations; `--parser` also runs the protocols' parsers, `--none` asks for
//! the same bytes and drops them. Run either under a counter of instructions, which does not depend on what else the machine is doing:
//! `valgrind --tool=callgrind target/release/deps/follow-… CAPTURE --none`. Without a choice both are timed in turn.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lmpcap::app::dispatch::{Dispatcher, Tagged};
use lmpcap::base::net::Side;
use lmpcap::capture::{OpenOptions, Source, open_point};
use lmpcap::decode::{Decoded, Decoder};
use lmpcap::flow::{EndOfStream, FlowId, FlowKey, FlowTable, GapReason, Moment, Need, Sink};

/// Wants every byte and does nothing with it.
#[derive(Default)]
struct Nobody {
    bytes: u64,
}

impl Sink for Nobody {
    fn begin(&mut self, _: FlowId, _: &FlowKey, _: Moment, _: bool) {}
    fn bytes(&mut self, _: FlowId, _: &FlowKey, _: Side, _: Moment, bytes: &[u8]) -> Need {
        self.bytes += bytes.len() as u64;
        Need::More
    }
    fn gap(&mut self, _: FlowId, _: &FlowKey, _: Side, _: Moment, missing: u64, _: GapReason) -> Need {
        self.bytes += missing;
        Need::More
    }
    fn fin(&mut self, _: FlowId, _: &FlowKey, _: Side, _: Moment) {}
    fn datagram(&mut self, _: FlowId, _: &FlowKey, _: Side, _: Moment, _: &[u8], _: u32) -> Need {
        Need::Nothing
    }
    fn end(&mut self, _: FlowId, _: &FlowKey, _: Moment, _: EndOfStream) {}
}

fn follow(path: &PathBuf, sink: &mut impl Sink) -> u64 {
    let mut source = open_point(std::slice::from_ref(path), &OpenOptions::default()).expect("a capture");
    let (mut decoder, mut flows, mut packets) = (Decoder::new(), FlowTable::new(), 0);
    while let Some(frame) = source.next_frame().expect("a sound capture") {
        if let Decoded::Packet(packet) = decoder.decode(&frame) {
            flows.packet(&packet, sink);
            packets += 1;
        }
    }
    flows.finish(sink);
    packets
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(path) = args.first().map(PathBuf::from) else {
        println!("usage: cargo bench --bench follow -- CAPTURE [--parser | --none]");
        return;
    };
    let none = || {
        let mut sink = Nobody::default();
        let packets = follow(&path, &mut sink);
        (packets, sink.bytes)
    };
    let parser = || {
        let mut sink = Dispatcher::new(Vec::<Tagged>::new());
        let packets = follow(&path, &mut sink);
        (packets, sink.out().len() as u64)
    };
    match args.get(1).map(String::as_str) {
        Some("--none") => {
            let (packets, bytes) = none();
            println!("{packets} packets, {bytes} bytes followed");
        }
        Some("--parser") => {
            let (packets, events) = parser();
            println!("{packets} packets, {events} events");
        }
        _ => {
            let timed = |run: &dyn Fn() -> (u64, u64)| {
                let begin = Instant::now();
                run();
                begin.elapsed()
            };
            let rounds: Vec<(Duration, Duration)> = (0..9).map(|_| (timed(&none), timed(&parser))).collect();
            let mut ratios: Vec<f64> = rounds.iter().map(|(a, b)| b.as_secs_f64() / a.as_secs_f64()).collect();
            ratios.sort_by(f64::total_cmp);
            let least = |side: fn(&(Duration, Duration)) -> Duration| rounds.iter().map(side).min().unwrap_or_default();
            println!("followed {:?}, with parsers {:?}, ratio (median of pairs) {:.3}", least(|r| r.0), least(|r| r.1), ratios[4]);
        }
    }
}
