//! A TCP download over a lossy path, as one capture point sees it, with the truth about each frame.
//!
//! ```text
//! server ── near ──> capture point ── far ──> client
//! ```
//!
//! The server sends `bytes` in segments of `mss`; each part of the path loses, the near part also delays single packets and doubles them.
//! The sender is NewReno with SACK (RFC 6582, RFC 6675 in spirit) with a fixed window; the receiver acknowledges each segment at once, with
//! D-SACK (RFC 2883). All from a seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::packet::{self, TcpOption};
use super::random::Random;
use super::talk::{self, Segment};
use crate::base::net::{Endpoint, Side};
use crate::base::time::Timestamp;
use crate::decode::Tcp;

/// What the path and the ends are like.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Seed of all chance.
    pub seed: u64,
    /// Bytes to be sent.
    pub bytes: usize,
    /// Payload of a full segment.
    pub mss: usize,
    /// Segments on their way at most.
    pub window: usize,
    /// One-way delay between server and capture point, in ns.
    pub near: i64,
    /// One-way delay between capture point and client, in ns.
    pub far: i64,
    /// Probability that a data segment is lost before the point.
    pub loss_near: f64,
    /// Behind it.
    pub loss_far: f64,
    /// Probability that an ACK is lost behind the point, on its way to the server.
    pub loss_ack: f64,
    /// Probability that a data segment is delayed before the point, and by how much.
    pub delayed: f64,
    /// Extra delay of these, in ns.
    pub delay: i64,
    /// Probability that the network doubles a data segment before the point.
    pub doubled: f64,
    /// RFC 7323 timestamps, in ms.
    pub timestamps: bool,
    /// How the server numbers its packets.
    pub idents: Idents,
    /// First sequence number of the server.
    pub isn: u32,
}

/// How a host fills the IPv4 identification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idents {
    /// Counts up per packet, as Linux does per connection.
    Counter,
    /// Random, as OpenBSD does.
    Random,
    /// Always 0.
    Zero,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            seed: 1,
            bytes: 2_000_000,
            mss: 1448,
            window: 40,
            near: 10_000_000,
            far: 5_000_000,
            loss_near: 0.0,
            loss_far: 0.0,
            loss_ack: 0.0,
            delayed: 0.0,
            delay: 2_000_000,
            doubled: 0.0,
            timestamps: true,
            idents: Idents::Counter,
            isn: 0xffff_0000,
        }
    }
}

/// What a data segment is, seen from the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// The first transmission, in order.
    New,
    /// The first transmission, after a later one had passed.
    Late,
    /// Sent again; `first_here`: no copy had passed before.
    Again {
        /// No copy had passed before.
        first_here: bool,
    },
    /// Sent again, but the first copy was lost before the point and nothing that was sent after it has passed: nobody can tell from here.
    Hidden,
    /// The network's second copy of a transmission.
    Doubled,
    /// No data: handshake or acknowledgment.
    Control,
}

/// What the point saw.
#[derive(Debug, Default)]
pub struct Sight {
    /// Segments in the order of their capture, with the truth.
    pub segments: Vec<(Segment, Truth)>,
    /// Data segments lost before the point.
    pub lost_near: u64,
    /// Lost behind it.
    pub lost_far: u64,
    /// Duplicate ACKs that passed the point.
    pub duplicate_acks: u64,
    /// Segments that reached the client twice.
    pub received_twice: u64,
    /// Times that the server's timer ran out and what it sent then passed the point.
    pub timeouts: u64,
}

impl Sight {
    /// As Ethernet frames.
    pub fn frames(&self, client: Endpoint, server: Endpoint) -> Vec<(Timestamp, Vec<u8>)> {
        self.segments.iter().map(|(s, _)| (s.at, talk::frame(client, server, s))).collect()
    }

    /// How many segments are `truth`.
    pub fn count(&self, truth: Truth) -> u64 {
        self.segments.iter().filter(|(_, t)| *t == truth).count() as u64
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Data {
    index: usize,
    transmission: u32,
    doubled: bool,
    ident: u16,
    stamp: u32,
    by_timer: bool,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Ack {
    /// Segments received in order.
    next: usize,
    sack: Vec<(usize, usize)>,
    duplicate: bool,
    stamp: u32,
    echo: u32,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    DataAtPoint(Data),
    DataAtClient(Data),
    AckAtPoint(Ack),
    AckAtServer(Ack),
    Timer(u64),
}

struct Simulation {
    path: Path,
    random: Random,
    now: i64,
    events: BinaryHeap<Reverse<(i64, u64, Event)>>,
    order: u64,
    sight: Sight,
    // Server.
    total: usize,
    una: usize,
    next: usize,
    sent: Vec<u32>,
    duplicates: u32,
    recover: Option<usize>,
    resent_below: usize,
    sacked: Vec<bool>,
    timer: u64,
    rto: i64,
    ident: u16,
    /// When the last packet has left.
    free: i64,
    // Point.
    passed: Vec<bool>,
    highest: usize,
    last_ack: Option<Ack>,
    // Client.
    received: BTreeMap<usize, ()>,
    in_order: usize,
    recent: u32,
}

const CLIENT_ISN: u32 = 77;
const START: i64 = 1_700_000_000_000_000_000;
/// The smallest retransmission timeout of Linux.
const RTO: i64 = 200_000_000;

/// Runs the download to its end.
pub fn download(path: Path) -> Sight {
    let total = path.bytes.div_ceil(path.mss);
    let mut s = Simulation {
        path,
        random: Random::new(path.seed),
        now: START,
        events: BinaryHeap::new(),
        order: 0,
        sight: Sight::default(),
        total,
        una: 0,
        next: 0,
        sent: vec![0; total],
        duplicates: 0,
        recover: None,
        resent_below: 0,
        sacked: vec![false; total],
        timer: 0,
        rto: RTO.max(4 * (path.near + path.far)),
        ident: 100,
        free: START,
        passed: vec![false; total],
        highest: 0,
        last_ack: None,
        received: BTreeMap::new(),
        in_order: 0,
        recent: 0,
    };
    s.handshake();
    s.fill_window();
    while let Some(Reverse((at, _, event))) = s.events.pop() {
        s.now = at;
        match event {
            Event::DataAtPoint(data) => s.data_at_point(data),
            Event::DataAtClient(data) => s.data_at_client(data),
            Event::AckAtPoint(ack) => s.ack_at_point(ack),
            Event::AckAtServer(ack) => s.ack_at_server(&ack),
            Event::Timer(n) => s.timer(n),
        }
    }
    assert_eq!(s.una, s.total, "the download must come to its end");
    s.sight
}

impl Simulation {
    fn after(&mut self, delay: i64, event: Event) {
        self.order += 1;
        self.events.push(Reverse((self.now + delay, self.order, event)));
    }

    fn stamp(&self) -> u32 {
        ((self.now - START) / 1_000_000) as u32 + 1_000_000
    }

    fn seq(&self, index: usize) -> u32 {
        self.path.isn.wrapping_add(1).wrapping_add((index * self.path.mss).min(self.path.bytes) as u32)
    }

    fn options(&self, stamp: u32, echo: u32) -> Vec<TcpOption> {
        if self.path.timestamps { vec![TcpOption::Timestamps(stamp, echo)] } else { Vec::new() }
    }

    fn handshake(&mut self) {
        let Path { near, far, .. } = self.path;
        let window = 60_000;
        let syn = packet::Tcp { seq: CLIENT_ISN, flags: Tcp::SYN, window, options: self.options(1, 0), ..Default::default() };
        self.see(Side::Client, 1, syn, Vec::new(), Truth::Control);
        self.now += 2 * near;
        let flags = Tcp::SYN | Tcp::ACK;
        let answer = packet::Tcp {
            seq: self.path.isn,
            ack: CLIENT_ISN + 1,
            flags,
            window,
            options: self.options(self.stamp(), 1),
            ..Default::default()
        };
        let ident = self.next_ident();
        self.see(Side::Server, ident, answer, Vec::new(), Truth::Control);
        self.now += 2 * far;
        self.recent = self.stamp();
        let ack = packet::Tcp {
            seq: CLIENT_ISN + 1,
            ack: self.seq(0),
            flags: Tcp::ACK,
            window,
            options: self.options(2, self.recent),
            ..Default::default()
        };
        self.see(Side::Client, 2, ack, Vec::new(), Truth::Control);
        self.now += near;
    }

    fn see(&mut self, from: Side, ident: u16, header: packet::Tcp, payload: Vec<u8>, truth: Truth) {
        self.sight.segments.push((Segment { at: Timestamp(self.now), from, ident, header, payload }, truth));
    }

    fn next_ident(&mut self) -> u16 {
        self.ident = match self.path.idents {
            Idents::Counter => self.ident.wrapping_add(1).max(1),
            Idents::Random => self.random.next() as u16,
            Idents::Zero => 0,
        };
        self.ident
    }

    fn fill_window(&mut self) {
        while self.next < self.total && self.next < self.una + self.path.window {
            let index = self.next;
            self.next += 1;
            self.send(index, false);
        }
        self.arm();
    }

    fn arm(&mut self) {
        self.timer += 1;
        if self.una < self.total {
            self.after(self.rto, Event::Timer(self.timer));
        }
    }

    fn send(&mut self, index: usize, by_timer: bool) {
        self.sent[index] += 1;
        let data = Data { index, transmission: self.sent[index], doubled: false, ident: self.next_ident(), stamp: self.stamp(), by_timer };
        // Packets leave one after the other: 10 µs each.
        self.free = self.free.max(self.now) + 10_000;
        let queue = self.free - self.now;
        let delay = if self.random.chance(self.path.delayed) { self.path.delay } else { 0 };
        if self.random.chance(self.path.loss_near) {
            self.sight.lost_near += 1;
            return;
        }
        self.after(self.path.near + queue + delay, Event::DataAtPoint(data));
        if self.random.chance(self.path.doubled) {
            self.after(self.path.near + queue + delay + 3_000, Event::DataAtPoint(Data { doubled: true, ..data }));
        }
    }

    fn data_at_point(&mut self, data: Data) {
        let first_here = !std::mem::replace(&mut self.passed[data.index], true);
        let truth = if data.doubled {
            Truth::Doubled
        } else if data.transmission > 1 && first_here && (data.index > self.highest || self.highest == 0) {
            Truth::Hidden
        } else if data.transmission > 1 {
            Truth::Again { first_here }
        } else if data.index < self.highest {
            Truth::Late
        } else {
            Truth::New
        };
        self.highest = self.highest.max(data.index);
        self.sight.timeouts += u64::from(data.by_timer && !data.doubled);
        let start = data.index * self.path.mss;
        let end = (start + self.path.mss).min(self.path.bytes);
        let payload = (start..end).map(byte_at).collect();
        let header = packet::Tcp {
            seq: self.seq(data.index),
            ack: CLIENT_ISN + 1,
            flags: Tcp::ACK,
            window: 60_000,
            options: self.options(data.stamp, 2),
            ..Default::default()
        };
        self.see(Side::Server, data.ident, header, payload, truth);
        if self.random.chance(self.path.loss_far) {
            self.sight.lost_far += 1;
        } else {
            self.after(self.path.far, Event::DataAtClient(data));
        }
    }

    fn data_at_client(&mut self, data: Data) {
        let again = data.index < self.in_order || self.received.contains_key(&data.index);
        self.sight.received_twice += u64::from(again);
        // RFC 7323 4.3: the stamp of the segment that moves the left edge is echoed.
        if data.index <= self.in_order {
            self.recent = self.recent.max(data.stamp);
        }
        let old = self.in_order;
        self.received.insert(data.index, ());
        while self.received.contains_key(&self.in_order) {
            self.in_order += 1;
        }
        let mut sack = Vec::new();
        if again {
            sack.push((data.index, data.index + 1));
        }
        let mut above: Vec<(usize, usize)> = Vec::new();
        for (&index, ()) in self.received.range(self.in_order..) {
            match above.last_mut() {
                Some(block) if block.1 == index => block.1 = index + 1,
                _ => above.push((index, index + 1)),
            }
        }
        above.reverse();
        // RFC 2883 4: the block that holds what came twice follows at once.
        if let Some(holder) = above.iter().position(|b| again && b.0 <= data.index && data.index < b.1) {
            above[..=holder].rotate_right(1);
        }
        let room = if self.path.timestamps { 3 } else { 4 };
        sack.extend(above);
        sack.truncate(room);
        let duplicate = self.in_order == old && self.received.range(self.in_order..).next().is_some();
        let ack = Ack { next: self.in_order, sack, duplicate, stamp: self.stamp(), echo: self.recent };
        self.after(self.path.far, Event::AckAtPoint(ack));
    }

    fn ack_at_point(&mut self, ack: Ack) {
        let outstanding = self.highest + 1 > ack.next || self.passed.get(ack.next).copied().unwrap_or(false);
        if outstanding && self.last_ack.as_ref().is_some_and(|last| last.next == ack.next) {
            self.sight.duplicate_acks += 1;
        }
        if self.last_ack.as_ref().is_none_or(|last| last.next <= ack.next) {
            self.last_ack = Some(ack.clone());
        }
        let mut options = self.options(ack.stamp, ack.echo);
        if !ack.sack.is_empty() {
            options.push(TcpOption::Sack(ack.sack.iter().map(|&(a, b)| (self.seq(a), self.seq(b))).collect()));
        }
        let header =
            packet::Tcp { seq: CLIENT_ISN + 1, ack: self.seq(ack.next), flags: Tcp::ACK, window: 60_000, options, ..Default::default() };
        self.see(Side::Client, 3, header, Vec::new(), Truth::Control);
        if !self.random.chance(self.path.loss_ack) {
            self.after(self.path.near, Event::AckAtServer(ack));
        }
    }

    fn ack_at_server(&mut self, ack: &Ack) {
        for &(a, b) in &ack.sack {
            for index in a.max(ack.next)..b {
                self.sacked[index] = true;
            }
        }
        if ack.next > self.una {
            self.una = ack.next;
            self.duplicates = 0;
            self.rto = RTO.max(4 * (self.path.near + self.path.far));
            if self.recover.is_some_and(|end| self.una >= end) {
                self.recover = None;
            }
            self.arm();
        } else if ack.duplicate && ack.next == self.una {
            self.duplicates += 1;
        }
        if self.recover.is_none() && self.duplicates >= 3 && self.una < self.next {
            self.recover = Some(self.next);
            self.resent_below = self.una;
        }
        if self.recover.is_some() {
            // The first segment not received, and holes below what was received, once each.
            let highest = (self.una..self.next).rev().find(|&i| self.sacked[i]).unwrap_or(self.una);
            for index in self.una.max(self.resent_below)..highest.max(self.una + 1).min(self.next) {
                if !self.sacked[index] {
                    self.send(index, false);
                }
                self.resent_below = index + 1;
            }
        }
        self.fill_window_quietly();
    }

    fn fill_window_quietly(&mut self) {
        while self.next < self.total && self.next < self.una + self.path.window {
            let index = self.next;
            self.next += 1;
            self.send(index, false);
        }
    }

    fn timer(&mut self, n: u64) {
        if n != self.timer || self.una >= self.total {
            return;
        }
        self.send(self.una, true);
        self.recover = Some(self.next);
        self.resent_below = self.una + 1;
        self.rto = (2 * self.rto).min(60_000_000_000);
        self.arm();
    }
}

/// Byte `n` of what is downloaded.
pub fn byte_at(n: usize) -> u8 {
    ((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}
