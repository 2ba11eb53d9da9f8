//! Exchanges that were under way while the VM was away.

use std::collections::HashMap;

use super::Window;
use crate::app::http::{Exchange, Incomplete};
use crate::base::clock::ClockMap;
use crate::base::limits::HTTP_HITS;
use crate::base::time::{Nanos, Timestamp};
use crate::model::HttpHit;

/// A request for the same thing within this after a failure is a retry.
const RETRY_WITHIN: Nanos = Nanos(60_000_000_000);

/// The hits one by one, at most [`HTTP_HITS`], and their number.
pub(super) fn hits(exchanges: &[&Exchange], clock: &ClockMap, windows: &[Window]) -> (Vec<HttpHit>, u64) {
    let mut by_target: HashMap<_, Vec<(Timestamp, bool)>> = HashMap::new();
    for e in exchanges {
        if let Some(asked) = e.request_first {
            by_target.entry(name(e)).or_default().push((clock.to_reference(asked.at), e.complete));
        }
    }
    let mut found: Vec<(Timestamp, HttpHit)> = Vec::new();
    for e in exchanges {
        let Some(asked) = e.request_first.map(|m| clock.to_reference(m.at)) else { continue };
        let over = e.over.filter(|_| is_over(e)).map(|m| clock.to_reference(m.at));
        for window in windows {
            let (start, end) = window.span();
            if asked > end || over.is_some_and(|o| o < start) {
                continue;
            }
            let next = resumed(e, clock, start.max(asked), end);
            let retried = !e.complete
                && by_target.get(&name(e)).is_some_and(|list| list.iter().any(|(t, ok)| *ok && *t > asked && *t - asked <= RETRY_WITHIN));
            // What went on after the VM was back survived, whatever became of it later.
            let survived = e.complete || next.is_some_and(|n| n >= end);
            let effect = match (survived && !e.failed(), retried) {
                (true, _) => "delayed",
                (false, true) => "retried",
                (false, false) => "failed",
            };
            let total = over.filter(|_| e.complete).map(|o| (o - asked).ms());
            found.push((
                asked,
                HttpHit {
                    start: Some(asked),
                    request: e.line(),
                    client: e.key.client.to_string(),
                    server: e.key.server.to_string(),
                    status: e.status,
                    total_ms: total,
                    effect: effect.to_owned(),
                    cost_ms: next.map(|n| (n - start.max(asked)).ms()),
                },
            ));
            break;
        }
    }
    found.sort_by_key(|f| f.0);
    let count = found.len() as u64;
    found.truncate(HTTP_HITS);
    (found.into_iter().map(|f| f.1).collect(), count)
}

/// Its end is in the capture, whole or not.
fn is_over(e: &Exchange) -> bool {
    e.complete || e.why.is_some_and(|w| !matches!(w, Incomplete::CaptureEnded | Incomplete::Limit | Incomplete::OneSided))
}

fn name(e: &Exchange) -> (std::net::IpAddr, std::net::IpAddr, Option<&str>, &str) {
    (e.key.client.ip, e.key.server.ip, e.method.as_deref(), &e.target.path)
}

/// When the response went on: its first byte after the VM was back. A response that ended while the VM was away by the estimate
/// went on when its last byte came.
fn resumed(e: &Exchange, clock: &ClockMap, from: Timestamp, back: Timestamp) -> Option<Timestamp> {
    let mut times: Vec<Timestamp> = e.response_first.iter().chain(&e.response_last).map(|m| m.at).collect();
    if let Some(arrivals) = &e.arrivals {
        times.extend(arrivals.points().map(|p| p.0));
    }
    let mut times: Vec<Timestamp> = times.into_iter().map(|t| clock.to_reference(t)).filter(|t| *t >= from).collect();
    times.sort_unstable();
    times.iter().copied().find(|t| *t >= back).or(times.last().copied())
}
