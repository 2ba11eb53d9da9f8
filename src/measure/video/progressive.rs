//! One film in one file, fetched at once or in ranges.

use super::Context;
use super::collect::{Fetch, Viewer};
use super::hls::piece;
use super::playback::Supply;
use super::rate;
use super::session::{Kind, Piece, Session};
use super::supply::wanted;
use crate::app::video::{Media, Mp4};
use crate::base::time::{Nanos, Timestamp};

/// Names of films, where the response is not in the capture.
const NAMES: &[&str] = &["mp4", "m4v", "mov", "webm", "mkv", "flv", "avi", "ogv", "mpg"];
/// Films without a known container below this are previews and pictures.
const LEAST_BYTES: u64 = 100_000;
/// Silences longer than this end a ramp: bytes after them came at once.
const PAUSE: Nanos = Nanos(100_000_000);

/// All progressive sessions of `viewer`; their downloads are taken out of it.
pub(super) fn sessions(viewer: &mut Viewer<'_>, context: &Context<'_>) -> Vec<Session> {
    let mut groups: Vec<Vec<Fetch<'_>>> = Vec::new();
    for fetch in viewer.fetches.iter().filter(|f| film(f)) {
        // The newest viewing of the same file, unless this one begins another.
        match groups.iter_mut().rev().find(|g| g[0].target().same(fetch.target())) {
            Some(group) if !again(group, fetch) => group.push(*fetch),
            _ => groups.push(vec![*fetch]),
        }
    }
    viewer.fetches.retain(|f| !film(f));
    groups.into_iter().filter_map(|g| session(&g, viewer, context)).collect()
}

fn film(fetch: &Fetch<'_>) -> bool {
    let size = || {
        fetch.exchange.content_range.and_then(|r| r.total).or(fetch.exchange.content_length).unwrap_or(fetch.exchange.response_body.bytes)
    };
    let sound = fetch.exchange.content_type.as_deref().is_some_and(|t| t.starts_with("audio/"));
    match fetch.media() {
        Some(Media::Mp4(mp4)) => fetch.ok() && (mp4.track("vide").is_some() || (mp4.tracks.is_empty() && !sound && size() >= LEAST_BYTES)),
        Some(Media::Ts | Media::Matroska | Media::Typed) => fetch.ok() && !sound && size() >= LEAST_BYTES,
        Some(_) => false,
        None => fetch.exchange.status.is_none() && NAMES.contains(&fetch.target().extension().as_str()),
    }
}

/// Asks from the start again after the file was fetched whole.
fn again(group: &[Fetch<'_>], fetch: &Fetch<'_>) -> bool {
    let from_start = fetch.exchange.range.is_none_or(|r| r.first == 0 && r.last.is_none());
    let whole = |f: &Fetch<'_>| {
        let range = f.exchange.content_range;
        f.done().is_some_and(|d| d <= fetch.asked) && range.is_none_or(|r| r.first == 0 && r.total == Some(r.last + 1))
    };
    from_start && group.iter().any(whole)
}

fn session(fetches: &[Fetch<'_>], viewer: &Viewer<'_>, context: &Context<'_>) -> Option<Session> {
    let first = fetches.first()?;
    let mut out = Session::new(Kind::Progressive, viewer.client, first.exchange.key.server.ip, first.asked);
    out.host = first.target().host.as_deref().map(str::to_owned);
    out.path = Some(first.target().shown().into_owned());
    let heads = || fetches.iter().filter_map(|f| if let Some(Media::Mp4(m)) = f.media() { Some(m) } else { None });
    let size = fetches.iter().find_map(|f| {
        f.exchange.content_range.and_then(|r| r.total).or(f.exchange.content_length.filter(|_| f.exchange.status == Some(200)))
    });
    let head = heads().find(|m| m.seconds.is_some());
    out.presentation_seconds = head.and_then(|m| m.seconds).or_else(|| heads().find_map(|m| m.index_seconds));
    out.media_bps = size.zip(out.presentation_seconds).map(|(b, s)| b as f64 * 8.0 / s);
    out.sound = head.and_then(|m| m.track("soun")).and_then(|t| {
        let bps = t.bytes as f64 * 8.0 / t.seconds()?;
        (bps > 0.0).then(|| (t.codec.clone(), bps))
    });
    out.pieces = fetches.iter().map(|f| row(f, head)).collect();
    out.bytes = out.pieces.iter().map(|p| p.bytes).sum();
    let parts: Vec<_> = fetches.iter().flat_map(|f| rate::of_fetch(f, context.clock)).collect();
    out.rate = rate::rate(&parts, context.origin);
    let (Some(seconds), Some(size)) = (out.presentation_seconds, size) else {
        out.why = Some(unknown(fetches, size.is_some()));
        return Some(out);
    };
    let media_start = heads().filter_map(|m| m.media_start).min().unwrap_or(0);
    let media_bytes = heads().filter_map(|m| m.media_bytes).max().unwrap_or(0).max(1).min(size.saturating_sub(media_start).max(1));
    let media_bytes = if heads().any(|m| m.media_bytes.is_some()) { media_bytes } else { size.saturating_sub(media_start).max(1) };
    let frontier = frontier(fetches, media_start, context);
    let fraction = |offset: u64| (offset.saturating_sub(media_start) as f64 / media_bytes as f64).min(1.0);
    let points: Vec<_> = frontier.iter().map(|(t, offset)| (*t, fraction(*offset) * seconds)).collect();
    out.fetched_seconds = points.last().map(|p| p.1);
    let whole = points.last().is_some_and(|p| p.1 >= seconds - 1e-9);
    let list: Vec<&Fetch<'_>> = fetches.iter().collect();
    let wanted_until = if whole { None } else { wanted(&out, &list, context) };
    out.model(Supply { points, even: true, whole, wanted_until }, &context.playback);
    Some(out)
}

fn row(fetch: &Fetch<'_>, head: Option<&Mp4>) -> Piece {
    let picture = head.and_then(|m| m.track("vide"));
    let seconds = picture.and_then(|t| t.seconds());
    Piece {
        resolution: picture.map(|t| (u64::from(t.width), u64::from(t.height))).filter(|(w, h)| *w > 0 && *h > 0),
        frame_rate: seconds.zip(picture).map(|(s, t)| t.samples as f64 / s).filter(|r| *r > 0.0),
        codecs: picture.map(|t| t.codec.clone()),
        announced_bps: seconds.zip(picture).map(|(s, t)| t.bytes as f64 * 8.0 / s).filter(|r| *r > 0.0),
        ..piece(fetch)
    }
}

fn unknown(fetches: &[Fetch<'_>], size: bool) -> String {
    if fetches.iter().all(|f| f.first_byte.is_none()) {
        return "No response is in the capture.".to_owned();
    }
    let cut = fetches.iter().any(|f| matches!(f.media(), Some(Media::Mp4(m)) if m.cut) || f.exchange.response_body.missing > 0);
    match fetches.iter().find_map(Fetch::media) {
        Some(Media::Mp4(_)) if cut => "Bytes of the file's head are not in the capture: its length is not known.",
        Some(Media::Mp4(_)) if size => "The file's head (moov) was not fetched within the capture: its length is not known.",
        Some(Media::Mp4(_)) => "The size of the file was not told: its bytes cannot be turned into media time.",
        _ => "The container is not MP4: its length is not read.",
    }
    .to_owned()
}

/// How far the file had come without hole from `start` on, by time.
fn frontier(fetches: &[Fetch<'_>], start: u64, context: &Context<'_>) -> Vec<(Timestamp, u64)> {
    let offset = |f: &Fetch<'_>| f.exchange.content_range.map_or(0, |r| r.first);
    let mut events: Vec<(Timestamp, usize, u64)> = Vec::new();
    for (i, fetch) in fetches.iter().enumerate() {
        let base = offset(fetch);
        match &fetch.exchange.arrivals {
            Some(arrivals) => events.extend(arrivals.points().map(|(t, n)| (context.clock.to_reference(t), i, base.saturating_add(n)))),
            None => {
                let end = base.saturating_add(fetch.exchange.response_body.bytes);
                events.extend(fetch.first_byte.map(|t| (t, i, base)).into_iter().chain(fetch.last_byte.map(|t| (t, i, end))));
            }
        }
    }
    events.sort_by_key(|e| (e.0, e.2));
    // Where nothing covers the start, the viewer began elsewhere.
    let lowest = fetches.iter().filter(|f| f.first_byte.is_some()).map(offset).min().unwrap_or(0);
    let mut reached = start.max(lowest);
    let mut ends: Vec<u64> = fetches.iter().map(offset).collect();
    let mut starts: Vec<(u64, usize)> = ends.iter().copied().enumerate().map(|(i, o)| (o, i)).collect();
    starts.sort_unstable();
    let mut rank = vec![0; ends.len()];
    starts.iter().enumerate().for_each(|(r, (_, i))| rank[*i] = r);
    // Ranges whose start was reached.
    let mut active = 0;
    let mut points: Vec<(Timestamp, u64)> = Vec::new();
    for (at, i, end) in events {
        ends[i] = ends[i].max(end);
        if rank[i] < active {
            reached = reached.max(ends[i]);
        }
        while active < starts.len() && starts[active].0 <= reached {
            reached = reached.max(ends[starts[active].1]);
            active += 1;
        }
        if let Some(&(before, offset)) = points.last()
            && at - before > PAUSE
        {
            points.push((at - Nanos(1_000_000), offset));
        }
        points.push((at, reached));
    }
    points
}
