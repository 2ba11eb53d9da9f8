//! Times in which somebody waited for packets: per channel (client, server, protocol, port) and direction, and per pair of hosts.
//!
//! Silence alone is no outage: a reader of pages may pause for minutes. A silence counts where packets were wanted: the other
//! side had asked (a request, a SYN, an echo request) and nothing came, or a sender that was not asked continued by
//! itself (the middle of a transfer, a periodic stream); what a TCP server waits for its client's window does not count. The longest are kept per stretch of time, as silences are
//! ([`super::presence::silence`]). Copies must have been dropped.
//!
//! Bias: what is wanted is told from packets, not from the application; a server that pushes rarely by itself looks as if it
//! paused.

use super::histogram::Histogram;
use super::presence::silence::{Longest, Ranked};
use super::tally::Tally;
use crate::base::net::Side;
use crate::base::time::{Nanos, Timestamp};
use crate::decode::{Packet, Tcp, Transport};
use crate::flow::{Moment, Verdict};

/// Waits shorter than this are not kept one by one.
const SHORTEST: i64 = 1_000_000;

/// A silence in which packets were wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Last packet before.
    pub last: Moment,
    /// First packet after.
    pub end: Moment,
    /// First request in between; `None` if the sender continued by itself.
    pub asked: Option<Timestamp>,
    /// Last request in between that was sent again.
    pub asked_again: Option<Timestamp>,
    /// Requests in between.
    pub asks: u32,
    /// Last TCP segment of the other side in between, of any kind: an acknowledgment may open the window that the sender waits for.
    pub heard: Option<Timestamp>,
    /// The packet that ended it was sent again.
    pub resent: bool,
}

impl Wait {
    /// From the first request; where nobody asked, from the last packet of either side.
    pub fn since(&self) -> Timestamp {
        self.asked.or(self.heard).unwrap_or(self.last.at)
    }
}

impl Ranked for Wait {
    fn rank(&self) -> i64 {
        (self.end.at - self.since()).0
    }
    fn ended(&self) -> Timestamp {
        self.end.at
    }
}

/// A time without packets between two hosts, wanted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// Last packet before.
    pub start: Moment,
    /// First packet after.
    pub end: Moment,
    /// When what `start` answers had been sent from here: a reply to an echo request, an acknowledgment of data. Its sender ran then or later.
    pub answers: Option<Timestamp>,
}

impl Quiet {
    /// Length.
    pub fn length(&self) -> Nanos {
        self.end.at - self.start.at
    }
}

impl Ranked for Quiet {
    fn rank(&self) -> i64 {
        self.length().0
    }
    fn ended(&self) -> Timestamp {
        self.end.at
    }
}

/// What one side of a channel sent.
#[derive(Clone, Debug, Default)]
pub struct Direction {
    /// First packet.
    pub first: Option<Moment>,
    /// Last packet.
    pub last: Option<Moment>,
    /// Packets.
    pub packets: u64,
    /// From the first request to the first packet after it, in nanoseconds.
    pub answers: Histogram,
    /// Between packets that nobody had asked for, in nanoseconds.
    pub paced: Histogram,
    /// Between requests of the other side, in nanoseconds.
    pub asks: Histogram,
    waits: Option<Longest<Wait>>,
    /// Kept for pairs of hosts.
    quiet: Option<Longest<Quiet>>,
    /// When what the last packet answers had been sent from here.
    last_answers: Option<Timestamp>,
    asked: Option<Timestamp>,
    asked_again: Option<Timestamp>,
    heard: Option<Timestamp>,
    pending: u32,
    last_ask: Option<Timestamp>,
}

/// Requests that nothing answered until the end of the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// Last packet before; `None` if there was never one.
    pub last: Option<Moment>,
    /// First request.
    pub asked: Timestamp,
    /// Requests.
    pub asks: u32,
}

impl Direction {
    fn sent(&mut self, Sent { when, kind, alone, resent, pair, rtt, .. }: Sent) {
        self.packets += 1;
        let before = self.last.replace(when);
        if let (true, Some(last)) = (pair, before) {
            let quiet = Quiet { start: last, end: when, answers: self.last_answers };
            self.quiet.get_or_insert_with(|| Longest::new(last.at)).offer(quiet);
        }
        self.last_answers = rtt.map(|rtt| when.at - Nanos(rtt));
        let (asked, asked_again, asks) = (self.asked.take(), self.asked_again.take(), self.pending);
        let heard = self.heard.take();
        self.pending = 0;
        let Some(last) = before else {
            self.first = Some(when);
            if let Some(asked) = asked {
                self.answers.record((when.at - asked).0.max(0));
            }
            return;
        };
        let wait = Wait { last, end: when, asked, asked_again, asks, heard, resent };
        match asked {
            Some(_) => self.answers.record(wait.rank().max(0)),
            None if kind == PacketKind::Idle || !(alone || resent) => return,
            None => self.paced.record(wait.rank().max(0)),
        }
        if wait.rank() >= SHORTEST {
            self.waits.get_or_insert_with(|| Longest::new(last.at)).offer(wait);
        }
    }

    fn asked(&mut self, at: Timestamp, again: bool) {
        if let Some(last) = self.last_ask.replace(at) {
            self.asks.record((at - last).0.max(0));
        }
        self.asked.get_or_insert(at);
        if again {
            self.asked_again = Some(at);
        }
        self.pending = self.pending.saturating_add(1);
    }

    /// The longest waits, in order of their ends.
    pub fn waits(&self) -> impl Iterator<Item = Wait> {
        self.waits.iter().flat_map(Longest::iter)
    }

    /// The longest times without packets, wanted or not; `None` for channels that are no pair of hosts, and before the second packet.
    pub fn quiet(&self) -> Option<&Longest<Quiet>> {
        self.quiet.as_ref()
    }

    /// When what the last packet answers had been sent from here; only for pairs of hosts.
    pub fn last_answers(&self) -> Option<Timestamp> {
        self.last_answers
    }

    /// How long the longest wait is that contains or follows `at` and was not kept.
    pub fn forgotten_around(&self, at: Timestamp) -> Nanos {
        self.waits.as_ref().map_or(Nanos(SHORTEST), |w| w.forgotten_around(at).max(Nanos(SHORTEST)))
    }

    /// What was still unanswered at the end.
    pub fn unanswered(&self) -> Option<Unanswered> {
        self.asked.map(|asked| Unanswered { last: self.last, asked, asks: self.pending })
    }
}

/// One packet, as far as waiting is concerned.
#[derive(Clone, Copy)]
struct Sent {
    when: Moment,
    kind: PacketKind,
    tcp: bool,
    /// Its sender was expected to go on by itself.
    alone: bool,
    resent: bool,
    /// Counted for the pair of hosts, not for its channel.
    pair: bool,
    /// Round trip that it completes.
    rtt: Option<i64>,
}

/// What a packet means for waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PacketKind {
    /// Asks the other side for something.
    Ask,
    /// Continues something, asks for nothing.
    Content,
    /// Acknowledgments and the like.
    Idle,
}

/// One channel: its directions by the side that sends.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// From the client, from the server.
    pub sides: [Direction; 2],
}

/// The waits of one capture point, by the channels of its [`super::meter::Meter`].
#[derive(Clone, Debug, Default)]
pub struct ServiceWatch {
    tracks: Vec<Option<Box<Track>>>,
}

impl ServiceWatch {
    /// With nothing seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet of a conversation: its channel, and the channel of the pair of hosts with whether client and server are swapped in it.
    #[inline]
    pub fn take(&mut self, tally: &Tally, channel: u32, pair: Option<(u32, bool)>) {
        // A client that continues by itself starts something new; a server or a periodic sender was expected to go on.
        let alone = !tally.tcp || tally.from == Side::Server;
        let resent = tally.tcp && tally.verdict == Verdict::Retransmitted;
        let sent = Sent { when: tally.moment(), kind: tally.kind, tcp: tally.tcp, alone, resent, pair: false, rtt: tally.rtt };
        self.count(channel, tally.from, sent);
        if let Some((pair, swapped)) = pair {
            let from = if swapped { tally.from.other() } else { tally.from };
            self.count(pair, from, Sent { pair: true, ..sent });
        }
    }

    #[inline]
    fn count(&mut self, channel: u32, from: Side, sent: Sent) {
        let at = channel as usize;
        if at >= self.tracks.len() {
            // Channels are bounded by the meter.
            self.tracks.resize(at + 1, None);
        }
        let track = self.tracks[at].get_or_insert_default();
        track.sides[from.index()].sent(sent);
        let other = &mut track.sides[from.other().index()];
        if sent.tcp {
            other.heard = Some(sent.when.at);
        }
        if sent.kind == PacketKind::Ask {
            other.asked(sent.when.at, sent.resent);
        }
    }

    /// What was seen of a channel.
    pub fn track(&self, channel: u32) -> Option<&Track> {
        self.tracks.get(channel as usize)?.as_deref()
    }
}

impl PacketKind {
    #[inline]
    pub(super) fn of(packet: &Packet<'_>, from: Side) -> Self {
        // What a server sends is an answer; whether it wants one in turn cannot be told.
        let data = if from == Side::Client { PacketKind::Ask } else { PacketKind::Content };
        match &packet.transport {
            Transport::Tcp(_) if packet.payload_wire > 0 => data,
            Transport::Tcp(tcp) if tcp.has(Tcp::SYN) && !tcp.has(Tcp::ACK) => data,
            Transport::Tcp(_) => PacketKind::Idle,
            Transport::Icmp(icmp) if icmp.echo.is_some() => {
                if icmp.reply {
                    PacketKind::Content
                } else {
                    PacketKind::Ask
                }
            }
            // Errors and neighbour discovery are no service.
            Transport::Icmp(_) => PacketKind::Idle,
            Transport::Udp { .. } | Transport::Other => data,
        }
    }
}

#[cfg(test)]
mod tests;
