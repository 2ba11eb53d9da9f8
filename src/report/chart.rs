//! The charts, as SVG. Text in them stays text; colours are from a palette that readers with any kind of colour vision can tell apart.

mod axis;
mod bands;
mod buffer;
mod canvas;
mod cdf;
mod control;
mod curve;
mod downtime;
mod passes;
pub mod study;
mod timeline;

pub(crate) use passes::sent_per_s;

use super::words::Words;
use crate::model::Report;

/// Width of every chart in pixels.
const WIDTH: f64 = 960.0;

/// A chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// Its name, also its file's: `timeline`, `downtime-1`, …
    pub id: String,
    /// What it shows, for the caption.
    pub caption: String,
    /// The drawing.
    pub svg: String,
}

/// All charts that the report has data for, in the order of the report.
pub fn all(report: &Report, words: Words) -> Vec<Chart> {
    let mut charts = Vec::new();
    let mut add = |id: String, caption: String, svg: Option<String>| charts.extend(svg.map(|svg| Chart { id, caption, svg }));
    add("timeline".into(), words.t("figure.timeline").into(), timeline::draw(report, words));
    let single = report.migrations.len() == 1;
    for (i, migration) in report.migrations.iter().enumerate() {
        let of = |key: &'static str| {
            if single { words.t(key).to_owned() } else { format!("{} ({} {})", words.t(key), words.t("migration"), migration.id) }
        };
        // The place in the list, not the migration's own number, makes the name: that is unique whatever the report says.
        add(format!("downtime-{}", i + 1), of("figure.downtime"), downtime::draw(&migration.downtime, report.run.end, words));
        add(format!("passes-{}", i + 1), of("figure.passes"), passes::draw(migration, words));
    }
    if let Some(downtime) = &report.downtime {
        add("downtime-0".into(), words.t("figure.downtime").into(), downtime::draw(downtime, report.run.end, words));
    }
    add("delay-cdf".into(), words.t("figure.delay-cdf").into(), cdf::draw(report, words));
    add("video-buffer".into(), words.t("figure.video-buffer").into(), buffer::draw(report, words));
    add("control".into(), words.t("figure.control").into(), control::draw(report, words));
    charts
}
