//! What runs inside a connection after CONNECT or an upgrade: TLS and HTTP/2 are read on, anything else is left alone.

use crate::app::tls::{self, TlsParser};
use crate::app::{Event, Probe, StreamParser};
use crate::base::emit::Emit;
use crate::base::net::Side;
use crate::flow::{EndOfStream, FlowKey, GapReason, Moment};

use super::super::http2::Http2Parser;

/// The inner protocol.
pub(super) struct Tunnel {
    key: FlowKey,
    inner: Inner,
}

enum Inner {
    /// Not known before the client's first bytes.
    Unknown,
    Parser(Box<dyn StreamParser>),
    Deaf,
}

impl Tunnel {
    pub fn new(key: FlowKey, protocol: &str) -> Self {
        let inner = match protocol {
            "h2c" => Inner::Parser(Box::new(Http2Parser::new(key))),
            "connect" => Inner::Unknown,
            _ => Inner::Deaf,
        };
        Self { key, inner }
    }

    /// Nobody listens.
    pub fn deaf(&self) -> bool {
        matches!(self.inner, Inner::Deaf)
    }

    pub fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) {
        if matches!(self.inner, Inner::Unknown) && side == Side::Client {
            self.inner = match tls::probe(&self.key, side, bytes) {
                Probe::No => Inner::Deaf,
                _ => Inner::Parser(Box::new(TlsParser::new(self.key))),
            };
        }
        if let Inner::Parser(parser) = &mut self.inner {
            parser.bytes(side, when, bytes, out);
        }
    }

    pub fn gap(&mut self, side: Side, when: Moment, missing: u64, why: GapReason, out: &mut dyn Emit<Event>) {
        if let Inner::Parser(parser) = &mut self.inner {
            parser.gap(side, when, missing, why, out);
        }
    }

    pub fn end(mut self, when: Moment, how: EndOfStream, out: &mut dyn Emit<Event>) {
        if let Inner::Parser(parser) = &mut self.inner {
            parser.end(when, how, out);
        }
    }
}
