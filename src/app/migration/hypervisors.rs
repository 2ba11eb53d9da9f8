//! Migrations that are not QEMU's in clear: told by a greeting where there is one, else by port and shape, and then marked as a guess.
//!
//! Ports are conventions and lie in ranges that others use as well; a guess needs bulk in one direction besides. Nothing of the content is
//! read. What the shape says of the stages is an estimate: the last burst is taken for the switch-over.

use std::ops::RangeInclusive;

use super::channel::{ChannelKind, ChannelReport};
use super::ledger::{Channel, ConnectionFacts};
use super::timeline::Mark;
use super::{MigrationEvent, Step};
use crate::app::{Event, Probe, Protocol, StreamParser};
use crate::base::emit::Emit;
use crate::base::net::Side;
use crate::flow::{EndOfStream, FlowKey, GapReason, Moment, Need};

/// One product, or one way of it to migrate.
#[derive(Debug)]
pub struct Hypervisor {
    /// Short name, as `hypervisor` of the report says it.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// TCP ports of the receiver.
    pub ports: &'static [RangeInclusive<u16>],
    /// Who speaks first and what it says.
    pub greeting: Option<(Side, &'static [u8])>,
}

/// What is told apart. QEMU's own stream in clear is read by its content and does not need its ports.
pub const HYPERVISORS: &[Hypervisor] = &[
    Hypervisor { name: "qemu", title: "QEMU with libvirt (encrypted)", ports: &[49152..=49215], greeting: None },
    Hypervisor { name: "qemu", title: "QEMU through libvirt (encrypted tunnel)", ports: &[16514..=16514], greeting: None },
    Hypervisor { name: "qemu", title: "Proxmox VE (encrypted)", ports: &[60000..=60050], greeting: None },
    Hypervisor { name: "vmware", title: "VMware vMotion", ports: &[8000..=8000], greeting: None },
    Hypervisor { name: "hyper-v", title: "Hyper-V live migration", ports: &[6600..=6600], greeting: None },
    Hypervisor { name: "xen", title: "Xen (xl)", ports: &[], greeting: Some((Side::Client, b"Xen saved domain, xl format\n")) },
    Hypervisor {
        name: "virtualbox",
        title: "VirtualBox teleporting",
        ports: &[],
        greeting: Some((Side::Server, b"VirtualBox-Teleporter-1.0\n")),
    },
];

/// Bytes in one direction from which on a connection on a known port is taken for a migration: an idle guest of 64 MiB sends more.
const BULK: u64 = 8 << 20;
/// The receiver of a migration says next to nothing.
const ONE_WAY: u64 = 20;

/// Streams that a greeting gives away.
pub const GREETED: Protocol = Protocol { name: "migration", probe, resync: None, start };

fn probe(_key: &FlowKey, side: Side, bytes: &[u8]) -> Probe {
    // Whoever speaks on a side must say that side's greeting; the other side of such a stream is silent until then.
    let greetings = HYPERVISORS.iter().filter_map(|h| h.greeting).filter(|g| g.0 == side);
    greetings.map(|g| super::prefix(bytes, g.1)).max().unwrap_or(Probe::No)
}

fn start(_key: &FlowKey) -> Box<dyn StreamParser> {
    Box::new(Greeted::default())
}

#[derive(Default)]
struct Greeted {
    heads: [Vec<u8>; 2],
    bytes: [u64; 2],
    fins: [Option<Moment>; 2],
    first: Option<Moment>,
}

impl Greeted {
    fn found(&self) -> Option<&'static Hypervisor> {
        HYPERVISORS.iter().find(|h| h.greeting.is_some_and(|(side, greeting)| self.heads[side.index()].starts_with(greeting)))
    }
}

impl StreamParser for Greeted {
    fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) -> Need {
        if self.first.is_none() {
            self.first = Some(when);
            out.emit(Event::Migration(MigrationEvent::Passed(Step::Begin, when)));
        }
        self.bytes[side.index()] += bytes.len() as u64;
        let head = &mut self.heads[side.index()];
        let room = 64usize.saturating_sub(head.len());
        head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Need::More
    }

    fn gap(&mut self, side: Side, _when: Moment, missing: u64, _why: GapReason, _out: &mut dyn Emit<Event>) -> Need {
        self.bytes[side.index()] += missing;
        Need::More
    }

    fn fin(&mut self, side: Side, when: Moment, _out: &mut dyn Emit<Event>) {
        self.fins[side.index()].get_or_insert(when);
    }

    fn end(&mut self, when: Moment, how: EndOfStream, out: &mut dyn Emit<Event>) {
        let Some(hypervisor) = self.found() else { return };
        let sender = if self.bytes[0] >= self.bytes[1] { Side::Client } else { Side::Server };
        let mut report = ChannelReport::new(ChannelKind::Opaque(hypervisor.name), "content", sender);
        report.timeline.first_byte = self.first.map(|m| Mark::exact(m, 0));
        report.sent_bytes = self.bytes[sender.index()];
        report.answered_bytes = self.bytes[sender.other().index()];
        report.fins = [self.fins[sender.index()], self.fins[sender.other().index()]];
        report.end = Some((how, when));
        out.emit(Event::Migration(MigrationEvent::Closed(Box::new(report))));
    }
}

/// A migration on a port made for it, told by its shape. `facts.protocol` is what a parser recognised: only TLS may hide a migration.
pub(super) fn by_port(facts: &ConnectionFacts) -> Option<Channel> {
    let [sent, answered] = facts.sides;
    if sent.payload < BULK || sent.payload / ONE_WAY < answered.payload {
        return None;
    }
    guess(facts)
}

/// A connection beside the encrypted channels `bulk` of a migration: with multifd the main connection carries little, and TLS hides which it is.
pub(super) fn beside(facts: &ConnectionFacts, bulk: &[Channel]) -> Option<Channel> {
    let key = &facts.key;
    let same = |c: &Channel| c.report.kind == ChannelKind::Tls && (c.key.client.ip, c.key.server) == (key.client.ip, key.server);
    if facts.protocol != Some("tls") || facts.sides[0].payload >= BULK || !bulk.iter().any(same) {
        return None;
    }
    guess(facts)
}

fn guess(facts: &ConnectionFacts) -> Option<Channel> {
    let tls = match facts.protocol {
        None => false,
        Some("tls") => true,
        Some(_) => return None,
    };
    let hypervisor = HYPERVISORS.iter().find(|h| h.ports.iter().any(|p| p.contains(&facts.key.server.port)))?;
    let [sent, answered] = facts.sides;
    let kind = if tls { ChannelKind::Tls } else { ChannelKind::Opaque(hypervisor.name) };
    let mut report = ChannelReport::new(kind, "port", Side::Client);
    report.sent_bytes = sent.payload;
    report.answered_bytes = answered.payload;
    report.last_answer = answered.last_payload;
    report.fins = [sent.fin, answered.fin];
    let last = sent.last_payload.or(facts.rst.map(|r| r.1));
    let how = match (facts.rst, sent.fin.or(answered.fin)) {
        (Some(_), None) => EndOfStream::Reset,
        (_, Some(_)) => EndOfStream::Closed,
        (None, None) => EndOfStream::CaptureEnded,
    };
    report.end = last.map(|l| (how, l));
    if let (Some(first), Some(last)) = (sent.first_payload, sent.last_payload) {
        let t = &mut report.timeline;
        t.first_byte = Some(Mark::exact(first, 0));
        t.last_byte = Some(Mark::exact(last, sent.payload));
        let bursts: Vec<_> = sent.bursts.iter().flatten().collect();
        if let [.., before, end] = bursts[..] {
            let offset = sent.payload.saturating_sub(end.bytes);
            t.last_part = Some(Mark::between(first, before.last, last, offset));
            t.switchover_first = Some(Mark::between(first, end.first, last, offset));
        }
    }
    Some(Channel { flow: facts.flow, key: facts.key, facts: Some(*facts), report })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::migration::ledger::SideFacts;
    use crate::app::migration::watch::Burst;
    use crate::base::net::Endpoint;
    use crate::base::time::Timestamp;
    use crate::flow::FlowId;
    use crate::testkit::parser::play;

    fn key(port: u16) -> FlowKey {
        let end = |n, port| Endpoint::new(std::net::Ipv4Addr::new(10, 0, 0, n).into(), port);
        FlowKey { proto: 6, client: end(1, 40000), server: end(2, port) }
    }

    fn at(ms: i64) -> Moment {
        Moment { at: Timestamp(ms * 1_000_000), ..Moment::default() }
    }

    fn facts(port: u16, sent: u64, answered: u64, protocol: Option<&'static str>) -> ConnectionFacts {
        let burst = |from, to, bytes| Some(Burst { first: at(from), last: at(to), bytes });
        let bursts = [None, burst(1, 100, 50), burst(200, 300, 50), burst(400, 420, 30)];
        let source = SideFacts { payload: sent, first_payload: Some(at(1)), last_payload: Some(at(420)), bursts, ..SideFacts::default() };
        let sides = [source, SideFacts { payload: answered, ..SideFacts::default() }];
        ConnectionFacts { flow: FlowId(1), key: key(port), syn: Some(at(0)), rst: None, sides, protocol }
    }

    #[test]
    fn a_port_alone_is_no_migration() {
        assert!(by_port(&facts(8000, 1000, 0, None)).is_none(), "too little");
        assert!(by_port(&facts(8000, 100 << 20, 50 << 20, None)).is_none(), "both ways");
        assert!(by_port(&facts(8080, 100 << 20, 10, None)).is_none(), "another port");
        assert!(by_port(&facts(8000, 100 << 20, 10, Some("http"))).is_none(), "an upload");
        let found = by_port(&facts(8000, 100 << 20, 10, None)).unwrap();
        assert_eq!((found.report.kind, found.report.detected_by), (ChannelKind::Opaque("vmware"), "port"));
    }

    #[test]
    fn tls_on_a_migration_port_is_estimated_from_its_bursts() {
        let found = by_port(&facts(49153, 100 << 20, 1000, Some("tls"))).unwrap();
        assert_eq!(found.report.kind, ChannelKind::Tls);
        let switch = found.report.timeline.switchover_first.unwrap();
        assert_eq!((switch.earliest, switch.at, switch.latest), (at(1), at(400), at(420)));
        assert_eq!(found.report.timeline.last_part.unwrap().at, at(300));
    }

    #[test]
    fn greetings_are_content() {
        let script =
            vec![(Side::Server, b"VirtualBox-Teleporter-1.0\n".to_vec()), (Side::Client, vec![7; 300]), (Side::Server, b"ACK\n".to_vec())];
        assert_eq!(probe(&key(6000), Side::Server, &script[0].1), Probe::Yes);
        assert_eq!(probe(&key(6000), Side::Server, b"220 ftp"), Probe::No);
        assert_eq!(probe(&key(6000), Side::Client, b"Xen saved domain, "), Probe::More);
        let events = play(start(&key(6000)), &script);
        let Some(Event::Migration(MigrationEvent::Closed(report))) = events.last() else { panic!("{events:?}") };
        assert_eq!((report.kind, report.detected_by, report.sender), (ChannelKind::Opaque("virtualbox"), "content", Side::Client));
    }
}
