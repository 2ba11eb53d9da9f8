//! Pages that QEMU queued twice on multifd channels (see [`PacketEdges`]): sent once too often, and counted once by QMP.

use std::collections::HashMap;

use crate::app::migration::{ChannelKind, Observed, PacketEdges};
use crate::flow::FlowId;

/// A page that was sent again for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeat {
    /// The channel.
    pub flow: FlowId,
    /// Stream offset of its packet.
    pub offset: u64,
    /// It was sent compressed.
    pub compressed: bool,
}

/// All of one migration; `None` where not every packet's pages are known.
pub(super) fn repeats(o: &Observed) -> Option<Vec<Repeat>> {
    let mut packets: Vec<(FlowId, PacketEdges)> = Vec::new();
    let mut channels = 0;
    for channel in o.channels.iter().filter(|c| matches!(c.report.kind, ChannelKind::Multifd(_))) {
        channels += 1;
        packets.extend(channel.report.packets.as_ref()?.iter().map(|p| (channel.flow, *p)));
    }
    Some(found(packets, channels))
}

/// A packet that begins with the page with which a full one ended is its successor, unless a pass over all memory lies between. Numbers of
/// successors differ by one, but for those of the SYNCs (one for each channel) that either may have got while it waited.
fn found(mut packets: Vec<(FlowId, PacketEdges)>, channels: u64) -> Vec<Repeat> {
    let near = 2 * (channels + 1);
    packets.sort_by_key(|(_, p)| p.number);
    let mut full: HashMap<(u64, u64), Vec<u64>> = HashMap::new();
    for (_, p) in &packets {
        if let Some(last) = p.last {
            full.entry((p.block, last)).or_default().push(p.number);
        }
    }
    let mut out = Vec::new();
    for (flow, p) in packets {
        let Some(before) = full.get_mut(&(p.block, p.first)) else { continue };
        if let Some(at) = before.iter().position(|n| n.abs_diff(p.number) <= near) {
            before.remove(at);
            out.push(Repeat { flow, offset: p.offset, compressed: p.compressed });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(flow: u32, number: u64, first: u64, last: Option<u64>) -> (FlowId, PacketEdges) {
        (FlowId(flow), PacketEdges { number, block: 1, first, last, compressed: false, offset: number * 10 })
    }

    #[test]
    fn a_page_is_repeated_by_the_packet_after_a_full_one() {
        let packets = vec![
            packet(1, 0, 0, Some(127)),
            packet(2, 1, 127, Some(254)),
            packet(1, 2, 255, Some(400)),
            // Its number is that of a SYNC that came while it waited.
            packet(2, 6, 401, Some(528)),
            packet(1, 4, 528, None),
            // The next pass.
            packet(1, 40, 127, Some(900)),
            packet(2, 41, 901, None),
        ];
        let offsets: Vec<u64> = found(packets, 2).iter().map(|r| r.offset).collect();
        assert_eq!(offsets, [10, 40]);
    }

    #[test]
    fn one_page_is_repeated_once() {
        let packets = vec![packet(1, 0, 0, Some(127)), packet(2, 1, 127, None), packet(1, 2, 127, None)];
        assert_eq!(found(packets, 2).len(), 1);
    }

    #[test]
    fn another_block_has_the_same_numbers() {
        let mut other = packet(2, 1, 127, None);
        other.1.block = 2;
        assert!(found(vec![packet(1, 0, 0, Some(127)), other], 2).is_empty());
    }
}
