//! Joins the connections that one capture point saw into migrations.

use std::collections::BTreeMap;

use super::MigrationEvent;
use super::channel::{ChannelKind, ChannelReport};
use super::timeline::Timeline;
use crate::base::net::{Endpoint, Side};
use crate::flow::{FlowId, FlowKey, Moment};

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

/// How a migration ended at a capture point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// The destination has taken over, as far as the stream can say.
    Completed,
    /// The source gave up.
    Cancelled,
    /// The destination gave up or vanished.
    Failed,
    /// The capture does not show the end.
    Incomplete,
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
}

impl Observed {
    /// Post-copy was entered, or not; `None` if it cannot be told.
    pub fn postcopy(&self) -> Option<bool> {
        let main = self.channels.iter().find(|c| c.report.kind == ChannelKind::Main)?;
        if main.report.postcopy {
            Some(true)
        } else if main.report.damage.none() || main.report.timeline.first_full.is_some() || !main.report.postcopy_advised {
            Some(false)
        } else {
            None
        }
    }

    /// True if `flow` belongs to it.
    pub fn has_flow(&self, flow: FlowId) -> bool {
        self.channels.iter().any(|c| c.flow == flow)
    }

    /// What was missing, over all channels; the first reason counts.
    pub fn damage(&self) -> Option<&'static str> {
        self.channels.iter().find_map(|c| c.report.damage.why())
    }
}

/// Collects what the parsers of one capture point say of migrations.
#[derive(Debug, Default)]
pub struct MigrationLedger {
    closed: Vec<(FlowId, FlowKey, Box<ChannelReport>)>,
    /// Reports dropped because [`crate::base::limits::MIGRATION_CHANNELS`] was reached.
    pub dropped: u64,
}

impl MigrationLedger {
    /// Takes one event of the parser of `flow`.
    pub fn event(&mut self, flow: FlowId, key: &FlowKey, event: MigrationEvent) {
        if let MigrationEvent::Closed(report) = event {
            if self.closed.len() >= crate::base::limits::MIGRATION_CHANNELS {
                self.dropped += 1;
            } else {
                self.closed.push((flow, *key, report));
            }
        }
    }

    /// Joins everything into migrations, in the order of their beginnings. `facts` are those of all TCP connections of the point.
    pub fn finish(self, facts: impl IntoIterator<Item = ConnectionFacts>) -> Vec<Observed> {
        let facts: BTreeMap<FlowId, ConnectionFacts> = facts.into_iter().map(|f| (f.flow, f)).collect();
        let mut found: Vec<Observed> =
            self.closed.into_iter().map(|(flow, key, report)| observed(flow, key, *report, facts.get(&flow))).collect();
        found.sort_by_key(|o| o.timeline.syn.or(o.timeline.first_byte.map(|m| m.at)).map(|m| m.at));
        found
    }
}

fn observed(flow: FlowId, key: FlowKey, report: ChannelReport, facts: Option<&ConnectionFacts>) -> Observed {
    let mut timeline = report.timeline;
    if let Some(facts) = facts {
        let (sender, receiver) = (facts.sides[report.sender.index()], facts.sides[report.sender.other().index()]);
        timeline.syn = facts.syn;
        timeline.fin = sender.fin;
        timeline.receiver_fin = receiver.fin;
        timeline.rst = facts.rst.map(|r| r.1);
        timeline.rst_by_sender = facts.rst.map(|r| r.0 == report.sender);
    }
    Observed {
        hypervisor: "qemu",
        detected_by: report.detected_by,
        source: key.end(report.sender),
        destination: key.end(report.sender.other()),
        timeline,
        outcome: if report.complete { Outcome::Completed } else { Outcome::Incomplete },
        outcome_why: String::new(),
        transport: vec!["tcp"],
        channels: vec![Channel { flow, key, facts: facts.copied(), report }],
    }
}
