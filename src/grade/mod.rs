//! Grades: measured figures on the scales that readers know.
//!
//! TIPHON is "after ETSI TR 101 329, as commonly used in Indonesia": the printed tables have holes and are read in two ways, so
//! the reading is named, intervals are half-open, values are graded unrounded, and the other reading is told where it differs.

mod own;
mod scale;
mod tiphon;
mod y1541;

pub use own::from_toml;
pub use scale::{Band, Bound, Scale, ThroughputUnit};

use crate::model::{Grades, Qos};

/// A built-in scale.
pub struct Builtin {
    /// Name for `--scale`.
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    /// Makes it.
    pub scale: fn() -> Scale,
}

/// The built-in scales, the default first.
pub const SCALES: &[Builtin] = &[
    Builtin { name: "tiphon", about: "TIPHON, loss row read as ceilings (up to 3 % is Bagus)", scale: tiphon::ceilings },
    Builtin { name: "tiphon-floors", about: "TIPHON, loss row read as floors (below 3 % is Sangat Bagus)", scale: tiphon::floors },
    Builtin { name: "y1541", about: "ITU-T Y.1541 classes 0 to 5 (2011)", scale: y1541::scale },
];

/// The built-in scale of that name.
pub fn builtin(name: &str) -> Option<Scale> {
    SCALES.iter().find(|s| s.name == name).map(|s| (s.scale)())
}

/// Which figures are graded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Method {
    /// Delay, jitter and loss as the RFCs define them.
    #[default]
    Rigorous,
    /// What a thesis computes from Wireshark.
    Thesis,
}

impl Method {
    /// `rigorous` or `thesis`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rigorous => "rigorous",
            Self::Thesis => "thesis",
        }
    }
}

/// The figures that a scale looks at; `None` where unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Bits per second.
    pub throughput_bps: Option<f64>,
    /// Share of the link.
    pub percent_of_link: Option<f64>,
    /// Mean delay in ms.
    pub delay_ms: Option<f64>,
    /// Jitter in ms.
    pub jitter_ms: Option<f64>,
    /// Loss in percent.
    pub loss_percent: Option<f64>,
    /// ITU-T Y.1541 IPDV: the 99.9 % quantile of the delay less its minimum, ms.
    pub ipdv_ms: Option<f64>,
    /// `delay_ms` is a round trip.
    pub delay_is_rtt: bool,
}

impl Figures {
    /// The figures of one row of the report.
    pub fn of(qos: &Qos, method: Method, link_bandwidth_bps: Option<f64>) -> Self {
        let percent = |bps: Option<f64>| Some(bps? / link_bandwidth_bps.filter(|b| *b > 0.0)? * 100.0);
        match method {
            Method::Rigorous => Self {
                throughput_bps: qos.throughput.bps,
                percent_of_link: percent(qos.throughput.bps),
                delay_ms: qos.delay.mean_ms,
                jitter_ms: qos.jitter.mean_ms,
                loss_percent: qos.loss.percent,
                ipdv_ms: qos.delay.p999_ms.zip(qos.delay.min_ms).map(|(q, min)| (q - min).max(0.0)),
                delay_is_rtt: qos.delay.method.as_deref() == Some("rtt"),
            },
            Method::Thesis => Self {
                throughput_bps: qos.thesis.throughput_bps,
                percent_of_link: percent(qos.thesis.throughput_bps),
                delay_ms: qos.thesis.delay_ms,
                jitter_ms: qos.thesis.jitter_ms,
                loss_percent: qos.thesis.loss_percent,
                ipdv_ms: None,
                delay_is_rtt: false,
            },
        }
    }
}

/// Grades one row; `None` if no figure of it is known.
pub fn grade(scale: &Scale, qos: &Qos, method: Method, link_bandwidth_bps: Option<f64>) -> Option<Grades> {
    let figures = Figures::of(qos, method, link_bandwidth_bps);
    scale.grade(&figures, method)
}
