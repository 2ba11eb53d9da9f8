//! The charts as files: SVG, PNG and PDF. PNG and PDF use a font of their own, so they look the same on every machine.

use std::path::{Path, PathBuf};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use super::document::{Block, Document};
use super::words::Words;
use super::{WriteOptions, chart, output};
use crate::error::{Error, Result};
use crate::model::Report;

/// Folder of the charts.
pub const FOLDER: &str = "charts";
/// Pixels of a PNG per pixel of a chart: sharp in print at the width of a page.
const SCALE: f32 = 2.5;
/// Largest PNG, in pixels: 4 bytes each while it is drawn.
const PIXELS: f32 = 40e6;

pub(super) fn write_svg(report: &Report, dir: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>> {
    each(report, dir, options, "svg", |svg| Ok(svg.as_bytes().to_vec()))
}

pub(super) fn write_png(report: &Report, dir: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>> {
    each(report, dir, options, "png", png)
}

pub(super) fn write_pdf(report: &Report, dir: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>> {
    each(report, dir, options, "pdf", pdf)
}

fn each(report: &Report, dir: &Path, options: &WriteOptions, ending: &str, form: fn(&str) -> Result<Vec<u8>>) -> Result<Vec<PathBuf>> {
    let dir = dir.join(FOLDER);
    output::make_dir(&dir)?;
    let mut files = Vec::new();
    for chart in chart::all(report, Words::new(options.lang)) {
        let bytes = form(&chart.svg).map_err(|error| error.at(dir.join(format!("{}.{ending}", chart.id))))?;
        files.push(output::file(&dir, &format!("{}.{ending}", chart.id), |out| out.write_all(&bytes))?);
    }
    Ok(files)
}

/// The charts of a document in a folder of their own below `dir`, as each of `endings`: svg, png, pdf.
///
/// # Errors
/// A chart cannot be drawn or written.
pub fn write_figures(doc: &Document, dir: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let dir = dir.join(FOLDER);
    output::make_dir(&dir)?;
    let mut files = Vec::new();
    for block in doc.sections.iter().flat_map(|section| &section.blocks) {
        let Block::Figure(figure) = block else { continue };
        for ending in endings {
            let bytes = match *ending {
                "png" => png(&figure.svg)?,
                "pdf" => pdf(&figure.svg)?,
                _ => figure.svg.as_bytes().to_vec(),
            };
            files.push(output::file(&dir, &format!("{}.{ending}", figure.id), |out| out.write_all(&bytes))?);
        }
    }
    Ok(files)
}

fn tree(svg: &str, faces: &[&[u8]]) -> Result<Tree> {
    let mut options = Options::default();
    let fonts = options.fontdb_mut();
    for face in faces {
        fonts.load_font_data(face.to_vec());
    }
    fonts.set_sans_serif_family("Ubuntu");
    Tree::from_str(svg, &options).map_err(|error| Error::new(format!("cannot read the chart back: {error}")))
}

/// The chart as PNG.
///
/// # Errors
/// `svg` is no SVG, or too large.
pub fn png(svg: &str) -> Result<Vec<u8>> {
    picture(svg, SCALE).map(|(png, ..)| png)
}

/// The chart as PNG with `scale` pixels for each of its own, and its width and height.
pub(super) fn picture(svg: &str, scale: f32) -> Result<(Vec<u8>, u32, u32)> {
    // The second font is for what the first one lacks.
    let tree = tree(svg, &[epaint_default_fonts::UBUNTU_LIGHT, epaint_default_fonts::HACK_REGULAR])?;
    let size = tree.size();
    let scale = scale.min((PIXELS / (size.width() * size.height())).sqrt());
    let (width, height) = ((size.width() * scale) as u32, (size.height() * scale) as u32);
    let mut pixmap = Pixmap::new(width, height).ok_or_else(|| Error::new(format!("cannot draw a chart of {width} × {height} pixels")))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    let png = pixmap.encode_png().map_err(|error| Error::new(format!("cannot encode the chart as PNG: {error}")))?;
    Ok((png, width, height))
}

/// The chart as a PDF of one page; its text can be selected.
///
/// # Errors
/// `svg` is no SVG.
pub fn pdf(svg: &str) -> Result<Vec<u8>> {
    let options = svg2pdf::ConversionOptions::default();
    // 96 pixels of a chart are an inch, as in CSS.
    // One font alone: svg2pdf numbers several in no fixed order.
    let mut bytes = svg2pdf::to_pdf(&tree(svg, &[epaint_default_fonts::UBUNTU_LIGHT])?, options, svg2pdf::PageOptions { dpi: 96.0 })
        .map_err(|error| Error::new(format!("cannot write the chart as PDF: {error}")))?;
    settle(&mut bytes);
    Ok(bytes)
}

/// Puts the entries of resource dictionaries into order, which svg2pdf writes as its hash map happens to give them. They only
/// change places, so all offsets stay as they are.
fn settle(pdf: &mut [u8]) {
    const HEADS: [&[u8]; 6] =
        [b"/ExtGState <<\n", b"/XObject <<\n", b"/Pattern <<\n", b"/Shading <<\n", b"/Font <<\n", b"/ColorSpace <<\n"];
    let mut at = 0;
    while at < pdf.len() {
        let Some(head) = HEADS.iter().find(|head| pdf[at..].starts_with(head)) else {
            at += 1;
            continue;
        };
        let start = at + head.len();
        let mut end = start;
        let mut lines: Vec<Vec<u8>> = Vec::new();
        // An entry: blanks, a name, a value on the same line. Anything else ends the dictionary, or is none.
        while let Some(length) = pdf[end..].iter().take(200).position(|b| *b == b'\n') {
            let line = &pdf[end..=end + length];
            if !line.trim_ascii_start().starts_with(b"/") || line.windows(2).any(|pair| pair == b"<<") {
                break;
            }
            lines.push(line.to_vec());
            end += length + 1;
        }
        lines.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        pdf[start..end].copy_from_slice(&lines.concat());
        at = end.max(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_put_in_order_in_place() {
        let mut pdf = b"1 0 obj\n/ExtGState <<\n  /gs10 3 0 R\n  /gs2 1 0 R\n  /gs1 9 0 R\n>>\n/Font <<\n>>\n/XObject <<".to_vec();
        let length = pdf.len();
        settle(&mut pdf);
        assert_eq!(pdf.len(), length);
        assert!(String::from_utf8(pdf).unwrap().contains("<<\n  /gs1 9 0 R\n  /gs2 1 0 R\n  /gs10 3 0 R\n>>"));
    }
}
