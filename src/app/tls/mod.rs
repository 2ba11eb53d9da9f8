//! TLS from in-order bytes: who is called (SNI), what for (ALPN), and when how much came. Nothing is decrypted.
//!
//! Records are walked by their headers (RFC 8446 section 5.1); hellos are decoded with `tls-parser`, across records and segments.

pub mod hello;
mod parser;

use crate::app::video::arrivals::Arrivals;
use crate::base::net::Side;
use crate::flow::{EndOfStream, FlowKey, Moment};

use super::{Probe, Protocol};
pub use hello::{ClientHello, ServerHello};
pub use parser::TlsParser;

/// What this module says.
#[derive(Clone, Debug)]
pub enum TlsEvent {
    /// The client's hello, as soon as it is whole.
    Hello(Box<(FlowKey, Moment, ClientHello)>),
    /// A connection, at its end.
    Connection(Box<TlsConnection>),
}

/// One TLS connection.
#[derive(Clone, Debug)]
pub struct TlsConnection {
    /// The conversation.
    pub key: FlowKey,
    /// The client's hello, if it is in the capture.
    pub client: Option<ClientHello>,
    /// The server's hello.
    pub server: Option<ServerHello>,
    /// Bytes of client and server on top of TCP, those in gaps of the capture included.
    pub bytes: [u64; 2],
    /// Of those, bytes that are not in the capture.
    pub missing: [u64; 2],
    /// Content of records of type "application data" of client and server, with the overhead of encryption; in TLS 1.3 the end of
    /// the handshake as well. An upper bound where the borders of records were lost.
    pub application: [u64; 2],
    /// The borders of records were followed to the end on both sides.
    pub exact: bool,
    /// When the server's application data came.
    pub arrivals: Box<Arrivals>,
    /// When the client's application data came: its requests.
    pub requests: Box<Arrivals>,
    /// First byte.
    pub first: Option<Moment>,
    /// Last byte.
    pub last: Option<Moment>,
    /// How it ended.
    pub ended: EndOfStream,
}

impl TlsConnection {
    /// Name of the server, in lower case.
    pub fn host(&self) -> Option<&str> {
        self.client.as_ref()?.server_name.as_deref()
    }
}

/// TLS.
pub const TLS: Protocol = Protocol { name: "tls", probe, resync: Some(resync), start: |key| Box::new(TlsParser::new(*key)) };

/// The first record is a handshake with a hello of that side.
pub fn probe(_: &FlowKey, side: Side, bytes: &[u8]) -> Probe {
    let hello = match side {
        Side::Client => 1,
        Side::Server => 2,
    };
    let fits = |at: usize, test: fn(u8, u8) -> bool, value: u8| bytes.get(at).is_none_or(|b| test(*b, value));
    let long_enough = bytes.get(3..5).is_none_or(|b| (4..=hello::RECORD_MAX).contains(&u16::from_be_bytes([b[0], b[1]])));
    if !fits(0, |b, v| b == v, 22)
        || !fits(1, |b, v| b == v, 3)
        || !fits(2, |b, v| b <= v, 4)
        || !long_enough
        || !fits(5, |b, v| b == v, hello)
    {
        return Probe::No;
    }
    if bytes.len() >= 6 { Probe::Yes } else { Probe::More }
}

/// A segment that starts with a record: its header, and the next one's if that is there.
fn resync(_: &FlowKey, _: Side, bytes: &[u8]) -> Probe {
    let Some(length) = hello::record(bytes) else { return Probe::No };
    match bytes.get(5 + usize::from(length)..) {
        Some(next) if next.len() >= 5 && hello::record(next).is_none() => Probe::No,
        _ => Probe::Yes,
    }
}

#[cfg(test)]
pub(crate) mod tests;
