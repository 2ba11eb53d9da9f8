//! The main channel's direction from source to destination: header, configuration, sections, commands.

use std::collections::BTreeMap;

use super::format::{self, command, printable, section};
use super::ram::{Kind, Parsed, Ram};
use super::resync::{Known, UNSURE};
use crate::app::migration::Step as Told;
use crate::app::migration::channel::Damage;
use crate::app::migration::feed::{Machine, Step, Window};
use crate::app::migration::timeline::{Mark, Timeline};
use crate::base::limits::{MIGRATION_RAM_BLOCKS, MIGRATION_SECTIONS};
use crate::flow::{GapReason, Moment};

/// How a section's payload is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Payload {
    /// `ram`.
    Ram,
    /// `dirty-bitmap`.
    DirtyBitmap,
    /// `block`: legacy storage migration.
    Block,
    /// Delimited by the footer only.
    Opaque,
}

/// The section that is being read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Section {
    pub id: u32,
    pub kind: u8,
    pub payload: Payload,
    /// Offset of its type byte.
    pub start: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Magic and version.
    Header,
    /// CONFIGURATION may follow.
    Config,
    /// Subsections of CONFIGURATION may follow.
    ConfigParts,
    /// Before a section or a command.
    Between,
    /// RAM records.
    Ram(Section),
    /// The list of blocks; bytes of blocks still to be named.
    BlockList(Section, u64),
    /// Chunks of a dirty-bitmap section.
    DirtyBitmap(Section),
    /// Records of a legacy block section.
    Block(Section),
    /// Unread up to the footer.
    Opaque(Section),
    /// A footer may follow.
    Footer(Section),
    /// After EOF: the description may follow.
    AfterEof,
    /// The description, up to this offset.
    Description(u64),
    /// Nothing is expected any more.
    Done,
    /// The next element must be looked for.
    Lost,
}

/// Reads the stream of a source.
#[derive(Debug)]
pub(super) struct Forward {
    pub state: State,
    pub timeline: Timeline,
    pub damage: Damage,
    pub machine: Option<String>,
    pub uuid: Option<[u8; 16]>,
    pub ignore_shared: bool,
    pub sections: BTreeMap<u32, Payload>,
    pub ram: Ram,
    pub ram_parts: u64,
    pub return_path: bool,
    pub postcopy_advised: bool,
    /// Post-copy was entered: the package was met.
    pub postcopy: bool,
    /// Offset one past the package.
    pub package_end: Option<u64>,
    pub devices: u32,
    pub run_state: Option<String>,
    pub complete: bool,
    /// Steps to be told.
    pub told: Vec<(Told, Moment)>,
    pub known: Known,
    /// The packet of the last byte that was taken.
    pub prev: Moment,
    /// Offset of the next element.
    pub cursor: u64,
    /// Bytes of legacy storage migration in the stream.
    pub storage: u64,
    first: bool,
    /// Parts of a section that was not opened here are of RAM.
    adopt: bool,
    /// The newest footer that began a packet.
    pub footer: Option<Mark>,
    /// Whether device state could have begun unseen.
    pub doubt: bool,
    /// End of a payload of which it was not known which section it belonged to.
    unsure_end: Option<Mark>,
}

impl Forward {
    pub fn new() -> Self {
        Self {
            state: State::Header,
            timeline: Timeline::default(),
            damage: Damage::default(),
            machine: None,
            uuid: None,
            ignore_shared: false,
            sections: BTreeMap::new(),
            ram: Ram::default(),
            ram_parts: 0,
            return_path: false,
            postcopy_advised: false,
            postcopy: false,
            package_end: None,
            devices: 0,
            run_state: None,
            complete: false,
            told: Vec::new(),
            known: Known::default(),
            prev: Moment::default(),
            cursor: 0,
            storage: 0,
            first: true,
            adopt: false,
            footer: None,
            doubt: false,
            unsure_end: None,
        }
    }

    /// For a stream whose beginning is missing.
    pub fn in_the_middle() -> Self {
        let mut this = Self::new();
        this.damage.beginning_missing = true;
        this.state = State::Lost;
        this
    }

    /// For a stream that goes on after a break in post-copy.
    pub fn recovery() -> Self {
        let mut this = Self::new();
        this.state = State::Between;
        this.postcopy = true;
        this.adopt = true;
        this.ram.enter_postcopy();
        this
    }

    pub(super) fn tell(&mut self, step: Told, when: Moment) {
        self.told.push((step, when));
    }

    /// The stream makes no sense here: look for the next element.
    pub(super) fn nonsense(&mut self, w: &Window<'_>) -> Step {
        self.damage.nonsense += 1;
        self.lose(w.start);
        Step::Take(0)
    }

    pub(super) fn lose(&mut self, at: u64) {
        self.known.lost_at(at, self.state);
        self.damage.resyncs += 1;
        self.doubt = true;
        self.state = State::Lost;
    }

    /// First byte that is sent only with the guest stopped.
    pub(super) fn switched(&mut self, when: Moment, offset: u64) {
        if self.timeline.switchover_first.is_none() {
            if let Some(footer) = self.footer
                && footer.offset == offset
                && footer.at.place != when.place
            {
                self.timeline.last_flush = Some(footer);
            }
            self.timeline.switchover_first = Some(Mark::exact(when, offset));
            self.ram.stopped();
            self.tell(Told::Switchover, when);
        }
    }

    fn header(&mut self, w: &Window<'_>) -> Step {
        let Some(version) = w.be32(4) else { return Step::Hold };
        if w.bytes[..4] != format::MAGIC || version != format::VERSION {
            return self.nonsense(w);
        }
        self.state = State::Config;
        Step::Take(8)
    }

    fn config(&mut self, w: &Window<'_>) -> Step {
        if w.bytes[0] != section::CONFIGURATION {
            self.state = State::Between;
            return Step::Take(0);
        }
        let Some(len) = w.be32(1) else { return Step::Hold };
        if len > 255 {
            return self.nonsense(w);
        }
        let Some(name) = w.bytes.get(5..5 + len as usize) else { return Step::Hold };
        if printable(name) {
            self.machine = Some(String::from_utf8_lossy(name).into_owned());
        }
        self.state = State::ConfigParts;
        Step::Take(5 + len as usize)
    }

    /// Subsections of CONFIGURATION (`savevm.c`, `vmstate_configuration`).
    fn config_part(&mut self, w: &Window<'_>) -> Step {
        if w.bytes[0] != section::SUBSECTION {
            self.state = State::Between;
            return Step::Take(0);
        }
        let Some(name) = w.counted(1) else { return Step::Hold };
        let body = 2 + name.len() + 4;
        match name {
            b"configuration/target-page-bits" => {
                let Some(bits) = w.be32(body) else { return Step::Hold };
                if !(10..=16).contains(&bits) {
                    return self.nonsense(w);
                }
                self.ram.page_bits = bits;
                Step::Take(body + 4)
            }
            b"configuration/capabilities" => {
                let Some(count) = w.be32(body) else { return Step::Hold };
                if count > 64 {
                    return self.nonsense(w);
                }
                let mut at = body + 4;
                let mut shared = false;
                for _ in 0..count {
                    let Some(name) = w.counted(at) else { return Step::Hold };
                    shared |= name == b"x-ignore-shared";
                    at += 1 + name.len();
                }
                self.ignore_shared |= shared;
                Step::Take(at)
            }
            b"configuration/uuid" => {
                let Some(uuid) = w.bytes.get(body..body + 16) else { return Step::Hold };
                self.uuid = uuid.try_into().ok();
                Step::Take(body + 16)
            }
            _ => self.nonsense(w),
        }
    }

    fn between(&mut self, w: &Window<'_>) -> Step {
        if let Some(end) = self.package_end
            && w.start >= end
        {
            self.package_passed(Mark::exact(self.prev, end));
        }
        if let Some(mark) = self.unsure_end.take() {
            self.seam(mark.offset, w.bytes[0], mark);
        }
        match w.bytes[0] {
            section::EOF => {
                let when = w.moment(0);
                self.timeline.eof = Some(Mark::exact(when, w.start + 1));
                self.complete = true;
                self.tell(Told::Eof, when);
                self.state = State::AfterEof;
                Step::Take(1)
            }
            section::START | section::FULL => self.section_named(w),
            section::PART | section::END => self.section_more(w),
            section::COMMAND => self.command(w),
            section::FOOTER => {
                // Of a section whose end could not be told.
                let Some(id) = w.be32(1) else { return Step::Hold };
                if self.sections.contains_key(&id) { Step::Take(5) } else { self.nonsense(w) }
            }
            _ => self.nonsense(w),
        }
    }

    /// The package is complete: the destination starts the guest.
    pub(super) fn package_passed(&mut self, mark: Mark) {
        if self.timeline.packaged_end.is_none() {
            self.timeline.packaged_end = Some(mark);
            self.ram.enter_postcopy();
        }
    }

    fn section_named(&mut self, w: &Window<'_>) -> Step {
        let kind = w.bytes[0];
        let full = kind == section::FULL;
        let (Some(id), Some(name)) = (w.be32(1), w.counted(5)) else { return self.named_cut(w, full) };
        let at = 6 + name.len();
        let (Some(_instance), Some(_version)) = (w.be32(at), w.be32(at + 4)) else { return self.named_cut(w, full) };
        if !printable(name) || (self.sections.len() >= MIGRATION_SECTIONS && !self.sections.contains_key(&id)) {
            return self.nonsense(w);
        }
        if full && name == b"globalstate" {
            // be32 size, then the run state, NUL padded (`migration/global_state.c`).
            if w.bytes.len() < at + 8 + 4 + 32 && !w.last {
                return Step::Hold;
            }
            let text = w.bytes.get(at + 12..).unwrap_or_default().split(|b| *b == 0).next().unwrap_or_default();
            if printable(text) && text.len() < 32 {
                self.run_state = Some(String::from_utf8_lossy(text).into_owned());
            }
        }
        let payload = match name {
            _ if full => Payload::Opaque,
            b"ram" => Payload::Ram,
            b"dirty-bitmap" => Payload::DirtyBitmap,
            b"block" => Payload::Block,
            _ => Payload::Opaque,
        };
        self.sections.insert(id, payload);
        if full {
            self.device(w);
        }
        self.open(Section { id, kind, payload, start: w.start });
        Step::Take(at + 8)
    }

    /// A header that the snap length cut still says when it passed.
    fn named_cut(&mut self, w: &Window<'_>, full: bool) -> Step {
        if full && w.last && w.bytes.len() >= 5 {
            self.device(w);
        }
        Step::Hold
    }

    fn device(&mut self, w: &Window<'_>) {
        let when = w.moment(0);
        if self.timeline.switchover_first.is_none() {
            if self.timeline.first_part.is_none() {
                // Early setup: the guest runs.
                return;
            }
            // The end of RAM was not seen.
            self.switched_by(when, w.start);
        }
        self.devices += 1;
        if self.timeline.first_full.is_none() {
            let mark = if self.doubt { self.full_in_doubt(when, w.start) } else { Mark::exact(when, w.start) };
            self.timeline.first_full = Some(mark);
            self.tell(Told::DeviceState, when);
        }
    }

    fn section_more(&mut self, w: &Window<'_>) -> Step {
        let Some(id) = w.be32(1) else { return Step::Hold };
        if self.adopt && self.sections.is_empty() {
            self.sections.insert(id, Payload::Ram);
        }
        let Some(&payload) = self.sections.get(&id) else { return self.nonsense(w) };
        let kind = w.bytes[0];
        let when = w.moment(0);
        self.ram_parts += u64::from(kind == section::PART && payload == Payload::Ram);
        if kind == section::END {
            self.switched(when, w.start);
        } else if self.timeline.first_part.is_none() {
            self.timeline.first_part = Some(Mark::exact(when, w.start));
        }
        if self.timeline.switchover_first.is_none() {
            self.known.precopy(when, w.start + 1);
        }
        self.open(Section { id, kind, payload, start: w.start });
        Step::Take(5)
    }

    fn open(&mut self, section: Section) {
        self.state = match section.payload {
            Payload::Ram => State::Ram(section),
            Payload::DirtyBitmap => State::DirtyBitmap(section),
            Payload::Block => State::Block(section),
            Payload::Opaque => State::Opaque(section),
        };
    }

    /// The payload of `section` ended with byte `len - 1` of the window.
    pub(super) fn payload_ended(&mut self, section: Section, w: &Window<'_>, len: usize) {
        let (when, end) = (w.moment(len.saturating_sub(1)), w.start + len as u64);
        let mark = Some(Mark::exact(when, end));
        let before = self.timeline.switchover_first.is_none();
        self.doubt = false;
        match section.kind {
            section::START => {
                self.timeline.setup_end = mark;
                self.tell(Told::SetupEnd, when);
            }
            section::PART if before => self.timeline.last_part = mark,
            section::END => self.timeline.end_section_end = mark,
            UNSURE => self.unsure_end = mark,
            _ => {}
        }
        self.state = State::Footer(section);
    }

    /// A footer follows each section since QEMU 2.4, unless the machine type forbids it.
    fn footer(&mut self, w: &Window<'_>, of: Section) -> Step {
        if w.bytes[0] != section::FOOTER {
            self.state = State::Between;
            return Step::Take(0);
        }
        let Some(id) = w.be32(1) else { return Step::Hold };
        if id != of.id {
            return self.nonsense(w);
        }
        self.footer_read(w, self.prev);
        self.state = State::Between;
        Step::Take(5)
    }

    /// `before` is the packet of the byte before the footer.
    pub(super) fn footer_read(&mut self, w: &Window<'_>, before: Moment) {
        let (first, last) = (w.moment(0), w.moment(4));
        self.footer = (before.place != first.place && first == last).then(|| Mark::exact(last, w.start + 5));
    }

    /// Device state has no length: it ends where its footer stands and something that makes sense follows.
    fn opaque(&mut self, w: &Window<'_>, section: Section) -> Step {
        let mut mark = [section::FOOTER; 5];
        mark[1..].copy_from_slice(&section.id.to_be_bytes());
        match memchr::memmem::find(w.bytes, &mark) {
            None => {
                let keep = w.bytes.len().min(4);
                if keep == w.bytes.len() { Step::Hold } else { Step::Take(w.bytes.len() - keep) }
            }
            Some(0) => match self.may_follow(w, 5) {
                None => Step::Hold,
                Some(true) => {
                    self.opaque_ended(section, w);
                    self.footer_read(w, self.prev);
                    self.state = State::Between;
                    Step::Take(5)
                }
                Some(false) => Step::Take(1),
            },
            Some(at) => Step::Take(at),
        }
    }

    /// The same marks as for a payload whose end is known.
    fn opaque_ended(&mut self, section: Section, w: &Window<'_>) {
        let mark = Some(Mark::exact(self.prev, w.start));
        match section.kind {
            section::START => self.timeline.setup_end = mark,
            section::PART if self.timeline.switchover_first.is_none() => self.timeline.last_part = mark,
            section::END => self.timeline.end_section_end = mark,
            _ => {}
        }
    }

    /// Whether a section, a command or the end can stand at `at`. `None`: more bytes are needed.
    pub(super) fn may_follow(&self, w: &Window<'_>, at: usize) -> Option<bool> {
        let short = if w.last { Some(false) } else { None };
        let Some(&kind) = w.bytes.get(at) else { return if w.last { Some(true) } else { None } };
        match kind {
            section::EOF => Some(true),
            section::START | section::FULL => {
                let (Some(_), Some(name)) = (w.be32(at + 1), w.counted(at + 5)) else { return short };
                Some(printable(name))
            }
            section::PART | section::END => match w.be32(at + 1) {
                Some(id) => Some(self.sections.contains_key(&id)),
                None => short,
            },
            section::COMMAND => match w.be16(at + 1) {
                Some(number) => Some((1..=command::SWITCHOVER_START).contains(&number)),
                None => short,
            },
            _ => Some(false),
        }
    }

    fn command(&mut self, w: &Window<'_>) -> Step {
        let (Some(number), Some(len)) = (w.be16(1), w.be16(3)) else { return Step::Hold };
        let whole = 5 + usize::from(len);
        let when = w.moment(0);
        let fits = match number {
            command::OPEN_RETURN_PATH | command::ENABLE_COLO | command::POSTCOPY_LISTEN => len == 0,
            command::POSTCOPY_RUN | command::POSTCOPY_RESUME | command::SWITCHOVER_START => len == 0,
            command::PING | command::PACKAGED => len == 4,
            command::POSTCOPY_ADVISE => len == 16 || len == 0,
            command::RAM_DISCARD => len >= 3,
            command::RECV_BITMAP => len >= 1,
            _ => false,
        };
        if !fits {
            return self.nonsense(w);
        }
        if number == command::PACKAGED {
            let Some(n) = w.be32(5) else { return Step::Hold };
            self.switched(when, w.start);
            self.postcopy = true;
            let start = w.start + whole as u64;
            self.timeline.packaged_start = Some(Mark::exact(w.moment(whole - 1), start));
            self.package_end = Some(start + u64::from(n));
            return Step::Take(whole);
        }
        if number == command::RAM_DISCARD {
            self.switched(when, w.start);
            self.postcopy = true;
            return Step::Skip(whole as u64);
        }
        if w.bytes.len() < whole {
            return Step::Hold;
        }
        match number {
            command::OPEN_RETURN_PATH => self.return_path = true,
            command::POSTCOPY_ADVISE => self.postcopy_advised = true,
            command::SWITCHOVER_START => self.switched(when, w.start),
            command::POSTCOPY_RUN => {
                self.timeline.postcopy_run = Some(Mark::exact(when, w.start));
                self.ram.enter_postcopy();
                self.tell(Told::PostcopyRun, when);
            }
            _ => {}
        }
        Step::Take(whole)
    }

    fn after_eof(&mut self, w: &Window<'_>) -> Step {
        if w.bytes[0] != section::DESCRIPTION {
            self.damage.nonsense += 1;
            self.state = State::Done;
            return Step::Take(0);
        }
        let Some(len) = w.be32(1) else { return Step::Hold };
        self.state = State::Description(w.start + 5 + u64::from(len));
        Step::Take(5)
    }

    /// Passed over but for the last byte: the packet that carried it matters.
    fn description(&mut self, w: &Window<'_>, end: u64) -> Step {
        let left = end.saturating_sub(w.start);
        if left > w.bytes.len() as u64 {
            return Step::Skip(left - 1);
        }
        let n = left as usize;
        let when = if n == 0 { self.prev } else { w.moment(n - 1) };
        self.timeline.vmdesc_end = Some(Mark::exact(when, end));
        self.state = State::Done;
        Step::Take(n)
    }

    fn records(&mut self, w: &Window<'_>, section: Section) -> Step {
        let record = match self.ram.parse(w, 0) {
            Parsed::Record(record) => record,
            Parsed::Hold => return Step::Hold,
            Parsed::Bad => return self.nonsense(w),
        };
        self.ram.count(&record, w, w.start, w.moment(0));
        if matches!(record.kind, Kind::Zero | Kind::Page | Kind::Xbzrle | Kind::Compressed) {
            self.known.record(w.moment(0), w.start.saturating_add(record.len), record.value);
        }
        match record.kind {
            Kind::Eos => {
                if section.kind == section::PART {
                    self.ram.count_bytes(record.len);
                }
                self.payload_ended(section, w, 8);
            }
            Kind::MemSize => self.state = State::BlockList(section, record.value),
            _ => {}
        }
        Step::Skip(record.len)
    }

    /// One entry of the list: name and length, page size of blocks with huge pages if post-copy was advised, address if shared RAM is left
    /// out (`ram_save_setup`).
    fn block(&mut self, w: &Window<'_>, section: Section, left: u64) -> Step {
        if left == 0 {
            self.ram.listed = true;
            self.state = State::Ram(section);
            return Step::Take(0);
        }
        let Some(name) = w.counted(0) else { return Step::Hold };
        let mut at = 1 + name.len();
        let Some(len) = w.be64(at) else { return Step::Hold };
        if !printable(name) || len > left || self.ram.blocks.len() >= MIGRATION_RAM_BLOCKS {
            return self.nonsense(w);
        }
        at += 8;
        if self.postcopy_advised {
            // What else can follow is a name with its length in the first byte or a word of flags, neither of which is a power of two
            // of 8 KiB or more.
            let Some(word) = w.be64(at) else { return Step::Hold };
            if word.is_power_of_two() && (1 << 13..=1 << 40).contains(&word) {
                at += 8;
            }
        }
        if self.ignore_shared {
            at += 8;
        }
        if w.bytes.len() < at {
            return Step::Hold;
        }
        self.ram.add_block(name.to_vec(), len);
        self.state = State::BlockList(section, left - len);
        Step::Take(at)
    }
}

impl Machine for Forward {
    fn step(&mut self, w: &Window<'_>) -> Step {
        if std::mem::take(&mut self.first) {
            let when = w.moment(0);
            self.timeline.first_byte = Some(Mark::exact(when, w.start));
            self.tell(Told::Begin, when);
        }
        self.cursor = w.start;
        let nameless = matches!(self.state, State::Lost | State::Done);
        let step = match self.state {
            State::Header => self.header(w),
            State::Config => self.config(w),
            State::ConfigParts => self.config_part(w),
            State::Between => self.between(w),
            State::Ram(section) => self.records(w, section),
            State::BlockList(section, left) => self.block(w, section, left),
            State::DirtyBitmap(section) => self.dirty_bitmap(w, section),
            State::Block(section) => self.legacy_block(w, section),
            State::Opaque(section) => self.opaque(w, section),
            State::Footer(section) => self.footer(w, section),
            State::AfterEof => self.after_eof(w),
            State::Description(end) => self.description(w, end),
            State::Done => Step::Take(w.bytes.len()),
            State::Lost => self.look(w),
        };
        match step {
            Step::Take(n) if n > 0 => {
                // What is passed over on the way to the next element; in front of one that is found the state has changed.
                self.damage.unnamed += if nameless && matches!(self.state, State::Lost | State::Done) { n as u64 } else { 0 };
                self.prev = w.moment(n - 1);
                self.cursor = w.start + n as u64;
            }
            Step::Skip(n) if n > 0 => {
                self.prev = w.moment(usize::try_from(n - 1).unwrap_or(usize::MAX));
                self.cursor = w.start.saturating_add(n);
            }
            _ => {}
        }
        step
    }

    fn gap(&mut self, start: u64, missing: u64, why: GapReason, when: Moment) {
        match why {
            GapReason::SnapLength => self.damage.cut += missing,
            GapReason::NotCaptured => self.damage.lost += missing,
            GapReason::Limit => self.damage.limit += missing,
        }
        self.missed(start, missing, why, when);
    }

    fn overflow(&mut self, start: u64) {
        self.damage.nonsense += 1;
        self.lose(start);
    }
}
