//! RTP sessions: packets, loss and jitter. There is no buffer to model: what comes late is lost to the viewer.

use super::Context;
use super::session::{Kind, Session};
use crate::app::video::rtp::RtpStream;
use crate::app::video::rtsp::{RtspSession, RtspTrack};
use crate::app::web::WebLedger;
use crate::base::time::{Nanos, Timestamp};
use crate::model::VideoRtp;

/// Silences of a stream that are told.
const GAP: Nanos = Nanos(1_000_000_000);
/// A stream with a clock of 90 kHz is a picture's; others with this rate or more are taken for one.
const PICTURE_BPS: f64 = 200_000.0;

/// One session per picture stream.
pub(super) fn sessions(web: &WebLedger, context: &Context<'_>) -> Vec<Session> {
    web.rtp.iter().filter_map(|stream| session(stream, &web.rtsp, context)).collect()
}

/// The track of an RTSP session that the stream carries.
fn track_of<'a>(stream: &RtpStream, all: &'a [RtspSession]) -> Option<(&'a RtspSession, &'a RtspTrack)> {
    let (sender, receiver) = (stream.key.end(stream.from), stream.key.end(stream.from.other()));
    let mine = all.iter().filter(|s| s.key.server.ip == sender.ip && s.key.client.ip == receiver.ip);
    let fits = |t: &RtspTrack| t.payload_type == stream.stats.payload_type && t.client_port.is_none_or(|p| p == receiver.port);
    mine.filter_map(|s| Some((s, s.tracks.iter().find(|t| fits(t))?))).next()
}

fn session(stream: &RtpStream, all: &[RtspSession], context: &Context<'_>) -> Option<Session> {
    let stats = &stream.stats;
    let (sender, receiver) = (stream.key.end(stream.from), stream.key.end(stream.from.other()));
    let on = |t: Timestamp| context.clock.to_reference(t);
    let (first, last) = (on(stats.arrivals.first()?), on(stats.arrivals.last()?));
    let seconds = (last - first).seconds();
    let told = track_of(stream, all);
    let rate = told.and_then(|(_, t)| t.clock_rate).or_else(|| stats.clock_rate());
    let bps = (seconds > 0.0).then(|| stats.bytes as f64 * 8.0 / seconds);
    let picture = match told {
        Some((_, track)) => track.kind == "video",
        None => rate == Some(90_000) || bps.is_some_and(|b| b >= PICTURE_BPS),
    };
    if !picture {
        return None;
    }
    let mut out = Session::new(Kind::Rtp, receiver.ip, sender.ip, first);
    if let Some((rtsp, _)) = told {
        out.host = rtsp.url.as_ref().and_then(|u| u.host.as_deref()).map(str::to_owned);
        out.path = rtsp.url.as_ref().map(|u| u.shown().into_owned());
        out.asked = rtsp.played.or(rtsp.asked).map_or(first, |m| on(m.at));
    } else {
        out.assumptions.push("Its pace and its clock are those of a picture.".to_owned());
    }
    out.bytes = stats.bytes;
    out.media_bps = bps;
    out.fetched_seconds = Some(seconds);
    let silences = stats.arrivals.silences(Nanos(1));
    let longest = silences.iter().map(|(a, b)| (*b - *a).ms()).fold(0.0, f64::max);
    out.gaps = stats.arrivals.silences(GAP).into_iter().map(|(a, b)| (on(a), on(b))).collect();
    let jitter = rate.and_then(|r| stats.jitter_ms(r));
    out.rtp = Some(VideoRtp {
        ssrc: stats.ssrc,
        payload_type: stats.payload_type,
        packets: stats.packets,
        expected: stats.expected(),
        lost: stats.lost(),
        reordered: stats.reordered,
        duplicates: stats.duplicates,
        jitter_ms: jitter.map(|j| j.0),
        jitter_max_ms: jitter.map(|j| j.1),
        longest_gap_ms: Some(longest),
        clock_rate: rate,
        why: jitter.is_none().then(|| "The clock rate of its payload is not known.".to_owned()),
    });
    out.why = Some(
        "RTP is played as it comes: there is no download whose buffer could be modelled; loss, jitter and silences are told.".to_owned(),
    );
    Some(out)
}
