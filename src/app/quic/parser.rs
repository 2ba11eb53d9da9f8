//! The parser of one QUIC connection.

use crate::app::{DatagramParser, Event};
use crate::base::emit::Emit;
use crate::base::net::Side;
use crate::flow::{FlowKey, Moment, Need};

use super::crypto::CryptoStream;
use super::initial::{Keys, Kind, LongHeader};
use super::{QuicConnection, QuicEvent};

/// Initial packets that are tried before the hello is given up: retries and pieces need a few.
const TRIES: u32 = 64;

/// Parses one connection.
pub struct QuicParser {
    found: QuicConnection,
    keys: Option<(Vec<u8>, Keys)>,
    stream: CryptoStream,
    tries: u32,
}

impl QuicParser {
    /// For one connection, from any datagram on.
    pub fn new(key: FlowKey) -> Self {
        let found = QuicConnection { key, version: 0, client: None, bytes: [0; 2], arrivals: Box::default(), first: None, last: None };
        Self { found, keys: None, stream: CryptoStream::default(), tries: 0 }
    }

    fn initial(&mut self, header: &LongHeader<'_>) {
        self.tries += 1;
        let known = self.keys.as_ref().and_then(|(_, keys)| keys.open(header));
        let frames = known.or_else(|| {
            // The first packet, or the first after a Retry, whose keys follow from its own destination ID.
            if self.keys.as_ref().is_some_and(|(dcid, _)| dcid == header.dcid) {
                return None;
            }
            let keys = Keys::new(header.version, header.dcid, true)?;
            let frames = keys.open(header)?;
            self.keys = Some((header.dcid.to_vec(), keys));
            self.stream = CryptoStream::default();
            Some(frames)
        });
        if let Some(frames) = frames {
            self.stream.frames(&frames);
            self.found.client = self.stream.hello();
        }
    }
}

impl DatagramParser for QuicParser {
    fn datagram(&mut self, side: Side, when: Moment, bytes: &[u8], wire_len: u32, out: &mut dyn Emit<Event>) -> Need {
        self.found.first.get_or_insert(when);
        self.found.last = Some(when);
        self.found.bytes[side.index()] += u64::from(wire_len);
        if side == Side::Server {
            self.found.arrivals.push(when.at, u64::from(wire_len));
            return Need::More;
        }
        let mut rest = bytes;
        while self.found.client.is_none()
            && self.tries < TRIES
            && let Some(header) = LongHeader::parse(rest)
        {
            if self.found.version == 0 {
                self.found.version = header.version;
            }
            if header.kind == Kind::Initial {
                self.initial(&header);
                if let Some(hello) = &self.found.client {
                    out.emit(Event::Quic(QuicEvent::Hello(Box::new((self.found.key, when, hello.clone())))));
                }
            }
            rest = header.rest;
        }
        Need::More
    }

    fn end(&mut self, _: Moment, out: &mut dyn Emit<Event>) {
        out.emit(Event::Quic(QuicEvent::Connection(Box::new(self.found.clone()))));
    }
}
