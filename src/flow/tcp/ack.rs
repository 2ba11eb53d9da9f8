//! What a segment acknowledges: round trips, duplicate ACKs, bytes that were received and never seen, the end.

use super::half::{Half, rare_of};
use super::{PLAUSIBLE, Segment, Tcp, flight};
use crate::base::net::Side;
use crate::base::seq::distance;
use crate::decode;
use crate::flow::shared::Shared;
use crate::flow::{EndOfStream, Observation, Verdict};

impl Tcp {
    /// What the segment acknowledges, and what it says of the window.
    #[inline]
    pub(super) fn acknowledgment(&mut self, from: Side, segment: &Segment<'_>, bare: bool, shared: &mut Shared, seen: &mut Observation) {
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
        if news <= 0
            && let Some(rare) = &mut self.rare[from.other().index()]
        {
            // The answer to the retransmission itself, which was not needed. Later ACKs echo its stamp too, and measure nothing.
            rare.again = rare.again.filter(|a| Some(a.0) != tcp.timestamps.map(|(_, echo)| echo));
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
                let Some(rare) = &mut self.rare[from.other().index()] else { return };
                let Some((_, at)) = rare.again.filter(|a| Some(a.0) == echoed) else { return };
                // Later ACKs may echo it too.
                rare.again = None;
                at
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
}

/// RFC 2883 section 4: the first block lies below the acknowledgment, or within the second block.
fn is_d_sack(tcp: &decode::Tcp) -> bool {
    let [(start, end), (outer_start, outer_end), ..] = tcp.sack;
    distance(end, tcp.ack) >= 0 || (tcp.sack_count > 1 && distance(outer_start, start) >= 0 && distance(end, outer_end) >= 0)
}

fn both(sides: &mut [Half; 2], from: Side) -> [&mut Half; 2] {
    let [client, server] = sides;
    match from {
        Side::Client => [client, server],
        Side::Server => [server, client],
    }
}
