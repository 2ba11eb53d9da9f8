//! What the traffic was: HTTP, video, services, the orchestration, conversations.

use super::{Builder, Cell, Section, Table};
use crate::base::time::Timestamp;
use crate::model::{Quantiles, Video};
use crate::report::words::Words;

/// Rows of hits, segments and steps.
const ROWS: usize = 400;
/// Conversations listed; the tables in files have all.
const FLOWS: usize = 100;

pub(super) fn http(b: &mut Builder<'_>) -> Option<Section> {
    let (http, words) = (&b.report.http, b.words);
    if http.exchanges == 0 && http.http2_connections == 0 {
        return None;
    }
    let mut section = Section::new("http", words.t("section.http"));
    let columns = [(words.t("doc.what"), "", false), (words.t("doc.value"), "", true)];
    let mut table = Table::new("http", words.t("table.http"), &columns);
    for (key, count) in [
        ("http.exchanges", http.exchanges),
        ("http.ok", http.ok),
        ("http.failed", http.failed),
        ("http.incomplete", http.incomplete),
        ("http.overlapping", http.overlapping_downtime),
        ("http.http2", http.http2_connections),
    ] {
        table.row(vec![Cell::label(words.t(key)), Cell::number(words.count(count))]);
    }
    let quantiles = |q: &Quantiles| [("doc.median", q.p50), ("doc.p95", q.p95), ("doc.maximum", q.max)];
    for (key, set) in [("http.ttfb", &http.ttfb_ms), ("http.total", &http.total_ms)] {
        for (name, value) in quantiles(set) {
            let cell = table.known(value, Some(words.t("doc.no-complete")), words, |ms| words.ms(ms).text());
            table.row(vec![Cell::label(format!("{}, {}", words.t(key), words.t(name))), cell]);
        }
    }
    if let Some(point) = &http.measured_at {
        table.row(vec![Cell::label(words.t("doc.measured-at")), Cell::text(words.name("role", point))]);
    }
    section.table(table);
    let columns = [
        (words.t("doc.start"), "UTC", true),
        (words.t("doc.request"), "", false),
        (words.t("role.client"), "", false),
        (words.t("doc.server"), "", false),
        (words.t("doc.status"), "", true),
        (words.t("doc.length"), "", true),
        (words.t("doc.effect"), "", false),
        (words.t("doc.cost"), "", true),
    ];
    let mut table = Table::new("http-hit", words.t("table.http-hit"), &columns);
    for hit in http.hit.iter().take(ROWS) {
        let none = Some(words.t("doc.no-response"));
        let effect = words.name("effect", &hit.effect);
        let cells = vec![
            table.moment(hit.start, None, words),
            Cell::code(&hit.request),
            Cell::code(&hit.client),
            Cell::code(&hit.server),
            table.known(hit.status, none, words, |s| s.to_string()),
            table.known(hit.total_ms, none, words, |ms| words.ms(ms).text()),
            if hit.effect == "failed" { Cell::bad(effect) } else { Cell::text(effect) },
            table.known(hit.cost_ms, none, words, |ms| words.ms(ms).text()),
        ];
        table.row(cells);
    }
    table.rest(ROWS.min(http.hit.len()), http.hit.len(), "http_hits.csv", words);
    section.table(table);
    Some(section)
}

pub(super) fn video(b: &mut Builder<'_>) -> Option<Section> {
    let (report, words) = (b.report, b.words);
    let mut section = Section::new("video", words.t("section.video"));
    b.figure(&mut section, "video-buffer");
    section.table(sessions(&report.video, words));
    let mut assumptions: Vec<String> = Vec::new();
    for text in report.video.iter().flat_map(|v| &v.assumptions) {
        let text = super::capture::sentence(text, words);
        if !assumptions.contains(&text) {
            assumptions.push(text);
        }
    }
    if !assumptions.is_empty() {
        section.text(words.t("doc.video-assumes"));
        section.blocks.push(super::Block::List { items: assumptions });
    }
    section.table(stalls(&report.video, words));
    for (i, video) in report.video.iter().enumerate() {
        section.table(segments(video, i + 1, words));
    }
    Some(section)
}

fn sessions(videos: &[Video], words: Words) -> Table {
    let columns = [
        ("#", "", true),
        (words.t("doc.kind"), "", false),
        (words.t("role.client"), "", false),
        (words.t("doc.presentation"), "", false),
        (words.t("doc.segments"), "", true),
        (words.t("doc.media"), "s", true),
        (words.t("doc.media-rate"), "", true),
        (words.t("doc.bytes"), "", true),
        (words.t("doc.startup"), "", true),
        (words.t("doc.stalls"), "", true),
        (words.t("doc.stall-total"), "", true),
        (words.t("doc.buffer-min"), "s", true),
        (words.t("doc.switches"), "", true),
    ];
    let mut table = Table::new("video", words.t("table.video"), &columns);
    for (i, video) in videos.iter().enumerate() {
        let why = video.why.as_deref();
        let place = format!("{}{}", video.host.as_deref().unwrap_or(&video.server), video.path.as_deref().unwrap_or(""));
        let stalls = if video.knowable { Some(video.stalls.len()) } else { None };
        let cells = vec![
            Cell::number((i + 1).to_string()),
            Cell::text(words.name("video", &video.kind)),
            Cell::code(&video.client),
            Cell::code(place),
            if video.knowable || video.segments > 0 { Cell::number(words.count(video.segments)) } else { table.unknown(why, words) },
            table.float(video.media_seconds, why, words),
            table.known(video.media_bps, why, words, |v| words.bps(v).text()),
            Cell::number(words.bytes(video.bytes).text()),
            table.known(video.startup_ms, why, words, |ms| words.ms(ms).text()),
            table.known(stalls, why, words, |n| n.to_string()),
            table.known(video.stall_total_ms, why, words, |ms| words.ms(ms).text()),
            table.float(video.buffer_min_s, why, words),
            if video.knowable { Cell::number(words.count(video.switches)) } else { table.unknown(why, words) },
        ];
        table.row(cells);
    }
    table
}

fn stalls(videos: &[Video], words: Words) -> Table {
    let columns = [
        (words.t("doc.session"), "", true),
        (words.t("doc.kind"), "", false),
        (words.t("doc.start"), "UTC", true),
        (words.t("doc.length"), "", true),
    ];
    let mut table = Table::new("stalls", words.t("table.stalls"), &columns);
    let all = videos.iter().enumerate().flat_map(|(i, v)| {
        let stalls = v.stalls.iter().map(move |s| (i, "doc.stall", s));
        stalls.chain(v.gaps.iter().map(move |s| (i, "doc.gap", s)))
    });
    for (i, kind, stall) in all.take(ROWS) {
        let cells = vec![
            Cell::number((i + 1).to_string()),
            Cell::text(words.t(kind)),
            table.moment(stall.start, None, words),
            table.known(stall.ms, None, words, |ms| words.ms(ms).text()),
        ];
        table.row(cells);
    }
    table
}

fn segments(video: &Video, n: usize, words: Words) -> Table {
    let columns = [
        ("#", "", true),
        (words.t("doc.segment"), "", false),
        (words.t("doc.asked"), "UTC", true),
        (words.t("doc.first-byte"), "ms", true),
        (words.t("doc.last-byte"), "ms", true),
        (words.t("doc.bytes"), "", true),
        (words.t("doc.media"), "s", true),
        (words.t("doc.status"), "", true),
        (words.t("doc.variant"), "", false),
    ];
    let host = video.host.as_deref().unwrap_or(&video.server);
    let caption = words.fill("table.segments", &[("n", &n.to_string()), ("host", &crate::report::escape::shown(host))]);
    let mut table = Table::new(format!("segments-{n}"), caption, &columns);
    for (i, segment) in video.segment_table.iter().take(ROWS).enumerate() {
        let after = |t: Option<Timestamp>| segment.asked.zip(t).map(|(asked, t)| (t - asked).ms());
        let cut = Some(words.t("doc.segment-cut"));
        let failed = segment.status.is_some_and(|s| s >= 400);
        let cells = vec![
            Cell::number((i + 1).to_string()),
            Cell::code(&segment.path),
            table.moment(segment.asked, None, words),
            table.float(after(segment.first_byte), cut, words),
            table.float(after(segment.done), cut, words),
            Cell::number(words.bytes(segment.bytes).text()),
            table.float(segment.media_seconds, Some(words.t("doc.no-duration")), words),
            match segment.status {
                Some(status) if failed => Cell::bad(status.to_string()),
                None if segment.done.is_some() => Cell::none(),
                status => table.known(status, cut, words, |s| s.to_string()),
            },
            segment.variant.as_ref().map_or_else(Cell::none, Cell::text),
        ];
        table.row(cells);
    }
    table.rest(ROWS.min(video.segment_table.len()), video.segment_table.len(), "video_segments.csv", words);
    table
}

pub(super) fn services(b: &mut Builder<'_>) -> Option<Section> {
    let (report, words) = (b.report, b.words);
    let mut section = Section::new("services", words.t("section.services"));
    let columns = [
        (words.t("doc.service"), "", false),
        (words.t("doc.class"), "", false),
        (words.t("doc.told-by"), "", false),
        (words.t("doc.packets"), "", true),
        (words.t("doc.bytes"), "", true),
        (words.t("phase.before"), "", true),
        (words.t("phase.during"), "", true),
        (words.t("phase.after"), "", true),
        (words.t("doc.measured-at"), "", false),
    ];
    let mut table = Table::new("services", words.t("table.services"), &columns);
    for service in report.services.iter().take(ROWS) {
        let by = words.name("detected", &service.detected_by);
        let bytes = |n: u64| Cell::number(words.bytes(n).text());
        table.row(vec![
            Cell::strong(words.name("service", &service.name)),
            Cell::text(words.name("class", &service.class)),
            Cell::text(by),
            Cell::number(words.count(service.packets)),
            bytes(service.bytes),
            bytes(service.bytes_before),
            bytes(service.bytes_during),
            bytes(service.bytes_after),
            Cell::text(words.name("role", &service.measured_at)),
        ]);
    }
    section.table(table);
    Some(section)
}

pub(super) fn storage(b: &mut Builder<'_>) -> Option<Section> {
    let (report, words) = (b.report, b.words);
    if report.storage.is_empty() {
        return None;
    }
    let mut section = Section::new("storage", words.t("section.storage"));
    let columns = [
        (words.t("doc.node"), "", false),
        (words.t("doc.service"), "", false),
        (words.t("doc.server"), "", false),
        (words.t("doc.messenger"), "", true),
        (words.t("doc.connections"), "", true),
        (words.t("doc.written"), "", true),
        (words.t("doc.read"), "", true),
        (words.t("doc.last-write"), "UTC", true),
        (words.t("doc.first-read"), "UTC", true),
    ];
    let mut table = Table::new("storage", words.t("table.storage"), &columns);
    for row in report.storage.iter().take(ROWS) {
        let node = if row.role.is_empty() { row.node.clone() } else { format!("{} ({})", row.node, words.name("role", &row.role)) };
        let why = row.why.as_deref();
        let cells = vec![
            Cell::strong(node),
            Cell::text(words.name("service", &row.service)),
            Cell::code(&row.server),
            Cell::number(words.count(u64::from(row.messenger))),
            Cell::number(words.count(row.connections)),
            table.known(row.written_bytes, why, words, |n| words.bytes(n).text()),
            table.known(row.read_bytes, why, words, |n| words.bytes(n).text()),
            if row.writes == Some(0) { Cell::none() } else { table.moment(row.last_write, why, words) },
            if row.reads == Some(0) { Cell::none() } else { table.moment(row.first_read, why, words) },
        ];
        table.row(cells);
    }
    for migration in &report.migrations {
        let Some(handover) = &migration.storage_handover else { continue };
        let ms = handover.ms.map(|ms| words.ms(ms).text());
        let text = match (&ms, &handover.why) {
            (Some(ms), _) => words.fill("doc.handover", &[("id", &migration.id.to_string()), ("ms", ms)]),
            (None, why) => words.fill("doc.handover-unknown", &[("id", &migration.id.to_string()), ("why", why.as_deref().unwrap_or("-"))]),
        };
        table.note(&text);
    }
    table.rest(ROWS.min(report.storage.len()), report.storage.len(), "storage.csv", words);
    section.table(table);
    Some(section)
}

pub(super) fn control(b: &mut Builder<'_>) -> Option<Section> {
    let (report, words) = (b.report, b.words);
    let mut section = Section::new("control", words.t("section.control"));
    b.figure(&mut section, "control");
    let columns = [
        (words.t("doc.time"), "UTC", true),
        (words.t("doc.step"), "", false),
        (words.t("doc.detail"), "", false),
        (words.t("doc.from"), "", false),
        (words.t("doc.to"), "", false),
        (words.t("doc.length"), "", true),
        (words.t("doc.point"), "", false),
        ("frame", "", true),
    ];
    let mut table = Table::new("control", words.t("table.control"), &columns);
    for step in report.control.iter().take(ROWS) {
        let cells = vec![
            table.moment(step.time, None, words),
            Cell::strong(words.name("control", &step.what)),
            if step.detail.is_empty() { Cell::none() } else { Cell::text(&step.detail) },
            Cell::code(&step.from),
            Cell::code(&step.to),
            step.ms.map_or_else(Cell::none, |ms| Cell::number(words.ms(ms).text())),
            Cell::text(words.name("role", &step.point)),
            Cell::number(words.count(step.frame)),
        ];
        table.row(cells);
    }
    table.rest(ROWS.min(report.control.len()), report.control.len(), "control.csv", words);
    section.table(table);
    Some(section)
}

pub(super) fn flows(b: &mut Builder<'_>) -> Option<Section> {
    let (report, words) = (b.report, b.words);
    let mut section = Section::new("flows", words.t("section.flows"));
    let columns = [
        (words.t("doc.flow"), "", false),
        (words.t("doc.point"), "", false),
        (words.t("doc.service"), "", false),
        (words.t("doc.packets"), "", true),
        (words.t("doc.bytes"), "", true),
        (words.t("doc.goodput"), "", true),
        (words.t("doc.rtt-min"), "ms", true),
        (words.t("doc.rtt-mean"), "ms", true),
        (words.t("doc.rtt-p95"), "ms", true),
        (words.t("doc.retransmitted"), "", true),
        (words.t("doc.reordered"), "", true),
        (words.t("doc.duplicate-acks"), "", true),
        (words.t("doc.zero-window"), "", true),
    ];
    let mut table = Table::new("flows", words.t("table.flows"), &columns);
    for flow in report.flows.iter().take(FLOWS) {
        let name = match &flow.host {
            Some(host) => format!("{} ({host})", flow.key),
            None => flow.key.clone(),
        };
        let why = Some(words.t("doc.no-rtt"));
        let cells = vec![
            Cell::code(name),
            Cell::text(words.name("role", &flow.point)),
            Cell::text(words.name("service", &flow.service)),
            Cell::number(words.count(flow.packets)),
            Cell::number(words.bytes(flow.bytes).text()),
            Cell::number(words.bytes(flow.goodput).text()),
            table.float(flow.rtt_ms.min, why, words),
            table.float(flow.rtt_ms.mean, why, words),
            table.float(flow.rtt_ms.p95, why, words),
            Cell::number(words.count(flow.retransmitted)),
            Cell::number(words.count(flow.reordered)),
            Cell::number(words.count(flow.duplicate_acks)),
            Cell::number(words.count(flow.zero_window)),
        ];
        table.row(cells);
    }
    table.rest(FLOWS.min(report.flows.len()), report.flows.len(), "flows.csv", words);
    section.table(table);
    Some(section)
}
