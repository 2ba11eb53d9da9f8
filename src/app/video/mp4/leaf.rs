//! Leaf boxes, decoded with `mp4-atom`.

use mp4_atom::{Atom, Hdlr, Mdhd, Mvhd, Sidx, Tfhd, Tkhd, Trun, TrunSamples};

use super::Mp4;
use crate::base::limits::MP4_TRACKS;

/// What the leaves said so far.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    pub found: Mp4,
    /// Timescale of `mvhd`.
    movie_timescale: u32,
    /// Track and `default_sample_duration` of the current `traf`.
    traf: (u32, Option<u32>),
}

impl Leaves {
    /// A `traf` begins.
    pub fn enter_traf(&mut self) {
        self.traf = (0, None);
    }

    /// Reads one box without its header; what cannot be read changes nothing.
    pub fn read(&mut self, kind: [u8; 4], body: &[u8]) {
        let mut body = body;
        let found = &mut self.found;
        match &kind {
            b"mvhd" => {
                if let Ok(m) = Mvhd::decode_body(&mut body) {
                    let unknown = m.duration == 0 || m.duration == u64::from(u32::MAX) || m.duration == u64::MAX;
                    if m.timescale > 0 && !unknown {
                        found.seconds = Some(m.duration as f64 / f64::from(m.timescale));
                    }
                    self.movie_timescale = m.timescale;
                }
            }
            b"mehd" => {
                // ISO/IEC 14496-12 section 8.8.2, in the timescale of mvhd.
                let ticks = match (body.first(), body.get(4..)) {
                    (Some(1), Some(b)) => b.first_chunk().map(|b| u64::from_be_bytes(*b)),
                    (Some(0), Some(b)) => b.first_chunk().map(|b| u64::from(u32::from_be_bytes(*b))),
                    _ => None,
                };
                if let Some(ticks) = ticks.filter(|t| *t > 0 && self.movie_timescale > 0) {
                    found.seconds = Some(ticks as f64 / f64::from(self.movie_timescale));
                }
            }
            b"tkhd" => {
                if let (Ok(t), Some(track)) = (Tkhd::decode_body(&mut body), found.tracks.last_mut()) {
                    track.id = t.track_id;
                    track.width = t.width.integer();
                    track.height = t.height.integer();
                }
            }
            b"mdhd" => {
                if let (Ok(m), Some(track)) = (Mdhd::decode_body(&mut body), found.tracks.last_mut()) {
                    track.timescale = m.timescale;
                    track.duration = m.duration;
                }
            }
            b"hdlr" => {
                if let (Ok(h), Some(track)) = (Hdlr::decode_body(&mut body), found.tracks.last_mut()) {
                    // `minf` of QuickTime files has a second handler.
                    if track.handler.is_empty() {
                        track.handler = h.handler.to_string();
                    }
                }
            }
            b"stsd" => {
                if let (Some(kind), Some(track)) = (body.get(12..16), found.tracks.last_mut()) {
                    track.codec = String::from_utf8_lossy(kind).into_owned();
                }
            }
            b"sidx" => {
                if let Ok(s) = Sidx::decode_body(&mut body) {
                    let ticks: u64 = s.references.iter().map(|r| u64::from(r.subsegment_duration)).sum();
                    // A hierarchical index repeats the sums of its parts: the first tells all.
                    if s.timescale > 0 && found.index_seconds.is_none() {
                        found.index_seconds = Some(ticks as f64 / f64::from(s.timescale));
                    }
                }
            }
            b"tfhd" => {
                if let Ok(t) = Tfhd::decode_body(&mut body) {
                    self.traf = (t.track_id, t.default_sample_duration);
                }
            }
            b"trun" => {
                if let Ok(t) = Trun::decode_body(&mut body) {
                    let ticks = match (&t.samples, self.traf.1) {
                        (TrunSamples::Inherited { count, .. }, Some(d)) => u64::from(*count) * u64::from(d),
                        (TrunSamples::Inherited { .. }, None) => {
                            found.default_durations = true;
                            0
                        }
                        (TrunSamples::Explicit(entries), default) => {
                            found.default_durations |= entries.iter().any(|e| e.duration.or(default).is_none());
                            entries.iter().filter_map(|e| e.duration.or(default)).map(u64::from).sum()
                        }
                    };
                    if let Some(f) = found.fragments.iter_mut().find(|f| f.0 == self.traf.0) {
                        f.1 = f.1.saturating_add(ticks);
                    } else if found.fragments.len() < MP4_TRACKS {
                        found.fragments.push((self.traf.0, ticks));
                    }
                }
            }
            _ => {}
        }
    }
}
