//! Several capture points on one clock: packets followed from point to point, clocks aligned, downtime proven.
//!
//! [`sighting`]s come in batches from the points' threads, [`joiner::Joiner`] finds in its [`matcher`] which of them are the
//! same packet, and hands on [`passage`]s; [`clock`] relates the points' clocks by them.

mod anchors;
pub mod clock;
pub mod clock_bins;
pub mod clock_fit;
pub mod clock_solve;
pub mod joiner;
pub mod matcher;
pub mod matcher_flows;
pub mod passage;
pub mod sighting;

pub use clock_solve::{Method, PointClock};
pub use joiner::{Counters, Hint, Joined, Joiner};
pub use matcher_flows::{Ends, EndsId};
pub use passage::{Passage, Passages, Proof};
pub use sighting::{Batch, FlowNote, Sighting};
