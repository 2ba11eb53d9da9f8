//! RTP (RFC 3550): loss by sequence numbers, jitter by timestamps. Found by its shape, since it has no magic.
//!
//! Not read: RTCP (it only helps to recognise), header extensions, payloads.

mod stats;
#[cfg(test)]
mod tests;

use crate::app::video::MediaEvent;
use crate::app::{DatagramParser, DatagramProtocol, Event, Probe};
use crate::base::emit::Emit;
use crate::base::limits::RTP_SOURCES;
use crate::base::net::Side;
use crate::flow::{FlowKey, Moment, Need};

pub use stats::{RtpStats, clock_of_payload};

/// One source of one conversation.
#[derive(Clone, Debug)]
pub struct RtpStream {
    /// The conversation.
    pub key: FlowKey,
    /// Who sends.
    pub from: Side,
    /// Counts.
    pub stats: RtpStats,
}

/// RTP over UDP.
pub const RTP: DatagramProtocol = DatagramProtocol { name: "rtp", probe, start: |key| Box::new(RtpParser::new(*key)) };

/// Datagrams of one source in sequence that are taken as proof; noise passes one such test in 2^50.
const PROOF: usize = 4;

/// A fixed header (RFC 3550 section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in units of the payload's clock.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: u32,
}

impl Header {
    /// Reads the header of a datagram; `None` for anything else, RTCP too.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let head: &[u8; 12] = datagram.first_chunk()?;
        // RFC 5761 section 4: packet types 192 to 223 are RTCP's.
        if head[0] >> 6 != 2 || (192..=223).contains(&head[1]) {
            return None;
        }
        let contributors = usize::from(head[0] & 15);
        if datagram.len() < 12 + 4 * contributors {
            return None;
        }
        Some(Self {
            payload_type: head[1] & 0x7f,
            sequence: u16::from_be_bytes([head[2], head[3]]),
            timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
        })
    }
}

/// RFC 7983: STUN, DTLS and TURN channels share ports with RTP; RTCP may as well.
fn companion(datagram: &[u8]) -> bool {
    match datagram {
        [0..=3 | 20..=79, ..] => true,
        [first, kind, ..] => first >> 6 == 2 && (192..=223).contains(kind),
        _ => false,
    }
}

fn probe(_: &FlowKey, _: Side, datagrams: &[&[u8]]) -> Probe {
    let mut run = 0;
    let mut last: Option<Header> = None;
    let mut seen = 0;
    for datagram in datagrams {
        let Some(header) = Header::parse(datagram) else {
            if companion(datagram) {
                continue;
            }
            return Probe::No;
        };
        seen += 1;
        run = match last {
            Some(l) if l.ssrc == header.ssrc && l.payload_type == header.payload_type => {
                let step = header.sequence.wrapping_sub(l.sequence);
                let forward = header.timestamp.wrapping_sub(l.timestamp) < 1 << 31;
                if (1..=16).contains(&step) && forward { run + 1 } else { 1 }
            }
            _ => 1,
        };
        last = Some(header);
    }
    if run >= PROOF {
        Probe::Yes
    } else if seen == 0 && datagrams.len() > 4 || seen >= 3 * PROOF {
        Probe::No
    } else {
        Probe::More
    }
}

/// Parses the datagrams of one conversation.
pub struct RtpParser {
    key: FlowKey,
    sources: Vec<(Side, RtpStats)>,
}

impl RtpParser {
    /// For one conversation.
    pub fn new(key: FlowKey) -> Self {
        Self { key, sources: Vec::new() }
    }

    /// One RTP packet of `wire_len` bytes.
    pub fn packet(&mut self, side: Side, when: Moment, header: &Header, wire_len: u32) {
        let known = self.sources.iter().position(|(s, r)| *s == side && r.ssrc == header.ssrc);
        let at = known.unwrap_or(self.sources.len());
        if at == self.sources.len() && at < RTP_SOURCES {
            self.sources.push((side, RtpStats::new(header)));
        }
        if let Some((_, stats)) = self.sources.get_mut(at) {
            stats.packet(when.at, header, wire_len);
        }
    }

    /// Says what was counted.
    pub fn finish(&mut self, out: &mut dyn Emit<Event>) {
        for (from, stats) in self.sources.drain(..) {
            // A header that occurs once is noise, not a stream.
            if stats.packets > 1 {
                out.emit(Event::Media(MediaEvent::Rtp(Box::new(RtpStream { key: self.key, from, stats }))));
            }
        }
    }
}

impl DatagramParser for RtpParser {
    fn datagram(&mut self, side: Side, when: Moment, bytes: &[u8], wire_len: u32, _: &mut dyn Emit<Event>) -> Need {
        if let Some(header) = Header::parse(bytes) {
            self.packet(side, when, &header, wire_len);
        }
        Need::More
    }

    fn end(&mut self, _: Moment, out: &mut dyn Emit<Event>) {
        self.finish(out);
    }
}
