//! HLS sessions: playlists joined over time, requests matched to their entries.

use std::collections::{BTreeMap, HashMap};

use super::Context;
use super::collect::{Fetch, Viewer};
use super::session::{Kind, Piece, Session};
use super::supply;
use crate::app::http::Target;
use crate::app::video::hls::{Entry, Master, MediaList, Variant};
use crate::app::video::{Hls, Media};

/// A media playlist over all its versions.
struct Track<'a> {
    target: &'a Target,
    entries: BTreeMap<u64, &'a Entry>,
    inits: Vec<&'a Target>,
    ended: bool,
    cut: bool,
    /// Index of the presentation.
    group: usize,
    variant: Option<&'a Variant>,
    /// An alternative rendition: audio (or subtitles) of its own.
    rendition: bool,
}

/// What a download is to the HLS presentations of its viewer.
enum Role {
    List(usize),
    Init(usize),
    Segment(usize, u64),
}

/// All HLS sessions of `viewer`; their downloads are taken out of it.
pub(super) fn sessions(viewer: &mut Viewer<'_>, context: &Context<'_>) -> Vec<Session> {
    let tracks = tracks(&viewer.fetches);
    let mut found = Vec::new();
    if !tracks.is_empty() {
        let by_path = index(&tracks);
        let roles: Vec<Option<Role>> = viewer.fetches.iter().map(|f| role(f, &tracks, &by_path)).collect();
        let groups = tracks.iter().map(|t| t.group).max().map_or(0, |g| g + 1);
        for group in 0..groups {
            let mine = roles.iter().zip(&viewer.fetches).filter_map(|(r, f)| Some((r.as_ref()?, f)));
            let mine: Vec<_> = mine.filter(|(r, _)| group_of(r, &tracks) == group).collect();
            found.extend(watchings(&mine, &tracks).into_iter().filter_map(|part| session(&part, &tracks, viewer, context)));
        }
        let mut keep = roles.iter().map(Option::is_none);
        viewer.fetches.retain(|_| keep.next().unwrap_or(true));
    }
    found.extend(unlisted(viewer));
    found
}

fn group_of(role: &Role, tracks: &[Track<'_>]) -> usize {
    match role {
        Role::List(group) => *group,
        Role::Init(track) | Role::Segment(track, _) => tracks[*track].group,
    }
}

fn tracks<'a>(fetches: &[Fetch<'a>]) -> Vec<Track<'a>> {
    let mut masters: Vec<(&'a Target, &'a Master)> = Vec::new();
    let mut lists: Vec<(&'a Target, Vec<&'a MediaList>)> = Vec::new();
    for fetch in fetches {
        match fetch.media() {
            Some(Media::Hls(Hls::Master(master))) if !masters.iter().any(|m| m.0.same(fetch.target())) => {
                masters.push((fetch.target(), master));
            }
            Some(Media::Hls(Hls::Media(list))) => match lists.iter_mut().find(|l| l.0.same(fetch.target())) {
                Some((_, versions)) => versions.push(list),
                None => lists.push((fetch.target(), vec![list])),
            },
            _ => {}
        }
    }
    let alone = masters.len();
    let mut tracks = Vec::new();
    for (target, versions) in lists {
        let of = masters
            .iter()
            .position(|(_, m)| m.variants.iter().any(|v| v.target.same(target)) || m.renditions.iter().any(|r| r.same(target)));
        let variant = of.and_then(|m| masters[m].1.variants.iter().find(|v| v.target.same(target)));
        let mut track = Track {
            target,
            entries: BTreeMap::new(),
            inits: Vec::new(),
            ended: versions.iter().any(|v| v.ended),
            cut: versions.iter().any(|v| v.cut),
            group: of.unwrap_or(alone + tracks.len()),
            variant,
            rendition: of.is_some() && variant.is_none(),
        };
        for list in versions {
            for (i, entry) in list.entries.iter().enumerate() {
                track.entries.entry(list.sequence.saturating_add(i as u64)).or_insert(entry);
            }
            for init in &list.inits {
                if !track.inits.contains(&init) {
                    track.inits.push(init);
                }
            }
        }
        tracks.push(track);
    }
    tracks
}

type ByPath<'a> = HashMap<&'a str, Vec<(usize, u64)>>;

fn index<'a>(tracks: &[Track<'a>]) -> ByPath<'a> {
    let mut by_path: ByPath<'a> = HashMap::new();
    for (t, track) in tracks.iter().enumerate() {
        for (order, entry) in &track.entries {
            by_path.entry(&entry.target.path).or_default().push((t, *order));
        }
    }
    by_path
}

fn role(fetch: &Fetch<'_>, tracks: &[Track<'_>], by_path: &ByPath<'_>) -> Option<Role> {
    let target = fetch.target();
    if let Some(track) = tracks.iter().find(|t| t.target.same(target)) {
        return Some(Role::List(track.group));
    }
    if let Some(Media::Hls(Hls::Master(master))) = fetch.media() {
        let of = tracks.iter().find(|t| master.variants.iter().any(|v| v.target.same(t.target)));
        return of.map(|t| Role::List(t.group));
    }
    let first = fetch.exchange.content_range.map(|r| r.first).or(fetch.exchange.range.map(|r| r.first));
    let found = by_path.get(&*target.path)?.iter().find(|(t, order)| {
        let entry = tracks[*t].entries[order];
        entry.target.same(target) && entry.range.is_none_or(|(_, at)| first == Some(at))
    });
    match found {
        Some((t, order)) => Some(Role::Segment(*t, *order)),
        None => tracks.iter().position(|t| t.inits.iter().any(|i| i.same(target))).map(Role::Init),
    }
}

type Part<'p, 'a> = Vec<(&'p Role, &'p Fetch<'a>)>;

/// A presentation that was watched again from its start is another session.
fn watchings<'p, 'a>(mine: &[(&'p Role, &'p Fetch<'a>)], tracks: &[Track<'_>]) -> Vec<Part<'p, 'a>> {
    let mut parts: Vec<Part<'p, 'a>> = vec![Vec::new()];
    let (mut first, mut last) = (None, None);
    // Playlists that were fetched since the last segment.
    let mut fresh = 0;
    for (role, fetch) in mine {
        match role {
            Role::List(_) => fresh += 1,
            Role::Segment(track, order) => {
                let again = tracks[*track].ended && first.is_some_and(|f| *order <= f) && last.is_some_and(|l| l > *order) && fresh > 0;
                if again {
                    let old = parts.last_mut().expect("one at least");
                    let moved = old.split_off(old.len() - fresh);
                    parts.push(moved);
                    last = None;
                }
                first = if again { Some(*order) } else { Some(first.map_or(*order, |f: u64| f.min(*order))) };
                last = last.max(Some(*order));
                fresh = 0;
            }
            Role::Init(_) => fresh = 0,
        }
        parts.last_mut().expect("one at least").push((role, fetch));
    }
    parts
}

fn session(part: &Part<'_, '_>, tracks: &[Track<'_>], viewer: &Viewer<'_>, context: &Context<'_>) -> Option<Session> {
    let (_, first) = part.first()?;
    let mut out = Session::new(Kind::Hls, viewer.client, first.exchange.key.server.ip, first.asked);
    out.host = first.target().host.as_deref().map(str::to_owned);
    out.path = Some(first.target().shown().into_owned());
    let mut used = Vec::new();
    let mut fetches = Vec::new();
    for (role, fetch) in part {
        let (track, order, init) = match role {
            Role::List(_) => {
                out.playlists += 1;
                continue;
            }
            Role::Init(track) => (*track, 0, true),
            Role::Segment(track, order) => (*track, *order, false),
        };
        let entry = if init { None } else { tracks[track].entries.get(&order) };
        let variant = tracks[track].variant;
        out.pieces.push(Piece {
            seconds: entry.filter(|_| fetch.ok()).map(|e| e.seconds),
            variant: Some(tracks[track].target.shown().into_owned()),
            audio: tracks[track].rendition,
            init,
            order,
            announced_bps: variant.map(|v| v.average_bandwidth.unwrap_or(v.bandwidth) as f64),
            resolution: variant.and_then(|v| v.resolution),
            frame_rate: variant.and_then(|v| v.frame_rate),
            codecs: variant.and_then(|v| v.codecs.clone()),
            ..piece(fetch)
        });
        fetches.push(*fetch);
        if !used.contains(&track) {
            used.push(track);
        }
    }
    // A renewed playlist alone is not yet a video.
    if out.pieces.is_empty() && out.playlists > 0 && !part.iter().any(|(_, f)| matches!(f.media(), Some(Media::Hls(Hls::Media(_))))) {
        return None;
    }
    let main: Vec<&Track<'_>> = used.iter().map(|t| &tracks[*t]).filter(|t| !t.rendition).collect();
    let whole = main.iter().find(|t| t.ended);
    out.presentation_seconds = whole.map(|t| t.entries.values().map(|e| e.seconds).sum());
    let end = whole.and_then(|t| t.entries.keys().next_back().copied());
    if main.iter().any(|t| t.cut) {
        out.why = Some("A playlist could not be read to its end: the lengths of some segments are not known.".to_owned());
    }
    supply::finish(&mut out, &fetches, end, context);
    Some(out)
}

/// A row of the table of segments, without what a playlist tells.
pub(super) fn piece(fetch: &Fetch<'_>) -> Piece {
    Piece {
        path: fetch.target().shown().into_owned(),
        asked: Some(fetch.asked),
        first_byte: fetch.first_byte,
        last_byte: fetch.last_byte,
        done: fetch.done(),
        bytes: fetch.exchange.response_body.bytes,
        status: fetch.exchange.status,
        ..Piece::default()
    }
}

/// Requests that look like HLS by name where no media playlist is in the capture.
fn unlisted(viewer: &mut Viewer<'_>) -> Option<Session> {
    let list = |f: &Fetch<'_>| {
        matches!(f.media(), Some(Media::Hls(_) | Media::Unread("hls", _))) || matches!(f.target().extension().as_str(), "m3u8" | "m3u")
    };
    let segment = |f: &Fetch<'_>| f.target().extension() == "ts";
    let lists = viewer.fetches.iter().filter(|f| list(f)).count();
    let segments: Vec<_> = viewer.fetches.iter().filter(|f| segment(f)).collect();
    let several = segments.iter().any(|f| f.target().path != segments[0].target().path);
    if lists == 0 && !several {
        return None;
    }
    let first = segments.first().copied().or_else(|| viewer.fetches.iter().find(|f| list(f)))?;
    let begin = viewer.fetches.iter().filter(|f| list(f) || segment(f)).map(|f| f.asked).min()?;
    let mut out = Session::new(Kind::Hls, viewer.client, first.exchange.key.server.ip, begin);
    let named = viewer.fetches.iter().find(|f| list(f)).unwrap_or(first);
    out.host = first.target().host.as_deref().map(str::to_owned);
    out.path = Some(named.target().shown().into_owned());
    out.playlists = lists as u64;
    out.pieces = segments.iter().map(|f| piece(f)).collect();
    out.bytes = out.pieces.iter().map(|p| p.bytes).sum();
    let unread = viewer.fetches.iter().find_map(|f| match f.media() {
        Some(Media::Unread("hls", why)) => Some(why.as_str()),
        _ => None,
    });
    out.why = Some(match unread {
        Some(why) => format!("The media playlist could not be read ({why}): the lengths of its segments are not known."),
        None => "No media playlist of it is in the capture: the lengths of its segments are not known.".to_owned(),
    });
    viewer.fetches.retain(|f| !list(f) && !segment(f));
    Some(out)
}
