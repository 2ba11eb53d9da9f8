//! The surface that charts are drawn on: plotters' SVG backend with fractions of a pixel, colours and text sizes of one style.
//!
//! plotters has whole units only, so one pixel is [`UNITS`] of them. Text is placed by its anchor alone: no text is ever measured to
//! place something else exactly, since the font that shows it is not known here; [`text_width`] is an upper guess for legends.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use unicode_width::UnicodeWidthChar;

use crate::report::escape::visible;

/// Drawing units per pixel.
const UNITS: f64 = 4.0;
/// plotters divides font sizes by this.
const FONT_FACTOR: f64 = 1.24;

/// Text and axes. The style sheet of the page exchanges exactly these colours in the dark.
pub(super) const INK: RGBColor = RGBColor(0x1F, 0x29, 0x33);
/// Labels of less weight.
pub(super) const MUTED: RGBColor = RGBColor(0x52, 0x60, 0x6D);
/// Axis lines.
pub(super) const AXIS: RGBColor = RGBColor(0x9A, 0xA5, 0xB1);
/// Grid lines.
pub(super) const GRID: RGBColor = RGBColor(0xE4, 0xE7, 0xEB);
/// Text on coloured bars, in the light and in the dark.
pub(super) const ON_COLOR: RGBColor = RGBColor(0x14, 0x14, 0x16);
/// White text on dark marks, in the light and in the dark; not the white of the background, which pages remove.
pub(super) const ON_DARK: RGBColor = RGBColor(0xFE, 0xFE, 0xFE);
/// Okabe and Ito's palette, which readers with any kind of colour vision can tell apart.
pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
/// Okabe and Ito.
pub(super) const VERMILION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
/// Okabe and Ito.
pub(super) const GREEN: RGBColor = RGBColor(0x00, 0x9E, 0x73);
/// Okabe and Ito.
pub(super) const PINK: RGBColor = RGBColor(0xCC, 0x79, 0xA7);
/// Okabe and Ito.
pub(super) const SKY: RGBColor = RGBColor(0x56, 0xB4, 0xE9);
/// Okabe and Ito.
pub(super) const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);

/// Colours of curves in their order.
pub(super) const CURVES: [RGBColor; 6] = [BLUE, VERMILION, GREEN, PINK, SKY, ORANGE];

/// Where text hangs on its point.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// Size and weight of text.
#[derive(Clone, Copy)]
pub(super) struct Font {
    pub size: f64,
    pub bold: bool,
    pub color: RGBColor,
}

/// Ticks and small labels.
pub(super) const SMALL: Font = Font { size: 11.0, bold: false, color: MUTED };
/// Labels.
pub(super) const LABEL: Font = Font { size: 12.0, bold: false, color: INK };
/// Titles of panels.
pub(super) const TITLE: Font = Font { size: 12.0, bold: true, color: INK };

/// A point in pixels from the upper left.
pub(super) type At = (f64, f64);

/// The surface.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Draws an SVG of `width` by `height` pixels. `None` if plotters fails, which a string as target gives it no cause for.
pub(super) fn draw(width: f64, height: f64, fill: impl FnOnce(&mut Canvas<'_>)) -> Option<String> {
    let mut svg = String::new();
    let size = ((width * UNITS) as u32, (height * UNITS) as u32);
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let mut canvas = Canvas { area };
        canvas.bar((0.0, 0.0), (width, height), WHITE, 1.0);
        fill(&mut canvas);
        canvas.area.present().ok()?;
    }
    // Shown at its size in pixels, drawn in finer units.
    let open = format!("<svg width=\"{}\" height=\"{}\" ", size.0, size.1);
    let rest = svg.strip_prefix(&open)?;
    Some(format!("<svg width=\"{width}\" height=\"{height}\" {rest}"))
}

fn unit(value: f64) -> i32 {
    // NaN becomes 0 and what is far outside stays far outside, without overflow in plotters' sums.
    (value * UNITS).round().clamp(-1e6, 1e6) as i32
}

fn point(at: At) -> (i32, i32) {
    (unit(at.0), unit(at.1))
}

impl Canvas<'_> {
    /// A straight line.
    pub(super) fn line(&mut self, from: At, to: At, color: RGBColor, width: f64) {
        self.path(&[from, to], color, width);
    }

    /// A line through points.
    pub(super) fn path(&mut self, points: &[At], color: RGBColor, width: f64) {
        if points.len() < 2 {
            return;
        }
        let style = ShapeStyle { color: color.to_rgba(), filled: false, stroke_width: unit(width).max(1) as u32 };
        let _ = self.area.draw(&PathElement::new(points.iter().map(|p| point(*p)).collect::<Vec<_>>(), style));
    }

    /// A filled area.
    pub(super) fn area(&mut self, points: &[At], color: RGBColor, opacity: f64) {
        if points.len() < 3 {
            return;
        }
        let _ = self.area.draw(&Polygon::new(points.iter().map(|p| point(*p)).collect::<Vec<_>>(), color.mix(opacity).filled()));
    }

    /// A filled rectangle; at least a quarter of a pixel wide, so that what happened is seen.
    pub(super) fn bar(&mut self, from: At, to: At, color: RGBColor, opacity: f64) {
        let (a, mut b) = (point((from.0.min(to.0), from.1.min(to.1))), point((from.0.max(to.0), from.1.max(to.1))));
        b.0 = b.0.max(a.0 + 1);
        b.1 = b.1.max(a.1 + 1);
        let _ = self.area.draw(&Rectangle::new([a, b], color.mix(opacity).filled()));
    }

    /// A filled circle.
    pub(super) fn dot(&mut self, at: At, radius: f64, color: RGBColor) {
        let _ = self.area.draw(&Circle::new(point(at), unit(radius).max(1), color.filled()));
    }

    /// Text whose middle line runs through the point.
    pub(super) fn text(&mut self, text: &str, at: At, anchor: Anchor, font: Font) {
        let h = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        let style = if font.bold { FontStyle::Bold } else { FontStyle::Normal };
        let desc = FontDesc::new(FontFamily::SansSerif, font.size * UNITS * FONT_FACTOR, style);
        let style = TextStyle::from(desc).color(&font.color).pos(Pos::new(h, VPos::Center));
        let _ = self.area.draw_text(&visible(text), &style, point(at));
    }
}

/// About how wide `text` is at most, in pixels.
pub(super) fn text_width(text: &str, font: Font) -> f64 {
    // Widths of DejaVu Sans in ems, a wide face: what is narrower leaves some room.
    let ems = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 0.31,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '-' => 0.39,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '→' | '≈' | '…' => 0.98,
        '<' | '>' | '=' | '+' | '~' | '#' | '^' | '&' => 0.84,
        'A'..='Z' => 0.70,
        '0'..='9' => 0.64,
        c if c.is_ascii() => 0.61,
        c => 0.62 * c.width().unwrap_or(0) as f64,
    };
    text.chars().map(ems).sum::<f64>() * font.size * if font.bold { 1.17 } else { 1.0 }
}

/// `text` cut so that it takes about `width` pixels at most.
pub(super) fn fit(text: &str, width: f64, font: Font) -> String {
    let text = visible(text);
    if text_width(&text, font) <= width {
        return text.into_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if text_width(&out, font) + font.size > width {
            out.pop();
            break;
        }
    }
    out.push('…');
    out
}
