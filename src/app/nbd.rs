//! NBD, the protocol over which libvirt copies disks beside a migration (<https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>).
//!
//! The source is the client and writes. What is read: negotiation, requests and the headers of replies; data is passed over unread. Neither
//! the content of replies nor block status is looked at. After STARTTLS nothing is.

mod halves;

use self::halves::{Client, Server, Shared};
use super::migration::MigrationEvent;
use super::migration::feed::Feed;
use super::{Event, Probe, Protocol, StreamParser};
use crate::base::emit::Emit;
use crate::base::net::Side;
use crate::flow::{EndOfStream, FlowKey, GapReason, Moment, Need};

/// NBD with the handshake that all versions since 2011 speak ("fixed newstyle" and "newstyle").
pub const NBD: Protocol = Protocol { name: "nbd", probe, resync: Some(resync), start };

/// What one NBD connection has said when it ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NbdReport {
    /// First packet with payload.
    pub first: Moment,
    /// Last packet that the parser saw.
    pub last: Moment,
    /// Name of the export, if the client asked for one by name.
    pub export: Option<String>,
    /// Size of the export in bytes.
    pub size: Option<u64>,
    /// Write requests.
    pub writes: u64,
    /// Bytes of data that they carry.
    pub written: u64,
    /// Requests to write zeroes.
    pub zeroings: u64,
    /// Bytes that they cover; nothing of them is on the wire.
    pub zeroed: u64,
    /// Read requests.
    pub reads: u64,
    /// Bytes asked for.
    pub read: u64,
    /// Other requests: flush, trim, cache, block status, disconnect.
    pub others: u64,
    /// Replies with an error.
    pub errors: u64,
    /// One past the highest byte that was written or zeroed.
    pub reached: u64,
    /// When `reached` grew for the last time: the first pass over the disk was done. What is written after that had changed meanwhile.
    pub converged: Option<Moment>,
    /// TLS was started: nothing can be read after that.
    pub tls: bool,
    /// The client said that it disconnects.
    pub disconnected: bool,
    /// Requests that were answered.
    pub answered: u64,
    /// Something was missing or made no sense: the counts are too small, but for `written` if `derived`.
    pub damaged: bool,
    /// Not every request was read, but `written` is exact all the same: all bytes of the client less the negotiation and one header for
    /// each answered request.
    pub derived: bool,
    /// Payload bytes of the client and of the server, gaps counted.
    pub payload: [u64; 2],
}

struct Nbd {
    shared: Shared,
    client: halves::State,
    server: halves::State,
    feeds: [Feed; 2],
    seen: bool,
}

impl Nbd {
    fn look(&mut self, when: Moment) {
        if !std::mem::replace(&mut self.seen, true) {
            self.shared.report.first = when;
        }
        self.shared.report.last = when;
    }
}

impl StreamParser for Nbd {
    fn picked_up(&mut self, _side: Side, _when: Moment) {
        self.shared.report.damaged = true;
        self.client = halves::State::Lost;
        self.server = halves::State::Lost;
    }

    fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], _out: &mut dyn Emit<Event>) -> Need {
        self.look(when);
        match side {
            Side::Client => self.feeds[0].bytes(&mut Client { state: &mut self.client, shared: &mut self.shared }, when, bytes),
            Side::Server => self.feeds[1].bytes(&mut Server { state: &mut self.server, shared: &mut self.shared }, when, bytes),
        }
    }

    fn gap(&mut self, side: Side, when: Moment, missing: u64, why: GapReason, _out: &mut dyn Emit<Event>) -> Need {
        self.look(when);
        match side {
            Side::Client => self.feeds[0].gap(&mut Client { state: &mut self.client, shared: &mut self.shared }, when, missing, why),
            Side::Server => self.feeds[1].gap(&mut Server { state: &mut self.server, shared: &mut self.shared }, when, missing, why),
        }
    }

    fn end(&mut self, _when: Moment, _how: EndOfStream, out: &mut dyn Emit<Event>) {
        if !self.seen {
            return;
        }
        let mut report = std::mem::take(&mut self.shared.report);
        report.payload = [self.feeds[0].end(), self.feeds[1].end()];
        self.shared.derive(&mut report);
        out.emit(Event::Migration(MigrationEvent::Storage(Box::new(report))));
    }
}

/// The server speaks first: "NBDMAGIC", then "IHAVEOPT".
fn probe(_key: &FlowKey, side: Side, bytes: &[u8]) -> Probe {
    match side {
        Side::Server => super::migration::prefix(bytes, b"NBDMAGICIHAVEOPT"),
        Side::Client => Probe::More,
    }
}

/// A request of the client with all its fixed fields plausible.
fn resync(_key: &FlowKey, side: Side, bytes: &[u8]) -> Probe {
    if side == Side::Client && bytes.len() >= 28 && halves::is_request(bytes) { Probe::Yes } else { Probe::No }
}

fn start(_key: &FlowKey) -> Box<dyn StreamParser> {
    Box::new(Nbd {
        shared: Shared::default(),
        client: halves::State::Hello,
        server: halves::State::Hello,
        feeds: [Feed::default(), Feed::default()],
        seen: false,
    })
}

#[cfg(test)]
mod tests;
