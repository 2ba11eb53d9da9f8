//! Compressed captures: gzip, zstd, xz, lz4 and bzip2, each with all their members, frames or streams one after the other.
//!
//! A decoder runs in its own thread and hands over large buffers, which come back to it to be filled again.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use lz4_flex::frame::FrameDecoder;

use crate::base::limits::{DECOMPRESSOR_BYTES, READ_BYTES};

use super::lz4::Frames;
use super::magic::Compression;

/// Bytes asked of a decoder at once. What it decoded in a call that fails is lost, so the calls are kept small.
const STEP: usize = 16 << 10;
/// Buffers on their way between decoder and reader.
const BUFFERS: usize = 3;

/// Decompresses `raw`, in the calling thread.
pub(super) fn decoder<R: Read + Send + 'static>(raw: R, compression: Compression) -> io::Result<Box<dyn Read + Send>> {
    let taken = Arc::new(AtomicU64::new(0));
    let raw = Position { read: BufReader::with_capacity(READ_BYTES / 4, raw), taken: Arc::clone(&taken) };
    let decoder: Box<dyn Read + Send> = match compression {
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(raw)?;
            decoder.window_log_max(DECOMPRESSOR_BYTES.ilog2())?;
            Box::new(decoder)
        }
        Compression::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(DECOMPRESSOR_BYTES, liblzma::stream::CONCATENATED)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(raw, stream))
        }
        Compression::Lz4 => Box::new(Lz4 { decoder: Some(FrameDecoder::new(Frames::new(raw))) }),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(raw)),
    };
    Ok(Box::new(Steps { decoder, compression, taken }))
}

/// Lets `decoder` run in a thread of its own. The thread ends when all is read or the returned reader is dropped.
pub(super) fn in_thread(decoder: Box<dyn Read + Send>) -> io::Result<impl Read + Send> {
    let (full, filled) = sync_channel(BUFFERS);
    let (empty, emptied) = channel();
    for _ in 0..BUFFERS {
        // The receiver is at hand, so this cannot fail.
        let _ = empty.send(vec![0; READ_BYTES]);
    }
    thread::Builder::new().name("decompress".into()).spawn(move || pump(decoder, &full, &emptied))?;
    Ok(Decoded { filled, empty, now: Chunk::default(), at: 0 })
}

/// A buffer, how much of it is filled, and what comes after it.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    len: usize,
    then: Then,
}

#[derive(Default)]
enum Then {
    #[default]
    More,
    End,
    Error(io::Error),
}

fn pump(mut decoder: Box<dyn Read + Send>, full: &SyncSender<Chunk>, empty: &Receiver<Vec<u8>>) {
    while let Ok(bytes) = empty.recv() {
        let mut chunk = Chunk { bytes, ..Chunk::default() };
        loop {
            match decoder.read(&mut chunk.bytes[chunk.len..]) {
                Ok(0) if chunk.len < chunk.bytes.len() => chunk.then = Then::End,
                Ok(0) => {}
                Ok(count) => {
                    chunk.len += count;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => chunk.then = Then::Error(error),
            }
            break;
        }
        let ended = !matches!(chunk.then, Then::More);
        if full.send(chunk).is_err() || ended {
            return;
        }
    }
}

/// The reading end of a decoder's thread.
struct Decoded {
    filled: Receiver<Chunk>,
    empty: Sender<Vec<u8>>,
    now: Chunk,
    at: usize,
}

impl Read for Decoded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.now.len {
            match std::mem::replace(&mut self.now.then, Then::End) {
                Then::More => {}
                Then::End => return Ok(0),
                Then::Error(error) => return Err(error),
            }
            // The thread sends an end or an error last, unless it died.
            let Ok(next) = self.filled.recv() else { return Err(io::Error::other("the decompressor died")) };
            let old = std::mem::replace(&mut self.now, next);
            self.at = 0;
            if !old.bytes.is_empty() {
                // The thread may have ended by now.
                let _ = self.empty.send(old.bytes);
            }
        }
        let count = into.len().min(self.now.len - self.at);
        into[..count].copy_from_slice(&self.now.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Asks the decoder for a little at a time, and names the place in the compressed file when it fails.
struct Steps {
    decoder: Box<dyn Read + Send>,
    compression: Compression,
    taken: Arc<AtomicU64>,
}

impl Read for Steps {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let step = into.len().min(STEP);
        self.decoder.read(&mut into[..step]).map_err(|error| {
            if error.kind() == ErrorKind::Interrupted {
                return error;
            }
            let (name, at) = (self.compression.name(), self.taken.load(Ordering::Relaxed));
            let message = match error.kind() {
                ErrorKind::UnexpectedEof => format!("expected more {name} data, found the end of the file at byte {at}"),
                _ => format!("the {name} data cannot be decoded near byte {at} of the file: {error}"),
            };
            io::Error::new(error.kind(), message)
        })
    }
}

/// Counts what the decoder takes.
struct Position<R> {
    read: R,
    taken: Arc<AtomicU64>,
}

impl<R: BufRead> Read for Position<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.read.read(into)?;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Position<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // Decoders differ in what they do when interrupted.
        loop {
            match self.read.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(_) => break,
            }
        }
        self.read.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        self.read.consume(count);
    }
}

/// Each frame gets a decoder of its own: lz4_flex ends at the end of a frame, and sizes its buffers for the first one.
struct Lz4<R: BufRead> {
    decoder: Option<FrameDecoder<Frames<R>>>,
}

impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let count = decoder.read(into)?;
            let frames = decoder.get_ref();
            // lz4_flex takes a cut between two blocks for the end.
            if count == 0 && frames.cut() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if count > 0 || into.is_empty() || frames.ended() {
                return Ok(count);
            }
            self.decoder = self.decoder.take().map(|decoder| FrameDecoder::new(decoder.into_inner()));
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests;
