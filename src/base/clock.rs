//! From one point's clock to the reference clock.

use std::str::FromStr;

use super::role::Role;
use super::time::{Nanos, Timestamp};

/// Piecewise linear map from a point's time to reference time. The identity until something is known.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockMap {
    /// Pieces in ascending order of `from`; the first also serves what lies before it.
    pub pieces: Vec<Piece>,
    /// The mapped time is within ± this of the truth; `None` if unknown.
    pub uncertainty: Option<Nanos>,
}

/// One linear piece: `reference = t + offset + drift_ppb × (t − from) / 1e9`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// Start of the piece on the point's own clock.
    pub from: Timestamp,
    /// Offset at `from`.
    pub offset: Nanos,
    /// Drift in parts per billion.
    pub drift_ppb: f64,
}

impl ClockMap {
    /// The map that changes nothing, exact.
    pub fn identity() -> Self {
        Self { pieces: Vec::new(), uncertainty: Some(Nanos(0)) }
    }

    /// A constant offset.
    pub fn constant(offset: Nanos, uncertainty: Option<Nanos>) -> Self {
        Self { pieces: vec![Piece { from: Timestamp(0), offset, drift_ppb: 0.0 }], uncertainty }
    }

    /// `t` of the point on the reference clock.
    pub fn to_reference(&self, t: Timestamp) -> Timestamp {
        let after = self.pieces.partition_point(|p| p.from <= t);
        let Some(piece) = self.pieces.get(after.saturating_sub(1)) else { return t };
        let drift = piece.drift_ppb * (t - piece.from).0 as f64 / 1e9;
        t + piece.offset + Nanos(drift.round() as i64)
    }
}

/// How the clocks of the points are to be related.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum ClockChoice {
    /// From the packets that were seen at several points.
    #[default]
    Estimate,
    /// All points share one clock.
    Trusted,
    /// Offsets said by the user, to be added to the point's time; points without one count as right.
    Given(Vec<(Role, Nanos)>),
}

impl FromStr for ClockChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "estimate" => Ok(Self::Estimate),
            "trusted" => Ok(Self::Trusted),
            _ => text
                .split(',')
                .map(|part| {
                    let (role, offset) = part.split_once('=').ok_or_else(|| {
                        format!("{part:?}: expected estimate, trusted, or offsets such as client=+2.5s,destination=-10ms")
                    })?;
                    Ok((role.trim().parse()?, parse_duration(offset)?))
                })
                .collect::<Result<_, String>>()
                .map(Self::Given),
        }
    }
}

/// Reads `2.5s`, `-10ms`, `300us`, `20ns`.
pub fn parse_duration(text: &str) -> Result<Nanos, String> {
    let wrong = || format!("{text:?} is not a length of time: expected a number and a unit such as 2s, -10ms, 300us");
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).ok_or_else(wrong)?;
    let (number, unit) = trimmed.split_at(split);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let scale = match unit.trim() {
        "s" => 1e9,
        "ms" => 1e6,
        "us" | "µs" => 1e3,
        "ns" => 1.0,
        "min" => 60e9,
        "h" => 3600e9,
        _ => return Err(wrong()),
    };
    let nanos = number * scale;
    if nanos.abs() < 9e18 { Ok(Nanos(nanos.round() as i64)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_serve_what_lies_before_the_first() {
        let map = ClockMap {
            pieces: vec![
                Piece { from: Timestamp(1000), offset: Nanos(10), drift_ppb: 0.0 },
                Piece { from: Timestamp(2_000_000_000), offset: Nanos(-5), drift_ppb: 1000.0 },
            ],
            uncertainty: None,
        };
        assert_eq!(map.to_reference(Timestamp(0)), Timestamp(10));
        assert_eq!(map.to_reference(Timestamp(5000)), Timestamp(5010));
        assert_eq!(map.to_reference(Timestamp(3_000_000_000)), Timestamp(3_000_000_000 - 5 + 1000));
        assert_eq!(ClockMap::identity().to_reference(Timestamp(7)), Timestamp(7));
    }

    #[test]
    fn choices_parse() {
        assert_eq!("trusted".parse(), Ok(ClockChoice::Trusted));
        let given = ClockChoice::Given(vec![(Role::Client, Nanos(2_500_000_000)), (Role::Destination, Nanos(-10_000_000))]);
        assert_eq!("client=+2.5s,destination=-10ms".parse(), Ok(given));
        assert!("client".parse::<ClockChoice>().unwrap_err().contains("expected estimate"));
        assert!("moon=1s".parse::<ClockChoice>().is_err());
        assert!("client=1".parse::<ClockChoice>().is_err());
    }
}
