//! The report: pure data, the schema `lmpcap.report/1`, all that writers see.
//!
//! A number that cannot be known is `None` (JSON `null`) with the reason in the `why` beside it, never 0 and never left out.
//! Times are RFC 3339 with nanoseconds in UTC on the reference clock; a name's suffix says the unit (`_ms`, `_bps`, …).

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::base::interval::Interval;
use crate::base::net::Mac;
use crate::base::time::Timestamp;

/// Version of the schema.
pub const SCHEMA: &str = "lmpcap.report/1";

/// Everything that one run says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Who wrote it.
    pub tool: Tool,
    /// Which experiment.
    pub run: Run,
    /// Which virtual machine.
    pub vm: Vm,
    /// Capture points.
    pub points: Vec<Point>,
    /// Migrations, in the order of their starts.
    pub migrations: Vec<Migration>,
    /// What the client saw in a run without any trace of a migration: the longest time without an answer, and each service's. There only
    /// where `migrations` is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime: Option<Downtime>,
    /// Quality of service per phase, service and path.
    pub qos: Vec<Qos>,
    /// HTTP exchanges.
    pub http: Http,
    /// Video sessions.
    pub video: Vec<Video>,
    /// Bytes per service.
    pub services: Vec<Service>,
    /// The orchestration timeline.
    pub control: Vec<Control>,
    /// Connections of the nodes to shared storage (Ceph), summed per node and daemon.
    pub storage: Vec<Storage>,
    /// Conversations, largest first, at most [`crate::base::limits::REPORT_FLOWS`].
    pub flows: Vec<Flow>,
    /// What was looked at and what was not.
    pub coverage: Coverage,
    /// Oddities of the traffic and the captures.
    pub anomalies: Vec<AnomalyEntry>,
    /// Time series for the charts.
    pub series: Series,
    /// Sentences that a reader should know before quoting a figure: what was hit, what is missing, what to do.
    pub warnings: Vec<String>,
}

impl Report {
    /// The downtime of each migration with its number; that of a run without one under number 0.
    pub fn downtimes(&self) -> impl Iterator<Item = (u32, &Downtime)> {
        self.migrations.iter().map(|m| (m.id, &m.downtime)).chain(self.downtime.iter().map(|d| (0, d)))
    }
}

/// The tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// `lmpcap`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// Name, from `run.toml` or the path.
    pub name: String,
    /// `no-video`, `offline-video`, `online-video` or `unknown`.
    pub scenario: String,
    /// `given` or `inferred`.
    pub scenario_source: String,
    /// What was inferred where one was given.
    pub scenario_inferred: Option<String>,
    /// What the inferred scenario was told from: a sentence.
    pub scenario_why: Option<String>,
    /// Bandwidth of the link, if given: the denominator of the percent scale.
    pub link_bandwidth_bps: Option<f64>,
    /// Factors of a study (`run.toml`, `[factors]`).
    pub factors: BTreeMap<String, String>,
    /// First packet of any point, on the reference clock.
    pub start: Option<Timestamp>,
    /// Last packet of any point.
    pub end: Option<Timestamp>,
}

/// The virtual machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vm {
    /// MAC addresses.
    pub macs: Vec<Mac>,
    /// IP addresses.
    pub ips: Vec<IpAddr>,
    /// `given` or `inferred`.
    pub source: String,
    /// How it was inferred, or why it could not be.
    pub why: Option<String>,
}

/// A capture point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// `client`, `source`, `destination`, `storage`, `controller` or `unknown`.
    pub role: String,
    /// `given` or `inferred`.
    pub role_source: String,
    /// Its files.
    pub files: Vec<File>,
    /// Packets read.
    pub packets: u64,
    /// Copies of a packet that the point captured more than once; dropped before anything counted them.
    pub duplicates: u64,
    /// Frames that could not be decoded, by reason.
    pub undecoded: BTreeMap<String, u64>,
    /// Its clock.
    pub clock: Clock,
}

/// An input file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct File {
    /// Path as given.
    pub path: String,
    /// `pcap`, `pcapng`, …
    pub format: String,
    /// `gzip`, `zstd`, …
    pub compression: Option<String>,
    /// Link types by number.
    pub link_types: Vec<u16>,
    /// Frames.
    pub packets: u64,
    /// Captured bytes.
    pub bytes_captured: u64,
    /// Bytes on the wire.
    pub bytes_wire: u64,
    /// Earliest frame.
    pub first: Option<Timestamp>,
    /// Latest frame.
    pub last: Option<Timestamp>,
    /// Snap length; 0 if unlimited.
    pub snaplen: u32,
    /// Ends inside a record.
    pub cut_short: bool,
    /// Frames that the capturing system dropped; `null` if it did not say.
    pub capture_drops: Option<u64>,
}

/// How a point's clock relates to the reference: `reference time = point time + offset + drift × (point time − first packet)`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clock {
    /// `reference`, `estimated`, `trusted`, `given` or `none`.
    pub method: String,
    /// To be added to the point's time, at its first packet.
    pub offset_ns: Option<i64>,
    /// Drift in parts per billion.
    pub drift_ppb: Option<f64>,
    /// The true offset lies within ± this, over the whole capture.
    pub uncertainty_ns: Option<i64>,
    /// Matched packets that were used.
    pub samples: u64,
    /// Why something is unknown, or what was assumed.
    pub why: Option<String>,
}

/// One migration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Migration {
    /// From 1.
    pub id: u32,
    /// `qemu`, `unknown`, …
    pub hypervisor: String,
    /// `precopy` or `postcopy`; `null` if it cannot be told.
    pub mode: Option<String>,
    /// `tcp`, `tls`, `multifd`, `tunnelled`, `nbd`, …
    pub transport: Vec<String>,
    /// `completed`, `cancelled`, `failed` or `incomplete`.
    pub outcome: String,
    /// How the outcome was told.
    pub outcome_why: Option<String>,
    /// `content`, `port`, `announcement`: what gave it away.
    pub detected_by: String,
    /// Sender.
    pub from: Node,
    /// Receiver.
    pub to: Node,
    /// First packet of its connection.
    pub start: Option<Timestamp>,
    /// Its end: the return path's SHUT, else the closing of the connection.
    pub end: Option<Timestamp>,
    /// Length, as QEMU's `total-time` counts it.
    pub total_ms: Option<Interval>,
    /// Connection to the end of setup.
    pub setup_ms: Option<f64>,
    /// Machine type that the stream names.
    pub machine: Option<String>,
    /// Bytes.
    pub bytes: MigrationBytes,
    /// Pages.
    pub pages: Pages,
    /// Passes over the guest's memory.
    pub passes: Vec<Pass>,
    /// Phases.
    pub phases: Vec<Phase>,
    /// The stream was read to its end.
    pub decoded: bool,
    /// `tls`, `snaplen`, `gap`, …
    pub why_not_decoded: Option<String>,
    /// Downtime.
    pub downtime: Downtime,
    /// How its disk on shared storage passed over; only where the nodes were seen to use Ceph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_handover: Option<StorageHandover>,
}

impl Migration {
    /// `detected_by` of a migration of which only the VM's announcement was captured.
    pub const ANNOUNCED: &str = "announcement";

    /// True if the VM runs elsewhere after it: it was completed, or only the VM's announcement was captured.
    pub fn moved(&self) -> bool {
        self.outcome == "completed" || self.detected_by == Self::ANNOUNCED
    }
}

/// A node of a migration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Address with port.
    pub address: Option<String>,
    /// Role of the capture point on that node, if there is one.
    pub role: String,
}

/// Bytes of a migration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MigrationBytes {
    /// All frames of its connections, both directions.
    pub wire: Option<u64>,
    /// TCP payload from source to destination, each byte once.
    pub payload: Option<u64>,
    /// Payload bytes sent again.
    pub retransmitted: Option<u64>,
    /// RAM records: headers and data.
    pub ram: Option<u64>,
    /// Device state.
    pub device_state: Option<u64>,
    /// Storage copied beside it (NBD).
    pub storage: Option<u64>,
    /// Captured bytes of the stream that belong to no element that could be told: 0 where all was read.
    pub unnamed: Option<u64>,
    /// Why something is unknown.
    pub why: Option<String>,
}

/// Pages of a migration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pages {
    /// Sent whole; a page that QEMU queued twice counts once, as in QMP's `normal`.
    pub normal: Option<u64>,
    /// Sent as zero.
    pub zero: Option<u64>,
    /// Sent as XBZRLE delta.
    pub xbzrle: Option<u64>,
    /// Sent compressed.
    pub compressed: Option<u64>,
    /// Bytes of the records of XBZRLE pages, heads included.
    pub xbzrle_bytes: Option<u64>,
    /// Bytes of the records of compressed pages, heads included; on multifd channels of their data alone.
    pub compressed_bytes: Option<u64>,
    /// Records of pages that had been sent before.
    pub resent: Option<u64>,
    /// Pages that QEMU up to 8.0 queued twice on its multifd channels and sent once too often: in the bytes, in no other count of pages.
    pub repeated: Option<u64>,
    /// RAM that the stream announces.
    pub ram_total_bytes: Option<u64>,
    /// Why something is unknown.
    pub why: Option<String>,
}

/// One pass over the guest's memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pass {
    /// From 1.
    pub index: u32,
    /// First record.
    pub start: Option<Timestamp>,
    /// Last record.
    pub end: Option<Timestamp>,
    /// Bytes of its records.
    pub bytes: u64,
    /// Whole pages; `null` where the stream is not whole.
    pub normal: Option<u64>,
    /// Zero pages; `null` where the stream is not whole.
    pub zero: Option<u64>,
    /// Pages dirtied, as the next pass shows them, over this pass's time.
    pub dirty_bytes_per_s: Option<f64>,
    /// Told from the order of the pages' addresses, not from QEMU's word.
    pub estimated: bool,
}

/// One phase of a migration: `setup`, `iteration`, `stop-and-copy`, `load` or `postcopy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Phase {
    /// Name.
    pub name: String,
    /// Start.
    pub start: Option<Timestamp>,
    /// End.
    pub end: Option<Timestamp>,
    /// Payload bytes.
    pub bytes: u64,
}

/// Downtime of three kinds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Downtime {
    /// The guest's pause.
    pub vm: Window,
    /// From the VM's last packet at the client to the first after.
    pub network: Window,
    /// Per service and direction at the client.
    pub service: Vec<ServiceWindow>,
    /// The wire's counterpart of QMP's `downtime`.
    pub qemu_ms: Option<f64>,
    /// Why `qemu_ms` is unknown.
    pub why: Option<String>,
    /// Frames that prove it.
    pub evidence: Vec<Evidence>,
}

/// A window of time whose ends are known within bounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Window {
    /// Length.
    pub ms: Option<Interval>,
    /// Its start.
    pub start: Option<Interval<Timestamp>>,
    /// Its end; `null`: not recovered by the end of the capture.
    pub end: Option<Interval<Timestamp>>,
    /// False if it is still open at the end of the capture.
    pub recovered: Option<bool>,
    /// What ended it (`network`): `announcement`, `retransmission-timer`, …
    pub ended_by: Option<String>,
    /// Why something is unknown, which bound was used, what was assumed.
    pub why: Option<String>,
}

/// A time without service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceWindow {
    /// `icmp`, `http`, …
    pub service: String,
    /// The client's address.
    pub client: String,
    /// `from-vm` or `to-vm`.
    pub direction: String,
    /// Last packet before.
    pub start: Option<Timestamp>,
    /// First packet after; `null`: not recovered by the end of the capture.
    pub end: Option<Timestamp>,
    /// Length; to the end of the capture if not recovered.
    pub ms: Option<f64>,
    /// Service came back.
    pub recovered: bool,
    /// The usual spacing of the packets: shorter windows cannot be seen.
    pub resolution_ms: Option<f64>,
    /// `migration` or `other`.
    pub cause: String,
    /// What happened in it: a sender waiting for its retransmission timer, …
    pub note: Option<String>,
}

/// A frame that proves something.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// What it shows.
    pub what: String,
    /// Role of the point.
    pub point: String,
    /// File.
    pub file: String,
    /// Frame number in the file, as Wireshark counts.
    pub frame: u64,
    /// Time on the reference clock.
    pub time: Option<Timestamp>,
    /// Wireshark display filter that shows it in its file.
    pub filter: String,
}

/// Quality of one path and service in one phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Qos {
    /// `before`, `during`, `after` or `whole`.
    pub phase: String,
    /// `all`, `icmp`, `http`, `video`, …
    pub service: String,
    /// Sender: a role, or `vm`.
    pub from: String,
    /// Receiver: a role, or `vm`.
    pub to: String,
    /// Role of the point where throughput and the thesis figures were measured.
    pub measured_at: String,
    /// Length of the phase.
    pub seconds: f64,
    /// Packets.
    pub packets: u64,
    /// Throughput.
    pub throughput: Throughput,
    /// Delay.
    pub delay: Delay,
    /// Delay variation.
    pub jitter: Jitter,
    /// Loss.
    pub loss: Loss,
    /// The figures that a thesis computes from Wireshark.
    pub thesis: Thesis,
    /// Grades of the figures chosen by `--method`.
    pub grades: Option<Grades>,
    /// Grades of the other figures.
    pub thesis_grades: Option<Grades>,
}

/// Throughput.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Throughput {
    /// Bits of frames on the wire per second.
    pub bps: Option<f64>,
    /// Bits of new payload per second.
    pub goodput_bps: Option<f64>,
    /// Highest `bps` over one window of `peak_window_ms`.
    pub peak_bps: Option<f64>,
    /// Length of the window of `peak_bps`.
    pub peak_window_ms: Option<f64>,
    /// Share of the given link bandwidth.
    pub percent_of_link: Option<f64>,
    /// Why something is unknown.
    pub why: Option<String>,
}

/// Delay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delay {
    /// `one-way` or `rtt`.
    pub method: Option<String>,
    /// Mean.
    pub mean_ms: Option<f64>,
    /// Median.
    pub p50_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// 99.9 % quantile, if there are at least 1000 samples.
    pub p999_ms: Option<f64>,
    /// Maximum.
    pub max_ms: Option<f64>,
    /// Minimum.
    pub min_ms: Option<f64>,
    /// Samples.
    pub samples: u64,
    /// Uncertainty of each value, from the clocks; 0 for round trips.
    pub uncertainty_ms: Option<f64>,
    /// Why something is unknown.
    pub why: Option<String>,
}

/// Delay variation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Jitter {
    /// `rfc3393`: mean absolute difference of the delays of consecutive packets.
    pub method: Option<String>,
    /// Mean absolute variation.
    pub mean_ms: Option<f64>,
    /// 99th percentile of the absolute variation.
    pub p99_ms: Option<f64>,
    /// RFC 3550's smoothed figure, averaged over the phase.
    pub rfc3550_ms: Option<f64>,
    /// Samples.
    pub samples: u64,
    /// Why something is unknown.
    pub why: Option<String>,
}

/// Loss.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Loss {
    /// `matched`, `tcp`, `icmp` or `rtp`.
    pub method: Option<String>,
    /// `lost / expected × 100`.
    pub percent: Option<f64>,
    /// Dropped by the network.
    pub lost: Option<u64>,
    /// Packets that should have arrived.
    pub expected: Option<u64>,
    /// Reached the node that the VM had left or not yet reached.
    pub misdelivered: Option<u64>,
    /// Proven delivered but in no capture.
    pub not_captured: Option<u64>,
    /// Too big for a link on the way, and the sender was told so (path MTU discovery): neither lost nor expected.
    pub refused: Option<u64>,
    /// Sent again.
    pub retransmitted: Option<u64>,
    /// Arrived late.
    pub reordered: Option<u64>,
    /// Copies whose cause the evidence does not tell.
    pub ambiguous: Option<u64>,
    /// Why something is unknown.
    pub why: Option<String>,
}

/// The figures that a thesis computes from Wireshark.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Thesis {
    /// Bytes over the time span of the packets.
    pub throughput_bps: Option<f64>,
    /// Mean inter-packet gap; no delay.
    pub delay_ms: Option<f64>,
    /// Mean absolute variation of the gaps, over n − 1.
    pub jitter_ms: Option<f64>,
    /// The same without absolute values: it telescopes to (last gap − first gap) / (n − 1).
    pub jitter_signed_ms: Option<f64>,
    /// Events of "previous segment not captured" over packets.
    pub loss_percent: Option<f64>,
    /// Why something is unknown.
    pub why: Option<String>,
}

/// Grades on one scale.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grades {
    /// `tiphon`, `tiphon-floors`, `y1541` or a file's name.
    pub scale: String,
    /// Reading of the scale's loss row: `ceilings` or `floors`.
    pub reading: Option<String>,
    /// `rigorous` or `thesis`: which figures were graded.
    pub method: String,
    /// Throughput.
    pub throughput: Option<Grade>,
    /// Delay.
    pub delay: Option<Grade>,
    /// Jitter.
    pub jitter: Option<Grade>,
    /// Loss.
    pub loss: Option<Grade>,
    /// All together.
    pub overall: Option<Overall>,
    /// What another reading of the same table gives, where it differs.
    pub also: Vec<OtherReading>,
    /// Footnotes, as keys of the dictionary of words.
    pub notes: Vec<String>,
}

/// One grade.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grade {
    /// 4 (best) to 1, 0 for the lowest class of the absolute throughput scale.
    pub index: u8,
    /// English.
    pub label_en: String,
    /// Indonesian.
    pub label_id: String,
}

/// The overall grade.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overall {
    /// Mean of the indices.
    pub index: f64,
    /// `index / 4 × 100`.
    pub percent: f64,
    /// English.
    pub label_en: String,
    /// Indonesian.
    pub label_id: String,
    /// How many parameters it averages.
    pub parameters: u8,
}

/// What another reading gives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OtherReading {
    /// `loss`, `throughput`, …
    pub parameter: String,
    /// `floors`, `ceilings`, `percent`, `absolute`.
    pub reading: String,
    /// Its index.
    pub index: u8,
}

/// HTTP, summed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Http {
    /// Requests, each with or without its response.
    pub exchanges: u64,
    /// Complete, status below 400.
    pub ok: u64,
    /// Complete, status 400 or above.
    pub failed: u64,
    /// Cut by a gap, a reset or the end of the capture.
    pub incomplete: u64,
    /// Time from the request's last byte to the response's first.
    pub ttfb_ms: Quantiles,
    /// Time from the request's first byte to the response's last.
    pub total_ms: Quantiles,
    /// Exchanges under way during the downtime.
    pub overlapping_downtime: u64,
    /// Those, one by one, with what it cost them.
    pub hit: Vec<HttpHit>,
    /// HTTP/2 connections without TLS.
    pub http2_connections: u64,
    /// Which point was read.
    pub measured_at: Option<String>,
}

/// An exchange that the downtime hit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpHit {
    /// When the client began to ask: the first SYN of a connection that it opened for this request, else the request's first byte.
    pub start: Option<Timestamp>,
    /// Method and path, without query; `CONNECT-TCP` and the port where not even the connection came about.
    pub request: String,
    /// Client.
    pub client: String,
    /// Server.
    pub server: String,
    /// Status code.
    pub status: Option<u16>,
    /// From `start` to the last byte of the response.
    pub total_ms: Option<f64>,
    /// From `start` to the request's first byte; null if the connection was open before.
    pub connect_ms: Option<f64>,
    /// `delayed`, `failed`, `retried`.
    pub effect: String,
    /// How much of its time fell into the downtime or its recovery.
    pub cost_ms: Option<f64>,
}

/// Quantiles of a set of times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quantiles {
    /// Median.
    pub p50: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// Maximum.
    pub max: Option<f64>,
}

/// A video session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Video {
    /// `progressive`, `hls`, `dash`, `rtp` or `encrypted`.
    pub kind: String,
    /// Viewer.
    pub client: String,
    /// Server.
    pub server: String,
    /// Host name.
    pub host: Option<String>,
    /// Path of the presentation, without query.
    pub path: Option<String>,
    /// Segments fetched.
    pub segments: u64,
    /// Playlists or manifests fetched.
    pub playlists: u64,
    /// Media seconds: of a progressive file its whole length, of segments the sum of those fetched.
    pub media_seconds: Option<f64>,
    /// Media seconds fetched.
    pub fetched_seconds: Option<f64>,
    /// Length of the whole presentation, where a head or an ended playlist tells it.
    pub presentation_seconds: Option<f64>,
    /// Bit rate of the media.
    pub media_bps: Option<f64>,
    /// Payload bytes.
    pub bytes: u64,
    /// First request to the start of playback, as modelled.
    pub startup_ms: Option<f64>,
    /// Stalls, as modelled.
    pub stalls: Vec<Stall>,
    /// Their sum.
    pub stall_total_ms: Option<f64>,
    /// Times at which the buffer was low and did not run empty.
    pub near_stalls: Option<u64>,
    /// Lowest buffer level between start and end.
    pub buffer_min_s: Option<f64>,
    /// Quality switches.
    pub switches: u64,
    /// The figures can be known.
    pub knowable: bool,
    /// Why not.
    pub why: Option<String>,
    /// What the playback model assumes.
    pub assumptions: Vec<String>,
    /// Segment by segment.
    pub segment_table: Vec<Segment>,
    /// Download gaps longer than a second (encrypted video).
    pub gaps: Vec<Stall>,
    /// Packets, loss and jitter (RTP).
    pub rtp: Option<VideoRtp>,
    /// Input of ITU-T P.1203, mode 0, as its reference software reads it.
    pub p1203: Option<serde_json::Value>,
    /// Why there is none.
    pub p1203_why: Option<String>,
}

/// One RTP stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VideoRtp {
    /// Synchronization source.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Packets received.
    pub packets: u64,
    /// Packets expected from the sequence numbers (RFC 3550 appendix A.3).
    pub expected: u64,
    /// Expected less received, duplicates left out.
    pub lost: u64,
    /// Packets that came late.
    pub reordered: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Interarrival jitter at the end (RFC 3550 section 6.4.1); `null` if the clock rate is not known.
    pub jitter_ms: Option<f64>,
    /// Its highest value.
    pub jitter_max_ms: Option<f64>,
    /// Longest silence.
    pub longest_gap_ms: Option<f64>,
    /// Clock rate of the payload type.
    pub clock_rate: Option<u32>,
    /// Why something is unknown.
    pub why: Option<String>,
}

/// A segment of a video.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Segment {
    /// Path, without query.
    pub path: String,
    /// Request.
    pub asked: Option<Timestamp>,
    /// First byte of the response.
    pub first_byte: Option<Timestamp>,
    /// Last byte that was seen, also of a response that did not end.
    pub last_byte: Option<Timestamp>,
    /// Last byte of a response that came whole.
    pub done: Option<Timestamp>,
    /// Bytes of the body.
    pub bytes: u64,
    /// Media seconds.
    pub media_seconds: Option<f64>,
    /// Status.
    pub status: Option<u16>,
    /// Variant or representation.
    pub variant: Option<String>,
}

/// A stop in playback or download.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stall {
    /// Start.
    pub start: Option<Timestamp>,
    /// Length; of one that was not over when the capture ended, what of it is in the capture.
    pub ms: Option<f64>,
    /// It was over before the capture ended.
    pub recovered: Option<bool>,
}

/// Bytes of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Name.
    pub name: String,
    /// `content` or `port`.
    pub detected_by: String,
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Of those, before the migration.
    pub bytes_before: u64,
    /// During.
    pub bytes_during: u64,
    /// After.
    pub bytes_after: u64,
    /// Role of the point where they were counted.
    pub measured_at: String,
    /// `migration`, `storage`, `control`, `tenant` or `other`.
    pub class: String,
}

/// What one client of a storage cluster (Ceph) read and wrote at one daemon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storage {
    /// The client's address.
    pub node: String,
    /// `source` or `destination`, if one of them alone saw it; else empty.
    pub role: String,
    /// The daemon's address and port.
    pub server: String,
    /// `ceph-mon`, `ceph-osd`, …; `ceph` if the daemon did not say.
    pub service: String,
    /// Version of the messenger: 1 or 2.
    pub messenger: u8,
    /// Encrypted after the log-in: nothing of it can be read.
    pub secure: bool,
    /// Connections.
    pub connections: u64,
    /// Of those, the ones that went on with a session that was begun on another.
    pub reconnects: u64,
    /// Writes of whole sectors.
    pub writes: Option<u64>,
    /// Their bytes.
    pub written_bytes: Option<u64>,
    /// Reads of whole sectors.
    pub reads: Option<u64>,
    /// Their bytes.
    pub read_bytes: Option<u64>,
    /// First packet with payload.
    pub first: Option<Timestamp>,
    /// Last packet with payload.
    pub last: Option<Timestamp>,
    /// First read of whole sectors.
    pub first_read: Option<Timestamp>,
    /// Last write of whole sectors.
    pub last_write: Option<Timestamp>,
    /// Why a figure is unknown or too small.
    pub why: Option<String>,
    /// Role of the point that saw it.
    pub point: String,
}

/// How a disk on shared storage passes from one node to the other: an estimate of the switch that needs nothing of the migration stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageHandover {
    /// The source's last write of whole sectors.
    pub last_write: Option<Timestamp>,
    /// The destination's first read or write of whole sectors after it.
    pub first_use: Option<Timestamp>,
    /// Between them.
    pub ms: Option<f64>,
    /// Why something is unknown.
    pub why: Option<String>,
}

/// One step of the orchestration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Control {
    /// When.
    pub time: Option<Timestamp>,
    /// Who.
    pub from: String,
    /// To whom.
    pub to: String,
    /// What, as a short fixed name.
    pub what: String,
    /// More: of an API call its method and path, what its bodies say, its answer.
    pub detail: String,
    /// `api`, `rpc` (messages of the cloud's services), `libvirt`, `stream`, `downtime` or `announcement`.
    pub kind: String,
    /// Who called by name, where a token check in the capture told it.
    pub user: Option<String>,
    /// Id of this request, as its answer gave it (`req-…`).
    pub request_id: Option<String>,
    /// Id of the request that it belongs to: that of the first call of a chain.
    pub chain: Option<String>,
    /// `ok`, `failed` or `unanswered`; `null` for what has no answer.
    pub outcome: Option<String>,
    /// How long it took, if it is a call with a reply.
    pub ms: Option<f64>,
    /// Role of the point.
    pub point: String,
    /// Frame number.
    pub frame: u64,
}

/// A conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flow {
    /// `tcp client:port > server:port`.
    pub key: String,
    /// Role of the point.
    pub point: String,
    /// Service.
    pub service: String,
    /// Packets, both directions.
    pub packets: u64,
    /// Bytes on the wire, both directions.
    pub bytes: u64,
    /// New payload bytes, both directions.
    pub goodput: u64,
    /// Packets from the client.
    pub packets_from_client: u64,
    /// Bytes from the client.
    pub bytes_from_client: u64,
    /// Round-trip times.
    pub rtt_ms: Rtt,
    /// Segments sent again.
    pub retransmitted: u64,
    /// Segments that arrived late.
    pub reordered: u64,
    /// Duplicate acknowledgments.
    pub duplicate_acks: u64,
    /// Segments that announce a zero window.
    pub zero_window: u64,
    /// The handshake was seen.
    pub handshake: bool,
    /// First packet.
    pub first: Option<Timestamp>,
    /// Last packet.
    pub last: Option<Timestamp>,
    /// Application-level name (TLS server name, HTTP host).
    pub host: Option<String>,
}

/// Round-trip times of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rtt {
    /// Minimum.
    pub min: Option<f64>,
    /// Mean.
    pub mean: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// Maximum.
    pub max: Option<f64>,
}

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Coverage {
    /// Packets read at all points.
    pub packets: u64,
    /// Decoded.
    pub decoded: u64,
    /// Attributed to a conversation, an announcement or a migration.
    pub attributed: u64,
    /// Not used, by reason.
    pub ignored: BTreeMap<String, u64>,
    /// Resolution of the borders between phases.
    pub phase_resolution_ms: Option<f64>,
}

/// A kind of oddity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnomalyEntry {
    /// Short fixed name.
    pub kind: String,
    /// Occurrences.
    pub count: u64,
    /// The first places.
    pub first: Vec<AnomalyPlace>,
    /// A sentence.
    pub detail: Option<String>,
}

/// A place of an oddity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnomalyPlace {
    /// Role of the point.
    pub point: String,
    /// File.
    pub file: String,
    /// Frame number; 0 for the file as a whole.
    pub frame: u64,
}

/// Time series for the charts. Times are seconds from `origin`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// Time 0: the start of the run.
    pub origin: Option<Timestamp>,
    /// Throughput at each point, all packets.
    pub throughput: Vec<Curve>,
    /// Payload rate of each migration.
    pub migration: Vec<Curve>,
    /// Round-trip or one-way delay over time, per service: window means.
    pub delay: Vec<Curve>,
    /// Lost or sent-again packets per window.
    pub loss: Vec<Curve>,
    /// Cumulative distribution of delay: x in ms, y from 0 to 1.
    pub delay_cdf: Vec<Curve>,
    /// Buffer level of video sessions in seconds.
    pub buffer: Vec<Curve>,
    /// Payload rate of the downloads of the video sessions, in their order.
    pub video: Vec<Curve>,
}

/// One curve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Curve {
    /// What it is, e.g. `client`, `icmp client-vm`.
    pub name: String,
    /// Unit of y: `bps`, `ms`, `packets`, `fraction`, `s`.
    pub unit: String,
    /// Length of the windows that the points stand for; 0 where they are no windows.
    pub window_ms: f64,
    /// x and y.
    pub points: Vec<(f64, f64)>,
}
