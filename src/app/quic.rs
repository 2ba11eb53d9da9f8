//! QUIC versions 1 and 2 (RFC 9000, RFC 9369): who is called (SNI), what for (ALPN), and when how much came.
//!
//! The keys of Initial packets follow from what is on the wire (RFC 9001 section 5.2); nothing else is decrypted. Of other
//! versions only the bytes are counted.

mod crypto;
mod initial;
mod parser;
#[cfg(test)]
mod tests;

use crate::app::tls::ClientHello;
use crate::app::video::arrivals::Arrivals;
use crate::base::net::Side;
use crate::flow::{FlowKey, Moment};

use super::{DatagramProtocol, Probe};
pub use parser::QuicParser;

/// What this module says.
#[derive(Clone, Debug)]
pub enum QuicEvent {
    /// The client's hello, as soon as it is whole.
    Hello(Box<(FlowKey, Moment, ClientHello)>),
    /// A connection, at its end.
    Connection(Box<QuicConnection>),
}

/// One QUIC connection, told by its addresses and ports.
#[derive(Clone, Debug)]
pub struct QuicConnection {
    /// The conversation.
    pub key: FlowKey,
    /// Version of the client's first packet.
    pub version: u32,
    /// The client's hello, if it could be read.
    pub client: Option<ClientHello>,
    /// UDP payload of client and server.
    pub bytes: [u64; 2],
    /// When the server's datagrams came.
    pub arrivals: Box<Arrivals>,
    /// First datagram.
    pub first: Option<Moment>,
    /// Last datagram.
    pub last: Option<Moment>,
}

impl QuicConnection {
    /// Name of the server, in lower case.
    pub fn host(&self) -> Option<&str> {
        self.client.as_ref()?.server_name.as_deref()
    }
}

/// QUIC.
pub const QUIC: DatagramProtocol = DatagramProtocol { name: "quic", probe, start: |key| Box::new(QuicParser::new(*key)) };

/// A packet with a long header of a known version; short headers look like noise.
fn probe(_: &FlowKey, side: Side, datagrams: &[&[u8]]) -> Probe {
    let Some(packet) = datagrams.last().and_then(|d| initial::LongHeader::parse(d)) else { return Probe::No };
    match side {
        // RFC 9000 section 7.2: a client's first destination ID has 8 bytes or more; RFC 9369 keeps that.
        Side::Client if packet.kind == initial::Kind::Initial && packet.dcid.len() >= 8 => Probe::Yes,
        Side::Client => Probe::No,
        Side::Server => Probe::Yes,
    }
}
