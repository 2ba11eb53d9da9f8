//! Real migration streams, read from packets, against QEMU's own account of them.

mod common;

use lmpcap::app::Event;
use lmpcap::app::dispatch::{Dispatcher, Tagged};
use lmpcap::app::migration::{ChannelReport, MigrationEvent};
use lmpcap::capture::{OpenOptions, Source, open_point};
use lmpcap::decode::duplicates::{Duplicates, Verdict};
use lmpcap::decode::{Decoded, Decoder};
use lmpcap::base::net::Side;
use lmpcap::flow::{EndOfStream, FlowId, FlowKey, FlowTable, GapReason, Moment, Need, Sink};
use std::path::Path;

/// Passes skips over, while the flow layer does not.
struct Skipping<S> {
    inner: S,
    left: std::collections::HashMap<(FlowId, Side), u64>,
}

impl<S: Sink> Skipping<S> {
    fn keep(&mut self, flow: FlowId, side: Side, need: Need) -> Need {
        if let Need::Skip(n) = need {
            self.left.insert((flow, side), n);
            return Need::More;
        }
        need
    }
    fn pass(&mut self, flow: FlowId, side: Side, len: u64) -> u64 {
        let left = self.left.entry((flow, side)).or_default();
        let n = len.min(*left);
        *left -= n;
        n
    }
}

impl<S: Sink> Sink for Skipping<S> {
    fn begin(&mut self, flow: FlowId, key: &FlowKey, when: Moment, whole: bool) {
        self.inner.begin(flow, key, when, whole);
    }
    fn bytes(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment, bytes: &[u8]) -> Need {
        let n = self.pass(flow, side, bytes.len() as u64) as usize;
        if n == bytes.len() {
            return Need::More;
        }
        let need = self.inner.bytes(flow, key, side, when, &bytes[n..]);
        self.keep(flow, side, need)
    }
    fn gap(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment, missing: u64, why: GapReason) -> Need {
        let n = self.pass(flow, side, missing);
        if n == missing {
            return Need::More;
        }
        let need = self.inner.gap(flow, key, side, when, missing - n, why);
        self.keep(flow, side, need)
    }
    fn fin(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment) {
        self.inner.fin(flow, key, side, when);
    }
    fn datagram(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment, bytes: &[u8], wire_len: u32) -> Need {
        self.inner.datagram(flow, key, side, when, bytes, wire_len)
    }
    fn end(&mut self, flow: FlowId, key: &FlowKey, when: Moment, how: EndOfStream) {
        self.inner.end(flow, key, when, how);
    }
}

/// The reports of all migration channels in one capture file.
fn channels(file: &Path) -> Vec<ChannelReport> {
    let mut source = open_point(&[file.to_owned()], &OpenOptions::default()).expect("the capture opens");
    let mut decoder = Decoder::new();
    let mut flows = FlowTable::new();
    let mut duplicates = Duplicates::new();
    let mut sink = Skipping { inner: Dispatcher::<Vec<Tagged>>::new(Vec::new()), left: Default::default() };
    while let Some(frame) = source.next_frame().expect("the capture reads") {
        if let Decoded::Packet(packet) = decoder.decode(&frame)
            && duplicates.check(&packet) != Verdict::Copy
        {
            flows.packet(&packet, &mut sink);
        }
    }
    flows.finish(&mut sink);
    sink.inner.into_out()
        .into_iter()
        .filter_map(|t| match t.event {
            Event::Migration(MigrationEvent::Closed(report)) => Some(*report),
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
    for run in ["offline-full", "none", "hls-any", "vxlan", "cancel", "pcapng", "libvirt-any", "openstack-live", "openstack-abort", "lossy"] {
        for node in ["source", "destination"] {
            let Some(folder) = common::capture(run) else { return };
            let Some(file) = std::fs::read_dir(folder).unwrap().flatten().map(|e| e.path()).find(|p| p.file_name().unwrap().to_str().unwrap().starts_with(&format!("{node}.pcap"))) else { continue };
            let t = std::time::Instant::now();
            for mut r in channels(&file) {
                r.seen = None;
                println!("== {run} {node} {:?}\n{}", t.elapsed(), line(&r));
            }
        }
    }
}
