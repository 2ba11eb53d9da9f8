//! Which observations of several points are of the same migration.

use super::PointMigrations;
use crate::app::migration::Observed;
use crate::base::clock::ClockMap;
use crate::base::net::Endpoint;
use crate::base::time::{Nanos, Timestamp};

/// First and last moment of a migration.
pub type Span = (Timestamp, Timestamp);

/// Clocks that are not related are still right to this: operators keep them within seconds.
const SLACK: Nanos = Nanos(30_000_000_000);

/// One migration: the observation of each point, by the point's index.
struct Group<'a> {
    ends: (Endpoint, Endpoint),
    span: Option<Span>,
    seen: Vec<Option<&'a Observed>>,
}

/// Sorts all observations into migrations, in the order of their starts. Observations of one migration have the same ends and overlap in
/// time; the same ends again later are another migration.
pub fn groups<'a>(points: &[PointMigrations<'a>]) -> Vec<Vec<Option<&'a Observed>>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (at, point) in points.iter().enumerate() {
        for observed in point.observed {
            let ends = (observed.source, observed.destination);
            let mine = span(observed, point.clock);
            let fits = |g: &Group<'_>| g.ends == ends && g.seen[at].is_none() && near(g.span, mine);
            let found = (0..groups.len()).filter(|i| fits(&groups[*i])).min_by_key(|i| apart(groups[*i].span, mine));
            match found {
                Some(i) => {
                    groups[i].seen[at] = Some(observed);
                    groups[i].span = union(groups[i].span, mine);
                }
                None => {
                    let mut seen = vec![None; points.len()];
                    seen[at] = Some(observed);
                    groups.push(Group { ends, span: mine, seen });
                }
            }
        }
    }
    groups.sort_by_key(|g| g.span.map(|s| s.0));
    groups.into_iter().map(|g| g.seen).collect()
}

/// From the SYN, or the first thing heard, to the last, on the reference clock.
pub fn span(observed: &Observed, clock: &ClockMap) -> Option<Span> {
    let t = &observed.timeline;
    let marks = [t.first_byte, t.last_byte, t.eof, t.vmdesc_end];
    let moments = [t.syn, t.shut, t.fin, t.receiver_fin, t.rst];
    let all = marks.into_iter().flatten().map(|m| m.at).chain(moments.into_iter().flatten());
    let all = all.chain(observed.channels.iter().flat_map(|c| [c.start(), c.end()]).flatten());
    let mut span = None;
    for at in all.map(|m| clock.to_reference(m.at)) {
        span = union(span, Some((at, at)));
    }
    span
}

fn union(a: Option<Span>, b: Option<Span>) -> Option<Span> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

fn near(a: Option<Span>, b: Option<Span>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.0 <= b.1 + SLACK && b.0 <= a.1 + SLACK,
        _ => true,
    }
}

fn apart(a: Option<Span>, b: Option<Span>) -> i64 {
    match (a, b) {
        (Some(a), Some(b)) => (a.0 - b.0).0.saturating_abs(),
        _ => i64::MAX,
    }
}
