//! When the connections of migrations opened, first and last carried payload, and closed.
//!
//! A migration is recognised by its first bytes, after its SYN: the SYNs of the latest connections are remembered until then.

use super::ledger::{ConnectionFacts, SideFacts};
use crate::app::services::{Class, by_port};
use crate::base::limits::PACED_FLOWS;
use crate::base::net::Side;
use crate::base::time::Nanos;
use crate::decode::{Packet, Tcp, Transport};
use crate::flow::{FlowId, FlowKey, FlowRecord, Moment, Observation};

/// SYNs that are remembered: so many connections may open between a migration's SYN and its first bytes.
const SYNS: usize = 64;

/// Payload without a rest of [`REST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// First packet.
    pub first: Moment,
    /// Last packet.
    pub last: Moment,
    /// Payload bytes that were new.
    pub bytes: u64,
}

/// A rest of QEMU's rate limit takes up to 100 ms; within a burst packets follow each other within milliseconds.
const REST: Nanos = Nanos(20_000_000);

#[derive(Clone, Copy, Debug)]
struct Watched {
    flow: FlowId,
    syn: Option<Moment>,
    rst: Option<(Side, Moment)>,
    sides: [SideFacts; 2],
}

/// Watches the connections of migrations at one point; at most [`PACED_FLOWS`].
#[derive(Clone, Debug, Default)]
pub struct ConnectionWatch {
    syns: Vec<(FlowId, Moment)>,
    next: usize,
    watched: Vec<Watched>,
    /// Connections that were not watched because there were too many.
    pub unwatched: u64,
}

impl ConnectionWatch {
    /// Watches a conversation from now on; watching it twice changes nothing.
    pub fn watch(&mut self, flow: FlowId) {
        if self.watched.iter().any(|w| w.flow == flow) {
            return;
        }
        if self.watched.len() >= PACED_FLOWS {
            self.unwatched += 1;
            return;
        }
        let syn = self.syns.iter().find(|s| s.0 == flow).map(|s| s.1);
        self.watched.push(Watched { flow, syn, rst: None, sides: Default::default() });
    }

    /// Takes each packet (copies dropped) of a conversation. `key` is asked for when a conversation begins: ports that are made for
    /// migrations are watched from the start.
    #[inline]
    pub fn packet(&mut self, packet: &Packet<'_>, seen: &Observation, key: impl FnOnce() -> Option<FlowKey>) {
        let Transport::Tcp(tcp) = &packet.transport else { return };
        let when = Moment { at: packet.at, place: packet.place };
        if seen.first {
            self.begin(tcp, seen.flow, when, key);
        }
        let Some(watched) = self.watched.iter_mut().find(|w| w.flow == seen.flow) else { return };
        let side = &mut watched.sides[seen.from.index()];
        if seen.goodput > 0 {
            side.first_payload.get_or_insert(when);
            side.last_payload = Some(when);
            burst(&mut side.bursts, when, seen.goodput);
        }
        if tcp.has(Tcp::FIN) {
            side.fin.get_or_insert(when);
        }
        if tcp.has(Tcp::RST) {
            watched.rst.get_or_insert((seen.from, when));
        }
    }

    #[cold]
    fn begin(&mut self, tcp: &Tcp, flow: FlowId, when: Moment, key: impl FnOnce() -> Option<FlowKey>) {
        if tcp.has(Tcp::SYN) && !tcp.has(Tcp::ACK) {
            if self.syns.len() < SYNS {
                self.syns.push((flow, when));
            } else {
                self.syns[self.next] = (flow, when);
                self.next = (self.next + 1) % SYNS;
            }
        }
        if key().and_then(|k| by_port(k.proto, k.server.port)).is_some_and(|p| p.class == Class::Migration) {
            self.watch(flow);
        }
    }

    /// The facts of one conversation: moments as watched, bytes as the flow layer counted them.
    pub fn facts(&self, record: &FlowRecord) -> ConnectionFacts {
        let watched = self.watched.iter().find(|w| w.flow == record.id());
        let mut sides = watched.map_or_else(Default::default, |w| w.sides);
        for side in [Side::Client, Side::Server] {
            let facts: &mut SideFacts = &mut sides[side.index()];
            facts.payload = record.goodput(side);
            facts.retransmitted = record.tcp(side).map_or(0, |t| t.counts.retransmitted_bytes);
            facts.wire = record.sent(side).bytes;
        }
        ConnectionFacts {
            flow: record.id(),
            key: *record.key(),
            syn: watched.and_then(|w| w.syn),
            rst: watched.and_then(|w| w.rst),
            sides,
            protocol: None,
        }
    }
}

#[inline]
fn burst(bursts: &mut [Option<Burst>; 4], when: Moment, bytes: u32) {
    match &mut bursts[3] {
        Some(newest) if when.at - newest.last.at < REST => {
            newest.last = when;
            newest.bytes += u64::from(bytes);
        }
        _ => {
            bursts.rotate_left(1);
            bursts[3] = Some(Burst { first: when, last: when, bytes: u64::from(bytes) });
        }
    }
}
