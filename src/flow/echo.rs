//! ICMP and ICMPv6 echo between two hosts: round trips, and requests that nobody answered. RFC 792, RFC 4443 section 4.
//!
//! A conversation is a pair of hosts, whatever the identifiers of its echoes; a reply belongs to the newest request of its identifier and
//! sequence number that went the other way.

use std::collections::VecDeque;

use super::rtt::{Rtt, RttSummary};
use super::shared::Shared;
use super::{Observation, Verdict};
use crate::base::anomaly::Place;
use crate::base::limits::{ECHOES, ECHOES_TOTAL};
use crate::base::net::Side;
use crate::base::time::Timestamp;

/// The same request again within this time, in ns, is the same packet; later the 16-bit sequence number may have come round.
const SAME_PACKET_NS: i64 = 1_000_000_000;

/// Echo requests of one side and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EchoCounts {
    /// Requests, each once. Those without a reply are `requests - answered`.
    pub requests: u64,
    /// Requests that were answered, each once.
    pub answered: u64,
    /// Requests seen again while they waited for their reply.
    pub repeated: u64,
    /// Replies to this side for which no request waits: seen twice, or the request was not captured.
    pub unasked: u64,
}

#[derive(Debug, Default)]
pub(super) struct Echo {
    waiting: VecDeque<Request>,
    counts: [EchoCounts; 2],
    rtt: [Rtt; 2],
}

#[derive(Clone, Copy, Debug)]
struct Request {
    at: i64,
    ident: u32,
    id: u16,
    seq: u16,
    from: Side,
}

/// One echo message.
#[derive(Clone, Copy)]
pub(super) struct Message {
    pub at: Timestamp,
    pub place: Place,
    pub id: u16,
    pub seq: u16,
    /// IPv4 identification.
    pub ident: u32,
}

impl Echo {
    pub fn request(&mut self, from: Side, message: Message, shared: &mut Shared, seen: &mut Observation) {
        let Message { at: Timestamp(at), place, id, seq, ident } = message;
        let counts = &mut self.counts[from.index()];
        let same = |r: &&Request| (r.from, r.id, r.seq, r.ident) == (from, id, seq, ident);
        if self.waiting.iter().rev().find(same).is_some_and(|r| at.saturating_sub(r.at) < SAME_PACKET_NS) {
            counts.repeated += 1;
            seen.verdict = Verdict::Ambiguous;
            seen.goodput = 0;
            return;
        }
        counts.requests += 1;
        if self.waiting.len() >= ECHOES || shared.echoes >= ECHOES_TOTAL {
            shared.anomalies.note("echoes_forgotten", place);
            if self.waiting.pop_front().is_none() {
                return;
            }
            shared.echoes -= 1;
        }
        self.waiting.push_back(Request { at, ident, id, seq, from });
        shared.echoes += 1;
    }

    pub fn reply(&mut self, from: Side, message: Message, shared: &mut Shared, seen: &mut Observation) {
        let Message { at: Timestamp(at), id, seq, .. } = message;
        let asker = from.other();
        let counts = &mut self.counts[asker.index()];
        let Some(found) = self.waiting.iter().rposition(|r| (r.from, r.id, r.seq) == (asker, id, seq)) else {
            counts.unasked += 1;
            return;
        };
        let Some(request) = self.waiting.remove(found) else { return };
        shared.echoes -= 1;
        counts.answered += 1;
        let rtt = at.saturating_sub(request.at);
        // A capture of several interfaces may be out of order; that measures nothing.
        if rtt >= 0 {
            self.rtt[from.index()].add(rtt);
            seen.rtt = Some(rtt);
        }
    }

    pub fn counts(&self, side: Side) -> EchoCounts {
        self.counts[side.index()]
    }

    /// Requests of `side` sent at or after `since` that are not answered yet.
    pub fn waiting_since(&self, side: Side, since: Timestamp) -> u64 {
        self.waiting.iter().filter(|r| r.from == side && r.at >= since.0).count() as u64
    }

    pub fn rtt(&self, side: Side) -> Option<RttSummary> {
        self.rtt[side.index()].summary()
    }

    pub fn release(&mut self, shared: &mut Shared) {
        shared.echoes -= self.waiting.len();
        self.waiting = VecDeque::new();
    }
}
