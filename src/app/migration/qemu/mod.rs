//! QEMU's migration stream: the main channel.
//!
//! Sources: QEMU `migration/savevm.c`, `ram.c`, `migration.c`, `block-dirty-bitmap.c`, `block.c`; versions 2.4 to 10.1. What is not read:
//! the content of pages and of device state. What is not known from the stream: when the guest was stopped; only when the first byte that
//! is sent after that passed.

mod back;
mod format;
mod forward;
mod iterables;
mod preempt;
mod ram;
mod resync;

use self::back::Back;
use self::forward::Forward;
use super::channel::{ChannelKind, ChannelReport};
use super::feed::Feed;
use super::timeline::Mark;
use super::{MigrationEvent, Step};
use crate::app::{Event, Probe, Protocol, StreamParser, services};
use crate::base::emit::Emit;
use crate::base::net::Side;
use crate::flow::{EndOfStream, FlowKey, GapReason, Moment, Need};

pub use self::preempt::PREEMPT;

/// QEMU's main channel.
pub const QEMU: Protocol = Protocol { name: "qemu-migration", probe: probe_main, resync: Some(resync_main), start: start_main };

/// A main channel that was opened again after a break in post-copy.
pub const RECOVERY: Protocol = Protocol { name: "qemu-recovery", probe: probe_recovery, resync: None, start: start_recovery };

/// Reads one main channel, wherever its bytes come from: a TCP connection, or what another protocol carries.
///
/// Skips are counted from the end of the slice that was given; gaps within them must not be told.
#[derive(Debug)]
pub struct MainChannel {
    sender: Side,
    kind: ChannelKind,
    forward: Forward,
    forward_feed: Feed,
    back: Back,
    back_feed: Feed,
    last: Moment,
    fins: [Option<Moment>; 2],
    tunnelled: bool,
    closed: bool,
}

impl MainChannel {
    /// A stream from its first byte; `sender` is the side that sends the guest.
    pub fn new(sender: Side) -> Self {
        Self {
            sender,
            kind: ChannelKind::Main,
            forward: Forward::new(),
            forward_feed: Feed::default(),
            back: Back::default(),
            back_feed: Feed::default(),
            last: Moment::default(),
            fins: [None; 2],
            tunnelled: false,
            closed: false,
        }
    }

    /// A stream that was picked up in the middle.
    pub fn in_the_middle(sender: Side) -> Self {
        Self { forward: Forward::in_the_middle(), ..Self::new(sender) }
    }

    /// A stream that goes on with another one after a break in post-copy: no header, no list of blocks.
    pub fn recovery(sender: Side) -> Self {
        Self { kind: ChannelKind::Recovery, forward: Forward::recovery(), ..Self::new(sender) }
    }

    /// A stream that comes inside another protocol.
    pub fn tunnelled(sender: Side) -> Self {
        Self { tunnelled: true, ..Self::new(sender) }
    }

    /// A side has closed its half of the connection.
    pub fn fin(&mut self, side: Side, when: Moment) {
        self.fins[usize::from(side != self.sender)].get_or_insert(when);
    }

    /// The side that sends the guest.
    pub fn sender(&self) -> Side {
        self.sender
    }

    /// The next bytes from the source.
    pub fn forward(&mut self, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) -> Need {
        self.last = when;
        let need = self.forward_feed.bytes(&mut self.forward, when, bytes);
        self.tell(out);
        need
    }

    /// Bytes from the source that will never come.
    pub fn forward_gap(&mut self, when: Moment, missing: u64, why: GapReason, out: &mut dyn Emit<Event>) -> Need {
        self.last = when;
        let need = self.forward_feed.gap(&mut self.forward, when, missing, why);
        self.tell(out);
        need
    }

    /// The next bytes from the destination.
    pub fn back(&mut self, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) -> Need {
        let before = self.back.shut;
        self.back.last = Some(when);
        let need = self.back_feed.bytes(&mut self.back, when, bytes);
        if let Some((when, _)) = self.back.shut
            && before.is_none()
        {
            out.emit(Event::Migration(MigrationEvent::Passed(Step::Shut, when)));
        }
        need
    }

    /// Bytes from the destination that will never come.
    pub fn back_gap(&mut self, when: Moment, missing: u64, why: GapReason) -> Need {
        self.back_feed.gap(&mut self.back, when, missing, why)
    }

    /// Nothing more will come: says all that the stream said, once.
    pub fn finish(&mut self, when: Moment, how: EndOfStream, out: &mut dyn Emit<Event>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.forward_feed.finish(&mut self.forward);
        self.tell(out);
        let (ends, answered) = (self.forward_feed.end(), self.back_feed.end());
        self.forward.close_bounds(self.last);
        let forward = std::mem::replace(&mut self.forward, Forward::new());
        let mut report = ChannelReport::new(self.kind, "content", self.sender);
        report.timeline = forward.timeline;
        report.timeline.shut = self.back.shut.map(|s| s.0);
        report.timeline.shut_value = self.back.shut.map(|s| s.1);
        report.timeline.pong3 = self.back.pong3;
        report.machine = forward.machine;
        report.uuid = forward.uuid;
        report.page_size = forward.ram.page_size() as u32;
        report.ram_total = forward.ram.total;
        report.ram = forward.ram.all;
        report.ram_precopy = forward.ram.precopy;
        report.ram_stopped = forward.ram.stopped;
        report.ram_postcopy = forward.ram.postcopy;
        report.syncs = forward.ram.flushes;
        report.ram_parts = forward.ram_parts;
        report.device_bytes = match (forward.timeline.packaged_start, forward.package_end) {
            (Some(start), Some(end)) => Some(end.saturating_sub(start.offset)),
            _ => match (forward.timeline.first_full, forward.timeline.eof) {
                (Some(first), Some(eof)) if first.is_exact() && eof.is_exact() => Some((eof.offset - 1).saturating_sub(first.offset)),
                _ => None,
            },
        };
        report.devices = forward.devices;
        report.run_state = forward.run_state;
        report.return_path = forward.return_path;
        report.postcopy_advised = forward.postcopy_advised;
        // Only in post-copy does a destination ask for pages or answer PING 3.
        report.postcopy = forward.postcopy || self.back.requests > 0 || self.back.pong3.is_some();
        report.complete = forward.complete;
        report.damage = forward.damage;
        report.storage_bytes = forward.storage;
        let (seen, resent, passes) = forward.ram.finish();
        report.resent = seen.is_some().then_some(resent);
        report.seen = seen;
        report.passes = passes;
        report.page_requests = self.back.requests;
        report.sent_bytes = ends;
        report.answered_bytes = answered;
        report.last_answer = self.back.last;
        report.fins = self.fins;
        report.tunnelled = self.tunnelled;
        if ends > 0 {
            report.timeline.last_byte = Some(Mark::exact(self.last, ends));
        }
        report.end = Some((how, when));
        out.emit(Event::Migration(MigrationEvent::Closed(Box::new(report))));
    }

    fn tell(&mut self, out: &mut dyn Emit<Event>) {
        for (step, when) in self.forward.told.drain(..) {
            out.emit(Event::Migration(MigrationEvent::Passed(step, when)));
        }
    }
}

/// A main channel on a TCP connection of its own.
struct MainStream {
    channel: Option<MainChannel>,
    /// How to begin.
    new: fn(Side) -> MainChannel,
}

impl StreamParser for MainStream {
    fn picked_up(&mut self, side: Side, _when: Moment) {
        self.channel = Some(MainChannel::in_the_middle(side));
    }

    fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) -> Need {
        let channel = self.channel.get_or_insert_with(|| (self.new)(side));
        if side == channel.sender() { channel.forward(when, bytes, out) } else { channel.back(when, bytes, out) }
    }

    fn gap(&mut self, side: Side, when: Moment, missing: u64, why: GapReason, out: &mut dyn Emit<Event>) -> Need {
        let channel = self.channel.get_or_insert_with(|| (self.new)(side));
        if side == channel.sender() { channel.forward_gap(when, missing, why, out) } else { channel.back_gap(when, missing, why) }
    }

    fn fin(&mut self, side: Side, when: Moment, _out: &mut dyn Emit<Event>) {
        if let Some(channel) = &mut self.channel {
            channel.fin(side, when);
        }
    }

    fn end(&mut self, when: Moment, how: EndOfStream, out: &mut dyn Emit<Event>) {
        if let Some(channel) = &mut self.channel {
            channel.finish(when, how, out);
        }
    }
}

/// "QEVM" and version 3 (`savevm.h`).
fn probe_main(_key: &FlowKey, _side: Side, bytes: &[u8]) -> Probe {
    super::prefix(bytes, b"QEVM\0\0\0\x03")
}

/// The footer of a section and a further part of the same one: QEMU flushes before the footer, so both begin a segment. Where it rests
/// after the part, the footer goes alone; five bytes are believed only on a port of migrations.
fn resync_main(key: &FlowKey, _side: Side, bytes: &[u8]) -> Probe {
    let Some((footer, part)) = bytes.split_at_checked(5) else { return Probe::No };
    if part.is_empty() {
        let port = services::by_port(key.proto, key.server.port).is_some_and(|s| s.class == services::Class::Migration);
        return if port && footer[..3] == [format::section::FOOTER, 0, 0] { Probe::Yes } else { Probe::No };
    }
    let Some(word) = part.get(5..13).and_then(|b| b.first_chunk::<8>()).map(|b| u64::from_be_bytes(*b)) else { return Probe::No };
    let same = footer[0] == format::section::FOOTER && part[0] == format::section::PART && footer[1..] == part[1..5];
    let flags = word & 0xfff & !format::ram::CONTINUE;
    let record = word <= format::RAM_MAX && matches!(flags, format::ram::PAGE | format::ram::ZERO | format::ram::EOS);
    if same && footer[1] == 0 && record { Probe::Yes } else { Probe::No }
}

/// COMMAND RECV_BITMAP with the name of a block: the first thing that the source says after a break.
fn probe_recovery(_key: &FlowKey, _side: Side, bytes: &[u8]) -> Probe {
    match super::prefix(bytes, &[format::section::COMMAND, 0, format::command::RECV_BITMAP as u8]) {
        Probe::Yes => {}
        other => return other,
    }
    let (Some(&high), Some(&len), Some(&name)) = (bytes.get(3), bytes.get(4), bytes.get(5)) else { return Probe::More };
    if high != 0 || len < 4 || len != name.saturating_add(1) {
        return Probe::No;
    }
    match bytes.get(6..6 + usize::from(name)) {
        None => Probe::More,
        Some(name) if format::printable(name) => Probe::Yes,
        Some(_) => Probe::No,
    }
}

/// The side that speaks first sends the guest.
fn start_main(_key: &FlowKey) -> Box<dyn StreamParser> {
    Box::new(MainStream { channel: None, new: MainChannel::new })
}

fn start_recovery(_key: &FlowKey) -> Box<dyn StreamParser> {
    Box::new(MainStream { channel: None, new: MainChannel::recovery })
}
