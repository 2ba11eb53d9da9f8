//! Whose bodies are kept. Bodies are counted and dropped unless one of [`INTERESTS`] asks for the first bytes of a JSON body.
//!
//! To read the bodies of an API, add one line here. The exchange's [`Body::prefix`](super::Body::prefix) then holds them. A
//! predicate must not ask for bodies that carry secrets (Keystone's `POST /v3/auth/tokens` has the password in it).

use crate::flow::FlowKey;

/// Asks for bodies.
pub struct Interest {
    /// Who asks.
    pub name: &'static str,
    /// What to keep of JSON bodies of an exchange with this method and path. Both are empty if the request is not in the capture.
    pub wish: fn(key: &FlowKey, method: &str, path: &str) -> Wish,
}

/// How many bytes of a body are wanted, if it is JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Of the request's.
    pub request: usize,
    /// Of the response's.
    pub response: usize,
}

/// Everyone who asks. The largest wish counts, up to [`crate::base::limits::HTTP_BODY_PREFIX`].
pub const INTERESTS: &[Interest] = &[crate::app::openstack::INTEREST];

/// How many bytes are kept of the JSON bodies of this exchange.
pub(super) fn wanted(key: &FlowKey, method: &str, path: &str) -> Wish {
    let most = |a: usize, b: usize| a.max(b).min(crate::base::limits::HTTP_BODY_PREFIX);
    INTERESTS
        .iter()
        .map(|i| (i.wish)(key, method, path))
        .fold(Wish::default(), |a, b| Wish { request: most(a.request, b.request), response: most(a.response, b.response) })
}
