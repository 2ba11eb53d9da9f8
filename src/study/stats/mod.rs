//! Statistics of a study: description, comparison, regression. Distributions come from the `statrs` crate; what SciPy does with
//! the same data is what is meant, to 1e-6 (`tests/study_stats.rs`).
//!
//! A claim needs data: below [`LEAST_FOR_TEST`] values per group no p value is given, and the reason is said.

mod bootstrap;
mod compare;
mod describe;
mod regress;

pub use bootstrap::bootstrap_mean;
pub use compare::{Comparison, MannWhitney, Welch, compare, holm, mann_whitney, welch};
pub use describe::{Description, describe, median, quantile};
pub use regress::{Regression, regress};

/// Fewest values per group for a test of significance. With three against three, Mann-Whitney cannot reach 0.05 at all.
pub const LEAST_FOR_TEST: usize = 4;
/// Fewest pairs for a regression with a p value.
pub const LEAST_FOR_REGRESSION: usize = 4;
/// Confidence level of all intervals.
pub const CONFIDENCE: f64 = 0.95;
