//! What every layer may use: time, sequence numbers, addresses, intervals, bounds, and the counting of anomalies.
//!
//! Nothing here reads a file, a clock or a terminal.

pub mod anomaly;
pub mod clock;
pub mod emit;
pub mod interval;
pub mod limits;
pub mod net;
pub mod pseudonym;
pub mod role;
pub mod secret;
pub mod seq;
pub mod time;
