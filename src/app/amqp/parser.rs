//! The state of one connection.

use super::Message;
use super::envelope::Envelope;
use crate::app::{Event, StreamParser};
use crate::base::emit::Emit;
use crate::base::limits::{AMQP_CONTENTS, AMQP_METHOD};
use crate::base::net::Side;
use crate::flow::{EndOfStream, GapReason, Moment, Need};

/// Type, channel and size of a frame (section 4.2.3).
pub(super) const FRAME_HEAD: usize = 7;
/// What ends a frame.
const FRAME_END: u8 = 0xce;
/// The largest frame that is believed; RabbitMQ and its clients agree on 128 KiB unless told otherwise.
const FRAME_MAX: u32 = 16 << 20;
/// The header that opens a connection.
const OPENING: usize = 8;
/// Class, weight and size of a content header (section 4.2.6.1).
const CONTENT_HEAD: usize = 12;

mod kind {
    pub const METHOD: u8 = 1;
    pub const HEADER: u8 = 2;
    pub const BODY: u8 = 3;
    pub const HEARTBEAT: u8 = 8;
}

/// Classes of methods: connection, channel, exchange, queue, basic, confirm (RabbitMQ's), transaction.
const CLASSES: [u16; 7] = [10, 20, 40, 50, 60, 85, 90];
const BASIC: u16 = 60;
const PUBLISH: u16 = 40;
const DELIVER: u16 = 60;
const GET_OK: u16 = 71;

/// What is found where a frame may begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Frame,
    /// So far; more bytes are needed.
    Perhaps,
    No,
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_be_bytes(*b))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

/// Whether a whole frame begins here of a kind that can be checked: a method, a content header or a heartbeat.
pub(super) fn verified(bytes: &[u8]) -> Found {
    let (Some(kind), Some(channel), Some(size)) = (bytes.first(), be16(bytes, 1), be32(bytes, 3)) else {
        return match bytes.first() {
            Some(&(kind::METHOD | kind::HEADER | kind::HEARTBEAT)) => Found::Perhaps,
            _ => Found::No,
        };
    };
    let fits = match *kind {
        kind::METHOD => (4..=AMQP_METHOD as u32).contains(&size),
        kind::HEADER => channel != 0 && (CONTENT_HEAD as u32 + 2..=AMQP_METHOD as u32).contains(&size),
        kind::HEARTBEAT => channel == 0 && size == 0,
        _ => false,
    };
    if !fits {
        return Found::No;
    }
    let about = match (*kind, be16(bytes, FRAME_HEAD), be16(bytes, FRAME_HEAD + 2)) {
        (kind::METHOD, Some(class), Some(method)) => CLASSES.contains(&class) && (10..=131).contains(&method),
        (kind::HEADER, Some(class), Some(weight)) => class == BASIC && weight == 0,
        (kind::HEARTBEAT, ..) => true,
        _ => return Found::Perhaps,
    };
    match bytes.get(FRAME_HEAD + size as usize) {
        _ if !about => Found::No,
        Some(&FRAME_END) => Found::Frame,
        Some(_) => Found::No,
        None => Found::Perhaps,
    }
}

/// Where a direction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    /// Before a frame, or within its head.
    #[default]
    Head,
    /// Within a frame: bytes of it that are still to come.
    Frame { kind: u8, channel: u16, left: u32 },
    /// Before the octet that ends a frame.
    End,
    /// Frames are looked for.
    Lost,
}

/// A message of which something is still to come.
#[derive(Debug)]
struct Content {
    channel: u16,
    message: Message,
    /// Bytes of the body that are still to come; `None` before its header.
    left: Option<u64>,
    envelope: Envelope,
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    state: State,
    /// Bytes of a head, of a method or of a content header that are needed together; what is searched while the way is lost.
    held: Vec<u8>,
    /// Something of the frame is missing.
    torn: bool,
    open: Vec<Content>,
}

impl Half {
    fn bytes(&mut self, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            match self.state {
                State::Head => {
                    let whole = if self.held.first().unwrap_or(&first) == &b'A' { OPENING } else { FRAME_HEAD };
                    rest = self.hold(rest, whole);
                    if self.held.len() == whole {
                        self.head();
                    }
                }
                State::Frame { kind, channel, left } => {
                    let (now, later) = rest.split_at(rest.len().min(left as usize));
                    rest = later;
                    self.within(kind, channel, now);
                    self.advance(kind, channel, left - now.len() as u32, when, out);
                }
                State::End => {
                    rest = &rest[1..];
                    if first == FRAME_END {
                        self.state = State::Head;
                    } else {
                        self.lose(out);
                    }
                }
                State::Lost => {
                    self.held.push(first);
                    rest = &rest[1..];
                    self.search(when, out);
                }
            }
        }
    }

    /// Holds bytes until there are `whole`; gives the rest.
    fn hold<'a>(&mut self, bytes: &'a [u8], whole: usize) -> &'a [u8] {
        let (now, later) = bytes.split_at(bytes.len().min(whole.saturating_sub(self.held.len())));
        self.held.extend_from_slice(now);
        later
    }

    fn head(&mut self) {
        let (kind, channel, size) = (self.held[0], be16(&self.held, 1), be32(&self.held, 3));
        let opening = self.held.starts_with(b"AMQP");
        self.held.clear();
        self.state = match (kind, channel, size) {
            _ if opening => State::Head,
            (kind::METHOD | kind::HEADER | kind::BODY | kind::HEARTBEAT, Some(_), Some(0)) => State::End,
            (kind::METHOD | kind::HEADER | kind::BODY | kind::HEARTBEAT, Some(channel), Some(left)) if left <= FRAME_MAX => {
                State::Frame { kind, channel, left }
            }
            _ => State::Lost,
        };
    }

    /// Bytes of a frame.
    fn within(&mut self, kind: u8, channel: u16, bytes: &[u8]) {
        match kind {
            kind::METHOD => {
                // Beyond its name, a method is looked at only if it carries a message: those of a log-in hold passwords.
                let later = self.hold(bytes, 4);
                if self.carries() {
                    self.hold(later, AMQP_METHOD);
                }
            }
            kind::HEADER => {
                self.hold(bytes, CONTENT_HEAD);
            }
            kind::BODY => {
                if let Some(content) = self.open.iter_mut().find(|c| c.channel == channel) {
                    content.envelope.bytes(bytes);
                    content.left = content.left.map(|left| left.saturating_sub(bytes.len() as u64));
                }
            }
            _ => {}
        }
    }

    fn carries(&self) -> bool {
        be16(&self.held, 0) == Some(BASIC) && matches!(be16(&self.held, 2), Some(PUBLISH | DELIVER | GET_OK))
    }

    /// `left` bytes of the frame are still to come.
    fn advance(&mut self, kind: u8, channel: u16, left: u32, when: Moment, out: &mut dyn Emit<Event>) {
        if left > 0 {
            self.state = State::Frame { kind, channel, left };
            return;
        }
        self.state = State::End;
        let torn = std::mem::take(&mut self.torn);
        match kind {
            kind::METHOD if self.carries() && !torn => self.begin(channel, when, out),
            kind::METHOD if torn => self.close(channel, None, out),
            kind::HEADER if !torn => {
                let size = self.held.get(4..CONTENT_HEAD).and_then(|b| b.first_chunk()).map(|b| u64::from_be_bytes(*b));
                if let Some(content) = self.open.iter_mut().find(|c| c.channel == channel) {
                    (content.left, content.message.size) = (size, size);
                }
            }
            _ => {}
        }
        self.held.clear();
        if self.open.iter().any(|c| c.channel == channel && c.left == Some(0)) {
            self.close(channel, Some(when), out);
        }
    }

    /// A method that carries a message.
    fn begin(&mut self, channel: u16, when: Moment, out: &mut dyn Emit<Event>) {
        self.close(channel, None, out);
        let published = be16(&self.held, 2) == Some(PUBLISH);
        // A reserved number; or the consumer's name, the delivery's number and whether it is a second one.
        let mut at = 4;
        match be16(&self.held, 2) {
            Some(PUBLISH) => at += 2,
            Some(DELIVER) => at += 1 + usize::from(self.held.get(at).copied().unwrap_or(0)) + 9,
            _ => at += 9,
        }
        let (exchange, at) = short_string(&self.held, at);
        let (routing_key, _) = short_string(&self.held, at);
        let message = Message { published, begun: when, exchange, routing_key, ..Message::default() };
        if self.open.len() >= AMQP_CONTENTS {
            let oldest = self.open.remove(0);
            tell(oldest, None, out);
        }
        self.open.push(Content { channel, message, left: None, envelope: Envelope::default() });
    }

    fn close(&mut self, channel: u16, completed: Option<Moment>, out: &mut dyn Emit<Event>) {
        if let Some(i) = self.open.iter().position(|c| c.channel == channel) {
            let content = self.open.remove(i);
            tell(content, completed, out);
        }
    }

    fn gap(&mut self, when: Moment, missing: u64, out: &mut dyn Emit<Event>) {
        let State::Frame { kind, channel, left } = self.state else {
            // The octet at the end alone may be missing.
            if self.state == State::End && missing == 1 {
                self.state = State::Head;
            } else {
                self.lose(out);
            }
            return;
        };
        if missing > u64::from(left) + 1 {
            self.lose(out);
            return;
        }
        let within = missing.min(u64::from(left)) as u32;
        self.torn = true;
        if kind == kind::BODY
            && let Some(content) = self.open.iter_mut().find(|c| c.channel == channel)
        {
            content.envelope.tear();
            content.left = content.left.map(|l| l.saturating_sub(u64::from(within)));
        }
        self.advance(kind, channel, left - within, when, out);
        if missing > u64::from(left) {
            self.state = State::Head;
        }
    }

    fn lose(&mut self, out: &mut dyn Emit<Event>) {
        self.state = State::Lost;
        self.torn = false;
        self.held.clear();
        self.end(out);
    }

    fn end(&mut self, out: &mut dyn Emit<Event>) {
        for content in std::mem::take(&mut self.open) {
            tell(content, None, out);
        }
    }

    /// Looks whether a frame begins in what is held.
    fn search(&mut self, when: Moment, out: &mut dyn Emit<Event>) {
        while !self.held.is_empty() {
            match verified(&self.held) {
                Found::Perhaps => return,
                Found::No => {
                    self.held.remove(0);
                }
                Found::Frame => {
                    let frame = std::mem::take(&mut self.held);
                    self.state = State::Head;
                    self.bytes(when, &frame, out);
                    return;
                }
            }
        }
    }
}

fn tell(content: Content, completed: Option<Moment>, out: &mut dyn Emit<Event>) {
    if content.envelope.known() {
        let mut message = Message { completed, ..content.message };
        content.envelope.tell(&mut message);
        out.emit(Event::Amqp(Box::new(message)));
    }
}

/// A text with one octet of length, and what follows it.
fn short_string(bytes: &[u8], at: usize) -> (String, usize) {
    let len = usize::from(bytes.get(at).copied().unwrap_or(0));
    let text = bytes.get(at + 1..at + 1 + len).map(|b| String::from_utf8_lossy(b).into_owned());
    (text.unwrap_or_default(), at + 1 + len)
}

/// The parser of a connection.
#[derive(Default)]
pub(super) struct Amqp {
    halves: [Half; 2],
}

impl StreamParser for Amqp {
    fn picked_up(&mut self, _side: Side, _when: Moment) {
        for half in &mut self.halves {
            half.state = State::Lost;
        }
    }

    fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) -> Need {
        self.halves[side.index()].bytes(when, bytes, out);
        Need::More
    }

    fn gap(&mut self, side: Side, when: Moment, missing: u64, _why: GapReason, out: &mut dyn Emit<Event>) -> Need {
        self.halves[side.index()].gap(when, missing, out);
        Need::More
    }

    fn end(&mut self, _when: Moment, _how: EndOfStream, out: &mut dyn Emit<Event>) {
        for half in &mut self.halves {
            half.end(out);
        }
    }
}
