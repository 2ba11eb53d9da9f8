//! pcapng files: <https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/>.
//!
//! A file is one section after the other, each with its own byte order and interfaces. Every block says its length at both
//! ends: a block whose ends agree can be passed over whatever is in it; where they disagree the parser stops. It does not
//! look for the next section by its magic number, since a captured file transfer may hold one too.

mod interface;
mod options;

use crate::base::limits::{BLOCK_BYTES, FRAME_BYTES, INTERFACES};
use crate::base::time::Timestamp;

use super::pcap::without_fcs;
use super::record::{Fault, Notes, Record, Then, lengths};
use interface::Interface;
use options::{options, wide, word};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
/// The obsolete Packet Block.
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAME_RESOLUTION: u32 = 4;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const JOURNAL: u32 = 9;
const SECRETS: u32 = 10;
const CUSTOM: u32 = 0x0bad;
const CUSTOM_NOT_COPIED: u32 = 0x4000_0bad;

/// Type, length, and length again.
const FRAMING: usize = 12;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// True if `magic`, the first four bytes of a file, starts a pcapng.
pub(super) fn is_magic(magic: [u8; 4]) -> bool {
    u32::from_be_bytes(magic) == SECTION
}

/// A block that is passed over because nothing in it is read.
#[derive(Debug)]
struct Skip {
    left: u32,
    total: u32,
    /// Stream offset of the block.
    offset: u64,
}

/// Parser of one file.
#[derive(Debug, Default)]
pub(super) struct Parser {
    big_endian: bool,
    /// Of this section.
    interfaces: Vec<Interface>,
    /// More than one interface was described: the file may not be in time order.
    several: bool,
    frame: u64,
    last: Timestamp,
    skip: Option<Skip>,
    /// Drops told by the sections before this one.
    drops: Option<u64>,
}

impl Parser {
    /// True once a section describes more than one interface: dumpcap then does not write in time order.
    pub(super) fn several_interfaces(&self) -> bool {
        self.several
    }

    /// True within a block that is passed over.
    pub(super) fn mid_block(&self) -> bool {
        self.skip.is_some()
    }

    /// Frames dropped by the capturing system, as far as the file has told yet.
    pub(super) fn drops(&self) -> Option<u64> {
        let sections = self.drops.into_iter();
        sections.chain(self.interfaces.iter().filter_map(Interface::drops)).reduce(u64::saturating_add)
    }

    /// Finds up to `batch` frames in `bytes`, which start at stream offset `offset`. Returns how many bytes were consumed.
    pub(super) fn scan(&mut self, bytes: &[u8], offset: u64, batch: usize, out: &mut Vec<Record>, notes: &mut Notes<'_>) -> (usize, Then) {
        let full = out.len() + batch;
        let mut done = 0;
        while out.len() < full {
            let here = offset + done as u64;
            let rest = &bytes[done..];
            if let Some(skip) = &mut self.skip {
                match skip.pass(rest, self.big_endian) {
                    Ok((count, true)) => (done, self.skip) = (done + count, None),
                    Ok((count, false)) => return (done + count, Then::Need(if skip.left == 4 { 4 } else { 1 })),
                    Err(fault) => return (done, Then::Fault(fault)),
                }
                continue;
            }
            if rest.len() < FRAMING {
                return (done, Then::Need(FRAMING));
            }
            let kind = word(false, rest, 0);
            if kind == SECTION {
                self.big_endian = match (word(false, rest, 8), word(true, rest, 8)) {
                    (BYTE_ORDER, _) => false,
                    (_, BYTE_ORDER) => true,
                    (_, found) => {
                        let message = format!("expected the byte-order magic {BYTE_ORDER:#010x} of a pcapng section, found {found:#010x}");
                        return (done, Then::Fault(Fault { kind: "byte_order", offset: here + 8, message }));
                    }
                };
            }
            let (kind, total) = (word(self.big_endian, rest, 0), word(self.big_endian, rest, 4));
            if (total as usize) < FRAMING || !total.is_multiple_of(4) {
                let message = format!(
                    "expected a block length of at least {FRAMING} that is a multiple of 4, found {total} in a block of type {kind:#010x}"
                );
                return (done, Then::Fault(Fault { kind: "block_length", offset: here + 4, message }));
            }
            let vital = matches!(kind, SECTION | INTERFACE);
            let read = vital || matches!(kind, PACKET | SIMPLE_PACKET | STATISTICS | ENHANCED_PACKET);
            if !read || total as usize > BLOCK_BYTES {
                if vital {
                    let message = format!("expected a block of at most {BLOCK_BYTES} bytes, found one of type {kind} that claims {total}");
                    return (done, Then::Fault(Fault { kind: "block_length", offset: here + 4, message }));
                }
                self.pass_over(kind, total, here, notes);
                continue;
            }
            let Some(block) = rest.get(..total as usize) else { return (done, Then::Need(total as usize)) };
            let (body, trailer) = block.split_at(block.len() - 4);
            if let Err(fault) = agree(total, word(self.big_endian, trailer, 0), here) {
                return (done, Then::Fault(fault));
            }
            let body = &body[8..];
            match kind {
                ENHANCED_PACKET => self.enhanced(body, here + 8, out, notes),
                SECTION => {
                    if let Err(message) = self.section(body) {
                        return (done, Then::Fault(Fault { kind: "version", offset: here + 12, message }));
                    }
                }
                INTERFACE => self.interface(body, notes),
                STATISTICS => self.statistics(body),
                SIMPLE_PACKET => self.simple(body, here + 8, out, notes),
                _ => self.obsolete(body, here + 8, out, notes),
            }
            done += block.len();
        }
        (done, Then::Full)
    }

    fn pass_over(&mut self, kind: u32, total: u32, offset: u64, notes: &mut Notes<'_>) {
        match kind {
            NAME_RESOLUTION | SECRETS | STATISTICS => {}
            // Wireshark numbers these as frames: journal entries, custom blocks, events of sysdig.
            JOURNAL | CUSTOM | CUSTOM_NOT_COPIED | 0x204 | 0x208 | 0x216 | 0x217 | 0x221 | 0x222 => {
                self.frame += 1;
                let frame = self.frame;
                notes.explain("not_a_frame", frame, || format!("number {frame} is a block of type {kind:#x} that holds no frame"));
            }
            PACKET | SIMPLE_PACKET | ENHANCED_PACKET => {
                self.frame += 1;
                let frame = self.frame;
                notes.explain("record_length", frame, || {
                    format!("frame {frame} is a block of {total} bytes, more than {BLOCK_BYTES}; it is passed over")
                });
            }
            _ => {
                notes.explain("unknown_block", self.frame, || format!("byte {offset}: a block of unknown type {kind:#010x} is passed over"))
            }
        }
        self.skip = Some(Skip { left: total, total, offset });
    }

    fn section(&mut self, body: &[u8]) -> Result<(), String> {
        if body.len() < 16 {
            return Err(format!("expected a section header of 28 bytes, found {}", body.len() + FRAMING));
        }
        let versions = word(self.big_endian, body, 4);
        let major = if self.big_endian { versions >> 16 } else { versions & 0xffff };
        if major != 1 {
            return Err(format!("expected pcapng version 1, found {major}"));
        }
        self.drops = self.drops();
        self.interfaces.clear();
        Ok(())
    }

    fn interface(&mut self, body: &[u8], notes: &mut Notes<'_>) {
        if self.interfaces.len() >= INTERFACES {
            notes.explain("too_many_interfaces", self.frame, || format!("more than {INTERFACES} interfaces in one section"));
            return;
        }
        let id = self.interfaces.len() as u32;
        self.interfaces.push(Interface::read(body, self.big_endian, id, notes));
        self.several |= id > 0;
    }

    fn statistics(&mut self, body: &[u8]) {
        if body.len() < 12 {
            return;
        }
        let id = word(self.big_endian, body, 0) as usize;
        if let Some(interface) = self.interfaces.get_mut(id) {
            interface.statistics(&body[12..], self.big_endian);
        }
    }

    fn enhanced(&mut self, body: &[u8], offset: u64, out: &mut Vec<Record>, notes: &mut Notes<'_>) {
        let big_endian = self.big_endian;
        let Some(head) = body.first_chunk::<20>() else { return self.bad(body.len(), notes) };
        let (id, len) = (word(big_endian, head, 0), word(big_endian, head, 12));
        let stamp = u64::from(word(big_endian, head, 4)) << 32 | u64::from(word(big_endian, head, 8));
        let padded = 20 + (len as usize).next_multiple_of(4);
        if body.len() > padded {
            for (code, value) in options(&body[padded..], big_endian) {
                // epb_dropcount
                if let (4, Some(count), Some(interface)) = (code, wide(big_endian, value), self.interfaces.get_mut(id as usize)) {
                    interface.dropped(count);
                }
            }
        }
        let found = Found { id, stamp: Some(stamp), len, wire_len: word(big_endian, head, 16), room: body.len() - 20 };
        self.packet(found, offset + 20, out, notes);
    }

    fn obsolete(&mut self, body: &[u8], offset: u64, out: &mut Vec<Record>, notes: &mut Notes<'_>) {
        let big_endian = self.big_endian;
        let Some(head) = body.first_chunk::<20>() else { return self.bad(body.len(), notes) };
        let both = word(big_endian, head, 0);
        let (id, drops) = if big_endian { (both >> 16, both & 0xffff) } else { (both & 0xffff, both >> 16) };
        if let (true, Some(interface)) = (drops != 0xffff, self.interfaces.get_mut(id as usize)) {
            interface.dropped(u64::from(drops));
        }
        let stamp = u64::from(word(big_endian, head, 4)) << 32 | u64::from(word(big_endian, head, 8));
        let (len, wire_len) = (word(big_endian, head, 12), word(big_endian, head, 16));
        let found = Found { id, stamp: Some(stamp), len, wire_len, room: body.len() - 20 };
        self.packet(found, offset + 20, out, notes);
    }

    fn simple(&mut self, body: &[u8], offset: u64, out: &mut Vec<Record>, notes: &mut Notes<'_>) {
        let Some(head) = body.first_chunk::<4>() else { return self.bad(body.len(), notes) };
        let wire_len = word(self.big_endian, head, 0);
        let snaplen = self.interfaces.first().map_or(u32::MAX, |i| i.snaplen);
        let room = body.len() - 4;
        let len = wire_len.min(snaplen).min(room as u32);
        self.packet(Found { id: 0, stamp: None, len, wire_len, room }, offset + 4, out, notes);
    }

    #[inline]
    fn packet(&mut self, found: Found, offset: u64, out: &mut Vec<Record>, notes: &mut Notes<'_>) {
        self.frame += 1;
        let frame = self.frame;
        let Found { id, stamp, len, mut wire_len, room } = found;
        let Some(interface) = self.interfaces.get(id as usize) else {
            return notes
                .explain("unknown_interface", frame, || format!("frame {frame} names interface {id}, which is not described before it"));
        };
        if len as usize > room.min(FRAME_BYTES) {
            return notes.explain("record_length", frame, || {
                format!("frame {frame} claims {len} bytes, its block has room for {room} and the limit is {FRAME_BYTES}; it is passed over")
            });
        }
        let at = match stamp.map(|stamp| interface.time(stamp)) {
            Some(Some(at)) => at,
            Some(None) => {
                notes.untimed(len, wire_len);
                let stamp = stamp.unwrap_or_default();
                return notes.explain("time_out_of_range", frame, || {
                    format!("frame {frame} has the time stamp {stamp:#x}, outside the years 1677 to 2262; it is passed over")
                });
            }
            None => {
                notes.explain("no_time", frame, || {
                    format!("frame {frame} has no time stamp (Simple Packet Block); the time of the frame before it is taken")
                });
                self.last
            }
        };
        self.last = at;
        if len > interface.snaplen || len > wire_len {
            wire_len = lengths(len, wire_len, interface.snaplen, frame, notes);
        }
        notes.frame(at, len, wire_len);
        let Some(number) = interface.number else { return };
        let (len, wire_len) = without_fcs(len, wire_len, interface.fcs_bytes);
        out.push(Record { at, offset, frame, len, wire_len, link: interface.link, interface: number });
    }

    #[cold]
    fn bad(&mut self, len: usize, notes: &mut Notes<'_>) {
        self.frame += 1;
        let frame = self.frame;
        notes.explain("record_length", frame, || {
            format!("frame {frame} is a block of {len} bytes, too few for its fields; it is passed over")
        });
    }
}

/// The fields that all packet blocks have in common.
struct Found {
    id: u32,
    stamp: Option<u64>,
    len: u32,
    wire_len: u32,
    room: usize,
}

impl Skip {
    /// Passes over what there is of the block. Returns the bytes consumed, and true at the block's end.
    fn pass(&mut self, bytes: &[u8], big_endian: bool) -> Result<(usize, bool), Fault> {
        let count = bytes.len().min(self.left as usize - 4);
        self.left -= count as u32;
        match bytes.get(count..count + 4) {
            Some(trailer) if self.left == 4 => {
                agree(self.total, word(big_endian, trailer, 0), self.offset)?;
                Ok((count + 4, true))
            }
            _ => Ok((count, false)),
        }
    }
}

fn agree(total: u32, trailer: u32, offset: u64) -> Result<(), Fault> {
    if total == trailer {
        return Ok(());
    }
    let message = format!("expected a block to end with its length {total} again, found {trailer}");
    let offset = offset + u64::from(total) - 4;
    Err(Fault { kind: "block_length", offset, message })
}

#[cfg(test)]
mod tests;
