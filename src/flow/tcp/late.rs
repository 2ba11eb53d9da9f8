//! Bytes that come after later ones: did the network delay them, or did the sender send them again?
//!
//! The evidence is asked in order of its strength:
//!
//! 1. Timestamps (RFC 7323): the sender stamps each transmission. A stamp newer than that of the segment which revealed the hole was
//!    given after it: sent again. An older one: sent before it, so delayed.
//! 2. IPv4 identification, where the sender counts it up: a number between those of the two segments around the hole was sent in
//!    between; a number just above the newest was sent just now.
//! 3. What the sender could know: its first sign of the loss passes this point one round trip to the receiver after the segment that
//!    revealed the hole. What came sooner was not sent because of the loss.
//! 4. What it was told: duplicate ACKs have asked for these bytes, or the smallest retransmission timeout has passed.
//! 5. Else 3 ms, as Wireshark takes it.

use super::counts::RTO_SILENCE_NS;
use crate::base::seq::distance;

/// A step of the IPv4 identification that still tells a counter from random numbers; a burst of 64 KiB takes 45.
pub(super) const IDENT_STEP: u16 = 256;
/// What Wireshark takes where it knows no round-trip time.
const LATE_NS: i64 = 3_000_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// TSval of the segment, and of the one that revealed the hole.
    pub stamps: Option<(u32, u32)>,
    /// IPv4 identification of the segment; 0 if none.
    pub ident: u16,
    /// That of the segment before the hole, and of the one that revealed it.
    pub around: (u16, u16),
    /// The newest identification of the direction.
    pub newest: u16,
    /// Since the hole was revealed.
    pub elapsed: i64,
    /// Shortest round trip from here to the receiver.
    pub far_rtt: Option<i64>,
    /// The receiver has sent duplicate ACKs that ask for bytes of the hole.
    pub asked_for: bool,
}

/// True if the bytes were sent again; false if they are late.
pub(super) fn sent_again(e: &Evidence) -> bool {
    if let Some((stamp, revealing)) = e.stamps
        && stamp != revealing
    {
        return distance(revealing, stamp) > 0;
    }
    let counts_up = |from: u16, to: u16| (1..=IDENT_STEP).contains(&to.wrapping_sub(from));
    if e.ident != 0 && counts_up(e.around.0, e.around.1) {
        if counts_up(e.around.0, e.ident) && counts_up(e.ident, e.around.1) {
            return false;
        }
        if counts_up(e.newest, e.ident) {
            return true;
        }
    }
    if e.elapsed >= RTO_SILENCE_NS {
        return true;
    }
    match e.far_rtt {
        Some(rtt) if e.elapsed < rtt => false,
        _ if e.asked_for => true,
        _ => e.elapsed >= LATE_NS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Evidence = Evidence { stamps: None, ident: 0, around: (0, 0), newest: 0, elapsed: 0, far_rtt: None, asked_for: false };

    #[test]
    fn the_stronger_evidence_decides() {
        let ms = 1_000_000;
        let rtt = Some(40 * ms);
        for (again, e) in [
            (false, NOTHING),
            (true, Evidence { elapsed: 3 * ms, ..NOTHING }),
            (false, Evidence { elapsed: 3 * ms, far_rtt: rtt, ..NOTHING }),
            (true, Evidence { elapsed: 41 * ms, far_rtt: rtt, ..NOTHING }),
            (true, Evidence { elapsed: ms, asked_for: true, ..NOTHING }),
            (false, Evidence { elapsed: ms, asked_for: true, far_rtt: rtt, ..NOTHING }),
            // Delayed by 300 ms, but numbered between its neighbours.
            (false, Evidence { elapsed: 300 * ms, ident: 101, around: (100, 102), newest: 140, ..NOTHING }),
            (true, Evidence { elapsed: ms, far_rtt: rtt, ident: 141, around: (100, 102), newest: 140, ..NOTHING }),
            (false, Evidence { elapsed: ms, far_rtt: rtt, ident: 0xffff, around: (0xfffe, 1), newest: 7, ..NOTHING }),
            // Random numbers tell nothing.
            (false, Evidence { elapsed: ms, far_rtt: rtt, ident: 41, around: (100, 9000), newest: 40, ..NOTHING }),
            // The stamp beats the number.
            (true, Evidence { stamps: Some((8, 7)), ident: 101, around: (100, 102), newest: 140, ..NOTHING }),
            (false, Evidence { stamps: Some((u32::MAX, 2)), elapsed: 900 * ms, ..NOTHING }),
            (true, Evidence { stamps: Some((7, 7)), elapsed: 900 * ms, ..NOTHING }),
        ] {
            assert_eq!(sent_again(&e), again, "{e:?}");
        }
    }
}
