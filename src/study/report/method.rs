//! How the figures of a study were made, for the chapter on method.

use super::Builder;
use crate::report::document::Section;
use crate::study::stats::{LEAST_FOR_REGRESSION, LEAST_FOR_TEST};

pub(super) fn section(b: &Builder<'_>) -> Option<Section> {
    let words = b.words;
    let mut section = Section::new("method", words.t("section.method"));
    let (test, line) = (LEAST_FOR_TEST.to_string(), LEAST_FOR_REGRESSION.to_string());
    let fence = words.fixed(1.5, 1);
    let holes = [("test", test.as_str()), ("line", line.as_str()), ("fence", fence.as_str())];
    let keys = [
        "study.method.unit",
        "study.method.interval",
        "study.method.describe",
        "study.method.outliers",
        "study.method.tests",
        "study.method.holm",
        "study.method.regression",
        "study.method.few",
        "study.method.quality",
        "study.method.check",
    ];
    section.list(keys.iter().map(|key| words.fill(key, &holes)).collect());
    Some(section)
}
