//! What was seen lately, by fingerprint: in sets of eight, of which the oldest gives way.

use super::PLACE_NS;
use crate::base::limits::DUPLICATE_PACKETS;
use crate::base::time::{Nanos, Timestamp};

/// Entries that one fingerprint may lie in.
const WAYS: usize = 8;
const SETS: usize = DUPLICATE_PACKETS / WAYS;
/// Sets in use while there is one place only: what is needed to find a packet stays in the nearest cache.
const SETS_ALONE: usize = SETS / 8;
/// Places that are told apart for one packet: more do not matter, they only see copies.
const PLACES: usize = 5;

/// A place where a packet was seen, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// Interface, direction, tunnel and VLAN, hashed.
    pub place: Place,
    /// Source MAC, hashed.
    pub mac: u16,
    /// Packets of that content seen there; 0 for a free slot.
    pub count: u16,
    /// The file, to its last 8 bits.
    pub file: u8,
    /// TTL or hop limit.
    pub ttl: u8,
}

/// 32 bits of a hash, in halves so that a slot has 10 bytes.
pub(super) type Place = [u16; 2];

impl Slot {
    /// True for the same place, sender and TTL.
    #[inline]
    pub fn is(&self, other: &Self) -> bool {
        (self.place, self.file, self.mac, self.ttl) == (other.place, other.file, other.mac, other.ttl)
    }
}

/// One cache line: what is needed to find an entry.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Set {
    /// The upper half of the fingerprint.
    tags: [u32; WAYS],
    /// Number of the entry by order of coming, modulo 2^32: to tell which is the oldest.
    numbers: [u32; WAYS],
}

/// Another cache line: the entry.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Entry {
    /// When the last packet of this content counted.
    time: Timestamp,
    /// The lower half of the fingerprint.
    tag: u32,
    slots: [Slot; PLACES],
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    sets: Box<[Set]>,
    entries: Box<[Entry]>,
    /// Sets in use, a power of two.
    sets_used: usize,
    /// Entries made so far, modulo 2^32.
    made: u32,
    reach: i64,
}

/// The time of an entry that was never used.
const FREE: Timestamp = Timestamp::MIN;

impl Table {
    pub fn new() -> Self {
        let set = Set { tags: [0; WAYS], numbers: [0; WAYS] };
        let entry = Entry { time: FREE, tag: 0, slots: [Slot::default(); PLACES] };
        Self {
            sets: vec![set; SETS].into_boxed_slice(),
            entries: vec![entry; SETS * WAYS].into_boxed_slice(),
            sets_used: SETS_ALONE,
            made: 0,
            reach: i64::MAX,
        }
    }

    /// Uses all of the memory from now on: there are several places.
    pub fn widen(&mut self) {
        self.sets_used = SETS;
        for from in 0..SETS_ALONE {
            for way in 0..WAYS {
                let entry = self.entries[from * WAYS + way];
                let to = entry.tag as usize & (SETS - 1);
                if entry.time == FREE || to == from {
                    continue;
                }
                // All of a set come from one, so that the same way is free.
                self.sets[to].tags[way] = self.sets[from].tags[way];
                self.sets[to].numbers[way] = self.sets[from].numbers[way];
                self.entries[to * WAYS + way] = entry;
                self.entries[from * WAYS + way].time = FREE;
            }
        }
    }

    /// The entry of a fingerprint, and whether it was there. A new one takes the place of the oldest of its set.
    #[inline]
    pub fn entry(&mut self, fingerprint: u64, now: Timestamp) -> (&mut Entry, bool) {
        let (upper, lower) = ((fingerprint >> 32) as u32, fingerprint as u32);
        let index = lower as usize & (self.sets_used - 1);
        let set = &mut self.sets[index];
        let first = index * WAYS;
        self.made = self.made.wrapping_add(1);
        // Two loops without branches, so that the compiler compares all ways at once; the second only for what is new.
        let mut alike = 0u32;
        for way in 0..WAYS {
            alike |= u32::from(set.tags[way] == upper) << way;
        }
        let mut found = None;
        while alike != 0 {
            let way = alike.trailing_zeros() as usize;
            let entry = &self.entries[first + way];
            if entry.tag == lower && entry.age(now) <= PLACE_NS {
                found = Some(way);
            }
            alike &= alike - 1;
        }
        if let Some(way) = found {
            return (&mut self.entries[first + way], true);
        }
        let ages: [u32; WAYS] = std::array::from_fn(|way| self.made.wrapping_sub(set.numbers[way]));
        let most = ages.iter().fold(0, |most, age| most.max(*age));
        let oldest = ages.iter().position(|age| *age == most).unwrap_or(0);
        set.tags[oldest] = upper;
        set.numbers[oldest] = self.made;
        let entry = &mut self.entries[first + oldest];
        self.reach = self.reach.min(entry.age(now));
        entry.time = now;
        entry.tag = lower;
        (entry, false)
    }

    /// The least age at which an entry had to go while it still mattered.
    pub fn reach(&self) -> Option<Nanos> {
        (self.reach <= PLACE_NS).then_some(Nanos(self.reach))
    }
}

impl Entry {
    /// Begins anew, seen once.
    #[inline]
    pub fn start(&mut self, here: Slot) {
        self.slots = [Slot::default(); PLACES];
        self.slots[0] = Slot { count: 1, ..here };
    }

    pub fn age(&self, now: Timestamp) -> i64 {
        if self.time == FREE { i64::MAX } else { (now - self.time).0.saturating_abs() }
    }

    pub fn set_time(&mut self, now: Timestamp) {
        self.time = now;
    }

    /// Where it was seen.
    pub fn seen(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().take_while(|s| s.count > 0)
    }

    /// How often it was seen here.
    pub fn count(&self, here: Slot) -> u16 {
        self.seen().find(|s| s.is(&here)).map_or(0, |s| s.count)
    }

    /// Counts one more here. Without a free slot nothing is kept: the places that are known saw it earlier.
    pub fn add(&mut self, here: Slot) {
        let known = self.slots.iter().position(|s| s.count == 0 || s.is(&here));
        let Some(slot) = known.and_then(|at| self.slots.get_mut(at)) else { return };
        *slot = Slot { count: slot.count.saturating_add(1), ..here };
        // Only differences matter. A place that lags further behind than this has lost the thread.
        if slot.count == u16::MAX {
            for slot in self.slots.iter_mut().filter(|s| s.count > 0) {
                slot.count = slot.count.saturating_sub(u16::MAX / 2).max(1);
            }
        }
    }

    /// Counts one more here than anywhere.
    pub fn raise(&mut self, here: Slot) {
        let most = self.seen().map(|s| s.count).max().unwrap_or(0);
        self.add(here);
        if let Some(slot) = self.slots.iter_mut().find(|s| s.count > 0 && s.is(&here)) {
            slot.count = slot.count.max(most.saturating_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_two_cache_lines() {
        assert_eq!((size_of::<Set>(), size_of::<Entry>()), (64, 64));
    }

    #[test]
    fn widening_forgets_nothing() {
        let mut table = Table::new();
        let prints: Vec<u64> = (0..1000).map(|n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        for print in &prints {
            table.entry(*print, Timestamp(0));
        }
        let kept: Vec<u64> = prints.iter().copied().filter(|p| table.clone().entry(*p, Timestamp(0)).1).collect();
        assert!(kept.len() > 990);
        table.widen();
        for print in kept {
            assert!(table.entry(print, Timestamp(0)).1);
        }
        assert!(!table.entry(7, Timestamp(0)).1);
    }

    #[test]
    fn counts_keep_their_differences() {
        let mut table = Table::new();
        let (entry, known) = table.entry(5, Timestamp(0));
        assert!(!known);
        let (a, b) = (Slot { ttl: 1, ..Slot::default() }, Slot { ttl: 2, ..Slot::default() });
        entry.start(a);
        for _ in 0..100_000 {
            entry.add(a);
            entry.add(b);
        }
        assert_eq!(entry.count(a), entry.count(b) + 1);
        assert!(table.entry(5, Timestamp(PLACE_NS)).1);
        assert!(!table.entry(5, Timestamp(2 * PLACE_NS + 1)).1);
    }
}
