//! Options at the end of pcapng blocks, and numbers in either byte order.

/// The 32-bit number at `at`, which the caller knows to be there.
#[inline(always)]
pub(super) fn word(big_endian: bool, bytes: &[u8], at: usize) -> u32 {
    let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
}

/// The 16-bit number at `at`, which the caller knows to be there.
pub(super) fn half(big_endian: bool, bytes: &[u8], at: usize) -> u16 {
    let two = [bytes[at], bytes[at + 1]];
    if big_endian { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) }
}

/// An option's value as a 64-bit number, if it has that size.
pub(super) fn wide(big_endian: bool, value: &[u8]) -> Option<u64> {
    let eight = value.try_into().ok()?;
    Some(if big_endian { u64::from_be_bytes(eight) } else { u64::from_le_bytes(eight) })
}

/// Code and value of each option, up to `opt_endofopt`, the end, or the first that does not fit.
pub(super) fn options(mut bytes: &[u8], big_endian: bool) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        if bytes.len() < 4 {
            return None;
        }
        let (code, len) = (half(big_endian, bytes, 0), usize::from(half(big_endian, bytes, 2)));
        let value = bytes.get(4..4 + len).filter(|_| code != 0)?;
        bytes = bytes.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_where_they_are_cut() {
        let bytes = [2, 0, 3, 0, b'e', b't', b'h', 0, 9, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
        let all: Vec<_> = options(&bytes, false).collect();
        assert_eq!(all, [(2, &b"eth"[..]), (9, &[6][..])]);
        for cut in 0..bytes.len() {
            let some: Vec<_> = options(&bytes[..cut], false).collect();
            assert_eq!(some, all[..some.len()], "cut at {cut}");
        }
        assert_eq!(options(&[1, 0, 0xff, 0xff, 1], false).count(), 0);
    }
}
