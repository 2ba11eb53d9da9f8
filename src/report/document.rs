//! The report as a document: sections of sentences, tables and figures with their captions, in one language, in no format yet.
//!
//! HTML, Markdown and LaTeX only lay it out, so they say the same. Every string in it is safe to show
//! ([`super::escape::visible`]); escaping for its own syntax is each format's work.

mod capture;
mod downtime;
mod grades;
mod method;
mod migration;
mod quality;
mod summary;
mod table;
mod traffic;

use serde::Serialize;

pub use summary::{Banner, Tile};
pub use table::{Cell, Column, Kind, Row, Table, capital};

use super::chart;
use super::words::Words;
use crate::model::Report;

/// The whole document.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// Language code.
    pub lang: &'static str,
    /// Name of the run.
    pub title: String,
    /// Who wrote it and what it is about, as label and value.
    pub facts: Vec<(String, String)>,
    /// What matters most, then what is still open, then the warnings.
    pub banner: Banner,
    /// The main figures.
    pub tiles: Vec<Tile>,
    /// The body.
    pub sections: Vec<Section>,
    /// Who made it.
    pub colophon: String,
}

/// A section.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// For links.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// What it holds.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Block {
    /// A heading within the section.
    Heading {
        /// Its text.
        text: String,
    },
    /// A paragraph.
    Text {
        /// Its text.
        text: String,
    },
    /// Short sentences.
    List {
        /// One each.
        items: Vec<String>,
    },
    /// A table.
    Table(Table),
    /// A chart.
    Figure(Figure),
}

/// A chart with its caption.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// For links and file names.
    pub id: String,
    /// `Figure 1`.
    pub number: String,
    /// What it shows.
    pub caption: String,
    /// The drawing.
    pub svg: String,
}

impl Section {
    /// Without a block.
    pub fn new(id: &str, title: &str) -> Self {
        Self { id: id.to_owned(), title: title.to_owned(), blocks: Vec::new() }
    }

    /// Adds a heading.
    pub fn heading(&mut self, text: String) {
        self.blocks.push(Block::Heading { text });
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text { text: text.into() });
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) {
        self.blocks.push(Block::Table(table));
    }

    /// Adds short sentences; nothing without any.
    pub fn list(&mut self, items: Vec<String>) {
        if !items.is_empty() {
            self.blocks.push(Block::List { items });
        }
    }

    /// Adds a chart, if it was drawn.
    pub fn chart(&mut self, id: impl Into<String>, caption: impl Into<String>, svg: Option<String>) {
        if let Some(svg) = svg {
            self.blocks.push(Block::Figure(Figure { id: id.into(), number: String::new(), caption: caption.into(), svg }));
        }
    }
}

/// What the builders of sections share.
struct Builder<'a> {
    report: &'a Report,
    words: Words,
    charts: Vec<chart::Chart>,
}

impl Builder<'_> {
    /// Adds the chart of that name to the section, if it was drawn.
    fn figure(&mut self, section: &mut Section, id: &str) {
        if let Some(at) = self.charts.iter().position(|chart| chart.id == id) {
            let chart = self.charts.remove(at);
            let figure = Figure { id: chart.id, number: String::new(), caption: chart.caption, svg: chart.svg };
            section.blocks.push(Block::Figure(figure));
        }
    }
}

/// The document of `report`.
pub fn build(report: &Report, words: Words) -> Document {
    let mut builder = Builder { report, words, charts: chart::all(report, words) };
    let b = &mut builder;
    let sections = [
        summary::overview(b),
        summary::timeline(b),
        downtime::section(b),
        migration::section(b),
        grades::section(b),
        quality::section(b),
        traffic::http(b),
        traffic::video(b),
        traffic::services(b),
        traffic::storage(b),
        traffic::control(b),
        traffic::flows(b),
        capture::points(b),
        capture::coverage(b),
        capture::anomalies(b),
        method::section(b),
    ];
    let mut sections: Vec<Section> = sections.into_iter().flatten().collect();
    number(&mut sections, words);
    Document {
        lang: words.lang().code(),
        title: summary::title(report, words),
        facts: summary::facts(report, words),
        banner: summary::banner(report, words),
        tiles: summary::tiles(report, words),
        sections,
        colophon: words.fill("doc.colophon", &[("tool", &report.tool.name), ("version", &report.tool.version), ("schema", &report.schema)]),
    }
}

/// Numbers figures and tables in the order in which they stand; leaves out what is empty.
pub fn number(sections: &mut Vec<Section>, words: Words) {
    let (mut tables, mut figures) = (0, 0);
    for section in sections.iter_mut() {
        section.blocks.retain(|block| !matches!(block, Block::Table(table) if table.rows.is_empty()));
        for block in &mut section.blocks {
            match block {
                Block::Table(table) => {
                    tables += 1;
                    table.number = format!("{} {tables}", words.t("doc.table"));
                }
                Block::Figure(figure) => {
                    figures += 1;
                    figure.number = format!("{} {figures}", words.t("doc.figure"));
                }
                _ => {}
            }
        }
    }
    sections.retain(|section| section.blocks.iter().any(|block| !matches!(block, Block::Heading { .. })));
}
