//! Quality of service per phase, service and direction, from the lanes of the points that can see it.

use super::histogram::Histogram;
use super::lane::Lane;
use super::phase::{Phase, Phases};
use super::window::{Cell, Width};
use crate::base::clock::ClockMap;
use crate::base::time::{NS_PER_MS, Nanos, Timestamp};
use crate::model::{Delay, Jitter, Loss, Thesis, Throughput};

/// Peak throughput is taken over windows of at least this.
const PEAK_WINDOW_MS: f64 = 100.0;
/// Samples below which a 99.9 % quantile is no more than the maximum.
const P999_SAMPLES: u64 = 1000;

/// A lane of a point, and when it may be used.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// Counters of the direction.
    pub lane: &'a Lane,
    /// Where the far side's round trips are: the lane whose receiver is the other end.
    pub far: &'a Lane,
    /// The opposite direction.
    pub back: &'a Lane,
    /// Width of its windows.
    pub width: Width,
    /// The point's clock.
    pub clock: &'a ClockMap,
    /// First moment (reference clock) at which this point is the one to ask.
    pub from: Timestamp,
    /// Just after the last such moment.
    pub until: Timestamp,
}

impl Part<'_> {
    fn takes(&self, phases: &Phases, phase: Phase, at: Timestamp) -> bool {
        let t = self.clock.to_reference(at);
        self.from <= t && t < self.until && phases.within(phase, t)
    }

    /// The sum of this part's windows in a phase.
    pub fn sum(&self, phases: &Phases, phase: Phase) -> Cell {
        self.lane.windows.sum(|i| self.takes(phases, phase, self.width.middle(i)))
    }

    fn busiest(&self, phases: &Phases, phase: Phase) -> (f64, f64) {
        let group = (PEAK_WINDOW_MS / self.width.ms()).ceil().max(1.0) as i64;
        let (mut best, mut current, mut bin) = (0u64, 0u64, i64::MIN);
        for (i, cell) in self.lane.windows.iter() {
            if !self.takes(phases, phase, self.width.middle(i)) {
                continue;
            }
            if i.div_euclid(group) != bin {
                bin = i.div_euclid(group);
                current = 0;
            }
            current += cell.bytes;
            best = best.max(current);
        }
        let ms = self.width.ms() * group as f64;
        (best as f64 * 8000.0 / ms, ms)
    }
}

/// The counters of several parts in a phase.
pub fn total(parts: &[Part<'_>], phases: &Phases, phase: Phase) -> Cell {
    let mut sum = Cell::default();
    for part in parts {
        sum.add(&part.sum(phases, phase));
    }
    sum
}

/// Throughput of a phase that lasts `seconds`.
pub fn throughput(parts: &[Part<'_>], phases: &Phases, phase: Phase, seconds: f64, link_bps: Option<f64>) -> Throughput {
    if seconds <= 0.0 {
        return Throughput { why: Some("the phase has no time in this capture".to_owned()), ..Throughput::default() };
    }
    let sum = total(parts, phases, phase);
    let bps = sum.bytes as f64 * 8.0 / seconds;
    let peak = parts.iter().map(|p| p.busiest(phases, phase)).max_by(|a, b| a.0.total_cmp(&b.0));
    Throughput {
        bps: Some(bps),
        goodput_bps: Some(sum.goodput as f64 * 8.0 / seconds),
        // A bin that the phase's border cuts must not lie below the mean.
        peak_bps: peak.map(|p| p.0.max(bps)),
        peak_window_ms: peak.map(|p| p.1),
        percent_of_link: link_bps.map(|link| bps / link * 100.0),
        why: None,
    }
}

fn ms(nanos: i64) -> f64 {
    nanos as f64 / NS_PER_MS as f64
}

/// The figures of a distribution of delays.
pub fn delay_of(histogram: &Histogram, method: &str, uncertainty: Option<Nanos>) -> Delay {
    let quantile = |q: f64| histogram.quantile(q).map(ms);
    Delay {
        method: Some(method.to_owned()),
        mean_ms: histogram.mean().map(|m| m / NS_PER_MS as f64),
        p50_ms: quantile(0.5),
        p95_ms: quantile(0.95),
        p99_ms: quantile(0.99),
        p999_ms: (histogram.count() >= P999_SAMPLES).then(|| quantile(0.999)).flatten(),
        max_ms: histogram.max().map(ms),
        min_ms: histogram.min().map(ms),
        samples: histogram.count(),
        uncertainty_ms: uncertainty.map(Nanos::ms),
        why: histogram.is_empty().then(|| "no packet allowed a measurement in this phase".to_owned()),
    }
}

/// Why a direction without packets has no loss.
pub const NOTHING_SENT: &str = "no packet was sent in this direction in this phase";

/// Round trips from the points to the far end and back.
pub fn round_trips(parts: &[Part<'_>], phases: &Phases, phase: Phase) -> Histogram {
    let mut sum = Histogram::new();
    for part in parts {
        sum.merge(&part.far.rtt.histogram(|t| part.takes(phases, phase, t)));
    }
    sum
}

/// Variation of consecutive round trips.
pub fn rtt_jitter(parts: &[Part<'_>], phases: &Phases, phase: Phase) -> Jitter {
    let (mut variation, mut smoothed) = (Histogram::new(), Histogram::new());
    for part in parts {
        variation.merge(&part.far.variation.histogram(|t| part.takes(phases, phase, t)));
        smoothed.merge(&part.far.smoothed.histogram(|t| part.takes(phases, phase, t)));
    }
    jitter_of(&variation, smoothed.mean())
}

/// Jitter from a distribution of absolute delay differences and the mean of RFC 3550's figure in ns.
pub fn jitter_of(variation: &Histogram, smoothed: Option<f64>) -> Jitter {
    Jitter {
        method: Some("rfc3393".to_owned()),
        mean_ms: variation.mean().map(|m| m / NS_PER_MS as f64),
        p99_ms: variation.quantile(0.99).map(ms),
        rfc3550_ms: smoothed.map(|s| s / NS_PER_MS as f64),
        samples: variation.count(),
        why: variation.is_empty().then(|| "fewer than two delays in this phase".to_owned()),
    }
}

/// Loss as far as one point can tell it: unanswered echoes, or TCP's retransmissions.
pub fn loss_at_one_point(parts: &[Part<'_>], phases: &Phases, phase: Phase, proto: Option<u8>) -> Loss {
    let mine = total(parts, phases, phase);
    let mut loss = Loss {
        retransmitted: Some(u64::from(mine.retransmitted)),
        reordered: Some(u64::from(mine.reordered)),
        ambiguous: Some(u64::from(mine.ambiguous)),
        ..Loss::default()
    };
    if matches!(proto, Some(1 | 58)) {
        let mut other = Cell::default();
        for part in parts {
            other.add(&part.back_sum(phases, phase));
        }
        let requests = u64::from(mine.echo_requests.max(other.echo_requests));
        let replies = u64::from(mine.echo_replies.max(other.echo_replies));
        if requests > 0 {
            let lost = requests.saturating_sub(replies);
            loss.method = Some("icmp".to_owned());
            loss.lost = Some(lost);
            loss.expected = Some(requests);
            loss.percent = Some(lost as f64 / requests as f64 * 100.0);
            loss.why = Some("echo requests without a reply at this point: the loss of both directions together".to_owned());
            return loss;
        }
    }
    let sent = u64::from(mine.data);
    if proto.is_none_or(|p| p == 6) && sent > 0 {
        let lost = u64::from(mine.retransmitted);
        let expected = sent.saturating_sub(lost).max(1);
        loss.method = Some("tcp".to_owned());
        loss.lost = Some(lost);
        loss.expected = Some(expected);
        loss.percent = Some((lost as f64 / expected as f64 * 100.0).min(100.0));
        loss.why = Some("segments sent again over segments: a sender that repeats without need makes it too high".to_owned());
        return loss;
    }
    let why = if mine.packets == 0 { NOTHING_SENT } else { "one point alone cannot tell loss of this protocol" };
    loss.why = Some(why.to_owned());
    loss
}

impl Part<'_> {
    fn back_sum(&self, phases: &Phases, phase: Phase) -> Cell {
        self.back.windows.sum(|i| self.takes(phases, phase, self.width.middle(i)))
    }
}

/// The figures that a thesis computes from Wireshark for the packets of this direction.
pub fn thesis(parts: &[Part<'_>], phases: &Phases, phase: Phase) -> Thesis {
    let sum = total(parts, phases, phase);
    if sum.gaps == 0 {
        return Thesis { why: Some("fewer than two packets in this phase".to_owned()), ..Thesis::default() };
    }
    let span = sum.gap_sum as f64;
    let variations = f64::from(sum.variations.max(1));
    let known = sum.variations > 0;
    Thesis {
        throughput_bps: (span > 0.0).then(|| sum.bytes as f64 * 8e9 / span),
        delay_ms: Some(span / f64::from(sum.gaps) / NS_PER_MS as f64),
        jitter_ms: known.then(|| sum.variation_sum as f64 / variations / NS_PER_MS as f64),
        jitter_signed_ms: known.then(|| sum.variation_signed as f64 / variations / NS_PER_MS as f64),
        loss_percent: Some(f64::from(sum.lost_events) / f64::from(sum.packets.max(1)) * 100.0),
        why: (!known).then(|| "fewer than three packets in this phase".to_owned()),
    }
}
