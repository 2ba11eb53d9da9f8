//! `$Number$`, `$Time$` and their kin in URLs (ISO/IEC 23009-1 section 5.3.9.4.4), read backwards from requests.

use crate::app::http::Target;

/// A URL with identifiers in its path. Its query is not compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    host: Option<Box<str>>,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Literal(String),
    Number,
    Time,
    Other,
}

/// What is known of the representation.
pub(super) struct Names<'a> {
    pub id: &'a str,
    pub bandwidth: u64,
}

/// Values found in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Values {
    pub number: Option<u64>,
    pub time: Option<u64>,
}

impl Pattern {
    pub(super) fn new(base: &Target, template: &str, names: &Names<'_>) -> Self {
        let template = template.split(['?', '#']).next().unwrap_or_default();
        let target = base.resolve(template);
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut parts = target.path.split('$');
        literal.push_str(parts.next().unwrap_or_default());
        while let Some(name) = parts.next() {
            let Some(after) = parts.next() else {
                // A lone `$`: not an identifier.
                literal.push('$');
                literal.push_str(name);
                break;
            };
            let (word, format) = name.split_once('%').unwrap_or((name, ""));
            match word {
                "" => literal.push('$'),
                "RepresentationID" => literal.push_str(names.id),
                "Bandwidth" => literal.push_str(&padded(names.bandwidth, format)),
                _ => {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    pieces.push(match word {
                        "Number" => Piece::Number,
                        "Time" => Piece::Time,
                        _ => Piece::Other,
                    });
                }
            }
            literal.push_str(after);
        }
        pieces.push(Piece::Literal(literal));
        Self { host: target.host, pieces }
    }

    /// The values in `target`, if it fits.
    pub(super) fn matches(&self, target: &Target) -> Option<Values> {
        if let (Some(a), Some(b)) = (&self.host, &target.host)
            && a != b
        {
            return None;
        }
        let mut values = Values::default();
        let mut rest = &*target.path;
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => rest = rest.strip_prefix(text.as_str())?,
                other => {
                    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                    let value = rest[..end].parse().ok()?;
                    rest = &rest[end..];
                    match other {
                        Piece::Number => values.number = Some(value),
                        Piece::Time => values.time = Some(value),
                        _ => {}
                    }
                }
            }
        }
        rest.is_empty().then_some(values)
    }
}

/// `%0Nd`.
fn padded(value: u64, format: &str) -> String {
    let width: usize = format.trim_start_matches('0').trim_end_matches('d').parse().unwrap_or(0);
    format!("{value:0width$}", width = width.min(32))
}
