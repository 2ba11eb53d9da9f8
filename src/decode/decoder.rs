//! Frames in, packets out.

use super::Packet;
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
    /// Frames that held a fragment of an IP datagram.
    pub fragments: u64,
}

/// Turns frames into packets. One per capture point; keeps fragments between frames and nothing else.
#[derive(Debug, Default)]
pub struct Decoder {
    counters: Counters,
}

impl Decoder {
    /// Every reason that [`Decoded::Undecoded`] gives.
    pub const REASONS: [&'static str; 3] = ["link_type", "cut_header", "bad_ip_header"];

    /// A decoder with nothing held.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes one frame. Borrows from the frame, or from the decoder where fragments were put together.
    pub fn decode<'a>(&'a mut self, _frame: &Frame<'a>) -> Decoded<'a> {
        Decoded::Undecoded("link_type")
    }

    /// A datagram whose missing fragments did not come in time, as far as it is known. Call until `None` after a
    /// [`Decoded::Held`], and with [`Timestamp::MAX`] at the end of the capture.
    pub fn release(&mut self, _now: Timestamp) -> Option<Packet<'_>> {
        None
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
