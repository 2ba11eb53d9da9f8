//! Segments beside the edge of what was seen: below it, or beyond a hole.

use super::half::rare_of;
use super::{RTO_SILENCE_NS, Segment, Tcp, flight, holes, late};
use crate::base::limits::{HOLES, HOLES_TOTAL};
use crate::base::net::Side;
use crate::base::seq::distance;
use crate::flow::shared::Shared;
use crate::flow::{Observation, Verdict};

impl Tcp {
    /// Data that begins below what was seen already.
    #[cold]
    pub(super) fn old(&mut self, from: Side, segment: &Segment<'_>, born: i64, shared: &mut Shared, seen: &mut Observation) {
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
            let last = rare.last_old == (segment.tcp.seq, segment.ident);
            if segment.end <= me.sent && me.may_be_one_packet(segment, first.as_ref(), last, far_rtt, asked) {
                Verdict::Ambiguous
            } else {
                flight::set_ident(&mut me.flight, segment.tcp.seq, segment.ident);
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
            if segment.end <= me.sent && !me.is_one_way() && self.closed.is_none() {
                let (start, end, ident) = (segment.tcp.seq, end_seq, segment.ident);
                let print = flight::print_of(segment.payload);
                let sent = flight::Sent { start, end, at: segment.at, print, ident, syn: false, tainted: true };
                shared.hangar.insert(&mut me.flight, sent);
            }
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
        rare.last_old = (segment.tcp.seq, segment.ident);
        if let Some(stamp) = segment.stamp() {
            let fresh = verdict == Verdict::Retransmitted && me.stamp().is_none_or(|newest| distance(newest, stamp) > 0);
            rare.again = if fresh { Some((stamp, segment.at)) } else { rare.again.filter(|a| a.0 != stamp) };
        }
        match verdict {
            Verdict::Retransmitted => {
                rare.counts.retransmitted = rare.counts.retransmitted.saturating_add(1);
                rare.counts.retransmitted_bytes += u64::from(segment.len);
                if unseen > 0 && whole_unseen {
                    rare.counts.retransmitted_unseen = rare.counts.retransmitted_unseen.saturating_add(1);
                }
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
    pub(super) fn pass_over(&mut self, from: Side, segment: &Segment<'_>, shared: &mut Shared) -> u32 {
        let me = &mut self.sides[from.index()];
        let rare = rare_of(&mut self.rare[from.index()]);
        let (sent, ident) = (me.sent, me.edge_ident);
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
}
