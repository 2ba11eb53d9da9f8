//! One session, and how it becomes a part of the report.

use std::net::IpAddr;

use super::Rate;
use super::playback::{Playback, PlaybackOptions, Supply, play};
use crate::base::limits::VIDEO_SEGMENTS;
use crate::base::time::Timestamp;
use crate::model::{Curve, Segment, Stall, Video};

/// How the video is delivered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// One file.
    Progressive,
    /// HLS.
    Hls,
    /// DASH.
    Dash,
    /// RTP.
    Rtp,
    /// Inside TLS or QUIC.
    Encrypted,
}

impl Kind {
    /// Name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Progressive => "progressive",
            Self::Hls => "hls",
            Self::Dash => "dash",
            Self::Rtp => "rtp",
            Self::Encrypted => "encrypted",
        }
    }
}

/// One download of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Piece {
    /// Path.
    pub path: String,
    /// Request.
    pub asked: Option<Timestamp>,
    /// First byte of the response.
    pub first_byte: Option<Timestamp>,
    /// Last byte of the response that was seen, complete or not.
    pub last_byte: Option<Timestamp>,
    /// Last byte of a complete response.
    pub done: Option<Timestamp>,
    /// Bytes of the body.
    pub bytes: u64,
    /// Media seconds.
    pub seconds: Option<f64>,
    /// Status.
    pub status: Option<u16>,
    /// Variant or representation.
    pub variant: Option<String>,
    /// Audio of its own, without picture.
    pub audio: bool,
    /// Initialization: no media.
    pub init: bool,
    /// Place of the segment in its presentation.
    pub order: u64,
    /// Bit rate that the playlist or manifest announces.
    pub announced_bps: Option<f64>,
    /// Picture width and height, where known.
    pub resolution: Option<(u64, u64)>,
    /// Frames per second, where known.
    pub frame_rate: Option<f64>,
    /// Codecs as announced.
    pub codecs: Option<String>,
}

/// One session.
#[derive(Clone, Debug)]
pub struct Session {
    /// How it is delivered.
    pub kind: Kind,
    /// Viewer.
    pub client: IpAddr,
    /// Who delivered most of it.
    pub server: IpAddr,
    /// Host name.
    pub host: Option<String>,
    /// Path of the presentation.
    pub path: Option<String>,
    /// First request.
    pub asked: Timestamp,
    /// Playlists or manifests fetched.
    pub playlists: u64,
    /// Segments and other parts.
    pub pieces: Vec<Piece>,
    /// Length of the whole presentation, where it is told.
    pub presentation_seconds: Option<f64>,
    /// Media seconds fetched.
    pub fetched_seconds: Option<f64>,
    /// Bit rate of the media.
    pub media_bps: Option<f64>,
    /// Payload bytes.
    pub bytes: u64,
    /// Quality switches.
    pub switches: u64,
    /// Codec and bit rate of the sound of a film in one file.
    pub sound: Option<(String, f64)>,
    /// Media by time.
    pub supply: Option<Supply>,
    /// What the player made of it.
    pub playback: Option<Playback>,
    /// How fast its media came.
    pub rate: Rate,
    /// Download gaps.
    pub gaps: Vec<(Timestamp, Timestamp)>,
    /// Why figures are not known; empty if they are.
    pub why: Option<String>,
    /// What the model assumes.
    pub assumptions: Vec<String>,
    /// Loss and jitter of RTP.
    pub rtp: Option<crate::model::VideoRtp>,
}

impl Session {
    /// A session that begins with a request at `asked`.
    pub fn new(kind: Kind, client: IpAddr, server: IpAddr, asked: Timestamp) -> Self {
        Self {
            kind,
            client,
            server,
            host: None,
            path: None,
            asked,
            playlists: 0,
            pieces: Vec::new(),
            presentation_seconds: None,
            fetched_seconds: None,
            media_bps: None,
            bytes: 0,
            switches: 0,
            sound: None,
            supply: None,
            playback: None,
            rate: Rate::default(),
            gaps: Vec::new(),
            why: None,
            assumptions: Vec::new(),
            rtp: None,
        }
    }

    /// Runs the player on `supply` and says what it assumes.
    pub(super) fn model(&mut self, supply: Supply, options: &PlaybackOptions) {
        self.assumptions.push(format!(
            "The player starts with {} s of media buffered and goes on after a stall with {} s; it plays at normal speed, without pause or seek.",
            options.start_s, options.resume_s
        ));
        self.assumptions.push(format!(
            "A buffer below {} s that does not run empty is a near-stall; stalls shorter than {} s are not counted.",
            options.near_s, options.least_stall_s
        ));
        self.assumptions.push(if supply.even {
            "The bytes of the file hold its media evenly: constant bit rate.".to_owned()
        } else {
            "A segment can be played when its last byte has come, not before.".to_owned()
        });
        if let Some((_, why)) = supply.wanted_until {
            self.assumptions.push(format!("The viewer still waited for media when the capture ended: {why}."));
        } else if !supply.whole {
            self.assumptions.push("The viewer wanted nothing beyond what was fetched: the model ends with the media that came.".to_owned());
        }
        self.playback = Some(play(&supply, options));
        self.supply = Some(supply);
    }

    /// Segments of media, initialization left out.
    pub fn segments(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().filter(|p| !p.init)
    }

    /// The buffer over time.
    pub fn curve(&self, origin: Timestamp) -> Option<Curve> {
        let playback = self.playback.as_ref().filter(|p| !p.buffer.is_empty())?;
        let points = playback.buffer.iter().map(|(t, level)| ((*t - origin).seconds(), *level)).collect();
        Some(Curve { name: self.name(), unit: "s".to_owned(), window_ms: 0.0, points })
    }

    /// Its name in curves.
    fn name(&self) -> String {
        format!("{} {} {}", self.kind.name(), self.client, self.path.as_deref().or(self.host.as_deref()).unwrap_or(""))
    }

    /// How fast its media came; without points where no byte of it came.
    pub fn rate_curve(&self) -> Curve {
        let rate = &self.rate;
        Curve { name: self.name(), unit: "bps".to_owned(), window_ms: rate.window_s * 1e3, points: rate.points.clone() }
    }

    /// As the report shows it.
    pub fn report(&self) -> Video {
        let playback = self.playback.as_ref();
        let stall = |(from, to): &(Timestamp, Option<Timestamp>)| {
            let end = to.or(playback.and_then(|p| p.end));
            Stall { start: Some(*from), ms: end.map(|e| (e - *from).ms()), recovered: Some(to.is_some()) }
        };
        let gap = |(from, to): &(Timestamp, Timestamp)| Stall { start: Some(*from), ms: Some((*to - *from).ms()), recovered: Some(true) };
        let row = |p: &Piece| Segment {
            path: p.path.clone(),
            asked: p.asked,
            first_byte: p.first_byte,
            last_byte: p.last_byte,
            done: p.done,
            bytes: p.bytes,
            media_seconds: p.seconds,
            status: p.status,
            variant: p.variant.clone(),
        };
        let (p1203, p1203_why) = match super::p1203(self) {
            Ok(input) => (Some(input), None),
            Err(why) => (None, Some(why)),
        };
        Video {
            kind: self.kind.name().to_owned(),
            client: self.client.to_string(),
            server: self.server.to_string(),
            host: self.host.clone(),
            path: self.path.clone(),
            segments: self.segments().count() as u64,
            playlists: self.playlists,
            media_seconds: if self.kind == Kind::Progressive { self.presentation_seconds } else { self.fetched_seconds },
            fetched_seconds: self.fetched_seconds,
            presentation_seconds: self.presentation_seconds,
            media_bps: self.media_bps,
            bytes: self.bytes,
            startup_ms: playback.and_then(|p| Some((p.start? - self.asked).ms())),
            stalls: playback.map(|p| p.stalls.iter().map(stall).collect()).unwrap_or_default(),
            stall_total_ms: playback.map(|p| p.stalled_s() * 1e3),
            near_stalls: playback.map(|p| p.near_stalls),
            buffer_min_s: playback.and_then(|p| p.buffer_min_s),
            switches: self.switches,
            knowable: self.why.is_none(),
            why: self.why.clone(),
            assumptions: self.assumptions.clone(),
            segment_table: self.pieces.iter().take(VIDEO_SEGMENTS).map(row).collect(),
            gaps: self.gaps.iter().map(gap).collect(),
            rtp: self.rtp.clone(),
            p1203,
            p1203_why,
        }
    }
}
