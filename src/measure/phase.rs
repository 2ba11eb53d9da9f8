//! Before, during and after the migrations of a run.

use crate::base::time::Timestamp;

/// A phase of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Before the first migration.
    Before,
    /// While a migration runs, until the VM runs again.
    During,
    /// After the first migration, while none runs.
    After,
    /// All of it.
    Whole,
}

impl Phase {
    /// In the order of reports.
    pub const ALL: [Self; 4] = [Self::Before, Self::During, Self::After, Self::Whole];

    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::During => "during",
            Self::After => "after",
            Self::Whole => "whole",
        }
    }
}

/// When the phases of a run are, on the reference clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phases {
    /// First packet of the run.
    pub start: Timestamp,
    /// Last packet of the run.
    pub end: Timestamp,
    /// Migrations: start, and the later of its end and the VM's resume; sorted by start, merged where they overlap.
    spans: Vec<(Timestamp, Timestamp)>,
}

impl Phases {
    /// From the run's span and its migrations' spans in any order.
    pub fn new(start: Timestamp, end: Timestamp, mut migrations: Vec<(Timestamp, Timestamp)>) -> Self {
        migrations.retain(|m| m.0 <= m.1);
        migrations.sort_unstable();
        let mut spans: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (from, to) in migrations {
            match spans.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => spans.push((from, to)),
            }
        }
        Self { start, end, spans }
    }

    /// The phase of a moment; `During` from a migration's start until just before its end.
    pub fn of(&self, t: Timestamp) -> Phase {
        match self.spans.first() {
            None => Phase::Before,
            Some(first) if t < first.0 => Phase::Before,
            Some(_) if self.spans.iter().any(|s| s.0 <= t && t < s.1) => Phase::During,
            Some(_) => Phase::After,
        }
    }

    /// True if `t` belongs to `phase`.
    pub fn within(&self, phase: Phase, t: Timestamp) -> bool {
        phase == Phase::Whole || self.of(t) == phase
    }

    /// Length of a phase inside the time `from`..`to` (the capture of the point that measures), in seconds.
    pub fn seconds(&self, phase: Phase, from: Timestamp, to: Timestamp) -> f64 {
        let overlap = |a: Timestamp, b: Timestamp| (b.min(to) - a.max(from)).seconds().max(0.0);
        let whole = overlap(from, to);
        let during: f64 = self.spans.iter().map(|s| overlap(s.0, s.1)).sum();
        let before = self.spans.first().map_or(whole, |s| overlap(from, s.0));
        match phase {
            Phase::Whole => whole,
            Phase::During => during,
            Phase::Before => before,
            Phase::After => (whole - during - before).max(0.0),
        }
    }

    /// True if the run has a migration.
    pub fn any_migration(&self) -> bool {
        !self.spans.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_has_one_phase_and_seconds_add_up() {
        let t = Timestamp;
        let s = 1_000_000_000;
        let p = Phases::new(t(0), t(30 * s), vec![(t(20 * s), t(22 * s)), (t(5 * s), t(10 * s)), (t(9 * s), t(11 * s))]);
        assert_eq!(p.of(t(0)), Phase::Before);
        assert_eq!(p.of(t(5 * s)), Phase::During);
        assert_eq!(p.of(t(11 * s)), Phase::After);
        assert_eq!(p.of(t(21 * s)), Phase::During);
        let sum: f64 = Phase::ALL[..3].iter().map(|ph| p.seconds(*ph, t(0), t(30 * s))).sum();
        assert_eq!((p.seconds(Phase::During, t(0), t(30 * s)), sum), (8.0, 30.0));
        assert_eq!(p.seconds(Phase::Before, t(2 * s), t(4 * s)), 2.0);
    }

    #[test]
    fn without_a_migration_all_is_before() {
        let p = Phases::new(Timestamp(0), Timestamp(9), vec![]);
        assert_eq!(p.of(Timestamp(5)), Phase::Before);
    }
}
