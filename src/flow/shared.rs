//! What all conversations of a table share: bounds that hold for all together, and what was odd.

use super::tcp::Hangar;
use crate::base::anomaly::Anomalies;

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub hangar: Hangar,
    pub anomalies: Anomalies,
    /// Ranges of sequence numbers not seen that are remembered.
    pub holes: usize,
    /// Bytes held for reassembly, with what it costs to hold them.
    pub held: usize,
    /// Echo requests without reply that are remembered.
    pub echoes: usize,
}
