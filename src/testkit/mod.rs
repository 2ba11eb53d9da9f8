//! Builders of packets, streams and captures for tests, fuzzing and benchmarks.

pub mod fuzz;
pub mod lossy;
pub mod migration;
pub mod packet;
mod packet_referee;
mod packet_tunnel;
pub mod parser;
pub mod random;
pub mod runs;
pub mod sample;
pub mod study;
pub mod talk;
