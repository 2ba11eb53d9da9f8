//! Names and classes of services: by what a parser recognised, else by the port that was called.

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

/// A service known by its port. Ports are conventions: a match is a guess and is marked so.
pub struct Known {
    /// First port.
    pub from: u16,
    /// Last port.
    pub to: u16,
    /// IP protocol; 0 for TCP and UDP.
    pub proto: u8,
    /// Name.
    pub name: &'static str,
    /// Class.
    pub class: Class,
}

const fn tcp(from: u16, to: u16, name: &'static str, class: Class) -> Known {
    Known { from, to, proto: 6, name, class }
}

const fn udp(port: u16, name: &'static str, class: Class) -> Known {
    Known { from: port, to: port, proto: 17, name, class }
}

/// Services by port, the first match counts. Ports of OpenStack: the installation guides' defaults; libvirt and Ceph: their
/// default configurations (`migration_port_min`, `ms_bind_port_min`).
pub const PORTS: &[Known] = &[
    tcp(22, 22, "ssh", Class::Control),
    Known { from: 53, to: 53, proto: 0, name: "dns", class: Class::Other },
    udp(67, "dhcp", Class::Other),
    udp(68, "dhcp", Class::Other),
    tcp(80, 80, "http", Class::Tenant),
    udp(123, "ntp", Class::Other),
    tcp(443, 443, "https", Class::Tenant),
    udp(443, "quic", Class::Tenant),
    tcp(554, 554, "rtsp", Class::Tenant),
    tcp(3260, 3260, "iscsi", Class::Storage),
    tcp(2049, 2049, "nfs", Class::Storage),
    tcp(3300, 3300, "ceph-mon", Class::Storage),
    tcp(3306, 3306, "mysql", Class::Control),
    tcp(5000, 5000, "keystone", Class::Control),
    tcp(35357, 35357, "keystone", Class::Control),
    tcp(5671, 5672, "amqp", Class::Control),
    tcp(5900, 5999, "vnc", Class::Control),
    tcp(6080, 6082, "novnc", Class::Control),
    tcp(6600, 6600, "hyper-v-migration", Class::Migration),
    tcp(6641, 6642, "ovn", Class::Control),
    tcp(6640, 6640, "ovsdb", Class::Control),
    tcp(6653, 6653, "openflow", Class::Control),
    tcp(6789, 6789, "ceph-mon", Class::Storage),
    tcp(6800, 7300, "ceph-osd", Class::Storage),
    tcp(8000, 8000, "vmotion", Class::Migration),
    tcp(8080, 8080, "http", Class::Tenant),
    tcp(8774, 8774, "nova", Class::Control),
    tcp(8775, 8775, "nova-metadata", Class::Control),
    tcp(8776, 8776, "cinder", Class::Control),
    tcp(8778, 8778, "placement", Class::Control),
    tcp(9292, 9292, "glance", Class::Control),
    tcp(9696, 9696, "neutron", Class::Control),
    tcp(10809, 10809, "nbd", Class::Storage),
    tcp(11211, 11211, "memcached", Class::Control),
    tcp(16509, 16509, "libvirt", Class::Control),
    tcp(16514, 16514, "libvirt-tls", Class::Control),
    tcp(49152, 49215, "qemu-migration", Class::Migration),
    tcp(60000, 60050, "proxmox-migration", Class::Migration),
];

/// The service that a port stands for.
pub fn by_port(proto: u8, port: u16) -> Option<&'static Known> {
    PORTS.iter().find(|k| (k.proto == 0 || k.proto == proto) && k.from <= port && port <= k.to)
}

/// The class of a service by its name.
pub fn class_of(name: &str) -> Class {
    match name {
        "qemu-migration" | "migration" | "multifd" => Class::Migration,
        "icmp" | "video" | "tls" => Class::Tenant,
        "ceph" | "ceph-mds" | "ceph-mgr" => Class::Storage,
        _ => PORTS.iter().find(|k| k.name == name).map_or(Class::Other, |k| k.class),
    }
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
}
