//! One capture file of any format, from any byte stream.

use std::io::Read;

use crate::base::anomaly::{Anomalies, Place};
use crate::base::limits::LOOK_AHEAD_BYTES;
use crate::error::{Error, Result};

use super::bpf::Filter;
use super::buffer::{Block, Buffer};
use super::record::{Fault, Notes, Record, Then};
use super::{FileFacts, Frame, InterfaceFacts, magic, pcap, pcapng};

/// Frames that a parser looks for at a time: their records stay in the fastest cache.
const BATCH: usize = 512;

/// What all files of a point have in common.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) interfaces: Vec<InterfaceFacts>,
    pub(super) anomalies: Anomalies,
    pub(super) filter: Option<Filter>,
}

enum Parser {
    Pcap(pcap::Parser),
    Pcapng(pcapng::Parser),
}

/// Bytes in, records out. The frames' bytes stay in the buffer until the next scan gives them up.
pub(super) struct Records<R> {
    buffer: Buffer<R>,
    parser: Parser,
    /// What is known of the file.
    pub(super) facts: FileFacts,
    file: u16,
    ended: bool,
}

impl<R: Read> Records<R> {
    /// Reads the file header from `read`. `facts` brings path and compression along.
    pub(super) fn open(read: R, file: u16, mut facts: FileFacts, shared: &mut Shared) -> Result<Self> {
        let mut buffer = Buffer::new(read);
        let complete = buffer.fill(0, 4);
        let refuse = |message: String, offset| Error::new(message).at(&facts.path).offset(offset);
        if let (false, Some(error)) = (complete, buffer.fault()) {
            return Err(refuse(format!("cannot read: {error}"), buffer.unread().len() as u64));
        }
        let Some(magic) = buffer.unread().first_chunk::<4>().copied() else {
            let error = match buffer.unread().len() {
                0 => refuse("expected a capture, found no bytes at all".into(), 0),
                count => refuse(format!("expected a capture, found only {count} bytes"), count as u64),
            };
            return Err(error.advice("The capture was not started or its disk was full; leave the file out."));
        };
        let mut notes = Notes { file, facts: &mut facts, anomalies: &mut shared.anomalies, interfaces: &mut shared.interfaces };
        let parser = if pcapng::is_magic(magic) {
            notes.facts.format = "pcapng";
            Parser::Pcapng(pcapng::Parser::default())
        } else if pcap::is_magic(magic) {
            if !buffer.fill(0, pcap::HEADER) {
                let end = buffer.unread().len();
                let error = Error::new(format!("expected a pcap header of {} bytes, found {end}", pcap::HEADER));
                let error = error.at(&facts.path).offset(end as u64);
                return Err(error.advice("The file was cut before its first frame; leave it out."));
            }
            let header = buffer.unread().first_chunk().copied().unwrap_or([0; pcap::HEADER]);
            let parser = pcap::Parser::new(&header, &mut notes)
                .map_err(|fault| Error::new(fault.message).at(&notes.facts.path).offset(fault.offset))?;
            notes.facts.format = parser.format();
            buffer.consume(pcap::HEADER);
            Parser::Pcap(parser)
        } else {
            buffer.fill(0, magic::LONGEST);
            return Err(magic::refuse(buffer.unread()).at(&facts.path).offset(0));
        };
        Ok(Self { buffer, parser, facts, file, ended: false })
    }

    /// Appends some frames to `out`, giving up the bytes before stream offset `keep`. False at the end of the file. Appends
    /// nothing and returns true if more bytes than [`LOOK_AHEAD_BYTES`] would have to be kept to go on.
    pub(super) fn scan(&mut self, keep: u64, out: &mut Vec<Record>, shared: &mut Shared) -> Result<bool> {
        let before = out.len();
        while !self.ended && out.len() == before {
            let Self { buffer, parser, facts, file, .. } = self;
            let mut notes = Notes { file: *file, facts, anomalies: &mut shared.anomalies, interfaces: &mut shared.interfaces };
            let (bytes, offset) = (buffer.unread(), buffer.offset());
            let (done, then) = match parser {
                Parser::Pcap(parser) => parser.scan(bytes, offset, BATCH, out, &mut notes),
                Parser::Pcapng(parser) => parser.scan(bytes, offset, BATCH, out, &mut notes),
            };
            buffer.consume(done);
            match then {
                Then::Full => {}
                Then::Need(_) if out.len() > before => {}
                Then::Need(count) => {
                    let keep = keep.min(buffer.offset());
                    if buffer.offset() - keep > LOOK_AHEAD_BYTES as u64 {
                        break;
                    }
                    if !buffer.fill(keep, count) {
                        self.end(shared)?;
                    }
                }
                // What was found before the fault is handed on first; the next scan meets the fault again.
                Then::Fault(_) if out.len() > before => {}
                Then::Fault(fault) => self.stop(&fault, shared)?,
            }
        }
        Ok(!self.ended)
    }

    /// Removes the records from `from` on that the point's filter does not let pass. Their bytes must still be at hand.
    pub(super) fn filter(&mut self, queue: &mut Vec<Record>, from: usize, shared: &mut Shared) {
        let Some(filter) = &mut shared.filter else { return };
        let mut kept = from;
        for at in from..queue.len() {
            let record = queue[at];
            let passes = filter.passes(&record, self.buffer.bytes(record.offset, record.len));
            if passes.is_none() {
                let place = Place { file: self.file, frame: record.frame };
                shared.anomalies.explain("filter_not_applicable", place, || filter.explain(record.link, place));
            }
            if passes == Some(true) {
                queue[kept] = record;
                kept += 1;
            }
        }
        self.facts.filtered_out += (queue.len() - kept) as u64;
        queue.truncate(kept);
    }

    /// The captured bytes of a record of the last scans.
    #[inline]
    pub(super) fn bytes(&self, record: &Record) -> &[u8] {
        self.buffer.bytes(record.offset, record.len)
    }

    /// The block that holds the bytes of a record of the last scans, and where they start there.
    #[inline]
    pub(super) fn lies(&self, record: &Record) -> (&Block, usize) {
        self.buffer.lies(record.offset)
    }

    /// Stream offset up to which the file was parsed.
    pub(super) fn offset(&self) -> u64 {
        self.buffer.offset()
    }

    /// True if the file may not be in time order.
    pub(super) fn several_interfaces(&self) -> bool {
        matches!(&self.parser, Parser::Pcapng(parser) if parser.several_interfaces())
    }

    /// What is known of the file by now.
    pub(super) fn facts(&self) -> FileFacts {
        let mut facts = self.facts.clone();
        if let Parser::Pcapng(parser) = &self.parser {
            facts.capture_drops = parser.drops();
        }
        facts
    }

    /// The stream ended: properly, inside a record, or by a fault of the disk or the decompression.
    fn end(&mut self, shared: &mut Shared) -> Result<()> {
        let offset = self.buffer.offset();
        let left = self.buffer.unread().len();
        let inside = left > 0 || matches!(&self.parser, Parser::Pcapng(parser) if parser.mid_block());
        self.facts.cut_short = inside || self.buffer.fault().is_some();
        if let Some(error) = self.buffer.fault() {
            let kind = if self.facts.compression.is_some() { "decompression_fault" } else { "read_fault" };
            let message = error.to_string();
            return self.stop(&Fault { kind, offset: offset + left as u64, message }, shared);
        }
        self.ended = true;
        let place = Place { file: self.file, frame: self.facts.packets };
        let path = &self.facts.path;
        if inside {
            shared.anomalies.explain("cut_in_record", place, || {
                format!("{path}, byte {offset}: the file ends inside a record, {left} bytes after its start")
            });
        } else if self.facts.packets == 0 {
            shared.anomalies.explain("no_frames", place, || format!("{path}: the capture holds no frame"));
        }
        Ok(())
    }

    /// Ends the file at a fault. An error if no frame was read before.
    fn stop(&mut self, fault: &Fault, shared: &mut Shared) -> Result<()> {
        self.ended = true;
        if self.facts.packets == 0 {
            let error = Error::new(&*fault.message).at(&self.facts.path).offset(fault.offset);
            return Err(error.advice("No frame could be read before this place; copy the file again or leave it out."));
        }
        self.facts.cut_short = true;
        let place = Place { file: self.file, frame: self.facts.packets };
        let path = &self.facts.path;
        shared
            .anomalies
            .explain(fault.kind, place, || format!("{path}, byte {}: {}; nothing after it is read", fault.offset, fault.message));
        Ok(())
    }
}

/// One capture file from any byte stream, frames in the order of the file: the simplest way in, for tests and fuzzers.
pub struct Reader<R> {
    records: Records<R>,
    shared: Shared,
    batch: Vec<Record>,
    next: usize,
}

impl<R: Read> Reader<R> {
    /// Reads the header of an uncompressed capture.
    pub fn new(read: R) -> Result<Self> {
        let mut shared = Shared::default();
        let records = Records::open(read, 0, FileFacts::default(), &mut shared)?;
        Ok(Self { records, shared, batch: Vec::new(), next: 0 })
    }

    /// The next frame, `None` at the end.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>> {
        if self.next == self.batch.len() {
            self.batch.clear();
            self.next = 0;
            self.records.scan(u64::MAX, &mut self.batch, &mut self.shared)?;
        }
        let Some(record) = self.batch.get(self.next) else { return Ok(None) };
        self.next += 1;
        Ok(Some(record.frame(0, self.records.bytes(record))))
    }

    /// What is known of the file by now.
    pub fn facts(&self) -> FileFacts {
        self.records.facts()
    }

    /// Its interfaces.
    pub fn interfaces(&self) -> &[InterfaceFacts] {
        &self.shared.interfaces
    }

    /// What was odd about it.
    pub fn anomalies(&self) -> &Anomalies {
        &self.shared.anomalies
    }
}

#[cfg(test)]
mod tests;
