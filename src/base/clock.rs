//! From one point's clock to the reference clock.

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
