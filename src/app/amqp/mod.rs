//! AMQP 0-9-1 (the specification's sections 2.3.5 and 4.2) as OpenStack uses it: the remote calls that oslo.messaging sends through RabbitMQ.
//!
//! A frame is a type, a channel, a length, so many bytes, and 0xCE. A message comes as a method that says where it goes, a header that says how
//! long it is, and bodies. Of a body only the members of oslo.messaging's envelope are kept that tell which call it is: arguments, tokens and
//! everything else pass by unread. What a client says when it logs in is not looked at. TLS (port 5671) is not looked into.

mod envelope;
pub mod ledger;
mod parser;
#[cfg(test)]
mod tests;

use self::parser::{Amqp, FRAME_HEAD, Found, verified};
use super::{Probe, Protocol, StreamParser};
use crate::base::net::Side;
use crate::flow::{FlowKey, Moment};

/// AMQP 0-9-1.
pub const AMQP: Protocol = Protocol { name: "amqp", probe, resync: Some(resync), start };

/// How a message is called that asks for a method, and how its answer finds back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Message {
    /// The client sent it (`basic.publish`); else the broker handed it out (`basic.deliver`, `basic.get-ok`).
    pub published: bool,
    /// The packet that completed its method frame.
    pub begun: Moment,
    /// The packet that completed the message; `None` if that was not captured.
    pub completed: Option<Moment>,
    /// Exchange that it goes through; empty for the default one.
    pub exchange: String,
    /// Routing key: the topic and perhaps the host, or the queue of replies.
    pub routing_key: String,
    /// Method that is called, or the event that a notification tells; `None` for a reply.
    pub method: Option<String>,
    /// A notification, not a call.
    pub notification: bool,
    /// `_msg_id`: what a call and its reply have in common.
    pub msg_id: Option<String>,
    /// `_reply_q`: where the caller waits. A cast has none.
    pub reply_queue: Option<String>,
    /// `_unique_id`: tells two messages apart, and is the same on the way to the broker and from it.
    pub unique_id: Option<String>,
    /// `_context_request_id`: the request of the API that it serves.
    pub request_id: Option<String>,
    /// Class of the exception that a reply brings.
    pub failure: Option<String>,
    /// The last of the replies.
    pub ending: bool,
    /// Size of the body that its header announces.
    pub size: Option<u64>,
}

/// The header that opens a connection, of any version: the answer to a wrong one has the same shape.
fn probe(_key: &FlowKey, side: Side, bytes: &[u8]) -> Probe {
    match side {
        Side::Client => super::migration::prefix(bytes, b"AMQP\0\0\x09\x01"),
        // Its first method, or the header of the version that it speaks.
        Side::Server if matches!(bytes.first(), None | Some(1 | b'A')) => Probe::More,
        Side::Server => Probe::No,
    }
}

/// A whole frame that can be checked: its kind, what it is about, and the octet at its end.
fn resync(_key: &FlowKey, _side: Side, bytes: &[u8]) -> Probe {
    match verified(bytes) {
        Found::Frame if bytes.len() > FRAME_HEAD => Probe::Yes,
        _ => Probe::No,
    }
}

fn start(_key: &FlowKey) -> Box<dyn StreamParser> {
    Box::new(Amqp::default())
}
