//! What each figure is: its unit, how it was measured, what it may over- or underestimate.

use super::{Builder, Cell, Section, Table};

/// Figures that are explained, as `method.NAME`, `method.NAME.how` and `method.NAME.bias` in the dictionary.
const FIGURES: [&str; 15] = [
    "total-time",
    "vm",
    "network",
    "service",
    "qemu",
    "dirty",
    "throughput",
    "goodput",
    "one-way",
    "rtt",
    "jitter",
    "loss",
    "thesis",
    "video",
    "grades",
];

pub(super) fn section(b: &mut Builder<'_>) -> Option<Section> {
    let words = b.words;
    let mut section = Section::new("method", words.t("section.method"));
    section.text(words.t("doc.method-intro"));
    let columns = [
        (words.t("doc.figure-name"), "", false),
        (words.t("doc.unit"), "", false),
        (words.t("doc.how"), "", false),
        (words.t("doc.bias"), "", false),
    ];
    let mut table = Table::new("method", words.t("table.method"), &columns);
    for name in FIGURES {
        let say = |part: &str| words.name("method", &format!("{name}{part}")).into_owned();
        table.row(vec![Cell::strong(say("")), Cell::text(say(".unit")), full(say(".how")), full(say(".bias"))]);
    }
    table.long = false;
    section.table(table);
    Some(section)
}

/// Words of the dictionary, which are never cut.
fn full(text: String) -> Cell {
    Cell { text, ..Cell::text("") }
}
