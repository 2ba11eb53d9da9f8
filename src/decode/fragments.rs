//! IP fragments put together again (RFC 791 3.2, RFC 8200 4.5).
//!
//! Bounds: datagrams, bytes, pieces and time, all in [`crate::base::limits`]. A fragment that finds no room is not kept: it is a packet of
//! its own, and counted. Overlaps: what came first stays (RFC 5722 would discard the datagram; a capture must still account for
//! its frames). A datagram is known by its addresses, identification and protocol, and by where it was seen: copies on other
//! interfaces are put together on their own, so that they can be told as copies later.

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::HashMap;

use super::span::Span;
use super::{Counters, Ip, Net, Packet, SllType, TunnelKind};
use crate::base::limits::{FRAGMENT_BYTES, FRAGMENT_DATAGRAMS, FRAGMENT_PIECES, FRAGMENT_WAIT_NS};
use crate::base::net::Mac;
use crate::base::time::{Nanos, Timestamp};

/// A datagram holds at most this many bytes behind its IP header.
const DATAGRAM_BYTES: u32 = 65_535;
/// The same first fragment after this time belongs to a later datagram with the same identification; before it, it is a copy.
const REPEAT_NS: i64 = 10_000_000;
/// Completed datagrams whose late copies are still known.
const DONE: usize = 64;
/// Buffers kept for use again.
const SPARE: usize = 16;

/// What became of a fragment.
pub(super) enum Added {
    /// Kept, or a copy of one that was.
    Held,
    /// It completed its datagram.
    Whole(Box<Whole>),
    /// There is no room for it: take it as it is.
    Alone,
}

/// A datagram, complete or given up.
#[derive(Debug)]
pub(super) struct Whole {
    /// All that was known before the transport header; lengths, time and frames are those of the whole.
    pub packet: Packet<'static>,
    /// The IP header of the whole.
    pub ip: Ip,
    /// Captured bytes from its start to the first hole.
    pub bytes: Vec<u8>,
    /// Bytes behind the IP header that were on the wire.
    pub wire: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    ident: u32,
    /// 0 for IPv6, where fragments need not agree on it (RFC 8200 4.5).
    proto: u8,
    interface: (u16, u32, Option<SllType>),
    mac: Option<Mac>,
    vlan: Option<u16>,
    tunnel: Option<(TunnelKind, u32)>,
}

/// A stretch of the datagram that has come: `start..end` on the wire, captured up to `captured`.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u32,
    end: u32,
    captured: u32,
}

#[derive(Debug)]
struct Datagram {
    packet: Packet<'static>,
    ip: Ip,
    /// Length of IP header and extensions, as the first fragment has them.
    header_len: u32,
    /// When the first of all its fragments came, and the one with offset 0.
    since: Timestamp,
    start_at: Option<Timestamp>,
    bytes: Vec<u8>,
    /// Disjoint and in order.
    pieces: Vec<Piece>,
    total: Option<u32>,
}

/// All datagrams that wait for fragments.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    slots: HashMap<Key, Datagram>,
    /// Keys by age. A key that was completed, or began again, is skipped when its time does not agree.
    ages: VecDeque<(Timestamp, Key)>,
    done: VecDeque<(Timestamp, Key)>,
    /// Given up for a later one with the same key; waiting to be asked for.
    overtaken: VecDeque<Whole>,
    held_bytes: usize,
    spare: Vec<Vec<u8>>,
    uncovered: Vec<(u32, u32)>,
}

impl Fragments {
    /// Adds one fragment; `packet` holds what is known below IP, `body` what lies behind the IP header.
    pub fn add(&mut self, packet: &Packet<'static>, ip: &Ip, body: Span<'_>, counters: &mut Counters) -> Added {
        counters.fragments += 1;
        let Some((offset, more)) = ip.fragment else { return Added::Alone };
        let start = u32::from(offset);
        let end = match start.checked_add(body.wire) {
            Some(end) if end > start && end <= DATAGRAM_BYTES => end,
            _ => {
                counters.fragment_nonsense += 1;
                return Added::Alone;
            }
        };
        let key = Key {
            src: ip.src,
            dst: ip.dst,
            ident: ip.ident,
            proto: if ip.src.is_ipv6() { 0 } else { ip.proto },
            interface: (packet.link.interface, packet.link.if_index, packet.link.sll),
            mac: packet.link.src,
            vlan: packet.link.vlan,
            tunnel: packet.tunnel.map(|t| (t.kind, t.id)),
        };
        let now = packet.at;
        if start != 0 && !self.slots.contains_key(&key) && self.was_done(&key, now) {
            counters.fragment_repeats += 1;
            return Added::Held;
        }
        if start == 0 && self.slots.get(&key).and_then(|d| d.start_at).is_some_and(|first| now - first > Nanos(REPEAT_NS)) {
            // The identification came round: what waits under it will not get its rest.
            counters.incomplete += 1;
            if let Some(old) = self.take(&key).map(|d| d.finish(false)) {
                match self.overtaken.len() < SPARE {
                    true => self.overtaken.push_back(old),
                    false => counters.fragments_dropped += u64::from(old.packet.frames),
                }
            }
        }
        if !self.room_for(&key, body.bytes.len(), start) {
            counters.fragment_table_full += 1;
            return Added::Alone;
        }
        let datagram = match self.slots.entry(key) {
            hashbrown::hash_map::Entry::Occupied(slot) => slot.into_mut(),
            hashbrown::hash_map::Entry::Vacant(slot) => {
                self.ages.push_back((now, key));
                slot.insert(Datagram {
                    packet: Packet { wire_len: 0, frames: 0, ..packet.clone() },
                    ip: *ip,
                    header_len: ip.total_len.saturating_sub(body.wire),
                    since: now,
                    start_at: None,
                    bytes: self.spare.pop().unwrap_or_default(),
                    pieces: Vec::new(),
                    total: None,
                })
            }
        };
        if datagram.pieces.len() >= FRAGMENT_PIECES {
            counters.fragment_table_full += 1;
            return Added::Alone;
        }
        if start == 0 && datagram.start_at.is_none() {
            datagram.start_at = Some(now);
            datagram.packet.link = packet.link;
            datagram.packet.tunnel = packet.tunnel;
            datagram.ip = *ip;
            datagram.header_len = ip.total_len.saturating_sub(body.wire);
        }
        let before = datagram.bytes.len();
        if datagram.cover(start, end, body.bytes, &mut self.uncovered, counters) {
            datagram.packet.at = now;
            datagram.packet.place = packet.place;
            datagram.packet.wire_len = datagram.packet.wire_len.saturating_add(packet.wire_len);
            datagram.packet.frames += 1;
        }
        self.held_bytes += datagram.bytes.len() - before;
        if !more && datagram.total.is_none() && datagram.pieces.last().is_none_or(|last| last.end <= end) {
            datagram.total = Some(end);
        }
        if datagram.is_complete() {
            if let Some(datagram) = self.take(&key) {
                self.done.push_back((now, key));
                if self.done.len() > DONE {
                    self.done.pop_front();
                }
                counters.reassembled += 1;
                return Added::Whole(Box::new(datagram.finish(true)));
            }
        }
        Added::Held
    }

    /// The oldest datagram, if it waited too long or too many wait.
    pub fn give_up(&mut self, now: Timestamp, counters: &mut Counters) -> Option<Whole> {
        if let Some(old) = self.overtaken.pop_front() {
            return Some(old);
        }
        loop {
            let (since, key) = *self.ages.front()?;
            let stale = self.slots.get(&key).is_none_or(|d| d.since != since);
            let crowded = self.slots.len() > FRAGMENT_DATAGRAMS / 8 * 7 || self.held_bytes > FRAGMENT_BYTES / 8 * 7;
            if !stale && !crowded && now - since <= Nanos(FRAGMENT_WAIT_NS) {
                return None;
            }
            self.ages.pop_front();
            if !stale {
                counters.incomplete += 1;
                return self.take(&key).map(|d| d.finish(false));
            }
        }
    }

    /// Takes a buffer back.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    fn take(&mut self, key: &Key) -> Option<Datagram> {
        let datagram = self.slots.remove(key)?;
        self.held_bytes = self.held_bytes.saturating_sub(datagram.bytes.len());
        Some(datagram)
    }

    fn was_done(&self, key: &Key, now: Timestamp) -> bool {
        self.done.iter().rev().any(|(at, done)| done == key && now - *at <= Nanos(REPEAT_NS))
    }

    fn room_for(&self, key: &Key, captured: usize, start: u32) -> bool {
        // Stale ages are few unless nobody asks for what is given up; they are bounded like the datagrams.
        let slots = self.slots.contains_key(key) || (self.slots.len() < FRAGMENT_DATAGRAMS && self.ages.len() < 4 * FRAGMENT_DATAGRAMS);
        slots && self.held_bytes + start as usize + captured <= FRAGMENT_BYTES
    }
}

impl Datagram {
    /// Enters `start..end`, of which `captured` is known, where nothing came before. False if all of it had.
    fn cover(&mut self, start: u32, end: u32, captured: &[u8], uncovered: &mut Vec<(u32, u32)>, counters: &mut Counters) -> bool {
        uncovered.clear();
        let limit = self.total.map_or(end, |total| end.min(total));
        let mut from = start;
        for piece in &self.pieces {
            if piece.end <= from {
                continue;
            }
            if piece.start >= limit {
                break;
            }
            if piece.start > from {
                uncovered.push((from, piece.start));
            }
            from = piece.end;
        }
        if from < limit {
            uncovered.push((from, limit));
        }
        match uncovered[..] {
            [] => {
                counters.fragment_repeats += 1;
                return false;
            }
            [(a, b)] if (a, b) == (start, end) => {}
            _ => counters.fragment_overlaps += 1,
        }
        for &(a, b) in uncovered.iter() {
            let skip = (a - start) as usize;
            let known = captured.get(skip..captured.len().min((b - start) as usize)).unwrap_or(&[]);
            let to = a as usize + known.len();
            if !known.is_empty() {
                if self.bytes.len() < to {
                    self.bytes.resize(to, 0);
                }
                self.bytes[a as usize..to].copy_from_slice(known);
            }
            let place = self.pieces.partition_point(|p| p.start < a);
            self.pieces.insert(place, Piece { start: a, end: b, captured: to as u32 });
        }
        true
    }

    fn is_complete(&self) -> bool {
        self.total.is_some_and(|total| self.covered() >= total)
    }

    fn covered(&self) -> u32 {
        self.pieces.iter().map(|p| p.end - p.start).sum()
    }

    fn finish(mut self, complete: bool) -> Whole {
        let mut known = 0;
        for piece in &self.pieces {
            if piece.start != known {
                break;
            }
            known = piece.captured;
            if piece.captured != piece.end {
                break;
            }
        }
        self.bytes.truncate(known as usize);
        let wire = self.covered();
        self.ip.fragment = match complete {
            true => None,
            false => Some((self.pieces.first().map_or(0, |p| p.start as u16), true)),
        };
        self.ip.total_len = self.header_len.saturating_add(wire);
        self.packet.net = Net::Ip(self.ip);
        Whole { packet: self.packet, ip: self.ip, bytes: self.bytes, wire }
    }
}
