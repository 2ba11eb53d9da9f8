//! Facts about the traffic or the capture that a reader should know: named, counted, the first places kept.

use std::collections::BTreeMap;

use super::limits::ANOMALY_PLACES;

/// Where a frame lies: the file's index within its point, and the frame's number in that file, from 1 as Wireshark counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Place {
    /// Index of the file among its point's files.
    pub file: u16,
    /// Number of the frame in its file, from 1; 0 for the file as a whole.
    pub frame: u64,
}

/// Counted anomalies, each with its first places. The kind is a short fixed name such as `"cut_in_record"`.
#[derive(Clone, Debug, Default)]
pub struct Anomalies {
    kinds: BTreeMap<&'static str, Counted>,
}

/// How often one kind was met, where first, and what was said about it.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Occurrences.
    pub count: u64,
    /// The first places.
    pub first: Vec<Place>,
    /// A sentence for people, from the first occurrence that had one.
    pub detail: Option<String>,
}

impl Anomalies {
    /// Counts one occurrence.
    pub fn note(&mut self, kind: &'static str, place: Place) {
        self.note_many(kind, 1, place);
    }

    /// Counts `count` occurrences at one place.
    pub fn note_many(&mut self, kind: &'static str, count: u64, place: Place) {
        if count == 0 {
            return;
        }
        let entry = self.kinds.entry(kind).or_default();
        entry.count += count;
        if entry.first.len() < ANOMALY_PLACES {
            entry.first.push(place);
        }
    }

    /// Counts one occurrence and keeps a sentence about it: what was expected, what was found.
    pub fn explain(&mut self, kind: &'static str, place: Place, detail: impl FnOnce() -> String) {
        self.explain_many(kind, 1, place, detail);
    }

    /// [`Self::explain`] of `count` occurrences at one place.
    pub fn explain_many(&mut self, kind: &'static str, count: u64, place: Place, detail: impl FnOnce() -> String) {
        if count == 0 {
            return;
        }
        self.note_many(kind, count, place);
        let entry = self.kinds.entry(kind).or_default();
        if entry.detail.is_none() {
            entry.detail = Some(detail());
        }
    }

    /// How often `kind` was met.
    pub fn count(&self, kind: &str) -> u64 {
        self.kinds.get(kind).map_or(0, |c| c.count)
    }

    /// All kinds in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Counted)> {
        self.kinds.iter().map(|(k, v)| (*k, v))
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (kind, theirs) in other.iter() {
            let mine = self.kinds.entry(kind).or_default();
            mine.count += theirs.count;
            let room = ANOMALY_PLACES.saturating_sub(mine.first.len());
            mine.first.extend(theirs.first.iter().take(room));
            if mine.detail.is_none() {
                mine.detail.clone_from(&theirs.detail);
            }
        }
    }
}
