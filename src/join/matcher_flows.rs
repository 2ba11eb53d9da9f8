//! What the join thread knows of each conversation of each point: its ends, how its bytes are cut, what was acknowledged,
//! sent again and seen, and which conversation it is at the other points.

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::HashMap;

use super::sighting::{FlowNote, Sighting, flag};
use crate::base::limits::{JOIN_AGAIN, JOIN_ENDS, JOIN_FLOWS};
use crate::base::net::Side;
use crate::base::seq::distance;
use crate::base::time::{NS_PER_MS, Timestamp};
use crate::flow::{FlowId, FlowKey};

/// Disjoint byte ranges kept per direction: holes that are open at once.
const RANGES: usize = 32;
/// Ranges older than this behind the newest byte are forgotten, well before sequence numbers come round.
const REACH: u32 = 1 << 30;

/// A direction of a kind of conversation: what a path is counted under.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ends {
    /// IP protocol; 0 for packets without a conversation (ARP and the like).
    pub proto: u8,
    /// Sender, as the first point on the way sees it.
    pub src: IpAddr,
    /// Receiver, as the last point on the way sees it.
    pub dst: IpAddr,
    /// The port that was called (the server's), 0 where there is none.
    pub port: u16,
    /// Who sends.
    pub from: Side,
}

impl Ends {
    fn of(key: &FlowKey, from: Side) -> Self {
        let port = if matches!(key.proto, 6 | 17 | 132) { key.server.port } else { 0 };
        Self { proto: key.proto, src: key.end(from).ip, dst: key.end(from.other()).ip, port, from }
    }

    /// The other direction of the same conversations.
    #[must_use]
    pub fn turned(&self) -> Self {
        Self { src: self.dst, dst: self.src, from: self.from.other(), ..*self }
    }
}

/// Index of an [`Ends`] in [`EndsBook::list`].
pub type EndsId = u32;
/// Packets without a conversation, and those whose ends found no room.
pub const NO_ENDS: EndsId = 0;

/// All directions met, each once.
#[derive(Debug, Default)]
pub struct EndsBook {
    index: HashMap<Ends, EndsId>,
    pairs: HashMap<(IpAddr, IpAddr), u32>,
    /// Per id: number of the unordered pair of addresses, and which of them sends.
    hosts: Vec<(u32, usize)>,
    /// By [`EndsId`] minus one.
    list: Vec<Ends>,
    /// What ends turned out to be once a packet was followed through a translation; [`NO_ENDS`] if they turned out to be several.
    known: HashMap<EndsId, EndsId>,
    /// Directions that found no room and share [`NO_ENDS`].
    pub folded: u64,
}

impl EndsBook {
    fn id(&mut self, ends: Ends) -> EndsId {
        if let Some(&id) = self.index.get(&ends) {
            return id;
        }
        if self.list.len() >= JOIN_ENDS {
            self.folded += 1;
            return NO_ENDS;
        }
        self.list.push(ends);
        let (low, high) = (ends.src.min(ends.dst), ends.src.max(ends.dst));
        let next = self.pairs.len() as u32;
        let pair = *self.pairs.entry((low, high)).or_insert(next);
        self.hosts.push((pair, usize::from(ends.src == high)));
        let id = self.list.len() as EndsId;
        self.index.insert(ends, id);
        id
    }

    /// The unordered pair of hosts of an id, and 0 if the lower address sends, else 1.
    pub fn hosts(&self, id: EndsId) -> (u32, usize) {
        (id as usize).checked_sub(1).and_then(|i| self.hosts.get(i)).copied().unwrap_or_default()
    }

    /// All ends, translated ones by what they are known to be; index 0 is id 1.
    pub fn into_list(self) -> Vec<Ends> {
        let of = |id: EndsId| self.known.get(&id).copied().filter(|&k| k != NO_ENDS).unwrap_or(id);
        (1..=self.list.len() as EndsId).filter_map(|id| self.get(of(id)).copied()).collect()
    }

    /// The ends behind an id; `None` for [`NO_ENDS`].
    pub fn get(&self, id: EndsId) -> Option<&Ends> {
        self.list.get((id as usize).checked_sub(1)?)
    }
}

/// A few byte ranges on the sequence circle, merged where they touch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ranges {
    list: [(u32, u32); RANGES],
    used: u8,
    /// A range was dropped for want of room.
    pub full: bool,
}

impl Ranges {
    /// Adds `from..from+len`.
    #[inline]
    pub fn add(&mut self, from: u32, len: u32) {
        let to = from.wrapping_add(len);
        let used = usize::from(self.used);
        for i in 0..used {
            let (a, b) = self.list[i];
            // Touches or overlaps: its start lies not after our end, its end not before our start.
            if distance(a, to) >= 0 && distance(from, b) >= 0 {
                let start = if distance(a, from) < 0 { from } else { a };
                let end = if distance(b, to) > 0 { to } else { b };
                let start = if end.wrapping_sub(start) > REACH { end.wrapping_sub(REACH) } else { start };
                self.list.copy_within(i + 1..used, i);
                self.used -= 1;
                // What grew may now touch others: put it in again, with one fewer in the list.
                return self.add(start, end.wrapping_sub(start));
            }
        }
        if used == RANGES {
            self.list.copy_within(1.., 0);
            self.used -= 1;
            self.full = true;
        }
        self.list[usize::from(self.used)] = (from, to);
        self.used += 1;
    }

    /// True if all of `from..from+len` was added.
    pub fn holds(&self, from: u32, len: u32) -> bool {
        let to = from.wrapping_add(len);
        self.iter().any(|(a, b)| distance(a, from) >= 0 && distance(to, b) >= 0)
    }

    fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.list.iter().take(usize::from(self.used)).copied()
    }
}

/// Byte ranges that were sent again lately.
#[derive(Clone, Debug)]
pub struct Again {
    list: VecDeque<(u32, u32, Timestamp)>,
    /// Ranges sent before this moment may have been forgotten.
    blind_until: Timestamp,
}

impl Default for Again {
    fn default() -> Self {
        Self { list: VecDeque::new(), blind_until: Timestamp::MIN }
    }
}

impl Again {
    fn add(&mut self, from: u32, len: u32, at: Timestamp) {
        if self.list.len() >= JOIN_AGAIN
            && let Some(oldest) = self.list.pop_front()
        {
            self.blind_until = oldest.2;
        }
        self.list.push_back((from, from.wrapping_add(len), at));
    }

    /// True if some of `from..from+len`, first sent at `at`, was sent again, or may have been.
    pub fn meets(&self, from: u32, len: u32, at: Timestamp) -> bool {
        let to = from.wrapping_add(len);
        at < self.blind_until || self.list.iter().any(|&(a, b, _)| distance(a, to) > 0 && distance(from, b) > 0)
    }
}

/// One direction of a conversation at one point.
#[derive(Clone, Debug, Default)]
pub struct Direction {
    /// Its ends as this point sees them.
    pub ends: EndsId,
    /// Its ends with what other points know; what packets are counted under.
    pub known: EndsId,
    /// Largest payload of one frame.
    pub widest: u32,
    /// Size of the pieces that offload cuts, once known.
    pub piece: u32,
    /// Its bytes were found to be cut otherwise at another point.
    pub recut: bool,
    /// Segment size that this side announced in its SYN.
    pub mss: u16,
    /// Highest acknowledgment number that this side sent.
    pub acked: Option<u32>,
    /// Bytes that were sent again.
    pub again: Option<Box<Again>>,
    /// Bytes seen.
    pub seen: Ranges,
}

/// A conversation at another point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where.
    pub point: u8,
    /// Its id there.
    pub flow: FlowId,
    /// The other point takes the client for the server: it saw no SYN.
    pub turned: bool,
}

impl Peer {
    /// `side` as the other point calls it.
    pub fn side(&self, side: Side) -> Side {
        if self.turned { side.other() } else { side }
    }
}

/// A conversation at one point.
#[derive(Clone, Debug)]
pub struct FlowRecord {
    /// From the client, from the server.
    pub dirs: [Direction; 2],
    /// Segments carry time stamps (12 bytes of options in each).
    stamps: bool,
    /// How much later than here, in all, the client's packets were seen at other points than the server's: which way is up.
    pub lean: i64,
    /// Packets of each side that this was learned from.
    pub leaned: [u16; 2],
    /// The same conversation at other points, the first few.
    pub peers: [Option<Peer>; 4],
}

impl FlowRecord {
    /// Takes note of a packet and answers into which pieces its bytes are to be cut (their size).
    #[inline]
    pub fn note(&mut self, s: &Sighting) -> u32 {
        let side = s.side().index();
        self.stamps |= s.has(flag::STAMPS);
        if s.has(flag::ACK) {
            let acked = &mut self.dirs[side].acked;
            if acked.is_none_or(|old| distance(old, s.ack) > 0) {
                *acked = Some(s.ack);
            }
        }
        if s.mss > 0 {
            self.dirs[side].mss = s.mss;
        }
        if !s.has(flag::RANGE) {
            return s.len;
        }
        let limit = self.limit();
        let options = if self.stamps { 12 } else { 0 };
        let dir = &mut self.dirs[side];
        dir.seen.add(s.seq, s.len);
        if s.has(flag::RETRANSMITTED | flag::AMBIGUOUS) {
            dir.again.get_or_insert_default().add(s.seq, s.len, s.at);
        }
        if s.len > dir.widest {
            dir.widest = s.len;
        }
        if dir.piece == 0 && limit > options {
            // RFC 6691: the announced size counts no options.
            dir.piece = limit - options;
        }
        if dir.piece == 0 { s.len } else { dir.piece }
    }

    /// The most that a segment can hold, options included; 0 if unknown. Each side announces what its own link carries, so neither sends more than
    /// the smaller of both (RFC 9293 3.7.1).
    fn limit(&self) -> u32 {
        let [a, b] = [&self.dirs[0], &self.dirs[1]].map(|d| u32::from(d.mss));
        if a == 0 || b == 0 { a.max(b) } else { a.min(b) }
    }

    /// Learns that the bytes of `side` are cut into pieces of `size` on the way: a path may carry less than the ends announced.
    pub fn cut_into(&mut self, side: Side, size: u32) {
        let limit = self.limit();
        let dir = &mut self.dirs[side.index()];
        dir.recut = true;
        if limit == 0 || size <= limit {
            dir.piece = size;
        }
    }

    /// True if bytes of `side` that were sent at `at` were sent again, or may have been.
    pub fn sent_again(&self, side: Side, (from, len): (u32, u32), at: Timestamp) -> bool {
        self.dirs[side.index()].again.as_ref().is_some_and(|again| again.meets(from, len, at))
    }

    /// True if the receiver of `side`'s bytes acknowledged everything below `end`.
    pub fn acknowledged(&self, side: Side, end: u32) -> bool {
        self.dirs[side.other().index()].acked.is_some_and(|ack| distance(end, ack) >= 0)
    }

    /// True if the client is nearer to this point than to the others; `None` until a few packets each way have told.
    pub fn nearer(&self) -> Option<bool> {
        (self.leaned.iter().all(|&n| n >= 2)).then_some(self.lean >= 0)
    }

    /// Remembers which conversation this is at another point.
    pub fn meet(&mut self, peer: Peer) {
        let known = self.peers.iter().position(|p| p.is_none_or(|p| p.point == peer.point));
        if let Some(slot) = known {
            self.peers[slot] = Some(peer);
        }
    }

    /// The conversation at `point`.
    pub fn at(&self, point: usize) -> Option<Peer> {
        self.peers.iter().flatten().find(|p| usize::from(p.point) == point).copied()
    }
}

/// The conversations of one point, the latest ones: two generations, so that forgetting costs nothing per packet.
#[derive(Debug, Default)]
pub struct FlowBook {
    young: HashMap<u32, FlowRecord>,
    old: HashMap<u32, FlowRecord>,
    /// Sightings of conversations that were forgotten or never announced.
    pub unknown: u64,
}

impl FlowBook {
    /// Takes note of a new conversation or of corrected ends.
    pub fn announce(&mut self, note: &FlowNote, ends: &mut EndsBook) {
        let ids = [Side::Client, Side::Server].map(|side| ends.id(Ends::of(&note.key, side)));
        if let Some(record) = self.get(note.flow) {
            for (dir, id) in record.dirs.iter_mut().zip(ids) {
                dir.ends = id;
                dir.known = id;
            }
            return;
        }
        let dirs = ids.map(|id| Direction { ends: id, known: id, ..Direction::default() });
        self.insert(note.flow, FlowRecord { dirs, stamps: false, lean: 0, leaned: [0; 2], peers: [None; 4] });
    }

    /// The record of a conversation.
    #[inline]
    pub fn get(&mut self, flow: FlowId) -> Option<&mut FlowRecord> {
        if !self.young.contains_key(&flow.0) {
            let record = self.old.remove(&flow.0)?;
            self.insert(flow, record);
        }
        self.young.get_mut(&flow.0)
    }

    /// Remembers by how much a packet of `side` was seen later at another point than here (negative: earlier).
    pub fn lean(&mut self, flow: FlowId, side: Side, later: i64) {
        if let Some(record) = self.get(flow) {
            // One delay in a queue must not outweigh all others.
            let later = later.clamp(-NS_PER_MS, NS_PER_MS);
            let count = &mut record.leaned[side.index()];
            *count = count.saturating_add(1);
            record.lean = record.lean.saturating_add(if side == Side::Client { later } else { -later });
        }
    }

    /// The record of a conversation, without making it younger.
    pub fn peek(&self, flow: FlowId) -> Option<&FlowRecord> {
        self.young.get(&flow.0).or_else(|| self.old.get(&flow.0))
    }

    fn insert(&mut self, flow: FlowId, record: FlowRecord) {
        if self.young.len() >= JOIN_FLOWS / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(flow.0, record);
    }
}

/// Ends that name the sender as `first` sees it and the receiver as `last` does: what a path through a NAT is counted under.
pub fn across(book: &mut EndsBook, first: EndsId, last: EndsId) -> EndsId {
    if first == last {
        return first;
    }
    let (Some(a), Some(b)) = (book.get(first).copied(), book.get(last).copied()) else {
        return if first == NO_ENDS { last } else { first };
    };
    // The called port is the server's: known best at the point that is nearer to it.
    let (port, from) = if a.from == Side::Client { (b.port, b.from) } else { (a.port, a.from) };
    let known = book.id(Ends { proto: a.proto, src: a.src, dst: b.dst, port, from });
    for id in [first, last] {
        if id != known {
            let told = book.known.entry(id).or_insert(known);
            if *told != known {
                *told = NO_ENDS;
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_agree_with_a_set(parts in prop::collection::vec((0u32..60, 1u32..12), 1..14), from in 0u32..70, len in 1u32..8, base: u32) {
            let mut ranges = Ranges::default();
            let mut set = std::collections::BTreeSet::new();
            for &(a, n) in &parts {
                ranges.add(base.wrapping_add(a), n);
                set.extend(a..a + n);
            }
            prop_assume!(!ranges.full);
            prop_assert_eq!(ranges.holds(base.wrapping_add(from), len), (from..from + len).all(|b| set.contains(&b)));
        }
    }

    #[test]
    fn ranges_keep_the_newest_and_say_when_full() {
        let mut ranges = Ranges::default();
        (0..50u32).for_each(|i| ranges.add(i * 10, 5));
        assert!(ranges.full && ranges.holds(490, 5) && !ranges.holds(0, 5));
        let mut long = Ranges::default();
        (0..40_000u32).for_each(|i| long.add(i.wrapping_mul(1 << 17), 1 << 17));
        assert!(long.holds(40_000u32.wrapping_mul(1 << 17).wrapping_sub(1000), 1000) && !long.full);
    }
}
