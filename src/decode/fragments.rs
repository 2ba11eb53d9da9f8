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
        if datagram.is_complete()
            && let Some(datagram) = self.take(&key)
        {
            self.done.push_back((now, key));
            if self.done.len() > DONE {
                self.done.pop_front();
            }
            counters.reassembled += 1;
            return Added::Whole(Box::new(datagram.finish(true)));
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

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.slots.values().map(|d| d.bytes.len()).sum()
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::decode::{Decoded, Decoder, Transport};
    use crate::testkit::packet as kit;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 11));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 12));

    fn body(len: usize) -> Vec<u8> {
        kit::udp(5000, 5001, &(0..len).map(|n| n as u8).collect::<Vec<_>>())
    }

    /// `body` of protocol 17 in pieces of `step` bytes.
    fn pieces(header: kit::Ip, body: &[u8], step: usize) -> Vec<Vec<u8>> {
        let last = body.len().div_ceil(step) - 1;
        let part = |(n, part): (usize, &[u8])| {
            let header = kit::Ip { fragment: Some(((n * step) as u16, n != last)), ..header };
            kit::ip_frame(&header, 17, part)
        };
        body.chunks(step).enumerate().map(part).collect()
    }

    #[derive(Debug, PartialEq)]
    enum Seen {
        Held,
        Packet { transport: Transport, payload: Vec<u8>, payload_wire: u32, frames: u32, wire_len: u32, fragment: Option<(u16, bool)> },
    }

    fn seen(packet: &Packet<'_>) -> Seen {
        let Net::Ip(ip) = packet.net else { panic!("IP") };
        Seen::Packet {
            transport: packet.transport,
            payload: packet.payload.to_vec(),
            payload_wire: packet.payload_wire,
            frames: packet.frames,
            wire_len: packet.wire_len,
            fragment: ip.fragment,
        }
    }

    fn feed(decoder: &mut Decoder, bytes: &[u8], at: i64, snaplen: usize) -> Seen {
        match decoder.decode(&kit::cut(kit::frame(bytes, Timestamp(at)), snaplen)) {
            Decoded::Packet(packet) => seen(&packet),
            Decoded::Held => Seen::Held,
            Decoded::Undecoded(why) => panic!("{why}"),
        }
    }

    fn ports(seen: &Seen) -> Option<(u16, u16)> {
        match seen {
            Seen::Packet { transport: Transport::Udp { src, dst }, .. } => Some((*src, *dst)),
            _ => None,
        }
    }

    fn header() -> kit::Ip {
        kit::Ip { ident: 77, ..kit::Ip::new(A, B) }
    }

    #[test]
    fn any_order_gives_the_datagram() {
        let v6 = kit::Ip { ident: 77, ..kit::Ip::new("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()) };
        for header in [header(), v6] {
            let body = body(3000);
            let parts = pieces(header, &body, 1480);
            assert_eq!(parts.len(), 3);
            for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
                let mut decoder = Decoder::new();
                assert_eq!(feed(&mut decoder, &parts[order[0]], 1, 9999), Seen::Held);
                assert_eq!(feed(&mut decoder, &parts[order[1]], 2, 9999), Seen::Held);
                let whole = feed(&mut decoder, &parts[order[2]], 3, 9999);
                let expected = Seen::Packet {
                    transport: Transport::Udp { src: 5000, dst: 5001 },
                    payload: body[8..].to_vec(),
                    payload_wire: 3000,
                    frames: 3,
                    wire_len: parts.iter().map(|p| p.len() as u32).sum(),
                    fragment: None,
                };
                assert_eq!(whole, expected, "{order:?}");
                assert_eq!((decoder.counters().fragments, decoder.counters().reassembled), (3, 1));
                assert!(decoder.release(Timestamp::MAX).is_none());
            }
        }
    }

    #[test]
    fn snap_length_leaves_the_known_start() {
        let mut decoder = Decoder::new();
        let parts = pieces(header(), &body(3000), 1480);
        feed(&mut decoder, &parts[0], 1, 96);
        feed(&mut decoder, &parts[1], 2, 96);
        let Seen::Packet { payload, payload_wire, .. } = feed(&mut decoder, &parts[2], 3, 96) else { panic!("whole") };
        assert_eq!((payload, payload_wire), (body(96 - 14 - 20 - 8)[8..].to_vec(), 3000));
    }

    #[test]
    fn a_lost_fragment_leaves_a_packet_with_ports() {
        let mut decoder = Decoder::new();
        let parts = pieces(header(), &body(3000), 1480);
        feed(&mut decoder, &parts[0], 1, 9999);
        feed(&mut decoder, &parts[2], 2, 9999);
        assert!(decoder.release(Timestamp(FRAGMENT_WAIT_NS)).is_none());
        let late = seen(&decoder.release(Timestamp(FRAGMENT_WAIT_NS + 2)).expect("given up"));
        assert_eq!(ports(&late), Some((5000, 5001)));
        let Seen::Packet { payload, payload_wire, frames, fragment, .. } = late else { panic!("packet") };
        assert_eq!((payload.len(), payload_wire, frames, fragment), (1472, 1472 + 48, 2, Some((0, true))));
        assert_eq!(decoder.counters().incomplete, 1);
        // Without the first fragment nobody knows the ports.
        feed(&mut decoder, &parts[1], 3, 9999);
        let late = seen(&decoder.release(Timestamp::MAX).expect("given up"));
        let Seen::Packet { transport, payload_wire, fragment, .. } = late else { panic!("packet") };
        assert_eq!((transport, payload_wire, fragment), (Transport::Other, 1480, Some((1480, true))));
    }

    #[test]
    fn copies_are_counted_and_held() {
        let mut decoder = Decoder::new();
        let parts = pieces(header(), &body(2000), 1480);
        feed(&mut decoder, &parts[0], 1, 9999);
        assert_eq!(feed(&mut decoder, &parts[0], 2, 9999), Seen::Held);
        assert!(ports(&feed(&mut decoder, &parts[1], 3, 9999)).is_some());
        assert_eq!(feed(&mut decoder, &parts[1], 4, 9999), Seen::Held);
        assert_eq!(decoder.counters().fragment_repeats, 2);
        assert!(decoder.release(Timestamp::MAX).is_none());
    }

    #[test]
    fn what_came_first_stays() {
        let mut decoder = Decoder::new();
        let part = |offset, more, fill, len| kit::ip_frame(&kit::Ip { fragment: Some((offset, more)), ..header() }, 17, &vec![fill; len]);
        feed(&mut decoder, &part(8, true, 1, 16), 1, 9999);
        feed(&mut decoder, &part(16, false, 2, 16), 2, 9999);
        let datagram = kit::udp(5000, 5001, &[3; 24]);
        let first = kit::ip_frame(&kit::Ip { fragment: Some((0, true)), ..header() }, 17, &datagram[..16]);
        let Seen::Packet { payload, .. } = feed(&mut decoder, &first, 3, 9999) else { panic!("whole") };
        assert_eq!(payload, [[1; 8], [1; 8], [2; 8]].concat());
        assert_eq!(decoder.counters().fragment_overlaps, 2);
    }

    #[test]
    fn an_identification_that_comes_round_starts_anew() {
        let mut decoder = Decoder::new();
        let old = pieces(header(), &body(2000), 1480);
        let new = pieces(header(), &kit::udp(6000, 6001, &[9; 2000]), 1480);
        feed(&mut decoder, &old[0], 1, 9999);
        assert_eq!(feed(&mut decoder, &new[0], 80_000_000, 9999), Seen::Held);
        assert_eq!(ports(&feed(&mut decoder, &new[1], 80_000_001, 9999)), Some((6000, 6001)));
        let late = seen(&decoder.release(Timestamp(80_000_002)).expect("the old one"));
        assert_eq!(ports(&late), Some((5000, 5001)));
        assert!(decoder.release(Timestamp::MAX).is_none());
    }

    #[test]
    fn interfaces_are_put_together_apart() {
        let mut decoder = Decoder::new();
        let parts = pieces(header(), &body(2000), 1480);
        let mut packets = 0;
        for part in &parts {
            for interface in 0..2 {
                let frame = crate::capture::Frame { interface, ..kit::frame(part, Timestamp(1)) };
                packets += usize::from(matches!(decoder.decode(&frame), Decoded::Packet(_)));
            }
        }
        assert_eq!((packets, decoder.counters().fragment_repeats), (2, 0));
    }

    #[test]
    fn a_fragmented_tunnel_is_looked_into() {
        let inner = kit::ip_frame(&kit::Ip::new(B, A), 17, &body(1450));
        let outer = kit::udp(50000, 4789, &kit::vxlan(5, &inner));
        let mut decoder = Decoder::new();
        let parts = pieces(header(), &outer, 1480);
        assert_eq!(feed(&mut decoder, &parts[0], 1, 9999), Seen::Held);
        let whole = feed(&mut decoder, &parts[1], 2, 9999);
        assert_eq!(ports(&whole), Some((5000, 5001)));
        let Seen::Packet { frames, payload, .. } = whole else { panic!("whole") };
        assert_eq!((frames, payload), (2, body(1450)[8..].to_vec()));
    }

    #[test]
    fn nonsense_stands_alone() {
        let mut decoder = Decoder::new();
        let beyond = kit::ip_frame(&kit::Ip { fragment: Some((65_528, false)), ..header() }, 17, &[0; 100]);
        assert!(matches!(feed(&mut decoder, &beyond, 1, 9999), Seen::Packet { .. }));
        let empty = kit::ip_frame(&kit::Ip { fragment: Some((0, true)), ..header() }, 17, &[]);
        assert!(matches!(feed(&mut decoder, &empty, 1, 9999), Seen::Packet { .. }));
        assert_eq!(decoder.counters().fragment_nonsense, 2);
    }

    #[test]
    fn bounds_hold_and_nothing_vanishes() {
        let mut decoder = Decoder::new();
        let (mut held, mut packets) = (0u32, 0u32);
        for n in 0..5000u32 {
            let ip = kit::Ip { ident: n & 0xffff, fragment: Some((60_000, true)), ..header() };
            match feed(&mut decoder, &kit::ip_frame(&ip, 17, &[1; 1200]), i64::from(n), 9999) {
                Seen::Held => held += 1,
                Seen::Packet { .. } => packets += 1,
            }
        }
        assert!(decoder.fragments_held() <= FRAGMENT_BYTES);
        while decoder.release(Timestamp::MAX).is_some() {
            held -= 1;
        }
        assert_eq!((held, u64::from(packets)), (0, decoder.counters().fragment_table_full));
        assert!(packets > 0);
    }

    #[test]
    fn asked_often_it_never_fills() {
        let mut decoder = Decoder::new();
        for n in 0..5000u32 {
            let ip = kit::Ip { ident: n & 0xffff, fragment: Some((0, true)), ..header() };
            feed(&mut decoder, &kit::ip_frame(&ip, 17, &[1; 1200]), i64::from(n), 9999);
            while decoder.release(Timestamp(i64::from(n))).is_some() {}
        }
        assert_eq!(decoder.counters().fragment_table_full, 0);
    }
}
