//! Tables of the run: files, clocks, coverage, oddities, time series.

use super::super::Sheet;
use super::{joined, some};
use crate::model::{Curve, File, Point, Report};
use crate::report::Lang;
use crate::report::headline::headline;
use crate::report::words::Words;

pub(super) fn runs(report: &Report) -> Sheet {
    let run = &report.run;
    let mut s = Sheet::new("runs", "the run: one row", &run.name, 1);
    s.text("schema", "version of the report's schema", [some(&report.schema)]);
    s.text("tool_version", "version of the tool", [some(&report.tool.version)]);
    s.text("scenario", "no-video, offline-video, online-video or unknown", [some(&run.scenario)]);
    s.text("scenario_source", "given or inferred", [some(&run.scenario_source)]);
    s.text("scenario_inferred", "what was inferred where one was given", [run.scenario_inferred.clone()]);
    s.text("scenario_why", "what the inferred scenario was told from", [run.scenario_why.clone()]);
    s.float("link_bandwidth_bps", "bandwidth of the link, if given", [run.link_bandwidth_bps]);
    let factors: Vec<String> = run.factors.iter().map(|(name, value)| format!("{name}={value}")).collect();
    s.text("factors", "factors of a study, as name=value; separated by semicolons", [Some(factors.join("; "))]);
    s.time("start", "first packet of any point", [run.start]);
    s.time("end", "last packet of any point", [run.end]);
    s.text("vm_macs", "MAC addresses of the VM, separated by spaces", [joined(&report.vm.macs)]);
    s.text("vm_ips", "IP addresses of the VM, separated by spaces", [joined(&report.vm.ips)]);
    s.text("vm_source", "given or inferred", [some(&report.vm.source)]);
    s.count("migrations", "migrations found", [Some(report.migrations.len() as u64)]);
    s.count("packets", "packets read at all points", [Some(report.coverage.packets)]);
    s.text("headline", "what matters most, in a sentence", [Some(headline(report, Words::new(Lang::En)).text)]);
    s
}

pub(super) fn files(report: &Report) -> Sheet {
    let rows: Vec<(&Point, &File)> = report.points.iter().flat_map(|p| p.files.iter().map(move |f| (p, f))).collect();
    let mut s = Sheet::new("files", "a capture file", &report.run.name, rows.len());
    s.text("point", "role of the capture point", rows.iter().map(|(p, _)| some(&p.role)));
    s.text("role_source", "given or inferred", rows.iter().map(|(p, _)| some(&p.role_source)));
    s.text("path", "path as given", rows.iter().map(|(_, f)| some(&f.path)));
    s.text("format", "pcap, pcapng, …", rows.iter().map(|(_, f)| some(&f.format)));
    s.text("compression", "gzip, zstd, …; empty if it is not compressed", rows.iter().map(|(_, f)| f.compression.clone()));
    s.text("link_types", "link types by number, separated by spaces", rows.iter().map(|(_, f)| joined(&f.link_types)));
    s.count("packets", "frames in the file", rows.iter().map(|(_, f)| Some(f.packets)));
    s.count("captured_bytes", "bytes captured", rows.iter().map(|(_, f)| Some(f.bytes_captured)));
    s.count("wire_bytes", "bytes on the wire", rows.iter().map(|(_, f)| Some(f.bytes_wire)));
    s.time("first", "earliest frame", rows.iter().map(|(_, f)| f.first));
    s.time("last", "latest frame", rows.iter().map(|(_, f)| f.last));
    s.count("snaplen_bytes", "snap length; 0 if unlimited", rows.iter().map(|(_, f)| Some(f.snaplen.into())));
    s.bool("cut_short", "the file ends inside a record", rows.iter().map(|(_, f)| Some(f.cut_short)));
    s.count("capture_drops", "frames that the capturing system dropped; empty if it did not say", {
        rows.iter().map(|(_, f)| f.capture_drops)
    });
    s
}

pub(super) fn clocks(report: &Report) -> Sheet {
    let rows = &report.points;
    let mut s = Sheet::new("clocks", "the clock of a capture point", &report.run.name, rows.len());
    s.text("point", "role of the capture point", rows.iter().map(|p| some(&p.role)));
    s.count("packets", "packets read at the point", rows.iter().map(|p| Some(p.packets)));
    s.count("duplicates", "copies dropped before anything counted them", rows.iter().map(|p| Some(p.duplicates)));
    s.text("method", "reference, estimated, trusted, given or none", rows.iter().map(|p| some(&p.clock.method)));
    s.int("offset_ns", "to be added to the point's time at its first packet", rows.iter().map(|p| p.clock.offset_ns));
    s.float("drift_ppb", "drift in parts per billion", rows.iter().map(|p| p.clock.drift_ppb));
    s.int("uncertainty_ns", "the true offset lies within ± this", rows.iter().map(|p| p.clock.uncertainty_ns));
    s.count("samples", "matched packets used", rows.iter().map(|p| Some(p.clock.samples)));
    s.text("why", "why something is unknown, or what was assumed", rows.iter().map(|p| p.clock.why.clone()));
    s
}

pub(super) fn coverage(report: &Report) -> Sheet {
    let c = &report.coverage;
    let mut rows: Vec<(&str, String, String, u64)> = vec![
        ("read", String::new(), String::new(), c.packets),
        ("decoded", String::new(), String::new(), c.decoded),
        ("attributed", String::new(), String::new(), c.attributed),
    ];
    for point in &report.points {
        rows.push(("duplicate", point.role.clone(), String::new(), point.duplicates));
        rows.extend(point.undecoded.iter().map(|(reason, n)| ("undecoded", point.role.clone(), reason.clone(), *n)));
    }
    rows.extend(c.ignored.iter().map(|(reason, n)| ("ignored", String::new(), reason.clone(), *n)));
    let mut s = Sheet::new("coverage", "what became of packets", &report.run.name, rows.len());
    s.text("fate", "read, decoded, attributed, duplicate, undecoded or ignored", rows.iter().map(|r| some(r.0)));
    s.text("point", "role of the capture point; empty for all", rows.iter().map(|r| some(&r.1)));
    s.text("reason", "why", rows.iter().map(|r| some(&r.2)));
    s.count("packets", "packets", rows.iter().map(|r| Some(r.3)));
    s
}

pub(super) fn anomalies(report: &Report) -> Sheet {
    let rows = &report.anomalies;
    let mut s = Sheet::new("anomalies", "a kind of oddity of the traffic or the captures", &report.run.name, rows.len());
    s.text("kind", "short fixed name", rows.iter().map(|a| some(&a.kind)));
    s.count("count", "occurrences", rows.iter().map(|a| Some(a.count)));
    s.text("places", "first places, as point:file#frame, separated by spaces", {
        rows.iter().map(|a| {
            let places: Vec<String> = a.first.iter().map(|p| format!("{}:{}#{}", p.point, p.file, p.frame)).collect();
            joined(&places)
        })
    });
    s.text("detail", "a sentence", rows.iter().map(|a| a.detail.clone()));
    s
}

pub(super) fn warnings(report: &Report) -> Sheet {
    let mut s = Sheet::new("warnings", "what a reader should know before quoting a figure", &report.run.name, report.warnings.len());
    s.text("warning", "a sentence", report.warnings.iter().map(|w| some(w)));
    s
}

pub(super) fn series(report: &Report) -> Sheet {
    let x = &report.series;
    let kinds: [(&str, &[Curve]); 7] = [
        ("throughput", &x.throughput),
        ("migration", &x.migration),
        ("delay", &x.delay),
        ("loss", &x.loss),
        ("delay_cdf", &x.delay_cdf),
        ("buffer", &x.buffer),
        ("video", &x.video),
    ];
    let rows: Vec<(&str, &Curve, f64, f64)> = kinds
        .iter()
        .flat_map(|(kind, curves)| curves.iter().flat_map(move |c| c.points.iter().map(move |(x, y)| (*kind, c, *x, *y))))
        .collect();
    let mut s = Sheet::new("series", "a point of a curve", &report.run.name, rows.len());
    s.text("kind", "throughput, migration, delay, loss, delay_cdf, buffer or video", rows.iter().map(|r| some(r.0)));
    s.text("curve", "name of the curve", rows.iter().map(|r| some(&r.1.name)));
    s.float("x", "seconds from the start of the run; milliseconds of delay for delay_cdf", rows.iter().map(|r| Some(r.2)));
    s.float("y", "value in y_unit", rows.iter().map(|r| Some(r.3)));
    s.text("y_unit", "bps, ms, packets, fraction or s", rows.iter().map(|r| some(&r.1.unit)));
    s.float("window_ms", "length of the window that a point stands for; 0 if it is none", rows.iter().map(|r| Some(r.1.window_ms)));
    s
}
