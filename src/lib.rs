//! lmpcap: offline, packet-level analysis of captured live migrations of virtual machines.
//!
//! Bytes travel from left to right through the modules, and imports go left only (`tests/layers.rs`):
//!
//! - [`base`]: time, sequence numbers, addresses, intervals, bounds, anomalies.
//! - [`model`]: the report as pure data.
//! - [`capture`]: capture files in, frames out.
//! - [`decode`]: frames in, packets out.
//! - [`flow`]: packets in, conversations and in-order bytes out.
//! - [`app`]: bytes in, protocol events out; the migration stream lives here.
//! - [`join`]: several capture points onto one clock; packets followed from point to point.
//! - [`measure`]: delay, jitter, loss, throughput, downtime.
//! - [`grade`]: TIPHON and other scales.
//! - [`report`]: the report in every format.
//! - [`run`]: which files belong to which point, what the user says about a run.
//! - [`study`]: many runs, one table, statistics.

pub mod app;
pub mod base;
pub mod capture;
pub mod cli;
pub mod decode;
pub mod engine;
pub mod error;
pub mod flow;
pub mod grade;
pub mod join;
pub mod measure;
pub mod model;
pub mod report;
pub mod run;
pub mod study;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
