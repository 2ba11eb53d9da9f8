//! The report's tables for a thesis: one file each with a `booktabs` table to `\input`, and the charts as PDF.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::document::{self, Block, Cell, Column, Document, Kind, Row, Table};
use super::escape::latex;
use super::words::Words;
use super::{WriteOptions, draw, output};
use crate::error::Result;
use crate::model::Report;

/// Folder of the files.
const FOLDER: &str = "latex";
/// Rows from which a table may break over pages.
const LONG: usize = 38;
/// Characters from which a column's text is wrapped.
const WRAPPED: usize = 26;

pub(super) fn write(report: &Report, dir: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>> {
    write_document(&document::build(report, Words::new(options.lang)), dir)
}

/// The tables and charts of a document in a folder of their own below `dir`, with `all.tex` that shows them.
///
/// # Errors
/// A file cannot be written.
pub fn write_document(doc: &Document, dir: &Path) -> Result<Vec<PathBuf>> {
    let dir = dir.join(FOLDER);
    output::make_dir(&dir)?;
    let mut files = Vec::new();
    for section in &doc.sections {
        for block in &section.blocks {
            match block {
                Block::Table(t) => {
                    let text = table(t);
                    files.push(output::file(&dir, &format!("{}.tex", t.id), |out| out.write_all(text.as_bytes()))?);
                }
                Block::Figure(figure) => {
                    let bytes = draw::pdf(&figure.svg)?;
                    files.push(output::file(&dir, &format!("{}.pdf", figure.id), |out| out.write_all(&bytes))?);
                }
                _ => {}
            }
        }
    }
    let all = all(doc);
    files.push(output::file(&dir, "all.tex", |out| out.write_all(all.as_bytes()))?);
    Ok(files)
}

/// A document that shows all tables and charts: it compiles as it is, and shows how to use the pieces.
fn all(doc: &Document) -> String {
    let mut out = String::from(
        "% Compile in this folder with pdflatex (twice), or copy single \\input lines into a thesis.\n\
         % The packages that the pieces need are these:\n\
         \\documentclass[11pt,a4paper]{article}\n\\usepackage[T1]{fontenc}\n\\usepackage[utf8]{inputenc}\n\\usepackage{textcomp}\n\
         \\usepackage[margin=20mm]{geometry}\n\\usepackage{array,booktabs,longtable,graphicx}\n",
    );
    if doc.lang == "id" {
        out.push_str("\\renewcommand{\\tablename}{Tabel}\n\\renewcommand{\\figurename}{Gambar}\n");
    }
    out.push_str("\\begin{document}\n");
    // Writing to a string cannot fail.
    let _ = write!(out, "\\section*{{{}}}\n{}\n", latex(&doc.title), latex(&doc.banner.text));
    for section in &doc.sections {
        let _ = write!(out, "\n\\section{{{}}}\n", latex(&section.title));
        for block in &section.blocks {
            let _ = match block {
                Block::Heading { text } => writeln!(out, "\\subsection{{{}}}", latex(text)),
                Block::Text { text } => writeln!(out, "{}\n", latex(text)),
                Block::List { items } => {
                    out.push_str("\\begin{itemize}\n");
                    for item in items {
                        let _ = writeln!(out, "\\item {}", latex(item));
                    }
                    writeln!(out, "\\end{{itemize}}")
                }
                Block::Table(t) => writeln!(out, "\\input{{{}}}", t.id),
                Block::Figure(figure) => write!(
                    out,
                    "\\begin{{figure}}[htbp]\n\\centering\n\\includegraphics[width=\\linewidth]{{{0}.pdf}}\n\\caption{{{1}}}\n\\label{{fig:{0}}}\n\\end{{figure}}\n",
                    figure.id,
                    latex(&figure.caption)
                ),
            };
        }
        out.push_str("\\clearpage\n");
    }
    let _ = writeln!(out, "{}\n\\end{{document}}", latex(&doc.colophon));
    out
}

/// How a column is set.
enum Set {
    Left,
    Right,
    /// Wrapped, with its share of the line.
    Wrapped(f64),
}

fn columns(table: &Table) -> Vec<Set> {
    let cells = |i: usize| table.rows.iter().filter(|row| !row.group).filter_map(move |row| row.cells.get(i));
    let head = |i: usize| table.columns[i].head.chars().count();
    let longest =
        |i: usize| cells(i).map(|cell| cell.text.chars().count().max(cell.detail.chars().count())).max().unwrap_or(0).max(head(i));
    let lengths: Vec<usize> = (0..table.columns.len()).map(longest).collect();
    let wraps = |i: usize| !table.columns[i].number && lengths[i] > WRAPPED;
    // About what the columns that are not wrapped take of a line of small type, and the rest for the others in the measure of their
    // texts. A table that is too wide all the same is shrunk as a whole.
    let fixed: f64 = (0..lengths.len()).filter(|i| !wraps(*i)).map(|i| lengths[i] as f64 * 0.0095 + 0.018).sum();
    let left = (1.0 - fixed).max(0.4);
    let weight = |i: usize| lengths[i].min(120) as f64;
    let sum: f64 = (0..lengths.len()).filter(|i| wraps(*i)).map(weight).sum();
    let set = |i: usize| {
        if wraps(i) {
            Set::Wrapped(left * weight(i) / sum.max(1.0) - 0.015)
        } else if table.columns[i].number {
            Set::Right
        } else {
            Set::Left
        }
    };
    (0..lengths.len()).map(set).collect()
}

/// One table as a file to `\input`.
pub fn table(table: &Table) -> String {
    let long = table.rows.len() > LONG;
    let sets = columns(table);
    let mut spec = String::from("@{}");
    for set in &sets {
        match set {
            Set::Left => spec.push('l'),
            Set::Right => spec.push('r'),
            Set::Wrapped(share) => {
                let _ = write!(spec, ">{{\\raggedright\\arraybackslash}}p{{{:.3}\\linewidth}}", share.max(0.08));
            }
        }
    }
    spec.push_str("@{}");
    let size = if table.columns.len() > 7 { "\\footnotesize\\setlength{\\tabcolsep}{3pt}" } else { "\\small" };
    let head = row(table.columns.iter().map(|c| {
        let (head, side) = (latex(&c.head), if c.number { 'r' } else { 'l' });
        if c.unit.is_empty() {
            format!("\\textbf{{{head}}}")
        } else {
            format!("\\shortstack[{side}]{{\\textbf{{{head}}}\\\\({})}}", latex(&c.unit))
        }
    }));
    let (caption, label) = (latex(&table.caption), &table.id);
    let mut out = format!("% {caption}\n");
    let body = body(table);
    let notes = notes(table);
    let _ = if long {
        write!(
            out,
            "{{{size}\n\\begin{{longtable}}{{{spec}}}\n\\caption{{{caption}}}\\label{{tab:{label}}}\\\\\n\\toprule\n{head}\\midrule\n\\endfirsthead\n\\toprule\n{head}\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n{body}\\end{{longtable}}\n{notes}}}\n"
        )
    } else {
        write!(
            out,
            "\\begin{{table}}[htbp]\n\\centering\n\\caption{{{caption}}}\n\\label{{tab:{label}}}\n{size}\n\\resizebox{{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}}{{!}}{{%\n\\begin{{tabular}}{{{spec}}}\n\\toprule\n{head}\\midrule\n{body}\\bottomrule\n\\end{{tabular}}}}\n{notes}\\end{{table}}\n"
        )
    };
    out
}

fn body(table: &Table) -> String {
    let mut out = String::new();
    for (i, line) in table.rows.iter().enumerate() {
        if line.group {
            if i > 0 {
                out.push_str("\\addlinespace\n");
            }
            let text = line.cells.first().map_or("", |cell| cell.text.as_str());
            let _ = writeln!(out, "\\multicolumn{{{}}}{{@{{}}l@{{}}}}{{\\textit{{{}}}}}\\\\", table.columns.len(), latex(text));
        } else {
            if line.total {
                out.push_str("\\cmidrule{1-");
                let _ = writeln!(out, "{}}}", table.columns.len());
            }
            out.push_str(&cells(line, &table.columns));
        }
    }
    out
}

fn cells(line: &Row, columns: &[Column]) -> String {
    row(line.cells.iter().zip(columns).map(|(shown, column)| cell(shown, column.number)))
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let mut out = cells.collect::<Vec<_>>().join(" & ");
    out.push_str(" \\\\\n");
    out
}

fn cell(cell: &Cell, number: bool) -> String {
    let text = latex(&cell.text);
    let mut out = match cell.kind {
        Kind::Code => format!("\\texttt{{{}}}", breakable(&cell.text)),
        Kind::Strong | Kind::Bad => format!("\\textbf{{{text}}}"),
        Kind::Unknown => format!("\\textit{{{text}}}"),
        _ => text,
    };
    if let Some(note) = &cell.note {
        let _ = write!(out, "\\textsuperscript{{{note}}}");
    }
    if !cell.detail.is_empty() {
        let side = if number { 'r' } else { 'l' };
        out = format!("\\shortstack[{side}]{{{out}\\\\{{\\scriptsize {}}}}}", latex(&cell.detail));
    }
    out
}

/// A name from the capture, which may break after what parts its pieces and after each dozen letters: TeX breaks no word in a
/// fixed font.
fn breakable(text: &str) -> String {
    let mut out = String::new();
    let mut run = 0;
    let mut piece = String::new();
    for c in text.chars() {
        piece.push(c);
        run += 1;
        if matches!(c, '/' | '.' | ':' | '_' | '-' | '?' | '=' | '>') || run >= 12 {
            out.push_str(&latex(&piece));
            out.push_str("\\allowbreak{}");
            piece.clear();
            run = 0;
        }
    }
    out + &latex(&piece)
}

fn notes(table: &Table) -> String {
    if table.notes.is_empty() {
        return String::new();
    }
    let mut out = String::from("\n\\par\\smallskip\n\\parbox{\\linewidth}{\\raggedright\\footnotesize\n");
    for (letter, text) in &table.notes {
        let letter = if letter.is_empty() { String::new() } else { format!("\\textsuperscript{{{letter}}} ") };
        let _ = writeln!(out, "{letter}{}\\par", latex(text));
    }
    out.push_str("}\n");
    out
}
