//! Numbers for people, in the locale's form: decimal point and thousands comma in English, the other way round in Indonesian.
//!
//! Decimal prefixes throughout (1 kB = 1000 B, 1 Mbit/s = 10^6 bit/s), as network figures use them.

use super::words::{Lang, Words};
use crate::base::interval::Interval;
use crate::base::time::Timestamp;

/// A number and its unit, apart: tables put the unit where they like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The number in the locale's form.
    pub number: String,
    /// Its unit; empty if it has none.
    pub unit: &'static str,
}

impl Quantity {
    /// Number and unit with a space between.
    pub fn text(&self) -> String {
        if self.unit.is_empty() { self.number.clone() } else { format!("{} {}", self.number, self.unit) }
    }
}

impl Words {
    /// A count with its thousands in groups.
    pub fn count(self, value: u64) -> String {
        group(&value.to_string(), self.thousands())
    }

    /// A number with exactly `decimals` decimals; a number that is none (NaN, infinite) is "unknown".
    pub fn fixed(self, value: f64, decimals: usize) -> String {
        if !value.is_finite() {
            return self.t("unknown").to_owned();
        }
        let text = format!("{value:.decimals$}");
        // -0.00 is no number that anyone measured.
        let text = match text.strip_prefix('-') {
            Some(rest) if rest.bytes().all(|b| b == b'0' || b == b'.') => rest.to_owned(),
            _ => text,
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let mut out = group(whole, self.thousands());
        if !fraction.is_empty() {
            out.push(self.decimal());
            out.push_str(fraction);
        }
        out
    }

    /// As many decimals as the size of the value deserves: three figures or a little more, at most four decimals.
    pub fn plain(self, value: f64) -> String {
        self.fixed(value, decimals(value))
    }

    /// Percent with its sign.
    pub fn percent(self, value: f64) -> String {
        let decimals = match value.abs() {
            v if v == 0.0 || v >= 99.995 => 0,
            v if v < 0.1 => 4,
            v if v < 10.0 => 2,
            _ => 1,
        };
        format!("{}\u{a0}%", self.fixed(value, decimals))
    }

    /// A time in milliseconds; in seconds from ten seconds on.
    pub fn ms(self, value: f64) -> Quantity {
        if value.abs() < 10_000.0 {
            Quantity { number: self.plain(value), unit: "ms" }
        } else {
            Quantity { number: self.fixed(value / 1000.0, 2), unit: "s" }
        }
    }

    /// An interval of milliseconds: `29.8 ms (29.6 to 30.2)`; the estimate alone where the bounds are the same.
    pub fn ms_interval(self, value: &Interval) -> String {
        match self.ms_parts(value) {
            (estimate, Some(bounds)) => format!("{estimate} ({bounds})"),
            (estimate, None) => estimate,
        }
    }

    /// The estimate and the bounds of an interval of milliseconds, apart; no bounds where they are the same.
    pub fn ms_parts(self, value: &Interval) -> (String, Option<String>) {
        let (divide, unit) = if value.upper.abs() < 10_000.0 { (1.0, "ms") } else { (1000.0, "s") };
        let (low, mid, high) = (value.lower / divide, value.estimate / divide, value.upper / divide);
        let width = high - low;
        if width.is_nan() || width <= 0.0 {
            let digits = decimals(mid).max(usize::from(mid.abs() < 100.0));
            return (format!("{}\u{a0}{unit}", self.fixed(mid, digits)), None);
        }
        // One figure of the width tells the bounds apart, two where the first is small; more would pretend.
        let exponent = width.log10().floor();
        let small = width / 10f64.powf(exponent) < 3.0;
        let digits = ((i32::from(small) - exponent as i32).clamp(0, 4) as usize).max(three_figures(mid));
        // Bounds are rounded outward: the truth stays between what is printed.
        let scale = 10f64.powi(digits as i32);
        let (low, high) = ((low * scale + 1e-6).floor() / scale, (high * scale - 1e-6).ceil() / scale);
        let bounds = format!("{} {} {}", self.fixed(low, digits), self.t("to"), self.fixed(high, digits));
        (format!("{}\u{a0}{unit}", self.fixed(mid, digits)), Some(bounds))
    }

    /// A bit rate.
    pub fn bps(self, value: f64) -> Quantity {
        let (divide, unit) = match value.abs() {
            v if v < 1e3 => (1.0, "bit/s"),
            v if v < 1e6 => (1e3, "kbit/s"),
            v if v < 1e9 => (1e6, "Mbit/s"),
            _ => (1e9, "Gbit/s"),
        };
        Quantity { number: self.plain(value / divide), unit }
    }

    /// A number of bytes.
    pub fn bytes(self, value: u64) -> Quantity {
        let float = value as f64;
        let (divide, unit) = match value {
            0..=999 => return Quantity { number: value.to_string(), unit: "B" },
            1_000..=999_999 => (1e3, "kB"),
            1_000_000..=999_999_999 => (1e6, "MB"),
            _ => (1e9, "GB"),
        };
        Quantity { number: self.plain(float / divide), unit }
    }

    /// Bytes per second.
    pub fn bytes_per_s(self, value: f64) -> Quantity {
        let (divide, unit) = match value.abs() {
            v if v < 1e3 => (1.0, "B/s"),
            v if v < 1e6 => (1e3, "kB/s"),
            v if v < 1e9 => (1e6, "MB/s"),
            _ => (1e9, "GB/s"),
        };
        Quantity { number: self.plain(value / divide), unit }
    }

    fn thousands(self) -> char {
        if self.lang() == Lang::Id { '.' } else { ',' }
    }

    fn decimal(self) -> char {
        if self.lang() == Lang::Id { ',' } else { '.' }
    }
}

fn decimals(value: f64) -> usize {
    match value.abs() {
        v if v == 0.0 || v >= 1000.0 => 0,
        v if v >= 100.0 => 1,
        v if v >= 1.0 => 2,
        v if v >= 0.1 => 3,
        _ => 4,
    }
}

/// Time of day with microseconds, `00:08:53.038200`: what tells frames apart.
pub fn clock_us(t: Timestamp) -> String {
    // RFC 3339 with nanoseconds has its date in the first eleven bytes.
    t.rfc3339().get(11..26).map_or_else(|| t.clock(), str::to_owned)
}

/// The seconds of the time of day with microseconds, `53.038200`: what differs between two bounds.
pub fn seconds_us(t: Timestamp) -> String {
    t.rfc3339().get(17..26).map_or_else(|| t.clock(), str::to_owned)
}

fn three_figures(value: f64) -> usize {
    match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    }
}

fn group(digits: &str, separator: char) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut out = String::with_capacity(digits.len() * 4 / 3 + 2);
    out.push_str(sign);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const EN: Words = Words::new(Lang::En);
    const ID: Words = Words::new(Lang::Id);

    #[test]
    fn numbers_take_the_form_of_the_language() {
        assert_eq!(EN.count(1_234_567), "1,234,567");
        assert_eq!(ID.count(1_234_567), "1.234.567");
        assert_eq!(EN.fixed(-1234.5, 2), "-1,234.50");
        assert_eq!(ID.fixed(-1234.5, 2), "-1.234,50");
        assert_eq!(EN.fixed(-0.001, 2), "0.00");
        assert_eq!(EN.fixed(f64::NAN, 2), "unknown");
        assert_eq!(EN.count(0), "0");
    }

    #[test]
    fn times_of_day_have_microseconds() {
        let t = Timestamp(1_795_478_928_188_020_725);
        assert_eq!(clock_us(t), "00:08:48.188020");
        assert_eq!(seconds_us(t), "48.188020");
        assert!(!clock_us(Timestamp::MIN).is_empty());
    }

    #[test]
    fn units_follow_the_size() {
        assert_eq!(EN.ms(29.834).text(), "29.83 ms");
        assert_eq!(EN.ms(0.0352).text(), "0.0352 ms");
        assert_eq!(EN.ms(12_345.0).text(), "12.35 s");
        assert_eq!(ID.bps(12_345_678.0).text(), "12,35 Mbit/s");
        assert_eq!(EN.bps(0.0).text(), "0 bit/s");
        assert_eq!(EN.bytes(999).text(), "999 B");
        assert_eq!(EN.bytes(1_500_000).text(), "1.50 MB");
        assert_eq!(ID.percent(0.0131), "0,0131\u{a0}%");
        assert_eq!(EN.percent(0.0), "0\u{a0}%");
        assert_eq!(EN.percent(100.0), "100\u{a0}%");
    }

    #[test]
    fn intervals_show_as_many_decimals_as_their_width_allows() {
        let i = |l, e, u| Interval { lower: l, estimate: e, upper: u };
        assert_eq!(EN.ms_interval(&i(29.612, 29.834, 30.112)), "29.8\u{a0}ms (29.6 to 30.2)");
        assert_eq!(EN.ms_interval(&i(410.0, 412.4, 440.0)), "412\u{a0}ms (410 to 440)");
        assert_eq!(EN.ms_interval(&i(29.61, 31.74, 66.41)), "31.7\u{a0}ms (29.6 to 66.5)");
        assert_eq!(EN.ms_interval(&Interval::exact(5.0)), "5.00\u{a0}ms");
        assert_eq!(ID.ms_interval(&i(11_000.0, 12_000.0, 13_000.0)), "12,0\u{a0}s (11,0 sampai 13,0)");
    }
}
