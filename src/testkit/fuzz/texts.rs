//! Text that comes from a capture or from the user: playlists, descriptions, filters, arguments.

use std::path::Path;
use std::str::{FromStr, from_utf8};

use crate::app::http::Target;
use crate::app::video::mp4::{self, Mp4Walk};
use crate::app::video::{dash, hls};
use crate::base::clock::{ClockChoice, parse_duration};
use crate::base::net::Mac;
use crate::base::role::Role;
use crate::capture::{LinkType, fuzzing};
use crate::grade;
use crate::run::{RunSpec, apply_description, parse_bandwidth, role_of_name, stem_of_name};

pub(super) fn hls(input: &[u8]) {
    let base = Target::of_request("/a/list.m3u8", Some("example.org"));
    if let Ok(hls::Hls::Media(list)) = hls::parse(input, &base) {
        assert!(list.seconds().is_finite(), "a list without end");
    }
}

pub(super) fn dash(input: &[u8]) {
    let base = Target::of_request("/a/manifest.mpd", Some("example.org"));
    if let Ok(manifest) = dash::parse(input, &base) {
        for name in ["init.mp4", "seg-1.m4s", "video/1/100.m4s", "0/9.m4s"] {
            manifest.find(&base.resolve(name), Some(0));
        }
    }
}

/// The first byte cuts the file in pieces and may leave one out. Where none is left out, the cut must not change what is found.
pub(super) fn mp4(input: &[u8]) {
    let Some((how, bytes)) = input.split_first() else { return };
    let mut walk = Mp4Walk::at(0);
    for (n, piece) in bytes.chunks(usize::from(how >> 1) + 1).enumerate() {
        if how & 1 == 1 && n == 3 {
            walk.gap(piece.len() as u64);
        } else {
            walk.bytes(piece);
        }
    }
    let found = walk.finish();
    if how & 1 == 0 {
        let mut whole = Mp4Walk::at(0);
        whole.bytes(bytes);
        assert_eq!(found, whole.finish(), "a cut changes what is found");
    }
    mp4::looks_like_mp4(bytes);
    mp4::find_moov(bytes);
}

pub(super) fn run_toml(input: &[u8]) {
    let Ok(text) = from_utf8(input) else { return };
    let mut run = RunSpec::default();
    if apply_description(text, Path::new("/run"), &mut run).is_ok() {
        for path in run.points.iter().flat_map(|p| &p.paths) {
            assert!(path.starts_with("/run"), "{} leaves the folder of the run", path.display());
        }
    }
}

pub(super) fn scale_toml(input: &[u8]) {
    if let Ok(text) = from_utf8(input) {
        drop(grade::from_toml(text));
    }
}

/// libpcap's own compiler is behind this: long expressions cost it time and prove nothing.
pub(super) fn filter(input: &[u8]) {
    const LONGEST: usize = 256;
    let Ok(text) = from_utf8(&input[..input.len().min(LONGEST)]) else { return };
    let frame: Vec<u8> = (0..96).collect();
    for (link, len) in [(LinkType::ETHERNET, 96), (LinkType::LINUX_SLL2, 20), (LinkType::RAW, 0)] {
        drop(fuzzing::passes(text, link, &frame[..len]));
    }
}

pub(super) fn arguments(input: &[u8]) {
    let Ok(text) = from_utf8(input) else { return };
    drop((parse_duration(text), ClockChoice::from_str(text), Role::from_str(text), Mac::from_str(text), parse_bandwidth(text)));
    role_of_name(text);
    stem_of_name(text);
}
