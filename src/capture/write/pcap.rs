//! Classic pcap: <https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/>.

use std::io::{self, Write};

use crate::base::time::{NS_PER_S, Timestamp};

use super::super::LinkType;
use super::{ByteOrder, invalid, length};

/// The unit of the time stamps of a pcap file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Precision {
    /// What every tool reads; nanoseconds are cut off.
    Microseconds,
    /// Nothing is lost.
    #[default]
    Nanoseconds,
}

/// Writes a classic pcap file. Wrap files in a [`std::io::BufWriter`].
pub struct PcapWriter<W> {
    out: W,
    order: ByteOrder,
    precision: Precision,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file header. `snaplen` 0 means unlimited.
    pub fn new(mut out: W, link: LinkType, snaplen: u32, precision: Precision, order: ByteOrder) -> io::Result<Self> {
        let magic = match precision {
            Precision::Microseconds => 0xa1b2_c3d4,
            Precision::Nanoseconds => 0xa1b2_3c4d,
        };
        out.write_all(&order.u32(magic))?;
        out.write_all(&order.u16(2))?;
        out.write_all(&order.u16(4))?;
        for word in [0, 0, snaplen, u32::from(link.0)] {
            out.write_all(&order.u32(word))?;
        }
        Ok(Self { out, order, precision })
    }

    /// Writes one frame. An error of kind `InvalidInput` if the time is before 1970 or after 2106.
    pub fn write(&mut self, at: Timestamp, wire_len: u32, bytes: &[u8]) -> io::Result<()> {
        let seconds = u32::try_from(at.0.div_euclid(NS_PER_S)).map_err(|_| invalid(format!("pcap cannot hold the time {at}")))?;
        let unit = if self.precision == Precision::Microseconds { 1000 } else { 1 };
        // Less than 10^9.
        let fraction = (at.0.rem_euclid(NS_PER_S) / unit) as u32;
        for word in [seconds, fraction, length(bytes)?, wire_len] {
            self.out.write_all(&self.order.u32(word))?;
        }
        self.out.write_all(bytes)
    }

    /// Gives the sink back, flushed.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}
