//! CRYPTO frames (RFC 9000 section 19.6) put in order.

use super::initial::varint;
use crate::app::tls::hello;
use crate::base::limits::QUIC_CRYPTO;

/// Pieces of the stream that may lie apart; clients cut their hello into some ten on purpose.
const PIECES: usize = 256;

/// The start of a CRYPTO stream.
#[derive(Debug, Default)]
pub(super) struct CryptoStream {
    bytes: Vec<u8>,
    /// Ranges that have come, in order, apart from each other.
    have: Vec<(usize, usize)>,
}

impl CryptoStream {
    /// Takes the CRYPTO frames out of a packet's frames.
    pub fn frames(&mut self, frames: &[u8]) {
        // What does not parse ends the packet; what came before it counts.
        let _ = self.walk(frames);
    }

    fn walk(&mut self, mut rest: &[u8]) -> Option<()> {
        while !rest.is_empty() {
            let (kind, after) = varint(rest)?;
            rest = match kind {
                // PADDING, PING.
                0 | 1 => after,
                // ACK, with counts of ECN marks in 3.
                2 | 3 => {
                    let (_, after) = varint(after)?;
                    let (_, after) = varint(after)?;
                    let (ranges, after) = varint(after)?;
                    let (_, mut after) = varint(after)?;
                    let numbers = ranges.checked_mul(2)?.checked_add(if kind == 3 { 3 } else { 0 })?;
                    for _ in 0..numbers {
                        (_, after) = varint(after)?;
                    }
                    after
                }
                6 => {
                    let (offset, after) = varint(after)?;
                    let (len, after) = varint(after)?;
                    let (data, after) = after.split_at_checked(usize::try_from(len).ok()?)?;
                    self.put(usize::try_from(offset).ok()?, data);
                    after
                }
                // CONNECTION_CLOSE, or what may not be here.
                _ => return None,
            };
        }
        Some(())
    }

    fn put(&mut self, offset: usize, data: &[u8]) {
        let Some(end) = offset.checked_add(data.len()).filter(|e| *e <= QUIC_CRYPTO) else { return };
        if data.is_empty() || self.have.len() >= PIECES {
            return;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(data);
        self.have.push((offset, end));
        self.have.sort_unstable();
        let mut joined: Vec<(usize, usize)> = Vec::with_capacity(self.have.len());
        for &(from, to) in &self.have {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        self.have = joined;
    }

    /// The client's hello, once it is whole.
    pub fn hello(&self) -> Option<hello::ClientHello> {
        let start = self.have.first().filter(|h| h.0 == 0).map_or(0, |h| h.1);
        let held = &self.bytes[..start];
        let message = held.get(..hello::message_len(held)?)?;
        hello::client(message)
    }
}
