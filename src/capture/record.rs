//! What the parsers of all formats have in common: they take bytes, find frames in them and say what they need next.
//!
//! Parsers do no I/O and hold no bytes: they can be fed from anything, a fuzzer too.

use crate::base::anomaly::{Anomalies, Place};
use crate::base::limits::{FRAME_BYTES, INTERFACES};
use crate::base::time::Timestamp;

use super::{FileFacts, Frame, InterfaceFacts, LinkType};

/// Where a frame lies in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) at: Timestamp,
    /// Stream offset of the first captured byte.
    pub(super) offset: u64,
    /// Number in the file, from 1.
    pub(super) frame: u64,
    /// Captured bytes.
    pub(super) len: u32,
    pub(super) wire_len: u32,
    pub(super) link: LinkType,
    pub(super) interface: u16,
}

impl Record {
    /// The frame that lies in `bytes`.
    #[inline]
    pub(super) fn frame<'a>(&self, file: u16, bytes: &'a [u8]) -> Frame<'a> {
        let place = Place { file, frame: self.frame };
        Frame { at: self.at, place, link: self.link, interface: self.interface, wire_len: self.wire_len, bytes }
    }
}

/// Why a parser stopped.
#[derive(Debug)]
pub(super) enum Then {
    /// The batch is full; there may be more in the bytes.
    Full,
    /// This many bytes, counted from the first one not consumed, are needed to go on.
    Need(usize),
    /// The file cannot be followed past this point.
    Fault(Fault),
}

/// A place in a file that cannot be read past.
#[derive(Debug)]
pub(super) struct Fault {
    /// Name of the anomaly.
    pub(super) kind: &'static str,
    /// Stream offset.
    pub(super) offset: u64,
    /// What was expected and what was found.
    pub(super) message: String,
}

/// What the parsers tell besides frames: about the file, its interfaces and its oddities.
pub(super) struct Notes<'a> {
    pub(super) file: u16,
    pub(super) facts: &'a mut FileFacts,
    pub(super) anomalies: &'a mut Anomalies,
    pub(super) interfaces: &'a mut Vec<InterfaceFacts>,
}

impl Notes<'_> {
    /// Counts a frame of the file, whether it is handed on or not.
    #[inline]
    pub(super) fn frame(&mut self, at: Timestamp, len: u32, wire_len: u32) {
        self.facts.packets += 1;
        self.facts.bytes_captured += u64::from(len);
        self.facts.bytes_wire += u64::from(wire_len);
        self.facts.first = Some(self.facts.first.map_or(at, |t| t.min(at)));
        self.facts.last = Some(self.facts.last.map_or(at, |t| t.max(at)));
    }

    /// Counts a frame that has no time.
    #[cold]
    pub(super) fn untimed(&mut self, len: u32, wire_len: u32) {
        self.facts.packets += 1;
        self.facts.bytes_captured += u64::from(len);
        self.facts.bytes_wire += u64::from(wire_len);
    }

    /// Counts an oddity of frame `frame`, with a sentence about the first one.
    #[cold]
    pub(super) fn explain(&mut self, kind: &'static str, frame: u64, detail: impl FnOnce() -> String) {
        let path = &self.facts.path;
        self.anomalies.explain(kind, Place { file: self.file, frame }, || format!("{path}: {}", detail()));
    }

    /// The number of `interface` within the point; an interface of this file that was described before keeps its number.
    /// `None` if there are too many.
    pub(super) fn interface(&mut self, interface: InterfaceFacts) -> Option<u16> {
        if !self.facts.link_types.contains(&interface.link) {
            self.facts.link_types.push(interface.link);
        }
        self.facts.snaplen = self.facts.snaplen.max(interface.snaplen);
        let known = self.interfaces.iter().rposition(|known| *known == interface);
        let number = known.unwrap_or(self.interfaces.len());
        if number >= INTERFACES {
            self.explain("too_many_interfaces", 0, || format!("more than {INTERFACES} interfaces; frames of the others are not read"));
            return None;
        }
        if known.is_none() {
            self.interfaces.push(interface);
        }
        u16::try_from(number).ok()
    }
}

/// A frame's lengths, put right where they contradict each other, and the oddities counted.
#[inline]
pub(super) fn lengths(len: u32, wire_len: u32, snaplen: u32, frame: u64, notes: &mut Notes<'_>) -> u32 {
    if len > snaplen {
        notes.explain("longer_than_snaplen", frame, || {
            format!("frame {frame} holds {len} bytes, but the snap length is {snaplen}; it is read whole")
        });
    }
    if len > wire_len {
        notes.explain("longer_than_wire", frame, || {
            format!("frame {frame} holds {len} bytes of {wire_len} on the wire; {len} is taken for both")
        });
        return len;
    }
    wire_len
}

/// What is said of a frame beyond [`FRAME_BYTES`].
pub(super) fn too_long(len: u32) -> String {
    format!("expected a frame of at most {FRAME_BYTES} bytes, found a record that claims {len}")
}
