//! How long packets of one direction took between two points, over time.
//!
//! While packets stream by, the clocks are known only roughly, and in the end well. So a window keeps the *differences of the two
//! clocks' readings*, less a base that was the estimate when the window opened; at the end the base is put right.

use crate::base::clock::ClockMap;
use crate::base::time::{Nanos, Timestamp};
use crate::join::Passage;
use crate::measure::histogram::Histogram;
use crate::measure::spread::Spread;
use crate::measure::window::Width;

/// One stretch of time.
#[derive(Clone, Debug)]
struct Window {
    index: i64,
    /// First and last packet, on the clock of `x`.
    span: (Timestamp, Timestamp),
    /// Taken from every difference.
    base: i64,
    /// `t_y − t_x − base`.
    rest: Histogram,
}

/// Delays between two points, the lower index first; of packets in either direction, whichever the path has.
#[derive(Clone, Debug)]
pub struct PairMeter {
    /// Lower point.
    pub x: usize,
    /// Higher point.
    pub y: usize,
    width: Width,
    most: usize,
    windows: Vec<Window>,
    /// Absolute difference of consecutive delays (RFC 3393), by the sender's time on the reference clock.
    pub variation: Spread,
    /// RFC 3550's smoothed jitter after each packet.
    pub smoothed: Spread,
    last: Option<i64>,
    jitter: f64,
    /// Packets too far from the others in time to have a window.
    pub outside: u64,
}

impl PairMeter {
    /// For two points, with at most `most` windows.
    pub fn new(x: usize, y: usize, most: usize) -> Self {
        Self {
            x,
            y,
            width: Width::default(),
            most,
            windows: Vec::new(),
            variation: Spread::new(most),
            smoothed: Spread::new(most),
            last: None,
            jitter: 0.0,
            outside: 0,
        }
    }

    /// Takes a packet that both points saw.
    pub fn add(&mut self, p: &Passage<'_>) {
        let (at_x, at_y) = (p.times[self.x], p.times[self.y]);
        let delta = (at_y - at_x).0;
        // y's clock less x's, as estimated: what a packet without delay would show.
        let base = p.offsets[self.x].saturating_sub(p.offsets[self.y]);
        if let Some(last) = self.last.replace(delta) {
            let variation = delta.saturating_sub(last).saturating_abs();
            self.variation.add(p.sent, variation);
            // RFC 3550 6.4.1: J += (|D| − J) / 16.
            self.jitter += (variation as f64 - self.jitter) / 16.0;
            self.smoothed.add(p.sent, self.jitter as i64);
        }
        loop {
            let index = self.width.index(p.sent);
            let place = match self.windows.last() {
                Some(last) if last.index == index => Ok(self.windows.len() - 1),
                Some(last) if last.index < index => Err(self.windows.len()),
                _ => self.windows.binary_search_by_key(&index, |w| w.index),
            };
            match place {
                Ok(i) => {
                    let window = &mut self.windows[i];
                    window.span = (window.span.0.min(at_x), window.span.1.max(at_x));
                    return window.rest.record(delta.saturating_sub(window.base));
                }
                Err(i) if self.windows.len() < self.most => {
                    let mut rest = Histogram::new();
                    rest.record(delta.saturating_sub(base));
                    return self.windows.insert(i, Window { index, span: (at_x, at_x), base, rest });
                }
                Err(_) if self.width.double() => self.coarsen(),
                Err(_) => {
                    self.outside += 1;
                    return;
                }
            }
        }
    }

    fn coarsen(&mut self) {
        let mut merged: Vec<Window> = Vec::with_capacity(self.most);
        for mut window in self.windows.drain(..) {
            window.index >>= 1;
            match merged.last_mut() {
                Some(last) if last.index == window.index => {
                    last.rest.merge_shifted(&window.rest, window.base.saturating_sub(last.base));
                    last.span = (last.span.0.min(window.span.0), last.span.1.max(window.span.1));
                }
                _ => merged.push(window),
            }
        }
        self.windows = merged;
    }

    /// The delays from x to y (from y to x if `backwards`) on the final clocks, over the windows whose middle on the reference
    /// clock `wanted` chooses.
    pub fn delays(&self, clocks: (&ClockMap, &ClockMap), backwards: bool, mut wanted: impl FnMut(Timestamp) -> bool) -> Histogram {
        let mut sum = Histogram::new();
        for window in &self.windows {
            let middle = window.span.0 + Nanos((window.span.1 - window.span.0).0 / 2);
            let on_reference = clocks.0.to_reference(middle);
            if !wanted(on_reference) {
                continue;
            }
            // A packet without delay would arrive on y's clock at `there`; the base put it at `middle + base`.
            let there = middle + Nanos(window.base);
            let wrong = (clocks.1.to_reference(there) - on_reference).0;
            if backwards {
                sum.merge_mirrored(&window.rest, wrong);
            } else {
                sum.merge_shifted(&window.rest, wrong);
            }
        }
        sum
    }

    /// Per window: its middle on the reference clock, mean and greatest delay from x to y, ns.
    pub fn series<'a>(&'a self, clocks: (&'a ClockMap, &'a ClockMap), backwards: bool) -> impl Iterator<Item = (Timestamp, f64, i64)> + 'a {
        self.windows.iter().filter_map(move |window| {
            let middle = window.span.0 + Nanos((window.span.1 - window.span.0).0 / 2);
            let on_reference = clocks.0.to_reference(middle);
            let wrong = (clocks.1.to_reference(middle + Nanos(window.base)) - on_reference).0;
            let (mean, low, high) = (window.rest.mean()?, window.rest.min()?, window.rest.max()?);
            let (mean, most) =
                if backwards { (-mean, low.saturating_neg().saturating_sub(wrong)) } else { (mean, high.saturating_add(wrong)) };
            Some((on_reference, mean + if backwards { -wrong } else { wrong } as f64, most))
        })
    }

    /// Width of the delay windows in milliseconds.
    pub fn window_ms(&self) -> f64 {
        self.width.ms()
    }

    /// Bytes on the heap, roughly.
    pub fn heap_bytes(&self) -> usize {
        self.windows.iter().map(|w| size_of::<Window>() + w.rest.heap_bytes()).sum()
    }
}
