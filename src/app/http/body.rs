//! Where a body ends (RFC 9112 section 6 and 7.1): counted, not kept.

/// Progress through one body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyState {
    /// This many bytes are left.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// Until the sender closes.
    UntilClose,
}

/// Place within chunked coding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// In the hexadecimal size; how many digits were read.
    Size { value: u64, digits: u8 },
    /// In the rest of the size line.
    Extension { value: u64 },
    /// In the data.
    Data(u64),
    /// In the line end after the data.
    DataEnd,
    /// In a trailer line; whether it is empty so far.
    Trailer { empty: bool },
    /// After the last line end.
    Over,
}

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The first `usize` bytes are content.
    Content(usize),
    /// The first `usize` bytes are framing.
    Framing(usize),
    /// The body is over; nothing was taken.
    End,
    /// The framing makes no sense here.
    Broken,
}

impl BodyState {
    /// Chunked coding at its start.
    pub fn chunked() -> Self {
        Self::Chunked(Chunk::Size { value: 0, digits: 0 })
    }

    /// Nothing of the body is left.
    pub fn over(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Over))
    }

    /// Takes some of the next bytes. At the end of a body it says so even without bytes.
    pub fn step(&mut self, bytes: &[u8]) -> Step {
        match self {
            Self::Length(0) | Self::Chunked(Chunk::Over) => Step::End,
            Self::Length(left) => {
                let n = clamp(*left, bytes.len());
                *left -= n as u64;
                Step::Content(n)
            }
            Self::UntilClose => Step::Content(bytes.len()),
            Self::Chunked(chunk) => chunk.step(bytes),
        }
    }

    /// Passes over `missing` bytes that are not in the capture. False if they hide where the body ends.
    pub fn pass(&mut self, missing: u64) -> bool {
        match self {
            Self::UntilClose => true,
            Self::Length(left) | Self::Chunked(Chunk::Data(left)) if *left >= missing => {
                *left -= missing;
                true
            }
            _ => false,
        }
    }
}

fn clamp(left: u64, len: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(len)
}

impl Chunk {
    fn step(&mut self, bytes: &[u8]) -> Step {
        let Some(&b) = bytes.first() else { return Step::Framing(0) };
        match self {
            Self::Data(left) if *left > 0 => {
                let n = clamp(*left, bytes.len());
                *left -= n as u64;
                return Step::Content(n);
            }
            Self::Data(_) => {
                *self = Self::DataEnd;
                return Step::Framing(0);
            }
            Self::Size { value, digits } => match (b as char).to_digit(16) {
                Some(d) => match value.checked_mul(16) {
                    // More than 16 digits cannot be a size; leading zeros do not help.
                    Some(v) if *digits < 16 => *self = Self::Size { value: v + u64::from(d), digits: *digits + 1 },
                    _ => return Step::Broken,
                },
                None if *digits == 0 => return Step::Broken,
                None if matches!(b, b';' | b' ' | b'\t' | b'\r' | b'\n') => {
                    *self = Self::Extension { value: *value };
                    return Step::Framing(0);
                }
                None => return Step::Broken,
            },
            Self::Extension { value } => {
                let value = *value;
                let end = memchr::memchr(b'\n', bytes);
                if end.is_some() {
                    *self = if value == 0 { Self::Trailer { empty: true } } else { Self::Data(value) };
                }
                return Step::Framing(end.map_or(bytes.len(), |e| e + 1));
            }
            Self::DataEnd => match b {
                b'\r' => {}
                b'\n' => *self = Self::Size { value: 0, digits: 0 },
                _ => return Step::Broken,
            },
            Self::Trailer { empty } => match b {
                b'\n' if *empty => *self = Self::Over,
                b'\n' => *empty = true,
                b'\r' => {}
                _ => *empty = false,
            },
            Self::Over => return Step::End,
        }
        Step::Framing(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content bytes and what follows the body.
    fn run(mut body: BodyState, mut bytes: &[u8]) -> (Vec<u8>, Option<&[u8]>) {
        let mut content = Vec::new();
        loop {
            if body.over() {
                return (content, Some(bytes));
            }
            match body.step(bytes) {
                Step::Content(n) => {
                    content.extend(&bytes[..n]);
                    bytes = &bytes[n..];
                }
                Step::Framing(n) => bytes = &bytes[n..],
                Step::End => unreachable!("over() said no"),
                Step::Broken => return (content, None),
            }
            if bytes.is_empty() && !body.over() {
                return (content, Some(bytes));
            }
        }
    }

    #[test]
    fn chunked_content_is_told_from_framing() {
        let (content, rest) = run(BodyState::chunked(), b"5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nA: b\r\n\r\nHTTP");
        assert_eq!((content.as_slice(), rest), (&b"hello!"[..], Some(&b"HTTP"[..])));
        let (content, rest) = run(BodyState::chunked(), b"0\r\n\r\nX");
        assert_eq!((content.as_slice(), rest), (&b""[..], Some(&b"X"[..])));
        assert_eq!(run(BodyState::chunked(), b"zz\r\n").1, None);
        assert_eq!(run(BodyState::chunked(), b"fffffffffffffffff\r\n").1, None, "a size beyond 64 bits");
        assert_eq!(run(BodyState::chunked(), b"2\r\nabX").1, None, "no line end after the data");
    }

    #[test]
    fn gaps_inside_known_lengths_are_passed() {
        let mut body = BodyState::Length(10);
        assert!(body.pass(10) && body.over());
        assert!(!BodyState::Length(10).pass(11));
        let mut body = BodyState::Chunked(Chunk::Data(5));
        assert!(body.pass(5));
        assert_eq!(run(body, b"\r\n0\r\n\r\n").1, Some(&b""[..]));
        assert!(!BodyState::chunked().pass(1));
    }
}
