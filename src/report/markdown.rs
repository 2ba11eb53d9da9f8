//! The report as Markdown (CommonMark with GitHub's tables), with its charts as SVG files beside it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::document::{self, Block, Cell, Document, Kind, Table};
use super::escape::{markdown, markdown_code};
use super::words::Words;
use super::{WriteOptions, draw, output};
use crate::error::Result;
use crate::model::Report;

pub(super) fn write(report: &Report, dir: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>> {
    let text = render(&document::build(report, Words::new(options.lang)), Words::new(options.lang));
    let mut files = vec![output::file(dir, "report.md", |out| out.write_all(text.as_bytes()))?];
    files.extend(draw::write_svg(report, dir, options)?);
    Ok(files)
}

/// The document as Markdown.
pub fn render(doc: &Document, words: Words) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = head(doc, words, &mut out);
    for section in &doc.sections {
        let _ = write!(out, "\n## {}\n", markdown(&section.title));
        for block in &section.blocks {
            let _ = match block {
                Block::Heading { text } => write!(out, "\n### {}\n", markdown(text)),
                Block::Text { text } => write!(out, "\n{}\n", markdown(text)),
                Block::List { items } => list(items, &mut out),
                Block::Table(t) => table(t, &mut out),
                Block::Figure(figure) => {
                    let caption = markdown(&figure.caption);
                    write!(out, "\n![{caption}]({}/{}.svg)\n\n**{}:** {caption}\n", draw::FOLDER, figure.id, markdown(&figure.number))
                }
            };
        }
    }
    let _ = write!(out, "\n---\n\n{}\n", markdown(&doc.colophon));
    out
}

fn head(doc: &Document, words: Words, out: &mut String) -> std::fmt::Result {
    write!(out, "# {}\n\n**{}**\n", markdown(&doc.title), markdown(&doc.banner.text))?;
    if !doc.banner.open.is_empty() {
        write!(out, "\n**{}**\n", markdown(words.t("html.open")))?;
        list(&doc.banner.open, out)?;
    }
    out.push('\n');
    for tile in &doc.tiles {
        let detail = if tile.detail.is_empty() { String::new() } else { format!(" ({})", markdown(&tile.detail)) };
        writeln!(out, "- {}: **{}**{detail}", markdown(&tile.label), markdown(&tile.value))?;
    }
    for (label, value) in &doc.facts {
        writeln!(out, "- {}: {}", markdown(label), markdown(value))?;
    }
    if !doc.banner.warnings.is_empty() {
        write!(out, "\n**{}**\n", markdown(words.t("html.warnings")))?;
        list(&doc.banner.warnings, out)?;
    }
    Ok(())
}

fn list(items: &[String], out: &mut String) -> std::fmt::Result {
    out.push('\n');
    items.iter().try_for_each(|item| writeln!(out, "- {}", markdown(item)))
}

fn table(table: &Table, out: &mut String) -> std::fmt::Result {
    write!(out, "\n**{}:** {}\n\n|", markdown(&table.number), markdown(&table.caption))?;
    for column in &table.columns {
        let unit = if column.unit.is_empty() { String::new() } else { format!(" ({})", markdown(&column.unit)) };
        write!(out, " {}{unit} |", markdown(&column.head))?;
    }
    out.push_str("\n|");
    for column in &table.columns {
        out.push_str(if column.number { " ---: |" } else { " --- |" });
    }
    out.push('\n');
    for row in &table.rows {
        out.push('|');
        if row.group {
            let text = row.cells.first().map_or_else(String::new, |cell| format!("**{}**", markdown(&cell.text)));
            write!(out, " {text} |{}", " |".repeat(table.columns.len().saturating_sub(1)))?;
        } else {
            for shown in &row.cells {
                write!(out, " {} |", cell(shown))?;
            }
        }
        out.push('\n');
    }
    if !table.notes.is_empty() {
        out.push('\n');
        for (letter, text) in &table.notes {
            let letter = if letter.is_empty() { String::new() } else { format!("<sup>{letter}</sup> ") };
            writeln!(out, "{letter}{}  ", markdown(text))?;
        }
    }
    Ok(())
}

fn cell(cell: &Cell) -> String {
    let mut out = match cell.kind {
        Kind::Code => markdown_code(&cell.text),
        Kind::Strong | Kind::Bad => format!("**{}**", markdown(&cell.text)),
        Kind::Unknown => format!("*{}*", markdown(&cell.text)),
        _ => markdown(&cell.text),
    };
    if !cell.detail.is_empty() {
        let _ = write!(out, " ({})", markdown(&cell.detail));
    }
    if let Some(note) = &cell.note {
        let _ = write!(out, "<sup>{note}</sup>");
    }
    out
}
