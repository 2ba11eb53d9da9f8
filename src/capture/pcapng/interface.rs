//! Interfaces of a pcapng section: how to read their time stamps, and what they say they dropped.

use crate::base::limits::NAME_BYTES;
use crate::base::time::{NS_PER_S, Timestamp};

use super::super::record::Notes;
use super::super::{InterfaceFacts, LinkType};
use super::options::{half, options, wide, word};

/// How many nanoseconds one unit of a time stamp is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    /// A unit is this many nanoseconds.
    Times(u64),
    /// A nanosecond is this many units; what is below a nanosecond is dropped.
    Per(u64),
    /// A second is 2 to the power of this many units.
    Binary(u32),
}

impl Resolution {
    /// From if_tsresol: a negative power of 10, or of 2 if the most significant bit is set.
    fn new(tsresol: u8) -> Self {
        let power = u32::from(tsresol & 0x7f);
        match (tsresol & 0x80 != 0, power) {
            (true, _) => Self::Binary(power),
            (false, 0..=9) => Self::Times(10u64.pow(9 - power)),
            // 10^20 and more units per nanosecond: no 64-bit stamp reaches one nanosecond.
            (false, _) => Self::Per(10u64.checked_pow(power - 9).unwrap_or(u64::MAX)),
        }
    }

    #[inline]
    fn nanoseconds(self, stamp: u64) -> Option<i64> {
        let ns = match self {
            Self::Times(ns) => stamp.checked_mul(ns)?,
            Self::Per(units) => stamp / units,
            // Below 2^94: no overflow.
            Self::Binary(power) => u64::try_from((u128::from(stamp) * NS_PER_S as u128) >> power).ok()?,
        };
        i64::try_from(ns).ok()
    }
}

/// One interface of a section.
#[derive(Debug)]
pub(super) struct Interface {
    /// Number within the point; `None` if there was no room for it.
    pub(super) number: Option<u16>,
    pub(super) link: LinkType,
    /// `u32::MAX` if unlimited.
    pub(super) snaplen: u32,
    pub(super) fcs_bytes: u8,
    resolution: Resolution,
    /// if_tsoffset in nanoseconds; `None` if it is beyond the range of time.
    offset: Option<i64>,
    /// Cumulative, from the last Interface Statistics Block.
    statistics: Option<u64>,
    /// Summed over the packet blocks.
    counted: Option<u64>,
}

impl Interface {
    /// From the body of an Interface Description Block. A body that is too short describes an unknown link type.
    pub(super) fn read(body: &[u8], big_endian: bool, id: u32, notes: &mut Notes<'_>) -> Self {
        let (link, snaplen) = match body.first_chunk::<8>() {
            Some(head) => (half(big_endian, head, 0), word(big_endian, head, 4)),
            None => {
                notes.explain("record_length", 0, || format!("interface {id} is described by {} bytes, expected at least 8", body.len()));
                (u16::MAX, 0)
            }
        };
        let mut facts = InterfaceFacts { file: notes.file, id, name: None, link, snaplen, fcs_bytes: 0 };
        let (mut resolution, mut offset) = (Resolution::new(6), 0i64);
        for (code, value) in options(body.get(8..).unwrap_or_default(), big_endian) {
            match (code, value) {
                (2, name) => facts.name = Some(text(name)).filter(|name| !name.is_empty()),
                (9, [tsresol, ..]) => resolution = Resolution::new(*tsresol),
                (13, [fcs_bytes, ..]) => facts.fcs_bytes = if *fcs_bytes <= 8 { *fcs_bytes } else { 0 },
                (14, value) => offset = wide(big_endian, value).unwrap_or_default() as i64,
                _ => {}
            }
        }
        let fcs_bytes = facts.fcs_bytes;
        let number = notes.interface(facts);
        let snaplen = if snaplen == 0 { u32::MAX } else { snaplen };
        let offset = offset.checked_mul(NS_PER_S);
        Self { number, link: LinkType(link), snaplen, fcs_bytes, resolution, offset, statistics: None, counted: None }
    }

    /// The time that `stamp` tells; `None` if it is out of range.
    #[inline]
    pub(super) fn time(&self, stamp: u64) -> Option<Timestamp> {
        self.resolution.nanoseconds(stamp)?.checked_add(self.offset?).map(Timestamp)
    }

    /// Counts drops told by a packet block.
    pub(super) fn dropped(&mut self, count: u64) {
        self.counted = Some(self.counted.unwrap_or(0).saturating_add(count));
    }

    /// Reads the options of an Interface Statistics Block.
    pub(super) fn statistics(&mut self, bytes: &[u8], big_endian: bool) {
        // isb_ifdrop: for lack of resources; isb_osdrop: by the operating system. Disjoint, both since the start.
        let drops = options(bytes, big_endian).filter(|(code, _)| matches!(code, 5 | 7));
        let drops = drops.filter_map(|(_, value)| wide(big_endian, value)).reduce(u64::saturating_add);
        self.statistics = drops.or(self.statistics);
    }

    /// What was dropped: as the statistics say, else as the packet blocks say.
    pub(super) fn drops(&self) -> Option<u64> {
        self.statistics.or(self.counted)
    }
}

/// A name, bounded.
fn text(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(NAME_BYTES)];
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}
