use super::super::memory::OwnedFrame;
use super::super::{LinkType, Reader};
use crate::base::limits::BLOCK_BYTES;
use crate::base::time::Timestamp;

/// Builds blocks in one byte order.
#[derive(Clone, Copy)]
struct Build {
    big: bool,
}

const BOTH: [Build; 2] = [Build { big: false }, Build { big: true }];
const LITTLE: Build = BOTH[0];

impl Build {
    fn u16(self, v: u16) -> Vec<u8> {
        if self.big { v.to_be_bytes().into() } else { v.to_le_bytes().into() }
    }

    fn u32(self, v: u32) -> Vec<u8> {
        if self.big { v.to_be_bytes().into() } else { v.to_le_bytes().into() }
    }

    fn words(self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| self.u32(*w)).collect()
    }

    fn block(self, kind: u32, body: &[Vec<u8>]) -> Vec<u8> {
        let mut body = body.concat();
        body.resize(body.len().next_multiple_of(4), 0);
        let total = self.u32(body.len() as u32 + 12);
        [self.u32(kind), total.clone(), body, total].concat()
    }

    fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut option = [self.u16(code), self.u16(value.len() as u16), value.to_vec()].concat();
        option.resize(option.len().next_multiple_of(4), 0);
        option
    }

    fn wide(self, code: u16, value: u64) -> Vec<u8> {
        self.option(code, &if self.big { value.to_be_bytes() } else { value.to_le_bytes() })
    }

    fn section(self) -> Vec<u8> {
        self.block(0x0a0d_0d0a, &[self.u32(0x1a2b_3c4d), self.u16(1), self.u16(0), vec![0xff; 8]])
    }

    fn interface(self, link: u16, snaplen: u32, options: &[Vec<u8>]) -> Vec<u8> {
        self.block(1, &[self.u16(link), self.u16(0), self.u32(snaplen), options.concat()])
    }

    fn enhanced(self, interface: u32, stamp: u64, wire_len: u32, bytes: &[u8], options: &[Vec<u8>]) -> Vec<u8> {
        let head = self.words(&[interface, (stamp >> 32) as u32, stamp as u32, bytes.len() as u32, wire_len]);
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        self.block(6, &[head, bytes, options.concat()])
    }
}

struct Found {
    frames: Vec<OwnedFrame>,
    numbers: Vec<u64>,
    anomalies: Vec<String>,
    names: Vec<String>,
    drops: Option<u64>,
    cut_short: bool,
    packets: u64,
}

fn read(bytes: &[u8]) -> Found {
    let mut reader = Reader::new(bytes).unwrap();
    let (mut frames, mut numbers) = (Vec::new(), Vec::new());
    while let Some(frame) = reader.next_frame().unwrap() {
        numbers.push(frame.place.frame);
        frames.push(frame.into());
    }
    let facts = reader.facts();
    let anomalies = reader.anomalies().iter().map(|(kind, counted)| format!("{kind}={}", counted.count)).collect();
    let names = reader.interfaces().iter().map(|i| format!("{} {:?} {}", i.id, i.name.as_deref().unwrap_or(""), i.link)).collect();
    Found { frames, numbers, anomalies, names, drops: facts.capture_drops, cut_short: facts.cut_short, packets: facts.packets }
}

fn frame(ns: i64, interface: u16, wire_len: u32, bytes: &[u8]) -> OwnedFrame {
    OwnedFrame { at: Timestamp(ns), link: LinkType::ETHERNET, interface, wire_len, bytes: bytes.to_vec() }
}

/// The time that one stamp tells on an interface with these options.
fn time(stamp: u64, options: &[Vec<u8>]) -> Option<i64> {
    let b = LITTLE;
    let found = read(&[b.section(), b.interface(1, 0, options), b.enhanced(0, stamp, 1, &[1], &[])].concat());
    let expected = if found.frames.is_empty() { vec!["time_out_of_range=1".to_owned()] } else { vec![] };
    assert_eq!((found.anomalies, found.packets), (expected, 1));
    found.frames.first().map(|f| f.at.0)
}

#[test]
fn bytes_as_dumpcap_writes_them() {
    let file = b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x1c\x00\x00\x00\
        \x01\x00\x00\x00\x28\x00\x00\x00\x01\x00\x00\x00\x00\x00\x04\x00\x02\x00\x04\x00eth0\x09\x00\x01\x00\x09\x00\x00\x00\
        \x00\x00\x00\x00\x28\x00\x00\x00\
        \x06\x00\x00\x00\x24\x00\x00\x00\x00\x00\x00\x00\x15\xcd\x22\x0d\x00\x40\x7f\x7d\x01\x00\x00\x00\x3c\x00\x00\x00\xab\x00\x00\x00\x24\x00\x00\x00";
    let found = read(file);
    assert_eq!(found.frames, [frame(0x0d22_cd15_7d7f_4000, 0, 60, &[0xab])]);
    assert_eq!(found.names, ["0 \"eth0\" 1"]);
    assert!(found.anomalies.is_empty() && !found.cut_short && found.drops.is_none());
}

#[test]
fn sections_of_either_byte_order_follow_each_other() {
    let mut file = Vec::new();
    for (n, b) in [0, 1, 0, 1].into_iter().zip(BOTH.into_iter().cycle()) {
        let name = format!("if{n}");
        file.extend([b.section(), b.interface(1, 0, &[b.option(2, name.as_bytes())])].concat());
        file.extend(b.enhanced(0, 5, 9, &[n, b.big as u8, 3], &[]));
    }
    let found = read(&file);
    // The third and fourth section describe the interfaces of the first two again.
    assert_eq!(found.names, ["0 \"if0\" 1", "0 \"if1\" 1"]);
    let expected = [(0, 0), (1, 1), (0, 0), (1, 1)].map(|(n, big)| frame(5000, n, 9, &[n as u8, big, 3]));
    assert_eq!(found.frames, expected);
    assert_eq!(found.numbers, [1, 2, 3, 4]);
}

#[test]
fn every_packet_block_is_read() {
    for b in BOTH {
        let halves = |id, drops| [b.u16(id), b.u16(drops)].concat();
        let file = [
            b.section(),
            b.interface(1, 4, &[]),
            b.interface(101, 0, &[]),
            b.enhanced(1, 1 << 33, 7, &[1, 2, 3, 4, 5], &[b.option(1, b"a comment")]),
            b.block(2, &[halves(1, 3), b.words(&[2, 7, 2, 6]), vec![8, 9]]),
            b.block(2, &[halves(0, 0xffff), b.words(&[2, 8, 4, 6]), vec![8, 9, 10, 11]]),
            b.block(3, &[b.u32(1500), vec![1, 2, 3, 4]]),
            b.block(3, &[b.u32(2), vec![1, 2]]),
        ];
        let found = read(&file.concat());
        let raw = |ns, wire_len, bytes: &[u8]| OwnedFrame { link: LinkType::RAW, ..frame(ns, 1, wire_len, bytes) };
        let micro = 1000 << 33;
        let expected = [
            raw(micro, 7, &[1, 2, 3, 4, 5]),
            raw(micro + 7000, 6, &[8, 9]),
            frame(micro + 8000, 0, 6, &[8, 9, 10, 11]),
            frame(micro + 8000, 0, 1500, &[1, 2, 3, 4]),
            frame(micro + 8000, 0, 2, &[1, 2]),
        ];
        assert_eq!(found.frames, expected);
        assert_eq!((found.anomalies, found.drops), (vec!["no_time=2".to_owned()], Some(3)));
    }
}

#[test]
fn every_resolution_and_offset() {
    let b = LITTLE;
    let tsresol = |r: u8| b.option(9, &[r]);
    let offset = |s: i64| b.wide(14, s as u64);
    assert_eq!(time(1_700_000_000_000_001, &[]), Some(1_700_000_000_000_001_000));
    assert_eq!(time(17, &[tsresol(0)]), Some(17_000_000_000));
    assert_eq!(time(1_700_000_000_123, &[tsresol(3)]), Some(1_700_000_000_123_000_000));
    assert_eq!(time(1_700_000_000_123_456_789, &[tsresol(9)]), Some(1_700_000_000_123_456_789));
    assert_eq!(time(1_999, &[tsresol(12)]), Some(1));
    assert_eq!(time(u64::MAX, &[tsresol(28)]), Some(1));
    assert_eq!(time(u64::MAX, &[tsresol(127)]), Some(1));
    assert_eq!(time(3, &[tsresol(0x81)]), Some(1_500_000_000));
    assert_eq!(time(1 << 20 | 1, &[tsresol(0x94)]), Some(1_000_000_953));
    assert_eq!(time(u64::MAX, &[tsresol(0xff)]), Some(0));
    assert_eq!(time(5, &[tsresol(9), offset(1_700_000_000)]), Some(1_700_000_000_000_000_005));
    assert_eq!(time(0, &[offset(-86_400)]), Some(-86_400_000_000_000));
    // Out of range: the product, the offset, the sum.
    assert_eq!(time(u64::MAX, &[tsresol(0)]), None);
    assert_eq!(time(1 << 63, &[tsresol(9)]), None);
    assert_eq!(time(0, &[offset(i64::MAX)]), None);
    assert_eq!(time(i64::MAX as u64, &[tsresol(9), offset(1)]), None);
    assert_eq!(time(i64::MAX as u64, &[tsresol(9), offset(0)]), Some(i64::MAX));
}

#[test]
fn drops_are_told_by_statistics_else_by_packets() {
    for b in BOTH {
        let start = [b.section(), b.interface(1, 0, &[]), b.interface(1, 0, &[])].concat();
        let dropped = |n| b.enhanced(0, 1, 1, &[1], &[b.wide(2, 7), b.wide(4, n)]);
        let statistics = |id, options: &[Vec<u8>]| b.block(5, &[b.words(&[id, 0, 0]), options.concat()]);
        let drops = |rest: &[Vec<u8>]| read(&[start.clone(), rest.concat()].concat()).drops;
        assert_eq!(drops(&[b.enhanced(0, 1, 1, &[1], &[])]), None);
        assert_eq!(drops(&[dropped(2), dropped(3)]), Some(5));
        assert_eq!(drops(&[dropped(2), statistics(0, &[b.wide(4, 99), b.wide(5, 10), b.wide(7, 20)])]), Some(30));
        // Cumulative: the last block of an interface counts. An interface that does not exist does not.
        let several = [
            statistics(0, &[b.wide(7, 1), b.wide(5, 1)]),
            statistics(0, &[b.wide(7, 3)]),
            statistics(1, &[b.wide(5, 4)]),
            statistics(2, &[b.wide(5, 50)]),
        ];
        assert_eq!(drops(&several), Some(7));
        assert_eq!(drops(&[statistics(0, &[b.wide(5, 2)]), start.clone(), statistics(1, &[b.wide(5, 3)])]), Some(5));
        assert_eq!(drops(&[statistics(0, &[b.wide(5, u64::MAX)]), statistics(1, &[b.wide(5, 3)])]), Some(u64::MAX));
    }
}

#[test]
fn check_sequences_are_left_off() {
    let b = LITTLE;
    let found = read(&[b.section(), b.interface(1, 0, &[b.option(13, &[4])]), b.enhanced(0, 1, 6, &[1, 2, 3, 4, 5, 6], &[])].concat());
    assert_eq!(found.frames, [frame(1000, 0, 2, &[1, 2])]);
}

#[test]
fn other_blocks_are_passed_over_and_numbered_as_wireshark_does() {
    let b = LITTLE;
    let packet = b.enhanced(0, 1, 1, &[1], &[]);
    let large = b.block(4, &[vec![0xee; 3 << 20]]);
    let file = [
        b.section(),
        b.block(4, &[vec![0; 40]]),
        b.interface(1, 0, &[]),
        packet.clone(),
        large,
        b.block(10, &[vec![0; 4]]),
        packet.clone(),
        b.block(0x0bad, &[vec![0; 8]]),
        b.block(9, &[b"MESSAGE=x\n".to_vec()]),
        packet.clone(),
        b.block(0x8000_1234, &[vec![]]),
        packet,
    ];
    let found = read(&file.concat());
    assert_eq!(found.numbers, [1, 2, 5, 6]);
    assert_eq!(found.anomalies, ["not_a_frame=2", "unknown_block=1"]);
    assert!(!found.cut_short);
}

#[test]
fn what_a_block_gets_wrong_costs_that_block_only() {
    let b = LITTLE;
    let good = b.enhanced(0, 1, 1, &[1], &[]);
    let claims = |len| b.block(6, &[b.words(&[0, 0, 1, len, 60]), vec![0; 8]]);
    let file = [
        b.section(),
        b.interface(1, 0, &[]),
        b.enhanced(1, 1, 1, &[1], &[]),
        good.clone(),
        claims(9),
        claims(u32::MAX),
        b.block(6, &[vec![0; 16]]),
        b.block(3, &[]),
        b.block(6, &[b.words(&[0, 0, 1, 262_145, 262_145]), vec![0; 262_145]]),
        b.block(6, &[b.words(&[0, 0, 1, 1, 1]), vec![0; BLOCK_BYTES]]),
        good,
    ];
    let found = read(&file.concat());
    assert_eq!(found.numbers, [2, 9]);
    assert_eq!(found.anomalies, ["record_length=6", "unknown_interface=1"]);
    assert!(!found.cut_short);
}

#[test]
fn a_broken_structure_ends_the_file() {
    let b = LITTLE;
    let start = [b.section(), b.interface(1, 0, &[]), b.enhanced(0, 1, 1, &[1], &[])].concat();
    let mut trailer = b.enhanced(0, 1, 1, &[2], &[]);
    let last = trailer.len() - 4;
    trailer[last] ^= 0x40;
    let mut late = b.block(4, &[vec![0; 2 << 20]]);
    let last = late.len() - 1;
    late[last] ^= 1;
    let mut order = b.section();
    order[8] = 0;
    let mut version = b.section();
    version[12] = 2;
    let cases = [
        ("block_length", trailer),
        ("block_length", late),
        ("block_length", b.words(&[6, 8, 8])),
        ("block_length", b.words(&[6, 33, 0])),
        ("block_length", b.words(&[1, 600_000, 0])),
        ("byte_order", order),
        ("version", version),
        ("version", b.block(0x0a0d_0d0a, &[b.u32(0x1a2b_3c4d)])),
    ];
    for (kind, broken) in cases {
        let found = read(&[start.clone(), broken, b.enhanced(0, 1, 1, &[3], &[])].concat());
        assert_eq!((found.frames.len(), found.anomalies, found.cut_short), (1, vec![format!("{kind}=1")], true));
    }
}

#[test]
fn nothing_readable_is_an_error() {
    let b = LITTLE;
    let refusal = |bytes: &[u8]| Reader::new(bytes).and_then(|mut r| r.next_frame().map(|_| ())).unwrap_err();
    let mut order = b.section();
    order[8] = 0;
    let error = refusal(&order);
    assert_eq!(error.offset, Some(8));
    assert!(error.to_string().contains("expected the byte-order magic 0x1a2b3c4d"), "{error}");
    assert!(refusal(&[b.section(), b.words(&[1, 7, 0])].concat()).to_string().contains("found 7 in a block of type 0x00000001"));
}

#[test]
fn cut_at_every_byte_all_whole_frames_are_read() {
    for b in BOTH {
        let parts = [
            b.section(),
            b.interface(1, 0, &[b.option(2, b"eth0"), b.option(9, &[9])]),
            b.enhanced(0, 1, 9, &[1, 2, 3], &[]),
            b.block(4, &[vec![0; 24]]),
            b.block(3, &[b.u32(5), vec![1, 2, 3, 4, 5]]),
            b.enhanced(0, 2, 9, &[1, 2, 3, 4], &[b.wide(4, 1)]),
        ];
        let mut ends = vec![0];
        for part in &parts {
            ends.push(ends.last().unwrap() + part.len());
        }
        let file = parts.concat();
        let whole = read(&file);
        assert_eq!((whole.frames.len(), whole.cut_short), (3, false));
        for cut in 4..=file.len() {
            let found = read(&file[..cut]);
            let complete = [3, 5, 6].iter().filter(|part| ends[**part] <= cut).count();
            assert_eq!(found.frames, whole.frames[..complete], "cut at {cut}");
            let on_edge = ends.contains(&cut);
            assert_eq!(found.cut_short, !on_edge, "cut at {cut}");
            assert_eq!(found.anomalies.contains(&"cut_in_record=1".to_owned()), !on_edge, "cut at {cut}");
        }
    }
}

#[test]
fn interfaces_without_end_are_bounded() {
    let b = LITTLE;
    let mut file = b.section();
    for _ in 0..5000 {
        file.extend(b.interface(1, 0, &[]));
    }
    file.extend(b.enhanced(4095, 1, 1, &[1], &[]));
    file.extend(b.enhanced(4096, 1, 1, &[1], &[]));
    let found = read(&file);
    assert_eq!((found.frames.len(), found.names.len()), (1, 4096));
    assert_eq!(found.anomalies, ["too_many_interfaces=904", "unknown_interface=1"]);
}
