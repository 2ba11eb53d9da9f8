//! The post-copy preempt channel (QEMU 7.2 and later): pages that the destination asked for, on a connection of their own.
//!
//! It has no magic. Its records are those of the RAM section; the first names its block, and a lone EOS ends it.

use super::format::{RAM_MAX, ram as flag};
use super::ram::{Kind, Parsed, Ram};
use crate::app::migration::channel::{ChannelKind, ChannelReport};
use crate::app::migration::feed::{Feed, Machine, Step, Window};
use crate::app::migration::timeline::Mark;
use crate::app::migration::{MigrationEvent, Step as Told};
use crate::app::{Event, Probe, Protocol, StreamParser};
use crate::base::emit::Emit;
use crate::base::net::Side;
use crate::flow::{EndOfStream, FlowKey, GapReason, Moment, Need};

/// Preempt channels. Whether such a connection belongs to a migration, the ledger decides.
pub const PREEMPT: Protocol = Protocol { name: "qemu-preempt", probe, resync: None, start };

struct Records {
    ram: Ram,
    report: ChannelReport,
    lost: bool,
    begun: Option<Moment>,
}

impl Machine for Records {
    fn step(&mut self, w: &Window<'_>) -> Step {
        if self.report.timeline.first_byte.is_none() {
            self.report.timeline.first_byte = Some(Mark::exact(w.moment(0), w.start));
            self.begun = Some(w.moment(0));
        }
        match self.ram.parse(w, 0) {
            Parsed::Record(record) if !self.lost || named(w.bytes) == Probe::Yes => {
                self.lost = false;
                self.ram.count(&record, w, w.start, w.moment(0));
                self.report.complete = record.kind == Kind::Eos;
                Step::Skip(record.len)
            }
            Parsed::Hold => Step::Hold,
            _ if self.lost => {
                self.report.damage.unnamed += 1;
                Step::Take(1)
            }
            _ => {
                self.report.damage.nonsense += 1;
                self.lost = true;
                Step::Take(0)
            }
        }
    }

    fn gap(&mut self, _start: u64, missing: u64, why: GapReason, _when: Moment) {
        match why {
            GapReason::SnapLength => self.report.damage.cut += missing,
            GapReason::NotCaptured => self.report.damage.lost += missing,
            GapReason::Limit => self.report.damage.limit += missing,
        }
        self.lost = true;
    }

    fn overflow(&mut self, _start: u64) {
        self.report.damage.nonsense += 1;
        self.lost = true;
    }
}

struct Preempt {
    records: Option<(Side, Records)>,
    feed: Feed,
}

impl Preempt {
    fn records(&mut self, side: Side) -> (&mut Records, &mut Feed, bool) {
        let (sender, records) = self.records.get_or_insert_with(|| {
            let mut ram = Ram::default();
            ram.enter_postcopy();
            (side, Records { ram, report: ChannelReport::new(ChannelKind::Preempt, "content", side), lost: false, begun: None })
        });
        (records, &mut self.feed, *sender == side)
    }
}

impl StreamParser for Preempt {
    fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) -> Need {
        let (records, feed, sender) = self.records(side);
        if !sender {
            records.report.answered_bytes += bytes.len() as u64;
            return Need::More;
        }
        let need = feed.bytes(records, when, bytes);
        if let Some(when) = records.begun.take() {
            out.emit(Event::Migration(MigrationEvent::Passed(Told::Begin, when)));
        }
        need
    }

    fn gap(&mut self, side: Side, when: Moment, missing: u64, why: GapReason, _out: &mut dyn Emit<Event>) -> Need {
        let (records, feed, sender) = self.records(side);
        if sender { feed.gap(records, when, missing, why) } else { Need::More }
    }

    fn fin(&mut self, side: Side, when: Moment, _out: &mut dyn Emit<Event>) {
        if let Some((sender, records)) = &mut self.records {
            records.report.fins[usize::from(side != *sender)].get_or_insert(when);
        }
    }

    fn end(&mut self, when: Moment, how: EndOfStream, out: &mut dyn Emit<Event>) {
        let Some((_, mut records)) = self.records.take() else { return };
        self.feed.finish(&mut records);
        let mut report = records.report;
        report.ram = records.ram.all;
        report.ram_postcopy = records.ram.postcopy;
        report.postcopy = true;
        let (seen, resent, _) = records.ram.finish();
        report.resent = seen.is_some().then_some(resent);
        report.seen = seen;
        report.sent_bytes = self.feed.end();
        report.end = Some((how, when));
        out.emit(Event::Migration(MigrationEvent::Closed(Box::new(report))));
    }
}

/// A record of a page that names its block.
fn named(bytes: &[u8]) -> Probe {
    let Some(word) = bytes.first_chunk::<8>().map(|b| u64::from_be_bytes(*b)) else {
        return if bytes.iter().take(2).all(|b| *b == 0) { Probe::More } else { Probe::No };
    };
    let flags = word & 0xfff;
    if word >= RAM_MAX || !matches!(flags, flag::PAGE | flag::ZERO) {
        return Probe::No;
    }
    let Some(&len) = bytes.get(8) else { return Probe::More };
    let have = bytes.get(9..).unwrap_or_default();
    let name = &have[..have.len().min(usize::from(len))];
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"/@._:-".contains(b);
    if len < 3 || !name.iter().all(fits) {
        Probe::No
    } else if name.len() < usize::from(len) {
        Probe::More
    } else {
        Probe::Yes
    }
}

fn probe(_key: &FlowKey, _side: Side, bytes: &[u8]) -> Probe {
    named(bytes)
}

fn start(_key: &FlowKey) -> Box<dyn StreamParser> {
    Box::new(Preempt { records: None, feed: Feed::default() })
}
