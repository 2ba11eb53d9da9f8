//! Which rows of the quality tables come first.

use crate::model::{Qos, Report};

/// Order of the phases in tables.
pub const PHASES: [&str; 4] = ["before", "during", "after", "whole"];

/// The path and service that a summary shows, in all its phases: from the VM to the client if there is such a path,
/// over all services if they were summed.
pub fn headline_rows(report: &Report) -> Vec<&Qos> {
    let rank = |qos: &Qos| {
        let path = match (qos.from.as_str(), qos.to.as_str()) {
            ("vm", "client") => 0,
            ("client", "vm") => 1,
            (from, to) if from == "vm" || to == "vm" => 2,
            _ => 3,
        };
        let known = usize::from(qos.throughput.bps.is_none() && qos.delay.mean_ms.is_none());
        (path, usize::from(qos.service != "all"), known)
    };
    let Some(best) = report.qos.iter().min_by_key(|qos| rank(qos)) else { return Vec::new() };
    let same = |qos: &&Qos| (&qos.from, &qos.to, &qos.service) == (&best.from, &best.to, &best.service);
    PHASES.iter().filter_map(|phase| report.qos.iter().filter(same).find(|qos| qos.phase == *phase)).collect()
}
