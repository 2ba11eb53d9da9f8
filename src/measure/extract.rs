//! The bytes of one TCP direction exactly as the receiver read them: in order, each once, and a map of what is missing.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use crate::base::net::{Endpoint, Side};
use crate::base::time::Timestamp;
use crate::capture::{OpenOptions, Source, open_point};
use crate::decode::duplicates::{Duplicates, Verdict};
use crate::decode::{Decoded, Decoder, Packet};
use crate::error::{Error, Result};
use crate::flow::{EndOfStream, FlowId, FlowKey, FlowTable, GapReason, Moment, Need, Sink};

/// Holes that are listed; the rest are counted.
const HOLES: usize = 10_000;
/// Zeros written for a hole at once.
const ZEROS: [u8; 4096] = [0; 4096];

/// A direction of a TCP conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Who sent.
    pub from: Endpoint,
    /// To whom.
    pub to: Endpoint,
    /// Only a conversation that was under way between these times, on the point's clock.
    pub between: Option<(Timestamp, Timestamp)>,
}

impl std::str::FromStr for Wanted {
    type Err = Error;

    /// Reads `10.0.0.11:40000>10.0.0.12:49152`, also with `tcp` before it and spaces around `>`, as the report's flows are named.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::new(format!("expected a direction such as 10.0.0.11:40000>10.0.0.12:49152, found {text:?}"));
        let plain = text.trim().strip_prefix("tcp ").unwrap_or(text.trim());
        let (from, to) = plain.split_once('>').ok_or_else(wrong)?;
        let end = |t: &str| t.trim().parse::<SocketAddr>().map(|a| Endpoint::new(a.ip(), a.port())).map_err(|_| wrong());
        Ok(Self { from: end(from)?, to: end(to)?, between: None })
    }
}

/// A hole in the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Hole {
    /// Offset of its first byte in the stream.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// `snaplen`, `not_captured` or `limit`.
    pub why: &'static str,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Extracted {
    /// Bytes of the stream, holes counted; holes are written as zeros.
    pub bytes: u64,
    /// Of these, missing.
    pub missing: u64,
    /// The first holes.
    pub holes: Vec<Hole>,
    /// Holes beyond the list.
    pub holes_unlisted: u64,
    /// The conversation was captured from its first packet on.
    pub from_the_start: bool,
    /// The sender's FIN was captured, and all bytes before it were given.
    pub to_the_end: bool,
    /// Conversations with these ends; the first that carried bytes was taken.
    pub conversations: u64,
}

impl Extracted {
    /// Every byte from SYN to FIN is there.
    pub fn is_whole(&self) -> bool {
        self.missing == 0 && self.from_the_start && self.to_the_end
    }
}

struct Writer<W> {
    wanted: Wanted,
    flow: Option<FlowId>,
    out: W,
    done: Extracted,
    failed: Option<io::Error>,
}

impl<W: Write> Writer<W> {
    fn side(&self, key: &FlowKey) -> Option<Side> {
        if key.proto != 6 {
            None
        } else if key.client == self.wanted.from && key.server == self.wanted.to {
            Some(Side::Client)
        } else if key.server == self.wanted.from && key.client == self.wanted.to {
            Some(Side::Server)
        } else {
            None
        }
    }

    /// True if this is the direction to write.
    fn takes(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment) -> bool {
        if self.side(key) != Some(side) || self.failed.is_some() {
            return false;
        }
        match self.flow {
            Some(known) => known == flow,
            None if self.wanted.between.is_some_and(|(from, to)| when.at < from || when.at > to) => false,
            None => {
                self.flow = Some(flow);
                true
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.out.write_all(bytes) {
            self.failed = Some(error);
        }
    }
}

impl<W: Write> Sink for Writer<W> {
    fn bytes(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment, bytes: &[u8]) -> Need {
        if !self.takes(flow, key, side, when) {
            return Need::Nothing;
        }
        self.done.bytes += bytes.len() as u64;
        self.write(bytes);
        Need::More
    }

    fn gap(&mut self, flow: FlowId, key: &FlowKey, side: Side, when: Moment, missing: u64, why: GapReason) -> Need {
        if !self.takes(flow, key, side, when) {
            return Need::Nothing;
        }
        let why = match why {
            GapReason::SnapLength => "snaplen",
            GapReason::NotCaptured => "not_captured",
            GapReason::Limit => "limit",
        };
        let offset = self.done.bytes;
        let room = self.done.holes.len() < HOLES;
        match self.done.holes.last_mut() {
            Some(last) if last.why == why && last.offset + last.length == offset => last.length += missing,
            _ if room => self.done.holes.push(Hole { offset, length: missing, why }),
            _ => self.done.holes_unlisted += 1,
        }
        self.done.bytes += missing;
        self.done.missing += missing;
        let mut left = missing;
        while left > 0 && self.failed.is_none() {
            let now = left.min(ZEROS.len() as u64);
            self.write(&ZEROS[..now as usize]);
            left -= now;
        }
        Need::More
    }

    fn fin(&mut self, flow: FlowId, key: &FlowKey, side: Side, _: Moment) {
        if self.flow == Some(flow) && self.side(key) == Some(side) {
            self.done.to_the_end = true;
        }
    }

    fn datagram(&mut self, _: FlowId, _: &FlowKey, _: Side, _: Moment, _: &[u8], _: u32) -> Need {
        Need::Nothing
    }

    fn end(&mut self, _: FlowId, _: &FlowKey, _: Moment, _: EndOfStream) {}
}

/// Writes the bytes of one direction, as the captures `paths` of one point saw them, to `out`; holes become zeros.
pub fn extract<W: Write>(paths: &[PathBuf], options: &OpenOptions, wanted: Wanted, out: W) -> Result<Extracted> {
    let mut source = open_point(paths, options)?;
    let (mut decoder, mut duplicates, mut flows) = (Decoder::new(), Duplicates::new(), FlowTable::new());
    let mut writer = Writer { wanted, flow: None, out, done: Extracted::default(), failed: None };
    let mut packet = |packet: &Packet<'_>, writer: &mut Writer<W>, flows: &mut FlowTable| {
        if duplicates.check(packet) == Verdict::First {
            flows.packet(packet, writer);
        }
    };
    while let Some(frame) = source.next_frame()? {
        match decoder.decode(&frame) {
            Decoded::Packet(p) => packet(&p, &mut writer, &mut flows),
            Decoded::Held => {
                while let Some(p) = decoder.release(frame.at) {
                    packet(&p, &mut writer, &mut flows);
                }
            }
            Decoded::Undecoded(_) => {}
        }
        if writer.failed.is_some() {
            break;
        }
    }
    flows.finish(&mut writer);
    for (id, record) in flows.records() {
        if let Some(side) = writer.side(record.key()) {
            writer.done.conversations += 1;
            if writer.flow == Some(id) {
                writer.done.from_the_start = record.tcp(side).is_some_and(|t| t.isn.is_some());
            }
        }
    }
    writer.out.flush().map_err(|e| Error::new(format!("cannot write the stream: {e}")))?;
    match writer.failed {
        Some(error) => Err(Error::new(format!("cannot write the stream: {error}"))),
        None => Ok(writer.done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_parse_as_the_report_names_them() {
        let wanted: Wanted = "tcp 10.0.0.11:40000 > 10.0.0.12:49152".parse().unwrap();
        assert_eq!((wanted.from.port, wanted.to.port), (40_000, 49_152));
        assert!("[2001:db8::1]:80>[2001:db8::2]:81".parse::<Wanted>().is_ok());
        assert!("10.0.0.11>10.0.0.12".parse::<Wanted>().unwrap_err().message.contains("expected a direction"));
    }

    #[test]
    fn only_a_stream_from_syn_to_fin_without_holes_is_whole() {
        let whole = Extracted { bytes: 9, from_the_start: true, to_the_end: true, ..Extracted::default() };
        assert!(whole.is_whole());
        assert!(!Extracted { to_the_end: false, ..whole.clone() }.is_whole());
        assert!(!Extracted { missing: 1, ..whole }.is_whole());
    }
}
