//! The state of one connection. What differs between the versions is behind [`Version`].

use super::frame::{Preamble, V1Message, le16, le32};
use super::{CephReport, Kind};
use crate::app::{Event, StreamParser};
use crate::base::emit::Emit;
use crate::base::net::Side;
use crate::flow::{EndOfStream, GapReason, Moment, Need};

/// Types of messages (`CEPH_MSG_*`).
const OSD_OP: u16 = 42;
const OSD_OPREPLY: u16 = 43;
/// What a guest reads and writes comes in sectors.
const SECTOR: u64 = 512;

/// What both directions know.
#[derive(Debug, Default)]
pub(super) struct Shared {
    report: CephReport,
    /// Version 2: features that each side says it has.
    features: [Option<u64>; 2],
    /// Version 1: what the server answered to the last CONNECT.
    answer: Option<u8>,
}

impl Shared {
    fn message(&mut self, side: Side, when: Moment, kind: u16, data: u64) {
        let report = &mut self.report;
        report.messages += 1;
        let disk = data > 0 && data.is_multiple_of(SECTOR);
        match (kind, side) {
            (OSD_OP, Side::Client) => {
                report.server = Some(Kind::Osd);
                if disk {
                    report.written.add(when, data);
                }
            }
            (OSD_OPREPLY, Side::Server) => {
                report.server = Some(Kind::Osd);
                if disk {
                    report.read.add(when, data);
                }
            }
            _ => {}
        }
    }

    /// A message whose type was cut off. Between a client and a storage daemon only operations and their answers carry data.
    fn untyped(&mut self, side: Side, when: Moment, data: u64) {
        if self.report.server == Some(Kind::Osd) {
            self.message(side, when, if side == Side::Client { OSD_OP } else { OSD_OPREPLY }, data);
        } else {
            self.report.damaged = true;
        }
    }

    fn is(&mut self, side: Side, kind: Option<Kind>) {
        if side == Side::Server && kind.is_some() {
            self.report.server = kind;
        }
    }
}

/// What comes next of a direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Want {
    /// So many bytes together.
    Bytes(usize),
    /// Nothing of so many bytes.
    Skip(u64),
    /// Nothing makes sense here.
    Lost,
    /// Nothing any more.
    Silence,
}

/// Where a direction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Place {
    #[default]
    Banner,
    /// Version 2: the rest of the banner. Version 1: an address and what follows it.
    Greeting,
    /// Version 1: CONNECT, or its answer.
    Connect,
    /// Version 1, client: what the server answered decides.
    Connected,
    /// Before a frame.
    Frame,
    /// Version 2: within the first segment of a frame.
    Segment(Preamble),
}

/// What is known of a frame whose beginning was captured only in part.
pub(super) struct Cut {
    /// Bytes that are still to come.
    left: u64,
    /// Data of a message.
    data: Option<u64>,
}

/// What differs between the versions.
pub(super) trait Version: Send + Default {
    const NUMBER: u8;
    /// Bytes of a head that can be known anywhere.
    const HEAD: usize;
    /// Whether one stands here.
    fn is_head(bytes: &[u8]) -> bool;
    /// The first byte of one, perhaps.
    fn may_begin(byte: u8) -> bool;
    /// How many bytes the first step takes.
    const BANNER: usize;
    /// Reads what is at hand, which is as much as was wanted; how it goes on.
    fn step(shared: &mut Shared, place: &mut Place, side: Side, when: Moment, bytes: &[u8]) -> Want;
    /// Whether a head begins here that the snap length cut off before its checksum.
    fn plausible(held: &[u8]) -> bool;
    /// What `held` says of a frame if no more of its beginning comes.
    fn cut(shared: &Shared, place: Place, held: &[u8]) -> Option<Cut>;
}

/// Messenger version 2.
#[derive(Default)]
pub(super) struct V2;

impl Version for V2 {
    const NUMBER: u8 = 2;
    const HEAD: usize = Preamble::LEN;
    const BANNER: usize = 10;

    fn is_head(bytes: &[u8]) -> bool {
        Preamble::read(bytes).is_some()
    }

    fn may_begin(byte: u8) -> bool {
        (1..=22).contains(&byte)
    }

    fn step(shared: &mut Shared, place: &mut Place, side: Side, when: Moment, bytes: &[u8]) -> Want {
        match *place {
            Place::Banner => {
                // "ceph v2\n", then the length of what follows: features that are there and that are needed, 8 bytes each.
                *place = Place::Greeting;
                match le16(bytes, 8) {
                    Some(length @ 8..=256) => Want::Bytes(usize::from(length)),
                    _ => Want::Lost,
                }
            }
            Place::Greeting => {
                shared.features[side.index()] = bytes.first_chunk().map(|b| u64::from_le_bytes(*b));
                *place = Place::Frame;
                Want::Bytes(Preamble::LEN)
            }
            Place::Frame | Place::Connect | Place::Connected => {
                let Some(head) = Preamble::read(bytes) else { return Want::Lost };
                // What is looked at of the first segment: who is there, how it goes on, the type of a message.
                let wanted = match head.tag {
                    tag::HELLO => 1,
                    tag::AUTH_DONE => 12,
                    tag::MESSAGE => 18,
                    _ => 0,
                };
                if head.tag == tag::RECONNECT {
                    shared.report.reconnect = true;
                }
                if wanted > 0 && head.lengths[0] as usize >= wanted {
                    *place = Place::Segment(head);
                    return Want::Bytes(wanted);
                }
                Want::Skip(head.rest(shared.revision_1()))
            }
            Place::Segment(head) => {
                *place = Place::Frame;
                match head.tag {
                    tag::HELLO => shared.is(side, bytes.first().and_then(|b| Kind::read(*b))),
                    // The client's number, then the mode: 1 checksums, 2 encrypted.
                    tag::AUTH_DONE if le32(bytes, 8) == Some(2) => {
                        shared.report.secure = true;
                        return Want::Silence;
                    }
                    tag::MESSAGE => {
                        let data = u64::from(head.lengths[3]);
                        shared.message(side, when, le16(bytes, 16).unwrap_or(0), data);
                    }
                    _ => {}
                }
                Want::Skip(head.rest(shared.revision_1()).saturating_sub(bytes.len() as u64))
            }
        }
    }

    fn plausible(_held: &[u8]) -> bool {
        false
    }

    fn cut(shared: &Shared, place: Place, held: &[u8]) -> Option<Cut> {
        let Place::Segment(head) = place else { return None };
        let left = head.rest(shared.revision_1()).saturating_sub(held.len() as u64);
        Some(Cut { left, data: (head.tag == tag::MESSAGE).then(|| u64::from(head.lengths[3])) })
    }
}

impl Shared {
    /// Both sides know revision 1 (feature bit 0), as all do since 2020; taken for granted where the banners were not captured.
    fn revision_1(&self) -> bool {
        self.features.iter().all(|f| f.is_none_or(|f| f & 1 == 1))
    }
}

/// Tags of frames of version 2 (`enum class Tag`).
mod tag {
    pub const HELLO: u8 = 1;
    pub const AUTH_DONE: u8 = 6;
    pub const RECONNECT: u8 = 11;
    pub const MESSAGE: u8 = 17;
}

/// Messenger version 1.
#[derive(Default)]
pub(super) struct V1;

/// `struct ceph_entity_addr`.
const ADDRESS: usize = 136;
/// `struct ceph_msg_connect`.
const CONNECT: usize = 33;
/// `struct ceph_msg_connect_reply`.
const ANSWER: usize = 26;

/// Tags of version 1 (`CEPH_MSGR_TAG_*`).
mod tag1 {
    pub const READY: u8 = 1;
    pub const CLOSE: u8 = 6;
    pub const MSG: u8 = super::V1Message::TAG;
    pub const ACK: u8 = 8;
    pub const KEEPALIVE: u8 = 9;
    pub const SEQ: u8 = 13;
    pub const KEEPALIVE2: u8 = 14;
    pub const KEEPALIVE2_ACK: u8 = 15;
}

impl Version for V1 {
    const NUMBER: u8 = 1;
    const HEAD: usize = V1Message::LEN;
    const BANNER: usize = 9;

    fn is_head(bytes: &[u8]) -> bool {
        V1Message::read(bytes).is_some()
    }

    fn may_begin(byte: u8) -> bool {
        byte == V1Message::TAG
    }

    fn step(shared: &mut Shared, place: &mut Place, side: Side, when: Moment, bytes: &[u8]) -> Want {
        match *place {
            Place::Banner => {
                *place = Place::Greeting;
                // The server's own address and the client's as it sees it; the client's own.
                Want::Skip(if side == Side::Server { 2 * ADDRESS } else { ADDRESS } as u64)
            }
            Place::Greeting => {
                *place = Place::Connect;
                Want::Bytes(if side == Side::Server { ANSWER } else { CONNECT })
            }
            Place::Connect if side == Side::Client => {
                // Features, own type, two counters, then the protocol's version, which differs between kinds of servers (`CEPH_*_PROTOCOL`).
                match le32(bytes, 20) {
                    Some(15) => shared.is(Side::Server, Some(Kind::Monitor)),
                    Some(24) => shared.is(Side::Server, Some(Kind::Osd)),
                    Some(32) => shared.is(Side::Server, Some(Kind::Mds)),
                    _ => {}
                }
                shared.report.reconnect |= le32(bytes, 16).is_some_and(|seq| seq > 0);
                shared.answer = None;
                *place = Place::Connected;
                Want::Skip(u64::from(le32(bytes, 28).unwrap_or(0)))
            }
            Place::Connect => {
                let tag = bytes[0];
                shared.answer = Some(tag);
                let authorizer = u64::from(le32(bytes, 21).unwrap_or(0));
                match tag {
                    tag1::READY => *place = Place::Frame,
                    tag1::SEQ => {
                        *place = Place::Frame;
                        return Want::Skip(authorizer + 8);
                    }
                    _ => *place = Place::Greeting,
                }
                Want::Skip(authorizer)
            }
            Place::Connected => match shared.answer {
                Some(tag1::READY) => {
                    *place = Place::Frame;
                    Want::Bytes(1)
                }
                Some(tag1::SEQ) => {
                    *place = Place::Frame;
                    Want::Skip(8)
                }
                _ => {
                    *place = Place::Connect;
                    Want::Bytes(CONNECT)
                }
            },
            Place::Frame | Place::Segment(_) => match bytes.first() {
                Some(&tag1::MSG) if bytes.len() < V1Message::LEN => Want::Bytes(V1Message::LEN),
                Some(&tag1::MSG) => {
                    let Some(message) = V1Message::read(bytes) else { return Want::Lost };
                    shared.is(side, Kind::read(message.from).filter(|k| *k != Kind::Client));
                    shared.message(side, when, message.kind, u64::from(message.data));
                    Want::Skip(message.rest)
                }
                Some(&(tag1::ACK | tag1::KEEPALIVE2 | tag1::KEEPALIVE2_ACK)) => Want::Skip(8),
                Some(&(tag1::KEEPALIVE | tag1::CLOSE)) => Want::Skip(0),
                _ => Want::Lost,
            },
        }
    }

    fn plausible(held: &[u8]) -> bool {
        // Type, version and sender have few values; the middle part is not used any more.
        let known = matches!(le16(held, 17), Some(1..=2000)) && matches!(le16(held, 21), Some(0..=64));
        let sender = held.get(37).is_some_and(|from| Kind::read(*from).is_some());
        known && sender && le32(held, 27) == Some(0) && V1Message::lengths(held).is_some()
    }

    fn cut(_shared: &Shared, place: Place, held: &[u8]) -> Option<Cut> {
        let (data, rest) = V1Message::lengths(held).filter(|_| place == Place::Frame)?;
        Some(Cut { left: (V1Message::LEN - held.len()) as u64 + rest, data: Some(u64::from(data)) })
    }
}

/// One direction.
#[derive(Debug)]
struct Half {
    place: Place,
    held: Vec<u8>,
    /// Bytes that are wanted together.
    wanted: usize,
    /// Bytes that nobody wants, before them.
    skip: u64,
    lost: bool,
}

impl Half {
    fn new<V: Version>() -> Self {
        Self { place: Place::Banner, held: Vec::new(), wanted: V::BANNER, skip: 0, lost: false }
    }

    fn lose(&mut self, report: &mut CephReport) {
        report.damaged |= !self.lost;
        self.lost = true;
        self.skip = 0;
        self.place = Place::Frame;
    }
}

/// The parser of a connection.
pub(super) struct Messenger<V> {
    shared: Shared,
    halves: [Half; 2],
    seen: bool,
    version: std::marker::PhantomData<V>,
}

impl<V: Version> Default for Messenger<V> {
    fn default() -> Self {
        let shared = Shared { report: CephReport { version: V::NUMBER, ..CephReport::default() }, ..Shared::default() };
        Self { shared, halves: [Half::new::<V>(), Half::new::<V>()], seen: false, version: std::marker::PhantomData }
    }
}

impl<V: Version> Messenger<V> {
    fn look(&mut self, when: Moment) {
        if !std::mem::replace(&mut self.seen, true) {
            self.shared.report.first = when;
        }
        self.shared.report.last = when;
    }

    /// Acts on what is held.
    fn step(&mut self, side: Side, when: Moment) {
        let half = &mut self.halves[side.index()];
        let want = V::step(&mut self.shared, &mut half.place, side, when, &half.held);
        match want {
            // More of the same: what is held stays.
            Want::Bytes(n) if V::NUMBER == 1 && half.place == Place::Frame && n == V::HEAD && half.held.len() == 1 => half.wanted = n,
            Want::Bytes(n) => {
                half.held.clear();
                half.wanted = n;
            }
            Want::Skip(n) => {
                half.held.clear();
                half.skip = n;
                half.wanted = next::<V>(half.place, side);
            }
            Want::Lost => half.lose(&mut self.shared.report),
            Want::Silence => {}
        }
    }

    /// Looks for a head in what is held, which grows byte by byte.
    fn search(&mut self, side: Side, when: Moment) {
        let half = &mut self.halves[side.index()];
        loop {
            let at = half.held.iter().position(|b| V::may_begin(*b)).unwrap_or(half.held.len());
            half.held.drain(..at);
            if half.held.len() < V::HEAD {
                return;
            }
            if V::is_head(&half.held) {
                break;
            }
            half.held.remove(0);
        }
        half.lost = false;
        half.place = Place::Frame;
        half.wanted = V::HEAD;
        self.step(side, when);
    }

    fn take(&mut self, side: Side, when: Moment, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            if self.shared.report.secure {
                return;
            }
            let half = &mut self.halves[side.index()];
            if half.lost {
                let Some((first, later)) = rest.split_first() else { return };
                rest = later;
                half.held.push(*first);
                self.search(side, when);
                continue;
            }
            let skipped = half.skip.min(rest.len() as u64);
            half.skip -= skipped;
            rest = &rest[skipped as usize..];
            if half.skip > 0 {
                return;
            }
            if half.wanted > half.held.len() {
                if rest.is_empty() {
                    return;
                }
                let (now, later) = rest.split_at(rest.len().min(half.wanted - half.held.len()));
                half.held.extend_from_slice(now);
                rest = later;
            }
            if half.wanted == half.held.len() {
                // A step that wants nothing waits for the other side's word until there is something to read.
                if half.wanted == 0 && rest.is_empty() {
                    return;
                }
                self.step(side, when);
            }
        }
    }

    fn need(&self, side: Side) -> Need {
        let half = &self.halves[side.index()];
        if self.shared.report.secure {
            Need::Nothing
        } else if half.skip > 0 {
            Need::Skip(half.skip)
        } else {
            Need::More
        }
    }
}

/// How many bytes are wanted together at a place that is come to by passing others over.
fn next<V: Version>(place: Place, side: Side) -> usize {
    match place {
        Place::Frame if V::NUMBER == 1 => 1,
        Place::Frame | Place::Segment(_) => V::HEAD,
        Place::Connected | Place::Greeting => 0,
        Place::Connect if side == Side::Server => ANSWER,
        Place::Connect => CONNECT,
        Place::Banner => V::BANNER,
    }
}

impl<V: Version> StreamParser for Messenger<V> {
    fn picked_up(&mut self, _side: Side, _when: Moment) {
        self.shared.report.picked_up = true;
        for half in &mut self.halves {
            half.lost = true;
            half.place = Place::Frame;
        }
    }

    fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], _out: &mut dyn Emit<Event>) -> Need {
        self.look(when);
        // What was to be passed over has been: those who feed keep count of it.
        self.halves[side.index()].skip = 0;
        self.take(side, when, bytes);
        self.need(side)
    }

    fn gap(&mut self, side: Side, when: Moment, missing: u64, _why: GapReason, _out: &mut dyn Emit<Event>) -> Need {
        self.look(when);
        let half = &mut self.halves[side.index()];
        // What was to be passed over is not part of it. Of what was wanted, something is missing.
        half.skip = 0;
        if half.lost && V::plausible(&half.held) {
            half.lost = false;
        }
        if let Some(cut) = V::cut(&self.shared, half.place, &half.held).filter(|c| !half.lost && missing <= c.left) {
            half.held.clear();
            half.place = Place::Frame;
            half.skip = cut.left - missing;
            half.wanted = next::<V>(Place::Frame, side);
            if let Some(data) = cut.data {
                self.shared.untyped(side, when, data);
            }
            return self.need(side);
        }
        half.held.clear();
        half.lose(&mut self.shared.report);
        self.need(side)
    }

    fn end(&mut self, _when: Moment, _how: EndOfStream, out: &mut dyn Emit<Event>) {
        if self.seen {
            out.emit(Event::Ceph(Box::new(std::mem::take(&mut self.shared.report))));
        }
    }
}
