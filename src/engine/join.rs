//! Carries sightings from the points' threads to the joiner and empty batches back.

use super::belt::{Giver, Taker, belt};
use crate::decode::Packet;
use crate::flow::{FlowKey, Observation};
use crate::join::joiner::Joiner;
use crate::join::passage::Passages;
use crate::join::sighting::Batch;

/// Full batches that may wait for the joiner, per point.
const WAITING: usize = 8;

/// A point's end.
pub struct Outbox {
    batch: Batch,
    belt: Giver<Batch>,
}

/// The joiner's end.
pub type Inbox = Taker<Batch>;

/// Both ends for one point.
pub fn connect() -> (Outbox, Inbox) {
    let (giver, taker) = belt(WAITING);
    (Outbox { batch: Batch::default(), belt: giver }, taker)
}

impl Outbox {
    /// Notes a packet.
    #[inline]
    pub fn packet(&mut self, packet: &Packet<'_>, seen: Option<&Observation>, key: impl FnOnce() -> Option<FlowKey>) {
        if self.batch.push(packet, seen, key) {
            self.flush();
        }
    }

    /// Sends what is there.
    pub fn flush(&mut self) {
        self.belt.give(&mut self.batch);
    }
}

/// Takes batches in the order that the joiner wants them, until all points have ended.
pub fn drive<S: Passages>(joiner: &mut Joiner<S>, inboxes: &[Inbox]) {
    while let Some(point) = joiner.next_point() {
        match inboxes[point].take() {
            Some(mut batch) => {
                joiner.batch(point, &batch);
                batch.clear();
                inboxes[point].give_back(batch);
            }
            None => joiner.end_of_point(point),
        }
    }
}
