//! HTTP exchanges summed, and what the downtime cost them.
//!
//! Method: times are those of the packets at one point, the client's where there is one. Time to first byte runs from the last
//! byte of the request to the first of the final response, so it holds one round trip plus the server's own time. What the
//! downtime cost counts from the first SYN where the connection was opened for the request: most servers of small guests close
//! after each answer, and then it is the SYN that goes unanswered. Bias: at a node's capture, retransmissions between client and
//! node do not show; a browser may open a connection for one request and use it for another that waits too, and then the two
//! change places.

mod hit;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::app::http::Exchange;
use crate::app::web::WebLedger;
use crate::base::clock::ClockMap;
use crate::base::interval::Interval;
use crate::base::time::Timestamp;
use crate::flow::FlowKey;
use crate::model::{Http, Quantiles};

/// When the VM was away, on the reference clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Start of the downtime.
    pub start: Interval<Timestamp>,
    /// Its end; `None` if service never came back.
    pub end: Option<Interval<Timestamp>>,
}

impl Window {
    /// First and last moment by the best estimates.
    pub(crate) fn span(&self) -> (Timestamp, Timestamp) {
        (self.start.estimate, self.end.map_or(Timestamp::MAX, |e| e.estimate))
    }
}

/// A TCP connection whose opening SYN is in the capture. Times are on the clock of the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The conversation.
    pub key: FlowKey,
    /// The first SYN.
    pub syn: Timestamp,
    /// Last packet of the conversation.
    pub last: Timestamp,
    /// The server's first segment; `None` if it never answered.
    pub answered: Option<Timestamp>,
}

/// Sums the exchanges of one point, whose role is `measured_at`. `openings` tells when the connections were asked for.
///
/// Only exchanges with one of `vm_ips` can be hit by a window; with none given, all can.
pub fn assemble(web: &WebLedger, openings: &[Opening], clock: &ClockMap, measured_at: &str, vm_ips: &[IpAddr], windows: &[Window]) -> Http {
    let mut out = Http { measured_at: Some(measured_at.to_owned()), http2_connections: web.http2.len() as u64, ..Http::default() };
    let left = &web.left_out;
    out.ok = left.ok;
    out.failed = left.failed;
    out.incomplete = left.incomplete;
    let (mut first_byte, mut total) = (Vec::new(), Vec::new());
    for exchange in &web.exchanges {
        match (exchange.complete, exchange.failed()) {
            (false, _) => out.incomplete += 1,
            (true, true) => out.failed += 1,
            (true, false) => out.ok += 1,
        }
        // A response that was captured before its request tells no time.
        if let (Some(asked), Some(answered)) = (exchange.request_last, exchange.response_first)
            && answered.at >= asked.at
        {
            first_byte.push((clock.to_reference(answered.at) - clock.to_reference(asked.at)).ms());
        }
        if let (true, Some((start, end))) = (exchange.complete, span(exchange, clock)) {
            total.push((end - start).ms());
        }
    }
    out.exchanges = out.ok + out.failed + out.incomplete;
    out.ttfb_ms = quantiles(first_byte);
    out.total_ms = quantiles(total);
    let of_vm = |key: &FlowKey| vm_ips.is_empty() || vm_ips.iter().any(|ip| key.has_ip(*ip));
    let exchanges: Vec<&Exchange> = web.exchanges.iter().filter(|e| of_vm(&e.key)).collect();
    let openings: Vec<Opening> = openings.iter().copied().filter(|o| of_vm(&o.key)).collect();
    (out.hit, out.overlapping_downtime) = hit::hits(&exchanges, &openings, clock, windows);
    out
}

/// First byte of the request to the last of the response.
fn span(exchange: &Exchange, clock: &ClockMap) -> Option<(Timestamp, Timestamp)> {
    let start = clock.to_reference(exchange.request_first?.at);
    let end = clock.to_reference(exchange.response_last?.at);
    (end >= start).then_some((start, end))
}

/// Quantiles by nearest rank.
pub(crate) fn quantiles(mut values: Vec<f64>) -> Quantiles {
    values.sort_by(f64::total_cmp);
    let at = |q: f64| {
        let rank = (q * values.len() as f64).ceil().max(1.0) as usize;
        values.get(rank - 1).copied()
    };
    Quantiles { p50: at(0.5), p95: at(0.95), max: values.last().copied() }
}
