//! Names and classes of services in one list: told by what a parser recognised, else by the port that was called.

/// What a service's traffic is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// Moving the VM.
    Migration,
    /// The storage cluster and disks being copied.
    Storage,
    /// Running the cloud.
    Control,
    /// What tenants do, the VM's own service among it.
    Tenant,
    /// Everything else.
    Other,
}

impl Class {
    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Migration => "migration",
            Self::Storage => "storage",
            Self::Control => "control",
            Self::Tenant => "tenant",
            Self::Other => "other",
        }
    }
}

/// A service: all that the report needs to know of it.
pub struct Service {
    /// Name, as `services[]` and `flows[]` of the report use it; what a parser recognises bears the name of its protocol.
    pub name: &'static str,
    /// Class.
    pub class: Class,
    /// Ports on which it listens by convention; a match is a guess and is marked so.
    pub ports: &'static [Ports],
}

/// A range of ports.
pub struct Ports {
    /// IP protocol; 0 for TCP and UDP.
    pub proto: u8,
    /// First port.
    pub from: u16,
    /// Last port.
    pub to: u16,
}

const fn tcp(port: u16) -> Ports {
    tcp_range(port, port)
}

const fn tcp_range(from: u16, to: u16) -> Ports {
    Ports { proto: 6, from, to }
}

const fn udp(port: u16) -> Ports {
    Ports { proto: 17, from: port, to: port }
}

const fn service(name: &'static str, class: Class, ports: &'static [Ports]) -> Service {
    Service { name, class, ports }
}

/// All services; of those that share a port the first counts. Ports of OpenStack: the installation guides' defaults; libvirt and Ceph:
/// their default configurations (`migration_port_min`, `ms_bind_port_min`).
pub const SERVICES: &[Service] = &[
    service("ssh", Class::Control, &[tcp(22)]),
    service("dns", Class::Other, &[Ports { proto: 0, from: 53, to: 53 }]),
    service("dhcp", Class::Other, &[udp(67), udp(68)]),
    service("http", Class::Tenant, &[tcp(80), tcp(8080)]),
    service("http2", Class::Tenant, &[]),
    service("ntp", Class::Other, &[udp(123)]),
    service("https", Class::Tenant, &[tcp(443)]),
    service("tls", Class::Tenant, &[]),
    service("quic", Class::Tenant, &[udp(443)]),
    service("rtsp", Class::Tenant, &[tcp(554)]),
    service("rtp", Class::Tenant, &[]),
    service("video", Class::Tenant, &[]),
    service("icmp", Class::Tenant, &[]),
    service("iscsi", Class::Storage, &[tcp(3260)]),
    service("nfs", Class::Storage, &[tcp(2049)]),
    service("ceph-mon", Class::Storage, &[tcp(3300), tcp(6789)]),
    service("ceph", Class::Storage, &[]),
    service("ceph-mds", Class::Storage, &[]),
    service("ceph-mgr", Class::Storage, &[]),
    service("ceph-osd", Class::Storage, &[tcp_range(6800, 7300)]),
    service("nbd", Class::Storage, &[tcp(10809)]),
    service("mysql", Class::Control, &[tcp(3306)]),
    service("memcached", Class::Control, &[tcp(11211)]),
    service("amqp", Class::Control, &[tcp_range(5671, 5672)]),
    service("epmd", Class::Control, &[tcp(4369)]),
    service("keystone", Class::Control, &[tcp(5000), tcp(35357)]),
    service("nova", Class::Control, &[tcp(8774)]),
    service("nova-metadata", Class::Control, &[tcp(8775)]),
    service("cinder", Class::Control, &[tcp(8776)]),
    service("placement", Class::Control, &[tcp(8778)]),
    service("glance", Class::Control, &[tcp(9292)]),
    service("neutron", Class::Control, &[tcp(9696)]),
    service("horizon", Class::Control, &[]),
    service("vnc", Class::Control, &[tcp_range(5900, 5999)]),
    service("novnc", Class::Control, &[tcp_range(6080, 6082)]),
    service("ovn", Class::Control, &[tcp_range(6641, 6642)]),
    service("ovsdb", Class::Control, &[tcp(6640)]),
    service("openflow", Class::Control, &[tcp(6653)]),
    service("libvirt", Class::Control, &[tcp(16509)]),
    service("libvirt-tls", Class::Control, &[tcp(16514)]),
    service("hyper-v-migration", Class::Migration, &[tcp(6600)]),
    service("vmotion", Class::Migration, &[tcp(8000)]),
    service("qemu-migration", Class::Migration, &[tcp_range(49152, 49215)]),
    service("proxmox-migration", Class::Migration, &[tcp_range(60000, 60050)]),
    service("multifd", Class::Migration, &[]),
    service("qemu-preempt", Class::Migration, &[]),
    service("qemu-recovery", Class::Migration, &[]),
    service("migration", Class::Migration, &[]),
];

/// The service that a port stands for.
pub fn by_port(proto: u8, port: u16) -> Option<&'static Service> {
    let has = |p: &Ports| (p.proto == 0 || p.proto == proto) && p.from <= port && port <= p.to;
    SERVICES.iter().find(|s| s.ports.iter().any(has))
}

/// The class of a service by its name.
pub fn class_of(name: &str) -> Class {
    SERVICES.iter().find(|s| s.name == name).map_or(Class::Other, |s| s.class)
}

/// A name for a conversation that nothing recognised: by its port, else protocol and port.
pub fn name_by_port(proto: u8, port: u16) -> String {
    match (by_port(proto, port), proto) {
        (Some(known), _) => known.name.to_owned(),
        (None, 1 | 58) => "icmp".to_owned(),
        (None, 6) => format!("tcp/{port}"),
        (None, 17) => format!("udp/{port}"),
        (None, other) => format!("ip/{other}"),
    }
}

/// The name of a conversation, and whether its content told it: `content` is what a parser recognised, the more special the better.
/// HTTP and TLS only carry something: on the port of a control service they are that service's, but only the port says so.
pub fn name_of(content: Option<&str>, proto: u8, port: u16) -> (String, bool) {
    let known = by_port(proto, port);
    let carried = match content {
        Some("http" | "http2") => known.filter(|s| s.class == Class::Control),
        Some("tls") => known.filter(|s| matches!(s.class, Class::Control | Class::Storage | Class::Migration)),
        _ => None,
    };
    match (content, carried) {
        (_, Some(known)) => (known.name.to_owned(), false),
        (Some(name), None) => (name.to_owned(), true),
        (None, None) => (name_by_port(proto, port), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_name_services() {
        assert_eq!(name_by_port(6, 80), "http");
        assert_eq!(name_by_port(17, 80), "udp/80");
        assert_eq!(name_by_port(17, 53), "dns");
        assert_eq!(name_by_port(1, 0), "icmp");
        assert_eq!(name_by_port(6, 49153), "qemu-migration");
        assert_eq!(class_of("ceph-osd"), Class::Storage);
        assert_eq!(class_of("tcp/9"), Class::Other);
    }

    #[test]
    fn content_comes_before_ports() {
        assert_eq!(name_of(Some("nova"), 6, 80), ("nova".into(), true));
        assert_eq!(name_of(Some("http"), 6, 8774), ("nova".into(), false));
        assert_eq!(name_of(Some("http"), 6, 8080), ("http".into(), true));
        assert_eq!(name_of(None, 6, 8774), ("nova".into(), false));
    }

    #[test]
    fn every_name_is_listed_once() {
        let names: std::collections::BTreeSet<_> = SERVICES.iter().map(|s| s.name).collect();
        assert_eq!(names.len(), SERVICES.len());
        let parsed = crate::app::PROTOCOLS.iter().map(|p| p.name).chain(crate::app::DATAGRAM_PROTOCOLS.iter().map(|p| p.name));
        for name in parsed {
            assert!(names.contains(name), "{name} has no class");
        }
    }
}
