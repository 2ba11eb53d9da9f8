//! A first guess of how far apart two clocks are, for captures of which the table cannot hold enough at a time to find one common packet: clocks
//! hours apart, and points that began at different times.
//!
//! Each point keeps a sample of its packets, chosen by their keys, so that all points choose the same ones. It thins itself out by half
//! when it is full ("distinct sampling", Gibbons 2001). At the end, common packets whose times differ by about the same tell the
//! difference of the clocks, to within delays; the points are then read again with it.
//!
//! Bias: what only looks alike (a number that came round) may agree on a wrong difference; so most of all common packets must.

use hashbrown::HashMap;

use super::joiner::HORIZON;
use super::sighting::{Sighting, flag, mix};
use crate::base::limits::JOIN_ANCHORS;
use crate::base::time::Timestamp;

/// Common packets that must agree.
const AGREED: usize = 8;

/// The sample of one point.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    /// Keys with any of these bits are left out.
    mask: u64,
    /// When a key was seen; `None` if it was seen twice.
    seen: HashMap<u64, Option<Timestamp>>,
}

impl Anchors {
    /// Takes a packet that its key alone identifies.
    pub fn add(&mut self, s: &Sighting) {
        let echo = s.has(flag::ECHO_REQUEST | flag::ECHO_REPLY);
        let telling = if echo { s.ack != 0 } else { s.has(flag::TCP) && (s.len > 0 || s.has(flag::SYN)) };
        if !telling || s.flags & (flag::RETRANSMITTED | flag::AMBIGUOUS | flag::GROUP) != 0 {
            return;
        }
        let key = mix(s.key, mix(u64::from(s.seq) << 32 | u64::from(s.len), u64::from(s.ack)));
        if key & self.mask != 0 {
            return;
        }
        self.seen.entry(key).and_modify(|at| *at = None).or_insert(Some(s.at));
        if self.seen.len() > JOIN_ANCHORS {
            self.mask = self.mask << 1 | 1;
            let mask = self.mask;
            self.seen.retain(|key, _| key & mask == 0);
        }
    }

    /// How much later the clock of `other` shows the same packets; `None` if too few agree.
    pub fn difference(&self, other: &Self) -> Option<i64> {
        let common = self.seen.iter().filter_map(|(key, at)| Some((((*other.seen.get(key)?)?) - (*at)?).0));
        let mut apart: Vec<i64> = common.collect();
        apart.sort_unstable();
        // The stretch of one horizon that holds the most.
        let (mut from, mut best) = (0, 0..0);
        for to in 0..apart.len() {
            while apart[to] - apart[from] > HORIZON {
                from += 1;
            }
            if to + 1 - from > best.len() {
                best = from..to + 1;
            }
        }
        let agreed = best.len();
        (agreed >= AGREED && agreed * 2 > apart.len()).then(|| apart[best.start + agreed / 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::anomaly::Place;

    fn sighting(n: u32, at: i64) -> Sighting {
        Sighting {
            at: Timestamp(at),
            place: Place::default(),
            key: mix(u64::from(n), 7),
            seq: n,
            len: 100,
            ack: 1,
            copy: 0,
            flow: None,
            wire: 154,
            flags: flag::TCP | flag::STRONG,
            mss: 0,
            ttl: 64,
        }
    }

    #[test]
    fn the_same_packets_are_chosen_and_their_difference_found() {
        let (mut a, mut b) = (Anchors::default(), Anchors::default());
        for n in 0..200_000 {
            a.add(&sighting(n, i64::from(n) * 1_000));
        }
        for n in 150_000..400_000 {
            b.add(&sighting(n, i64::from(n) * 1_000 + 3_600_000_000_000 + i64::from(n % 7)));
        }
        assert!(a.seen.len() <= JOIN_ANCHORS && b.seen.len() <= JOIN_ANCHORS);
        let apart = a.difference(&b).unwrap();
        assert!((apart - 3_600_000_000_000).abs() < 10, "{apart}");
        assert_eq!(b.difference(&a).map(|d| (d + apart).abs() < 10), Some(true));
    }

    #[test]
    fn what_came_round_decides_nothing() {
        let (mut a, mut b) = (Anchors::default(), Anchors::default());
        // Half of what is common agrees on one difference, half on another.
        for n in 0..200 {
            a.add(&sighting(n, i64::from(n)));
            b.add(&sighting(n, i64::from(n) + if n % 2 == 0 { 0 } else { 100 * HORIZON }));
        }
        assert_eq!(a.difference(&b), None);
        let (mut a, mut b) = (Anchors::default(), Anchors::default());
        a.add(&sighting(1, 0));
        a.add(&sighting(1, 5));
        b.add(&sighting(1, 9));
        assert_eq!(a.difference(&b), None);
    }
}
