//! Carries sightings from the points' threads to the joiner and empty batches back.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

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
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
}

/// The joiner's end.
pub struct Inbox {
    full: Receiver<Batch>,
    empty: Sender<Batch>,
}

/// Both ends for one point.
pub fn connect() -> (Outbox, Inbox) {
    let (full_in, full_out) = sync_channel(WAITING);
    let (empty_in, empty_out) = channel();
    (Outbox { batch: Batch::default(), full: full_in, empty: empty_out }, Inbox { full: full_out, empty: empty_in })
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
        let next = self.empty.try_recv().unwrap_or_default();
        // The joiner's end closes only when the run is being given up.
        let _ = self.full.send(std::mem::replace(&mut self.batch, next));
    }
}

/// Takes batches in the order that the joiner wants them, until all points have ended.
pub fn drive<S: Passages>(joiner: &mut Joiner<S>, inboxes: &[Inbox]) {
    while let Some(point) = joiner.next_point() {
        match inboxes[point].full.recv() {
            Ok(mut batch) => {
                joiner.batch(point, &batch);
                batch.clear();
                // A point that has ended needs no empty batches.
                let _ = inboxes[point].empty.send(batch);
            }
            Err(_) => joiner.end_of_point(point),
        }
    }
}
