//! One request and its response, as far as the capture shows them.

use crate::app::video::Media;
use crate::app::video::arrivals::Arrivals;
use crate::flow::{FlowKey, Moment};

use super::target::Target;

/// One HTTP exchange. Times are those of the packets that carried the bytes, on the clock of the point.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The conversation.
    pub key: FlowKey,
    /// Its number within the conversation, from 0.
    pub index: u32,
    /// Method; `None` if the request is not in the capture.
    pub method: Option<Box<str>>,
    /// Host and path, without query. The path ends in `…` where the capture cut it off.
    pub target: Target,
    /// `Range` of the request, if it asked for one range of bytes.
    pub range: Option<RequestRange>,
    /// First byte of the request.
    pub request_first: Option<Moment>,
    /// Last byte of the request, its body included.
    pub request_last: Option<Moment>,
    /// First byte of the final response (not of 1xx).
    pub response_first: Option<Moment>,
    /// Last byte of the response that was seen.
    pub response_last: Option<Moment>,
    /// When it was over: the last byte of a complete one (the server's FIN where only that ends the response), else what ended it (FIN,
    /// RST, a gap, the end of the capture).
    pub over: Option<Moment>,
    /// Status code of the final response.
    pub status: Option<u16>,
    /// Interim responses (1xx) before it.
    pub interim: u16,
    /// `Content-Type` of the response, without parameters, lower case.
    pub content_type: Option<Box<str>>,
    /// `Content-Length` of the response.
    pub content_length: Option<u64>,
    /// `Content-Range` of the response.
    pub content_range: Option<ContentRange>,
    /// `User-Agent`, at most 256 characters.
    pub user_agent: Option<Box<str>>,
    /// `x-openstack-request-id` or `x-compute-request-id` of the response.
    pub request_id: Option<Box<str>>,
    /// `X-OpenStack-Request-ID` of the request: the call that this one is made for.
    pub for_request: Option<Box<str>>,
    /// Tokens of OpenStack, told apart and never kept.
    pub tokens: Tokens,
    /// Where a redirect leads, resolved.
    pub location: Option<Box<Target>>,
    /// Body of the request.
    pub request_body: Body,
    /// Body of the response.
    pub response_body: Body,
    /// Protocol that the connection changed to: the `Upgrade` of a 101, or `connect`.
    pub upgrade: Option<Box<str>>,
    /// Request and response were seen to their ends. Body bytes that the capture lacks but whose place is known
    /// ([`Body::missing`]) do not spoil this.
    pub complete: bool,
    /// Why it is not complete.
    pub why: Option<Incomplete>,
    /// Request and response were paired by their times, since something before them is not in the capture.
    pub paired_by_time: bool,
    /// What the response's body is, where it is of interest to video.
    pub media: Option<Box<Media>>,
    /// When the body's bytes came; kept for media and for large bodies.
    pub arrivals: Option<Box<Arrivals>>,
}

/// Hashes of OpenStack's tokens, good for nothing but to tell two of them apart within this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// `X-Auth-Token` of the request: who asks.
    pub auth: Option<u64>,
    /// `X-Subject-Token` of the request, else of the response: which token it is about.
    pub subject: Option<u64>,
}

/// Counts of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Bytes of content that were transferred (chunk framing not counted), those in gaps of the capture included.
    pub bytes: u64,
    /// Of those, bytes that are not in the capture.
    pub missing: u64,
    /// The first bytes, where [`super::interest::INTERESTS`] asked for them and the content is JSON.
    pub prefix: Option<Box<[u8]>>,
    /// `prefix` is the whole body.
    pub whole: bool,
}

/// `Range: bytes=first-last` (RFC 9110 section 14.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestRange {
    /// First byte.
    pub first: u64,
    /// Last byte; `None` for "to the end".
    pub last: Option<u64>,
}

/// `Content-Range: bytes first-last/total` (RFC 9110 section 14.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContentRange {
    /// First byte.
    pub first: u64,
    /// Last byte.
    pub last: u64,
    /// Size of the whole; `None` for `*`.
    pub total: Option<u64>,
}

/// Why an exchange is not complete.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Incomplete {
    /// Bytes that tell where the messages end are not in the capture.
    Gap,
    /// The response is in the capture, its request is not.
    NoRequest,
    /// The conversation closed without a response.
    NoResponse,
    /// Nothing that the server sent is in the capture.
    OneSided,
    /// The sender closed before the announced end.
    ClosedEarly,
    /// The client closed before the response was over: it did not want the rest.
    Abandoned,
    /// The conversation was reset.
    Reset,
    /// The capture ended, or the conversation was idle until it did.
    CaptureEnded,
    /// A bound of the tool was reached.
    Limit,
}

impl Incomplete {
    /// Short fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::NoRequest => "no_request",
            Self::NoResponse => "no_response",
            Self::OneSided => "one_sided",
            Self::ClosedEarly => "closed_early",
            Self::Abandoned => "abandoned",
            Self::Reset => "reset",
            Self::CaptureEnded => "capture_ended",
            Self::Limit => "limit",
        }
    }
}

impl Exchange {
    /// An exchange of which nothing is known yet.
    pub fn new(key: FlowKey, index: u32) -> Self {
        Self {
            key,
            index,
            method: None,
            target: Target::default(),
            range: None,
            request_first: None,
            request_last: None,
            response_first: None,
            response_last: None,
            over: None,
            status: None,
            interim: 0,
            content_type: None,
            content_length: None,
            content_range: None,
            user_agent: None,
            request_id: None,
            for_request: None,
            tokens: Tokens::default(),
            location: None,
            request_body: Body::default(),
            response_body: Body::default(),
            upgrade: None,
            complete: false,
            why: None,
            paired_by_time: false,
            media: None,
            arrivals: None,
        }
    }

    /// Complete with a status of 400 or above.
    pub fn failed(&self) -> bool {
        self.complete && self.status.is_some_and(|s| s >= 400)
    }

    /// Method and path for people, without secrets: `GET /index.html`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method.as_deref().unwrap_or("?"), self.target.shown())
    }
}
