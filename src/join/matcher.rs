//! The table of packets on their way: sightings with one key meet here, copies in order, never crosswise.
//!
//! Knows keys, copies and times; knows nothing of clocks or conversations. Bounded by a number of packets; who fills it
//! decides what leaves first ([`super::joiner`]).

use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use super::matcher_flows::EndsId;
use super::sighting::{Sighting, flag, piece_copy, piece_key, range_base};
use crate::base::anomaly::Place;
use crate::base::limits::MATCHER_CHAIN;
use crate::base::net::Side;
use crate::base::time::Timestamp;
use crate::flow::FlowId;

/// No entry.
const NONE: u32 = u32::MAX;

/// A packet that was seen at one point or more.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its key, pieces of ranges told apart.
    key: u64,
    /// Where its first sighting lies.
    pub place: Place,
    /// The next entry with this key.
    next: u32,
    /// The one before.
    before: u32,
    /// Copy mark; 0 if none.
    copy: u32,
    /// Sequence number, or echo identifier and number.
    pub seq: u32,
    /// Sequence number of the frame that it is a piece of.
    pub head: u32,
    /// Acknowledgment number of a TCP segment.
    pub ack: u32,
    /// Payload bytes.
    pub len: u32,
    /// Bytes of the frame (of the smallest frame that carried it).
    pub wire: u32,
    /// Ends as the first point saw them.
    pub ends: EndsId,
    /// Conversation at the first point.
    pub flow: Option<FlowId>,
    /// Points that saw it, one bit each.
    pub seen: u16,
    /// Flags of all sightings.
    pub flags: u32,
    /// The point whose sighting made the entry.
    pub first: u8,
    /// Joined to another entry: waits only to leave its queue.
    gone: bool,
    /// Other entries had the same key.
    shared: bool,
    /// Which of several equal packets was seen where is not certain: good for counting, not for times.
    pub vague: bool,
}

/// What became of a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// The first of its packet.
    New,
    /// Joined to this entry; `sure` if no other packet could have been meant.
    With {
        /// The entry.
        slot: u32,
        /// The key was this packet's alone, or the copy marks agree.
        sure: bool,
    },
    /// There is no room: something must leave first.
    Full,
}

/// What identifies a packet, or a piece of a frame that offload had glued together.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Key.
    pub key: u64,
    /// Copy mark; 0 if none.
    pub copy: u32,
    /// Sequence number.
    pub seq: u32,
    /// Payload bytes.
    pub len: u32,
}

/// Flags of a packet seen twice: whose side sent it stays as the first point said, and a key is strong if both say so.
fn merged(first: u32, other: u32) -> u32 {
    let own = flag::STRONG | flag::SERVER | flag::FIRST;
    (first | other & !own) & (other | !flag::STRONG)
}

impl Entry {
    /// The side of the conversation that sent it, as its first point sees it.
    pub fn side(&self) -> Side {
        if self.flags & flag::SERVER != 0 { Side::Server } else { Side::Client }
    }

    /// True if other packets looked the same, copy marks included.
    pub fn is_one_of_many(&self) -> bool {
        self.shared && self.copy == 0
    }

    /// The `n`-th piece of its bytes, had they been cut into pieces of `size`.
    pub fn piece(&self, n: u32, size: u32) -> Piece {
        let at = n.saturating_mul(size).min(self.len);
        let (seq, len) = (self.seq.wrapping_add(at), size.min(self.len - at));
        Piece { key: piece_key(range_base(self.ack), seq, len), copy: piece_copy(self.copy, n), seq, len }
    }
}

#[derive(Clone, Copy, Debug)]
struct Chain {
    head: u32,
    tail: u32,
}

/// Keys are already mixed.
#[derive(Clone, Copy, Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(b);
        }
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// The table.
pub struct Matcher {
    points: usize,
    room: usize,
    entries: Vec<Entry>,
    /// `points` times per entry, each on its point's own clock.
    times: Vec<Timestamp>,
    free: Vec<u32>,
    table: HashMap<u64, Chain, BuildHasherDefault<Mixed>>,
    /// Entries in the order of their first sighting, per point that made them.
    queues: Vec<VecDeque<u32>>,
    /// Sightings that found more packets with their key than are compared.
    pub crowded: u64,
    /// Pairs of points between which copy marks were found to be rewritten, and how often they agreed.
    renumbered: Vec<(u32, u32)>,
}

/// Times that two points' renumbering must be seen before it is believed.
const RENUMBERED: u32 = 16;

impl Matcher {
    /// A table for `points` points and at most `room` packets.
    pub fn new(points: usize, room: usize) -> Self {
        Self {
            points,
            room,
            entries: Vec::new(),
            times: Vec::new(),
            free: Vec::new(),
            table: HashMap::default(),
            queues: vec![VecDeque::new(); points],
            crowded: 0,
            renumbered: vec![(0, 0); points * points],
        }
    }

    /// Packets held.
    pub fn held(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// True if there is no room for another packet.
    pub fn is_full(&self) -> bool {
        self.held() >= self.room
    }

    /// Packets whose first sighting was at `point`.
    pub fn held_by(&self, point: usize) -> usize {
        self.queues[point].len()
    }

    /// The entry in `slot`.
    pub fn entry(&self, slot: u32) -> &Entry {
        &self.entries[slot as usize]
    }

    /// Its times by point; only those in [`Entry::seen`] mean something.
    pub fn times(&self, slot: u32) -> &[Timestamp] {
        let at = slot as usize * self.points;
        &self.times[at..at + self.points]
    }

    /// Takes one sighting (or one piece of it) of `point`. `near` judges whether a packet with these times may be the same one.
    pub fn sight(&mut self, point: usize, s: &Sighting, piece: Piece, ends: EndsId, near: impl Fn(&Entry, &[Timestamp]) -> bool) -> Met {
        let Piece { key, copy, seq, len } = piece;
        if let Some((slot, sure)) = self.join(point, (s.at, s.wire, s.flags), piece, near) {
            return Met::With { slot, sure };
        }
        if self.is_full() {
            return Met::Full;
        }
        let entry = Entry {
            key,
            place: s.place,
            next: NONE,
            before: NONE,
            copy,
            seq,
            head: s.seq,
            ack: s.ack,
            len,
            wire: s.wire,
            ends,
            flow: s.flow,
            seen: 1 << point,
            flags: s.flags,
            first: point as u8,
            gone: false,
            shared: false,
            vague: false,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                self.times.resize(self.entries.len() * self.points, Timestamp::MIN);
                (self.entries.len() - 1) as u32
            }
        };
        self.times[slot as usize * self.points + point] = s.at;
        self.queues[point].push_back(slot);
        self.link(key, slot);
        Met::New
    }

    /// The entry that a sighting belongs to: the oldest one with the same copy mark; failing that, the oldest one of which the
    /// marks say nothing. Answers it, and whether the marks agree.
    fn choose(&mut self, chain: Chain, point: usize, copy: u32, near: &impl Fn(&Entry, &[Timestamp]) -> bool) -> Option<(u32, bool)> {
        let (mut at, mut vague) = (chain.head, None);
        for _ in 0..MATCHER_CHAIN {
            if at == NONE {
                return vague;
            }
            let entry = &self.entries[at as usize];
            if entry.seen & (1 << point) == 0 && near(entry, self.times(at)) {
                let exact = copy != 0 && entry.copy == copy;
                if exact {
                    let pair = &mut self.renumbered[usize::from(entry.first) * self.points + point];
                    pair.1 = pair.1.saturating_add(1);
                    return Some((at, true));
                }
                let (renumbered, kept) = self.renumbered[usize::from(entry.first) * self.points + point];
                let open = copy == 0 || entry.copy == 0 || (renumbered >= RENUMBERED && renumbered > kept);
                if open && vague.is_none() {
                    vague = Some((at, false));
                }
            }
            at = self.entries[at as usize].next;
        }
        self.crowded += 1;
        vague
    }

    /// Joins what `point` saw to an entry that is there already. Answers it, and whether no other could have been meant.
    pub fn join(
        &mut self,
        point: usize,
        (at, wire, flags): (Timestamp, u32, u32),
        Piece { key, copy, .. }: Piece,
        near: impl Fn(&Entry, &[Timestamp]) -> bool,
    ) -> Option<(u32, bool)> {
        let chain = self.table.get(&key).copied()?;
        let (slot, exact) = self.choose(chain, point, copy, &near)?;
        let sure = exact || chain.head == chain.tail;
        let entry = &mut self.entries[slot as usize];
        entry.seen |= 1 << point;
        entry.flags = merged(entry.flags, flags);
        entry.wire = entry.wire.min(wire);
        entry.vague |= !sure;
        if entry.copy == 0 || copy == 0 {
            entry.copy |= copy;
        } else if !exact {
            entry.copy = 0;
        }
        self.times[slot as usize * self.points + point] = at;
        self.put_last(key, slot);
        Some((slot, sure))
    }

    /// Puts a joined entry last in its chain, so that those that still wait come first.
    fn put_last(&mut self, key: u64, slot: u32) {
        if self.entries[slot as usize].next != NONE {
            self.unlink(slot);
            self.link(key, slot);
        }
    }

    /// The oldest packet that `point` saw first.
    pub fn oldest(&mut self, point: usize) -> Option<u32> {
        while let Some(&slot) = self.queues[point].front() {
            if !self.entries[slot as usize].gone {
                return Some(slot);
            }
            self.queues[point].pop_front();
            self.free.push(slot);
        }
        None
    }

    /// True if packets were seen at both points with the same copy marks, many of them: other marks are other packets then, sent again or
    /// repeated by the network.
    fn keeps_numbers(&self, a: usize, b: usize) -> bool {
        let [x, y] = [a * self.points + b, b * self.points + a].map(|i| self.renumbered[i]);
        let (renumbered, kept) = (x.0.max(y.0), x.1.saturating_add(y.1));
        kept >= RENUMBERED && kept > renumbered
    }

    /// Looks for another lone packet with the key of `slot` and another copy mark, seen where this one was not, and makes them
    /// one: a router on the way renumbered it. To be asked before a lone packet is believed to be lost.
    pub fn reconcile(&mut self, slot: u32, near: impl Fn(&Entry, &[Timestamp]) -> bool) -> bool {
        let mine = self.entries[slot as usize];
        if !mine.shared {
            return false;
        }
        let Some(chain) = self.table.get(&mine.key).copied() else { return false };
        let mut at = chain.head;
        for _ in 0..MATCHER_CHAIN {
            if at == NONE {
                break;
            }
            let other = self.entries[at as usize];
            let point = usize::from(other.first);
            let open = mine.copy == 0 || other.copy == 0 || !self.keeps_numbers(usize::from(mine.first), point);
            if open && at != slot && other.seen & mine.seen == 0 && other.seen.is_power_of_two() && near(&other, self.times(at)) {
                self.times[slot as usize * self.points + point] = self.times[at as usize * self.points + point];
                let entry = &mut self.entries[slot as usize];
                entry.seen |= other.seen;
                entry.flags = merged(entry.flags, other.flags);
                entry.wire = entry.wire.min(other.wire);
                for (a, b) in [(usize::from(mine.first), point), (point, usize::from(mine.first))] {
                    let pair = &mut self.renumbered[a * self.points + b];
                    pair.0 = pair.0.saturating_add(1);
                }
                self.unlink(at);
                self.entries[at as usize].gone = true;
                return true;
            }
            at = other.next;
        }
        false
    }

    /// Removes the oldest packet of its queue; `slot` must be what [`Matcher::oldest`] answered for `point`.
    pub fn remove(&mut self, point: usize, slot: u32) {
        debug_assert_eq!(self.queues[point].front(), Some(&slot));
        self.queues[point].pop_front();
        self.unlink(slot);
        self.free.push(slot);
    }

    fn link(&mut self, key: u64, slot: u32) {
        let Some(chain) = self.table.get_mut(&key) else {
            self.table.insert(key, Chain { head: slot, tail: slot });
            return;
        };
        let last = std::mem::replace(&mut chain.tail, slot);
        self.entries[last as usize].next = slot;
        self.entries[last as usize].shared = true;
        let entry = &mut self.entries[slot as usize];
        (entry.before, entry.next, entry.shared) = (last, NONE, true);
    }

    fn unlink(&mut self, slot: u32) {
        let Entry { key, before, next, .. } = self.entries[slot as usize];
        if before == NONE && next == NONE {
            self.table.remove(&key);
            return;
        }
        if before != NONE {
            self.entries[before as usize].next = next;
        }
        if next != NONE {
            self.entries[next as usize].before = before;
        }
        if let Some(chain) = self.table.get_mut(&key) {
            if before == NONE {
                chain.head = next;
            }
            if next == NONE {
                chain.tail = before;
            }
        }
        let entry = &mut self.entries[slot as usize];
        (entry.before, entry.next) = (NONE, NONE);
    }
}
