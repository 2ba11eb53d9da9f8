//! Figures of a study in words and in the units that suit them.

use crate::report::document::capital;
use crate::report::escape::shown;
use crate::report::words::Words;
use crate::study::figures::{Metric, Unit};
use crate::study::statistics::{FIRST_LATER, ORDER, SCENARIO};

/// How the values of one metric are shown in one table or chart: all in one unit, with the same decimals.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Form {
    /// By what values are divided.
    pub divide: f64,
    /// The unit after that.
    pub unit: &'static str,
    decimals: usize,
}

impl Form {
    /// For values of `metric` up to `most`.
    pub(super) fn of(metric: &Metric, most: f64) -> Self {
        let most = most.abs();
        let step = |steps: [(&'static str, f64); 4]| {
            let (unit, divide) = steps.into_iter().rev().find(|(_, size)| most >= *size).unwrap_or(steps[0]);
            (divide, unit)
        };
        let (divide, unit) = match metric.unit {
            Unit::Ms if most >= 20_000.0 => (1000.0, "s"),
            Unit::Ms => (1.0, "ms"),
            Unit::Bytes => step([("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9)]),
            Unit::BytesPerS => step([("B/s", 1.0), ("kB/s", 1e3), ("MB/s", 1e6), ("GB/s", 1e9)]),
            Unit::Bps => step([("bit/s", 1.0), ("kbit/s", 1e3), ("Mbit/s", 1e6), ("Gbit/s", 1e9)]),
            Unit::Count => (1.0, ""),
        };
        let decimals = match most / divide {
            v if v >= 1000.0 => 0,
            v if v >= 100.0 => 1,
            v if v >= 10.0 => 2,
            _ => 3,
        };
        Self { divide, unit, decimals }
    }

    /// The number without its unit.
    pub(super) fn number(&self, value: f64, words: Words) -> String {
        words.fixed(value / self.divide, self.decimals)
    }

    /// The number with its unit.
    pub(super) fn text(&self, value: f64, words: Words) -> String {
        let number = self.number(value, words);
        if self.unit.is_empty() { number } else { format!("{number}\u{a0}{}", self.unit) }
    }

    /// Two bounds without their unit.
    pub(super) fn bounds(&self, (low, high): (f64, f64), words: Words) -> String {
        format!("{} {} {}", self.number(low, words), words.t("to"), self.number(high, words))
    }
}

/// Three significant figures.
pub(super) fn significant(value: f64, words: Words) -> String {
    let decimals = if value == 0.0 || !value.is_finite() { 0 } else { (2.0 - value.abs().log10().floor()).clamp(0.0, 12.0) as usize };
    words.fixed(value, decimals)
}

/// A p value as theses print it.
pub(super) fn p_value(p: f64, words: Words) -> String {
    if p < 0.001 { format!("< {}", words.fixed(0.001, 3)) } else { words.fixed(p, 3) }
}

/// The same with its sign: `p = 0.012`, `p < 0.001`.
pub(in crate::study) fn p_said(p: f64, words: Words) -> String {
    if p < 0.001 { format!("p < {}", words.fixed(0.001, 3)) } else { format!("p = {}", words.fixed(p, 3)) }
}

/// A level of a factor as a reader knows it: `offline video`, `ram = 2048`.
pub(in crate::study) fn level(factor: &str, level: &str, words: Words) -> String {
    let said = match factor {
        SCENARIO if level.is_empty() => words.name("scenario", "unknown").into_owned(),
        SCENARIO => words.name("scenario", level).into_owned(),
        ORDER if level == FIRST_LATER[0] => words.t("study.order.first").to_owned(),
        ORDER => words.t("study.order.later").to_owned(),
        _ => format!("{factor} = {level}"),
    };
    shown(&said).into_owned()
}

/// The name of a factor, safe to show.
pub(super) fn factor(name: &str) -> String {
    shown(name).into_owned()
}

/// The name of a metric.
pub(super) fn name(metric: &Metric, words: Words) -> &'static str {
    words.find(metric.word).unwrap_or(metric.key)
}

/// The same at the start of a sentence.
pub(super) fn title(metric: &Metric, words: Words) -> String {
    capital(name(metric, words))
}

/// A metric's key in names of tables, charts and files.
pub(super) fn slug(metric: &Metric) -> String {
    metric.key.replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Lang;
    use crate::study::figures::metric;

    #[test]
    fn one_unit_for_all_values_of_a_table() {
        let (en, id) = (Words::new(Lang::En), Words::new(Lang::Id));
        let form = Form::of(metric("total_ms").unwrap(), 31_234.0);
        assert_eq!(form.text(1234.5, en), "1.23\u{a0}s");
        assert_eq!(form.text(31_234.0, id), "31,23\u{a0}s");
        assert_eq!(Form::of(metric("transferred_bytes").unwrap(), 1.5e9).bounds((2e8, 1.5e9), id), "0,200 sampai 1,500");
        assert_eq!(Form::of(metric("passes").unwrap(), 4.0).text(3.0, en), "3.000");
        assert_eq!(p_said(0.000_2, id), "p < 0,001");
        assert_eq!(p_said(0.041_6, en), "p = 0.042");
        assert_eq!(significant(0.012_345, id), "0,0123");
        assert_eq!(significant(12_345.0, id), "12.345");
    }
}
