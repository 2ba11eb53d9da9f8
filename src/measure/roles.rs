//! Which point is which: told from what it saw.
//!
//! The node that sends the migration stream is the source, the one that receives it the destination. Both see the same packets, so their
//! contents say nothing; told apart, in this order, by what the link layer says of the stream's direction, by where the VM's frames
//! are before and after the switch-over, and by the time from data to its acknowledgment (a round trip at the sender, a moment at the
//! receiver). A point without the stream that saw the VM's traffic is a client; one with storage or control traffic only is
//! that. A capture that holds everything has no role.

use std::net::IpAddr;

use super::meter::Meter;
use super::pace::Pace;
use super::presence::Presence;
use crate::app::migration::Observed;
use crate::app::services::{Class, class_of};
use crate::base::net::Mac;
use crate::base::role::Role;

/// What one capture point brings.
pub struct RoleView<'a> {
    /// Role as given; [`Role::Unknown`] if none was.
    pub given: Role,
    /// Who was seen sending.
    pub presence: &'a Presence,
    /// Channels.
    pub meter: &'a Meter,
    /// Name of the service of each channel.
    pub services: &'a [String],
    /// Pace of the migration's connections.
    pub pace: &'a Pace,
    /// Migrations that the point saw.
    pub migrations: &'a [Observed],
}

/// A role and how it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inferred {
    /// The role.
    pub role: Role,
    /// It was given.
    pub given: bool,
    /// How it was told, or why not.
    pub why: Option<&'static str>,
}

/// Roles of all points of a run. `macs` and `ips` are the VM's, as far as they are known.
pub fn infer_roles(points: &[RoleView<'_>], macs: &[Mac], ips: &[IpAddr]) -> Vec<Inferred> {
    let mut roles: Vec<Inferred> = points.iter().map(|p| Inferred { role: p.given, given: p.given != Role::Unknown, why: None }).collect();
    nodes(points, macs, &mut roles);
    for (i, p) in points.iter().enumerate().filter(|(_, p)| p.migrations.is_empty()) {
        if roles[i].role == Role::Unknown {
            (roles[i].role, roles[i].why) = without_stream(p, ips);
        }
    }
    roles
}

/// Which way the stream went at a point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Out,
    In,
}

fn nodes(points: &[RoleView<'_>], macs: &[Mac], roles: &mut [Inferred]) {
    let open: Vec<usize> = (0..points.len()).filter(|i| roles[*i].role == Role::Unknown && !points[*i].migrations.is_empty()).collect();
    let taken = |roles: &[Inferred], role: Role| roles.iter().any(|r| r.role == role);
    for &i in &open {
        let told = by_direction(&points[i])
            .map(|w| (w, "the direction of the stream on the link"))
            .or_else(|| by_vm(&points[i], macs).map(|w| (w, "where the VM's frames were before and after the switch-over")));
        if let Some((way, why)) = told {
            let role = if way == Way::Out { Role::Source } else { Role::Destination };
            if !taken(roles, role) {
                roles[i] = Inferred { role, given: false, why: Some(why) };
            }
        }
    }
    let mut left: Vec<usize> = open.into_iter().filter(|i| roles[*i].role == Role::Unknown).collect();
    if let [one] = left[..] {
        let others = (taken(roles, Role::Source), taken(roles, Role::Destination));
        let role = match others {
            (true, false) => Role::Destination,
            (false, true) => Role::Source,
            _ => Role::Unknown,
        };
        let why = if role == Role::Unknown {
            "nothing says at which end of the stream it was taken"
        } else {
            "the other end of the stream is known"
        };
        roles[one] = Inferred { role, given: false, why: Some(why) };
    } else if left.len() == 2 && !taken(roles, Role::Source) && !taken(roles, Role::Destination) {
        let answers: Vec<Option<i64>> = left.iter().map(|i| answer(&points[*i])).collect();
        if let (Some(a), Some(b)) = (answers[0], answers[1])
            && a != b
        {
            if a < b {
                left.reverse();
            }
            let why = Some("acknowledgments take longer where the stream is sent");
            roles[left[0]] = Inferred { role: Role::Source, given: false, why };
            roles[left[1]] = Inferred { role: Role::Destination, given: false, why };
        }
    }
}

/// SLL and SLL2 say whether a frame was sent by the host or came to it.
fn by_direction(point: &RoleView<'_>) -> Option<Way> {
    let (mut out, mut inward) = (0, 0);
    for channel in point.migrations.first()?.channels.iter() {
        if let Some(paced) = point.pace.of(channel.flow) {
            let lane = &paced.lanes[channel.report.sender.index()];
            out += lane.outgoing;
            inward += lane.incoming;
        }
    }
    // A capture that holds both ends sees as many of each.
    if out > inward.saturating_mul(4) {
        Some(Way::Out)
    } else if inward > out.saturating_mul(4) {
        Some(Way::In)
    } else {
        None
    }
}

/// Unicast frames of the VM: before the switch-over they are at the source, after it at the destination.
fn by_vm(point: &RoleView<'_>, macs: &[Mac]) -> Option<Way> {
    let line = &point.migrations.first()?.timeline;
    let before = line.switchover_first.or(line.last_byte)?.earliest.at;
    let after = line.last_byte?.latest.at;
    let unicast: Vec<_> = point.presence.senders().iter().filter(|s| !s.group && macs.contains(&s.mac)).collect();
    let was = unicast.iter().any(|s| s.first.at < before);
    let is = unicast.iter().any(|s| s.last.at > after);
    match (was, is) {
        (true, false) => Some(Way::Out),
        (false, true) => Some(Way::In),
        _ => None,
    }
}

/// Median time from the last data to the acknowledgment of all of it.
fn answer(point: &RoleView<'_>) -> Option<i64> {
    let channel = point.migrations.first()?.channels.first()?;
    point.pace.of(channel.flow)?.lanes[channel.report.sender.index()].answers.quantile(0.5)
}

fn without_stream(point: &RoleView<'_>, ips: &[IpAddr]) -> (Role, Option<&'static str>) {
    let channels = || point.meter.channels.iter().enumerate().filter(|(_, c)| c.key.proto != 0);
    let packets = |i: usize| point.meter.channels[i].lanes.iter().map(|l| u64::from(l.windows.sum(|_| true).packets)).sum::<u64>();
    if channels().any(|(_, c)| ips.contains(&c.key.server) || ips.contains(&c.key.client)) {
        return (Role::Client, Some("it saw the VM's traffic and no migration stream"));
    }
    let of_class = |class: Class| {
        channels().filter(|(i, _)| point.services.get(*i).is_some_and(|s| class_of(s) == class)).map(|(i, _)| packets(i)).sum::<u64>()
    };
    let (storage, control) = (of_class(Class::Storage), of_class(Class::Control));
    match (storage, control) {
        (0, 0) => (Role::Unknown, Some("it saw neither a migration stream nor the VM's traffic")),
        (s, c) if s >= c => (Role::Storage, Some("it saw storage traffic")),
        _ => (Role::Controller, Some("it saw the traffic of control services")),
    }
}

#[cfg(test)]
mod tests;
