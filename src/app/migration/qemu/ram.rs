//! Records of the `ram` section (QEMU `migration/ram.c`, version 4): pages, counted and passed over unread.

use super::format::{RAM_MAX, printable, ram as flag};
use crate::app::migration::channel::{PassCount, RamCount};
use crate::app::migration::feed::Window;
use crate::app::migration::pages::PageSet;
use crate::app::migration::passes::Passes;
use crate::base::limits::MIGRATION_RAM_BLOCKS;
use crate::flow::Moment;

/// One record, parsed but not yet counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub kind: Kind,
    /// Bytes to the record's end.
    pub len: u64,
    /// Block, as its place in the list; `None` where the record has none or names none that is known.
    pub block: Option<BlockRef>,
    /// Page number in its block; for MEM_SIZE the total of all blocks in bytes.
    pub value: u64,
}

/// A block that a record names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BlockRef {
    /// By its place in the list.
    Known(usize),
    /// By a name that was not in the list, at this place in the window.
    New(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Zero,
    Page,
    Xbzrle,
    Compressed,
    MemSize,
    Eos,
    Flush,
    Hook,
}

/// Outcome of parsing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Parsed {
    Record(Record),
    /// The window ends within the part that must be read.
    Hold,
    /// It cannot be a record.
    Bad,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Phase {
    #[default]
    Precopy,
    Stopped,
    Postcopy,
}

/// Blocks, counters and the set of pages of one channel.
#[derive(Debug)]
pub(super) struct Ram {
    /// Page size as a power of two.
    pub page_bits: u32,
    /// Names and lengths in the order of the list.
    pub blocks: Vec<(Vec<u8>, u64)>,
    /// The list was read to its end.
    pub listed: bool,
    pub total: Option<u64>,
    pub all: RamCount,
    pub precopy: RamCount,
    pub stopped: RamCount,
    pub postcopy: RamCount,
    pub flushes: u64,
    pub resent: u64,
    seen: Option<PageSet>,
    handles: Vec<usize>,
    passes: Passes,
    phase: Phase,
    /// Block of the record before, for CONTINUE.
    pub last: Option<usize>,
}

impl Default for Ram {
    fn default() -> Self {
        Self {
            page_bits: 12,
            blocks: Vec::new(),
            listed: false,
            total: None,
            all: RamCount::default(),
            precopy: RamCount::default(),
            stopped: RamCount::default(),
            postcopy: RamCount::default(),
            flushes: 0,
            resent: 0,
            seen: Some(PageSet::default()),
            handles: Vec::new(),
            passes: Passes::default(),
            phase: Phase::Precopy,
            last: None,
        }
    }
}

impl Ram {
    pub fn page_size(&self) -> u64 {
        1 << self.page_bits
    }

    /// Parses the record at `at` of the window.
    pub fn parse(&self, w: &Window<'_>, at: usize) -> Parsed {
        let Some(word) = w.be64(at) else { return Parsed::Hold };
        let flags = word & (self.page_size() - 1);
        let addr = word - flags;
        let same = flags & flag::CONTINUE != 0;
        let plain = |kind| {
            if same || addr != 0 { Parsed::Bad } else { Parsed::Record(Record { kind, len: 8, block: None, value: 0 }) }
        };
        let kind = match flags & !flag::CONTINUE {
            flag::ZERO => Kind::Zero,
            flag::PAGE => Kind::Page,
            flag::XBZRLE => Kind::Xbzrle,
            flag::COMPRESS => Kind::Compressed,
            flag::EOS => return plain(Kind::Eos),
            flag::MULTIFD_FLUSH => return plain(Kind::Flush),
            // The address may be anything: the RDMA side protocol owns it.
            flag::HOOK if !same => return Parsed::Record(Record { kind: Kind::Hook, len: 8, block: None, value: 0 }),
            flag::MEM_SIZE if !same && addr <= RAM_MAX => {
                return Parsed::Record(Record { kind: Kind::MemSize, len: 8, block: None, value: addr });
            }
            _ => return Parsed::Bad,
        };
        let (block, mut head) = if same {
            (self.last.map(BlockRef::Known), 8)
        } else {
            let Some(name) = w.counted(at + 8) else { return Parsed::Hold };
            let block = match self.blocks.iter().position(|b| b.0 == name) {
                Some(known) => BlockRef::Known(known),
                None if self.listed || !printable(name) || self.blocks.len() >= MIGRATION_RAM_BLOCKS => return Parsed::Bad,
                None => BlockRef::New(at + 8),
            };
            (Some(block), 9 + name.len())
        };
        let limit = match block {
            Some(BlockRef::Known(known)) => self.blocks[known].1,
            _ => self.total.unwrap_or(RAM_MAX),
        };
        if addr >= limit {
            return Parsed::Bad;
        }
        let body = match kind {
            Kind::Zero => 1,
            Kind::Page => self.page_size(),
            Kind::Xbzrle => {
                let (Some(code), Some(len)) = (w.bytes.get(at + head).copied(), w.be16(at + head + 1)) else { return Parsed::Hold };
                if code != 1 || u64::from(len) > self.page_size() {
                    return Parsed::Bad;
                }
                head += 3;
                u64::from(len)
            }
            _ => {
                let Some(len) = w.be32(at + head) else { return Parsed::Hold };
                // zlib's deflate may make a page longer by a few bytes.
                if len == 0 || u64::from(len) > 2 * self.page_size() {
                    return Parsed::Bad;
                }
                head += 4;
                u64::from(len)
            }
        };
        Parsed::Record(Record { kind, len: head as u64 + body, block, value: addr >> self.page_bits })
    }

    /// Counts a record that begins at offset `start` in the packet `when`; `w` is the window that it was parsed in.
    pub fn count(&mut self, record: &Record, w: &Window<'_>, start: u64, when: Moment) {
        let mut sent = RamCount::default();
        match record.kind {
            Kind::Zero => sent.zero = 1,
            Kind::Page => sent.normal = 1,
            Kind::Xbzrle => (sent.xbzrle, sent.xbzrle_bytes) = (1, record.len),
            Kind::Compressed => {
                (sent.compressed, sent.compressed_bytes) = (1, record.len);
                self.passes.lose_order();
            }
            Kind::Flush => self.flushes += 1,
            Kind::MemSize => self.total = Some(record.value),
            Kind::Eos | Kind::Hook => {}
        }
        if sent.pages() == 0 {
            return;
        }
        sent.bytes = record.len;
        self.add(&sent);
        let block = match record.block {
            Some(BlockRef::Known(known)) => Some(known),
            Some(BlockRef::New(at)) => w.counted(at).map(|name| self.add_block(name.to_vec(), self.total.unwrap_or(RAM_MAX))),
            None => None,
        };
        self.last = block;
        let Some(block) = block else {
            self.seen = None;
            return;
        };
        if self.phase != Phase::Postcopy {
            self.passes.record(block, record.value, &sent, when, start, start.saturating_add(record.len));
        }
        let handle = self.handles[block];
        match self.seen.as_mut().map(|s| s.insert(handle, record.value)) {
            Some(Ok(new)) => self.resent += u64::from(!new),
            Some(Err(_)) => self.seen = None,
            None => {}
        }
    }

    /// Bytes that belong to no page but are counted.
    pub fn count_bytes(&mut self, bytes: u64) {
        self.add(&RamCount { bytes, ..RamCount::default() });
    }

    fn add(&mut self, sent: &RamCount) {
        self.all.add(sent);
        match self.phase {
            Phase::Precopy => self.precopy.add(sent),
            Phase::Stopped => self.stopped.add(sent),
            Phase::Postcopy => self.postcopy.add(sent),
        }
    }

    /// Adds a block at the end of the list.
    pub fn add_block(&mut self, name: Vec<u8>, len: u64) -> usize {
        let handle = self.seen.as_mut().map_or(0, |s| s.block(&name));
        self.handles.push(handle);
        self.blocks.push((name, len));
        self.blocks.len() - 1
    }

    /// The guest is stopped.
    pub fn stopped(&mut self) {
        if self.phase == Phase::Precopy {
            self.phase = Phase::Stopped;
        }
    }

    /// The guest runs on the destination.
    pub fn enter_postcopy(&mut self) {
        self.phase = Phase::Postcopy;
        self.passes.close();
    }

    /// Pages seen, re-sent records and passes. Without a gap only: with one, pages may have been missed.
    pub fn finish(self) -> (Option<PageSet>, u64, Vec<PassCount>) {
        (self.seen, self.resent, self.passes.finish())
    }
}
