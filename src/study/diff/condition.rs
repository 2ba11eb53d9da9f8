//! Conditions of failure: `downtime_ms > +10%`.

use serde::Serialize;

use super::{Change, names};
use crate::error::{Error, Result};

/// How a figure is compared with the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    More,
    Least,
    Less,
    Most,
}

/// What of a figure is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// Its change in percent of the first side.
    Percent,
    /// Its change in its own unit.
    Change,
    /// The second side's value.
    Value,
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    figure: String,
    relation: Relation,
    subject: Subject,
    limit: f64,
}

/// What became of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds: the comparison fails.
    Holds,
    /// It does not hold.
    No,
    /// A figure is unknown.
    Unknown,
}

/// A condition with its verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// As the user wrote it.
    pub condition: String,
    /// Verdict.
    pub verdict: Verdict,
    /// Scenarios in which it holds, or cannot be judged.
    pub scenarios: Vec<String>,
    /// What was compared with the limit, the largest excess first.
    pub found: Option<f64>,
}

/// What a condition looks like, for messages.
const SHAPE: &str = "A condition is FIGURE, one of > >= < <=, and a limit: '+10%' or '-5%' (change in percent), '+20' or '-20' (change in the figure's unit), '100' (value of B), as in 'downtime_ms > +10%'.";

impl Condition {
    /// From what the user wrote.
    ///
    /// # Errors
    /// What was expected and found, with the names that are known.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: String| Error::new(format!("--fail-if {text:?}: {what}")).advice(SHAPE);
        let at = text.find(['<', '>']).ok_or_else(|| wrong("expected one of > >= < <=, found none".to_owned()))?;
        let figure = text[..at].trim();
        let rest = &text[at..];
        let (relation, limit) = match (rest.strip_prefix(">="), rest.strip_prefix("<="), rest.strip_prefix('>'), rest.strip_prefix('<')) {
            (Some(limit), ..) => (Relation::Least, limit),
            (_, Some(limit), ..) => (Relation::Most, limit),
            (_, _, Some(limit), _) => (Relation::More, limit),
            (.., Some(limit)) => (Relation::Less, limit),
            _ => return Err(wrong("expected one of > >= < <=".to_owned())),
        };
        let known = names();
        if !known.iter().any(|name| name == figure) {
            let found = if figure.is_empty() { "nothing".to_owned() } else { format!("{figure:?}") };
            return Err(Error::new(format!("--fail-if {text:?}: expected the name of a figure before the sign, found {found}"))
                .advice(format!("Figures are: {}.", known.join(", "))));
        }
        let limit = limit.trim();
        let (number, percent) = limit.strip_suffix('%').map_or((limit, false), |number| (number.trim_end(), true));
        let signed = number.starts_with(['+', '-']);
        let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
        // `inf`, `nan` and `1e3` parse as floats too, and are no limits that anyone means.
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let value = number.parse::<f64>().ok().filter(|_| plain);
        let value = value.ok_or_else(|| wrong(format!("expected a number after the sign, found {limit:?}")))?;
        if percent && !signed {
            return Err(wrong(format!("expected +{limit} or -{limit}: percent are those of the change from A to B, found {limit:?}")));
        }
        let subject = match (percent, signed) {
            (true, _) => Subject::Percent,
            (false, true) => Subject::Change,
            (false, false) => Subject::Value,
        };
        Ok(Self { text: text.trim().to_owned(), figure: figure.to_owned(), relation, subject, limit: value })
    }

    fn holds(&self, value: f64) -> bool {
        match self.relation {
            Relation::More => value > self.limit,
            Relation::Least => value >= self.limit,
            Relation::Less => value < self.limit,
            Relation::Most => value <= self.limit,
        }
    }

    /// Judges all changes of its figure: it holds if it holds in one scenario; it is unknown if it holds in none and cannot be told
    /// in one, or if no change has the figure.
    pub(super) fn judge(&self, changes: &[Change]) -> Judged {
        let (mut held, mut unknown) = (Vec::new(), Vec::new());
        let mut found: Option<f64> = None;
        let mut seen = false;
        for change in changes.iter().filter(|change| change.figure == self.figure) {
            seen = true;
            let value = match self.subject {
                Subject::Percent => change.change_percent,
                Subject::Change => change.change,
                Subject::Value => change.b.mean,
            };
            let scenario = change.scenario.clone();
            match value {
                Some(value) => {
                    let further = match self.relation {
                        Relation::More | Relation::Least => found.is_none_or(|f| value > f),
                        Relation::Less | Relation::Most => found.is_none_or(|f| value < f),
                    };
                    found = if further { Some(value) } else { found };
                    if self.holds(value) {
                        held.push(scenario);
                    }
                }
                None => unknown.push(scenario),
            }
        }
        let (verdict, scenarios) = match (held.is_empty(), unknown.is_empty() && seen) {
            (false, _) => (Verdict::Holds, held),
            (true, false) => (Verdict::Unknown, unknown),
            (true, true) => (Verdict::No, Vec::new()),
        };
        Judged { condition: self.text.clone(), verdict, scenarios: scenarios.into_iter().flatten().collect(), found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(figure: &str, change_percent: Option<f64>) -> Change {
        Change { figure: figure.into(), change_percent, change: change_percent.map(|p| p * 2.0), ..Change::default() }
    }

    #[test]
    fn limits_are_of_three_kinds() {
        let subject = |text: &str| Condition::parse(text).unwrap().subject;
        assert_eq!(subject("downtime_ms > +10%"), Subject::Percent);
        assert_eq!(subject("downtime_ms>=+10"), Subject::Change);
        assert_eq!(subject("whole.loss_percent <= 2.5"), Subject::Value);
        assert_eq!(Condition::parse("during.throughput_bps < -5 %").unwrap().limit, -5.0);
    }

    #[test]
    fn errors_say_what_was_expected() {
        for (text, said) in [
            ("downtime_ms", "expected one of > >= < <=, found none"),
            ("downtme_ms > +1%", "found \"downtme_ms\""),
            ("> +1%", "found nothing"),
            ("downtime_ms > 10%", "expected +10% or -10%"),
            ("downtime_ms > fast", "expected a number after the sign, found \"fast\""),
            ("downtime_ms > +inf", "found \"+inf\""),
            ("downtime_ms >", "found \"\""),
            ("downtime_ms == +1", "expected one of"),
        ] {
            let error = Condition::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn unknown_is_neither_yes_nor_no() {
        let condition = Condition::parse("downtime_ms > +10%").unwrap();
        let verdict = |changes: &[Change]| condition.judge(changes).verdict;
        assert_eq!(verdict(&[change("downtime_ms", Some(10.0))]), Verdict::No);
        assert_eq!(verdict(&[change("downtime_ms", Some(10.1))]), Verdict::Holds);
        assert_eq!(verdict(&[change("downtime_ms", None)]), Verdict::Unknown);
        assert_eq!(verdict(&[change("total_ms", Some(50.0))]), Verdict::Unknown);
        assert_eq!(verdict(&[change("downtime_ms", None), change("downtime_ms", Some(11.0))]), Verdict::Holds);
        assert_eq!(verdict(&[change("downtime_ms", None), change("downtime_ms", Some(1.0))]), Verdict::Unknown);
    }
}
