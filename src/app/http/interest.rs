//! Whose bodies are kept. Bodies are counted and dropped unless one of [`INTERESTS`] asks for the first bytes of a JSON body.
//!
//! To read the bodies of an API, add one line here. The exchange's [`Body::prefix`](super::Body::prefix) then holds them. A
//! predicate must not ask for bodies that carry secrets (Keystone's `POST /v3/auth/tokens` has the password in it).

use crate::flow::FlowKey;

/// Asks for bodies.
pub struct Interest {
    /// Who asks.
    pub name: &'static str,
    /// How many bytes of a JSON body to keep of an exchange with this method and path; `None` for none of it.
    /// Method and path are empty if the request is not in the capture.
    pub want_body: fn(key: &FlowKey, method: &str, path: &str) -> Option<usize>,
}

/// Everyone who asks. The largest wish counts, up to [`crate::base::limits::HTTP_BODY_PREFIX`].
pub const INTERESTS: &[Interest] = &[];

/// How many bytes are kept of a JSON body of this exchange.
pub(super) fn wanted(key: &FlowKey, method: &str, path: &str) -> usize {
    let most = INTERESTS.iter().filter_map(|i| (i.want_body)(key, method, path)).max().unwrap_or(0);
    most.min(crate::base::limits::HTTP_BODY_PREFIX)
}
