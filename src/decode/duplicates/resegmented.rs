//! Stretches of TCP data seen at each place, so that the pieces of a large segment are known for what they are.

use super::table::Place;
use super::{PLACE_NS, RESEGMENTED_NS};
use crate::base::seq::distance;
use crate::base::time::Timestamp;

/// Stretches remembered for one flow, acknowledgment number and timestamps.
const WAYS: usize = 8;
const SETS: usize = 1024;
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

/// Data of several packets that follow each other.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    key: u64,
    at: i64,
    place: Place,
    start: u32,
    end: u32,
    idents: Option<(u16, u16)>,
    used: bool,
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
            (Some((first, last)), Some(ident)) => ident.wrapping_sub(first) <= last.wrapping_sub(first).saturating_add(PIECES),
            _ => true,
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
        let within = |run: &Run, ns: i64| run.used && run.key == key && (now - Timestamp(run.at)).0.saturating_abs() <= ns;
        let fresh = |run: &Run| within(run, RESEGMENTED_NS);
        let elsewhere = |run: &Run| fresh(run) && run.place != stretch.place && run.covers(&stretch) && run.same_sending(&stretch);
        // Remembered longer: a retransmission must meet what this place sent although the other place saw that later.
        let here = |run: &Run| within(run, PLACE_NS) && run.place == stretch.place && run.overlaps(&stretch);
        let data = Data { elsewhere: set.iter().any(elsewhere), here: set.iter().any(here) };
        let grows = |run: &Run| fresh(run) && run.place == stretch.place && run.end == stretch.start;
        let at = match set.iter().position(grows) {
            Some(at) => at,
            None => {
                let oldest = (0..WAYS).min_by_key(|n| if set[*n].used { set[*n].at } else { i64::MIN }).unwrap_or(0);
                set[oldest] = Run { key, at: now.0, place: stretch.place, start: stretch.start, end: stretch.start, idents: None, used: true };
                oldest
            }
        };
        let run = &mut set[at];
        run.at = now.0;
        run.end = stretch.end;
        if distance(run.start, run.end) > LONGEST {
            run.start = run.end.wrapping_sub(LONGEST as u32 / 2);
        }
        run.idents = match (run.idents, stretch.ident) {
            (Some((first, _)), Some(ident)) => Some((first, ident)),
            (None, Some(ident)) => Some((ident, ident)),
            (idents, None) => idents,
        };
        data
    }
}
