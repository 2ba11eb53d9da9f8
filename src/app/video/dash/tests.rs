use super::*;

fn base() -> Target {
    Target::of_request("/live/manifest.mpd", Some("h"))
}

fn asked(path: &str) -> Target {
    Target::of_request(path, Some("h"))
}

const NUMBERS: &str = r#"<MPD type="static" mediaPresentationDuration="PT9.5S" minBufferTime="PT2S"><Period><AdaptationSet contentType="video">
<SegmentTemplate timescale="1000" duration="2000" startNumber="1" initialization="init-$RepresentationID$.m4s" media="chunk-$RepresentationID$-$Number%05d$.m4s"/>
<Representation id="0" bandwidth="200000" width="426" height="240" frameRate="25/1"/><Representation id="1" bandwidth="100000"/></AdaptationSet></Period></MPD>"#;

#[test]
fn numbers_are_found_and_the_last_segment_ends_with_its_period() {
    let manifest = parse(NUMBERS.as_bytes(), &base()).unwrap();
    assert_eq!((manifest.live, manifest.seconds, manifest.representations.len()), (false, Some(9.5), 2));
    let first = manifest.find(&asked("/live/chunk-0-00001.m4s?x=1"), None).unwrap();
    assert_eq!((first.representation, first.init, first.number, first.start, first.seconds), (0, false, Some(1), Some(0.0), Some(2.0)));
    let last = manifest.find(&asked("/live/chunk-1-00005.m4s"), None).unwrap();
    assert_eq!((last.representation, last.start, last.seconds), (1, Some(8.0), Some(1.5)));
    assert!(manifest.find(&asked("/live/init-1.m4s"), None).unwrap().init);
    assert_eq!(manifest.find(&asked("/live/other.m4s"), None), None);
    assert_eq!(manifest.representations[0].frame_rate, Some(25.0));
}

#[test]
fn timelines_tell_each_duration() {
    let text = r#"<MPD type="dynamic"><BaseURL>//cdn/v/</BaseURL><Period start="PT0S"><AdaptationSet mimeType="audio/mp4"><Representation id="a" bandwidth="48000">
<SegmentTemplate timescale="10" presentationTimeOffset="100" media="a/$Time$.m4s"><SegmentTimeline><S t="100" d="20" r="1"/><S d="15"/><S t="200" d="20" r="-1"/><S t="260" d="5"/></SegmentTimeline></SegmentTemplate>
</Representation></AdaptationSet></Period></MPD>"#;
    let manifest = parse(text.as_bytes(), &base()).unwrap();
    let at = |t: u64| manifest.find(&Target::of_request(&format!("/v/a/{t}.m4s"), Some("cdn")), None).unwrap();
    assert!(manifest.live);
    assert_eq!(manifest.representations[0].kind, "audio");
    assert_eq!((at(100).start, at(100).seconds, at(100).number), (Some(0.0), Some(2.0), Some(1)));
    assert_eq!((at(120).number, at(140).seconds), (Some(2), Some(1.5)));
    assert_eq!((at(240).seconds, at(240).number), (Some(2.0), Some(6)));
    assert_eq!((at(260).seconds, at(260).number), (Some(0.5), Some(7)));
    assert_eq!(at(300).seconds, None);
}

#[test]
fn lists_and_single_files() {
    let text = r#"<MPD mediaPresentationDuration="PT10S"><Period><AdaptationSet><Representation id="v" bandwidth="1"><SegmentList timescale="1" duration="4">
<Initialization sourceURL="i.mp4"/><SegmentURL media="1.mp4"/><SegmentURL media="all.mp4" mediaRange="100-199"/></SegmentList></Representation>
<Representation id="w" bandwidth="2"><BaseURL>whole.mp4</BaseURL><SegmentBase indexRange="0-99"/></Representation></AdaptationSet></Period></MPD>"#;
    let manifest = parse(text.as_bytes(), &base()).unwrap();
    let second = manifest.find(&asked("/live/all.mp4"), Some(100)).unwrap();
    assert_eq!((second.number, second.start, second.seconds), (Some(1), Some(4.0), Some(4.0)));
    assert_eq!(manifest.find(&asked("/live/all.mp4"), Some(0)), None);
    assert!(manifest.find(&asked("/live/i.mp4"), None).unwrap().init);
    assert_eq!(manifest.find(&asked("/live/whole.mp4"), Some(7)).unwrap().representation, 1);
}

#[test]
fn what_cannot_be_read_is_said() {
    assert!(parse(b"<html>", &base()).is_err());
    assert!(parse(b"", &base()).is_err());
}

proptest::proptest! {
    #[test]
    fn broken_manifests_are_survived(at in 0usize..NUMBERS.len(), with in "\\PC{0,6}", number in proptest::num::u64::ANY) {
        let mut text = NUMBERS.to_string();
        text.replace_range(at..at + 1, &with);
        if let Ok(manifest) = parse(text.as_bytes(), &base()) {
            let _ = manifest.find(&asked(&format!("/live/chunk-0-{number}.m4s")), Some(number));
        }
    }

    #[test]
    fn any_timeline_is_survived(line in proptest::collection::vec((proptest::option::of(proptest::num::u64::ANY), proptest::num::u64::ANY, proptest::num::i64::ANY), 0..6), ask in proptest::num::u64::ANY) {
        let timing = Timing { timescale: 1, first: 1, offset: 5, durations: Durations::Timeline(line) };
        let _ = (timing.of_number(ask, Some(1e18)), timing.at_time(ask, None), timing.number_at(ask), timing.of_number(ask, None));
    }
}
