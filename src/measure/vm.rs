//! Which addresses are the virtual machine's.
//!
//! The surest sign is the announcement at the end of a migration: QEMU sends RARP with the guest's MAC address when the guest resumes, and the
//! guest itself gratuitous ARP. Who announces itself after the switch-over and had been seen before it is the VM; its IP addresses are those
//! that its frames carry. Without an announcement the VM is told only where nothing else can be meant: the one server that the
//! node's and the client's captures have in common, or the one server that the client talks to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::meter::Meter;
use super::presence::announce::Kind;
use super::presence::{Presence, Sender};
use crate::app::migration::{Observed, Outcome};
use crate::base::clock::ClockMap;
use crate::base::net::Mac;
use crate::base::role::Role;
use crate::base::time::{NS_PER_S, Nanos, Timestamp};
use crate::model;

/// QEMU's announcements are over 0.8 s after the resume; a manager may hold the guest back, and repeat them for seconds.
const ANNOUNCED_WITHIN: Nanos = Nanos(30 * NS_PER_S);
/// A clock that is off by more than the schedule shifts the search; start a little early.
const EARLY: Nanos = Nanos(NS_PER_S / 2);

/// What one capture point brings.
pub struct VmView<'a> {
    /// Role, if known.
    pub role: Role,
    /// From its clock to the reference clock.
    pub clock: &'a ClockMap,
    /// Who was seen sending.
    pub presence: &'a Presence,
    /// Channels.
    pub meter: &'a Meter,
    /// Migrations that the point saw.
    pub migrations: &'a [Observed],
}

/// The VM of a run: given, or inferred as far as the captures allow; `why` says how, or why not.
pub fn infer(points: &[VmView<'_>], given_macs: &[Mac], given_ips: &[IpAddr]) -> model::Vm {
    let given = !given_macs.is_empty() || !given_ips.is_empty();
    let (mut macs, mut ips) = (given_macs.to_vec(), given_ips.to_vec());
    let mut why = None;
    if macs.is_empty() && !ips.is_empty() {
        macs = macs_of(points, &ips);
    }
    if !given {
        macs = announced(points);
        why = (!macs.is_empty()).then(|| "announced itself at the end of the migration".to_owned());
    }
    if ips.is_empty() && !macs.is_empty() {
        ips = ips_of(points, &macs);
    }
    if !given && ips.iter().all(|ip| is_link_local(*ip)) {
        match served(points) {
            Ok((ip, how)) => {
                ips.insert(0, ip);
                if macs.is_empty() {
                    macs = macs_of(points, &ips);
                }
                why = Some(why.map_or_else(|| how.to_owned(), |w| format!("{w}; its IP address: {how}")));
            }
            Err(not) => why = Some(why.map_or_else(|| not.clone(), |w| format!("{w}; its IP address is not known: {not}"))),
        }
    }
    model::Vm { macs, ips, source: if given { "given" } else { "inferred" }.to_owned(), why }
}

/// MAC addresses that announced themselves after the switch-over of a completed migration and were seen before it.
fn announced(points: &[VmView<'_>]) -> Vec<Mac> {
    let mut windows = Vec::new();
    for p in points {
        for m in p.migrations.iter().filter(|m| matches!(m.outcome, Outcome::Completed | Outcome::Incomplete)) {
            let line = &m.timeline;
            let begin = line.switchover_first.or(line.last_part).or(line.last_byte).map(|m| m.earliest.at);
            if let Some(begin) = begin {
                let begin = p.clock.to_reference(begin);
                windows.push((begin - EARLY, begin + ANNOUNCED_WITHIN));
            }
        }
    }
    let anywhere = windows.is_empty();
    let within = |t: Timestamp| anywhere || windows.iter().any(|w| w.0 <= t && t <= w.1);
    // Kinds by weight: RARP comes from QEMU alone, gratuitous ARP from routers as well.
    let mut found: BTreeMap<Mac, Found> = BTreeMap::new();
    for p in points {
        for a in p.presence.announcements().iter() {
            let at = p.clock.to_reference(a.when.at);
            if !within(at) {
                continue;
            }
            let entry = found.entry(a.mac).or_insert(Found { first: at, rarp: false });
            entry.first = entry.first.min(at);
            entry.rarp |= a.kind == Kind::Rarp;
        }
    }
    let before = |mac: Mac, at: Timestamp| points.iter().any(|p| p.presence.of(mac).any(|s| p.clock.to_reference(s.first.at) < at - EARLY));
    let pick = |test: &dyn Fn(Mac, &Found) -> bool| -> Vec<Mac> { found.iter().filter(|(m, f)| test(**m, f)).map(|(m, _)| *m).collect() };
    let known = pick(&|m, f| f.rarp && before(m, f.first));
    if !known.is_empty() {
        return known;
    }
    let rarp = pick(&|_, f| f.rarp);
    if !rarp.is_empty() || anywhere {
        return rarp;
    }
    // Gratuitous ARP alone: only if one host did it, and it is no router.
    let quiet = pick(&|m, f| before(m, f.first) && !points.iter().any(|p| p.presence.of(m).any(is_router)));
    if quiet.len() == 1 { quiet } else { Vec::new() }
}

/// An announcing MAC address: its first announcement, and whether there was RARP among them.
struct Found {
    first: Timestamp,
    rarp: bool,
}

/// Sends for more hosts than have room: what it carries is not its own.
fn is_router(sender: &Sender) -> bool {
    sender.addresses.more
}

/// The addresses that these MAC addresses use: claimed by ARP, else the source addresses of their packets.
fn ips_of(points: &[VmView<'_>], macs: &[Mac]) -> Vec<IpAddr> {
    let mut claimed: BTreeMap<IpAddr, u64> = BTreeMap::new();
    let mut used: BTreeMap<IpAddr, u64> = BTreeMap::new();
    for p in points {
        for s in p.presence.senders().iter().filter(|s| macs.contains(&s.mac)) {
            s.claimed.iter().for_each(|ip| *claimed.entry(ip).or_default() += 1);
            if !is_router(s) {
                s.addresses.iter().for_each(|ip| *used.entry(ip).or_default() += s.count);
            }
        }
    }
    let mut ips: Vec<IpAddr> = claimed.keys().copied().collect();
    for ip in used.into_keys().filter(|ip| !is_unspecified_or_group(*ip)) {
        // Addresses that are only routed by the VM belong to others; one that speaks IPv6 itself has its own.
        if !ips.contains(&ip) && (ips.is_empty() || ip.is_ipv6() || claimed.is_empty()) {
            ips.push(ip);
        }
    }
    ips.sort_by_key(|ip| (is_link_local(*ip), *ip));
    ips
}

fn is_unspecified_or_group(ip: IpAddr) -> bool {
    ip.is_unspecified() || ip.is_multicast()
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The MAC addresses that use these IP addresses: by their claims, else as the only user of the address that is no router.
fn macs_of(points: &[VmView<'_>], ips: &[IpAddr]) -> Vec<Mac> {
    let with = |test: &dyn Fn(&Sender) -> bool| {
        let mut macs: Vec<Mac> = points.iter().flat_map(|p| p.presence.senders()).filter(|s| test(s)).map(|s| s.mac).collect();
        macs.sort_unstable();
        macs.dedup();
        macs
    };
    let claimed = with(&|s| s.claimed.iter().any(|ip| ips.contains(&ip)));
    if !claimed.is_empty() {
        return claimed;
    }
    let used = with(&|s| {
        !is_router(s)
            && s.addresses.iter().all(|ip| ips.contains(&ip) || is_link_local(ip))
            && s.addresses.iter().any(|ip| ips.contains(&ip))
    });
    if used.len() == 1 { used } else { Vec::new() }
}

/// The server that must be the VM because nothing else can be meant.
fn served(points: &[VmView<'_>]) -> Result<(IpAddr, &'static str), String> {
    let mut nodes: Vec<IpAddr> = Vec::new();
    for m in points.iter().flat_map(|p| p.migrations) {
        nodes.extend([m.source.ip, m.destination.ip]);
    }
    let servers = |p: &VmView<'_>| {
        let mut found: BTreeMap<IpAddr, u64> = BTreeMap::new();
        for c in p.meter.channels.iter().filter(|c| c.key.proto != 0) {
            let dns = matches!(c.key.port, 53 | 67 | 123 | 546 | 547 | 5353);
            let packets = c.lanes.each_ref().map(|l| u64::from(l.windows.sum(|_| true).packets));
            let answered = packets.iter().all(|n| *n > 0);
            if answered
                && !dns
                && !nodes.contains(&c.key.server)
                && !nodes.contains(&c.key.client)
                && !is_unspecified_or_group(c.key.server)
            {
                *found.entry(c.key.server).or_default() += packets.iter().sum::<u64>();
            }
        }
        found
    };
    let client: Vec<&VmView<'_>> = points.iter().filter(|p| p.role == Role::Client).collect();
    let node: Vec<&VmView<'_>> = points.iter().filter(|p| matches!(p.role, Role::Source | Role::Destination)).collect();
    if let (Some(client), false) = (client.first(), node.is_empty()) {
        let at_client = servers(client);
        let mut common: Vec<IpAddr> = Vec::new();
        for p in &node {
            common.extend(servers(p).into_keys().filter(|ip| at_client.contains_key(ip)));
        }
        common.sort_unstable();
        common.dedup();
        if let [ip] = common[..] {
            return Ok((ip, "the one server that the captures of a node and of the client have in common"));
        }
    }
    let view = client.first().copied().or(points.first()).ok_or("no capture")?;
    let all = servers(view);
    let mut by_packets: Vec<(IpAddr, u64)> = all.into_iter().collect();
    by_packets.sort_by_key(|(ip, n)| (std::cmp::Reverse(*n), *ip));
    match by_packets[..] {
        [] => Err("no announcement of a VM and no server was captured".to_owned()),
        [(ip, _)] => Ok((ip, "the one server that was talked to")),
        [(first, _), (second, _), ..] => Err(format!(
            "no announcement of a VM was captured, and several servers could be it ({first}, {second}{}): name it in run.toml ([vm] ip)",
            if by_packets.len() > 2 { ", …" } else { "" }
        )),
    }
}

#[cfg(test)]
mod tests;
