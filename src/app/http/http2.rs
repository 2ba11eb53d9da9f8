//! HTTP/2 without TLS (RFC 9113): frames and streams counted, header blocks not decoded.

use crate::app::{Event, Probe, StreamParser};
use crate::base::emit::Emit;
use crate::base::net::Side;
use crate::flow::{EndOfStream, FlowKey, GapReason, Moment, Need};

use super::HttpEvent;

/// RFC 9113 section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// Counts of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// The conversation.
    pub key: FlowKey,
    /// Frames of client and server.
    pub frames: [u64; 2],
    /// Streams that the client opened with HEADERS: requests.
    pub streams: u64,
    /// Payload of DATA frames of client and server.
    pub data: [u64; 2],
    /// First byte.
    pub first: Option<Moment>,
    /// Last byte.
    pub last: Option<Moment>,
    /// Frame borders were lost to a gap: the counts are too small.
    pub lost: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Preface(usize),
    Header([u8; 9], usize),
    Payload(u32),
    Lost,
}

/// Walks over the frames of both sides.
#[derive(Debug)]
pub struct Http2Parser {
    counts: Http2,
    states: [State; 2],
    last_stream: u32,
}

pub(super) fn probe(_: &FlowKey, side: Side, bytes: &[u8]) -> Probe {
    let n = bytes.len().min(PREFACE.len());
    match side {
        Side::Client if bytes[..n] != PREFACE[..n] => Probe::No,
        Side::Client if n == PREFACE.len() => Probe::Yes,
        Side::Client => Probe::More,
        // SETTINGS come first, but only the client's preface tells surely.
        Side::Server if bytes.len() >= 4 && bytes[3] != 4 => Probe::No,
        Side::Server => Probe::More,
    }
}

impl Http2Parser {
    /// For a connection that starts with the client's preface.
    pub fn new(key: FlowKey) -> Self {
        let counts = Http2 { key, frames: [0; 2], streams: 0, data: [0; 2], first: None, last: None, lost: false };
        Self { counts, states: [State::Preface(0), State::Header([0; 9], 0)], last_stream: 0 }
    }

    fn frame(&mut self, side: Side, header: &[u8; 9]) -> u32 {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]) & 0x7fff_ffff;
        self.counts.frames[side.index()] += 1;
        match header[3] {
            DATA => self.counts.data[side.index()] += u64::from(length),
            // RFC 9113 section 5.1.1: clients open odd streams in ascending order; trailers reuse them.
            HEADERS if side == Side::Client && stream % 2 == 1 && stream > self.last_stream => {
                self.last_stream = stream;
                self.counts.streams += 1;
            }
            _ => {}
        }
        length
    }
}

impl StreamParser for Http2Parser {
    fn bytes(&mut self, side: Side, when: Moment, mut bytes: &[u8], _: &mut dyn Emit<Event>) -> Need {
        self.counts.first.get_or_insert(when);
        self.counts.last = Some(when);
        while !bytes.is_empty() {
            let taken = match self.states[side.index()] {
                State::Preface(at) => {
                    let n = (PREFACE.len() - at).min(bytes.len());
                    self.states[side.index()] = if at + n == PREFACE.len() { State::Header([0; 9], 0) } else { State::Preface(at + n) };
                    n
                }
                State::Header(mut buf, at) => {
                    let n = (9 - at).min(bytes.len());
                    buf[at..at + n].copy_from_slice(&bytes[..n]);
                    self.states[side.index()] = State::Header(buf, at + n);
                    if at + n == 9 {
                        let length = self.frame(side, &buf);
                        self.states[side.index()] = if length == 0 { State::Header([0; 9], 0) } else { State::Payload(length) };
                    }
                    n
                }
                State::Payload(left) => {
                    let n = (left as usize).min(bytes.len());
                    let left = left - n as u32;
                    self.states[side.index()] = if left == 0 { State::Header([0; 9], 0) } else { State::Payload(left) };
                    n
                }
                State::Lost => return Need::Nothing,
            };
            bytes = &bytes[taken..];
        }
        Need::More
    }

    fn gap(&mut self, side: Side, _: Moment, missing: u64, _: GapReason, _: &mut dyn Emit<Event>) -> Need {
        match &mut self.states[side.index()] {
            State::Payload(left) if u64::from(*left) >= missing => {
                *left -= missing as u32;
                if *left == 0 {
                    self.states[side.index()] = State::Header([0; 9], 0);
                }
                Need::More
            }
            state => {
                *state = State::Lost;
                self.counts.lost = true;
                Need::Nothing
            }
        }
    }

    fn end(&mut self, _: Moment, _: EndOfStream, out: &mut dyn Emit<Event>) {
        out.emit(Event::Http(HttpEvent::Http2(Box::new(self.counts.clone()))));
    }
}
