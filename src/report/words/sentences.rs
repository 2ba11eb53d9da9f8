//! Sentences that other layers write in English, in Indonesian. `{}` stands for what differs; it is carried over in its order.
//!
//! A sentence that is not here stays English: it is never lost and never guessed.

use std::borrow::Cow;

use super::{Lang, Words};

/// English, Indonesian.
#[rustfmt::skip]
const SENTENCES: &[(&str, &str)] = &[
    ("No packet was read.", "Tidak ada paket yang terbaca."),
    ("fewer than two packets in this phase", "kurang dari dua paket dalam fase ini"),
    ("the phase has no time in this capture", "fase ini tidak mempunyai waktu dalam rekaman ini"),
    ("echo requests without a reply at this point: the loss of both directions together", "permintaan echo tanpa balasan di titik ini: kehilangan kedua arah bersama-sama"),
    ("segments sent again over segments: a sender that repeats without need makes it too high", "segmen yang dikirim ulang dibagi segmen: pengirim yang mengulang tanpa perlu membuatnya terlalu tinggi"),
    ("one point alone cannot tell loss of this protocol", "satu titik saja tidak dapat menentukan kehilangan pada protokol ini"),
];

impl Words {
    /// `text`, a sentence of another layer, in this language where it is known.
    pub fn sentence(self, text: &str) -> Cow<'_, str> {
        if self.lang() == Lang::En {
            return Cow::Borrowed(text);
        }
        let found = SENTENCES.iter().find_map(|(en, id)| Some(put(id, &holes(en, text)?)));
        found.map_or(Cow::Borrowed(text), Cow::Owned)
    }
}

/// What stands in `text` at the holes of `pattern`; `None` if it is another sentence. Each hole ends at the first place where what
/// follows it fits.
fn holes<'a>(pattern: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = pattern.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut holes = Vec::new();
    let parts: Vec<&str> = parts.collect();
    for (i, part) in parts.iter().enumerate() {
        let end = if i + 1 == parts.len() {
            // The last piece must end the sentence.
            if part.is_empty() { rest.len() } else { rest.len().checked_sub(part.len()).filter(|_| rest.ends_with(part))? }
        } else {
            rest.find(part)?
        };
        holes.push(&rest[..end]);
        rest = &rest[end + part.len()..];
    }
    rest.is_empty().then_some(holes)
}

fn put(pattern: &str, holes: &[&str]) -> String {
    let mut out = String::with_capacity(pattern.len() + 32);
    let mut holes = holes.iter();
    for (i, part) in pattern.split("{}").enumerate() {
        if i > 0 {
            out.push_str(holes.next().unwrap_or(&""));
        }
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_keep_what_stands_in_their_holes() {
        assert_eq!(holes("only {} packets at {}.", "only 3 packets at a.b."), Some(vec!["3", "a.b"]));
        assert_eq!(holes("only {} packets", "only 3 frames"), None);
        assert_eq!(holes("{}", ""), Some(vec![""]));
        assert_eq!(holes("same", "same!"), None);
        assert_eq!(put("di {}: {} paket", &["a", "3"]), "di a: 3 paket");
    }

    #[test]
    fn both_languages_have_the_same_holes() {
        for (en, id) in SENTENCES {
            assert_eq!(en.matches("{}").count(), id.matches("{}").count(), "{en}");
        }
    }

    #[test]
    fn unknown_sentences_stay() {
        assert_eq!(Words::new(Lang::Id).sentence("something new"), "something new");
        assert_eq!(Words::new(Lang::Id).sentence("No packet was read."), "Tidak ada paket yang terbaca.");
    }
}
