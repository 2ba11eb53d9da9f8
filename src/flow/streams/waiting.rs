//! Segments of one direction that came before what precedes them.

use std::collections::BTreeMap;

use super::{Acked, Arrival};
use crate::base::limits::{REASSEMBLY_BYTES, REASSEMBLY_TOTAL_BYTES};
use crate::base::time::Timestamp;
use crate::flow::shared::Shared;
use crate::flow::{GapReason, Moment};

/// What keeping one segment costs beside its bytes: its place in the tree and its allocation.
const COST: usize = 96;
/// How long, in ns, a hole that the peer has acknowledged is waited for: interfaces of one capture may be written a little out of order.
const ACKED_WAIT_NS: i64 = 2_000_000;
/// Or this many segments.
const ACKED_WAIT_SEGMENTS: usize = 64;
/// Where the peer's packets are not captured, nobody says whether a hole is to be filled: this long in ns, many segments, bytes.
const ONE_WAY_WAIT_NS: i64 = 3_000_000_000;
const ONE_WAY_WAIT_SEGMENTS: usize = 512;
const ONE_WAY_WAIT_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Waiting {
    pieces: BTreeMap<i64, Piece>,
    cost: usize,
    /// When the hole before the first piece was first waited at.
    since: Timestamp,
    /// When that hole was first seen acknowledged.
    acked: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Piece {
    pub wire: u32,
    pub bytes: Box<[u8]>,
    pub when: Moment,
}

impl Waiting {
    pub fn new(now: Timestamp) -> Self {
        Self { pieces: BTreeMap::new(), cost: 0, since: now, acked: None }
    }

    pub fn cost(&self) -> usize {
        self.cost
    }

    /// Offset and moment of the first piece.
    pub fn first(&self) -> Option<(i64, Moment)> {
        self.pieces.first_key_value().map(|(&start, piece)| (start, piece.when))
    }

    pub fn pop(&mut self, shared: &mut Shared) -> Option<Piece> {
        let (_, piece) = self.pieces.pop_first()?;
        let cost = COST + piece.bytes.len();
        self.cost -= cost;
        shared.held -= cost;
        Some(piece)
    }

    /// Another hole is waited at now.
    pub fn new_hole(&mut self, now: Timestamp) {
        self.since = now;
        self.acked = None;
    }

    /// Keeps what of `arrival` lies above `next` and is not kept yet: the first copy wins.
    pub fn insert(&mut self, next: i64, arrival: &Arrival<'_>, shared: &mut Shared) {
        let end = arrival.start + i64::from(arrival.wire);
        let mut at = arrival.start.max(next);
        if arrival.wire == 0 && arrival.fin {
            // A FIN beyond a hole waits as a piece without bytes.
            if !self.pieces.contains_key(&at) {
                self.keep(at, 0, &[], arrival.when, shared);
            }
        }
        while at < end {
            if let Some((&start, before)) = self.pieces.range(..=at).next_back() {
                let covered = start + i64::from(before.wire);
                if covered > at {
                    let theirs = arrival.payload.get((at - arrival.start) as usize..).unwrap_or(&[]);
                    let ours = before.bytes.get((at - start) as usize..).unwrap_or(&[]);
                    let both = theirs.len().min(ours.len());
                    if theirs[..both] != ours[..both] {
                        shared.anomalies.note("tcp_retransmission_differs", arrival.when.place);
                    }
                    at = covered;
                    continue;
                }
            }
            let to = self.pieces.range(at + 1..).next().map_or(end, |(&start, _)| start.min(end));
            let from = (at - arrival.start) as usize;
            let captured = arrival.payload.get(from..).unwrap_or(&[]);
            let len = (to - at) as u32;
            self.keep(at, len, &captured[..captured.len().min(len as usize)], arrival.when, shared);
            at = to;
        }
    }

    fn keep(&mut self, at: i64, wire: u32, bytes: &[u8], when: Moment, shared: &mut Shared) {
        let cost = COST + bytes.len();
        self.cost += cost;
        shared.held += cost;
        if let Some(old) = self.pieces.insert(at, Piece { wire, bytes: bytes.into(), when }) {
            // Only a FIN's piece without bytes can lie here.
            self.cost -= COST + old.bytes.len();
            shared.held -= COST + old.bytes.len();
        }
    }

    /// Why the hole before the first piece, at `start`, is given up now; `None` to wait on.
    pub fn is_lost(&mut self, start: i64, now: Timestamp, acked: Acked, held: usize) -> Option<GapReason> {
        if self.cost > REASSEMBLY_BYTES || held > REASSEMBLY_TOTAL_BYTES {
            return Some(GapReason::Limit);
        }
        let lost = match acked {
            Acked::UpTo(una) if una >= start => {
                let since = *self.acked.get_or_insert(now);
                (now - since).0 >= ACKED_WAIT_NS || self.pieces.len() >= ACKED_WAIT_SEGMENTS
            }
            Acked::UpTo(_) => false,
            Acked::Never => {
                (now - self.since).0 >= ONE_WAY_WAIT_NS || self.pieces.len() >= ONE_WAY_WAIT_SEGMENTS || self.cost >= ONE_WAY_WAIT_BYTES
            }
        };
        lost.then_some(GapReason::NotCaptured)
    }
}
