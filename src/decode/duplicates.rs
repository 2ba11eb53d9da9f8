//! Recognises packets that one capture point saw more than once, before anything counts them.

use super::Packet;

/// Whether a packet is new to its capture point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not seen before.
    First,
    /// The same packet again: seen on another interface, in another direction, in a tunnel, or doubled by the hardware.
    Copy,
}

/// Remembers what passed lately. One per capture point.
#[derive(Debug, Default)]
pub struct Duplicates {}

impl Duplicates {
    /// With nothing remembered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges a packet and remembers it.
    pub fn check(&mut self, _packet: &Packet<'_>) -> Verdict {
        Verdict::First
    }
}
