//! The state of one connection.

use std::collections::VecDeque;

use super::Call;
use super::procedures::{FINISH, KEEPALIVE, PREPARE, PREPARE_TUNNEL, QEMU, REMOTE};
use crate::app::migration::qemu::MainChannel;
use crate::app::{Event, StreamParser};
use crate::base::emit::Emit;
use crate::base::limits::{LIBVIRT_BODY, LIBVIRT_CALLS};
use crate::base::net::Side;
use crate::flow::{EndOfStream, GapReason, Moment, Need};

/// Length and header.
pub(super) const HEADER: usize = 28;
/// `VIR_NET_MESSAGE_MAX`, and the length itself.
const LONGEST: u32 = 32 * 1024 * 1024 + 4;

/// Message types (`enum virNetMessageType`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Call,
    Reply,
    Event,
    Stream,
}

/// Message status (`enum virNetMessageStatus`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    Ok,
    Error,
    Continue,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    /// Bytes after the header.
    body: u32,
    program: u32,
    procedure: u32,
    kind: Kind,
    serial: u32,
    status: Status,
}

impl Header {
    pub fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let word = |i: usize| bytes[i * 4..].first_chunk().map_or(0, |b| u32::from_be_bytes(*b));
        let (length, program, procedure) = (word(0), word(1), word(3));
        let known = matches!(program, REMOTE | QEMU | KEEPALIVE) && word(2) == 1 && (1..=10_000).contains(&procedure);
        let kind = match word(4) {
            // 4 and 5: with file descriptors, on local sockets only, but the same on the wire.
            0 | 4 => Kind::Call,
            1 | 5 => Kind::Reply,
            2 => Kind::Event,
            3 | 6 => Kind::Stream,
            _ => return None,
        };
        let status = match word(6) {
            0 => Status::Ok,
            1 => Status::Error,
            2 => Status::Continue,
            _ => return None,
        };
        let body = length.checked_sub(HEADER as u32).filter(|_| known && length <= LONGEST)?;
        Some(Self { body, program, procedure, kind, serial: word(5), status })
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    /// Bytes of a header that is not complete.
    head: Vec<u8>,
    current: Option<Header>,
    /// Bytes of its body that are still to come.
    left: u32,
    /// The beginning of its body, and its last four bytes.
    body: Vec<u8>,
    tail: [u8; 4],
    /// Something of its body is missing.
    torn: bool,
}

struct Tunnel {
    channel: MainChannel,
    serial: u32,
    /// Bytes of its stream that nobody wants.
    skip: u64,
}

impl Tunnel {
    fn bytes(&mut self, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) {
        let skipped = self.skip.min(bytes.len() as u64);
        self.skip -= skipped;
        let rest = &bytes[skipped as usize..];
        if !rest.is_empty() {
            let need = self.channel.forward(when, rest, out);
            self.wants(need);
        }
    }

    fn gap(&mut self, when: Moment, missing: u64, why: GapReason, out: &mut dyn Emit<Event>) {
        let skipped = self.skip.min(missing);
        self.skip -= skipped;
        if missing > skipped {
            let need = self.channel.forward_gap(when, missing - skipped, why, out);
            self.wants(need);
        }
    }

    fn wants(&mut self, need: Need) {
        self.skip = match need {
            Need::More => 0,
            Need::Skip(n) => n,
            Need::Nothing => u64::MAX,
        };
    }
}

/// The parser of a connection.
#[derive(Default)]
pub(super) struct Libvirt {
    halves: [Half; 2],
    /// Calls that wait for their replies, the oldest first.
    calls: VecDeque<Call>,
    tunnel: Option<Tunnel>,
}

impl Libvirt {
    /// Data of the tunnelled stream of `side`.
    fn stream_of(&mut self, side: Side) -> Option<&mut Tunnel> {
        let head = self.halves[side.index()].current?;
        let tunnel = self.tunnel.as_mut()?;
        let data = head.kind == Kind::Stream && head.status == Status::Continue;
        (data && head.serial == tunnel.serial && side == tunnel.channel.sender()).then_some(tunnel)
    }

    fn complete(&mut self, side: Side, when: Moment, out: &mut dyn Emit<Event>) {
        let half = &mut self.halves[side.index()];
        let Some(head) = half.current.take() else { return };
        let body = std::mem::take(&mut half.body);
        let (torn, last) = (std::mem::take(&mut half.torn), u32::from_be_bytes(half.tail));
        if head.program == KEEPALIVE {
            return;
        }
        let error = (head.status == Status::Error).then(|| error_text(&body));
        let mut call = Call {
            from: side,
            program: head.program,
            procedure: head.procedure,
            serial: head.serial,
            asked: Some(when),
            answered: None,
            detail: None,
            error: None,
        };
        match head.kind {
            Kind::Call => {
                if FINISH.contains(&head.procedure) && head.program == REMOTE && !torn && head.body >= 4 {
                    call.detail = (last == 1).then(|| "cancelled".to_owned());
                }
                if self.calls.len() >= LIBVIRT_CALLS
                    && let Some(old) = self.calls.pop_front()
                {
                    out.emit(Event::Libvirt(old));
                }
                self.calls.push_back(call);
            }
            Kind::Reply => {
                let same = |c: &Call| (c.serial, c.program, c.procedure) == (head.serial, head.program, head.procedure) && c.from != side;
                call = match self.calls.iter().position(same).and_then(|i| self.calls.remove(i)) {
                    Some(asked) => asked,
                    None => Call { from: side.other(), asked: None, ..call },
                };
                call.answered = Some(when);
                if head.program == REMOTE && head.status == Status::Ok {
                    if PREPARE.contains(&head.procedure) && !torn {
                        call.detail = prepared(&body);
                    }
                    if PREPARE_TUNNEL.contains(&head.procedure) {
                        self.close_tunnel(when, EndOfStream::Closed, out);
                        self.tunnel = Some(Tunnel { channel: MainChannel::tunnelled(side.other()), serial: head.serial, skip: 0 });
                    }
                }
                call.error = error;
                out.emit(Event::Libvirt(call));
            }
            Kind::Event => out.emit(Event::Libvirt(call)),
            Kind::Stream => {
                let tunnel = self.tunnel.as_ref().is_some_and(|t| t.serial == head.serial);
                if head.status == Status::Error {
                    call.detail = Some("stream aborted".to_owned());
                    call.error = error;
                    out.emit(Event::Libvirt(call));
                }
                // The sender ends a stream by a message without data, or either side by an error.
                if tunnel && head.status != Status::Continue {
                    let how = if head.status == Status::Ok { EndOfStream::Closed } else { EndOfStream::Reset };
                    self.close_tunnel(when, how, out);
                }
            }
        }
    }

    fn close_tunnel(&mut self, when: Moment, how: EndOfStream, out: &mut dyn Emit<Event>) {
        if let Some(mut tunnel) = self.tunnel.take() {
            if how == EndOfStream::Closed {
                tunnel.channel.fin(tunnel.channel.sender(), when);
            }
            tunnel.channel.finish(when, how, out);
        }
    }

    /// Reads what may be a header at the front of `bytes`; how many bytes were used.
    fn header(&mut self, side: Side, bytes: &[u8]) -> usize {
        let half = &mut self.halves[side.index()];
        let used = (HEADER - half.head.len()).min(bytes.len());
        half.head.extend_from_slice(&bytes[..used]);
        let Some(head) = half.head.first_chunk::<HEADER>() else { return used };
        match Header::read(head) {
            Some(header) => {
                half.left = header.body;
                half.current = Some(header);
                half.head.clear();
                used
            }
            None => {
                // The way is lost: one byte on.
                half.head.remove(0);
                used
            }
        }
    }
}

impl StreamParser for Libvirt {
    fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) -> Need {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.halves[side.index()].current.is_none() {
                let used = self.header(side, rest);
                rest = &rest[used..];
            } else {
                let half = &mut self.halves[side.index()];
                let (now, later) = rest.split_at(rest.len().min(half.left as usize));
                rest = later;
                half.left -= now.len() as u32;
                if let Some(tunnel) = self.stream_of(side) {
                    tunnel.bytes(when, now, out);
                } else {
                    let half = &mut self.halves[side.index()];
                    let room = LIBVIRT_BODY.saturating_sub(half.body.len());
                    half.body.extend_from_slice(&now[..now.len().min(room)]);
                    for byte in &now[now.len().saturating_sub(4)..] {
                        half.tail.rotate_left(1);
                        half.tail[3] = *byte;
                    }
                }
            }
            let half = &self.halves[side.index()];
            if half.current.is_some() && half.left == 0 {
                self.complete(side, when, out);
            }
        }
        Need::More
    }

    fn gap(&mut self, side: Side, when: Moment, missing: u64, why: GapReason, out: &mut dyn Emit<Event>) -> Need {
        let half = &mut self.halves[side.index()];
        if half.current.is_some() && missing <= u64::from(half.left) {
            half.left -= missing as u32;
            half.torn = true;
            let whole = half.left == 0;
            if let Some(tunnel) = self.stream_of(side) {
                tunnel.gap(when, missing, why, out);
            }
            if whole {
                self.complete(side, when, out);
            }
            return Need::More;
        }
        // Where the next message begins is not known. What of the gap was data of the stream is not either: nearly all of it is.
        if let Some(tunnel) = self.tunnel.as_mut().filter(|t| t.channel.sender() == side) {
            tunnel.gap(when, missing, why, out);
        }
        let half = &mut self.halves[side.index()];
        *half = Half::default();
        Need::More
    }

    fn end(&mut self, when: Moment, how: EndOfStream, out: &mut dyn Emit<Event>) {
        self.close_tunnel(when, how, out);
        for call in self.calls.drain(..) {
            out.emit(Event::Libvirt(call));
        }
    }
}

/// A string or opaque value of XDR at `at`: its bytes and where the next value begins (RFC 4506 4.10).
fn counted(body: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let len = u32::from_be_bytes(*body.get(at..)?.first_chunk()?) as usize;
    let bytes = body.get(at + 4..at.checked_add(4)?.checked_add(len)?)?;
    Some((bytes, at + 4 + len.next_multiple_of(4)))
}

/// Of the reply to Prepare: a cookie, then perhaps the address of the destination's QEMU.
fn prepared(body: &[u8]) -> Option<String> {
    let (_, next) = counted(body, 0)?;
    if body.get(next..)?.first_chunk() != Some(&[0, 0, 0, 1]) {
        return None;
    }
    text(counted(body, next + 4)?.0)
}

/// `struct virNetMessageError`: code, domain, then perhaps the message.
fn error_text(body: &[u8]) -> String {
    let code = body.first_chunk().map(|b| u32::from_be_bytes(*b));
    let said = (body.get(8..12) == Some(&[0, 0, 0, 1])).then(|| counted(body, 12)).flatten().and_then(|(bytes, _)| text(bytes));
    match (said, code) {
        (Some(said), _) => said,
        (None, Some(code)) => format!("error {code}"),
        (None, None) => "an error of which the text was not captured".to_owned(),
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    (!text.is_empty()).then(|| text.chars().take(256).collect())
}
