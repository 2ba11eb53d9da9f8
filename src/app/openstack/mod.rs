//! OpenStack's HTTP APIs, told by the shape of their paths: ports and prefixes (`/compute/v2.1`) differ between installations.
//!
//! A call is what an exchange means: which API, which step, what of its bodies matters (an action's name, the host of a binding, the
//! state of a server), its request ids. Nothing here keeps a token, a password or a query: paths are rebuilt from segments that
//! cannot be one, and of bodies only members named in [`bodies`] are read. References: the API references of Identity v3, Compute
//! v2.1, Placement, Networking v2.0, Image v2 and Block Storage v3.

mod bodies;
mod paths;
#[cfg(test)]
mod tests;

use super::http::interest::{Interest, Wish};
use super::http::{Exchange, Incomplete, Tokens};
use crate::base::limits::OPENSTACK_BODY;
use crate::flow::{FlowKey, Moment};

pub use bodies::{Said, ServerState, User};
pub use paths::{Path, Step};

/// A call of one of the APIs.
#[derive(Clone, Debug)]
pub struct Call {
    /// The conversation.
    pub key: FlowKey,
    /// Which step it is.
    pub step: &'static Step,
    /// Method.
    pub method: Box<str>,
    /// Path from its version on, without what could be a secret.
    pub path: String,
    /// The server (or of Placement, the consumer) that the path names.
    pub subject: Option<String>,
    /// The packet that completed the request.
    pub asked: Option<Moment>,
    /// The packet that completed the answer: its last byte, or the FIN where only that ends it.
    pub answered: Option<Moment>,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Why it is not complete.
    pub why: Option<Incomplete>,
    /// Id that the answer gave the request.
    pub request_id: Option<String>,
    /// Id of the request that it was made for.
    pub for_request: Option<String>,
    /// Which tokens it bore, as hashes.
    pub tokens: Tokens,
    /// What its bodies say.
    pub said: Said,
}

/// Asks for the bodies that [`bodies`] reads.
pub const INTEREST: Interest = Interest {
    name: "openstack",
    wish: |_, method, path| {
        let Some(found) = paths::find(method, path, false) else { return Wish::default() };
        let of = |wanted: bool| if wanted { OPENSTACK_BODY } else { 0 };
        Wish { request: of(found.step.reads_request), response: of(found.step.reads_response) }
    },
};

/// The service that an exchange is of, by its content.
pub fn service(exchange: &Exchange) -> Option<&'static str> {
    find(exchange).map(|p| p.step.service)
}

fn find(exchange: &Exchange) -> Option<Path> {
    // Paths that other services could have as well count only if something else says that it is OpenStack.
    let identified = exchange.request_id.is_some() || exchange.for_request.is_some() || exchange.tokens != Tokens::default();
    paths::find(exchange.method.as_deref()?, &exchange.target.path, identified)
}

/// The call that an exchange is; `None` if it is none of these APIs, or says nothing of what they do.
pub fn call(exchange: &Exchange) -> Option<Call> {
    let mut found = find(exchange)?;
    let body = |body: &super::http::Body| body.prefix.clone().filter(|_| body.whole && body.missing == 0);
    let (request, response) = (body(&exchange.request_body), body(&exchange.response_body));
    let said = bodies::read(&mut found, request.as_deref(), response.as_deref(), exchange.status);
    if found.step.what.is_empty() {
        return None;
    }
    Some(Call {
        key: exchange.key,
        step: found.step,
        method: exchange.method.clone()?,
        path: found.path,
        subject: found.subject,
        asked: exchange.request_last,
        answered: exchange.over.filter(|_| exchange.complete),
        status: exchange.status,
        why: exchange.why,
        request_id: exchange.request_id.as_deref().and_then(request_id),
        for_request: exchange.for_request.as_deref().and_then(request_id),
        tokens: exchange.tokens,
        said,
    })
}

/// A request id (`req-` and a UUID); a field of that name with anything else in it is not shown.
fn request_id(text: &str) -> Option<String> {
    text.strip_prefix("req-").filter(|rest| paths::is_uuid(rest)).map(|_| text.to_owned())
}
