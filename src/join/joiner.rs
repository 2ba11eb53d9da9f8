//! Sightings of all points in, passages out.
//!
//! The points are read by threads of their own, each at its own speed. The joiner asks for batches in such an order that the
//! points stay in step on the *reference* clock ([`Joiner::next_point`]), so the table of open packets stays small. While the
//! clocks are not related yet it first fills an equal share of the table from every point, then goes by the clocks as they are.
//!
//! A packet is judged when every point has been read well past the moment at which it was sent ([`HORIZON`]). If the table is
//! full before that, the oldest packet leaves as [`Proof::Unknown`] unless it had been seen elsewhere: full is not lost.

use std::collections::VecDeque;

use hashbrown::HashSet;

use super::anchors::Anchors;
use super::clock::Clocks;
use super::clock_solve::{self, PointClock};
use super::matcher::{Entry, Matcher, Met, Piece};
use super::matcher_flows::{Direction, Ends, EndsBook, EndsId, FlowBook, FlowRecord, NO_ENDS, Peer, across};
use super::passage::{Passage, Passages, Proof};
use super::sighting::{Batch, Sighting, flag, mix, piece_copy, piece_key};
use crate::base::clock::ClockChoice;
use crate::base::limits::{JOIN_REFUSED, MATCHER_PACKETS, POINTS};
use crate::base::net::Side;
use crate::base::role::Role;
use crate::base::time::{NS_PER_MS, NS_PER_S, Nanos, Timestamp};
use crate::flow::FlowId;

/// How long a packet may be under way before it counts as not having arrived: longer than queues hold packets.
pub const HORIZON: i64 = 3 * NS_PER_S;
/// How short the wait may become while the table is more than three quarters full.
pub const SHORT_HORIZON: i64 = 300 * NS_PER_MS;
/// Pieces smaller than this are not cut: no link has such a segment size.
const LEAST_PIECE: u32 = 256;
/// How far apart unrelated clocks may be for an echo whose data do not tell it from others to be the same at both points: much less than its
/// numbers take to come round.
const ECHO_APART: i64 = 30 * NS_PER_S;
/// Answered echoes remembered, in two generations.
const ANSWERS: usize = 1 << 15;

/// What the joiner counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sightings taken.
    pub sightings: u64,
    /// Packets (pieces) that came out of them.
    pub passages: u64,
    /// Of these, seen at two points or more.
    pub matched: u64,
    /// Packets that had to leave the full table before they could be judged.
    pub overflow: u64,
    /// Sightings that found more equal packets than are compared.
    pub crowded: u64,
    /// Packets that a router on the way gave a new identification.
    pub renumbered: u64,
    /// Pieces whose bytes arrived, cut differently.
    pub recut: u64,
    /// Sightings of conversations that the joiner had forgotten.
    pub flows_forgotten: u64,
    /// Directions that share one path because there were too many.
    pub ends_folded: u64,
    /// The most packets that the table held.
    pub most_held: usize,
}

/// What the join found, the passages aside.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Per point.
    pub clocks: Vec<PointClock>,
    /// Uncertainty of the difference of two points' times on the reference clock, for delays between them: row by row.
    pub between: Vec<Option<Nanos>>,
    /// Per point: first and last packet on its own clock; `None` if it saw none.
    pub spans: Vec<Option<(Timestamp, Timestamp)>>,
    /// By [`super::matcher_flows::EndsId`] minus one.
    pub ends: Vec<Ends>,
    /// Counts.
    pub counters: Counters,
    /// What is known now of clocks that were not related when it was needed: reading the points again with it matches more. Empty where
    /// that would not help.
    pub hints: Vec<Hint>,
}

/// How much later, in nanoseconds, the clock of one point is than that of another with a lower index; to within the delays of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The point with the lower index.
    pub of: usize,
    /// The point whose clock is later.
    pub later: usize,
    /// By how much.
    pub by: i64,
}

impl Joined {
    /// Uncertainty of the time from `p` to `q`; `None` if unknown.
    pub fn between(&self, p: usize, q: usize) -> Option<Nanos> {
        *self.between.get(p * self.clocks.len() + q)?
    }
}

#[derive(Default)]
struct Point {
    flows: FlowBook,
    first: Option<Timestamp>,
    last: Timestamp,
    ended: bool,
    /// Number and mark of the last echo.
    echo: (u32, u32),
    anchors: Anchors,
}

/// Joins the sightings of several points.
pub struct Joiner<S> {
    points: Vec<Point>,
    roles: Vec<Role>,
    matcher: Matcher,
    clocks: Clocks,
    ends: EndsBook,
    answers: [HashSet<u64>; 2],
    /// Sequence numbers of segments that were told to be too big, the latest.
    refused: VecDeque<u32>,
    counters: Counters,
    room: usize,
    /// Packets left the full table while clocks were not related: some may have been seen elsewhere.
    hurried: bool,
    sink: S,
}

impl<S: Passages> Joiner<S> {
    /// For points with these roles, at most [`POINTS`] of them (more are an error of the caller: the rest would not be joined).
    pub fn new(roles: &[Role], choice: ClockChoice, sink: S) -> Self {
        Self::with_room(roles, choice, sink, MATCHER_PACKETS)
    }

    /// As [`Joiner::new`], with another bound on the packets held.
    pub fn with_room(roles: &[Role], choice: ClockChoice, sink: S, room: usize) -> Self {
        let roles = &roles[..roles.len().min(POINTS)];
        Self {
            points: roles.iter().map(|_| Point::default()).collect(),
            roles: roles.to_vec(),
            matcher: Matcher::new(roles.len(), room.max(2)),
            clocks: Clocks::new(roles, choice),
            ends: EndsBook::default(),
            answers: Default::default(),
            refused: VecDeque::new(),
            counters: Counters::default(),
            room: room.max(2),
            hurried: false,
            sink,
        }
    }

    /// With what an earlier reading of the same points found out about their clocks.
    #[must_use]
    pub fn with_hints(mut self, hints: &[Hint]) -> Self {
        for hint in hints {
            self.clocks.hint(hint.of, hint.later, hint.by);
        }
        self
    }

    /// Clocks as they are known at the end, by the packets that met or by [`super::anchors`].
    fn hints(&self) -> Vec<Hint> {
        if self.clocks.all_related() && !self.hurried {
            return Vec::new();
        }
        let pairs = (0..self.points.len()).flat_map(|p| (p + 1..self.points.len()).map(move |q| (p, q)));
        pairs
            .filter_map(|(p, q)| {
                let by = self.clocks.theta(p, q).or_else(|| self.points[p].anchors.difference(&self.points[q].anchors))?;
                Some(Hint { of: p, later: q, by })
            })
            .collect()
    }

    /// The point whose next batch should be given; `None` when all have ended. Waiting for that point keeps all in step;
    /// batches given in another order cost memory and, when the table is full, matches.
    pub fn next_point(&self) -> Option<usize> {
        let alive = || (0..self.points.len()).filter(|&p| !self.points[p].ended);
        if let Some(fresh) = alive().find(|&p| self.points[p].first.is_none()) {
            return Some(fresh);
        }
        let lowest = |wanted: &dyn Fn(usize) -> bool| alive().filter(|&p| wanted(p)).min_by_key(|&p| self.progress(p));
        if !self.clocks.all_related() {
            // A group that fills its share waits until the others have filled theirs.
            let groups = self.clocks.groups();
            let mut held = [0usize; POINTS];
            (0..self.points.len()).for_each(|p| held[groups[p]] += self.matcher.held_by(p));
            let kinds = groups.iter().collect::<HashSet<_>>().len();
            let share = self.room / kinds.max(1);
            if let Some(p) = lowest(&|p| held[groups[p]] < share) {
                return Some(p);
            }
        }
        lowest(&|_| true)
    }

    fn progress(&self, point: usize) -> i64 {
        self.points[point].last.0.saturating_add(self.clocks.offsets()[point])
    }

    /// Takes the next batch of `point`.
    pub fn batch(&mut self, point: usize, batch: &Batch) {
        if point >= self.points.len() {
            return;
        }
        for note in &batch.flows {
            self.points[point].flows.announce(note, &mut self.ends);
        }
        for s in &batch.sightings {
            self.sight(point, s);
        }
        self.settle();
    }

    /// `point` has no more sightings.
    pub fn end_of_point(&mut self, point: usize) {
        if let Some(p) = self.points.get_mut(point) {
            p.ended = true;
            self.settle();
        }
    }

    /// Judges all that is still open, relates the clocks, and answers what was found and who took the passages.
    pub fn finish(mut self) -> (Joined, S) {
        self.points.iter_mut().for_each(|p| p.ended = true);
        while let Some((point, slot, _)) = self.ripest() {
            self.judge(point, slot, true);
        }
        self.counters.crowded = self.matcher.crowded;
        self.counters.flows_forgotten = self.points.iter().map(|p| p.flows.unknown).sum();
        self.counters.ends_folded = self.ends.folded;
        let hints = self.hints();
        let spans: Vec<_> = self.points.iter().map(|p| p.first.map(|first| (first, p.last))).collect();
        let clocks = clock_solve::solve(&self.clocks, &self.roles, &spans);
        let points = spans.len();
        let between = (0..points * points).map(|i| clock_solve::between(&self.clocks, &clocks, &spans, i / points, i % points)).collect();
        (Joined { clocks, between, spans, ends: self.ends.into_list(), counters: self.counters, hints }, self.sink)
    }

    fn sight(&mut self, point: usize, s: &Sighting) {
        self.counters.sightings += 1;
        let state = &mut self.points[point];
        state.first = Some(state.first.map_or(s.at, |f| f.min(s.at)));
        state.last = state.last.max(s.at);
        if s.has(flag::ECHO_REPLY) {
            if self.answers[0].len() >= ANSWERS {
                self.answers[1] = std::mem::take(&mut self.answers[0]);
            }
            self.answers[0].insert(answer(s.seq));
        }
        if s.has(flag::TOO_BIG) {
            if self.refused.len() >= JOIN_REFUSED {
                self.refused.pop_front();
            }
            self.refused.push_back(s.seq);
        }
        let mut unmarked = *s;
        let s = if s.has(flag::ECHO_REQUEST | flag::ECHO_REPLY) {
            let (number, mark) = std::mem::replace(&mut state.echo, (s.seq, s.ack));
            // Data that stay the same mark nothing.
            if mark == s.ack && number != s.seq {
                unmarked.ack = 0;
            }
            &unmarked
        } else {
            s
        };
        if self.clocks.choice == ClockChoice::Estimate && (self.hurried || !self.clocks.all_related()) {
            state.anchors.add(s);
        }
        let (mut piece, mut ends) = (s.len, NO_ENDS);
        if let Some(flow) = s.flow {
            match state.flows.get(flow) {
                Some(record) => {
                    piece = record.note(s);
                    ends = if s.has(flag::NOTICE) { NO_ENDS } else { record.dirs[s.side().index()].ends };
                }
                None => state.flows.unknown += 1,
            }
        }
        if !s.has(flag::RANGE) {
            return self.put(point, s, Piece { key: s.key, copy: s.copy, seq: s.seq, len: s.len }, ends);
        }
        if piece < LEAST_PIECE {
            piece = s.len;
        }
        let (mut at, mut n) = (0, 0);
        while at < s.len {
            let len = piece.min(s.len - at);
            let seq = s.seq.wrapping_add(at);
            self.put(point, s, Piece { key: piece_key(s.key, seq, len), copy: piece_copy(s.copy, n), seq, len }, ends);
            at += len;
            n += 1;
        }
    }

    fn put(&mut self, point: usize, s: &Sighting, piece: Piece, ends: u32) {
        loop {
            let (clocks, at) = (&self.clocks, s.at);
            let near = |entry: &Entry, times: &[Timestamp]| {
                let other = usize::from(entry.first);
                let here = at.0.saturating_add(clocks.offsets()[point]);
                let apart = here.saturating_sub(times[other].0.saturating_add(clocks.offsets()[other])).saturating_abs();
                if clocks.groups()[point] == clocks.groups()[other] {
                    apart <= HORIZON
                } else if entry.flags & (flag::ECHO_REQUEST | flag::ECHO_REPLY) == 0 {
                    true
                } else if entry.ack != 0 && s.ack != 0 {
                    entry.ack == s.ack
                } else {
                    apart <= ECHO_APART
                }
            };
            match self.matcher.sight(point, s, piece, ends, near) {
                Met::New => break,
                Met::With { slot, sure } => {
                    self.met(point, s, slot, sure);
                    break;
                }
                Met::Full => {
                    self.hurried |= !self.clocks.all_related();
                    let Some((from, slot, age)) = self.ripest() else { break };
                    self.judge(from, slot, age > HORIZON);
                }
            }
        }
        self.counters.most_held = self.counters.most_held.max(self.matcher.held());
    }

    /// Two points saw the same packet: their clocks and conversations are compared.
    fn met(&mut self, point: usize, s: &Sighting, slot: u32, sure: bool) {
        let entry = *self.matcher.entry(slot);
        if let (Some(here), Some(there)) = (s.flow, entry.flow)
            && usize::from(entry.first) != point
        {
            self.acquaint((point, here, s.side()), (usize::from(entry.first), there, entry.side()));
        }
        let strong = flag::STRONG & entry.flags != 0 && entry.flags & (flag::RETRANSMITTED | flag::AMBIGUOUS | flag::GROUP) == 0;
        if !sure || !strong || entry.vague {
            return;
        }
        let (hosts, way) = self.ends.hosts(entry.ends);
        if entry.ends == NO_ENDS {
            return;
        }
        for other in 0..self.points.len() {
            if other != point && entry.seen & (1 << other) != 0 {
                let at = self.matcher.times(slot)[other];
                self.clocks.sample((point, s.at), (other, at), hosts, way);
            }
        }
    }

    /// Two points speak of the same conversation: each learns from the other how its bytes are cut.
    fn acquaint(&mut self, (p, here, side): (usize, FlowId, Side), (q, there, other): (usize, FlowId, Side)) {
        let turned = side != other;
        let (to_q, to_p) = (Peer { point: q as u8, flow: there, turned }, Peer { point: p as u8, flow: here, turned });
        let known = |book: &FlowBook, flow, peer: Peer| book.peek(flow).is_none_or(|r| r.at(usize::from(peer.point)) == Some(peer));
        if known(&self.points[p].flows, here, to_q) && known(&self.points[q].flows, there, to_p) {
            return;
        }
        let pieces = |book: &FlowBook, flow| book.peek(flow).map_or([0; 2], |r| [r.dirs[0].piece, r.dirs[1].piece]);
        let (at_p, at_q) = (pieces(&self.points[p].flows, here), pieces(&self.points[q].flows, there));
        for (point, flow, peer, theirs) in [(p, here, to_q, at_q), (q, there, to_p, at_p)] {
            if let Some(record) = self.points[point].flows.get(flow) {
                record.meet(peer);
                for side in [Side::Client, Side::Server] {
                    let dir = &mut record.dirs[side.index()];
                    if dir.piece == 0 {
                        dir.piece = theirs[peer.side(side).index()];
                    }
                }
            }
        }
    }

    /// Judges what every point has been read past.
    fn settle(&mut self) {
        while let Some((point, slot, age)) = self.ripest() {
            let pressed = self.matcher.held() > self.room / 4 * 3;
            if age <= if pressed { SHORT_HORIZON } else { HORIZON } {
                return;
            }
            if !self.clocks.all_related() && self.points.iter().any(|p| !p.ended) {
                // An unrelated clock may yet turn out to have seen it.
                if !pressed {
                    return;
                }
                self.hurried = true;
            }
            self.judge(point, slot, true);
        }
    }

    /// The oldest open packet and how far the points of its group have been read past it.
    fn ripest(&mut self) -> Option<(usize, u32, i64)> {
        let groups = self.clocks.groups();
        let mut best: Option<(usize, u32, i64)> = None;
        for point in 0..self.points.len() {
            let Some(slot) = self.matcher.oldest(point) else { continue };
            let born = self.matcher.times(slot)[point].0.saturating_add(self.clocks.offsets()[point]);
            let peers = (0..self.points.len()).filter(|&p| groups[p] == groups[point] && !self.points[p].ended);
            let read = peers.map(|p| self.progress(p)).min().unwrap_or(i64::MAX);
            let age = read.saturating_sub(born);
            // Among those that nobody will see again, the one that was sent first.
            if best.is_none_or(|(p, b, a)| {
                if a == i64::MAX || age == i64::MAX || age > HORIZON && a > HORIZON {
                    let other = self.matcher.times(b)[p].0.saturating_add(self.clocks.offsets()[p]);
                    (age > HORIZON) >= (a > HORIZON) && born < other
                } else {
                    age > a
                }
            }) {
                best = Some((point, slot, age));
            }
        }
        best
    }

    /// Takes a packet out of the table and hands it on. `ripe` if every point was read well past it.
    fn judge(&mut self, point: usize, slot: u32, ripe: bool) {
        if self.matcher.entry(slot).seen.is_power_of_two() {
            let near = self.near(point, self.matcher.times(slot)[point]);
            if self.matcher.reconcile(slot, near) {
                self.counters.renumbered += 1;
            } else if self.cut_late(point, slot, ripe) {
                return;
            }
        }
        self.hand_on(point, slot, None, ripe);
        self.matcher.remove(point, slot);
    }

    /// A whole frame of which it was learned only later into which pieces offload cuts it: its pieces join those that were seen
    /// elsewhere; what is left of it is handed on piece by piece.
    fn cut_late(&mut self, point: usize, slot: u32, ripe: bool) -> bool {
        let entry = *self.matcher.entry(slot);
        let size = self.record(&entry).map_or(0, |r| r.dirs[entry.side().index()].piece);
        if entry.flags & flag::RANGE == 0 || size < LEAST_PIECE || entry.len <= size {
            return false;
        }
        let at = self.matcher.times(slot)[point];
        for n in 0..entry.len.div_ceil(size) {
            let piece = entry.piece(n, size);
            let near = self.near(point, at);
            if self.matcher.join(point, (at, entry.wire, entry.flags), piece, near).is_none() {
                self.hand_on(point, slot, Some(piece), ripe);
            }
        }
        self.matcher.remove(point, slot);
        true
    }

    /// Whether a packet with these times may be the one that `point` saw at `at`.
    fn near(&self, point: usize, at: Timestamp) -> impl Fn(&Entry, &[Timestamp]) -> bool + use<S> {
        // Copies: the table is borrowed while this is asked.
        let (mut groups, mut offsets) = ([0usize; POINTS], [0i64; POINTS]);
        groups[..self.points.len()].copy_from_slice(self.clocks.groups());
        offsets[..self.points.len()].copy_from_slice(self.clocks.offsets());
        let here = at.0.saturating_add(offsets[point]);
        move |entry, times| {
            let other = usize::from(entry.first);
            let there = times[other].0.saturating_add(offsets[other]);
            groups[point] != groups[other] || here.saturating_sub(there).saturating_abs() <= HORIZON
        }
    }

    /// Hands on a packet, or the one piece of it that is named.
    fn hand_on(&mut self, point: usize, slot: u32, piece: Option<Piece>, ripe: bool) {
        let mut entry = *self.matcher.entry(slot);
        if let Some(piece) = piece {
            (entry.seq, entry.len) = (piece.seq, piece.len);
        }
        let proof = self.proof(&entry, self.matcher.times(slot)[point], ripe);
        let ends = self.paths(&entry, slot);
        let offsets = self.clocks.offsets();
        let times = self.matcher.times(slot);
        let on_reference = |p: usize| times[p].0.saturating_add(offsets[p]);
        let seen = || (0..times.len()).filter(|&p| entry.seen & (1 << p) != 0);
        let first = seen().min_by_key(|&p| on_reference(p)).unwrap_or(point);
        let passage = Passage {
            ends,
            seen: entry.seen,
            times,
            offsets,
            first,
            sent: Timestamp(on_reference(first)),
            wire: entry.wire,
            flags: entry.flags,
            // Equal packets that nothing tells apart may have met crosswise, even if the second came after the first had met.
            vague: entry.vague || entry.is_one_of_many(),
            proof,
            place: (usize::from(entry.first), entry.place),
        };
        self.counters.passages += 1;
        self.counters.matched += u64::from(!passage.lone());
        self.sink.passage(&passage);
        if entry.seen.count_ones() > 2 && !entry.vague && entry.ends != NO_ENDS {
            let hosts = self.ends.hosts(entry.ends).0;
            for p in seen() {
                for q in seen().filter(|&q| q > p) {
                    self.clocks.aside(p, q, hosts, p != first && q != first);
                }
            }
        }
    }

    fn on_reference(&self, point: usize, at: Timestamp) -> i64 {
        at.0.saturating_add(self.clocks.offsets()[point])
    }

    fn record(&self, entry: &Entry) -> Option<&FlowRecord> {
        self.points[usize::from(entry.first)].flows.peek(entry.flow?)
    }

    /// What is known of a packet's arrival besides who saw it; `at` is when its first point saw it.
    fn proof(&mut self, entry: &Entry, at: Timestamp, ripe: bool) -> Proof {
        if entry.flags & flag::ECHO_REQUEST != 0 {
            let key = answer(entry.seq);
            if self.answers.iter().any(|set| set.contains(&key)) {
                return Proof::Arrived;
            }
        }
        if entry.seen.is_power_of_two() && !(ripe && self.judged_fairly(usize::from(entry.first))) {
            self.counters.overflow += 1;
            return Proof::Unknown;
        }
        if entry.flags & flag::ECHO_REQUEST != 0 {
            return Proof::Unanswered;
        }
        if entry.flags & flag::RANGE == 0 || !entry.seen.is_power_of_two() {
            return Proof::None;
        }
        let Some(record) = self.record(entry) else { return Proof::None };
        let side = entry.side();
        if self.refused.contains(&entry.head) {
            return Proof::Refused;
        }
        if record.sent_again(side, (entry.seq, entry.len), at) {
            return Proof::None;
        }
        let recut = record.peers.iter().flatten().any(|peer| {
            let there = self.points[usize::from(peer.point)].flows.peek(peer.flow);
            there.is_some_and(|r| r.dirs[peer.side(side).index()].seen.holds(entry.seq, entry.len))
        });
        let acknowledged = record.acknowledged(side, entry.seq.wrapping_add(entry.len));
        // Where cuts differ, only the bytes tell; if not all that were seen there are remembered, nothing does.
        let cut = |dir: &Direction| dir.recut || dir.piece != 0 && dir.widest > dir.piece;
        let forgotten = cut(&record.dirs[side.index()])
            && record.peers.iter().flatten().any(|peer| {
                let there = self.points[usize::from(peer.point)].flows.peek(peer.flow);
                there.is_none_or(|r| r.dirs[peer.side(side).index()].seen.full)
            });
        if recut {
            self.counters.recut += 1;
            self.learn_cut(entry);
            return Proof::Recut;
        }
        match acknowledged {
            true => Proof::Arrived,
            false if forgotten => Proof::Unknown,
            false => Proof::None,
        }
    }

    /// The smaller of the largest frames at two points is what the network between carries: offload glues at one of them only.
    fn learn_cut(&mut self, entry: &Entry) {
        let Some(record) = self.record(entry) else { return };
        let (side, widest, peers) = (entry.side(), record.dirs[entry.side().index()].widest, record.peers);
        let Some(flow) = entry.flow else { return };
        for peer in peers.into_iter().flatten() {
            let there = self.points[usize::from(peer.point)].flows.peek(peer.flow);
            let size = there.map_or(0, |r| r.dirs[peer.side(side).index()].widest).min(widest);
            if size < LEAST_PIECE {
                continue;
            }
            for (point, flow, side) in [(usize::from(entry.first), flow, side), (usize::from(peer.point), peer.flow, peer.side(side))] {
                if let Some(record) = self.points[point].flows.get(flow) {
                    record.cut_into(side, size);
                }
            }
        }
    }

    /// True if a lone packet of `point` could have been matched: its clock is related to another's, or there is nobody left to ask.
    fn judged_fairly(&self, point: usize) -> bool {
        let groups = self.clocks.groups();
        (0..groups.len()).any(|p| p != point && groups[p] == groups[point]) || self.points.iter().all(|p| p.ended)
    }

    /// The ends that a packet is counted under, with what its passage teaches of the conversation.
    fn paths(&mut self, entry: &Entry, slot: u32) -> EndsId {
        let (first, side) = (usize::from(entry.first), entry.side());
        let (Some(flow), Some(record)) = (entry.flow, self.record(entry)) else { return entry.ends };
        if entry.flags & flag::NOTICE != 0 {
            return NO_ENDS;
        }
        let known = record.dirs[side.index()].known;
        if entry.seen.is_power_of_two() {
            return known;
        }
        let times = self.matcher.times(slot);
        let (mut a, mut b, mut later) = (record.dirs[side.index()].ends, record.dirs[side.index()].ends, 0i64);
        for peer in record.peers.iter().flatten().filter(|peer| entry.seen & (1 << peer.point) != 0) {
            let p = usize::from(peer.point);
            let Some(there) = self.points[p].flows.peek(peer.flow) else { continue };
            let theirs = there.dirs[peer.side(side).index()].ends;
            if theirs == a {
                continue;
            }
            later = self.on_reference(p, times[p]).saturating_sub(self.on_reference(first, times[first]));
            // Whichever way one packet's times lie, the conversation as a whole tells which point is nearer to the client.
            match record.nearer() {
                Some(here) if here == (side == Side::Client) => b = theirs,
                Some(_) => a = theirs,
                None => {}
            }
        }
        if later != 0 {
            self.points[first].flows.lean(flow, side, later);
        }
        let Some(record) = self.record(entry) else { return entry.ends };
        let peers = record.peers;
        let new = across(&mut self.ends, a, b);
        if new != known {
            let own = Peer { point: first as u8, flow, turned: false };
            for peer in std::iter::once(own).chain(peers.into_iter().flatten()) {
                if let Some(r) = self.points[usize::from(peer.point)].flows.get(peer.flow) {
                    r.dirs[peer.side(side).index()].known = new;
                }
            }
        }
        new
    }
}

fn answer(seq: u32) -> u64 {
    mix(u64::from(seq), 0xec40)
}
