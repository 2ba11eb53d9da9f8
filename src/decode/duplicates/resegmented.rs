//! Stretches of TCP data seen at each place, so that the pieces of a large segment are known for what they are.

use super::table::Place;
use super::{PLACE_NS, RESEGMENTED_NS};
use crate::base::seq::distance;
use crate::base::time::Timestamp;

/// Stretches remembered for one flow, acknowledgment number and timestamps.
const WAYS: usize = 6;
const SETS: usize = 512;
/// Pieces that one offloaded segment may be cut into: 64 KiB at the least usual MSS (536), rounded up.
const PIECES: u16 = 128;

/// A run forgets its start before sequence numbers come round.
const LONGEST: i32 = 1 << 30;

/// Data of one packet at one place: sequence numbers `start` to `end`, identification if it has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub place: Place,
    pub start: u32,
    pub end: u32,
    pub ident: Option<u16>,
}

/// Data of several packets that follow each other. Free while `start` and `end` are equal.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    at: i64,
    key: u32,
    place: Place,
    start: u32,
    end: u32,
    /// Identifications of the first and last packet; 0 for none.
    idents: (u16, u16),
}

impl Run {
    fn covers(&self, stretch: &Stretch) -> bool {
        distance(self.start, stretch.start) >= 0 && distance(stretch.end, self.end) >= 0
    }

    fn overlaps(&self, stretch: &Stretch) -> bool {
        distance(stretch.start, self.end) > 0 && distance(self.start, stretch.end) > 0
    }

    /// True unless the identification says that the sender sent the stretch at another time: pieces are numbered on from their segment.
    fn same_sending(&self, stretch: &Stretch) -> bool {
        match (self.idents, stretch.ident) {
            ((0, _), _) | (_, None) => true,
            ((first, last), Some(ident)) => ident.wrapping_sub(first) <= last.wrapping_sub(first).saturating_add(PIECES),
        }
    }
}

/// Where the data of a packet was seen before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Data {
    /// All of it at another place, sent at the same time.
    pub elsewhere: bool,
    /// Some of it at this place.
    pub here: bool,
}

#[derive(Debug)]
pub(super) struct Runs {
    sets: Box<[[Run; WAYS]]>,
}

impl Runs {
    pub fn new() -> Self {
        Self { sets: vec![[Run::default(); WAYS]; SETS].into_boxed_slice() }
    }

    /// Enters a stretch.
    pub fn check(&mut self, key: u64, now: Timestamp, stretch: Stretch) -> Data {
        let set = &mut self.sets[key as usize % SETS];
        let key = (key >> 32) as u32;
        let mut data = Data::default();
        let (mut grows, mut oldest, mut least) = (None, 0, i64::MAX);
        for (way, run) in set.iter().enumerate() {
            let free = run.start == run.end;
            let used_at = if free { i64::MIN } else { run.at };
            if used_at < least {
                (oldest, least) = (way, used_at);
            }
            if run.key != key || free {
                continue;
            }
            let age = (now - Timestamp(run.at)).0.saturating_abs();
            if run.place != stretch.place {
                data.elsewhere |= age <= RESEGMENTED_NS && run.covers(&stretch) && run.same_sending(&stretch);
                continue;
            }
            // Remembered longer: a retransmission must meet what this place sent although the other place saw that later.
            data.here |= age <= PLACE_NS && run.overlaps(&stretch);
            if age <= RESEGMENTED_NS && run.end == stretch.start {
                grows = Some(way);
            }
        }
        let at = grows.unwrap_or(oldest);
        if grows.is_none() {
            set[at] = Run { at: now.0, key, place: stretch.place, start: stretch.start, end: stretch.start, idents: (0, 0) };
        }
        let run = &mut set[at];
        run.at = now.0;
        run.end = stretch.end;
        if distance(run.start, run.end) > LONGEST {
            run.start = run.end.wrapping_sub(LONGEST as u32 / 2);
        }
        let ident = stretch.ident.unwrap_or(0);
        run.idents = (if run.idents.0 == 0 { ident } else { run.idents.0 }, ident);
        data
    }
}
