//! The migrations of a run: what several points saw of the same stream, put together, with their downtime.

use super::Known;
use crate::app::migration::Observed;
use crate::app::services;
use crate::base::role::Role;
use crate::base::time::Timestamp;
use crate::measure::downtime::{self, Inputs, PointView};
use crate::measure::meter::ChannelKey;
use crate::measure::migration::{self, Nodes, PointMigrations, View};
use crate::model::{Downtime, Migration, Vm};

/// One migration and which of each point's observations is of it.
struct Group<'a> {
    seen: Vec<Option<&'a Observed>>,
    span: Option<(Timestamp, Timestamp)>,
}

impl<'a> Group<'a> {
    fn views(&self, points: &'a [Known]) -> Vec<View<'a>> {
        points.iter().zip(&self.seen).filter_map(|(p, o)| Some(View { role: p.role, clock: &p.clock, observed: (*o)? })).collect()
    }

    /// True if it went the way of the first migration back: the points' roles are those of the first.
    fn is_home(&self, all: &[Group<'_>]) -> bool {
        let ends = |g: &Group<'_>| g.seen.iter().flatten().next().map(|o| (o.source.ip, o.destination.ip));
        match (all.first().and_then(ends), ends(self)) {
            (Some((from, to)), Some(here)) => from != to && here == (to, from),
            _ => false,
        }
    }
}

fn groups(points: &[Known]) -> Vec<Group<'_>> {
    let all: Vec<PointMigrations<'_>> =
        points.iter().map(|p| PointMigrations { role: p.role, clock: &p.clock, observed: &p.migrations }).collect();
    migration::groups(&all)
        .into_iter()
        .map(|seen| {
            let spans = points.iter().zip(&seen).filter_map(|(p, o)| migration::span((*o)?, &p.clock));
            let span = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
            Group { seen, span }
        })
        .collect()
}

/// All migrations, in the order of their starts; where there is none, what the client saw anyway.
pub(super) fn assemble(points: &[Known], vm: &Vm) -> (Vec<Migration>, Option<Downtime>) {
    let groups = groups(points);
    if groups.is_empty() {
        return without_stream(points, vm);
    }
    let nodes = Nodes::new(groups.first().and_then(|g| g.seen.iter().flatten().next()).copied(), points.iter().map(|p| p.role));
    let service = |key: &ChannelKey| service(points, key);
    let migrations = groups
        .iter()
        .enumerate()
        .map(|(i, group)| {
            let outcome = group.seen.iter().flatten().map(|o| o.outcome).min();
            let views: Vec<PointView<'_>> =
                points.iter().zip(&group.seen).filter_map(|(p, seen)| point_view(p, *seen, group.is_home(&groups))).collect();
            let inputs = Inputs {
                points: &views,
                macs: &vm.macs,
                ips: &vm.ips,
                outcome,
                after: i.checked_sub(1).and_then(|b| groups[b].span).map(|s| s.1),
                before: groups.get(i + 1).and_then(|g| g.span).map(|s| s.0),
                span: group.span,
                service: &service,
                port_bindings: &[],
            };
            let mut migration = migration::describe(i as u32 + 1, &group.views(points), &nodes);
            migration.downtime = downtime::assemble(&inputs);
            migration
        })
        .collect();
    (migrations, None)
}

fn service(points: &[Known], key: &ChannelKey) -> String {
    let named = points.iter().find_map(|p| {
        let index = p.result.counts.meter.channels.iter().position(|c| c.key == *key)?;
        p.services.get(index).cloned()
    });
    named.unwrap_or_else(|| services::name_by_port(key.proto, key.port))
}

/// A run of which no migration stream was captured: the client alone, or a migration network of its own. Where the VM announced itself, it
/// moved; where it did not, its longest silence is told without saying what it came from.
fn without_stream(points: &[Known], vm: &Vm) -> (Vec<Migration>, Option<Downtime>) {
    let service = |key: &ChannelKey| service(points, key);
    let views: Vec<PointView<'_>> = points.iter().filter_map(|p| point_view(p, None, false)).collect();
    let downtime = |after, before| {
        downtime::assemble(&Inputs {
            points: &views,
            macs: &vm.macs,
            ips: &vm.ips,
            outcome: None,
            after,
            before,
            span: None,
            service: &service,
            port_bindings: &[],
        })
    };
    let announced = downtime::announced(&views, &vm.macs);
    if announced.is_empty() {
        return (Vec::new(), (!views.is_empty()).then(|| downtime(None, None)));
    }
    let one = |i: usize| {
        let after = i.checked_sub(1).map(|before| announced[before].1);
        let before = announced.get(i + 1).map(|next| next.0);
        migration::announced(i as u32 + 1, downtime(after, before))
    };
    ((0..announced.len()).map(one).collect(), None)
}

fn point_view<'a>(point: &'a Known, seen: Option<&'a Observed>, home: bool) -> Option<PointView<'a>> {
    let state = &point.result.state;
    let role = match point.role {
        Role::Source if home => Role::Destination,
        Role::Destination if home => Role::Source,
        role => role,
    };
    Some(PointView {
        role,
        name: point.role,
        clock: &point.clock,
        files: &point.paths,
        first: point.result.sighted.first?,
        last: point.result.sighted.last?,
        presence: &point.result.sighted.presence,
        meter: &point.result.counts.meter,
        services: &point.result.counts.services,
        pace: &state.pace,
        migration: seen,
        finish_call: None,
        finish_reply: None,
    })
}

/// From a migration's start until it has ended and the VM runs again: the phase "during".
pub(super) fn span(migration: &Migration) -> Option<(Timestamp, Timestamp)> {
    let resumed = migration.downtime.vm.end.map(|e| e.estimate);
    Some((migration.start?, migration.end?.max(resumed.unwrap_or(Timestamp::MIN))))
}
