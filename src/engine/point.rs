//! One capture point: frames to packets to conversations to counters, in one thread or in three.

use std::thread;

use super::Options;
use super::counting::{Counts, Desk};
use super::intake::{self, Next, Sighted};
use super::join::Outbox;
use super::ledgers::Ledgers;
use crate::app::dispatch::{Dispatcher, Tagged};
use crate::app::migration::watch::ConnectionWatch;
use crate::base::role::Role;
use crate::capture::{Frame, Lies};
use crate::decode::Packet;
use crate::decode::duplicates::Verdict;
use crate::error::{Error, Result};
use crate::flow::FlowTable;
use crate::measure::pace::Pace;
use crate::measure::tally::Tally;
use crate::run::PointSpec;

/// What one point has to say.
pub struct PointResult {
    /// Role as given.
    pub role: Role,
    /// Files, frames, packets.
    pub sighted: Sighted,
    /// Conversations.
    pub state: PointState,
    /// Counters and waits.
    pub counts: Counts,
}

/// What follows conversations.
pub struct PointState {
    /// Packets of conversations.
    pub in_flows: u64,
    /// Packets of no conversation: ARP, other ethertypes.
    pub outside_flows: u64,
    /// Pace of migration streams.
    pub pace: Pace,
    /// Opening and closing of their connections.
    pub connections: ConnectionWatch,
    /// Conversations.
    pub flows: FlowTable,
    /// Which parser took which conversation.
    pub dispatcher: Dispatcher<Vec<Tagged>>,
    /// What parsers found.
    pub ledgers: Ledgers,
}

/// Follows conversations and hands on what is to be counted and joined.
struct Follower {
    state: PointState,
    desk: Desk,
    outbox: Option<Outbox>,
}

impl Follower {
    fn new(desk: Desk, outbox: Option<Outbox>) -> Self {
        let state = PointState {
            in_flows: 0,
            outside_flows: 0,
            pace: Pace::new(),
            connections: ConnectionWatch::default(),
            flows: FlowTable::new(),
            dispatcher: Dispatcher::new(Vec::new()),
            ledgers: Ledgers::default(),
        };
        Self { state, desk, outbox }
    }

    #[inline]
    fn follow(&mut self, packet: &Packet<'_>) {
        let Self { state, desk, outbox } = self;
        let Some(seen) = state.flows.packet(packet, &mut state.dispatcher) else {
            state.outside_flows += 1;
            desk.count(Tally::other(packet), None);
            if let Some(outbox) = outbox {
                outbox.packet(packet, None, || None);
            }
            return;
        };
        state.in_flows += 1;
        if let Some(outbox) = outbox {
            outbox.packet(packet, Some(&seen), || state.flows.key(seen.flow));
        }
        // The mark is taken away where client and server turn out to have been taken for each other.
        let opens = state.flows.user_mut(seen.flow).is_some_and(|mark| std::mem::replace(mark, 1) == 0);
        let key = if opens { state.flows.key(seen.flow) } else { None };
        desk.count(Tally::new(packet, &seen, opens), key);
        state.pace.packet(packet, seen.flow, seen.from);
        state.connections.packet(packet, &seen, || state.flows.key(seen.flow));
        if !state.dispatcher.out().is_empty() {
            state.ledgers.take(state.dispatcher.out_mut(), &state.flows, &mut state.pace, &mut state.connections);
        }
    }

    /// Nothing more comes. The counts, if they were made here.
    fn finish(mut self) -> (PointState, Option<Counts>) {
        if let Some(mut outbox) = self.outbox {
            outbox.flush();
        }
        let counts = self.desk.close();
        let state = &mut self.state;
        state.flows.finish(&mut state.dispatcher);
        state.ledgers.take(state.dispatcher.out_mut(), &state.flows, &mut state.pace, &mut state.connections);
        (self.state, counts)
    }
}

impl Next for Follower {
    #[inline]
    fn frame(&mut self, _frame: &Frame<'_>, _block: Lies<'_>) {}

    #[inline]
    fn packet(&mut self, packet: &Packet<'_>, verdict: Verdict) {
        if verdict == Verdict::First {
            self.follow(packet);
        }
    }

    fn last_frame(&mut self) {}
}

/// Reads one point to its end; with `helped` in three threads.
pub fn run(spec: &PointSpec, options: &Options, outbox: Option<Outbox>, helped: bool) -> Result<PointResult> {
    let role = spec.role;
    if !helped {
        let mut follower = Follower::new(Desk::here(), outbox);
        let sighted = intake::read(spec, options, &mut follower)?;
        let (state, counts) = follower.finish();
        return Ok(PointResult { role, sighted, state, counts: counts.unwrap_or_default() });
    }
    let failed = |_| Error::new("the analysis of a capture point failed inside: please report it");
    let (desk, counter) = Desk::elsewhere();
    let (mut hatch, arrivals) = intake::hatch();
    thread::scope(|scope| {
        let counting = scope.spawn(|| counter.run());
        let following = scope.spawn(|| {
            let mut follower = Follower::new(desk, outbox);
            arrivals.run(|packet| follower.follow(packet));
            follower.finish().0
        });
        let sighted = intake::read(spec, options, &mut hatch);
        hatch.close();
        let state = following.join().map_err(failed)?;
        let counts = counting.join().map_err(failed)?;
        Ok(PointResult { role, sighted: sighted?, state, counts })
    })
}
