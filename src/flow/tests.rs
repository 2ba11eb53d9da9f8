//! The flow layer as a whole, on generated traffic of which the truth is known.

mod bounds;
mod lossy;
mod streams;
mod talks;

use super::*;
use crate::testkit::talk::{self, Talk};

/// Writes down what it is told, and answers with `need`.
#[derive(Default)]
pub(super) struct Log {
    pub lines: Vec<String>,
    pub bytes: [Vec<u8>; 2],
    pub gaps: Vec<(Side, usize, u64, GapReason)>,
    pub datagrams: usize,
    pub answer: Option<fn(&Log, Side) -> Need>,
}

impl Log {
    fn need(&self, side: Side) -> Need {
        self.answer.map_or(Need::More, |answer| answer(self, side))
    }
}

impl Sink for Log {
    fn begin(&mut self, flow: FlowId, _: &FlowKey, _: Moment, whole: bool) {
        self.lines.push(format!("{} begin {whole}", flow.0));
    }
    fn bytes(&mut self, flow: FlowId, _: &FlowKey, side: Side, when: Moment, bytes: &[u8]) -> Need {
        assert!(!bytes.is_empty());
        self.lines.push(format!("{} {side:?} {} @{}", flow.0, bytes.len(), when.place.frame));
        self.bytes[side.index()].extend_from_slice(bytes);
        self.need(side)
    }
    fn gap(&mut self, flow: FlowId, _: &FlowKey, side: Side, when: Moment, missing: u64, why: GapReason) -> Need {
        assert!(missing > 0);
        self.lines.push(format!("{} {side:?} gap {missing} {why:?} @{}", flow.0, when.place.frame));
        self.gaps.push((side, self.bytes[side.index()].len(), missing, why));
        self.need(side)
    }
    fn fin(&mut self, flow: FlowId, _: &FlowKey, side: Side, when: Moment) {
        self.lines.push(format!("{} {side:?} fin @{}", flow.0, when.place.frame));
    }
    fn datagram(&mut self, _: FlowId, _: &FlowKey, side: Side, _: Moment, _: &[u8], _: u32) -> Need {
        self.datagrams += 1;
        self.need(side)
    }
    fn end(&mut self, flow: FlowId, _: &FlowKey, _: Moment, how: EndOfStream) {
        self.lines.push(format!("{} end {how:?}", flow.0));
    }
}

/// Runs frames through a table.
pub(super) fn run_cut(frames: &[(Timestamp, Vec<u8>)], snaplen: usize, sink: &mut Log) -> (FlowTable, Vec<Observation>) {
    let (mut table, mut seen) = (FlowTable::new(), Vec::new());
    talk::decode_cut(frames, snaplen, |packet| seen.extend(table.packet(packet, sink)));
    table.finish(sink);
    (table, seen)
}

pub(super) fn run(frames: &[(Timestamp, Vec<u8>)]) -> (FlowTable, Vec<Observation>, Log) {
    let mut sink = Log::default();
    let (table, seen) = run_cut(frames, usize::MAX, &mut sink);
    (table, seen, sink)
}

pub(super) fn run_talk(talk: &Talk) -> (FlowTable, Vec<Observation>, Log) {
    run(&talk.frames())
}

pub(super) fn only(table: &FlowTable) -> &FlowRecord {
    let mut records = table.records();
    let (_, record) = records.next().expect("a conversation");
    assert!(records.next().is_none(), "one conversation only");
    record
}
