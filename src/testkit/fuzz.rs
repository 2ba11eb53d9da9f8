//! From the bytes of a fuzzer to what a parser meets: the same code drives the fuzz targets and makes their seeds.
//!
//! Input for a stream parser is a row of items. Each begins with a byte: its lowest bit is the side, the next two say what comes:
//! 0 and 1 bytes, 2 bytes that are missing (bit 3: cut by the snap length), 3 a FIN. Two bytes of length follow (little-endian), then the bytes.

mod captures;
mod conversation;
pub mod seeds;
mod texts;

use std::net::IpAddr;

use super::parser::{Feed, Line, moment};
use crate::app::migration::MigrationEvent;
use crate::app::{DatagramProtocol, Event, Protocol};
use crate::base::net::{Endpoint, Side};
use crate::flow::{EndOfStream, FlowKey, GapReason};

/// A target that is no parser of the application layer. [`TARGETS`] lists them.
pub struct Target {
    /// Name of its program in `fuzz/fuzz_targets` and of its folder of seeds.
    pub name: &'static str,
    /// Takes one input; panics when it finds a fault.
    pub run: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// The ways by which foreign bytes come in, besides the parsers of streams and datagrams.
pub const TARGETS: &[Target] = &[
    Target { name: "capture", run: captures::read, seeds: seeds::captures },
    Target { name: "compressed", run: captures::read_compressed, seeds: seeds::compressed },
    Target { name: "tcp", run: conversation::tcp, seeds: seeds::streams },
    Target { name: "hls", run: texts::hls, seeds: seeds::playlists },
    Target { name: "dash", run: texts::dash, seeds: seeds::manifests },
    Target { name: "mp4", run: texts::mp4, seeds: seeds::mp4 },
    Target { name: "run_toml", run: texts::run_toml, seeds: seeds::run_toml },
    Target { name: "scale_toml", run: texts::scale_toml, seeds: seeds::scale_toml },
    Target { name: "filter", run: texts::filter, seeds: seeds::filters },
    Target { name: "arguments", run: texts::arguments, seeds: seeds::arguments },
];

/// Runs one input of the target of that name.
///
/// # Panics
/// If there is no such target, and when it finds a fault.
pub fn run_named(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|t| t.name == name).unwrap_or_else(|| panic!("there is no fuzz target {name}"));
    (target.run)(input);
}

/// Items of one input: keeps one run short.
const ITEMS: usize = 4096;

fn key(proto: u8) -> FlowKey {
    let end = |last, port| Endpoint { ip: IpAddr::from([10, 0, 0, last]), port };
    FlowKey { proto, client: end(11, 40_000), server: end(12, 49_152) }
}

enum Item<'a> {
    Bytes(Side, &'a [u8]),
    Gap(Side, u64, GapReason),
    Fin(Side),
}

fn items(mut data: &[u8]) -> Vec<Item<'_>> {
    let mut out = Vec::new();
    while let ([op, low, high, rest @ ..], true) = (data, out.len() < ITEMS) {
        let side = if op & 1 == 0 { Side::Client } else { Side::Server };
        let len = usize::from(u16::from_le_bytes([*low, *high]));
        data = rest;
        match op >> 1 & 3 {
            2 => out.push(Item::Gap(side, len as u64 + 1, if op & 8 == 0 { GapReason::NotCaptured } else { GapReason::SnapLength })),
            3 => out.push(Item::Fin(side)),
            _ => {
                let (bytes, later) = rest.split_at(len.min(rest.len()));
                data = later;
                out.push(Item::Bytes(side, bytes));
            }
        }
    }
    out
}

/// Input that says what `script` says.
pub fn encode(script: &[Line]) -> Vec<u8> {
    let mut out = Vec::new();
    for (side, bytes) in script {
        for piece in bytes.chunks(usize::from(u16::MAX)) {
            out.push(side.index() as u8);
            out.extend((piece.len() as u16).to_le_bytes());
            out.extend(piece);
        }
    }
    out
}

fn play(protocol: &Protocol, items: &[Item<'_>], cut: bool) -> Vec<Event> {
    let mut feed = Feed::new((protocol.start)(&key(6)));
    for (n, item) in items.iter().enumerate() {
        match *item {
            Item::Bytes(side, bytes) if cut => {
                let (a, b) = bytes.split_at(bytes.len() / 2);
                for part in [a, b].into_iter().filter(|p| !p.is_empty()) {
                    feed.bytes(side, moment(n), part);
                }
            }
            Item::Bytes(side, bytes) if !bytes.is_empty() => feed.bytes(side, moment(n), bytes),
            Item::Bytes(..) => {}
            Item::Gap(side, missing, why) => feed.gap(side, moment(n), missing, why),
            Item::Fin(side) => {
                feed.fin(side, moment(n));
            }
        }
    }
    feed.end(moment(items.len()), EndOfStream::Closed)
}

/// A migration parser that has lost its way looks for the next element in what it has at hand: where it finds one may depend on the cut.
fn lost(events: &[Event]) -> bool {
    events.iter().any(|e| matches!(e, Event::Migration(MigrationEvent::Closed(report)) if !report.damage.none()))
}

/// A parser meets the input; where nothing is missing and all made sense, it must say the same however the bytes are cut.
///
/// # Panics
/// When it does not.
pub fn stream(protocol: &Protocol, data: &[u8]) {
    let items = items(data);
    for item in &items {
        if let Item::Bytes(side, bytes) = item {
            (protocol.probe)(&key(6), *side, bytes);
            if let Some(resync) = protocol.resync {
                resync(&key(6), *side, bytes);
            }
        }
    }
    let events = play(protocol, &items, false);
    if items.iter().all(|i| matches!(i, Item::Bytes(..))) && !lost(&events) {
        let cut = play(protocol, &items, true);
        assert_eq!(format!("{events:?}"), format!("{cut:?}"), "{}: a cut changes the events", protocol.name);
    }
}

/// A parser of datagrams meets the input: each item of bytes is a datagram.
pub fn datagrams(protocol: &DatagramProtocol, data: &[u8]) {
    let mut parser = (protocol.start)(&key(17));
    let mut events: Vec<Event> = Vec::new();
    for (n, item) in items(data).iter().enumerate() {
        if let Item::Bytes(side, bytes) = item {
            (protocol.probe)(&key(17), *side, &[bytes]);
            parser.datagram(*side, moment(n), bytes, bytes.len() as u32, &mut events);
        }
    }
    parser.end(moment(0), &mut events);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::PROTOCOLS;
    use crate::testkit::migration::Stream;

    #[test]
    fn seeds_say_what_their_script_says() {
        let script: Vec<Line> = Stream::sample().0.bytes.chunks(1000).map(|b| (Side::Client, b.to_vec())).collect();
        let items = items(&encode(&script)).iter().filter(|i| matches!(i, Item::Bytes(Side::Client, _))).count();
        assert_eq!(items, script.len());
        for protocol in PROTOCOLS {
            stream(protocol, &encode(&script));
        }
    }
}
