use std::io::{Cursor, Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameInfo};

use super::super::magic::Compression;
use super::{decoder, in_thread};

const ALL: [Compression; 5] = [Compression::Gzip, Compression::Zstd, Compression::Xz, Compression::Lz4, Compression::Bzip2];

fn compress(bytes: &[u8], compression: Compression) -> Vec<u8> {
    let out = Vec::new();
    match compression {
        Compression::Gzip => {
            let mut to = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }
        Compression::Zstd => {
            let mut to = zstd::stream::write::Encoder::new(out, 1).unwrap();
            to.include_checksum(true).unwrap();
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }
        Compression::Xz => {
            let mut to = liblzma::write::XzEncoder::new(out, 0);
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }
        Compression::Lz4 => lz4(bytes, FrameInfo::new().block_size(BlockSize::Max64KB).content_checksum(true)),
        Compression::Bzip2 => {
            let mut to = bzip2::write::BzEncoder::new(out, bzip2::Compression::fast());
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }
    }
}

fn lz4(bytes: &[u8], info: FrameInfo) -> Vec<u8> {
    let mut to = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

/// Compressible, and no two places alike.
fn sample(len: usize) -> Vec<u8> {
    (0..len as u32).flat_map(|n| (n / 3).wrapping_mul(2_654_435_761).to_le_bytes()).take(len).collect()
}

/// What comes out before the end or the error.
fn decompress(bytes: &[u8], compression: Compression, threaded: bool) -> (Vec<u8>, Option<String>) {
    let mut decoder = decoder(Cursor::new(bytes.to_vec()), compression).unwrap();
    if threaded {
        decoder = Box::new(in_thread(decoder).unwrap());
    }
    let (mut out, mut part) = (Vec::new(), vec![0; 100_000]);
    loop {
        match decoder.read(&mut part) {
            Ok(0) => return (out, None),
            Ok(count) => out.extend_from_slice(&part[..count]),
            Err(error) => return (out, Some(error.to_string())),
        }
    }
}

#[test]
fn several_members_are_one_stream() {
    let sample = sample(2_500_000);
    for compression in ALL {
        let parts = [&sample[..1_000_000], &[], &sample[1_000_000..1_000_001], &sample[1_000_001..]];
        let file = parts.map(|part| compress(part, compression)).concat();
        for threaded in [false, true] {
            let (out, error) = decompress(&file, compression, threaded);
            assert_eq!((out == sample, error), (true, None), "{compression:?}");
        }
    }
}

#[test]
fn skippable_frames_are_skipped() {
    let sample = sample(1000);
    let skippable = b"\x5a\x2a\x4d\x18\x05\x00\x00\x00hello";
    for compression in [Compression::Zstd, Compression::Lz4] {
        let data = compress(&sample, compression);
        let file = [&data[..], skippable, &data, skippable, skippable].concat();
        assert_eq!(decompress(&file, compression, false), ([&sample[..], &sample].concat(), None), "{compression:?}");
    }
}

#[test]
fn every_option_of_lz4_frames() {
    let sample = sample(300_000);
    for bits in 0..16u32 {
        let on = |bit: u32| bits & 1 << bit != 0;
        let mode = if on(2) { BlockMode::Linked } else { BlockMode::Independent };
        let info = FrameInfo::new().block_size(BlockSize::Max64KB).content_checksum(on(0)).block_checksums(on(1)).block_mode(mode);
        let info = info.content_size(on(3).then_some(sample.len() as u64));
        let file = lz4(&sample, info);
        assert_eq!(decompress(&[&file[..], &file].concat(), Compression::Lz4, false), ([&sample[..], &sample].concat(), None), "{bits:b}");
    }
}

#[test]
fn cut_at_every_byte_it_is_an_error_and_what_came_before_is_right() {
    let sample = sample(3000);
    for compression in ALL {
        let one = compress(&sample[..2000], compression);
        let file = [&one[..], &compress(&sample[2000..], compression)].concat();
        for cut in 1..file.len() {
            let (out, error) = decompress(&file[..cut], compression, false);
            assert!(sample.starts_with(&out), "{compression:?} cut at {cut}");
            if cut == one.len() {
                assert_eq!((out.len(), error), (2000, None), "{compression:?}");
                continue;
            }
            // Cut in the last checksum, all the data may be out already.
            let error = error.unwrap_or_else(|| panic!("{compression:?} cut at {cut} of {} is silent", file.len()));
            assert!(error.contains(&format!("byte {cut}")) || !error.contains("end of the file"), "{error}");
        }
    }
}

#[test]
fn a_cut_file_gives_all_that_is_before_the_cut() {
    let sample = sample(3_000_000);
    for compression in ALL {
        let file = compress(&sample, compression);
        let (out, error) = decompress(&file[..file.len() / 2], compression, true);
        assert!(sample.starts_with(&out) && error.is_some());
        assert!(out.len() > 400_000, "{compression:?}: {}", out.len());
    }
}

#[test]
fn corruption_is_an_error_and_what_came_long_before_is_right() {
    let sample = sample(3_000_000);
    for compression in ALL {
        let mut file = compress(&sample, compression);
        let middle = file.len() / 2;
        file[middle..middle + 64].fill(0x55);
        let (out, error) = decompress(&file, compression, true);
        let name = compression.name();
        let error = error.unwrap_or_else(|| panic!("{name} is silent"));
        assert!(error.contains(name) && error.contains("byte"), "{error}");
        assert!(out.len() > 400_000 && out[..400_000] == sample[..400_000], "{name}: {}", out.len());
    }
}

#[test]
fn lz4_frames_of_different_blocks_follow_each_other() {
    let sample = sample(700_000);
    let sizes = [BlockSize::Max4MB, BlockSize::Max64KB, BlockSize::Max1MB, BlockSize::Max256KB];
    let modes = [BlockMode::Linked, BlockMode::Independent, BlockMode::Linked, BlockMode::Linked];
    let frames = sizes.into_iter().zip(modes).map(|(size, mode)| lz4(&sample, FrameInfo::new().block_size(size).block_mode(mode)));
    let (out, error) = decompress(&frames.collect::<Vec<_>>().concat(), Compression::Lz4, false);
    assert_eq!((out == sample.repeat(4), error), (true, None));
}

#[test]
fn a_decoder_that_dies_is_an_error_not_an_end() {
    struct Dies;
    impl Read for Dies {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            std::panic::resume_unwind(Box::new("dead"))
        }
    }
    assert!(in_thread(Box::new(Dies)).unwrap().read(&mut [0]).is_err());
}

#[test]
fn a_reader_that_is_dropped_ends_its_thread() {
    struct Endless {
        _alive: std::sync::mpsc::Sender<()>,
    }
    impl Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            into.fill(1);
            Ok(into.len())
        }
    }
    let (alive, gone) = std::sync::mpsc::channel();
    let mut reader = in_thread(Box::new(Endless { _alive: alive })).unwrap();
    reader.read_exact(&mut vec![0; 5 << 20]).unwrap();
    drop(reader);
    assert!(gone.recv_timeout(std::time::Duration::from_secs(20)).is_err_and(|e| e == std::sync::mpsc::RecvTimeoutError::Disconnected));
}
