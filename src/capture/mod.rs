//! Bytes in, frames out: capture files of every usual kind, put into one time-ordered sequence per capture point.
//!
//! Does not look inside frames. Opens files; nothing after this layer does.

// This layer opens the capture files: the one place for it.
#![allow(clippy::disallowed_methods)]

pub mod archive;
mod bpf;
mod buffer;
mod compressed;
#[cfg(any(test, feature = "testkit"))]
pub mod fuzzing;
mod input;
mod lz4;
mod magic;
pub mod memory;
mod order;
mod pcap;
mod pcapng;
mod point;
mod reader;
mod record;
mod window;
pub mod write;

use std::path::{Path, PathBuf};

use crate::base::anomaly::{Anomalies, Place};
use crate::base::time::Timestamp;
use crate::error::Result;

pub use buffer::{Block, Lies};
pub use point::{OpenOptions, PointSource, open_point};
pub use reader::Reader;

/// The size of `paths` together in bytes, as they lie on the disk; `None` if one is standard input or a pipe.
pub fn total_bytes(paths: &[PathBuf]) -> Option<u64> {
    input::total_bytes(paths)
}

/// True if the file at `path` starts like a capture that can be read, compressed or not.
pub fn looks_like_capture(path: &Path) -> bool {
    input::looks_like_capture(path)
}

/// Link-layer header types, as <https://www.tcpdump.org/linktypes.html> numbers them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: a 4-byte address family in the byte order of the capturing host.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// Raw IP as some systems number it (DLT_RAW).
    pub const RAW_12: Self = Self(12);
    /// Raw IP on OpenBSD.
    pub const RAW_14: Self = Self(14);
    /// Raw IP: version told by the first nibble.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback: a 4-byte address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture, version 1.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture, version 2: with interface index.
    pub const LINUX_SLL2: Self = Self(276);
}

/// One captured frame, borrowed from the source until the next is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Time of capture on the clock of its point.
    pub at: Timestamp,
    /// Which file and which frame in it.
    pub place: Place,
    /// How to read `bytes`.
    pub link: LinkType,
    /// Interface within the point: pcapng interfaces and files are numbered in one sequence from 0.
    pub interface: u16,
    /// Length on the wire.
    pub wire_len: u32,
    /// The captured bytes, at most `wire_len` of them.
    pub bytes: &'a [u8],
}

/// A sequence of frames of one capture point, in time order as far as the reorder window allows.
pub trait Source: Send {
    /// The next frame, `None` at the end. A fault inside the capture is an anomaly and ends the faulty file, not the point.
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>>;
    /// What is known of each file; complete only after the last frame.
    fn files(&self) -> Vec<FileFacts>;
    /// What is known of each interface, by [`Frame::interface`]; grows while reading.
    fn interfaces(&self) -> Vec<InterfaceFacts>;
    /// What was odd about the files.
    fn anomalies(&self) -> &Anomalies;
}

/// What is known of one input file.
#[derive(Clone, Debug, Default)]
pub struct FileFacts {
    /// As given; `-` for standard input.
    pub path: String,
    /// `pcap`, `pcapng`, …
    pub format: &'static str,
    /// `gzip`, `zstd`, …; `None` if plain.
    pub compression: Option<&'static str>,
    /// Link types met.
    pub link_types: Vec<u16>,
    /// Frames read.
    pub packets: u64,
    /// Captured bytes of the frames.
    pub bytes_captured: u64,
    /// Bytes of the frames on the wire.
    pub bytes_wire: u64,
    /// Time of the earliest frame.
    pub first: Option<Timestamp>,
    /// Time of the latest frame.
    pub last: Option<Timestamp>,
    /// The largest snap length stated; 0 if unlimited or unstated.
    pub snaplen: u32,
    /// The file ends inside a record.
    pub cut_short: bool,
    /// Frames that the capturing system says it dropped; `None` if it does not say.
    pub capture_drops: Option<u64>,
    /// Frames that were read and not handed on, because they do not pass the filter.
    pub filtered_out: u64,
}

/// What is known of one interface of a point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceFacts {
    /// Index of the file.
    pub file: u16,
    /// Interface number within its pcapng section; 0 for pcap.
    pub id: u32,
    /// `if_name`, if the file says it.
    pub name: Option<String>,
    /// Link type.
    pub link: u16,
    /// Snap length; 0 if unlimited or unstated.
    pub snaplen: u32,
    /// Bytes of check sequence at the end of each frame; they are left off.
    pub fcs_bytes: u8,
}
