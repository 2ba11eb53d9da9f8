//! From packets to elements: hands a state machine a window on the stream, holds back what it cannot use yet, passes over what it does not
//! want, and keeps the offset and the packet of each byte.
//!
//! However the stream is cut into pieces, the machine sees the same elements: it must take, skip or wait by the window's first bytes
//! alone, and a longer window must never change what it would have done with a shorter one.

use crate::flow::{GapReason, Moment, Need};

/// Bytes added to a held piece at a time.
const PIECE: usize = 2048;
/// Most bytes that a machine may hold back; every element of the formats here is shorter.
const HOLD: usize = 16 * 1024;
/// Steps in a row that may take nothing (changes of state); more is an error of the machine.
const IDLE_STEPS: u32 = 16;

/// The next bytes of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// The bytes; never empty.
    pub bytes: &'a [u8],
    /// Offset in the stream of the first byte.
    pub start: u64,
    /// Nothing follows for now but a gap or the end: what does not suffice here will not suffice later.
    pub last: bool,
    moments: &'a [(usize, Moment)],
}

impl Window<'_> {
    /// The packet that carried byte `i`; the last packet beyond the window.
    pub fn moment(&self, i: usize) -> Moment {
        self.moments.iter().find(|m| i < m.0).or(self.moments.last()).map(|m| m.1).unwrap_or_default()
    }

    /// Big-endian numbers, `None` beyond the window.
    pub fn be16(&self, i: usize) -> Option<u16> {
        let b = self.bytes.get(i..i.checked_add(2)?)?;
        Some(u16::from_be_bytes(b.try_into().ok()?))
    }

    /// See [`Window::be16`].
    pub fn be32(&self, i: usize) -> Option<u32> {
        let b = self.bytes.get(i..i.checked_add(4)?)?;
        Some(u32::from_be_bytes(b.try_into().ok()?))
    }

    /// See [`Window::be16`].
    pub fn be64(&self, i: usize) -> Option<u64> {
        let b = self.bytes.get(i..i.checked_add(8)?)?;
        Some(u64::from_be_bytes(b.try_into().ok()?))
    }

    /// A string with its length in one byte before it, at `i`; `None` beyond the window.
    pub fn counted(&self, i: usize) -> Option<&[u8]> {
        let len = usize::from(*self.bytes.get(i)?);
        self.bytes.get(i + 1..i + 1 + len)
    }
}

/// What a machine does with a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The first this many bytes are done with; at most the window's length. None is allowed after a change of state.
    Take(usize),
    /// This many bytes from the window's start are done with, unread.
    Skip(u64),
    /// More bytes are needed.
    Hold,
}

/// A state machine over a stream.
pub trait Machine {
    /// Looks at the next bytes.
    fn step(&mut self, window: &Window<'_>) -> Step;
    /// `missing` bytes from offset `start` on will never come; what was held back is dropped. `when` is the packet that told of it.
    fn gap(&mut self, start: u64, missing: u64, why: GapReason, when: Moment);
    /// The machine held back too much: it must change its state.
    fn overflow(&mut self, start: u64);
}

/// One direction of a stream on its way into a machine.
#[derive(Debug, Default)]
pub struct Feed {
    held: Vec<u8>,
    moments: Vec<(usize, Moment)>,
    offset: u64,
}

impl Feed {
    /// Offset one past the last byte that came, was skipped or missing.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.held.len() as u64)
    }

    /// Hands `bytes` to `machine`.
    pub fn bytes(&mut self, machine: &mut impl Machine, when: Moment, bytes: &[u8]) -> Need {
        let mut rest = bytes;
        let mut idle = 0;
        while !rest.is_empty() {
            let before = self.held.len();
            let added = if before == 0 { rest.len() } else { rest.len().min(PIECE) };
            let step = if before == 0 {
                machine.step(&Window { bytes: rest, start: self.offset, last: false, moments: &[(rest.len(), when)] })
            } else {
                self.hold(&rest[..added], when);
                machine.step(&Window { bytes: &self.held, start: self.offset, last: false, moments: &self.moments })
            };
            idle = if step == Step::Take(0) { idle + 1 } else { 0 };
            let done = match step {
                Step::Take(n) if idle < IDLE_STEPS => n as u64,
                Step::Take(_) => 1,
                Step::Skip(n) => n.max(1),
                Step::Hold => {
                    if before == 0 {
                        self.hold(rest, when);
                    }
                    rest = &rest[added..];
                    if self.held.len() > HOLD {
                        machine.overflow(self.offset);
                        self.offset = self.offset.saturating_add(self.held.len() as u64);
                        self.clear();
                    }
                    continue;
                }
            };
            self.offset = self.offset.saturating_add(done);
            if done < before as u64 {
                // The piece that was added is handed over again with what is left of the held bytes.
                self.held.truncate(before);
                self.drop_front(done as usize);
            } else {
                self.clear();
                let into = done - before as u64;
                if into > rest.len() as u64 {
                    return Need::Skip(into - rest.len() as u64);
                }
                rest = &rest[into as usize..];
            }
        }
        Need::More
    }

    /// Tells `machine` of a gap, after it has had a last look at what it holds.
    pub fn gap(&mut self, machine: &mut impl Machine, when: Moment, missing: u64, why: GapReason) -> Need {
        let beyond = self.drain(machine);
        if beyond >= missing && beyond > 0 {
            self.offset = self.offset.saturating_add(beyond);
            return if beyond == missing { Need::More } else { Need::Skip(beyond - missing) };
        }
        let missing = missing - beyond;
        self.offset = self.offset.saturating_add(beyond);
        machine.gap(self.offset, missing, why, when);
        self.offset = self.offset.saturating_add(missing);
        Need::More
    }

    /// Lets `machine` have a last look at what it holds.
    pub fn finish(&mut self, machine: &mut impl Machine) {
        self.drain(machine);
    }

    /// Returns how many bytes the machine skipped beyond what was held.
    fn drain(&mut self, machine: &mut impl Machine) -> u64 {
        let mut idle = 0;
        while !self.held.is_empty() {
            let step = machine.step(&Window { bytes: &self.held, start: self.offset, last: true, moments: &self.moments });
            idle = if step == Step::Take(0) { idle + 1 } else { 0 };
            let len = self.held.len() as u64;
            let done = match step {
                Step::Take(n) if idle < IDLE_STEPS => n as u64,
                Step::Take(_) => 1,
                Step::Skip(n) => n.max(1),
                Step::Hold => len,
            };
            if done >= len {
                self.offset = self.offset.saturating_add(len);
                self.clear();
                return done - len;
            }
            self.offset = self.offset.saturating_add(done);
            self.drop_front(done as usize);
        }
        0
    }

    fn hold(&mut self, bytes: &[u8], when: Moment) {
        self.held.extend_from_slice(bytes);
        match self.moments.last_mut() {
            Some(last) if last.1 == when => last.0 = self.held.len(),
            _ => self.moments.push((self.held.len(), when)),
        }
    }

    fn drop_front(&mut self, n: usize) {
        self.held.drain(..n.min(self.held.len()));
        let len = self.held.len();
        self.moments.retain_mut(|m| {
            m.0 = m.0.saturating_sub(n);
            m.0 > 0
        });
        // Bytes that were handed back may leave marks beyond the end.
        while self.moments.len() > 1 && self.moments[self.moments.len() - 2].0 >= len {
            self.moments.pop();
        }
        if let Some(last) = self.moments.last_mut() {
            last.0 = last.0.min(len);
        }
        if len == 0 {
            self.moments.clear();
        }
    }

    fn clear(&mut self) {
        self.held.clear();
        self.moments.clear();
    }
}
