//! oslo.messaging's envelope, read byte by byte (`oslo_messaging/rpc`, `oslo_messaging/_drivers/common.py`, `amqpdriver.py`).
//!
//! Version 2.0 is an object with `oslo.version` and `oslo.message`, a text that is an object itself; before that the object came bare. Only
//! the members in [`MEMBERS`] of that object are kept, each up to its bound. Nothing else of a message ever stays.

use crate::base::limits::AMQP_TEXT;

/// Members that are kept; the first stands for the object inside.
const MEMBERS: [&str; 9] =
    ["oslo.message", "method", "event_type", "_msg_id", "_reply_q", "_unique_id", "_context_request_id", "failure", "ending"];
const INSIDE: usize = 0;
const METHOD: usize = 1;
const EVENT: usize = 2;
const MSG_ID: usize = 3;
const REPLY_QUEUE: usize = 4;
const UNIQUE_ID: usize = 5;
const REQUEST_ID: usize = 6;
const FAILURE: usize = 7;
const ENDING: usize = 8;
/// The longest of them.
const KEY: usize = 20;

/// Walks over an object in JSON (RFC 8259) and finds the values of its own members, not of those within them.
#[derive(Debug, Default)]
struct Object {
    depth: u32,
    string: bool,
    escape: Escape,
    /// After the colon.
    value: bool,
    key: Vec<u8>,
    member: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    Backslash,
    /// Digits that are still to come, and their value so far.
    Unicode(u8, u32),
}

impl Object {
    /// The next byte; what of it belongs to the value of a member goes to `give` with the member's place in [`MEMBERS`].
    fn byte(&mut self, byte: u8, give: &mut dyn FnMut(usize, u8)) {
        if self.string {
            return self.within_string(byte, give);
        }
        match byte {
            b'"' => {
                self.string = true;
                if self.depth == 1 && !self.value {
                    self.key.clear();
                }
            }
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b':' if self.depth == 1 => {
                self.value = true;
                self.member = MEMBERS.iter().position(|m| m.as_bytes() == self.key);
            }
            b',' if self.depth == 1 => {
                self.value = false;
                self.member = None;
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            other => self.text(other, give),
        }
    }

    fn within_string(&mut self, byte: u8, give: &mut dyn FnMut(usize, u8)) {
        match (self.escape, byte) {
            (Escape::None, b'\\') => self.escape = Escape::Backslash,
            (Escape::None, b'"') => self.string = false,
            (Escape::None, other) => self.text(other, give),
            (Escape::Backslash, b'u') => self.escape = Escape::Unicode(4, 0),
            (Escape::Backslash, other) => {
                self.escape = Escape::None;
                let meant = match other {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'b' => 8,
                    b'f' => 12,
                    same => same,
                };
                self.text(meant, give);
            }
            (Escape::Unicode(left, so_far), digit) => {
                let value = so_far << 4 | (digit as char).to_digit(16).unwrap_or(0);
                self.escape = if left > 1 { Escape::Unicode(left - 1, value) } else { Escape::None };
                if left == 1 {
                    let mut room = [0; 4];
                    let meant = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut room).len();
                    for byte in &room[..meant] {
                        self.text(*byte, give);
                    }
                }
            }
        }
    }

    fn text(&mut self, byte: u8, give: &mut dyn FnMut(usize, u8)) {
        if self.depth != 1 {
            return;
        }
        match self.member {
            Some(member) if self.value => give(member, byte),
            // One byte too many tells a longer key from one that is known.
            None if !self.value && self.key.len() <= KEY => self.key.push(byte),
            _ => {}
        }
    }
}

/// The envelope of one message.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    outer: Object,
    inner: Object,
    texts: [Vec<u8>; MEMBERS.len()],
    /// Something of the body is missing: what follows cannot be told from it.
    torn: bool,
}

impl Envelope {
    pub fn bytes(&mut self, bytes: &[u8]) {
        if self.torn {
            return;
        }
        let Self { outer, inner, texts, .. } = self;
        let mut keep = |member: usize, byte: u8| {
            let text = &mut texts[member];
            if text.len() < AMQP_TEXT {
                text.push(byte);
            }
        };
        for byte in bytes {
            outer.byte(*byte, &mut |member, byte| match member {
                INSIDE => inner.byte(byte, &mut keep),
                _ => keep(member, byte),
            });
        }
    }

    /// Nothing after a gap can be told from what it was in.
    pub fn tear(&mut self) {
        self.torn = true;
        // A value that the gap cut off is none.
        for object in [&self.outer, &self.inner] {
            if let Some(member) = object.member.filter(|m| *m != INSIDE && object.value && object.string) {
                self.texts[member].clear();
            }
        }
    }

    /// True if it is a message of oslo.messaging, as far as it is known.
    pub fn known(&self) -> bool {
        [METHOD, EVENT, MSG_ID].iter().any(|m| self.take(*m).is_some())
    }

    /// Hands what is known over.
    pub fn tell(&self, to: &mut super::Message) {
        to.method = self.take(METHOD).or_else(|| self.take(EVENT));
        to.notification = self.take(METHOD).is_none() && to.method.is_some();
        to.msg_id = self.take(MSG_ID);
        to.reply_queue = self.take(REPLY_QUEUE);
        to.unique_id = self.take(UNIQUE_ID);
        to.request_id = self.take(REQUEST_ID);
        to.failure = self.take(FAILURE).map(|text| class_of(&text).unwrap_or_else(|| "an exception".to_owned()));
        to.ending = self.take(ENDING).as_deref() == Some("true");
    }

    fn take(&self, member: usize) -> Option<String> {
        let text = String::from_utf8_lossy(&self.texts[member]);
        (!text.is_empty() && text != "null").then(|| text.into_owned())
    }
}

/// The class of a serialised exception, which stands first; its message may hold anything and is left alone.
fn class_of(failure: &str) -> Option<String> {
    let (_, rest) = failure.split_once("\"class\":")?;
    let name = rest.trim_start().strip_prefix('"')?.split('"').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}
