//! What is learned from a body as it passes: container, playlist, arrival times, and the JSON that someone asked for.

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::head::{Compression, ResponseHead, is_json};
use super::target::Target;
use crate::app::video::arrivals::Arrivals;
use crate::app::video::mp4::{self, Mp4Walk};
use crate::app::video::{Media, dash, hls};
use crate::base::limits::{HTTP_BODY_PREFIX, MOOV_WINDOW, PLAYLIST_BYTES};
use crate::base::secret;
use crate::base::time::Timestamp;

/// Bytes after which the kind of a body is decided: one transport stream packet and the sync byte of the next.
const SNIFF: usize = 189;
/// Bodies of no known kind below this keep no curve of arrivals.
const CURVE_BYTES: u64 = 64 << 10;

/// Listens to one response's body.
#[derive(Debug)]
pub(super) struct Tap {
    kind_said: Said,
    compressed: Compression,
    /// Offset of the body in the file, for ranges.
    offset: u64,
    sink: Sink,
    arrivals: Option<Box<Arrivals>>,
    json: Prefix,
}

/// What type and name say of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Hls,
    Dash,
    Media,
    Other,
}

#[derive(Debug)]
enum Sink {
    Undecided(Vec<u8>),
    Nothing,
    List {
        kind: &'static str,
        buf: Vec<u8>,
        lost: Option<&'static str>,
    },
    Mp4(Box<Mp4Walk>),
    /// The end of a file: looking for `moov`.
    Moov(Vec<u8>),
    Known(Media),
}

/// The first bytes of a body, up to a bound; `most` 0 keeps nothing.
#[derive(Debug, Default)]
pub(super) struct Prefix {
    most: usize,
    bytes: Vec<u8>,
    whole: bool,
}

impl Prefix {
    pub fn new(most: usize) -> Self {
        Self { most, bytes: Vec::new(), whole: true }
    }

    pub fn content(&mut self, bytes: &[u8]) {
        let room = self.most.saturating_sub(self.bytes.len());
        if room < bytes.len() {
            self.whole = false;
        }
        self.bytes.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    pub fn gap(&mut self) {
        self.whole = false;
        // What follows would not join.
        self.most = self.bytes.len();
    }

    /// The bytes, and whether they are the whole body.
    pub fn finish(self) -> Option<(Box<[u8]>, bool)> {
        (self.most > 0 || !self.bytes.is_empty()).then(|| (self.bytes.into(), self.whole))
    }
}

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Learned {
    pub media: Option<Box<Media>>,
    pub arrivals: Option<Box<Arrivals>>,
    pub json: Option<(Box<[u8]>, bool)>,
}

impl Tap {
    /// For the body of `head`; `json` bytes of it are wanted if it is JSON.
    pub fn new(head: &ResponseHead, target: &Target, json: usize) -> Self {
        let media_type = head.content_type.as_deref().unwrap_or("");
        let ok = matches!(head.status, 200 | 203 | 206);
        let kind_said = said(media_type, &target.extension());
        let curve = ok && !(media_type.starts_with("image/") || is_json(media_type) || media_type.ends_with("javascript"));
        Self {
            kind_said,
            compressed: head.compressed,
            offset: head.content_range.map_or(0, |r| r.first),
            sink: if curve { Sink::Undecided(Vec::new()) } else { Sink::Nothing },
            arrivals: curve.then(Box::default),
            json: Prefix::new(if is_json(media_type) { json } else { 0 }),
        }
    }

    /// The next bytes of content.
    pub fn content(&mut self, at: Timestamp, bytes: &[u8]) {
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.push(at, bytes.len() as u64);
        }
        self.json.content(bytes);
        match &mut self.sink {
            Sink::Undecided(buf) => {
                let n = (SNIFF - buf.len()).min(bytes.len());
                buf.extend_from_slice(&bytes[..n]);
                if buf.len() == SNIFF {
                    self.decide();
                    self.feed(&bytes[n..]);
                }
            }
            _ => self.feed(bytes),
        }
    }

    /// Bytes that are not in the capture.
    pub fn gap(&mut self, at: Timestamp, missing: u64) {
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.push(at, missing);
        }
        self.json.gap();
        if matches!(self.sink, Sink::Undecided(_)) {
            self.decide();
        }
        match &mut self.sink {
            Sink::List { lost, .. } => *lost = Some("bytes of it are not in the capture"),
            Sink::Mp4(walk) => walk.gap(missing),
            Sink::Moov(_) => self.sink = Sink::Known(Media::Typed),
            _ => {}
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        match &mut self.sink {
            Sink::List { buf, lost, .. } => {
                let room = PLAYLIST_BYTES - buf.len();
                if room < bytes.len() {
                    *lost = Some("it is longer than the bound for playlists");
                }
                buf.extend_from_slice(&bytes[..room.min(bytes.len())]);
            }
            Sink::Mp4(walk) => walk.bytes(bytes),
            Sink::Moov(buf) => {
                let room = MOOV_WINDOW.saturating_sub(buf.len());
                buf.extend_from_slice(&bytes[..room.min(bytes.len())]);
                if room <= bytes.len() {
                    self.search_moov();
                    self.feed(&bytes[room..]);
                }
            }
            Sink::Undecided(_) | Sink::Nothing | Sink::Known(_) => {}
        }
    }

    fn decide(&mut self) {
        let Sink::Undecided(buf) = std::mem::replace(&mut self.sink, Sink::Nothing) else { return };
        let list = |kind| Sink::List { kind, buf: Vec::new(), lost: None };
        let start = buf.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&buf);
        self.sink = if self.compressed != Compression::None {
            match self.kind_said {
                Said::Hls => list("hls"),
                Said::Dash => list("dash"),
                Said::Media => Sink::Known(Media::Typed),
                Said::Other => Sink::Nothing,
            }
        } else if start.starts_with(b"#EXTM3U") {
            list("hls")
        } else if start.starts_with(b"<MPD")
            || (start.starts_with(b"<") && self.kind_said == Said::Dash)
            || memchr::memmem::find(start, b"<MPD ").is_some()
        {
            list("dash")
        } else if mp4::looks_like_mp4(&buf) {
            Sink::Mp4(Box::new(Mp4Walk::at(self.offset)))
        } else if self.offset > 0 && self.kind_said == Said::Media {
            Sink::Moov(Vec::new())
        } else if buf.first() == Some(&0x47)
            && buf.get(188).is_none_or(|b| *b == 0x47)
            && (buf.len() >= 188 || self.kind_said == Said::Media)
        {
            Sink::Known(Media::Ts)
        } else if buf.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
            Sink::Known(Media::Matroska)
        } else if self.kind_said == Said::Media {
            Sink::Known(Media::Typed)
        } else {
            Sink::Nothing
        };
        self.feed(&buf);
    }

    fn search_moov(&mut self) {
        let Sink::Moov(buf) = &self.sink else { return };
        let next = match mp4::find_moov(buf) {
            Some(at) => {
                let mut walk = Mp4Walk::at(self.offset.saturating_add(at as u64));
                walk.bytes(&buf[at..]);
                Sink::Mp4(Box::new(walk))
            }
            None => Sink::Known(Media::Typed),
        };
        self.sink = next;
    }

    /// The body is over; it came from `base`.
    pub fn finish(mut self, base: &Target) -> Learned {
        match self.sink {
            Sink::Undecided(_) => self.decide(),
            Sink::Moov(_) => self.search_moov(),
            _ => {}
        }
        if matches!(self.sink, Sink::Moov(_)) {
            self.search_moov();
        }
        let media = match self.sink {
            Sink::List { kind, lost: Some(why), .. } => Some(Media::Unread(kind, why.to_string())),
            Sink::List { kind, buf, lost: None } => Some(read_list(kind, &buf, self.compressed, base)),
            Sink::Mp4(walk) => Some(Media::Mp4(walk.finish())),
            Sink::Known(media) => Some(media),
            _ => None,
        };
        let arrivals =
            self.arrivals.filter(|a| media.as_ref().is_some_and(|m| !m.is_list()) || (media.is_none() && a.total() >= CURVE_BYTES));
        let json = self.json.finish().map(|(bytes, whole)| match unpack(&bytes, self.compressed, HTTP_BODY_PREFIX) {
            Some(unpacked) if whole => (unpacked.into(), true),
            _ => (bytes, whole && self.compressed == Compression::None),
        });
        Learned { media: media.map(Box::new), arrivals, json }
    }
}

fn said(media_type: &str, extension: &str) -> Said {
    match (media_type, extension) {
        ("application/vnd.apple.mpegurl" | "application/x-mpegurl" | "audio/mpegurl" | "audio/x-mpegurl", _) | (_, "m3u8" | "m3u") => {
            Said::Hls
        }
        ("application/dash+xml", _) | (_, "mpd") => Said::Dash,
        (t, _) if t.starts_with("video/") || t.starts_with("audio/") => Said::Media,
        (_, "mp4" | "m4s" | "m4v" | "m4a" | "mov" | "ts" | "m2ts" | "webm" | "mkv" | "cmfv" | "cmfa" | "flv" | "avi" | "mpg" | "ogv") => {
            Said::Media
        }
        _ => Said::Other,
    }
}

fn read_list(kind: &'static str, bytes: &[u8], compressed: Compression, base: &Target) -> Media {
    let Some(bytes) = unpack(bytes, compressed, PLAYLIST_BYTES) else {
        return Media::Unread(kind, "its compression cannot be undone".to_string());
    };
    let read = match kind {
        "hls" => hls::parse(&bytes, base).map(Media::Hls),
        _ => dash::parse(&bytes, base).map(Media::Dash),
    };
    // A parser's message may quote what it read.
    read.unwrap_or_else(|why| Media::Unread(kind, secret::text(&why)))
}

/// Undoes `Content-Encoding`, up to `most` bytes; `None` if that is not possible.
fn unpack(bytes: &[u8], compressed: Compression, most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let most = most as u64 + 1;
    let read = match compressed {
        Compression::None => return Some(bytes.to_vec()),
        Compression::Gzip => MultiGzDecoder::new(bytes).take(most).read_to_end(&mut out),
        Compression::Deflate => ZlibDecoder::new(bytes).take(most).read_to_end(&mut out),
        Compression::Other => return None,
    };
    (read.is_ok() && (out.len() as u64) < most).then_some(out)
}
