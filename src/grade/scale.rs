//! A scale as data: bands per parameter, labels per index.

use super::{Figures, Method, y1541};
use crate::model::{Grade, Grades, OtherReading, Overall};

/// Where a band ends, on the side of the worse values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Values below this.
    Below(f64),
    /// Values up to and including this.
    AtMost(f64),
    /// Values above this.
    Above(f64),
    /// Values from this on.
    AtLeast(f64),
    /// Every value: the last band.
    Rest,
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::Below(b) => value < b,
            Self::AtMost(b) => value <= b,
            Self::Above(b) => value > b,
            Self::AtLeast(b) => value >= b,
            Self::Rest => true,
        }
    }
}

/// Values up to a bound have this index. Bands are asked in order; the first that holds counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// Its bound.
    pub bound: Bound,
    /// Its index.
    pub index: u8,
}

/// What the throughput bands are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThroughputUnit {
    /// Percent of the link.
    PercentOfLink,
    /// kbit/s.
    KilobitPerSecond,
}

/// A scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Name.
    pub name: String,
    /// How an ambiguous row is read.
    pub reading: Option<String>,
    /// Delay in ms.
    pub delay: Vec<Band>,
    /// Jitter in ms.
    pub jitter: Vec<Band>,
    /// Loss in percent.
    pub loss: Vec<Band>,
    /// Throughput in percent of the link, used when a bandwidth is given.
    pub throughput_percent: Vec<Band>,
    /// Throughput in kbit/s, used otherwise.
    pub throughput_kbps: Vec<Band>,
    /// Other readings: parameter, name, bands.
    pub also: Vec<(&'static str, &'static str, Vec<Band>)>,
    /// Labels: index, English, Indonesian.
    pub labels: Vec<(u8, String, String)>,
    /// Labels of the whole: least mean index, English, Indonesian; in falling order.
    pub overall: Vec<(f64, String, String)>,
    /// Footnotes: keys of the report's dictionary of words.
    pub notes: Vec<&'static str>,
    /// Graded by classes that bound all parameters together (ITU-T Y.1541).
    pub classes: bool,
}

impl Scale {
    fn label(&self, index: u8) -> Grade {
        let (en, id) = self.labels.iter().find(|l| l.0 == index).map_or(("", ""), |l| (&l.1, &l.2));
        Grade { index, label_en: en.to_owned(), label_id: id.to_owned() }
    }

    fn band(bands: &[Band], value: Option<f64>) -> Option<u8> {
        let value = value.filter(|v| v.is_finite())?;
        bands.iter().find(|b| b.bound.holds(value)).map(|b| b.index)
    }

    /// Grades; `None` if no figure is known.
    pub fn grade(&self, figures: &Figures, method: Method) -> Option<Grades> {
        if self.classes {
            return y1541::grade(self, figures, method);
        }
        let by_percent = figures.percent_of_link.is_some() && !self.throughput_percent.is_empty();
        let kbps = figures.throughput_bps.map(|b| b / 1000.0);
        let throughput = if by_percent {
            Self::band(&self.throughput_percent, figures.percent_of_link)
        } else {
            Self::band(&self.throughput_kbps, kbps)
        };
        let delay = Self::band(&self.delay, figures.delay_ms);
        let jitter = Self::band(&self.jitter, figures.jitter_ms);
        let loss = Self::band(&self.loss, figures.loss_percent);
        let known: Vec<u8> = [throughput, delay, jitter, loss].into_iter().flatten().collect();
        if known.is_empty() {
            return None;
        }
        let mean = known.iter().map(|i| f64::from(*i)).sum::<f64>() / known.len() as f64;
        let mut notes: Vec<String> = self.notes.iter().map(|n| (*n).to_owned()).collect();
        if known.len() < 4 {
            notes.push("overall-incomplete".to_owned());
        }
        if figures.delay_is_rtt {
            notes.push("delay-is-rtt".to_owned());
        }
        if !by_percent && throughput.is_some() {
            notes.push("throughput-absolute".to_owned());
        }
        if method == Method::Thesis {
            notes.push("thesis-delay-is-gap".to_owned());
        }
        let mut also = Vec::new();
        for (parameter, reading, bands) in &self.also {
            let (value, index) = match *parameter {
                "loss" => (figures.loss_percent, loss),
                "throughput" if by_percent => (kbps, throughput),
                _ => (None, None),
            };
            if let (Some(other), Some(index)) = (Self::band(bands, value), index)
                && other != index
            {
                also.push(OtherReading { parameter: (*parameter).to_owned(), reading: (*reading).to_owned(), index: other });
            }
        }
        let overall = self.overall.iter().find(|o| mean >= o.0).map(|o| Overall {
            index: mean,
            percent: mean / 4.0 * 100.0,
            label_en: o.1.clone(),
            label_id: o.2.clone(),
            parameters: known.len() as u8,
        });
        Some(Grades {
            scale: self.name.clone(),
            reading: self.reading.clone(),
            method: method.name().to_owned(),
            throughput: throughput.map(|i| self.label(i)),
            delay: delay.map(|i| self.label(i)),
            jitter: jitter.map(|i| self.label(i)),
            loss: loss.map(|i| self.label(i)),
            overall,
            also,
            notes,
        })
    }
}
