//! From what the points say to the report.

mod control;
mod migrations;
mod paths;
mod storage;
mod web;

use std::collections::BTreeMap;

use super::point::PointResult;
use super::{Options, Read};
use crate::app::migration::{ConnectionFacts, Observed};
use crate::app::services;
use crate::base::anomaly::{Anomalies, Place};
use crate::base::clock::ClockMap;
use crate::base::limits;
use crate::base::net::Side;
use crate::base::role::Role;
use crate::base::time::Timestamp;
use crate::capture::FileFacts;
use crate::flow::{FlowId, FlowKey, FlowRecord, TcpCounts};
use crate::grade;
use crate::join::clock_solve::Method;
use crate::join::joiner::Joined;
use crate::measure::meter::ChannelKey;
use crate::measure::phase::{Phase, Phases};
use crate::measure::roles::{RoleView, infer_roles};
use crate::measure::rows::{self, View};
use crate::measure::vm::{self, VmView};
use crate::model::{self, Report};
use crate::run::RunSpec;

/// A point with all that was found out about it.
pub(super) struct Known {
    pub result: PointResult,
    pub role: Role,
    pub role_given: bool,
    pub clock: ClockMap,
    /// The same for the report.
    pub clock_facts: model::Clock,
    /// Service names of the meter's channels.
    pub services: Vec<String>,
    /// Those that a parser recognised.
    pub by_content: Vec<bool>,
    /// How the role was told, if it was not given.
    pub role_why: Option<&'static str>,
    /// Migrations that the point saw.
    pub migrations: Vec<Observed>,
    /// Paths of its files.
    pub paths: Vec<String>,
}

impl Known {
    fn new(mut result: PointResult) -> Self {
        let (services, by_content) = service_names(&result);
        let ledger = std::mem::take(&mut result.state.ledgers.migration);
        let migrations = ledger.finish(connections(&result));
        let role = result.role;
        Self {
            role,
            role_given: role != Role::Unknown,
            role_why: None,
            clock: ClockMap::identity(),
            clock_facts: model::Clock::default(),
            services,
            by_content,
            migrations,
            paths: result.sighted.files.iter().map(|f| f.path.clone()).collect(),
            result,
        }
    }

    /// First and last packet on the reference clock.
    fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let (first, last) = (self.result.sighted.first?, self.result.sighted.last?);
        Some((self.clock.to_reference(first), self.clock.to_reference(last)))
    }
}

/// What a parser recognised in a conversation: an API where HTTP's exchanges told one.
fn content_of(result: &PointResult, id: FlowId, key: &FlowKey) -> Option<&'static str> {
    let state = &result.state;
    state.ledgers.apis.get(&id).copied().or_else(|| storage::service(state, id, key))
}

/// The name of each channel: what most of its conversations' bytes were recognised as, else the port's; and whether content told it.
fn service_names(result: &PointResult) -> (Vec<String>, Vec<bool>) {
    let state = &result.state;
    let counts = &result.counts;
    let channels = &counts.meter.channels;
    let mut seen: Vec<BTreeMap<&'static str, u64>> = vec![BTreeMap::new(); channels.len()];
    for (id, record) in state.flows.records() {
        if let Some(protocol) = content_of(result, id, record.key()) {
            let bytes = record.sent(Side::Client).bytes + record.sent(Side::Server).bytes;
            if let Some(of) = seen.get_mut(counts.channel(id).unwrap_or(0) as usize) {
                *of.entry(protocol).or_insert(0) += bytes;
            }
        }
    }
    let content = |of: &BTreeMap<&'static str, u64>| of.iter().max_by_key(|e| e.1).map(|e| *e.0);
    let name =
        |key: &ChannelKey, seen| if key.proto == 0 { ("all".to_owned(), false) } else { services::name_of(seen, key.proto, key.port) };
    seen.iter().zip(channels).map(|(of, channel)| name(&channel.key, content(of))).unzip()
}

/// What the flow layer knows of every TCP conversation of a point.
fn connections(result: &PointResult) -> impl Iterator<Item = ConnectionFacts> + '_ {
    result.state.flows.records().filter(|(_, r)| r.key().proto == 6).map(|(flow, record)| {
        let protocol = result.state.dispatcher.protocol(flow);
        ConnectionFacts { protocol, ..result.state.connections.facts(record) }
    })
}

/// Tells which VM it is and what each point is, each with the help of the other.
fn identify(run: &RunSpec, points: &mut [Known]) -> model::Vm {
    let infer = |points: &[Known]| {
        let views: Vec<VmView<'_>> = points
            .iter()
            .map(|p| VmView {
                role: p.role,
                clock: &p.clock,
                presence: &p.result.sighted.presence,
                meter: &p.result.counts.meter,
                migrations: &p.migrations,
            })
            .collect();
        vm::infer(&views, &run.vm_macs, &run.vm_ips)
    };
    let first = infer(points);
    let views: Vec<RoleView<'_>> = points
        .iter()
        .map(|p| RoleView {
            given: p.result.role,
            presence: &p.result.sighted.presence,
            meter: &p.result.counts.meter,
            services: &p.services,
            pace: &p.result.state.pace,
            migrations: &p.migrations,
        })
        .collect();
    let roles = infer_roles(&views, &first.macs, &first.ips);
    let changed = points.iter().zip(&roles).any(|(p, r)| p.role != r.role);
    for (point, inferred) in points.iter_mut().zip(roles) {
        point.role = inferred.role;
        point.role_given = inferred.given;
        point.role_why = inferred.why;
    }
    if changed { infer(points) } else { first }
}

/// Gives each point its clock: that of a point alone is the reference.
fn relate(points: &mut [Known], joined: Option<&Joined>) {
    for (i, point) in points.iter_mut().enumerate() {
        let first = point.result.sighted.first;
        let known = joined.and_then(|j| j.clocks.get(i));
        point.clock_facts = match known {
            None if joined.is_none() => model::Clock {
                method: "reference".to_owned(),
                offset_ns: Some(0),
                drift_ppb: Some(0.0),
                uncertainty_ns: Some(0),
                samples: 0,
                why: None,
            },
            None => {
                model::Clock { method: "none".to_owned(), why: Some("more points than are joined".to_owned()), ..model::Clock::default() }
            }
            Some(clock) => {
                let related = clock.method != Method::None;
                let drift = clock.map.pieces.first().map_or(0.0, |p| p.drift_ppb);
                point.clock = clock.map.clone();
                model::Clock {
                    method: clock.method.name().to_owned(),
                    offset_ns: first.filter(|_| related).map(|f| clock.offset_at(f).0),
                    drift_ppb: related.then_some(drift),
                    uncertainty_ns: clock.map.uncertainty.map(|u| u.0),
                    samples: clock.samples,
                    why: clock.why.clone(),
                }
            }
        };
    }
}

/// The roles of the points, told from what they saw.
pub(super) fn roles(run: &RunSpec, points: Vec<PointResult>) -> Vec<Role> {
    let mut points: Vec<Known> = points.into_iter().map(Known::new).collect();
    identify(run, &mut points);
    points.iter().map(|p| p.role).collect()
}

/// Makes the report; `inferred` marks points whose role was told by [`roles`].
pub(super) fn report(run: &RunSpec, options: &Options, read: Read, inferred: &[bool]) -> (Report, Vec<ClockMap>) {
    let mut points: Vec<Known> = read.points.into_iter().map(Known::new).collect();
    relate(&mut points, read.joined.as_ref());
    let vm = identify(run, &mut points);
    for (point, _) in points.iter_mut().zip(inferred).filter(|p| *p.1) {
        point.role_given = false;
    }
    let spans: Vec<_> = points.iter().filter_map(Known::span).collect();
    let start = spans.iter().map(|s| s.0).min();
    let end = spans.iter().map(|s| s.1).max();
    let mut report = Report {
        schema: model::SCHEMA.to_owned(),
        tool: model::Tool { name: "lmpcap".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        run: model::Run {
            name: run.name.clone(),
            scenario: run.scenario.clone().unwrap_or_else(|| "unknown".to_owned()),
            scenario_source: if run.scenario.is_some() { "given" } else { "inferred" }.to_owned(),
            scenario_inferred: None,
            scenario_why: None,
            link_bandwidth_bps: run.link_bandwidth_bps,
            factors: run.factors.clone(),
            start,
            end,
        },
        ..Report::default()
    };
    report.points = points.iter().map(point_of).collect();
    (report.migrations, report.downtime) = migrations::assemble(&points, &vm);
    let busy = report.migrations.iter().filter_map(migrations::span).collect();
    let phases = Phases::new(start.unwrap_or_default(), end.unwrap_or_default(), busy);
    let switch = report.migrations.iter().filter(|m| m.outcome == "completed").find_map(|m| Some(m.downtime.vm.end?.estimate));
    let context = rows::Context { vm_ips: &vm.ips, phases: &phases, switch, link_bps: run.link_bandwidth_bps };
    let views: Vec<View<'_>> = points.iter().filter_map(view_of).collect();
    report.qos = rows::rows(&views, &context);
    if !phases.any_migration() && !report.migrations.is_empty() {
        // It was announced; when it began is not known.
        report.qos.retain(|row| row.phase == Phase::Whole.name());
    }
    if let (Some(joined), Some(meter)) = (&read.joined, &read.paths) {
        paths::fill(&mut report.qos, &points, &vm, &report.migrations, &phases, joined, meter);
    }
    for row in &mut report.qos {
        row.grades = grade::grade(&options.scale, row, options.method, run.link_bandwidth_bps);
        row.thesis_grades = grade::grade(&options.scale, row, grade::Method::Thesis, run.link_bandwidth_bps);
    }
    if let Some(origin) = start {
        report.series.origin = start;
        report.series.throughput = views.iter().map(|v| rows::throughput_curve(v, origin)).collect();
        report.series.migration = report.migrations.iter().filter_map(|m| migration_curve(m, &views, origin)).collect();
        (report.series.delay, report.series.loss, report.series.delay_cdf) = rows::delay_curves(&views, &context, origin);
    }
    web::fill(&mut report, &points, &vm, run.player);
    report.services = points.iter().flat_map(|p| services_of(p, &phases)).collect();
    report.control = control::steps(&points).into_iter().map(|step| step.control).collect();
    report.storage = storage::clients(&points);
    for migration in &mut report.migrations {
        migration.storage_handover = storage::handover(&points, migration);
    }
    report.flows = flows_of(&points);
    report.coverage = coverage_of(&points, &views);
    report.anomalies = anomalies_of(&points);
    report.vm = vm;
    let clocks = points.into_iter().map(|p| p.clock).collect();
    (report, clocks)
}

/// The payload rate of a migration over time, cut to its span: another one may have used the same port.
fn migration_curve(migration: &model::Migration, views: &[View<'_>], origin: Timestamp) -> Option<model::Curve> {
    let end = |node: &model::Node| node.address.as_ref()?.parse::<std::net::SocketAddr>().ok();
    let (from, to) = (end(&migration.from)?, end(&migration.to)?);
    let mut curve = rows::migration_curve(views, from.ip(), to.ip(), to.port(), &migration.id.to_string(), origin)?;
    let (start, stop) = ((migration.start? - origin).seconds(), (migration.end? - origin).seconds());
    let slack = curve.window_ms / 1000.0;
    curve.points.retain(|p| start - slack <= p.0 && p.0 <= stop + slack);
    Some(curve)
}

fn view_of(point: &Known) -> Option<View<'_>> {
    let (first, last) = point.span()?;
    Some(View { role: point.role, meter: &point.result.counts.meter, clock: &point.clock, services: &point.services, first, last })
}

fn point_of(point: &Known) -> model::Point {
    let file = |f: &FileFacts| model::File {
        path: f.path.clone(),
        format: f.format.to_owned(),
        compression: f.compression.map(str::to_owned),
        link_types: f.link_types.clone(),
        packets: f.packets,
        bytes_captured: f.bytes_captured,
        bytes_wire: f.bytes_wire,
        first: f.first.map(|t| point.clock.to_reference(t)),
        last: f.last.map(|t| point.clock.to_reference(t)),
        snaplen: f.snaplen,
        cut_short: f.cut_short,
        capture_drops: f.capture_drops,
    };
    model::Point {
        role: point.role.name().to_owned(),
        role_source: if point.role_given { "given" } else { "inferred" }.to_owned(),
        files: point.result.sighted.files.iter().map(file).collect(),
        packets: point.result.sighted.frames,
        duplicates: point.result.sighted.copies,
        undecoded: point.result.sighted.undecoded.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect(),
        clock: point.clock_facts.clone(),
    }
}

fn services_of(point: &Known, phases: &Phases) -> Vec<model::Service> {
    let meter = &point.result.counts.meter;
    let width = meter.width();
    let mut by_name: BTreeMap<(String, bool), model::Service> = BTreeMap::new();
    for (index, channel) in meter.channels.iter().enumerate().skip(1).filter(|c| c.1.key.proto != 0) {
        let name = &point.services[index];
        let content = point.by_content[index];
        let service = by_name.entry((name.clone(), content)).or_insert_with(|| model::Service {
            name: name.clone(),
            detected_by: if content { "content" } else { "port" }.to_owned(),
            measured_at: point.role.name().to_owned(),
            class: services::class_of(name).name().to_owned(),
            ..model::Service::default()
        });
        for (i, cell) in channel.lanes.iter().flat_map(|l| l.windows.iter()) {
            service.packets += u64::from(cell.packets);
            service.bytes += cell.bytes;
            match phases.of(point.clock.to_reference(width.middle(i))) {
                Phase::Before => service.bytes_before += cell.bytes,
                Phase::During => service.bytes_during += cell.bytes,
                Phase::After | Phase::Whole => service.bytes_after += cell.bytes,
            }
        }
    }
    let mut list: Vec<_> = by_name.into_values().collect();
    list.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    list
}

fn flows_of(points: &[Known]) -> Vec<model::Flow> {
    let mut all = Vec::new();
    for point in points {
        let state = &point.result.state;
        for (id, record) in state.flows.records() {
            let (c, s) = (record.sent(Side::Client), record.sent(Side::Server));
            all.push((c.bytes + s.bytes, point, id, record));
        }
    }
    all.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.3.first().cmp(&b.3.first())).then_with(|| a.3.key().cmp(b.3.key())));
    all.truncate(limits::REPORT_FLOWS);
    all.into_iter()
        .map(|(bytes, point, id, record)| {
            let (c, s) = (record.sent(Side::Client), record.sent(Side::Server));
            let (service, _) = services::name_of(content_of(&point.result, id, record.key()), record.key().proto, record.key().server.port);
            let both = [Side::Client, Side::Server];
            let tcp: Vec<_> = both.iter().filter_map(|s| record.tcp(*s)).collect();
            let sum = |of: &dyn Fn(&TcpCounts) -> u32| tcp.iter().map(|t| u64::from(of(&t.counts))).sum();
            model::Flow {
                key: record.key().to_string(),
                point: point.role.name().to_owned(),
                service,
                packets: c.packets + s.packets,
                bytes,
                goodput: record.goodput(Side::Client) + record.goodput(Side::Server),
                packets_from_client: c.packets,
                bytes_from_client: c.bytes,
                rtt_ms: rtt_of(record),
                retransmitted: sum(&|c| c.retransmitted),
                reordered: sum(&|c| c.reordered),
                duplicate_acks: sum(&|c| c.duplicate_acks),
                zero_window: sum(&|c| c.zero_window),
                handshake: record.handshake(),
                first: Some(point.clock.to_reference(record.first())),
                last: Some(point.clock.to_reference(record.last())),
                host: point.result.state.ledgers.web.host(id).map(str::to_owned),
            }
        })
        .collect()
}

/// Round trips to the far end: the side whose round trips from this point are longer.
fn rtt_of(record: &FlowRecord) -> model::Rtt {
    let sides = [Side::Client, Side::Server].into_iter().filter_map(|s| record.rtt(s));
    let ms = |nanos: i64| Some(nanos as f64 / 1e6);
    sides
        .max_by_key(|r| r.mean)
        .map(|r| model::Rtt { min: ms(r.min), mean: ms(r.mean), p95: ms(r.p95), max: ms(r.max) })
        .unwrap_or_default()
}

fn coverage_of(points: &[Known], views: &[View<'_>]) -> model::Coverage {
    let mut coverage = model::Coverage::default();
    let mut ignored: BTreeMap<String, u64> = BTreeMap::new();
    for point in points {
        let (state, sighted) = (&point.result.state, &point.result.sighted);
        coverage.packets += sighted.frames;
        coverage.decoded += sighted.decoded;
        coverage.attributed += state.in_flows;
        *ignored.entry("capture_duplicate".to_owned()).or_insert(0) += sighted.copies;
        *ignored.entry("no_conversation".to_owned()).or_insert(0) += state.outside_flows;
        *ignored.entry("fragment_held".to_owned()).or_insert(0) += sighted.held;
        for (reason, n) in &sighted.undecoded {
            *ignored.entry((*reason).to_owned()).or_insert(0) += n;
        }
    }
    ignored.retain(|_, n| *n > 0);
    coverage.ignored = ignored;
    coverage.phase_resolution_ms = views.iter().map(|v| v.meter.width().ms()).reduce(f64::max);
    coverage
}

fn anomalies_of(points: &[Known]) -> Vec<model::AnomalyEntry> {
    let mut merged: BTreeMap<&'static str, model::AnomalyEntry> = BTreeMap::new();
    for point in points {
        let mut all: Anomalies = point.result.sighted.anomalies.clone();
        let state = &point.result.state;
        all.merge(state.flows.anomalies());
        all.merge(state.dispatcher.anomalies());
        all.explain_many("flows_evicted", state.flows.evicted().flows, Place::default(), || {
            let most = limits::FLOWS;
            format!("more than the {most} conversations that are kept at once: idle ones made room and are not listed; services still count them")
        });
        all.note_many("connections_unwatched", state.connections.unwatched + state.pace.unwatched, Place::default());
        let meter = &point.result.counts.meter;
        all.note_many("flows_folded", meter.folded, Place::default());
        all.note_many("time_outside_windows", meter.outside, Place::default());
        let ledgers = &point.result.state.ledgers;
        all.note_many("ceph_connections_left_out", ledgers.ceph_left_out, Place::default());
        let bursts = ledgers.ceph.iter().map(|c| c.2.read.bursts_left_out + c.2.written.bursts_left_out).sum();
        all.note_many("ceph_bursts_left_out", bursts, Place::default());
        all.note_many("control_steps_left_out", ledgers.steps_left_out + ledgers.amqp.left_out, Place::default());
        all.note_many("events_of_forgotten_flows", point.result.state.ledgers.orphans, Place::default());
        for (kind, counted) in all.iter() {
            let entry =
                merged.entry(kind).or_insert_with(|| model::AnomalyEntry { kind: kind.to_owned(), ..model::AnomalyEntry::default() });
            entry.count += counted.count;
            for place in &counted.first {
                if entry.first.len() < limits::ANOMALY_PLACES {
                    entry.first.push(model::AnomalyPlace {
                        point: point.role.name().to_owned(),
                        file: point.result.sighted.files.get(usize::from(place.file)).map(|f| f.path.clone()).unwrap_or_default(),
                        frame: place.frame,
                    });
                }
            }
            if entry.detail.is_none() {
                entry.detail.clone_from(&counted.detail);
            }
        }
    }
    merged.into_values().collect()
}
