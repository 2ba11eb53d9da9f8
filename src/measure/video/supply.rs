//! From segments to media by time.

use std::collections::BTreeMap;

use super::Context;
use super::collect::Fetch;
use super::playback::Supply;
use super::rate;
use super::session::{Piece, Session};
use crate::base::time::Timestamp;

/// Sums the segments of a session and runs the player on them. `end`: place of the last segment, where the presentation is
/// known to end.
pub(super) fn finish(session: &mut Session, fetches: &[&Fetch<'_>], end: Option<u64>, context: &Context<'_>) {
    session.bytes = session.pieces.iter().map(|p| p.bytes).sum();
    let parts: Vec<_> = fetches.iter().flat_map(|f| rate::of_fetch(f, context.clock)).collect();
    session.rate = rate::rate(&parts, context.origin);
    let picture = ladder(session.pieces.iter().filter(|p| !p.init && !p.audio));
    let sound = ladder(session.pieces.iter().filter(|p| !p.init && p.audio));
    let main = if picture.is_empty() { &sound } else { &picture };
    if main.is_empty() {
        session.why.get_or_insert_with(|| "No segment was fetched whole.".to_owned());
        return;
    }
    let seconds: f64 = main.values().map(|s| s.seconds).sum();
    session.fetched_seconds = Some(seconds);
    let bits = |rungs: &BTreeMap<u64, Rung>| {
        let seconds: f64 = rungs.values().map(|s| s.seconds).sum();
        if seconds > 0.0 { rungs.values().map(|s| s.bytes as f64 * 8.0).sum::<f64>() / seconds } else { 0.0 }
    };
    let rate = if picture.is_empty() { bits(&sound) } else { bits(&picture) + bits(&sound) };
    session.media_bps = Some(rate).filter(|r| *r > 0.0);
    session.switches = switches(&session.pieces);
    if session.pieces.iter().any(|p| !p.init && p.done.is_some() && p.seconds.is_none()) {
        session.why.get_or_insert_with(|| "The lengths of some segments are not known.".to_owned());
    }
    if session.why.is_some() {
        return;
    }
    let mut points = steps(main);
    if !picture.is_empty() && !sound.is_empty() {
        points = both(&points, &steps(&sound));
        session.assumptions.push("Picture and sound come apart; the player needs both.".to_owned());
    }
    let places: Vec<u64> = main.keys().copied().collect();
    let highest = places.last().copied().unwrap_or(0);
    // A new period starts to count anew, far away.
    let holes: u64 = places.windows(2).map(|w| w[1] - w[0] - 1).filter(|h| *h < 1 << 32).sum();
    if holes > 0 {
        session.assumptions.push(format!("{holes} segments between others never came whole; the player goes on without them."));
    }
    let whole = end == Some(highest);
    let wanted_until = if whole { None } else { wanted(session, fetches, context) };
    session.model(Supply { points, even: false, whole, wanted_until }, &context.playback);
}

struct Rung {
    at: Timestamp,
    seconds: f64,
    bytes: u64,
}

/// Whole segments by their place; of one that came twice the first counts.
fn ladder<'p>(pieces: impl Iterator<Item = &'p Piece>) -> BTreeMap<u64, Rung> {
    let mut rungs: BTreeMap<u64, Rung> = BTreeMap::new();
    for piece in pieces {
        let (Some(at), Some(seconds)) = (piece.done, piece.seconds) else { continue };
        let rung = rungs.entry(piece.order).or_insert(Rung { at, seconds, bytes: piece.bytes });
        if at < rung.at {
            *rung = Rung { at, seconds, bytes: piece.bytes };
        }
    }
    rungs
}

/// Seconds that can be played by a time: a segment counts once all before it have come.
fn steps(rungs: &BTreeMap<u64, Rung>) -> Vec<(Timestamp, f64)> {
    let (mut at, mut seconds) = (Timestamp::MIN, 0.0);
    rungs
        .values()
        .map(|rung| {
            at = at.max(rung.at);
            seconds += rung.seconds;
            (at, seconds)
        })
        .collect()
}

/// The lesser of both at each time.
fn both(a: &[(Timestamp, f64)], b: &[(Timestamp, f64)]) -> Vec<(Timestamp, f64)> {
    let by = |list: &[(Timestamp, f64)], t: Timestamp| list[..list.partition_point(|p| p.0 <= t)].last().map_or(0.0, |p| p.1);
    let mut times: Vec<Timestamp> = a.iter().chain(b).map(|p| p.0).collect();
    times.sort_unstable();
    times.dedup();
    times.into_iter().map(|t| (t, by(a, t).min(by(b, t)))).filter(|p| p.1 > 0.0).collect()
}

fn switches(pieces: &[Piece]) -> u64 {
    let mut before: Option<&str> = None;
    let mut count = 0;
    for piece in pieces.iter().filter(|p| !p.init && !p.audio) {
        if let Some(variant) = piece.variant.as_deref() {
            count += u64::from(before.is_some_and(|b| b != variant));
            before = Some(variant);
        }
    }
    count
}

/// Until when the viewer waited for more, and what tells so: a download that did not end, or a VM that never came back.
pub(super) fn wanted(session: &Session, fetches: &[&Fetch<'_>], context: &Context<'_>) -> Option<(Timestamp, &'static str)> {
    let last = fetches.iter().max_by_key(|f| f.asked)?;
    let gone = context.vm_ips.contains(&session.server) && context.windows.iter().any(|w| w.end.is_none());
    match (last.unfinished(), gone) {
        (true, _) => Some((context.end, "a download had not ended")),
        (false, true) => Some((context.end, "the server never came back")),
        (false, false) => None,
    }
}
