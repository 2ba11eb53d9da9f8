//! Counters, histograms and windows: what one capture point says of throughput, delay, jitter and loss.

pub mod histogram;
