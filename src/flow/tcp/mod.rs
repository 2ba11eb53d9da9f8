//! What each TCP segment is: new, an acknowledgment, sent again, late, a probe. RFC 9293 throughout.
//!
//! A capture point stands somewhere between the two ends. Of each direction it keeps the highest sequence number seen (`nxt`), the ranges
//! below it that were not seen ([`Holes`]) and the highest acknowledgment of the peer (`una`). A segment above `nxt` is new. One that fills a
//! hole is late or was sent again: [`late`] says which. One whose bytes were all seen was sent again, unless it may be one packet seen twice.
//!
//! Does not check windows or checksums, and does not follow the ends' state machines: what is on the wire counts.

mod ack;
mod counts;
mod flight;
mod half;
mod holes;
mod late;
mod open;
mod repeat;

pub use counts::{RTO_SILENCE_NS, TcpCounts};
pub(super) use flight::Hangar;
pub(super) use open::Opening;

use half::{Half, Rare, rare_of};

use super::rtt::{Rtt, RttSummary};
use super::shared::Shared;
use super::streams::Streams;
use super::{EndOfStream, Observation, Verdict};
use crate::base::anomaly::Place;
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
            me.begin(tcp.seq, packet.at.0);
        }
        let late_syn = syn && self.takes_late_syn(from, tcp.seq);
        let me = &mut self.sides[from.index()];
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
        } else if late_syn {
            // Nothing to be judged.
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
            // Only at offset 0 it is known as the start of what follows.
            if syn && start == 0 {
                me.syn = true;
                me.shift = tcp.window_scale;
            }
        }
        self.acknowledgment(from, &segment, ahead == 0 && !occupies, shared, seen);
        if seen.verdict != Verdict::Reordered {
            self.sides[from.index()].remember(&segment);
        }
        Some(start)
    }

    /// A SYN that was captured after what followed it: offsets are counted from it from now on, if they were not used yet.
    #[cold]
    fn takes_late_syn(&mut self, side: Side, seq: u32) -> bool {
        let half = &mut self.sides[side.index()];
        let fresh = self.streams.is_none() && self.rare[side.index()].as_ref().is_none_or(|r| r.holes.len() == 0 && r.low == 0);
        if half.syn || !fresh || half.first() != seq.wrapping_add(1) {
            return false;
        }
        half.sent += 1;
        true
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
        if let Some(rare) = &mut self.rare[from.index()] {
            // From here on the stamp does not tell the retransmission from this segment.
            rare.again = rare.again.filter(|a| verdict != Verdict::New || segment.stamp() != Some(a.0));
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
        me.edge_ident = segment.ident;
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
