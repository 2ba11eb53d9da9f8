//! Shared storage: who read and wrote what at which daemon of Ceph, and how a disk passed from one node to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Known;
use crate::app::ceph::{CephReport, Transfer};
use crate::app::services;
use crate::base::net::Endpoint;
use crate::base::role::Role;
use crate::base::time::Timestamp;
use crate::engine::point::PointState;
use crate::flow::{FlowId, FlowKey, Moment};
use crate::model::{Migration, Storage, StorageHandover};

/// What a conversation was recognised as; of Ceph's daemons which one it is, if it said so.
pub(super) fn service(state: &PointState, id: FlowId, key: &FlowKey) -> Option<&'static str> {
    let protocol = state.dispatcher.protocol(id)?;
    if protocol != "ceph" {
        return Some(protocol);
    }
    let said = state.ledgers.ceph.iter().find(|c| c.0 == id).and_then(|c| c.2.server).map(|kind| kind.service());
    let by_port = || services::by_port(6, key.server.port).map(|k| k.name).filter(|name| name.starts_with("ceph"));
    Some(said.or_else(by_port).unwrap_or(protocol))
}

/// A row per client, daemon and version, from the point nearest to the client.
pub(super) fn clients(points: &[Known]) -> Vec<Storage> {
    let mut rows: BTreeMap<(IpAddr, Endpoint, u8), Storage> = BTreeMap::new();
    for point in nearest_first(points) {
        let mut mine: BTreeMap<(IpAddr, Endpoint, u8), Storage> = BTreeMap::new();
        for (id, key, report) in &point.result.state.ledgers.ceph {
            let row = mine.entry((key.client.ip, key.server, report.version)).or_insert_with(|| Storage {
                node: key.client.ip.to_string(),
                role: role_of(points, key.client.ip).map_or("", Role::name).to_owned(),
                server: key.server.to_string(),
                messenger: report.version,
                point: point.role.name().to_owned(),
                ..Storage::default()
            });
            if let Some(name) = service(&point.result.state, *id, key).filter(|name| row.service.is_empty() || *name != "ceph") {
                name.clone_into(&mut row.service);
            }
            add(row, point, report);
        }
        for (key, row) in mine {
            rows.entry(key).or_insert(row);
        }
    }
    rows.into_values().collect()
}

/// A client's own node sees all of its traffic; a storage node sees its own daemons'.
fn nearest_first(points: &[Known]) -> Vec<&Known> {
    let mut order: Vec<&Known> = points.iter().collect();
    order.sort_by_key(|p| match p.role {
        Role::Source | Role::Destination => 0,
        Role::Storage => 1,
        _ => 2,
    });
    order
}

fn add(row: &mut Storage, point: &Known, report: &CephReport) {
    let at = |m: &Moment| point.clock.to_reference(m.at);
    row.connections += 1;
    row.reconnects += u64::from(report.reconnect);
    row.secure |= report.secure;
    let earlier = |a: Option<Timestamp>, b: Option<Timestamp>| a.into_iter().chain(b).min();
    row.first = earlier(row.first, Some(at(&report.first)));
    row.last = row.last.max(Some(at(&report.last)));
    let why = if report.secure {
        Some("the connection is encrypted after the log-in (secure mode)")
    } else if report.picked_up {
        Some("a connection had begun before the capture: what was said before is not counted")
    } else if report.damaged {
        Some("heads of messages are missing from the capture: the sums are too small")
    } else {
        None
    };
    row.why = row.why.take().or(why.map(str::to_owned));
    if report.secure {
        return;
    }
    let sum = |total: &mut Option<u64>, more: u64| *total = Some(total.unwrap_or(0) + more);
    sum(&mut row.writes, report.written.operations);
    sum(&mut row.written_bytes, report.written.bytes);
    sum(&mut row.reads, report.read.operations);
    sum(&mut row.read_bytes, report.read.bytes);
    row.first_read = earlier(row.first_read, report.read.bursts.first().map(|b| at(&b.0)));
    row.last_write = row.last_write.max(report.written.bursts.last().map(|b| at(&b.1)));
}

/// The node that a client is: the one of the two whose capture alone has its connections.
fn role_of(points: &[Known], client: IpAddr) -> Option<Role> {
    let seen: BTreeSet<Role> =
        points.iter().filter(|p| p.result.state.ledgers.ceph.iter().any(|c| c.1.client.ip == client)).map(|p| p.role).collect();
    match (seen.contains(&Role::Source), seen.contains(&Role::Destination)) {
        (true, false) => Some(Role::Source),
        (false, true) => Some(Role::Destination),
        _ => None,
    }
}

/// When the source's client wrote for the last time, and when the destination's first read or wrote after that.
pub(super) fn handover(points: &[Known], migration: &Migration) -> Option<StorageHandover> {
    let (start, end) = (migration.start?, migration.end?);
    let back = migration.from.role == Role::Destination.name();
    let (from, to) = if back { (Role::Destination, Role::Source) } else { (Role::Source, Role::Destination) };
    let of = |role: Role| {
        points.iter().filter(move |p| p.role == role).flat_map(move |point| {
            let mine = point.result.state.ledgers.ceph.iter().filter(move |c| role_of(points, c.1.client.ip) == Some(role));
            mine.map(move |c| (point, &c.2))
        })
    };
    let bursts = |role: Role, which: fn(&CephReport) -> Vec<&Transfer>| -> Vec<(Timestamp, Timestamp)> {
        let all = of(role).flat_map(|(point, report)| {
            let at = |m: &Moment| point.clock.to_reference(m.at);
            which(report).into_iter().flat_map(|t| &t.bursts).map(|b| (at(&b.0), at(&b.1))).collect::<Vec<_>>()
        });
        all.collect()
    };
    if of(from).next().is_none() && of(to).next().is_none() {
        return None;
    }
    if !migration.moved() {
        return Some(StorageHandover { why: Some("the VM did not move".to_owned()), ..StorageHandover::default() });
    }
    let secure = of(from).chain(of(to)).any(|c| c.1.secure);
    // The stream ends before the destination's guest runs; whoever writes at the source later is another.
    let last_write = bursts(from, |r| vec![&r.written]).into_iter().filter(|b| b.0 <= end).map(|b| b.1.min(end)).max();
    let after = last_write.unwrap_or(start);
    let first_use = bursts(to, |r| vec![&r.read, &r.written]).into_iter().map(|b| b.0).filter(|t| *t >= after).min();
    let why = match (last_write, first_use) {
        _ if secure => Some("a connection is encrypted (secure mode)"),
        (None, _) => Some("no write of the source was seen before the stream ended"),
        (_, None) => Some("the destination was not seen to read or write after the source's last write"),
        _ => None,
    };
    Some(StorageHandover {
        last_write,
        first_use: first_use.filter(|_| last_write.is_some()),
        ms: last_write.zip(first_use).map(|(a, b)| (b - a).ms()),
        why: why.map(str::to_owned),
    })
}
