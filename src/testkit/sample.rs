//! Reports made by hand: realistic, rich and deterministic, to test what reads them.

use std::net::{IpAddr, Ipv4Addr};

use crate::base::interval::Interval;
use crate::base::net::Mac;
use crate::base::time::{Nanos, Timestamp};
use crate::model::*;

/// Start of the sample run: 2026-11-24T00:08:40Z.
pub const START: Timestamp = Timestamp(1_795_478_920_000_000_000);

/// `ms` milliseconds into the sample run.
pub fn at(ms: f64) -> Timestamp {
    START + Nanos::from_ms(ms)
}

fn span(lower: f64, estimate: f64, upper: f64) -> Interval {
    Interval { lower, estimate, upper }
}

fn moment(lower: f64, estimate: f64, upper: f64) -> Interval<Timestamp> {
    Interval { lower: at(lower), estimate: at(estimate), upper: at(upper) }
}

fn counted(pairs: &[(&str, u64)]) -> std::collections::BTreeMap<String, u64> {
    pairs.iter().map(|(key, n)| ((*key).to_owned(), *n)).collect()
}

/// One completed migration of a VM that serves HLS video, seen at client, source and destination.
pub fn report() -> Report {
    Report {
        schema: SCHEMA.into(),
        tool: Tool { name: "lmpcap".into(), version: "0.1.0".into() },
        run: Run {
            name: "hls-sample".into(),
            scenario: "offline-video".into(),
            scenario_source: "inferred".into(),
            link_bandwidth_bps: Some(100e6),
            factors: [("memory".to_owned(), "512 MiB".to_owned())].into(),
            start: Some(at(0.0)),
            end: Some(at(30_000.0)),
            ..Run::default()
        },
        vm: Vm {
            macs: vec![Mac([0x52, 0x54, 0, 0xaa, 0, 0x50])],
            ips: vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 50))],
            source: "inferred".into(),
            why: Some("its announcement at the destination followed the migration".into()),
        },
        points: points(),
        migrations: vec![migration()],
        downtime: None,
        qos: qos(),
        http: http(),
        video: video(),
        services: services(),
        control: control(),
        storage: storage(),
        flows: flows(),
        coverage: Coverage {
            packets: 152_340,
            decoded: 152_338,
            attributed: 151_992,
            ignored: counted(&[("arp between other hosts", 112), ("lldp", 30), ("ipv6 neighbour discovery", 204)]),
            phase_resolution_ms: Some(100.0),
        },
        anomalies: anomalies(),
        series: series(),
        warnings: vec![
            "The source's file was cut at 128 bytes a frame: the migration stream was followed by sequence numbers where payload is missing.".into(),
            "2 frames of the destination could not be decoded (see coverage).".into(),
        ],
    }
}

fn points() -> Vec<Point> {
    let file = |path: &str, packets: u64, snaplen: u32, link: u16| File {
        path: path.into(),
        format: "pcap".into(),
        compression: Some("zstd".into()),
        link_types: vec![link],
        packets,
        bytes_captured: packets * 120,
        bytes_wire: packets * 940,
        first: Some(at(0.0)),
        last: Some(at(30_000.0)),
        snaplen,
        cut_short: false,
        capture_drops: None,
    };
    vec![
        Point {
            role: "client".into(),
            role_source: "given".into(),
            files: vec![file("captures/client.pcap.zst", 21_400, 262_144, 1)],
            packets: 21_400,
            duplicates: 0,
            undecoded: counted(&[]),
            clock: Clock {
                method: "reference".into(),
                offset_ns: Some(0),
                drift_ppb: Some(0.0),
                uncertainty_ns: Some(0),
                samples: 0,
                why: None,
            },
        },
        Point {
            role: "source".into(),
            role_source: "given".into(),
            files: vec![File { cut_short: true, capture_drops: Some(0), ..file("captures/source.pcap.zst", 66_120, 128, 276) }],
            packets: 66_120,
            duplicates: 13_204,
            undecoded: counted(&[]),
            clock: Clock {
                method: "estimated".into(),
                offset_ns: Some(-1_234_567),
                drift_ppb: Some(812.5),
                uncertainty_ns: Some(41_200),
                samples: 9_812,
                why: None,
            },
        },
        Point {
            role: "destination".into(),
            role_source: "inferred".into(),
            files: vec![file("captures/destination.pcap.zst", 64_820, 96, 276)],
            packets: 64_820,
            duplicates: 12_870,
            undecoded: counted(&[("cut before the IP header", 2)]),
            clock: Clock {
                method: "none".into(),
                samples: 3,
                why: Some("only 3 packets were seen at both points; 8 are needed".into()),
                ..Clock::default()
            },
        },
    ]
}

/// The completed migration of [`report`].
pub fn migration() -> Migration {
    let pass = |index: u32, start: f64, end: f64, bytes: u64, normal: u64, zero: u64, dirty: Option<f64>| Pass {
        index,
        start: Some(at(start)),
        end: Some(at(end)),
        bytes,
        normal: Some(normal),
        zero: Some(zero),
        dirty_bytes_per_s: dirty,
        estimated: index == 3,
    };
    let phase =
        |name: &str, start: f64, end: f64, bytes: u64| Phase { name: name.into(), start: Some(at(start)), end: Some(at(end)), bytes };
    Migration {
        id: 1,
        hypervisor: "qemu".into(),
        mode: Some("precopy".into()),
        transport: vec!["tcp".into()],
        outcome: "completed".into(),
        outcome_why: Some("the return path said SHUT with 0".into()),
        detected_by: "content".into(),
        from: Node { address: Some("10.0.0.11:40122".into()), role: "source".into() },
        to: Node { address: Some("10.0.0.12:49152".into()), role: "destination".into() },
        start: Some(at(8_188.0)),
        end: Some(at(13_106.0)),
        total_ms: Some(span(4_915.2, 4_918.1, 4_921.0)),
        setup_ms: Some(12.41),
        machine: Some("pc-i440fx-7.2".into()),
        bytes: MigrationBytes {
            wire: Some(97_612_340),
            payload: Some(94_220_110),
            retransmitted: Some(28_960),
            ram: Some(94_011_022),
            device_state: Some(182_233),
            storage: None,
            unnamed: Some(0),
            why: Some("no storage was copied beside it".into()),
        },
        pages: Pages {
            normal: Some(22_873),
            zero: Some(110_212),
            xbzrle: Some(0),
            xbzrle_bytes: Some(0),
            compressed_bytes: Some(0),
            compressed: Some(0),
            resent: Some(4_126),
            repeated: Some(0),
            ram_total_bytes: Some(545_259_520),
            why: None,
        },
        passes: vec![
            pass(1, 8_200.0, 11_850.0, 74_100_220, 18_033, 109_884, Some(4_311_200.0)),
            pass(2, 11_850.0, 12_700.0, 15_730_004, 3_840, 302, Some(5_020_100.0)),
            pass(3, 12_700.0, 13_040.0, 4_180_798, 1_000, 26, None),
        ],
        phases: vec![
            phase("setup", 8_188.0, 8_200.4, 5_230),
            phase("iteration", 8_200.4, 13_040.0, 89_830_224),
            phase("stop-and-copy", 13_040.0, 13_072.0, 4_363_031),
            phase("load", 13_072.0, 13_106.0, 0),
        ],
        decoded: true,
        why_not_decoded: None,
        downtime: downtime(),
        storage_handover: Some(StorageHandover {
            last_write: Some(at(13_010.0)),
            first_use: Some(at(13_074.0)),
            ms: Some(64.0),
            why: None,
        }),
    }
}

fn downtime() -> Downtime {
    let service = |service: &str, direction: &str, start: f64, end: f64, resolution: f64, cause: &str, note: Option<&str>| ServiceWindow {
        service: service.into(),
        client: "192.0.2.10".into(),
        direction: direction.into(),
        start: Some(at(start)),
        end: Some(at(end)),
        ms: Some(end - start),
        recovered: true,
        resolution_ms: Some(resolution),
        cause: cause.into(),
        note: note.map(str::to_owned),
    };
    let proof = |what: &str, point: &str, frame: u64, ms: f64| Evidence {
        what: what.into(),
        point: point.into(),
        file: format!("captures/{point}.pcap.zst"),
        frame,
        time: Some(at(ms)),
        filter: format!("frame.number == {frame}"),
    };
    Downtime {
        vm: Window {
            ms: Some(span(29.61, 31.74, 66.4)),
            start: Some(moment(13_038.2, 13_039.9, 13_040.4)),
            end: Some(moment(13_070.0, 13_071.64, 13_104.6)),
            recovered: Some(true),
            ended_by: None,
            why: Some("start: last frame that the guest itself sent; end: its first announcement at the destination".into()),
        },
        network: Window {
            ms: Some(span(411.9, 412.4, 412.8)),
            start: Some(moment(13_020.1, 13_020.3, 13_020.5)),
            end: Some(moment(13_432.4, 13_432.7, 13_432.9)),
            recovered: Some(true),
            ended_by: Some("retransmission-timer".into()),
            why: None,
        },
        service: vec![
            service("icmp", "from-vm", 13_030.2, 13_091.9, 20.0, "migration", None),
            service(
                "http",
                "from-vm",
                13_020.3,
                13_432.7,
                4.1,
                "migration",
                Some("the server waited for its retransmission timer (RTO 412 ms)"),
            ),
            service("http", "to-vm", 13_018.0, 13_240.2, 4.4, "migration", None),
            service("icmp", "from-vm", 20_110.0, 20_190.0, 20.0, "other", Some("one echo was lost")),
        ],
        qemu_ms: Some(31.2),
        why: None,
        evidence: vec![
            proof("last frame that the guest sent on the source", "source", 41_022, 13_038.2),
            proof("first byte of the switch-over", "source", 41_077, 13_040.4),
            proof("first announcement (RARP) at the destination", "destination", 40_391, 13_071.64),
            proof("last packet of the VM at the client", "client", 9_911, 13_020.3),
            proof("first packet of the VM at the client", "client", 9_957, 13_432.7),
        ],
    }
}

/// A grade of the TIPHON scale.
pub fn grade(index: u8) -> Grade {
    let (en, id) = match index {
        4 => ("Excellent", "Sangat Bagus"),
        3 => ("Good", "Bagus"),
        2 => ("Fair", "Sedang"),
        1 => ("Poor", "Jelek"),
        _ => ("Bad", "Buruk"),
    };
    Grade { index, label_en: en.into(), label_id: id.into() }
}

fn grades(method: &str, indices: [Option<u8>; 4]) -> Grades {
    let known: Vec<u8> = indices.iter().flatten().copied().collect();
    let mean = known.iter().map(|i| f64::from(*i)).sum::<f64>() / known.len().max(1) as f64;
    let (en, id) = match mean {
        m if m >= 3.8 => ("Very satisfactory", "Sangat Memuaskan"),
        m if m >= 3.0 => ("Satisfactory", "Memuaskan"),
        m if m >= 2.0 => ("Less satisfactory", "Kurang Memuaskan"),
        _ => ("Poor", "Jelek"),
    };
    let [throughput, delay, jitter, loss] = indices.map(|index| index.map(grade));
    Grades {
        scale: "tiphon".into(),
        reading: Some("ceilings".into()),
        method: method.into(),
        throughput,
        delay,
        jitter,
        loss,
        overall: (!known.is_empty()).then(|| Overall {
            index: mean,
            percent: mean / 4.0 * 100.0,
            label_en: en.into(),
            label_id: id.into(),
            parameters: known.len() as u8,
        }),
        also: if indices[3] == Some(3) {
            vec![OtherReading { parameter: "loss".into(), reading: "floors".into(), index: 4 }]
        } else {
            Vec::new()
        },
        notes: ["tiphon-source", "jitter-never-zero", "thesis-delay-is-gap"]
            .iter()
            .take(if method == "thesis" { 3 } else { 2 })
            .map(|n| (*n).to_owned())
            .collect(),
    }
}

fn qos() -> Vec<Qos> {
    let mut rows = Vec::new();
    // Phase, seconds, Mbit/s, delay, jitter, lost of expected, index of each.
    type Row = (&'static str, f64, f64, f64, f64, u64, u64, [Option<u8>; 4]);
    let phases: [Row; 3] = [
        ("before", 8.188, 21.42, 0.412, 0.0352, 0, 7_812, [Some(1), Some(4), Some(3), Some(4)]),
        ("during", 4.918, 13.07, 3.914, 1.2031, 42, 3_310, [Some(1), Some(4), Some(3), Some(3)]),
        ("after", 16.894, 22.03, 0.398, 0.0411, 1, 15_904, [Some(1), Some(4), Some(3), Some(3)]),
    ];
    for (phase, seconds, mbps, delay, jitter, lost, expected, indices) in phases {
        for (service, from, to, share) in
            [("all", "vm", "client", 1.0), ("all", "client", "vm", 0.031), ("http", "vm", "client", 0.98), ("icmp", "client", "vm", 0.002)]
        {
            let one_way = service != "icmp";
            rows.push(Qos {
                phase: phase.into(),
                service: service.into(),
                from: from.into(),
                to: to.into(),
                measured_at: "client".into(),
                seconds,
                packets: (expected as f64 * share) as u64,
                throughput: Throughput {
                    bps: Some(mbps * 1e6 * share),
                    goodput_bps: Some(mbps * 0.96e6 * share),
                    peak_bps: Some(mbps * 3.1e6 * share),
                    peak_window_ms: Some(100.0),
                    percent_of_link: Some(mbps * share),
                    why: None,
                },
                delay: Delay {
                    method: Some(if one_way { "one-way" } else { "rtt" }.into()),
                    mean_ms: Some(delay),
                    p50_ms: Some(delay * 0.9),
                    p95_ms: Some(delay * 2.2),
                    p99_ms: Some(delay * 4.0),
                    p999_ms: Some(delay * 6.5),
                    max_ms: Some(delay * 9.0),
                    min_ms: Some(delay * 0.5),
                    samples: (expected as f64 * share) as u64,
                    uncertainty_ms: Some(if one_way { 0.0412 } else { 0.0 }),
                    why: None,
                },
                jitter: Jitter {
                    method: Some("rfc3393".into()),
                    mean_ms: Some(jitter),
                    p99_ms: Some(jitter * 6.0),
                    rfc3550_ms: Some(jitter * 0.8),
                    samples: (expected as f64 * share) as u64,
                    why: None,
                },
                loss: if service == "http" && phase == "after" {
                    Loss { why: Some("no second capture point saw this path after the migration".into()), ..Loss::default() }
                } else {
                    Loss {
                        method: Some(if one_way { "matched" } else { "icmp" }.into()),
                        percent: Some(lost as f64 / expected as f64 * 100.0),
                        lost: Some(lost),
                        expected: Some(expected),
                        misdelivered: Some(if phase == "during" { 17 } else { 0 }),
                        not_captured: Some(0),
                        refused: Some(0),
                        retransmitted: Some(lost * 2),
                        reordered: Some(0),
                        ambiguous: Some(0),
                        why: None,
                    }
                },
                thesis: Thesis {
                    throughput_bps: Some(mbps * 1.002e6 * share),
                    delay_ms: Some(seconds * 1000.0 / expected as f64),
                    jitter_ms: Some(seconds * 900.0 / expected as f64),
                    jitter_signed_ms: Some(0.0007),
                    loss_percent: Some(lost as f64 * 0.6 / expected as f64 * 100.0),
                    why: None,
                },
                grades: Some(grades("rigorous", indices)),
                thesis_grades: Some(grades("thesis", [indices[0], Some(4), Some(3), indices[3]])),
            });
        }
    }
    rows.push(Qos {
        phase: "whole".into(),
        service: "all".into(),
        from: "source".into(),
        to: "destination".into(),
        measured_at: "source".into(),
        seconds: 30.0,
        packets: 48_100,
        throughput: Throughput { bps: Some(26.1e6), goodput_bps: Some(25.1e6), why: None, ..Throughput::default() },
        delay: Delay { why: Some("the clock of the destination could not be aligned".into()), ..Delay::default() },
        jitter: Jitter { why: Some("the clock of the destination could not be aligned".into()), ..Jitter::default() },
        loss: Loss { method: Some("tcp".into()), percent: Some(0.0416), lost: Some(20), expected: Some(48_100), ..Loss::default() },
        thesis: Thesis { why: Some("no VM traffic on this path".into()), ..Thesis::default() },
        grades: Some(grades("rigorous", [Some(2), None, None, Some(3)])),
        thesis_grades: None,
    });
    rows
}

fn http() -> Http {
    Http {
        exchanges: 214,
        ok: 210,
        failed: 2,
        incomplete: 2,
        ttfb_ms: Quantiles { p50: Some(3.1), p95: Some(9.8), max: Some(418.0) },
        total_ms: Quantiles { p50: Some(18.4), p95: Some(61.0), max: Some(655.2) },
        overlapping_downtime: 2,
        hit: vec![
            HttpHit {
                start: Some(at(13_010.0)),
                request: "GET /hls/seg_005.ts".into(),
                client: "192.0.2.10:51022".into(),
                server: "192.0.2.50:80".into(),
                status: Some(200),
                total_ms: Some(655.2),
                connect_ms: Some(1.2),
                effect: "delayed".into(),
                cost_ms: Some(412.4),
            },
            HttpHit {
                start: Some(at(13_050.0)),
                request: "GET /index.html".into(),
                client: "192.0.2.10:51090".into(),
                server: "192.0.2.50:80".into(),
                status: None,
                total_ms: None,
                connect_ms: None,
                effect: "failed".into(),
                cost_ms: None,
            },
        ],
        http2_connections: 1,
        measured_at: Some("client".into()),
    }
}

fn video() -> Vec<Video> {
    let segments: Vec<Segment> = (0..14)
        .map(|i| {
            let asked = 1_000.0 + f64::from(i) * 1_950.0;
            let slow = if i == 6 { 640.0 } else { 55.0 };
            Segment {
                path: format!("/hls/seg_{i:03}.ts"),
                asked: Some(at(asked)),
                first_byte: (i != 9).then(|| at(asked + 6.0)),
                last_byte: (i != 9).then(|| at(asked + slow)),
                done: (i != 9).then(|| at(asked + slow)),
                bytes: 512_000 + 1_024 * i as u64,
                media_seconds: Some(2.0),
                status: Some(if i == 9 { 404 } else { 200 }),
                variant: Some("720p".into()),
            }
        })
        .collect();
    vec![
        Video {
            kind: "hls".into(),
            client: "192.0.2.10".into(),
            server: "192.0.2.50:80".into(),
            host: Some("vm.example.net".into()),
            path: Some("/hls/index.m3u8".into()),
            segments: 14,
            playlists: 3,
            media_seconds: Some(26.0),
            fetched_seconds: Some(26.0),
            presentation_seconds: Some(40.0),
            near_stalls: Some(1),
            rtp: None,
            media_bps: Some(2_050_000.0),
            bytes: 7_260_000,
            startup_ms: Some(412.0),
            stalls: vec![Stall { start: Some(at(13_210.0)), ms: Some(221.0), recovered: Some(true) }],
            stall_total_ms: Some(221.0),
            buffer_min_s: Some(0.0),
            switches: 0,
            knowable: true,
            why: None,
            assumptions: vec!["playback starts when 2 segments are complete".into(), "the player keeps at most 30 s of media".into()],
            segment_table: segments,
            gaps: Vec::new(),
            p1203: Some(serde_json::json!({"I13": {"segments": [], "streamId": 42}})),
            p1203_why: None,
        },
        Video {
            kind: "encrypted".into(),
            client: "192.0.2.10".into(),
            server: "198.51.100.80:443".into(),
            host: Some("video.example.net".into()),
            bytes: 3_120_000,
            knowable: false,
            why: Some("TLS: segments and their lengths are hidden".into()),
            gaps: vec![Stall { start: Some(at(13_020.0)), ms: Some(1_402.0), recovered: Some(true) }],
            ..Video::default()
        },
    ]
}

fn services() -> Vec<Service> {
    let service = |name: &str, by: &str, class: &str, packets: u64, split: [u64; 3], at: &str| Service {
        name: name.into(),
        detected_by: by.into(),
        packets,
        bytes: split.iter().sum(),
        bytes_before: split[0],
        bytes_during: split[1],
        bytes_after: split[2],
        measured_at: at.into(),
        class: class.into(),
    };
    vec![
        service("migration", "content", "migration", 65_010, [0, 97_612_340, 0], "source"),
        service("http", "content", "tenant", 19_870, [22_300_000, 8_120_000, 46_900_000], "client"),
        service("icmp", "content", "tenant", 1_402, [40_180, 23_912, 83_300], "client"),
        service("libvirt", "content", "control", 212, [14_200, 88_120, 9_022], "source"),
        service("neutron", "port", "control", 88, [9_120, 51_002, 8_110], "controller"),
        service("ceph-osd", "port", "storage", 4_020, [812_000, 1_902_000, 512_000], "source"),
    ]
}

fn storage() -> Vec<Storage> {
    let row = |node: &str, role: &str, written: u64, read: u64| Storage {
        node: node.into(),
        role: role.into(),
        server: "172.16.5.30:6800".into(),
        service: "ceph-osd".into(),
        messenger: 2,
        connections: 1,
        writes: Some(written / 4096),
        written_bytes: Some(written),
        reads: Some(read / 4096),
        read_bytes: Some(read),
        first: Some(at(0.0)),
        last: Some(at(20_000.0)),
        first_read: (read > 0).then(|| at(900.0)),
        last_write: Some(at(13_010.0)),
        point: role.into(),
        ..Storage::default()
    };
    let monitor = Storage {
        service: "ceph-mon".into(),
        server: "172.16.5.30:3300".into(),
        secure: true,
        writes: None,
        written_bytes: None,
        reads: None,
        read_bytes: None,
        first_read: None,
        last_write: None,
        why: Some("the connection is encrypted after the log-in (secure mode)".into()),
        ..row("172.16.5.11", "source", 0, 0)
    };
    vec![monitor, row("172.16.5.11", "source", 409_600, 8_192), row("172.16.5.12", "destination", 204_800, 0)]
}

fn control() -> Vec<Control> {
    #[allow(clippy::too_many_arguments)]
    let step = |ms: f64, from: &str, to: &str, kind: &str, what: &str, detail: &str, took: Option<f64>, point: &str, frame: u64| Control {
        time: Some(at(ms)),
        from: from.into(),
        to: to.into(),
        what: what.into(),
        detail: detail.into(),
        kind: kind.into(),
        outcome: took.map(|_| "ok".into()),
        user: (what == "os-migrateLive").then(|| "admin".into()),
        chain: (kind == "api").then(|| "req-5e0c0cb5-55a3-4d11-8a4c-02b9a8b2a2f1".into()),
        ms: took,
        point: point.into(),
        frame,
        ..Control::default()
    };
    let id = "ac3b8124-a115-49ac-aaa4-446126b8e336";
    let asked = format!("POST /v2.1/servers/{id}/action os-migrateLive block_migration=auto host=null; 202");
    let bound = format!("PUT /v2.0/ports/{id}/bindings/node2/activate; 200");
    vec![
        step(7_420.0, "10.20.0.20:50112", "10.20.0.10:8774", "api", "os-migrateLive", &asked, Some(182.0), "controller", 1_021),
        step(7_690.0, "10.20.0.10", "10.20.0.12", "rpc", "check_can_live_migrate_destination", "call", Some(311.0), "controller", 1_077),
        step(8_010.0, "10.0.0.11", "10.0.0.12:16509", "libvirt", "DOMAIN_MIGRATE_PREPARE3_PARAMS", "serial 9", Some(96.0), "source", 8_020),
        step(8_188.0, "10.0.0.11", "10.0.0.12:49152", "stream", "stream-setup", "first packet of the stream", Some(31.0), "source", 8_101),
        step(
            13_071.6,
            "52:54:00:aa:00:50",
            "ff:ff:ff:ff:ff:ff",
            "announcement",
            "rarp",
            "the VM announces itself",
            None,
            "destination",
            40_391,
        ),
        step(13_120.0, "10.20.0.11:39354", "10.20.0.10:9696", "api", "port-binding-activate", &bound, Some(141.0), "controller", 1_340),
        step(
            13_420.0,
            "10.0.0.11",
            "10.0.0.12:16509",
            "libvirt",
            "DOMAIN_MIGRATE_CONFIRM3_PARAMS",
            "serial 12",
            Some(22.0),
            "source",
            41_800,
        ),
    ]
}

fn flows() -> Vec<Flow> {
    let flow = |key: &str, point: &str, service: &str, packets: u64, bytes: u64, rtt: Option<f64>, host: Option<&str>| Flow {
        key: key.into(),
        point: point.into(),
        service: service.into(),
        packets,
        bytes,
        goodput: bytes / 100 * 94,
        packets_from_client: packets / 3,
        bytes_from_client: bytes / 40,
        rtt_ms: Rtt { min: rtt, mean: rtt.map(|r| r * 1.8), p95: rtt.map(|r| r * 4.0), max: rtt.map(|r| r * 60.0) },
        retransmitted: 3,
        reordered: 0,
        duplicate_acks: 7,
        zero_window: 0,
        handshake: true,
        first: Some(at(900.0)),
        last: Some(at(29_400.0)),
        host: host.map(str::to_owned),
    };
    vec![
        flow("tcp 10.0.0.11:40122 > 10.0.0.12:49152", "source", "migration", 65_010, 97_612_340, Some(0.212), None),
        flow("tcp 192.0.2.10:51022 > 192.0.2.50:80", "client", "http", 12_200, 50_200_120, Some(0.398), Some("vm.example.net")),
        flow("tcp 192.0.2.10:51090 > 192.0.2.50:80", "client", "http", 402, 402_118, None, Some("vm.example.net")),
        flow("icmp 192.0.2.10 > 192.0.2.50", "client", "icmp", 1_402, 137_396, Some(0.44), None),
    ]
}

fn anomalies() -> Vec<AnomalyEntry> {
    let place = |point: &str, frame: u64| AnomalyPlace { point: point.into(), file: format!("captures/{point}.pcap.zst"), frame };
    vec![
        AnomalyEntry {
            kind: "cut_in_record".into(),
            count: 1,
            first: vec![place("source", 66_120)],
            detail: Some("the file ends 17 bytes into a record of 128 bytes".into()),
        },
        AnomalyEntry {
            kind: "time_went_back".into(),
            count: 38,
            first: (0..5).map(|i| place("destination", 120 + i * 31)).collect(),
            detail: None,
        },
    ]
}

/// A point each `step` seconds over the run, from a formula: no randomness, so that tests repeat.
fn curve(name: &str, unit: &str, step: f64, y: impl Fn(f64) -> Option<f64>) -> Curve {
    let n = (30.0 / step) as usize;
    let points = (0..n).map(|i| i as f64 * step).filter_map(|x| Some((x, y(x)?))).collect();
    Curve { name: name.into(), unit: unit.into(), window_ms: step * 1000.0, points }
}

fn series() -> Series {
    let wave = |x: f64, k: f64| ((x * k).sin() * 0.5 + (x * k * 2.7).sin() * 0.3).abs();
    let out = |x: f64| (13.0..13.4).contains(&x);
    let busy = |x: f64| (8.2..13.0).contains(&x);
    Series {
        origin: Some(at(0.0)),
        throughput: vec![
            curve("client", "bps", 0.1, |x| {
                Some(if out(x) { 0.0 } else { (18.0 + 8.0 * wave(x, 3.1)) * if busy(x) { 0.7e6 } else { 1e6 } })
            }),
            curve("source", "bps", 0.1, |x| Some(if busy(x) { 155e6 + 12e6 * wave(x, 5.0) } else { 0.02e6 })),
            curve("destination", "bps", 0.1, |x| {
                Some(if busy(x) { 154e6 + 12e6 * wave(x, 5.0) } else { 19e6 * f64::from(u8::from(x > 13.4)) })
            }),
        ],
        migration: vec![curve("1", "bps", 0.1, |x| busy(x).then(|| 150e6 + 12e6 * wave(x, 5.0)))],
        delay: vec![
            curve("icmp client-vm", "ms", 0.1, |x| (!out(x)).then(|| 0.4 + if busy(x) { 3.2 * wave(x, 7.0) } else { 0.08 * wave(x, 9.0) })),
            curve("http client-vm", "ms", 0.1, |x| (!out(x)).then(|| 0.5 + if busy(x) { 4.1 * wave(x, 4.0) } else { 0.1 * wave(x, 8.0) })),
        ],
        loss: vec![curve("client lost", "packets", 0.1, |x| Some(if out(x) { 10.0 } else { f64::from(u8::from(x == 20.1)) }))],
        delay_cdf: ["before", "during", "after"]
            .iter()
            .enumerate()
            .map(|(i, phase)| Curve {
                name: format!("icmp {phase}"),
                unit: "fraction".into(),
                window_ms: 0.0,
                points: (0..=100)
                    .map(|p| {
                        let p = f64::from(p) / 100.0;
                        (0.25 + [0.2, 1.8, 0.26][i] * (-(1.0 - p * 0.995).ln()), p)
                    })
                    .collect(),
            })
            .collect(),
        video: vec![curve("hls 192.0.2.10 /hls/index.m3u8", "bps", 1.0, |x| {
            (1.0..28.0).contains(&x).then(|| if (13.0..14.0).contains(&x) { 0.0 } else { 2.1e6 + 4e5 * (x * 1.7).sin() })
        })],
        buffer: vec![curve("hls 192.0.2.10 /hls/index.m3u8", "s", 0.2, |x| {
            (x > 1.4).then(|| {
                if (13.2..13.45).contains(&x) {
                    0.0
                } else if x < 13.2 {
                    (5.0 - (x - 8.2).max(0.0)).max(0.0)
                } else {
                    ((x - 13.45) * 1.1).min(6.0)
                }
            })
        })],
    }
}

/// The same run, but the guest did not live through it: QEMU says completed, and nothing ever answered again.
pub fn dead() -> Report {
    let mut report = report();
    report.run.name = "guest-dead-sample".into();
    let downtime = &mut report.migrations[0].downtime;
    downtime.network = Window {
        ms: Some(span(16_979.7, 16_979.7, 16_979.9)),
        start: Some(moment(13_020.1, 13_020.3, 13_020.5)),
        end: None,
        recovered: Some(false),
        ended_by: None,
        why: Some("no packet of the VM reached the client after it".into()),
    };
    downtime.service.retain(|window| window.cause == "migration");
    for window in &mut downtime.service {
        window.end = None;
        window.recovered = false;
        window.ms = window.start.map(|start| (at(30_000.0) - start).ms());
    }
    report.qos.retain(|qos| qos.phase != "after");
    report.video.truncate(1);
    report.warnings.insert(0, "The VM announced itself at the destination and then never answered: look at its console.".into());
    report
}

/// Three migrations: one cancelled, one over TLS that cannot be read and whose downtime is unknown, one completed with a service still out.
pub fn several() -> Report {
    let mut report = report();
    report.run.name = "several-sample".into();
    let mut cancelled = migration();
    cancelled.outcome = "cancelled".into();
    cancelled.outcome_why = Some("the connection was closed before the end of the stream".into());
    cancelled.start = Some(at(2_000.0));
    cancelled.end = Some(at(4_004.0));
    cancelled.total_ms = Some(Interval::exact(2_004.0));
    cancelled.passes.truncate(1);
    cancelled.phases.truncate(2);
    cancelled.downtime = Downtime { why: Some("cancelled before the switch-over".into()), ..Downtime::default() };
    cancelled.downtime.vm.why = Some("cancelled before the switch-over: the guest was not paused".into());
    cancelled.downtime.network.why = Some("cancelled before the switch-over".into());
    let mut hidden = migration();
    hidden.id = 2;
    hidden.mode = None;
    hidden.transport = vec!["tls".into(), "multifd".into()];
    hidden.outcome = "incomplete".into();
    hidden.outcome_why = Some("the capture ended before it did".into());
    hidden.start = Some(at(5_000.0));
    hidden.end = None;
    hidden.total_ms = None;
    hidden.setup_ms = None;
    hidden.machine = None;
    hidden.decoded = false;
    hidden.why_not_decoded = Some("tls".into());
    hidden.bytes = MigrationBytes {
        wire: Some(1_020_330),
        payload: Some(990_110),
        why: Some("tls: records are hidden".into()),
        ..MigrationBytes::default()
    };
    hidden.pages = Pages { why: Some("tls: records are hidden".into()), ..Pages::default() };
    hidden.passes.clear();
    hidden.phases.clear();
    hidden.downtime = Downtime { why: Some("tls: the switch-over cannot be seen".into()), ..Downtime::default() };
    hidden.downtime.vm.why = Some("tls: the switch-over cannot be seen".into());
    hidden.downtime.network.why = Some("the VM sent nothing in this time".into());
    let mut last = migration();
    last.id = 3;
    let open = last.downtime.service.iter_mut().find(|window| window.service == "http");
    if let Some(open) = open {
        open.end = None;
        open.recovered = false;
        open.ms = Some(16_979.7);
    }
    report.migrations = vec![cancelled, hidden, last];
    report
}

/// A run without any packet: all that can be unknown is.
pub fn empty() -> Report {
    Report {
        schema: SCHEMA.into(),
        tool: Tool { name: "lmpcap".into(), version: "0.1.0".into() },
        run: Run { name: "empty".into(), scenario: "unknown".into(), scenario_source: "inferred".into(), ..Run::default() },
        vm: Vm { source: "inferred".into(), why: Some("no packet was read".into()), ..Vm::default() },
        warnings: vec!["No packet was read.".into()],
        ..Report::default()
    }
}

/// A string that tries to break every format at once.
pub const HOSTILE: &str = "=cmd|'/c calc'!A1<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[2J\x1b]0;owned\x07\u{202e}gpj\u{2066}\
    \\input{/etc/passwd}$x_1^2$%&#~`code`**bold**[link](javascript:alert(3))|cell|\r\n\t\"quoted\" {{ 7*7 }} {% raw %} --> ]]> \u{feff}\u{200b}";

/// [`report`] with [`HOSTILE`] in every string that may come from a capture, a file name or a configuration.
pub fn hostile() -> Report {
    let bad = || HOSTILE.to_owned();
    let mut report = several();
    report.run.name = bad();
    report.run.factors.insert(bad(), bad());
    report.vm.why = Some(bad());
    for point in &mut report.points {
        point.clock.why = Some(bad());
        point.undecoded.insert(bad(), 3);
        for file in &mut point.files {
            file.path = bad();
        }
    }
    for migration in &mut report.migrations {
        migration.machine = Some(bad());
        migration.outcome_why = Some(bad());
        migration.from.address = Some(bad());
        migration.hypervisor = bad();
        migration.transport.push(bad());
        migration.bytes.why = Some(bad());
        migration.downtime.vm.why = Some(bad());
        migration.downtime.network.ended_by = Some(bad());
        for window in &mut migration.downtime.service {
            window.service = bad();
            window.client = bad();
            window.note = Some(bad());
        }
        for evidence in &mut migration.downtime.evidence {
            evidence.what = bad();
            evidence.file = bad();
            evidence.filter = bad();
        }
    }
    for qos in &mut report.qos {
        if qos.service == "http" {
            qos.service = bad();
        }
        qos.loss.why = Some(bad());
        for grades in [&mut qos.grades, &mut qos.thesis_grades].into_iter().flatten() {
            grades.notes.push(bad());
            grades.scale = bad();
        }
    }
    for hit in &mut report.http.hit {
        hit.request = bad();
        hit.client = bad();
        hit.effect = bad();
    }
    for video in &mut report.video {
        video.host = Some(bad());
        video.path = Some(bad());
        video.assumptions.push(bad());
        for segment in &mut video.segment_table {
            segment.path = bad();
            segment.variant = Some(bad());
        }
    }
    for service in &mut report.services {
        service.name = bad();
    }
    for step in &mut report.control {
        step.from = bad();
        step.what = bad();
        step.detail = bad();
    }
    for flow in &mut report.flows {
        flow.key = bad();
        flow.host = Some(bad());
    }
    report.coverage.ignored.insert(bad(), 9);
    for anomaly in &mut report.anomalies {
        anomaly.kind = bad();
        anomaly.detail = Some(bad());
    }
    let series = &mut report.series;
    for curves in [&mut series.throughput, &mut series.delay, &mut series.delay_cdf, &mut series.buffer, &mut series.video] {
        for curve in curves {
            curve.name = bad();
        }
    }
    report.warnings.push(bad());
    report
}
