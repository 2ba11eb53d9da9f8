//! Tables of the migrations.

use super::super::Sheet;
use super::{joined, some};
use crate::base::interval::Interval;
use crate::base::time::Timestamp;
use crate::model::{Migration, Report, Window};

/// Name, meaning and value of a column.
type Of = (&'static str, &'static str, fn(&Migration) -> Option<u64>);

pub(super) fn migrations(report: &Report) -> Sheet {
    let rows = &report.migrations;
    let mut s = Sheet::new("migrations", "a migration", &report.run.name, rows.len());
    s.count("migration", "number, from 1", rows.iter().map(|m| Some(m.id.into())));
    s.text("hypervisor", "qemu, unknown, …", rows.iter().map(|m| some(&m.hypervisor)));
    s.text("mode", "precopy or postcopy", rows.iter().map(|m| m.mode.clone()));
    s.text("transport", "tcp, tls, multifd, tunnelled, nbd; separated by spaces", rows.iter().map(|m| joined(&m.transport)));
    s.text("outcome", "completed, cancelled, failed or incomplete", rows.iter().map(|m| some(&m.outcome)));
    s.text("outcome_why", "how the outcome was told", rows.iter().map(|m| m.outcome_why.clone()));
    s.text("detected_by", "content or port", rows.iter().map(|m| some(&m.detected_by)));
    s.text("from_address", "address and port of the sender", rows.iter().map(|m| m.from.address.clone()));
    s.text("to_address", "address and port of the receiver", rows.iter().map(|m| m.to.address.clone()));
    s.time("start", "first packet of its connection", rows.iter().map(|m| m.start));
    s.time("end", "its end", rows.iter().map(|m| m.end));
    intervals(&mut s, rows, ["total_lower_ms", "total_ms", "total_upper_ms"], "total time, as QEMU counts it", |m| m.total_ms);
    s.float("setup_ms", "connection to the end of setup", rows.iter().map(|m| m.setup_ms));
    s.text("machine", "machine type that the stream names", rows.iter().map(|m| m.machine.clone()));
    let bytes: [Of; 7] = [
        ("wire_bytes", "all frames of its connections, both directions", |m| m.bytes.wire),
        ("payload_bytes", "TCP payload from source to destination, each byte once", |m| m.bytes.payload),
        ("retransmitted_bytes", "payload sent again", |m| m.bytes.retransmitted),
        ("ram_bytes", "records of guest memory", |m| m.bytes.ram),
        ("device_state_bytes", "state of the virtual devices", |m| m.bytes.device_state),
        ("storage_bytes", "storage copied beside it", |m| m.bytes.storage),
        ("unnamed_bytes", "bytes of the stream that belong to no element that could be told", |m| m.bytes.unnamed),
    ];
    for (name, what, of) in bytes {
        s.count(name, what, rows.iter().map(of));
    }
    s.text("bytes_why", "why a number of bytes is unknown", rows.iter().map(|m| m.bytes.why.clone()));
    let pages: [Of; 9] = [
        ("normal_pages", "pages sent whole", |m| m.pages.normal),
        ("zero_pages", "pages sent as zero", |m| m.pages.zero),
        ("xbzrle_pages", "pages sent as a difference", |m| m.pages.xbzrle),
        ("compressed_pages", "pages sent compressed", |m| m.pages.compressed),
        ("xbzrle_bytes", "bytes of the records of pages sent as a difference", |m| m.pages.xbzrle_bytes),
        ("compressed_bytes", "bytes of the records of pages sent compressed", |m| m.pages.compressed_bytes),
        ("resent_pages", "records of pages that had been sent before", |m| m.pages.resent),
        ("repeated_pages", "pages that QEMU queued twice on multifd channels, in no other count", |m| m.pages.repeated),
        ("ram_total_bytes", "RAM that the stream announces", |m| m.pages.ram_total_bytes),
    ];
    for (name, what, of) in pages {
        s.count(name, what, rows.iter().map(of));
    }
    s.text("pages_why", "why a number of pages is unknown", rows.iter().map(|m| m.pages.why.clone()));
    s.count("passes", "passes over the guest's memory; 0 if the stream was not read", rows.iter().map(|m| Some(m.passes.len() as u64)));
    s.bool("decoded", "the stream was read to its end", rows.iter().map(|m| Some(m.decoded)));
    s.text("why_not_decoded", "tls, snaplen, gap, …", rows.iter().map(|m| m.why_not_decoded.clone()));
    intervals(&mut s, rows, ["vm_downtime_lower_ms", "vm_downtime_ms", "vm_downtime_upper_ms"], "pause of the guest", |m| m.downtime.vm.ms);
    s.text("vm_downtime_why", "why it is unknown, which bound was used", rows.iter().map(|m| m.downtime.vm.why.clone()));
    let names = ["network_downtime_lower_ms", "network_downtime_ms", "network_downtime_upper_ms"];
    intervals(&mut s, rows, names, "from the VM's last packet at the client to the first after", |m| m.downtime.network.ms);
    s.bool("network_recovered", "the VM was heard again at the client", rows.iter().map(|m| m.downtime.network.recovered));
    s.text("network_ended_by", "what ended the network downtime", rows.iter().map(|m| m.downtime.network.ended_by.clone()));
    s.text("network_downtime_why", "why it is unknown, which bound was used", rows.iter().map(|m| m.downtime.network.why.clone()));
    s.float("qemu_downtime_ms", "what QMP would call downtime", rows.iter().map(|m| m.downtime.qemu_ms));
    s.text("qemu_downtime_why", "why it is unknown", rows.iter().map(|m| m.downtime.why.clone()));
    s
}

fn intervals(s: &mut Sheet, rows: &[Migration], names: [&'static str; 3], what: &'static str, of: fn(&Migration) -> Option<Interval>) {
    s.float(names[0], "lower bound of the next column", rows.iter().map(|m| of(m).map(|i| i.lower)));
    s.float(names[1], what, rows.iter().map(|m| of(m).map(|i| i.estimate)));
    s.float(names[2], "upper bound of the column before", rows.iter().map(|m| of(m).map(|i| i.upper)));
}

/// One window without the VM, of any kind.
struct Out<'a> {
    migration: u32,
    kind: &'static str,
    service: Option<String>,
    client: Option<String>,
    direction: Option<String>,
    start: Option<Interval<Timestamp>>,
    end: Option<Interval<Timestamp>>,
    ms: Option<Interval>,
    recovered: Option<bool>,
    resolution_ms: Option<f64>,
    cause: Option<String>,
    note: Option<&'a str>,
}

fn whole<'a>(migration: u32, kind: &'static str, window: &'a Window, cause: &str) -> Out<'a> {
    Out {
        migration,
        kind,
        service: None,
        client: None,
        direction: None,
        start: window.start,
        end: window.end,
        ms: window.ms,
        recovered: window.recovered,
        resolution_ms: None,
        cause: some(cause),
        note: window.why.as_deref(),
    }
}

pub(super) fn windows(report: &Report) -> Sheet {
    let mut rows: Vec<Out<'_>> = Vec::new();
    for (migration, downtime) in report.downtimes() {
        let cause = if migration == 0 { "other" } else { "migration" };
        rows.push(whole(migration, "vm", &downtime.vm, cause));
        rows.push(whole(migration, "network", &downtime.network, cause));
        rows.extend(downtime.service.iter().map(|w| Out {
            migration,
            kind: "service",
            service: some(&w.service),
            client: some(&w.client),
            direction: some(&w.direction),
            start: w.start.map(Interval::exact),
            end: w.end.map(Interval::exact),
            ms: w.ms.map(Interval::exact),
            recovered: Some(w.recovered),
            resolution_ms: w.resolution_ms,
            cause: some(&w.cause),
            note: w.note.as_deref(),
        }));
    }
    let mut s = Sheet::new("windows", "a window of downtime", &report.run.name, rows.len());
    s.count("migration", "number of the migration; 0: of a run without one", rows.iter().map(|w| Some(w.migration.into())));
    s.text("kind", "vm, network or service", rows.iter().map(|w| some(w.kind)));
    s.text("service", "service; empty for vm and network", rows.iter().map(|w| w.service.clone()));
    s.text("client", "address of the client", rows.iter().map(|w| w.client.clone()));
    s.text("direction", "from-vm or to-vm", rows.iter().map(|w| w.direction.clone()));
    s.time("start_lower", "earliest start", rows.iter().map(|w| w.start.map(|t| t.lower)));
    s.time("start", "start", rows.iter().map(|w| w.start.map(|t| t.estimate)));
    s.time("start_upper", "latest start", rows.iter().map(|w| w.start.map(|t| t.upper)));
    s.time("end_lower", "earliest end", rows.iter().map(|w| w.end.map(|t| t.lower)));
    s.time("end", "end; empty if not recovered when the capture ended, or unknown", rows.iter().map(|w| w.end.map(|t| t.estimate)));
    s.time("end_upper", "latest end", rows.iter().map(|w| w.end.map(|t| t.upper)));
    s.float("lower_ms", "lower bound of the length", rows.iter().map(|w| w.ms.map(|i| i.lower)));
    s.float("length_ms", "length; to the end of the capture if not recovered", rows.iter().map(|w| w.ms.map(|i| i.estimate)));
    s.float("upper_ms", "upper bound of the length", rows.iter().map(|w| w.ms.map(|i| i.upper)));
    s.bool("recovered", "false if still open when the capture ended", rows.iter().map(|w| w.recovered));
    s.float("resolution_ms", "usual spacing of the packets: shorter windows cannot be seen", rows.iter().map(|w| w.resolution_ms));
    s.text("cause", "migration or other", rows.iter().map(|w| w.cause.clone()));
    s.text("note", "why something is unknown, or what happened in it", rows.iter().map(|w| w.note.map(str::to_owned)));
    s
}

pub(super) fn evidence(report: &Report) -> Sheet {
    let rows: Vec<_> = report.downtimes().flat_map(|(id, d)| d.evidence.iter().enumerate().map(move |(i, e)| (id, i, e))).collect();
    let mut s = Sheet::new("evidence", "a frame that proves something about the downtime", &report.run.name, rows.len());
    s.count("migration", "number of the migration; 0: of a run without one", rows.iter().map(|r| Some(r.0.into())));
    s.count("number", "number in the charts, from 1", rows.iter().map(|r| Some(r.1 as u64 + 1)));
    s.text("shows", "what it shows", rows.iter().map(|r| some(&r.2.what)));
    s.text("point", "role of the capture point", rows.iter().map(|r| some(&r.2.point)));
    s.text("file", "file", rows.iter().map(|r| some(&r.2.file)));
    s.count("frame", "frame number in the file, as Wireshark counts", rows.iter().map(|r| Some(r.2.frame)));
    s.time("time", "time on the reference clock", rows.iter().map(|r| r.2.time));
    s.text("filter", "Wireshark display filter that shows it", rows.iter().map(|r| some(&r.2.filter)));
    s
}

pub(super) fn passes(report: &Report) -> Sheet {
    let rows: Vec<_> = report.migrations.iter().flat_map(|m| m.passes.iter().map(move |p| (m.id, p))).collect();
    let mut s = Sheet::new("passes", "a pass over the guest's memory", &report.run.name, rows.len());
    s.count("migration", "number of the migration", rows.iter().map(|r| Some(r.0.into())));
    s.count("pass", "number, from 1", rows.iter().map(|r| Some(r.1.index.into())));
    s.time("start", "first record", rows.iter().map(|r| r.1.start));
    s.time("end", "last record", rows.iter().map(|r| r.1.end));
    s.count("sent_bytes", "bytes of its records", rows.iter().map(|r| Some(r.1.bytes)));
    s.count("normal_pages", "whole pages", rows.iter().map(|r| r.1.normal));
    s.count("zero_pages", "zero pages", rows.iter().map(|r| r.1.zero));
    s.float("sent_bytes_per_s", "bytes over the time of the pass", rows.iter().map(|r| crate::report::chart::sent_per_s(r.1)));
    s.float("dirty_bytes_per_s", "pages dirtied, as the next pass shows them", rows.iter().map(|r| r.1.dirty_bytes_per_s));
    s.bool("estimated", "told from the order of addresses, not from QEMU's word", rows.iter().map(|r| Some(r.1.estimated)));
    s
}

pub(super) fn phases(report: &Report) -> Sheet {
    let rows: Vec<_> = report.migrations.iter().flat_map(|m| m.phases.iter().map(move |p| (m.id, p))).collect();
    let mut s = Sheet::new("phases", "a phase of a migration", &report.run.name, rows.len());
    s.count("migration", "number of the migration", rows.iter().map(|r| Some(r.0.into())));
    s.text("phase", "setup, iteration, stop-and-copy, load or postcopy", rows.iter().map(|r| some(&r.1.name)));
    s.time("start", "start", rows.iter().map(|r| r.1.start));
    s.time("end", "end", rows.iter().map(|r| r.1.end));
    s.count("payload_bytes", "payload bytes", rows.iter().map(|r| Some(r.1.bytes)));
    s
}
