//! HLS playlists (RFC 8216), read with `m3u8-rs`.

use m3u8_rs::{KeyMethod, Playlist};

use crate::app::http::Target;
use crate::base::limits::PLAYLIST_ENTRIES;

/// A playlist.
#[derive(Clone, Debug, PartialEq)]
pub enum Hls {
    /// A list of variants.
    Master(Master),
    /// A list of segments.
    Media(MediaList),
}

/// A master (multivariant) playlist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Master {
    /// Variants, in the order of the list.
    pub variants: Vec<Variant>,
    /// Playlists of alternative renditions (audio, subtitles).
    pub renditions: Vec<Target>,
    /// Not all lines could be read, or there were more than [`PLAYLIST_ENTRIES`].
    pub cut: bool,
}

/// One variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Its media playlist.
    pub target: Target,
    /// Peak bit rate.
    pub bandwidth: u64,
    /// Average bit rate.
    pub average_bandwidth: Option<u64>,
    /// Width and height.
    pub resolution: Option<(u64, u64)>,
    /// Frames per second.
    pub frame_rate: Option<f64>,
    /// `CODECS`.
    pub codecs: Option<String>,
}

/// A media playlist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaList {
    /// `EXT-X-TARGETDURATION` in seconds.
    pub target_duration: u64,
    /// Number of the first segment.
    pub sequence: u64,
    /// Segments.
    pub entries: Vec<Entry>,
    /// `EXT-X-MAP` sections.
    pub inits: Vec<Target>,
    /// `EXT-X-ENDLIST`: nothing will be added.
    pub ended: bool,
    /// Segments are encrypted.
    pub encrypted: bool,
    /// Not all lines could be read, or there were more than [`PLAYLIST_ENTRIES`].
    pub cut: bool,
}

/// One segment of a media playlist.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where it lies.
    pub target: Target,
    /// `EXTINF`.
    pub seconds: f64,
    /// Length and first byte, if it is a part of a file.
    pub range: Option<(u64, u64)>,
}

/// Parses a playlist that came from `base`. `Err` says what was wrong.
pub fn parse(bytes: &[u8], base: &Target) -> Result<Hls, String> {
    // m3u8-rs requires UTF-8 in some tags; RFC 8216 section 4 demands it everywhere.
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let (rest, playlist) = m3u8_rs::parse_playlist(text.as_bytes()).map_err(|_| "not a playlist that RFC 8216 allows".to_string())?;
    let unread = !rest.trim_ascii().is_empty();
    Ok(match playlist {
        Playlist::MasterPlaylist(list) => {
            let cut = unread || list.variants.len() > PLAYLIST_ENTRIES;
            let variants = list.variants.into_iter().filter(|v| !v.is_i_frame).take(PLAYLIST_ENTRIES).map(|v| Variant {
                target: base.resolve(&v.uri),
                bandwidth: v.bandwidth,
                average_bandwidth: v.average_bandwidth,
                resolution: v.resolution.map(|r| (r.width, r.height)),
                frame_rate: v.frame_rate,
                codecs: v.codecs,
            });
            let variants = variants.collect();
            let renditions = list.alternatives.iter().filter_map(|a| a.uri.as_deref()).take(256).map(|u| base.resolve(u)).collect();
            Hls::Master(Master { variants, renditions, cut })
        }
        Playlist::MediaPlaylist(list) => {
            let mut out = MediaList {
                target_duration: list.target_duration,
                sequence: list.media_sequence,
                ended: list.end_list,
                cut: unread || list.segments.len() > PLAYLIST_ENTRIES,
                ..Default::default()
            };
            let mut end_of_last: Option<(Target, u64)> = None;
            for segment in list.segments.into_iter().take(PLAYLIST_ENTRIES) {
                if segment.key.as_ref().is_some_and(|k| k.method != KeyMethod::None) {
                    out.encrypted = true;
                }
                if let Some(map) = &segment.map {
                    let init = base.resolve(&map.uri);
                    if !out.inits.contains(&init) && out.inits.len() < 256 {
                        out.inits.push(init);
                    }
                }
                let target = base.resolve(&segment.uri);
                let range = segment.byte_range.map(|r| {
                    // RFC 8216 section 4.3.2.2: without offset it follows the previous part of the same resource.
                    let follows = end_of_last.as_ref().filter(|(t, _)| *t == target).map_or(0, |(_, end)| *end);
                    (r.length, r.offset.unwrap_or(follows))
                });
                end_of_last = range.map(|(length, first)| (target.clone(), first.saturating_add(length)));
                out.entries.push(Entry { target, seconds: decimal(segment.duration), range });
            }
            Hls::Media(out)
        }
    })
}

/// The decimal number that was written: m3u8-rs keeps `EXTINF` as `f32`, whose shortest form gives the digits back.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

impl MediaList {
    /// Sum of all `EXTINF`.
    pub fn seconds(&self) -> f64 {
        self.entries.iter().map(|e| e.seconds).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Target {
        Target::of_request("/hls/index.m3u8", Some("192.0.2.50"))
    }

    #[test]
    fn media_lists_resolve_their_segments() {
        let text = b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2.000000,\nindex0.ts\n\
            #EXTINF:1.96,\n../x/index1.ts?sig=SECRET\n#EXT-X-ENDLIST\n";
        let Ok(Hls::Media(list)) = parse(text, &base()) else { panic!("no media playlist") };
        assert_eq!((list.sequence, list.ended, list.cut, list.target_duration), (7, true, false, 2));
        assert_eq!(&*list.entries[0].target.path, "/hls/index0.ts");
        assert_eq!(&*list.entries[1].target.path, "/x/index1.ts");
        assert_eq!(list.seconds(), 3.96);
        assert!(!format!("{list:?}").contains("SECRET"));
    }

    #[test]
    fn byte_ranges_follow_each_other() {
        let text =
            b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"all.mp4\"\n#EXTINF:4,\n#EXT-X-BYTERANGE:100@50\nall.mp4\n#EXTINF:4,\n\
            #EXT-X-BYTERANGE:70\nall.mp4\n";
        let Ok(Hls::Media(list)) = parse(text, &base()) else { panic!("no media playlist") };
        assert_eq!(list.entries.iter().map(|e| e.range).collect::<Vec<_>>(), [Some((100, 50)), Some((70, 150))]);
        assert_eq!(list.inits.len(), 1);
        assert!(!list.ended);
    }

    #[test]
    fn master_lists_name_variants() {
        let text = b"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",URI=\"audio/en.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1280000,AVERAGE-BANDWIDTH=1000000,RESOLUTION=1280x720,FRAME-RATE=25.000,AUDIO=\"a\"\nhi/v.m3u8\n\
            #EXT-X-STREAM-INF:BANDWIDTH=280000\nhttp://cdn.example/lo.m3u8\n";
        let Ok(Hls::Master(list)) = parse(text, &base()) else { panic!("no master playlist") };
        assert_eq!(list.variants.len(), 2);
        assert_eq!((list.variants[0].resolution, list.variants[0].frame_rate), (Some((1280, 720)), Some(25.0)));
        assert_eq!(list.variants[1].target.host.as_deref(), Some("cdn.example"));
        assert_eq!(list.renditions.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert!(parse(b"<html>", &base()).is_err());
        let text = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXTINF:\xff\xfe,\nb.ts\n";
        match parse(text, &base()) {
            Ok(Hls::Media(list)) => assert!(list.cut || list.entries.len() == 2, "{list:?}"),
            other => panic!("{other:?}"),
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(lines in proptest::collection::vec("(#EXTM3U|#EXT-X-KEY:METHOD=AES-128|#EXTINF:[0-9.]{0,4},?|#EXT-X-BYTERANGE:[0-9@]{0,8}|#EXT-X-[A-Z-]{1,12}:[A-Z=,\"0-9]{0,12}|\\PC{0,8})", 0..20)) {
            let _ = parse(format!("#EXTM3U\n{}", lines.join("\n")).as_bytes(), &base());
        }
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse(&[b"#EXTM3U\n#EXTINF:", bytes.as_slice()].concat(), &base());
        }
    }
}
