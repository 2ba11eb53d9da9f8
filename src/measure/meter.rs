//! What one capture point counts: every conversation belongs to a channel (client, server, protocol, service port), every
//! channel has two lanes. The pair of hosts and the point as a whole have lanes of their own.
//!
//! Bounded: at most [`CHANNELS`] channels; conversations beyond share the channel of their server, then one channel for the rest,
//! and are counted as folded.

use std::net::{IpAddr, Ipv4Addr};

use hashbrown::HashMap;

use super::lane::{GapStep, Lane};
use super::tally::Tally;
use super::window::{TOTAL_CELLS, Width};
use crate::base::net::Side;
use crate::flow::FlowKey;

/// Most channels of a point, pairs of hosts counted.
pub const CHANNELS: usize = 1024;

/// Channels whose distributions are cut finely in time.
const SPREAD_CHANNELS: usize = 48;
/// Windows of their distributions.
const SPREAD_WINDOWS: usize = 512;
/// Windows of the distributions of channels that came later: bounds the memory of a capture with a thousand servers.
const SPREAD_WINDOWS_LATER: usize = 16;

/// Which conversations share a channel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChannelKey {
    /// IP protocol; 0 for everything between two hosts.
    pub proto: u8,
    /// Who opened the conversations; the unspecified address where channels were folded.
    pub client: IpAddr,
    /// Who was called; the unspecified address in the channel for the rest.
    pub server: IpAddr,
    /// Port that was called; 0 where there is none.
    pub port: u16,
}

const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A channel: its lanes by the side that sends.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Which conversations.
    pub key: ChannelKey,
    /// From the client, from the server.
    pub lanes: [Lane; 2],
    /// Channel of the pair of hosts, if this is not one.
    pair: Option<u32>,
    /// The client of this channel is the server of its pair.
    swapped: bool,
}

/// The meter of one point.
#[derive(Clone, Debug)]
pub struct Meter {
    width: Width,
    cells: usize,
    index: HashMap<ChannelKey, u32>,
    /// All channels; index 0 is the point as a whole, everything in its first lane.
    pub channels: Vec<Channel>,
    /// Conversations that share a channel because there were too many.
    pub folded: u64,
    /// Packets that lie too far from the others in time to have a window.
    pub outside: u64,
}

impl Default for Meter {
    fn default() -> Self {
        let whole = ChannelKey { proto: 0, client: NOBODY, server: NOBODY, port: 0 };
        let mut meter = Self { width: Width::default(), cells: 0, index: HashMap::new(), channels: Vec::new(), folded: 0, outside: 0 };
        meter.open(whole, None, false);
        meter
    }
}

impl Meter {
    /// The channel of a new conversation: to be kept with the conversation and given back with each packet.
    pub fn channel_of(&mut self, key: &FlowKey) -> u32 {
        let service = if matches!(key.proto, 6 | 17 | 132) { key.server.port } else { 0 };
        let wanted = ChannelKey { proto: key.proto, client: key.client.ip, server: key.server.ip, port: service };
        if let Some(&at) = self.index.get(&wanted) {
            return at;
        }
        if self.channels.len() + 2 <= CHANNELS {
            let swapped = key.client.ip > key.server.ip;
            let (a, b) = if swapped { (key.server.ip, key.client.ip) } else { (key.client.ip, key.server.ip) };
            let pair_key = ChannelKey { proto: 0, client: a, server: b, port: 0 };
            let pair = match self.index.get(&pair_key) {
                Some(&at) => at,
                None => self.open(pair_key, None, false),
            };
            return self.open(wanted, Some(pair), swapped);
        }
        self.folded += 1;
        let server_only = ChannelKey { client: NOBODY, ..wanted };
        if let Some(&at) = self.index.get(&server_only) {
            return at;
        }
        if self.channels.len() < CHANNELS + CHANNELS / 4 {
            return self.open(server_only, None, false);
        }
        let rest = ChannelKey { proto: key.proto, client: NOBODY, server: NOBODY, port: 0 };
        match self.index.get(&rest) {
            Some(&at) => at,
            None => self.open(rest, None, false),
        }
    }

    fn open(&mut self, key: ChannelKey, pair: Option<u32>, swapped: bool) -> u32 {
        let at = self.channels.len() as u32;
        let spread = if self.channels.len() < SPREAD_CHANNELS { SPREAD_WINDOWS } else { SPREAD_WINDOWS_LATER };
        let lanes = [Lane::new(spread), Lane::new(spread)];
        self.channels.push(Channel { key, lanes, pair, swapped });
        self.index.insert(key, at);
        at
    }

    /// Counts a packet of a conversation in that one's channel.
    #[inline]
    pub fn take(&mut self, tally: &Tally, channel: u32) {
        self.count(0, 0, tally);
        self.count(channel, tally.from.index(), tally);
        let own = &mut self.channels[channel as usize];
        // A round trip completed by the server's packet went from here to the server and back: the client's lane.
        let variation = tally.rtt.and_then(|rtt| own.lanes[tally.from.other().index()].round_trip(tally.at, rtt));
        if let Some(pair) = own.pair {
            let side = if own.swapped { tally.from.other() } else { tally.from };
            self.count(pair, side.index(), tally);
            if let Some(rtt) = tally.rtt {
                self.channels[pair as usize].lanes[side.other().index()].round_trip_of(tally.at, rtt, variation);
            }
        }
    }

    /// Counts a packet that belongs to no conversation (ARP and the like) for the point as a whole.
    pub fn other(&mut self, tally: &Tally) {
        self.count(0, 0, tally);
    }

    #[inline]
    fn count(&mut self, channel: u32, lane: usize, tally: &Tally) {
        let index = self.width.index(tally.at);
        let lane_ref = &mut self.channels[channel as usize].lanes[lane];
        let step = lane_ref.step(tally.at);
        match lane_ref.windows.known(index) {
            Some(cell) => cell.count(tally, step),
            None => self.count_anew(channel, lane, tally, step),
        }
    }

    /// The packet's window must be opened first.
    #[cold]
    fn count_anew(&mut self, channel: u32, lane: usize, tally: &Tally, step: GapStep) {
        loop {
            let index = self.width.index(tally.at);
            if let Ok((cell, added)) = self.channels[channel as usize].lanes[lane].windows.cell(index) {
                cell.count(tally, step);
                self.cells += added;
                if self.cells > TOTAL_CELLS {
                    self.widen();
                }
                return;
            }
            if !self.widen() {
                self.outside += 1;
                return;
            }
        }
    }

    #[cold]
    fn widen(&mut self) -> bool {
        if !self.width.double() {
            return false;
        }
        for lane in self.channels.iter_mut().flat_map(|c| &mut c.lanes) {
            self.cells -= lane.windows.halve();
        }
        true
    }

    /// The channel of the pair of hosts of a channel, and whether client and server are swapped in it.
    pub fn pair_of(&self, channel: u32) -> Option<(u32, bool)> {
        let own = self.channels.get(channel as usize)?;
        Some((own.pair?, own.swapped))
    }

    /// The common width of the windows.
    pub fn width(&self) -> Width {
        self.width
    }

    /// The lane of everything that the point saw.
    pub fn whole(&self) -> &Lane {
        &self.channels[0].lanes[0]
    }

    /// Channels of conversations (not pairs, not the whole) that have `ip` as an end, with the side on which it is.
    pub fn channels_with(&self, ip: IpAddr) -> impl Iterator<Item = (&Channel, Side)> {
        self.channels.iter().skip(1).filter(|c| c.key.proto != 0).filter_map(move |c| {
            if c.key.server == ip {
                Some((c, Side::Server))
            } else if c.key.client == ip {
                Some((c, Side::Client))
            } else {
                None
            }
        })
    }

    /// Pairs of hosts of which one is `ip`, with the side on which it is.
    pub fn pairs_with(&self, ip: IpAddr) -> impl Iterator<Item = (&Channel, Side)> {
        self.channels.iter().skip(1).filter(|c| c.key.proto == 0).filter_map(move |c| {
            if c.key.server == ip {
                Some((c, Side::Server))
            } else if c.key.client == ip {
                Some((c, Side::Client))
            } else {
                None
            }
        })
    }
}
