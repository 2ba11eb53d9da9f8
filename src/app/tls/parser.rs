//! The parser of one TLS connection.

use crate::app::video::arrivals::Arrivals;
use crate::app::{Event, StreamParser};
use crate::base::emit::Emit;
use crate::base::limits::TLS_HELLO;
use crate::base::net::Side;
use crate::flow::{EndOfStream, FlowKey, GapReason, Moment, Need};

use super::{TlsConnection, TlsEvent, hello};

const HANDSHAKE: u8 = 22;
const APPLICATION: u8 = 23;

/// Parses one connection.
pub struct TlsParser {
    found: TlsConnection,
    sides: [Half; 2],
}

struct Half {
    state: State,
    /// Handshake messages up to the hello; `None` once that is over.
    hello: Option<Vec<u8>>,
}

#[derive(Clone, Copy)]
enum State {
    Header([u8; 5], u8),
    Record { kind: u8, left: u16 },
    Lost,
}

const HEADER: State = State::Header([0; 5], 0);

impl TlsParser {
    /// For one connection, from its first bytes or from the start of a record.
    pub fn new(key: FlowKey) -> Self {
        let found = TlsConnection {
            key,
            client: None,
            server: None,
            bytes: [0; 2],
            missing: [0; 2],
            application: [0; 2],
            exact: true,
            arrivals: Box::default(),
            requests: Box::default(),
            first: None,
            last: None,
            ended: EndOfStream::CaptureEnded,
        };
        let half = || Half { state: HEADER, hello: Some(Vec::new()) };
        Self { found, sides: [half(), half()] }
    }

    fn lose(&mut self, side: Side) {
        let half = &mut self.sides[side.index()];
        half.state = State::Lost;
        half.hello = None;
        self.found.exact = false;
    }

    fn application(&mut self, side: Side, when: Moment, bytes: u64) {
        let total = &mut self.found.application[side.index()];
        *total = total.saturating_add(bytes);
        let curve: &mut Arrivals = match side {
            Side::Client => &mut self.found.requests,
            Side::Server => &mut self.found.arrivals,
        };
        curve.push(when.at, bytes);
    }

    fn hello(&mut self, side: Side, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) {
        let Some(held) = &mut self.sides[side.index()].hello else { return };
        held.extend_from_slice(&bytes[..bytes.len().min(TLS_HELLO - held.len())]);
        let Some(len) = hello::message_len(held) else { return };
        if len > TLS_HELLO {
            self.sides[side.index()].hello = None;
            return;
        }
        let Some(message) = held.get(..len) else { return };
        match side {
            Side::Client => {
                self.found.client = hello::client(message);
                if let Some(hello) = &self.found.client {
                    out.emit(Event::Tls(TlsEvent::Hello(Box::new((self.found.key, when, hello.clone())))));
                }
            }
            Side::Server => self.found.server = hello::server(message),
        }
        self.sides[side.index()].hello = None;
    }
}

impl StreamParser for TlsParser {
    fn picked_up(&mut self, side: Side, _: Moment) {
        // The other side may be anywhere in a record.
        self.lose(side.other());
        self.sides[side.index()].hello = None;
    }

    fn bytes(&mut self, side: Side, when: Moment, mut bytes: &[u8], out: &mut dyn Emit<Event>) -> Need {
        self.found.first.get_or_insert(when);
        self.found.last = Some(when);
        self.found.bytes[side.index()] += bytes.len() as u64;
        while !bytes.is_empty() {
            let taken = match self.sides[side.index()].state {
                State::Header(mut buf, len) => {
                    let n = (5 - usize::from(len)).min(bytes.len());
                    buf[usize::from(len)..usize::from(len) + n].copy_from_slice(&bytes[..n]);
                    self.sides[side.index()].state = State::Header(buf, len + n as u8);
                    if usize::from(len) + n == 5 {
                        match (hello::record(&buf), &buf) {
                            (Some(left), _) => self.sides[side.index()].state = State::Record { kind: buf[0], left },
                            // Empty records are allowed (RFC 8446 section 5.1).
                            (None, [20..=23, 3, 0..=4, 0, 0]) => self.sides[side.index()].state = HEADER,
                            (None, [HANDSHAKE, 3, 0, ..]) => {
                                // RFC 8446 appendix E.5: very old clients.
                                let left = u16::from_be_bytes([buf[3], buf[4]]);
                                self.sides[side.index()].state = State::Record { kind: HANDSHAKE, left };
                            }
                            _ => self.lose(side),
                        }
                    }
                    n
                }
                State::Record { kind, left } => {
                    let n = usize::from(left).min(bytes.len());
                    match kind {
                        HANDSHAKE => self.hello(side, when, &bytes[..n], out),
                        APPLICATION => {
                            self.sides[side.index()].hello = None;
                            self.application(side, when, n as u64);
                        }
                        _ => {}
                    }
                    let left = left - n as u16;
                    self.sides[side.index()].state = if left == 0 { HEADER } else { State::Record { kind, left } };
                    n
                }
                State::Lost => {
                    self.application(side, when, bytes.len() as u64);
                    bytes.len()
                }
            };
            bytes = &bytes[taken..];
        }
        Need::More
    }

    fn gap(&mut self, side: Side, when: Moment, missing: u64, _: GapReason, _: &mut dyn Emit<Event>) -> Need {
        for count in [&mut self.found.bytes, &mut self.found.missing] {
            count[side.index()] = count[side.index()].saturating_add(missing);
        }
        match self.sides[side.index()].state {
            State::Record { kind, left } if u64::from(left) >= missing => {
                let left = left - missing as u16;
                self.sides[side.index()].state = if left == 0 { HEADER } else { State::Record { kind, left } };
                self.sides[side.index()].hello = None;
                if kind == APPLICATION {
                    self.application(side, when, missing);
                }
            }
            _ => {
                self.lose(side);
                self.application(side, when, missing);
            }
        }
        Need::More
    }

    fn end(&mut self, _: Moment, how: EndOfStream, out: &mut dyn Emit<Event>) {
        self.found.ended = how;
        out.emit(Event::Tls(TlsEvent::Connection(Box::new(self.found.clone()))));
    }
}
