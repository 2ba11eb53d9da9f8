//! Who was seen sending, where and when, at one capture point; who announced itself.
//!
//! Every copy of a frame counts here: on which interface and in which direction a copy was seen tells whether the VM itself
//! sent it or the network flooded it back. So this runs before capture duplicates are dropped.
//!
//! Method: one record per (interface, direction, tunnel end, source MAC, unicast or group) with first, last, count and the longest
//! [`silence`]s. It cannot say more than: between two frames of a record the sender sent nothing that this interface saw.
//! Records are bounded by [`PRESENCE_SENDERS`]; senders beyond are counted, not kept.

pub mod announce;
pub mod silence;

use std::net::IpAddr;

use hashbrown::HashMap;

use crate::base::limits::{PRESENCE_SENDERS, PRESENCE_TUNNELS};
use crate::base::net::Mac;
use crate::base::time::Timestamp;
use crate::decode::{Net, Packet, SllType};
use crate::flow::Moment;
use announce::Announcements;
use silence::{Around, Silence, Silences};

/// Addresses kept per sender; a router sends for more.
pub const ADDRESSES: usize = 8;

/// One sender as one interface saw it.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Source address.
    pub mac: Mac,
    /// The frames went to a group address (multicast, broadcast).
    pub group: bool,
    /// Interface within the point.
    pub interface: u16,
    /// Interface index of the host as SLL2 says it; 0 if not said.
    pub if_index: u32,
    /// Direction as SLL and SLL2 say it.
    pub sll: Option<SllType>,
    /// Outer source address of the innermost tunnel that carried the frames: the node that sent them.
    pub tunnel: Option<IpAddr>,
    /// First frame.
    pub first: Moment,
    /// Last frame.
    pub last: Moment,
    /// Frames.
    pub count: u64,
    /// Longest times between two frames.
    pub silences: Silences,
    /// Source addresses of its IP packets.
    pub addresses: Addresses,
    /// Addresses that its ARP packets claim.
    pub claimed: Addresses,
}

impl Sender {
    /// True where the link layer says that the host sent the frame out on this interface.
    pub fn is_outgoing(&self) -> bool {
        self.sll == Some(SllType::Outgoing)
    }

    /// True where the link layer says that the frame came in on this interface.
    pub fn is_incoming(&self) -> bool {
        self.sll.is_some_and(|s| s != SllType::Outgoing)
    }

    /// Last frame at or before `at`; `Err` gives the latest frame that is known to lie before and how much later it may be at most.
    pub fn last_before(&self, at: Timestamp) -> Option<Bounded> {
        if at < self.first.at {
            return None;
        }
        if at >= self.last.at {
            return Some(Bounded::Exact(self.last));
        }
        Some(match self.silences.around(at) {
            Around::Known(s) if s.end.at == at => Bounded::Exact(s.end),
            Around::Known(s) => Bounded::Exact(s.start),
            Around::Within(bound) => Bounded::Between(at - bound, at),
        })
    }

    /// First frame at or after `at`.
    pub fn first_after(&self, at: Timestamp) -> Option<Bounded> {
        if at > self.last.at {
            return None;
        }
        if at <= self.first.at {
            return Some(Bounded::Exact(self.first));
        }
        Some(match self.silences.around(at) {
            Around::Known(s) if s.start.at == at => Bounded::Exact(s.start),
            Around::Known(s) => Bounded::Exact(s.end),
            Around::Within(bound) => Bounded::Between(at, at + bound),
        })
    }
}

/// A frame's moment, or the bounds between which it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounded {
    /// This frame.
    Exact(Moment),
    /// A frame between these two times, both included.
    Between(Timestamp, Timestamp),
}

/// A few addresses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addresses {
    list: [Option<IpAddr>; ADDRESSES],
    /// There were more than fit.
    pub more: bool,
}

impl Addresses {
    #[inline]
    fn add(&mut self, ip: IpAddr) {
        for slot in &mut self.list {
            match slot {
                Some(known) if *known == ip => return,
                Some(_) => {}
                None => {
                    *slot = Some(ip);
                    return;
                }
            }
        }
        self.more = true;
    }

    /// Those that are kept.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.list.iter().flatten().copied()
    }
}

/// Interface, SLL2 index; MAC, direction, tunnel, group.
type Key = (u64, u64);

/// Records found lately; few senders make up most of a capture.
const LATELY: usize = 16;

/// No sender has this key: interfaces are 16-bit numbers.
const NO_KEY: Key = (u64::MAX, u64::MAX);

/// What one capture point saw of senders.
#[derive(Clone, Debug)]
pub struct Presence {
    index: HashMap<Key, u32>,
    /// By a few bits of the key.
    lately: [(Key, u32); LATELY],
    senders: Vec<Sender>,
    tunnels: Vec<IpAddr>,
    announcements: Announcements,
    /// Frames of senders that were not kept because there were too many.
    pub frames_of_unkept_senders: u64,
    /// Frames through tunnels whose far ends were too many to tell apart.
    pub frames_of_unkept_tunnels: u64,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            index: HashMap::new(),
            lately: [(NO_KEY, 0); LATELY],
            senders: Vec::new(),
            tunnels: Vec::new(),
            announcements: Announcements::default(),
            frames_of_unkept_senders: 0,
            frames_of_unkept_tunnels: 0,
        }
    }
}

impl Presence {
    /// With nothing seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes every decoded packet, copies too, in the order of capture.
    #[inline]
    pub fn packet(&mut self, packet: &Packet<'_>) {
        let link = &packet.link;
        let Some(mac) = link.src else { return };
        let group = link.dst.is_some_and(Mac::is_group)
            || matches!(link.sll, Some(SllType::Broadcast | SllType::Multicast))
            || is_group_packet(packet);
        let direction = match link.sll {
            None => 0,
            Some(SllType::Host) => 1,
            Some(SllType::Broadcast) => 2,
            Some(SllType::Multicast) => 3,
            Some(SllType::OtherHost) => 4,
            Some(SllType::Outgoing) => 5,
            Some(SllType::Unknown(_)) => 6,
        };
        let tunnel = match &packet.tunnel {
            None => 0,
            Some(t) => self.tunnel_number(t.src),
        };
        let [a, b, c, d, e, f] = mac.0;
        let low = u64::from_be_bytes([tunnel, direction << 1 | u8::from(group), a, b, c, d, e, f]);
        let high = u64::from(link.interface) << 32 | u64::from(link.if_index);
        let when = Moment { at: packet.at, place: packet.place };
        let key = (high, low);
        let slot = (low ^ low >> 8 ^ low >> 57 ^ high) as usize % LATELY;
        let (known, at) = self.lately[slot];
        let at = if known == key { Some(at) } else { self.index.get(&key).copied() };
        match at {
            Some(at) => {
                self.lately[slot] = (key, at);
                seen_again(&mut self.senders[at as usize], when, packet);
            }
            None => self.open(key, mac, group, tunnel, when, packet),
        }
        self.announcements.packet(packet, mac);
    }

    #[inline]
    fn tunnel_number(&mut self, src: IpAddr) -> u8 {
        match self.tunnels.iter().position(|t| *t == src) {
            Some(at) => at as u8 + 1,
            None if self.tunnels.len() < PRESENCE_TUNNELS => {
                self.tunnels.push(src);
                self.tunnels.len() as u8
            }
            None => {
                self.frames_of_unkept_tunnels += 1;
                u8::MAX
            }
        }
    }

    #[cold]
    fn open(&mut self, key: Key, mac: Mac, group: bool, tunnel: u8, when: Moment, packet: &Packet<'_>) {
        if self.senders.len() >= PRESENCE_SENDERS {
            self.frames_of_unkept_senders += 1;
            return;
        }
        let link = &packet.link;
        let mut sender = Sender {
            mac,
            group,
            interface: link.interface,
            if_index: link.if_index,
            sll: link.sll,
            tunnel: self.tunnels.get(usize::from(tunnel).wrapping_sub(1)).copied(),
            first: when,
            last: when,
            count: 0,
            silences: Silences::new(when.at),
            addresses: Addresses::default(),
            claimed: Addresses::default(),
        };
        seen_again(&mut sender, when, packet);
        self.index.insert(key, self.senders.len() as u32);
        self.senders.push(sender);
    }

    /// All senders in the order in which they were first seen.
    pub fn senders(&self) -> &[Sender] {
        &self.senders
    }

    /// The records of one MAC address.
    pub fn of(&self, mac: Mac) -> impl Iterator<Item = &Sender> {
        self.senders.iter().filter(move |s| s.mac == mac)
    }

    /// Who announced itself.
    pub fn announcements(&self) -> &Announcements {
        &self.announcements
    }
}

/// SLL and SLL2 do not say the destination address of what this host sends or passes on: the packet has to say it.
#[inline]
fn is_group_packet(packet: &Packet<'_>) -> bool {
    match &packet.net {
        Net::Ip(ip) => match ip.dst {
            IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_multicast(),
        },
        // Requests and announcements are broadcast; replies are not.
        Net::Arp(arp) => matches!(arp.operation, 1 | 3),
        Net::Other => false,
    }
}

#[inline]
fn seen_again(sender: &mut Sender, when: Moment, packet: &Packet<'_>) {
    sender.count += 1;
    if when.at > sender.last.at {
        sender.silences.offer(Silence { start: sender.last, end: when });
        sender.last = when;
    }
    match &packet.net {
        Net::Ip(ip) => {
            if !sender.addresses.more {
                sender.addresses.add(ip.src);
            }
        }
        Net::Arp(arp) if !arp.rarp && arp.sender_mac == sender.mac && !arp.sender_ip.is_unspecified() => {
            sender.claimed.add(arp.sender_ip.into());
        }
        Net::Arp(_) | Net::Other => {}
    }
}

#[cfg(test)]
mod tests;
