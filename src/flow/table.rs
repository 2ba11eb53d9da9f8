//! The table of conversations of one capture point.

use hashbrown::{DefaultHashBuilder, HashTable};

use super::echo::Message;
use super::key::Ends;
use super::record::{FlowRecord, More};
use super::shared::Shared;
use super::tcp::Opening;
use super::{FlowId, FlowKey, Moment, Need, Observation, Sink, Verdict, deliver};
use crate::base::anomaly::Anomalies;
use crate::base::limits::FLOWS;
use crate::base::net::Side;
use crate::decode::{Icmp, Net, Packet, Transport};

/// All conversations of one capture point, at most [`FLOWS`] at once. When it is full, a new one takes the place of one that was not used
/// lately (second chance: an approximation of least recently used that costs nothing per packet); [`FlowTable::evicted`] sums up what went.
///
/// Tunnels and VLANs do not tell conversations apart: one packet is often seen inside of a tunnel and outside of it.
#[derive(Debug)]
pub struct FlowTable {
    records: Vec<FlowRecord>,
    /// Slots by the hash of their key. A conversation whose ports another one has taken over is no longer in it.
    index: HashTable<u32>,
    build: DefaultHashBuilder,
    /// The slot of the last packet.
    last: Option<u32>,
    now: Moment,
    capacity: usize,
    /// Where expiry looks next.
    hand: usize,
    evicted: Evicted,
    pub(super) shared: Shared,
}

/// What was in the conversations that were closed to make room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Conversations.
    pub flows: u64,
    /// Their frames, both directions.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Their payload.
    pub payload: u64,
    /// Their payload, each byte once.
    pub goodput: u64,
    /// Their segments sent again.
    pub retransmitted: u64,
    /// Their segments that came late.
    pub reordered: u64,
}

impl Default for FlowTable {
    fn default() -> Self {
        Self::with_capacity(FLOWS)
    }
}

impl FlowTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty table for at most `capacity` conversations, itself at most [`FLOWS`] and at least 1.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            records: Vec::new(),
            index: HashTable::new(),
            build: DefaultHashBuilder::default(),
            last: None,
            now: Moment::default(),
            capacity: capacity.clamp(1, FLOWS),
            hand: 0,
            evicted: Evicted::default(),
            shared: Shared::default(),
        }
    }

    /// Takes the next packet; hands payload to `sink`. `None` for packets that belong to no conversation.
    #[inline]
    pub fn packet<S: Sink>(&mut self, packet: &Packet<'_>, sink: &mut S) -> Option<Observation> {
        let ends = Ends::of(packet)?;
        let when = Moment { at: packet.at, place: packet.place };
        self.now = when;
        let (mut slot, mut from, mut first) = match self.find(&ends) {
            Some((slot, from)) => (slot, from, false),
            None => {
                let from = ends.role_of_sender(&packet.transport);
                (self.open(&ends, from, packet, sink)?, from, true)
            }
        };
        if !first
            && let Transport::Tcp(tcp) = &packet.transport
            && let More::Tcp(state) = &self.records.get(slot)?.more
        {
            match state.opening(from, tcp) {
                Opening::Same => {}
                Opening::Swapped => {
                    if !self.records[slot].told {
                        self.records[slot].swap();
                        from = from.other();
                    }
                }
                Opening::Another => {
                    self.supersede(slot, sink);
                    from = ends.role_of_sender(&packet.transport);
                    slot = self.open(&ends, from, packet, sink)?;
                    first = true;
                }
            }
        }
        let Self { records, shared, .. } = self;
        let record = records.get_mut(slot)?;
        record.used = !first;
        record.first = record.first.min(packet.at);
        record.last = record.last.max(packet.at);
        let sent = &mut record.directions[from.index()];
        sent.packets += u64::from(packet.frames);
        sent.bytes += u64::from(packet.wire_len);
        sent.payload += u64::from(packet.payload_wire);
        let mut seen =
            Observation { flow: record.id, from, verdict: Verdict::New, goodput: packet.payload_wire, rtt: None, gap_before: 0, first };
        match (&packet.transport, &mut record.more) {
            (Transport::Tcp(tcp), More::Tcp(state)) => {
                let start = state.segment(from, packet, tcp, record.first.0, shared, &mut seen);
                if !state.deaf {
                    deliver::segment(record, from, start, packet, when, sink, shared);
                } else if record.told && state.closed.is_some() {
                    deliver::end(record, None, when, sink, shared);
                }
            }
            (Transport::Udp { .. }, _) if !record.quiet[from.index()] => {
                record.told = true;
                let need = sink.datagram(record.id, &record.key, from, when, packet.payload, packet.payload_wire);
                record.quiet[from.index()] = need == Need::Nothing;
            }
            (Transport::Icmp(Icmp { echo: Some((id, seq)), reply, .. }), more) => {
                if let More::None = more {
                    *more = More::Echo(Box::default());
                }
                if let More::Echo(echo) = more {
                    let ident = if let Net::Ip(ip) = &packet.net { ip.ident } else { 0 };
                    let message = Message { at: packet.at, place: packet.place, id: *id, seq: *seq, ident };
                    if *reply {
                        echo.reply(from, message, shared, &mut seen);
                    } else {
                        echo.request(from, message, shared, &mut seen);
                    }
                }
            }
            _ => {}
        }
        Some(seen)
    }

    /// Tells `sink` that nothing more will come. The records stay.
    pub fn finish<S: Sink>(&mut self, sink: &mut S) {
        for record in &mut self.records {
            let when = Moment { at: record.last, place: self.now.place };
            deliver::end(record, None, when, sink, &mut self.shared);
        }
    }

    /// All conversations in the table: in the order of their first packets as long as none was closed to make room.
    pub fn records(&self) -> impl Iterator<Item = (FlowId, &FlowRecord)> {
        self.records.iter().map(|r| (r.id, r))
    }

    /// One conversation; `None` if it was closed to make room.
    #[inline]
    pub fn get(&self, flow: FlowId) -> Option<&FlowRecord> {
        self.records.get(flow.slot()).filter(|r| r.id == flow)
    }

    /// The ends of a conversation.
    pub fn key(&self, flow: FlowId) -> Option<FlowKey> {
        self.get(flow).map(|r| r.key)
    }

    /// A number of the engine's own for a conversation; 0 until set.
    #[inline]
    pub fn user_mut(&mut self, flow: FlowId) -> Option<&mut u32> {
        self.records.get_mut(flow.slot()).filter(|r| r.id == flow).map(|r| &mut r.user)
    }

    /// What was closed to make room.
    pub fn evicted(&self) -> Evicted {
        self.evicted
    }

    /// `tcp_retransmission_differs`: bytes sent again with other content; the first copy counted. `reassembly_limit`: holes given up
    /// because a bound was reached. `tcp_holes_forgotten`, `echoes_forgotten`: bounds that were reached. `flow_ids_exhausted`: packets of
    /// conversations that found no name.
    pub fn anomalies(&self) -> &Anomalies {
        &self.shared.anomalies
    }

    /// Segments whose round trip was not measured because too many were on their way.
    pub fn rtt_forgotten(&self) -> u64 {
        self.shared.hangar.forgotten
    }

    #[inline]
    fn find(&mut self, ends: &Ends) -> Option<(usize, Side)> {
        if let Some(slot) = self.last
            && let Some(side) = ends.side_in(&self.records.get(slot as usize)?.key)
        {
            return Some((slot as usize, side));
        }
        let mut found = None;
        let records = &self.records;
        self.index.find(ends.hash(&self.build), |&slot| {
            found = records.get(slot as usize).and_then(|r| ends.side_in(&r.key)).map(|side| (slot, side));
            found.is_some()
        })?;
        let (slot, side) = found?;
        self.last = Some(slot);
        Some((slot as usize, side))
    }

    /// A new conversation.
    fn open<S: Sink>(&mut self, ends: &Ends, from: Side, packet: &Packet<'_>, sink: &mut S) -> Option<usize> {
        let more = if let Transport::Tcp(_) = packet.transport { More::Tcp(Box::default()) } else { More::None };
        let slot = if self.records.len() < self.capacity {
            // Below FLOWS, which fits.
            let id = FlowId(self.records.len() as u32);
            self.records.push(FlowRecord::new(id, ends.key(from), packet.at, more));
            id.slot()
        } else {
            let Some(slot) = self.evict(sink) else {
                self.shared.anomalies.note("flow_ids_exhausted", packet.place);
                return None;
            };
            let id = FlowId(self.records[slot].id.0 + FLOWS as u32);
            self.records[slot] = FlowRecord::new(id, ends.key(from), packet.at, more);
            slot
        };
        let Self { records, build, index, .. } = self;
        index.insert_unique(ends.hash(build), slot as u32, |&slot| Ends::of_key(&records[slot as usize].key).hash(build));
        self.last = Some(slot as u32);
        Some(slot)
    }

    /// Another conversation takes over the ports of this one.
    #[cold]
    fn supersede<S: Sink>(&mut self, slot: usize, sink: &mut S) {
        self.unlink(slot);
        let Self { records, shared, now, .. } = self;
        deliver::end(&mut records[slot], None, *now, sink, shared);
    }

    /// Closes a conversation that was not used lately and gives its slot.
    #[cold]
    fn evict<S: Sink>(&mut self, sink: &mut S) -> Option<usize> {
        // Twice around: once to take the marks away, once to find one without.
        for _ in 0..=2 * self.records.len() {
            let slot = self.hand;
            self.hand = (self.hand + 1) % self.records.len();
            let record = self.records.get_mut(slot)?;
            let closed = record.closed().is_some();
            if std::mem::take(&mut record.used) && !closed {
                continue;
            }
            // The last name of this slot is used up; it comes after 32,767 others in the same slot.
            if record.id.0.checked_add(2 * FLOWS as u32).is_none() {
                continue;
            }
            self.unlink(slot);
            let Self { records, shared, now, evicted, .. } = self;
            let record = &mut records[slot];
            deliver::end(record, Some(super::EndOfStream::Limit), *now, sink, shared);
            evicted.add(record);
            return Some(slot);
        }
        None
    }

    fn unlink(&mut self, slot: usize) {
        let hash = Ends::of_key(&self.records[slot].key).hash(&self.build);
        if let Ok(entry) = self.index.find_entry(hash, |&s| s as usize == slot) {
            entry.remove();
        }
        self.last = None;
    }
}

impl Evicted {
    fn add(&mut self, record: &FlowRecord) {
        self.flows += 1;
        for side in [Side::Client, Side::Server] {
            let sent = record.sent(side);
            self.packets += sent.packets;
            self.bytes += sent.bytes;
            self.payload += sent.payload;
            self.goodput += record.goodput(side);
            if let Some(tcp) = record.tcp(side) {
                self.retransmitted += u64::from(tcp.counts.retransmitted);
                self.reordered += u64::from(tcp.counts.reordered);
            }
        }
    }
}
