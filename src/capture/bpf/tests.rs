use pcap::{Capture, Linktype};
use proptest::prelude::*;

use super::super::LinkType;
use super::super::record::Record;
use super::*;
use crate::base::time::Timestamp;

fn record(len: usize, wire_len: u32, link: LinkType) -> Record {
    Record { at: Timestamp(0), offset: 0, frame: 1, len: len as u32, wire_len, link, interface: 0 }
}

/// Ethernet, IPv4, TCP from port 80 to port 1025, 54 bytes.
const TCP: &[u8] = b"\xff\xff\xff\xff\xff\xff\x52\x54\0\xaa\0\x50\x08\0\x45\0\0\x28\0\x01\0\0\x40\x06\0\0\xc0\0\x02\x32\xc0\0\x02\x0a\
    \0\x50\x04\x01\0\0\0\x01\0\0\0\x02\x50\x12\xff\xff\0\0\0\0";

const EXPRESSIONS: [&str; 24] = [
    "tcp port 80",
    "ip6 or arp",
    "not ip",
    "host 192.0.2.50",
    "net 192.0.2.0/24 and not port 22",
    "ether host 52:54:00:aa:00:50",
    "ether broadcast or ether multicast",
    "vlan 7 and udp",
    "vlan and vlan and ip",
    "mpls 1024",
    "pppoes and ip",
    "geneve 0xb and tcp",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "tcp portrange 1000-2000",
    "ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0",
    "ip[0] * 3 / 2 % 7 == 2 or len ^ 5 > 40",
    "greater 60",
    "less 60",
    "len >= 54 and len <= 54",
    "ip proto 1 or icmp6",
    "ip protochain 6",
    "ether[0] & 1 = 0 and ip[16] >= 224",
    "udp[4:4] = 0xdeadbeef",
    "ip6[6] << 1 = 34",
];

proptest! {
    /// On frames that are whole, libpcap's own interpreter is the referee.
    #[test]
    fn programs_run_as_in_libpcap(
        noise in prop::collection::vec(any::<u8>(), 0..120),
        start in prop::sample::select(vec![&TCP[..0], &TCP[..12], &TCP[..14], &TCP[..23], &TCP[..34], &TCP[..47], TCP]),
        kind in prop::sample::select(vec![None, Some(0x0800u16), Some(0x86dd), Some(0x8100), Some(0x8847), Some(0x8864)]),
    ) {
        let mut bytes = start.to_vec();
        if let (Some(kind), 12) = (kind, bytes.len()) {
            bytes.extend(kind.to_be_bytes());
        }
        bytes.extend(noise);
        let dead = Capture::dead(Linktype(1)).unwrap();
        for expression in EXPRESSIONS {
            let theirs = dead.compile(expression, true).unwrap();
            let ours = Filter::new(expression).unwrap().passes(&record(bytes.len(), bytes.len() as u32, LinkType::ETHERNET), &bytes);
            prop_assert_eq!(ours, Some(theirs.filter(&bytes)), "{} on {:02x?}", expression, bytes);
        }
    }
}

#[test]
fn lengths_are_those_on_the_wire() {
    let mut filter = Filter::new("greater 1000").unwrap();
    assert_eq!(filter.passes(&record(54, 1514, LinkType::ETHERNET), TCP), Some(true));
    assert_eq!(filter.passes(&record(54, 54, LinkType::ETHERNET), TCP), Some(false));
}

#[test]
fn each_link_type_has_its_own_program() {
    let mut filter = Filter::new("tcp port 80").unwrap();
    let cooked = [&[0; 14], &TCP[12..]].concat();
    for (link, bytes) in
        [(LinkType::ETHERNET, TCP), (LinkType::RAW, &TCP[14..]), (LinkType::LINUX_SLL, &cooked), (LinkType::IPV4, &TCP[14..])]
    {
        assert_eq!(filter.passes(&record(bytes.len(), 60, link), bytes), Some(true), "{link:?}");
    }
    assert_eq!(filter.passes(&record(40, 40, LinkType::ETHERNET), &TCP[14..]), Some(false));
    // A link type that libpcap has no code for.
    assert_eq!(filter.passes(&record(54, 54, LinkType(147)), TCP), None);
    assert_eq!(Filter::new("wlan type mgt").unwrap().passes(&record(54, 54, LinkType::ETHERNET), TCP), None);
}

#[test]
fn a_wrong_expression_is_refused_with_libpcaps_words() {
    let error = Filter::new("ip.addr == 192.0.2.50").unwrap_err().to_string();
    assert!(error.contains("\"ip.addr == 192.0.2.50\"") && error.contains("man pcap-filter"), "{error}");
    assert!(Filter::new("tcp port 80 and").unwrap_err().to_string().contains("syntax error"));
    assert!(Filter::new("host 300.1.2.3.4").is_err());
    assert!(Filter::new("tcp\0").is_err());
}

#[test]
fn a_program_that_makes_no_sense_ends_and_rejects() {
    let run = |list: &[(u16, u8, u8, u32)]| {
        let program = Program(list.iter().map(|&(code, jt, jf, k)| Instruction { code, jt, jf, k }).collect());
        program.passes(TCP, 54)
    };
    assert!(!run(&[]));
    assert!(!run(&[(0x05, 0, 0, u32::MAX)]));
    assert!(!run(&[(0x20, 0, 0, u32::MAX), (0x06, 0, 0, 1)]));
    assert!(!run(&[(0x60, 0, 0, 16), (0x06, 0, 0, 1)]));
    assert!(!run(&[(0x34, 0, 0, 0), (0x06, 0, 0, 1)]));
    assert!(!run(&[(0xffff, 0, 0, 0), (0x06, 0, 0, 1)]));
    assert!(run(&[(0x06, 0, 0, 1)]));
}
