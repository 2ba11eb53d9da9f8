//! Which rows the table of service quality has: phases × services × directions, each from the point that can see it best.
//!
//! The client's capture is asked first. Without it, the source's until the VM has moved and the destination's from then on.
//! Without those, the point that saw most of the VM.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::lane::Lane;
use super::meter::{Channel, Meter};
use super::phase::{Phase, Phases};
use super::qos::{self, Part};
use crate::base::clock::ClockMap;
use crate::base::net::Side;
use crate::base::role::Role;
use crate::base::time::{NS_PER_MS, Timestamp};
use crate::model::{Curve, Qos};

/// Services that have rows of their own, largest first; all are in the row `all`.
const SERVICES: usize = 12;
/// Services of other servers that have rows, and the least share of the point's bytes that they need.
const OTHERS: usize = 3;
const OTHER_SHARE: f64 = 0.01;
/// Points of one curve; more cannot be seen on a page.
const CURVE_POINTS: usize = 1200;

/// One capture point as this table sees it.
pub struct View<'a> {
    /// Its role.
    pub role: Role,
    /// Its counters.
    pub meter: &'a Meter,
    /// Its clock.
    pub clock: &'a ClockMap,
    /// Service names of the meter's channels, by index.
    pub services: &'a [String],
    /// First packet, reference clock.
    pub first: Timestamp,
    /// Last packet, reference clock.
    pub last: Timestamp,
}

/// What the rows need beside the points.
pub struct Context<'a> {
    /// Addresses of the VM.
    pub vm_ips: &'a [IpAddr],
    /// Phases of the run.
    pub phases: &'a Phases,
    /// When the VM moved, if it did.
    pub switch: Option<Timestamp>,
    /// Bandwidth of the link, if given.
    pub link_bps: Option<f64>,
}

/// One service's lanes toward the VM and from it.
#[derive(Default)]
struct Group<'a> {
    proto: Option<u8>,
    mixed: bool,
    bytes: u64,
    /// Per direction: to the VM (or server), from it.
    parts: [Vec<Part<'a>>; 2],
}

impl<'a> Group<'a> {
    fn add(&mut self, view: &View<'a>, channel: &'a Channel, vm: Side, from: Timestamp, until: Timestamp) {
        self.mixed |= self.proto.is_some_and(|p| p != channel.key.proto);
        self.proto = Some(channel.key.proto);
        let to_vm: &Lane = &channel.lanes[vm.other().index()];
        let from_vm: &Lane = &channel.lanes[vm.index()];
        // Seen from the client, the far side of both directions is the VM; on a node, it is whoever the point is not at, and the
        // longer of the two legs is the path.
        let far = if view.role == Role::Client || to_vm.rtt.count() > 0 && longer(to_vm, from_vm) { to_vm } else { from_vm };
        let far = if far.rtt.count() == 0 { to_vm } else { far };
        for (slot, lane, back) in [(0, to_vm, from_vm), (1, from_vm, to_vm)] {
            self.bytes += lane.windows.sum(|_| true).bytes;
            self.parts[slot].push(Part { lane, far, back, width: view.meter.width(), clock: view.clock, from, until });
        }
    }

    fn proto(&self) -> Option<u8> {
        if self.mixed { None } else { self.proto.filter(|p| *p != 0) }
    }
}

fn longer(a: &Lane, b: &Lane) -> bool {
    let mean = |l: &Lane| l.rtt.histogram(|_| true).mean().unwrap_or(0.0);
    mean(a) >= mean(b)
}

/// The points that are asked about the VM, each with the time for which it is the one.
fn chosen<'v, 'a>(views: &'v [View<'a>], context: &Context<'_>) -> Vec<(&'v View<'a>, Timestamp, Timestamp)> {
    let sees = |v: &View<'_>| context.vm_ips.iter().any(|ip| v.meter.channels_with(*ip).next().is_some());
    let always = |v| vec![(v, Timestamp::MIN, Timestamp::MAX)];
    if let Some(client) = views.iter().find(|v| v.role == Role::Client && sees(v)) {
        return always(client);
    }
    let source = views.iter().find(|v| v.role == Role::Source && sees(v));
    let destination = views.iter().find(|v| v.role == Role::Destination && sees(v));
    match (source, destination, context.switch) {
        (Some(s), Some(d), Some(switch)) => vec![(s, Timestamp::MIN, switch), (d, switch, Timestamp::MAX)],
        _ => {
            let bytes = |v: &&View<'_>| -> u64 {
                context
                    .vm_ips
                    .iter()
                    .flat_map(|ip| v.meter.channels_with(*ip))
                    .flat_map(|(c, _)| &c.lanes)
                    .map(|l| l.windows.sum(|_| true).bytes)
                    .sum()
            };
            views.iter().filter(|v| sees(v)).max_by_key(bytes).map(always).unwrap_or_default()
        }
    }
}

fn grouped<'a>(asked: &[(&View<'a>, Timestamp, Timestamp)], context: &Context<'_>) -> Vec<(String, Group<'a>)> {
    let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let mut all = Group::default();
    let mut by_service: BTreeMap<String, Group<'a>> = BTreeMap::new();
    for (view, from, until) in asked {
        let meter: &'a Meter = view.meter;
        for (index, channel) in meter.channels.iter().enumerate().skip(1) {
            let vm = match channel.key {
                k if context.vm_ips.contains(&k.server) => Side::Server,
                k if context.vm_ips.contains(&k.client) => Side::Client,
                _ => continue,
            };
            if channel.key.proto == 0 {
                all.add(view, channel, vm, *from, *until);
                continue;
            }
            if channel.key.client == nobody {
                all.add(view, channel, vm, *from, *until);
            }
            by_service.entry(view.services[index].clone()).or_default().add(view, channel, vm, *from, *until);
        }
    }
    let mut services: Vec<_> = by_service.into_iter().collect();
    services.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(&b.0)));
    services.truncate(SERVICES);
    all.proto = None;
    let mut groups = vec![("all".to_owned(), all)];
    groups.extend(services);
    groups
}

/// Servers elsewhere that the client uses: where the "online" video comes from.
fn elsewhere<'a>(views: &[View<'a>], context: &Context<'_>) -> Vec<(String, Group<'a>, &'static str)> {
    let Some(view) = views.iter().find(|v| v.role == Role::Client).or(if views.len() == 1 { views.first() } else { None }) else {
        return Vec::new();
    };
    let meter: &'a Meter = view.meter;
    let whole = meter.whole().windows.sum(|_| true).bytes as f64;
    let mut groups: BTreeMap<String, Group<'a>> = BTreeMap::new();
    for (index, channel) in meter.channels.iter().enumerate().skip(1) {
        let key = channel.key;
        if key.proto == 0 || context.vm_ips.contains(&key.server) || context.vm_ips.contains(&key.client) || key.server.is_unspecified() {
            continue;
        }
        let name = format!("{} ({})", view.services[index], key.server);
        groups.entry(name).or_default().add(view, channel, Side::Server, Timestamp::MIN, Timestamp::MAX);
    }
    let mut list: Vec<_> = groups.into_iter().filter(|g| g.1.bytes as f64 > whole * OTHER_SHARE).collect();
    list.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(&b.0)));
    list.truncate(OTHERS);
    list.into_iter().map(|(name, group)| (name, group, "unknown")).collect()
}

/// The rows, without grades and without what only several points together can tell.
pub fn rows(views: &[View<'_>], context: &Context<'_>) -> Vec<Qos> {
    let asked = chosen(views, context);
    let mut groups: Vec<(String, Group<'_>, &str)> = Vec::new();
    if !asked.is_empty() {
        groups.extend(grouped(&asked, context).into_iter().map(|(n, g)| (n, g, "vm")));
    }
    groups.extend(elsewhere(views, context));
    let client = Role::Client.name();
    let mut rows = Vec::new();
    for phase in Phase::ALL {
        if phase != Phase::Whole && !context.phases.any_migration() && phase != Phase::Before {
            continue;
        }
        for (service, group, far) in &groups {
            let elsewhere = *far != "vm";
            let seconds: f64 = if elsewhere {
                views
                    .iter()
                    .find(|v| v.role == Role::Client || views.len() == 1)
                    .map_or(0.0, |v| context.phases.seconds(phase, v.first, v.last))
            } else {
                asked.iter().map(|(v, from, until)| context.phases.seconds(phase, v.first.max(*from), v.last.min(*until))).sum()
            };
            let measured_at =
                if elsewhere { client.to_owned() } else { asked.iter().map(|a| a.0.role.name()).collect::<Vec<_>>().join(", ") };
            for (slot, from, to) in [(0, client, *far), (1, *far, client)] {
                rows.push(row(group, slot, phase, seconds, context, service, from, to, &measured_at));
            }
        }
    }
    rows
}

#[allow(clippy::too_many_arguments)]
fn row(
    group: &Group<'_>,
    slot: usize,
    phase: Phase,
    seconds: f64,
    context: &Context<'_>,
    service: &str,
    from: &str,
    to: &str,
    at: &str,
) -> Qos {
    let parts = &group.parts[slot];
    let phases = context.phases;
    let round_trips = qos::round_trips(parts, phases, phase);
    Qos {
        phase: phase.name().to_owned(),
        service: service.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        measured_at: at.to_owned(),
        seconds,
        packets: u64::from(qos::total(parts, phases, phase).packets),
        throughput: qos::throughput(parts, phases, phase, seconds, context.link_bps),
        delay: qos::delay_of(&round_trips, "rtt", Some(crate::base::time::Nanos(0))),
        jitter: qos::rtt_jitter(parts, phases, phase),
        loss: qos::loss_at_one_point(parts, phases, phase, group.proto()),
        thesis: qos::thesis(parts, phases, phase),
        grades: None,
        thesis_grades: None,
    }
}

/// Seconds from `origin`.
fn seconds_from(origin: Timestamp, t: Timestamp) -> f64 {
    (t - origin).seconds()
}

/// Windows of lanes in at most [`CURVE_POINTS`] bins of at least 50 ms: seconds from `origin` and what `of` counts, per second and times 8.
fn bits_per_second(
    view: &View<'_>,
    lanes: &[&Lane],
    origin: Timestamp,
    of: impl Fn(&super::window::Cell) -> u64,
) -> (f64, Vec<(f64, f64)>) {
    let width = view.meter.width();
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    for (i, _) in lanes.iter().flat_map(|l| l.windows.iter()) {
        (low, high) = (low.min(i), high.max(i));
    }
    let group = ((high.saturating_sub(low).max(0) as usize + 1).div_ceil(CURVE_POINTS)).max((50.0 / width.ms()).ceil() as usize) as i64;
    let mut bins: BTreeMap<i64, u64> = BTreeMap::new();
    for (i, cell) in lanes.iter().flat_map(|l| l.windows.iter()) {
        *bins.entry(i.div_euclid(group)).or_insert(0) += of(cell);
    }
    let ms = width.ms() * group as f64;
    let points = bins
        .into_iter()
        .map(|(bin, bytes)| {
            let t = view.clock.to_reference(Timestamp(width.start(bin * group).0 + (ms * NS_PER_MS as f64 / 2.0) as i64));
            (seconds_from(origin, t), bytes as f64 * 8000.0 / ms)
        })
        .collect();
    (ms, points)
}

/// Throughput of everything that a point saw.
pub fn throughput_curve(view: &View<'_>, origin: Timestamp) -> Curve {
    let (window_ms, points) = bits_per_second(view, &[view.meter.whole()], origin, |cell| cell.bytes);
    Curve { name: view.role.name().to_owned(), unit: "bps".to_owned(), window_ms, points }
}

/// Payload rate of a migration from one address to another, to this port, as the source saw it, else whoever saw it; `None` if nobody did.
pub fn migration_curve(views: &[View<'_>], from: IpAddr, to: IpAddr, port: u16, name: &str, origin: Timestamp) -> Option<Curve> {
    let wanted = |c: &&Channel| c.key.proto == 6 && c.key.port == port && c.key.client == from && c.key.server == to;
    let mut order: Vec<&View<'_>> = views.iter().collect();
    order.sort_by_key(|v| v.role != Role::Source);
    order.into_iter().find_map(|view| {
        let lanes: Vec<&Lane> = view.meter.channels.iter().skip(1).filter(wanted).map(|c| &c.lanes[Side::Client.index()]).collect();
        if lanes.is_empty() {
            return None;
        }
        let (window_ms, points) = bits_per_second(view, &lanes, origin, |cell| cell.goodput);
        Some(Curve { name: name.to_owned(), unit: "bps".to_owned(), window_ms, points })
    })
}

/// Delay over time, loss marks and the distribution of delay, per service of the VM.
pub fn delay_curves(views: &[View<'_>], context: &Context<'_>, origin: Timestamp) -> (Vec<Curve>, Vec<Curve>, Vec<Curve>) {
    let asked = chosen(views, context);
    let (mut delay, mut loss, mut cdf) = (Vec::new(), Vec::new(), Vec::new());
    if asked.is_empty() {
        return (delay, loss, cdf);
    }
    for (service, group) in grouped(&asked, context).iter().skip(1).take(4) {
        let parts = &group.parts[0];
        // One point per window, whoever the client was.
        let mut means: BTreeMap<Timestamp, (f64, u64)> = BTreeMap::new();
        for part in parts {
            for (t, mean, n) in part.far.rtt.means() {
                let t = part.clock.to_reference(t);
                if part.from <= t && t < part.until {
                    let (sum, count) = means.entry(t).or_default();
                    *sum += mean * n as f64;
                    *count += n;
                }
            }
        }
        let point = |(t, (sum, n)): (Timestamp, (f64, u64))| (seconds_from(origin, t), sum / n.max(1) as f64 / NS_PER_MS as f64);
        let points: Vec<(f64, f64)> = means.into_iter().map(point).collect();
        if !points.is_empty() {
            let window_ms = parts.first().map_or(0.0, |p| p.far.rtt.window_ms());
            delay.push(Curve { name: service.clone(), unit: "ms".to_owned(), window_ms, points });
        }
        let mut lost: BTreeMap<i64, u64> = BTreeMap::new();
        let mut width = 0.0;
        for part in group.parts.iter().flatten() {
            width = part.width.ms();
            for (i, cell) in part.lane.windows.iter() {
                let n = u64::from(cell.retransmitted);
                if n > 0 {
                    *lost.entry(part.clock.to_reference(part.width.middle(i)).0).or_insert(0) += n;
                }
            }
        }
        if !lost.is_empty() {
            let points = lost.into_iter().map(|(t, n)| (seconds_from(origin, Timestamp(t)), n as f64)).collect();
            loss.push(Curve { name: service.clone(), unit: "packets".to_owned(), window_ms: width, points });
        }
        let all = qos::round_trips(parts, context.phases, Phase::Whole);
        let count = all.count() as f64;
        let mut below = 0u64;
        let steps: Vec<(f64, f64)> = all
            .bars()
            .map(|(_, high, n)| {
                below += n;
                (high as f64 / NS_PER_MS as f64, below as f64 / count)
            })
            .collect();
        if !steps.is_empty() {
            cdf.push(Curve { name: service.clone(), unit: "fraction".to_owned(), window_ms: 0.0, points: steps });
        }
    }
    (delay, loss, cdf)
}
