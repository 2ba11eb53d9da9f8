use super::*;
use crate::app::http::HttpParser;
use crate::app::tls::{ClientHello, TlsConnection};
use crate::app::{Event, StreamParser};
use crate::base::anomaly::Place;
use crate::base::interval::Interval;
use crate::base::net::{Endpoint, Side};
use crate::flow::{EndOfStream, FlowId, FlowKey, Moment};
use crate::measure::scenario;

const VM: &str = "192.0.2.50";

fn s(t: f64) -> Timestamp {
    Timestamp((t * 1e9).round() as i64)
}

fn at(t: f64) -> Moment {
    Moment { at: s(t), place: Place::default() }
}

/// A viewer whose requests each go over a connection of their own.
#[derive(Default)]
struct Net {
    web: WebLedger,
    port: u16,
}

impl Net {
    fn key(&mut self, server: &str) -> FlowKey {
        self.port += 1;
        FlowKey {
            proto: 6,
            client: Endpoint::new([192, 0, 2, 10].into(), 40_000 + self.port),
            server: Endpoint::new(server.parse().unwrap(), 80),
        }
    }

    /// A request at `asked`, whose response comes in the parts of `arrivals`: time, bytes. `end` tells how the connection ends.
    fn fetch_parts(&mut self, path: &str, range: &str, head: &str, asked: f64, arrivals: &[(f64, &[u8])], end: EndOfStream) {
        let mut parser = HttpParser::new(self.key(VM));
        let mut out: Vec<Event> = Vec::new();
        let request = format!("GET {path} HTTP/1.1\r\nHost: vm\r\n{range}\r\n");
        parser.bytes(Side::Client, at(asked), request.as_bytes(), &mut out);
        for (n, (t, bytes)) in arrivals.iter().enumerate() {
            let bytes = if n == 0 { [head.as_bytes(), bytes].concat() } else { bytes.to_vec() };
            parser.bytes(Side::Server, at(*t), &bytes, &mut out);
        }
        parser.end(at(arrivals.last().map_or(asked, |a| a.0)), end, &mut out);
        for event in out {
            self.web.event(FlowId(0), event);
        }
    }

    /// A whole response that comes at once.
    fn fetch(&mut self, path: &str, asked: f64, done: f64, body: &[u8]) {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        self.fetch_parts(path, "", &head, asked, &[(done, body)], EndOfStream::Closed);
    }

    fn sessions(&self, windows: &[Window], end: f64) -> Vec<Session> {
        let clock = ClockMap::identity();
        let vm_ips = [VM.parse().unwrap()];
        let context =
            Context { clock: &clock, vm_ips: &vm_ips, windows, origin: s(0.0), end: s(end), playback: PlaybackOptions::default() };
        sessions(&self.web, &context)
    }
}

const TS: &[u8] = &[0x47; 20_000];

fn playlist(first: u32, n: u32, ended: bool) -> String {
    let list: String = (first..first + n).map(|i| format!("#EXTINF:2.0,\n{i}.ts\n")).collect();
    let end = if ended { "#EXT-X-ENDLIST\n" } else { "" };
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n{list}{end}")
}

#[test]
fn a_live_stream_with_a_change_of_variant() {
    let mut net = Net::default();
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=1280x720,FRAME-RATE=25,CODECS=\"avc1.64001f\"\nhi/l.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=640x360,FRAME-RATE=25,CODECS=\"avc1.64001f\"\nlo/l.m3u8\n";
    net.fetch("/live.m3u8", 0.0, 0.1, master.as_bytes());
    net.fetch("/hi/l.m3u8", 0.1, 0.2, playlist(100, 3, false).as_bytes());
    for i in 0..3u32 {
        net.fetch(&format!("/hi/{}.ts", 100 + i), 0.2 + f64::from(i) * 0.1, 0.25 + f64::from(i) * 0.1, TS);
    }
    net.fetch("/lo/l.m3u8", 4.0, 4.1, playlist(102, 3, false).as_bytes());
    net.fetch("/lo/103.ts", 4.2, 4.3, &TS[..5000]);
    net.fetch("/lo/l.m3u8", 6.0, 6.1, playlist(103, 3, false).as_bytes());
    net.fetch("/lo/104.ts", 6.2, 6.3, &TS[..5000]);
    let list = net.sessions(&[], 20.0);
    let [session] = &list[..] else { panic!("{list:#?}") };
    assert_eq!((session.kind, session.playlists, session.segments().count(), session.switches), (Kind::Hls, 4, 5, 1));
    assert_eq!((session.fetched_seconds, session.presentation_seconds, session.why.as_deref()), (Some(10.0), None, None));
    assert_eq!(session.path.as_deref(), Some("/live.m3u8"));
    let playback = session.playback.as_ref().unwrap();
    assert_eq!((playback.start, playback.stalls.len()), (Some(s(0.25)), 0));
    let input = p1203(session).unwrap();
    assert_eq!(input["I13"]["segments"][3]["resolution"], "640x360");
    assert_eq!(input["I13"]["segments"][3]["start"], 6.0);
    assert_eq!(input["I23"]["stalling"][0][1], 0.25);
}

#[test]
fn a_late_segment_stalls_the_player_and_is_in_the_table() {
    let mut net = Net::default();
    net.fetch("/v/l.m3u8", 0.0, 0.1, playlist(0, 3, true).as_bytes());
    net.fetch("/v/0.ts", 0.1, 0.2, TS);
    net.fetch("/v/1.ts", 2.0, 6.2, TS);
    net.fetch("/v/2.ts", 6.2, 6.3, TS);
    let list = net.sessions(&[], 20.0);
    let report = list[0].report();
    assert_eq!((report.media_seconds, report.presentation_seconds, report.startup_ms), (Some(6.0), Some(6.0), Some(200.0)));
    let stall = &report.stalls[0];
    assert_eq!((report.stalls.len(), stall.start, stall.recovered), (1, Some(s(2.2)), Some(true)));
    assert!((stall.ms.unwrap() - 4000.0).abs() < 1e-6 && (report.stall_total_ms.unwrap() - 4000.0).abs() < 1e-6);
    assert_eq!(report.buffer_min_s, Some(0.0));
    assert_eq!(report.segment_table[1].done, Some(s(6.2)));
    let curve = list[0].curve(s(0.0)).unwrap();
    assert!(curve.points.windows(2).all(|w| w[0].0 <= w[1].0) && curve.unit == "s");
}

#[test]
fn a_server_that_never_comes_back_leaves_the_player_waiting() {
    let mut net = Net::default();
    net.fetch("/v/l.m3u8", 0.0, 0.1, playlist(0, 9, true).as_bytes());
    net.fetch("/v/0.ts", 0.1, 0.2, TS);
    net.fetch("/v/1.ts", 0.2, 0.3, TS);
    assert!(net.sessions(&[], 30.0)[0].playback.as_ref().unwrap().stalls.is_empty());
    let gone = Window { start: Interval::exact(s(3.0)), end: None };
    let list = net.sessions(&[gone], 30.0);
    assert_eq!(list[0].playback.as_ref().unwrap().stalls, [(s(4.2), None)]);
    assert!(list[0].assumptions.iter().any(|a| a.contains("never came back")));
    assert_eq!(list[0].report().stalls[0].recovered, Some(false));
}

#[test]
fn watching_again_is_another_session() {
    let mut net = Net::default();
    for start in [0.0, 50.0] {
        net.fetch("/v/l.m3u8", start, start + 0.1, playlist(0, 2, true).as_bytes());
        net.fetch("/v/0.ts", start + 0.1, start + 0.2, TS);
        net.fetch("/v/1.ts", start + 0.2, start + 0.3, TS);
    }
    let list = net.sessions(&[], 60.0);
    assert_eq!(
        list.iter().map(|x| (x.asked, x.playlists, x.fetched_seconds)).collect::<Vec<_>>(),
        [(s(0.0), 1, Some(4.0)), (s(50.0), 1, Some(4.0))]
    );
}

#[test]
fn dash_needs_picture_and_sound() {
    let mut net = Net::default();
    let manifest = r#"<MPD type="static" mediaPresentationDuration="PT6S"><Period>
        <AdaptationSet contentType="video"><Representation id="v" bandwidth="200000" width="426" height="240" frameRate="25" codecs="avc1.42c01e">
        <SegmentTemplate timescale="1" duration="2" startNumber="1" initialization="v-init.m4s" media="v-$Number$.m4s"/></Representation></AdaptationSet>
        <AdaptationSet contentType="audio"><Representation id="a" bandwidth="48000">
        <SegmentTemplate timescale="1" duration="3" startNumber="1" initialization="a-init.m4s" media="a-$Number$.m4s"/></Representation></AdaptationSet>
        </Period></MPD>"#;
    net.fetch("/d/m.mpd", 0.0, 0.1, manifest.as_bytes());
    net.fetch("/d/v-init.m4s", 0.1, 0.2, &[0; 700]);
    net.fetch("/d/a-init.m4s", 0.1, 0.2, &[0; 700]);
    for (path, done) in [("v-1", 0.3), ("a-1", 0.9), ("v-2", 1.0), ("v-3", 1.2), ("a-2", 5.9)] {
        net.fetch(&format!("/d/{path}.m4s"), done - 0.1, done, &[1; 50_000]);
    }
    let list = net.sessions(&[], 20.0);
    let [session] = &list[..] else { panic!("{list:#?}") };
    assert_eq!((session.kind, session.playlists, session.segments().count(), session.pieces.len()), (Kind::Dash, 1, 5, 7));
    assert_eq!((session.fetched_seconds, session.presentation_seconds, session.why.as_deref()), (Some(6.0), Some(6.0), None));
    // 100,000 bytes of sound in 6 s and 150,000 of picture.
    assert!((session.media_bps.unwrap() - 250_000.0 * 8.0 / 6.0).abs() < 1e-6);
    let playback = session.playback.as_ref().unwrap();
    // Two seconds of picture, but no sound before 0.9 s; sound ends the media at 3 s from there until 5.9 s.
    assert_eq!((playback.start, playback.stalls.clone()), (Some(s(0.9)), vec![(s(3.9), Some(s(5.9)))]));
    assert_eq!(p1203(session).unwrap()["I11"]["segments"].as_array().unwrap().len(), 2);
}

/// An MP4 file of 20 s with its head behind the media: `ftyp`, `mdat`, `moov`.
fn film(media: usize) -> (Vec<u8>, usize) {
    let be = |v: &[u32]| v.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
    let bx = |kind: &[u8; 4], body: Vec<u8>| [&be(&[body.len() as u32 + 8])[..], kind, &body].concat();
    let matrix = be(&[0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]);
    let mvhd = bx(b"mvhd", [be(&[0, 0, 0, 1000, 20_000, 0x1_0000, 0x100_0000, 0, 0]), matrix.clone(), vec![0; 24], be(&[2])].concat());
    let tkhd = bx(b"tkhd", [be(&[3, 0, 0, 1, 0, 20_000, 0, 0, 0, 0]), matrix, be(&[426 << 16, 240 << 16])].concat());
    let mdhd = bx(b"mdhd", be(&[0, 0, 0, 1000, 20_000, 0x55c4_0000]));
    let hdlr = bx(b"hdlr", [be(&[0, 0]), b"vide".to_vec(), vec![0; 13]].concat());
    let trak = bx(b"trak", [tkhd, bx(b"mdia", [mdhd, hdlr].concat())].concat());
    let head = [bx(b"ftyp", b"isom\0\0\x02\0isom".to_vec()), bx(b"mdat", vec![9; media])].concat();
    let tail = head.len();
    ([head, bx(b"moov", [mvhd, trak].concat())].concat(), tail)
}

#[test]
fn a_film_fetched_in_ranges_with_its_head_at_the_end() {
    let (file, tail) = film(1_000_000);
    let mut net = Net::default();
    let head = |from: usize| {
        let (last, total) = (file.len() - 1, file.len());
        format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Type: video/mp4\r\nContent-Range: bytes {from}-{last}/{total}\r\nContent-Length: {}\r\n\r\n",
            total - from
        )
    };
    // The browser reads the start, then the end, then goes on where it stopped.
    net.fetch_parts("/f.mp4", "Range: bytes=0-\r\n", &head(0), 0.0, &[(0.1, &file[..200_000])], EndOfStream::Reset);
    net.fetch_parts("/f.mp4", &format!("Range: bytes={tail}-\r\n"), &head(tail), 0.2, &[(0.3, &file[tail..])], EndOfStream::Closed);
    let from = 200_000;
    let parts: [(f64, &[u8]); 2] = [(0.5, &file[from..500_000]), (30.0, &file[500_000..])];
    net.fetch_parts("/f.mp4", "Range: bytes=200000-\r\n", &head(from), 0.4, &parts, EndOfStream::Closed);
    let list = net.sessions(&[], 60.0);
    let [session] = &list[..] else { panic!("{list:#?}") };
    assert_eq!(
        (session.kind, session.pieces.len(), session.presentation_seconds, session.why.as_deref()),
        (Kind::Progressive, 3, Some(20.0), None)
    );
    assert!((session.media_bps.unwrap() - file.len() as f64 * 8.0 / 20.0).abs() < 1e-6);
    assert!((session.fetched_seconds.unwrap() - 20.0).abs() < 1e-9);
    // 500,000 bytes are ten seconds; the rest comes at 30 s.
    let playback = session.playback.as_ref().unwrap();
    let [(stall, Some(on))] = playback.stalls[..] else { panic!("{playback:?}") };
    assert!(((stall - s(10.1)).seconds()).abs() < 0.05 && ((on - s(30.0)).seconds()).abs() < 0.05, "{playback:?}");
}

#[test]
fn encrypted_downloads_are_video_by_size_or_name_only() {
    let tls = |host: &str, bytes: u64| {
        let key = FlowKey {
            proto: 6,
            client: Endpoint::new([192, 0, 2, 10].into(), 40_000),
            server: Endpoint::new([198, 51, 100, 80].into(), 443),
        };
        let mut arrivals = crate::app::video::arrivals::Arrivals::default();
        arrivals.push(s(1.0), bytes / 2);
        arrivals.push(s(4.0), bytes - bytes / 2);
        TlsConnection {
            key,
            client: Some(ClientHello { server_name: Some(host.into()), ..ClientHello::default() }),
            server: None,
            bytes: [500, bytes],
            missing: [0; 2],
            application: [500, bytes],
            exact: true,
            arrivals: Box::new(arrivals),
            requests: Box::default(),
            first: Some(at(0.5)),
            last: Some(at(4.0)),
            ended: EndOfStream::Closed,
        }
    };
    let run = |connections: Vec<TlsConnection>| {
        let mut net = Net::default();
        net.web.tls = connections;
        net.sessions(&[], 9.0)
    };
    assert!(run(vec![tls("www.example", 400_000)]).is_empty());
    assert_eq!(run(vec![tls("r1.googlevideo.com", 400_000)]).len(), 1);
    // Two connections to one host are one session.
    let list = run(vec![tls("cdn.example", 700_000), tls("cdn.example", 700_000)]);
    assert_eq!((list.len(), list[0].bytes, list[0].gaps.clone()), (1, 1_400_000, vec![(s(1.0), s(4.0))]));
    let report = list[0].report();
    assert_eq!((report.knowable, report.segments, report.media_seconds), (false, 0, None));
    let vm = [VM.parse().unwrap()];
    assert_eq!(scenario::infer(&list, &vm).name, "online-video");
    assert_eq!(scenario::infer(&list, &[]).name, "unknown");
    assert_eq!(scenario::infer(&[], &[]).name, "no-video");
    assert_eq!(scenario::infer(&list, &["198.51.100.80".parse().unwrap()]).name, "offline-video");
}

#[test]
fn pictures_and_sounds_are_no_video() {
    let mut net = Net::default();
    let head = |kind: &str, n: usize| format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {n}\r\n\r\n");
    let big = vec![7; 300_000];
    net.fetch_parts("/a.jpg", "", &head("image/jpeg", big.len()), 0.0, &[(0.1, &big)], EndOfStream::Closed);
    net.fetch_parts("/a.mp3", "", &head("audio/mpeg", big.len()), 0.0, &[(0.1, &big)], EndOfStream::Closed);
    net.fetch_parts("/a.zip", "", &head("application/zip", big.len()), 0.0, &[(0.1, &big)], EndOfStream::Closed);
    assert!(net.sessions(&[], 1.0).is_empty());
    // A film of which only the type is known is one, and its length is not guessed.
    net.fetch_parts("/a", "", &head("video/x-flv", big.len()), 0.0, &[(0.1, &big)], EndOfStream::Closed);
    let list = net.sessions(&[], 1.0);
    assert_eq!((list.len(), list[0].presentation_seconds, list[0].playback.is_some()), (1, None, false));
    assert!(list[0].why.is_some());
}

#[test]
fn rtp_is_told_with_its_track() {
    use crate::app::video::MediaEvent;
    use crate::app::video::rtp::{Header, RtpParser};
    use crate::app::video::rtsp::{RtspSession, RtspTrack};
    let mut net = Net::default();
    let key = FlowKey { proto: 17, client: Endpoint::new(VM.parse().unwrap(), 6000), server: Endpoint::new([192, 0, 2, 10].into(), 5000) };
    let mut parser = RtpParser::new(key);
    for i in (0..100u16).filter(|i| *i != 40) {
        let header = Header { payload_type: 96, sequence: i, timestamp: u32::from(i) * 3600, ssrc: 5 };
        parser.packet(Side::Client, at(1.0 + f64::from(i) * 0.04), &header, 1000);
    }
    let mut out: Vec<Event> = Vec::new();
    parser.finish(&mut out);
    let track =
        RtspTrack { kind: "video".into(), payload_type: 96, clock_rate: Some(90_000), client_port: Some(5000), ..RtspTrack::default() };
    let control =
        FlowKey { proto: 6, client: Endpoint::new([192, 0, 2, 10].into(), 40_000), server: Endpoint::new(VM.parse().unwrap(), 554) };
    let url = crate::app::http::Target::of_request("rtsp://vm/film", None);
    let rtsp = RtspSession { key: control, url: Some(url), asked: Some(at(0.1)), played: Some(at(0.9)), tracks: vec![track] };
    out.push(Event::Media(MediaEvent::Rtsp(Box::new(rtsp))));
    out.into_iter().for_each(|e| net.web.event(FlowId(0), e));
    let list = net.sessions(&[], 9.0);
    let report = list[0].report();
    assert_eq!((report.kind.as_str(), report.client.as_str(), report.server.as_str()), ("rtp", "192.0.2.10", VM));
    assert_eq!((report.path.as_deref(), report.knowable), (Some("/film"), false));
    let rtp = report.rtp.unwrap();
    assert_eq!((rtp.packets, rtp.expected, rtp.lost, rtp.clock_rate), (99, 100, 1, Some(90_000)));
    assert!(rtp.jitter_ms.unwrap() < 1e-6 && (rtp.longest_gap_ms.unwrap() - 80.0).abs() < 1e-6);
}
