//! libvirt's RPC on an unencrypted connection (`src/rpc/virnetprotocol.x`): calls with their replies, and tunnelled migration streams.
//!
//! A message is a length that counts itself, 24 bytes of header, and a body in XDR (RFC 4506). Of bodies only what is needed is read: the
//! address that a Prepare answers, whether a Finish gives up, the text of an error. A tunnelled migration comes as the data of a stream that
//! has the serial of its Prepare; its bytes go to the parser of migration streams. TLS (port 16514) and SSH are not looked into.

mod parser;
pub mod procedures;
#[cfg(test)]
mod tests;

use self::parser::{HEADER, Header, Libvirt};
use super::{Probe, Protocol, StreamParser};
use crate::base::net::Side;
use crate::flow::{FlowKey, Moment};

/// libvirt's RPC.
pub const LIBVIRT: Protocol = Protocol { name: "libvirt", probe, resync: Some(resync), start };

/// A call, its reply, or an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Who called, or sent the event.
    pub from: Side,
    /// Program number.
    pub program: u32,
    /// Procedure number.
    pub procedure: u32,
    /// Ties the reply to the call.
    pub serial: u32,
    /// The packet that completed the call; `None` if only its reply was captured.
    pub asked: Option<Moment>,
    /// The packet that completed the reply; `None` for events, and for calls that were not answered in the capture.
    pub answered: Option<Moment>,
    /// What of its content matters: the address that a Prepare answers, `cancelled` of a Finish.
    pub detail: Option<String>,
    /// The text of the error that it ended with.
    pub error: Option<String>,
}

impl Call {
    /// The procedure's name, or its number.
    pub fn name(&self) -> String {
        procedures::name(self.program, self.procedure).map_or_else(|| format!("procedure {}", self.procedure), str::to_owned)
    }
}

fn probe(_key: &FlowKey, _side: Side, bytes: &[u8]) -> Probe {
    match bytes.first_chunk::<HEADER>() {
        Some(head) if Header::read(head).is_some() => Probe::Yes,
        Some(_) => Probe::No,
        // The first byte of the length is 0 or 1, then come the programs that are known.
        None if bytes.first().is_none_or(|b| *b <= 1) && bytes.get(4).is_none_or(|b| matches!(*b, 0x20 | 0x6b)) => Probe::More,
        None => Probe::No,
    }
}

fn resync(_key: &FlowKey, _side: Side, bytes: &[u8]) -> Probe {
    if bytes.first_chunk::<HEADER>().is_some_and(|head| Header::read(head).is_some()) { Probe::Yes } else { Probe::No }
}

fn start(_key: &FlowKey) -> Box<dyn StreamParser> {
    Box::new(Libvirt::default())
}
