//! In-order bytes of a TCP conversation for the [`Sink`].
//!
//! Data that comes in order is handed on as it is: nothing is copied, nothing allocated. What comes early waits in [`waiting`] until what
//! precedes it comes, or is known never to come: the peer has acknowledged it, a bound is reached, or the conversation ends. Bytes that
//! the snap length cut off are a gap at once.

mod waiting;

use super::shared::Shared;
use super::{FlowId, FlowKey, GapReason, Moment, Need, Sink};
use crate::base::net::Side;
use waiting::Waiting;

/// Both directions.
#[derive(Debug)]
pub(super) struct Streams {
    lanes: [Lane; 2],
}

/// Where the bytes of one direction go.
pub(super) struct Out<'a, S> {
    pub sink: &'a mut S,
    pub flow: FlowId,
    pub key: &'a FlowKey,
}

/// What one segment brings.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'a> {
    /// Offset of its first payload byte in the direction.
    pub start: i64,
    /// Payload on the wire, and what was captured of it.
    pub wire: u32,
    pub payload: &'a [u8],
    /// A FIN follows the payload.
    pub fin: bool,
    pub when: Moment,
}

/// How far the peer has acknowledged a direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Acked {
    /// Up to this offset.
    UpTo(i64),
    /// It never acknowledges: its packets are not captured.
    Never,
}

#[derive(Debug)]
struct Lane {
    /// Offset of the next byte to be handed on; `None` until a segment is seen.
    next: Option<i64>,
    need: Need,
    /// Offset of the FIN, if it was seen.
    fin: Option<i64>,
    fin_told: bool,
    waiting: Option<Box<Waiting>>,
}

impl Streams {
    /// `starts`: offset of the first byte of each direction of which anything was seen.
    pub fn new(starts: [Option<i64>; 2]) -> Self {
        Self { lanes: starts.map(|next| Lane { next, need: Need::More, fin: None, fin_told: false, waiting: None }) }
    }

    /// Nothing more of either side is asked for.
    pub fn is_quiet(&self) -> bool {
        self.lanes.iter().all(|l| l.need == Need::Nothing)
    }

    /// Something of `side` was seen whose next byte is at offset `start`.
    #[inline]
    pub fn anchor(&mut self, side: Side, start: i64) {
        self.lanes[side.index()].next.get_or_insert(start);
    }

    /// Takes a segment of `side`.
    #[inline]
    pub fn segment<S: Sink>(&mut self, out: &mut Out<'_, S>, side: Side, arrival: &Arrival<'_>, acked: Acked, shared: &mut Shared) {
        let lane = &mut self.lanes[side.index()];
        if lane.need == Need::Nothing || lane.fin_told {
            return;
        }
        let next = *lane.next.get_or_insert(arrival.start);
        if arrival.fin {
            lane.fin.get_or_insert(arrival.start + i64::from(arrival.wire));
        }
        // A hole in what nobody wants needs no waiting for.
        let skippable = matches!(lane.need, Need::Skip(n) if n >= arrival.start.abs_diff(next));
        if arrival.start > next && !skippable {
            lane.early(out, side, arrival, acked, shared);
            return;
        }
        if arrival.start > next {
            lane.skip_to(arrival.start);
        }
        lane.give_part(out, side, arrival);
        if lane.waiting.is_some() {
            lane.drain(out, side, arrival.when, shared);
            lane.resolve(out, side, arrival.when, acked, shared);
        }
        lane.tell_fin(out, side, arrival.when);
    }

    /// The peer of `side` has acknowledged more.
    #[inline]
    pub fn acknowledged<S: Sink>(&mut self, out: &mut Out<'_, S>, side: Side, acked: Acked, when: Moment, shared: &mut Shared) {
        let lane = &mut self.lanes[side.index()];
        if lane.waiting.is_some() {
            lane.resolve(out, side, when, acked, shared);
            lane.tell_fin(out, side, when);
        }
    }

    /// Hands on all that waits, with gaps where something is missing, and what the peer acknowledged beyond.
    pub fn flush<S: Sink>(&mut self, out: &mut Out<'_, S>, side: Side, acked: Acked, when: Moment, shared: &mut Shared) {
        let lane = &mut self.lanes[side.index()];
        while let Some(first) = lane.waiting.as_ref().and_then(|w| w.first()) {
            lane.jump(out, side, first.0, first.1, GapReason::NotCaptured);
            lane.drain(out, side, when, shared);
        }
        let Some(next) = lane.next else { return };
        let known_end = match (lane.fin, acked) {
            (Some(fin), _) => fin,
            // Without the FIN in sight the last number acknowledged may be a FIN.
            (None, Acked::UpTo(una)) => una - 1,
            (None, Acked::Never) => next,
        };
        if known_end > next && lane.need != Need::Nothing {
            lane.jump(out, side, known_end, when, GapReason::NotCaptured);
        }
        lane.tell_fin(out, side, when);
    }

    /// Lets go of all that waits.
    pub fn drop_waiting(&mut self, shared: &mut Shared) {
        for lane in &mut self.lanes {
            lane.forget(shared);
        }
    }
}

impl Lane {
    /// A segment beyond a hole.
    #[cold]
    fn early<S: Sink>(&mut self, out: &mut Out<'_, S>, side: Side, arrival: &Arrival<'_>, acked: Acked, shared: &mut Shared) {
        let Some(next) = self.next else { return };
        let waiting = self.waiting.get_or_insert_with(|| Box::new(Waiting::new(arrival.when.at)));
        waiting.insert(next, arrival, shared);
        self.resolve(out, side, arrival.when, acked, shared);
        self.tell_fin(out, side, arrival.when);
    }

    /// Tells gaps for holes that will not be filled.
    #[cold]
    fn resolve<S: Sink>(&mut self, out: &mut Out<'_, S>, side: Side, now: Moment, acked: Acked, shared: &mut Shared) {
        while let (Some(waiting), Some(_)) = (&mut self.waiting, self.next) {
            let Some((start, when)) = waiting.first() else { break };
            let Some(why) = waiting.is_lost(start, now.at, acked, shared.held) else { break };
            if why == GapReason::Limit {
                shared.anomalies.note("reassembly_limit", now.place);
            }
            self.jump(out, side, start, when, why);
            self.drain(out, side, now, shared);
        }
        if self.need == Need::Nothing {
            self.forget(shared);
        }
    }

    /// Hands on what waits and is in order now.
    #[cold]
    fn drain<S: Sink>(&mut self, out: &mut Out<'_, S>, side: Side, now: Moment, shared: &mut Shared) {
        while let (Some(waiting), Some(next)) = (&mut self.waiting, self.next) {
            if self.need == Need::Nothing {
                break;
            }
            let Some(start) = waiting.first().map(|f| f.0) else {
                self.waiting = None;
                return;
            };
            if start > next {
                if !matches!(self.need, Need::Skip(n) if n >= start.abs_diff(next)) {
                    waiting.new_hole(now.at);
                    return;
                }
                self.skip_to(start);
                continue;
            }
            let Some(piece) = waiting.pop(shared) else { return };
            let arrival = Arrival { start, wire: piece.wire, payload: &piece.bytes, fin: false, when: piece.when };
            self.give_part(out, side, &arrival);
        }
        if self.need == Need::Nothing {
            self.forget(shared);
        }
    }

    /// Passes over a hole and says so.
    fn jump<S: Sink>(&mut self, out: &mut Out<'_, S>, side: Side, to: i64, when: Moment, why: GapReason) {
        let Some(next) = self.next.filter(|&next| next < to) else { return };
        self.next = Some(to);
        self.gap(out, side, when, to.abs_diff(next), why);
    }

    /// Within a skip: nobody is told.
    fn skip_to(&mut self, to: i64) {
        if let (Need::Skip(left), Some(next)) = (self.need, self.next) {
            self.need = rest_of(left - left.min(to.abs_diff(next)));
        }
        self.next = Some(to);
    }

    /// Hands on what of an arrival lies at or above `next`, which lies at or above its start.
    #[inline]
    fn give_part<S: Sink>(&mut self, out: &mut Out<'_, S>, side: Side, arrival: &Arrival<'_>) {
        let next = self.next.unwrap_or(arrival.start);
        let end = arrival.start + i64::from(arrival.wire);
        if end <= next {
            return;
        }
        let old = next.abs_diff(arrival.start) as usize;
        let bytes = arrival.payload.get(old..).unwrap_or(&[]);
        self.next = Some(end);
        self.bytes(out, side, arrival.when, bytes);
        let cut = end.abs_diff(next) - (bytes.len() as u64).min(end.abs_diff(next));
        if cut > 0 {
            self.gap(out, side, arrival.when, cut, GapReason::SnapLength);
        }
    }

    #[inline]
    fn bytes<S: Sink>(&mut self, out: &mut Out<'_, S>, side: Side, when: Moment, bytes: &[u8]) {
        let mut bytes = bytes;
        if let Need::Skip(left) = self.need {
            let skipped = left.min(bytes.len() as u64);
            self.need = rest_of(left - skipped);
            bytes = &bytes[skipped as usize..];
        }
        if !bytes.is_empty() && self.need == Need::More {
            self.need = plain(out.sink.bytes(out.flow, out.key, side, when, bytes));
        }
    }

    fn gap<S: Sink>(&mut self, out: &mut Out<'_, S>, side: Side, when: Moment, missing: u64, why: GapReason) {
        let mut missing = missing;
        if let Need::Skip(left) = self.need {
            let skipped = left.min(missing);
            self.need = rest_of(left - skipped);
            missing -= skipped;
        }
        if missing > 0 && self.need == Need::More {
            self.need = plain(out.sink.gap(out.flow, out.key, side, when, missing, why));
        }
    }

    #[inline]
    fn tell_fin<S: Sink>(&mut self, out: &mut Out<'_, S>, side: Side, when: Moment) {
        if let (Some(fin), Some(next)) = (self.fin, self.next)
            && next >= fin
            && !self.fin_told
            && self.need != Need::Nothing
        {
            self.fin_told = true;
            out.sink.fin(out.flow, out.key, side, when);
        }
    }

    fn forget(&mut self, shared: &mut Shared) {
        if let Some(waiting) = self.waiting.take() {
            shared.held -= waiting.cost();
        }
    }
}

fn rest_of(left: u64) -> Need {
    if left == 0 { Need::More } else { Need::Skip(left) }
}

fn plain(need: Need) -> Need {
    if need == Need::Skip(0) { Need::More } else { need }
}
