//! A UDP conversation: its first datagrams while the protocol is not known, then its parser.

use super::super::{DatagramParser, DatagramProtocol, Event, Probe};
use crate::base::emit::Emit;
use crate::base::limits::PROBE_DATAGRAMS;
use crate::base::net::Side;
use crate::flow::{FlowKey, Moment, Need};

/// Datagrams that no protocol wants after which a conversation is let go. More than one: a session may begin with STUN or the like.
const STRIKES: u8 = 4;

#[derive(Default)]
pub(super) struct Datagrams {
    parser: Option<(&'static str, Box<dyn DatagramParser>)>,
    kept: Vec<Kept>,
    strikes: u8,
    unknown: bool,
}

struct Kept {
    side: Side,
    when: Moment,
    bytes: Vec<u8>,
    wire_len: u32,
}

#[derive(Clone, Copy)]
pub(super) struct Datagram<'a> {
    pub side: Side,
    pub when: Moment,
    pub bytes: &'a [u8],
    pub wire_len: u32,
}

impl Datagrams {
    /// `full`: nothing more may be kept.
    pub fn take(
        &mut self,
        protocols: &'static [DatagramProtocol],
        key: &FlowKey,
        datagram: &Datagram<'_>,
        full: bool,
        out: &mut dyn Emit<Event>,
    ) -> Need {
        let Datagram { side, when, bytes, wire_len } = *datagram;
        if let Some((_, parser)) = &mut self.parser {
            return parser.datagram(side, when, bytes, wire_len, out);
        }
        let mut seen: Vec<&[u8]> = self.kept.iter().filter(|k| k.side == side).map(|k| &k.bytes[..]).collect();
        seen.push(bytes);
        let mut more = false;
        for protocol in protocols {
            match (protocol.probe)(key, side, &seen) {
                Probe::No => {}
                Probe::More => more = true,
                Probe::Yes => {
                    let mut parser = (protocol.start)(key);
                    let mut quiet = [false; 2];
                    for k in self.kept.drain(..) {
                        if !quiet[k.side.index()] {
                            quiet[k.side.index()] = parser.datagram(k.side, k.when, &k.bytes, k.wire_len, out) == Need::Nothing;
                        }
                    }
                    let need = if quiet[side.index()] { Need::Nothing } else { parser.datagram(side, when, bytes, wire_len, out) };
                    self.parser = Some((protocol.name, parser));
                    return need;
                }
            }
        }
        self.strikes += u8::from(!more);
        self.unknown = full || self.strikes >= STRIKES || self.kept.len() >= PROBE_DATAGRAMS;
        self.kept.push(Kept { side, when, bytes: bytes.to_vec(), wire_len });
        Need::More
    }

    pub fn end(&mut self, when: Moment, out: &mut dyn Emit<Event>) {
        if let Some((_, parser)) = &mut self.parser {
            parser.end(when, out);
        }
    }

    pub fn protocol(&self) -> Option<&'static str> {
        self.parser.as_ref().map(|(name, _)| *name)
    }

    pub fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// Bytes held, with what it costs to hold them.
    pub fn len(&self) -> usize {
        self.kept.iter().map(|k| k.bytes.len() + size_of::<Kept>()).sum()
    }
}
