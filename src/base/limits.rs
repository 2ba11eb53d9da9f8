//! Every bound of the analyzer in one place, with its reason. A bound that is reached has its own counter in the report.

/// The largest frame that is read. libpcap's MAXIMUM_SNAPLEN is 262,144; TSO frames with headers and USB captures stay below it.
pub const FRAME_BYTES: usize = 262_144;
/// Frames held back to put files of one point into time order; dumpcap's interfaces interleave within far less.
pub const REORDER_FRAMES: usize = 4096;
/// Nested tunnels that are followed; more is an attack or a loop.
pub const TUNNEL_DEPTH: usize = 4;
/// Conversations kept at once per point; the oldest idle one is closed when a new one comes.
pub const FLOWS: usize = 1 << 20;
/// Bytes held per TCP direction for data that came before what precedes it.
pub const REASSEMBLY_BYTES: usize = 4 << 20;
/// Places kept for each kind of anomaly.
pub const ANOMALY_PLACES: usize = 5;
/// Conversations listed in a report, largest first; the rest are summed.
pub const REPORT_FLOWS: usize = 1000;
/// Senders (per interface, direction and tunnel) whose presence is recorded at one point; each record takes 7 KiB for its silences.
pub const PRESENCE_SENDERS: usize = 2048;
/// Far ends of tunnels told apart at one point; the number must fit a byte.
pub const PRESENCE_TUNNELS: usize = 200;
/// Copies of announcements (RARP, gratuitous ARP, neighbour advertisements) kept per point: a guest sends a dozen, each seen up to four times.
pub const ANNOUNCEMENTS: usize = 4096;
