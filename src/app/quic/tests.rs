use aes_gcm::Aes128Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};

use super::initial::{Keys, LongHeader, V1, V2, varint};
use super::*;
use crate::app::{DatagramParser, Event};
use crate::base::net::Endpoint;
use crate::testkit::parser::moment;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|c| u8::from_str_radix(std::str::from_utf8(c).unwrap(), 16).unwrap()).collect()
}

fn key() -> FlowKey {
    FlowKey { proto: 17, client: Endpoint::new([192, 0, 2, 10].into(), 50000), server: Endpoint::new([198, 51, 100, 7].into(), 443) }
}

/// Destination ID of the samples of RFC 9001 appendix A and RFC 9369 appendix A.
const DCID: &str = "8394c8f03e515708";

/// The CRYPTO frame of the samples: a hello to example.com.
const FRAME: &str = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b65\
    78616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa4\
    7fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c0002\
    4001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff";

/// Protects `frames` as RFC 9001 section 5 says, with a packet number of four bytes.
fn protect(version: u32, dcid: &[u8], header: &[u8], number: u32, frames: &[u8]) -> Vec<u8> {
    let keys = Keys::new(version, dcid, true).unwrap();
    let cipher = Aes128Gcm::new(&keys.key.into());
    let sealed = cipher.encrypt(&keys.nonce(number).into(), Payload { msg: frames, aad: header }).unwrap();
    let mask = keys.mask(sealed[..16].first_chunk().unwrap());
    let mut packet = [header, &sealed].concat();
    packet[0] ^= mask[0] & 0x0f;
    let at = header.len() - 4;
    packet[at..at + 4].iter_mut().zip(&mask[1..]).for_each(|(b, m)| *b ^= m);
    packet
}

fn padded(frame: Vec<u8>) -> Vec<u8> {
    let mut frames = frame;
    frames.resize(1162, 0);
    frames
}

/// An Initial packet of version 1 with the given destination ID.
fn initial(dcid: &[u8], number: u32, frames: &[u8]) -> Vec<u8> {
    let length = (frames.len() + 4 + 16) as u16 | 0x4000;
    let header = [&[0xc3, 0, 0, 0, 1, dcid.len() as u8][..], dcid, &[0, 0], &length.to_be_bytes(), &number.to_be_bytes()].concat();
    protect(V1, dcid, &header, number, frames)
}

fn run(datagrams: &[(Side, Vec<u8>)]) -> QuicConnection {
    let mut parser = QuicParser::new(key());
    let mut out: Vec<Event> = Vec::new();
    for (n, (side, bytes)) in datagrams.iter().enumerate() {
        parser.datagram(*side, moment(n), bytes, bytes.len() as u32, &mut out);
    }
    parser.end(moment(datagrams.len()), &mut out);
    match out.pop() {
        Some(Event::Quic(QuicEvent::Connection(c))) => *c,
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_are_those_of_rfc_9001_appendix_a_1_and_rfc_9369_appendix_a_1() {
    let keys = Keys::new(V1, &hex(DCID), true).unwrap();
    assert_eq!(keys.key.to_vec(), hex("1f369613dd76d5467730efcbe3b1a22d"));
    assert_eq!(keys.iv.to_vec(), hex("fa044b2f42a3fd3b46fb255c"));
    assert_eq!(keys.hp.to_vec(), hex("9f50449e04a0e810283a1e9933adedd2"));
    let keys = Keys::new(V2, &hex(DCID), false).unwrap();
    assert_eq!(keys.iv.to_vec(), hex("dd13c276499c0249d3310652"));
    assert_eq!(keys.hp.to_vec(), hex("edf6d05c83121201b436e16877593c3a"));
}

#[test]
fn samples_of_both_rfcs_are_made_and_read() {
    for (version, header, start, tag) in [
        (
            V1,
            "c300000001088394c8f03e5157080000449e00000002",
            "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9b",
            "e221af44860018ab0856972e194cd934",
        ),
        (
            V2,
            "d36b3343cf088394c8f03e5157080000449e00000002",
            "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071",
            "a18b2faa745b6fe189cf772a9f84cbfc",
        ),
    ] {
        let packet = protect(version, &hex(DCID), &hex(header), 2, &padded(hex(FRAME)));
        assert_eq!((packet.len(), &packet[..38], &packet[1184..]), (1200, &hex(start)[..], &hex(tag)[..]));
        assert_eq!(probe(&key(), Side::Client, &[&packet]), Probe::Yes);
        let found = run(&[(Side::Client, packet)]);
        assert_eq!((found.version, found.host()), (version, Some("example.com")));
        assert_eq!(found.client.unwrap().alpn, ["alpn".into()]);
    }
}

#[test]
fn the_servers_sample_opens_with_the_servers_keys() {
    let packet = hex(
        "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3\
        dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc4\
        2158407dd074ee",
    );
    let header = LongHeader::parse(&packet).unwrap();
    let frames = Keys::new(V1, &hex(DCID), false).unwrap().open(&header).unwrap();
    assert!(frames.starts_with(&hex("02000000000600405a020000560303eefce7f7")));
    assert!(Keys::new(V1, &hex(DCID), true).unwrap().open(&header).is_none());
    assert_eq!(probe(&key(), Side::Server, &[&packet]), Probe::Yes);
}

#[test]
fn hellos_cut_into_pieces_over_packets_and_out_of_order_are_put_together() {
    let hello = hex(FRAME)[4..].to_vec();
    let crypto = |from: usize, to: usize| {
        let mut frame = vec![6];
        frame.extend((from as u16 | 0x4000).to_be_bytes());
        frame.extend(((to - from) as u16 | 0x4000).to_be_bytes());
        frame.extend(&hello[from..to]);
        frame
    };
    let dcid = [1, 2, 3, 4, 5, 6, 7, 8];
    // ACK with one more range before the second piece, PING and PADDING between.
    let first = padded([crypto(100, 200), vec![1, 0, 0], crypto(0, 30)].concat());
    let second = padded([vec![2, 5, 0, 1, 0, 0, 0], crypto(30, 100), crypto(200, hello.len())].concat());
    let both = [initial(&dcid, 0, &first[..600]), initial(&dcid, 1, &second[..600])].concat();
    assert_eq!(run(&[(Side::Client, both)]).host(), Some("example.com"));
    let apart = [(Side::Client, initial(&dcid, 1, &second)), (Side::Server, vec![0x40; 900]), (Side::Client, initial(&dcid, 0, &first))];
    let found = run(&apart);
    assert_eq!((found.host(), found.bytes), (Some("example.com"), [2400, 900]));
    // After a Retry the client begins again with the ID that the server chose.
    let other = [9; 12];
    let again = [(Side::Client, initial(&dcid, 0, &first)), (Side::Client, initial(&other, 1, &padded(crypto(0, hello.len()))))];
    assert_eq!(run(&again).host(), Some("example.com"));
    // A piece is missing: no name.
    assert_eq!(run(&again[..1]).host(), None);
}

#[test]
fn what_is_no_quic_is_refused() {
    let no = |bytes: &[u8]| assert_eq!(probe(&key(), Side::Client, &[bytes]), Probe::No);
    no(b"");
    no(&[0x40; 1200]);
    no(&hex("c0000000ff08"));
    no(&hex("e300000001088394c8f03e5157080000449e00000002"));
    assert_eq!(varint(&hex("c2197c5eff14e88c")), Some((151_288_809_941_952_652, &[][..])));
    assert_eq!(varint(&hex("7bbd")), Some((15_293, &[][..])));
    assert_eq!(varint(&hex("40")), None);
}

proptest::proptest! {
    #[test]
    fn a_hello_is_put_together_from_any_pieces_in_any_order(
        cuts in proptest::collection::btree_set(1usize..240, 0..6),
        order in proptest::collection::vec(proptest::num::u32::ANY, 7),
        together in proptest::collection::vec(proptest::bool::ANY, 7),
    ) {
        let hello = hex(FRAME)[4..].to_vec();
        let ends: Vec<usize> = [0].into_iter().chain(cuts).chain([hello.len()]).collect();
        let mut frames: Vec<(u32, Vec<u8>)> = ends
            .windows(2)
            .zip(&order)
            .map(|(w, order)| {
                let (from, len) = ((w[0] as u16 | 0x4000).to_be_bytes(), ((w[1] - w[0]) as u16 | 0x4000).to_be_bytes());
                (*order, [&[6][..], &from, &len, &hello[w[0]..w[1]]].concat())
            })
            .collect();
        frames.sort();
        // Frames in packets of their own or behind the one before.
        let mut packets: Vec<Vec<u8>> = Vec::new();
        for ((_, frame), together) in frames.into_iter().zip(together) {
            match packets.last_mut().filter(|_| together) {
                Some(packet) => packet.extend(frame),
                None => packets.push(frame),
            }
        }
        let datagrams: Vec<_> =
            packets.into_iter().enumerate().map(|(n, frames)| (Side::Client, initial(&[7; 8], n as u32, &padded(frames)))).collect();
        let found = run(&datagrams);
        proptest::prop_assert_eq!(found.host(), Some("example.com"));
        proptest::prop_assert_eq!(found.client.map(|c| c.alpn), Some(vec!["alpn".into()]));
    }

    #[test]
    fn any_datagram_is_survived(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = run(&[(Side::Client, bytes.clone()), (Side::Client, [&hex("c000000001088394c8f03e51570800")[..], &bytes].concat())]);
    }

    #[test]
    fn any_frames_are_survived(frames in proptest::collection::vec(proptest::num::u8::ANY, 20..300)) {
        let _ = run(&[(Side::Client, initial(&[7; 8], 0, &frames))]);
    }
}
