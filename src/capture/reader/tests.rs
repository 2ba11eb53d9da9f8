use std::io::{self, Read};

use proptest::prelude::*;

use super::super::LinkType;
use super::super::write::{ByteOrder, InterfaceDescription, PcapWriter, PcapngWriter, Precision};
use super::Reader;
use crate::base::limits::FRAME_BYTES;
use crate::base::time::Timestamp;

/// Two sections, interfaces, comments, statistics; or a pcap.
fn sample(pcapng: bool, order: ByteOrder) -> Vec<u8> {
    let frames = (0..12u8).map(|n| (Timestamp(i64::from(n) * 1_000_000), vec![n; usize::from(n) * 5]));
    if !pcapng {
        let mut to = PcapWriter::new(Vec::new(), LinkType::ETHERNET, 96, Precision::Microseconds, order).unwrap();
        frames.for_each(|(at, bytes)| to.write(at, 60, &bytes).unwrap());
        return to.finish().unwrap();
    }
    let mut to = PcapngWriter::new(Vec::new(), order, "a comment").unwrap();
    for part in 0..2 {
        if part > 0 {
            to.section("").unwrap();
        }
        for name in ["eth0", "tap0"] {
            to.interface(&InterfaceDescription { name, snaplen: 96, tsresol: 6, ..InterfaceDescription::default() }).unwrap();
        }
        for (n, (at, bytes)) in frames.clone().enumerate() {
            to.write(n as u32 % 2, at, 60, &bytes, if n % 3 == 0 { "seen" } else { "" }).unwrap();
        }
        to.statistics(1, 2, 3).unwrap();
    }
    to.finish().unwrap()
}

/// Hands over a few bytes at a time, interrupted now and then.
struct Trickle<'a> {
    bytes: &'a [u8],
    step: usize,
    calls: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = self.step.min(into.len()).min(self.bytes.len());
        into[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}

/// All that a reader says of the bytes.
fn told(read: impl Read) -> String {
    let mut reader = match Reader::new(read) {
        Ok(reader) => reader,
        Err(error) => return error.to_string(),
    };
    let mut out = String::new();
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => {
                assert!(frame.bytes.len() <= FRAME_BYTES && frame.bytes.len() as u32 <= frame.wire_len);
                out += &format!("{frame:?}\n");
            }
            Ok(None) => break,
            Err(error) => return out + &error.to_string(),
        }
    }
    assert!(reader.next_frame().unwrap().is_none(), "the end is the end");
    format!("{out}{:?}{:?}{:?}", reader.facts(), reader.interfaces(), reader.anomalies())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_wrong_it_is_read_to_an_end_and_the_same_however_it_comes(
        pcapng in any::<bool>(),
        big in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec![0u8, 1, 2, 4, 6, 12, 0x7f, 0x80, 0xff])), 0..6),
        cut in any::<prop::sample::Index>(),
        step in 1usize..300,
    ) {
        let mut bytes = sample(pcapng, if big { ByteOrder::Big } else { ByteOrder::Little });
        for (at, value) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        if changes.len() % 2 == 1 {
            bytes.truncate(cut.index(bytes.len()));
        }
        prop_assert_eq!(told(&bytes[..]), told(Trickle { bytes: &bytes, step, calls: 0 }));
    }

    #[test]
    fn noise_is_read_to_an_end(start in prop::sample::select(vec![
        &b""[..], b"\xd4\xc3\xb2\xa1\x02\0\x04\0", b"\xa1\xb2\x3c\x4d\0\x02\0\x04", b"\x34\xcd\xb2\xa1\x02\0\x04\0",
        b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0",
    ]), noise in prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..2000)) {
        told(&[start, &noise].concat()[..]);
    }
}

#[test]
fn a_disk_that_fails_is_told_and_what_came_before_is_read() {
    struct Fails<'a>(&'a [u8]);
    impl Read for Fails<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::Error::other("input/output error"));
            }
            self.0.read(into)
        }
    }
    let bytes = sample(false, ByteOrder::Little);
    let mut reader = Reader::new(Fails(&bytes[..bytes.len() - 1])).unwrap();
    let mut count = 0;
    while reader.next_frame().unwrap().is_some() {
        count += 1;
    }
    assert_eq!((count, reader.facts().cut_short), (11, true));
    let (kind, counted) = reader.anomalies().iter().next().unwrap();
    assert_eq!(kind, "read_fault");
    assert!(counted.detail.as_deref().is_some_and(|d| d.contains("input/output error")), "{counted:?}");
    assert!(Reader::new(Fails(&bytes[..30])).unwrap().next_frame().is_err());
    assert!(Reader::new(Fails(&bytes[..3])).err().is_some_and(|e| e.to_string().contains("input/output error")));
}
