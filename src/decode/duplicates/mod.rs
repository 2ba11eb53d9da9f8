//! Recognises packets that one capture point saw more than once, before anything counts them.
//!
//! A place is an interface with its direction, tunnel and VLAN; content is what [`super::fingerprint`] covers. The rules:
//!
//! 1. **Another place.** The same content at another place of this point within [`PLACE_NS`]; without an identification also from the
//!    same source MAC with the same TTL, or from another with a TTL that differs by 1 to 3 (IGMP reports of different hosts are alike). What counts is how often: the third packet
//!    of that content at one place is a copy if another place had three before. So a retransmission, a repeated
//!    announcement or a row of equal acknowledgments counts as often as the place that saw the most of them. Places of different
//!    files may be one interface whose file was rotated: without an identification they must agree within [`REPEAT_NS`].
//! 2. **Routed.** At the same place, with another source MAC and a TTL that differs by 1 to 3, counted in the same way, within [`ROUTED_NS`]
//!    ([`ROUTED_WEAK_NS`] without an identification).
//! 3. **Repeated.** At the same place within [`REPEAT_NS`], for IPv4 with an identification other than 0 from a sender that numbers
//!    its packets: mirror ports and hubs double frames. A sender numbers a retransmission anew.
//! 4. **Cut or joined.** TCP data at another place within [`RESEGMENTED_NS`] that lies in a stretch seen there with the same
//!    acknowledgment number and timestamps, and not seen here before: segmentation or receive offload works between the two places.
//!
//! Bias. Kept though a copy: a doubled frame at one place without identification (IPv6, a SYN+ACK of Linux); a copy that comes later
//! than the windows; a joined segment of which some parts were not seen; weakly identified packets that one place cut
//! shorter. Removed though real: a packet of equal content that only one place saw, after one that only another place saw, and
//! within the window; a retransmission under the same identification within [`REPEAT_NS`].
//!
//! The first copy in time order counts. Memory is fixed; [`Duplicates::reach`] tells how far back it went at worst.

mod resegmented;
mod table;

use std::net::IpAddr;

use super::fingerprint::{fingerprint, mix};
use super::{Net, Packet, SllType, Transport};
use crate::base::time::{Nanos, Timestamp};
use resegmented::{Data, Runs, Stretch};
use table::{Place, Slot, Table};

/// How far apart the places of one host may see a packet: a queue of a rate-limited interface may hold it for hundreds of ms.
pub const PLACE_NS: i64 = 1_000_000_000;
/// How long a router may take. Measured 19 ms at a busy 10 Mbit/s hub.
pub const ROUTED_NS: i64 = 100_000_000;
/// The same without an identification, where a retransmission over another path looks alike: below the least retransmission timeouts.
pub const ROUTED_WEAK_NS: i64 = 20_000_000;
/// How far apart the hardware's copies of a frame may lie.
pub const REPEAT_NS: i64 = 10_000_000;
/// How long offloads and the queue behind them may take.
pub const RESEGMENTED_NS: i64 = 250_000_000;

/// Packets of one place only after which no other is expected.
const ALONE: u32 = 20_000;

/// Whether a packet is new to its capture point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not seen before.
    First,
    /// The same packet again: seen on another interface, in another direction, in a tunnel, routed, or doubled by the hardware.
    Copy,
}

/// Copies by the rule that told them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Seen at another place.
    pub other_place: u64,
    /// Routed back onto the same interface.
    pub routed: u64,
    /// Doubled on one interface.
    pub repeated: u64,
    /// Seen at another place in other segments.
    pub resegmented: u64,
}

impl Copies {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.other_place + self.routed + self.repeated + self.resegmented
    }
}

/// Remembers what passed lately. One per capture point.
#[derive(Debug)]
pub struct Duplicates {
    table: Table,
    runs: Runs,
    senders: Senders,
    copies: Copies,
    /// The first place, whether there are others, and for how many packets there were none: the costly rule is then skipped.
    first_place: Option<Place>,
    several_places: bool,
    alone: u32,
}

impl Default for Duplicates {
    fn default() -> Self {
        Self::new()
    }
}

/// The hash of a MAC that is not known.
const NO_MAC: u16 = 0;

/// Which rule told a copy.
enum Rule {
    OtherPlace,
    Routed,
    Repeated,
}

impl Duplicates {
    /// With nothing remembered.
    pub fn new() -> Self {
        Self {
            table: Table::new(),
            runs: Runs::new(),
            senders: Senders::default(),
            copies: Copies::default(),
            first_place: None,
            several_places: false,
            alone: 0,
        }
    }

    /// Judges a packet and remembers it.
    pub fn check(&mut self, packet: &Packet<'_>) -> Verdict {
        self.check_known(packet, fingerprint(packet))
    }

    /// [`Self::check`] where the [`fingerprint`] is known already.
    pub fn check_known(&mut self, packet: &Packet<'_>, fingerprint: u64) -> Verdict {
        let here = slot(packet);
        match self.first_place {
            None => self.first_place = Some(here.place),
            Some(first) if first != here.place && !self.several_places => {
                self.several_places = true;
                self.table.widen();
            }
            Some(_) => self.alone = self.alone.saturating_add(1),
        }
        let numbered = self.senders.number(packet, fingerprint);
        let data = if self.several_places || self.alone < ALONE { self.data(packet, here, numbered) } else { Data::default() };
        let rule = self.judge(fingerprint, packet.at, here, numbered, data);
        let count = match rule {
            Some(Rule::OtherPlace) => &mut self.copies.other_place,
            Some(Rule::Routed) => &mut self.copies.routed,
            Some(Rule::Repeated) => &mut self.copies.repeated,
            None if data.elsewhere && !data.here => &mut self.copies.resegmented,
            None => return Verdict::First,
        };
        *count += 1;
        Verdict::Copy
    }

    /// Copies found so far, by rule.
    pub fn copies(&self) -> Copies {
        self.copies
    }

    /// How old the youngest packet was that had to be forgotten for want of room; `None` if none was. Copies that came later than this
    /// may have been missed.
    pub fn reach(&self) -> Option<Nanos> {
        self.table.reach()
    }

    /// Rules 1 to 3.
    fn judge(&mut self, fingerprint: u64, now: Timestamp, here: Slot, numbered: bool, data: Data) -> Option<Rule> {
        let (entry, known) = self.table.entry(fingerprint, now);
        if !known {
            entry.start(here);
            return None;
        }
        let age = entry.age(now);
        let count = entry.count(here);
        let mut rule = None;
        for other in entry.seen().filter(|s| s.count > count && !s.is(&here)) {
            let hops = other.ttl.abs_diff(here.ttl);
            let same_mac = other.mac == here.mac || other.mac == NO_MAC || here.mac == NO_MAC;
            let apart = if other.place == here.place {
                let routed = !same_mac && (1..=3).contains(&hops);
                (routed && age <= if numbered { ROUTED_NS } else { ROUTED_WEAK_NS }).then_some(Rule::Routed)
            } else {
                // Bridged, or routed from one interface to the other.
                let one_sender = if same_mac { hops == 0 } else { (1..=3).contains(&hops) };
                (numbered || one_sender && (other.file == here.file || age <= REPEAT_NS)).then_some(Rule::OtherPlace)
            };
            rule = apart.or(rule);
        }
        if rule.is_none() && numbered && age <= REPEAT_NS && entry.seen().any(|s| s.place == here.place) {
            return Some(Rule::Repeated);
        }
        if count == 0 && data.here && !numbered && matches!(rule, Some(Rule::OtherPlace)) {
            // This place saw the data in other segments: what looks like a piece from elsewhere was sent again.
            entry.raise(here);
            rule = None;
        } else {
            entry.add(here);
        }
        if rule.is_none() {
            entry.set_time(now);
        }
        rule
    }

    /// Where TCP data was seen before, for rule 4; remembers it.
    fn data(&mut self, packet: &Packet<'_>, here: Slot, numbered: bool) -> Data {
        let (Net::Ip(ip), Transport::Tcp(tcp)) = (&packet.net, &packet.transport) else { return Data::default() };
        if packet.payload_wire == 0 {
            return Data::default();
        }
        let (value, echo) = tcp.timestamps.unwrap_or((0, 0));
        let ports = u64::from(tcp.src) << 48 | u64::from(tcp.dst) << 32 | u64::from(tcp.ack);
        let key =
            mix(ends(ip.src, ip.dst), ports ^ 0x9e37_79b9_7f4a_7c15) ^ mix(u64::from(value) << 32 | u64::from(echo), 0xd6e8_feb8_6659_fd93);
        let stretch = Stretch {
            place: here.place,
            start: tcp.seq,
            end: tcp.seq.wrapping_add(packet.payload_wire),
            ident: numbered.then_some(ip.ident as u16),
        };
        self.runs.check(key, packet.at, stretch)
    }
}

/// Where a packet was seen.
#[inline]
fn slot(packet: &Packet<'_>) -> Slot {
    let link = &packet.link;
    let direction = match link.sll {
        None => 0,
        Some(SllType::Host) => 1,
        Some(SllType::Broadcast) => 2,
        Some(SllType::Multicast) => 3,
        Some(SllType::OtherHost) => 4,
        Some(SllType::Outgoing) => 5,
        Some(SllType::Unknown(code)) => 8 | u64::from(code) << 8,
    };
    let vlan = link.vlan.map_or(0xffff, u64::from);
    let mut place = mix(
        u64::from(link.interface) << 48 | vlan << 32 | u64::from(link.if_index) | 0x8000_0000_0000_0000,
        direction ^ 0xa076_1d64_78bd_642f,
    );
    if let Some(tunnel) = &packet.tunnel {
        let kind = (tunnel.kind as u64) << 40 | u64::from(tunnel.depth) << 32 | u64::from(tunnel.id);
        place ^= mix(kind ^ 0xe703_7ed1_a0b4_28db, ends(tunnel.src, tunnel.dst));
    }
    let mac = link.src.map_or(NO_MAC, |mac| {
        let [a, b, c, d, e, f] = mac.0;
        let bits = u32::from_be_bytes([c, d, e, f]) ^ u32::from(u16::from_be_bytes([a, b])) << 8;
        (bits.wrapping_mul(0x9e37_79b1) >> 16) as u16
    });
    let ttl = match &packet.net {
        Net::Ip(ip) => ip.ttl,
        _ => 0,
    };
    Slot { place: [(place >> 48) as u16, (place >> 32) as u16], file: packet.place.file as u8, mac, ttl, count: 0 }
}

#[inline]
fn ends(src: IpAddr, dst: IpAddr) -> u64 {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => (u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits())) ^ 0x8ebc_6af0_9c88_c6e3,
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let half = |ip: u128| mix(ip as u64 ^ 0x5899_65cc_7537_4cc3, (ip >> 64) as u64 ^ 0x1d8e_4e27_c47d_124f);
            half(src.to_bits()).rotate_left(17) ^ half(dst.to_bits())
        }
        _ => 0,
    }
}

/// Which senders number their packets. RFC 6864 4.1 lets a sender put any value into packets that may not be fragmented; most count,
/// some write 0, and some another constant, which identifies nothing.
#[derive(Debug)]
struct Senders {
    last: [Numbered; 256],
}

#[derive(Clone, Copy, Debug, Default)]
struct Numbered {
    key: u32,
    ident: u32,
    fingerprint: u64,
    constant: bool,
}

impl Default for Senders {
    fn default() -> Self {
        Self { last: [Numbered::default(); 256] }
    }
}

impl Senders {
    /// True if the packet has an IPv4 identification that tells it from others of its sender.
    #[inline]
    fn number(&mut self, packet: &Packet<'_>, fingerprint: u64) -> bool {
        let Net::Ip(ip) = &packet.net else { return false };
        if ip.ident == 0 || ip.src.is_ipv6() {
            return false;
        }
        let key = mix(ends(ip.src, ip.dst), u64::from(ip.proto) ^ 0x9fb2_1c65_1e98_df25);
        let last = &mut self.last[(key >> 56) as usize];
        let key = key as u32;
        if last.key != key || last.ident != ip.ident {
            *last = Numbered { key, ident: ip.ident, fingerprint, constant: false };
        } else if last.fingerprint != fingerprint {
            last.fingerprint = fingerprint;
            last.constant = true;
        }
        !last.constant
    }
}

#[cfg(test)]
mod tests;
