#![no_main]

use libfuzzer_sys::fuzz_target;
use lmpcap::base::anomaly::Place;
use lmpcap::base::time::Timestamp;
use lmpcap::capture::{Frame, LinkType};
use lmpcap::decode::{Decoded, Decoder, Duplicates};

// Each input is a row of frames: a byte for the link type, one for the length, then the frame.
fuzz_target!(|data: &[u8]| {
    let links = [LinkType::ETHERNET, LinkType::LINUX_SLL, LinkType::LINUX_SLL2, LinkType::RAW, LinkType::NULL];
    let (mut decoder, mut duplicates) = (Decoder::new(), Duplicates::new());
    let mut rest = data;
    let mut n = 0;
    while let [link, len, more @ ..] = rest {
        let (bytes, later) = more.split_at(usize::from(*len).min(more.len()));
        rest = later;
        n += 1;
        let at = Timestamp(n * 1_000_000);
        let wire_len = bytes.len() as u32 + u32::from(*link >> 4);
        let place = Place { file: 0, frame: n as u64 };
        let frame = Frame { at, place, link: links[usize::from(*link) % links.len()], interface: 0, wire_len, bytes };
        match decoder.decode(&frame) {
            Decoded::Packet(packet) => {
                duplicates.check(&packet);
            }
            Decoded::Held => while decoder.release(at).is_some() {},
            Decoded::Undecoded(_) => {}
        }
    }
});
