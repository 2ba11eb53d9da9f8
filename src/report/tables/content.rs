//! What the tables hold.

mod migration;
mod quality;
mod run;
mod traffic;

use super::Sheet;
use crate::model::Report;

/// All tables, in the order of the dictionary.
pub(super) fn all(report: &Report) -> Vec<Sheet> {
    vec![
        run::runs(report),
        run::files(report),
        run::clocks(report),
        migration::migrations(report),
        migration::windows(report),
        migration::evidence(report),
        migration::passes(report),
        migration::phases(report),
        quality::qos(report),
        traffic::http(report),
        traffic::http_hits(report),
        traffic::video(report),
        traffic::video_segments(report),
        traffic::video_stalls(report),
        traffic::services(report),
        traffic::storage(report),
        traffic::control(report),
        traffic::flows(report),
        run::coverage(report),
        run::anomalies(report),
        run::warnings(report),
        run::series(report),
    ]
}

/// A text that is always there.
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Several values in one cell.
fn joined<T: ToString>(values: &[T]) -> Option<String> {
    Some(values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
}
