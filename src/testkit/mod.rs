//! Builders of packets, streams and captures for tests, fuzzing and benchmarks.
