//! Exchanges that are under way, and which response belongs to which request.
//!
//! Responses come in the order of their requests (RFC 9112 section 9.3.2), so the oldest request without a response gets the
//! next one. Where heads were lost that order is worth nothing until the two sides meet again: then the newest request that
//! began before the response gets it, and older ones end without.

use std::collections::VecDeque;

use crate::app::Event;
use crate::base::emit::Emit;
use crate::base::limits::HTTP_PIPELINE;
use crate::base::net::Side;
use crate::base::time::Nanos;
use crate::flow::{FlowKey, Moment};

use super::super::HttpEvent;
use super::super::exchange::{Exchange, Incomplete};
use super::super::head::{RequestHead, ResponseHead};
use super::super::interest::{self, Wish};
use super::super::tap::{Prefix, Tap};

/// A response may be captured this much before its request: packets of several queues are not in strict order. A client that
/// has read a response needs longer than this to ask again.
const INVERSION: Nanos = Nanos(200_000);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// No response yet.
    Waiting,
    /// In its body.
    Reading,
    /// Its head is cut, its end is unknown: all that follows up to the next head is its.
    Held,
    /// Over.
    Done,
}

struct Open {
    exchange: Box<Exchange>,
    has_request: bool,
    request_done: bool,
    phase: Phase,
    why: Option<Incomplete>,
    tap: Option<Tap>,
    request_json: Prefix,
    /// Only the server's closing said that the response was whole.
    until_close: bool,
    /// Bytes of JSON that someone wants.
    wish: Wish,
}

/// The exchanges of one conversation that are not over.
pub(super) struct Pairing {
    key: FlowKey,
    open: VecDeque<Open>,
    next: u32,
    by_time: bool,
    saw: [bool; 2],
    client_closed: bool,
    /// The latest packet.
    now: Moment,
}

impl Pairing {
    pub fn new(key: FlowKey) -> Self {
        Self { key, open: VecDeque::new(), next: 0, by_time: false, saw: [false; 2], client_closed: false, now: Moment::default() }
    }

    pub fn key(&self) -> &FlowKey {
        &self.key
    }

    /// Bytes of `side` come at `when`.
    pub fn saw(&mut self, side: Side, when: Moment, out: &mut dyn Emit<Event>) {
        self.saw[side.index()] = true;
        self.now = when;
        // Responses that waited for a late request.
        while let Some(i) = self.open.iter().position(|o| !o.has_request && o.phase == Phase::Done && o.is_stale(when)) {
            self.close(i, out);
        }
    }

    /// Order no longer tells which response belongs to which request.
    pub fn lost(&mut self, _: Side) {
        self.by_time = true;
    }

    fn begin(&mut self, out: &mut dyn Emit<Event>) -> &mut Open {
        while self.open.len() >= HTTP_PIPELINE {
            self.open[0].blame(Incomplete::Limit);
            self.close(0, out);
            self.by_time = true;
        }
        let open = Open {
            exchange: Box::new(Exchange::new(self.key, self.next)),
            has_request: false,
            request_done: true,
            phase: Phase::Waiting,
            why: None,
            tap: None,
            request_json: Prefix::default(),
            until_close: false,
            wish: Wish::default(),
        };
        self.next = self.next.wrapping_add(1);
        self.open.push_back(open);
        self.open.back_mut().expect("pushed just now")
    }

    /// A request's head.
    pub fn request(&mut self, head: RequestHead, first: Moment, when: Moment, out: &mut dyn Emit<Event>) {
        let key = self.key;
        let early = self.open.iter().position(|o| !o.has_request && !o.is_stale(first));
        let open = match early {
            Some(i) => &mut self.open[i],
            None => self.begin(out),
        };
        open.has_request = true;
        open.request_done = false;
        open.wish = interest::wanted(&key, &head.method, &head.target.path);
        open.request_json = Prefix::new(if head.json { open.wish.request } else { 0 });
        let exchange = &mut open.exchange;
        exchange.request_first = Some(first);
        exchange.request_last = Some(when);
        exchange.method = Some(head.method);
        exchange.target = head.target;
        exchange.range = head.range;
        exchange.user_agent = head.user_agent;
        exchange.for_request = head.for_request;
        exchange.tokens.auth = head.tokens.auth;
        exchange.tokens.subject = head.tokens.subject.or(exchange.tokens.subject);
    }

    /// The request under way is over.
    pub fn request_done(&mut self, why: Option<Incomplete>, out: &mut dyn Emit<Event>) {
        if let Some(open) = self.uploading() {
            open.request_done = true;
            if let Some((bytes, whole)) = std::mem::take(&mut open.request_json).finish() {
                open.exchange.request_body.prefix = Some(bytes);
                open.exchange.request_body.whole = whole;
            }
            if let Some(why) = why {
                open.blame(why);
            }
        }
        self.settle(out);
    }

    fn uploading(&mut self) -> Option<&mut Open> {
        self.open.iter_mut().rev().find(|o| o.has_request && !o.request_done)
    }

    fn reading(&mut self) -> Option<&mut Open> {
        self.open.iter_mut().find(|o| matches!(o.phase, Phase::Reading | Phase::Held))
    }

    /// An interim response.
    pub fn interim(&mut self, _: Moment) {
        if let Some(open) = self.open.iter_mut().find(|o| o.phase == Phase::Waiting) {
            open.exchange.interim = open.exchange.interim.saturating_add(1);
        }
    }

    /// A response's head; the method that it answers.
    pub fn response(&mut self, head: ResponseHead, first: Moment, when: Moment, out: &mut dyn Emit<Event>) -> Option<Box<str>> {
        // One whose end is unknown ends where the next one begins.
        self.response_done(None, out);
        let waiting = |o: &Open| o.phase == Phase::Waiting;
        let by_time = self.by_time;
        let mut chosen = if by_time {
            let began = |o: &Open| o.exchange.request_first.is_some_and(|r| r.at <= first.at + INVERSION);
            self.open.iter().rposition(|o| waiting(o) && began(o))
        } else {
            self.open.iter().position(waiting)
        };
        if let (true, Some(i)) = (by_time, chosen) {
            let older: Vec<usize> = (0..i).filter(|j| waiting(&self.open[*j])).collect();
            // With only one candidate the two sides have met again.
            self.by_time = !older.is_empty();
            for j in older.iter().rev() {
                self.open[*j].blame(Incomplete::Gap);
                self.close(*j, out);
            }
            chosen = Some(i - older.len());
        }
        let open = match chosen {
            Some(i) => &mut self.open[i],
            None => self.begin(out),
        };
        open.exchange.paired_by_time = by_time && open.has_request;
        open.phase = Phase::Reading;
        open.tap = Some(Tap::new(&head, &open.exchange.target, open.wish.response));
        let exchange = &mut open.exchange;
        exchange.response_first = Some(first);
        exchange.response_last = Some(when);
        exchange.status = (head.status != 0).then_some(head.status);
        exchange.content_type = head.content_type;
        exchange.content_length = head.content_length;
        exchange.content_range = head.content_range;
        exchange.request_id = head.request_id;
        exchange.tokens.subject = exchange.tokens.subject.or(head.subject_token);
        exchange.location = head.location.map(|l| Box::new(exchange.target.resolve(&l)));
        exchange.method.clone()
    }

    /// The head of the response under way is cut.
    pub fn spoil(&mut self, why: Incomplete) {
        if let Some(open) = self.reading() {
            open.phase = Phase::Held;
            open.tap = None;
            open.blame(why);
        }
    }

    /// The connection changes to `protocol` after the response under way.
    pub fn upgraded(&mut self, protocol: &str, out: &mut dyn Emit<Event>) {
        if let Some(open) = self.reading() {
            open.exchange.upgrade = Some(protocol.into());
        }
        self.response_done(None, out);
    }

    /// The response under way is over.
    pub fn response_done(&mut self, why: Option<Incomplete>, out: &mut dyn Emit<Event>) {
        let gave_up = self.client_closed;
        if let Some(open) = self.reading() {
            open.phase = Phase::Done;
            match why {
                Some(Incomplete::Reset | Incomplete::ClosedEarly | Incomplete::CaptureEnded) if gave_up => {
                    open.blame(Incomplete::Abandoned)
                }
                Some(why) => open.blame(why),
                None => {}
            }
            if let Some(tap) = open.tap.take() {
                let learned = tap.finish(&open.exchange.target);
                open.exchange.media = learned.media;
                open.exchange.arrivals = learned.arrivals;
                if let Some((bytes, whole)) = learned.json {
                    open.exchange.response_body.prefix = Some(bytes);
                    open.exchange.response_body.whole = whole && why.is_none();
                }
            }
        }
        self.settle(out);
    }

    /// The response under way is whole because the server closed at `when` (RFC 9112 section 6.3 item 8).
    pub fn closed_whole(&mut self, when: Moment, out: &mut dyn Emit<Event>) {
        self.now = when;
        if let Some(open) = self.reading() {
            open.until_close = true;
        }
        self.response_done(None, out);
    }

    /// The message of `side` is over.
    pub fn done(&mut self, side: Side, why: Option<Incomplete>, out: &mut dyn Emit<Event>) {
        match side {
            Side::Client => self.request_done(why, out),
            Side::Server => self.response_done(why, out),
        }
    }

    /// Content of the message of `side`.
    pub fn content(&mut self, side: Side, when: Moment, bytes: &[u8]) {
        match side {
            Side::Client => {
                if let Some(open) = self.uploading() {
                    open.exchange.request_last = Some(when);
                    open.exchange.request_body.bytes += bytes.len() as u64;
                    open.request_json.content(bytes);
                }
            }
            Side::Server => {
                if let Some(open) = self.reading() {
                    open.exchange.response_last = Some(when);
                    open.exchange.response_body.bytes += bytes.len() as u64;
                    if let Some(tap) = &mut open.tap {
                        tap.content(when.at, bytes);
                    }
                }
            }
        }
    }

    /// Framing of the message of `side`: its last byte counts as the message's.
    pub fn framing(&mut self, side: Side, when: Moment) {
        match side {
            Side::Client => {
                if let Some(open) = self.uploading() {
                    open.exchange.request_last = Some(when);
                }
            }
            Side::Server => {
                if let Some(open) = self.reading() {
                    open.exchange.response_last = Some(when);
                }
            }
        }
    }

    /// Bytes of the message of `side` that are not in the capture; they were noticed missing at `when`.
    pub fn missing(&mut self, side: Side, when: Moment, missing: u64) {
        match side {
            Side::Client => {
                if let Some(open) = self.uploading() {
                    open.exchange.request_body.missing = open.exchange.request_body.missing.saturating_add(missing);
                    open.exchange.request_body.bytes = open.exchange.request_body.bytes.saturating_add(missing);
                    open.request_json.gap();
                }
            }
            Side::Server => {
                if let Some(open) = self.reading() {
                    open.exchange.response_last = Some(when);
                    let body = &mut open.exchange.response_body;
                    body.missing = body.missing.saturating_add(missing);
                    body.bytes = body.bytes.saturating_add(missing);
                    if let Some(tap) = &mut open.tap {
                        tap.gap(when.at, missing);
                    }
                }
            }
        }
    }

    /// `n` bytes of `side` were passed over in search of a head.
    pub fn unread(&mut self, side: Side, when: Moment, n: usize) {
        if n > 0
            && side == Side::Server
            && let Some(open) = self.reading()
        {
            open.exchange.response_last = Some(when);
            open.exchange.response_body.bytes = open.exchange.response_body.bytes.saturating_add(n as u64);
        }
    }

    /// The client closed.
    pub fn client_closed(&mut self, when: Moment) {
        self.now = when;
        self.client_closed = true;
    }

    /// The server closed: no response will come.
    pub fn server_closed(&mut self, when: Moment, out: &mut dyn Emit<Event>) {
        self.now = when;
        self.response_done(None, out);
        while let Some(i) = self.open.iter().position(|o| o.phase == Phase::Waiting) {
            self.open[i].blame(Incomplete::NoResponse);
            self.close(i, out);
        }
    }

    /// The conversation is over for `why`.
    pub fn end(&mut self, when: Moment, why: Incomplete, out: &mut dyn Emit<Event>) {
        self.now = when;
        self.request_done(None, out);
        self.response_done(None, out);
        // A client that went on, or was done, without any answer was answered outside the capture.
        let went_on = self.client_closed || self.open.iter().filter(|o| o.phase == Phase::Waiting).count() > 1;
        let one_sided = !self.saw[Side::Server.index()] && went_on;
        while let Some(open) = self.open.front_mut() {
            match open.phase {
                Phase::Waiting if one_sided => open.blame(Incomplete::OneSided),
                Phase::Waiting if self.by_time => open.blame(Incomplete::Gap),
                Phase::Waiting if why == Incomplete::ClosedEarly => open.blame(Incomplete::NoResponse),
                Phase::Waiting => open.blame(why),
                _ => {}
            }
            self.close(0, out);
        }
    }

    /// Lets go of all exchanges that are over.
    fn settle(&mut self, out: &mut dyn Emit<Event>) {
        while let Some(i) = self.open.iter().position(|o| o.has_request && o.request_done && o.phase == Phase::Done) {
            self.close(i, out);
        }
    }

    fn close(&mut self, index: usize, out: &mut dyn Emit<Event>) {
        let Some(mut open) = self.open.remove(index) else { return };
        if !open.has_request {
            open.blame(Incomplete::NoRequest);
        }
        open.exchange.why = open.why;
        open.exchange.complete = open.why.is_none() && open.phase == Phase::Done && open.request_done;
        let last = if open.until_close { Some(self.now) } else { open.exchange.response_last };
        open.exchange.over = last.filter(|_| open.exchange.complete).or(Some(self.now));
        out.emit(Event::Http(HttpEvent::Exchange(open.exchange)));
    }
}

impl Open {
    /// The first reason counts.
    fn blame(&mut self, why: Incomplete) {
        self.why.get_or_insert(why);
    }

    /// Too old at `when` for its request to come still.
    fn is_stale(&self, when: Moment) -> bool {
        self.exchange.response_first.is_some_and(|r| when.at - r.at > INVERSION)
    }
}
