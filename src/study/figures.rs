//! What a study keeps of one run: the figures of its migrations, its quality of service, its curves; or why there is none.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::interval::Interval;
use crate::base::time::Timestamp;
use crate::error::Result;
use crate::grade::Figures;
use crate::model::{self, Curve, Qos, Report};
use crate::report::headline::open_windows;
use crate::report::qos::headline_rows;
use crate::study::statistics::SCENARIO;
use crate::study::{Factor, Manifest, Record, RunEntry};

/// Why a figure of an outage that never ended has no value.
const OPEN: &str = "not recovered by the end of the capture";
/// Points kept of a curve: more than a chart has pixels for.
const POINTS: usize = 600;

/// What a metric is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerS,
    /// Bits per second.
    Bps,
    /// A count.
    Count,
}

/// A figure of a migration that studies look at.
pub struct Metric {
    /// Its name, in files and on the command line.
    pub key: &'static str,
    /// The dictionary's key of its name for people.
    pub word: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// True if its values are intervals.
    pub interval: bool,
    /// Takes it from a report.
    of: fn(&model::Migration) -> Value,
}

/// All metrics, in the order of the tables.
pub const METRICS: &[Metric] = &[
    Metric { key: "total_ms", word: "study.metric.total", unit: Unit::Ms, interval: true, of: total },
    Metric { key: "downtime_ms", word: "study.metric.vm", unit: Unit::Ms, interval: true, of: vm },
    Metric { key: "network_downtime_ms", word: "study.metric.network", unit: Unit::Ms, interval: true, of: network },
    Metric { key: "service_downtime_ms", word: "study.metric.service", unit: Unit::Ms, interval: false, of: service },
    Metric { key: "transferred_bytes", word: "study.metric.transferred", unit: Unit::Bytes, interval: false, of: transferred },
    Metric { key: "ram_bytes", word: "study.metric.ram", unit: Unit::Bytes, interval: false, of: ram },
    Metric { key: "dirty_bytes_per_s", word: "study.metric.dirty", unit: Unit::BytesPerS, interval: false, of: dirty },
    Metric { key: "rate_bps", word: "study.metric.rate", unit: Unit::Bps, interval: false, of: rate },
    Metric { key: "passes", word: "study.metric.passes", unit: Unit::Count, interval: false, of: passes },
];

/// The metric of that name.
pub fn metric(key: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.key == key)
}

/// A figure, or why it is unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Value {
    /// The figure; of an interval its estimate.
    pub value: Option<f64>,
    /// Lower bound of an interval.
    pub lower: Option<f64>,
    /// Upper bound of an interval.
    pub upper: Option<f64>,
    /// Why it is unknown.
    pub why: Option<String>,
}

impl Value {
    fn known(value: f64) -> Self {
        if value.is_finite() { Self { value: Some(value), ..Self::default() } } else { Self::unknown(None) }
    }

    fn unknown(why: Option<&str>) -> Self {
        Self { why: why.map(str::to_owned), ..Self::default() }
    }

    fn of(interval: Option<&Interval>, why: Option<&str>) -> Self {
        match interval.filter(|i| i.estimate.is_finite()) {
            Some(i) => Self { value: Some(i.estimate), lower: Some(i.lower), upper: Some(i.upper), why: None },
            None => Self::unknown(why),
        }
    }

    /// Width of the interval.
    pub fn width(&self) -> Option<f64> {
        Some((self.upper? - self.lower?).max(0.0))
    }
}

/// One migration of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Migration {
    /// Its number in the run, from 1.
    pub number: u32,
    /// `completed`, `cancelled`, …
    pub outcome: String,
    /// Its figures by the names of [`METRICS`].
    pub figures: BTreeMap<String, Value>,
}

/// Quality of service in one phase, as means over it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quality {
    /// `before`, `during`, `after` or `whole`.
    pub phase: String,
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
    /// Throughput.
    pub throughput_bps: Option<f64>,
    /// Throughput in percent of the link's bandwidth.
    pub percent_of_link: Option<f64>,
    /// Delay.
    pub delay_ms: Option<f64>,
    /// The delay is a round trip.
    pub delay_is_rtt: bool,
    /// Jitter.
    pub jitter_ms: Option<f64>,
    /// Loss.
    pub loss_percent: Option<f64>,
    /// Mean of the run's own grade indices.
    pub index: Option<f64>,
    /// Scale of `index`; empty if nothing was graded.
    pub scale: String,
}

/// A curve from a run, in seconds from the switch-over of a migration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Aligned {
    /// Number of the migration.
    pub number: u32,
    /// Payload rate of the migration's stream.
    pub migration: Curve,
    /// Throughput at the client.
    pub client: Curve,
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// What tells it apart in the study: its path in the archive.
    pub id: String,
    /// Scenario.
    pub scenario: String,
    /// Factors.
    pub factors: BTreeMap<String, String>,
    /// Places of its levels in the orders that `study.toml` gives, by factor. They order the report only: they are not written.
    #[serde(skip)]
    pub places: BTreeMap<String, usize>,
    /// Why there is no report.
    pub error: Option<String>,
    /// Its migrations.
    pub migrations: Vec<Migration>,
    /// Its quality of service.
    pub qos: Vec<Quality>,
    /// Its curves. Only charts need them: they are not written.
    #[serde(skip)]
    pub curves: Vec<Aligned>,
}

impl Run {
    /// What a study keeps of `report`. `factors` are those that the study itself gives beside the run's own.
    pub fn of(id: impl Into<String>, report: &Report, factors: &BTreeMap<String, String>) -> Self {
        let mut all = report.run.factors.clone();
        all.extend(factors.clone());
        let scenario = all.remove("scenario").unwrap_or_else(|| report.run.scenario.clone());
        Self {
            id: id.into(),
            scenario,
            factors: all,
            places: BTreeMap::new(),
            error: None,
            migrations: report.migrations.iter().map(migration).collect(),
            qos: quality(report),
            curves: report.migrations.iter().filter_map(|m| aligned(report, m)).collect(),
        }
    }

    /// A run that could not be analyzed.
    pub fn failed(id: impl Into<String>, error: impl Into<String>, factors: &BTreeMap<String, String>) -> Self {
        let mut factors = factors.clone();
        let scenario = factors.remove("scenario").unwrap_or_default();
        Self { id: id.into(), scenario, factors, error: Some(error.into()), ..Self::default() }
    }
}

/// A study as its report needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Study {
    /// Its name.
    pub name: String,
    /// Its runs, by id.
    pub runs: Vec<Run>,
}

impl Study {
    /// From the folder that a batch wrote; one record is in memory at a time.
    ///
    /// # Errors
    /// There is no study in `dir`, or a record is missing or damaged.
    pub fn load(dir: &Path) -> Result<Self> {
        let mut runs = Vec::new();
        let manifest = Manifest::load(dir)?;
        super::each(dir, |entry, record| {
            runs.push(of_record(entry, &record, &manifest.factors));
            Ok(())
        })?;
        Ok(Self { name: manifest.name, runs })
    }
}

fn of_record(entry: &RunEntry, record: &Record, described: &[Factor]) -> Run {
    // People read the label of a factor, and its values with their unit.
    let shown = |(name, value): (&String, &String)| {
        let factor = described.iter().find(|factor| factor.name == *name);
        let label = factor.and_then(|f| f.label.as_ref()).unwrap_or(name);
        let unit = factor.and_then(|f| f.unit.as_ref()).map(|unit| format!(" {unit}")).unwrap_or_default();
        (label.clone(), format!("{value}{unit}"))
    };
    let place = |name: &str, value: &String| described.iter().find(|f| f.name == name)?.order.iter().position(|v| v == value);
    let mut places: BTreeMap<String, usize> =
        entry.factors.iter().filter_map(|(name, value)| Some((shown((name, value)).0, place(name, value)?))).collect();
    places.extend(entry.scenario.as_ref().and_then(|scenario| Some((SCENARIO.to_owned(), place(SCENARIO, scenario)?))));
    let mut factors: BTreeMap<String, String> = entry.factors.iter().map(shown).collect();
    factors.extend(entry.scenario.as_ref().map(|scenario| ("scenario".to_owned(), scenario.clone())));
    match (&record.report, &record.error) {
        (Some(report), None) => {
            let run = Run::of(&entry.id, report, &BTreeMap::new());
            let scenario = factors.remove("scenario").unwrap_or(run.scenario);
            Run { scenario, factors, places, ..run }
        }
        (_, error) => Run { places, ..Run::failed(&entry.id, error.as_deref().unwrap_or("no result"), &factors) },
    }
}

fn migration(m: &model::Migration) -> Migration {
    let figures = METRICS.iter().map(|metric| (metric.key.to_owned(), (metric.of)(m))).collect();
    Migration { number: m.id, outcome: m.outcome.clone(), figures }
}

fn total(m: &model::Migration) -> Value {
    Value::of(m.total_ms.as_ref(), m.outcome_why.as_deref())
}

fn vm(m: &model::Migration) -> Value {
    let window = &m.downtime.vm;
    if window.recovered == Some(false) { Value::unknown(Some(OPEN)) } else { Value::of(window.ms.as_ref(), window.why.as_deref()) }
}

fn network(m: &model::Migration) -> Value {
    let window = &m.downtime.network;
    // The length of an open window is a lower bound, which no mean can take.
    if window.recovered == Some(false) { Value::unknown(Some(OPEN)) } else { Value::of(window.ms.as_ref(), window.why.as_deref()) }
}

fn service(m: &model::Migration) -> Value {
    if open_windows(m).next().is_some() {
        return Value::unknown(Some(OPEN));
    }
    let caused = m.downtime.service.iter().filter(|window| window.cause != "other");
    match caused.filter_map(|window| window.ms).reduce(f64::max) {
        Some(ms) => Value::known(ms),
        None => Value::unknown(Some("no window without service was seen")),
    }
}

fn count(value: Option<u64>, why: Option<&str>) -> Value {
    value.map_or_else(|| Value::unknown(why), |v| Value::known(v as f64))
}

fn transferred(m: &model::Migration) -> Value {
    count(m.bytes.payload, m.bytes.why.as_deref())
}

fn ram(m: &model::Migration) -> Value {
    count(m.pages.ram_total_bytes, m.pages.why.as_deref())
}

/// Mean over the passes that have a rate, each with the weight of its time.
fn dirty(m: &model::Migration) -> Value {
    let rated = m.passes.iter().filter_map(|pass| Some((pass.dirty_bytes_per_s?, (pass.end? - pass.start?).seconds())));
    let (bytes, seconds) = rated.filter(|(_, s)| *s > 0.0).fold((0.0, 0.0), |sum, (rate, s)| (sum.0 + rate * s, sum.1 + s));
    if seconds > 0.0 { Value::known(bytes / seconds) } else { Value::unknown(Some("no pass has a dirty rate")) }
}

fn rate(m: &model::Migration) -> Value {
    match (m.bytes.payload, m.total_ms.as_ref().filter(|ms| ms.estimate > 0.0)) {
        (Some(bytes), Some(ms)) => Value::known(bytes as f64 * 8000.0 / ms.estimate),
        (None, _) => Value::unknown(m.bytes.why.as_deref()),
        _ => Value::unknown(m.outcome_why.as_deref()),
    }
}

fn passes(m: &model::Migration) -> Value {
    if m.passes.is_empty() { Value::unknown(Some("no pass could be told")) } else { Value::known(m.passes.len() as f64) }
}

fn quality(report: &Report) -> Vec<Quality> {
    let between = |q: &&Qos| matches!((q.from.as_str(), q.to.as_str()), ("vm", "client") | ("client", "vm")) && q.service == "all";
    let mut rows: Vec<&Qos> = report.qos.iter().filter(between).collect();
    if rows.is_empty() {
        rows = headline_rows(report);
    }
    let one = |q: &&Qos| {
        let thesis = q.grades.as_ref().is_some_and(|grades| grades.method == "thesis");
        let method = if thesis { crate::grade::Method::Thesis } else { crate::grade::Method::Rigorous };
        let figures = Figures::of(q, method, report.run.link_bandwidth_bps);
        Quality {
            phase: q.phase.clone(),
            from: q.from.clone(),
            to: q.to.clone(),
            throughput_bps: figures.throughput_bps,
            percent_of_link: figures.percent_of_link,
            delay_ms: figures.delay_ms,
            delay_is_rtt: figures.delay_is_rtt,
            jitter_ms: figures.jitter_ms,
            loss_percent: figures.loss_percent,
            index: q.grades.as_ref().and_then(|grades| Some(grades.overall.as_ref()?.index)),
            scale: q.grades.as_ref().map(|grades| grades.scale.clone()).unwrap_or_default(),
        }
    };
    rows.iter().map(one).collect()
}

/// When the guest was stopped, as well as it is known.
fn switch_over(m: &model::Migration) -> Option<Timestamp> {
    let phase = || m.phases.iter().find(|phase| phase.name == "stop-and-copy")?.start;
    let network = || Some(m.downtime.network.start.as_ref()?.estimate);
    m.downtime.vm.start.as_ref().map(|start| start.estimate).or_else(phase).or_else(network)
}

fn aligned(report: &Report, m: &model::Migration) -> Option<Aligned> {
    let zero = (switch_over(m)? - report.series.origin?).seconds();
    let shift = |curve: Option<&Curve>| curve.map(|curve| thin(curve, zero)).unwrap_or_default();
    let name = m.id.to_string();
    // The curve of a migration bears its number; where there is one of each, no name is needed.
    let own = report.series.migration.iter().find(|curve| curve.name == name || curve.name.ends_with(&format!(" {name}")));
    let own = own.or_else(|| report.series.migration.first().filter(|_| report.migrations.len() == 1));
    let client = report.series.throughput.iter().find(|curve| curve.name == "client");
    Some(Aligned { number: m.id, migration: shift(own), client: shift(client) })
}

/// The curve from `zero`, with at most [`POINTS`] points: means of neighbours.
fn thin(curve: &Curve, zero: f64) -> Curve {
    let good: Vec<(f64, f64)> = curve.points.iter().filter(|p| p.0.is_finite() && p.1.is_finite()).copied().collect();
    let size = good.len().div_ceil(POINTS).max(1);
    let mean = |chunk: &[(f64, f64)]| {
        let n = chunk.len() as f64;
        (chunk.iter().map(|p| p.0).sum::<f64>() / n - zero, chunk.iter().map(|p| p.1).sum::<f64>() / n)
    };
    Curve { points: good.chunks(size).map(mean).collect(), window_ms: curve.window_ms * size as f64, ..curve.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_that_never_ended_has_no_length() {
        let mut m = model::Migration::default();
        m.downtime.network.ms = Some(Interval::exact(5000.0));
        m.downtime.network.recovered = Some(false);
        assert_eq!(network(&m), Value::unknown(Some(OPEN)));
        m.downtime.service = vec![
            model::ServiceWindow { ms: Some(10.0), recovered: true, cause: "migration".into(), ..Default::default() },
            model::ServiceWindow { ms: Some(99.0), recovered: true, cause: "other".into(), ..Default::default() },
        ];
        assert_eq!(service(&m).value, Some(10.0));
        m.downtime.service[0].recovered = false;
        assert_eq!(service(&m), Value::unknown(Some(OPEN)));
    }

    #[test]
    fn dirty_rate_is_weighted_by_time() {
        let at = |s: i64| Some(Timestamp(s * 1_000_000_000));
        let pass = |from, to, rate| model::Pass { start: at(from), end: at(to), dirty_bytes_per_s: rate, ..Default::default() };
        let m = model::Migration { passes: vec![pass(0, 3, Some(10.0)), pass(3, 4, Some(50.0)), pass(4, 9, None)], ..Default::default() };
        assert_eq!(dirty(&m).value, Some(20.0));
        assert!(dirty(&model::Migration::default()).why.is_some());
    }

    #[test]
    fn curves_are_thinned_and_shifted() {
        let curve = Curve { window_ms: 10.0, points: (0..3000).map(|i| (f64::from(i) / 100.0, 1.0)).collect(), ..Curve::default() };
        let thinned = thin(&curve, 10.0);
        assert!(thinned.points.len() <= POINTS && thinned.window_ms == 50.0);
        assert!((thinned.points[0].0 + 9.98).abs() < 1e-9);
    }
}
