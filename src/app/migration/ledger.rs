//! Joins the connections that one capture point saw into migrations.
//!
//! A main channel makes a migration. To it belong, by the receiver's address and port and by time: multifd channels, the post-copy preempt
//! channel, a main channel that was opened again after a break; and by the two hosts and time: storage (NBD). Connections that only their
//! port gave away make a migration of their own if no main channel explains them.

use std::collections::BTreeMap;

use super::channel::{ChannelKind, ChannelReport};
use super::outcome::{self, Outcome};
use super::timeline::{Mark, Timeline};
use super::watch::Burst;
use super::{MigrationEvent, hypervisors};
use crate::app::nbd::NbdReport;
use crate::base::limits::MIGRATION_CHANNELS;
use crate::base::net::{Endpoint, Side};
use crate::base::time::{Nanos, Timestamp};
use crate::flow::{FlowId, FlowKey, Moment};

/// Channels of one migration are opened within this of its main channel's life: QEMU opens them before or after it, all in setup, or
/// at the start of post-copy.
const SLACK: Nanos = Nanos(10_000_000_000);

/// What the flow layer knows of one TCP connection; the ledger asks for all of them at the end.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionFacts {
    /// Its name in the point's table.
    pub flow: FlowId,
    /// Its ends.
    pub key: FlowKey,
    /// First SYN of the client; `None` if the connection was picked up in the middle.
    pub syn: Option<Moment>,
    /// First RST and who sent it.
    pub rst: Option<(Side, Moment)>,
    /// What each side did, by [`Side::index`].
    pub sides: [SideFacts; 2],
    /// What a parser recognised it as ([`crate::app::Protocol::name`]).
    pub protocol: Option<&'static str>,
}

/// What one side of a connection did.
#[derive(Clone, Copy, Debug, Default)]
pub struct SideFacts {
    /// First packet with payload.
    pub first_payload: Option<Moment>,
    /// Last packet with payload that was new.
    pub last_payload: Option<Moment>,
    /// First FIN.
    pub fin: Option<Moment>,
    /// Payload bytes, each once.
    pub payload: u64,
    /// Payload bytes sent again.
    pub retransmitted: u64,
    /// Bytes of frames on the wire.
    pub wire: u64,
    /// The newest bursts of payload, oldest first.
    pub bursts: [Option<Burst>; 4],
}

/// One connection of a migration.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its name in the point's table.
    pub flow: FlowId,
    /// Its ends.
    pub key: FlowKey,
    /// What the flow layer knows; `None` if the table had no room for it.
    pub facts: Option<ConnectionFacts>,
    /// What the parser says.
    pub report: ChannelReport,
}

impl Channel {
    /// When it began: its SYN, else its first byte.
    pub fn start(&self) -> Option<Moment> {
        self.facts.filter(|_| !self.report.tunnelled).and_then(|f| f.syn).or(self.report.timeline.first_byte.map(|m| m.at))
    }

    /// When the last was heard of it.
    pub fn end(&self) -> Option<Moment> {
        self.report.end.map(|e| e.1)
    }

    fn receiver(&self) -> Endpoint {
        self.key.end(self.report.sender.other())
    }

    fn sender(&self) -> Endpoint {
        self.key.end(self.report.sender)
    }
}

/// Storage copied beside a migration.
#[derive(Clone, Debug)]
pub struct Storage {
    /// Its name in the point's table.
    pub flow: FlowId,
    /// Its ends.
    pub key: FlowKey,
    /// What the flow layer knows.
    pub facts: Option<ConnectionFacts>,
    /// What the parser says.
    pub report: NbdReport,
}

/// A migration as one capture point saw it.
#[derive(Clone, Debug)]
pub struct Observed {
    /// `qemu`, `unknown`, or a name of the list of hypervisors.
    pub hypervisor: &'static str,
    /// `content` or `port`.
    pub detected_by: &'static str,
    /// Where the guest comes from: the address with the port of the main connection.
    pub source: Endpoint,
    /// Where it goes to.
    pub destination: Endpoint,
    /// Steps on the clock of the point.
    pub timeline: Timeline,
    /// How it ended.
    pub outcome: Outcome,
    /// How that was told.
    pub outcome_why: String,
    /// `tcp`, `tls`, `multifd`, `tunnelled`, `nbd`.
    pub transport: Vec<&'static str>,
    /// The main connection first.
    pub channels: Vec<Channel>,
    /// NBD connections between the same hosts.
    pub storage: Vec<Storage>,
}

impl Observed {
    /// Post-copy was entered, or not; `None` if it cannot be told.
    pub fn postcopy(&self) -> Option<bool> {
        let main = self.channels.iter().find(|c| c.report.kind == ChannelKind::Main)?;
        if self.channels.iter().any(|c| c.report.postcopy) {
            Some(true)
        } else if main.report.damage.none() || main.report.timeline.first_full.is_some() || !main.report.postcopy_advised {
            Some(false)
        } else {
            None
        }
    }

    /// True if `flow` belongs to it.
    pub fn has_flow(&self, flow: FlowId) -> bool {
        self.channels.iter().any(|c| c.flow == flow) || self.storage.iter().any(|s| s.flow == flow)
    }

    /// The stream came inside another protocol.
    pub fn tunnelled(&self) -> bool {
        self.channels.iter().any(|c| c.report.tunnelled)
    }

    /// Why its content cannot be read even where it was captured: `tls`, `unknown-format`, `main-connection-missing`.
    pub fn unreadable(&self) -> Option<&'static str> {
        let kinds = || self.channels.iter().map(|c| c.report.kind);
        if kinds().any(|k| matches!(k, ChannelKind::Main)) {
            None
        } else if kinds().any(|k| k == ChannelKind::Tls) {
            Some("tls")
        } else if kinds().any(|k| matches!(k, ChannelKind::Opaque(_))) {
            Some("unknown-format")
        } else {
            Some("main-connection-missing")
        }
    }

    /// What was missing, over all channels; the first reason counts.
    pub fn damage(&self) -> Option<&'static str> {
        self.channels.iter().find_map(|c| c.report.damage.why())
    }

    fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let start = self.channels.iter().filter_map(Channel::start).map(|m| m.at).min()?;
        let end = self.channels.iter().filter_map(Channel::end).map(|m| m.at).max()?;
        Some((start, end))
    }
}

/// Collects what the parsers of one capture point say of migrations.
#[derive(Debug, Default)]
pub struct MigrationLedger {
    closed: Vec<(FlowId, FlowKey, Box<ChannelReport>)>,
    storage: Vec<(FlowId, FlowKey, Box<NbdReport>)>,
    /// Reports dropped because [`MIGRATION_CHANNELS`] was reached.
    pub dropped: u64,
}

impl MigrationLedger {
    /// Takes one event of the parser of `flow`.
    pub fn event(&mut self, flow: FlowId, key: &FlowKey, event: MigrationEvent) {
        let room = self.closed.len() + self.storage.len() < MIGRATION_CHANNELS;
        match event {
            MigrationEvent::Passed(..) => {}
            MigrationEvent::Closed(report) if room => self.closed.push((flow, *key, report)),
            MigrationEvent::Storage(report) if room => self.storage.push((flow, *key, report)),
            MigrationEvent::Closed(_) | MigrationEvent::Storage(_) => self.dropped += 1,
        }
    }

    /// Joins everything into migrations, in the order of their beginnings. `facts` are those of all TCP connections of the point.
    pub fn finish(self, facts: impl IntoIterator<Item = ConnectionFacts>) -> Vec<Observed> {
        let facts: BTreeMap<FlowId, ConnectionFacts> = facts.into_iter().map(|f| (f.flow, f)).collect();
        let mut channels: Vec<Channel> = self
            .closed
            .into_iter()
            .map(|(flow, key, report)| Channel { flow, key, facts: facts.get(&flow).copied(), report: *report })
            .collect();
        let claimed: Vec<FlowId> = channels.iter().map(|c| c.flow).collect();
        let unclaimed = || facts.values().filter(|f| !claimed.contains(&f.flow));
        let bulk: Vec<Channel> = unclaimed().filter_map(hypervisors::by_port).take(MIGRATION_CHANNELS).collect();
        channels.extend(unclaimed().filter_map(|f| hypervisors::beside(f, &bulk)).take(MIGRATION_CHANNELS));
        channels.extend(bulk);
        channels.sort_by_key(|c| (rank(c.report.kind), c.start().map(|m| m.at), c.flow));
        let mut found: Vec<Observed> = Vec::new();
        for channel in channels {
            match home(&found, &channel) {
                Some(i) => found[i].channels.push(channel),
                // Without a magic of its own it may be anything.
                None if channel.report.kind == ChannelKind::Preempt => {}
                // A helper whose main channel was not captured still shows that there was a migration.
                None => found.push(alone(channel)),
            }
        }
        for (flow, key, report) in self.storage {
            let storage = Storage { flow, key, facts: facts.get(&flow).copied(), report: *report };
            if let Some(i) = home_of_storage(&found, &storage) {
                found[i].storage.push(storage);
            }
        }
        for migration in &mut found {
            complete(migration);
        }
        found.sort_by_key(|o| o.span().map(|s| s.0));
        found
    }
}

/// Main channels first, so that the others find them; what only a port gave away last.
fn rank(kind: ChannelKind) -> u8 {
    match kind {
        ChannelKind::Main => 0,
        ChannelKind::Recovery => 1,
        ChannelKind::Multifd(_) => 2,
        ChannelKind::Preempt => 3,
        ChannelKind::Tls => 4,
        ChannelKind::Opaque(_) => 5,
    }
}

/// The migration that a channel belongs to.
fn home(found: &[Observed], channel: &Channel) -> Option<usize> {
    if channel.report.kind == ChannelKind::Main {
        return None;
    }
    let start = channel.start()?.at;
    let fits = |o: &Observed| {
        let Some((from, to)) = o.span() else { return false };
        let same_port = o.destination == channel.receiver();
        let same_hosts = o.source.ip == channel.sender().ip && o.destination.ip == channel.receiver().ip;
        let near = start + SLACK >= from && start <= to + SLACK;
        match channel.report.kind {
            // The break may be long.
            ChannelKind::Recovery => same_hosts && start >= from && o.postcopy() != Some(false),
            ChannelKind::Multifd(_) => same_port && near && same_vm(o, channel),
            ChannelKind::Preempt => same_port && near,
            // With TLS, and where only ports speak, several connections to one port at a time are one migration.
            ChannelKind::Tls => same_port && near && o.channels.iter().all(|c| c.report.kind == ChannelKind::Tls),
            ChannelKind::Opaque(name) => same_port && near && o.hypervisor == name,
            ChannelKind::Main => false,
        }
    };
    found.iter().enumerate().filter(|(_, o)| fits(o)).min_by_key(|(_, o)| distance(o.span(), start)).map(|(i, _)| i)
}

fn distance(span: Option<(Timestamp, Timestamp)>, at: Timestamp) -> i64 {
    span.map_or(i64::MAX, |s| (at - s.0).0.saturating_abs())
}

/// Multifd channels name the VM; a main channel only with the capability validate-uuid.
fn same_vm(o: &Observed, channel: &Channel) -> bool {
    let theirs = o.channels.iter().find_map(|c| c.report.uuid);
    theirs.is_none() || channel.report.uuid.is_none() || theirs == channel.report.uuid
}

/// The migration beside which storage is copied: the same hosts, at the same time. libvirt copies before it migrates, for as long as it takes.
fn home_of_storage(found: &[Observed], storage: &Storage) -> Option<usize> {
    let (client, server) = (storage.key.client.ip, storage.key.server.ip);
    let from = storage.report.first.at;
    let to = storage.report.last.at;
    let fits = |o: &Observed| {
        let same = (o.source.ip, o.destination.ip) == (client, server);
        same && o.span().is_some_and(|(start, end)| from <= end && to + SLACK >= start)
    };
    found.iter().enumerate().filter(|(_, o)| fits(o)).min_by_key(|(_, o)| distance(o.span(), to)).map(|(i, _)| i)
}

fn alone(channel: Channel) -> Observed {
    let report = &channel.report;
    let mut timeline = report.timeline;
    // The opening and closing of a connection that a tunnel shares with other calls say nothing of the stream.
    if let Some(facts) = channel.facts.as_ref().filter(|_| !report.tunnelled) {
        let sides = [facts.sides[report.sender.index()], facts.sides[report.sender.other().index()]];
        timeline.syn = facts.syn;
        timeline.fin = report.fins[0].or(sides[0].fin);
        timeline.receiver_fin = report.fins[1].or(sides[1].fin);
        timeline.rst = facts.rst.map(|r| r.1);
        timeline.rst_by_sender = facts.rst.map(|r| r.0 == report.sender);
        if let Some(last) = sides[0].last_payload {
            timeline.last_byte = Some(Mark::exact(last, report.sent_bytes));
        }
    } else {
        timeline.fin = report.fins[0];
        timeline.receiver_fin = report.fins[1];
    }
    Observed {
        hypervisor: match report.kind {
            ChannelKind::Opaque(name) => name,
            _ => "qemu",
        },
        detected_by: report.detected_by,
        source: channel.sender(),
        destination: channel.receiver(),
        timeline,
        outcome: Outcome::Incomplete,
        outcome_why: String::new(),
        transport: Vec::new(),
        channels: vec![channel],
        storage: Vec::new(),
    }
}

/// Fills in what needs all channels.
fn complete(o: &mut Observed) {
    let has = |kind: fn(&ChannelKind) -> bool| o.channels.iter().any(|c| kind(&c.report.kind));
    let mut transport = Vec::new();
    let tunnelled = o.channels.iter().any(|c| c.report.tunnelled);
    transport.push(if tunnelled {
        "tunnelled"
    } else if has(|k| *k == ChannelKind::Tls) {
        "tls"
    } else {
        "tcp"
    });
    if has(|k| matches!(k, ChannelKind::Multifd(_))) {
        transport.push("multifd");
    }
    if !o.storage.is_empty() {
        transport.push("nbd");
    }
    o.transport = transport;
    helpers(o);
    (o.outcome, o.outcome_why) = outcome::told(o);
}

/// What the channels beside the main one say of the timeline.
fn helpers(o: &mut Observed) {
    if let Some(first) = first_after_stop(o)
        && o.timeline.switchover_first.is_none_or(|m| first.at.at < m.earliest.at)
        && o.timeline.last_part.is_some_and(|m| m.latest.at <= first.at.at)
    {
        o.timeline.switchover_first = Some(first);
    }
    for channel in o.channels.iter().filter(|c| c.report.kind == ChannelKind::Recovery) {
        let theirs = &channel.report.timeline;
        o.timeline.eof = o.timeline.eof.or(theirs.eof);
        o.timeline.shut = o.timeline.shut.or(theirs.shut);
        o.timeline.shut_value = o.timeline.shut_value.or(theirs.shut_value);
    }
}

/// The first multifd data that was sent with the guest stopped. Machine types up to 8.0 end each RAM section, START, PARTs and END, with
/// one SYNC on each channel: what comes after the last PART's belongs to END. QEMU flushes the header of END on the main channel only
/// after that data.
fn first_after_stop(o: &Observed) -> Option<Mark> {
    let main = o.channels.iter().find(|c| c.report.kind == ChannelKind::Main)?;
    if !main.report.damage.none() || main.report.syncs > 0 || main.report.postcopy {
        return None;
    }
    let before = main.report.ram_parts + 1;
    let channels: Vec<&Channel> = o.channels.iter().filter(|c| matches!(c.report.kind, ChannelKind::Multifd(_))).collect();
    if channels.iter().any(|c| !c.report.damage.none() || c.report.syncs != before + 1) {
        return None;
    }
    channels.iter().filter_map(|c| c.report.groups.iter().find(|g| g.0 == before)).map(|g| g.1).min_by_key(|m| m.at.at)
}
