//! Delay, jitter and loss between two places, for chosen directions and a chosen time.
//!
//! What a packet's fate is called (RFC 7680 and RFC 7679 say when a packet counts as lost and what its delay is):
//!
//! - *lost*: seen leaving, not seen arriving, although the other capture was running, and nothing proves that it arrived;
//! - *misdelivered*: reached a node that the VM had left, or not yet reached, and was not answered;
//! - *not captured*: not in the capture of the other end although it is proven to have been there (acknowledged, answered,
//!   or seen further on);
//! - *ambiguous*: seen leaving and not arriving while the other capture demonstrably missed packets;
//! - *refused*: too big for a link on the way, and the sender was told so (path MTU discovery): no loss;
//! - not counted: sent before the other capture began or after it ended, or to a node that was not captured.

use std::collections::HashSet;

use super::stay::{Home, Stays};
use super::{Kind, Path, PathMeter};
use crate::base::clock::ClockMap;
use crate::base::time::{NS_PER_MS, NS_PER_S, Nanos, Timestamp};
use crate::join::{Ends, Joined, Proof};
use crate::measure::histogram::Histogram;
use crate::measure::qos::{delay_of, jitter_of};
use crate::model::{Delay, Jitter, Loss};

/// One end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A capture point.
    Point(usize),
    /// The node that ran the VM at the moment.
    Vm,
}

/// Delay that is assumed at the edges of a capture for a path that showed none.
const ASSUMED_DELAY: i64 = NS_PER_S;
/// A capture that missed one packet may have missed others this close to it: a full buffer drops in runs.
const MISSED_NEAR: i64 = 20 * NS_PER_MS;
/// Below zero by more than this and the clocks' uncertainty, delays show that the clocks do not agree.
const BACKWARDS: i64 = 100_000;

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Seen at both ends, or proven to have passed.
    pub delivered: u64,
    /// Dropped by the network.
    pub lost: u64,
    /// Reached the wrong node.
    pub misdelivered: u64,
    /// Arrived, but one capture missed them.
    pub not_captured: u64,
    /// Lost or missed by a capture that was missing packets at the time.
    pub ambiguous: u64,
    /// Outside the time that both captures cover.
    pub outside: u64,
    /// Left the full table before they could be judged, or were cut otherwise and too long ago.
    pub unknown: u64,
    /// Too big for a link on the way; the sender was told and sent smaller ones.
    pub refused: u64,
    /// Of directions that never were seen at both ends.
    pub elsewhere: u64,
    /// Pieces of frames that were cut otherwise at the sender, and count there.
    pub recut: u64,
    /// Sent again.
    pub retransmitted: u64,
    /// Overtaken by later ones.
    pub reordered: u64,
    /// Copies of data of unknown cause.
    pub copies: u64,
}

impl Fates {
    /// Packets that should have arrived.
    pub fn expected(&self) -> u64 {
        self.delivered + self.lost + self.misdelivered + self.not_captured
    }
}

/// Sets of points, and the least and greatest delay between them.
type Extremes = Option<((u16, u16), (i64, i64))>;

/// All that is needed to answer.
pub struct Figures<'a> {
    meter: &'a PathMeter,
    joined: &'a Joined,
    stays: &'a Stays,
    /// Each point's capture on the reference clock.
    spans: Vec<Option<(Timestamp, Timestamp)>>,
    /// Per point, when it is proven to have missed packets; sorted.
    misses: Vec<Vec<Timestamp>>,
}

impl<'a> Figures<'a> {
    /// From what was joined and counted, and where the VM was.
    pub fn new(meter: &'a PathMeter, joined: &'a Joined, stays: &'a Stays) -> Self {
        let on_reference = |(p, span): (usize, &Option<(Timestamp, Timestamp)>)| {
            let map = &joined.clocks[p].map;
            span.map(|(a, b)| (map.to_reference(a), map.to_reference(b)))
        };
        let spans = joined.spans.iter().enumerate().map(on_reference).collect::<Vec<_>>();
        let mut out = Self { meter, joined, stays, misses: vec![Vec::new(); spans.len()], spans };
        out.find_misses();
        out
    }

    fn map(&self, point: usize) -> &ClockMap {
        &self.joined.clocks[point].map
    }

    fn paths(&self) -> impl Iterator<Item = (&'a Ends, &'a Path)> + use<'a> {
        self.joined.ends.iter().zip(self.meter.paths.iter().skip(1))
    }

    /// When captures are proven to have missed packets that passed them.
    fn find_misses(&mut self) {
        let mut misses = std::mem::take(&mut self.misses);
        for (_, path) in self.paths() {
            let inside = path.counts.iter().map(|c| (self.meter.width.middle(c.window), c.kind));
            for (at, kind) in inside.chain(path.opening.iter().chain(&path.settling).map(|e| (e.sent, e.kind))) {
                for (p, list) in misses.iter_mut().enumerate() {
                    if self.missed(path, &kind, p) {
                        list.push(at);
                    }
                }
            }
        }
        misses.iter_mut().for_each(|list| list.sort_unstable());
        self.misses = misses;
    }

    /// True if packets of this kind passed `point`, and it did not see them: they were acknowledged but are in no other
    /// capture, or they were seen downstream of it and not at it.
    fn missed(&self, path: &Path, kind: &Kind, point: usize) -> bool {
        if kind.seen & (1 << point) != 0 || path.union & (1 << point) == 0 || !kind.seen.is_power_of_two() {
            return false;
        }
        let seen = kind.seen.trailing_zeros() as usize;
        let nodes = self.meter.nodes;
        if nodes & (1 << point) != 0 && path.union & !nodes != 0 && path.union & nodes != 1 << point {
            // Packets of the VM pass one node or the other.
            return false;
        }
        match self.heading(path, seen, point) {
            Some(true) => kind.proof == Proof::Arrived,
            Some(false) => !matches!(kind.proof, Proof::Unknown | Proof::Recut | Proof::Refused),
            None => false,
        }
    }

    /// True if the path leads from `a` to `b`, false if it leads back.
    fn heading(&self, path: &Path, a: usize, b: usize) -> Option<bool> {
        let pair = path.pairs.iter().find(|m| (m.x, m.y) == (a.min(b), a.max(b)))?;
        let delays = pair.delays((self.map(pair.x), self.map(pair.y)), false, |_| true);
        Some((delays.mean()? > 0.0) == (a < b))
    }

    fn near_miss(&self, points: u16, at: Timestamp) -> bool {
        let reach = Nanos(MISSED_NEAR.max((self.meter.window_ms() * 1e6) as i64));
        (0..self.misses.len()).filter(|&p| points & (1 << p) != 0).any(|p| {
            let list = &self.misses[p];
            list.get(list.partition_point(|&m| m < at - reach)).is_some_and(|&m| m <= at + reach)
        })
    }

    /// The points that are `end` at a moment: a bit set, and false if the VM was where nobody captured.
    fn points(&self, end: End, at: Timestamp) -> (u16, bool) {
        match end {
            End::Point(p) => (1 << p, true),
            End::Vm => match self.stays.at(at) {
                Home::Point(p) => (1 << p, true),
                Home::Elsewhere => (0, false),
                Home::Away => (self.meter.nodes, !self.stays.uncaptured()),
                Home::Unknown => (self.meter.nodes, true),
            },
        }
    }

    /// What became of the packets of the directions that `wanted` chooses, sent at moments that `within` chooses.
    pub fn fates(&self, from: End, to: End, wanted: impl Fn(&Ends) -> bool, within: impl Fn(Timestamp) -> bool) -> Fates {
        let mut fates = Fates::default();
        let half = Nanos((self.meter.window_ms() * 5e5) as i64);
        let (all_from, all_to) = (self.ever(from), self.ever(to));
        let joint = |path: &Path| path.counts.iter().any(|c| c.kind.seen & all_from != 0 && c.kind.seen & all_to != 0);
        let common: HashSet<&Ends> = self.paths().filter(|(_, path)| joint(path)).map(|(ends, _)| ends).collect();
        for (ends, path) in self.paths().filter(|(ends, _)| wanted(ends)) {
            let both = common.contains(ends);
            let mut known = Extremes::default();
            let edges = path
                .between
                .iter()
                .chain(&path.tail)
                .chain(&path.opening)
                .chain(&path.settling)
                .map(|e| (e.sent, Nanos(0), e.kind, 1, true));
            let inside = path.counts.iter().map(|c| (self.meter.width.middle(c.window), half, c.kind, c.packets, false));
            for (at, half, kind, n, edge) in inside.chain(edges).filter(|(at, ..)| within(*at)) {
                if kind.seen & (all_from | all_to) == 0 {
                    continue;
                }
                if !both {
                    fates.elsewhere += n;
                    continue;
                }
                fates.retransmitted += if kind.again { n } else { 0 };
                fates.copies += if kind.ambiguous { n } else { 0 };
                *self.fate(&mut fates, (path, &mut known), (from, to), (at, half), &kind, edge) += n;
            }
            fates.outside += path.edge_full;
            fates.reordered +=
                path.reordered.iter().filter(|(window, _)| within(self.meter.width.middle(*window))).map(|(_, n)| n).sum::<u64>();
        }
        fates
    }

    fn ever(&self, end: End) -> u16 {
        match end {
            End::Point(p) => 1 << p,
            End::Vm => self.meter.nodes,
        }
    }

    fn fate<'f>(
        &self,
        fates: &'f mut Fates,
        (path, known): (&Path, &mut Extremes),
        (from, to): (End, End),
        (at, half): (Timestamp, Nanos),
        kind: &Kind,
        edge: bool,
    ) -> &'f mut u64 {
        let (target, captured) = self.points(to, at);
        // A frame of the VM may have been seen at either node: whoever saw it first had it from the VM or from the network.
        let source = self.ever(from);
        if kind.seen & source == 0 {
            // Seen at the receiver only.
            if kind.proof == Proof::Recut {
                // Counted as it was cut at the sender.
                return &mut fates.recut;
            }
            if kind.proof == Proof::Unknown {
                return &mut fates.unknown;
            }
            let covered = self.points(from, at).1 && self.covers(self.points(from, at).0, (at, 0), (at, 0));
            return if covered { &mut fates.not_captured } else { &mut fates.outside };
        }
        let away = to == End::Vm
            && (self.stays.at(at) == Home::Away || (kind.proof == Proof::Unanswered && self.stays.changed(at - half, at + half)));
        if kind.seen & target != 0 && (!away || kind.proof == Proof::Arrived) {
            return &mut fates.delivered;
        }
        if kind.seen & self.ever(to) & !source != 0 {
            return if kind.proof == Proof::Arrived { &mut fates.delivered } else { &mut fates.misdelivered };
        }
        match kind.proof {
            Proof::Recut => return &mut fates.delivered,
            Proof::Refused => return &mut fates.refused,
            Proof::Unknown => return &mut fates.unknown,
            _ => {}
        }
        if !captured {
            return &mut fates.outside;
        }
        // Between two packets that arrived at one point that point was capturing.
        if edge || !kind.seen.is_power_of_two() {
            let (soonest, latest) = match known {
                Some((key, found)) if *key == (source, target) => *found,
                _ => known.insert(((source, target), self.extremes(path, source, target))).1,
            };
            // While the VM is on its way its packets may go to either node: both must have been captured.
            let each = if to == End::Vm && self.stays.at(at) == Home::Away { target } else { 0 };
            let all = (0..16).map(|p| 1 << p).filter(|bit| each & bit != 0).all(|bit| self.covers(bit, (at, soonest), (at, latest)));
            if !all || !self.covers(target, (at, soonest), (at, latest)) {
                return &mut fates.outside;
            }
        }
        if kind.proof == Proof::Arrived {
            return &mut fates.not_captured;
        }
        if self.near_miss(target, at) { &mut fates.ambiguous } else { &mut fates.lost }
    }

    /// True if the capture of one of `points` had begun `soonest` after the one moment and had not ended `latest` after the other.
    fn covers(&self, points: u16, (first, soonest): (Timestamp, i64), (last, latest): (Timestamp, i64)) -> bool {
        let mut spans = self.spans.iter().enumerate().filter(|(p, _)| points & (1 << p) != 0).filter_map(|(_, s)| *s);
        spans.any(|(a, b)| a <= first + Nanos(soonest) && last + Nanos(latest) <= b)
    }

    /// The least and the greatest delay that the path showed between two sets of points.
    fn extremes(&self, path: &Path, from: u16, to: u16) -> (i64, i64) {
        let has = |set: u16, p: usize| set & (1 << p) != 0;
        let mut all = Histogram::new();
        for m in &path.pairs {
            if (has(from, m.x) && has(to, m.y)) || (has(from, m.y) && has(to, m.x)) {
                all.merge(&m.delays((self.map(m.x), self.map(m.y)), has(from, m.y), |_| true));
            }
        }
        (all.min().unwrap_or(0).max(0), all.max().unwrap_or(ASSUMED_DELAY).max(0))
    }

    /// Loss as reports tell it.
    pub fn loss(&self, from: End, to: End, wanted: impl Fn(&Ends) -> bool, within: impl Fn(Timestamp) -> bool) -> Loss {
        let f = self.fates(from, to, wanted, within);
        let expected = f.expected();
        let mut loss = Loss {
            retransmitted: Some(f.retransmitted),
            reordered: Some(f.reordered),
            ambiguous: Some(f.ambiguous + f.copies),
            ..Loss::default()
        };
        if expected == 0 {
            loss.why = Some(
                if f.unknown > 0 {
                    "the table of open packets was full, or the clocks could not be related: packets could not be followed"
                } else if f.elsewhere > 0 {
                    "no packet of these directions was found at both ends: the captures show different traffic"
                } else {
                    "no packet was sent while both ends were captured"
                }
                .to_owned(),
            );
            return loss;
        }
        loss.method = Some("matched".to_owned());
        loss.refused = Some(f.refused);
        loss.lost = Some(f.lost);
        loss.expected = Some(expected);
        loss.percent = Some(f.lost as f64 / expected as f64 * 100.0);
        loss.misdelivered = Some(f.misdelivered);
        loss.not_captured = Some(f.not_captured);
        if f.unknown > 0 {
            loss.why = Some(format!(
                "{} packets could not be judged (the table was full, or they were cut otherwise at the other end): they are counted neither as lost nor as delivered",
                f.unknown
            ));
        }
        loss
    }

    /// The pairs of points that lead from one end to the other, with the direction, for a direction of traffic.
    fn measured(
        &self,
        (from, to): (End, End),
        wanted: impl Fn(&Ends) -> bool,
        mut take: impl FnMut(&super::pair::PairMeter, bool, &dyn Fn(Timestamp) -> bool),
    ) {
        let (all_from, all_to) = (self.ever(from), self.ever(to));
        let has = |set: u16, p: usize| set & (1 << p) != 0;
        for (_, path) in self.paths().filter(|(ends, _)| wanted(ends)) {
            for m in &path.pairs {
                let backwards = if has(all_from, m.x) && has(all_to, m.y) {
                    false
                } else if has(all_from, m.y) && has(all_to, m.x) {
                    true
                } else {
                    continue;
                };
                let (a, b) = if backwards { (m.y, m.x) } else { (m.x, m.y) };
                let here = |t: Timestamp| {
                    let is = |end: End, p: usize| {
                        end != End::Vm || matches!(self.stays.at(t), Home::Point(h) if h == p) || self.stays.at(t) == Home::Unknown
                    };
                    is(from, a) && is(to, b)
                };
                take(m, backwards, &here);
            }
        }
    }

    /// One-way delay. Absent, with the reason, where the clocks' uncertainty exceeds it.
    pub fn delay(&self, from: End, to: End, wanted: impl Fn(&Ends) -> bool, within: impl Fn(Timestamp) -> bool) -> Delay {
        let mut sum = Histogram::new();
        let (mut unsure, mut unknown) = (Nanos(0), None);
        self.measured((from, to), &wanted, |m, backwards, here| {
            let delays = m.delays((self.map(m.x), self.map(m.y)), backwards, |t| here(t) && within(t));
            if delays.is_empty() {
                return;
            }
            sum.merge(&delays);
            match self.joined.between(m.x, m.y) {
                Some(u) => unsure = unsure.max(u),
                None => {
                    let mut clocks = [m.x, m.y].into_iter().map(|p| &self.joined.clocks[p]);
                    let why = clocks.find(|c| c.map.uncertainty.is_none()).and_then(|c| c.why.clone());
                    unknown = why.or(Some("the clocks could not be related".to_owned()));
                }
            }
        });
        let absent = |why: String| Delay { samples: 0, uncertainty_ms: Some(unsure.ms()), why: Some(why), ..Delay::default() };
        let Some(median) = sum.quantile(0.5) else {
            return Delay { why: Some("no packet was seen at both ends in this phase".to_owned()), ..Delay::default() };
        };
        if let Some(why) = unknown {
            return Delay { uncertainty_ms: None, ..absent(format!("one-way delay is not known: {why}")) };
        }
        // Clocks that are wrong by the same amount make one direction impossible and the other merely slow.
        let mut back = Histogram::new();
        self.measured(
            (to, from),
            |e| wanted(&e.turned()),
            |m, backwards, here| {
                back.merge(&m.delays((self.map(m.x), self.map(m.y)), backwards, here));
            },
        );
        let least = sum.min().unwrap_or(0).min(back.min().unwrap_or(0));
        if least < -(unsure.0 + BACKWARDS) {
            return absent(format!("packets arrive up to {:.3} ms before they were sent: the clocks do not agree", -Nanos(least).ms()));
        }
        if unsure.0 > median {
            return absent(format!(
                "the clocks are known to ± {:.3} ms only, more than the one-way delay of {:.3} ms",
                unsure.ms(),
                Nanos(median).ms()
            ));
        }
        delay_of(&sum, "one-way", Some(unsure))
    }

    /// Variation of the one-way delay (RFC 3393, consecutive packets): valid whatever the clocks' offset.
    pub fn jitter(&self, from: End, to: End, wanted: impl Fn(&Ends) -> bool, within: impl Fn(Timestamp) -> bool) -> Jitter {
        let (mut variation, mut smoothed) = (Histogram::new(), Histogram::new());
        self.measured((from, to), wanted, |m, _, here| {
            variation.merge(&m.variation.histogram(|t| here(t) && within(t)));
            smoothed.merge(&m.smoothed.histogram(|t| here(t) && within(t)));
        });
        jitter_of(&variation, smoothed.mean())
    }
}
