//! Classic pcap files: <https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/>, and what libpcap's `sf-pcap.c` reads besides.
//!
//! A 24-byte header, then records of 16 (modified pcap: 24) header bytes and the frame. All numbers are in the byte order that
//! the magic number shows. Nothing in the format allows to find the next record after a broken one: the parser stops there.

use crate::base::limits::FRAME_BYTES;
use crate::base::time::{NS_PER_S, Timestamp};

use super::record::{Fault, Notes, Record, Then, lengths, too_long};
use super::{InterfaceFacts, LinkType};

/// Length of the file header.
pub(super) const HEADER: usize = 24;

/// Microseconds; the classic one.
const MICROSECONDS: u32 = 0xa1b2_c3d4;
/// Nanoseconds.
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Kuznetzov's "modified" pcap: each record header goes on with interface index, protocol and packet type.
const MODIFIED: u32 = 0xa1b2_cd34;

/// True if `magic`, the first four bytes of a file, starts a classic pcap.
pub(super) fn is_magic(magic: [u8; 4]) -> bool {
    let known = |value| matches!(value, MICROSECONDS | NANOSECONDS | MODIFIED);
    known(u32::from_le_bytes(magic)) || known(u32::from_be_bytes(magic))
}

/// Which of the record's two lengths comes first. Versions before 2.3 wrote the wire length first, 2.3 either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Swapped {
    No,
    Yes,
    Maybe,
}

/// Parser of one file, after its header.
#[derive(Debug)]
pub(super) struct Parser {
    big_endian: bool,
    modified: bool,
    nanoseconds: bool,
    swapped: Swapped,
    snaplen: u32,
    fcs_bytes: u8,
    link: LinkType,
    interface: u16,
    frame: u64,
}

impl Parser {
    /// From the file header. The error says what was expected and found.
    pub(super) fn new(header: &[u8; HEADER], notes: &mut Notes<'_>) -> Result<Self, Fault> {
        let magic = [header[0], header[1], header[2], header[3]];
        let big_endian = matches!(u32::from_be_bytes(magic), MICROSECONDS | NANOSECONDS | MODIFIED);
        let word = |at: usize| word(big_endian, header, at);
        let magic = word(0);
        let (major, minor) = if big_endian { (word(4) >> 16, word(4) & 0xffff) } else { (word(4) & 0xffff, word(4) >> 16) };
        // libpcap sf-pcap.c pcap_check_header: 2.0 to 2.4, and 543.0 of DG/UX tcpdump.
        let swapped = match (major, minor) {
            (2, 0..=2) | (543, 0) => Swapped::Yes,
            (2, 3) => Swapped::Maybe,
            (2, 4) => Swapped::No,
            _ => {
                let message = format!("expected pcap version 2.0 to 2.4, found {major}.{minor}");
                return Err(Fault { kind: "version", offset: 4, message });
            }
        };
        // A snap length of 0 or beyond an i32 means none, as libpcap takes it.
        let snaplen = word(16);
        let snaplen = if snaplen > i32::MAX as u32 { 0 } else { snaplen };
        // The upper bits of the link type: P says that frames end with a check sequence of F 16-bit words.
        let link = word(20);
        let fcs_bytes = if link & 0x0400_0000 != 0 { (link >> 28) as u8 * 2 } else { 0 };
        let link = LinkType(link as u16);
        let interface = InterfaceFacts { file: notes.file, id: 0, name: None, link: link.0, snaplen, fcs_bytes };
        let Some(interface) = notes.interface(interface) else {
            let message = "no room for one more interface".into();
            return Err(Fault { kind: "too_many_interfaces", offset: 20, message });
        };
        let (modified, nanoseconds) = (magic == MODIFIED, magic == NANOSECONDS);
        let snaplen = if snaplen == 0 { u32::MAX } else { snaplen };
        Ok(Self { big_endian, modified, nanoseconds, swapped, snaplen, fcs_bytes, link, interface, frame: 0 })
    }

    /// The name of the format.
    pub(super) fn format(&self) -> &'static str {
        if self.modified { "pcap (modified)" } else { "pcap" }
    }

    /// Finds up to `batch` frames in `bytes`, which start at stream offset `offset`. Returns how many bytes were consumed.
    pub(super) fn scan(&mut self, bytes: &[u8], offset: u64, batch: usize, out: &mut Vec<Record>, notes: &mut Notes<'_>) -> (usize, Then) {
        match (self.big_endian, self.modified) {
            (false, false) => self.records::<false, 16>(bytes, offset, batch, out, notes),
            (true, false) => self.records::<true, 16>(bytes, offset, batch, out, notes),
            (false, true) => self.records::<false, 24>(bytes, offset, batch, out, notes),
            (true, true) => self.records::<true, 24>(bytes, offset, batch, out, notes),
        }
    }

    fn records<const BIG: bool, const HEAD: usize>(
        &mut self,
        bytes: &[u8],
        offset: u64,
        batch: usize,
        out: &mut Vec<Record>,
        notes: &mut Notes<'_>,
    ) -> (usize, Then) {
        let (unit, per_second) = if self.nanoseconds { (1, 1_000_000_000) } else { (1000, 1_000_000) };
        let mut done = 0;
        for _ in 0..batch {
            let Some(head) = bytes[done..].first_chunk::<HEAD>() else { return (done, Then::Need(HEAD)) };
            let (seconds, fraction) = (word(BIG, head, 0), word(BIG, head, 4));
            let (mut len, mut wire_len) = (word(BIG, head, 8), word(BIG, head, 12));
            if self.swapped == Swapped::Yes || (self.swapped == Swapped::Maybe && len > wire_len) {
                (len, wire_len) = (wire_len, len);
            }
            if len as usize > FRAME_BYTES {
                return (done, Then::Fault(Fault { kind: "record_length", offset: offset + done as u64, message: too_long(len) }));
            }
            let end = done + HEAD + len as usize;
            if end > bytes.len() {
                return (done, Then::Need(HEAD + len as usize));
            }
            self.frame += 1;
            if fraction >= per_second {
                let frame = self.frame;
                notes.explain("time_fraction", frame, || {
                    format!("frame {frame} has a fraction of a second of {fraction}, expected less than {per_second}; the rest is carried")
                });
            }
            // Cannot overflow: both factors are 32-bit numbers.
            let at = Timestamp(i64::from(seconds) * NS_PER_S + i64::from(fraction) * unit);
            if len > self.snaplen || len > wire_len {
                wire_len = lengths(len, wire_len, self.snaplen, self.frame, notes);
            }
            notes.frame(at, len, wire_len);
            let (len, wire_len) = without_fcs(len, wire_len, self.fcs_bytes);
            let offset = offset + (done + HEAD) as u64;
            out.push(Record { at, offset, frame: self.frame, len, wire_len, link: self.link, interface: self.interface });
            done = end;
        }
        (done, Then::Full)
    }
}

/// Lengths of a frame less its check sequence.
#[inline]
pub(super) fn without_fcs(len: u32, wire_len: u32, fcs_bytes: u8) -> (u32, u32) {
    let wire_len = wire_len.saturating_sub(u32::from(fcs_bytes));
    (len.min(wire_len), wire_len)
}

#[inline(always)]
fn word(big_endian: bool, bytes: &[u8], at: usize) -> u32 {
    let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
}

#[cfg(test)]
mod tests;
