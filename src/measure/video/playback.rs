//! A model of a player: when would it have played, stalled and gone on, given when the media came.
//!
//! The model knows media seconds by time, nothing of decoders or people. It plays at normal speed, starts when
//! [`PlaybackOptions::start_s`] of media are buffered (or all there is), stops when the buffer is empty and goes on when
//! [`PlaybackOptions::resume_s`] are buffered. Bias: a real player that waits for more before it starts has fewer stalls.

use crate::base::limits::{BUFFER_POINTS, PLAYER_SECONDS};
use crate::base::time::{Nanos, Timestamp};

/// How the modelled player behaves. The defaults are those of Chromium's `video` element as measured, for files and for segments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlaybackOptions {
    /// Seconds of media that must be buffered before playback starts. Browsers start with less than a second; hls.js and dash.js
    /// as soon as the first segment is there; ExoPlayer with 1 s, after a stall with 2 s.
    pub start_s: f64,
    /// Seconds of media that must be buffered before playback goes on after a stall.
    pub resume_s: f64,
    /// A buffer below this that does not run empty is a near-stall.
    pub near_s: f64,
    /// Shorter stalls are not counted: nobody sees them, and the times are not known better.
    pub least_stall_s: f64,
}

impl PlaybackOptions {
    /// An error that says which value cannot be, and what can.
    pub fn check(&self) -> Result<(), String> {
        let all = [("start", self.start_s), ("resume", self.resume_s), ("near_stall", self.near_s), ("least_stall", self.least_stall_s)];
        match all.into_iter().find(|(_, s)| !(0.0..=PLAYER_SECONDS).contains(s)) {
            Some((name, s)) => Err(format!("{name}: expected seconds from 0 to {PLAYER_SECONDS}, found {s}")),
            None => Ok(()),
        }
    }
}

impl Default for PlaybackOptions {
    fn default() -> Self {
        Self { start_s: 1.0, resume_s: 1.0, near_s: 0.5, least_stall_s: 0.05 }
    }
}

/// Media that could be played by a time: seconds from the first that was asked for, without hole. Ascending in both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Supply {
    /// Time, and seconds that had come by then.
    pub points: Vec<(Timestamp, f64)>,
    /// Between two points the seconds come evenly (bytes of a file), else all at once at the later one (segments).
    pub even: bool,
    /// No more media will come: the end of the presentation was fetched.
    pub whole: bool,
    /// The media was still wanted at this time although it did not come, and how that is known: the model runs to here. `None`: the
    /// viewer left, or nothing tells; the model ends with the media that came.
    pub wanted_until: Option<(Timestamp, &'static str)>,
}

/// What the model says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Playback {
    /// Playback starts; `None` if it never does.
    pub start: Option<Timestamp>,
    /// Stalls: from, to; no end if it was not over when the model ended.
    pub stalls: Vec<(Timestamp, Option<Timestamp>)>,
    /// End of the model.
    pub end: Option<Timestamp>,
    /// Times at which the buffer was low and did not run empty.
    pub near_stalls: u64,
    /// Lowest buffer between start and the arrival of the last media.
    pub buffer_min_s: Option<f64>,
    /// Time and seconds buffered.
    pub buffer: Vec<(Timestamp, f64)>,
}

impl Playback {
    /// Sum of the stalls in seconds; open ones count to the end of the model.
    pub fn stalled_s(&self) -> f64 {
        let end = |to: Option<Timestamp>, from| to.or(self.end).unwrap_or(from);
        self.stalls.iter().map(|(from, to)| (end(*to, *from) - *from).seconds()).fold(0.0, |sum, s| sum + s)
    }
}

/// Runs the model.
pub fn play(supply: &Supply, options: &PlaybackOptions) -> Playback {
    let mut model =
        Model { out: Playback::default(), options, now: Timestamp::MIN, have: 0.0, played: 0.0, state: State::Waiting, low: false };
    for (i, &(at, seconds)) in supply.points.iter().enumerate() {
        let seconds = seconds.max(model.have);
        match supply.points.get(i.wrapping_sub(1)) {
            Some(&(before, _)) if supply.even && at > before => model.ramp(at, seconds),
            _ => {
                model.run(at, 0.0);
                model.jump(at, seconds);
            }
        }
    }
    let Some(&(last, _)) = supply.points.last() else { return model.out };
    if supply.whole {
        model.finish(last);
    } else if let Some(until) = supply.wanted_until.map(|w| w.0).filter(|u| *u > last) {
        model.run(until, 0.0);
    }
    model.end()
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    /// Before the start.
    Waiting,
    Playing,
    Stalled(Timestamp),
}

struct Model<'a> {
    out: Playback,
    options: &'a PlaybackOptions,
    now: Timestamp,
    /// Media seconds that have come.
    have: f64,
    /// Media seconds that were played.
    played: f64,
    state: State,
    /// The buffer is below the mark of near-stalls.
    low: bool,
}

fn seconds(s: f64) -> Nanos {
    Nanos((s * 1e9).round() as i64)
}

/// Turns between two points of the supply: a month of one-second stalls.
const MOST_TURNS: usize = 1 << 21;
/// Least mark at which playback starts, so that turns have a length.
const LEAST_MARK: f64 = 0.05;
/// Less than this is a rounding error.
const TINY: f64 = 1e-6;

impl Model<'_> {
    fn buffer(&self) -> f64 {
        (self.have - self.played).max(0.0)
    }

    /// Buffer at which playback starts or goes on.
    fn mark(&self) -> f64 {
        match self.state {
            State::Waiting => self.options.start_s.max(LEAST_MARK),
            State::Stalled(_) => self.options.resume_s.max(LEAST_MARK),
            State::Playing => f64::INFINITY,
        }
    }

    /// Time goes on to `to` while media comes at `rate` seconds per second.
    fn run(&mut self, to: Timestamp, rate: f64) {
        if self.now == Timestamp::MIN {
            self.now = to;
            return;
        }
        // Each pass ends in a change of state or at `to`. A trickle makes playing and stalling take turns, a second each at least.
        for _ in 0..MOST_TURNS {
            let left = (to - self.now).seconds();
            if left <= 0.0 {
                break;
            }
            let drain = if self.state == State::Playing { 1.0 - rate } else { -rate };
            let buffer = self.buffer();
            let until_change = match self.state {
                State::Playing if drain > TINY => buffer / drain,
                State::Waiting | State::Stalled(_) if rate > TINY => (self.mark() - buffer).max(0.0) / rate,
                _ => f64::INFINITY,
            };
            let step = until_change.min(left);
            self.have += rate * step;
            if self.state == State::Playing {
                self.played += step;
            }
            self.now = if step >= left { to } else { self.now + seconds(step) };
            self.note();
            if until_change > left {
                break;
            }
            match self.state {
                State::Playing => {
                    self.played = self.have;
                    self.state = State::Stalled(self.now);
                    self.low = false;
                }
                State::Waiting | State::Stalled(_) => self.start(),
            }
        }
        self.now = to;
    }

    /// Media comes evenly up to `have` seconds by `to`.
    fn ramp(&mut self, to: Timestamp, have: f64) {
        let span = (to - self.now).seconds();
        if span > 0.0 {
            self.run(to, (have - self.have) / span);
        }
        self.jump(to, have);
    }

    /// At `at` media up to `have` seconds is there.
    fn jump(&mut self, at: Timestamp, have: f64) {
        self.note();
        self.now = at;
        self.have = self.have.max(have);
        if self.buffer() + TINY >= self.mark() {
            self.start();
        }
        self.note();
    }

    fn start(&mut self) {
        if let State::Stalled(from) = self.state
            && (self.now - from).seconds() >= self.options.least_stall_s
        {
            self.out.stalls.push((from, Some(self.now)));
        }
        self.out.start.get_or_insert(self.now);
        self.state = State::Playing;
    }

    /// All media has come: what is buffered plays to its end.
    fn finish(&mut self, last: Timestamp) {
        if self.buffer() > TINY && self.state != State::Playing {
            self.start();
        }
        self.now = last.max(self.now);
        if self.state == State::Playing {
            self.now = self.now + seconds(self.buffer());
            self.played = self.have;
            self.state = State::Waiting;
            self.note();
        }
    }

    fn end(mut self) -> Playback {
        if let State::Stalled(from) = self.state
            && (self.now - from).seconds() >= self.options.least_stall_s
        {
            self.out.stalls.push((from, None));
        }
        self.out.end = Some(self.now);
        self.out
    }

    fn note(&mut self) {
        if self.now == Timestamp::MIN {
            return;
        }
        let level = self.buffer();
        if self.state == State::Playing {
            let least = self.out.buffer_min_s.get_or_insert(level);
            *least = least.min(level);
            // Counted when it is over: one that runs empty is a stall, and the end of the media is none.
            if level < self.options.near_s {
                self.low = true;
            } else if std::mem::take(&mut self.low) {
                self.out.near_stalls += 1;
            }
        }
        if self.out.buffer.last().is_some_and(|l| l.0 == self.now && l.1 == level) {
            return;
        }
        if self.out.buffer.len() < BUFFER_POINTS {
            self.out.buffer.push((self.now, level));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(t: f64) -> Timestamp {
        Timestamp((t * 1e9) as i64)
    }

    fn segments(times: &[f64]) -> Supply {
        Supply { points: times.iter().enumerate().map(|(i, t)| (s(*t), 2.0 * (i + 1) as f64)).collect(), ..Supply::default() }
    }

    #[test]
    fn steady_segments_play_without_stall() {
        let out = play(&Supply { whole: true, ..segments(&[0.1, 0.2, 2.2, 4.2]) }, &PlaybackOptions::default());
        assert_eq!((out.start, out.stalls.len(), out.near_stalls), (Some(s(0.1)), 0, 0));
        assert_eq!(out.end, Some(s(8.1)));
        let least = out.buffer_min_s.unwrap();
        assert!((least - 1.9).abs() < 1e-6, "{least}");
    }

    #[test]
    fn a_late_segment_stalls_playback_for_as_long_as_it_is_late() {
        let out = play(&segments(&[0.0, 2.0, 9.0, 9.1]), &PlaybackOptions::default());
        assert_eq!(out.stalls, [(s(4.0), Some(s(9.0)))]);
        assert!((out.stalled_s() - 5.0).abs() < 1e-6);
        assert_eq!(out.buffer_min_s, Some(0.0));
    }

    #[test]
    fn bytes_of_a_file_come_evenly() {
        // 10 s of media in 10 s, a hole of 6 s, then the rest at once.
        let supply = Supply {
            points: vec![(s(0.0), 0.0), (s(10.0), 12.0), (s(16.0), 12.0), (s(16.1), 40.0)],
            even: true,
            whole: true,
            wanted_until: None,
        };
        let out = play(&supply, &PlaybackOptions::default());
        let start = (out.start.unwrap() - s(0.0)).seconds();
        assert!((start - 1.0 / 1.2).abs() < 1e-3, "{start}");
        let [(from, Some(to))] = out.stalls[..] else { panic!("{out:?}") };
        assert!(((from - s(0.0)).seconds() - (start + 12.0)).abs() < 1e-3);
        assert!((to - s(16.0)).seconds() > 0.0 && (to - s(16.1)).seconds() < 0.0);
    }

    #[test]
    fn a_download_that_never_goes_on_ends_in_an_open_stall() {
        let out = play(&Supply { wanted_until: Some((s(30.0), "")), ..segments(&[0.0, 2.0]) }, &PlaybackOptions::default());
        assert_eq!(out.stalls, [(s(4.0), None)]);
        assert!((out.stalled_s() - 26.0).abs() < 1e-6);
        let left = play(&segments(&[0.0, 2.0]), &PlaybackOptions::default());
        assert!(left.stalls.is_empty());
    }

    #[test]
    fn short_media_starts_when_it_is_whole() {
        let supply = Supply { points: vec![(s(1.0), 0.4)], whole: true, ..Supply::default() };
        assert_eq!(play(&supply, &PlaybackOptions::default()).start, Some(s(1.0)));
        assert_eq!(play(&Supply::default(), &PlaybackOptions::default()), Playback::default());
        let near = play(&segments(&[0.0, 1.8, 3.8]), &PlaybackOptions::default());
        assert_eq!((near.near_stalls, near.stalls.len()), (2, 0));
    }

    #[test]
    fn a_player_that_waits_for_more_stalls_less_often_and_longer() {
        let supply = segments(&[0.0, 2.5, 5.0, 7.5, 10.0]);
        let eager = play(&supply, &PlaybackOptions::default());
        let patient = play(&supply, &PlaybackOptions { start_s: 6.0, resume_s: 4.0, ..PlaybackOptions::default() });
        assert_eq!((eager.start, eager.stalls.len()), (Some(s(0.0)), 4));
        assert_eq!((patient.start, patient.stalls.len()), (Some(s(5.0)), 0));
        let resumed = play(&supply, &PlaybackOptions { resume_s: 4.0, ..PlaybackOptions::default() });
        assert_eq!(resumed.stalls, [(s(2.0), Some(s(5.0)))]);
        let blind = play(&supply, &PlaybackOptions { least_stall_s: 0.6, ..PlaybackOptions::default() });
        assert!(blind.stalls.is_empty());
        let wary = play(&segments(&[0.0, 1.2, 3.0]), &PlaybackOptions { near_s: 1.0, ..PlaybackOptions::default() });
        assert_eq!((wary.near_stalls, play(&segments(&[0.0, 1.2, 3.0]), &PlaybackOptions::default()).near_stalls), (1, 0));
    }

    #[test]
    fn impossible_players_are_refused() {
        assert_eq!(PlaybackOptions::default().check(), Ok(()));
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 601.0] {
            let error = PlaybackOptions { resume_s: wrong, ..PlaybackOptions::default() }.check().unwrap_err();
            assert!(error.starts_with("resume: expected seconds from 0 to 600"), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn time_is_either_played_or_stalled(steps in proptest::collection::vec((0.0f64..5.0, 0.0f64..4.0), 1..40), even in proptest::bool::ANY) {
            let (mut at, mut have) = (0.0, 0.0);
            let points: Vec<_> = steps.iter().map(|(dt, dm)| { at += dt; have += dm; (s(at), have) }).collect();
            let options = PlaybackOptions { least_stall_s: 0.0, ..Default::default() };
            let out = play(&Supply { points, even, whole: true, wanted_until: None }, &options);
            if let Some(start) = out.start {
                let span = (out.end.unwrap() - start).seconds();
                proptest::prop_assert!((span - out.stalled_s() - have).abs() < 1e-3, "span {span} stalled {} media {have}", out.stalled_s());
            }
            proptest::prop_assert!(out.buffer.windows(2).all(|w| w[0].0 <= w[1].0));
            proptest::prop_assert!(out.buffer.iter().all(|b| b.1 >= 0.0));
        }
    }
}
