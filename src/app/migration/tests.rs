//! Streams of known bytes, whole, cut and with holes.

use proptest::prelude::*;

use super::channel::{ChannelKind, ChannelReport};
use super::qemu::{PREEMPT, QEMU, RECOVERY};
use super::{MigrationEvent, Step};
use crate::app::migration::multifd::MULTIFD;
use crate::app::{Event, Protocol, StreamParser};
use crate::base::net::{Endpoint, Side};
use crate::flow::{FlowKey, GapReason};
use crate::testkit::migration::{PAGE, RAM_ID, Stream, answer, multifd_hello, multifd_packet};
use crate::testkit::parser::{Line, any_cut, moment, play, play_without, torture};

const SOURCE: Side = Side::Client;
const DESTINATION: Side = Side::Server;

fn start(protocol: &Protocol) -> Box<dyn StreamParser> {
    let end = |last, port| Endpoint { ip: std::net::IpAddr::from([10, 0, 0, last]), port };
    (protocol.start)(&FlowKey { proto: 6, client: end(11, 40_000), server: end(12, 49_152) })
}

/// What the parser says at the end; it is said once.
fn closed(events: &[Event]) -> &ChannelReport {
    let mut reports = events.iter().filter_map(|e| match e {
        Event::Migration(MigrationEvent::Closed(report)) => Some(&**report),
        _ => None,
    });
    let report = reports.next().expect("the stream is told");
    assert!(reports.next().is_none(), "told twice");
    report
}

fn steps(events: &[Event]) -> Vec<Step> {
    events
        .iter()
        .filter_map(|e| match e {
            Event::Migration(MigrationEvent::Passed(step, _)) => Some(*step),
            _ => None,
        })
        .collect()
}

/// As packets carry it: `size` bytes a line.
fn lines(stream: &Stream, size: usize) -> Vec<Line> {
    stream.bytes.chunks(size).map(|b| (SOURCE, b.to_vec())).collect()
}

#[test]
fn precopy_to_the_last_byte() {
    let (stream, [normal, zero, xbzrle, compressed]) = Stream::sample();
    let mut script = lines(&stream, 1448);
    script.insert(1, (DESTINATION, answer(2, &1u32.to_be_bytes())));
    script.push((DESTINATION, answer(1, &0u32.to_be_bytes())));
    let events = play(start(&QEMU), &script);
    let report = closed(&events);
    assert_eq!(report.kind, ChannelKind::Main);
    assert!(report.damage.none(), "{:?}", report.damage);
    assert!(report.complete && report.return_path && !report.postcopy);
    assert_eq!((report.machine.as_deref(), report.run_state.as_deref()), (Some("pc-i440fx-7.2"), Some("running")));
    assert_eq!(report.ram_total, Some(18 * PAGE as u64));
    assert_eq!((report.ram.normal, report.ram.zero, report.ram.xbzrle, report.ram.compressed), (normal, zero, xbzrle, compressed));
    assert_eq!(report.ram_stopped.normal, 1);
    assert_eq!(report.resent, Some(2));
    assert_eq!(report.devices, 3);
    assert_eq!(report.sent_bytes, stream.bytes.len() as u64);
    assert_eq!(report.timeline.shut.map(|m| m.place), Some(moment(script.len() - 1).place));
    // The end of setup is told again for each section that is opened.
    let mut steps = steps(&events);
    steps.dedup();
    assert_eq!(steps, [Step::Begin, Step::SetupEnd, Step::Switchover, Step::DeviceState, Step::Eof, Step::Shut]);
}

#[test]
fn offsets_of_the_steps() {
    let (stream, _) = Stream::sample();
    let events = play(start(&QEMU), &lines(&stream, 100));
    let t = closed(&events).timeline;
    let find = |what: &[u8]| stream.bytes.windows(what.len()).position(|w| w == what).unwrap() as u64;
    let switch = find(&[3, 0, 0, 0, RAM_ID as u8]);
    assert_eq!(t.switchover_first.map(|m| (m.offset, m.is_exact())), Some((switch, true)));
    assert_eq!(t.switchover_first.unwrap().at.place, moment(switch as usize / 100).place);
    assert_eq!(t.first_full.map(|m| m.offset), Some(find(b"\x04\0\0\0\0\x05timer")));
    assert_eq!(t.eof.map(|m| m.offset), Some(find(b"\0\x06\0\0\0") + 1));
    assert_eq!(t.vmdesc_end.map(|m| m.offset), Some(stream.bytes.len() as u64));
}

#[test]
fn postcopy_with_requests() {
    let stream = Stream::sample_postcopy();
    let mut script = lines(&stream, 1448);
    let mut request = vec![0, 0, 0, 0, 0, 0, 0x90, 0, 0, 0, 0x10, 0, 6];
    request.extend(b"pc.ram");
    script.push((DESTINATION, answer(2, &3u32.to_be_bytes())));
    script.push((DESTINATION, answer(3, &request)));
    script.push((DESTINATION, answer(4, &request[..12])));
    script.push((DESTINATION, answer(1, &0u32.to_be_bytes())));
    let events = play(start(&QEMU), &script);
    let report = closed(&events);
    assert!(report.damage.none(), "{:?}", report.damage);
    assert!(report.postcopy && report.postcopy_advised && report.complete);
    assert_eq!((report.ram_precopy.normal, report.ram_postcopy.normal, report.ram_postcopy.zero), (2, 2, 1));
    assert_eq!(report.page_requests, 2);
    assert!(report.timeline.pong3.is_some() && report.timeline.postcopy_run.is_some() && report.timeline.packaged_end.is_some());
    assert!(steps(&events).contains(&Step::PostcopyRun));
}

#[test]
fn no_footers_and_no_configuration_before_2_4() {
    let mut s = Stream::new();
    s.put(b"QEVM").u32(3).named(1, 2, "ram", 4).u64((4 * PAGE as u64) | 4).put(b"\x06pc.ram").u64(4 * PAGE as u64).eos();
    s.more(2, 2).page(Some("pc.ram"), 0, 1).eos().more(3, 2).zero(None, 1).eos().put(&[0]);
    let events = play(start(&QEMU), &lines(&s, 500));
    let report = closed(&events);
    assert!(report.damage.none(), "{:?}", report.damage);
    assert_eq!((report.ram.normal, report.ram.zero, report.complete, report.machine.as_deref()), (1, 1, true, None));
}

#[test]
fn legacy_storage_is_counted_apart() {
    let mut s = Stream::with_machine("pc-i440fx-2.11");
    s.ram_start(RAM_ID, &[("pc.ram", PAGE as u64)]).named(1, 3, "block", 1).u64(2).footer(3);
    s.more(2, 3).u64(1).put(b"\x05disk0").put(&vec![9; 1 << 20]).u64(2048 << 9 | 9).put(b"\x05disk0").u64(50 << 9 | 4).u64(2).footer(3);
    s.more(3, RAM_ID).zero(Some("pc.ram"), 0).eos().footer(RAM_ID).put(&[0]);
    let events = play(start(&QEMU), &lines(&s, 1448));
    let report = closed(&events);
    assert!(report.damage.none(), "{:?}", report.damage);
    assert_eq!(report.storage_bytes, 2 * 14 + (1 << 20));
}

#[test]
fn what_makes_no_sense_is_counted() {
    let (mut stream, _) = Stream::sample();
    let at = stream.bytes.len() - 60;
    stream.bytes.truncate(at);
    stream.put(&[0xee; 64]);
    let report = closed(&play(start(&QEMU), &lines(&stream, 1448))).clone();
    assert!(!report.damage.none());
    let mut s = Stream::with_machine("pc-i440fx-7.2");
    s.ram_start(RAM_ID, &[("pc.ram", PAGE as u64)]).put(&[0xee; 300]);
    let report = closed(&play(start(&QEMU), &lines(&s, 1448))).clone();
    assert_eq!((report.damage.nonsense, report.damage.unnamed), (1, 300));
}

fn multifd() -> (Vec<u8>, [u64; 2]) {
    let mut bytes = multifd_hello([7; 16], 1);
    bytes.extend(multifd_packet(0, "pc.ram", &[0, 1, 2], &[], None));
    bytes.extend(multifd_packet(1, "pc.ram", &[], &[], Some(3 * PAGE as u32)));
    bytes.extend(multifd_packet(1, "pc.ram", &[4], &[5, 6], None));
    (bytes, [4, 2])
}

#[test]
fn multifd_packets_and_their_traps() {
    let (bytes, [normal, zero]) = multifd();
    let script: Vec<Line> = bytes.chunks(1448).map(|b| (SOURCE, b.to_vec())).collect();
    let events = play(start(&MULTIFD), &script);
    let report = closed(&events);
    assert_eq!((report.kind, report.uuid), (ChannelKind::Multifd(1), Some([7; 16])));
    assert!(report.damage.none(), "{:?}", report.damage);
    assert_eq!((report.ram.normal, report.ram.zero, report.syncs), (normal, zero, 2));
    assert_eq!(report.ram.bytes, 3 * 1344 + 4 * PAGE as u64);
    assert!(report.complete);
}

#[test]
fn preempt_and_recovery() {
    let mut s = Stream::new();
    s.page(Some("pc.ram"), 3, 1).zero(None, 4).eos();
    let events = play(start(&PREEMPT), &lines(&s, 1448));
    let report = closed(&events);
    assert_eq!((report.kind, report.ram.normal, report.ram.zero, report.complete), (ChannelKind::Preempt, 1, 1, true));

    let mut s = Stream::new();
    s.command(10, b"\x06pc.ram").command(9, &[]);
    s.more(2, RAM_ID).page(Some("pc.ram"), 3, 1).eos().footer(RAM_ID).more(3, RAM_ID).eos().footer(RAM_ID).put(&[0]);
    let mut bitmap = answer(5, b"\x06pc.ram");
    bitmap.extend(8u64.to_be_bytes());
    bitmap.extend([0xff; 8]);
    bitmap.extend(0x0123_4567_89ab_cdef_u64.to_be_bytes());
    let mut script = lines(&s, 1448);
    script.insert(1, (DESTINATION, bitmap));
    script.push((DESTINATION, answer(1, &0u32.to_be_bytes())));
    let events = play(start(&RECOVERY), &script);
    let report = closed(&events);
    assert_eq!((report.kind, report.ram_postcopy.normal, report.complete), (ChannelKind::Recovery, 1, true));
    assert!(report.timeline.shut.is_some());
}

/// Every kind of stream, as packets of `size` bytes carry it.
fn scripts(size: usize) -> Vec<(&'static Protocol, Vec<Line>)> {
    let (precopy, _) = Stream::sample();
    let mut both = lines(&precopy, size);
    both.push((DESTINATION, answer(1, &0u32.to_be_bytes())));
    let mut post = lines(&Stream::sample_postcopy(), size);
    post.push((DESTINATION, answer(2, &3u32.to_be_bytes())));
    let mut preempt = Stream::new();
    preempt.page(Some("pc.ram"), 3, 1).zero(None, 4).eos();
    let channel = multifd().0.chunks(size).map(|b| (SOURCE, b.to_vec())).collect();
    vec![(&QEMU, both), (&QEMU, post), (&PREEMPT, lines(&preempt, size)), (&MULTIFD, channel)]
}

#[test]
fn any_cut_gives_the_same_events() {
    for (protocol, script) in scripts(1448) {
        any_cut(|| start(protocol), &script, 60);
    }
}

#[test]
fn damage_of_any_kind_is_survived() {
    for (protocol, script) in scripts(700) {
        torture(|| start(protocol), &script, 400);
    }
}

#[test]
fn a_footer_alone_shows_a_stream_on_its_port() {
    let key = |port| {
        let end = |last, port| Endpoint { ip: std::net::IpAddr::from([10, 0, 0, last]), port };
        FlowKey { proto: 6, client: end(11, 40_000), server: end(12, port) }
    };
    let resync = |port, bytes: &[u8]| QEMU.resync.unwrap()(&key(port), SOURCE, bytes);
    assert_eq!(resync(49_152, &[0x7e, 0, 0, 0, 2]), crate::app::Probe::Yes);
    assert_eq!(resync(49_152, &[0x7e, 9, 0, 0, 2]), crate::app::Probe::No);
    assert_eq!(resync(443, &[0x7e, 0, 0, 0, 2]), crate::app::Probe::No);
    let mut both = vec![0x7e, 0, 0, 0, 2, 2, 0, 0, 0, 2];
    both.extend(0x5008_u64.to_be_bytes());
    assert_eq!(resync(443, &both), crate::app::Probe::Yes);
}

#[test]
fn after_a_hole_the_end_is_found_again() {
    // A packet with pages is lost: device state and the end are still read, and what is not known is said.
    let (stream, _) = Stream::sample();
    let script = lines(&stream, 1448);
    let report = closed(&play_without(start(&QEMU), &script, SOURCE, 2000..3448, GapReason::NotCaptured)).clone();
    assert!(report.complete);
    assert_eq!((report.damage.lost, report.damage.why()), (0, None), "page data is not read: {:?}", report.damage);
    let report = closed(&play_without(start(&QEMU), &script, SOURCE, 100..1448, GapReason::NotCaptured)).clone();
    assert!(report.complete);
    assert_eq!(report.damage.why(), Some("gap"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// With any one range missing nothing panics or loops, and what is counted never exceeds what was sent.
    #[test]
    fn any_range_may_be_missing(which in 0usize..4, from in 0.0f64..1.0, len in 1usize..6000, cut: bool) {
        let (protocol, script) = &scripts(1448)[which];
        let whole: usize = script.iter().filter(|l| l.0 == SOURCE).map(|l| l.1.len()).sum();
        let from = (from * whole as f64) as usize;
        let why = if cut { GapReason::SnapLength } else { GapReason::NotCaptured };
        let all = play(start(protocol), script);
        let sent = closed(&all).clone();
        let events = play_without(start(protocol), script, SOURCE, from..(from + len).min(whole), why);
        let report = events.iter().find_map(|e| match e {
            Event::Migration(MigrationEvent::Closed(report)) => Some(report),
            _ => None,
        });
        if let Some(report) = report {
            prop_assert!(report.ram.normal <= sent.ram.normal);
            prop_assert!(report.sent_bytes <= whole as u64);
            prop_assert!(report.damage.unnamed <= whole as u64);
        }
    }
}
