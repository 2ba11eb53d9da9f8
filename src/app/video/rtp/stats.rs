//! Counts of one RTP source.

use super::Header;
use crate::app::video::arrivals::Arrivals;
use crate::base::time::Timestamp;

/// Clock rates that are tried where none is told (RFC 3551; the usual dynamic ones).
const RATES: [u32; 6] = [8000, 16_000, 22_050, 44_100, 48_000, 90_000];
/// Sequence numbers looked back at for copies and late packets.
const WINDOW: i64 = 1024;

/// Counts of one source.
#[derive(Clone, Debug)]
pub struct RtpStats {
    /// Synchronization source.
    pub ssrc: u32,
    /// Payload type of the first packet.
    pub payload_type: u8,
    /// Packets, copies left out.
    pub packets: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came after later ones.
    pub reordered: u64,
    /// Bytes of UDP payload.
    pub bytes: u64,
    /// When they came.
    pub arrivals: Box<Arrivals>,
    base: i64,
    highest: i64,
    /// Packets of the last [`WINDOW`] sequence numbers that came.
    came: Vec<bool>,
    /// Jumps of the sequence: the source began anew.
    restarts: u64,
    /// Expected packets before the last restart.
    expected_before: u64,
    first: Option<(Timestamp, u32)>,
    last: Option<(Timestamp, u32)>,
    ticks: i64,
    jitter: [Jitter; RATES.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Jitter {
    now_s: f64,
    max_s: f64,
}

impl RtpStats {
    pub(super) fn new(header: &Header) -> Self {
        let start = i64::from(header.sequence);
        Self {
            ssrc: header.ssrc,
            payload_type: header.payload_type,
            packets: 0,
            duplicates: 0,
            reordered: 0,
            bytes: 0,
            arrivals: Box::default(),
            base: start,
            highest: start - 1,
            came: vec![false; WINDOW as usize],
            restarts: 0,
            expected_before: 0,
            first: None,
            last: None,
            ticks: 0,
            jitter: [Jitter::default(); RATES.len()],
        }
    }

    pub(super) fn packet(&mut self, at: Timestamp, header: &Header, wire_len: u32) {
        // RFC 3550 appendix A.1: 16 bits grow to a number that only goes up.
        let step = i64::from(header.sequence.wrapping_sub(self.highest as u16) as i16);
        let number = self.highest + step;
        if step.abs() > 3000 {
            self.restart(number);
        } else if number <= self.highest - WINDOW {
            self.reordered += 1;
        } else if number <= self.highest {
            let slot = &mut self.came[number.rem_euclid(WINDOW) as usize];
            if std::mem::replace(slot, true) {
                self.duplicates += 1;
                return;
            }
            self.reordered += 1;
        }
        if number > self.highest {
            for passed in self.highest + 1..=number {
                self.came[passed.rem_euclid(WINDOW) as usize] = passed == number;
            }
            self.highest = number;
        }
        self.packets += 1;
        self.bytes += u64::from(wire_len);
        self.arrivals.push(at, u64::from(wire_len));
        self.transit(at, header.timestamp);
    }

    fn restart(&mut self, number: i64) {
        self.expected_before += self.span();
        self.restarts += 1;
        self.base = number;
        self.highest = number - 1;
        self.came.fill(false);
        (self.first, self.last, self.ticks) = (None, None, 0);
    }

    /// RFC 3550 section 6.4.1 and appendix A.8, for every rate that may be the clock's.
    fn transit(&mut self, at: Timestamp, timestamp: u32) {
        if let Some((before, stamp)) = self.last {
            let media = i64::from(timestamp.wrapping_sub(stamp) as i32);
            self.ticks += media;
            let came = (at - before).seconds();
            for (jitter, rate) in self.jitter.iter_mut().zip(RATES) {
                let d = (came - media as f64 / f64::from(rate)).abs();
                jitter.now_s += (d - jitter.now_s) / 16.0;
                jitter.max_s = jitter.max_s.max(jitter.now_s);
            }
        } else {
            self.first = Some((at, timestamp));
        }
        self.last = Some((at, timestamp));
    }

    fn span(&self) -> u64 {
        (self.highest - self.base + 1).max(0) as u64
    }

    /// Packets that the source sent, by its sequence numbers.
    pub fn expected(&self) -> u64 {
        self.expected_before + self.span()
    }

    /// Expected less received.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.packets)
    }

    /// The clock rate: that of a static payload type, else the usual rate that fits the pace of the timestamps within 3 %.
    pub fn clock_rate(&self) -> Option<u32> {
        if let Some(rate) = clock_of_payload(self.payload_type) {
            return Some(rate);
        }
        let seconds = (self.last?.0 - self.first?.0).seconds();
        // A burst says nothing about the pace.
        if seconds < 1.0 {
            return None;
        }
        let pace = self.ticks as f64 / seconds;
        RATES.into_iter().find(|r| (pace / f64::from(*r) - 1.0).abs() < 0.03)
    }

    /// Interarrival jitter at the end and its maximum, in milliseconds, for a clock of `rate`.
    pub fn jitter_ms(&self, rate: u32) -> Option<(f64, f64)> {
        let at = RATES.iter().position(|r| *r == rate)?;
        Some((self.jitter[at].now_s * 1e3, self.jitter[at].max_s * 1e3))
    }

    /// Times at which the source began a new sequence.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }
}

/// Clock rates of static payload types (RFC 3551 section 6).
pub fn clock_of_payload(payload_type: u8) -> Option<u32> {
    match payload_type {
        0 | 3..=5 | 7..=9 | 12 | 13 | 15 | 18 => Some(8000),
        6 => Some(16_000),
        10 | 11 => Some(44_100),
        17 => Some(22_050),
        14 | 25 | 26 | 28 | 31..=34 => Some(90_000),
        _ => None,
    }
}
