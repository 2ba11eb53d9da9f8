//! RTSP 1.0 (RFC 2326): what was asked for, and which RTP streams carry it.
//!
//! Only DESCRIBE, SETUP and PLAY matter here. RTP interleaved in the connection (section 10.12) is counted like RTP over UDP.

use crate::app::video::MediaEvent;
use crate::app::video::rtp::{Header, RtpParser};
use crate::app::{Event, Probe, Protocol, StreamParser};
use crate::base::emit::Emit;
use crate::base::limits::{HTTP_HEAD, RTSP_TRACKS};
use crate::base::net::Side;
use crate::flow::{EndOfStream, FlowKey, GapReason, Moment, Need};

/// One RTSP conversation.
#[derive(Clone, Debug)]
pub struct RtspSession {
    /// The conversation.
    pub key: FlowKey,
    /// Host and path that were asked for, without query.
    pub url: Option<crate::app::http::Target>,
    /// First request.
    pub asked: Option<Moment>,
    /// The first PLAY.
    pub played: Option<Moment>,
    /// Streams as described and set up.
    pub tracks: Vec<RtspTrack>,
}

/// One stream of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RtspTrack {
    /// `video`, `audio` or other.
    pub kind: String,
    /// Payload type.
    pub payload_type: u8,
    /// Encoding, such as `H264`.
    pub encoding: Option<String>,
    /// Clock rate.
    pub clock_rate: Option<u32>,
    /// `a=control`, as told.
    pub control: Option<String>,
    /// The client's RTP port, once set up over UDP.
    pub client_port: Option<u16>,
    /// The server's RTP port.
    pub server_port: Option<u16>,
}

/// RTSP.
pub const RTSP: Protocol = Protocol { name: "rtsp", probe, resync: Some(probe), start: |key| Box::new(RtspParser::new(*key)) };

const METHODS: &[&[u8]] = &[
    b"OPTIONS ",
    b"DESCRIBE ",
    b"SETUP ",
    b"PLAY ",
    b"PAUSE ",
    b"TEARDOWN ",
    b"GET_PARAMETER ",
    b"SET_PARAMETER ",
    b"ANNOUNCE ",
    b"RECORD ",
];

fn probe(_: &FlowKey, side: Side, bytes: &[u8]) -> Probe {
    let prefix = |known: &[u8]| bytes[..bytes.len().min(known.len())] == known[..known.len().min(bytes.len())];
    match side {
        Side::Server if prefix(b"RTSP/1.0 ") => {
            if bytes.len() >= 9 {
                Probe::Yes
            } else {
                Probe::More
            }
        }
        Side::Server => Probe::No,
        Side::Client => {
            let Some(method) = METHODS.iter().find(|m| prefix(m)) else { return Probe::No };
            match bytes.get(method.len()..) {
                Some(rest) if rest.len() >= 5 && !rest.starts_with(b"rtsp:") && !rest.starts_with(b"* RTS") => Probe::No,
                Some(rest) if rest.len() >= 5 => Probe::Yes,
                _ => Probe::More,
            }
        }
    }
}

/// Parses one conversation.
pub struct RtspParser {
    found: RtspSession,
    sides: [State; 2],
    rtp: RtpParser,
    /// Methods and URLs that wait for their responses.
    asked: std::collections::VecDeque<(String, String)>,
}

enum State {
    /// Gathering a head or the four bytes before interleaved data.
    Head(Vec<u8>),
    /// In a body; whether it is SDP.
    Body {
        buf: Vec<u8>,
        left: usize,
        sdp: bool,
    },
    /// In interleaved data of this channel.
    Data {
        buf: Vec<u8>,
        left: usize,
        channel: u8,
        length: u32,
    },
    Lost,
}

/// Requests whose responses are awaited.
const WAITING: usize = 64;

impl RtspParser {
    /// For one conversation.
    pub fn new(key: FlowKey) -> Self {
        let found = RtspSession { key, url: None, asked: None, played: None, tracks: Vec::new() };
        Self { found, sides: [State::Head(Vec::new()), State::Head(Vec::new())], rtp: RtpParser::new(key), asked: Default::default() }
    }

    fn step(&mut self, side: Side, when: Moment, bytes: &[u8]) -> usize {
        match &mut self.sides[side.index()] {
            State::Lost => bytes.len(),
            State::Head(buf) => {
                // Byte by byte: heads are rare and small, and the end must not be overrun.
                for (i, b) in bytes.iter().enumerate() {
                    if buf.is_empty() && matches!(b, b'\r' | b'\n') {
                        continue;
                    }
                    buf.push(*b);
                    if buf[0] == b'$' && buf.len() == 4 {
                        let (channel, left) = (buf[1], usize::from(buf[2]) << 8 | usize::from(buf[3]));
                        self.sides[side.index()] = State::Data { buf: Vec::new(), left, channel, length: left as u32 };
                        return i + 1;
                    }
                    if buf[0] != b'$' && (buf.ends_with(b"\n\r\n") || buf.ends_with(b"\n\n")) {
                        let head = std::mem::take(buf);
                        self.sides[side.index()] = self.head(side, when, &head);
                        return i + 1;
                    }
                    if buf.len() > HTTP_HEAD {
                        self.sides[side.index()] = State::Lost;
                        return bytes.len();
                    }
                }
                bytes.len()
            }
            State::Body { buf, left, sdp } => {
                let n = (*left).min(bytes.len());
                if *sdp {
                    buf.extend_from_slice(&bytes[..n]);
                }
                *left -= n;
                if *left == 0 {
                    if *sdp {
                        let text = String::from_utf8_lossy(buf).into_owned();
                        self.describe(&text);
                    }
                    self.sides[side.index()] = State::Head(Vec::new());
                }
                n
            }
            State::Data { buf, left, channel, length } => {
                let n = (*left).min(bytes.len());
                let room = 64usize.saturating_sub(buf.len()).min(n);
                buf.extend_from_slice(&bytes[..room]);
                *left -= n;
                if *left == 0 {
                    // RFC 2326 section 10.12: even channels carry RTP, odd ones RTCP, as everyone sets them up.
                    if *channel % 2 == 0
                        && let Some(header) = Header::parse(buf)
                    {
                        self.rtp.packet(side, when, &header, *length);
                    }
                    self.sides[side.index()] = State::Head(Vec::new());
                }
                n
            }
        }
    }

    fn head(&mut self, side: Side, when: Moment, head: &[u8]) -> State {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let field = |name: &str| {
            let found = text.lines().skip(1).find_map(|l| l.split_once(':').filter(|(n, _)| n.trim().eq_ignore_ascii_case(name)));
            found.map(|(_, v)| v.trim())
        };
        let left = field("content-length").and_then(|v| v.parse().ok()).unwrap_or(0usize).min(HTTP_HEAD);
        let mut words = first.split(' ');
        let (one, two) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut sdp = false;
        if one.starts_with("RTSP/") {
            let ok = two.starts_with('2');
            let (method, url) = self.asked.pop_front().unwrap_or_default();
            sdp = ok && field("content-type").is_some_and(|t| t.starts_with("application/sdp"));
            if ok && method == "SETUP" {
                self.set_up(&url, field("transport").unwrap_or_default());
            }
        } else if first.ends_with("RTSP/1.0") && side == Side::Client {
            self.found.asked.get_or_insert(when);
            if self.found.url.is_none() && two.starts_with("rtsp:") {
                self.found.url = Some(crate::app::http::Target::of_request(two, None));
            }
            if one == "PLAY" {
                self.found.played.get_or_insert(when);
            }
            if self.asked.len() < WAITING {
                let url: String = two.chars().take(1024).collect();
                self.asked.push_back((one.chars().take(16).collect(), url));
            }
        } else if !first.contains("RTSP/1.0") {
            return State::Lost;
        }
        if left > 0 { State::Body { buf: Vec::new(), left, sdp } } else { State::Head(Vec::new()) }
    }

    /// SDP (RFC 8866): media lines, their rtpmap and control.
    fn describe(&mut self, sdp: &str) {
        self.found.tracks.clear();
        for line in sdp.lines().map(str::trim) {
            if let Some(media) = line.strip_prefix("m=") {
                let mut words = media.split(' ');
                let kind: String = words.next().unwrap_or_default().chars().take(16).collect();
                let payload_type = words.nth(2).and_then(|w| w.parse().ok()).unwrap_or(0);
                if self.found.tracks.len() < RTSP_TRACKS {
                    let clock_rate = super::rtp::clock_of_payload(payload_type);
                    self.found.tracks.push(RtspTrack { kind, payload_type, clock_rate, ..RtspTrack::default() });
                }
            }
            let Some(track) = self.found.tracks.last_mut() else { continue };
            if let Some(map) = line.strip_prefix("a=rtpmap:") {
                let Some((number, codec)) = map.split_once(' ') else { continue };
                if number.parse() == Ok(track.payload_type) {
                    let mut parts = codec.split('/');
                    track.encoding = parts.next().map(|e| e.chars().take(32).collect());
                    track.clock_rate = parts.next().and_then(|r| r.trim().parse().ok()).or(track.clock_rate);
                }
            } else if let Some(control) = line.strip_prefix("a=control:") {
                track.control = Some(control.chars().take(256).collect());
            }
        }
    }

    fn set_up(&mut self, url: &str, transport: &str) {
        let port = |name: &str| {
            let value = transport.split(';').find_map(|p| p.trim().strip_prefix(name)?.strip_prefix('='))?;
            value.split('-').next()?.parse::<u16>().ok()
        };
        let (client_port, server_port) = (port("client_port"), port("server_port"));
        let by_control = self.found.tracks.iter().position(|t| t.control.as_deref().is_some_and(|c| url.ends_with(c)));
        let free = self.found.tracks.iter().position(|t| t.client_port.is_none());
        if let Some(track) = by_control.or(free).and_then(|i| self.found.tracks.get_mut(i)) {
            (track.client_port, track.server_port) = (client_port, server_port);
        } else if self.found.tracks.len() < RTSP_TRACKS {
            self.found.tracks.push(RtspTrack { client_port, server_port, ..RtspTrack::default() });
        }
    }
}

impl StreamParser for RtspParser {
    fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], _: &mut dyn Emit<Event>) -> Need {
        let mut rest = bytes;
        while !rest.is_empty() {
            let n = self.step(side, when, rest);
            rest = &rest[n..];
            if n == 0 && matches!(&self.sides[side.index()], State::Data { left: 0, .. } | State::Body { left: 0, .. }) {
                // Empty frames end at once.
                self.sides[side.index()] = State::Head(Vec::new());
            }
        }
        Need::More
    }

    fn gap(&mut self, side: Side, _: Moment, missing: u64, _: GapReason, _: &mut dyn Emit<Event>) -> Need {
        let state = &mut self.sides[side.index()];
        match state {
            State::Data { left, .. } | State::Body { left, sdp: false, .. } if *left as u64 > missing => {
                *left -= missing as usize;
                Need::More
            }
            State::Data { left, .. } | State::Body { left, sdp: false, .. } if *left as u64 == missing => {
                *state = State::Head(Vec::new());
                Need::More
            }
            _ => {
                *state = State::Lost;
                Need::Nothing
            }
        }
    }

    fn end(&mut self, _: Moment, _: EndOfStream, out: &mut dyn Emit<Event>) {
        out.emit(Event::Media(MediaEvent::Rtsp(Box::new(self.found.clone()))));
        self.rtp.finish(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::net::Endpoint;
    use crate::testkit::parser::{Line, any_cut, play, torture};

    fn key() -> FlowKey {
        FlowKey { proto: 6, client: Endpoint::new([192, 0, 2, 10].into(), 40_000), server: Endpoint::new([192, 0, 2, 50].into(), 554) }
    }

    fn script() -> Vec<Line> {
        let sdp = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/48000/2\r\na=control:trackID=2\r\n";
        let c = |t: &str| (Side::Client, t.as_bytes().to_vec());
        let s = |t: &str| (Side::Server, t.as_bytes().to_vec());
        let rtp = |n: u16| {
            [&[b'$', 0, 0, 62, 0x80, 96][..], &n.to_be_bytes(), &(u32::from(n) * 3600).to_be_bytes(), &[0, 0, 0, 9], &[0; 50]].concat()
        };
        vec![
            c("DESCRIBE rtsp://cam.example/film?key=SECRET RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
            s(&format!("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())),
            c("SETUP rtsp://cam.example/film/trackID=2 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP;unicast;client_port=5002-5003\r\n\r\n"),
            s("RTSP/1.0 200 OK\r\nCSeq: 2\r\nTransport: RTP/AVP;unicast;client_port=5002-5003;server_port=6002-6003\r\n\r\n"),
            c("PLAY rtsp://cam.example/film RTSP/1.0\r\nCSeq: 3\r\n\r\n"),
            s("RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n"),
            (Side::Server, (0..20).flat_map(rtp).chain([b'$', 1, 0, 0]).chain(rtp(21)).collect()),
        ]
    }

    #[test]
    fn tracks_ports_and_interleaved_packets_at_any_cut() {
        let start = || -> Box<dyn StreamParser> { Box::new(RtspParser::new(key())) };
        let events = play(start(), &script());
        let [Event::Media(MediaEvent::Rtsp(found)), Event::Media(MediaEvent::Rtp(rtp))] = &events[..] else { panic!("{events:?}") };
        let url = found.url.as_ref().unwrap();
        assert_eq!((url.host.as_deref(), &*url.path), (Some("cam.example"), "/film"));
        assert!(!format!("{found:?}").contains("SECRET"));
        assert_eq!(
            found.tracks.iter().map(|t| (t.kind.as_str(), t.clock_rate)).collect::<Vec<_>>(),
            [("video", Some(90_000)), ("audio", Some(48_000))]
        );
        assert_eq!((found.tracks[1].client_port, found.tracks[1].server_port), (Some(5002), Some(6002)));
        assert!(found.played.is_some());
        assert_eq!((rtp.stats.packets, rtp.stats.lost(), rtp.from), (21, 1, Side::Server));
        any_cut(start, &script(), 100);
        torture(start, &script(), 200);
    }

    #[test]
    fn content_tells_rtsp_from_http() {
        assert_eq!(probe(&key(), Side::Client, b"OPTIONS * RTSP/1.0"), Probe::Yes);
        assert_eq!(probe(&key(), Side::Client, b"OPTIONS * HTTP/1.1"), Probe::No);
        assert_eq!(probe(&key(), Side::Client, b"OPT"), Probe::More);
        assert_eq!(probe(&key(), Side::Server, b"RTSP/1.0 200 OK"), Probe::Yes);
        assert_eq!(probe(&key(), Side::Server, b"HTTP/1.1 200"), Probe::No);
    }
}
