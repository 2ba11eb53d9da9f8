//! Fresh migrations under the eyes of a viewer: headless Chromium plays the VM's film, and what the browser itself says of its stalls
//! is compared with lmpcap's model; ffmpeg plays DASH, and tshark counts what was asked for.

mod common;
#[path = "common/lab.rs"]
mod lab;

use std::collections::BTreeMap;
use std::process::Command;

use lab::Made;
use serde_json::Value;

/// Shorter stalls of the browser come from a busy machine, not from the network: its decoder is late now and then.
const LEAST: f64 = 0.25;

/// What the browser said, in seconds since 1970.
struct Browser {
    started: f64,
    /// From `waiting` to the next `playing`.
    stalls: Vec<(f64, f64)>,
    /// Seconds that it lost before its first stall although it had media: its clock is slow on a busy machine.
    slip: f64,
    /// The last time that it told a position, and that position.
    last: (f64, f64),
}

fn browser(made: &Made) -> Browser {
    let path = made.path().join("viewer.json");
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("the browser said nothing: {e}"));
    let events: Vec<(f64, String, f64, f64)> = serde_json::from_slice(&text).unwrap();
    assert!(!events.iter().any(|e| e.1 == "error"), "{events:?}");
    let started = events.iter().find(|e| e.1 == "playing").unwrap_or_else(|| panic!("it never played: {events:?}")).0;
    let first = events.iter().find(|e| e.0 > started && e.1 == "waiting" && e.2 > 1.0);
    let slip = first.map_or(0.0, |e| (e.0 - started) / 1e3 - e.2).max(0.0);
    let (mut stalls, mut waiting) = (Vec::new(), None);
    for (at, what, _, _) in events.iter().filter(|e| e.0 > started) {
        match what.as_str() {
            "waiting" => waiting = waiting.or(Some(*at)),
            "playing" => stalls.extend(waiting.take().map(|from: f64| (from / 1e3, at / 1e3))),
            _ => {}
        }
    }
    assert_eq!(waiting, None, "it did not play on before the run ended: {events:?}");
    stalls.retain(|(from, to)| to - from >= LEAST);
    let last = events.iter().rfind(|e| e.1 == "timeupdate").expect("it played");
    Browser { started: started / 1e3, stalls, slip, last: (last.0 / 1e3, last.2) }
}

fn time(value: &Value) -> f64 {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no time"));
    chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap() as f64 / 1e9
}

/// The only video of a report, with what must hold of it and the browser.
fn watched<'a>(report: &'a Value, browser: &Browser, kind: &str) -> &'a Value {
    let all = report["video"].as_array().unwrap();
    assert_eq!(all.len(), 1, "{all:#?}");
    let video = &all[0];
    assert_eq!((video["kind"].as_str(), video["knowable"].as_bool(), &video["why"]), (Some(kind), Some(true), &Value::Null), "{video:#}");
    let asked = video["segment_table"].as_array().unwrap().iter().map(|s| time(&s["asked"])).fold(f64::INFINITY, f64::min);
    let started = asked + video["startup_ms"].as_f64().unwrap() / 1e3;
    assert!((started - browser.started).abs() < 1.0, "playback starts at {started}, the browser's at {}", browser.started);
    assert!(browser.last.1 > 5.0, "the browser played {} s", browser.last.1);
    video
}

/// Stalls of the model: from, seconds.
fn stalls(video: &Value) -> Vec<(f64, f64)> {
    let all = video["stalls"].as_array().unwrap();
    let list = all.iter().map(|s| (time(&s["start"]), s["ms"].as_f64().unwrap() / 1e3));
    list.filter(|(_, seconds)| *seconds >= LEAST).collect()
}

/// The stall of a pause of 9 s: the same one in the browser and in the model.
fn stalled(made: &Made, kind: &str) {
    let (report, browser) = (made.report(), browser(made));
    let video = watched(&report, &browser, kind);
    let [(from, to)] = browser.stalls[..] else { panic!("the browser's stalls: {:?}", browser.stalls) };
    let model = stalls(video);
    let [(start, seconds)] = model[..] else { panic!("modelled stalls {model:?}, the browser's {from} to {to}: {video:#}") };
    assert!(start < to && from < start + seconds, "modelled from {start} for {seconds} s, the browser's {from} to {to}");
    // What the browser lost before, it has left when the media ends: by so much its stall is shorter.
    let theirs = to - from + browser.slip;
    assert!(
        (seconds - theirs).abs() <= 1.0,
        "{seconds} s modelled, {} s in the browser, whose clock had lost {} s",
        to - from,
        browser.slip
    );
    every_hit_is_listed(made, &report);
}

/// Exchanges that were under way during the pause, as tshark sees their packets: each is listed, with what it cost.
fn every_hit_is_listed(made: &Made, report: &Value) {
    let window = &report["migrations"][0]["downtime"]["network"];
    let (start, end) = (time(&window["start"]["estimate"]), time(&window["end"]["estimate"]));
    let fields = ["tcp.stream", "frame.time_epoch", "tcp.srcport", "tcp.len", "http.request.uri"];
    let mut command = Command::new("tshark");
    command.arg("-r").arg(made.path().join("client.pcap")).args(["-Y", "tcp.port == 80", "-T", "fields"]);
    fields.iter().for_each(|f| {
        command.args(["-e", f]);
    });
    // Stream: first packet, server's first packet, request, answers.
    #[derive(Default)]
    struct Stream {
        first: f64,
        answered: f64,
        requests: Vec<(f64, String)>,
        answers: Vec<f64>,
    }
    let mut streams: BTreeMap<u32, Stream> = BTreeMap::new();
    for line in common::stdout(&mut command).lines() {
        let row: Vec<&str> = line.split('\t').collect();
        let (at, port, len): (f64, u16, u32) = (row[1].parse().unwrap(), row[2].parse().unwrap(), row[3].parse().unwrap());
        let stream = streams.entry(row[0].parse().unwrap()).or_insert_with(|| Stream { first: at, ..Stream::default() });
        if port == 80 && stream.answered == 0.0 {
            stream.answered = at;
        }
        if !row[4].is_empty() {
            stream.requests.push((at, row[4].to_owned()));
        }
        if port == 80 && len > 0 {
            stream.answers.push(at);
        }
    }
    let mut expected: Vec<(String, f64)> = Vec::new();
    for stream in streams.values() {
        // The guest's server closes after each answer.
        let [(request, uri)] = &stream.requests[..] else { continue };
        let asked = if request - stream.answered <= 0.1 { stream.first } else { *request };
        let last = stream.answers.last().copied().unwrap_or(f64::INFINITY);
        if asked <= end && last >= start {
            let next = stream.answers.iter().find(|t| **t >= end).copied().expect("all came back");
            expected.push((uri.clone(), (next - asked.max(start)) * 1e3));
        }
    }
    let mut listed: Vec<(String, f64)> = Vec::new();
    for hit in report["http"]["hit"].as_array().unwrap() {
        assert_eq!(hit["effect"], "delayed", "{hit}");
        listed.push((hit["request"].as_str().unwrap().trim_start_matches("GET ").to_owned(), hit["cost_ms"].as_f64().unwrap()));
    }
    let order = |a: &(String, f64), b: &(String, f64)| a.0.cmp(&b.0);
    expected.sort_by(order);
    listed.sort_by(order);
    assert!(!expected.is_empty(), "nothing was under way");
    assert_eq!(listed.len(), expected.len(), "listed {listed:?}, tshark's packets say {expected:?}");
    for (ours, theirs) in listed.iter().zip(&expected) {
        // Curves of arrivals are kept to some ten milliseconds.
        assert!(ours.0 == theirs.0 && (ours.1 - theirs.1).abs() < 100.0, "listed {ours:?}, tshark's packets say {theirs:?}");
    }
    assert_eq!(report["http"]["overlapping_downtime"].as_u64(), Some(listed.len() as u64));
}

fn can_watch() -> bool {
    common::has("chromium", "chromium") && common::has("chromedriver", "chromium-driver") && common::has("tshark", "tshark")
}

/// Segments over a fast network: the player keeps four seconds, the pause is nine.
#[test]
fn a_browser_that_plays_segments_stalls_as_modelled() {
    let options = ["--scenario", "watch-dash", "--hold", "9", "--before", "6", "--after", "12", "--dirty", "300"];
    let Some(made) = can_watch().then(|| lab::migration(&options, true)).flatten() else { return };
    stalled(&made, "dash");
}

/// One file over a link just above its bit rate: the browser would take all it can get.
#[test]
fn a_browser_that_plays_a_file_stalls_as_modelled() {
    let options = ["--scenario", "watch", "--rate", "0.36", "--hold", "9", "--before", "8", "--after", "14", "--dirty", "300"];
    let Some(made) = can_watch().then(|| lab::migration(&options, true)).flatten() else { return };
    stalled(&made, "progressive");
}

#[test]
fn a_short_pause_stalls_neither_the_browser_nor_the_model() {
    let options = ["--scenario", "watch-dash", "--before", "6", "--after", "6", "--dirty", "300"];
    let Some(made) = can_watch().then(|| lab::migration(&options, true)).flatten() else { return };
    assert!(made.pause_ms() < 1500.0, "a pause of {} ms is not short", made.pause_ms());
    let (report, browser) = (made.report(), browser(&made));
    let video = watched(&report, &browser, "dash");
    assert_eq!((stalls(video), browser.stalls.clone()), (Vec::new(), Vec::new()));
    dash(&made, &report);
}

#[test]
fn dash_played_by_ffmpeg() {
    let Some(made) = common::has("tshark", "tshark").then(|| lab::migration(&["--scenario", "dash", "--dirty", "300"], true)).flatten()
    else {
        return;
    };
    dash(&made, &made.report());
}

/// Segments, initializations and manifests are those that tshark sees, and play as long as the manifest says.
fn dash(made: &Made, report: &Value) {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(made.path().join("client.pcap")).args(["-Y", "http.request", "-T", "fields", "-e", "http.request.uri"]);
    let uris: Vec<String> = common::stdout(&mut command).lines().map(str::to_owned).collect();
    let count = |what: &str| uris.iter().filter(|u| u.contains(what)).count() as u64;
    let video = &report["video"][0];
    assert_eq!(report["video"].as_array().unwrap().len(), 1);
    assert_eq!(video["path"], "/dash/manifest.mpd");
    assert_eq!(video["playlists"].as_u64(), Some(count("manifest.mpd")), "{uris:?}");
    assert_eq!(video["segments"].as_u64(), Some(count("/chunk-stream")), "{uris:?}");
    let table = video["segment_table"].as_array().unwrap();
    let mut ours: Vec<&str> = table.iter().map(|s| s["path"].as_str().unwrap()).collect();
    let mut theirs: Vec<&str> = uris.iter().map(String::as_str).filter(|u| u.contains("stream")).collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    assert_eq!(ours, theirs);
    // The film is cut every 2 s; all but the last segment of the run came whole.
    let whole = |name: &str| table.iter().filter(|s| s["path"].as_str().unwrap().contains(name) && !s["done"].is_null()).count() as f64;
    let seconds = video["fetched_seconds"].as_f64().unwrap();
    assert!((seconds - 2.0 * whole("/chunk-stream0-")).abs() < 0.01, "{seconds} s, {} segments", whole("/chunk-stream0-"));
    assert!(whole("/chunk-stream0-") >= 3.0 && whole("/chunk-stream1-") >= 3.0);
}
