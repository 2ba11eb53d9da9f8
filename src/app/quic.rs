//! QUIC.

/// What this module says.
#[derive(Clone, Debug)]
pub enum QuicEvent {}
