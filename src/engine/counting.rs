//! Counting, in a thread of its own where there is a core for it: following conversations takes as long as counting their packets.

use super::belt::{Giver, Taker, belt};
use crate::flow::{FlowId, FlowKey};
use crate::measure::meter::Meter;
use crate::measure::service::ServiceWatch;
use crate::measure::tally::Tally;

/// Packets that cross to the counting thread at once.
const BATCH: usize = 512;
/// Full batches that may wait for it.
const WAITING: usize = 8;

/// What the packets of one point added up to.
#[derive(Default)]
pub struct Counts {
    /// Counters.
    pub meter: Meter,
    /// Waits per channel.
    pub services: ServiceWatch,
    /// Channel of each conversation, by its slot.
    channels: Vec<u32>,
}

impl Counts {
    /// The channel of a conversation that is in the table.
    pub fn channel(&self, flow: FlowId) -> Option<u32> {
        self.channels.get(flow.slot()).copied()
    }

    fn take(&mut self, batch: &mut Batch) {
        let mut opened = batch.opened.drain(..);
        for tally in batch.tallies.drain(..) {
            let Some(slot) = tally.slot.map(|s| s as usize) else {
                self.meter.other(&tally);
                continue;
            };
            if tally.opens
                && let Some(key) = opened.next()
            {
                if slot >= self.channels.len() {
                    // Slots are bounded by the flow table.
                    self.channels.resize(slot + 1, 0);
                }
                self.channels[slot] = self.meter.channel_of(&key);
            }
            let channel = self.channels.get(slot).copied().unwrap_or(0);
            self.meter.take(&tally, channel);
            self.services.take(&tally, channel, self.meter.pair_of(channel));
        }
    }
}

/// Packets to be counted, in their order.
#[derive(Default)]
struct Batch {
    tallies: Vec<Tally>,
    /// The ends of the conversations that open, in the order of the tallies that say so.
    opened: Vec<FlowKey>,
}

/// Where packets are handed over.
pub struct Desk {
    batch: Batch,
    place: Place,
}

enum Place {
    Here(Box<Counts>),
    Elsewhere(Giver<Batch>),
}

/// The counting thread's end.
pub struct Counter(Taker<Batch>);

impl Counter {
    /// Counts until the desk is closed.
    pub fn run(self) -> Counts {
        let mut counts = Counts::default();
        while let Some(mut batch) = self.0.take() {
            counts.take(&mut batch);
            self.0.give_back(batch);
        }
        counts
    }
}

impl Desk {
    /// For counting in the same thread.
    pub fn here() -> Self {
        Self { batch: Batch::default(), place: Place::Here(Box::default()) }
    }

    /// For counting in another.
    pub fn elsewhere() -> (Self, Counter) {
        let (giver, taker) = belt(WAITING);
        (Self { batch: Batch::default(), place: Place::Elsewhere(giver) }, Counter(taker))
    }

    /// Hands a packet over; `key` where its conversation opens.
    #[inline]
    pub fn count(&mut self, tally: Tally, key: Option<FlowKey>) {
        self.batch.tallies.push(tally);
        self.batch.opened.extend(key);
        if self.batch.tallies.len() == BATCH {
            self.hand_over();
        }
    }

    #[inline(never)]
    fn hand_over(&mut self) {
        match &mut self.place {
            Place::Here(counts) => counts.take(&mut self.batch),
            Place::Elsewhere(belt) => belt.give(&mut self.batch),
        }
    }

    /// Nothing more comes. What was counted, if it was here.
    pub fn close(mut self) -> Option<Counts> {
        self.hand_over();
        match self.place {
            Place::Here(counts) => Some(*counts),
            Place::Elsewhere(_) => None,
        }
    }
}
