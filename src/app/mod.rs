//! Streams and datagrams in, events out: one parser per protocol, found by content first.
//!
//! A gap is an input to a parser, not an error.

pub mod amqp;
pub mod ceph;
pub mod dispatch;
pub mod http;
pub mod libvirt;
pub mod migration;
pub mod nbd;
pub mod openstack;
pub mod quic;
pub mod recognised;
pub mod services;
pub mod tls;
pub mod video;
pub mod web;

use crate::base::emit::Emit;
use crate::base::net::Side;
use crate::flow::{EndOfStream, FlowKey, GapReason, Moment, Need};

/// Parses one TCP conversation. Bytes of each side come in order; the two sides interleave as captured.
pub trait StreamParser: Send {
    /// The stream was not seen from its start: what follows was found by [`Protocol::resync`] and is the likely start of a message
    /// of that side. Comes before any bytes, or not at all. The other side may start anywhere.
    fn picked_up(&mut self, _side: Side, _when: Moment) {}
    /// Takes the next bytes of `side`. `when` is the packet that carried them. All bytes given are consumed by the parser
    /// (it buffers what it must); the answer speaks of what follows them.
    fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) -> Need;
    /// `missing` bytes of `side` will never come.
    fn gap(&mut self, side: Side, when: Moment, missing: u64, why: GapReason, out: &mut dyn Emit<Event>) -> Need;
    /// `side` sent its FIN and all its bytes were given.
    fn fin(&mut self, _side: Side, _when: Moment, _out: &mut dyn Emit<Event>) {}
    /// Nothing more will come of either side.
    fn end(&mut self, when: Moment, how: EndOfStream, out: &mut dyn Emit<Event>);
}

/// Parses the datagrams of one UDP conversation.
pub trait DatagramParser: Send {
    /// Takes one datagram; `wire_len` is its payload length on the wire.
    fn datagram(&mut self, side: Side, when: Moment, bytes: &[u8], wire_len: u32, out: &mut dyn Emit<Event>) -> Need;
    /// Nothing more will come.
    fn end(&mut self, when: Moment, out: &mut dyn Emit<Event>);
}

/// What a probe says of a stream's first bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Probe {
    /// It cannot be this protocol.
    No,
    /// It may be; more bytes are needed.
    More,
    /// It is.
    Yes,
}

/// Looks at bytes of one side.
pub type ProbeFn = fn(key: &FlowKey, side: Side, bytes: &[u8]) -> Probe;

/// One protocol over TCP: everything the engine needs to know of it. [`PROTOCOLS`] lists them.
pub struct Protocol {
    /// Short name, as `services[]` and `flows[]` of the report use it.
    pub name: &'static str,
    /// Looks at the first bytes that `side` sent. `No` of either side rules the protocol out, `Yes` of either side settles it;
    /// a side whose bytes cannot tell says `More`.
    pub probe: ProbeFn,
    /// For streams whose start is not in the capture: looks at the start of a segment. `Yes` only if it is surely the start of a
    /// message; `More` counts as `No`. `None` if the protocol cannot be entered in the middle.
    pub resync: Option<ProbeFn>,
    /// Makes a parser.
    pub start: fn(key: &FlowKey) -> Box<dyn StreamParser>,
}

/// One protocol over UDP.
pub struct DatagramProtocol {
    /// Short name.
    pub name: &'static str,
    /// Looks at the datagrams that `side` sent so far, the newest last; never an empty list. `More` asks to see the next one as well;
    /// the datagrams are kept and given to the parser if it becomes `Yes`. At most [`crate::base::limits::PROBE_DATAGRAMS`].
    pub probe: fn(key: &FlowKey, side: Side, datagrams: &[&[u8]]) -> Probe,
    /// Makes a parser.
    pub start: fn(key: &FlowKey) -> Box<dyn DatagramParser>,
}

/// What parsers say. Each protocol family has its own type in its own module.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Of a migration.
    Migration(migration::MigrationEvent),
    /// A call of libvirt's RPC.
    Libvirt(libvirt::Call),
    /// A message of AMQP that is a remote call, its reply or a notification.
    Amqp(Box<amqp::Message>),
    /// A connection of Ceph's messenger is over.
    Ceph(Box<ceph::CephReport>),
    /// Of HTTP.
    Http(http::HttpEvent),
    /// Of TLS.
    Tls(tls::TlsEvent),
    /// Of QUIC.
    Quic(quic::QuicEvent),
    /// Of media outside HTTP: RTP and RTSP.
    Media(video::MediaEvent),
}

/// The protocols over TCP, in the order in which they are asked.
pub const PROTOCOLS: &[Protocol] = &[
    migration::qemu::QEMU,
    migration::multifd::MULTIFD,
    migration::qemu::RECOVERY,
    migration::hypervisors::GREETED,
    nbd::NBD,
    libvirt::LIBVIRT,
    amqp::AMQP,
    ceph::CEPH_V2,
    ceph::CEPH_V1,
    recognised::SSH,
    recognised::MYSQL,
    recognised::VNC,
    recognised::MEMCACHED,
    video::rtsp::RTSP,
    http::HTTP,
    http::HTTP2,
    tls::TLS,
    migration::qemu::PREEMPT,
];

/// The protocols over UDP.
pub const DATAGRAM_PROTOCOLS: &[DatagramProtocol] = &[quic::QUIC, video::rtp::RTP];
