//! Multifd channels: packets of pages on connections of their own (QEMU `migration/multifd.c`, `multifd.h`, versions 4.0 to 10.1).
//!
//! A packet is a header of fixed length and the pages' bytes, whole or compressed. The header's array of offsets has its full length even
//! where few pages are used. Not read: page data. Not told by a channel alone: which of its data was sent with the guest stopped; with
//! machine types up to 8.0 the SYNC packets, one per section of the main channel, say it ([`ChannelReport::groups`]).

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::channel::{ChannelKind, ChannelReport, PacketEdges, RamCount};
use super::feed::{Feed, Machine, Step, Window};
use super::pages::PageSet;
use super::passes::Passes;
use super::timeline::Mark;
use super::{MigrationEvent, Step as Told};
use crate::app::{Event, Probe, Protocol, StreamParser};
use crate::base::emit::Emit;
use crate::base::limits::{MIGRATION_BURSTS, MIGRATION_PACKETS, MIGRATION_RAM_BLOCKS};
use crate::base::net::Side;
use crate::base::time::Nanos;
use crate::flow::{EndOfStream, FlowKey, GapReason, Moment, Need};

/// Multifd channels.
pub const MULTIFD: Protocol = Protocol { name: "multifd", probe, resync: None, start };

const MAGIC: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
/// First packet: magic, version, UUID of the VM, channel number, reserved.
const HELLO: usize = 64;
/// Of a header: magic, version, flags, places, pages, size of the data, number, zero pages.
const HEAD: usize = 36;
/// Header up to the array of offsets.
const FIXED: u64 = 320;
/// Header of a device state packet: magic, version, flags, name, instance, size.
const DEVICE_HEAD: usize = 12 + 256 + 4 + 4;
const SYNC: u32 = 1;
/// Compression method, bits 1 to 5 (three bits before 9.1).
const METHOD: u32 = 0x3e;
const DEVICE_STATE: u32 = 0x40;
/// Bytes of pages in one packet at most (`MULTIFD_PACKET_SIZE`).
const PACKET: u64 = 512 << 10;
/// Largest data of one packet that is believed: compressed data may be somewhat longer than the pages; device state comes in MiB.
const DATA_MAX: u32 = 64 << 20;
/// Packets further apart than this are of different bursts.
const REST: Nanos = Nanos(1_000_000);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Hello,
    Head,
    /// Name and offsets of a packet follow, then its data.
    Names(Packet),
    /// Data up to its last byte: the offset one past it.
    Data(u64),
    Lost,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Packet {
    start: u64,
    number: u64,
    normal: u32,
    zero: u32,
    places: u32,
    data: u64,
    /// Offset one past the array of offsets.
    names_end: u64,
    compressed: bool,
    when: Moment,
}

#[derive(Debug)]
struct Channel {
    state: State,
    id: u8,
    report: ChannelReport,
    seen: Option<PageSet>,
    /// Names of blocks with their place in the set and in the order in which they came.
    blocks: Vec<(Vec<u8>, usize)>,
    passes: Passes,
    /// Places per packet, as soon as one packet says it.
    places: u32,
    bursts: VecDeque<Mark>,
    burst: Option<Mark>,
    /// The newest SYNC packets: how many came before, and the first data after it.
    groups: VecDeque<(u64, Mark)>,
    fresh: bool,
    device: u64,
    begun: bool,
    told: Option<Moment>,
}

impl Channel {
    fn hello(&mut self, w: &Window<'_>) -> Step {
        if w.bytes.len() < HELLO {
            return Step::Hold;
        }
        if w.bytes[..4] != MAGIC || w.be32(4) != Some(1) {
            return self.nonsense();
        }
        self.report.uuid = w.bytes[8..24].try_into().ok();
        self.id = w.bytes[24];
        self.report.kind = ChannelKind::Multifd(self.id);
        self.state = State::Head;
        Step::Take(HELLO)
    }

    fn nonsense(&mut self) -> Step {
        self.report.damage.nonsense += 1;
        self.lose();
        Step::Take(0)
    }

    fn lose(&mut self) {
        self.report.damage.resyncs += 1;
        self.state = State::Lost;
        self.pages_unknown();
    }

    /// Which pages a packet holds could not be read.
    fn pages_unknown(&mut self) {
        self.seen = None;
        self.report.packets = None;
    }

    fn head(&mut self, w: &Window<'_>) -> Step {
        let (Some(flags), Some(places)) = (w.be32(8), w.be32(12)) else { return Step::Hold };
        if w.bytes[..4] != MAGIC || w.be32(4) != Some(1) {
            return self.nonsense();
        }
        if flags & DEVICE_STATE != 0 {
            return self.device_state(w);
        }
        let (Some(normal), Some(size), Some(zero)) = (w.be32(16), w.be32(20), w.be32(32)) else { return Step::Hold };
        if w.bytes.len() < HEAD {
            return Step::Hold;
        }
        // A packet that only syncs may leave the number of places out (9.x); its array is there all the same.
        let room = if places == 0 { self.places } else { places };
        let page = PACKET / u64::from(room.max(1));
        let compressed = flags & METHOD != 0;
        // Versions before 9.0 leave the size of the packet before in one without pages.
        let data = if normal == 0 { 0 } else { size };
        let fits = room.is_power_of_two()
            && (4..=2048).contains(&room)
            && u64::from(normal) + u64::from(zero) <= u64::from(room)
            && data <= DATA_MAX
            && (compressed || u64::from(data) == u64::from(normal) * page);
        if !fits {
            return self.nonsense();
        }
        self.places = room;
        self.report.page_size = page as u32;
        let when = w.moment(0);
        self.burst_before(when);
        let packet = Packet {
            start: w.start,
            number: w.be64(24).unwrap_or_default(),
            normal,
            zero,
            places: room,
            data: u64::from(data),
            names_end: w.start + FIXED + 8 * u64::from(room),
            compressed,
            when,
        };
        if normal + zero > 0 && std::mem::take(&mut self.fresh) {
            self.group(Mark::exact(when, w.start));
        }
        self.count(&packet);
        if flags & SYNC != 0 {
            self.report.syncs += 1;
            self.fresh = true;
        }
        self.state = State::Names(packet);
        Step::Take(HEAD)
    }

    /// The first data after the newest SYNC.
    fn group(&mut self, mark: Mark) {
        if self.groups.len() == 4 {
            self.groups.pop_front();
        }
        self.groups.push_back((self.report.syncs, mark));
    }

    fn burst_before(&mut self, when: Moment) {
        if let Some(end) = self.burst.take_if(|end| when.at - end.at.at >= REST) {
            self.end_burst(end);
        }
    }

    fn end_burst(&mut self, end: Mark) {
        if self.bursts.len() == MIGRATION_BURSTS {
            self.bursts.pop_front();
        }
        self.bursts.push_back(end);
    }

    fn count(&mut self, p: &Packet) {
        let bytes = p.names_end - p.start + p.data;
        let mut sent = RamCount { zero: u64::from(p.zero), bytes, ..RamCount::default() };
        if p.compressed {
            (sent.compressed, sent.compressed_bytes) = (u64::from(p.normal), p.data);
        } else {
            sent.normal = u64::from(p.normal);
        }
        self.report.ram.add(&sent);
    }

    /// Name and offsets: normal pages first, then zero pages.
    fn names(&mut self, w: &Window<'_>, p: Packet) -> Step {
        let left = (p.names_end - w.start) as usize;
        if w.bytes.len() < left {
            if w.last {
                self.pages_unknown();
            }
            return Step::Hold;
        }
        let base = (w.start - p.start) as usize;
        let name = w.bytes.get(64 - base..320 - base).unwrap_or_default();
        let name = name.split(|b| *b == 0).next().unwrap_or_default().to_vec();
        let used = (p.normal + p.zero).min(p.places) as usize;
        let array = FIXED as usize - base;
        let bits = (PACKET / u64::from(p.places)).trailing_zeros();
        if used > 0 {
            self.pages(&name, (0..used).filter_map(|i| w.be64(array + 8 * i)).map(|offset| offset >> bits), &p);
        }
        self.state = State::Data(p.names_end + p.data);
        self.burst = Some(Mark::exact(w.moment(left - 1), p.names_end));
        Step::Take(left)
    }

    fn pages(&mut self, name: &[u8], pages: impl Iterator<Item = u64>, p: &Packet) {
        let block = match self.blocks.iter().position(|b| b.0 == name) {
            Some(known) => known,
            None if self.blocks.len() >= MIGRATION_RAM_BLOCKS => {
                self.pages_unknown();
                return;
            }
            None => {
                let handle = self.seen.as_mut().map_or(0, |s| s.block(name));
                self.blocks.push((name.to_vec(), handle));
                self.blocks.len() - 1
            }
        };
        let handle = self.blocks[block].1;
        let (mut first, mut last) = (None, None);
        let share = (p.names_end - p.start + p.data) / u64::from((p.normal + p.zero).max(1));
        let mut rest = (p.names_end - p.start + p.data) - share * u64::from(p.normal + p.zero);
        for (i, page) in pages.enumerate() {
            let mut sent = RamCount { bytes: share + std::mem::take(&mut rest), ..RamCount::default() };
            match (i < p.normal as usize, p.compressed) {
                (true, false) => sent.normal = 1,
                (true, true) => sent.compressed = 1,
                (false, _) => sent.zero = 1,
            }
            if i < p.normal as usize {
                first.get_or_insert(page);
                last = Some(page);
            }
            // Zero pages come after the others of the packet: their addresses would look like a new pass.
            self.passes.record_unordered(block, page, &sent, p.when, p.start, p.names_end + p.data, i >= p.normal as usize);
            if self.seen.as_mut().is_some_and(|s| s.insert(handle, page).is_err()) {
                self.seen = None;
            }
        }
        if let Some(first) = first {
            let last = last.filter(|_| p.normal == p.places);
            self.edges(PacketEdges { number: p.number, block: hash(name), first, last, compressed: p.compressed, offset: p.start });
        }
    }

    fn edges(&mut self, edges: PacketEdges) {
        let Some(packets) = &mut self.report.packets else { return };
        if packets.len() < MIGRATION_PACKETS {
            packets.push(edges);
        } else {
            self.report.packets = None;
        }
    }

    /// Passed over but for the last byte: its packet says when the data was there.
    fn data(&mut self, w: &Window<'_>, end: u64) -> Step {
        let left = end.saturating_sub(w.start);
        if left > w.bytes.len() as u64 {
            return Step::Skip(left - 1);
        }
        if left > 0 {
            self.burst = Some(Mark::exact(w.moment(left as usize - 1), end));
        }
        self.state = State::Head;
        Step::Take(left as usize)
    }

    fn device_state(&mut self, w: &Window<'_>) -> Step {
        if w.bytes.len() < DEVICE_HEAD {
            return Step::Hold;
        }
        let size = w.be32(12 + 256 + 4).unwrap_or_default();
        if size > DATA_MAX {
            return self.nonsense();
        }
        self.burst_before(w.moment(0));
        self.device += DEVICE_HEAD as u64 + u64::from(size);
        self.state = State::Data(w.start + DEVICE_HEAD as u64 + u64::from(size));
        Step::Take(DEVICE_HEAD)
    }

    /// The next header: magic, version, and numbers that fit.
    fn look(&mut self, w: &Window<'_>) -> Step {
        for at in memchr::memmem::find_iter(w.bytes, &MAGIC) {
            if w.bytes.len() < at + HEAD {
                return if at == 0 { Step::Hold } else { Step::Take(at) };
            }
            let places = w.be32(at + 12).unwrap_or_default();
            if w.be32(at + 4) == Some(1) && (places == 0 || places == self.places || self.places == 0 && places.is_power_of_two()) {
                self.state = State::Head;
                return Step::Take(at);
            }
        }
        let keep = w.bytes.len().min(3);
        if keep == w.bytes.len() { Step::Hold } else { Step::Take(w.bytes.len() - keep) }
    }
}

impl Machine for Channel {
    fn step(&mut self, w: &Window<'_>) -> Step {
        if !std::mem::replace(&mut self.begun, true) {
            let when = w.moment(0);
            self.report.timeline.first_byte = Some(Mark::exact(when, w.start));
            self.told = Some(when);
        }
        match self.state {
            State::Hello => self.hello(w),
            State::Head => self.head(w),
            State::Names(packet) => self.names(w, packet),
            State::Data(end) => self.data(w, end),
            State::Lost => {
                let step = self.look(w);
                if let Step::Take(n) = step {
                    self.report.damage.unnamed += n as u64;
                }
                step
            }
        }
    }

    fn gap(&mut self, start: u64, missing: u64, why: GapReason, when: Moment) {
        let to = start.saturating_add(missing);
        // Headers say how long everything is: a gap in names or data loses what the pages were, not how many.
        let end = match self.state {
            State::Names(p) => {
                self.pages_unknown();
                Some(p.names_end + p.data)
            }
            State::Data(end) => Some(end),
            _ => None,
        };
        if let Some(end) = end.filter(|end| to <= *end) {
            if to == end {
                let early = if why == GapReason::SnapLength { when } else { self.burst.map_or(when, |b| b.at) };
                self.burst = Some(Mark::between(early, when, when, end));
                self.state = State::Head;
            } else {
                self.state = State::Data(end);
            }
            return;
        }
        let damage = &mut self.report.damage;
        match why {
            GapReason::SnapLength => damage.cut += missing,
            GapReason::NotCaptured => damage.lost += missing,
            GapReason::Limit => damage.limit += missing,
        }
        if self.state != State::Lost {
            self.lose();
        }
    }

    fn overflow(&mut self, _start: u64) {
        self.report.damage.nonsense += 1;
        self.lose();
    }
}

/// The same for the same name on each channel.
fn hash(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

struct MultifdStream {
    channel: Option<(Side, Channel)>,
    feed: Feed,
    answered: u64,
}

impl MultifdStream {
    fn channel(&mut self, side: Side) -> &mut (Side, Channel) {
        self.channel.get_or_insert_with(|| {
            let report = ChannelReport::new(ChannelKind::Multifd(0), "content", side);
            let channel = Channel {
                state: State::Hello,
                id: 0,
                report,
                seen: Some(PageSet::default()),
                blocks: Vec::new(),
                passes: Passes::with_repeats(),
                places: 128,
                bursts: VecDeque::new(),
                burst: None,
                groups: VecDeque::new(),
                fresh: true,
                device: 0,
                begun: false,
                told: None,
            };
            (side, channel)
        })
    }
}

impl StreamParser for MultifdStream {
    fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) -> Need {
        let sender = self.channel(side).0;
        if side != sender {
            self.answered += bytes.len() as u64;
            return Need::More;
        }
        let Some((_, channel)) = &mut self.channel else { return Need::Nothing };
        let need = self.feed.bytes(channel, when, bytes);
        if let Some(when) = channel.told.take() {
            out.emit(Event::Migration(MigrationEvent::Passed(Told::Begin, when)));
        }
        need
    }

    fn gap(&mut self, side: Side, when: Moment, missing: u64, why: GapReason, _out: &mut dyn Emit<Event>) -> Need {
        let sender = self.channel(side).0;
        if side != sender {
            self.answered += missing;
            return Need::More;
        }
        match &mut self.channel {
            Some((_, channel)) => self.feed.gap(channel, when, missing, why),
            None => Need::Nothing,
        }
    }

    fn fin(&mut self, side: Side, when: Moment, _out: &mut dyn Emit<Event>) {
        if let Some((sender, channel)) = &mut self.channel {
            channel.report.fins[usize::from(side != *sender)].get_or_insert(when);
        }
    }

    fn end(&mut self, when: Moment, how: EndOfStream, out: &mut dyn Emit<Event>) {
        let Some((_, mut channel)) = self.channel.take() else { return };
        self.feed.finish(&mut channel);
        if let Some(end) = channel.burst.take() {
            channel.end_burst(end);
        }
        let mut report = channel.report;
        report.complete = match channel.state {
            State::Head => true,
            State::Data(end) => end == self.feed.end(),
            _ => false,
        };
        report.resent = channel.seen.as_ref().map(|s| report.ram.pages().saturating_sub(s.len()));
        report.passes = if channel.seen.is_some() { channel.passes.finish() } else { Vec::new() };
        report.seen = channel.seen;
        report.ram_precopy = report.ram;
        report.device_bytes = (channel.device > 0).then_some(channel.device);
        report.timeline.last_byte = channel.bursts.back().copied();
        report.data_ends = channel.bursts.into();
        report.groups = channel.groups.into();
        report.sent_bytes = self.feed.end();
        report.answered_bytes = self.answered;
        report.end = Some((how, when));
        out.emit(Event::Migration(MigrationEvent::Closed(Box::new(report))));
    }
}

fn probe(_key: &FlowKey, _side: Side, bytes: &[u8]) -> Probe {
    super::prefix(bytes, &[0x11, 0x22, 0x33, 0x44, 0, 0, 0, 1])
}

fn start(_key: &FlowKey) -> Box<dyn StreamParser> {
    Box::new(MultifdStream { channel: None, feed: Feed::default(), answered: 0 })
}
