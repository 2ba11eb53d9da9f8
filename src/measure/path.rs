//! What happened to packets between points: for every direction ([`Ends`]) which points saw how many packets when, and how
//! long they took from point to point.
//!
//! Nothing is decided here that needs the end of the run: where the VM was, which phase a moment belongs to, whether the
//! other capture was still running. Counts are kept by *who saw the packet* ([`Count`]) in time windows, delays as differences of
//! two clocks ([`pair::PairMeter`]); [`figures`] turns both into delay, jitter and loss when all is known.
//!
//! Bounded: windows double their width when there are more than [`COUNTS`]; at most [`PAIRS`] pairs of points over all
//! directions have distributions of their own.

pub mod figures;
pub mod pair;
pub mod stay;

use std::collections::VecDeque;

use crate::base::role::Role;
use crate::base::time::{NS_PER_S, Nanos, Timestamp};
use crate::join::sighting::flag;
use crate::join::{Passage, Passages, Proof};
use crate::measure::window::Width;
use pair::PairMeter;

/// Counts of all directions and windows together, 32 bytes each.
const COUNTS: usize = 200_000;
/// Pairs of points of all directions that have distributions; the rest are counted only.
const PAIRS: usize = 256;
/// The first pairs are cut finely in time.
const FINE_PAIRS: usize = 32;
/// Windows of a distribution, and of those that came later.
const PAIR_WINDOWS: (usize, usize) = (512, 32);
/// Packets of one direction that only one point saw and of which it is open whether the other was capturing yet, or still.
const EDGE: usize = 8192;
/// Packets overtake each other by less than this. What was sent this soon after the first common packet may have arrived before the other
/// capture began, although that one, sent earlier, arrived after; likewise at the end.
const OVERTAKE: Nanos = Nanos(NS_PER_S);

/// What a count's packets have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// Points that saw them, one bit each.
    pub seen: u16,
    /// What else is known of their arrival.
    pub proof: Proof,
    /// They were sent again.
    pub again: bool,
    /// Their cause is unknown: data seen before.
    pub ambiguous: bool,
}

/// Packets of one kind in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    window: i64,
    kind: Kind,
    packets: u64,
}

/// Packets that one point alone saw, at an edge of what is known to be common to the captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edge {
    sent: Timestamp,
    kind: Kind,
}

/// The latest arrival at a point.
#[derive(Clone, Copy, Debug)]
struct Newest {
    /// The point that saw it sent, and when, on that point's clock.
    sent: (usize, Timestamp),
    /// When it arrived, on the receiving point's clock.
    arrived: Timestamp,
    /// It was counted as overtaken.
    counted: bool,
}

/// One direction.
#[derive(Clone, Debug, Default)]
pub struct Path {
    counts: Vec<Count>,
    pairs: Vec<PairMeter>,
    /// Lone packets later than the last one that was seen elsewhere too.
    tail: Vec<Edge>,
    /// Lone packets earlier than the first one that was, or between two that were seen at different points.
    between: Vec<Edge>,
    /// Lone packets between common ones, sent less than [`OVERTAKE`] after the first of them.
    opening: Vec<Edge>,
    /// Lone packets between common ones, until common ones that were sent [`OVERTAKE`] later have arrived.
    settling: VecDeque<Edge>,
    /// Points that saw the last packet that was seen elsewhere too.
    last_seen: u16,
    /// When the last packet was sent that was seen at other points than the one before it.
    moved: Option<Timestamp>,
    /// Lone packets that found no room in either.
    edge_full: u64,
    /// Sent times of the first and last packet that was seen elsewhere too.
    common: Option<(Timestamp, Timestamp)>,
    /// Points that ever saw a packet of it.
    union: u16,
    /// Per point: the arrival that later ones should come after.
    newest: Vec<Option<Newest>>,
    reordered: Vec<(i64, u64)>,
}

/// Follows all directions.
#[derive(Clone, Debug)]
pub struct PathMeter {
    roles: Vec<Role>,
    /// Source and destination nodes: for packets of the VM they are one place.
    nodes: u16,
    width: Width,
    counts: usize,
    pairs: usize,
    /// By [`crate::join::EndsId`].
    paths: Vec<Path>,
    /// Packets too far from the others in time to be counted.
    pub outside: u64,
    /// Delays that were not measured because too many pairs had distributions already.
    pub unmeasured: u64,
}

impl PathMeter {
    /// For points with these roles.
    pub fn new(roles: &[Role]) -> Self {
        let node = |r: &Role| matches!(r, Role::Source | Role::Destination);
        let nodes = roles.iter().take(16).enumerate().filter(|(_, r)| node(r)).fold(0, |mask, (p, _)| mask | 1 << p);
        Self { roles: roles.to_vec(), nodes, width: Width::default(), counts: 0, pairs: 0, paths: Vec::new(), outside: 0, unmeasured: 0 }
    }

    /// Width of the windows in milliseconds: phases are cut at their borders.
    pub fn window_ms(&self) -> f64 {
        self.width.ms()
    }

    /// Bytes on the heap, roughly.
    pub fn heap_bytes(&self) -> usize {
        let path = |p: &Path| {
            p.counts.capacity() * size_of::<Count>()
                + (p.between.capacity() + p.tail.capacity() + p.opening.capacity() + p.settling.capacity()) * size_of::<Edge>()
                + p.pairs.iter().map(PairMeter::heap_bytes).sum::<usize>()
        };
        self.paths.iter().map(path).sum()
    }

    /// Counts what was sent between common packets, once that is sure; near the beginning it never is.
    fn settle(&mut self, path: usize, edge: Edge) {
        let of = &mut self.paths[path];
        if of.common.is_some_and(|(first, _)| edge.sent < first + OVERTAKE) {
            if of.opening.len() < EDGE {
                of.opening.push(edge);
            } else {
                of.edge_full += 1;
            }
            return;
        }
        of.settling.push_back(edge);
        self.flush(path);
    }

    /// Counts those that have settled.
    #[inline]
    fn flush(&mut self, path: usize) {
        while let Some(edge) = self.paths[path].settling.front().copied() {
            let of = &mut self.paths[path];
            if of.settling.len() <= EDGE && of.common.is_none_or(|(_, last)| edge.sent + OVERTAKE > last) {
                return;
            }
            of.settling.pop_front();
            self.count(path, edge.sent, edge.kind);
        }
    }

    fn count(&mut self, path: usize, sent: Timestamp, kind: Kind) {
        let window = self.width.index(sent);
        let counts = &mut self.paths[path].counts;
        // Packets come nearly in the order of time: the place is near the end.
        let after = counts.iter().rposition(|c| (c.window, c.kind) <= (window, kind)).map_or(0, |i| i + 1);
        if let Some(last) = after.checked_sub(1).and_then(|i| counts.get_mut(i))
            && (last.window, last.kind) == (window, kind)
        {
            last.packets += 1;
            return;
        }
        counts.insert(after, Count { window, kind, packets: 1 });
        self.counts += 1;
        if self.counts > COUNTS {
            self.widen();
        }
    }

    #[cold]
    fn widen(&mut self) {
        if !self.width.double() {
            return;
        }
        self.counts = 0;
        for path in &mut self.paths {
            for c in &mut path.counts {
                c.window >>= 1;
            }
            path.counts.sort_by_key(|c| (c.window, c.kind));
            path.counts.dedup_by(|b, a| {
                let same = (a.window, a.kind) == (b.window, b.kind);
                a.packets += if same { b.packets } else { 0 };
                same
            });
            for r in &mut path.reordered {
                r.0 >>= 1;
            }
            path.reordered.dedup_by(|b, a| {
                a.1 += if a.0 == b.0 { b.1 } else { 0 };
                a.0 == b.0
            });
            self.counts += path.counts.len() + path.reordered.len();
        }
    }

    /// True if the points that saw a packet are one place for this direction: nothing shows that it travelled.
    fn alone(&self, path: usize, seen: u16) -> bool {
        let tenant = self.paths[path].union & !self.nodes != 0;
        seen.is_power_of_two() || (tenant && seen & !self.nodes == 0)
    }

    fn reordering(&mut self, path: usize, p: &Passage<'_>) {
        let points = self.roles.len();
        let window = self.width.index(p.sent);
        let path = &mut self.paths[path];
        path.newest.resize(points, None);
        let sent = (p.first, p.times[p.first]);
        let mut overtaken = false;
        for point in (0..points.min(16)).filter(|&q| p.at(q) && q != p.first) {
            let arrived = p.times[point];
            match &mut path.newest[point] {
                // RFC 4737 4.2.1: the one that was sent earlier and arrived later is the reordered one.
                Some(newest) if newest.sent.0 == sent.0 && arrived < newest.arrived => {
                    if sent.1 > newest.sent.1 && !newest.counted {
                        newest.counted = true;
                        overtaken = true;
                    }
                }
                newest => *newest = Some(Newest { sent, arrived, counted: false }),
            }
        }
        if overtaken {
            match path.reordered.last_mut() {
                Some(last) if last.0 == window => last.1 += 1,
                _ => {
                    path.reordered.push((window, 1));
                    self.counts += 1;
                }
            }
        }
    }
}

impl Passages for PathMeter {
    fn passage(&mut self, p: &Passage<'_>) {
        let at = p.ends as usize;
        if self.paths.len() <= at {
            self.paths.resize_with(at + 1, Path::default);
        }
        let kind =
            Kind { seen: p.seen, proof: p.proof, again: p.flags & flag::RETRANSMITTED != 0, ambiguous: p.flags & flag::AMBIGUOUS != 0 };
        self.paths[at].union |= p.seen;
        if self.alone(at, p.seen) {
            let path = &mut self.paths[at];
            let inside = path.common.is_some_and(|(first, last)| first <= p.sent && p.sent <= last);
            if inside && path.moved.is_none_or(|moved| p.sent > moved) {
                return self.settle(at, Edge { sent: p.sent, kind });
            }
            let list = if inside { &mut path.between } else { &mut path.tail };
            if list.len() < EDGE {
                list.push(Edge { sent: p.sent, kind });
            } else {
                path.edge_full += 1;
            }
            return;
        }
        let before = self.paths[at].common;
        let common = before.map_or((p.sent, p.sent), |(a, b)| (a.min(p.sent), b.max(p.sent)));
        self.paths[at].common = Some(common);
        if !self.paths[at].tail.is_empty() {
            // What was sent before this one and after another that arrived at the same point should have arrived there.
            let last_seen = self.paths[at].last_seen;
            for edge in std::mem::take(&mut self.paths[at].tail) {
                let path = &mut self.paths[at];
                if edge.sent > common.1 {
                    path.tail.push(edge);
                } else if before.is_some() && edge.sent >= common.0 && last_seen & p.seen & !edge.kind.seen != 0 {
                    self.settle(at, edge);
                } else if path.between.len() < EDGE {
                    path.between.push(edge);
                } else {
                    path.edge_full += 1;
                }
            }
        }
        let path = &mut self.paths[at];
        let sender = 1 << p.first;
        if before.is_some() && path.last_seen & p.seen & !sender == 0 {
            path.moved = path.moved.max(Some(p.sent));
        }
        path.last_seen = p.seen;
        self.flush(at);
        self.count(at, p.sent, kind);
        if p.vague || p.seen.is_power_of_two() {
            return;
        }
        self.reordering(at, p);
        for x in (0..self.roles.len().min(16)).filter(|&x| p.at(x)) {
            for y in (x + 1..self.roles.len().min(16)).filter(|&y| p.at(y)) {
                let known = self.paths[at].pairs.iter().position(|m| (m.x, m.y) == (x, y));
                let slot = match known {
                    Some(slot) => slot,
                    None if self.pairs < PAIRS => {
                        let windows = if self.pairs < FINE_PAIRS { PAIR_WINDOWS.0 } else { PAIR_WINDOWS.1 };
                        self.pairs += 1;
                        self.paths[at].pairs.push(PairMeter::new(x, y, windows));
                        self.paths[at].pairs.len() - 1
                    }
                    None => {
                        self.unmeasured += 1;
                        continue;
                    }
                };
                self.paths[at].pairs[slot].add(p);
            }
        }
    }
}
