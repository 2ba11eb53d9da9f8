//! Several capture points through capture, decode, flows and the joiner, without the rest of the analyzer.

use std::path::PathBuf;

use lmpcap::base::clock::ClockChoice;
use lmpcap::base::net::Side;
use lmpcap::base::role::Role;
use lmpcap::base::time::Timestamp;
use lmpcap::capture::{self, OpenOptions, PointSource, Source};
use lmpcap::decode::duplicates::{Duplicates, Verdict};
use lmpcap::decode::{Decoded, Decoder, Packet};
use lmpcap::flow::{EndOfStream, FlowId, FlowKey, FlowTable, GapReason, Moment, Need, Sink};
use lmpcap::join::{Batch, Joined, Joiner};
use lmpcap::measure::path::PathMeter;

/// Reads nothing of the streams.
pub struct Quiet;

impl Sink for Quiet {
    fn bytes(&mut self, _: FlowId, _: &FlowKey, _: Side, _: Moment, _: &[u8]) -> Need {
        Need::Nothing
    }
    fn gap(&mut self, _: FlowId, _: &FlowKey, _: Side, _: Moment, _: u64, _: GapReason) -> Need {
        Need::Nothing
    }
    fn fin(&mut self, _: FlowId, _: &FlowKey, _: Side, _: Moment) {}
    fn datagram(&mut self, _: FlowId, _: &FlowKey, _: Side, _: Moment, _: &[u8], _: u32) -> Need {
        Need::Nothing
    }
    fn end(&mut self, _: FlowId, _: &FlowKey, _: Moment, _: EndOfStream) {}
}

/// What a test does to a point's frames before they are read: `None` leaves a frame out; the bytes may be rewritten.
pub type Tamper = Box<dyn FnMut(Timestamp, &mut Vec<u8>) -> Option<Timestamp>>;

/// Frames as they are.
pub fn untouched() -> Tamper {
    Box::new(|at, _| Some(at))
}

/// One point as a stream of batches.
pub struct Reader {
    source: PointSource,
    decoder: Decoder,
    duplicates: Duplicates,
    flows: FlowTable,
    tamper: Tamper,
    bytes: Vec<u8>,
    batch: Batch,
    ended: bool,
}

impl Reader {
    pub fn new(files: &[PathBuf], tamper: Tamper) -> Self {
        let source = capture::open_point(files, &OpenOptions::default()).unwrap_or_else(|e| panic!("{files:?}: {e}"));
        Self {
            source,
            decoder: Decoder::new(),
            duplicates: Duplicates::new(),
            flows: FlowTable::new(),
            tamper,
            bytes: Vec::new(),
            batch: Batch::default(),
            ended: false,
        }
    }

    /// The next batch, `None` at the end.
    pub fn next(&mut self) -> Option<&Batch> {
        self.batch.clear();
        if self.ended {
            return None;
        }
        loop {
            let Some(frame) = self.source.next_frame().unwrap() else {
                self.ended = true;
                return (!self.batch.sightings.is_empty()).then_some(&self.batch);
            };
            self.bytes.clear();
            self.bytes.extend_from_slice(frame.bytes);
            let Some(at) = (self.tamper)(frame.at, &mut self.bytes) else { continue };
            let frame = capture::Frame { at, bytes: &self.bytes, ..frame };
            if let Decoded::Packet(packet) = self.decoder.decode(&frame) {
                if self.duplicates.check(&packet) == Verdict::Copy {
                    continue;
                }
                if sight(&mut self.flows, &mut self.batch, &packet) {
                    return Some(&self.batch);
                }
            }
        }
    }
}

fn sight(flows: &mut FlowTable, batch: &mut Batch, packet: &Packet<'_>) -> bool {
    let seen = flows.packet(packet, &mut Quiet);
    batch.push(packet, seen.as_ref(), || flows.key(seen?.flow))
}

/// Joins points of these roles.
pub fn join(points: Vec<(Role, Reader)>, choice: ClockChoice) -> (Joined, PathMeter) {
    let roles: Vec<Role> = points.iter().map(|p| p.0).collect();
    let mut readers: Vec<Reader> = points.into_iter().map(|p| p.1).collect();
    let mut joiner = Joiner::new(&roles, choice, PathMeter::new(&roles));
    while let Some(p) = joiner.next_point() {
        match readers[p].next() {
            Some(batch) => joiner.batch(p, batch),
            None => joiner.end_of_point(p),
        }
    }
    joiner.finish()
}

/// The capture files of a folder by role.
pub fn files(folder: &std::path::Path) -> Vec<(Role, Vec<PathBuf>)> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    Role::GIVEN
        .into_iter()
        .filter_map(|role| {
            let mine: Vec<PathBuf> = all
                .iter()
                .filter(|p| {
                    let name = p.file_name().unwrap().to_string_lossy();
                    name.starts_with(role.name()) && name.contains(".pcap")
                })
                .cloned()
                .collect();
            (!mine.is_empty()).then_some((role, mine))
        })
        .collect()
}
