//! One direction of a channel: its windows, its round trips, and the gaps between its packets.

use super::spread::Spread;
use super::window::Windows;
use crate::base::time::Timestamp;

/// One direction of a channel.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Counters over time.
    pub windows: Windows,
    /// Round trips from the capture point to the receiver of this direction and back.
    pub rtt: Spread,
    /// Absolute differences of consecutive round trips (RFC 3393, selection: consecutive samples).
    pub variation: Spread,
    /// RFC 3550's smoothed jitter after each sample.
    pub smoothed: Spread,
    /// First packet.
    pub first: Option<Timestamp>,
    /// Last packet.
    pub last: Option<Timestamp>,
    last_gap: Option<i64>,
    last_rtt: Option<i64>,
    jitter: f64,
}

/// What a packet adds to the gaps of its lane.
#[derive(Clone, Copy, Debug, Default)]
pub struct GapStep {
    /// Time since the previous packet, ns.
    pub gap: Option<i64>,
    /// Difference from the previous gap, ns.
    pub variation: Option<i64>,
}

impl Lane {
    /// An empty lane whose distributions have at most `spread_windows` windows.
    pub fn new(spread_windows: usize) -> Self {
        let spread = || Spread::new(spread_windows);
        Self {
            windows: Windows::default(),
            rtt: spread(),
            variation: spread(),
            smoothed: spread(),
            first: None,
            last: None,
            last_gap: None,
            last_rtt: None,
            jitter: 0.0,
        }
    }

    /// Takes note of a packet's time.
    #[inline]
    pub fn step(&mut self, at: Timestamp) -> GapStep {
        let mut step = GapStep::default();
        match self.last {
            None => self.first = Some(at),
            Some(last) => {
                let gap = (at - last).0;
                step.gap = Some(gap);
                step.variation = self.last_gap.map(|before| gap.saturating_sub(before));
                self.last_gap = Some(gap);
            }
        }
        self.last = Some(at);
        step
    }

    /// Takes a round trip completed at `at`; gives its variation.
    pub fn round_trip(&mut self, at: Timestamp, rtt: i64) -> Option<Variation> {
        self.rtt.add(at, rtt);
        let before = self.last_rtt.replace(rtt)?;
        let difference = (rtt - before).abs();
        // RFC 3550 6.4.1: J += (|D| − J) / 16.
        self.jitter += (difference as f64 - self.jitter) / 16.0;
        let variation = Variation { difference, smoothed: self.jitter as i64 };
        self.vary(at, variation);
        Some(variation)
    }

    /// Takes a round trip of one of several channels. Its variation is that within its own channel: round trips of different services have
    /// little in common, and which of two packets of one moment was captured first says nothing.
    pub fn round_trip_of(&mut self, at: Timestamp, rtt: i64, variation: Option<Variation>) {
        self.rtt.add(at, rtt);
        if let Some(variation) = variation {
            self.vary(at, variation);
        }
    }

    fn vary(&mut self, at: Timestamp, variation: Variation) {
        self.variation.add(at, variation.difference);
        self.smoothed.add(at, variation.smoothed);
    }
}

/// How a round trip differs from the one before, in ns.
#[derive(Clone, Copy, Debug)]
pub struct Variation {
    /// Without sign (RFC 3393).
    pub difference: i64,
    /// RFC 3550's jitter after it.
    pub smoothed: i64,
}
