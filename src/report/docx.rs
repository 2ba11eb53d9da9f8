//! The report as a document for Word and LibreOffice (ECMA-376): headings, captions and tables in styles that a thesis can restyle.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use docx_rs::{
    AlignmentType, BorderType, BreakType, Docx, LineSpacing, PageMargin, Paragraph, Pic, Run, RunFonts, Style, StyleType, Table,
    TableBorder, TableBorderPosition, TableBorders, TableCell, TableCellBorder, TableCellBorderPosition, TableCellBorders,
    TableCellMargins, TableRow, VAlignType, WidthType,
};

use super::document::{self, Block, Cell, Document, Kind, Row};
use super::escape::visible;
use super::words::Words;
use super::{WriteOptions, draw, output};
use crate::error::{Error, Result};
use crate::model::Report;

/// A4 in twentieths of a point.
const PAPER: (u32, u32) = (11_906, 16_838);
/// Margins on all sides: 20 mm.
const MARGIN: i32 = 1134;
/// Width of the text.
const LINE: usize = 9638;
/// Width of charts in pixels of 1/96 inch: the width of the text.
const CHART: u32 = 642;
/// Pixels of a chart's picture per pixel shown.
const SHARP: f32 = 2.5;
/// Columns from which a table is set small.
const MANY: usize = 7;
/// Fewest and most characters that a column is given room for.
const ROOM: (usize, usize) = (5, 34);

pub(super) fn write(report: &Report, dir: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>> {
    let words = Words::new(options.lang);
    let bytes = render(&document::build(report, words), words)?;
    output::file(dir, "report.docx", |out| out.write_all(&bytes)).map(|file| vec![file])
}

/// The document as the bytes of a DOCX file; the same document gives the same bytes.
///
/// # Errors
/// A chart cannot be drawn as a picture, or the archive cannot be written.
pub fn render(doc: &Document, words: Words) -> Result<Vec<u8>> {
    let mut out = Writer { docx: empty(), ids: 0, pictures: 0 };
    out.head(doc, words);
    for section in &doc.sections {
        out.add(text(&section.title).style("Heading1"));
        for block in &section.blocks {
            match block {
                Block::Heading { text: heading } => out.add(text(heading).style("Heading2")),
                Block::Text { text: sentence } => out.add(text(sentence)),
                Block::List { items } => items.iter().for_each(|item| out.item(item)),
                Block::Table(t) => out.table(t),
                Block::Figure(figure) => out.figure(figure)?,
            }
        }
    }
    out.add(text(&doc.colophon).style("Note"));
    let mut bytes = Cursor::new(Vec::new());
    out.docx.pack(&mut bytes).map_err(|error| Error::new(format!("cannot write the DOCX document: {error}")))?;
    Ok(bytes.into_inner())
}

/// A document without text, with its styles.
fn empty() -> Docx {
    let heading = |id: &str, name: &str, size: usize, level: usize| {
        Style::new(id, StyleType::Paragraph)
            .name(name)
            .based_on("Normal")
            .next("Normal")
            .q_format(true)
            .size(size)
            .bold()
            .outline_lvl(level)
            .line_spacing(LineSpacing::new().before(320).after(120))
    };
    let plain = |id: &str, name: &str| Style::new(id, StyleType::Paragraph).name(name).based_on("Normal").q_format(true);
    let serif = "Liberation Serif";
    Docx::new()
        .page_size(PAPER.0, PAPER.1)
        .page_margin(PageMargin::new().top(MARGIN).bottom(MARGIN).left(MARGIN).right(MARGIN).header(700).footer(700))
        .default_fonts(RunFonts::new().ascii("Times New Roman").hi_ansi("Times New Roman").cs(serif).east_asia(serif))
        .default_size(22)
        .default_line_spacing(LineSpacing::new().after(120))
        .created_at("1980-01-01T00:00:00Z")
        .updated_at("1980-01-01T00:00:00Z")
        .add_style(plain("Title", "Title").size(40).bold())
        .add_style(heading("Heading1", "heading 1", 30, 0))
        .add_style(heading("Heading2", "heading 2", 24, 1))
        .add_style(plain("Caption", "caption").size(20).line_spacing(LineSpacing::new().before(200).after(80)))
        .add_style(plain("TableText", "Table Text").size(18).line_spacing(LineSpacing::new().before(0).after(0)))
        .add_style(plain("TableSmall", "Table Text Small").size(14).line_spacing(LineSpacing::new().before(0).after(0)))
        .add_style(plain("Note", "Note").size(17).line_spacing(LineSpacing::new().before(0).after(40)))
}

/// A paragraph of one run.
fn text(text: &str) -> Paragraph {
    Paragraph::new().add_run(run(text))
}

fn run(text: &str) -> Run {
    Run::new().add_text(visible(text))
}

/// A document under way. Identifiers are counted here: the crate's own go on from document to document.
struct Writer {
    docx: Docx,
    ids: u32,
    pictures: u32,
}

impl Writer {
    fn id(&mut self) -> String {
        self.ids += 1;
        format!("{:08x}", self.ids)
    }

    fn add(&mut self, paragraph: Paragraph) {
        let id = self.id();
        // The document is moved through each of its builder's calls.
        let docx = std::mem::take(&mut self.docx);
        self.docx = docx.add_paragraph(paragraph.id(id));
    }

    fn item(&mut self, item: &str) {
        self.add(Paragraph::new().add_run(run(&format!("•\u{a0}{}", visible(item)))).indent(Some(300), None, None, None));
    }

    fn head(&mut self, doc: &Document, words: Words) {
        self.add(text(&doc.title).style("Title"));
        self.add(Paragraph::new().add_run(run(&doc.banner.text).bold()));
        if !doc.banner.open.is_empty() {
            self.add(Paragraph::new().add_run(run(words.t("html.open")).bold()));
            doc.banner.open.iter().for_each(|line| self.item(line));
        }
        for tile in &doc.tiles {
            let detail = if tile.detail.is_empty() { String::new() } else { format!(" ({})", tile.detail) };
            self.item(&format!("{}: {}{detail}", tile.label, tile.value));
        }
        for (label, value) in &doc.facts {
            self.item(&format!("{label}: {value}"));
        }
        if !doc.banner.warnings.is_empty() {
            self.add(Paragraph::new().add_run(run(words.t("html.warnings")).bold()));
            doc.banner.warnings.iter().for_each(|line| self.item(line));
        }
    }

    fn caption(&mut self, number: &str, caption: &str, below: bool) {
        let paragraph = Paragraph::new().add_run(run(&format!("{number}: ")).bold()).add_run(run(caption)).style("Caption");
        let paragraph = if below { paragraph.align(AlignmentType::Center) } else { paragraph.keep_next(true) };
        self.add(paragraph);
    }

    fn figure(&mut self, figure: &document::Figure) -> Result<()> {
        let (png, width, height) = draw::picture(&figure.svg, SHARP)?;
        self.pictures += 1;
        let mut pic = Pic::new_with_dimensions(png, CHART, (CHART as f32 * height as f32 / width as f32).round().max(1.0) as u32);
        pic.id = format!("rIdImage{}", self.pictures);
        self.add(Paragraph::new().add_run(Run::new().add_image(pic)).align(AlignmentType::Center).keep_next(true));
        self.caption(&figure.number, &figure.caption, true);
        Ok(())
    }

    fn table(&mut self, table: &document::Table) {
        self.caption(&table.number, &table.caption, false);
        let style = if table.columns.len() > MANY { "TableSmall" } else { "TableText" };
        let grid = grid(table);
        let mut rows = Vec::with_capacity(table.rows.len() + 1);
        let heads = table.columns.iter().zip(&grid).map(|(column, width)| {
            let mut paragraph = Paragraph::new().add_run(run(&column.head).bold()).keep_next(true);
            if !column.unit.is_empty() {
                paragraph = paragraph.add_run(Run::new().add_break(BreakType::TextWrapping)).add_run(run(&format!("({})", column.unit)));
            }
            let id = self.id();
            let line = TableCellBorder::new(TableCellBorderPosition::Bottom).border_type(BorderType::Single).size(6);
            let borders = TableCellBorders::with_empty().set(line);
            TableCell::new()
                .width(*width, WidthType::Dxa)
                .vertical_align(VAlignType::Bottom)
                .set_borders(borders)
                .add_paragraph(side(paragraph, column.number).style(style).id(id))
        });
        rows.push(TableRow::new(heads.collect()).cant_split());
        for row in &table.rows {
            rows.push(self.row(row, table, &grid, style));
        }
        let rule = |position| TableBorder::new(position).border_type(BorderType::Single).size(10);
        let borders = TableBorders::with_empty().set(rule(TableBorderPosition::Top)).set(rule(TableBorderPosition::Bottom));
        let made = Table::new(rows)
            .set_borders(borders)
            .set_grid(grid)
            .width(LINE, WidthType::Dxa)
            .margins(TableCellMargins::new().margin(30, 60, 30, 60));
        let docx = std::mem::take(&mut self.docx);
        self.docx = docx.add_table(made);
        for (letter, note) in &table.notes {
            let lettered =
                |paragraph: Paragraph| if letter.is_empty() { paragraph } else { paragraph.add_run(raised(letter)).add_run(run(" ")) };
            self.add(lettered(Paragraph::new()).add_run(run(note)).style("Note"));
        }
        // Word joins tables that follow each other without a paragraph between.
        self.add(Paragraph::new().style("Note"));
    }

    fn row(&mut self, row: &Row, table: &document::Table, grid: &[usize], style: &str) -> TableRow {
        if row.group {
            let label = row.cells.first().map_or("", |cell| cell.text.as_str());
            let paragraph = Paragraph::new().add_run(run(label).italic()).keep_next(true).style(style).id(self.id());
            return TableRow::new(vec![TableCell::new().grid_span(table.columns.len()).add_paragraph(paragraph)]).cant_split();
        }
        let cells = row.cells.iter().zip(&table.columns).zip(grid).map(|((cell, column), width)| {
            let id = self.id();
            TableCell::new().width(*width, WidthType::Dxa).add_paragraph(side(runs(cell, row.total), column.number).style(style).id(id))
        });
        TableRow::new(cells.collect()).cant_split()
    }
}

fn side(paragraph: Paragraph, number: bool) -> Paragraph {
    paragraph.align(if number { AlignmentType::Right } else { AlignmentType::Left })
}

fn runs(cell: &Cell, total: bool) -> Paragraph {
    let shown = run(&cell.text);
    let shown = match cell.kind {
        Kind::Code => shown.fonts(RunFonts::new().ascii("Courier New").hi_ansi("Courier New")),
        Kind::Strong | Kind::Bad => shown.bold(),
        Kind::Unknown => shown.italic(),
        _ if total => shown.bold(),
        _ => shown,
    };
    let mut paragraph = Paragraph::new().add_run(shown);
    if let Some(note) = &cell.note {
        paragraph = paragraph.add_run(raised(note));
    }
    if !cell.detail.is_empty() {
        paragraph = paragraph.add_run(Run::new().add_break(BreakType::TextWrapping)).add_run(run(&cell.detail));
    }
    paragraph
}

fn raised(text: &str) -> Run {
    let mut run = run(text);
    run.run_property = run.run_property.vert_align(docx_rs::VertAlignType::SuperScript);
    run
}

/// Widths of the columns after their longest texts.
fn grid(table: &document::Table) -> Vec<usize> {
    let length = |i: usize| {
        let cells = table.rows.iter().filter(|row| !row.group).filter_map(|row| row.cells.get(i));
        let longest = cells.map(|cell| cell.text.chars().count().max(cell.detail.chars().count())).max().unwrap_or(0);
        let head = table.columns[i].head.split_whitespace().map(|word| word.chars().count()).max().unwrap_or(0);
        longest.max(head).clamp(ROOM.0, ROOM.1)
    };
    let lengths: Vec<usize> = (0..table.columns.len()).map(length).collect();
    let sum: usize = lengths.iter().sum::<usize>().max(1);
    lengths.iter().map(|length| length * LINE / sum).collect()
}
