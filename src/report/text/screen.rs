//! Lines of fixed width: wrapping, cutting and padding by display columns, and colour.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of the labels.
const LABEL: usize = 18;

/// How a piece of a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Dim,
    Bold,
    Good,
    Notice,
    Bad,
}

impl Style {
    /// ECMA-48 SGR parameters.
    fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Good => "1;32",
            Self::Notice => "33",
            Self::Bad => "1;31",
        }
    }
}

/// The lines so far.
pub(super) struct Screen {
    width: usize,
    lines: Vec<Vec<(Style, String)>>,
}

impl Screen {
    pub(super) fn new(width: usize) -> Self {
        Self { width, lines: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn blank(&mut self) {
        self.lines.push(Vec::new());
    }

    /// A heading with what it is about.
    pub(super) fn heading(&mut self, title: &str, about: &str) {
        let title = title.to_uppercase();
        let room = self.width.saturating_sub(title.width() + 2);
        self.lines.push(vec![(Style::Bold, title), (Style::Plain, format!("  {}", cut(about, room)))]);
    }

    /// `text` over at most `most` lines, each indented as wide as `lead`, which stands before the first.
    pub(super) fn wrapped(&mut self, style: Style, lead: &str, text: &str, most: usize) {
        let indent = lead.width();
        for (i, piece) in wrap(text, self.width.saturating_sub(indent), most).into_iter().enumerate() {
            let before = if i == 0 { lead.to_owned() } else { " ".repeat(indent) };
            self.lines.push(vec![(style, before), (style, piece)]);
        }
    }

    /// A label and its value, over at most `most` lines.
    pub(super) fn field(&mut self, label: &str, style: Style, text: &str, most: usize) {
        for (i, piece) in wrap(text, self.width.saturating_sub(LABEL + 2), most).into_iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            let label_style = if style == Style::Bad { Style::Bad } else { Style::Dim };
            self.lines.push(vec![(label_style, format!("  {}", pad(&cut(label, LABEL - 1), LABEL))), (style, piece)]);
        }
    }

    /// A label and right-aligned cells.
    pub(super) fn columns(&mut self, style: Style, label: &str, cells: &[String]) {
        let first = 26;
        let each = (self.width - first) / cells.len().clamp(1, 4);
        let mut line = vec![(Style::Dim, format!("  {}", pad(&cut(label, first - 3), first - 2)))];
        for cell in cells.iter().take(4) {
            let text = cut(cell, each - 1);
            line.push((style, format!("{}{text}", " ".repeat(each - text.width()))));
        }
        self.lines.push(line);
    }

    /// All lines as one text, at most `most` of them; `more` is the last one if some are missing.
    pub(super) fn finish(mut self, most: usize, more: &str, color: bool) -> String {
        if self.lines.len() > most {
            self.lines.truncate(most.saturating_sub(1));
            self.lines.push(vec![(Style::Dim, cut(more, self.width))]);
        }
        let mut out = String::new();
        for line in &self.lines {
            let mut plain = String::new();
            let last = line.iter().rposition(|(_, text)| !text.trim_end().is_empty());
            for (i, (style, text)) in line.iter().enumerate().take(last.map_or(0, |at| at + 1)) {
                let text = if Some(i) == last { text.trim_end() } else { text };
                if color && !style.sgr().is_empty() && !text.trim().is_empty() {
                    plain.push_str(&format!("\x1b[{}m{text}\x1b[0m", style.sgr()));
                } else {
                    plain.push_str(text);
                }
            }
            out.push_str(plain.trim_end());
            out.push('\n');
        }
        out
    }
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// `text` cut to `width` columns, with an ellipsis if something is missing.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > width {
            break;
        }
        out.push(c);
        used += w;
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// `text` in at most `most` pieces of at most `width` columns, broken at spaces where possible; the last one is cut.
fn wrap(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut rest = text.split(' ').peekable();
    while let Some(word) = rest.next() {
        let gap = usize::from(!line.is_empty());
        if line.width() + gap + word.width() <= width {
            if gap == 1 {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if pieces.len() + 1 >= most {
            // The last piece takes what is left, cut.
            if gap == 1 {
                line.push(' ');
            }
            line.push_str(word);
            for word in rest {
                line.push(' ');
                line.push_str(word);
                if line.width() > width {
                    break;
                }
            }
            pieces.push(cut(&line, width));
            return pieces;
        }
        if !line.is_empty() {
            pieces.push(std::mem::take(&mut line));
        }
        line = cut(word, width);
    }
    pieces.push(line);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_counts_columns_not_characters() {
        assert_eq!(wrap("aa bb cc", 5, 9), ["aa bb", "cc"]);
        assert_eq!(wrap("aa bb cc dd", 5, 2), ["aa bb", "cc dd"]);
        assert_eq!(wrap("aa bb cc dd ee", 5, 2), ["aa bb", "cc d…"]);
        assert_eq!(wrap("日本語 日本語", 6, 9), ["日本語", "日本語"]);
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(wrap("", 5, 1), [""]);
    }

    #[test]
    fn colour_only_when_asked() {
        let lines = |color| {
            let mut s = Screen::new(40);
            s.field("label", Style::Bad, "value", 1);
            s.finish(5, "more", color)
        };
        assert_eq!(lines(false), "  label             value\n");
        assert!(lines(true).contains("\x1b[1;31m"));
    }
}
