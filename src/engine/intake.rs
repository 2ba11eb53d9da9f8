//! The first stage of a point: frames are read and decoded, and packets known again that the point saw before.
//!
//! What comes after it either takes each packet at once, or runs in a thread of its own and decodes the frames once more: to hand
//! over a decoded packet costs more than to decode it, and the bytes need not be copied.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::Options;
use super::belt::{Giver, Taker, belt};
use crate::base::anomaly::{Anomalies, Place};
use crate::base::time::Timestamp;
use crate::capture::{self, Block, FileFacts, Frame, InterfaceFacts, Lies, LinkType, OpenOptions, Source};
use crate::decode::duplicates::{Duplicates, Verdict};
use crate::decode::{Decoder, Outcome, Packet};
use crate::error::Result;
use crate::measure::presence::Presence;
use crate::run::PointSpec;

/// Frames between two looks at whether the user wants to stop.
const STOP_EVERY: u64 = 4096;
/// Frames that cross to the next stage at once, at most.
const BATCH: usize = 512;
/// Their bytes: more make a batch full, so that few blocks of the reader are held.
const BATCH_BYTES: usize = 256 * 1024;
/// Full batches that may wait for the next stage.
const WAITING: usize = 4;

/// What is known of a point's packets before they are followed.
pub struct Sighted {
    /// Frames read.
    pub frames: u64,
    /// Packets decoded, copies too.
    pub decoded: u64,
    /// Fragments that became part of another packet.
    pub held: u64,
    /// Copies dropped.
    pub copies: u64,
    /// Earliest packet.
    pub first: Option<Timestamp>,
    /// Latest packet.
    pub last: Option<Timestamp>,
    /// Who was seen where.
    pub presence: Presence,
    /// Frames that could not be decoded, by reason.
    pub undecoded: BTreeMap<&'static str, u64>,
    /// Files.
    pub files: Vec<FileFacts>,
    /// Interfaces.
    pub interfaces: Vec<InterfaceFacts>,
    /// Oddities of the files and the traffic.
    pub anomalies: Anomalies,
    /// The user stopped it.
    pub stopped: bool,
    duplicates: Duplicates,
}

/// What comes after the intake.
pub trait Next {
    /// A frame, and the block that its bytes lie in. Its packets are told after it.
    fn frame(&mut self, frame: &Frame<'_>, block: Lies<'_>);
    /// A packet, and whether it is new to the point.
    fn packet(&mut self, packet: &Packet<'_>, verdict: Verdict);
    /// No more frames; a few packets may follow, of which fragments are missing.
    fn last_frame(&mut self);
}

impl Sighted {
    fn new() -> Self {
        Self {
            frames: 0,
            decoded: 0,
            held: 0,
            copies: 0,
            first: None,
            last: None,
            presence: Presence::new(),
            undecoded: BTreeMap::new(),
            files: Vec::new(),
            interfaces: Vec::new(),
            anomalies: Anomalies::default(),
            stopped: false,
            duplicates: Duplicates::new(),
        }
    }

    #[inline]
    fn packet(&mut self, packet: &Packet<'_>) -> Verdict {
        self.decoded += 1;
        self.first = Some(self.first.map_or(packet.at, |t| t.min(packet.at)));
        self.last = Some(self.last.map_or(packet.at, |t| t.max(packet.at)));
        self.presence.packet(packet);
        let verdict = self.duplicates.check(packet);
        self.copies += u64::from(verdict == Verdict::Copy);
        verdict
    }
}

/// Reads all frames of a point.
pub fn read(spec: &PointSpec, options: &Options, next: &mut impl Next) -> Result<Sighted> {
    let open = OpenOptions { filter: options.filter.clone(), progress: Some(options.read.clone()), members: options.members.clone() };
    let mut source = capture::open_point(&spec.paths, &open)?;
    let mut decoder = Decoder::new();
    let mut sighted = Sighted::new();
    while let Some((frame, block)) = source.next_in_block()? {
        sighted.frames += 1;
        if sighted.frames.is_multiple_of(STOP_EVERY) && options.stop.load(Ordering::Relaxed) {
            sighted.stopped = true;
            break;
        }
        next.frame(&frame, block);
        match decoder.decode_to(&frame, &mut |packet| next.packet(packet, sighted.packet(packet))) {
            Outcome::Packet => {}
            Outcome::Held => {
                sighted.held += 1;
                while let Some(packet) = decoder.release(frame.at) {
                    next.packet(&packet, sighted.packet(&packet));
                }
            }
            Outcome::Undecoded(reason) => *sighted.undecoded.entry(reason).or_insert(0) += 1,
        }
    }
    next.last_frame();
    while let Some(packet) = decoder.release(Timestamp::MAX) {
        next.packet(&packet, sighted.packet(&packet));
    }
    sighted.anomalies = source.anomalies().clone();
    for (kind, count) in decoder.counters().named() {
        sighted.anomalies.note_many(kind, count, Place::default());
    }
    (sighted.files, sighted.interfaces) = (source.files(), source.interfaces());
    Ok(sighted)
}

/// Frames on their way to the next stage.
#[derive(Default)]
struct Batch {
    heads: Vec<Head>,
    blocks: Vec<Block>,
    /// Bytes of frames that lie in no block.
    copied: Vec<u8>,
    /// Bytes of all frames.
    bytes: usize,
    /// Of the packets in these frames, in their order.
    verdicts: Vec<Verdict>,
    /// No frame comes after these.
    last: bool,
}

impl Batch {
    fn clear(&mut self) {
        self.heads.clear();
        self.blocks.clear();
        self.copied.clear();
        self.verdicts.clear();
        (self.bytes, self.last) = (0, false);
    }
}

/// A frame without its bytes.
#[derive(Clone, Copy)]
struct Head {
    at: Timestamp,
    place: Place,
    wire_len: u32,
    start: u32,
    len: u32,
    link: LinkType,
    interface: u16,
    /// Which block of the batch; [`COPIED`] for none.
    block: u16,
}

/// [`Head::block`] of frames that were copied.
const COPIED: u16 = u16::MAX;

/// This end of the belt.
pub struct Hatch {
    batch: Batch,
    belt: Giver<Batch>,
}

/// The other end, in the thread of the next stage.
pub struct Arrivals(Taker<Batch>);

/// Both ends.
pub fn hatch() -> (Hatch, Arrivals) {
    let (giver, taker) = belt(WAITING);
    (Hatch { batch: Batch::default(), belt: giver }, Arrivals(taker))
}

impl Next for Hatch {
    #[inline]
    fn frame(&mut self, frame: &Frame<'_>, block: Lies<'_>) {
        if self.batch.heads.len() == BATCH || self.batch.bytes >= BATCH_BYTES {
            self.belt.give(&mut self.batch);
        }
        let Batch { heads, blocks, copied, bytes, .. } = &mut self.batch;
        let (block, start) = match block {
            Some((block, start)) => {
                if blocks.last().is_none_or(|last| !Block::ptr_eq(last, block)) {
                    blocks.push(block.clone());
                }
                // A batch has fewer blocks than frames.
                (blocks.len() as u16 - 1, start)
            }
            None => {
                copied.extend_from_slice(frame.bytes);
                (COPIED, copied.len() - frame.bytes.len())
            }
        };
        *bytes += frame.bytes.len();
        let &Frame { at, place, link, interface, wire_len, bytes } = frame;
        heads.push(Head { at, place, wire_len, start: start as u32, len: bytes.len() as u32, link, interface, block });
    }

    #[inline]
    fn packet(&mut self, _packet: &Packet<'_>, verdict: Verdict) {
        self.batch.verdicts.push(verdict);
    }

    fn last_frame(&mut self) {
        self.batch.last = true;
    }
}

impl Hatch {
    /// Everything was told.
    pub fn close(mut self) {
        self.belt.give(&mut self.batch);
    }
}

impl Arrivals {
    /// Hands each packet that is new to the point to `follow`, until the other end is closed.
    pub fn run(self, mut follow: impl FnMut(&Packet<'_>)) {
        let mut decoder = Decoder::new();
        while let Some(mut batch) = self.0.take() {
            let mut verdicts = batch.verdicts.iter();
            let mut packet = |packet: &Packet<'_>| {
                if verdicts.next() != Some(&Verdict::Copy) {
                    follow(packet);
                }
            };
            for head in &batch.heads {
                let &Head { at, place, wire_len, start, len, link, interface, block } = head;
                let held = if block == COPIED { &batch.copied } else { &*batch.blocks[usize::from(block)] };
                let bytes = &held[start as usize..][..len as usize];
                if decoder.decode_to(&Frame { at, place, link, interface, wire_len, bytes }, &mut packet) == Outcome::Held {
                    while let Some(decoded) = decoder.release(at) {
                        packet(&decoded);
                    }
                }
            }
            if batch.last {
                while let Some(decoded) = decoder.release(Timestamp::MAX) {
                    packet(&decoded);
                }
            }
            batch.clear();
            self.0.give_back(batch);
        }
    }
}
