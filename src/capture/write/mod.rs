//! Writers of captures, over any byte sink: slices of captures as evidence, and files for tests.

mod pcap;
mod pcapng;

use std::io;

pub use self::pcap::{PcapWriter, Precision};
pub use self::pcapng::{InterfaceDescription, PcapngWriter};

/// The order of the bytes of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ByteOrder {
    /// Least significant first: what almost all machines write.
    #[default]
    Little,
    /// Most significant first.
    Big,
}

impl ByteOrder {
    fn u16(self, value: u16) -> [u8; 2] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn u64(self, value: u64) -> [u8; 8] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.into())
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| invalid("a frame beyond 4 GiB"))
}
