//! What is kept of each conversation.

use super::{FlowId, FlowKey};
use crate::base::net::Side;
use crate::base::time::Timestamp;

/// One conversation: who, when, how much.
#[derive(Debug)]
pub struct FlowRecord {
    pub(super) key: FlowKey,
    pub(super) id: FlowId,
    pub(super) user: u32,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) directions: [Direction; 2],
    pub(super) next: [Option<u32>; 2],
    pub(super) quiet: [bool; 2],
    pub(super) told: bool,
}

/// What one side of a conversation sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// Packets.
    pub packets: u64,
    /// Bytes of whole frames on the wire.
    pub bytes: u64,
    /// Bytes of transport payload on the wire, each as often as it was seen.
    pub payload: u64,
}

impl FlowRecord {
    /// Its name in the table.
    pub fn id(&self) -> FlowId {
        self.id
    }

    /// Its two ends.
    pub fn key(&self) -> &FlowKey {
        &self.key
    }

    /// Time of the earliest packet.
    pub fn first(&self) -> Timestamp {
        self.first
    }

    /// Time of the latest packet.
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// What `side` sent.
    pub fn sent(&self, side: Side) -> Direction {
        self.directions[side.index()]
    }

    /// The engine's number for it, 0 until set.
    pub fn user(&self) -> u32 {
        self.user
    }
}
