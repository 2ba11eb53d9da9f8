//! On which node the VM ran when, on the reference clock.

use crate::base::time::Timestamp;

/// Where the VM was at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// It ran on the node of this point.
    Point(usize),
    /// It ran on a node that was not captured.
    Elsewhere,
    /// It ran nowhere: stopped on one node, not yet resumed on the next.
    Away,
    /// Nobody knows: any node will do.
    Unknown,
}

/// The stays of a VM, in order of time; between two of them it ran nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stays {
    stays: Vec<(Home, Timestamp, Timestamp)>,
}

impl Stays {
    /// Nothing is known.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// It never moved.
    pub fn always(point: usize) -> Self {
        Self { stays: vec![(Home::Point(point), Timestamp::MIN, Timestamp::MAX)] }
    }

    /// It ran on `from` until a moment, then moved; each move says when it stopped, when it resumed (`None`: never in this
    /// capture) and where. `None` for a node stands for one that was not captured.
    pub fn moved(from: Option<usize>, moves: &[(Timestamp, Option<Timestamp>, Option<usize>)]) -> Self {
        let home = |p: Option<usize>| p.map_or(Home::Elsewhere, Home::Point);
        let mut stays = Vec::with_capacity(moves.len() + 1);
        let mut now = Some((home(from), Timestamp::MIN));
        for &(stopped, resumed, to) in moves {
            if let Some((place, since)) = now.take() {
                stays.push((place, since, stopped.max(since)));
            }
            now = resumed.map(|at| (home(to), at.max(stopped)));
        }
        if let Some((place, since)) = now {
            stays.push((place, since, Timestamp::MAX));
        }
        Self { stays }
    }

    /// Where it was at `t`.
    pub fn at(&self, t: Timestamp) -> Home {
        if self.stays.is_empty() {
            return Home::Unknown;
        }
        self.stays.iter().find(|s| s.1 <= t && t < s.2).map_or(Home::Away, |s| s.0)
    }

    /// True if it stopped or resumed between `from` and `to`.
    pub fn changed(&self, from: Timestamp, to: Timestamp) -> bool {
        self.stays.iter().any(|s| (from < s.1 && s.1 <= to) || (from < s.2 && s.2 <= to))
    }

    /// True if a node that it ran on was not captured.
    pub fn uncaptured(&self) -> bool {
        self.stays.iter().any(|s| s.0 == Home::Elsewhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_leaves_a_time_without_home() {
        let t = Timestamp;
        let stays = Stays::moved(Some(1), &[(t(100), Some(t(150)), Some(2)), (t(300), None, None)]);
        let homes = [0, 99, 100, 149, 150, 299, 300, 900].map(|at| stays.at(t(at)));
        let (one, two) = (Home::Point(1), Home::Point(2));
        assert_eq!(homes, [one, one, Home::Away, Home::Away, two, two, Home::Away, Home::Away]);
        assert!(stays.changed(t(90), t(110)) && !stays.changed(t(110), t(149)));
        assert_eq!(Stays::unknown().at(t(5)), Home::Unknown);
    }
}
