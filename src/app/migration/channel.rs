//! What one connection of a migration has said when it ends.

use super::timeline::{Mark, Timeline};
use crate::base::net::Side;
use crate::flow::{EndOfStream, Moment};

use super::pages::PageSet;

/// What a connection of a migration is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ChannelKind {
    /// QEMU's main channel ("QEVM").
    Main,
    /// A multifd channel with its number.
    Multifd(u8),
    /// The post-copy preempt channel: requested pages.
    Preempt,
    /// A main channel that was opened again after a break in post-copy.
    Recovery,
    /// TLS on a migration port: sizes and times only.
    Tls,
    /// Bulk data on a port of a hypervisor, not understood; the name of the hypervisor's descriptor.
    Opaque(&'static str),
}

/// Pages and bytes of RAM records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RamCount {
    /// Pages sent whole.
    pub normal: u64,
    /// Pages sent as zero.
    pub zero: u64,
    /// Pages sent as XBZRLE delta.
    pub xbzrle: u64,
    /// Pages sent compressed.
    pub compressed: u64,
    /// Bytes of the records of XBZRLE pages, heads included.
    pub xbzrle_bytes: u64,
    /// Bytes of the records of compressed pages, heads included; on a multifd channel of their data alone.
    pub compressed_bytes: u64,
    /// Bytes of the records of pages (headers, names and data) and of the words that end SECTION_PARTs: what QEMU up to 8.0 counts as
    /// `transferred`. The list of blocks and the word that ends SECTION_END are not in it.
    pub bytes: u64,
}

impl RamCount {
    /// All pages.
    pub fn pages(&self) -> u64 {
        self.normal + self.zero + self.xbzrle + self.compressed
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.normal += other.normal;
        self.zero += other.zero;
        self.xbzrle += other.xbzrle;
        self.compressed += other.compressed;
        self.xbzrle_bytes += other.xbzrle_bytes;
        self.compressed_bytes += other.compressed_bytes;
        self.bytes += other.bytes;
    }
}

/// One pass over the guest's memory as this channel shows it: until the page addresses start again from below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassCount {
    /// First record.
    pub first: Moment,
    /// Last record.
    pub last: Moment,
    /// What it sent; incomplete where the stream is.
    pub sent: RamCount,
    /// Stream offset of its first record.
    pub offset: u64,
    /// Stream offset one past its last record.
    pub offset_end: u64,
}

/// Which pages a multifd packet begins and ends with.
///
/// QEMU up to 8.0 may queue the last page of a full packet a second time (`multifd_queue_page` looks twice at an array that the channel's
/// thread empties in between). The page then begins a later packet, on whatever channel, and QMP counts it once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketEdges {
    /// The packet's number over all channels; a SYNC that is asked for while it waits gives it the SYNC's own, a few higher.
    pub number: u64,
    /// Hash of the RAM block's name.
    pub block: u64,
    /// First page, in pages from the start of the block.
    pub first: u64,
    /// Last page, if the packet is full.
    pub last: Option<u64>,
    /// The pages are compressed.
    pub compressed: bool,
    /// Stream offset of the packet.
    pub offset: u64,
}

/// What of a stream was missing at the capture point, as far as the parser had to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Damage {
    /// The first bytes of the stream were not captured.
    pub beginning_missing: bool,
    /// Bytes cut by the snap length where the parser wanted to read.
    pub cut: u64,
    /// Bytes of segments that were not captured where the parser wanted to read.
    pub lost: u64,
    /// Bytes dropped by a bound of the tool.
    pub limit: u64,
    /// How often the parser had to look for the next element.
    pub resyncs: u64,
    /// How often what followed made no sense although nothing was missing.
    pub nonsense: u64,
    /// Bytes that were captured and belong to no element that could be told.
    pub unnamed: u64,
    /// The channel's compression or an unknown section kept pages from being counted.
    pub opaque: bool,
}

impl Damage {
    /// True if everything was read.
    pub fn none(&self) -> bool {
        *self == Self::default()
    }

    /// The main reason why something could not be read: `gap`, `snaplen`, `beginning`, `limit`, `format`; `None` if all was read.
    pub fn why(&self) -> Option<&'static str> {
        if self.none() {
            None
        } else if self.lost > 0 {
            Some("gap")
        } else if self.beginning_missing {
            Some("beginning")
        } else if self.cut > 0 {
            Some("snaplen")
        } else if self.limit > 0 {
            Some("limit")
        } else {
            Some("format")
        }
    }
}

/// Everything that one connection of a migration has said; given once, at its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelReport {
    /// What it is for.
    pub kind: ChannelKind,
    /// `content` if bytes gave it away, `port` if only the port and the shape of the traffic did.
    pub detected_by: &'static str,
    /// The side that sends the guest.
    pub sender: Side,
    /// Steps, as far as this connection shows them; connection facts (SYN, FIN, RST) are filled in by the ledger.
    pub timeline: Timeline,
    /// Machine type of CONFIGURATION.
    pub machine: Option<String>,
    /// UUID of the VM: in multifd handshakes, else only if the stream carries it.
    pub uuid: Option<[u8; 16]>,
    /// Page size that the parser used, in bytes.
    pub page_size: u32,
    /// RAM that MEM_SIZE announces, in bytes.
    pub ram_total: Option<u64>,
    /// RAM records read.
    pub ram: RamCount,
    /// RAM records read before the switch-over.
    pub ram_precopy: RamCount,
    /// RAM records sent with the guest stopped: those of SECTION_END.
    pub ram_stopped: RamCount,
    /// RAM records of post-copy.
    pub ram_postcopy: RamCount,
    /// Pages seen at least once; `None` beyond the bound of memory for it.
    pub seen: Option<PageSet>,
    /// Records of pages that had been seen before; `None` as `seen`.
    pub resent: Option<u64>,
    /// Passes told from the addresses.
    pub passes: Vec<PassCount>,
    /// MULTIFD_FLUSH words (main) or SYNC packets (multifd).
    pub syncs: u64,
    /// Bytes of the device state: SECTION_FULL with headers and footers, or the package; `None` if its ends were not both read.
    pub device_bytes: Option<u64>,
    /// Bytes of legacy storage migration in the stream (`block` sections).
    pub storage_bytes: u64,
    /// SECTION_FULL sections after the switch-over.
    pub devices: u32,
    /// Run state of the source guest (`globalstate`).
    pub run_state: Option<String>,
    /// OPEN_RETURN_PATH was sent.
    pub return_path: bool,
    /// POSTCOPY_ADVISE was sent: post-copy may follow.
    pub postcopy_advised: bool,
    /// Post-copy was entered.
    pub postcopy: bool,
    /// Pages that the destination asked for in post-copy.
    pub page_requests: u64,
    /// The EOF byte, or for multifd and preempt channels a clean end, was read.
    pub complete: bool,
    /// Payload bytes of the sender, gaps counted.
    pub sent_bytes: u64,
    /// Payload bytes of the receiver.
    pub answered_bytes: u64,
    /// Last payload byte of the receiver.
    pub last_answer: Option<Moment>,
    /// FIN of the sender and of the receiver.
    pub fins: [Option<Moment>; 2],
    /// The stream came inside another protocol.
    pub tunnelled: bool,
    /// Multifd: ends of the bursts of data, the newest [`crate::base::limits::MIGRATION_BURSTS`].
    pub data_ends: Vec<Mark>,
    /// Multifd: the newest groups of data between SYNC packets: how many SYNC packets came before, and the first byte of the data.
    pub groups: Vec<(u64, Mark)>,
    /// Multifd: the packets with pages; `None` beyond [`crate::base::limits::MIGRATION_PACKETS`] or where one was not read in full.
    pub packets: Option<Vec<PacketEdges>>,
    /// Main: SECTION_PARTs of RAM.
    pub ram_parts: u64,
    /// What was missing.
    pub damage: Damage,
    /// How the stream ended, and when that was told.
    pub end: Option<(EndOfStream, Moment)>,
}

impl ChannelReport {
    /// An empty report.
    pub fn new(kind: ChannelKind, detected_by: &'static str, sender: Side) -> Self {
        Self {
            kind,
            detected_by,
            sender,
            timeline: Timeline::default(),
            machine: None,
            uuid: None,
            page_size: 4096,
            ram_total: None,
            ram: RamCount::default(),
            ram_precopy: RamCount::default(),
            ram_stopped: RamCount::default(),
            ram_postcopy: RamCount::default(),
            seen: None,
            resent: None,
            passes: Vec::new(),
            syncs: 0,
            device_bytes: None,
            storage_bytes: 0,
            devices: 0,
            run_state: None,
            return_path: false,
            postcopy_advised: false,
            postcopy: false,
            page_requests: 0,
            complete: false,
            sent_bytes: 0,
            answered_bytes: 0,
            last_answer: None,
            fins: [None; 2],
            tunnelled: false,
            data_ends: Vec::new(),
            groups: Vec::new(),
            packets: Some(Vec::new()),
            ram_parts: 0,
            damage: Damage::default(),
            end: None,
        }
    }
}
