//! Finds the protocol of each conversation by its first bytes and hands the conversation to that protocol's parser.
//!
//! Content decides, never a port. A conversation of no known protocol is let go after at most [`limits::PROBE_BYTES`] of each side.

mod datagrams;
mod detect;
#[cfg(test)]
mod tests;

use self::datagrams::Datagrams;
use self::detect::{Detection, Verdict};
use super::{DATAGRAM_PROTOCOLS, DatagramProtocol, Event, PROTOCOLS, Protocol, StreamParser};
use crate::base::anomaly::Anomalies;
use crate::base::emit::Emit;
use crate::base::limits;
use crate::base::net::Side;
use crate::flow::{EndOfStream, FlowId, FlowKey, GapReason, Moment, Need, Sink};

/// An event and the conversation that it is of.
#[derive(Clone, Debug)]
pub struct Tagged {
    /// The conversation.
    pub flow: FlowId,
    /// What its parser says.
    pub event: Event,
}

/// The [`Sink`] that runs the parsers; their events go to `E`.
pub struct Dispatcher<E> {
    out: E,
    protocols: &'static [Protocol],
    datagram_protocols: &'static [DatagramProtocol],
    /// By [`FlowId::slot`].
    entries: Vec<Entry>,
    states: Vec<State>,
    free: Vec<u32>,
    /// Bytes held by detections.
    held: usize,
    anomalies: Anomalies,
}

#[derive(Clone, Copy)]
struct Entry {
    flow: FlowId,
    /// Index into `states`.
    state: u32,
    protocol: Option<&'static str>,
}

const NOBODY: Entry = Entry { flow: FlowId(u32::MAX), state: NO_STATE, protocol: None };
const NO_STATE: u32 = u32::MAX;

enum State {
    Free,
    /// Begun, nothing said yet.
    Begun {
        whole: bool,
    },
    Detecting(Box<Detection>),
    /// Picked up in the middle; looked at again at this many more segments.
    Resync {
        left: u16,
    },
    Stream(Stream),
    Datagrams(Box<Datagrams>),
}

/// A parser at work, and what it still wants passed over of either side. After a replay the flow layer does not know of it yet.
struct Stream {
    parser: Box<dyn StreamParser>,
    pending: [Need; 2],
}

struct Tag<'a, E> {
    flow: FlowId,
    out: &'a mut E,
}

impl<E: Emit<Tagged>> Emit<Event> for Tag<'_, E> {
    fn emit(&mut self, event: Event) {
        self.out.emit(Tagged { flow: self.flow, event });
    }
}

impl<E: Emit<Tagged>> Dispatcher<E> {
    /// With all [`PROTOCOLS`] and [`DATAGRAM_PROTOCOLS`].
    pub fn new(out: E) -> Self {
        Self::with(PROTOCOLS, DATAGRAM_PROTOCOLS, out)
    }

    /// With protocols of one's own choice.
    pub fn with(protocols: &'static [Protocol], datagram_protocols: &'static [DatagramProtocol], out: E) -> Self {
        assert!(protocols.len() <= 64, "the set of protocols ruled out is a u64");
        Self {
            out,
            protocols,
            datagram_protocols,
            entries: Vec::new(),
            states: Vec::new(),
            free: Vec::new(),
            held: 0,
            anomalies: Anomalies::default(),
        }
    }

    /// The protocol of a conversation, as [`Protocol::name`] says it; `None` while it is not known. Stays after the conversation's end
    /// until another takes its slot.
    pub fn protocol(&self, flow: FlowId) -> Option<&'static str> {
        self.entries.get(flow.slot()).filter(|e| e.flow == flow)?.protocol
    }

    /// Where the events went.
    pub fn out(&self) -> &E {
        &self.out
    }

    /// Where the events go; to take them out.
    pub fn out_mut(&mut self) -> &mut E {
        &mut self.out
    }

    /// Takes it apart.
    pub fn into_out(self) -> E {
        self.out
    }

    /// `probe_limit`: conversations let go because their protocol could not be told within the bounds.
    pub fn anomalies(&self) -> &Anomalies {
        &self.anomalies
    }

    /// The slot of `flow`, cleared of what another conversation left there.
    fn slot(&mut self, flow: FlowId) -> usize {
        let slot = flow.slot();
        if slot >= self.entries.len() {
            self.entries.resize(slot + 1, NOBODY);
        }
        if self.entries[slot].flow != flow {
            self.release(slot);
            self.entries[slot] = Entry { flow, ..NOBODY };
        }
        slot
    }

    /// Takes the state out, to be put back by [`Self::keep`].
    fn take(&mut self, slot: usize) -> State {
        let state = self.states.get_mut(self.entries[slot].state as usize).map_or(State::Free, |s| std::mem::replace(s, State::Free));
        self.held -= state.held();
        state
    }

    fn keep(&mut self, slot: usize, state: State) {
        self.held += state.held();
        let index = self.entries[slot].state;
        if let Some(place) = self.states.get_mut(index as usize) {
            *place = state;
        } else if let Some(index) = self.free.pop() {
            self.states[index as usize] = state;
            self.entries[slot].state = index;
        } else {
            // Fewer than limits::FLOWS, which fits.
            self.entries[slot].state = self.states.len() as u32;
            self.states.push(state);
        }
    }

    fn release(&mut self, slot: usize) {
        let index = std::mem::replace(&mut self.entries[slot].state, NO_STATE);
        if let Some(place) = self.states.get_mut(index as usize) {
            self.held -= place.held();
            *place = State::Free;
            self.free.push(index);
        }
    }

    fn start(&mut self, slot: usize, key: &FlowKey, protocol: &Protocol) -> Stream {
        self.entries[slot].protocol = Some(protocol.name);
        Stream { parser: (protocol.start)(key), pending: [Need::More; 2] }
    }

    /// Acts on what the detection says: keeps it, starts the parser and replays, or lets the conversation go.
    fn settle(&mut self, slot: usize, key: &FlowKey, side: Side, when: Moment, detection: Box<Detection>, verdict: Verdict) -> Need {
        match verdict {
            Verdict::Open if detection.len() <= limits::PROBE_BYTES * 2 && self.held <= limits::PROBE_TOTAL_BYTES => {
                self.keep(slot, State::Detecting(detection));
                Need::More
            }
            Verdict::Is(protocol) => {
                let mut stream = self.start(slot, key, protocol);
                let mut out = Tag { flow: self.entries[slot].flow, out: &mut self.out };
                detection.replay(|item| match item {
                    detect::Item::Bytes(side, when, bytes) => stream.bytes(side, when, bytes, &mut out),
                    detect::Item::Gap(side, when, missing, why) => stream.gap(side, when, missing, why, &mut out),
                    detect::Item::Fin(side, when) => stream.fin(side, when, &mut out),
                });
                let need = stream.hand_over(side);
                self.keep(slot, State::Stream(stream));
                need
            }
            Verdict::Open | Verdict::Unknown => {
                if verdict == Verdict::Open {
                    self.anomalies.note("probe_limit", when.place);
                }
                if detection.has_gap() {
                    self.keep(slot, State::Resync { left: patience(key) });
                    return Need::More;
                }
                self.release(slot);
                Need::Nothing
            }
        }
    }

    /// Looks for the start of a message in a conversation whose own start is missing.
    fn resync(&mut self, slot: usize, key: &FlowKey, side: Side, when: Moment, bytes: &[u8], left: u16) -> Need {
        let found = self.protocols.iter().find(|p| p.resync.is_some_and(|resync| resync(key, side, bytes) == super::Probe::Yes));
        if let Some(protocol) = found {
            let mut stream = self.start(slot, key, protocol);
            stream.parser.picked_up(side, when);
            let mut out = Tag { flow: self.entries[slot].flow, out: &mut self.out };
            stream.bytes(side, when, bytes, &mut out);
            let need = stream.hand_over(side);
            self.keep(slot, State::Stream(stream));
            return need;
        }
        if left <= 1 {
            self.release(slot);
            return Need::Nothing;
        }
        self.keep(slot, State::Resync { left: left - 1 });
        Need::More
    }
}

impl<E: Emit<Tagged>> Sink for Dispatcher<E> {
    fn begin(&mut self, flow: FlowId, _key: &FlowKey, _when: Moment, whole: bool) {
        let slot = self.slot(flow);
        self.keep(slot, State::Begun { whole });
    }

    fn bytes(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment, bytes: &[u8]) -> Need {
        let slot = self.slot(flow);
        if let Some(State::Stream(stream)) = self.states.get_mut(self.entries[slot].state as usize) {
            let need = stream.bytes(side, when, bytes, &mut Tag { flow, out: &mut self.out });
            stream.pending[side.index()] = Need::More;
            return need;
        }
        match self.take(slot) {
            State::Begun { whole: true } => {
                let mut detection = Box::<Detection>::default();
                let verdict = detection.bytes(self.protocols, key, side, when, bytes);
                self.settle(slot, key, side, when, detection, verdict)
            }
            State::Begun { whole: false } => {
                // The capture may have begun between the handshake and the first data.
                let mut detection = Box::<Detection>::default();
                match detection.bytes(self.protocols, key, side, when, bytes) {
                    verdict @ Verdict::Is(_) => self.settle(slot, key, side, when, detection, verdict),
                    _ => self.resync(slot, key, side, when, bytes, patience(key)),
                }
            }
            State::Detecting(mut detection) => {
                let verdict = detection.bytes(self.protocols, key, side, when, bytes);
                self.settle(slot, key, side, when, detection, verdict)
            }
            State::Resync { left } => self.resync(slot, key, side, when, bytes, left),
            State::Free | State::Stream(_) | State::Datagrams(_) => {
                self.release(slot);
                Need::Nothing
            }
        }
    }

    fn gap(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment, missing: u64, why: GapReason) -> Need {
        let slot = self.slot(flow);
        if let Some(State::Stream(stream)) = self.states.get_mut(self.entries[slot].state as usize) {
            let need = stream.gap(side, when, missing, why, &mut Tag { flow, out: &mut self.out });
            stream.pending[side.index()] = Need::More;
            return need;
        }
        match self.take(slot) {
            State::Begun { whole: true } => {
                let mut detection = Box::<Detection>::default();
                let verdict = detection.gap(side, when, missing, why);
                self.settle(slot, key, side, when, detection, verdict)
            }
            State::Detecting(mut detection) => {
                let verdict = detection.gap(side, when, missing, why);
                self.settle(slot, key, side, when, detection, verdict)
            }
            state @ (State::Begun { whole: false } | State::Resync { .. }) => {
                self.keep(slot, state);
                Need::More
            }
            State::Free | State::Stream(_) | State::Datagrams(_) => {
                self.release(slot);
                Need::Nothing
            }
        }
    }

    fn fin(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment) {
        let slot = self.slot(flow);
        match self.take(slot) {
            State::Stream(mut stream) => {
                stream.fin(side, when, &mut Tag { flow, out: &mut self.out });
                self.keep(slot, State::Stream(stream));
            }
            State::Begun { whole: true } => {
                let mut detection = Box::<Detection>::default();
                let verdict = detection.fin(side, when);
                self.settle(slot, key, side, when, detection, verdict);
            }
            State::Detecting(mut detection) => {
                let verdict = detection.fin(side, when);
                self.settle(slot, key, side, when, detection, verdict);
            }
            State::Free => self.release(slot),
            state => self.keep(slot, state),
        }
    }

    fn datagram(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment, bytes: &[u8], wire_len: u32) -> Need {
        let slot = self.slot(flow);
        let mut datagrams = match self.take(slot) {
            State::Datagrams(datagrams) => datagrams,
            _ => Box::default(),
        };
        let full = self.held > limits::PROBE_TOTAL_BYTES;
        let mut out = Tag { flow, out: &mut self.out };
        let datagram = datagrams::Datagram { side, when, bytes, wire_len };
        let need = datagrams.take(self.datagram_protocols, key, &datagram, full, &mut out);
        self.entries[slot].protocol = datagrams.protocol();
        if datagrams.is_unknown() {
            if full {
                self.anomalies.note("probe_limit", when.place);
            }
            self.release(slot);
            return Need::Nothing;
        }
        self.keep(slot, State::Datagrams(datagrams));
        need
    }

    fn end(&mut self, flow: FlowId, _key: &FlowKey, when: Moment, how: EndOfStream) {
        let slot = self.slot(flow);
        let mut out = Tag { flow, out: &mut self.out };
        match self.states.get_mut(self.entries[slot].state as usize) {
            Some(State::Stream(stream)) => stream.parser.end(when, how, &mut out),
            Some(State::Datagrams(datagrams)) => datagrams.end(when, &mut out),
            _ => {}
        }
        self.release(slot);
    }
}

/// How many segments of a conversation picked up in the middle are looked at. A migration stream shows the start of a section once in
/// 100 ms, which are thousands of segments on a fast link.
fn patience(key: &FlowKey) -> u16 {
    match super::services::by_port(key.proto, key.server.port) {
        Some(port) if port.class == super::services::Class::Migration => u16::MAX,
        _ => limits::RESYNC_SEGMENTS,
    }
}

impl State {
    /// Bytes kept for detection.
    fn held(&self) -> usize {
        match self {
            Self::Detecting(detection) => detection.len(),
            Self::Datagrams(datagrams) => datagrams.len(),
            _ => 0,
        }
    }
}

impl Stream {
    fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) -> Need {
        let (Some(skipped), need) = self.pass(side, bytes.len() as u64) else { return self.pending[side.index()] };
        let need = match bytes.get(skipped as usize..) {
            Some(rest) if !rest.is_empty() => self.parser.bytes(side, when, rest, out),
            _ => need,
        };
        self.pending[side.index()] = need;
        need
    }

    fn gap(&mut self, side: Side, when: Moment, missing: u64, why: GapReason, out: &mut dyn Emit<Event>) -> Need {
        let (Some(skipped), need) = self.pass(side, missing) else { return self.pending[side.index()] };
        let need = if skipped < missing { self.parser.gap(side, when, missing - skipped, why, out) } else { need };
        self.pending[side.index()] = need;
        need
    }

    fn fin(&mut self, side: Side, when: Moment, out: &mut dyn Emit<Event>) -> Need {
        if self.pending[side.index()] != Need::Nothing {
            self.parser.fin(side, when, out);
        }
        self.pending[side.index()]
    }

    /// How many of `len` bytes that come next are to be passed over (`None`: all of them and whatever follows), and what is wanted after them.
    fn pass(&self, side: Side, len: u64) -> (Option<u64>, Need) {
        match self.pending[side.index()] {
            Need::More => (Some(0), Need::More),
            Need::Skip(left) if left > len => (Some(len), Need::Skip(left - len)),
            Need::Skip(left) => (Some(left), Need::More),
            Need::Nothing => (None, Need::Nothing),
        }
    }

    /// What `side` wants, from now on kept by the flow layer.
    fn hand_over(&mut self, side: Side) -> Need {
        std::mem::replace(&mut self.pending[side.index()], Need::More)
    }
}
