//! One map per point onto the reference clock, from all that the common packets say.
//!
//! Points are solved one after the other, the one that is best known first, each against all that are solved already. What
//! is assumed: a clock's rate is constant between steps; both directions of a conversation were matched. Delays may be
//! unequal: that is what the uncertainty covers.

use super::clock::{Clocks, Conversation, given};
use super::clock_bins::Bin;
use super::clock_fit::{Constraint, GRAIN, Hulls, Line, pieces};
use crate::base::clock::{ClockChoice, ClockMap, Piece};
use crate::base::role::Role;
use crate::base::time::{Nanos, Timestamp};

/// Most pieces of one clock.
const PIECES: usize = 32;
/// Packets each way without which two points' conversation says nothing.
const LEAST: u64 = 3;

/// How a point's clock was related to the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// It is the reference.
    Reference,
    /// From common packets.
    Estimated,
    /// The user says that all clocks agree.
    Trusted,
    /// The user gave the offset.
    Given,
    /// Nothing relates it: its times stand as they are.
    None,
}

impl Method {
    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Estimated => "estimated",
            Self::Trusted => "trusted",
            Self::Given => "given",
            Self::None => "none",
        }
    }
}

/// A point's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct PointClock {
    /// From its time to the reference time, with the uncertainty.
    pub map: ClockMap,
    /// How it was found.
    pub method: Method,
    /// Common packets that were used.
    pub samples: u64,
    /// Why something is unknown, or what was assumed.
    pub why: Option<String>,
}

impl PointClock {
    /// Offset at the point's first packet.
    pub fn offset_at(&self, first: Timestamp) -> Nanos {
        self.map.to_reference(first) - first
    }
}

/// Solves all clocks; `spans` are the points' first and last packets on their own clocks.
pub fn solve(clocks: &Clocks, roles: &[Role], spans: &[Option<(Timestamp, Timestamp)>]) -> Vec<PointClock> {
    let points = spans.len();
    let plain = |method, why: Option<&str>, uncertainty| PointClock {
        map: ClockMap { pieces: Vec::new(), uncertainty },
        method,
        samples: 0,
        why: why.map(str::to_owned),
    };
    match &clocks.choice {
        ClockChoice::Trusted => {
            let why = "all clocks are taken to agree, as asked; nothing was checked against the packets";
            return (0..points)
                .map(|p| {
                    if p == clocks.reference {
                        plain(Method::Reference, None, Some(Nanos(0)))
                    } else {
                        plain(Method::Trusted, Some(why), Some(Nanos(0)))
                    }
                })
                .collect();
        }
        choice @ ClockChoice::Given(_) => {
            return roles
                .iter()
                .map(|role| PointClock {
                    map: ClockMap::constant(Nanos(given(choice, *role).unwrap_or(0)), Some(Nanos(0))),
                    ..plain(Method::Given, Some("the offset is the one that was given; points without one count as right"), Some(Nanos(0)))
                })
                .collect();
        }
        ClockChoice::Estimate => {}
    }
    let mut solved: Vec<Option<PointClock>> = vec![None; points];
    if points > 0 {
        solved[clocks.reference] = Some(plain(Method::Reference, None, Some(Nanos(0))));
    }
    loop {
        let open = (0..points).filter(|&p| solved[p].is_none());
        let best = open
            .filter_map(|p| Some((p, against(clocks, &solved, spans, p)?)))
            .min_by_key(|(_, c)| c.map.uncertainty.unwrap_or(Nanos(i64::MAX)));
        let Some((p, clock)) = best else { break };
        solved[p] = Some(clock);
    }
    (0..points).map(|p| solved[p].take().unwrap_or_else(|| unrelated(clocks, p, spans))).collect()
}

/// Which way a conversation's packets travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// Way 0 leads from the lower point to the higher, way 1 back.
    Along,
    /// The other way round.
    Against,
    /// The packets did not travel between the two points, or nothing says how.
    Unknown,
}

/// Where both ways were seen within one stretch, the way that leads from x to y shows the greater difference, by the sum of
/// both delays. Packets that merely reached both points from a third show now this, now that.
fn course(c: &Conversation) -> Course {
    if c.aside * 10 > c.judged.max(1) || c.ways.iter().any(|w| w.samples < LEAST) {
        return Course::Unknown;
    }
    let [a, b] = [&c.ways[0], &c.ways[1]];
    let (mut along, mut against) = (0u64, 0u64);
    let mut other = b.bins().iter().peekable();
    for bin in a.bins() {
        while other.next_if(|o| o.low.0 < bin.low.0.min(bin.high.0) && o.high.0 < bin.low.0.min(bin.high.0)).is_some() {}
        if let Some(near) = other.peek() {
            along += u64::from(bin.low.1 > near.high.1);
            against += u64::from(bin.high.1 < near.low.1);
        }
    }
    if along + against == 0 {
        return Course::Unknown;
    }
    // Nine in ten: bins apart in time on a drifting clock may show the wrong order.
    if along >= 9 * against {
        Course::Along
    } else if against >= 9 * along {
        Course::Against
    } else {
        Course::Unknown
    }
}

/// What the common packets of `p` and a solved point `q` say of the offset of `p`, on `p`'s own clock.
fn constraints(
    clocks: &Clocks,
    (q, solved, slack): (usize, &PointClock, Nanos),
    p: usize,
    origin: (Timestamp, i64),
    out: &mut Vec<Constraint>,
) -> u64 {
    let slack = slack.0 as f64;
    let mut samples = 0;
    for conversation in &clocks.pair(p, q).conversations {
        let along = match course(conversation) {
            Course::Along => true,
            Course::Against => false,
            Course::Unknown => continue,
        };
        samples += conversation.samples();
        for (way, extremes) in conversation.ways.iter().enumerate() {
            // From the lower point to the higher?
            let forth = (way == 0) == along;
            // Does the packet arrive at p?
            let arrives = forth == (q < p);
            for bin in extremes.bins() {
                // Of a way that leads forth the least difference is the tightest, of one that leads back the greatest.
                let (at_low, delta) = pick(bin, forth);
                let (t_p, t_q) = if p < q { (at_low, at_low + Nanos(delta)) } else { (at_low + Nanos(delta), at_low) };
                // Arrival at p: t_p + offset ≥ t_q on the reference clock; so the offset is at least their difference.
                let bound = (solved.map.to_reference(t_q) - t_p).0.saturating_sub(origin.1) as f64;
                let upper = !arrives;
                out.push(Constraint { t: (t_p - origin.0).seconds(), bound: if upper { bound + slack } else { bound - slack }, upper });
            }
        }
    }
    samples
}

fn pick(bin: &Bin, low: bool) -> (Timestamp, i64) {
    if low { bin.low } else { bin.high }
}

/// Solves `p` against all points that are solved.
fn against(clocks: &Clocks, solved: &[Option<PointClock>], spans: &[Option<(Timestamp, Timestamp)>], p: usize) -> Option<PointClock> {
    let span = spans[p]?;
    // Large common parts are taken out, so that f64 keeps nanoseconds.
    let origin = (span.0, clocks.offsets()[p]);
    let mut all = Vec::new();
    let mut samples = 0;
    for (q, clock) in solved.iter().enumerate() {
        if let Some(clock) = clock
            && clock.method != Method::None
        {
            let slack = clock.map.uncertainty.unwrap_or(Nanos(0));
            samples += constraints(clocks, (q, clock, slack), p, origin, &mut all);
        }
    }
    all.sort_by(|a, b| a.t.total_cmp(&b.t));
    let end = (span.1 - span.0).seconds();
    let mut out = Vec::new();
    let mut worst = 0f64;
    let cut = pieces(&all, PIECES);
    for (i, range) in cut.iter().enumerate() {
        let Some(hulls) = Hulls::of(&all[range.clone()]) else { continue };
        let line = hulls.line();
        let from = if i == 0 { 0.0 } else { all[range.start].t };
        let to = if i + 1 == cut.len() { end } else { all[range.end].t };
        worst = worst.max(hulls.uncertainty(&line, from, to)).max(-line.margin);
        out.push(Piece {
            from: span.0 + Nanos((from * 1e9) as i64),
            offset: Nanos(origin.1.saturating_add(line.at(from).round() as i64)),
            drift_ppb: line.slope,
        });
    }
    if out.is_empty() {
        return None;
    }
    let steps = out.len() - 1;
    Some(PointClock {
        map: ClockMap { pieces: out, uncertainty: Some(Nanos(worst.max(GRAIN).ceil() as i64)) },
        method: Method::Estimated,
        samples,
        why: (steps > 0).then(|| format!("the clock was stepped or slewed {steps} times; {} pieces", steps + 1)),
    })
}

/// How far the difference of two points' times, each on its map, may be from the truth: what their common packets say, where that
/// is better than the sum of both maps' uncertainties. `None` if unknown.
pub fn between(clocks: &Clocks, solved: &[PointClock], spans: &[Option<(Timestamp, Timestamp)>], p: usize, q: usize) -> Option<Nanos> {
    if p == q {
        return Some(Nanos(0));
    }
    let sum = solved[p].map.uncertainty? + solved[q].map.uncertainty?;
    let (p, q) = if solved[p].map.pieces.is_empty() { (q, p) } else { (p, q) };
    let ([piece], Some(span)) = (&solved[p].map.pieces[..], spans[p]) else { return Some(sum) };
    let origin = (span.0, piece.offset.0);
    let mut all = Vec::new();
    constraints(clocks, (q, &solved[q], Nanos(0)), p, origin, &mut all);
    let Some(hulls) = Hulls::of(&all) else { return Some(sum) };
    let times = || all.iter().map(|c| c.t);
    let (from, to) = (times().fold(f64::INFINITY, f64::min), times().fold(f64::NEG_INFINITY, f64::max));
    let line = Line { at_zero: 0.0, slope: piece.drift_ppb, margin: 0.0 };
    let own = hulls.uncertainty(&line, from, to);
    Some(sum.min(Nanos(own.ceil() as i64)))
}

/// What can be said of a point whose common packets do not enclose its offset.
fn unrelated(clocks: &Clocks, p: usize, spans: &[Option<(Timestamp, Timestamp)>]) -> PointClock {
    let none = |why: &str| PointClock {
        map: ClockMap { pieces: Vec::new(), uncertainty: None },
        method: Method::None,
        samples: 0,
        why: Some(why.to_owned()),
    };
    if spans[p].is_none() {
        return none("the point saw no packet");
    }
    if clocks.groups()[p] != clocks.groups()[clocks.reference] {
        return none(
            "no packet of this point was found at another point: its times stand as they are; give --clock if its offset is known",
        );
    }
    let samples = (0..spans.len()).filter(|&q| q != p).flat_map(|q| &clocks.pair(p, q).conversations).map(Conversation::samples).sum();
    PointClock {
        map: ClockMap::constant(Nanos(clocks.offsets()[p]), None),
        method: Method::Estimated,
        samples,
        why: Some(
            "common packets were found in one direction only, so they bound the offset from one side: it is off by the (unknown) delay"
                .to_owned(),
        ),
    }
}
