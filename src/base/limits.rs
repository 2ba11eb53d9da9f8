//! Every bound of the analyzer in one place, with its reason. A bound that is reached has its own counter in the report.

/// The largest frame that is read. libpcap's MAXIMUM_SNAPLEN is 262,144; TSO frames with headers and USB captures stay below it.
pub const FRAME_BYTES: usize = 262_144;
/// Time over which frames of one file are held back to be put into order. dumpcap with two interfaces was seen to write frames
/// 0.36 s late: the kernel hands over each interface's frames in blocks.
pub const REORDER_NS: i64 = 1_000_000_000;
/// Frames held back to put one file into time order, at most: 66 ms at a million frames per second.
pub const REORDER_FRAMES: usize = 65_536;
/// Frames held back at least, however far apart their times are: a clock may step.
pub const REORDER_FRAMES_LEAST: usize = 4096;
/// Nested tunnels that are followed; more is an attack or a loop.
pub const TUNNEL_DEPTH: usize = 4;
/// VLAN tags and MPLS labels that are walked over; providers stack two or three.
pub const LINK_TAGS: usize = 8;
/// IPv6 extension headers that are walked over; RFC 8200 4.1 names seven and lets one come twice.
pub const IPV6_EXTENSIONS: usize = 16;
/// Fragmented datagrams held at once per point; a burst of 100 reordered ones is already rare.
pub const FRAGMENT_DATAGRAMS: usize = 1024;
/// Bytes of fragments held at once per point: the share of [`FRAGMENT_DATAGRAMS`] of 16 KiB each.
pub const FRAGMENT_BYTES: usize = 16 << 20;
/// Pieces of one datagram: 64 KiB at the smallest IPv4 MTU that hosts must take (576, RFC 791) are 119.
pub const FRAGMENT_PIECES: usize = 128;
/// Packets remembered per point to know their copies: 1 MiB of memory. A full queue of 100 ms at 1 Gbit/s holds 8,300 large frames; a
/// power of two. An eighth of them while there is one interface only.
pub const DUPLICATE_PACKETS: usize = 1 << 14;
/// How long a datagram waits for its fragments, in ns. Hosts wait 30 to 60 s (RFC 1122, RFC 8200), but a 16-bit ident comes
/// round in less on fast links (RFC 4963), and at one capture point fragments follow each other closely.
pub const FRAGMENT_WAIT_NS: i64 = 2_000_000_000;
/// Conversations kept at once per point; the oldest idle one is closed when a new one comes. A TCP conversation takes 2 KiB, so that a
/// scan or a flood takes less than 400 MB. A power of two.
pub const FLOWS: usize = 1 << 17;
/// Bytes held per TCP direction for data that came before what precedes it.
pub const REASSEMBLY_BYTES: usize = 4 << 20;
/// The same over all conversations of a point.
pub const REASSEMBLY_TOTAL_BYTES: usize = 128 << 20;
/// Segments seen and not yet acknowledged that are remembered per TCP direction: a window of 6 MB in full-size segments.
pub const FLIGHT_SEGMENTS: usize = 4096;
/// The same over all conversations of a point: 24 bytes each.
pub const FLIGHT_SEGMENTS_TOTAL: usize = 1 << 20;
/// Ranges not seen that are remembered per TCP direction; loss of 10 % in a window of [`FLIGHT_SEGMENTS`] makes 400.
pub const HOLES: usize = 1024;
/// The same over all conversations of a point: 40 bytes each.
pub const HOLES_TOTAL: usize = 1 << 20;
/// Echo requests without reply that are remembered per pair of hosts: twenty seconds of `ping -i 0.02`.
pub const ECHOES: usize = 1024;
/// The same over all pairs of a point: 24 bytes each.
pub const ECHOES_TOTAL: usize = 1 << 20;
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
/// Bytes of one set of migrated pages, one bit per page: guests up to 1 TiB with pages of 4 KiB.
pub const MIGRATION_PAGE_SET_BYTES: usize = 32 << 20;
/// Bytes of all sets of migrated pages of the process.
pub const MIGRATION_PAGE_SETS_BYTES: usize = 256 << 20;
/// RAM blocks that a stream may announce; QEMU machines have some tens.
pub const MIGRATION_RAM_BLOCKS: usize = 4096;
/// Sections that a stream may open; one per device, some tens to hundreds.
pub const MIGRATION_SECTIONS: usize = 65_536;
/// Passes over the memory that are kept one by one per channel; later ones are added to the last.
pub const MIGRATION_PASSES: usize = 1000;
/// Connections of migrations kept per point.
pub const MIGRATION_CHANNELS: usize = 1000;
/// Connections of migration streams watched for their pace at one point: QEMU has at most 255 multifd channels, the main one comes first.
pub const PACED_FLOWS: usize = 64;
/// Moments at which a migration stream had rested that are kept: the last before the switch-over is needed, and device state rests too.
pub const RESTS: usize = 1024;
/// Bytes of the frames held back: 44,000 full-size frames.
pub const REORDER_BYTES: usize = 64 << 20;
/// Bytes read from a file at once. Larger reads gain nothing, and 1 MiB stays in a core's own cache.
pub const READ_BYTES: usize = 1 << 20;
/// Frames that are looked ahead to learn whether a file is in time order before the first of them is handed on.
pub const LOOK_AHEAD_FRAMES: usize = 256;
/// Bytes of the frames that are looked ahead: they are moved once per [`READ_BYTES`].
pub const LOOK_AHEAD_BYTES: usize = READ_BYTES / 4;
/// The largest pcapng block that is read whole: a frame with its options. Larger ones are passed over and counted.
pub const BLOCK_BYTES: usize = 2 * FRAME_BYTES;
/// Files of one point that are open at the same time because they overlap; with their buffers they take a few MiB each.
pub const OPEN_FILES: usize = 256;
/// Interfaces of one point, all files together.
pub const INTERFACES: usize = 4096;
/// Bytes of an interface's name that are kept; Linux allows 15, Windows' GUID names take about 50.
pub const NAME_BYTES: usize = 256;
/// Memory that a decompressor may take: `xz -9` needs 65 MiB, `zstd --ultra -22` 128 MiB; more must be asked for at compression.
pub const DECOMPRESSOR_BYTES: u64 = 256 << 20;
/// First bytes of each side of a conversation that are kept to find its protocol; no protocol here needs more to be known.
pub const PROBE_BYTES: usize = 4096;
/// Bytes kept for that over all conversations; beyond it a conversation is judged by what it has.
pub const PROBE_TOTAL_BYTES: usize = 64 << 20;
/// First datagrams of a conversation that are kept to find its protocol.
pub const PROBE_DATAGRAMS: usize = 16;
/// Segments of a conversation picked up in the middle at which its protocol is looked for.
pub const RESYNC_SEGMENTS: u16 = 64;
/// Bytes of a comment written into a pcapng file; an option holds 65,535, and nobody reads that much in Wireshark.
pub const COMMENT_BYTES: usize = 4096;
/// Conversations per point that the join thread remembers: the latest ones; a record is about 400 bytes.
pub const JOIN_FLOWS: usize = 1 << 15;
/// Segments told to be too big that are remembered: path MTU discovery needs one per conversation.
pub const JOIN_REFUSED: usize = 256;
/// Ranges sent again that are remembered per direction: the losses of the last seconds.
pub const JOIN_AGAIN: usize = 64;
/// Directions (protocol, addresses, called port) that paths are counted under; the rest share one.
pub const JOIN_ENDS: usize = 4096;
/// Packets of a point that are kept to relate clocks hours apart, 24 bytes each: enough to have hundreds in common.
pub const JOIN_ANCHORS: usize = 1 << 13;
/// Packets that the matcher holds at once, about 120 bytes each: 2 s of 100,000 packets per second.
pub const MATCHER_PACKETS: usize = 1 << 18;
/// Packets with one key that the matcher compares one by one; identical packets beyond this pair with nothing.
pub const MATCHER_CHAIN: usize = 64;
/// Capture points of one run: the most that a bit set of 16 can tell.
pub const POINTS: usize = 16;
/// Longest head of an HTTP message; servers refuse heads beyond 8 to 64 KiB.
pub const HTTP_HEAD: usize = 64 << 10;
/// Fields of an HTTP head; servers stop at about 100.
pub const HTTP_HEADERS: usize = 256;
/// Text kept of one HTTP field.
pub const HTTP_TEXT: usize = 256;
/// Requests of one connection without an answer; browsers and proxies pipeline far fewer.
pub const HTTP_PIPELINE: usize = 128;
/// Bytes kept of a JSON body that someone asked for.
pub const HTTP_BODY_PREFIX: usize = 64 << 10;
/// Exchanges kept per point; beyond it they are counted only.
pub const HTTP_EXCHANGES: usize = 1 << 16;
/// Points of one curve of arrivals: 32 KiB of memory; beyond it the step doubles.
pub const ARRIVAL_POINTS: usize = 2048;
/// Longest playlist or manifest, unpacked; a day of 2 s segments fits.
pub const PLAYLIST_BYTES: usize = 4 << 20;
/// Entries kept of one playlist; a day of 2 s segments fits.
pub const PLAYLIST_ENTRIES: usize = 1 << 16;
/// Longest MP4 box that is held at once: a `sidx` of ten hours in 2 s parts.
pub const MP4_BOX: usize = 256 << 10;
/// Nested MP4 boxes that are followed; `moov/trak/mdia/minf/stbl` is five.
pub const MP4_DEPTH: usize = 8;
/// Tracks of one MP4 file that are kept.
pub const MP4_TRACKS: usize = 16;
/// Representations of one DASH manifest that are kept; ladders of many periods stay far below.
pub const DASH_REPRESENTATIONS: usize = 1024;
/// Bytes at the start of a ranged download that are searched for an MP4's `moov`; players ask near its start.
pub const MOOV_WINDOW: usize = 64 << 10;
/// Longest TLS hello that is held; with post-quantum key shares they take 2 KiB.
pub const TLS_HELLO: usize = 64 << 10;
/// Application protocols kept of one hello.
pub const TLS_ALPN: usize = 16;
/// Bytes of CRYPTO frames held per QUIC connection for a hello.
pub const QUIC_CRYPTO: usize = 16 << 10;
/// RTP sources of one conversation; a call has two.
pub const RTP_SOURCES: usize = 16;
/// Streams of one RTSP session.
pub const RTSP_TRACKS: usize = 16;
/// Connections (TLS, QUIC, HTTP/2) and names of servers kept per point.
pub const WEB_CONNECTIONS: usize = 1 << 14;
/// Curves of arrivals of HTTP downloads kept per point, at most 32 KiB each and usually below 1 KiB.
pub const WEB_CURVES: usize = 1 << 13;
/// NBD reads under way per connection of which the length is kept; QEMU's clients have 16.
pub const NBD_READS: usize = 1024;
/// Exchanges hit by a downtime that are listed one by one; the rest are counted.
pub const HTTP_HITS: usize = 500;
/// Points of the curve of one modelled buffer.
pub const BUFFER_POINTS: usize = 1 << 14;
/// Most seconds of media that a modelled player can be told to wait for: no player holds back ten minutes.
pub const PLAYER_SECONDS: f64 = 600.0;
/// Windows of the curve of one video session's throughput: more than an hour by the second.
pub const VIDEO_WINDOWS: usize = 4096;
/// Video sessions in a report, earliest first.
pub const VIDEO_SESSIONS: usize = 200;
/// Rows of the table of segments of one video session: nine hours of 2 s segments.
pub const VIDEO_SEGMENTS: usize = 1 << 14;
/// Download gaps of one video session that are listed.
pub const VIDEO_GAPS: usize = 1000;
/// Packets with pages kept per multifd channel to find pages that QEMU queued twice: 32 GiB of pages of 4 KiB on each channel, 4 MiB of memory.
pub const MIGRATION_PACKETS: usize = 65_536;
/// Bursts of data kept per multifd channel; the newest matter for the switch-over.
pub const MIGRATION_BURSTS: usize = 4096;
/// Calls of libvirt's RPC that wait for a reply on one connection: beyond them the oldest counts as unanswered.
pub const LIBVIRT_CALLS: usize = 64;
/// Bytes kept of a libvirt message: an address or an error stands behind a cookie of a few KiB of XML.
pub const LIBVIRT_BODY: usize = 64 * 1024;
/// Bytes read of a JSON body of OpenStack: a server with its attributes or a token with its catalogue takes some KiB.
pub const OPENSTACK_BODY: usize = HTTP_BODY_PREFIX;
/// Steps of the control timeline of one point; those beyond are counted.
pub const CONTROL_STEPS: usize = 4096;
/// Bytes of an AMQP method that carries a message: three names of 255 bytes with their numbers are less.
pub const AMQP_METHOD: usize = 1024;
/// Messages of one direction of an AMQP connection that are under way at once, one per channel: clients open some tens of channels. Beyond
/// them the oldest counts as cut off.
pub const AMQP_CONTENTS: usize = 256;
/// Bytes kept of one member of a message of oslo.messaging; names and ids take 20 to 60, the class of an exception stands in the first 100.
pub const AMQP_TEXT: usize = 256;
/// Calls over AMQP kept per point, about 1 KiB each: a quarter of an hour of a control plane with a hundred nodes.
pub const AMQP_CALLS: usize = 1 << 14;
/// Calls that belong to migrations for which there is room beyond that.
pub const AMQP_CALLS_OF_MIGRATION: usize = 1 << 12;
/// Pseudonyms of addresses that are kept while frames are rewritten, 48 bytes each; those that fall out are computed again.
pub const PSEUDONYMS_KEPT: usize = 1 << 16;
/// Files below one folder, or in one archive, that a batch looks at: ten thousand runs of a hundred files.
pub const STUDY_FILES: usize = 1 << 20;
/// Folders in each other that a batch looks into.
pub const STUDY_DEPTH: usize = 32;
/// Rows of a detail table of a study that are in memory at once, and in one file of it: about 10 MiB of conversations.
pub const STUDY_PART_ROWS: usize = 20_000;
/// How many times an archive may grow when it is unpacked; captures shrink to a fifth or a tenth, and bombs to a thousandth.
pub const ARCHIVE_RATIO: u64 = 200;
/// Bytes that an archive may unpack to before [`ARCHIVE_RATIO`] counts: so little does no harm.
pub const ARCHIVE_GRACE: u64 = 64 << 20;
/// Bytes that an archive may unpack to in all.
pub const UNPACKED_BYTES: u64 = 16 << 40;
/// Bursts of reads or writes of one connection to Ceph; the last ones before a guest stops and the first ones after matter.
pub const CEPH_BURSTS: usize = 4096;
/// Connections to Ceph kept per point: a node has one per disk and daemon.
pub const CEPH_CONNECTIONS: usize = 1 << 13;
