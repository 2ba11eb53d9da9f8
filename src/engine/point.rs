//! One capture point, in its own thread: frames to packets to conversations to meters.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::Options;
use super::join::Outbox;
use super::ledgers::Ledgers;
use crate::app::dispatch::{Dispatcher, Tagged};
use crate::app::migration::watch::ConnectionWatch;
use crate::base::anomaly::Anomalies;
use crate::base::role::Role;
use crate::base::time::Timestamp;
use crate::capture::{self, FileFacts, InterfaceFacts, OpenOptions, Source};
use crate::decode::duplicates::{Duplicates, Verdict};
use crate::decode::{Decoded, Decoder, Packet};
use crate::error::Result;
use crate::flow::{FlowTable, Observation};
use crate::measure::meter::Meter;
use crate::measure::pace::Pace;
use crate::measure::presence::Presence;
use crate::measure::service::ServiceWatch;
use crate::run::PointSpec;

/// Frames between two looks at whether the user wants to stop.
const STOP_EVERY: u64 = 4096;

/// What one point has to say.
pub struct PointResult {
    /// Role as given.
    pub role: Role,
    /// Files.
    pub files: Vec<FileFacts>,
    /// Interfaces.
    pub interfaces: Vec<InterfaceFacts>,
    /// Oddities of the files and the traffic.
    pub anomalies: Anomalies,
    /// Frames that could not be decoded, by reason.
    pub undecoded: BTreeMap<&'static str, u64>,
    /// What the packets added up to.
    pub state: PointState,
    /// The user stopped it.
    pub stopped: bool,
}

/// Everything that a packet touches.
pub struct PointState {
    /// Frames read.
    pub frames: u64,
    /// Packets decoded, copies too.
    pub decoded: u64,
    /// Fragments that became part of another packet.
    pub held: u64,
    /// Copies dropped.
    pub copies: u64,
    /// Packets of conversations.
    pub in_flows: u64,
    /// Packets of no conversation: ARP, other ethertypes.
    pub outside_flows: u64,
    /// Earliest packet.
    pub first: Option<Timestamp>,
    /// Latest packet.
    pub last: Option<Timestamp>,
    /// Who was seen where.
    pub presence: Presence,
    /// Counters.
    pub meter: Meter,
    /// Waits per channel.
    pub services: ServiceWatch,
    /// Pace of migration streams.
    pub pace: Pace,
    /// Opening and closing of their connections.
    pub connections: ConnectionWatch,
    /// Conversations.
    pub flows: FlowTable,
    /// Which parser took which conversation.
    pub dispatcher: Dispatcher<Vec<Tagged>>,
    /// What parsers found.
    pub ledgers: Ledgers,
    duplicates: Duplicates,
    outbox: Option<Outbox>,
}

impl PointState {
    fn new(outbox: Option<Outbox>) -> Self {
        Self {
            frames: 0,
            decoded: 0,
            held: 0,
            copies: 0,
            in_flows: 0,
            outside_flows: 0,
            first: None,
            last: None,
            presence: Presence::new(),
            meter: Meter::default(),
            services: ServiceWatch::new(),
            pace: Pace::new(),
            connections: ConnectionWatch::default(),
            flows: FlowTable::new(),
            dispatcher: Dispatcher::new(Vec::new()),
            ledgers: Ledgers::default(),
            duplicates: Duplicates::new(),
            outbox,
        }
    }

    #[inline]
    fn packet(&mut self, packet: &Packet<'_>) {
        self.decoded += 1;
        self.first = Some(self.first.map_or(packet.at, |t| t.min(packet.at)));
        self.last = Some(self.last.map_or(packet.at, |t| t.max(packet.at)));
        self.presence.packet(packet);
        if self.duplicates.check(packet) == Verdict::Copy {
            self.copies += 1;
            return;
        }
        let Some(seen) = self.flows.packet(packet, &mut self.dispatcher) else {
            self.outside_flows += 1;
            self.meter.other(packet);
            if let Some(outbox) = &mut self.outbox {
                outbox.packet(packet, None, || None);
            }
            return;
        };
        self.in_flows += 1;
        if let Some(outbox) = &mut self.outbox {
            outbox.packet(packet, Some(&seen), || self.flows.key(seen.flow));
        }
        let channel = match self.flows.user_mut(seen.flow) {
            Some(slot) if *slot != 0 => *slot,
            Some(_) => self.channel(&seen),
            None => 0,
        };
        self.meter.packet(packet, &seen, channel);
        self.services.packet(packet, &seen, channel, self.meter.pair_of(channel));
        self.pace.packet(packet, seen.flow, seen.from);
        self.connections.packet(packet, &seen, || self.flows.key(seen.flow));
        if !self.dispatcher.out().is_empty() {
            self.ledgers.take(self.dispatcher.out_mut(), &self.flows, &mut self.pace, &mut self.connections);
        }
    }

    #[cold]
    fn channel(&mut self, seen: &Observation) -> u32 {
        let Some(key) = self.flows.key(seen.flow) else { return 0 };
        let channel = self.meter.channel_of(&key);
        if let Some(slot) = self.flows.user_mut(seen.flow) {
            *slot = channel;
        }
        channel
    }
}

/// Reads one point to its end.
pub fn run(spec: &PointSpec, options: &Options, outbox: Option<Outbox>) -> Result<PointResult> {
    let open = OpenOptions { filter: options.filter.clone(), progress: Some(options.read.clone()) };
    let mut source = capture::open_point(&spec.paths, &open)?;
    let mut decoder = Decoder::new();
    let mut state = PointState::new(outbox);
    let mut undecoded: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut stopped = false;
    while let Some(frame) = source.next_frame()? {
        state.frames += 1;
        if state.frames.is_multiple_of(STOP_EVERY) && options.stop.load(Ordering::Relaxed) {
            stopped = true;
            break;
        }
        match decoder.decode(&frame) {
            Decoded::Packet(packet) => state.packet(&packet),
            Decoded::Held => {
                state.held += 1;
                while let Some(packet) = decoder.release(frame.at) {
                    state.packet(&packet);
                }
            }
            Decoded::Undecoded(reason) => *undecoded.entry(reason).or_insert(0) += 1,
        }
    }
    while let Some(packet) = decoder.release(Timestamp::MAX) {
        state.packet(&packet);
    }
    if let Some(mut outbox) = state.outbox.take() {
        outbox.flush();
    }
    state.flows.finish(&mut state.dispatcher);
    state.ledgers.take(state.dispatcher.out_mut(), &state.flows, &mut state.pace, &mut state.connections);
    let mut anomalies = source.anomalies().clone();
    for (kind, count) in decoder.counters().named() {
        anomalies.note_many(kind, count, Default::default());
    }
    Ok(PointResult { role: spec.role, files: source.files(), interfaces: source.interfaces(), anomalies, undecoded, state, stopped })
}
