//! Frames in, packets out: the fast path where it knows the way, the complete path for all the rest.

use super::fragments::{Fragments, Whole};
use super::span::Span;
use super::walk::{Step, Walk};
use super::{Link, Net, Packet, Transport, fast};
use crate::base::time::Timestamp;
use crate::capture::Frame;

/// What became of a frame.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "the packet is the common case and must not be boxed")]
pub enum Decoded<'a> {
    /// A packet; the innermost one where the frame holds tunnels.
    Packet(Packet<'a>),
    /// A fragment, kept until its datagram is complete (then the last one gives the packet) or given up ([`Decoder::release`]).
    Held,
    /// Nothing that could be told, and why: one of [`Decoder::REASONS`].
    Undecoded(&'static str),
}

/// Counts of what was odd, and of every bound that was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Fragments of IP datagrams, in tunnels too.
    pub fragments: u64,
    /// Datagrams put together from them.
    pub reassembled: u64,
    /// Datagrams that were given up because a fragment did not come in time.
    pub incomplete: u64,
    /// Fragments that had come before, whole.
    pub fragment_repeats: u64,
    /// Fragments that overlapped with others in part; what came first stayed.
    pub fragment_overlaps: u64,
    /// Fragments of no length, or beyond 65,535 bytes; each stands as a packet of its own.
    pub fragment_nonsense: u64,
    /// Fragments that found no room ([`crate::base::limits::FRAGMENT_DATAGRAMS`] and its likes); each stands as a packet of its own.
    pub fragment_table_full: u64,
    /// Fragments of given-up datagrams that nobody asked for ([`Decoder::release`] was not called).
    pub fragments_dropped: u64,
    /// Tunnels not followed because they lay too deep ([`crate::base::limits::TUNNEL_DEPTH`]).
    pub tunnel_depth: u64,
    /// Tunnel headers whose inside could not be read (cut by the snap length, or no tunnel at all): the packet around counts.
    pub tunnel_unreadable: u64,
    /// IP packets whose header states more bytes than their frame had on the wire; the header is believed.
    pub longer_than_frame: u64,
}

impl Counters {
    /// All counts by the names that anomalies go by.
    pub fn named(&self) -> [(&'static str, u64); 11] {
        [
            ("fragments", self.fragments),
            ("reassembled", self.reassembled),
            ("fragments_incomplete", self.incomplete),
            ("fragment_repeats", self.fragment_repeats),
            ("fragment_overlaps", self.fragment_overlaps),
            ("fragment_nonsense", self.fragment_nonsense),
            ("fragment_table_full", self.fragment_table_full),
            ("fragments_dropped", self.fragments_dropped),
            ("tunnel_too_deep", self.tunnel_depth),
            ("tunnel_unreadable", self.tunnel_unreadable),
            ("ip_longer_than_frame", self.longer_than_frame),
        ]
    }
}

/// What came of a frame whose packet was handed on: see [`Decoded`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A packet.
    Packet,
    /// A fragment that is held.
    Held,
    /// No packet, for this reason.
    Undecoded(&'static str),
}

/// Turns frames into packets. One per capture point; keeps fragments between frames and nothing else.
#[derive(Debug, Default)]
pub struct Decoder {
    fragments: Fragments,
    counters: Counters,
    /// The datagram that the last packet came from; it borrows its payload here.
    whole: Vec<u8>,
}

impl Decoder {
    /// Every reason that [`Decoded::Undecoded`] gives: a link type that is not known; a header that the snap length cut; a frame too
    /// short for its link header; an IP header that contradicts itself.
    pub const REASONS: [&'static str; 4] = ["link_type", "cut_header", "short_frame", "bad_ip_header"];

    /// A decoder with nothing held.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes one frame. Borrows from the frame, or from the decoder where fragments were put together.
    #[inline]
    pub fn decode<'a>(&'a mut self, frame: &Frame<'a>) -> Decoded<'a> {
        match fast::decode(frame, Decoded::Packet) {
            Some(decoded) => decoded,
            None => self.decode_complete(frame),
        }
    }

    /// [`Self::decode`] that hands the packet to `take`, and answers what came of the frame: a packet is large, and to move it costs as much
    /// as to decode it.
    #[inline]
    pub fn decode_to<'a>(&'a mut self, frame: &Frame<'a>, take: &mut dyn FnMut(&Packet<'a>)) -> Outcome {
        if fast::decode(frame, |packet| take(&packet)).is_some() {
            return Outcome::Packet;
        }
        match self.decode_complete(frame) {
            Decoded::Packet(packet) => {
                take(&packet);
                Outcome::Packet
            }
            Decoded::Held => Outcome::Held,
            Decoded::Undecoded(reason) => Outcome::Undecoded(reason),
        }
    }

    /// [`Self::decode`] by the fast path alone: `None` for a frame that it leaves to the complete path.
    pub fn decode_fast<'a>(frame: &Frame<'a>) -> Option<Packet<'a>> {
        fast::decode(frame, |packet| packet)
    }

    /// [`Self::decode`] by the complete path alone: what the fast path must agree with.
    #[inline(never)]
    pub fn decode_complete<'a>(&'a mut self, frame: &Frame<'a>) -> Decoded<'a> {
        let packet = Packet {
            at: frame.at,
            place: frame.place,
            wire_len: frame.wire_len,
            frames: 1,
            link: Link { interface: frame.interface, ..Link::default() },
            tunnel: None,
            net: Net::Other,
            transport: Transport::Other,
            payload: &[],
            payload_wire: 0,
        };
        let span = Span::new(frame.bytes, frame.wire_len);
        let mut walk = Walk { fragments: &mut self.fragments, counters: &mut self.counters };
        match walk.frame(frame.link, packet, span) {
            Step::Packet(packet, payload) => Decoded::Packet(Packet { payload: &frame.bytes[payload], ..packet }),
            Step::Held => Decoded::Held,
            Step::Whole(whole) => self.go_on(*whole),
            Step::Undecoded(reason) => Decoded::Undecoded(reason),
        }
    }

    /// A datagram whose missing fragments did not come in time, as far as it is known; its time is that of its last fragment. Call
    /// until `None` after a [`Decoded::Held`], and with [`Timestamp::MAX`] at the end of the capture.
    pub fn release(&mut self, now: Timestamp) -> Option<Packet<'_>> {
        loop {
            let whole = self.fragments.give_up(now, &mut self.counters)?;
            match self.settle(whole) {
                Step::Packet(packet, payload) => return Some(Packet { payload: &self.whole[payload], ..packet }),
                // Its inside was a fragment again, or it was no packet: on to the next.
                Step::Held | Step::Whole(_) | Step::Undecoded(_) => {}
            }
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    #[cfg(test)]
    pub(super) fn fragments_held(&self) -> usize {
        self.fragments.held_bytes()
    }

    fn go_on(&mut self, whole: Whole) -> Decoded<'_> {
        match self.settle(whole) {
            Step::Packet(packet, payload) => Decoded::Packet(Packet { payload: &self.whole[payload], ..packet }),
            Step::Undecoded(reason) => Decoded::Undecoded(reason),
            Step::Held | Step::Whole(_) => Decoded::Held,
        }
    }

    /// Walks a datagram, and those that it completes in turn: no more of them than tunnels.
    fn settle(&mut self, mut whole: Whole) -> Step {
        loop {
            let mut walk = Walk { fragments: &mut self.fragments, counters: &mut self.counters };
            let (step, bytes) = walk.datagram(whole);
            let old = std::mem::replace(&mut self.whole, bytes);
            self.fragments.recycle(old);
            match step {
                Step::Whole(next) => whole = *next,
                step => return step,
            }
        }
    }
}
