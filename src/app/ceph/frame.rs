//! Heads of messages of both versions; each carries a checksum of itself, by which it is known anywhere in a stream.

/// CRC-32C (RFC 3720 B.4) as Ceph takes it: from 0, and not turned over at the end.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 }))
}

pub(super) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
}

pub(super) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

/// Segments of a frame: header, front, middle, data.
const SEGMENTS: usize = 4;
/// The largest segment that is believed: `osd_max_write_size` is 90 MiB.
const SEGMENT_MAX: u32 = 256 << 20;

/// The head of a frame of version 2 (`struct preamble_block_t`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Preamble {
    pub tag: u8,
    pub segments: u8,
    pub lengths: [u32; SEGMENTS],
}

impl Preamble {
    pub const LEN: usize = 32;

    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..Self::LEN)?;
        let (tag, segments) = (bytes[0], bytes[1]);
        if !(1..=22).contains(&tag) || !(1..=SEGMENTS as u8).contains(&segments) {
            return None;
        }
        let mut lengths = [0; SEGMENTS];
        for (i, length) in lengths.iter_mut().enumerate() {
            *length = le32(bytes, 2 + 6 * i)?;
        }
        let sum = le32(bytes, Self::LEN - 4)?;
        let plausible = lengths.iter().all(|l| *l <= SEGMENT_MAX);
        (plausible && crc32c(&bytes[..Self::LEN - 4]) == sum).then_some(Self { tag, segments, lengths })
    }

    /// Bytes after the preamble. Revision 1 has a checksum after the first segment and an end only where there are more.
    pub fn rest(&self, revision_1: bool) -> u64 {
        let data: u64 = self.lengths.iter().map(|l| u64::from(*l)).sum();
        data + match revision_1 {
            true => u64::from(self.lengths[0] > 0) * 4 + u64::from(self.segments > 1) * 13,
            false => 17,
        }
    }
}

/// A message of version 1 with its tag (`struct ceph_msg_header`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct V1Message {
    pub kind: u16,
    pub data: u32,
    /// Number of the sender's type.
    pub from: u8,
    /// Bytes after the head.
    pub rest: u64,
}

impl V1Message {
    pub const TAG: u8 = 7;
    pub const LEN: usize = 54;
    /// Checksums of the parts, a signature, flags (`struct ceph_msg_footer`).
    const FOOTER: u64 = 21;

    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..Self::LEN)?;
        let (data, rest) = Self::lengths(bytes)?;
        let sum = le32(bytes, Self::LEN - 4)?;
        (crc32c(&bytes[1..Self::LEN - 4]) == sum).then_some(Self { kind: le16(bytes, 17)?, data, from: bytes[37], rest })
    }

    /// Length of the data and of all that follows the head, of a head that may be cut off after them.
    pub fn lengths(bytes: &[u8]) -> Option<(u32, u64)> {
        let lengths = [le32(bytes, 23)?, le32(bytes, 27)?, le32(bytes, 31)?];
        let plausible = bytes.len() <= Self::LEN && bytes[0] == Self::TAG && lengths.iter().all(|l| *l <= SEGMENT_MAX);
        plausible.then(|| (lengths[2], lengths.iter().map(|l| u64::from(*l)).sum::<u64>() + Self::FOOTER))
    }
}
