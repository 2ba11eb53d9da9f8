//! Finding the way again after bytes that are missing: captures cut by their snap length show the first bytes of each segment only.
//!
//! What is looked for, in falling order of strength: a footer and what may follow it; the header of a part at the first byte after a gap
//! (QEMU flushes at the end of each part, so the next begins a segment); a RAM record that names its block; a RAM record whose
//! address and distance from the last known one agree. The description at the stream's end is told by its being text to the end.
//!
//! Distances: a page takes 8 + 4096 bytes, a zero page 9, and between two parts stand 18 (EOS 8, footer 5, header 5). So the distance from
//! one known record to the next says whether another section began between them.

use super::format::{RAM_MAX, command, printable, section};
use super::forward::{Forward, Payload, Section, State};
use super::ram::{Kind, Parsed};
use crate::app::migration::Step as Told;
use crate::app::migration::feed::{Step, Window};
use crate::app::migration::timeline::Mark;
use crate::flow::{GapReason, Moment};

/// Bytes between the records of two parts: EOS, footer, header.
const SEAM: u64 = 18;
/// Bytes of a zero page.
const ZERO_PAGE: u64 = 9;
/// Seams that may lie between two records that are found again: more make the arithmetic weak.
const SEAMS: u64 = 8;
/// Kind of a section of which it is not known whether it is the old one.
pub(super) const UNSURE: u8 = 0xff;
/// Fewest bytes that say whether a piece is text.
const TEXT: usize = 16;
/// Most bytes of a piece that are looked at for that.
const TEXT_LOOK: usize = 48;

/// What was certain last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// Offset where the next element would have begun.
    boundary: u64,
    /// What was being read there.
    state: Option<State>,
    /// Last packet that certainly carried pre-copy bytes, and the offset one past them.
    precopy: Option<(Moment, u64)>,
    /// Last RAM record that was read, and the offset one past it.
    record: Option<(Moment, u64)>,
    /// Page that the record before the boundary was for.
    page: Option<u64>,
    /// Where a record was found of which it is not certain that it is of the section that was read before: up to here another section may
    /// have begun, not after it.
    unsure: Option<(Moment, u64)>,
    /// The newest gap: offset one past it, its length, its reason, the packet that told of it.
    gap: Option<(u64, u64, GapReason, Moment)>,
    /// Since when every piece is text, and since when it is certainly JSON.
    text: Option<(Moment, u64)>,
    json: Option<(Moment, u64)>,
    /// Last packet that carried what is no text, and the offset of its piece.
    binary: Option<(Moment, u64)>,
    /// Whether the piece at this offset has been looked at for text.
    looked: Option<u64>,
    /// That piece is text.
    is_text: bool,
}

impl Known {
    /// The way is lost at `boundary`, in `state`.
    pub(super) fn lost_at(&mut self, boundary: u64, state: State) {
        self.boundary = boundary;
        self.state = Some(state);
    }

    /// A part of pre-copy was read up to `offset`.
    pub(super) fn precopy(&mut self, when: Moment, offset: u64) {
        self.precopy = Some((when, offset));
    }

    /// A RAM record was read.
    pub(super) fn record(&mut self, when: Moment, end: u64, page: u64) {
        self.record = Some((when, end));
        self.page = Some(page);
    }
}

/// What was found at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Found {
    No,
    /// Perhaps: more bytes would tell.
    Unclear,
    /// A footer, with a section, a command or the end behind it.
    Footer,
    /// A section, a command or EOF without a footer before it.
    Element,
    /// A RAM record; true if it is certainly of the section that was read when the way was lost.
    Record(bool),
}

impl Forward {
    /// `missing` bytes from `start` on are gone.
    pub(super) fn missed(&mut self, start: u64, missing: u64, why: GapReason, when: Moment) {
        let end = start.saturating_add(missing);
        self.known.gap = Some((end, missing, why, when));
        if let Some(package_end) = self.package_end
            && start < package_end
            && package_end <= end
        {
            let earliest = if why == GapReason::SnapLength { when } else { self.prev };
            self.package_passed(Mark::between(earliest, when, when, package_end));
        }
        match self.state {
            State::Lost | State::Done => {}
            State::AfterEof => self.state = State::Done,
            State::Description(end) => {
                if start.saturating_add(missing) >= end {
                    let mark =
                        if why == GapReason::SnapLength { Mark::exact(when, end) } else { Mark::between(self.prev, when, when, end) };
                    self.timeline.vmdesc_end = Some(mark);
                    self.state = State::Done;
                }
            }
            state => {
                if let State::Ram(s) | State::BlockList(s, _) = state
                    && s.kind == section::PART
                    && self.timeline.switchover_first.is_none()
                {
                    self.known.precopy(self.prev, self.cursor);
                }
                self.lose(self.cursor);
            }
        }
    }

    /// Looks for the next element.
    pub(super) fn look(&mut self, w: &Window<'_>) -> Step {
        // The package's length is known: something begins where it ends.
        if let Some(end) = self.package_end
            && self.timeline.packaged_end.is_none()
            && let Some(left) = end.checked_sub(w.start)
            && left <= w.bytes.len() as u64
        {
            let left = left as usize;
            let when = if left == 0 { self.prev } else { w.moment(left - 1) };
            self.package_passed(Mark::exact(when, end));
            self.state = State::Between;
            self.damage.unnamed += left as u64;
            return Step::Take(left);
        }
        if let Some(step) = self.look_for_text(w) {
            return step;
        }
        for at in 0..w.bytes.len() {
            // What every element begins with; of the pages of a guest few bytes are such.
            if !matches!(w.bytes[at], 0..=section::FULL | section::FOOTER) {
                continue;
            }
            match self.find(w, at) {
                Found::No => {}
                Found::Unclear if w.last => {}
                Found::Unclear => return if at == 0 { Step::Hold } else { Step::Take(at) },
                _ if at > 0 => return Step::Take(at),
                found => return self.resume(w, found),
            }
        }
        Step::Take(w.bytes.len())
    }

    /// A piece that begins after a gap is text or not; text holds nothing to find. `None`: no text, look on.
    fn look_for_text(&mut self, w: &Window<'_>) -> Option<Step> {
        let piece = self.known.gap.map_or(0, |g| g.0);
        if w.start == piece && self.known.looked != Some(piece) {
            if w.bytes.len() < TEXT_LOOK && !w.last {
                return Some(Step::Hold);
            }
            self.known.looked = Some(piece);
            let head = &w.bytes[..w.bytes.len().min(TEXT_LOOK)];
            self.known.is_text = head.iter().all(|b| (0x20..0x7f).contains(b));
            if self.known.is_text {
                self.known.text.get_or_insert((w.moment(0), w.start));
                let signs = [&b"\""[..], b": ", b", ", b"{", b"}", b"["];
                if head.len() >= TEXT && signs.iter().filter(|p| memchr::memmem::find(head, p).is_some()).count() >= 2 {
                    self.known.json.get_or_insert((w.moment(0), w.start));
                }
            } else {
                (self.known.text, self.known.json) = (None, None);
                self.known.binary = Some((w.moment(0), w.start));
            }
        }
        (self.known.looked == Some(piece) && self.known.is_text).then(|| {
            // Nothing but text, or the end of text: look at what is no text.
            let text = w.bytes.iter().position(|b| !(0x20..0x7f).contains(b));
            match text {
                Some(0) => {
                    self.known.is_text = false;
                    (self.known.text, self.known.json) = (None, None);
                    self.known.binary = Some((w.moment(0), w.start));
                    Step::Take(0)
                }
                Some(n) => Step::Take(n),
                None => Step::Take(w.bytes.len()),
            }
        })
    }

    fn find(&self, w: &Window<'_>, at: usize) -> Found {
        match w.bytes[at] {
            section::FOOTER => self.find_footer(w, at),
            section::EOF if w.bytes.get(at + 1) == Some(&section::DESCRIPTION) => self.find_description(w, at),
            section::PART | section::END if self.after_gap(w, at) => self.find_part(w, at),
            section::START | section::FULL => self.find_named(w, at),
            0 if self.may_be_record(w, at) => self.find_record(w, at),
            _ => Found::No,
        }
    }

    fn after_gap(&self, w: &Window<'_>, at: usize) -> bool {
        self.known.gap.is_some_and(|g| g.0 == w.start + at as u64)
    }

    fn find_footer(&self, w: &Window<'_>, at: usize) -> Found {
        let Some(id) = w.be32(at + 1) else { return Found::Unclear };
        let middle = self.sections.is_empty();
        let plausible = self.sections.contains_key(&id) || middle && id < 4096;
        if !plausible {
            return Found::No;
        }
        let Some(&kind) = w.bytes.get(at + 5) else { return Found::Unclear };
        match kind {
            section::PART | section::END => match w.be32(at + 6) {
                None => Found::Unclear,
                Some(next) if middle && next != id => Found::No,
                Some(next) if middle || self.sections.contains_key(&next) => Found::Footer,
                Some(_) => Found::No,
            },
            section::FULL | section::START => match self.find_named(w, at + 5) {
                Found::Element => Found::Footer,
                // Cut, but with the footer of RAM before it there is no doubt.
                Found::Unclear if w.last && w.bytes.len() >= at + 12 && self.sections.get(&id) == Some(&Payload::Ram) => Found::Footer,
                other => other,
            },
            section::COMMAND => match (w.be16(at + 6), w.be16(at + 8)) {
                (Some(1..=command::SWITCHOVER_START), Some(len)) if len <= 1024 => Found::Footer,
                (Some(_), Some(_)) => Found::No,
                _ => Found::Unclear,
            },
            section::EOF => match self.find_description(w, at + 5) {
                Found::Element => Found::Footer,
                other => other,
            },
            _ => Found::No,
        }
    }

    /// EOF, the description's type and length, and how its JSON begins.
    fn find_description(&self, w: &Window<'_>, at: usize) -> Found {
        if w.bytes.get(at + 1).is_some_and(|b| *b != section::DESCRIPTION) {
            return Found::No;
        }
        let (Some(len), Some(json)) = (w.be32(at + 2), w.bytes.get(at + 6..at + 8)) else { return Found::Unclear };
        if (16..1 << 27).contains(&len) && json == b"{\"" { Found::Element } else { Found::No }
    }

    /// A part's header at the first byte after a gap, with a record behind it.
    fn find_part(&self, w: &Window<'_>, at: usize) -> Found {
        let Some(id) = w.be32(at + 1) else { return Found::Unclear };
        match self.sections.get(&id) {
            Some(Payload::Ram) => match self.ram.parse(w, at + 5) {
                Parsed::Record(_) => Found::Element,
                Parsed::Hold => Found::Unclear,
                Parsed::Bad => Found::No,
            },
            _ => Found::No,
        }
    }

    /// A section's header with its name: the numbers are small, the name is one.
    fn find_named(&self, w: &Window<'_>, at: usize) -> Found {
        let (Some(id), Some(len)) = (w.be32(at + 1), w.bytes.get(at + 5)) else { return Found::Unclear };
        if id > 0xffff || *len < 2 {
            return Found::No;
        }
        let Some(name) = w.counted(at + 5) else {
            let start = w.bytes.get(at + 6..).unwrap_or_default();
            return if start.is_empty() || printable(start) { Found::Unclear } else { Found::No };
        };
        if !printable(name) {
            return Found::No;
        }
        let after = at + 6 + name.len();
        match (w.be32(after), w.be32(after + 4)) {
            (Some(instance), Some(version)) if (instance <= 0xffff || instance == u32::MAX) && version <= 0xff => Found::Element,
            (Some(_), Some(_)) => Found::No,
            _ => Found::Unclear,
        }
    }

    /// A quick look: a word of nothing but zeros is none of a record, nor one beyond all memory.
    #[inline]
    fn may_be_record(&self, w: &Window<'_>, at: usize) -> bool {
        w.be64(at).is_none_or(|word| word & (self.ram.page_size() - 1) != 0 && word < self.ram.total.unwrap_or(RAM_MAX))
    }

    fn find_record(&self, w: &Window<'_>, at: usize) -> Found {
        if self.timeline.first_full.is_some() {
            return Found::No;
        }
        let record = match self.ram.parse(w, at) {
            Parsed::Bad => return Found::No,
            Parsed::Hold => return Found::Unclear,
            Parsed::Record(r) => r,
        };
        if !matches!(record.kind, Kind::Page | Kind::Zero | Kind::Xbzrle | Kind::Compressed) {
            return Found::No;
        }
        let word = w.be64(at).unwrap_or_default();
        if word & super::format::ram::CONTINUE == 0 {
            // Zero bytes and a name of a block: no accident.
            return Found::Record(self.distance(w.start + at as u64, record.value) == Some(0));
        }
        if self.ram.last.is_none() {
            return Found::No;
        }
        match self.distance(w.start + at as u64, record.value) {
            Some(0) => return Found::Record(true),
            Some(_) => return Found::Record(false),
            None => {}
        }
        // Else the next record must follow where this one says.
        let Ok(len) = usize::try_from(record.len) else { return Found::No };
        match self.ram.parse(w, at + len) {
            Parsed::Bad => Found::No,
            Parsed::Hold => Found::Unclear,
            Parsed::Record(next) if record.kind == Kind::Zero && next.kind == Kind::Zero => match self.ram.parse(w, at + 2 * len) {
                Parsed::Bad => Found::No,
                Parsed::Hold => Found::Unclear,
                Parsed::Record(_) => Found::Record(false),
            },
            Parsed::Record(_) => Found::Record(false),
        }
    }

    /// Sections that began between the boundary and a record for `page` at `offset`, if the distance fits the sizes of records. 0 is
    /// certain; more are a guess.
    fn distance(&self, offset: u64, page: u64) -> Option<u64> {
        if self.ram.page_bits != 12 || self.ram.all.xbzrle + self.ram.all.compressed > 0 {
            return None;
        }
        let State::Ram(_) = self.known.state? else { return None };
        let last = self.known.page?;
        let whole = 8 + self.ram.page_size();
        let d = offset.checked_sub(self.known.boundary)?;
        let seams = |rest: u64| (rest.is_multiple_of(SEAM) && rest / SEAM <= SEAMS).then_some(rest / SEAM);
        if page > last {
            // Each page between them was sent, whole or as zero.
            let between = page - last - 1;
            if let Some(rest) = d.checked_sub(between.checked_mul(ZERO_PAGE)?)
                && let Some(seams) = seams(rest % (whole - ZERO_PAGE))
                && rest / (whole - ZERO_PAGE) <= between
            {
                return Some(seams);
            }
            if d / whole > between {
                return None;
            }
        }
        // Only dirtied pages were sent, few of them as zero.
        let rest = d % whole;
        (rest.is_multiple_of(ZERO_PAGE) && rest <= SEAM * SEAMS).then_some(rest.div_ceil(SEAM))
    }

    /// Goes on at what was found at the window's first byte.
    fn resume(&mut self, w: &Window<'_>, found: Found) -> Step {
        let of = self.known.state.take();
        (self.known.text, self.known.json) = (None, None);
        match found {
            Found::Footer => {
                let id = w.be32(1).unwrap_or_default();
                let payload = *self.sections.entry(id).or_insert(Payload::Ram);
                if matches!(of, Some(State::Ram(_))) && !self.only_pages(w.start) {
                    self.known.unsure = None;
                }
                self.doubt &= payload == Payload::Opaque;
                let before = self.before(w.start, w);
                self.seam(w.start, w.bytes[5], before);
                self.footer_read(w, before.at);
                self.state = State::Between;
                Step::Take(5)
            }
            Found::Element => {
                if matches!(w.bytes[0], section::PART | section::END) {
                    // The footer lies in the gap.
                    let end = w.start.saturating_sub(5);
                    self.seam(end, w.bytes[0], self.before(end, w));
                }
                self.state = State::Between;
                Step::Take(0)
            }
            Found::Record(same) => {
                let old = match of {
                    Some(State::Ram(s)) => Some(s),
                    _ => None,
                };
                let id = self.sections.iter().find(|s| *s.1 == Payload::Ram).map_or(0, |s| *s.0);
                let section = old.unwrap_or(Section { id, kind: UNSURE, payload: Payload::Ram, start: w.start });
                let sure = same || section.kind == section::END;
                if !sure {
                    self.known.unsure = Some((w.moment(0), w.start));
                }
                self.state = State::Ram(Section { kind: if sure { section.kind } else { UNSURE }, ..section });
                Step::Take(0)
            }
            Found::No | Found::Unclear => Step::Take(1),
        }
    }

    /// The packet that carried the byte before `offset`, as a mark of an end.
    fn before(&self, offset: u64, w: &Window<'_>) -> Mark {
        match self.known.gap {
            // The byte lies in the gap before this piece.
            Some((end, missing, why, when)) if offset <= end && w.start >= end => {
                if why == GapReason::SnapLength && offset + missing > end {
                    Mark::exact(when, offset)
                } else {
                    let earliest = self.known.record.map_or(self.prev, |r| r.0);
                    Mark::between(earliest, when, w.moment(0), offset)
                }
            }
            _ => Mark::exact(self.prev, offset),
        }
    }

    /// A section's payload ended at `end`, and what begins with `next` follows it.
    pub(super) fn seam(&mut self, end: u64, next: u8, mark: Mark) {
        if self.timeline.switchover_first.is_some() {
            if next == section::FULL && self.timeline.end_section_end.is_none() {
                self.timeline.end_section_end = Some(mark);
            }
            return;
        }
        match next {
            section::PART if self.timeline.first_part.is_none() => self.timeline.setup_end = Some(mark),
            section::PART | section::END => {
                self.timeline.last_part = Some(mark);
                self.known.precopy(mark.latest, end);
            }
            section::COMMAND if self.timeline.first_part.is_some() => self.timeline.last_part = Some(mark),
            section::FULL if self.timeline.first_part.is_some() => self.timeline.end_section_end = Some(mark),
            _ => {}
        }
    }

    /// Only whole pages and the word that ends the section lie between the boundary and a footer at `end`.
    fn only_pages(&self, end: u64) -> bool {
        let whole = 8 + self.ram.page_size();
        end.checked_sub(self.known.boundary + 8).is_some_and(|d| d.is_multiple_of(whole))
    }

    /// The guest was stopped somewhere before this packet. If everything since a certain record is of one section, before that record.
    pub(super) fn switched_by(&mut self, when: Moment, offset: u64) {
        let (from, at) = self.known.precopy.unwrap_or((when, offset));
        let by = self.known.unsure.filter(|u| u.1 >= at && u.0.at >= from.at).map_or(when, |u| u.0);
        self.timeline.switchover_first = Some(Mark::between(from, by, by, at));
        self.ram.stopped();
        self.tell(Told::Switchover, when);
    }

    /// Device state began at the latest here.
    pub(super) fn full_in_doubt(&self, when: Moment, offset: u64) -> Mark {
        let switch = self.timeline.switchover_first.map_or(when, |m| m.earliest);
        let from = self.known.record.filter(|r| r.0.at >= switch.at).map_or(switch, |r| r.0);
        Mark::between(from, when, when, offset)
    }

    /// Sets the marks that lie where nothing could be read, with their bounds. `last` is the sender's last packet.
    pub(super) fn close_bounds(&mut self, last: Moment) {
        let t = &mut self.timeline;
        let k = &self.known;
        if t.eof.is_none()
            && let (Some(text), Some(json), Some(binary)) = (k.text, k.json, k.binary)
            && (t.first_part.is_some() || self.damage.beginning_missing)
        {
            t.eof = Some(Mark::between(binary.0, text.0, json.0, text.1));
            t.vmdesc_end = Some(Mark::between(last, last, last, text.1));
            self.complete = true;
        }
        if !self.complete && t.first_full.is_none() {
            return;
        }
        if self.postcopy {
            return;
        }
        let eof = t.eof.map_or(last, |m| m.latest);
        let latest = t.first_full.map_or(eof, |m| m.latest);
        let precopy = k.precopy.or(t.first_byte.map(|m| (m.at, m.offset)));
        if t.switchover_first.is_none()
            && let Some((from, offset)) = precopy
        {
            t.switchover_first = Some(Mark::between(from, latest, latest, offset));
        }
        let Some(switch) = t.switchover_first else { return };
        if t.last_part.is_none_or(|m| Some(m.offset) < k.precopy.map(|p| p.1))
            && let Some((from, offset)) = precopy
        {
            t.last_part = Some(Mark::between(from, from, switch.latest, offset));
        }
        let ram = k.record.filter(|r| r.0.at >= switch.earliest.at).unwrap_or((switch.earliest, switch.offset));
        if t.first_full.is_none() {
            t.first_full = Some(Mark::between(ram.0, ram.0, eof, ram.1));
        }
        if t.end_section_end.is_none() {
            t.end_section_end = Some(Mark::between(ram.0, ram.0, t.first_full.map_or(eof, |m| m.latest), ram.1));
        }
    }
}
