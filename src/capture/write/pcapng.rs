//! pcapng: <https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/>. Keeps interface names and comments on packets.

use std::io::{self, Write};

use crate::base::limits::COMMENT_BYTES;
use crate::base::time::{NS_PER_S, Timestamp};

use super::super::LinkType;
use super::{ByteOrder, invalid, length};

/// What an Interface Description Block says.
#[derive(Clone, Debug)]
pub struct InterfaceDescription<'a> {
    /// `if_name`; left out if empty.
    pub name: &'a str,
    /// Link type.
    pub link: LinkType,
    /// Snap length; 0 if unlimited.
    pub snaplen: u32,
    /// `if_tsresol`: negative power of 10, or of 2 with the most significant bit set. 9 is nanoseconds.
    pub tsresol: u8,
    /// `if_tsoffset`: seconds that are added to every stamp.
    pub tsoffset: i64,
}

impl Default for InterfaceDescription<'_> {
    fn default() -> Self {
        Self { name: "", link: LinkType::ETHERNET, snaplen: 0, tsresol: 9, tsoffset: 0 }
    }
}

/// Writes one section of a pcapng file. Wrap files in a [`std::io::BufWriter`].
pub struct PcapngWriter<W> {
    out: W,
    order: ByteOrder,
    /// Resolution and offset of each interface.
    interfaces: Vec<(u8, i64)>,
    block: Vec<u8>,
}

impl<W: Write> PcapngWriter<W> {
    /// Writes the section header with a comment (left out if empty).
    pub fn new(out: W, order: ByteOrder, comment: &str) -> io::Result<Self> {
        let mut writer = Self { out, order, interfaces: Vec::new(), block: Vec::new() };
        writer.section(comment)?;
        Ok(writer)
    }

    /// Starts a new section, which has no interfaces yet.
    pub fn section(&mut self, comment: &str) -> io::Result<()> {
        self.interfaces.clear();
        self.put(&self.order.u32(0x1a2b_3c4d));
        self.put(&self.order.u16(1));
        self.put(&self.order.u16(0));
        // Section length: unstated.
        self.put(&self.order.u64(u64::MAX));
        self.text(1, comment);
        self.text(4, concat!("lmpcap ", env!("CARGO_PKG_VERSION")));
        self.end_options();
        self.finish_block(0x0a0d_0d0a)
    }

    /// Describes one more interface and returns its number.
    pub fn interface(&mut self, interface: &InterfaceDescription<'_>) -> io::Result<u32> {
        self.put(&self.order.u16(interface.link.0));
        self.put(&self.order.u16(0));
        self.put(&self.order.u32(interface.snaplen));
        self.text(2, interface.name);
        self.option(9, &[interface.tsresol]);
        if interface.tsoffset != 0 {
            self.option(14, &self.order.u64(interface.tsoffset as u64));
        }
        self.end_options();
        self.finish_block(1)?;
        self.interfaces.push((interface.tsresol, interface.tsoffset));
        u32::try_from(self.interfaces.len() - 1).map_err(|_| invalid("too many interfaces"))
    }

    /// Writes one frame with a comment (left out if empty, cut after [`COMMENT_BYTES`]).
    ///
    /// An error of kind `InvalidInput` if the interface is not described or its stamps cannot hold the time.
    pub fn write(&mut self, interface: u32, at: Timestamp, wire_len: u32, bytes: &[u8], comment: &str) -> io::Result<()> {
        let described = self.interfaces.get(interface as usize);
        let &(tsresol, tsoffset) = described.ok_or_else(|| invalid(format!("interface {interface} is not described")))?;
        let stamp = stamp(at, tsresol, tsoffset)
            .ok_or_else(|| invalid(format!("the stamps of interface {interface} cannot hold the time {at}")))?;
        let words = [interface, (stamp >> 32) as u32, stamp as u32, length(bytes)?, wire_len];
        for word in words {
            self.put(&self.order.u32(word));
        }
        self.padded(bytes);
        if !comment.is_empty() {
            self.text(1, comment);
            self.end_options();
        }
        self.finish_block(6)
    }

    /// Says how many frames `interface` dropped since the start: by itself, and by the operating system.
    pub fn statistics(&mut self, interface: u32, by_interface: u64, by_system: u64) -> io::Result<()> {
        for word in [interface, 0, 0] {
            self.put(&self.order.u32(word));
        }
        self.option(5, &self.order.u64(by_interface));
        self.option(7, &self.order.u64(by_system));
        self.end_options();
        self.finish_block(5)
    }

    /// Gives the sink back, flushed.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn put(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.put(bytes);
        let padding = bytes.len().next_multiple_of(4) - bytes.len();
        self.put(&[0; 3][..padding]);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        self.put(&self.order.u16(code));
        // All values here are bounded by COMMENT_BYTES.
        self.put(&self.order.u16(value.len() as u16));
        self.padded(value);
    }

    fn text(&mut self, code: u16, text: &str) {
        if !text.is_empty() {
            let text = &text[..text.floor_char_boundary(COMMENT_BYTES)];
            self.option(code, text.as_bytes());
        }
    }

    fn end_options(&mut self) {
        self.put(&[0; 4]);
    }

    fn finish_block(&mut self, kind: u32) -> io::Result<()> {
        let total = u32::try_from(self.block.len() + 12).map_err(|_| invalid("a block beyond 4 GiB"))?;
        self.out.write_all(&self.order.u32(kind))?;
        self.out.write_all(&self.order.u32(total))?;
        self.out.write_all(&self.block)?;
        self.block.clear();
        self.out.write_all(&self.order.u32(total))
    }
}

/// The stamp of `at` in the units of an interface; `None` if there is none.
fn stamp(at: Timestamp, tsresol: u8, tsoffset: i64) -> Option<u64> {
    let ns = u128::try_from(at.0.checked_sub(tsoffset.checked_mul(NS_PER_S)?)?).ok()?;
    let power = u32::from(tsresol & 0x7f);
    let units = match (tsresol & 0x80 != 0, power) {
        // Rounded up, so that a reader that rounds down gets the same nanosecond back where the unit is smaller than that.
        (true, _) => ns.checked_mul(1u128.checked_shl(power)?)?.div_ceil(NS_PER_S as u128),
        (false, 0..=9) => ns / 10u128.pow(9 - power),
        (false, _) => ns.checked_mul(10u128.checked_pow(power - 9)?)?,
    };
    u64::try_from(units).ok()
}
