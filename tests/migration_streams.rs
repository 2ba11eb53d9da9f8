//! Real migration streams, read from packets, against QEMU's own account of them.

mod common;

use lmpcap::app::Event;
use lmpcap::app::dispatch::{Dispatcher, Tagged};
use lmpcap::app::migration::{ChannelReport, MigrationEvent};
use lmpcap::capture::{OpenOptions, Source, open_point};
use lmpcap::decode::duplicates::{Duplicates, Verdict};
use lmpcap::decode::{Decoded, Decoder};
use lmpcap::flow::FlowTable;
use std::path::Path;

/// The reports of all migration channels in one capture file.
fn channels(file: &Path) -> Vec<ChannelReport> {
    let mut source = open_point(&[file.to_owned()], &OpenOptions::default()).expect("the capture opens");
    let mut decoder = Decoder::new();
    let mut flows = FlowTable::new();
    let mut duplicates = Duplicates::new();
    let mut sink = Dispatcher::<Vec<Tagged>>::new(Vec::new());
    while let Some(frame) = source.next_frame().expect("the capture reads") {
        if let Decoded::Packet(packet) = decoder.decode(&frame)
            && duplicates.check(&packet) != Verdict::Copy
        {
            flows.packet(&packet, &mut sink);
        }
    }
    flows.finish(&mut sink);
    sink.into_out()
        .into_iter()
        .filter_map(|t| match t.event {
            Event::Migration(MigrationEvent::Closed(report)) => Some(*report),
            Event::Migration(MigrationEvent::Storage(report)) => {
                eprintln!("NBD {report:?}");
                None
            }
            _ => None,
        })
        .collect()
}

fn line(r: &ChannelReport) -> String {
    let t = &r.timeline;
    let zero = t.first_byte.map_or(0, |m| m.at.at.0);
    let m = |m: Option<lmpcap::app::migration::Mark>| match m {
        None => "-".to_owned(),
        Some(m) if m.is_exact() => format!("{:.3}#{}@{}", (m.at.at.0 - zero) as f64 / 1e6, m.at.place.frame, m.offset),
        Some(m) => format!("{:.3}({:.3}..{:.3})#{}@{}", (m.at.at.0 - zero) as f64 / 1e6, (m.earliest.at.0 - zero) as f64 / 1e6, (m.latest.at.0 - zero) as f64 / 1e6, m.at.place.frame, m.offset),
    };
    let mut s = format!("{:?} {:?} {:?} total {:?} setup {} part {} last_part {} flush {} SWITCH {} end_end {} FULL {} EOF {} vmd {} shut {:?}\n", r.kind, r.sender, r.machine, r.ram_total, m(t.setup_end), m(t.first_part), m(t.last_part), m(t.last_flush), m(t.switchover_first), m(t.end_section_end), m(t.first_full), m(t.eof), m(t.vmdesc_end), t.shut.map(|x| (x.at.0 - zero) as f64/1e6));
    s += &format!("   ram {:?}\n   pre {:?}\n   stop {:?} post {:?}\n   dev {:?} n {} state {:?} resent {:?} sent {} back {} complete {} {:?} {:?} rp {}\n", r.ram, r.ram_precopy, r.ram_stopped, r.ram_postcopy, r.device_bytes, r.devices, r.run_state, r.resent, r.sent_bytes, r.answered_bytes, r.complete, r.damage, r.end.map(|e| e.0), r.return_path);
    for p in &r.passes {
        s += &format!("     pass {:.1}..{:.1} {:?} {}..{}\n", (p.first.at.0 - zero) as f64 / 1e6, (p.last.at.0 - zero) as f64 / 1e6, p.sent, p.offset, p.offset_end);
    }
    s
}

#[test]
fn show() {
    let Ok(list) = std::env::var("LMPCAP_SHOW") else { return };
    for file in list.split_whitespace() {
        for mut r in channels(Path::new(file)) {
            r.seen = None;
            println!("== {file}\n{}", line(&r));
        }
    }
}
