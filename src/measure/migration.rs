//! Puts together what several capture points saw of one migration.
//!
//! Figures of the stream's content come from the point that could read most of it; moments of what the source sends from the source's
//! point, of what the destination receives from the destination's, as far as there are such points. Nothing is added up over points.

mod figures;
mod groups;
mod passes;
mod phases;
mod repeats;
mod times;

use crate::app::migration::{Observed, Outcome};
use crate::base::clock::ClockMap;
use crate::base::net::Endpoint;
use crate::base::role::Role;
use crate::model;

pub use groups::{Span, groups, span};

/// What one capture point brings.
#[derive(Clone, Copy)]
pub struct PointMigrations<'a> {
    /// Role.
    pub role: Role,
    /// From its clock to the reference clock.
    pub clock: &'a ClockMap,
    /// Migrations that it saw.
    pub observed: &'a [Observed],
}

/// One migration at one point.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Role of the point.
    pub role: Role,
    /// From its clock to the reference clock.
    pub clock: &'a ClockMap,
    /// What it saw.
    pub observed: &'a Observed,
}

/// Which point stands at which node, told by the first migration: the roles are those of its ends.
#[derive(Clone, Copy)]
pub struct Nodes {
    source: Option<Endpoint>,
    destination: Option<Endpoint>,
    has_source: bool,
    has_destination: bool,
}

impl Nodes {
    /// From the first migration and the roles of all points.
    pub fn new(first: Option<&Observed>, roles: impl IntoIterator<Item = Role>) -> Self {
        let (mut has_source, mut has_destination) = (false, false);
        for role in roles {
            has_source |= role == Role::Source;
            has_destination |= role == Role::Destination;
        }
        Self { source: first.map(|o| o.source), destination: first.map(|o| o.destination), has_source, has_destination }
    }

    fn node(&self, end: Endpoint) -> model::Node {
        let is = |known: Option<Endpoint>| known.is_some_and(|k| k.ip == end.ip);
        let role = if is(self.source) && self.has_source {
            Role::Source.name()
        } else if is(self.destination) && self.has_destination {
            Role::Destination.name()
        } else {
            ""
        };
        model::Node { address: Some(end.to_string()), role: role.to_owned() }
    }
}

const NOT_CAPTURED: &str = "no migration stream was captured";

/// Describes one migration; its downtime is left to [`super::downtime`].
pub fn describe(id: u32, views: &[View<'_>], nodes: &Nodes) -> model::Migration {
    let Some(best) = best(views) else { return model::Migration { id, ..model::Migration::default() } };
    let sent = of_source(views).unwrap_or(best);
    let told = views.iter().min_by_key(|v| v.observed.outcome).unwrap_or(&best);
    let mut transport: Vec<&str> = Vec::new();
    for name in views.iter().flat_map(|v| &v.observed.transport) {
        if !transport.contains(name) {
            transport.push(name);
        }
    }
    let times = times::times(&sent);
    let why = best.observed.damage().or_else(|| best.observed.unreadable());
    model::Migration {
        id,
        hypervisor: best.observed.hypervisor.to_owned(),
        mode: views.iter().find_map(|v| v.observed.postcopy()).map(|post| if post { "postcopy" } else { "precopy" }.to_owned()),
        transport: transport.into_iter().map(str::to_owned).collect(),
        outcome: told.observed.outcome.name().to_owned(),
        outcome_why: Some(told.observed.outcome_why.clone()).filter(|w| !w.is_empty()),
        detected_by: best.observed.detected_by.to_owned(),
        from: nodes.node(best.observed.source),
        to: nodes.node(best.observed.destination),
        start: times.start,
        end: times.end,
        total_ms: times.total,
        setup_ms: times.setup,
        machine: views.iter().flat_map(|v| &v.observed.channels).find_map(|c| c.report.machine.clone()),
        bytes: figures::bytes(views, &best, &sent),
        pages: figures::pages(&best),
        passes: passes::passes(&best),
        phases: phases::phases(views, &sent),
        decoded: why.is_none(),
        why_not_decoded: why.map(str::to_owned),
        ..model::Migration::default()
    }
}

/// A migration of which only the VM's announcement was captured.
pub fn announced(id: u32, downtime: model::Downtime) -> model::Migration {
    let why = "no migration stream was captured: that the VM moved is told from its announcement (RARP)";
    model::Migration {
        id,
        hypervisor: "unknown".to_owned(),
        outcome: Outcome::Incomplete.name().to_owned(),
        outcome_why: Some(why.to_owned()),
        detected_by: model::Migration::ANNOUNCED.to_owned(),
        bytes: model::MigrationBytes { why: Some(NOT_CAPTURED.to_owned()), ..Default::default() },
        pages: model::Pages { why: Some(NOT_CAPTURED.to_owned()), ..Default::default() },
        decoded: false,
        why_not_decoded: Some(NOT_CAPTURED.to_owned()),
        downtime,
        ..model::Migration::default()
    }
}

/// The view that could read most of the stream.
fn best<'a>(views: &[View<'a>]) -> Option<View<'a>> {
    let key = |v: &View<'_>| {
        let o = v.observed;
        let unread: u64 = o.channels.iter().map(|c| c.report.damage.cut + c.report.damage.lost + c.report.damage.limit).sum();
        (o.unreadable().is_some(), o.damage().is_some(), unread, v.role != Role::Source)
    };
    views.iter().copied().min_by_key(key)
}

/// The view from the node that sends; what the role of a point says holds for the first migration, so the link's direction counts in
/// others: without it, any view.
fn of_source<'a>(views: &[View<'a>]) -> Option<View<'a>> {
    views.iter().copied().find(|v| v.role == Role::Source)
}

#[cfg(test)]
mod tests;
