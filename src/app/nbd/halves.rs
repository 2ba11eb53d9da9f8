//! The two directions of an NBD connection.

use std::collections::BTreeMap;

use super::NbdReport;
use crate::app::migration::feed::{Machine, Step, Window};
use crate::base::limits::NBD_READS;
use crate::flow::{GapReason, Moment};

const OPTION_MAGIC: u64 = u64::from_be_bytes(*b"IHAVEOPT");
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const EXTENDED_REQUEST: u32 = 0x21e4_1c71;
const SIMPLE_REPLY: u32 = 0x6744_6698;
const STRUCTURED_REPLY: u32 = 0x668e_33ef;
const EXTENDED_REPLY: u32 = 0x6e8a_278c;

mod option {
    pub const EXPORT_NAME: u32 = 1;
    pub const ABORT: u32 = 2;
    pub const STARTTLS: u32 = 5;
    pub const INFO: u32 = 6;
    pub const GO: u32 = 7;
    pub const ACK: u32 = 1;
    pub const REPLY_INFO: u32 = 3;
    pub const INFO_EXPORT: u16 = 0;
}

mod request {
    pub const READ: u16 = 0;
    pub const WRITE: u16 = 1;
    pub const DISCONNECT: u16 = 2;
    pub const WRITE_ZEROES: u16 = 6;
    pub const LAST: u16 = 7;
}

/// Largest option or reply that is believed; the protocol bounds strings at 4096 bytes.
const OPTION_MAX: u32 = 1 << 20;
/// Largest request that is believed: QEMU bounds them at 32 MiB.
const REQUEST_MAX: u32 = 64 << 20;
/// Padding after the answer to EXPORT_NAME, unless both sides agreed to leave it out.
const PADDING: usize = 124;

/// Where a direction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Hello,
    Options,
    /// Server: the answer to EXPORT_NAME.
    Export,
    Transmission,
    /// Encrypted or over.
    Silent,
    Lost,
}

/// What both directions know.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub report: NbdReport,
    /// Lengths of reads under way, by cookie: simple replies do not say theirs.
    reads: BTreeMap<u64, u32>,
    no_zeroes: bool,
    /// The client asked for an export by the old option: the server's next bytes are its answer.
    by_name: bool,
    /// The client's options led to transmission.
    transmission: bool,
    /// Client: offset of its first request.
    requests_from: Option<u64>,
    /// Requests have the longer header.
    extended: bool,
    /// The way was lost on the server's side, and it is not known how many replies were missed.
    server_lost: bool,
    /// Server: offset of its next message, and where that was when the way was lost.
    cursor: u64,
    lost_at: Option<u64>,
    structured: bool,
}

impl Shared {
    /// The bytes written, from what the replies say, where requests could not be read. Every request but the last (DISCONNECT) is
    /// answered, and only writes carry data.
    pub fn derive(&mut self, report: &mut NbdReport) {
        report.answered += self.replies_missed(report.payload[1]);
        if !report.damaged || self.server_lost || !report.disconnected || report.tls {
            return;
        }
        let Some(from) = self.requests_from else { return };
        let head = if self.extended { 32 } else { 28 };
        let heads = head * (report.answered + 1);
        if let Some(written) = report.payload[0].checked_sub(from + heads)
            && written >= report.written
        {
            report.written = written;
            report.derived = true;
        }
    }
}

/// Bytes of a reply to a write.
const REPLY: u64 = 16;
/// The shortest reply to a read: QEMU reads whole sectors.
const READ_REPLY: u64 = REPLY + 512;

impl Shared {
    /// Replies between the place where the server's way was lost and `found`: if no reply to a read fits, all are of the same size.
    fn replies_missed(&mut self, found: u64) -> u64 {
        let Some(from) = self.lost_at.take() else { return 0 };
        let missed = found.saturating_sub(from);
        if missed >= READ_REPLY || !missed.is_multiple_of(REPLY) || self.structured {
            self.server_lost = true;
            return 0;
        }
        missed / REPLY
    }
}

/// A request as the client sends it.
struct Request {
    head: usize,
    kind: u16,
    cookie: u64,
    offset: u64,
    len: u64,
}

pub(super) fn is_request(bytes: &[u8]) -> bool {
    let be16 = |i: usize| bytes.get(i..i + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    let be32 = |i: usize| bytes.get(i..i + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let plain = be32(0) == Some(REQUEST) && be32(24).is_some_and(|l| l <= REQUEST_MAX);
    plain && be16(4).is_some_and(|f| f < 0x40) && be16(6).is_some_and(|k| k <= request::LAST)
}

/// Client to server.
pub(super) struct Client<'a> {
    pub state: &'a mut State,
    pub shared: &'a mut Shared,
}

/// Server to client.
pub(super) struct Server<'a> {
    pub state: &'a mut State,
    pub shared: &'a mut Shared,
}

impl Client<'_> {
    fn lose(&mut self) -> Step {
        self.shared.report.damaged = true;
        *self.state = State::Lost;
        Step::Take(0)
    }

    fn option(&mut self, w: &Window<'_>) -> Step {
        if self.shared.transmission {
            *self.state = State::Transmission;
            return Step::Take(0);
        }
        let (Some(magic), Some(number), Some(len)) = (w.be64(0), w.be32(8), w.be32(12)) else {
            // A request may follow at once where the end of negotiation was not noticed.
            if w.be32(0).is_some_and(|m| m == REQUEST || m == EXTENDED_REQUEST) {
                *self.state = State::Transmission;
                return Step::Take(0);
            }
            return Step::Hold;
        };
        if magic != OPTION_MAGIC || len > OPTION_MAX {
            *self.state = State::Transmission;
            return Step::Take(0);
        }
        let whole = 16 + len as usize;
        let named = matches!(number, option::EXPORT_NAME | option::GO | option::INFO);
        if named && len <= 8192 {
            if w.bytes.len() < whole {
                return Step::Hold;
            }
            let name = if number == option::EXPORT_NAME {
                w.bytes.get(16..whole)
            } else {
                w.be32(16).and_then(|n| w.bytes.get(20..20usize.checked_add(n as usize)?.min(whole)))
            };
            let name = name.map(|n| String::from_utf8_lossy(n).into_owned());
            if let Some(name) = name.filter(|n| !n.is_empty() && n.len() <= 256) {
                self.shared.report.export = Some(name);
            }
        }
        match number {
            option::EXPORT_NAME => {
                self.shared.by_name = true;
                *self.state = State::Transmission;
            }
            option::STARTTLS => {}
            option::ABORT => *self.state = State::Silent,
            _ => {}
        }
        Step::Skip(whole as u64)
    }

    fn request(&mut self, w: &Window<'_>) -> Step {
        let Some(magic) = w.be32(0) else { return Step::Hold };
        let (head, long) = match magic {
            REQUEST => (28, false),
            EXTENDED_REQUEST => (32, true),
            _ => return self.lose(),
        };
        if !self.shared.report.damaged {
            self.shared.requests_from.get_or_insert(w.start);
        }
        self.shared.extended |= long;
        if w.bytes.len() < head {
            return Step::Hold;
        }
        let len = if long { w.be64(24) } else { w.be32(24).map(u64::from) };
        let (Some(kind), Some(cookie), Some(offset), Some(len)) = (w.be16(6), w.be64(8), w.be64(16), len) else { return Step::Hold };
        if kind > request::LAST || (matches!(kind, request::READ | request::WRITE) && len > u64::from(REQUEST_MAX)) {
            return self.lose();
        }
        self.count(&Request { head, kind, cookie, offset, len }, w.moment(0))
    }

    fn count(&mut self, r: &Request, when: Moment) -> Step {
        let report = &mut self.shared.report;
        let mut body = 0;
        match r.kind {
            request::READ => {
                report.reads += 1;
                report.read += r.len;
                if self.shared.reads.len() < NBD_READS {
                    self.shared.reads.insert(r.cookie, r.len as u32);
                } else {
                    report.damaged = true;
                }
            }
            request::WRITE => {
                report.writes += 1;
                report.written += r.len;
                body = r.len;
            }
            request::WRITE_ZEROES => {
                report.zeroings += 1;
                report.zeroed = report.zeroed.saturating_add(r.len);
            }
            request::DISCONNECT => {
                report.others += 1;
                report.disconnected = true;
            }
            _ => report.others += 1,
        }
        if matches!(r.kind, request::WRITE | request::WRITE_ZEROES) {
            let end = r.offset.saturating_add(r.len);
            if end > report.reached {
                report.reached = end;
                report.converged = Some(when);
            }
        }
        Step::Skip(r.head as u64 + body)
    }
}

impl Machine for Client<'_> {
    fn step(&mut self, w: &Window<'_>) -> Step {
        match *self.state {
            State::Hello => {
                // Flags of the client: bit 1 leaves the padding out.
                let Some(flags) = w.be32(0) else { return Step::Hold };
                self.shared.no_zeroes = flags & 2 != 0;
                *self.state = State::Options;
                Step::Take(4)
            }
            State::Options | State::Export => self.option(w),
            State::Transmission => {
                if self.shared.report.tls {
                    *self.state = State::Silent;
                    return Step::Take(0);
                }
                self.request(w)
            }
            State::Silent => Step::Take(w.bytes.len()),
            State::Lost => find(w, is_request, &[REQUEST], 28, self.state),
        }
    }

    fn gap(&mut self, _start: u64, _missing: u64, _why: GapReason, _when: Moment) {
        if *self.state != State::Silent {
            self.lose();
        }
    }

    fn overflow(&mut self, _start: u64) {
        self.lose();
    }
}

impl Server<'_> {
    fn lose(&mut self) -> Step {
        match *self.state {
            State::Transmission => self.shared.lost_at = Some(self.shared.cursor),
            State::Lost => {}
            _ => self.shared.server_lost = true,
        }
        *self.state = State::Lost;
        Step::Take(0)
    }

    fn option(&mut self, w: &Window<'_>) -> Step {
        if self.shared.by_name {
            *self.state = State::Export;
            return Step::Take(0);
        }
        let (Some(magic), Some(number), Some(kind), Some(len)) = (w.be64(0), w.be32(8), w.be32(12), w.be32(16)) else {
            if w.be32(0).is_some_and(|m| m == SIMPLE_REPLY || m == STRUCTURED_REPLY || m == EXTENDED_REPLY) {
                *self.state = State::Transmission;
                return Step::Take(0);
            }
            return Step::Hold;
        };
        if magic != OPTION_REPLY || len > OPTION_MAX {
            *self.state = State::Transmission;
            return Step::Take(0);
        }
        if kind == option::REPLY_INFO && len == 12 {
            let (Some(info), Some(size)) = (w.be16(20), w.be64(22)) else { return Step::Hold };
            if info == option::INFO_EXPORT {
                self.shared.report.size = Some(size);
            }
        }
        if kind == option::ACK && number == option::GO {
            self.shared.transmission = true;
            *self.state = State::Transmission;
        }
        if kind == option::ACK && number == option::STARTTLS {
            self.shared.report.tls = true;
            self.shared.transmission = true;
            *self.state = State::Silent;
        }
        Step::Skip(20 + u64::from(len))
    }

    fn reply(&mut self, w: &Window<'_>) -> Step {
        let Some(magic) = w.be32(0) else { return Step::Hold };
        match magic {
            SIMPLE_REPLY => {
                let (Some(error), Some(cookie)) = (w.be32(4), w.be64(8)) else { return Step::Hold };
                let len = self.shared.reads.remove(&cookie).filter(|_| error == 0).unwrap_or(0);
                self.shared.report.errors += u64::from(error != 0);
                self.shared.report.answered += 1;
                Step::Skip(16 + u64::from(len))
            }
            STRUCTURED_REPLY => {
                let (Some(flags), Some(kind), Some(cookie), Some(len)) = (w.be16(4), w.be16(6), w.be64(8), w.be32(16)) else {
                    return Step::Hold;
                };
                self.chunk(flags, kind, cookie);
                Step::Skip(20 + u64::from(len))
            }
            EXTENDED_REPLY => {
                let (Some(flags), Some(kind), Some(cookie), Some(len)) = (w.be16(4), w.be16(6), w.be64(8), w.be64(24)) else {
                    return Step::Hold;
                };
                if len > u64::from(REQUEST_MAX) * 2 {
                    return self.lose();
                }
                self.chunk(flags, kind, cookie);
                Step::Skip(32 + len)
            }
            _ => self.lose(),
        }
    }

    /// Bit 0 of the flags: the last chunk. Types from 2^15 on are errors.
    fn chunk(&mut self, flags: u16, kind: u16, cookie: u64) {
        self.shared.structured = true;
        self.shared.report.errors += u64::from(kind & 0x8000 != 0);
        if flags & 1 != 0 {
            self.shared.report.answered += 1;
            self.shared.reads.remove(&cookie);
        }
    }
}

impl Machine for Server<'_> {
    fn step(&mut self, w: &Window<'_>) -> Step {
        self.shared.cursor = w.start;
        let lost = *self.state == State::Lost;
        let step = self.next(w);
        match step {
            Step::Take(n) => self.shared.cursor += n as u64,
            Step::Skip(n) => self.shared.cursor = self.shared.cursor.saturating_add(n),
            Step::Hold => {}
        }
        if lost && *self.state == State::Transmission {
            let missed = self.shared.replies_missed(self.shared.cursor);
            self.shared.report.answered += missed;
        }
        step
    }

    fn gap(&mut self, _start: u64, _missing: u64, _why: GapReason, _when: Moment) {
        if *self.state != State::Silent {
            self.lose();
        }
    }

    fn overflow(&mut self, _start: u64) {
        self.lose();
    }
}

impl Server<'_> {
    fn next(&mut self, w: &Window<'_>) -> Step {
        match *self.state {
            State::Hello => {
                if w.bytes.len() < 18 {
                    return Step::Hold;
                }
                *self.state = State::Options;
                Step::Take(18)
            }
            State::Options => self.option(w),
            State::Export => {
                let Some(size) = w.be64(0) else { return Step::Hold };
                self.shared.report.size = Some(size);
                *self.state = State::Transmission;
                Step::Skip(if self.shared.no_zeroes { 10 } else { 10 + PADDING as u64 })
            }
            State::Transmission => self.reply(w),
            State::Silent => Step::Take(w.bytes.len()),
            State::Lost => {
                let magics = [SIMPLE_REPLY, STRUCTURED_REPLY, EXTENDED_REPLY];
                find(w, |_| true, &magics, 16, self.state)
            }
        }
    }
}

/// Looks for a message that begins with one of `magics`, has at least `len` bytes and passes `check`.
fn find(w: &Window<'_>, check: impl Fn(&[u8]) -> bool, magics: &[u32], len: usize, state: &mut State) -> Step {
    for at in 0..w.bytes.len() {
        let rest = &w.bytes[at..];
        let n = rest.len().min(4);
        if !magics.iter().any(|m| m.to_be_bytes()[..n] == rest[..n]) {
            continue;
        }
        if rest.len() < len {
            return if at == 0 { Step::Hold } else { Step::Take(at) };
        }
        if check(rest) {
            *state = State::Transmission;
            return Step::Take(at);
        }
    }
    Step::Take(w.bytes.len())
}
