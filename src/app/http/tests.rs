use super::*;
use crate::app::video::Media;
use crate::app::{Event, StreamParser};
use crate::base::anomaly::Place;
use crate::base::net::Endpoint;
use crate::base::time::Timestamp;
use crate::flow::{EndOfStream, GapReason, Moment};
use crate::testkit::parser::{Feed, Line, any_cut, moment, play, play_without, torture};

fn key() -> FlowKey {
    FlowKey { proto: 6, client: Endpoint::new([192, 0, 2, 10].into(), 40000), server: Endpoint::new([192, 0, 2, 50].into(), 80) }
}

fn parser() -> Box<dyn StreamParser> {
    Box::new(HttpParser::new(key()))
}

fn c(text: impl AsRef<[u8]>) -> Line {
    (Side::Client, text.as_ref().to_vec())
}

fn s(text: impl AsRef<[u8]>) -> Line {
    (Side::Server, text.as_ref().to_vec())
}

fn exchanges(events: Vec<Event>) -> Vec<Exchange> {
    let one = |e| match e {
        Event::Http(HttpEvent::Exchange(e)) => Some(*e),
        _ => None,
    };
    events.into_iter().filter_map(one).collect()
}

/// Method, path, status, body bytes, why not complete.
type Short = (String, String, Option<u16>, u64, Option<Incomplete>);

fn short(list: &[Exchange]) -> Vec<Short> {
    let one = |e: &Exchange| {
        assert_eq!(e.complete, e.why.is_none());
        (e.method.as_deref().unwrap_or("-").into(), e.target.path.to_string(), e.status, e.response_body.bytes, e.why)
    };
    list.iter().map(one).collect()
}

fn row(method: &str, path: &str, status: u16, bytes: u64, why: Option<Incomplete>) -> Short {
    (method.into(), path.into(), (status > 0).then_some(status), bytes, why)
}

/// Two pipelined requests, a HEAD, a 100-continue upload, chunks, and a body until the close.
fn long_script() -> Vec<Line> {
    vec![
        c("GET /a?x=1 HTTP/1.1\r\nHost: h\r\nUser-Agent: t/1\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n\r\n"),
        s("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        c("POST /up HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"),
        s("HTTP/1.1 100 Continue\r\n\r\n"),
        c("6\r\nupload\r\n0\r\n\r\n"),
        s("HTTP/1.1 204 No Content\r\n\r\n"),
        c("\r\nGET /chunks HTTP/1.1\r\n\r\n"),
        s("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"),
        c("GET http://other/z HTTP/1.0\r\n\r\n"),
        s("HTTP/1.0 200 OK\r\n\r\nuntil the end"),
    ]
}

#[test]
fn pairs_and_frames_at_any_cut() {
    let list = exchanges(play(parser(), &long_script()));
    assert_eq!(
        short(&list),
        [
            row("GET", "/a", 200, 5, None),
            row("HEAD", "/b", 200, 0, None),
            row("POST", "/up", 204, 0, None),
            row("GET", "/chunks", 404, 5, None),
            row("GET", "/z", 200, 13, None),
        ]
    );
    assert_eq!((list[2].request_body.bytes, list[2].interim), (6, 1));
    assert_eq!(list[0].user_agent.as_deref(), Some("t/1"));
    assert_eq!(list[4].target.host.as_deref(), Some("other"));
    let ms = |m: Option<Moment>| m.unwrap().at.0 / 1_000_000;
    assert_eq!((ms(list[2].request_first), ms(list[2].request_last), ms(list[2].response_first)), (2, 4, 5));
    assert!(list[3].failed() && !list[4].failed());
    any_cut(parser, &long_script(), 300);
    torture(parser, &long_script(), 500);
}

#[test]
fn what_is_cut_off_is_marked() {
    let get = || c("GET /v HTTP/1.1\r\n\r\n");
    let run = |script: &[Line], how| {
        let mut feed = Feed::new(parser());
        for (n, (side, bytes)) in script.iter().enumerate() {
            feed.bytes(*side, moment(n), bytes);
        }
        short(&exchanges(feed.end(moment(9), how)))
    };
    let half = s("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    assert_eq!(run(&[get(), half.clone()], EndOfStream::CaptureEnded), [row("GET", "/v", 200, 4, Some(Incomplete::CaptureEnded))]);
    assert_eq!(run(&[get(), half.clone()], EndOfStream::Reset), [row("GET", "/v", 200, 4, Some(Incomplete::Reset))]);
    assert_eq!(run(&[get(), half.clone()], EndOfStream::Closed), [row("GET", "/v", 200, 4, Some(Incomplete::ClosedEarly))]);
    assert_eq!(run(&[get()], EndOfStream::Closed), [row("GET", "/v", 0, 0, Some(Incomplete::NoResponse))]);
    let twice = [get(), get()];
    assert!(run(&twice, EndOfStream::CaptureEnded).iter().all(|e| e.4 == Some(Incomplete::OneSided)));
    assert_eq!(run(&[half], EndOfStream::CaptureEnded), [row("-", "", 200, 4, Some(Incomplete::CaptureEnded))]);
    let whole = s("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(run(std::slice::from_ref(&whole), EndOfStream::Closed), [row("-", "", 200, 0, Some(Incomplete::NoRequest))]);
    assert_eq!(
        run(&[get(), whole, get()], EndOfStream::Closed),
        [row("GET", "/v", 200, 0, None), row("GET", "/v", 0, 0, Some(Incomplete::NoResponse))]
    );
    assert_eq!(run(&[c("GET /cut-he")], EndOfStream::CaptureEnded), [row("GET", "/cut-he…", 0, 0, Some(Incomplete::CaptureEnded))]);
    assert_eq!(run(&[get(), s("HTTP/1.1 200 O")], EndOfStream::CaptureEnded), [row("GET", "/v", 200, 0, Some(Incomplete::CaptureEnded))]);
}

#[test]
fn gaps_inside_bodies_are_counted_and_do_not_spoil() {
    let script = [
        c("GET /v HTTP/1.1\r\n\r\n"),
        s([b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n".to_vec(), vec![b'x'; 500]].concat()),
        c("GET /w HTTP/1.1\r\n\r\n"),
        s("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ];
    for hole in [60..100, 300..539] {
        let list = exchanges(play_without(parser(), &script, Side::Server, hole.clone(), GapReason::NotCaptured));
        assert_eq!(short(&list), [row("GET", "/v", 200, 500, None), row("GET", "/w", 200, 2, None)], "{hole:?}");
        assert_eq!(list[0].response_body.missing, hole.len() as u64);
    }
}

#[test]
fn gaps_over_borders_end_in_marked_exchanges_and_the_next_head_is_found() {
    let response = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let script = [
        c("GET /1 HTTP/1.1\r\n\r\n"),
        s(response("first body")),
        c("GET /2 HTTP/1.1\r\n\r\n"),
        s(response("second body")),
        c("GET /3 HTTP/1.1\r\n\r\n"),
        s(response("third")),
    ];
    let first = response("first body").len();
    let second = response("second body").len();
    // From the middle of the first body into the second response's head.
    let pipelined = [
        c("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"),
        s([response("first body"), response("second body")].concat()),
        c("GET /3 HTTP/1.1\r\n\r\n"),
        s(response("third")),
    ];
    let list = exchanges(play_without(parser(), &pipelined, Side::Server, first - 5..first + 10, GapReason::NotCaptured));
    let reasons: Vec<_> = list.iter().map(|e| (&*e.target.path, e.why)).collect();
    assert_eq!(reasons, [("/1", Some(Incomplete::Gap)), ("/2", Some(Incomplete::Gap)), ("/3", None)]);
    assert!(list[2].paired_by_time);
    // The whole second response is missing.
    let list = exchanges(play_without(parser(), &script, Side::Server, first..first + second, GapReason::NotCaptured));
    assert_eq!(
        list.iter().map(|e| (&*e.target.path, e.why)).collect::<Vec<_>>(),
        [("/1", None), ("/2", Some(Incomplete::Gap)), ("/3", None)]
    );
    // The second request is missing: its response stands alone.
    let list = exchanges(play_without(parser(), &script, Side::Client, 19..38, GapReason::NotCaptured));
    assert_eq!(
        short(&list),
        [row("GET", "/1", 200, 10, None), row("-", "", 200, 11, Some(Incomplete::NoRequest)), row("GET", "/3", 200, 5, None)]
    );
    // Its head is cut by the snap length.
    let list = exchanges(play_without(parser(), &script, Side::Client, 25..38, GapReason::SnapLength));
    assert_eq!(list[1].target.path, "/2…".into());
    assert_eq!((list[1].status, list[1].why), (Some(200), Some(Incomplete::Gap)));
}

#[test]
fn a_stream_picked_up_in_a_body_is_read_from_the_next_head() {
    let script = [
        s(vec![0x47; 3000]),
        c("GET /next HTTP/1.1\r\n\r\n"),
        s([&b"tail of the body"[..], b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"].concat()),
    ];
    any_cut(parser, &script, 100);
    let list = exchanges(play(parser(), &script));
    assert_eq!(short(&list), [row("GET", "/next", 200, 2, None)]);
    assert!(list[0].paired_by_time);
}

#[test]
fn a_response_captured_before_its_request_is_paired() {
    let mut feed = Feed::new(parser());
    let at = |us: i64| Moment { at: Timestamp(us * 1000), place: Place::default() };
    feed.bytes(Side::Server, at(0), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    feed.bytes(Side::Client, at(30), b"GET /late HTTP/1.1\r\n\r\n");
    feed.bytes(Side::Client, at(5000), b"GET /next HTTP/1.1\r\n\r\n");
    feed.bytes(Side::Server, at(9000), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
    let list = exchanges(feed.end(at(9001), EndOfStream::Closed));
    assert_eq!(short(&list), [row("GET", "/late", 200, 2, None), row("GET", "/next", 304, 0, None)]);
}

#[test]
fn upgrades_and_tunnels() {
    let list = exchanges(play(
        parser(),
        &[
            c("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
            s(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"),
            c("GET /no-request HTTP/1.1\r\n\r\n"),
        ],
    ));
    assert_eq!(short(&list), [row("GET", "/ws", 101, 0, None)]);
    assert_eq!(list[0].upgrade.as_deref(), Some("websocket"));
    let hello = crate::app::tls::tests::client_hello("inner.example");
    let record = [&[22, 3, 1][..], &(hello.len() as u16).to_be_bytes(), &hello].concat();
    let events =
        play(parser(), &[c("CONNECT inner.example:443 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 Connection established\r\n\r\n"), c(record)]);
    let names: Vec<_> = events
        .iter()
        .filter_map(|e| match e {
            Event::Tls(crate::app::tls::TlsEvent::Connection(c)) => c.host().map(str::to_owned),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["inner.example"]);
    assert_eq!(short(&exchanges(events)), [row("CONNECT", "inner.example:443", 200, 0, None)]);
}

#[test]
fn playlists_and_films_are_recognised_whatever_their_type() {
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n1.ts\n#EXT-X-ENDLIST\n";
    let mut ts = vec![0u8; 188 * 400];
    ts.iter_mut().step_by(188).for_each(|b| *b = 0x47);
    let script = [
        c("GET /hls/i HTTP/1.1\r\nHost: h\r\n\r\n"),
        s(format!("HTTP/1.1 206 Partial Content\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{playlist}", playlist.len())),
        c("GET /hls/1.ts HTTP/1.1\r\nHost: h\r\n\r\n"),
        s([format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", ts.len()).into_bytes(), ts].concat()),
    ];
    any_cut(parser, &script, 50);
    let list = exchanges(play(parser(), &script));
    let Some(Media::Hls(crate::app::video::Hls::Media(found))) = list[0].media.as_deref() else { panic!("{:?}", list[0].media) };
    assert_eq!((&*found.entries[0].target.path, found.seconds()), ("/hls/1.ts", 2.0));
    assert!(matches!(list[1].media.as_deref(), Some(Media::Ts)));
    assert_eq!(list[1].arrivals.as_ref().unwrap().total(), 188 * 400);
    // With a hole in it a playlist is not read, and that is said.
    let list = exchanges(play_without(parser(), &script, Side::Server, 120..125, GapReason::NotCaptured));
    assert!(matches!(list[0].media.as_deref(), Some(Media::Unread("hls", _))), "{:?}", list[0].media);
}

#[test]
fn compressed_playlists_are_unpacked() {
    use std::io::Write;
    let mut pack = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    pack.write_all(b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.5,\n1.ts\n").unwrap();
    let body = pack.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let list = exchanges(play(parser(), &[c("GET /l.m3u8 HTTP/1.1\r\n\r\n"), s([head.into_bytes(), body].concat())]));
    assert!(matches!(list[0].media.as_deref(), Some(Media::Hls(_))), "{:?}", list[0].media);
}

#[test]
fn http2_frames_and_streams_are_counted() {
    let frame = |kind: u8, stream: u32, body: &[u8]| {
        [&(body.len() as u32).to_be_bytes()[1..], &[kind, 0][..], &stream.to_be_bytes(), body].concat()
    };
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let script = [
        c([preface.clone(), frame(4, 0, &[]), frame(1, 1, &[0; 30]), frame(1, 3, &[0; 20])].concat()),
        s([frame(4, 0, &[0; 6]), frame(1, 1, &[0; 9]), frame(0, 1, &[1; 500]), frame(0, 3, &[1; 70])].concat()),
    ];
    assert_eq!((HTTP2.probe)(&key(), Side::Client, &preface), Probe::Yes);
    assert_eq!((HTTP2.probe)(&key(), Side::Client, &preface[..5]), Probe::More);
    assert_eq!((HTTP.probe)(&key(), Side::Client, &preface), Probe::No);
    let start = || -> Box<dyn StreamParser> { Box::new(http2::Http2Parser::new(key())) };
    any_cut(start, &script, 50);
    torture(start, &script, 100);
    let events = play(start(), &script);
    let [Event::Http(HttpEvent::Http2(found))] = &events[..] else { panic!("{events:?}") };
    assert_eq!((found.streams, found.frames, found.data, found.lost), (2, [3, 4], [0, 570], false));
}

#[test]
fn hostile_input_is_bounded() {
    // No end of a head; many requests without answer; a chunk size that overflows.
    let mut feed = Feed::new(parser());
    feed.bytes(Side::Client, moment(0), &[b"GET /".to_vec(), vec![b'a'; 200_000]].concat());
    for n in 0..1000 {
        feed.bytes(Side::Client, moment(n), b"\r\n\r\nGET /p HTTP/1.1\r\n\r\n");
    }
    feed.bytes(Side::Server, moment(1001), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n");
    let list = exchanges(feed.end(moment(1002), EndOfStream::CaptureEnded));
    assert!(list.len() >= 1000);
    assert!(list.iter().filter(|e| e.why == Some(Incomplete::Limit)).count() >= 800);
    // Candidates that are no heads cost linear time: quadratic, this would take hours.
    let junk: Vec<u8> = b"HTTP/1.1 200 ".iter().copied().cycle().take(4 << 20).collect();
    let mut feed = Feed::new(parser());
    feed.bytes(Side::Server, moment(0), &[b"x".to_vec(), junk].concat());
    feed.end(moment(1), EndOfStream::CaptureEnded);
}
