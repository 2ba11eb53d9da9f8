//! Exchanges that were under way while the VM was away.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::{Opening, Window};
use crate::app::http::{Exchange, Incomplete};
use crate::base::clock::ClockMap;
use crate::base::limits::HTTP_HITS;
use crate::base::net::Endpoint;
use crate::base::time::{Nanos, Timestamp};
use crate::flow::FlowKey;
use crate::model::HttpHit;

/// A request for the same thing within this after a failure is a retry.
const RETRY_WITHIN: Nanos = Nanos(60_000_000_000);
/// A request that comes later than this after the server's SYN was not what the connection was opened for. Browsers on busy machines
/// take some ten milliseconds to write it.
const ASKS_WITHIN: Nanos = Nanos(100_000_000);

/// The hits one by one, at most [`HTTP_HITS`], and their number.
pub(super) fn hits(exchanges: &[&Exchange], openings: &[Opening], clock: &ClockMap, windows: &[Window]) -> (Vec<HttpHit>, u64) {
    let mut by_target: HashMap<_, Vec<(Timestamp, bool)>> = HashMap::new();
    for e in exchanges {
        if let Some(asked) = e.request_first {
            by_target.entry(name(e)).or_default().push((clock.to_reference(asked.at), e.complete));
        }
    }
    let mut by_key: HashMap<FlowKey, Vec<&Opening>> = HashMap::new();
    openings.iter().for_each(|o| by_key.entry(o.key).or_default().push(o));
    let mut found: Vec<(Timestamp, HttpHit)> = Vec::new();
    for e in exchanges {
        let Some(request) = e.request_first.map(|m| clock.to_reference(m.at)) else { continue };
        let opened = by_key.get(&e.key).filter(|_| e.index == 0).and_then(|list| opened_for(e, list)).map(|t| clock.to_reference(t));
        let asked = opened.unwrap_or(request);
        let over = e.over.filter(|_| is_over(e)).map(|m| clock.to_reference(m.at));
        let Some((start, end)) = windows.iter().map(Window::span).find(|(start, end)| asked <= *end && over.is_none_or(|o| o >= *start))
        else {
            continue;
        };
        let next = resumed(e, clock, start.max(asked), end);
        let retried = !e.complete
            && by_target.get(&name(e)).is_some_and(|list| list.iter().any(|(t, ok)| *ok && *t > request && *t - request <= RETRY_WITHIN));
        // What went on after the VM was back survived, whatever became of it later.
        let survived = e.complete || next.is_some_and(|n| n >= end);
        let effect = match (survived && !e.failed(), retried) {
            (true, _) => "delayed",
            (false, true) => "retried",
            (false, false) => "failed",
        };
        let hit = HttpHit {
            start: Some(asked),
            request: e.line(),
            client: e.key.client.to_string(),
            server: e.key.server.to_string(),
            status: e.status,
            total_ms: over.filter(|_| e.complete).map(|o| (o - asked).ms()),
            connect_ms: opened.map(|o| (request - o).ms()),
            effect: effect.to_owned(),
            cost_ms: next.map(|n| (n - start.max(asked)).ms()),
        };
        found.push((asked, hit));
    }
    found.extend(unopened(exchanges, openings, clock, windows));
    found.sort_by_key(|f| f.0);
    let count = found.len() as u64;
    found.truncate(HTTP_HITS);
    (found.into_iter().map(|f| f.1).collect(), count)
}

/// The first SYN of the connection that was opened for `exchange`, the first on it. Ports are used again, so the latest before
/// the request counts. Who waited for the connection asks as soon as it is there; else it was opened beforehand, to have a spare one.
fn opened_for(exchange: &Exchange, openings: &[&Opening]) -> Option<Timestamp> {
    let request = exchange.request_first?.at;
    let opening = openings.iter().filter(|o| o.syn <= request).max_by_key(|o| o.syn)?;
    (request - opening.answered? <= ASKS_WITHIN).then_some(opening.syn)
}

/// Connections to a web server that never came about: no request was sent, but somebody wanted to.
fn unopened(exchanges: &[&Exchange], openings: &[Opening], clock: &ClockMap, windows: &[Window]) -> Vec<(Timestamp, HttpHit)> {
    let servers: HashSet<Endpoint> = exchanges.iter().map(|e| e.key.server).collect();
    let mut answered: HashMap<(IpAddr, Endpoint), Vec<Timestamp>> = HashMap::new();
    for e in exchanges.iter().filter(|e| e.complete) {
        let asked = e.request_first.map(|m| clock.to_reference(m.at));
        answered.entry((e.key.client.ip, e.key.server)).or_default().extend(asked);
    }
    answered.values_mut().for_each(|list| list.sort_unstable());
    let mut found = Vec::new();
    for opening in openings.iter().filter(|o| o.answered.is_none() && servers.contains(&o.key.server)) {
        let (asked, last) = (clock.to_reference(opening.syn), clock.to_reference(opening.last));
        if !windows.iter().map(Window::span).any(|(start, end)| asked <= end && last >= start) {
            continue;
        }
        let later =
            answered.get(&(opening.key.client.ip, opening.key.server)).and_then(|list| list.get(list.partition_point(|t| *t <= asked)));
        let again = later.is_some_and(|t| *t - asked <= RETRY_WITHIN);
        let hit = HttpHit {
            start: Some(asked),
            request: format!("CONNECT-TCP :{}", opening.key.server.port),
            client: opening.key.client.to_string(),
            server: opening.key.server.to_string(),
            effect: if again { "retried" } else { "failed" }.to_owned(),
            ..HttpHit::default()
        };
        found.push((asked, hit));
    }
    found
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
