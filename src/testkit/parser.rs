//! Feeds a [`StreamParser`] as the flow layer would, to prove that it minds neither how its bytes are cut nor what is missing.
//!
//! A script is what the two sides say in turn; its n-th line (from 0) comes at n milliseconds in frame n + 1.

use std::ops::Range;

use super::random::Random;
use crate::app::{Event, StreamParser};
use crate::base::anomaly::Place;
use crate::base::net::Side;
use crate::base::time::{NS_PER_MS, Timestamp};
use crate::flow::{EndOfStream, GapReason, Moment, Need};

/// What one side says at once.
pub type Line = (Side, Vec<u8>);

/// The moment of line `n`.
pub fn moment(n: usize) -> Moment {
    Moment { at: Timestamp(n as i64 * NS_PER_MS), place: Place { file: 0, frame: n as u64 + 1 } }
}

/// A parser, honoured in what it says it needs.
pub struct Feed {
    parser: Box<dyn StreamParser>,
    need: [Need; 2],
    /// What the parser said.
    pub events: Vec<Event>,
}

impl Feed {
    /// Around a fresh parser.
    pub fn new(parser: Box<dyn StreamParser>) -> Self {
        Self { parser, need: [Need::More; 2], events: Vec::new() }
    }

    /// The next bytes of a side.
    pub fn bytes(&mut self, side: Side, when: Moment, bytes: &[u8]) {
        let skipped = self.pass(side, bytes.len() as u64) as usize;
        if skipped < bytes.len() {
            self.need[side.index()] = self.parser.bytes(side, when, &bytes[skipped..], &mut self.events);
        }
    }

    /// Missing bytes of a side.
    pub fn gap(&mut self, side: Side, when: Moment, missing: u64, why: GapReason) {
        let skipped = self.pass(side, missing);
        if skipped < missing {
            self.need[side.index()] = self.parser.gap(side, when, missing - skipped, why, &mut self.events);
        }
    }

    /// The end of a side.
    pub fn fin(&mut self, side: Side, when: Moment) {
        if self.need[side.index()] != Need::Nothing {
            self.parser.fin(side, when, &mut self.events);
        }
    }

    /// The end of all; gives the events.
    pub fn end(mut self, when: Moment, how: EndOfStream) -> Vec<Event> {
        self.parser.end(when, how, &mut self.events);
        self.events
    }

    /// What the parser needs next of a side.
    pub fn need(&self, side: Side) -> Need {
        self.need[side.index()]
    }

    fn pass(&mut self, side: Side, len: u64) -> u64 {
        let need = &mut self.need[side.index()];
        match *need {
            Need::More => 0,
            Need::Nothing => len,
            Need::Skip(left) if left > len => {
                *need = Need::Skip(left - len);
                len
            }
            Need::Skip(left) => {
                *need = Need::More;
                left
            }
        }
    }
}

/// The events of a script that is fed line by line and then closed by both sides.
pub fn play(parser: Box<dyn StreamParser>, script: &[Line]) -> Vec<Event> {
    play_cut(parser, script, |_| Vec::new())
}

/// Proves that the events are the same however the lines are cut: once byte by byte, then in `rounds` random ways.
///
/// # Panics
/// When they differ; the message names the cut.
pub fn any_cut(start: impl Fn() -> Box<dyn StreamParser>, script: &[Line], rounds: u64) {
    let expected = format!("{:#?}", play(start(), script));
    let bytewise = format!("{:#?}", play_cut(start(), script, |len| (1..len).collect()));
    assert_eq!(expected, bytewise, "fed byte by byte");
    for seed in 0..rounds {
        let mut random = Random::new(seed);
        let cut = play_cut(start(), script, |len| {
            let mut at: Vec<usize> = (0..random.below(8)).map(|_| random.below(len as u64) as usize).filter(|&at| at > 0).collect();
            at.sort_unstable();
            at.dedup();
            at
        });
        assert_eq!(expected, format!("{cut:#?}"), "cut with seed {seed}");
    }
}

/// The events when one range of `side`'s bytes, counted over all its lines, was never captured.
pub fn play_without(parser: Box<dyn StreamParser>, script: &[Line], side: Side, missing: Range<usize>, why: GapReason) -> Vec<Event> {
    let mut feed = Feed::new(parser);
    let mut offset = 0;
    for (n, (from, bytes)) in script.iter().enumerate() {
        if *from != side {
            feed.bytes(*from, moment(n), bytes);
            continue;
        }
        let from_here = |at: usize| at.clamp(offset, offset + bytes.len()) - offset;
        let hole = from_here(missing.start)..from_here(missing.end);
        feed.bytes(side, moment(n), &bytes[..hole.start]);
        if !hole.is_empty() {
            feed.gap(side, moment(n), hole.len() as u64, why);
        }
        feed.bytes(side, moment(n), &bytes[hole.end..]);
        offset += bytes.len();
    }
    close(feed, script.len())
}

/// Feeds the script with random holes, damaged bytes and a random end: it must not panic, whatever it makes of it.
pub fn torture(start: impl Fn() -> Box<dyn StreamParser>, script: &[Line], rounds: u64) {
    for seed in 0..rounds {
        let mut random = Random::new(seed);
        let mut feed = Feed::new(start());
        let (damage, loss) = (random.below(3) as f64 * 0.002, random.below(3) as f64 * 0.1);
        for (n, (side, bytes)) in script.iter().enumerate() {
            let mut bytes = bytes.clone();
            for byte in &mut bytes {
                if random.chance(damage) {
                    *byte = random.next() as u8;
                }
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (now, later) = rest.split_at(1 + random.below(rest.len() as u64) as usize);
                if random.chance(loss) {
                    let why = [GapReason::SnapLength, GapReason::NotCaptured, GapReason::Limit][random.below(3) as usize];
                    let missing = if random.chance(0.05) { random.next() >> 8 } else { now.len() as u64 };
                    feed.gap(*side, moment(n), missing, why);
                } else {
                    feed.bytes(*side, moment(n), now);
                }
                rest = later;
            }
            if random.chance(0.02) {
                feed.fin(*side, moment(n));
                break;
            }
        }
        let how = [EndOfStream::Closed, EndOfStream::Reset, EndOfStream::CaptureEnded, EndOfStream::Limit][random.below(4) as usize];
        feed.end(moment(script.len()), how);
    }
}

fn play_cut(parser: Box<dyn StreamParser>, script: &[Line], mut cuts: impl FnMut(usize) -> Vec<usize>) -> Vec<Event> {
    let mut feed = Feed::new(parser);
    for (n, (side, bytes)) in script.iter().enumerate() {
        let mut start = 0;
        for end in cuts(bytes.len()).into_iter().chain([bytes.len()]) {
            if start < end {
                feed.bytes(*side, moment(n), &bytes[start..end]);
            }
            start = end;
        }
    }
    close(feed, script.len())
}

fn close(mut feed: Feed, n: usize) -> Vec<Event> {
    feed.fin(Side::Client, moment(n));
    feed.fin(Side::Server, moment(n));
    feed.end(moment(n), EndOfStream::Closed)
}
