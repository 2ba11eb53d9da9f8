//! Frames by which a host says where it is: RARP that QEMU sends for a guest, gratuitous ARP and unsolicited neighbour
//! advertisements that the guest sends itself.

use std::net::IpAddr;

use crate::base::limits::ANNOUNCEMENTS;
use crate::base::net::Mac;
use crate::decode::{Net, Packet, SllType, Transport};
use crate::flow::Moment;

/// Kinds of announcements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Reverse request with the sender as target (QEMU `net/announce.c`): queued until the guest runs.
    Rarp,
    /// ARP whose sender and target protocol addresses are the same (RFC 5227 section 3).
    GratuitousArp,
    /// Unsolicited neighbour advertisement, sent to all nodes (RFC 4861 section 7.2.6).
    NeighborAdvertisement,
}

impl Kind {
    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rarp => "RARP",
            Self::GratuitousArp => "gratuitous ARP",
            Self::NeighborAdvertisement => "neighbour advertisement",
        }
    }
}

/// One copy of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Kind.
    pub kind: Kind,
    /// Who is announced.
    pub mac: Mac,
    /// Its address; RARP names none.
    pub ip: Option<IpAddr>,
    /// When and where.
    pub when: Moment,
    /// Interface within the point.
    pub interface: u16,
    /// Interface index of the host as SLL2 says it; 0 if not said.
    pub if_index: u32,
    /// Direction as SLL and SLL2 say it.
    pub sll: Option<SllType>,
    /// Outer source address of the tunnel that carried it.
    pub tunnel: Option<IpAddr>,
}

/// The announcements of one point, at most [`ANNOUNCEMENTS`].
#[derive(Clone, Debug, Default)]
pub struct Announcements {
    list: Vec<Announcement>,
    /// Announcements beyond the bound.
    pub unkept: u64,
}

impl Announcements {
    /// Looks at a packet.
    #[inline]
    pub(super) fn packet(&mut self, packet: &Packet<'_>, src: Mac) {
        match &packet.net {
            Net::Arp(_) => {}
            // ICMPv6 type 136.
            Net::Ip(_) if matches!(packet.transport, Transport::Icmp(icmp) if icmp.v6 && icmp.kind == 136) => {}
            Net::Ip(_) | Net::Other => return,
        }
        self.judge(packet, src);
    }

    #[cold]
    fn judge(&mut self, packet: &Packet<'_>, src: Mac) {
        let (kind, mac, ip) = match &packet.net {
            Net::Arp(arp) if arp.rarp => {
                if arp.operation != 3 || arp.sender_mac != arp.target_mac {
                    return;
                }
                (Kind::Rarp, arp.sender_mac, None)
            }
            Net::Arp(arp) => {
                if arp.sender_ip != arp.target_ip || arp.sender_ip.is_unspecified() {
                    return;
                }
                (Kind::GratuitousArp, arp.sender_mac, Some(arp.sender_ip.into()))
            }
            // A solicited answer goes to the one who asked.
            Net::Ip(ip) if matches!(ip.dst, IpAddr::V6(v6) if v6.is_multicast()) => (Kind::NeighborAdvertisement, src, Some(ip.src)),
            Net::Ip(_) | Net::Other => return,
        };
        // Routers repeat gratuitous ARP for ever; they must not crowd out a VM.
        let room = if kind == Kind::Rarp { ANNOUNCEMENTS } else { ANNOUNCEMENTS / 4 * 3 };
        if self.list.len() >= room {
            self.unkept += 1;
            return;
        }
        let link = &packet.link;
        self.list.push(Announcement {
            kind,
            mac,
            ip,
            when: Moment { at: packet.at, place: packet.place },
            interface: link.interface,
            if_index: link.if_index,
            sll: link.sll,
            tunnel: packet.tunnel.map(|t| t.src),
        });
    }

    /// All that are kept, in the order of capture.
    pub fn iter(&self) -> impl Iterator<Item = &Announcement> {
        self.list.iter()
    }

    /// Those of one MAC address.
    pub fn of(&self, mac: Mac) -> impl Iterator<Item = &Announcement> {
        self.list.iter().filter(move |a| a.mac == mac)
    }
}
