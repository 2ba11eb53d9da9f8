//! Name patterns: `{scenario}/{ram}/run{n}` tells from the path of a run, or of its files, what its factors are.
//!
//! A pattern has as many parts as the path has folders. `{name}` stands for one or more characters of one part, the fewest that
//! fit, and becomes the factor `name`; `*` stands for any characters. `{scenario}` is the scenario; with `{point}`, the role of a
//! capture point, the pattern is one of files, and files that differ in nothing else are one run.

use std::collections::{BTreeMap, HashSet};

use crate::error::{Error, Result};

/// Pieces of one part of a pattern; names have a few.
const PIECES: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<char>),
    Any,
    Field(String),
}

/// A pattern of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Vec<Piece>>,
}

/// What a path says: values by the names of the fields.
pub type Fields = BTreeMap<String, String>;

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Braces that do not pair, a field without a name or with the same name as another.
    pub fn new(text: &str) -> Result<Self> {
        let wrong = |what: &str| {
            Error::new(format!("pattern {text:?}: {what}")).advice("Expected folders with fields, such as {scenario}/{ram}/run{n}.")
        };
        let parts: Vec<Vec<Piece>> = text.trim_matches('/').split('/').map(|part| pieces(part).map_err(&wrong)).collect::<Result<_>>()?;
        let mut names = HashSet::new();
        for piece in parts.iter().flatten() {
            if let Piece::Field(name) = piece
                && !names.insert(name)
            {
                return Err(wrong(&format!("the field {name:?} comes twice")));
            }
        }
        Ok(Self { parts })
    }

    /// How many folders deep it goes.
    pub fn depth(&self) -> usize {
        self.parts.len()
    }

    /// True if it has the field.
    pub fn has(&self, field: &str) -> bool {
        self.parts.iter().flatten().any(|piece| matches!(piece, Piece::Field(name) if name == field))
    }

    /// The text at the end of its last part.
    pub fn ending(&self) -> String {
        match self.parts.last().and_then(|part| part.last()) {
            Some(Piece::Text(text)) => text.iter().collect(),
            _ => String::new(),
        }
    }

    /// What `path`, whose parts are given, says; `None` if it does not fit.
    pub fn fit(&self, path: &[&str]) -> Option<Fields> {
        if path.len() != self.parts.len() {
            return None;
        }
        let mut fields = Fields::new();
        for (part, name) in self.parts.iter().zip(path) {
            let name: Vec<char> = name.chars().collect();
            let mut ends = vec![0; part.len()];
            if !fits(part, 0, &name, 0, &mut ends, &mut HashSet::new()) {
                return None;
            }
            let mut from = 0;
            for (piece, end) in part.iter().zip(ends) {
                if let Piece::Field(field) = piece {
                    fields.insert(field.clone(), name[from..end].iter().collect());
                }
                from = end;
            }
        }
        Some(fields)
    }
}

fn pieces(part: &str) -> std::result::Result<Vec<Piece>, &'static str> {
    let mut out = Vec::new();
    let mut text = Vec::new();
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        let piece = match c {
            '{' => {
                let mut name = String::new();
                loop {
                    match chars.next() {
                        Some('}') => break,
                        Some('{') | None => return Err("a { has no }"),
                        Some(c) => name.push(c),
                    }
                }
                if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
                    return Err("a field needs a name of letters, digits, - and _");
                }
                Piece::Field(name)
            }
            '}' => return Err("a } has no {"),
            '*' => Piece::Any,
            c => {
                text.push(c);
                continue;
            }
        };
        if !text.is_empty() {
            out.push(Piece::Text(std::mem::take(&mut text)));
        }
        out.push(piece);
    }
    if !text.is_empty() {
        out.push(Piece::Text(text));
    }
    match out.len() {
        0 => Err("a part is empty"),
        n if n > PIECES => Err("a part has too many fields"),
        _ => Ok(out),
    }
}

/// True if the pieces from `piece` on fit the characters from `at` on; `ends` then says where each ends. Pairs that failed before are
/// not tried again: the work stays within pieces × characters squared.
fn fits(part: &[Piece], piece: usize, name: &[char], at: usize, ends: &mut [usize], failed: &mut HashSet<(usize, usize)>) -> bool {
    let Some(now) = part.get(piece) else { return at == name.len() };
    if failed.contains(&(piece, at)) {
        return false;
    }
    let mut try_end = |end: usize, failed: &mut HashSet<(usize, usize)>| {
        ends[piece] = end;
        fits(part, piece + 1, name, end, ends, failed)
    };
    let found = match now {
        Piece::Text(text) => name[at..].starts_with(text) && try_end(at + text.len(), failed),
        Piece::Any => (at..=name.len()).any(|end| try_end(end, failed)),
        Piece::Field(_) => (at + 1..=name.len()).any(|end| try_end(end, failed)),
    };
    if !found {
        failed.insert((piece, at));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
        let parts: Vec<&str> = path.split('/').collect();
        Pattern::new(pattern).unwrap().fit(&parts).map(|f| f.into_iter().collect())
    }

    fn says(fields: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn fields_come_from_names() {
        let pattern = "{scenario}/{ram}/run{n}";
        assert_eq!(fit(pattern, "offline/2048/run12"), says(&[("n", "12"), ("ram", "2048"), ("scenario", "offline")]));
        assert_eq!(fit(pattern, "offline/2048/test1"), None);
        assert_eq!(fit(pattern, "offline/2048/run"), None);
        assert_eq!(fit(pattern, "offline/2048"), None);
        assert_eq!(fit("{ram}MiB-{load}", "2048MiB-cpu-high"), says(&[("load", "cpu-high"), ("ram", "2048")]));
        assert_eq!(fit("*_{ram}_*", "a_b_c_d"), says(&[("ram", "b")]));
        assert_eq!(fit("{é}ü*", "日本ü"), says(&[("é", "日本")]));
    }

    #[test]
    fn wrong_patterns_say_why() {
        for (pattern, says) in [("{a", "no }"), ("a}", "no {"), ("{}", "name"), ("{a}/{a}", "twice"), ("a//b", "empty"), ("{a/b}", "no }")]
        {
            let error = Pattern::new(pattern).unwrap_err().message;
            assert!(error.contains(says), "{pattern}: {error}");
        }
    }

    #[test]
    fn a_hostile_name_takes_little_time() {
        let pattern = "*a".repeat(15) + "b";
        assert_eq!(fit(&pattern, &"a".repeat(255)), None);
    }
}
