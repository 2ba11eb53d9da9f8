//! HTTP/1.x from in-order bytes: requests paired with their responses, bodies counted and not kept (RFC 9110, RFC 9112).
//!
//! One [`Exchange`] leaves per request, complete or with the reason why not. HTTP/2 without TLS is recognised and its
//! frames are counted ([`Http2`]); its header blocks are not decoded. Secrets never enter: values of `Authorization`,
//! `Cookie` and `Set-Cookie` are not read, queries and OpenStack's tokens are kept as a hash only.

mod body;
pub mod exchange;
mod head;
pub mod http2;
pub mod interest;
mod parser;
mod resync;
mod tap;
pub mod target;

use crate::base::net::Side;
use crate::flow::FlowKey;

use super::{Probe, Protocol};

pub use exchange::{Body, ContentRange, Exchange, Incomplete, RequestRange, Tokens};
pub use http2::Http2;
pub use parser::HttpParser;
pub use target::Target;

/// What this module says.
#[derive(Clone, Debug)]
pub enum HttpEvent {
    /// A request and its response, when both are over or will not come.
    Exchange(Box<Exchange>),
    /// An HTTP/2 connection without TLS, at its end.
    Http2(Box<Http2>),
}

/// HTTP/1.x.
pub const HTTP: Protocol = Protocol { name: "http", probe, resync: Some(probe), start: |key| Box::new(HttpParser::new(*key)) };

/// HTTP/2 with prior knowledge (RFC 9113 section 3.3).
pub const HTTP2: Protocol =
    Protocol { name: "http2", probe: http2::probe, resync: None, start: |key| Box::new(http2::Http2Parser::new(*key)) };

fn probe(_: &FlowKey, side: Side, bytes: &[u8]) -> Probe {
    resync::looks_like_head(side, bytes)
}

#[cfg(test)]
mod tests;
