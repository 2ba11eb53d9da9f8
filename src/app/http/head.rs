//! Heads of messages: the few fields that matter, read with `httparse`. No other field value is kept or even decoded.

use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};

use super::exchange::{ContentRange, RequestRange, Tokens};
use super::target::{Target, hash};
use crate::base::limits::{HTTP_HEADERS, HTTP_TEXT};

/// What a request's head says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct RequestHead {
    pub method: Box<str>,
    pub target: Target,
    pub range: Option<RequestRange>,
    pub user_agent: Option<Box<str>>,
    pub upgrade: Option<Box<str>>,
    pub json: bool,
    pub for_request: Option<Box<str>>,
    pub tokens: Tokens,
    pub framing: Framing,
}

/// What a response's head says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ResponseHead {
    pub status: u16,
    pub content_type: Option<Box<str>>,
    pub content_length: Option<u64>,
    pub content_range: Option<ContentRange>,
    pub compressed: Compression,
    pub request_id: Option<Box<str>>,
    pub subject_token: Option<u64>,
    pub location: Option<Box<str>>,
    pub upgrade: Option<Box<str>>,
    pub framing: Framing,
}

/// `Content-Encoding` of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Compression {
    /// As is.
    #[default]
    None,
    /// `gzip`.
    Gzip,
    /// `deflate`: the zlib format (RFC 9110 section 8.4.1.2).
    Deflate,
    /// One that is not undone here.
    Other,
}

/// What the head says of the body's end (RFC 9112 section 6.3), before the method's and the status's own rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// Neither length nor coding given.
    #[default]
    Unsaid,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding` with `chunked` as its last.
    Chunked,
    /// Another transfer coding, or lengths that contradict each other: the end cannot be told.
    Unknown,
}

fn config() -> ParserConfig {
    let mut config = ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .ignore_invalid_headers_in_responses(true)
        .ignore_invalid_headers_in_requests(true);
    config
}

/// Parses a whole request head. `None` if it is none.
pub(super) fn request(bytes: &[u8]) -> Option<RequestHead> {
    let mut space = [EMPTY_HEADER; HTTP_HEADERS];
    let mut head = httparse::Request::new(&mut space);
    let Ok(Status::Complete(_)) = config().parse_request(&mut head, bytes) else { return None };
    let mut out = RequestHead { method: text(head.method?.as_bytes()), ..Default::default() };
    let mut host = None;
    let mut framing = Lengths::default();
    for header in head.headers.iter() {
        let name = header.name;
        if name.eq_ignore_ascii_case("host") {
            host = std::str::from_utf8(header.value).ok().map(|h| &h[..h.floor_char_boundary(HTTP_TEXT)]);
        } else if name.eq_ignore_ascii_case("range") {
            out.range = byte_range(header.value);
        } else if name.eq_ignore_ascii_case("user-agent") {
            out.user_agent = Some(text(header.value));
        } else if name.eq_ignore_ascii_case("upgrade") {
            out.upgrade = Some(text(header.value));
        } else if name.eq_ignore_ascii_case("content-type") {
            out.json = is_json(&media_type(header.value));
        } else if name.eq_ignore_ascii_case("x-auth-token") {
            out.tokens.auth = Some(hash(header.value));
        } else if name.eq_ignore_ascii_case("x-subject-token") {
            out.tokens.subject = Some(hash(header.value));
        } else if name.eq_ignore_ascii_case("x-openstack-request-id") {
            out.for_request = Some(text(header.value));
        } else {
            framing.see(header);
        }
    }
    out.framing = framing.result();
    out.target = Target::of_request(cut(head.path?), host);
    Some(out)
}

/// Parses a whole response head. `None` if it is none.
pub(super) fn response(bytes: &[u8]) -> Option<ResponseHead> {
    let mut space = [EMPTY_HEADER; HTTP_HEADERS];
    let mut head = httparse::Response::new(&mut space);
    let Ok(Status::Complete(_)) = config().parse_response(&mut head, bytes) else { return None };
    let mut out = ResponseHead { status: head.code?, ..Default::default() };
    let mut framing = Lengths::default();
    for header in head.headers.iter() {
        let name = header.name;
        if name.eq_ignore_ascii_case("content-type") {
            out.content_type = Some(media_type(header.value));
        } else if name.eq_ignore_ascii_case("content-range") {
            out.content_range = content_range(header.value);
        } else if name.eq_ignore_ascii_case("content-encoding") {
            out.compressed = compression(header.value);
        } else if name.eq_ignore_ascii_case("location") {
            out.location = std::str::from_utf8(header.value).ok().map(|l| cut(l).into());
        } else if name.eq_ignore_ascii_case("upgrade") {
            out.upgrade = Some(text(header.value));
        } else if name.eq_ignore_ascii_case("x-openstack-request-id") || name.eq_ignore_ascii_case("x-compute-request-id") {
            out.request_id.get_or_insert_with(|| text(header.value));
        } else if name.eq_ignore_ascii_case("x-subject-token") {
            out.subject_token = Some(hash(header.value));
        } else {
            framing.see(header);
        }
    }
    out.framing = framing.result();
    out.content_length = framing.length;
    Some(out)
}

/// Method and path of a request whose head the capture cut off; a path that is not whole ends in `…`.
pub(super) fn cut_request(bytes: &[u8]) -> Option<(Box<str>, Target)> {
    let line_end = memchr::memchr(b'\n', bytes);
    let line = std::str::from_utf8(&bytes[..line_end.unwrap_or(bytes.len())]).ok()?.trim_end_matches('\r');
    let (method, rest) = line.split_once(' ')?;
    let whole = rest.split_once(' ');
    let mut target = Target::of_request(cut(whole.map_or(rest, |w| w.0)), None);
    if whole.is_none() && target.query.is_none() {
        target.path = format!("{}…", target.path).into();
    }
    Some((text(method.as_bytes()), target))
}

/// Status of a response whose head the capture cut off.
pub(super) fn cut_response(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Gathers what several fields say about the length.
#[derive(Default)]
struct Lengths {
    length: Option<u64>,
    wrong: bool,
    coding: Option<bool>,
}

impl Lengths {
    fn see(&mut self, header: &Header<'_>) {
        if header.name.eq_ignore_ascii_case("content-length") {
            // RFC 9112 section 6.3 item 5: a list of equal values counts as one.
            for part in header.value.split(|b| *b == b',') {
                match number(part.trim_ascii()) {
                    Some(n) if self.length.is_none_or(|l| l == n) => self.length = Some(n),
                    _ => self.wrong = true,
                }
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            let last = header.value.rsplit(|b| *b == b',').next().unwrap_or_default().trim_ascii();
            self.coding = Some(last.eq_ignore_ascii_case(b"chunked"));
        }
    }

    fn result(&self) -> Framing {
        match (self.coding, self.length) {
            // RFC 9112 section 6.3 item 3: Transfer-Encoding overrides Content-Length.
            (Some(true), _) => Framing::Chunked,
            (Some(false), _) => Framing::Unknown,
            (None, _) if self.wrong => Framing::Unknown,
            (None, Some(n)) => Framing::Length(n),
            (None, None) => Framing::Unsaid,
        }
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn byte_range(value: &[u8]) -> Option<RequestRange> {
    let value = std::str::from_utf8(value).ok()?.trim();
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let last = last.trim();
    let last = if last.is_empty() { None } else { Some(number(last.as_bytes())?) };
    Some(RequestRange { first: number(first.trim().as_bytes())?, last })
}

fn content_range(value: &[u8]) -> Option<ContentRange> {
    let value = std::str::from_utf8(value).ok()?.trim();
    let (range, total) = value.strip_prefix("bytes")?.trim_start_matches([' ', '=']).split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let range = ContentRange {
        first: number(first.trim().as_bytes())?,
        last: number(last.trim().as_bytes())?,
        total: number(total.trim().as_bytes()),
    };
    (range.first <= range.last).then_some(range)
}

fn compression(value: &[u8]) -> Compression {
    match value.trim_ascii().to_ascii_lowercase().as_slice() {
        b"" | b"identity" => Compression::None,
        b"gzip" | b"x-gzip" => Compression::Gzip,
        b"deflate" => Compression::Deflate,
        _ => Compression::Other,
    }
}

/// Type without parameters, lower case.
fn media_type(value: &[u8]) -> Box<str> {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    text(&value[..end]).to_ascii_lowercase().into()
}

/// True for `application/json` and types with the `+json` suffix (RFC 6839).
pub(super) fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.ends_with("+json")
}

/// At most [`HTTP_TEXT`] bytes of a value, as text.
fn text(value: &[u8]) -> Box<str> {
    let text = String::from_utf8_lossy(value.trim_ascii());
    text[..text.floor_char_boundary(HTTP_TEXT.min(text.len()))].into()
}

/// At most 4 KiB of a target.
fn cut(target: &str) -> &str {
    &target[..target.floor_char_boundary(target.len().min(4096))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_matters_and_no_secret() {
        let head = request(
            b"GET /v/a.mp4?token=SECRET HTTP/1.1\r\nHost: Video.example:80\r\nRange: bytes=10-\r\nUser-Agent: x/1\r\n\
              Authorization: Basic SECRET\r\nCookie: s=SECRET\r\nX-Auth-Token: SECRET\r\nContent-Type: application/json; charset=utf-8\r\n\r\n",
        )
        .unwrap();
        assert_eq!(head.target.host.as_deref(), Some("video.example"));
        assert_eq!(&*head.target.path, "/v/a.mp4");
        assert_eq!(head.range, Some(RequestRange { first: 10, last: None }));
        assert!(head.json && head.tokens.auth.is_some());
        assert!(!format!("{head:?}").contains("SECRET"));
        let head = response(
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-657/658\r\nContent-Length: 658\r\nSet-Cookie: SECRET\r\n\
              X-Subject-Token: SECRET\r\nx-openstack-request-id: req-1\r\nContent-Type: text/html;x\r\n\r\n",
        )
        .unwrap();
        assert_eq!(head.content_range, Some(ContentRange { first: 0, last: 657, total: Some(658) }));
        assert_eq!((head.status, head.framing, head.content_length), (206, Framing::Length(658), Some(658)));
        assert_eq!(head.request_id.as_deref(), Some("req-1"));
        assert_eq!(head.subject_token, Some(hash(b"SECRET")));
        assert_eq!(head.content_type.as_deref(), Some("text/html"));
        assert!(!format!("{head:?}").contains("SECRET"));
    }

    #[test]
    fn framing_follows_rfc_9112_6_3() {
        let framing = |fields: &str| response(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes()).unwrap().framing;
        assert_eq!(framing(""), Framing::Unsaid);
        assert_eq!(framing("Content-Length: 5\r\n"), Framing::Length(5));
        assert_eq!(framing("Content-Length: 5, 5\r\n"), Framing::Length(5));
        assert_eq!(framing("Content-Length: 5\r\nContent-Length: 6\r\n"), Framing::Unknown);
        assert_eq!(framing("Content-Length: -5\r\n"), Framing::Unknown);
        assert_eq!(framing("Content-Length: 99999999999999999999\r\n"), Framing::Unknown);
        assert_eq!(framing("Content-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n"), Framing::Chunked);
        assert_eq!(framing("Transfer-Encoding: gzip\r\n"), Framing::Unknown);
    }

    #[test]
    fn cut_heads_keep_what_is_sure() {
        let (method, target) = cut_request(b"GET /hls/index0.ts HTTP/1.1\r\nUs").unwrap();
        assert_eq!((&*method, &*target.path), ("GET", "/hls/index0.ts"));
        assert_eq!(&*cut_request(b"GET /hls/ind").unwrap().1.path, "/hls/ind…");
        assert_eq!(cut_response(b"HTTP/1.1 206 Partial"), Some(206));
        assert_eq!(cut_response(b"HTTP/1.1 2"), None);
    }
}
