//! Tables: cells that know what they are, and footnotes that say why something is unknown.

use serde::Serialize;

use crate::base::interval::Interval;
use crate::base::time::Timestamp;
use crate::report::escape::shown;
use crate::report::words::Words;

/// Rows from which a table has a window of its own on a screen.
const LONG: usize = 60;

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Words.
    Text,
    /// A number with or without its unit.
    Number,
    /// A name, path, address or filter from the capture: shown in a fixed font, to be copied.
    Code,
    /// A figure that is not known; the footnote says why.
    Unknown,
    /// Does not apply here.
    None,
    /// Emphasis.
    Strong,
    /// Something broke.
    Bad,
    /// A grade; its index is its colour.
    Grade,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// What it shows, safe to show.
    pub text: String,
    /// What it is.
    pub kind: Kind,
    /// Index of a grade.
    pub grade: Option<u8>,
    /// What stands smaller beside it: the bounds of an interval. Empty if nothing does.
    pub detail: String,
    /// Letter of its footnote, if it has one.
    pub note: Option<String>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its head.
    pub head: String,
    /// Unit under the head; empty if it has none.
    pub unit: String,
    /// Aligned to the right.
    pub number: bool,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// One for each column; in a group row one alone, over all columns.
    pub cells: Vec<Cell>,
    /// Heads the rows after it.
    pub group: bool,
    /// Sums the rows before it.
    pub total: bool,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// For links and file names.
    pub id: String,
    /// `Table 1`.
    pub number: String,
    /// What it shows.
    pub caption: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Row>,
    /// Letters and footnotes; without a letter they belong to the whole table.
    pub notes: Vec<(String, String)>,
    /// Long: shown in a window of its own on a screen.
    pub long: bool,
}

impl Table {
    /// Without rows. A column is its head, its unit and whether it is of numbers.
    pub fn new(id: impl Into<String>, caption: impl Into<String>, columns: &[(&str, &str, bool)]) -> Self {
        let column = |&(head, unit, number): &(&str, &str, bool)| Column { head: heading(head), unit: unit.to_owned(), number };
        Self {
            id: id.into(),
            number: String::new(),
            caption: caption.into(),
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
            notes: Vec::new(),
            long: false,
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "{}", self.caption);
        self.long = self.rows.len() >= LONG;
        self.rows.push(Row { cells, group: false, total: false });
    }

    /// Adds a row that sums those before it.
    pub fn total(&mut self, cells: Vec<Cell>) {
        self.row(cells);
        if let Some(row) = self.rows.last_mut() {
            row.total = true;
        }
    }

    /// Adds a row that heads those after it.
    pub fn group(&mut self, text: &str) {
        self.rows.push(Row { cells: vec![Cell::label(text)], group: true, total: false });
    }

    /// The letter of a footnote; the same text has the same letter.
    pub fn note(&mut self, text: &str) -> String {
        let text = shown(text).into_owned();
        if let Some((letter, _)) = self.notes.iter().find(|(_, known)| *known == text) {
            return letter.clone();
        }
        let letter = letter(self.notes.iter().filter(|(letter, _)| !letter.is_empty()).count());
        self.notes.push((letter.clone(), text));
        letter
    }

    /// Adds a note on the table as a whole, in the report's own words; it has no letter.
    pub fn remark(&mut self, text: &str) {
        if self.notes.iter().all(|(_, known)| known != text) {
            self.notes.push((String::new(), text.to_owned()));
        }
    }

    /// A cell that is unknown, with the reason as its footnote.
    pub fn unknown(&mut self, why: Option<&str>, words: Words) -> Cell {
        let why = why.filter(|why| !why.is_empty()).unwrap_or(words.t("unknown.no-reason"));
        let note = self.note(&words.sentence(why));
        Cell { text: words.t("unknown").to_owned(), kind: Kind::Unknown, grade: None, detail: String::new(), note: Some(note) }
    }

    /// The number that `form` makes of a known value.
    pub fn known<T>(&mut self, value: Option<T>, why: Option<&str>, words: Words, form: impl FnOnce(T) -> String) -> Cell {
        match value {
            Some(value) => Cell::number(form(value)),
            None => self.unknown(why, words),
        }
    }

    /// A plain number in the unit of its column.
    pub fn float(&mut self, value: Option<f64>, why: Option<&str>, words: Words) -> Cell {
        self.known(value.filter(|v| v.is_finite()), why, words, |v| words.plain(v))
    }

    /// An interval of milliseconds.
    pub fn interval(&mut self, value: Option<&Interval>, why: Option<&str>, words: Words) -> Cell {
        let (Some(value), true) = (value, value.is_some_and(|v| v.estimate.is_finite())) else { return self.unknown(why, words) };
        let (number, bounds) = words.ms_parts(value);
        Cell { detail: bounds.unwrap_or_default(), ..Cell::number(number) }
    }

    /// A moment, as the time of day with milliseconds.
    pub fn moment(&mut self, value: Option<Timestamp>, why: Option<&str>, words: Words) -> Cell {
        self.known(value, why, words, Timestamp::clock)
    }

    /// Says in a footnote that only `shown` of `all` rows are here and where the rest is.
    pub fn rest(&mut self, shown: usize, all: usize, file: &str, words: Words) {
        if all > shown {
            let holes = [("shown", words.count(shown as u64)), ("all", words.count(all as u64)), ("file", file.to_owned())];
            self.note(&words.fill("doc.rest", &holes.each_ref().map(|(k, v)| (*k, v.as_str()))));
        }
    }
}

/// The head of a column. A symbol (`n`, `p (Holm)`) stays as it is: N would be another figure.
fn heading(head: &str) -> String {
    let head = shown(head);
    let symbol = head.split(' ').next().is_some_and(|word| word.chars().count() == 1);
    if symbol { head.into_owned() } else { capital(&head) }
}

/// `text` with its first letter in upper case.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// a, b, … z, aa, ab, …
fn letter(mut n: usize) -> String {
    let mut out = Vec::new();
    loop {
        out.push(b'a' + (n % 26) as u8);
        if n < 26 {
            break;
        }
        n = n / 26 - 1;
    }
    out.reverse();
    out.into_iter().map(char::from).collect()
}

impl Cell {
    fn of(kind: Kind, text: &str) -> Self {
        Self { text: shown(text).into_owned(), kind, grade: None, detail: String::new(), note: None }
    }

    /// Words.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::of(Kind::Text, text.as_ref())
    }

    /// A number.
    pub fn number(text: impl AsRef<str>) -> Self {
        Self::of(Kind::Number, text.as_ref())
    }

    /// A name from the capture.
    pub fn code(text: impl AsRef<str>) -> Self {
        if text.as_ref().is_empty() { Self::none() } else { Self::of(Kind::Code, text.as_ref()) }
    }

    /// The name of a row.
    pub fn label(text: impl AsRef<str>) -> Self {
        Self::of(Kind::Text, &capital(text.as_ref()))
    }

    /// Emphasis.
    pub fn strong(text: impl AsRef<str>) -> Self {
        Self::of(Kind::Strong, &capital(text.as_ref()))
    }

    /// Something broke.
    pub fn bad(text: impl AsRef<str>) -> Self {
        Self::of(Kind::Bad, text.as_ref())
    }

    /// A grade.
    pub fn grade(index: u8, text: impl AsRef<str>) -> Self {
        Self { grade: Some(index.min(5)), ..Self::of(Kind::Grade, text.as_ref()) }
    }

    /// Does not apply.
    pub fn none() -> Self {
        Self::of(Kind::None, "–")
    }

    /// With a footnote.
    #[must_use]
    pub fn noted(mut self, note: Option<String>) -> Self {
        self.note = note;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Lang;

    #[test]
    fn letters_go_on_after_z() {
        assert_eq!([0, 25, 26, 27, 701, 702].map(letter), ["a", "z", "aa", "ab", "zz", "aaa"]);
    }

    #[test]
    fn the_same_reason_has_the_same_letter() {
        let words = Words::new(Lang::En);
        let mut table = Table::new("t", "caption", &[("a", "", true)]);
        let cells = [Some("tls"), Some("no clock"), Some("tls"), None, Some("")].map(|why| table.unknown(why, words).note.unwrap());
        assert_eq!(cells, ["a", "b", "a", "c", "c"]);
        assert!(table.notes.iter().all(|(_, text)| !text.is_empty()));
    }
}
