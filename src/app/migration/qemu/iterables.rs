//! Iterable sections other than `ram`: dirty bitmaps of block devices and the legacy storage migration.

use super::format::printable;
use super::forward::{Forward, Section};
use crate::app::migration::feed::{Step, Window};

/// Chunk flags of `dirty-bitmap` (`migration/block-dirty-bitmap.c`).
mod bitmap {
    pub const EOS: u8 = 0x01;
    pub const ZEROES: u8 = 0x02;
    pub const BITMAP_NAME: u8 = 0x04;
    pub const DEVICE_NAME: u8 = 0x08;
    pub const START: u8 = 0x10;
    pub const BITS: u8 = 0x40;
    pub const EXTRA: u8 = 0x80;
}

/// Record flags of `block` (`migration/block.c`, up to QEMU 9.0), below the sector number.
mod block {
    pub const DEVICE_BLOCK: u64 = 0x01;
    pub const EOS: u64 = 0x02;
    pub const PROGRESS: u64 = 0x04;
    pub const ZERO_BLOCK: u64 = 0x08;
    /// Data of one record.
    pub const BYTES: u64 = 1 << 20;
}

/// Largest piece of a bitmap that is believed.
const BITMAP_MAX: u64 = 1 << 30;

impl Forward {
    pub(super) fn dirty_bitmap(&mut self, w: &Window<'_>, section: Section) -> Step {
        // The flags take 1, 2 or 4 bytes; all that are defined lie in the last.
        let mut at = 1;
        if w.bytes[0] & bitmap::EXTRA != 0 {
            let Some(second) = w.bytes.get(1) else { return Step::Hold };
            at = if second & bitmap::EXTRA == 0 { 2 } else { 4 };
        }
        let Some(&flags) = w.bytes.get(at - 1) else { return Step::Hold };
        if flags & !bitmap::EXTRA == bitmap::EOS {
            self.payload_ended(section, w, at);
            return Step::Take(at);
        }
        for named in [bitmap::DEVICE_NAME, bitmap::BITMAP_NAME] {
            if flags & named != 0 {
                let Some(name) = w.counted(at) else { return Step::Hold };
                if !printable(name) {
                    return self.nonsense(w);
                }
                at += 1 + name.len();
            }
        }
        if flags & bitmap::START != 0 {
            // Granularity (32 bits are written, whatever the comment in the source says) and flags.
            at += 5;
        }
        let mut data = 0;
        if flags & bitmap::BITS != 0 {
            at += 12;
            if flags & bitmap::ZEROES == 0 {
                let Some(size) = w.be64(at) else { return Step::Hold };
                if size > BITMAP_MAX {
                    return self.nonsense(w);
                }
                at += 8;
                data = size;
            }
        }
        if w.bytes.len() < at {
            return Step::Hold;
        }
        Step::Skip(at as u64 + data)
    }

    pub(super) fn legacy_block(&mut self, w: &Window<'_>, section: Section) -> Step {
        let Some(word) = w.be64(0) else { return Step::Hold };
        let flags = word & 0x1ff;
        if flags == block::EOS {
            self.payload_ended(section, w, 8);
            return Step::Take(8);
        }
        if flags == block::PROGRESS {
            return Step::Take(8);
        }
        if flags & !block::ZERO_BLOCK != block::DEVICE_BLOCK {
            return self.nonsense(w);
        }
        let Some(name) = w.counted(8) else { return Step::Hold };
        if !printable(name) {
            return self.nonsense(w);
        }
        let data = if flags & block::ZERO_BLOCK == 0 { block::BYTES } else { 0 };
        let len = 9 + name.len() as u64 + data;
        self.storage += len;
        Step::Skip(len)
    }
}
