//! TCP conversations written down line by line: what each side says becomes segments, ACKs and frames.

use super::packet::{self, Ip, TcpOption, ip_frame};
use crate::base::anomaly::Place;
use crate::base::net::{Endpoint, Side};
use crate::base::time::{Nanos, Timestamp};
use crate::capture::Frame;
use crate::decode::{Decoded, Decoder, Packet, Tcp};

/// One segment and when it is captured.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Time of capture.
    pub at: Timestamp,
    /// Sender.
    pub from: Side,
    /// IPv4 identification.
    pub ident: u16,
    /// Header, without ports.
    pub header: packet::Tcp,
    /// Payload.
    pub payload: Vec<u8>,
}

/// A conversation that is being written. Times go up by `step` with each segment.
#[derive(Clone, Debug)]
pub struct Talk {
    /// Who opens it.
    pub client: Endpoint,
    /// Who is called.
    pub server: Endpoint,
    /// Next sequence number of each side.
    pub seq: [u32; 2],
    /// Time of the next segment.
    pub now: Timestamp,
    /// Time from one segment to the next.
    pub step: Nanos,
    /// Largest payload of a segment.
    pub mss: usize,
    /// Window that each side announces.
    pub window: [u16; 2],
    /// What was said so far; may be changed at will.
    pub segments: Vec<Segment>,
    ident: [u16; 2],
}

impl Default for Talk {
    fn default() -> Self {
        Self::new()
    }
}

impl Talk {
    /// 192.0.2.10:40000 and 192.0.2.50:80, 1 ms from segment to segment, nothing said yet.
    pub fn new() -> Self {
        Self::between("192.0.2.10:40000", "192.0.2.50:80")
    }

    /// Between two sockets, written as `192.0.2.10:40000` or `[2001:db8::1]:40000`.
    ///
    /// # Panics
    /// If they are written wrong.
    pub fn between(client: &str, server: &str) -> Self {
        let end = |text: &str| {
            let socket: std::net::SocketAddr = text.parse().expect("address:port");
            Endpoint::new(socket.ip(), socket.port())
        };
        Self {
            client: end(client),
            server: end(server),
            seq: [1000, 5_000_000],
            now: Timestamp(1_700_000_000_000_000_000),
            step: Nanos(1_000_000),
            mss: 1448,
            window: [64_000; 2],
            segments: Vec::new(),
            ident: [1, 1000],
        }
    }

    /// The handshake.
    pub fn open(&mut self) -> &mut Self {
        let options = vec![TcpOption::Mss(1460), TcpOption::SackPermitted, TcpOption::WindowScale(7)];
        self.segment(Side::Client, Tcp::SYN, &[]).options.clone_from(&options);
        self.segment(Side::Server, Tcp::SYN | Tcp::ACK, &[]).options = options;
        self.ack(Side::Client)
    }

    /// `side` says something; the other side acknowledges the last segment.
    pub fn say(&mut self, side: Side, bytes: &[u8]) -> &mut Self {
        for part in bytes.chunks(self.mss) {
            self.segment(side, Tcp::ACK | Tcp::PSH, part);
        }
        self.ack(side.other())
    }

    /// A bare ACK.
    pub fn ack(&mut self, side: Side) -> &mut Self {
        self.segment(side, Tcp::ACK, &[]);
        self
    }

    /// Both sides close, the client first.
    pub fn close(&mut self) -> &mut Self {
        self.segment(Side::Client, Tcp::FIN | Tcp::ACK, &[]);
        self.segment(Side::Server, Tcp::FIN | Tcp::ACK, &[]);
        self.ack(Side::Client)
    }

    /// `side` resets.
    pub fn reset(&mut self, side: Side) -> &mut Self {
        self.segment(side, Tcp::RST | Tcp::ACK, &[]);
        self
    }

    /// Time passes.
    pub fn wait(&mut self, time: Nanos) -> &mut Self {
        self.now = self.now + time;
        self
    }

    /// Any segment at the place where `side` stands; gives its header to be changed.
    ///
    /// # Panics
    /// Never.
    pub fn segment(&mut self, side: Side, flags: u8, payload: &[u8]) -> &mut packet::Tcp {
        let (me, peer) = (side.index(), side.other().index());
        let ack = if flags & Tcp::ACK != 0 { self.seq[peer] } else { 0 };
        let header = packet::Tcp { seq: self.seq[me], ack, flags, window: self.window[me], ..packet::Tcp::default() };
        let phantom = u32::from(flags & Tcp::SYN != 0) + u32::from(flags & Tcp::FIN != 0);
        self.seq[me] = self.seq[me].wrapping_add(payload.len() as u32).wrapping_add(phantom);
        self.ident[me] = self.ident[me].wrapping_add(1);
        self.segments.push(Segment { at: self.now, from: side, ident: self.ident[me], header, payload: payload.to_vec() });
        self.now = self.now + self.step;
        &mut self.segments.last_mut().expect("just pushed").header
    }

    /// All segments as Ethernet frames.
    pub fn frames(&self) -> Vec<(Timestamp, Vec<u8>)> {
        self.segments.iter().map(|s| (s.at, frame(self.client, self.server, s))).collect()
    }
}

/// A segment as an Ethernet frame.
pub fn frame(client: Endpoint, server: Endpoint, segment: &Segment) -> Vec<u8> {
    let (from, to) = if segment.from == Side::Client { (client, server) } else { (server, client) };
    let header = packet::Tcp { src: from.port, dst: to.port, ..segment.header.clone() };
    ip_frame(&Ip { ident: segment.ident.into(), ..Ip::new(from.ip, to.ip) }, 6, &packet::tcp(&header, &segment.payload))
}

/// Decodes whole Ethernet frames, numbered from 1.
pub fn decode<'a>(frames: impl IntoIterator<Item = &'a (Timestamp, Vec<u8>)>, each: impl FnMut(&Packet<'_>)) {
    decode_cut(frames, usize::MAX, each);
}

/// The same with frames cut to `snaplen` bytes.
pub fn decode_cut<'a>(frames: impl IntoIterator<Item = &'a (Timestamp, Vec<u8>)>, snaplen: usize, mut each: impl FnMut(&Packet<'_>)) {
    let mut decoder = Decoder::new();
    for (n, (at, bytes)) in frames.into_iter().enumerate() {
        let frame = Frame { place: Place { file: 0, frame: n as u64 + 1 }, ..packet::cut(packet::frame(bytes, *at), snaplen) };
        if let Decoded::Packet(packet) = decoder.decode(&frame) {
            each(&packet);
        }
    }
}
