//! Frames that can be given away: addresses become pseudonyms, and all that is not a known header is cut off.
//!
//! What stays: link headers, ARP, IP, TCP and UDP headers, the fixed part of ICMP and neighbour discovery, tunnel headers with the
//! same inside. Options that may name somebody are blanked. Checksums are updated by the difference (RFC 1624), so that a right one
//! stays right for the packet as it was sent and a wrong one stays wrong. The length on the wire is the caller's and does not change.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{ip, link, transport, tunnel};
use crate::base::limits::{LINK_TAGS, PSEUDONYMS_KEPT};
use crate::base::net::Mac;
use crate::base::pseudonym::Pseudonyms;
use crate::capture::LinkType;

/// Headers within headers that are followed; deeper ones are cut off.
const DEPTH: u8 = 8;

/// Rewrites frames under one key.
pub struct Pseudonymizer<'k> {
    names: &'k Pseudonyms,
    known: HashMap<IpAddr, IpAddr>,
}

/// A frame being rewritten: every read may find that the capture was cut.
struct Frame<'b> {
    bytes: &'b mut [u8],
}

impl Frame<'_> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }

    fn u8(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    fn put(&mut self, at: usize, new: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..).and_then(|b| b.get_mut(..new.len())) {
            place.copy_from_slice(new);
        }
    }

    /// Zeros (or another value) from `from` to `to`, as far as captured.
    fn fill(&mut self, from: usize, to: usize, value: u8) {
        let to = to.min(self.bytes.len());
        if let Some(place) = self.bytes.get_mut(from..to) {
            place.fill(value);
        }
    }

    /// The end of a header of `length` bytes at `at`, as far as captured.
    fn end(&self, at: usize, length: usize) -> usize {
        at.saturating_add(length).min(self.bytes.len())
    }

    /// One's complement sum of 16-bit words (RFC 1071).
    fn sum(&self, from: usize, to: usize) -> u32 {
        let to = to.min(self.bytes.len());
        sum(self.bytes.get(from..to).unwrap_or_default())
    }

    /// Brings the checksum at `at` up to date: words that summed to `old` now sum to `new`.
    fn update(&mut self, at: usize, old: u32, new: u32) {
        let Some(checksum) = self.u16(at) else { return };
        // RFC 1624 3, equation 3: HC' = ~(~HC + ~m + m').
        let total = u32::from(!checksum) + u32::from(!(fold(old))) + u32::from(fold(new));
        self.put(at, &(!fold(total)).to_be_bytes());
    }
}

fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|w| u64::from(w[0]) << 8 | w.get(1).map_or(0, |b| u64::from(*b)));
    let total: u64 = words.sum();
    u32::from(fold((total % 0xffff) as u32 + if total > 0 && total.is_multiple_of(0xffff) { 0xffff } else { 0 }))
}

fn fold(mut total: u32) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

/// What the checksum of a transport covers beside its own bytes: sums of the addresses before and after.
#[derive(Clone, Copy, Default)]
struct Pseudo {
    old: u32,
    new: u32,
}

impl<'k> Pseudonymizer<'k> {
    /// Under the key of `names`.
    pub fn new(names: &'k Pseudonyms) -> Self {
        Self { names, known: HashMap::new() }
    }

    /// Rewrites a captured frame and cuts off what may not be told.
    pub fn frame(&mut self, kind: LinkType, bytes: &mut Vec<u8>) {
        let mut frame = Frame { bytes };
        let keep = self.outermost(kind, &mut frame);
        bytes.truncate(keep);
    }

    fn ip(&mut self, ip: IpAddr) -> IpAddr {
        if let Some(known) = self.known.get(&ip) {
            return *known;
        }
        if self.known.len() >= PSEUDONYMS_KEPT {
            // Only a cache: what falls out is computed again.
            self.known.clear();
        }
        let new = self.names.ip(ip);
        self.known.insert(ip, new);
        new
    }

    fn v4(&mut self, frame: &mut Frame<'_>, at: usize) {
        if let Some(old) = frame.array::<4>(at)
            && let IpAddr::V4(new) = self.ip(IpAddr::V4(Ipv4Addr::from(old)))
        {
            frame.put(at, &new.octets());
        }
    }

    fn v6(&mut self, frame: &mut Frame<'_>, at: usize) {
        if let Some(old) = frame.array::<16>(at)
            && let IpAddr::V6(new) = self.ip(IpAddr::V6(Ipv6Addr::from(old)))
        {
            frame.put(at, &new.octets());
        }
    }

    fn mac(&self, frame: &mut Frame<'_>, at: usize) {
        if let Some(old) = frame.array::<6>(at) {
            frame.put(at, &self.names.mac(Mac(old)).0);
        }
    }

    /// As `link::outermost`; each of these returns where what may stay ends.
    fn outermost(&mut self, kind: LinkType, frame: &mut Frame<'_>) -> usize {
        match kind {
            LinkType::ETHERNET => self.ethernet(frame, 0, DEPTH),
            LinkType::LINUX_SLL => {
                let Some([_, _, _, _, l0, l1, ..]) = frame.array::<16>(0) else { return 0 };
                self.cooked(frame, 6, u16::from_be_bytes([l0, l1]) == 6);
                let ethertype = frame.u16(14).unwrap_or(0);
                self.tags(frame, 16, ethertype, DEPTH)
            }
            LinkType::LINUX_SLL2 => {
                let Some([e0, e1, ..]) = frame.array::<20>(0) else { return 0 };
                let six = frame.u8(11) == Some(6);
                self.cooked(frame, 12, six);
                self.tags(frame, 20, u16::from_be_bytes([e0, e1]), DEPTH)
            }
            LinkType::RAW | LinkType::RAW_12 | LinkType::RAW_14 | LinkType::IPV4 | LinkType::IPV6 => self.by_version(frame, 0, DEPTH),
            LinkType::NULL | LinkType::LOOP if frame.bytes.len() >= 4 => self.by_version(frame, 4, DEPTH),
            _ => 0,
        }
    }

    /// The eight bytes of an address in a cooked capture.
    fn cooked(&self, frame: &mut Frame<'_>, at: usize, six: bool) {
        if six {
            self.mac(frame, at);
            frame.fill(at + 6, at + 8, 0);
        } else {
            frame.fill(at, at + 8, 0);
        }
    }

    fn by_version(&mut self, frame: &mut Frame<'_>, at: usize, depth: u8) -> usize {
        match frame.u8(at).map(|b| b >> 4) {
            Some(4) => self.ipv4(frame, at, depth),
            Some(6) => self.ipv6(frame, at, depth),
            _ => at,
        }
    }

    fn ethernet(&mut self, frame: &mut Frame<'_>, at: usize, depth: u8) -> usize {
        let Some(ethertype) = frame.u16(at + 12) else { return at };
        self.mac(frame, at);
        self.mac(frame, at + 6);
        self.tags(frame, at + 14, ethertype, depth)
    }

    fn tags(&mut self, frame: &mut Frame<'_>, mut at: usize, mut ethertype: u16, depth: u8) -> usize {
        for _ in 0..LINK_TAGS {
            let next = match ethertype {
                link::VLAN | link::QINQ | link::QINQ_OLD => frame.u16(at + 2).map(|e| (e, at + 4)),
                link::MPLS | link::MPLS_UPSTREAM => match frame.array::<4>(at) {
                    Some([.., bottom, _]) if bottom & 1 == 1 => return self.by_version(frame, at + 4, depth),
                    Some(_) => Some((ethertype, at + 4)),
                    None => None,
                },
                link::PPPOE_SESSION => match frame.u16(at + 6) {
                    Some(0x0021 | 0x0057) => return self.by_version(frame, at + 8, depth),
                    _ => None,
                },
                // LLC's SNAP, behind a length or in a cooked capture.
                small if small < 0x0600 => match frame.array::<8>(at) {
                    Some([0xaa, 0xaa, 3, 0, 0, 0, e0, e1]) => Some((u16::from_be_bytes([e0, e1]), at + 8)),
                    _ => None,
                },
                _ => break,
            };
            let Some((known, rest)) = next else { return at };
            (ethertype, at) = (known, rest);
        }
        self.network(frame, at, ethertype, depth)
    }

    fn network(&mut self, frame: &mut Frame<'_>, at: usize, ethertype: u16, depth: u8) -> usize {
        let Some(depth) = depth.checked_sub(1) else { return at };
        match ethertype {
            link::IPV4 => self.ipv4(frame, at, depth),
            link::IPV6 => self.ipv6(frame, at, depth),
            link::TEB => self.ethernet(frame, at, depth),
            link::ARP | link::RARP => self.arp(frame, at),
            _ => at,
        }
    }

    /// RFC 826 and RFC 903, for Ethernet and IPv4.
    fn arp(&mut self, frame: &mut Frame<'_>, at: usize) -> usize {
        let Some([0, 1, 8, 0, 6, 4, ..]) = frame.array::<28>(at) else { return at };
        self.mac(frame, at + 8);
        self.v4(frame, at + 14);
        self.mac(frame, at + 18);
        self.v4(frame, at + 24);
        at + 28
    }

    /// RFC 791.
    fn ipv4(&mut self, frame: &mut Frame<'_>, at: usize, depth: u8) -> usize {
        let Some(head) = frame.array::<20>(at) else { return at };
        let length = usize::from(head[0] & 15) * 4;
        if head[0] >> 4 != 4 || length < 20 || frame.bytes.len() < at + length {
            return at;
        }
        let (old, addresses) = (frame.sum(at, at + length), frame.sum(at + 12, at + 20));
        self.v4(frame, at + 12);
        self.v4(frame, at + 16);
        // Routes and time stamps hold addresses. 1: no operation.
        frame.fill(at + 20, at + length, 1);
        let new = frame.sum(at, at + length);
        frame.update(at + 10, old, new);
        let pseudo = Pseudo { old: addresses, new: frame.sum(at + 12, at + 20) };
        // Length 0: left to the card that segments (TSO).
        let total = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let end = if total < length { frame.bytes.len() } else { frame.end(at, total) };
        let later_fragment = u16::from_be_bytes([head[6], head[7]]) & 0x1fff != 0;
        if later_fragment { at + length } else { self.upper(frame, at + length, end, head[9], pseudo, depth) }
    }

    /// RFC 8200.
    fn ipv6(&mut self, frame: &mut Frame<'_>, at: usize, depth: u8) -> usize {
        let Some(head) = frame.array::<40>(at) else { return at };
        if head[0] >> 4 != 6 {
            return at;
        }
        let old = frame.sum(at + 8, at + 40);
        self.v6(frame, at + 8);
        self.v6(frame, at + 24);
        let pseudo = Pseudo { old, new: frame.sum(at + 8, at + 40) };
        let payload = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let end = if payload == 0 { frame.bytes.len() } else { frame.end(at + 40, payload) };
        let (mut next, mut at) = (head[6], at + 40);
        for _ in 0..LINK_TAGS {
            let Some([following, words, f0, f1]) = frame.array(at) else { break };
            let length = 8 + usize::from(words) * 8;
            match next {
                // Hop-by-hop and destination options may hold a home address: padding (Pad1) instead.
                0 | 60 if frame.bytes.len() >= at + length => frame.fill(at + 2, at + length, 0),
                // Routing: a list of addresses.
                43 if frame.bytes.len() >= at + length => frame.fill(at + 8, at + length, 0),
                44 if frame.bytes.len() >= at + 8 => {
                    at += 8;
                    next = following;
                    if u16::from_be_bytes([f0, f1]) & 0xfff8 != 0 {
                        return at;
                    }
                    continue;
                }
                0 | 43 | 44 | 60 => return at,
                _ => break,
            }
            (next, at) = (following, at + length);
        }
        self.upper(frame, at, end, next, pseudo, depth)
    }

    /// From `at` to `end`, behind an IP header and its extensions.
    fn upper(&mut self, frame: &mut Frame<'_>, at: usize, end: usize, proto: u8, pseudo: Pseudo, depth: u8) -> usize {
        if at >= end {
            return at.min(end);
        }
        let before = frame.sum(at, end);
        // Where the checksum stands, whether it covers the addresses, where what may stay ends.
        let (checksum, covers, keep) = match proto {
            transport::TCP => (Some(16), true, self.tcp(frame, at)),
            transport::UDP => {
                // 0 means none (RFC 768), and stays.
                let has = frame.u16(at + 6).is_some_and(|c| c != 0);
                (has.then_some(6), true, self.udp(frame, at, depth))
            }
            transport::ICMP => (Some(2), false, self.icmp(frame, at, depth)),
            transport::ICMPV6 => (Some(2), true, self.icmpv6(frame, at, depth)),
            ip::GRE => {
                let has = frame.u8(at).is_some_and(|b| b & 0x80 != 0);
                (has.then_some(4), false, self.gre(frame, at, depth))
            }
            ip::IPV4 => (None, false, self.network(frame, at, link::IPV4, depth)),
            ip::IPV6 => (None, false, self.network(frame, at, link::IPV6, depth)),
            // IGMPv2's groups stay; SCTP's checksum (CRC32c) covers no address.
            2 => (None, false, frame.end(at, 8)),
            132 => (None, false, frame.end(at, 12)),
            _ => (None, false, at),
        };
        if let Some(place) = checksum {
            let pseudo = if covers { pseudo } else { Pseudo::default() };
            let after = frame.sum(at, end);
            frame.update(at + place, before + pseudo.old, after + pseudo.new);
            // RFC 768: a computed 0 is sent as all ones.
            if proto == transport::UDP && frame.u16(at + place) == Some(0) {
                frame.put(at + place, &[0xff, 0xff]);
            }
        }
        keep.min(end)
    }

    /// RFC 9293 3.1: options of no address stay (end, no operation, MSS, window scale, SACK, time stamps).
    fn tcp(&mut self, frame: &mut Frame<'_>, at: usize) -> usize {
        let Some(words) = frame.u8(at + 12) else { return frame.end(at, 12) };
        let end = frame.end(at, (usize::from(words >> 4) * 4).max(20));
        let mut option = at + 20;
        while option < end {
            let length = match (frame.u8(option), frame.u8(option + 1)) {
                (Some(0), _) => {
                    frame.fill(option, end, 0);
                    break;
                }
                (Some(1), _) => 1,
                (Some(2..=5 | 8), Some(length)) if length >= 2 && option + usize::from(length) <= end => usize::from(length),
                (Some(_), Some(length)) if length >= 2 && option + usize::from(length) <= end => {
                    frame.fill(option, option + usize::from(length), 1);
                    usize::from(length)
                }
                _ => {
                    frame.fill(option, end, 1);
                    break;
                }
            };
            option += length;
        }
        end
    }

    fn udp(&mut self, frame: &mut Frame<'_>, at: usize, depth: u8) -> usize {
        let Some([_, _, p0, p1, ..]) = frame.array::<8>(at) else { return frame.end(at, 8) };
        let inner = at + 8;
        match u16::from_be_bytes([p0, p1]) {
            tunnel::VXLAN | tunnel::VXLAN_LINUX => match frame.array::<8>(inner) {
                Some([flags, _, _, _, _, _, _, 0]) if flags & 0x77 == 0 && flags & 8 != 0 => {
                    self.network(frame, inner + 8, link::TEB, depth)
                }
                _ => inner,
            },
            tunnel::GENEVE => match frame.array::<8>(inner) {
                Some([words, _, e0, e1, ..]) if words >> 6 == 0 => {
                    let header = 8 + usize::from(words & 0x3f) * 4;
                    if frame.bytes.len() < inner + header {
                        return inner;
                    }
                    self.blank_geneve(frame, inner + 8, inner + header);
                    self.network(frame, inner + header, u16::from_be_bytes([e0, e1]), depth)
                }
                _ => inner,
            },
            _ => inner,
        }
    }

    /// RFC 8926 3.5: the data of options, which may name anything; their heads stay.
    fn blank_geneve(&self, frame: &mut Frame<'_>, mut at: usize, end: usize) {
        while at < end {
            let Some([_, _, _, words]) = frame.array(at) else { return };
            let next = (at + 4 + usize::from(words & 0x1f) * 4).min(end);
            frame.fill((at + 4).min(end), next, 0);
            at = next;
        }
    }

    /// RFC 792: errors hold the head of the packet that they are about, a redirect also an address.
    fn icmp(&mut self, frame: &mut Frame<'_>, at: usize, depth: u8) -> usize {
        let Some([kind, ..]) = frame.array::<8>(at) else { return frame.end(at, 4) };
        if kind == 5 {
            self.v4(frame, at + 4);
        }
        match (kind, depth.checked_sub(1)) {
            (3 | 4 | 5 | 11 | 12, Some(depth)) => self.ipv4(frame, at + 8, depth),
            _ => at + 8,
        }
    }

    /// RFC 4443 and neighbour discovery (RFC 4861).
    fn icmpv6(&mut self, frame: &mut Frame<'_>, at: usize, depth: u8) -> usize {
        let Some([kind, ..]) = frame.array::<8>(at) else { return frame.end(at, 4) };
        match kind {
            1..=4 => match depth.checked_sub(1) {
                Some(depth) => self.ipv6(frame, at + 8, depth),
                None => at + 8,
            },
            // Listener discovery (RFC 2710): one group.
            130..=132 => self.addresses(frame, at + 8, 1),
            133 => self.neighbour_options(frame, at + 8),
            134 => self.neighbour_options(frame, at + 16),
            135 | 136 => {
                let options = self.addresses(frame, at + 8, 1);
                self.neighbour_options(frame, options)
            }
            137 => {
                let options = self.addresses(frame, at + 8, 2);
                self.neighbour_options(frame, options)
            }
            _ => at + 8,
        }
    }

    /// `count` IPv6 addresses that follow each other.
    fn addresses(&mut self, frame: &mut Frame<'_>, mut at: usize, count: usize) -> usize {
        for _ in 0..count {
            if frame.array::<16>(at).is_none() {
                break;
            }
            self.v6(frame, at);
            at += 16;
        }
        at
    }

    /// RFC 4861 4.6: link-layer addresses; whatever comes behind the first other option is cut off.
    fn neighbour_options(&mut self, frame: &mut Frame<'_>, mut at: usize) -> usize {
        while let Some([1 | 2, 1, ..]) = frame.array::<8>(at) {
            self.mac(frame, at + 2);
            at += 8;
        }
        at.min(frame.bytes.len())
    }

    /// RFC 2784 and RFC 2890.
    fn gre(&mut self, frame: &mut Frame<'_>, at: usize, depth: u8) -> usize {
        let Some([flags, version, e0, e1]) = frame.array(at) else { return at };
        if flags & 0x4f != 0 || version != 0 {
            return at + 4;
        }
        let present = |bit: u8| if flags & bit != 0 { 4 } else { 0 };
        let header = 4 + present(0x80) + present(0x20) + present(0x10);
        match frame.end(at, header) {
            whole if whole == at + header => self.network(frame, whole, u16::from_be_bytes([e0, e1]), depth),
            cut => cut,
        }
    }
}

#[cfg(test)]
mod tests;
