//! The parser of one HTTP/1.x conversation.
//!
//! Each side is in one [`State`]; requests and responses are paired by their order ([`open::Pairing`]), and by their times once
//! something is missing. After a gap that hides where a message ends, a side looks for the next head.

mod open;
mod tunnel;

use crate::app::{Event, Probe, StreamParser};
use crate::base::emit::Emit;
use crate::base::limits::HTTP_HEAD;
use crate::base::net::Side;
use crate::flow::{EndOfStream, FlowKey, GapReason, Moment, Need};

use super::body::{BodyState, Step};
use super::exchange::Incomplete;
use super::head::{self, Framing, RequestHead, ResponseHead};
use super::resync::{self, Search};
use open::Pairing;
use tunnel::Tunnel;

/// Parses one conversation.
pub struct HttpParser {
    sides: [State; 2],
    pairing: Pairing,
    tunnel: Option<Tunnel>,
}

/// Where one side is.
enum State {
    /// Gathering a head; when its first byte came.
    Head(Vec<u8>, Moment),
    /// In a body.
    Body(BodyState),
    /// Looking for the next head: the end of what was seen so far, and how many candidates in it were none.
    Resync(Vec<u8>, u8),
    /// After a change of protocol.
    Tunnel,
    /// Nothing more is read.
    Off,
}

/// Candidates for a head that are tried within what one of them held; more would let a hostile body cost quadratic time.
const TRIES: u8 = 8;

impl State {
    fn fresh() -> Self {
        Self::Head(Vec::new(), Moment::default())
    }

    fn resync() -> Self {
        Self::Resync(Vec::new(), 0)
    }

    /// `bytes` began like a head and were none: a real one may begin within them.
    fn retry(bytes: &[u8], tries: u8) -> Self {
        if tries < TRIES { Self::Resync(bytes[1..].to_vec(), tries + 1) } else { Self::resync() }
    }
}

impl HttpParser {
    /// For one conversation, from its first bytes or from the middle.
    pub fn new(key: FlowKey) -> Self {
        Self { sides: [State::fresh(), State::fresh()], pairing: Pairing::new(key), tunnel: None }
    }

    fn take(&mut self, side: Side) -> State {
        std::mem::replace(&mut self.sides[side.index()], State::Off)
    }

    /// Handles some of `bytes`; says how many.
    fn step(&mut self, side: Side, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) -> usize {
        let (state, taken) = match self.take(side) {
            State::Head(buf, first) => self.gather(side, when, buf, first, bytes, out),
            State::Body(body) => self.body(side, when, body, bytes, out),
            State::Resync(buf, tries) => self.search(side, when, buf, tries, bytes, out),
            State::Tunnel => {
                if let Some(tunnel) = &mut self.tunnel {
                    tunnel.bytes(side, when, bytes, out);
                }
                (State::Tunnel, bytes.len())
            }
            State::Off => (State::Off, bytes.len()),
        };
        // A tunnel that the head opened has set both sides already.
        if !matches!(self.sides[side.index()], State::Tunnel) {
            self.sides[side.index()] = state;
        }
        taken
    }

    fn gather(
        &mut self,
        side: Side,
        when: Moment,
        mut buf: Vec<u8>,
        mut first: Moment,
        bytes: &[u8],
        out: &mut dyn Emit<Event>,
    ) -> (State, usize) {
        let skipped = if buf.is_empty() { bytes.len() - resync::skip_line_ends(bytes).len() } else { 0 };
        let new = &bytes[skipped..];
        if new.is_empty() {
            return (State::Head(buf, first), bytes.len());
        }
        if buf.is_empty() {
            first = when;
        }
        let before = buf.len();
        buf.extend_from_slice(&new[..new.len().min(HTTP_HEAD - before)]);
        if resync::looks_like_head(side, &buf) == Probe::No {
            self.pairing.lost(side);
            buf.truncate(before);
            return (State::Resync(buf, 0), skipped);
        }
        let Some(end) = head_end(&buf, before) else {
            if buf.len() < HTTP_HEAD {
                return (State::Head(buf, first), bytes.len());
            }
            self.cut_head(side, first, when, &buf, Incomplete::Limit, out);
            return (State::resync(), skipped + HTTP_HEAD - before);
        };
        buf.truncate(end);
        (self.head(side, first, when, &buf, 0, out), skipped + end - before)
    }

    /// A whole head.
    fn head(&mut self, side: Side, first: Moment, when: Moment, bytes: &[u8], tries: u8, out: &mut dyn Emit<Event>) -> State {
        let next = match side {
            Side::Client => head::request(bytes).map(|head| self.request(head, first, when, out)),
            Side::Server => head::response(bytes).map(|head| self.response(head, first, when, out)),
        };
        next.unwrap_or_else(|| {
            self.pairing.lost(side);
            State::retry(bytes, tries)
        })
    }

    fn request(&mut self, head: RequestHead, first: Moment, when: Moment, out: &mut dyn Emit<Event>) -> State {
        let framing = head.framing;
        self.pairing.request(head, first, when, out);
        match framing {
            Framing::Unsaid | Framing::Length(0) => {
                self.pairing.request_done(None, out);
                State::fresh()
            }
            Framing::Length(n) => State::Body(BodyState::Length(n)),
            Framing::Chunked => State::Body(BodyState::chunked()),
            // RFC 9112 section 6.3 item 4: a server must refuse this.
            Framing::Unknown => {
                self.pairing.request_done(Some(Incomplete::Gap), out);
                self.pairing.lost(Side::Client);
                State::resync()
            }
        }
    }

    fn response(&mut self, head: ResponseHead, first: Moment, when: Moment, out: &mut dyn Emit<Event>) -> State {
        if (100..200).contains(&head.status) && head.status != 101 {
            self.pairing.interim(first);
            return State::fresh();
        }
        let (status, framing, upgrade) = (head.status, head.framing, head.upgrade.clone());
        let method = self.pairing.response(head, first, when, out);
        let method = method.as_deref();
        // RFC 9112 section 6.3 items 1, 2.
        if status == 101 || (method == Some("CONNECT") && (200..300).contains(&status)) {
            let protocol = if status == 101 { upgrade.as_deref().unwrap_or("unknown") } else { "connect" };
            self.pairing.upgraded(protocol, out);
            self.open_tunnel(protocol, when, out);
            return State::Tunnel;
        }
        if method == Some("HEAD") || status == 204 || status == 304 || framing == Framing::Length(0) {
            self.pairing.response_done(None, out);
            return State::fresh();
        }
        State::Body(match framing {
            Framing::Length(n) => BodyState::Length(n),
            Framing::Chunked => BodyState::chunked(),
            // RFC 9112 section 6.3 items 4 and 8.
            Framing::Unsaid | Framing::Unknown => BodyState::UntilClose,
        })
    }

    fn open_tunnel(&mut self, protocol: &str, when: Moment, out: &mut dyn Emit<Event>) {
        let mut tunnel = Tunnel::new(*self.pairing.key(), protocol);
        // What the client sent before it could know waits in its head buffer.
        if let State::Head(buf, _) | State::Resync(buf, _) = self.take(Side::Client)
            && !buf.is_empty()
        {
            tunnel.bytes(Side::Client, when, &buf, out);
        }
        self.tunnel = Some(tunnel);
        self.sides = [State::Tunnel, State::Tunnel];
    }

    fn body(&mut self, side: Side, when: Moment, mut body: BodyState, bytes: &[u8], out: &mut dyn Emit<Event>) -> (State, usize) {
        let mut taken = 0;
        while !body.over() && taken < bytes.len() {
            match body.step(&bytes[taken..]) {
                Step::Content(n) => {
                    self.pairing.content(side, when, &bytes[taken..taken + n]);
                    taken += n;
                }
                Step::Framing(n) => {
                    self.pairing.framing(side, when);
                    taken += n;
                }
                Step::End => break,
                Step::Broken => {
                    self.pairing.done(side, Some(Incomplete::Gap), out);
                    self.pairing.lost(side);
                    return (State::resync(), taken);
                }
            }
        }
        if body.over() {
            self.pairing.done(side, None, out);
            return (State::fresh(), taken);
        }
        (State::Body(body), taken)
    }

    fn search(&mut self, side: Side, when: Moment, mut buf: Vec<u8>, tries: u8, bytes: &[u8], out: &mut dyn Emit<Event>) -> (State, usize) {
        let known = buf.len();
        buf.extend_from_slice(bytes);
        let at = match resync::find_head(side, &buf) {
            Search::NotBefore(at) => {
                self.pairing.unread(side, when, at);
                return (State::Resync(buf.split_off(at), if at >= known { 0 } else { tries }), bytes.len());
            }
            Search::At(at) => at,
        };
        self.pairing.unread(side, when, at);
        let mut head = buf.split_off(at);
        let tries = if at >= known { 0 } else { tries };
        match head_end(&head, 0) {
            Some(end) => {
                // What follows the head was in `bytes` or, after a failed candidate, ends where that one ended.
                let rest = (head.len() - end).min(bytes.len());
                head.truncate(end);
                (self.head(side, when, when, &head, tries, out), bytes.len() - rest)
            }
            None if head.len() < HTTP_HEAD => (State::Head(head, when), bytes.len()),
            None => (State::resync(), bytes.len()),
        }
    }

    /// A head of which the end is missing: what its first line says.
    fn cut_head(&mut self, side: Side, first: Moment, when: Moment, bytes: &[u8], why: Incomplete, out: &mut dyn Emit<Event>) {
        match side {
            Side::Client => {
                if let Some((method, target)) = head::cut_request(bytes) {
                    self.pairing.request(RequestHead { method, target, ..Default::default() }, first, when, out);
                    self.pairing.request_done(Some(why), out);
                }
            }
            Side::Server => {
                let status = head::cut_response(bytes);
                self.pairing.response(ResponseHead { status: status.unwrap_or(0), ..Default::default() }, first, when, out);
                self.pairing.spoil(why);
            }
        }
        self.pairing.lost(side);
    }
}

/// Index after the empty line that ends a head; `from` bytes were searched before.
fn head_end(buf: &[u8], from: usize) -> Option<usize> {
    let from = from.saturating_sub(2);
    memchr::memchr_iter(b'\n', &buf[from..]).map(|i| from + i + 1).find_map(|next| match buf.get(next..) {
        Some([b'\n', ..]) => Some(next + 1),
        Some([b'\r', b'\n', ..]) => Some(next + 2),
        _ => None,
    })
}

impl StreamParser for HttpParser {
    fn picked_up(&mut self, side: Side, _: Moment) {
        self.pairing.lost(side);
    }

    fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8], out: &mut dyn Emit<Event>) -> Need {
        self.pairing.saw(side, when, out);
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.step(side, when, rest, out);
            rest = &rest[taken..];
        }
        self.need(side)
    }

    fn gap(&mut self, side: Side, when: Moment, missing: u64, why: GapReason, out: &mut dyn Emit<Event>) -> Need {
        let next = match self.take(side) {
            State::Head(buf, first) => {
                if buf.is_empty() {
                    self.pairing.lost(side);
                } else {
                    self.cut_head(side, first, when, &buf, Incomplete::Gap, out);
                }
                State::resync()
            }
            State::Body(mut body) => {
                if body.pass(missing) {
                    self.pairing.missing(side, when, missing);
                    if body.over() {
                        self.pairing.done(side, None, out);
                        State::fresh()
                    } else {
                        State::Body(body)
                    }
                } else {
                    self.pairing.done(side, Some(Incomplete::Gap), out);
                    self.pairing.lost(side);
                    State::resync()
                }
            }
            State::Resync(..) => {
                self.pairing.missing(side, when, missing);
                State::resync()
            }
            State::Tunnel => {
                if let Some(tunnel) = &mut self.tunnel {
                    tunnel.gap(side, when, missing, why, out);
                }
                State::Tunnel
            }
            State::Off => State::Off,
        };
        self.sides[side.index()] = next;
        self.need(side)
    }

    fn fin(&mut self, side: Side, when: Moment, out: &mut dyn Emit<Event>) {
        match self.take(side) {
            State::Head(buf, first) if !buf.is_empty() => self.cut_head(side, first, when, &buf, Incomplete::ClosedEarly, out),
            State::Body(BodyState::UntilClose) if side == Side::Server => self.pairing.closed_whole(when, out),
            State::Body(BodyState::UntilClose) => self.pairing.done(side, None, out),
            State::Body(_) => self.pairing.done(side, Some(Incomplete::ClosedEarly), out),
            State::Tunnel => {
                self.sides[side.index()] = State::Tunnel;
                return;
            }
            _ => {}
        }
        match side {
            Side::Client => self.pairing.client_closed(when),
            Side::Server => self.pairing.server_closed(when, out),
        }
    }

    fn end(&mut self, when: Moment, how: EndOfStream, out: &mut dyn Emit<Event>) {
        let why = match how {
            EndOfStream::Closed => Incomplete::ClosedEarly,
            EndOfStream::Reset => Incomplete::Reset,
            EndOfStream::CaptureEnded => Incomplete::CaptureEnded,
            EndOfStream::Limit => Incomplete::Limit,
        };
        for side in [Side::Client, Side::Server] {
            match self.take(side) {
                State::Head(buf, first) if !buf.is_empty() => self.cut_head(side, first, when, &buf, why, out),
                State::Body(BodyState::UntilClose) if how == EndOfStream::Closed && side == Side::Server => {
                    self.pairing.closed_whole(when, out)
                }
                State::Body(BodyState::UntilClose) if how == EndOfStream::Closed => self.pairing.done(side, None, out),
                State::Body(_) => self.pairing.done(side, Some(why), out),
                _ => {}
            }
        }
        self.pairing.end(when, why, out);
        if let Some(tunnel) = self.tunnel.take() {
            tunnel.end(when, how, out);
        }
    }
}

impl HttpParser {
    fn need(&self, side: Side) -> Need {
        match &self.sides[side.index()] {
            State::Off => Need::Nothing,
            State::Tunnel if self.tunnel.as_ref().is_none_or(Tunnel::deaf) => Need::Nothing,
            _ => Need::More,
        }
    }
}
