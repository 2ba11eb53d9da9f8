use super::*;

fn b(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut out = (body.len() as u32 + 8).to_be_bytes().to_vec();
    out.extend(kind);
    out.extend(body);
    out
}

fn be(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}

/// One video track of 40.04 s with three samples, as ffmpeg writes a faststart file.
fn moov() -> Vec<u8> {
    let mvhd = b(
        b"mvhd",
        &[
            &be(&[0, 0, 0, 1000, 40_040, 0x1_0000, 0x100_0000, 0, 0]),
            &be(&[0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]),
            &[0; 24],
            &be(&[2]),
        ],
    );
    let tkhd = b(
        b"tkhd",
        &[
            &be(&[3, 0, 0, 1, 0, 40_040, 0, 0, 0, 0]),
            &be(&[0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]),
            &be(&[426 << 16, 240 << 16]),
        ],
    );
    let mdhd = b(b"mdhd", &[&be(&[0, 0, 0, 12_800, 512_000, 0x55c4_0000])]);
    let hdlr = b(b"hdlr", &[&be(&[0, 0]), b"vide", &[0; 12], b"VideoHandler\0"]);
    let stsd = b(b"stsd", &[&be(&[0, 1]), &b(b"avc1", &[&[0; 78]])]);
    let stsz = b(b"stsz", &[&be(&[0, 0, 3, 1000, 500, 4])]);
    let stco = b(b"stco", &[&be(&[0, 1, 48])]);
    let stbl = b(b"stbl", &[&stsd, &stsz, &stco]);
    b(b"moov", &[&mvhd, &b(b"trak", &[&tkhd, &b(b"mdia", &[&mdhd, &hdlr, &b(b"minf", &[&stbl])])])])
}

fn file() -> Vec<u8> {
    [b(b"ftyp", &[b"isom", &be(&[512]), b"isomiso2"]), moov(), b(b"mdat", &[&[7; 1504]])].concat()
}

#[test]
fn reads_a_whole_file_the_same_at_any_cut() {
    let file = file();
    let mut whole = Mp4Walk::default();
    whole.bytes(&file);
    let whole = whole.finish();
    assert_eq!(whole.seconds, Some(40.04));
    let start = (file.len() - 1504) as u64;
    assert_eq!((whole.media_start, whole.media_bytes, whole.cut), (Some(start), Some(1504), false));
    let track = whole.track("vide").unwrap();
    assert_eq!((track.id, track.codec.as_str(), track.width, track.height), (1, "avc1", 426, 240));
    assert_eq!((track.samples, track.bytes, track.seconds()), (3, 1504, Some(40.0)));
    for cut in 1..file.len() {
        let mut walk = Mp4Walk::default();
        walk.bytes(&file[..cut]);
        walk.bytes(&file[cut..]);
        assert_eq!(walk.finish(), whole, "cut at {cut}");
    }
    let mut walk = Mp4Walk::default();
    file.iter().for_each(|b| walk.bytes(&[*b]));
    assert_eq!(walk.finish(), whole);
}

#[test]
fn finds_moov_behind_the_media() {
    let window = [vec![9; 37], moov()].concat();
    assert_eq!(find_moov(&window), Some(37));
    let mut walk = Mp4Walk::at(1_000_037);
    walk.bytes(&window[37..]);
    assert_eq!(walk.finish().seconds, Some(40.04));
    assert_eq!(find_moov(b"....moov"), None);
}

#[test]
fn gaps_in_media_are_passed_and_elsewhere_stop_the_walk() {
    let file = file();
    let media = file.len() - 1504;
    let mut walk = Mp4Walk::default();
    walk.bytes(&file[..media]);
    walk.gap(1504);
    walk.bytes(&b(b"free", &[&[0; 9]]));
    assert!(!walk.finish().cut);
    let mut walk = Mp4Walk::default();
    walk.bytes(&file[..100]);
    walk.gap(3);
    walk.bytes(&file[103..]);
    assert!(walk.finish().cut);
}

#[test]
fn fragments_sum_their_samples() {
    let tfhd = b(b"tfhd", &[&be(&[0x2_0008, 1, 512])]);
    let trun = b(b"trun", &[&be(&[0x201, 4, 0, 10, 10, 10, 10])]);
    let own = b(b"trun", &[&be(&[0x100, 2, 100, 200])]);
    let segment = [b(b"styp", &[b"msdh"]), b(b"moof", &[&b(b"traf", &[&tfhd, &trun, &own])]), b(b"mdat", &[&[1; 40]])].concat();
    assert!(looks_like_mp4(&segment));
    let mut walk = Mp4Walk::default();
    walk.bytes(&segment);
    let found = walk.finish();
    assert_eq!(found.fragments, [(1, 4 * 512 + 300)]);
    assert!(!found.default_durations && !found.cut);
}

#[test]
fn sidx_tells_seconds() {
    let sidx = b(b"sidx", &[&be(&[0, 1, 1000, 0, 0, 2, 500, 2000, 0, 600, 1920, 0])]);
    let mut walk = Mp4Walk::default();
    walk.bytes(&sidx);
    assert_eq!(walk.finish().index_seconds, Some(3.92));
}

#[test]
fn nonsense_stops_the_walk() {
    for bad in [&be(&[4, 0x6d6f_6f76])[..], &be(&[1, 0x6d6f_6f76, 0, 3]), &be(&[0x40, 0x0102_0304])] {
        let mut walk = Mp4Walk::default();
        walk.bytes(bad);
        assert!(walk.finish().cut);
    }
    // A child that is longer than its parent.
    let mut walk = Mp4Walk::default();
    walk.bytes(&be(&[24, 0x6d6f_6f76, 800, 0x6d76_6864]));
    assert!(walk.finish().cut);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived_and_cuts_do_not_matter(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400), cut in 0usize..400) {
        let bytes = [moov(), bytes].concat();
        let cut = cut.min(bytes.len());
        let mut whole = Mp4Walk::default();
        whole.bytes(&bytes);
        let mut parts = Mp4Walk::default();
        parts.bytes(&bytes[..cut]);
        parts.bytes(&bytes[cut..]);
        proptest::prop_assert_eq!(whole.finish(), parts.finish());
    }

    #[test]
    fn broken_files_are_survived(at in 0usize..700, value in proptest::num::u8::ANY) {
        let mut bytes = file();
        let at = at.min(bytes.len() - 1);
        bytes[at] = value;
        let mut walk = Mp4Walk::default();
        walk.bytes(&bytes);
        let _ = walk.finish();
    }
}
