//! The walk over the boxes.

use super::leaf::Leaves;
use super::{Mp4, Track};
use crate::base::limits::{MP4_BOX, MP4_DEPTH, MP4_TRACKS};

/// The walk. Feed it the bytes of a file in order.
#[derive(Debug)]
pub struct Mp4Walk {
    at: u64,
    /// Ends of the boxes that are open.
    stack: Vec<u64>,
    state: State,
    media_bytes: u64,
    leaves: Leaves,
}

#[derive(Debug)]
enum State {
    Header { buf: [u8; 16], len: usize },
    Leaf { kind: [u8; 4], buf: Vec<u8>, want: usize, then_skip: u64 },
    Sizes { buf: [u8; 12], len: usize, fixed: u32, left: u64 },
    Skip(u64),
    Done,
}

const HEADER: State = State::Header { buf: [0; 16], len: 0 };

impl Default for Mp4Walk {
    fn default() -> Self {
        Self::at(0)
    }
}

impl Mp4Walk {
    /// Starts at a box's first byte, `offset` bytes into the file.
    pub fn at(offset: u64) -> Self {
        Self { at: offset, stack: Vec::new(), state: HEADER, media_bytes: 0, leaves: Leaves::default() }
    }

    /// Takes the next bytes.
    pub fn bytes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !matches!(self.state, State::Done) {
            let taken = self.step(bytes);
            self.at = self.at.saturating_add(taken as u64);
            bytes = &bytes[taken.min(bytes.len())..];
        }
    }

    /// Passes over bytes that are not there.
    pub fn gap(&mut self, missing: u64) {
        match &mut self.state {
            State::Skip(left) if *left >= missing => {
                *left -= missing;
                self.at = self.at.saturating_add(missing);
                if *left == 0 {
                    self.next(self.at);
                }
            }
            State::Done => {}
            _ => self.stop(),
        }
    }

    /// Nothing more will be learned from further bytes unless they are moved over (`mdat` and others).
    pub fn skipping(&self) -> bool {
        matches!(self.state, State::Skip(_) | State::Done)
    }

    /// What was found.
    pub fn finish(mut self) -> Mp4 {
        if self.leaves.found.media_start.is_some() && self.media_bytes > 0 {
            self.leaves.found.media_bytes = Some(self.media_bytes);
        }
        self.leaves.found
    }

    fn stop(&mut self) {
        self.leaves.found.cut = true;
        self.state = State::Done;
    }

    /// After a box that ended at `at`: closes what ends here and expects the next header.
    fn next(&mut self, at: u64) {
        while self.stack.last().is_some_and(|end| *end <= at) {
            self.stack.pop();
        }
        self.state = HEADER;
    }

    fn step(&mut self, bytes: &[u8]) -> usize {
        match &mut self.state {
            State::Done => bytes.len(),
            State::Skip(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= n as u64;
                if *left == 0 {
                    self.next(self.at.saturating_add(n as u64));
                }
                n
            }
            State::Header { buf, len } => {
                let need = if *len >= 8 && buf[..4] == [0, 0, 0, 1] { 16 } else { 8 };
                let n = (need - *len).min(bytes.len());
                buf[*len..*len + n].copy_from_slice(&bytes[..n]);
                *len += n;
                let (buf, len) = (*buf, *len);
                let need = if len >= 8 && buf[..4] == [0, 0, 0, 1] { 16 } else { 8 };
                if len == need {
                    self.open(&buf, len as u64, self.at + n as u64);
                }
                n
            }
            State::Leaf { buf, want, .. } => {
                let n = (*want - buf.len()).min(bytes.len());
                buf.extend_from_slice(&bytes[..n]);
                if buf.len() == *want {
                    self.close_leaf(self.at + n as u64);
                }
                n
            }
            State::Sizes { .. } => self.sizes(bytes),
        }
    }

    /// A header of `header` bytes is complete; `at` is the offset after it.
    fn open(&mut self, buf: &[u8; 16], header: u64, at: u64) {
        let kind = [buf[4], buf[5], buf[6], buf[7]];
        let size = match u32::from_be_bytes([buf[0], buf[1], buf[2], buf[3]]) {
            0 => None,
            1 => Some(u64::from_be_bytes([buf[8], buf[9], buf[10], buf[11], buf[12], buf[13], buf[14], buf[15]])),
            n => Some(u64::from(n)),
        };
        let Some(body) = size.map_or(Some(u64::MAX), |s| s.checked_sub(header)) else { return self.stop() };
        let end = at.saturating_add(body);
        let fits = self.stack.last().is_none_or(|parent| end <= *parent);
        if !fits || !kind.iter().all(|b| b.is_ascii_graphic() || *b == b' ' || *b == 0xa9) {
            return self.stop();
        }
        if &kind == b"mdat" {
            self.leaves.found.media_start.get_or_insert(at);
            self.media_bytes = if size.is_some() { self.media_bytes.saturating_add(body) } else { 0 };
        }
        if &kind == b"mvex" {
            self.leaves.found.fragmented = true;
        }
        if &kind == b"trak" {
            if self.leaves.found.tracks.len() >= MP4_TRACKS {
                return self.stop();
            }
            self.leaves.found.tracks.push(Track::default());
        }
        if &kind == b"traf" {
            self.leaves.enter_traf();
        }
        self.state = match &kind {
            b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"mvex" | b"moof" | b"traf" if body >= 8 => {
                if self.stack.len() >= MP4_DEPTH {
                    return self.stop();
                }
                self.stack.push(end);
                HEADER
            }
            b"stsz" if body >= 12 => State::Sizes { buf: [0; 12], len: 0, fixed: 0, left: 0 },
            b"mvhd" | b"mehd" | b"tkhd" | b"mdhd" | b"hdlr" | b"stsd" | b"sidx" | b"tfhd" | b"trun" if body > 0 => {
                // Of a long sample description the start is enough.
                let want = if &kind == b"stsd" { body.min(64) } else { body };
                match usize::try_from(want) {
                    Ok(want) if want <= MP4_BOX => State::Leaf { kind, buf: Vec::new(), want, then_skip: body - want as u64 },
                    _ => State::Skip(body),
                }
            }
            _ if body == 0 => return self.next(at),
            _ => State::Skip(body),
        };
    }

    fn close_leaf(&mut self, at: u64) {
        let State::Leaf { kind, buf, then_skip, .. } = std::mem::replace(&mut self.state, HEADER) else { return };
        self.leaves.read(kind, &buf);
        if then_skip > 0 {
            self.state = State::Skip(then_skip);
        } else {
            self.next(at);
        }
    }

    /// `stsz` (ISO/IEC 14496-12 section 8.7.3.2): version and flags, one size or 0, count, sizes.
    fn sizes(&mut self, bytes: &[u8]) -> usize {
        let end = self.stack.last().copied().unwrap_or(u64::MAX);
        let State::Sizes { buf, len, fixed, left } = &mut self.state else { return 0 };
        let track = self.leaves.found.tracks.last_mut();
        if *len < 12 {
            let n = (12 - *len).min(bytes.len());
            buf[*len..*len + n].copy_from_slice(&bytes[..n]);
            *len += n;
            if *len == 12 {
                *fixed = u32::from_be_bytes([buf[4], buf[5], buf[6], buf[7]]);
                let count = u32::from_be_bytes([buf[8], buf[9], buf[10], buf[11]]);
                let over = *fixed != 0 || count == 0;
                if let Some(track) = track {
                    track.samples = u64::from(count);
                    track.bytes = u64::from(*fixed) * u64::from(count);
                }
                *left = u64::from(count) * 4;
                let at = self.at + n as u64;
                if at.saturating_add(if over { 0 } else { *left }) > end {
                    self.stop();
                } else if over {
                    self.next(at);
                } else {
                    // From here `buf` holds a part of a size, `len` says how much beyond 12.
                    *len = 12;
                }
            }
            return n;
        }
        let n = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
        let mut sum = 0u64;
        for b in &bytes[..n] {
            buf[*len - 12] = *b;
            *len += 1;
            if *len == 16 {
                sum = sum.saturating_add(u64::from(u32::from_be_bytes([buf[0], buf[1], buf[2], buf[3]])));
                *len = 12;
            }
        }
        *left -= n as u64;
        let done = *left == 0;
        if let Some(track) = track {
            track.bytes = track.bytes.saturating_add(sum);
        }
        if done {
            self.next(self.at + n as u64);
        }
        n
    }
}
