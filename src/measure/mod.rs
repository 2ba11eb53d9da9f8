//! Counters, histograms and windows: what one capture point says of throughput, delay, jitter and loss.

pub mod control;
pub mod downtime;
pub mod extract;
pub mod histogram;
pub mod http;
pub mod lane;
pub mod meter;
pub mod migration;
pub mod pace;
pub mod path;
pub mod phase;
pub mod presence;
pub mod qos;
pub mod roles;
pub mod rows;
pub mod scenario;
pub mod service;
pub mod slice;
pub mod spread;
pub mod tally;
pub mod video;
pub mod vm;
pub mod window;
