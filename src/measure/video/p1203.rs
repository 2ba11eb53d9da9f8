//! The input of ITU-T P.1203 in mode 0 (bit rates, codecs, stalls), in the JSON form of the reference software.
//!
//! Bias: a segment that holds picture and sound together (MPEG-TS) counts as picture; then there is no sound, which the software
//! takes for perfect sound.

use serde_json::{Value, json};

use super::session::{Kind, Session};
use crate::base::time::Timestamp;

/// Input for the reference software: I11 (sound), I13 (picture), I23 (stalls), IGen (how it is watched, as assumed: a PC with
/// a full-HD display at 150 cm). `Err` says what is not known.
pub fn p1203(session: &Session) -> Result<Value, String> {
    let playback = session.playback.as_ref().ok_or("playback cannot be modelled")?;
    let start = playback.start.ok_or("playback never started")?;
    let mut pictures = Vec::new();
    let mut sounds = Vec::new();
    let (mut at, mut sound_at) = (0.0, 0.0);
    let mut seen = std::collections::BTreeSet::new();
    let mut pieces: Vec<_> = session.segments().filter(|p| p.done.is_some() || session.kind == Kind::Progressive).collect();
    pieces.sort_by_key(|p| (p.order, p.done));
    for piece in pieces {
        let seconds = match session.kind {
            Kind::Progressive => session.fetched_seconds.ok_or("the length of the media is not known")?,
            _ => piece.seconds.ok_or("the length of a segment is not known")?,
        };
        if !seen.insert((piece.audio, piece.order)) {
            continue;
        }
        let measured = piece.bytes as f64 * 8.0 / seconds;
        let bps = if session.kind == Kind::Progressive { piece.announced_bps.or(session.media_bps) } else { None }.unwrap_or(measured);
        if piece.audio {
            let codec = sound_codec(piece.codecs.as_deref().unwrap_or("")).ok_or("the codec of the sound is none that P.1203 knows")?;
            sounds.push(json!({"bitrate": bps / 1e3, "codec": codec, "duration": seconds, "start": sound_at}));
            sound_at += seconds;
            continue;
        }
        let (width, height) = piece.resolution.ok_or("the resolution is not known")?;
        let fps = piece.frame_rate.ok_or("the frame rate is not known")?;
        let codec = codec(piece.codecs.as_deref().unwrap_or("")).ok_or("the codec is not known")?;
        pictures.push(json!({
            "bitrate": bps / 1e3, "codec": codec, "duration": seconds, "fps": fps, "resolution": format!("{width}x{height}"), "start": at
        }));
        at += seconds;
        if let Some((codec, bps)) = session.sound.as_ref().filter(|_| session.kind == Kind::Progressive) {
            let codec = sound_codec(codec).ok_or("the codec of the sound is none that P.1203 knows")?;
            sounds.push(json!({"bitrate": bps / 1e3, "codec": codec, "duration": seconds, "start": 0.0}));
        }
    }
    if pictures.is_empty() {
        return Err("no segment was fetched whole".to_owned());
    }
    // P.1203 clause 7: the initial loading is a stall at media time 0.
    let mut stalls = vec![json!([0.0, (start - session.asked).seconds()])];
    let (mut from, mut played) = (start, 0.0);
    for (stall, to) in &playback.stalls {
        played += (*stall - from).seconds();
        let end: Timestamp = to.or(playback.end).unwrap_or(*stall);
        stalls.push(json!([played, (end - *stall).seconds()]));
        from = end;
    }
    Ok(json!({
        "I11": {"segments": sounds, "streamId": 42},
        "I13": {"segments": pictures, "streamId": 42},
        "I23": {"stalling": stalls, "streamId": 42},
        "IGen": {"device": "pc", "displaySize": "1920x1080", "viewingDistance": "150cm"},
    }))
}

/// The reference software's name of a sound codec. Where nothing is announced, and for a bare `mp4a`, AAC-LC is assumed: the usual one.
fn sound_codec(name: &str) -> Option<&'static str> {
    let of = |n: &str| match n {
        // RFC 6381: the object type after 40 is that of MPEG-4 audio; 6B and 69 are MP3, which P.1203 does not know.
        "mp4a" | "mp4a.40.2" | "mp4a.67" => Some("aaclc"),
        "mp4a.40.5" | "mp4a.40.29" => Some("heaac"),
        "ac-3" | "mp4a.a5" => Some("ac3"),
        ".mp2" | "mp4a.40.33" => Some("mp2"),
        _ => None,
    };
    if name.is_empty() { Some("aaclc") } else { name.split(',').find_map(|n| of(n.trim().to_ascii_lowercase().as_str())) }
}

/// The reference software's name of a codec.
fn codec(name: &str) -> Option<&'static str> {
    let is = |prefixes: &[&str]| name.split(',').any(|n| prefixes.iter().any(|p| n.trim().starts_with(p)));
    match () {
        () if is(&["avc1", "avc3"]) => Some("h264"),
        () if is(&["hvc1", "hev1"]) => Some("h265"),
        () if is(&["vp09", "vp9"]) => Some("vp9"),
        () if is(&["av01"]) => Some("av1"),
        () => None,
    }
}
