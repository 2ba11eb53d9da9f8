//! What is known of a TCP conversation while its protocol is not: its first bytes, gaps and FINs in the order in which they came.

use super::super::{Probe, Protocol};
use crate::base::limits::PROBE_BYTES;
use crate::base::net::Side;
use crate::flow::{FlowKey, GapReason, Moment, Need};

/// What has come, to be replayed to the parser.
#[derive(Default)]
pub(super) struct Detection {
    items: Vec<Kept>,
    bytes: [Vec<u8>; 2],
    /// Length of the prefix without gap, once it can grow no more.
    closed: [Option<usize>; 2],
    /// Bit per protocol.
    ruled_out: u64,
    gap: bool,
}

/// What the probes say so far.
#[derive(Clone, Copy)]
pub(super) enum Verdict {
    Open,
    Is(&'static Protocol),
    Unknown,
}

impl PartialEq for Verdict {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Open, Self::Open) | (Self::Unknown, Self::Unknown) => true,
            (Self::Is(a), Self::Is(b)) => a.name == b.name,
            _ => false,
        }
    }
}

enum Kept {
    Bytes(Side, Moment, usize),
    Gap(Side, Moment, u64, GapReason),
    Fin(Side, Moment),
}

/// One thing to be replayed.
pub(super) enum Item<'a> {
    Bytes(Side, Moment, &'a [u8]),
    Gap(Side, Moment, u64, GapReason),
    Fin(Side, Moment),
}

impl Detection {
    pub fn bytes(&mut self, protocols: &'static [Protocol], key: &FlowKey, side: Side, when: Moment, bytes: &[u8]) -> Verdict {
        let d = side.index();
        let verdict = if self.closed[d].is_some() {
            self.undecided(protocols.len())
        } else if self.bytes[d].is_empty() {
            // The usual case is settled by the first segment.
            self.ask(protocols, key, side, bytes)
        } else {
            let prefix = self.bytes[d].len();
            self.bytes[d].extend_from_slice(bytes);
            let all = std::mem::take(&mut self.bytes[d]);
            let verdict = self.ask(protocols, key, side, &all);
            self.bytes[d] = all;
            self.bytes[d].truncate(prefix);
            verdict
        };
        if verdict != Verdict::Unknown {
            self.items.push(Kept::Bytes(side, when, bytes.len()));
            self.bytes[d].extend_from_slice(bytes);
        }
        // One side may go on for ever while the other, which could tell, is silent.
        if self.bytes[d].len() > PROBE_BYTES && self.closed[d].is_none() {
            self.closed[d] = Some(self.bytes[d].len());
        }
        verdict
    }

    pub fn gap(&mut self, side: Side, when: Moment, missing: u64, why: GapReason) -> Verdict {
        let d = side.index();
        self.closed[d].get_or_insert(self.bytes[d].len());
        self.gap = true;
        self.items.push(Kept::Gap(side, when, missing, why));
        self.undecided(64)
    }

    pub fn fin(&mut self, side: Side, when: Moment) -> Verdict {
        let d = side.index();
        self.closed[d].get_or_insert(self.bytes[d].len());
        self.items.push(Kept::Fin(side, when));
        self.undecided(64)
    }

    /// Bytes held, with what it costs to hold them.
    pub fn len(&self) -> usize {
        self.bytes[0].len() + self.bytes[1].len() + self.items.len() * size_of::<Kept>()
    }

    /// Something of the start is missing.
    pub fn has_gap(&self) -> bool {
        self.gap
    }

    pub fn replay(&self, mut to: impl FnMut(Item<'_>) -> Need) {
        let mut rest = [&self.bytes[0][..], &self.bytes[1][..]];
        for item in &self.items {
            to(match *item {
                Kept::Bytes(side, when, len) => {
                    let (now, later) = rest[side.index()].split_at(len.min(rest[side.index()].len()));
                    rest[side.index()] = later;
                    Item::Bytes(side, when, now)
                }
                Kept::Gap(side, when, missing, why) => Item::Gap(side, when, missing, why),
                Kept::Fin(side, when) => Item::Fin(side, when),
            });
        }
    }

    fn ask(&mut self, protocols: &'static [Protocol], key: &FlowKey, side: Side, prefix: &[u8]) -> Verdict {
        for (i, protocol) in protocols.iter().enumerate() {
            if self.ruled_out & 1 << i != 0 {
                continue;
            }
            match (protocol.probe)(key, side, prefix) {
                Probe::Yes => return Verdict::Is(protocol),
                Probe::No => self.ruled_out |= 1 << i,
                Probe::More => {}
            }
        }
        self.undecided(protocols.len())
    }

    /// Open while a protocol is left and a side that could still tell.
    fn undecided(&self, protocols: usize) -> Verdict {
        let left = (0..protocols).any(|i| self.ruled_out & 1 << i == 0);
        if left && self.closed.iter().any(Option::is_none) { Verdict::Open } else { Verdict::Unknown }
    }
}
