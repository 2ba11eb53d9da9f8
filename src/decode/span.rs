//! Captured bytes that know their length on the wire, so that no layer mistakes the snap length for the end of a packet.

use std::ops::Range;

/// A piece of a buffer: what was captured of it, and how long it was on the wire.
///
/// `bytes.len() <= wire` holds for pieces of a frame whose lengths agree; each step keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'b> {
    /// Captured bytes.
    pub bytes: &'b [u8],
    /// Length on the wire.
    pub wire: u32,
    /// Where `bytes` starts in the buffer, so that a packet can name its payload without borrowing.
    pub start: usize,
}

impl<'b> Span<'b> {
    /// A whole buffer of which `wire` bytes were on the wire.
    pub fn new(bytes: &'b [u8], wire: u32) -> Self {
        let wire = wire.max(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        Self { bytes, wire, start: 0 }
    }

    /// What follows the first `count` bytes. Empty where the capture ends earlier; the wire length shrinks in any case.
    pub fn skip(self, count: usize) -> Self {
        let captured = count.min(self.bytes.len());
        let wire = self.wire.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
        Self { bytes: &self.bytes[captured..], wire, start: self.start + captured }
    }

    /// At most `wire` bytes of this: cuts padding and trailers.
    pub fn limit(self, wire: u32) -> Self {
        let keep = self.bytes.len().min(wire as usize);
        Self { bytes: &self.bytes[..keep], wire: self.wire.min(wire), start: self.start }
    }

    /// The `N` captured bytes at `at`.
    #[inline]
    pub fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }

    /// The byte at `at`.
    pub fn u8(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// The big-endian number at `at`.
    pub fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    /// The big-endian number at `at`.
    pub fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// Where the captured bytes lie in the buffer.
    pub fn range(self) -> Range<usize> {
        self.start..self.start + self.bytes.len()
    }

    /// Why a header of `needed` bytes is not there: the snap length cut it, or the frame ends too early on the wire.
    pub fn missing(self, needed: usize, short: &'static str) -> &'static str {
        if (self.wire as usize) < needed { short } else { "cut_header" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_wire_length_where_bytes_were_cut() {
        let span = Span::new(&[1, 2, 3, 4], 100);
        let rest = span.skip(2);
        assert_eq!((rest.bytes, rest.wire, rest.start), (&[3, 4][..], 98, 2));
        let gone = span.skip(50);
        assert_eq!((gone.bytes, gone.wire, gone.range()), (&[][..], 50, 4..4));
        assert_eq!(span.skip(1000).wire, 0);
        assert_eq!(span.limit(3).bytes, [1, 2, 3]);
        assert_eq!(span.limit(20).wire, 20);
        assert_eq!(span.u16(3), None);
        assert_eq!(span.u32(0), Some(0x0102_0304));
        assert_eq!(span.missing(10, "short"), "cut_header");
        assert_eq!(span.missing(101, "short"), "short");
    }
}
