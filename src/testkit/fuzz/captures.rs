//! Captures of either format, plain and compressed.

use std::io::Read;

use crate::base::limits::FRAME_BYTES;
use crate::capture::{Reader, fuzzing};

/// Frames of one input: a small archive of very many says nothing new after so many.
const FRAMES: usize = 4096;

pub(super) fn read(input: &[u8]) {
    if let Ok(mut reader) = Reader::new(input) {
        drain(&mut reader);
    }
}

pub(super) fn read_compressed(input: &[u8]) {
    if let Ok(mut reader) = fuzzing::decompressed(input) {
        drain(&mut reader);
    }
}

fn drain<R: Read>(reader: &mut Reader<R>) {
    let mut frames = 0;
    while let (true, Ok(Some(frame))) = (frames < FRAMES, reader.next_frame()) {
        frames += 1;
        assert!(frame.bytes.len() <= FRAME_BYTES, "a frame of {} bytes", frame.bytes.len());
    }
}
