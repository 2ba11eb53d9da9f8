//! How fast the media of a session came: payload per window, to set beside the media's own bit rate.

use super::collect::Fetch;
use crate::app::video::arrivals::Arrivals;
use crate::base::clock::ClockMap;
use crate::base::limits::VIDEO_WINDOWS;
use crate::base::time::{NS_PER_S, Nanos, Timestamp};

/// Bytes after a longer silence came at once, at its end.
const PAUSE: Nanos = Nanos(100_000_000);

/// Bytes that came evenly from one time to another.
pub(super) type Part = (Timestamp, Timestamp, u64);

/// Bits per second in windows of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rate {
    /// Length of a window in seconds: 1, or more where there would be more than [`VIDEO_WINDOWS`].
    pub window_s: f64,
    /// Start of the window in seconds since the origin, and its bit rate. Windows without a byte between others are there.
    pub points: Vec<(f64, f64)>,
}

/// The parts of a download.
pub(super) fn of_fetch(fetch: &Fetch<'_>, clock: &ClockMap) -> Vec<Part> {
    match (&fetch.exchange.arrivals, fetch.first_byte, fetch.last_byte) {
        (Some(arrivals), _, _) => of_arrivals(arrivals, clock),
        (None, Some(first), Some(last)) => vec![(first, last, fetch.exchange.response_body.bytes)],
        _ => Vec::new(),
    }
}

/// The parts of a curve of arrivals.
pub(super) fn of_arrivals(arrivals: &Arrivals, clock: &ClockMap) -> Vec<Part> {
    let (mut parts, mut before) = (Vec::new(), None);
    for (at, total) in arrivals.points() {
        let at = clock.to_reference(at);
        let (from, had) = before.unwrap_or((at, 0));
        parts.push((if at - from > PAUSE { at } else { from }, at, total - had));
        before = Some((at, total));
    }
    parts
}

/// Sums `parts` in windows that begin at `origin`.
pub(super) fn rate(parts: &[Part], origin: Timestamp) -> Rate {
    let (Some(first), Some(last)) = (parts.iter().map(|p| p.0).min(), parts.iter().map(|p| p.1).max()) else { return Rate::default() };
    let mut width = NS_PER_S;
    let index = |t: Timestamp, width: i64| (t - origin).0.div_euclid(width);
    while index(last, width) - index(first, width) >= VIDEO_WINDOWS as i64 {
        width *= 2;
    }
    let start = index(first, width);
    let mut bytes = vec![0.0; (index(last, width) - start + 1) as usize];
    for &(from, to, n) in parts {
        let (a, b) = (index(from, width), index(to, width));
        let whole = (to - from).0 as f64;
        for i in a..=b {
            let (left, right) = ((i * width).max((from - origin).0), ((i + 1) * width).min((to - origin).0));
            let share = if whole > 0.0 { (right - left) as f64 / whole } else { 1.0 };
            bytes[(i - start) as usize] += n as f64 * share;
        }
    }
    let window_s = width as f64 / NS_PER_S as f64;
    let points = bytes.into_iter().enumerate().map(|(i, n)| ((start + i as i64) as f64 * window_s, n * 8.0 / window_s)).collect();
    Rate { window_s, points }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(t: f64) -> Timestamp {
        Timestamp((t * 1e9) as i64)
    }

    #[test]
    fn every_byte_falls_into_its_window() {
        let found = rate(&[(s(10.5), s(12.5), 4000), (s(14.0), s(14.0), 100)], s(10.0));
        assert_eq!(found.window_s, 1.0);
        assert_eq!(found.points, [(0.0, 8000.0), (1.0, 16_000.0), (2.0, 8000.0), (3.0, 0.0), (4.0, 800.0)]);
        assert_eq!(rate(&[], s(0.0)), Rate::default());
    }

    #[test]
    fn a_long_session_has_wider_windows() {
        let found = rate(&[(s(0.0), s(50_000.0), 1_000_000)], s(0.0));
        assert!(found.points.len() <= VIDEO_WINDOWS && found.window_s > 1.0, "{} windows", found.points.len());
        let bits: f64 = found.points.iter().map(|p| p.1 * found.window_s).sum();
        assert!((bits - 8e6).abs() < 1.0, "{bits}");
    }

    #[test]
    fn bytes_after_a_silence_came_at_once() {
        let mut arrivals = Arrivals::default();
        for (at, bytes) in [(0.0, 10), (0.05, 10), (7.5, 100)] {
            arrivals.push(s(at), bytes);
        }
        let parts = of_arrivals(&arrivals, &ClockMap::identity());
        assert_eq!(parts, [(s(0.0), s(0.0), 10), (s(0.0), s(0.05), 10), (s(7.5), s(7.5), 100)]);
    }
}
