//! Migration streams: QEMU's main channel and its helpers, multifd, post-copy, storage beside it, and what ports alone can tell.
//!
//! Parsers take the bytes of one connection each and say what it was in a [`ChannelReport`]; the [`MigrationLedger`] of a capture point
//! joins connections into [`Observed`] migrations. Page data is passed over unread.

pub mod channel;
pub(super) mod feed;
pub mod hypervisors;
pub mod ledger;
pub mod multifd;
pub mod outcome;
pub mod pages;
mod passes;
pub mod qemu;
#[cfg(test)]
mod tests;
pub mod timeline;
pub mod watch;

pub use channel::{ChannelKind, ChannelReport, Damage, PacketEdges, PassCount, RamCount};
pub use ledger::{Channel, ConnectionFacts, MigrationLedger, Observed, SideFacts, Storage};
pub use outcome::Outcome;
pub use timeline::{Mark, Timeline};

use crate::app::Probe;
use crate::flow::Moment;

/// What the parsers of migration connections say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MigrationEvent {
    /// A step passed: for timelines that are drawn while reading. The report at the end holds all of them again.
    Passed(Step, Moment),
    /// The connection is over; everything it said.
    Closed(Box<ChannelReport>),
    /// A connection of the NBD protocol is over: perhaps storage copied beside a migration.
    Storage(Box<crate::app::nbd::NbdReport>),
}

/// Steps of a migration that are told as they pass.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Step {
    /// First byte of the main channel.
    Begin,
    /// Setup is over.
    SetupEnd,
    /// The guest is stopped for certain.
    Switchover,
    /// First device state.
    DeviceState,
    /// EOF of the stream.
    Eof,
    /// Post-copy: the package is complete.
    PostcopyRun,
    /// The destination says that it has finished.
    Shut,
}

/// Whether `bytes` begin with `head`.
pub(super) fn prefix(bytes: &[u8], head: &[u8]) -> Probe {
    let n = bytes.len().min(head.len());
    match bytes[..n] == head[..n] {
        false => Probe::No,
        true if n < head.len() => Probe::More,
        true => Probe::Yes,
    }
}
