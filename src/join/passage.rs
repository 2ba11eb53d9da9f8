//! What leaves the join: one record per packet, with its times at all points that saw it.

use super::matcher_flows::EndsId;
use crate::base::anomaly::Place;
use crate::base::time::Timestamp;

/// What is known of a packet's arrival besides sightings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// Nothing.
    None,
    /// It arrived: its bytes were acknowledged and never sent again, or its echo was answered.
    Arrived,
    /// It was too big for a link on the way, and its sender was told so (path MTU discovery, RFC 1191).
    Refused,
    /// An echo request that nobody answered.
    Unanswered,
    /// Its bytes were seen at the other point, cut differently: it arrived, but which frame it was is unknown.
    Recut,
    /// The table was full, the clocks were not yet related, or its bytes were cut otherwise and are not all remembered: nothing can be said
    /// of where else it was seen.
    Unknown,
}

/// One packet (one piece of a frame that offload had glued together) and who saw it.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// Direction it is counted under.
    pub ends: EndsId,
    /// Points that saw it, one bit each.
    pub seen: u16,
    /// Time at each point, on the point's own clock; meaningful where the bit in `seen` is set.
    pub times: &'a [Timestamp],
    /// Nanoseconds that lead from each point's clock to the reference clock, as estimated so far.
    pub offsets: &'a [i64],
    /// The point that saw it first, as far as the estimated clocks tell.
    pub first: usize,
    /// When that was, on the reference clock as estimated so far.
    pub sent: Timestamp,
    /// Bytes of its frame on the wire.
    pub wire: u32,
    /// Flags of its sightings, [`super::sighting::flag`].
    pub flags: u32,
    /// Which of several equal packets was seen where is not certain: its times mean nothing, its count does.
    pub vague: bool,
    /// What else is known.
    pub proof: Proof,
    /// Where its first sighting lies, and at which point.
    pub place: (usize, Place),
}

impl Passage<'_> {
    /// True if `point` saw it.
    #[inline]
    pub fn at(&self, point: usize) -> bool {
        self.seen & (1 << point) != 0
    }

    /// True if one point alone saw it.
    pub fn lone(&self) -> bool {
        self.seen.is_power_of_two()
    }
}

/// Takes passages, roughly in the order in which the packets were sent.
pub trait Passages {
    /// One packet.
    fn passage(&mut self, passage: &Passage<'_>);
}

impl Passages for () {
    fn passage(&mut self, _: &Passage<'_>) {}
}
