//! Cuts the packets around a window out of all captures of a run: one pcapng file on the reference clock, with comments on the frames
//! that prove something.
//!
//! One interface per point (more if a point's files have several link types), named after its role. Frames are copied as they were
//! captured; only their times are moved to the reference clock. Memory holds one frame per point.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::base::clock::{ClockMap, Piece};
use crate::base::pseudonym::Pseudonyms;
use crate::base::time::{NS_PER_S, Nanos, Timestamp};
use crate::capture::write::{ByteOrder, InterfaceDescription, PcapngWriter};
use crate::capture::{LinkType, OpenOptions, PointSource, Source, open_point};
use crate::decode::pseudonymize::Pseudonymizer;
use crate::error::{Error, Result};
use crate::model::{Downtime, Report, Window};

/// A frame this much after the window ends the reading of its point: files of a point overlap by less, and clocks drift by less.
const SLACK: Nanos = Nanos(2 * NS_PER_S);

/// What to cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// The downtime of the first migration that has one; in a run without a migration, what the client saw.
    Downtime,
    /// The first migration as a whole.
    Migration,
    /// A moment on the reference clock.
    Moment(Timestamp),
}

impl std::str::FromStr for Around {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "downtime" => Ok(Self::Downtime),
            "migration" => Ok(Self::Migration),
            _ => Timestamp::parse_rfc3339(text)
                .map(Self::Moment)
                .ok_or_else(|| format!("{text:?}: expected downtime, migration, or a moment such as 2026-11-24T00:08:48.5Z")),
        }
    }
}

/// One capture point to cut from.
#[derive(Clone, Debug)]
pub struct SlicePoint {
    /// Name of its interface.
    pub name: String,
    /// Its files, in the order in which the analysis read them.
    pub paths: Vec<PathBuf>,
    /// From its clock to the reference clock.
    pub clock: ClockMap,
    /// Comments by file and frame number.
    pub comments: HashMap<(u16, u64), String>,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sliced {
    /// Frames per point.
    pub frames: Vec<u64>,
    /// Comments that were put on frames.
    pub comments: u64,
}

/// The window that the report gives, `margin` wider on both sides; an error if it has none.
pub fn window(report: &Report, around: Around, margin: Nanos) -> Result<(Timestamp, Timestamp)> {
    let found = match around {
        Around::Moment(at) => Some((at, at)),
        Around::Migration => report.migrations.iter().find_map(|m| Some((m.start?, m.end.or(report.run.end)?))),
        Around::Downtime => report.downtimes().find_map(|(_, d)| of_downtime(d)),
    };
    let (from, to) = found.ok_or_else(|| {
        let reason = report.downtimes().next().and_then(|(id, d)| if id == 0 { d.network.why.clone() } else { d.vm.why.clone() });
        let what = match around {
            Around::Downtime => "the report holds no downtime to cut around",
            _ => "the report holds no migration to cut around",
        };
        Error::new(reason.map_or_else(|| what.to_owned(), |r| format!("{what}: {r}")))
            .advice("Give a moment instead, such as --around 2026-11-24T00:08:48Z.")
    })?;
    Ok((from - margin, to + margin))
}

fn of_downtime(downtime: &Downtime) -> Option<(Timestamp, Timestamp)> {
    let ends = |w: &Window| [w.start.map(|i| i.lower), w.start.map(|i| i.upper), w.end.map(|i| i.upper)];
    let all: Vec<Timestamp> = [&downtime.vm, &downtime.network].into_iter().flat_map(ends).flatten().collect();
    Some((*all.iter().min()?, *all.iter().max()?))
}

/// The points of a report, with what its evidence says of their frames. Clocks are taken from the report, or given by `clocks` in the
/// order of its points where they are known better.
pub fn points(report: &Report, clocks: Option<&[ClockMap]>) -> Vec<SlicePoint> {
    let mut points: Vec<SlicePoint> = report
        .points
        .iter()
        .enumerate()
        .map(|(i, p)| {
            let first = p.files.iter().filter_map(|f| f.first).min();
            let clock = clocks.and_then(|c| c.get(i).cloned()).unwrap_or_else(|| clock_of(&p.clock, first));
            SlicePoint {
                name: p.role.clone(),
                paths: p.files.iter().map(|f| PathBuf::from(&f.path)).collect(),
                clock,
                comments: HashMap::new(),
            }
        })
        .collect();
    for evidence in report.downtimes().flat_map(|(_, d)| &d.evidence) {
        let place = points.iter_mut().find_map(|p| {
            let file = p.paths.iter().position(|path| path.to_string_lossy() == evidence.file)?;
            Some((p, file as u16))
        });
        if let Some((point, file)) = place {
            let comment = point.comments.entry((file, evidence.frame)).or_default();
            if !comment.is_empty() {
                comment.push_str("; ");
            }
            comment.push_str(&evidence.what);
        }
    }
    points
}

/// `reference time = point time + offset + drift × (point time − first packet)`; the report gives the first packet in reference time.
fn clock_of(clock: &crate::model::Clock, first: Option<Timestamp>) -> ClockMap {
    let offset = Nanos(clock.offset_ns.unwrap_or(0));
    let from = first.map_or(Timestamp(0), |f| f - offset);
    ClockMap {
        pieces: vec![Piece { from, offset, drift_ppb: clock.drift_ppb.unwrap_or(0.0) }],
        uncertainty: clock.uncertainty_ns.map(Nanos),
    }
}

/// The next frame of one point, copied out of its source.
struct Reader<'a> {
    point: &'a SlicePoint,
    index: usize,
    source: PointSource,
    /// Time on the reference clock.
    at: Timestamp,
    link: LinkType,
    place: (u16, u64),
    wire_len: u32,
    bytes: Vec<u8>,
    done: bool,
}

impl Reader<'_> {
    /// Goes to the next frame within the window.
    fn advance(&mut self, from: Timestamp, to: Timestamp) -> Result<()> {
        while let Some(frame) = self.source.next_frame()? {
            let at = self.point.clock.to_reference(frame.at);
            if at > to + SLACK {
                break;
            }
            if at < from || at > to {
                continue;
            }
            self.at = at;
            self.link = frame.link;
            self.place = (frame.place.file, frame.place.frame);
            self.wire_len = frame.wire_len;
            self.bytes.clear();
            self.bytes.extend_from_slice(frame.bytes);
            return Ok(());
        }
        self.done = true;
        Ok(())
    }
}

/// Writes the frames of `points` between `from` and `to` (reference clock, both included) that `filter` (BPF) lets through, in order of time,
/// with `comment` on the section. With `pseudonyms` addresses are replaced and what packets carry is cut off; the lengths on the wire stay.
pub fn slice<W: Write>(
    points: &[SlicePoint],
    (from, to): (Timestamp, Timestamp),
    filter: Option<&str>,
    comment: &str,
    pseudonyms: Option<&Pseudonyms>,
    out: W,
) -> Result<(W, Sliced)> {
    let mut rewriter = pseudonyms.map(Pseudonymizer::new);
    let failed = |e: io::Error| Error::new(format!("cannot write the slice: {e}"));
    let mut readers = Vec::with_capacity(points.len());
    for (index, point) in points.iter().enumerate() {
        let options = OpenOptions { filter: filter.map(str::to_owned), ..OpenOptions::default() };
        let source = open_point(&point.paths, &options)?;
        let mut reader = Reader {
            point,
            index,
            source,
            at: Timestamp(0),
            link: LinkType::ETHERNET,
            place: (0, 0),
            wire_len: 0,
            bytes: Vec::new(),
            done: false,
        };
        reader.advance(from, to)?;
        readers.push(reader);
    }
    let mut writer = PcapngWriter::new(out, ByteOrder::Little, comment).map_err(failed)?;
    let mut interfaces: HashMap<(usize, LinkType), u32> = HashMap::new();
    let mut sliced = Sliced { frames: vec![0; points.len()], comments: 0 };
    while let Some(reader) = readers.iter_mut().filter(|r| !r.done).min_by_key(|r| r.at) {
        let key = (reader.index, reader.link);
        let interface = match interfaces.get(&key) {
            Some(known) => *known,
            None => {
                let described = InterfaceDescription { name: &reader.point.name, link: reader.link, ..InterfaceDescription::default() };
                let new = writer.interface(&described).map_err(failed)?;
                interfaces.insert(key, new);
                new
            }
        };
        let comment = reader.point.comments.get(&reader.place).map_or("", String::as_str);
        sliced.comments += u64::from(!comment.is_empty());
        sliced.frames[reader.index] += 1;
        if let Some(rewriter) = &mut rewriter {
            rewriter.frame(reader.link, &mut reader.bytes);
        }
        writer.write(interface, reader.at, reader.wire_len, &reader.bytes, comment).map_err(failed)?;
        reader.advance(from, to)?;
    }
    Ok((writer.finish().map_err(failed)?, sliced))
}

#[cfg(test)]
mod tests;
