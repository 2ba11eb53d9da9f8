//! TCP segments in any order, overlapping, lost and repeated, through the flow layer and the parsers behind it.

use super::{Item, items};
use crate::app::dispatch::{Dispatcher, Tagged};
use crate::base::net::Side;
use crate::decode::Tcp;
use crate::flow::FlowTable;
use crate::testkit::talk::{Talk, decode_cut};

/// A script as segments. A gap moves the sender's sequence number: forward if it is below 32 KiB, else back, so that data overlaps.
pub(super) fn tcp(input: &[u8]) {
    let (start, input) = input.split_first().unwrap_or((&0, &[]));
    let mut talk = Talk::new();
    talk.seq = [u32::MAX - u32::from(*start) * 16, u32::from(*start)];
    if start & 1 == 0 {
        talk.open();
    }
    for item in items(input) {
        match item {
            Item::Bytes(side, bytes) => {
                talk.say(side, bytes);
                if start & 2 != 0 {
                    talk.ack(if side == Side::Client { Side::Server } else { Side::Client });
                }
            }
            Item::Gap(side, missing, _) => {
                let seq = &mut talk.seq[side.index()];
                *seq = if missing < 0x8000 { seq.wrapping_add(missing as u32) } else { seq.wrapping_sub(missing as u32 & 0x7fff) };
            }
            Item::Fin(side) => {
                talk.segment(side, Tcp::FIN | Tcp::ACK, &[]);
            }
        }
    }
    let snaplen = if start & 4 == 0 { usize::MAX } else { 96 };
    let mut flows = FlowTable::with_capacity(16);
    let mut dispatcher = Dispatcher::new(Vec::<Tagged>::new());
    decode_cut(&talk.frames(), snaplen, |packet| {
        flows.packet(packet, &mut dispatcher);
    });
    flows.finish(&mut dispatcher);
}
