//! Many runs: discovery, one table, statistics, a study report.

pub mod stats;
