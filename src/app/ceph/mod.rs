//! Ceph's messenger, version 1 (`include/msgr.h`) and version 2 (`doc/dev/msgr2.rst`): which daemon a client talks to, and what it reads and writes.
//!
//! Only the heads of messages are read. What counts as data of a disk is what an operation or its answer carries in whole sectors of 512 bytes:
//! calls of classes (locks, headers of images) carry less. In secure mode everything after the log-in is encrypted; then only the connection is known.

mod frame;
mod parser;
#[cfg(test)]
mod tests;

use self::parser::{Messenger, V1, V2};
use super::{Probe, Protocol, StreamParser};
use crate::app::video::arrivals::Arrivals;
use crate::base::limits::CEPH_BURSTS;
use crate::base::net::Side;
use crate::base::time::{NS_PER_MS, Nanos};
use crate::flow::{FlowKey, Moment};

/// Messenger version 2.
pub const CEPH_V2: Protocol = Protocol { name: "ceph", probe: probe_v2, resync: Some(resync_v2), start: start_v2 };
/// Messenger version 1.
pub const CEPH_V1: Protocol = Protocol { name: "ceph", probe: probe_v1, resync: Some(resync_v1), start: start_v1 };

/// Operations further apart than this belong to two bursts.
const SILENCE: Nanos = Nanos(200 * NS_PER_MS);

/// Who an end of a connection is (`CEPH_ENTITY_TYPE_*`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A monitor.
    Monitor,
    /// A metadata server.
    Mds,
    /// A storage daemon.
    Osd,
    /// A client.
    Client,
    /// A manager.
    Manager,
}

impl Kind {
    fn read(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Monitor,
            2 => Self::Mds,
            4 => Self::Osd,
            8 => Self::Client,
            16 => Self::Manager,
            _ => return None,
        })
    }

    /// The service that it offers.
    pub fn service(self) -> &'static str {
        match self {
            Self::Monitor => "ceph-mon",
            Self::Mds => "ceph-mds",
            Self::Osd => "ceph-osd",
            Self::Manager => "ceph-mgr",
            Self::Client => "ceph",
        }
    }
}

/// Reads or writes of one connection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Transfer {
    /// Operations that carried data.
    pub operations: u64,
    /// Their data.
    pub bytes: u64,
    /// When the data came.
    pub curve: Arrivals,
    /// Bursts: the first and the last operation of each.
    pub bursts: Vec<(Moment, Moment)>,
    /// Bursts that were joined to the one before for want of room.
    pub bursts_left_out: u64,
}

impl Transfer {
    fn add(&mut self, when: Moment, bytes: u64) {
        self.operations += 1;
        self.bytes += bytes;
        self.curve.push(when.at, bytes);
        let full = self.bursts.len() >= CEPH_BURSTS;
        match self.bursts.last_mut() {
            Some(last) if when.at - last.1.at < SILENCE => last.1 = when,
            Some(last) if full => {
                last.1 = when;
                self.bursts_left_out += 1;
            }
            _ => self.bursts.push((when, when)),
        }
    }
}

/// What one connection has said when it ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CephReport {
    /// Version of the messenger.
    pub version: u8,
    /// Who the server is.
    pub server: Option<Kind>,
    /// Encrypted after the log-in.
    pub secure: bool,
    /// A session that was begun on another connection goes on.
    pub reconnect: bool,
    /// Its start was not captured.
    pub picked_up: bool,
    /// Messages were missed: the sums are too small.
    pub damaged: bool,
    /// First packet with payload.
    pub first: Moment,
    /// Last packet that the parser saw.
    pub last: Moment,
    /// Data read by the client.
    pub read: Transfer,
    /// Data written by it.
    pub written: Transfer,
    /// Messages.
    pub messages: u64,
}

fn probe_v2(_key: &FlowKey, _side: Side, bytes: &[u8]) -> Probe {
    super::migration::prefix(bytes, b"ceph v2\n")
}

fn probe_v1(_key: &FlowKey, _side: Side, bytes: &[u8]) -> Probe {
    super::migration::prefix(bytes, b"ceph v027")
}

fn resync_v2(_key: &FlowKey, _side: Side, bytes: &[u8]) -> Probe {
    if frame::Preamble::read(bytes).is_some() { Probe::Yes } else { Probe::No }
}

fn resync_v1(_key: &FlowKey, _side: Side, bytes: &[u8]) -> Probe {
    if frame::V1Message::read(bytes).is_some() { Probe::Yes } else { Probe::No }
}

fn start_v2(_key: &FlowKey) -> Box<dyn StreamParser> {
    Box::new(Messenger::<V2>::default())
}

fn start_v1(_key: &FlowKey) -> Box<dyn StreamParser> {
    Box::new(Messenger::<V1>::default())
}
