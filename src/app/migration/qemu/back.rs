//! The return path: what the destination says on the main connection (QEMU `migration/migration.c`, `source_return_path_thread`).

use super::format::{back, printable};
use crate::app::migration::feed::{Machine, Step, Window};
use crate::flow::{GapReason, Moment};

/// Ends the bitmap that follows RECV_BITMAP outside its message (`RAMBLOCK_RECV_BITMAP_ENDING`).
const BITMAP_END: u64 = 0x0123_4567_89ab_cdef;
/// Largest bitmap that is believed: a block of 16 TiB in pages of 4 KiB.
const BITMAP_MAX: u64 = 1 << 29;

/// Reads the return path.
#[derive(Debug, Default)]
pub(super) struct Back {
    /// Messages read, by type.
    pub messages: u64,
    pub shut: Option<(Moment, u32)>,
    pub pong3: Option<Moment>,
    pub requests: u64,
    pub recovered: bool,
    pub nonsense: u64,
    pub missing: u64,
    /// Last packet of which something was read.
    pub last: Option<Moment>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Message,
    /// The size of a bitmap follows, outside of any message.
    Bitmap,
    BitmapEnd,
    Lost,
}

impl Back {
    fn message(&mut self, w: &Window<'_>) -> Step {
        let (Some(kind), Some(len)) = (w.be16(0), w.be16(2)) else { return Step::Hold };
        let fits = match kind {
            back::SHUT | back::PONG | back::RESUME_ACK => len == 4,
            back::REQ_PAGES => len == 12,
            back::REQ_PAGES_ID => (14..=12 + 1 + 255).contains(&len),
            back::RECV_BITMAP => (2..=256).contains(&len),
            back::SWITCHOVER_ACK => len == 0,
            _ => false,
        };
        if !fits {
            return self.lose();
        }
        let whole = 4 + usize::from(len);
        if w.bytes.len() < whole {
            return Step::Hold;
        }
        let (value, when) = (w.be32(4).unwrap_or_default(), w.moment(whole - 1));
        match kind {
            back::SHUT => self.shut = Some((when, value)),
            back::PONG if value == 3 => self.pong3 = Some(when),
            back::REQ_PAGES => self.requests += 1,
            back::REQ_PAGES_ID => {
                if !w.counted(16).is_some_and(|name| printable(name) && 13 + name.len() == usize::from(len)) {
                    return self.lose();
                }
                self.requests += 1;
            }
            back::RECV_BITMAP => self.state = State::Bitmap,
            back::RESUME_ACK => self.recovered = true,
            _ => {}
        }
        self.messages += 1;
        Step::Take(whole)
    }

    fn lose(&mut self) -> Step {
        self.nonsense += 1;
        self.state = State::Lost;
        Step::Take(0)
    }

    /// Looks for the messages that matter: SHUT and PONG, eight bytes of which six are known.
    fn look(&mut self, w: &Window<'_>) -> Step {
        for at in 0..w.bytes.len() {
            if w.bytes[at] != 0 {
                continue;
            }
            let Some(head) = w.be32(at) else { return if at == 0 { Step::Hold } else { Step::Take(at) } };
            if head != u32::from(back::SHUT) << 16 | 4 && head != u32::from(back::PONG) << 16 | 4 {
                continue;
            }
            let Some(value) = w.be32(at + 4) else { return if at == 0 { Step::Hold } else { Step::Take(at) } };
            if value < 256 || value == u32::MAX {
                self.state = State::Message;
                return Step::Take(at);
            }
        }
        Step::Take(w.bytes.len())
    }
}

impl Machine for Back {
    fn step(&mut self, w: &Window<'_>) -> Step {
        match self.state {
            State::Message => self.message(w),
            State::Bitmap => match w.be64(0) {
                None => Step::Hold,
                Some(size) if size <= BITMAP_MAX => {
                    self.state = State::BitmapEnd;
                    Step::Skip(8 + size)
                }
                Some(_) => self.lose(),
            },
            State::BitmapEnd => match w.be64(0) {
                None => Step::Hold,
                Some(BITMAP_END) => {
                    self.state = State::Message;
                    Step::Take(8)
                }
                Some(_) => self.lose(),
            },
            State::Lost => self.look(w),
        }
    }

    fn gap(&mut self, _start: u64, missing: u64, _why: GapReason, when: Moment) {
        self.last = Some(when);
        self.missing += missing;
        self.state = State::Lost;
    }

    fn overflow(&mut self, _start: u64) {
        self.nonsense += 1;
        self.state = State::Lost;
    }
}
