//! DASH sessions: requests matched to the manifest's segments.

use super::Context;
use super::collect::{Fetch, Viewer};
use super::hls::piece;
use super::session::{Kind, Piece, Session};
use super::supply;
use crate::app::http::Target;
use crate::app::video::dash::{Found, Manifest, Segments};
use crate::app::video::{Media, Mp4};
use crate::base::secret;

/// A manifest over all its versions.
struct Presentation<'a> {
    target: &'a Target,
    versions: Vec<&'a Manifest>,
}

impl<'a> Presentation<'a> {
    fn find(&self, fetch: &Fetch<'_>) -> Option<(&'a Manifest, Found)> {
        let first = fetch.exchange.content_range.map(|r| r.first).or(fetch.exchange.range.map(|r| r.first));
        // The newest version that knows how long it plays, else the newest that knows it.
        let all = || self.versions.iter().rev().filter_map(|m| Some((*m, m.find(fetch.target(), first)?)));
        all().find(|(_, f)| f.seconds.is_some()).or_else(|| all().next())
    }
}

/// All DASH sessions of `viewer`; their downloads are taken out of it.
pub(super) fn sessions(viewer: &mut Viewer<'_>, context: &Context<'_>) -> Vec<Session> {
    let mut presentations: Vec<Presentation<'_>> = Vec::new();
    for fetch in &viewer.fetches {
        if let Some(Media::Dash(manifest)) = fetch.media() {
            match presentations.iter_mut().find(|p| p.target.same(fetch.target())) {
                Some(known) => known.versions.push(manifest),
                None => presentations.push(Presentation { target: fetch.target(), versions: vec![manifest] }),
            }
        }
    }
    let mut found = Vec::new();
    for presentation in &presentations {
        let mine: Vec<_> = viewer
            .fetches
            .iter()
            .filter_map(
                |f| if presentation.target.same(f.target()) { Some((*f, None)) } else { presentation.find(f).map(|x| (*f, Some(x))) },
            )
            .collect();
        found.extend(session(presentation, &mine, viewer, context));
        viewer.fetches.retain(|f| !presentation.target.same(f.target()) && presentation.find(f).is_none());
    }
    found.extend(unlisted(viewer));
    found
}

fn session(
    presentation: &Presentation<'_>,
    mine: &[(Fetch<'_>, Option<(&Manifest, Found)>)],
    viewer: &Viewer<'_>,
    context: &Context<'_>,
) -> Option<Session> {
    let (first, _) = mine.first()?;
    let mut out = Session::new(Kind::Dash, viewer.client, first.exchange.key.server.ip, first.asked);
    out.host = presentation.target.host.as_deref().map(str::to_owned);
    out.path = Some(presentation.target.shown().into_owned());
    let mut fetches = Vec::new();
    let mut end = None;
    let mut scales: Vec<(String, u32, u32)> = Vec::new();
    for (fetch, what) in mine {
        let Some((manifest, what)) = what else {
            out.playlists += 1;
            continue;
        };
        let of = &manifest.representations[what.representation];
        if let Some(Media::Mp4(mp4)) = fetch.media() {
            scales.extend(mp4.tracks.iter().map(|t| (of.id.clone(), t.id, t.timescale)));
        }
        let seconds = what.seconds.or_else(|| fragment_seconds(fetch.media(), &of.id, &scales));
        let order = what.number.unwrap_or(0).saturating_add((of.period as u64) << 40);
        let single = matches!(of.segments, Segments::Single(_));
        out.pieces.push(Piece {
            seconds: seconds.filter(|_| fetch.ok() && !what.init),
            variant: Some(secret::path(&of.id).into_owned()),
            audio: of.kind == "audio",
            init: what.init,
            order,
            announced_bps: of.bandwidth.map(|b| b as f64),
            resolution: of.width.zip(of.height),
            frame_rate: of.frame_rate,
            codecs: of.codecs.clone(),
            ..piece(fetch)
        });
        let reaches_end = what.start.zip(what.seconds).zip(of.period_seconds).is_some_and(|((s, d), p)| s + d >= p - 0.001);
        if reaches_end && !manifest.live && of.kind != "audio" {
            end = Some(order);
        }
        if single {
            out.why = Some("The segments are ranges of one file: their lengths are in an index that is not followed.".to_owned());
        }
        fetches.push(fetch);
    }
    out.presentation_seconds = presentation.versions.iter().rev().find_map(|m| m.seconds);
    supply::finish(&mut out, &fetches, end, context);
    Some(out)
}

/// Length of a media segment by its own boxes.
fn fragment_seconds(media: Option<&Media>, representation: &str, scales: &[(String, u32, u32)]) -> Option<f64> {
    let Some(Media::Mp4(Mp4 { index_seconds, fragments, default_durations, cut, .. })) = media else { return None };
    if let Some(seconds) = index_seconds {
        return Some(*seconds);
    }
    let (track, ticks) = fragments.first().filter(|_| !default_durations && !cut)?;
    let (_, _, scale) = scales.iter().find(|(id, t, _)| id == representation && t == track)?;
    (*scale > 0 && *ticks > 0).then(|| *ticks as f64 / f64::from(*scale))
}

/// Fragments of MP4 where no manifest is in the capture.
fn unlisted(viewer: &mut Viewer<'_>) -> Option<Session> {
    let list = |f: &Fetch<'_>| matches!(f.media(), Some(Media::Unread("dash", _))) || f.target().extension() == "mpd";
    let fragment = |f: &Fetch<'_>| {
        let by_content = matches!(f.media(), Some(Media::Mp4(m)) if !m.fragments.is_empty() || (m.fragmented && m.media_start.is_none() && m.tracks.len() == 1));
        by_content || matches!(f.target().extension().as_str(), "m4s" | "cmfv" | "cmfa")
    };
    viewer.fetches.iter().find(|f| list(f) || fragment(f))?;
    // Where there are fragments, what is called so and has no answer is their beginning.
    let fragment =
        |f: &Fetch<'_>| fragment(f) || (f.media().is_none() && f.target().extension() == "mp4" && f.target().path.contains("init"));
    let first = viewer.fetches.iter().find(|f| list(f) || fragment(f))?;
    let mut out = Session::new(Kind::Dash, viewer.client, first.exchange.key.server.ip, first.asked);
    let named = viewer.fetches.iter().find(|f| list(f)).unwrap_or(first);
    out.host = viewer.fetches.iter().filter(|f| list(f) || fragment(f)).find_map(|f| f.target().host.as_deref().map(str::to_owned));
    out.path = Some(named.target().shown().into_owned()).filter(|p| !p.is_empty());
    for fetch in viewer.fetches.iter() {
        if list(fetch) {
            out.playlists += 1;
        } else if fragment(fetch) {
            let init = matches!(fetch.media(), Some(Media::Mp4(m)) if m.fragments.is_empty() && !m.tracks.is_empty());
            let init = init || (fetch.media().is_none() && fetch.target().path.contains("init"));
            let seconds = fragment_seconds(fetch.media(), "", &[]);
            out.pieces.push(Piece { init, seconds, ..piece(fetch) });
        }
    }
    out.bytes = out.pieces.iter().map(|p| p.bytes).sum();
    out.why = Some("No manifest of it is in the capture: the lengths of its segments are not known.".to_owned());
    viewer.fetches.retain(|f| !list(f) && !fragment(f));
    Some(out)
}
