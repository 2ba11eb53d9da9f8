//! Where a head starts: at the beginning of a stream, and again after bytes that are not in the capture.

use memchr::memmem;

use crate::app::Probe;
use crate::base::net::Side;

/// Methods that are known (RFC 9110 section 9, RFC 5789, RFC 4918, RFC 3253, UPnP).
const METHODS: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"CONNECT",
    b"TRACE",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"NOTIFY",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
    b"PURGE",
];
/// Longest method, its space, and one byte of the target.
const REQUEST_START: usize = 11 + 2;
/// `HTTP/1.1 200`.
const RESPONSE_START: usize = 12;

/// Whether the first bytes that `side` sent start a head.
pub(super) fn looks_like_head(side: Side, bytes: &[u8]) -> Probe {
    let bytes = skip_line_ends(bytes);
    if bytes.is_empty() {
        return Probe::More;
    }
    match side {
        Side::Server => match response_start(bytes) {
            Some(true) => Probe::Yes,
            Some(false) => Probe::No,
            None => Probe::More,
        },
        Side::Client => match request_start(bytes) {
            Some(true) => Probe::Yes,
            Some(false) => Probe::No,
            None => Probe::More,
        },
    }
}

/// RFC 9112 section 2.2: empty lines before a request line are passed over.
pub(super) fn skip_line_ends(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(bytes.len());
    &bytes[start..]
}

/// `None` if more bytes are needed to tell.
fn response_start(bytes: &[u8]) -> Option<bool> {
    for (i, b) in bytes.iter().take(RESPONSE_START).enumerate() {
        let fits = match i {
            0..=6 => *b == b"HTTP/1."[i],
            8 => *b == b' ',
            9 => (b'1'..=b'9').contains(b),
            7.. => b.is_ascii_digit(),
        };
        if !fits {
            return Some(false);
        }
    }
    (bytes.len() >= RESPONSE_START).then_some(true)
}

/// `None` if more bytes are needed to tell.
fn request_start(bytes: &[u8]) -> Option<bool> {
    let mut open = false;
    for method in METHODS {
        let n = method.len().min(bytes.len());
        if bytes[..n] != method[..n] {
            continue;
        }
        match (bytes.get(method.len()), bytes.get(method.len() + 1)) {
            (Some(b' '), Some(b)) if target_start(method, *b) => return Some(true),
            (Some(b' '), None) | (None, _) => open = true,
            _ => {}
        }
    }
    if open { None } else { Some(false) }
}

/// RFC 9112 section 3.2: origin-form, absolute-form, authority-form (CONNECT), asterisk-form.
fn target_start(method: &[u8], first: u8) -> bool {
    match first {
        b'/' | b'*' | b'h' | b'H' => true,
        b'[' => method == b"CONNECT",
        b => method == b"CONNECT" && b.is_ascii_alphanumeric(),
    }
}

/// What a search for the next head found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// A head may start here.
    At(usize),
    /// None starts before this offset; what follows must be looked at again with more bytes.
    NotBefore(usize),
}

/// Finds where the next head of `side` may start.
pub(super) fn find_head(side: Side, bytes: &[u8]) -> Search {
    match side {
        Side::Server => {
            for at in memmem::find_iter(bytes, b"HTTP/1.") {
                match response_start(&bytes[at..]) {
                    Some(true) => return Search::At(at),
                    Some(false) => {}
                    None => return Search::NotBefore(at),
                }
            }
            Search::NotBefore(bytes.len().saturating_sub(6))
        }
        Side::Client => {
            for space in memchr::memchr_iter(b' ', bytes) {
                for method in METHODS {
                    let start = space.wrapping_sub(method.len());
                    if bytes[..space].ends_with(method) && request_start(&bytes[start..]) == Some(true) {
                        return Search::At(start);
                    }
                }
            }
            Search::NotBefore(bytes.len().saturating_sub(REQUEST_START))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_recognised_by_content() {
        let client = |b: &[u8]| looks_like_head(Side::Client, b);
        let server = |b: &[u8]| looks_like_head(Side::Server, b);
        assert_eq!(client(b"GET / HTTP/1.1\r\n"), Probe::Yes);
        assert_eq!(client(b"\r\nPOST http://h/ "), Probe::Yes);
        assert_eq!(client(b"CONNECT h:443"), Probe::Yes);
        assert_eq!(client(b"GE"), Probe::More);
        assert_eq!(client(b"GET "), Probe::More);
        assert_eq!(client(b"GETX /"), Probe::No);
        assert_eq!(client(b"PRI * HTTP/2.0"), Probe::No);
        assert_eq!(client(b"OPTIONS rtsp://h RTSP/1.0"), Probe::No);
        assert_eq!(server(b"HTTP/1.1 200 OK"), Probe::Yes);
        assert_eq!(server(b"HTTP/1.1"), Probe::More);
        assert_eq!(server(b"HTTP/2 200"), Probe::No);
        assert_eq!(server(b"\x16\x03\x01"), Probe::No);
    }

    #[test]
    fn finds_the_next_head_in_a_body() {
        assert_eq!(find_head(Side::Server, b"xxHTTP/1.x HTTP/1.1 200 OK"), Search::At(11));
        assert_eq!(find_head(Side::Server, b"xxHTTP/1.1 20"), Search::NotBefore(2));
        assert_eq!(find_head(Side::Client, b"\0\0 xGET /a HTTP/1.1"), Search::At(4));
        assert_eq!(find_head(Side::Client, b"GET / x"), Search::At(0));
    }
}
