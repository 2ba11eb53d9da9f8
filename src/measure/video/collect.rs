//! Exchanges sorted by viewer, on the reference clock.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::app::http::{Exchange, Incomplete, Target};
use crate::app::video::Media;
use crate::app::web::WebLedger;
use crate::base::clock::ClockMap;
use crate::base::time::Timestamp;

/// One download.
#[derive(Clone, Copy)]
pub(super) struct Fetch<'a> {
    pub exchange: &'a Exchange,
    /// First byte of the request, or of the response if the request is not in the capture.
    pub asked: Timestamp,
    /// First byte of the response.
    pub first_byte: Option<Timestamp>,
    /// Last byte of the response that was seen.
    pub last_byte: Option<Timestamp>,
}

/// One viewer and the downloads that no session has claimed yet, in the order in which they were asked for.
pub(super) struct Viewer<'a> {
    pub client: IpAddr,
    pub fetches: Vec<Fetch<'a>>,
}

impl<'a> Fetch<'a> {
    fn new(exchange: &'a Exchange, clock: &ClockMap) -> Option<Self> {
        let on = |m: crate::flow::Moment| clock.to_reference(m.at);
        let first_byte = exchange.response_first.map(on);
        Some(Self {
            exchange,
            asked: exchange.request_first.map(on).or(first_byte)?,
            first_byte,
            last_byte: exchange.response_last.map(on),
        })
    }

    pub fn target(&self) -> &'a Target {
        &self.exchange.target
    }

    /// When it was all there.
    pub fn done(&self) -> Option<Timestamp> {
        self.last_byte.filter(|_| self.exchange.complete || self.exchange.why == Some(Incomplete::NoRequest))
    }

    pub fn media(&self) -> Option<&'a Media> {
        self.exchange.media.as_deref()
    }

    /// An answer that carries what was asked for, as far as the capture tells.
    pub fn ok(&self) -> bool {
        self.exchange.status.is_none_or(|s| (200..300).contains(&s))
    }

    /// It was under way when the capture ended, or died with its conversation: it was still wanted.
    pub fn unfinished(&self) -> bool {
        matches!(self.exchange.why, Some(Incomplete::CaptureEnded | Incomplete::Reset | Incomplete::NoResponse))
    }
}

/// Downloads by viewer. Requests that are no downloads (POST and others) are left out.
pub(super) fn viewers<'a>(web: &'a WebLedger, clock: &ClockMap) -> Vec<Viewer<'a>> {
    let mut by_client: BTreeMap<IpAddr, Vec<Fetch<'a>>> = BTreeMap::new();
    for exchange in &web.exchanges {
        if exchange.method.as_deref().is_none_or(|m| m == "GET")
            && let Some(fetch) = Fetch::new(exchange, clock)
        {
            by_client.entry(exchange.key.client.ip).or_default().push(fetch);
        }
    }
    let mut viewers: Vec<_> = by_client.into_iter().map(|(client, fetches)| Viewer { client, fetches }).collect();
    viewers.iter_mut().for_each(|v| v.fetches.sort_by_key(|f| f.asked));
    viewers
}
