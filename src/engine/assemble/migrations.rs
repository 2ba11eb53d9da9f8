//! The migrations of a run: what several points saw of the same stream, put together, with their downtime.

use super::Known;
use crate::app::migration::{Observed, Outcome};
use crate::app::services;
use crate::base::net::Endpoint;
use crate::base::time::Timestamp;
use crate::measure::downtime::{self, Inputs, PointView};
use crate::measure::meter::ChannelKey;
use crate::model::{Migration, Vm};

/// One migration and which of each point's observations is of it.
struct Group<'a> {
    seen: Vec<Option<&'a Observed>>,
    span: Option<(Timestamp, Timestamp)>,
}

/// Observations of one migration have the same ends; the same ends again later are another migration.
fn groups(points: &[Known]) -> Vec<Group<'_>> {
    let mut groups: Vec<((Endpoint, Endpoint), Group<'_>)> = Vec::new();
    for (at, point) in points.iter().enumerate() {
        for observed in &point.migrations {
            let ends = (observed.source, observed.destination);
            match groups.iter_mut().find(|g| g.0 == ends && g.1.seen[at].is_none()) {
                Some(group) => group.1.seen[at] = Some(observed),
                None => {
                    let mut seen = vec![None; points.len()];
                    seen[at] = Some(observed);
                    groups.push((ends, Group { seen, span: None }));
                }
            }
        }
    }
    let mut groups: Vec<Group<'_>> = groups.into_iter().map(|g| g.1).collect();
    for group in &mut groups {
        group.span = span_of(points, group);
    }
    groups.sort_by_key(|g| g.span.map(|s| s.0));
    groups
}

fn span_of(points: &[Known], group: &Group<'_>) -> Option<(Timestamp, Timestamp)> {
    let moments = group.seen.iter().zip(points).filter_map(|(seen, point)| Some((seen.as_ref()?, point))).flat_map(|(seen, point)| {
        let t = &seen.timeline;
        let marks = [t.first_byte, t.last_byte, t.eof, t.vmdesc_end];
        let moments = [t.syn, t.shut, t.fin, t.rst];
        marks.into_iter().flatten().map(|m| m.at).chain(moments.into_iter().flatten()).map(|m| point.clock.to_reference(m.at)).collect::<Vec<_>>()
    });
    moments.fold(None, |span: Option<(Timestamp, Timestamp)>, t| Some(span.map_or((t, t), |(a, b)| (a.min(t), b.max(t)))))
}

/// All migrations, in the order of their starts.
pub(super) fn assemble(points: &[Known], vm: &Vm) -> Vec<Migration> {
    let groups = groups(points);
    let service = |key: &ChannelKey| {
        let named = points.iter().find_map(|p| {
            let index = p.result.state.meter.channels.iter().position(|c| c.key == *key)?;
            p.services.get(index).cloned()
        });
        named.unwrap_or_else(|| services::name_by_port(key.proto, key.port))
    };
    groups
        .iter()
        .enumerate()
        .map(|(i, group)| {
            let outcome = group.seen.iter().flatten().map(|o| o.outcome).min();
            let views: Vec<PointView<'_>> = points.iter().zip(&group.seen).filter_map(|(p, seen)| point_view(p, *seen)).collect();
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
            let mut migration = describe(i as u32 + 1, group, outcome);
            migration.downtime = downtime::assemble(&inputs);
            migration
        })
        .collect()
}

fn point_view<'a>(point: &'a Known, seen: Option<&'a Observed>) -> Option<PointView<'a>> {
    let state = &point.result.state;
    Some(PointView {
        role: point.role,
        clock: &point.clock,
        files: &point.paths,
        first: state.first?,
        last: state.last?,
        presence: &state.presence,
        meter: &state.meter,
        services: &state.services,
        pace: &state.pace,
        migration: seen,
        finish_call: None,
        finish_reply: None,
    })
}

fn describe(id: u32, group: &Group<'_>, outcome: Option<Outcome>) -> Migration {
    let first = group.seen.iter().flatten().next();
    Migration {
        id,
        hypervisor: first.map(|o| o.hypervisor.to_owned()).unwrap_or_default(),
        detected_by: first.map(|o| o.detected_by.to_owned()).unwrap_or_default(),
        outcome: match outcome {
            Some(Outcome::Completed) => "completed",
            Some(Outcome::Cancelled) => "cancelled",
            Some(Outcome::Failed) => "failed",
            Some(Outcome::Incomplete) | None => "incomplete",
        }
        .to_owned(),
        start: group.span.map(|s| s.0),
        end: group.span.map(|s| s.1),
        ..Migration::default()
    }
}

/// From a migration's start until it has ended and the VM runs again: the phase "during".
pub(super) fn span(migration: &Migration) -> Option<(Timestamp, Timestamp)> {
    let resumed = migration.downtime.vm.end.map(|e| e.estimate);
    Some((migration.start?, migration.end?.max(resumed.unwrap_or(Timestamp::MIN))))
}
