//! Batches from one thread to another, and back to be filled again: nothing is allocated once enough of them go round.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// The end that fills batches.
pub struct Giver<T> {
    full: SyncSender<T>,
    empty: Receiver<T>,
}

/// The end that empties them.
pub struct Taker<T> {
    full: Receiver<T>,
    empty: Sender<T>,
}

/// Both ends; at most `waiting` full batches lie between them.
pub fn belt<T>(waiting: usize) -> (Giver<T>, Taker<T>) {
    let (full_in, full_out) = sync_channel(waiting);
    let (empty_in, empty_out) = channel();
    (Giver { full: full_in, empty: empty_out }, Taker { full: full_out, empty: empty_in })
}

impl<T: Default> Giver<T> {
    /// Hands `batch` over and leaves an empty one in its place. Waits while too many lie there.
    pub fn give(&self, batch: &mut T) {
        let next = self.empty.try_recv().unwrap_or_default();
        // The other end closes early only when its thread failed or the run is given up; both are told elsewhere.
        let _ = self.full.send(std::mem::replace(batch, next));
    }
}

impl<T> Taker<T> {
    /// The next batch; `None` when the other end is gone.
    pub fn take(&self) -> Option<T> {
        self.full.recv().ok()
    }

    /// Sends an emptied batch back. An end that is gone needs none.
    pub fn give_back(&self, batch: T) {
        let _ = self.empty.send(batch);
    }
}
