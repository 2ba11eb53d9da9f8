//! What the first bytes of a file say it is.

use crate::error::Error;

use super::{pcap, pcapng};

/// Bytes that suffice to tell any kind in this file.
pub(super) const LONGEST: usize = 16;

/// A compression that is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Compression {
    Gzip,
    Zstd,
    Xz,
    Lz4,
    Bzip2,
}

impl Compression {
    /// Told by the magic number. A skippable frame (zstd, lz4) says neither: see [`skippable`].
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Self::Bzip2),
            _ => None,
        }
    }

    /// As reports name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
            Self::Bzip2 => "bzip2",
        }
    }
}

/// The length of the skippable frame that starts here, header included (RFC 8878 section 3.1.2; lz4 has the same).
pub(super) fn skippable(start: &[u8]) -> Option<u64> {
    match start {
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, ..] => Some(8 + u64::from(u32::from_le_bytes([*a, *b, *c, *d]))),
        _ => None,
    }
}

/// True if these bytes start a capture that is read.
pub(super) fn is_capture(start: &[u8]) -> bool {
    start.first_chunk::<4>().is_some_and(|magic| pcap::is_magic(*magic) || pcapng::is_magic(*magic))
}

/// The error for bytes that start no capture: what they start instead, if that can be told, and what to do.
pub(super) fn refuse(start: &[u8]) -> Error {
    if let Some(compression) = Compression::of(start) {
        let message = format!("expected a capture, found {} once more inside: the file was compressed twice", compression.name());
        return Error::new(message).advice("Decompress it once and give the result.");
    }
    let convert = "Convert it: editcap -F pcapng OLD NEW";
    let unpack = "Unpack it and give the captures.";
    let (what, advice) = match start {
        [b's', b'n', b'o', b'o', b'p', 0, 0, 0, ..] => ("a Solaris snoop capture", convert),
        [b'G', b'M', b'B', b'U', ..] | [b'R', b'T', b'S', b'S', ..] => ("a Microsoft Network Monitor capture", convert),
        [b'T', b'R', b'S', b'N', b'I', b'F', b'F', ..] => ("a Sniffer capture", convert),
        [b'X', b'C', b'P', 0, ..] => ("a NetXRay capture", convert),
        [0x1c, 0x00, 0x01, 0xab | 0xac, ..] | [0xab | 0xac, 0x01, 0x00, 0x1c, ..] => ("an IXIA lcap capture", convert),
        [0xa1, 0xb2, 0x34, 0xcd, ..] | [0xcd, 0x34, 0xb2, 0xa1, ..] => {
            ("a pcap of a patched kernel (Mesquita) that libpcap does not read either", convert)
        }
        [0xa1, 0x2b, 0x3c, 0x4d, ..] | [0x4d, 0x3c, 0x2b, 0xa1, ..] => ("a pcap of Navtel that libpcap does not read either", convert),
        [b'P', b'K', 3, 4, ..] => ("a zip archive", unpack),
        [b'7', b'z', 0xbc, 0xaf, ..] => ("a 7-Zip archive", unpack),
        [b'R', b'a', b'r', b'!', ..] => ("a RAR archive", unpack),
        [0x7f, b'E', b'L', b'F', ..] => ("a program", "Give a pcap or pcapng file."),
        [0, 0, 0, 0, ..] => ("zeros", "The disk or the copy lost the file's start; copy it again."),
        [b'{' | b'[' | b'<' | b'#', ..] => ("text", "Give a pcap or pcapng file."),
        _ => ("", "Give a file that tcpdump, dumpcap or Wireshark wrote, plain or compressed with gzip, zstd, xz, lz4 or bzip2."),
    };
    let bytes = start.iter().take(4).map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    let found = if what.is_empty() { format!("the bytes {bytes}") } else { format!("{what} ({bytes})") };
    Error::new(format!("expected a pcap or pcapng capture, found {found}")).advice(advice)
}
