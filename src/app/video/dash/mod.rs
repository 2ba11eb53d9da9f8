//! DASH manifests (ISO/IEC 23009-1), read with `dash-mpd-core`: which segment a request asks for and how long it plays.
//!
//! Not read: remote elements (XLink), patches, content steering, sub-representations.

mod pattern;

use dash_mpd_core::{AdaptationSet, BaseURL, MPD, SegmentBase, SegmentList, SegmentTemplate};

use crate::app::http::Target;
use crate::base::limits::{DASH_REPRESENTATIONS, PLAYLIST_ENTRIES};

pub use pattern::Pattern;

/// A manifest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// `type="dynamic"`: more will come.
    pub live: bool,
    /// Length of the presentation.
    pub seconds: Option<f64>,
    /// Representations of all periods.
    pub representations: Vec<Representation>,
    /// There were more representations or entries than the bounds allow.
    pub cut: bool,
}

/// One representation of one period.
#[derive(Clone, Debug, PartialEq)]
pub struct Representation {
    /// Its period, from 0.
    pub period: usize,
    /// `id`.
    pub id: String,
    /// `video`, `audio` or `other`.
    pub kind: &'static str,
    /// Bit rate.
    pub bandwidth: Option<u64>,
    /// Picture width.
    pub width: Option<u64>,
    /// Picture height.
    pub height: Option<u64>,
    /// Frames per second.
    pub frame_rate: Option<f64>,
    /// Codecs.
    pub codecs: Option<String>,
    /// Where its initialization lies.
    pub init: Option<Pattern>,
    /// Where its media lies.
    pub segments: Segments,
    /// Length of its period.
    pub period_seconds: Option<f64>,
}

/// How the segments of a representation are named.
#[derive(Clone, Debug, PartialEq)]
pub enum Segments {
    /// By number or time.
    Template(Pattern, Timing),
    /// One by one.
    List(Vec<ListEntry>),
    /// One file, asked for in ranges.
    Single(Target),
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListEntry {
    /// Where it lies.
    pub target: Target,
    /// First and last byte, if it is a part.
    pub range: Option<(u64, u64)>,
    /// How long it plays.
    pub seconds: Option<f64>,
}

/// When the segments of a template play.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// Ticks per second.
    pub timescale: u64,
    /// Number of the first segment.
    pub first: u64,
    /// `presentationTimeOffset` in ticks.
    pub offset: u64,
    /// Durations.
    pub durations: Durations,
}

/// Durations in ticks.
#[derive(Clone, Debug, PartialEq)]
pub enum Durations {
    /// All the same.
    Constant(f64),
    /// Start (if told), duration, further repeats (negative: up to the next or the end).
    Timeline(Vec<(Option<u64>, u64, i64)>),
}

/// What a request is to a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Index of the representation.
    pub representation: usize,
    /// Initialization, not media.
    pub init: bool,
    /// Number or index of the segment within its representation.
    pub number: Option<u64>,
    /// Start within its period.
    pub start: Option<f64>,
    /// How long it plays.
    pub seconds: Option<f64>,
}

/// Parses a manifest that came from `base`. `Err` says what was wrong.
pub fn parse(bytes: &[u8], base: &Target) -> Result<Manifest, String> {
    let text = String::from_utf8_lossy(bytes);
    let mpd = dash_mpd_core::parse(&text).map_err(|e| format!("not a manifest: {e}"))?;
    Ok(manifest(&mpd, base))
}

fn manifest(mpd: &MPD, base: &Target) -> Manifest {
    let mut out = Manifest {
        live: mpd.mpdtype.as_deref() == Some("dynamic"),
        seconds: mpd.mediaPresentationDuration.map(|d| d.as_secs_f64()),
        ..Default::default()
    };
    let base = below(base, &mpd.base_url);
    for (index, period) in mpd.periods.iter().enumerate() {
        let next = mpd.periods.get(index + 1).and_then(|p| p.start);
        let length =
            period.duration.map(|d| d.as_secs_f64()).or_else(|| Some(next?.as_secs_f64() - period.start.unwrap_or_default().as_secs_f64()));
        // A single period, and the last one, end with the presentation.
        let length = length.or_else(|| Some(out.seconds? - period.start.unwrap_or_default().as_secs_f64()));
        let base = below(&base, &period.BaseURL);
        for set in &period.adaptations {
            let base = below(&base, &set.BaseURL);
            for representation in &set.representations {
                if out.representations.len() >= DASH_REPRESENTATIONS {
                    out.cut = true;
                    return out;
                }
                let base = below(&base, &representation.BaseURL);
                let names =
                    pattern::Names { id: representation.id.as_deref().unwrap_or(""), bandwidth: representation.bandwidth.unwrap_or(0) };
                let templates = [&representation.SegmentTemplate, &set.SegmentTemplate, &period.SegmentTemplate];
                let lists = [&representation.SegmentList, &set.SegmentList, &period.SegmentList];
                let bases = [&representation.SegmentBase, &set.SegmentBase, &period.SegmentBase];
                let (init, segments) = segments(&base, &names, templates, lists, bases, &mut out.cut);
                let mime = representation.mimeType.as_deref().or(set.mimeType.as_deref());
                out.representations.push(Representation {
                    period: index,
                    id: names.id.to_string(),
                    kind: kind(set, mime, representation.width.is_some()),
                    bandwidth: representation.bandwidth,
                    width: representation.width.or(set.width),
                    height: representation.height.or(set.height),
                    frame_rate: representation.frameRate.as_deref().or(set.frameRate.as_deref()).and_then(frame_rate),
                    codecs: representation.codecs.clone().or_else(|| set.codecs.clone()),
                    init,
                    segments,
                    period_seconds: length.filter(|s| *s > 0.0),
                });
            }
        }
    }
    out
}

fn below(base: &Target, urls: &[BaseURL]) -> Target {
    urls.first().map_or_else(|| base.clone(), |u| base.resolve(&u.base))
}

fn kind(set: &AdaptationSet, mime: Option<&str>, has_width: bool) -> &'static str {
    let said = set.contentType.as_deref().or(mime).unwrap_or("");
    match said.split('/').next() {
        Some("video") => "video",
        Some("audio") => "audio",
        _ if has_width || set.width.is_some() || set.maxWidth.is_some() => "video",
        _ => "other",
    }
}

/// `25` or `30000/1001`.
fn frame_rate(text: &str) -> Option<f64> {
    let (n, d) = text.split_once('/').unwrap_or((text, "1"));
    let rate = n.trim().parse::<f64>().ok()? / d.trim().parse::<f64>().ok()?;
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

/// Inner elements override outer ones, attribute by attribute (ISO/IEC 23009-1 section 5.3.9.1).
fn segments(
    base: &Target,
    names: &pattern::Names<'_>,
    templates: [&Option<SegmentTemplate>; 3],
    lists: [&Option<SegmentList>; 3],
    bases: [&Option<SegmentBase>; 3],
    cut: &mut bool,
) -> (Option<Pattern>, Segments) {
    let t: Vec<&SegmentTemplate> = templates.iter().filter_map(|t| t.as_ref()).collect();
    if let Some(media) = t.iter().find_map(|t| t.media.as_deref()) {
        let init = t.iter().find_map(|t| t.initialization.as_deref()).map(|i| Pattern::new(base, i, names));
        let timescale = t.iter().find_map(|t| t.timescale).unwrap_or(1).max(1);
        let timeline = t.iter().find_map(|t| t.SegmentTimeline.as_ref());
        let durations = match timeline {
            Some(line) => {
                *cut |= line.segments.len() > PLAYLIST_ENTRIES;
                Durations::Timeline(line.segments.iter().take(PLAYLIST_ENTRIES).map(|s| (s.t, s.d, s.r.unwrap_or(0))).collect())
            }
            None => Durations::Constant(t.iter().find_map(|t| t.duration).unwrap_or(0.0)),
        };
        let timing = Timing {
            timescale,
            first: t.iter().find_map(|t| t.startNumber).unwrap_or(1),
            offset: t.iter().find_map(|t| t.presentationTimeOffset).unwrap_or(0),
            durations,
        };
        return (init, Segments::Template(Pattern::new(base, media, names), timing));
    }
    let l: Vec<&SegmentList> = lists.iter().filter_map(|l| l.as_ref()).collect();
    if let Some(urls) = l.iter().map(|l| &l.segment_urls).find(|u| !u.is_empty()) {
        *cut |= urls.len() > PLAYLIST_ENTRIES;
        let timescale = l.iter().find_map(|l| l.timescale).unwrap_or(1).max(1) as f64;
        let same = l.iter().find_map(|l| l.duration).map(|d| d as f64 / timescale);
        let line = l.iter().find_map(|l| l.SegmentTimeline.as_ref()).map(|line| {
            let repeats = line
                .segments
                .iter()
                .flat_map(|s| std::iter::repeat_n(s.d, usize::try_from(s.r.unwrap_or(0).max(0)).unwrap_or(0).min(PLAYLIST_ENTRIES) + 1));
            repeats.take(PLAYLIST_ENTRIES).map(|d| d as f64 / timescale).collect::<Vec<_>>()
        });
        let entries = urls.iter().take(PLAYLIST_ENTRIES).enumerate().map(|(i, u)| ListEntry {
            target: u.media.as_deref().map_or_else(|| base.clone(), |m| base.resolve(m)),
            range: u.mediaRange.as_deref().and_then(byte_range),
            seconds: line.as_ref().map_or(same, |l| l.get(i).copied()),
        });
        let init = l.iter().find_map(|l| l.Initialization.as_ref()?.sourceURL.as_deref()).map(|i| Pattern::new(base, i, names));
        return (init, Segments::List(entries.collect()));
    }
    let init = bases.iter().filter_map(|b| b.as_ref()).find_map(|b| b.Initialization.as_ref()?.sourceURL.as_deref());
    (init.map(|i| Pattern::new(base, i, names)), Segments::Single(base.clone()))
}

fn byte_range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split_once('-')?;
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

impl Manifest {
    /// Which segment `target` is; `first` is the first byte of a range request.
    pub fn find(&self, target: &Target, first: Option<u64>) -> Option<Found> {
        let media = self.representations.iter().enumerate().find_map(|(i, r)| r.find(i, target, first));
        media.or_else(|| {
            let init = self.representations.iter().position(|r| r.init.as_ref().is_some_and(|p| p.matches(target).is_some()))?;
            Some(Found { representation: init, init: true, number: None, start: None, seconds: None })
        })
    }
}

impl Representation {
    fn find(&self, index: usize, target: &Target, first: Option<u64>) -> Option<Found> {
        let found = |number, place: Option<(f64, f64)>| Found {
            representation: index,
            init: false,
            number,
            start: place.map(|p| p.0),
            seconds: place.map(|p| p.1),
        };
        match &self.segments {
            Segments::Template(pattern, timing) => {
                let values = pattern.matches(target)?;
                Some(match (values.time, values.number) {
                    (Some(time), _) => found(timing.number_at(time), timing.at_time(time, self.period_seconds)),
                    (None, Some(n)) => found(Some(n), timing.of_number(n, self.period_seconds)),
                    (None, None) => found(Some(timing.first), timing.of_number(timing.first, self.period_seconds)),
                })
            }
            Segments::List(entries) => {
                let at = entries.iter().position(|e| e.target.same(target) && e.range.is_none_or(|r| first.is_none_or(|f| f == r.0)))?;
                let start = entries[..at].iter().map(|e| e.seconds).sum::<Option<f64>>();
                Some(found(Some(at as u64), start.zip(entries[at].seconds)))
            }
            Segments::Single(one) => one.same(target).then(|| found(None, None)),
        }
    }
}

impl Timing {
    fn place(&self, start: u64, ticks: f64, period: Option<f64>) -> Option<(f64, f64)> {
        let scale = self.timescale as f64;
        let start = start.saturating_sub(self.offset) as f64 / scale;
        let seconds = ticks / scale;
        // The last segment ends with its period.
        let seconds = period.map_or(seconds, |p| if p > start { seconds.min(p - start) } else { seconds });
        (seconds.is_finite() && seconds > 0.0).then_some((start, seconds))
    }

    /// Start and length in seconds of segment `number`.
    fn of_number(&self, number: u64, period: Option<f64>) -> Option<(f64, f64)> {
        let index = number.checked_sub(self.first)?;
        match &self.durations {
            Durations::Constant(ticks) => {
                let start = index as f64 * ticks;
                // Numbers of constant length count from the start of the period, without the offset.
                let (_, seconds) = self.place((start as u64).saturating_add(self.offset), *ticks, period)?;
                Some((start / self.timescale as f64, seconds))
            }
            Durations::Timeline(_) => {
                let mut left = index;
                self.runs(period).find_map(|(t, d, count)| {
                    if left < count {
                        return Some(self.place(t.saturating_add(left.saturating_mul(d)), d as f64, period));
                    }
                    left -= count;
                    None
                })?
            }
        }
    }

    /// Start and length in seconds of the segment that starts at `time` ticks.
    fn at_time(&self, time: u64, period: Option<f64>) -> Option<(f64, f64)> {
        match &self.durations {
            Durations::Constant(ticks) => self.place(time, *ticks, period),
            Durations::Timeline(_) => {
                let run = self.runs(period).find(|(t, d, count)| (*t..t.saturating_add(d.saturating_mul(*count))).contains(&time))?;
                self.place(time, run.1 as f64, period)
            }
        }
    }

    fn number_at(&self, time: u64) -> Option<u64> {
        match &self.durations {
            Durations::Constant(ticks) if *ticks >= 1.0 => Some(self.first.saturating_add((time as f64 / ticks).round() as u64)),
            Durations::Constant(_) => None,
            Durations::Timeline(_) => {
                let mut before = 0u64;
                self.runs(None).find_map(|(t, d, count)| {
                    if d > 0 && (t..t.saturating_add(d.saturating_mul(count))).contains(&time) {
                        return Some(self.first.saturating_add(before).saturating_add((time - t) / d));
                    }
                    before = before.saturating_add(count);
                    None
                })
            }
        }
    }

    /// Runs of equal segments: start, duration, count.
    fn runs(&self, period: Option<f64>) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        let Durations::Timeline(line) = &self.durations else { unreachable!("asked of timelines only") };
        let end = period.map(|p| (p * self.timescale as f64) as u64).map(|p| p.saturating_add(self.offset));
        let mut at = 0u64;
        line.iter().enumerate().map(move |(i, (t, d, r))| {
            at = t.unwrap_or(at);
            let count = match u64::try_from(*r) {
                Ok(r) => r.saturating_add(1),
                Err(_) => {
                    let until = line.get(i + 1).and_then(|n| n.0).or(end).unwrap_or(u64::MAX);
                    until.saturating_sub(at).div_ceil((*d).max(1))
                }
            };
            let run = (at, *d, count);
            at = at.saturating_add(d.saturating_mul(count));
            run
        })
    }
}

#[cfg(test)]
mod tests;
