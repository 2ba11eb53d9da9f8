//! Copies of frames that wait to be put into time order.

use crate::base::limits::{READ_BYTES, REORDER_BYTES, REORDER_FRAMES, REORDER_FRAMES_LEAST, REORDER_NS};
use crate::base::time::{Nanos, Timestamp};

use super::record::Record;

/// The bytes of held frames, in segments that are filled again once all their frames are gone: one frame that stays long
/// (its time lies in the future) keeps one segment only. A held record's offset is segment × 2^32 + place in it.
#[derive(Default)]
pub(super) struct Window {
    segments: Vec<Segment>,
    free: Vec<usize>,
    current: usize,
    held_bytes: usize,
}

#[derive(Default)]
struct Segment {
    bytes: Vec<u8>,
    frames: usize,
}

impl Window {
    /// Takes a copy of a frame.
    pub(super) fn hold(&mut self, record: &mut Record, bytes: &[u8]) {
        let fits = |segment: &Segment| segment.bytes.len() + bytes.len() <= READ_BYTES;
        if !self.segments.get(self.current).is_some_and(fits) {
            self.current = self.free.pop().unwrap_or(self.segments.len());
            if self.current == self.segments.len() {
                self.segments.push(Segment::default());
            }
        }
        let segment = &mut self.segments[self.current];
        record.offset = (self.current as u64) << 32 | segment.bytes.len() as u64;
        segment.bytes.extend_from_slice(bytes);
        segment.frames += 1;
        self.held_bytes += bytes.len();
    }

    /// The bytes of a held frame.
    #[inline]
    pub(super) fn bytes(&self, record: &Record) -> &[u8] {
        let from = record.offset as u32 as usize;
        let segment = self.segments.get((record.offset >> 32) as usize);
        segment.and_then(|s| s.bytes.get(from..from + record.len as usize)).unwrap_or_default()
    }

    /// Gives up frames that were held.
    pub(super) fn release(&mut self, records: &[Record]) {
        for record in records {
            let at = (record.offset >> 32) as usize;
            let segment = &mut self.segments[at];
            segment.frames -= 1;
            self.held_bytes -= record.len as usize;
            if segment.frames == 0 {
                segment.bytes.clear();
                if at != self.current {
                    self.free.push(at);
                }
            }
        }
    }

    /// True if no more bytes may be held.
    pub(super) fn is_full(&self) -> bool {
        self.held_bytes > REORDER_BYTES
    }

    /// How many of `queue`, which is in time order, must wait for what may come after the frame that was read last.
    pub(super) fn waiting(&self, queue: &[Record], last: Timestamp) -> usize {
        let recent = queue.len() - queue.partition_point(|r| r.at < last - Nanos(REORDER_NS));
        let frames = recent.clamp(REORDER_FRAMES_LEAST, REORDER_FRAMES).min(queue.len());
        // When full, a quarter of the bytes makes room.
        let mut room = if self.is_full() { REORDER_BYTES / 4 * 3 } else { usize::MAX };
        let fits = |r: &&Record| {
            let fits = r.len as usize <= room;
            room = room.saturating_sub(r.len as usize);
            fits
        };
        queue[queue.len() - frames..].iter().rev().take_while(fits).count()
    }
}
