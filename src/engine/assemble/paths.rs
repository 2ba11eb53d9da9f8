//! What only several points together can tell of a row: one-way delay, its variation, and what became of each packet.

use std::collections::HashMap;

use super::Known;
use crate::app::services;
use crate::base::net::Side;
use crate::base::role::Role;
use crate::base::time::Timestamp;
use crate::join::{Ends, Joined};
use crate::measure::meter::ChannelKey;
use crate::measure::path::PathMeter;
use crate::measure::path::figures::{End, Figures};
use crate::measure::path::stay::Stays;
use crate::measure::phase::{Phase, Phases};
use crate::model::{Migration, Qos, Vm};

/// Where the VM was when, by the migrations that were completed.
fn stays(points: &[Known], migrations: &[Migration]) -> Stays {
    let at = |role: &str| points.iter().position(|p| p.role.name() == role && p.role != Role::Unknown);
    let from = |m: &Migration| at(&m.from.role).or_else(|| at(Role::Source.name()).filter(|_| m.from.role.is_empty()));
    let to = |m: &Migration| at(&m.to.role).or_else(|| at(Role::Destination.name()).filter(|_| m.to.role.is_empty()));
    let done: Vec<&Migration> = migrations.iter().filter(|m| m.moved()).collect();
    let Some(first) = done.first() else {
        // It stayed where it was: on the node that a migration would have left, if one was tried.
        return match migrations.first().and_then(from) {
            Some(point) => Stays::always(point),
            None => Stays::unknown(),
        };
    };
    let moves: Vec<(Timestamp, Option<Timestamp>, Option<usize>)> = done
        .iter()
        .filter_map(|m| {
            // Where the stream was not captured, the client's silence contains the pause.
            let (vm, network) = (&m.downtime.vm, &m.downtime.network);
            let stopped = vm.start.map(|s| s.estimate).or(m.end).or(network.start.map(|s| s.lower))?;
            let resumed = vm.end.map(|e| e.estimate).or(m.end).or(network.end.map(|e| e.upper));
            Some((stopped, resumed, to(m)))
        })
        .collect();
    if moves.is_empty() { Stays::unknown() } else { Stays::moved(from(first), &moves) }
}

/// Puts one-way delay, its jitter and matched loss into the rows between the client and the VM, where they can be known.
pub(super) fn fill(
    rows: &mut [Qos],
    points: &[Known],
    vm: &Vm,
    migrations: &[Migration],
    phases: &Phases,
    joined: &Joined,
    meter: &PathMeter,
) {
    let Some(client) = points.iter().position(|p| p.role == Role::Client) else { return };
    let stays = stays(points, migrations);
    let figures = Figures::new(meter, joined, &stays);
    let known = &points[client];
    let names: HashMap<ChannelKey, &String> =
        known.result.counts.meter.channels.iter().zip(&known.services).map(|(c, name)| (c.key, name)).collect();
    let service = |ends: &Ends| {
        let (client, server) = if ends.from == Side::Client { (ends.src, ends.dst) } else { (ends.dst, ends.src) };
        let key = ChannelKey { proto: ends.proto, client, server, port: ends.port };
        names.get(&key).map_or_else(|| services::name_by_port(ends.proto, ends.port), |n| (*n).clone())
    };
    for row in rows {
        let Some(phase) = Phase::ALL.into_iter().find(|p| p.name() == row.phase) else { continue };
        let (from, to) = match (row.from.as_str(), row.to.as_str()) {
            ("client", "vm") => (End::Point(client), End::Vm),
            ("vm", "client") => (End::Vm, End::Point(client)),
            _ => continue,
        };
        let wanted = |ends: &Ends| {
            let vm_end = if to == End::Vm { ends.dst } else { ends.src };
            vm.ips.contains(&vm_end) && (row.service == "all" || service(ends) == row.service)
        };
        let within = |t: Timestamp| phases.within(phase, t);
        let loss = figures.loss(from, to, wanted, within);
        if loss.percent.is_some() {
            row.loss = loss;
        } else if row.loss.percent.is_none() && row.packets > 0 {
            row.loss.why = loss.why;
        }
        let delay = figures.delay(from, to, wanted, within);
        if delay.mean_ms.is_some() {
            row.delay = delay;
        } else if row.delay.mean_ms.is_some() {
            row.delay.why = delay.why.map(|why| format!("round trip in place of the one-way delay: {why}"));
        } else if row.packets > 0 {
            // Neither: what keeps the one-way delay back is the reason, not that nobody answered.
            row.delay.why = delay.why.map(|why| format!("no round trip was completed in this phase, and {why}"));
        }
        let jitter = figures.jitter(from, to, wanted, within);
        if jitter.mean_ms.is_some() {
            row.jitter = jitter;
        }
    }
}
