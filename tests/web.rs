//! The web in real captures, against tshark and ffprobe as referees.

mod common;

use std::path::Path;
use std::process::Command;

use lmpcap::app::web::WebLedger;
use lmpcap::engine::{self, Options};
use lmpcap::base::clock::ClockMap;
use lmpcap::base::time::Timestamp;
use lmpcap::measure::scenario;
use lmpcap::measure::video::{self, Context, PlaybackOptions};
use lmpcap::run::RunSpec;

/// What the parsers say of one capture file.
fn ledger(path: &Path) -> WebLedger {
    let run = RunSpec::from_path(path).expect("a capture");
    let mut points = engine::read_points(&run, &Options::default()).expect("readable");
    std::mem::take(&mut points[0].state.ledgers.web)
}

/// Values of `field` for each packet that `filter` selects.
fn tshark(path: &Path, filter: &str, field: &str) -> Vec<String> {
    let out = common::stdout(Command::new("tshark").arg("-r").arg(path).args(["-Y", filter, "-T", "fields", "-e", field]));
    out.lines().map(str::to_owned).collect()
}

#[test]
fn dump() {
    for path in std::env::var("DUMP").unwrap_or_default().split_whitespace() {
        println!("== {path}");
        let web = ledger(Path::new(path));
        let clock = ClockMap::identity();
        let ips = ["192.0.2.50".parse().unwrap()];
        let context = Context { clock: &clock, vm_ips: &ips, windows: &[], origin: Timestamp(0), end: Timestamp::MAX, playback: PlaybackOptions::default() };
        let sessions = video::sessions(&web, &context);
        for s in &sessions {
            println!("{:?} {} {} {:?} {:?} segs {} lists {} pres {:?} fetched {:?} bps {:?} bytes {} why {:?}", s.kind, s.client, s.server, s.host, s.path.as_ref().map(|p| &p[..p.len().min(40)]), s.segments().count(), s.playlists, s.presentation_seconds, s.fetched_seconds, s.media_bps, s.bytes, s.why);
            if let Some(p) = &s.playback {
                println!("   start {:?} stalls {:?} near {} min {:?}", p.start.map(|t| (t - s.asked).seconds()), p.stalls.iter().map(|(a, b)| ((*a - s.asked).seconds(), b.map(|b| (b - *a).seconds()))).collect::<Vec<_>>(), p.near_stalls, p.buffer_min_s);
            }
            println!("   {:?}", s.assumptions);
            println!("   p1203 {:.300}", format!("{:?}", video::p1203(s).map(|v| v.to_string())));
        }
        println!("{:?}", scenario::infer(&sessions, &ips));
    }
}
