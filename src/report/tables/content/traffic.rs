//! Tables of the traffic: HTTP, video, services, orchestration, conversations.

use super::super::Sheet;
use super::some;
use crate::model::{Flow, Report, Service};

/// Name, meaning and value of a column.
type Of<T> = (&'static str, &'static str, fn(&T) -> u64);

pub(super) fn http(report: &Report) -> Sheet {
    let h = &report.http;
    let mut s = Sheet::new("http", "all HTTP exchanges, summed: one row", &report.run.name, 1);
    s.count("exchanges", "requests, each with or without its response", [Some(h.exchanges)]);
    s.count("ok", "complete, status below 400", [Some(h.ok)]);
    s.count("failed", "complete, status 400 or above", [Some(h.failed)]);
    s.count("incomplete", "cut by a gap, a reset or the end of the capture", [Some(h.incomplete)]);
    s.count("overlapping_downtime", "under way during the downtime", [Some(h.overlapping_downtime)]);
    for (names, q) in
        [(["ttfb_p50_ms", "ttfb_p95_ms", "ttfb_max_ms"], &h.ttfb_ms), (["total_p50_ms", "total_p95_ms", "total_max_ms"], &h.total_ms)]
    {
        let what = if names[0].starts_with("ttfb") {
            "request's last byte to the response's first"
        } else {
            "request's first byte to the response's last"
        };
        for (name, value) in names.into_iter().zip([q.p50, q.p95, q.max]) {
            s.float(name, what, [value]);
        }
    }
    s.count("http2_connections", "HTTP/2 connections without TLS", [Some(h.http2_connections)]);
    s.text("measured_at", "point that was read", [h.measured_at.clone()]);
    s
}

pub(super) fn http_hits(report: &Report) -> Sheet {
    let rows = &report.http.hit;
    let mut s = Sheet::new("http_hits", "an HTTP exchange that the downtime hit", &report.run.name, rows.len());
    s.time("start", "when the client began to ask", rows.iter().map(|h| h.start));
    s.text("request", "method and path, without query", rows.iter().map(|h| some(&h.request)));
    s.text("client", "client", rows.iter().map(|h| some(&h.client)));
    s.text("server", "server", rows.iter().map(|h| some(&h.server)));
    s.count("status", "status code", rows.iter().map(|h| h.status.map(u64::from)));
    s.float("total_ms", "total time", rows.iter().map(|h| h.total_ms));
    s.float("connect_ms", "of that, until the connection was open", rows.iter().map(|h| h.connect_ms));
    s.text("effect", "delayed, failed or retried", rows.iter().map(|h| some(&h.effect)));
    s.float("cost_ms", "how much of its time fell into the downtime or its recovery", rows.iter().map(|h| h.cost_ms));
    s
}

pub(super) fn video(report: &Report) -> Sheet {
    let rows = &report.video;
    let mut s = Sheet::new("video", "a video session", &report.run.name, rows.len());
    s.count("session", "number, from 1", (1..=rows.len() as u64).map(Some));
    s.text("kind", "progressive, hls, dash, rtp or encrypted", rows.iter().map(|v| some(&v.kind)));
    s.text("client", "viewer", rows.iter().map(|v| some(&v.client)));
    s.text("server", "server", rows.iter().map(|v| some(&v.server)));
    s.text("host", "host name", rows.iter().map(|v| v.host.clone()));
    s.text("path", "path of the presentation, without query", rows.iter().map(|v| v.path.clone()));
    s.count("segments", "segments fetched", rows.iter().map(|v| Some(v.segments)));
    s.count("playlists", "playlists or manifests fetched", rows.iter().map(|v| Some(v.playlists)));
    s.float("media_s", "media seconds fetched", rows.iter().map(|v| v.media_seconds));
    s.float("media_bps", "bit rate of the media", rows.iter().map(|v| v.media_bps));
    s.count("payload_bytes", "payload bytes", rows.iter().map(|v| Some(v.bytes)));
    s.float("startup_ms", "first request to the start of playback, as modelled", rows.iter().map(|v| v.startup_ms));
    s.count("stalls", "stalls, as modelled; empty if they cannot be known", {
        rows.iter().map(|v| v.knowable.then_some(v.stalls.len() as u64))
    });
    s.float("stall_total_ms", "their sum", rows.iter().map(|v| v.stall_total_ms));
    s.float("buffer_min_s", "lowest buffer level between start and end", rows.iter().map(|v| v.buffer_min_s));
    s.count("switches", "quality switches", rows.iter().map(|v| v.knowable.then_some(v.switches)));
    s.bool("knowable", "the figures can be known", rows.iter().map(|v| Some(v.knowable)));
    s.text("why", "why not", rows.iter().map(|v| v.why.clone()));
    s.text("assumptions", "what the playback model assumes, separated by semicolons", rows.iter().map(|v| Some(v.assumptions.join("; "))));
    s
}

pub(super) fn video_segments(report: &Report) -> Sheet {
    let numbered = report.video.iter().enumerate();
    let rows: Vec<_> = numbered.flat_map(|(i, v)| v.segment_table.iter().map(move |seg| (i as u64 + 1, seg))).collect();
    let mut s = Sheet::new("video_segments", "a segment of a video session", &report.run.name, rows.len());
    s.count("session", "number of the session", rows.iter().map(|r| Some(r.0)));
    s.text("path", "path, without query", rows.iter().map(|r| some(&r.1.path)));
    s.time("asked", "request", rows.iter().map(|r| r.1.asked));
    s.time("first_byte", "first byte of the response", rows.iter().map(|r| r.1.first_byte));
    s.time("last_byte", "last byte that was seen, also of a response that did not end", rows.iter().map(|r| r.1.last_byte));
    s.time("done", "last byte of a response that came whole", rows.iter().map(|r| r.1.done));
    s.count("body_bytes", "bytes of the body", rows.iter().map(|r| Some(r.1.bytes)));
    s.float("media_s", "media seconds", rows.iter().map(|r| r.1.media_seconds));
    s.count("status", "status code", rows.iter().map(|r| r.1.status.map(u64::from)));
    s.text("variant", "variant or representation", rows.iter().map(|r| r.1.variant.clone()));
    s
}

pub(super) fn video_stalls(report: &Report) -> Sheet {
    let numbered = report.video.iter().enumerate();
    let rows: Vec<_> = numbered
        .flat_map(|(i, v)| {
            let stalls = v.stalls.iter().map(move |stall| (i as u64 + 1, "stall", stall));
            stalls.chain(v.gaps.iter().map(move |gap| (i as u64 + 1, "gap", gap)))
        })
        .collect();
    let mut s = Sheet::new("video_stalls", "a stop in playback or download", &report.run.name, rows.len());
    s.count("session", "number of the session", rows.iter().map(|r| Some(r.0)));
    s.text("kind", "stall (playback, as modelled) or gap (download)", rows.iter().map(|r| some(r.1)));
    s.time("start", "start", rows.iter().map(|r| r.2.start));
    s.float("length_ms", "length", rows.iter().map(|r| r.2.ms));
    s
}

pub(super) fn services(report: &Report) -> Sheet {
    let rows = &report.services;
    let mut s = Sheet::new("services", "bytes of one service", &report.run.name, rows.len());
    s.text("service", "name", rows.iter().map(|v| some(&v.name)));
    s.text("class", "migration, storage, control, tenant or other", rows.iter().map(|v| some(&v.class)));
    s.text("detected_by", "content or port", rows.iter().map(|v| some(&v.detected_by)));
    s.text("measured_at", "role of the point where they were counted", rows.iter().map(|v| some(&v.measured_at)));
    let counts: [Of<Service>; 5] = [
        ("packets", "packets", |v| v.packets),
        ("wire_bytes", "bytes on the wire", |v| v.bytes),
        ("before_bytes", "of those, before the migration", |v| v.bytes_before),
        ("during_bytes", "during", |v| v.bytes_during),
        ("after_bytes", "after", |v| v.bytes_after),
    ];
    for (name, what, of) in counts {
        s.count(name, what, rows.iter().map(|v| Some(of(v))));
    }
    s
}

pub(super) fn storage(report: &Report) -> Sheet {
    let rows = &report.storage;
    let mut s = Sheet::new("storage", "what one client of Ceph read and wrote at one daemon", &report.run.name, rows.len());
    s.text("node", "address of the client", rows.iter().map(|v| some(&v.node)));
    s.text("role", "source or destination, if it is one of them", rows.iter().map(|v| some(&v.role)));
    s.text("server", "address and port of the daemon", rows.iter().map(|v| some(&v.server)));
    s.text("service", "ceph-mon, ceph-osd, …", rows.iter().map(|v| some(&v.service)));
    s.count("messenger", "version of the messenger", rows.iter().map(|v| Some(u64::from(v.messenger))));
    s.text("secure", "yes if it is encrypted after the log-in", rows.iter().map(|v| some(if v.secure { "yes" } else { "no" })));
    s.count("connections", "connections", rows.iter().map(|v| Some(v.connections)));
    s.count("reconnects", "of those, the ones that went on with a session", rows.iter().map(|v| Some(v.reconnects)));
    s.count("writes", "writes of whole sectors", rows.iter().map(|v| v.writes));
    s.count("written_bytes", "their bytes", rows.iter().map(|v| v.written_bytes));
    s.count("reads", "reads of whole sectors", rows.iter().map(|v| v.reads));
    s.count("read_bytes", "their bytes", rows.iter().map(|v| v.read_bytes));
    s.time("first", "first packet with payload", rows.iter().map(|v| v.first));
    s.time("last", "last packet with payload", rows.iter().map(|v| v.last));
    s.time("first_read", "first read of whole sectors", rows.iter().map(|v| v.first_read));
    s.time("last_write", "last write of whole sectors", rows.iter().map(|v| v.last_write));
    s.text("why", "why a figure is unknown or too small", rows.iter().map(|v| v.why.clone()));
    s.text("point", "role of the capture point", rows.iter().map(|v| some(&v.point)));
    s
}

pub(super) fn control(report: &Report) -> Sheet {
    let rows = &report.control;
    let mut s = Sheet::new("control", "a step of the orchestration", &report.run.name, rows.len());
    s.time("time", "when", rows.iter().map(|c| c.time));
    s.text("from", "who", rows.iter().map(|c| some(&c.from)));
    s.text("to", "to whom", rows.iter().map(|c| some(&c.to)));
    s.text("what", "short fixed name", rows.iter().map(|c| some(&c.what)));
    s.text("detail", "more", rows.iter().map(|c| some(&c.detail)));
    s.text("kind", "api, rpc, libvirt, stream, downtime or announcement", rows.iter().map(|c| some(&c.kind)));
    s.text("user", "who called, by name", rows.iter().map(|c| c.user.clone()));
    s.text("request_id", "id of the request", rows.iter().map(|c| c.request_id.clone()));
    s.text("chain", "id of the request that it belongs to", rows.iter().map(|c| c.chain.clone()));
    s.text("outcome", "ok, failed or unanswered", rows.iter().map(|c| c.outcome.clone()));
    s.float("length_ms", "how long it took, if it is a call with a reply", rows.iter().map(|c| c.ms));
    s.text("point", "role of the capture point", rows.iter().map(|c| some(&c.point)));
    s.count("frame", "frame number", rows.iter().map(|c| Some(c.frame)));
    s
}

pub(super) fn flows(report: &Report) -> Sheet {
    let rows = &report.flows;
    let mut s = Sheet::new("flows", "a conversation; the largest ones", &report.run.name, rows.len());
    s.text("flow", "protocol client:port > server:port", rows.iter().map(|f| some(&f.key)));
    s.text("point", "role of the capture point", rows.iter().map(|f| some(&f.point)));
    s.text("service", "service", rows.iter().map(|f| some(&f.service)));
    s.text("host", "name of the application level", rows.iter().map(|f| f.host.clone()));
    let counts: [Of<Flow>; 9] = [
        ("packets", "packets, both directions", |f| f.packets),
        ("wire_bytes", "bytes on the wire, both directions", |f| f.bytes),
        ("goodput_bytes", "new payload bytes, both directions", |f| f.goodput),
        ("client_packets", "packets from the client", |f| f.packets_from_client),
        ("client_bytes", "bytes from the client", |f| f.bytes_from_client),
        ("retransmitted_segments", "segments sent again", |f| f.retransmitted),
        ("reordered_segments", "segments that arrived late", |f| f.reordered),
        ("duplicate_acks", "duplicate acknowledgments", |f| f.duplicate_acks),
        ("zero_window_segments", "segments that announce a zero window", |f| f.zero_window),
    ];
    for (name, what, of) in counts {
        s.count(name, what, rows.iter().map(|f| Some(of(f))));
    }
    s.float("rtt_min_ms", "minimum round trip", rows.iter().map(|f| f.rtt_ms.min));
    s.float("rtt_mean_ms", "mean round trip", rows.iter().map(|f| f.rtt_ms.mean));
    s.float("rtt_p95_ms", "95th percentile of the round trips", rows.iter().map(|f| f.rtt_ms.p95));
    s.float("rtt_max_ms", "maximum round trip", rows.iter().map(|f| f.rtt_ms.max));
    s.bool("handshake", "the handshake was seen", rows.iter().map(|f| Some(f.handshake)));
    s.time("first", "first packet", rows.iter().map(|f| f.first));
    s.time("last", "last packet", rows.iter().map(|f| f.last));
    s
}
