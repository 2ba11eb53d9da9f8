//! What each TCP segment is: new, an acknowledgment, sent again, late, a probe. RFC 9293 throughout.
//!
//! A capture point stands somewhere between the two ends. Of each direction it keeps the highest sequence number seen (`nxt`), the ranges
//! below it that were not seen ([`Holes`]) and the highest acknowledgment of the peer (`una`). A segment above `nxt` is new. One that fills a
//! hole is late or was sent again: [`late`] says which. One whose bytes were all seen was sent again, unless it may be one packet seen twice.
//!
//! Does not check windows or checksums, and does not follow the ends' state machines: what is on the wire counts.

mod counts;
mod flight;
mod half;
mod holes;
mod late;
mod open;

pub use counts::{RTO_SILENCE_NS, TcpCounts};
pub(super) use flight::Hangar;
pub(super) use open::Opening;

use half::{Half, Rare};

use super::rtt::{Rtt, RttSummary};
use super::shared::Shared;
use super::streams::Streams;
use super::{EndOfStream, Observation, Verdict};
use crate::base::anomaly::Place;
use crate::base::limits::{HOLES, HOLES_TOTAL};
use crate::base::net::Side;
use crate::base::seq::distance;
use crate::decode::{self, Packet};

/// The largest window is 2^30 bytes (RFC 7323 2.2): what lies further off belongs to no window.
const PLAUSIBLE: i64 = 1 << 30;
/// Segments in a row without a place in the sequence after which another conversation is assumed to have taken the ports.
const STRAYS: u8 = 3;

/// State of one TCP conversation.
#[derive(Debug, Default)]
pub(super) struct Tcp {
    sides: [Half; 2],
    rare: [Option<Box<Rare>>; 2],
    /// By the far end.
    rtt: Option<Box<[Rtt; 2]>>,
    pub streams: Option<Box<Streams>>,
    /// Nothing is to be told of its bytes any more.
    pub deaf: bool,
    pub closed: Option<EndOfStream>,
}

/// One segment to be judged.
#[derive(Clone, Copy)]
struct Segment<'a> {
    tcp: &'a decode::Tcp,
    at: i64,
    place: Place,
    ident: u16,
    /// Payload on the wire.
    len: u32,
    payload: &'a [u8],
    /// Offset of its first sequence number in its direction, and of the one behind its last.
    start: i64,
    end: i64,
}

impl Segment<'_> {
    fn has(&self, flags: u8) -> bool {
        self.tcp.has(flags)
    }

    /// Offsets of the payload. A SYN comes before it.
    fn payload(&self) -> std::ops::Range<i64> {
        let start = self.start + i64::from(self.has(decode::Tcp::SYN));
        start..start + i64::from(self.len)
    }

    fn stamp(&self) -> Option<u32> {
        self.tcp.timestamps.map(|(val, _)| val)
    }
}

impl Tcp {
    /// Judges a segment of `from` in a conversation whose first packet came at `born`. Gives the offset of its first sequence number,
    /// `None` if it has no place in the sequence.
    #[inline]
    pub fn segment(
        &mut self,
        from: Side,
        packet: &Packet<'_>,
        tcp: &decode::Tcp,
        born: i64,
        shared: &mut Shared,
        seen: &mut Observation,
    ) -> Option<i64> {
        let (syn, fin) = (tcp.has(decode::Tcp::SYN), tcp.has(decode::Tcp::FIN));
        let me = &mut self.sides[from.index()];
        if tcp.has(decode::Tcp::RST) {
            return self.reset(from, packet.at.0, tcp, shared, seen);
        }
        if !me.seen {
            me.begin(tcp.seq);
        }
        let ahead = i64::from(distance(me.nxt, tcp.seq));
        let len = packet.payload_wire;
        let start = me.sent + ahead;
        let segment = Segment {
            tcp,
            at: packet.at.0,
            place: packet.place,
            ident: ident_of(packet),
            len,
            payload: packet.payload,
            start,
            end: start + i64::from(len) + i64::from(syn) + i64::from(fin),
        };
        let occupies = segment.end > start;
        if ahead.abs() > PLAUSIBLE || (me.syn && start < 0) {
            return self.stray(from, occupies, seen);
        }
        me.strays = 0;
        seen.verdict = if occupies { Verdict::New } else { Verdict::Ack };
        if ahead > 0 {
            seen.gap_before = self.pass_over(from, &segment, shared);
        }
        // RFC 9293 3.8.4: a keep-alive repeats the number below the next one, with or without a byte.
        let probe = ahead == -1 && len <= 1 && !syn && !fin && self.is_at_rest(from, len);
        if probe {
            seen.verdict = self.probe(from, len, seen);
        } else if ahead == 0 && len == 1 && !syn && !fin && self.window_is_closed(from.other()) {
            // RFC 9293 3.8.6.1: new data against a closed window. Whether the peer takes it, its next ACK says.
            seen.verdict = self.probe(from, len, seen);
            rare_of(&mut self.rare[from.index()]).probed = true;
        } else if occupies && ahead >= 0 {
            self.advance(from, &segment, shared, Verdict::New);
        } else if occupies {
            self.old(from, &segment, born, shared, seen);
        }
        if occupies {
            let me = &mut self.sides[from.index()];
            me.at = segment.at;
            me.data_segments += u64::from(len > 0);
            me.fin |= fin;
            me.syn |= syn;
            if syn {
                me.shift = tcp.window_scale;
            }
        }
        self.acknowledgment(from, &segment, ahead == 0 && !occupies, shared, seen);
        if seen.verdict != Verdict::Reordered {
            self.sides[from.index()].remember(&segment);
        }
        Some(start)
    }

    /// `side` has nothing outstanding and has not said that it is done.
    #[inline]
    fn is_at_rest(&self, side: Side, len: u32) -> bool {
        let half = &self.sides[side.index()];
        !half.fin && if half.acked { half.una == half.nxt } else { len == 0 }
    }

    #[inline]
    fn window_is_closed(&self, side: Side) -> bool {
        let half = &self.sides[side.index()];
        half.heard && half.window == 0
    }

    #[cold]
    fn probe(&mut self, from: Side, len: u32, seen: &mut Observation) -> Verdict {
        let closed = self.window_is_closed(from.other());
        let counts = &mut rare_of(&mut self.rare[from.index()]).counts;
        counts.repeated_bytes += u64::from(len);
        seen.goodput = 0;
        if closed {
            counts.window_probes = counts.window_probes.saturating_add(1);
            Verdict::ZeroWindowProbe
        } else {
            counts.keep_alives = counts.keep_alives.saturating_add(1);
            Verdict::KeepAlive
        }
    }

    /// In order, or beyond a hole.
    #[inline]
    fn advance(&mut self, from: Side, segment: &Segment<'_>, shared: &mut Shared, verdict: Verdict) {
        let me = &mut self.sides[from.index()];
        if segment.end <= me.sent {
            return;
        }
        let end = me.nxt.wrapping_add((segment.end - me.sent) as u32);
        if me.acked && distance(me.nxt, me.una) > 0 {
            // Its ACK came first: captures with several interfaces may say so.
            let acked = (distance(me.nxt, me.una) as u64).min((segment.end - me.sent) as u64);
            let counts = &mut rare_of(&mut self.rare[from.index()]).counts;
            counts.acked_unseen_bytes = counts.acked_unseen_bytes.saturating_sub(acked);
        } else if verdict == Verdict::New && self.closed.is_none() {
            if me.is_one_way() {
                shared.hangar.retire(&mut me.flight);
            } else {
                let sent = flight::Sent {
                    start: me.nxt,
                    end,
                    at: segment.at,
                    print: flight::print_of(segment.payload),
                    ident: segment.ident,
                    syn: segment.has(decode::Tcp::SYN),
                    tainted: false,
                };
                shared.hangar.push(&mut me.flight, sent);
            }
        }
        me.nxt = end;
        me.sent = segment.end;
    }

    /// Data that begins below what was seen already.
    #[cold]
    fn old(&mut self, from: Side, segment: &Segment<'_>, born: i64, shared: &mut Shared, seen: &mut Observation) {
        let d = from.index();
        let far_rtt = self.rtt_min(from.other());
        let asked = self.sides[from.other().index()].duplicate_run;
        let una = self.sides[d].una_offset();
        let me = &mut self.sides[d];
        let rare = rare_of(&mut self.rare[d]);
        let (start, end) = (segment.start, segment.end.min(me.sent));
        let unseen = rare.unseen(start, end);
        let whole_unseen = unseen == (end - start) as u64;
        let payload = segment.payload();
        let new = rare.unseen(payload.start, payload.end.min(me.sent)) + (payload.end - me.sent.max(payload.start)).max(0) as u64;
        let end_seq = segment.tcp.seq.wrapping_add((segment.end - segment.start) as u32);
        let verdict = if unseen == 0 {
            let first = flight::taint(&mut me.flight, segment.tcp.seq, end_seq);
            if first.is_some_and(|f| f.differs(segment.tcp.seq, end_seq, flight::print_of(segment.payload))) {
                shared.anomalies.note("tcp_retransmission_differs", segment.place);
            }
            if segment.end <= me.sent && me.may_be_one_packet(segment, first.as_ref(), far_rtt, asked) {
                Verdict::Ambiguous
            } else {
                Verdict::Retransmitted
            }
        } else {
            flight::taint_after(&mut me.flight, end_seq);
            // Below the first number seen: that segment is what revealed it.
            let (at, ts, around) = rare.holes.touching(&(start..end)).map_or((born, me.stamp(), (0, 0)), |h| (h.at, h.ts, h.idents));
            let evidence = late::Evidence {
                stamps: segment.stamp().zip(ts),
                ident: segment.ident,
                around,
                newest: me.ident,
                elapsed: segment.at.saturating_sub(at),
                far_rtt,
                asked_for: asked > 0,
            };
            if !whole_unseen || late::sent_again(&evidence) { Verdict::Retransmitted } else { Verdict::Reordered }
        };
        if unseen > 0 {
            let acked = una.map_or(0, |una| rare.holes.bytes_in(&(start..end.min(una))));
            let (holes, filled) = (rare.holes.len(), rare.holes.bytes_in(&(start..end)));
            rare.counts.acked_unseen_bytes = rare.counts.acked_unseen_bytes.saturating_sub(acked);
            rare.counts.gap_bytes = rare.counts.gap_bytes.saturating_sub(filled);
            rare.holes.fill(&(start..end));
            if start < rare.low {
                rare.reach_down(start, end, born);
            }
            // A segment in the middle of a hole makes two of it.
            if rare.holes.len() > HOLES || shared.holes >= HOLES_TOTAL {
                shared.anomalies.note("tcp_holes_forgotten", segment.place);
                rare.holes.forget_oldest();
            }
            shared.holes = (shared.holes + rare.holes.len()).saturating_sub(holes);
        }
        let repeated = u64::from(segment.len).saturating_sub(new);
        rare.counts.repeated_bytes += repeated;
        seen.goodput = segment.len - repeated as u32;
        seen.verdict = verdict;
        match verdict {
            Verdict::Retransmitted => {
                rare.counts.retransmitted = rare.counts.retransmitted.saturating_add(1);
                rare.counts.retransmitted_bytes += u64::from(segment.len);
                if unseen > 0 && whole_unseen {
                    rare.counts.retransmitted_unseen = rare.counts.retransmitted_unseen.saturating_add(1);
                }
                let newest = me.stamp();
                rare.again = segment.stamp().filter(|&s| newest.is_none_or(|n| distance(n, s) > 0)).map(|s| (s, segment.at));
                let silence = segment.at.saturating_sub(me.at);
                if silence >= RTO_SILENCE_NS && asked < 3 {
                    rare.counts.timeouts = rare.counts.timeouts.saturating_add(1);
                    rare.counts.longest_timeout = rare.counts.longest_timeout.max(silence);
                }
            }
            Verdict::Reordered => rare.counts.reordered = rare.counts.reordered.saturating_add(1),
            _ => rare.counts.ambiguous = rare.counts.ambiguous.saturating_add(1),
        }
        self.advance(from, segment, shared, verdict);
    }

    /// Sequence numbers were passed over: how many.
    #[cold]
    fn pass_over(&mut self, from: Side, segment: &Segment<'_>, shared: &mut Shared) -> u32 {
        let me = &mut self.sides[from.index()];
        let rare = rare_of(&mut self.rare[from.index()]);
        let (sent, ident) = (me.sent, me.ident);
        me.sent = segment.start;
        me.nxt = segment.tcp.seq;
        if segment.start - sent == 1 && rare.take_probed() {
            return 0;
        }
        if rare.holes.len() >= HOLES || shared.holes >= HOLES_TOTAL {
            shared.anomalies.note("tcp_holes_forgotten", segment.place);
            shared.holes -= usize::from(rare.holes.len() > 0);
            rare.holes.forget_oldest();
        }
        if shared.holes < HOLES_TOTAL {
            let idents = (ident, segment.ident);
            rare.holes.push(holes::Hole { start: sent, end: segment.start, at: segment.at, ts: segment.stamp(), idents });
            shared.holes += 1;
        }
        let missing = (segment.start - sent) as u64;
        rare.counts.gap_events = rare.counts.gap_events.saturating_add(1);
        rare.counts.gap_bytes = rare.counts.gap_bytes.saturating_add(missing);
        u32::try_from(missing).unwrap_or(u32::MAX)
    }

    /// The peer of `side` acknowledged from `old` up to its `una`: what of that was never seen?
    #[cold]
    fn acked_unseen(&mut self, side: Side, old: u32) {
        let half = &mut self.sides[side.index()];
        if !half.seen {
            let counts = &mut rare_of(&mut self.rare[side.index()]).counts;
            counts.acked_unseen_bytes = counts.acked_unseen_bytes.saturating_add(distance(old, half.una) as u64);
            return;
        }
        let rare = rare_of(&mut self.rare[side.index()]);
        if distance(half.nxt, half.una) == 1 && rare.take_probed() {
            half.nxt = half.una;
            half.sent += 1;
            return;
        }
        let from = half.sent + i64::from(distance(half.nxt, old));
        let to = half.sent + i64::from(distance(half.nxt, half.una));
        let unseen = rare.holes.bytes_in(&(from..to.min(half.sent))) + (to - from.max(half.sent)).max(0) as u64;
        rare.counts.acked_unseen_bytes = rare.counts.acked_unseen_bytes.saturating_add(unseen);
    }

    /// What the segment acknowledges, and what it says of the window.
    #[inline]
    fn acknowledgment(&mut self, from: Side, segment: &Segment<'_>, bare: bool, shared: &mut Shared, seen: &mut Observation) {
        let tcp = segment.tcp;
        if !tcp.has(decode::Tcp::ACK) {
            return;
        }
        let [me, peer] = both(&mut self.sides, from);
        if !peer.acked {
            peer.acked = true;
            peer.una = if peer.seen { peer.nxt.wrapping_sub(peer.sent as u32) } else { tcp.ack };
            if distance(peer.una, tcp.ack) < 0 {
                peer.una = tcp.ack;
            }
        }
        let news = i64::from(distance(peer.una, tcp.ack));
        if news > 0 && news <= PLAUSIBLE {
            me.duplicate_run = 0;
            let holes = self.rare[from.other().index()].as_ref().is_some_and(|r| r.holes.len() > 0);
            let unseen = holes || !peer.seen || distance(peer.nxt, tcp.ack) > 0;
            let acked = shared.hangar.acknowledge(&mut peer.flight, tcp.ack);
            let old = std::mem::replace(&mut peer.una, tcp.ack);
            if unseen {
                self.acked_unseen(from.other(), old);
            }
            self.sample(from, segment, acked, seen);
            self.close_if_done(from, shared);
        } else if news == 0
            && bare
            && seen.verdict == Verdict::Ack
            && me.heard
            && me.window == tcp.window
            && tcp.window != 0
            && peer.seen
            && distance(tcp.ack, peer.nxt) > 0
        {
            // RFC 5681 section 2: data outstanding, no data, no SYN or FIN, the highest ACK again, the window unchanged. One that closes the
            // window again answers a probe and says nothing of a loss; Wireshark takes it so too.
            seen.verdict = Verdict::DuplicateAck;
            me.duplicate_run = me.duplicate_run.saturating_add(1);
            let counts = &mut rare_of(&mut self.rare[from.index()]).counts;
            counts.duplicate_acks = counts.duplicate_acks.saturating_add(1);
        }
        if tcp.sack_count > 0 && is_d_sack(tcp) {
            let counts = &mut rare_of(&mut self.rare[from.other().index()]).counts;
            counts.received_twice = counts.received_twice.saturating_add(1);
        }
        if tcp.window == 0 && !tcp.has(decode::Tcp::SYN | decode::Tcp::FIN | decode::Tcp::RST) {
            let counts = &mut rare_of(&mut self.rare[from.index()]).counts;
            counts.zero_window = counts.zero_window.saturating_add(1);
        }
        if !tcp.has(decode::Tcp::RST) {
            let me = &mut self.sides[from.index()];
            me.window = tcp.window;
            me.heard = true;
        }
    }

    /// A round trip, if the ACK measures one.
    #[inline]
    fn sample(&mut self, from: Side, segment: &Segment<'_>, acked: flight::Acked, seen: &mut Observation) {
        let sent_at = match acked.sent_at {
            Some(at) => at,
            None if acked.tainted => {
                // RFC 7323 4.1: the echoed stamp says which transmission is acknowledged.
                let echoed = segment.tcp.timestamps.map(|(_, echo)| echo);
                let Some(again) = self.rare[from.other().index()].as_ref().and_then(|r| r.again).filter(|a| Some(a.0) == echoed) else {
                    return;
                };
                again.1
            }
            None => return,
        };
        let rtt = segment.at.saturating_sub(sent_at);
        if rtt < 0 {
            return;
        }
        seen.rtt = Some(rtt);
        self.rtt.get_or_insert_default()[from.index()].add(rtt);
        if acked.syn {
            self.sides[from.index()].handshake_rtt = rtt;
        }
    }

    #[inline]
    fn close_if_done(&mut self, from: Side, shared: &mut Shared) {
        let [me, peer] = both(&mut self.sides, from);
        // RFC 9293 3.6: both FINs are acknowledged.
        if me.fin && peer.fin && me.is_acknowledged() && peer.is_acknowledged() && self.closed.is_none() {
            self.close(EndOfStream::Closed, shared);
        }
    }

    fn close(&mut self, how: EndOfStream, shared: &mut Shared) {
        self.closed = Some(how);
        for side in &mut self.sides {
            shared.hangar.retire(&mut side.flight);
        }
    }

    /// Gives back what counts against shared bounds.
    pub fn release(&mut self, shared: &mut Shared) {
        for (side, rare) in self.sides.iter_mut().zip(&self.rare) {
            shared.hangar.retire(&mut side.flight);
            shared.holes -= rare.as_ref().map_or(0, |r| r.holes.len());
        }
    }

    #[cold]
    fn reset(&mut self, from: Side, at: i64, tcp: &decode::Tcp, shared: &mut Shared, seen: &mut Observation) -> Option<i64> {
        seen.verdict = Verdict::Ack;
        let me = &mut self.sides[from.index()];
        me.resets = me.resets.saturating_add(1);
        let plausible = !me.seen || i64::from(distance(me.nxt, tcp.seq)).abs() <= PLAUSIBLE;
        let start = me.seen.then(|| me.sent + i64::from(distance(me.nxt, tcp.seq)));
        if !plausible {
            return None;
        }
        // RFC 9293 3.5.2: the answer to a SYN where nobody listens acknowledges it: a round trip all the same.
        if tcp.has(decode::Tcp::ACK) && !me.seen {
            let segment = Segment { tcp, at, place: Place::default(), ident: 0, len: 0, payload: &[], start: 0, end: 0 };
            self.acknowledgment(from, &segment, false, shared, seen);
        }
        if self.closed.is_none() {
            self.close(EndOfStream::Reset, shared);
        }
        start
    }

    #[cold]
    fn stray(&mut self, from: Side, occupies: bool, seen: &mut Observation) -> Option<i64> {
        seen.verdict = if occupies { Verdict::Ambiguous } else { Verdict::Ack };
        seen.goodput = 0;
        let me = &mut self.sides[from.index()];
        me.strays = me.strays.saturating_add(1);
        let counts = &mut rare_of(&mut self.rare[from.index()]).counts;
        counts.stray = counts.stray.saturating_add(1);
        None
    }
}

fn both(sides: &mut [Half; 2], from: Side) -> [&mut Half; 2] {
    let [client, server] = sides;
    match from {
        Side::Client => [client, server],
        Side::Server => [server, client],
    }
}

fn rare_of(rare: &mut Option<Box<Rare>>) -> &mut Rare {
    rare.get_or_insert_default()
}

/// RFC 2883 section 4: the first block lies below the acknowledgment, or within the second block.
fn is_d_sack(tcp: &decode::Tcp) -> bool {
    let [(start, end), (outer_start, outer_end), ..] = tcp.sack;
    distance(end, tcp.ack) >= 0 || (tcp.sack_count > 1 && distance(outer_start, start) >= 0 && distance(end, outer_end) >= 0)
}

fn ident_of(packet: &Packet<'_>) -> u16 {
    match &packet.net {
        // IPv6 has one in fragments only, and there it numbers datagrams, not segments.
        decode::Net::Ip(ip) if ip.src.is_ipv4() => ip.ident as u16,
        _ => 0,
    }
}

impl Tcp {
    /// What is counted of `side`.
    pub fn counts(&self, side: Side) -> TcpCounts {
        let counts = self.rare[side.index()].as_ref().map_or(TcpCounts::default(), |r| r.counts);
        TcpCounts { resets: u32::from(self.sides[side.index()].resets), ..counts }
    }

    /// Payload bytes of `side` that had been seen before.
    pub fn repeated_bytes(&self, side: Side) -> u64 {
        self.rare[side.index()].as_ref().map_or(0, |r| r.counts.repeated_bytes)
    }

    /// Round-trip times to `side`.
    pub fn rtt(&self, side: Side) -> Option<RttSummary> {
        self.rtt.as_ref()?[side.index()].summary()
    }

    /// That of the handshake alone.
    pub fn handshake_rtt(&self, side: Side) -> Option<i64> {
        Some(self.sides[side.index()].handshake_rtt).filter(|&rtt| rtt >= 0)
    }

    /// The half that `side` sends.
    pub fn side(&self, side: Side) -> &Half {
        &self.sides[side.index()]
    }

    fn rtt_min(&self, side: Side) -> Option<i64> {
        self.rtt.as_ref()?[side.index()].min()
    }
}
