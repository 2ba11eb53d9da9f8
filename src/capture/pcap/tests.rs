use super::super::memory::OwnedFrame;
use super::super::{LinkType, Reader};
use crate::base::time::Timestamp;

/// 24 bytes: magic, version, zone, accuracy, snap length, link type.
fn header(words: [u32; 6], big: bool) -> Vec<u8> {
    let [magic, version, rest @ ..] = words;
    let (major, minor) = ((version >> 16) as u16, version as u16);
    let mut out = put(&[magic], big);
    out.extend(if big { [major.to_be_bytes(), minor.to_be_bytes()] } else { [major.to_le_bytes(), minor.to_le_bytes()] }.concat());
    out.extend(put(&rest, big));
    out
}

fn put(words: &[u32], big: bool) -> Vec<u8> {
    words.iter().flat_map(|w| if big { w.to_be_bytes() } else { w.to_le_bytes() }).collect()
}

/// Frames, anomalies as `kind=count`, cut short.
fn read(bytes: &[u8]) -> (Vec<OwnedFrame>, Vec<String>, bool) {
    let mut reader = Reader::new(bytes).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        assert_eq!((frame.place.file, frame.interface), (0, 0));
        assert_eq!(frame.place.frame, frames.len() as u64 + 1);
        frames.push(frame.into());
    }
    let anomalies = reader.anomalies().iter().map(|(kind, counted)| format!("{kind}={}", counted.count)).collect();
    (frames, anomalies, reader.facts().cut_short)
}

fn frame(ns: i64, wire_len: u32, bytes: &[u8]) -> OwnedFrame {
    OwnedFrame { at: Timestamp(ns), link: LinkType::ETHERNET, interface: 0, wire_len, bytes: bytes.to_vec() }
}

const V2_4: u32 = 2 << 16 | 4;

#[test]
fn every_unit_and_byte_order() {
    for big in [false, true] {
        for (magic, ns) in [(0xa1b2_c3d4, 1_000_000_123_000), (0xa1b2_3c4d, 1_000_000_000_123)] {
            let mut file = header([magic, V2_4, 0, 0, 65535, 1], big);
            file.extend(put(&[1000, 123, 3, 60], big));
            file.extend([1, 2, 3]);
            assert_eq!(read(&file), (vec![frame(ns, 60, &[1, 2, 3])], vec![], false), "{big} {magic:x}");
        }
    }
}

#[test]
fn bytes_as_tcpdump_writes_them() {
    let file = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x01\x00\x00\x00\
        \x80\x43\x6d\x38\x40\xe2\x01\x00\x04\x00\x00\x00\x4a\x00\x00\x00\xff\xff\xff\xff";
    assert_eq!(read(file), (vec![frame(946_684_800_123_456_000, 74, &[255; 4])], vec![], false));
}

#[test]
fn modified_pcap_has_longer_record_headers() {
    for big in [false, true] {
        let mut file = header([0xa1b2_cd34, V2_4, 0, 0, 65535, 1], big);
        for n in 1..=2 {
            file.extend(put(&[1000, n, 2, 2, 7, 0x0800_0400], big));
            file.extend([n as u8; 2]);
        }
        let expected = vec![frame(1_000_000_001_000, 2, &[1, 1]), frame(1_000_000_002_000, 2, &[2, 2])];
        assert_eq!(read(&file), (expected, vec![], false));
        assert_eq!(Reader::new(&file[..]).unwrap().facts().format, "pcap (modified)");
    }
}

#[test]
fn old_versions_swap_the_lengths() {
    // Captured 2 of 9. Before 2.3 the wire length comes first, in 2.3 either, and later never.
    for (version, first, second) in [(2 << 16 | 2, 9, 2), (543 << 16, 9, 2), (2 << 16 | 3, 9, 2), (2 << 16 | 3, 2, 9), (V2_4, 2, 9)] {
        let mut file = header([0xa1b2_c3d4, version, 0, 0, 65535, 1], true);
        file.extend(put(&[1, 0, first, second], true));
        file.extend([5, 5]);
        assert_eq!(read(&file), (vec![frame(1_000_000_000, 9, &[5, 5])], vec![], false), "{version:x}");
    }
}

#[test]
fn check_sequences_are_left_off() {
    // P bit, and 2 times 16 bits.
    let mut file = header([0xa1b2_c3d4, V2_4, 0, 0, 65535, 0x2400_0001], false);
    file.extend(put(&[1, 0, 6, 6], false));
    file.extend([1, 2, 0xf, 0xc, 0x5, 0]);
    // Cut by the snap length before the check sequence and within it.
    file.extend(put(&[1, 0, 2, 9], false));
    file.extend([1, 2]);
    file.extend(put(&[1, 0, 3, 6], false));
    file.extend([1, 2, 0xf]);
    let expected = [2, 5, 2].map(|wire| frame(1_000_000_000, wire, &[1, 2])).to_vec();
    assert_eq!(read(&file), (expected, vec![], false));
    let reader = Reader::new(&file[..]).unwrap();
    assert_eq!((reader.interfaces()[0].link, reader.interfaces()[0].fcs_bytes), (1, 4));
}

#[test]
fn odd_lengths_and_times_are_read_and_counted() {
    let mut file = header([0xa1b2_c3d4, V2_4, 0, 0, 2, 1], false);
    file.extend(put(&[1, 1_500_000, 3, 2], false));
    file.extend([1, 2, 3]);
    let (frames, anomalies, cut) = read(&file);
    assert_eq!(frames, [frame(2_500_000_000, 3, &[1, 2, 3])]);
    assert_eq!(anomalies, ["longer_than_snaplen=1", "longer_than_wire=1", "time_fraction=1"]);
    assert!(!cut);
}

#[test]
fn times_go_on_to_the_year_2106() {
    let mut file = header([0xa1b2_3c4d, V2_4, 0, 0, 0, 1], false);
    file.extend(put(&[u32::MAX, 999_999_999, 0, 0], false));
    assert_eq!(read(&file).0, [frame(4_294_967_295_999_999_999, 0, &[])]);
}

#[test]
fn an_impossible_length_ends_the_file() {
    let mut file = header([0xa1b2_c3d4, V2_4, 0, 0, 65535, 1], false);
    file.extend(put(&[1, 0, 1, 1], false));
    file.push(7);
    file.extend(put(&[1, 0, 262_145, 262_145], false));
    file.extend(vec![0; 300_000]);
    assert_eq!(read(&file), (vec![frame(1_000_000_000, 1, &[7])], vec!["record_length=1".into()], true));
    file[32..36].copy_from_slice(&[0xff; 4]);
    file[36..40].copy_from_slice(&[0xff; 4]);
    let error = Reader::new(&file[..]).unwrap().next_frame().map(|_| ()).unwrap_err();
    assert_eq!(error.offset, Some(24));
    assert!(error.to_string().contains("at most 262144 bytes, found a record that claims 4294967295"), "{error}");
}

#[test]
fn the_longest_frame_is_read() {
    let mut file = header([0xa1b2_c3d4, V2_4, 0, 0, 0, 1], false);
    for n in 0..9u8 {
        file.extend(put(&[u32::from(n), 0, 262_144, 262_144], false));
        file.extend(vec![n; 262_144]);
    }
    let (frames, anomalies, cut) = read(&file);
    assert_eq!((frames.len(), anomalies.len(), cut), (9, 0, false));
    assert!((0..9).all(|n| frames[n].bytes == vec![n as u8; 262_144]));
}

#[test]
fn a_file_without_frames_is_no_error() {
    let file = header([0xa1b2_c3d4, V2_4, 0, 0, 65535, 1], false);
    assert_eq!(read(&file), (vec![], vec!["no_frames=1".into()], false));
}

#[test]
fn refusals_say_what_was_found() {
    let refusal = |bytes: &[u8]| Reader::new(bytes).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(refusal(b"").contains("no bytes at all"));
    assert!(refusal(b"\xd4\xc3").contains("only 2 bytes"));
    assert!(refusal(&header([0xa1b2_c3d4, V2_4, 0, 0, 65535, 1], false)[..23]).contains("24 bytes, found 23"));
    assert!(refusal(&header([0xa1b2_c3d4, 3 << 16, 0, 0, 65535, 1], false)).contains("found 3.0"));
    assert!(refusal(b"snoop\0\0\0\0\0\0\x02").contains("snoop"));
    assert!(refusal(b"\x1f\x8b\x08\x00").contains("gzip once more"));
    assert!(refusal(b"GET / HTTP/1.1\r\n").contains("47 45 54 20"));
}

#[test]
fn cut_at_every_byte_all_whole_frames_are_read() {
    let mut file = header([0xa1b2_c3d4, V2_4, 0, 0, 65535, 1], false);
    let mut ends = vec![file.len()];
    for n in 1..=4u32 {
        file.extend(put(&[n, 0, n, n], false));
        file.extend(vec![n as u8; n as usize]);
        ends.push(file.len());
    }
    let whole = read(&file).0;
    for cut in 24..=file.len() {
        let (frames, anomalies, short) = read(&file[..cut]);
        let complete = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(frames, whole[..complete], "cut at {cut}");
        let on_edge = ends.contains(&cut);
        assert_eq!(short, !on_edge, "cut at {cut}");
        assert_eq!(anomalies.contains(&"cut_in_record=1".to_owned()), !on_edge, "cut at {cut}: {anomalies:?}");
    }
}
