//! When the bytes of a download came: a curve of bounded size, for playback models and the search for pauses.

use crate::base::limits::ARRIVAL_POINTS;
use crate::base::time::{Nanos, Timestamp};

/// Bytes that had come by a time. Points lie at least [`step`](Self::step) apart, but a silence longer than that has a point at
/// both its ends; when the curve is full the step doubles and every other point goes, so all times are true within one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrivals {
    points: Vec<(Timestamp, u64)>,
    last: Option<(Timestamp, u64)>,
    step: Nanos,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { points: Vec::new(), last: None, step: Nanos(10_000_000) }
    }
}

impl Arrivals {
    /// `bytes` came at `at`. Times that run backwards count as the latest time so far.
    pub fn push(&mut self, at: Timestamp, bytes: u64) {
        let (at, total) = match self.last {
            Some((last, total)) => {
                let at = at.max(last);
                if at - last >= self.step && self.points.last().is_some_and(|p| p.0 < last) {
                    self.keep((last, total));
                }
                (at, total.saturating_add(bytes))
            }
            None => (at, bytes),
        };
        match self.points.last_mut() {
            Some(kept) if kept.0 == at => kept.1 = total,
            Some(kept) if at - kept.0 < self.step => {}
            _ => self.keep((at, total)),
        }
        self.last = Some((at, total));
    }

    fn keep(&mut self, point: (Timestamp, u64)) {
        if self.points.len() >= ARRIVAL_POINTS {
            self.step = Nanos(self.step.0.saturating_mul(2));
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
        self.points.push(point);
    }

    /// The points: time, and bytes that had come by then. The last is the last arrival.
    pub fn points(&self) -> impl Iterator<Item = (Timestamp, u64)> + '_ {
        let tail = self.last.filter(|l| self.points.last() != Some(l));
        self.points.iter().copied().chain(tail)
    }

    /// All bytes.
    pub fn total(&self) -> u64 {
        self.last.map_or(0, |l| l.1)
    }

    /// First arrival.
    pub fn first(&self) -> Option<Timestamp> {
        self.points.first().map(|p| p.0)
    }

    /// Last arrival.
    pub fn last(&self) -> Option<Timestamp> {
        self.last.map(|l| l.0)
    }

    /// Resolution of the times.
    pub fn step(&self) -> Nanos {
        self.step
    }

    /// Silences of at least `at_least` between arrivals: from, to.
    pub fn silences(&self, at_least: Nanos) -> Vec<(Timestamp, Timestamp)> {
        let times: Vec<_> = self.points().map(|p| p.0).collect();
        times.windows(2).filter(|w| w[1] - w[0] >= at_least).map(|w| (w[0], w[1])).collect()
    }

    /// Bytes that had come by `at`.
    pub fn by(&self, at: Timestamp) -> u64 {
        let mut before = 0;
        for (t, total) in self.points() {
            if t > at {
                break;
            }
            before = total;
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: i64) -> Timestamp {
        Timestamp(n * 1_000_000)
    }

    #[test]
    fn silences_keep_their_ends() {
        let mut a = Arrivals::default();
        for t in 0..100 {
            a.push(ms(t), 10);
        }
        a.push(ms(5000), 10);
        assert_eq!(a.silences(Nanos(1_000_000_000)), [(ms(99), ms(5000))]);
        assert_eq!((a.total(), a.first(), a.last()), (1010, Some(ms(0)), Some(ms(5000))));
        assert_eq!((a.by(ms(4000)), a.by(ms(5000))), (1000, 1010));
    }

    #[test]
    fn is_bounded_and_loses_no_byte() {
        let mut a = Arrivals::default();
        for t in 0..1_000_000 {
            a.push(ms(t), 3);
        }
        a.push(ms(10_000_000), 1);
        assert!(a.points().count() <= ARRIVAL_POINTS + 1);
        assert_eq!(a.total(), 3_000_001);
        let (from, to) = a.silences(Nanos(60_000_000_000))[0];
        assert!(from >= ms(999_999) && to == ms(10_000_000), "{from} {to}");
        assert!(a.points().collect::<Vec<_>>().windows(2).all(|w| w[0].0 <= w[1].0 && w[0].1 <= w[1].1));
    }
}
