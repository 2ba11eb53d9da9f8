//! TCP sequence numbers (modulo 2^32) as 64-bit stream offsets.

/// Signed distance from `from` to `to` on the sequence circle. RFC 9293 section 3.4: comparisons are modulo 2^32.
#[inline]
pub fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from) as i32
}

/// Unwraps 32-bit sequence numbers of one direction into offsets that only grow past 2^32, relative to the first number given.
///
/// Offsets before the first number are negative. Correct while consecutive numbers lie less than 2^31 apart, which
/// RFC 7323's window limit guarantees.
#[derive(Clone, Copy, Debug)]
pub struct Unwrap {
    last_seq: u32,
    last_offset: i64,
}

impl Unwrap {
    /// Starts so that `seq` has offset 0.
    pub fn new(seq: u32) -> Self {
        Self { last_seq: seq, last_offset: 0 }
    }

    /// The offset of `seq`, remembering it as the newest if it lies ahead.
    #[inline]
    pub fn offset(&mut self, seq: u32) -> i64 {
        let offset = self.peek(seq);
        if offset > self.last_offset {
            self.last_seq = seq;
            self.last_offset = offset;
        }
        offset
    }

    /// The offset of `seq`, remembering nothing.
    #[inline]
    pub fn peek(&self, seq: u32) -> i64 {
        self.last_offset + i64::from(distance(self.last_seq, seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_over_the_wrap() {
        let mut u = Unwrap::new(0xffff_ff00);
        assert_eq!(u.offset(0xffff_ff00), 0);
        assert_eq!(u.offset(0x0000_0100), 0x200);
        assert_eq!(u.peek(0xffff_fff0), 0xf0);
        assert_eq!(u.offset(0xffff_fe00), -0x100);
        let mut at = 0x0000_0100u32;
        for n in 1..=10i64 {
            at = at.wrapping_add(0x4000_0000);
            assert_eq!(u.offset(at), 0x200 + n * 0x4000_0000);
        }
    }
}
