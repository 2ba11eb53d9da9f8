//! The web in real captures, against tshark and ffprobe as referees.

mod common;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use lmpcap::app::dispatch::Dispatcher;
use lmpcap::app::http::{Exchange, Incomplete};
use lmpcap::app::video::{Hls, Media};
use lmpcap::app::web::WebLedger;
use lmpcap::base::clock::ClockMap;
use lmpcap::base::time::Timestamp;
use lmpcap::capture::{OpenOptions, Source, open_point};
use lmpcap::decode::duplicates::{Duplicates, Verdict};
use lmpcap::decode::{Decoded, Decoder, Packet};
use lmpcap::flow::FlowTable;
use lmpcap::measure::scenario;
use lmpcap::measure::video::{self, Context, Kind, PlaybackOptions, Session};

/// What the parsers say of one capture file, and its last packet.
fn read(path: &Path) -> (WebLedger, Timestamp) {
    let mut source = open_point(&[path.to_path_buf()], &OpenOptions::default()).expect("a readable capture");
    let (mut decoder, mut flows, mut duplicates) = (Decoder::new(), FlowTable::new(), Duplicates::new());
    let mut dispatcher = Dispatcher::new(Vec::new());
    let mut last = Timestamp::MIN;
    let mut take = |packet: &Packet<'_>| {
        last = last.max(packet.at);
        if duplicates.check(packet) != Verdict::Copy {
            flows.packet(packet, &mut dispatcher);
        }
    };
    while let Some(frame) = source.next_frame().expect("readable frames") {
        match decoder.decode(&frame) {
            Decoded::Packet(packet) => take(&packet),
            Decoded::Held => {
                while let Some(packet) = decoder.release(frame.at) {
                    take(&packet);
                }
            }
            Decoded::Undecoded(_) => {}
        }
    }
    flows.finish(&mut dispatcher);
    let mut web = WebLedger::default();
    for tagged in dispatcher.into_out() {
        web.event(tagged.flow, tagged.event);
    }
    (web, last)
}

/// The client's capture of a run.
fn client(run: &str) -> Option<PathBuf> {
    let folder = common::capture(run)?;
    let mut files: Vec<_> = std::fs::read_dir(&folder).expect("a folder").map(|f| f.unwrap().path()).collect();
    files.sort();
    let found = files.into_iter().find(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("client.pcap")));
    Some(found.unwrap_or_else(|| panic!("no client capture in {}", folder.display())))
}

/// The same, unpacked for tools that cannot read zstd.
fn plain(path: &Path, into: &Path) -> PathBuf {
    if path.extension().is_none_or(|e| e != "zst") {
        return path.to_path_buf();
    }
    let out = into.join(path.file_stem().expect("a name"));
    let bytes = zstd::decode_all(std::fs::File::open(path).expect("a capture")).expect("zstd");
    std::fs::write(&out, bytes).expect("room for a capture");
    out
}

fn vm() -> Vec<IpAddr> {
    vec!["192.0.2.50".parse().unwrap()]
}

fn sessions(web: &WebLedger, end: Timestamp) -> Vec<Session> {
    let (clock, vm_ips) = (ClockMap::identity(), vm());
    let origin = Timestamp(0);
    video::sessions(web, &Context { clock: &clock, vm_ips: &vm_ips, windows: &[], origin, end, playback: PlaybackOptions::default() })
}

/// Values of `field` for each packet that `filter` selects. Bodies are not put together: then tshark tells a response when its
/// head comes, else only when its body is whole.
fn tshark(path: &Path, filter: &str, field: &str) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.args(["-o", "http.desegment_body:FALSE", "-r"]).arg(path).args([
        "-Y",
        filter,
        "-T",
        "fields",
        "-E",
        "occurrence=f",
        "-e",
        field,
    ]);
    common::stdout(&mut command).lines().map(str::to_owned).collect()
}

fn paths(list: &[Exchange], ending: &str) -> Vec<String> {
    let mut found: Vec<_> = list.iter().map(|e| e.target.path.to_string()).filter(|p| p.ends_with(ending)).collect();
    found.sort();
    found
}

#[test]
fn requests_and_responses_of_all_runs_are_those_that_tshark_sees() {
    if !common::has("tshark", "tshark") {
        return;
    }
    let room = tempfile::tempdir().unwrap();
    let runs = [
        "hls-any",
        "pcapng",
        "vxlan",
        "none",
        "online",
        "offline-full",
        "cancel",
        "guest-dead",
        "lossy",
        "ceph-v1-pcapng",
        "libvirt-copy-storage",
    ];
    for run in runs {
        let Some(path) = client(run) else { return };
        let (web, _) = read(&path);
        let plain = plain(&path, room.path());
        let requests = tshark(&plain, "http.request", "http.request.method");
        let responses = tshark(&plain, "http.response", "http.response.code");
        assert_eq!(web.exchanges.iter().filter(|e| e.method.is_some()).count(), requests.len(), "{run}: requests");
        assert_eq!(web.exchanges.iter().filter(|e| e.status.is_some()).count(), responses.len(), "{run}: responses");
        let mut theirs = tshark(&plain, "http.request", "http.request.uri");
        let mut ours: Vec<_> = web.exchanges.iter().map(|e| e.target.path.to_string()).collect();
        theirs.sort();
        ours.sort();
        assert_eq!(ours, theirs, "{run}");
    }
}

#[test]
fn hls_segments_and_playlists_are_counted_exactly_and_play_as_long_as_the_playlist_says() {
    if !common::has("tshark", "tshark") {
        return;
    }
    let room = tempfile::tempdir().unwrap();
    for run in ["hls-any", "pcapng", "vxlan"] {
        let Some(path) = client(run) else { return };
        let (web, end) = read(&path);
        let list = sessions(&web, end);
        let [session] = &list[..] else { panic!("{run}: {} sessions", list.len()) };
        assert_eq!((session.kind, session.path.as_deref(), session.why.as_deref()), (Kind::Hls, Some("/hls/index.m3u8"), None), "{run}");
        let uris = tshark(&plain(&path, room.path()), "http.request", "http.request.uri");
        let count = |ending: &str| uris.iter().filter(|u| u.ends_with(ending)).count();
        assert_eq!(session.segments().count(), count(".ts"), "{run}: segments");
        assert_eq!(session.playlists as usize, count(".m3u8"), "{run}: playlists");
        let playlist =
            web.exchanges.iter().find_map(|e| if let Some(Media::Hls(Hls::Media(l))) = e.media.as_deref() { Some(l) } else { None });
        let playlist = playlist.expect("a media playlist");
        // All segments that were asked for came whole: their sum is the playlist's of the same segments.
        let expected: f64 = playlist.entries.iter().take(count(".ts")).map(|e| e.seconds).sum();
        assert!((session.fetched_seconds.unwrap() - expected).abs() < 1e-9, "{run}: {:?} s, {expected} s", session.fetched_seconds);
        assert_eq!(session.presentation_seconds, Some(playlist.seconds()));
        assert_eq!(playlist.seconds(), 40.0);
        let bytes: u64 = web.exchanges.iter().filter(|e| e.target.path.ends_with(".ts")).map(|e| e.response_body.bytes).sum();
        assert!((session.media_bps.unwrap() - bytes as f64 * 8.0 / expected).abs() < 1.0);
        let playback = session.playback.as_ref().expect("a model");
        assert!(playback.start.is_some() && playback.stalls.is_empty(), "{run}: {playback:?}");
    }
}

/// The body of the first conversation's only response, filled up to `size` bytes.
fn part_of_a_film(capture: &Path, room: &Path, size: u64) -> PathBuf {
    let stream =
        common::stdout(Command::new("tshark").arg("-r").arg(capture).args(["-Y", "http.request", "-T", "fields", "-e", "tcp.stream"]));
    let follow = format!("follow,tcp,raw,{}", stream.lines().next().expect("a request"));
    let said = common::stdout(Command::new("tshark").arg("-r").arg(capture).args(["-q", "-z", &follow]));
    // Lines of hexadecimal digits; those of the server begin with a tab.
    let digits: Vec<u8> = said.lines().filter_map(|l| l.strip_prefix('\t')).flat_map(str::bytes).filter(u8::is_ascii_hexdigit).collect();
    let bytes: Vec<u8> = digits.chunks(2).map(|c| u8::from_str_radix(std::str::from_utf8(c).unwrap(), 16).unwrap()).collect();
    let body = memchr::memmem::find(&bytes, b"\r\n\r\n").expect("a head") + 4;
    let film = room.join("part.mp4");
    std::fs::write(&film, &bytes[body..]).unwrap();
    std::fs::File::options().write(true).open(&film).unwrap().set_len(size).unwrap();
    film
}

#[test]
fn a_progressive_film_has_the_length_and_rate_that_ffprobe_tells() {
    let Some(path) = client("lossy") else { return };
    let (web, end) = read(&path);
    if !common::has("tshark", "tshark") || !common::has("ffprobe", "ffmpeg") {
        return;
    }
    let room = tempfile::tempdir().unwrap();
    let list = sessions(&web, end);
    let [session] = &list[..] else { panic!("{} sessions", list.len()) };
    assert_eq!((session.kind, session.why.as_deref()), (Kind::Progressive, None));
    // The film as tshark puts it together from the same capture.
    let plain = plain(&path, room.path());
    common::stdout(Command::new("tshark").arg("-r").arg(&plain).arg("--export-objects").arg(format!("http,{}", room.path().display())));
    let film = room.path().join("video.mp4");
    let probe = ["-v", "error", "-show_entries", "format=duration,bit_rate", "-of", "csv=p=0"];
    let told = common::stdout(Command::new("ffprobe").args(probe).arg(&film));
    let (duration, rate) = told.trim().split_once(',').expect("duration and bit rate");
    let (duration, rate): (f64, f64) = (duration.parse().unwrap(), rate.parse().unwrap());
    let close = |ours: Option<f64>, theirs: f64| (ours.unwrap() - theirs).abs() <= theirs * 0.01;
    assert!(close(session.presentation_seconds, duration), "{:?} s, ffprobe {duration} s", session.presentation_seconds);
    assert!(close(session.media_bps, rate), "{:?} bit/s, ffprobe {rate} bit/s", session.media_bps);
    assert!(close(session.fetched_seconds, duration), "{:?} s fetched", session.fetched_seconds);

    // The run whose download the capture does not see to the end: the same lab film, one session.
    let Some(path) = client("offline-full") else { return };
    let (web, end) = read(&path);
    let list = sessions(&web, end);
    let [session] = &list[..] else { panic!("{} sessions", list.len()) };
    assert_eq!((session.kind, session.segments().count(), session.playlists), (Kind::Progressive, 1, 0));
    // What came of the film, as tshark puts the stream together, made as long as the whole: its head is at the start.
    let size = web.exchanges[0].content_length.unwrap();
    let film = part_of_a_film(&self::plain(&path, room.path()), room.path(), size);
    let told = common::stdout(Command::new("ffprobe").args(probe).arg(&film));
    let (duration, rate) = told.trim().split_once(',').expect("duration and bit rate");
    let (duration, rate): (f64, f64) = (duration.parse().unwrap(), rate.parse().unwrap());
    assert!(close(session.presentation_seconds, duration), "{:?} s, ffprobe {duration} s", session.presentation_seconds);
    assert!(close(session.media_bps, rate), "{:?} bit/s, ffprobe {rate} bit/s", session.media_bps);
    let fraction = web.exchanges[0].response_body.bytes as f64 / size as f64;
    assert!((session.fetched_seconds.unwrap() / duration - fraction).abs() < 0.01);
    // Sound and picture as ffmpeg wrote them: the input of P.1203 can be made.
    let input = video::p1203(session).expect("all is known");
    assert_eq!(input["I13"]["segments"][0]["resolution"], "426x240");
    assert_eq!(input["I13"]["segments"][0]["codec"], "h264");
    assert_eq!(input["I13"]["segments"][0]["fps"], 25.0);
    let sound = &input["I11"]["segments"][0];
    assert_eq!((&sound["codec"], &sound["duration"]), (&"aaclc".into(), &input["I13"]["segments"][0]["duration"]));
    // The lab's film was made with 48 kbit/s of sound.
    assert!((sound["bitrate"].as_f64().unwrap() - 48.0).abs() < 3.0, "{sound}");
}

#[test]
fn encrypted_video_is_named_and_its_playback_is_not_guessed() {
    let Some(path) = client("online") else { return };
    let (web, end) = read(&path);
    let list = sessions(&web, end);
    let [session] = &list[..] else { panic!("{} sessions", list.len()) };
    let report = session.report();
    assert_eq!((report.kind.as_str(), report.host.as_deref(), report.knowable), ("encrypted", Some("video.example.net"), false));
    assert!(report.why.is_some_and(|w| w.contains("encrypted")));
    assert_eq!((report.media_seconds, report.startup_ms, report.stall_total_ms), (None, None, None));
    if common::has("tshark", "tshark") {
        let room = tempfile::tempdir().unwrap();
        let lengths = tshark(&plain(&path, room.path()), "tls.record.content_type == 23 && tcp.srcport == 443", "tls.record.length");
        assert!(!lengths.is_empty());
        let names = tshark(&plain(&path, room.path()), "tls.handshake.type == 1", "tls.handshake.extensions_server_name");
        assert_eq!(names, ["video.example.net"]);
        let suites = tshark(&plain(&path, room.path()), "tls.handshake.type == 2", "tls.handshake.ciphersuite");
        assert_eq!(suites, [format!("0x{:04x}", web.tls[0].server.as_ref().unwrap().cipher)]);
    }
}

#[test]
fn the_scenario_of_every_run_is_told_from_its_traffic() {
    for (run, expected) in [
        ("none", "no-video"),
        ("online", "online-video"),
        ("offline-full", "offline-video"),
        ("lossy", "offline-video"),
        ("cancel", "offline-video"),
        ("guest-dead", "offline-video"),
        ("hls-any", "offline-video"),
        ("pcapng", "offline-video"),
        ("vxlan", "offline-video"),
        ("ceph-v1-pcapng", "offline-video"),
        ("ceph-v2-any", "offline-video"),
        ("libvirt-any", "offline-video"),
        ("libvirt-copy-storage", "offline-video"),
        ("libvirt-tunnelled", "offline-video"),
        ("openstack-live", "no-video"),
        ("openstack-abort", "no-video"),
    ] {
        let Some(path) = client(run) else { return };
        let (web, end) = read(&path);
        let found = scenario::infer(&sessions(&web, end), &vm());
        assert_eq!(found.name, expected, "{run}: {}", found.why);
    }
}

#[test]
fn a_film_that_was_started_again_is_two_sessions() {
    let Some(path) = client("ceph-v2-any") else { return };
    let (web, end) = read(&path);
    let list = sessions(&web, end);
    assert_eq!(list.iter().map(|s| (s.kind, s.presentation_seconds)).collect::<Vec<_>>(), [(Kind::Progressive, Some(40.0)); 2]);
    assert_eq!(list[0].fetched_seconds, Some(40.0));
}

/// Third-party captures: what tshark counts, and why it differs where it does.
#[test]
fn public_captures_are_counted_as_tshark_counts_them() {
    if !common::has("tshark", "tshark") {
        return;
    }
    // Name, our responses less tshark's.
    for (name, more_responses) in [
        ("zeek-206-a.pcap", 0),
        ("zeek-206-b.pcap", 0),
        ("zeek-pipelined-requests.pcap", 0),
        // Of the second response 14 bytes are not in the capture: tshark waits for them and never tells it; its head is whole.
        ("suricata-http-gap-simple.pcap", 1),
        // The first response's head comes after a later segment, and tshark does not sort by default: 14 times 206, truly 15.
        ("suricata-http-range-file.pcap", 1),
        ("ndpi-hls.pcapng", 0),
        ("ndpi-mpeg-dash.pcap", 0),
        ("ndpi-quickplay.pcap", 0),
    ] {
        let Some(path) = common::public(name) else { return };
        let (web, _) = read(&path);
        let requests = tshark(&path, "http.request", "http.request.method").len();
        let responses = tshark(&path, "http.response", "http.response.code").len();
        assert_eq!(web.exchanges.iter().filter(|e| e.method.is_some()).count(), requests, "{name}: requests");
        let ours = web.exchanges.iter().filter(|e| e.status.is_some()).count();
        assert_eq!(ours, responses + more_responses, "{name}: responses");
        assert!(web.exchanges.iter().all(|e| e.complete == e.why.is_none()));
    }
    let Some(path) = common::public("suricata-http-gap-simple.pcap") else { return };
    let second = &read(&path).0.exchanges[1];
    assert_eq!((second.response_body.bytes, second.response_body.missing, second.why), (70, 14, None::<Incomplete>));
}

#[test]
fn a_download_in_ranges_over_one_connection_adds_up() {
    let Some(path) = common::public("suricata-http-range-file.pcap") else { return };
    let (web, _) = read(&path);
    let parts: Vec<_> = web.exchanges.iter().filter(|e| e.status == Some(206) && e.complete).collect();
    assert_eq!(parts.len(), 15);
    if common::has("tshark", "tshark") {
        let mut sorted = Command::new("tshark");
        sorted.args(["-o", "tcp.reassemble_out_of_order:TRUE", "-r"]).arg(&path).args(["-Y", "http.response.code == 206"]);
        assert_eq!(common::stdout(&mut sorted).lines().count(), 15);
    }
    let mut next = 0;
    for part in &parts {
        let range = part.content_range.unwrap();
        assert_eq!((range.first, part.response_body.bytes), (next, range.last - range.first + 1));
        next = range.last + 1;
    }
    assert_eq!(Some(next), parts[0].content_range.unwrap().total);
}

#[test]
fn a_stream_of_which_most_is_missing_still_tells_its_segments() {
    let Some(path) = common::public("ndpi-quickplay.pcap") else { return };
    let (web, end) = read(&path);
    assert_eq!(paths(&web.exchanges, ".ts").len(), 61);
    assert_eq!(paths(&web.exchanges, ".m3u8").len(), 6);
    let list = sessions(&web, end);
    let [session] = &list[..] else { panic!("{} sessions", list.len()) };
    assert_eq!((session.kind, session.segments().count(), session.playlists), (Kind::Hls, 61, 6));
    // The bodies are not in the capture, the playlists' neither: nothing of the playback is claimed.
    let report = session.report();
    assert!(!report.knowable && report.why.is_some() && report.media_seconds.is_none() && report.stall_total_ms.is_none());
}
