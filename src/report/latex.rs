//! The report's tables for a thesis: one file each with a `booktabs` table to `\input`, and the charts as PDF.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::document::{self, Block, Cell, Document, Kind, Row, Table};
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
    let words = Words::new(options.lang);
    let doc = document::build(report, words);
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
    let all = all(&doc);
    files.push(output::file(&dir, "all.tex", |out| out.write_all(all.as_bytes()))?);
    Ok(files)
}

/// A document that shows all tables and charts: it compiles as it is, and shows how to use the pieces.
fn all(doc: &Document) -> String {
    let mut out = String::from(
        "% Compile in this folder with pdflatex (twice), or copy single \\input lines into a thesis.\n\
         % The packages that the pieces need are these:\n\
         \\documentclass[11pt,a4paper]{article}\n\\usepackage[T1]{fontenc}\n\\usepackage[utf8]{inputenc}\n\\usepackage{textcomp}\n\
         \\usepackage[margin=20mm]{geometry}\n\\usepackage{array,booktabs,tabularx,longtable,graphicx}\n",
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
    /// Wrapped, with its share of the width that wrapped columns have together.
    Wrapped(f64),
}

fn columns(table: &Table) -> Vec<Set> {
    let longest = |i: usize| {
        let cells = table.rows.iter().filter(|row| !row.group).filter_map(|row| row.cells.get(i));
        cells.map(|cell| cell.text.chars().count() + cell.detail.chars().count()).max().unwrap_or(0)
    };
    let lengths: Vec<usize> = (0..table.columns.len()).map(longest).collect();
    let wraps = |i: usize| !table.columns[i].number && lengths[i] > WRAPPED;
    let weight = |i: usize| lengths[i].min(120) as f64;
    let sum: f64 = (0..lengths.len()).filter(|i| wraps(*i)).map(weight).sum();
    let set = |i: usize| {
        if wraps(i) {
            Set::Wrapped(weight(i) / sum.max(1.0))
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
    let wrapped = sets.iter().filter(|set| matches!(set, Set::Wrapped(_))).count();
    let mut spec = String::from("@{}");
    for set in &sets {
        match set {
            Set::Left => spec.push('l'),
            Set::Right => spec.push('r'),
            // A long table has no X columns: about what the others leave of the line.
            Set::Wrapped(share) if long => {
                let left = (1.0 - 0.085 * (sets.len() - wrapped) as f64).max(0.3);
                let _ = write!(spec, ">{{\\raggedright\\arraybackslash}}p{{{:.3}\\linewidth}}", share * left);
            }
            // The widths of X columns must add up to their number.
            Set::Wrapped(share) => {
                let _ = write!(spec, ">{{\\hsize={:.3}\\hsize\\raggedright\\arraybackslash}}X", share * wrapped as f64);
            }
        }
    }
    spec.push_str("@{}");
    let size = if table.columns.len() > 7 { "\\scriptsize\\setlength{\\tabcolsep}{3pt}" } else { "\\small" };
    let head = row(table.columns.iter().map(|c| {
        if c.unit.is_empty() {
            format!("\\textbf{{{}}}", latex(&c.head))
        } else {
            format!("\\textbf{{{}}} ({})", latex(&c.head), latex(&c.unit))
        }
    }));
    let (caption, label) = (latex(&table.caption), &table.id);
    let mut out = format!("% {}\n", latex(&table.caption));
    let body = body(table);
    let notes = notes(table);
    let _ = if long {
        write!(
            out,
            "{{{size}\n\\begin{{longtable}}{{{spec}}}\n\\caption{{{caption}}}\\label{{tab:{label}}}\\\\\n\\toprule\n{head}\\midrule\n\\endfirsthead\n\\toprule\n{head}\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n{body}\\end{{longtable}}\n{notes}}}\n"
        )
    } else {
        let (begin, end) = if wrapped > 0 {
            (format!("\\begin{{tabularx}}{{\\linewidth}}{{{spec}}}"), "\\end{tabularx}")
        } else {
            (format!("\\begin{{tabular}}{{{spec}}}"), "\\end{tabular}")
        };
        write!(
            out,
            "\\begin{{table}}[htbp]\n\\centering\n\\caption{{{caption}}}\n\\label{{tab:{label}}}\n{size}\n{begin}\n\\toprule\n{head}\\midrule\n{body}\\bottomrule\n{end}\n{notes}\\end{{table}}\n"
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
            out.push_str(&cells(line));
        }
    }
    out
}

fn cells(line: &Row) -> String {
    row(line.cells.iter().map(cell))
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let mut out = cells.collect::<Vec<_>>().join(" & ");
    out.push_str(" \\\\\n");
    out
}

fn cell(cell: &Cell) -> String {
    let text = latex(&cell.text);
    let mut out = match cell.kind {
        Kind::Code => format!("\\texttt{{{text}}}"),
        Kind::Strong | Kind::Bad => format!("\\textbf{{{text}}}"),
        Kind::Unknown => format!("\\textit{{{text}}}"),
        _ => text,
    };
    if !cell.detail.is_empty() {
        let _ = write!(out, " ({})", latex(&cell.detail));
    }
    if let Some(note) = &cell.note {
        let _ = write!(out, "\\textsuperscript{{{note}}}");
    }
    out
}

fn notes(table: &Table) -> String {
    if table.notes.is_empty() {
        return String::new();
    }
    let mut out = String::from("\n\\par\\smallskip\n\\parbox{\\linewidth}{\\raggedright\\footnotesize\n");
    for (letter, text) in &table.notes {
        let _ = writeln!(out, "\\textsuperscript{{{letter}}} {}\\par", latex(text));
    }
    out.push_str("}\n");
    out
}
