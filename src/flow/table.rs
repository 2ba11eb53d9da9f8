//! The table of conversations of one capture point.

use hashbrown::{DefaultHashBuilder, HashTable};

use super::key::Ends;
use super::record::{Direction, FlowRecord};
use super::{EndOfStream, FlowId, FlowKey, GapReason, Moment, Need, Observation, Sink, Verdict};
use crate::base::limits::FLOWS;
use crate::base::net::Side;
use crate::base::seq::distance;
use crate::base::time::Timestamp;
use crate::decode::{Packet, Tcp, Transport};

/// All conversations of one capture point.
#[derive(Debug, Default)]
pub struct FlowTable {
    records: Vec<FlowRecord>,
    index: HashTable<u32>,
    build: DefaultHashBuilder,
    last: Option<u32>,
    now: Moment,
}

impl FlowTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next packet; hands payload to `sink`. `None` for packets that belong to no conversation.
    pub fn packet<S: Sink>(&mut self, packet: &Packet<'_>, sink: &mut S) -> Option<Observation> {
        let ends = Ends::of(packet)?;
        let when = Moment { at: packet.at, place: packet.place };
        self.now = when;
        let (slot, from, first) = self.find(&ends, packet)?;
        let record = &mut self.records[slot as usize];
        record.first = record.first.min(packet.at);
        record.last = record.last.max(packet.at);
        let sent = &mut record.directions[from.index()];
        sent.packets += 1;
        sent.bytes += u64::from(packet.wire_len);
        sent.payload += u64::from(packet.payload_wire);
        let mut seen =
            Observation { flow: record.id, from, verdict: Verdict::New, goodput: packet.payload_wire, rtt: None, gap_before: 0, first };
        match &packet.transport {
            Transport::Tcp(tcp) => in_order(record, from, tcp, packet, when, sink, &mut seen),
            Transport::Udp { .. } if !record.quiet[from.index()] => {
                record.told = true;
                let need = sink.datagram(record.id, &record.key, from, when, packet.payload, packet.payload_wire);
                record.quiet[from.index()] = need == Need::Nothing;
            }
            _ => {}
        }
        Some(seen)
    }

    /// Tells `sink` that nothing more will come.
    pub fn finish<S: Sink>(&mut self, sink: &mut S) {
        for record in &mut self.records {
            if std::mem::take(&mut record.told) {
                sink.end(record.id, &record.key, Moment { at: record.last, ..self.now }, EndOfStream::CaptureEnded);
            }
        }
    }

    /// All conversations in the table, in the order of their slots.
    pub fn records(&self) -> impl Iterator<Item = (FlowId, &FlowRecord)> {
        self.records.iter().map(|r| (r.id, r))
    }

    /// One conversation; `None` if it was closed to make room.
    pub fn get(&self, flow: FlowId) -> Option<&FlowRecord> {
        self.records.get(flow.slot()).filter(|r| r.id == flow)
    }

    /// The ends of a conversation.
    pub fn key(&self, flow: FlowId) -> Option<FlowKey> {
        self.get(flow).map(|r| r.key)
    }

    /// A number of the engine's own for a conversation; 0 until set.
    pub fn user_mut(&mut self, flow: FlowId) -> Option<&mut u32> {
        self.records.get_mut(flow.slot()).filter(|r| r.id == flow).map(|r| &mut r.user)
    }

    fn find(&mut self, ends: &Ends, packet: &Packet<'_>) -> Option<(u32, Side, bool)> {
        if let Some(slot) = self.last
            && let Some(side) = ends.side_in(&self.records[slot as usize].key)
        {
            return Some((slot, side, false));
        }
        let hash = ends.hash(&self.build);
        let records = &self.records;
        if let Some(&slot) = self.index.find(hash, |&slot| ends.side_in(&records[slot as usize].key).is_some()) {
            self.last = Some(slot);
            return Some((slot, ends.side_in(&self.records[slot as usize].key)?, false));
        }
        if self.records.len() >= FLOWS {
            return None;
        }
        let slot = u32::try_from(self.records.len()).ok()?;
        let side = ends.role_of_sender(&packet.transport);
        self.records.push(FlowRecord {
            key: ends.key(side),
            id: FlowId(slot),
            user: 0,
            first: packet.at,
            last: Timestamp::MIN,
            directions: [Direction::default(); 2],
            next: [None; 2],
            quiet: [false; 2],
            told: false,
        });
        let (records, build) = (&self.records, &self.build);
        self.index.insert_unique(hash, slot, |&slot| {
            let key = &records[slot as usize].key;
            Ends { proto: key.proto, src: key.client, dst: key.server }.hash(build)
        });
        self.last = Some(slot);
        Some((slot, side, true))
    }
}

/// In-order bytes only; a hole is a gap at once.
fn in_order<S: Sink>(r: &mut FlowRecord, from: Side, tcp: &Tcp, packet: &Packet<'_>, when: Moment, sink: &mut S, seen: &mut Observation) {
    let d = from.index();
    if tcp.has(Tcp::SYN) {
        r.next[d] = Some(tcp.seq.wrapping_add(1));
        return;
    }
    if packet.payload_wire == 0 {
        seen.verdict = Verdict::Ack;
        return;
    }
    let whole = r.next[d].is_some();
    let next = r.next[d].unwrap_or(tcp.seq);
    let end = tcp.seq.wrapping_add(packet.payload_wire);
    if distance(next, end) <= 0 {
        seen.verdict = Verdict::Retransmitted;
        seen.goodput = 0;
        return;
    }
    r.next[d] = Some(end);
    if r.quiet[d] {
        return;
    }
    if !std::mem::replace(&mut r.told, true) {
        sink.begin(r.id, &r.key, when, whole);
    }
    let ahead = distance(next, tcp.seq);
    if ahead > 0 && sink.gap(r.id, &r.key, from, when, ahead as u64, GapReason::NotCaptured) == Need::Nothing {
        r.quiet[d] = true;
        return;
    }
    let old = ahead.min(0).unsigned_abs() as usize;
    let bytes = packet.payload.get(old..).unwrap_or(&[]);
    let mut need = if bytes.is_empty() { Need::More } else { sink.bytes(r.id, &r.key, from, when, bytes) };
    let cut = u64::from(packet.payload_wire) - packet.payload.len().max(old) as u64;
    if cut > 0 && need != Need::Nothing {
        need = sink.gap(r.id, &r.key, from, when, cut, GapReason::SnapLength);
    }
    r.quiet[d] = need == Need::Nothing;
}
