//! Every word of every writer, from one dictionary, in English and in Indonesian.

mod dictionary;
mod sentences;
mod study;

use std::borrow::Cow;

use dictionary::DICTIONARY;
use study::STUDY;

use crate::model::{Grade, Overall};

/// A language of reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Indonesian.
    Id,
}

impl Lang {
    /// Their codes, as `--lang` takes them.
    pub const CODES: &'static [&'static str] = &["en", "id"];

    /// From its code.
    pub fn parse(code: &str) -> Option<Self> {
        match code {
            "en" => Some(Self::En),
            "id" => Some(Self::Id),
            _ => None,
        }
    }

    /// Its code (ISO 639-1, also the `lang` of HTML).
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Id => "id",
        }
    }
}

/// The words of one language.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words {
    lang: Lang,
}

impl Words {
    /// The words of `lang`.
    pub const fn new(lang: Lang) -> Self {
        Self { lang }
    }

    /// The language.
    pub fn lang(self) -> Lang {
        self.lang
    }

    /// The words for `key`; the key itself if the dictionary lacks it, which a test forbids for the keys in this source.
    pub fn t(self, key: &'static str) -> &'static str {
        self.find(key).unwrap_or(key)
    }

    /// [`Self::t`] with `{name}` holes filled.
    pub fn fill(self, key: &'static str, holes: &[(&str, &str)]) -> String {
        fill(self.t(key), holes)
    }

    /// The words for a value of an open set (`outcome` + `completed`): the value itself if the dictionary lacks it.
    pub fn name(self, set: &str, value: &str) -> Cow<'static, str> {
        let mut key = String::with_capacity(set.len() + 1 + value.len());
        key.push_str(set);
        key.push('.');
        key.push_str(value);
        self.find(&key).map_or_else(|| Cow::Owned(value.to_owned()), Cow::Borrowed)
    }

    /// The words for a key that another layer chose (a grade's footnote): `None` if the dictionary lacks it.
    pub fn find(self, key: &str) -> Option<&'static str> {
        let look =
            |words: &'static [(&str, &'static str, &'static str)]| Some(words[words.binary_search_by(|entry| entry.0.cmp(key)).ok()?]);
        let (_, en, id) = look(DICTIONARY).or_else(|| look(STUDY))?;
        Some(match self.lang {
            Lang::En => en,
            Lang::Id => id,
        })
    }

    /// Why a stream was not read to its end: a short fixed name (`tls`, `snaplen`) in words, or the sentence that it is.
    pub fn not_decoded(self, why: &str) -> Cow<'_, str> {
        match self.name("not-decoded", why) {
            Cow::Borrowed(words) => Cow::Borrowed(words),
            Cow::Owned(why) => Cow::Owned(self.sentence(&why).into_owned()),
        }
    }

    /// A grade's label.
    pub fn grade(self, grade: &Grade) -> &str {
        match self.lang {
            Lang::En => &grade.label_en,
            Lang::Id => &grade.label_id,
        }
    }

    /// The overall grade's label.
    pub fn overall(self, overall: &Overall) -> &str {
        match self.lang {
            Lang::En => &overall.label_en,
            Lang::Id => &overall.label_id,
        }
    }

    /// `a, b and c`.
    pub fn list(self, items: &[String]) -> String {
        match items {
            [] => String::new(),
            [one] => one.clone(),
            [most @ .., last] => format!("{} {} {last}", most.join(", "), self.t("and")),
        }
    }
}

/// `text` with each `{name}` replaced once, from left to right; what is put in is not looked at again.
fn fill(text: &str, holes: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at(open);
        out.push_str(before);
        match from.find('}').and_then(|close| Some((close, holes.iter().find(|(name, _)| *name == &from[1..close])?))) {
            Some((close, (_, value))) => {
                out.push_str(value);
                rest = &from[close + 1..];
            }
            None => {
                out.push('{');
                rest = &from[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_order_and_no_word_is_missing() {
        for pair in DICTIONARY.windows(2).chain(STUDY.windows(2)) {
            assert!(pair[0].0 < pair[1].0, "{} does not come before {}", pair[0].0, pair[1].0);
        }
        for (key, en, id) in DICTIONARY.iter().chain(STUDY) {
            assert!(!en.is_empty() && !id.is_empty(), "{key}");
            let holes = |text: &str| {
                let mut holes: Vec<String> = text.split('{').skip(1).filter_map(|t| Some(t.split_once('}')?.0.to_owned())).collect();
                holes.sort();
                holes
            };
            assert_eq!(holes(en), holes(id), "{key}: the languages have other holes");
        }
    }

    /// All string literals of the report's source that stand in a call of the dictionary.
    fn keys_in_source() -> Vec<String> {
        // Keys that stand in tables of keys, not in a call.
        const SETS: [&str; 14] = [
            "doc.",
            "http.",
            "volume.",
            "pages.",
            "coverage.",
            "downtime.",
            "section.",
            "table.",
            "figure.",
            "panel.",
            "legend.",
            "axis.",
            "study.",
            "compare.",
        ];
        fn walk(dir: &std::path::Path, out: &mut Vec<String>) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, out);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let whole = |key: &str| {
                        key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.') && !key.ends_with('.')
                    };
                    let quoted = text.split('"').skip(1).step_by(2);
                    out.extend(quoted.filter(|key| SETS.iter().any(|set| key.starts_with(set)) && whole(key)).map(str::to_owned));
                    for call in [".t(\"", ".fill(\"", ".fill(\n"] {
                        for rest in text.split(call).skip(1) {
                            let rest = rest.trim_start().trim_start_matches('"');
                            out.extend(rest.split_once('"').map(|(key, _)| key.to_owned()));
                        }
                    }
                }
            }
        }
        let mut keys = Vec::new();
        for folder in ["src/report", "src/study/report", "src/study/diff"] {
            walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut keys);
        }
        keys
    }

    #[test]
    fn every_key_in_the_source_is_in_the_dictionary() {
        let keys = keys_in_source();
        assert!(keys.len() > 30, "the search found only {}", keys.len());
        for key in keys {
            assert!(Words::default().find(&key).is_some(), "no words for {key:?}");
        }
    }

    #[test]
    fn holes_are_filled_once() {
        assert_eq!(fill("a {x} b {y} {z}", &[("x", "{y}"), ("y", "1")]), "a {y} b 1 {z}");
        assert_eq!(fill("{", &[]), "{");
        assert_eq!(Words::new(Lang::Id).list(&["a".into(), "b".into(), "c".into()]), "a, b dan c");
    }
}
