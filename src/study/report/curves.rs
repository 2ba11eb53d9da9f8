//! Throughput of all runs on one time axis: zero is the switch-over of each migration.

use super::Builder;
use super::form::level;
use crate::model::Curve;
use crate::report::chart::study::{Aligned as Chart, Axis, Panel};
use crate::report::document::Section;
use crate::report::words::Words;
use crate::study::figures::Aligned;
use crate::study::statistics::{SCENARIO, factors};

/// Most panels of a chart.
const PANELS: usize = 6;
/// Most of the time before and after the switch-over that is shown, in seconds.
const BEFORE: f64 = 120.0;
const AFTER: f64 = 30.0;
/// Bins of the median curve.
const BINS: usize = 150;
/// Fewest curves with a value in a bin for a median.
const LEAST: usize = 3;

pub(super) fn section(b: &Builder<'_>) -> Option<Section> {
    let words = b.words;
    let mut section = Section::new("curves", words.t("study.section.curves"));
    section.text(words.t("study.curves-intro"));
    chart(&mut section, "curves-migration", "study.figure.curves-migration", b, |aligned| &aligned.migration);
    chart(&mut section, "curves-client", "study.figure.curves-client", b, |aligned| &aligned.client);
    (section.blocks.len() > 1).then(|| {
        let missing = b.cases.iter().filter(|case| !case.run.curves.iter().any(|c| c.number == case.migration.number)).count();
        if missing > 0 {
            section.text(words.fill("study.curves-missing", &[("n", &words.count(missing as u64))]));
        }
        section
    })
}

fn chart(section: &mut Section, id: &str, caption: &'static str, b: &Builder<'_>, of: fn(&Aligned) -> &Curve) {
    let words = b.words;
    let all = factors(&b.cases);
    let Some((_, scenarios)) = all.iter().find(|(factor, _)| factor == SCENARIO) else { return };
    let curves = |scenario: &str| -> Vec<Curve> {
        let cases = b.cases.iter().filter(|case| case.run.scenario == scenario);
        let own = cases.filter_map(|case| Some(of(case.run.curves.iter().find(|c| c.number == case.migration.number)?)));
        own.filter(|curve| !curve.points.is_empty()).cloned().collect()
    };
    let groups: Vec<(String, Vec<Curve>)> =
        scenarios.iter().take(PANELS).map(|scenario| (level(SCENARIO, scenario, words), curves(scenario))).collect();
    let ends = |pick: fn(&Curve) -> Option<f64>| groups.iter().flat_map(|(_, curves)| curves).filter_map(pick).collect::<Vec<_>>();
    let first = ends(|curve| curve.points.first().map(|p| p.0)).into_iter().reduce(f64::min);
    let last = ends(|curve| curve.points.last().map(|p| p.0)).into_iter().reduce(f64::max);
    let (Some(first), Some(last)) = (first, last) else { return };
    let range = (first.clamp(-BEFORE, -1.0).floor(), last.clamp(1.0, AFTER).ceil());
    let most = groups.iter().flat_map(|(_, curves)| curves).flat_map(|c| &c.points).map(|p| p.1).fold(0.0, f64::max);
    let (divide, unit) = unit(most);
    let n: usize = groups.iter().map(|(_, curves)| curves.len()).sum();
    let panel = |(name, curves): (String, Vec<Curve>)| Panel {
        name: panel_name(&name, curves.len(), words),
        median: median(&curves, range),
        curves,
    };
    let x = Axis { title: words.t("study.axis.since-switch").to_owned(), unit: "s".to_owned() };
    let chart = Chart { x, range, unit: unit.to_owned(), divide, panels: groups.into_iter().map(panel).collect() };
    let mut said = words.fill(caption, &[("n", &words.count(n as u64))]);
    if first < -BEFORE || last > AFTER {
        said.push_str(&words.fill("study.figure.cut", &[("before", &words.fixed(-range.0, 0)), ("after", &words.fixed(range.1, 0))]));
    }
    if scenarios.len() > PANELS {
        said.push_str(&words.fill("study.figure.panels", &[("n", &words.count((scenarios.len() - PANELS) as u64))]));
    }
    section.chart(id, said, chart.draw(words));
}

fn panel_name(name: &str, n: usize, words: Words) -> String {
    format!("{name} (n = {})", words.count(n as u64))
}

fn unit(most: f64) -> (f64, &'static str) {
    match most {
        v if v >= 1e9 => (1e9, "Gbit/s"),
        v if v >= 1e6 => (1e6, "Mbit/s"),
        v if v >= 1e3 => (1e3, "kbit/s"),
        _ => (1.0, "bit/s"),
    }
}

/// The median of the curves in bins of equal length, where [`LEAST`] of them have a value.
fn median(curves: &[Curve], (from, to): (f64, f64)) -> Option<Curve> {
    if curves.len() < LEAST {
        return None;
    }
    let width = (to - from) / BINS as f64;
    let mut bins: Vec<Vec<f64>> = vec![Vec::new(); BINS];
    for curve in curves {
        let mut sums = vec![(0.0, 0u32); BINS];
        let window = curve.window_ms / 1000.0;
        for (at, value) in curve.points.iter().filter(|p| p.0 >= from && p.0 < to) {
            // A window wider than a bin stands for all bins that it covers.
            let first = ((at - from) / width) as usize;
            let last = (((at + window - from) / width).ceil() as usize).saturating_sub(1).clamp(first, BINS - 1);
            for sum in &mut sums[first.min(BINS - 1)..=last] {
                sum.0 += value;
                sum.1 += 1;
            }
        }
        for (bin, (sum, n)) in bins.iter_mut().zip(sums).filter(|(_, (_, n))| *n > 0) {
            bin.push(sum / f64::from(n));
        }
    }
    let told = bins.iter().enumerate().filter(|(_, bin)| bin.len() >= LEAST);
    let points: Vec<(f64, f64)> =
        told.filter_map(|(i, bin)| Some((from + (i as f64 + 0.5) * width, crate::study::stats::median(bin)?))).collect();
    (points.len() > 1).then(|| Curve { window_ms: width * 1000.0, points, ..Curve::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_needs_three_curves() {
        let curve = |value: f64| Curve {
            window_ms: 100.0,
            points: (0..100).map(|i| (f64::from(i) / 10.0 - 5.0, value)).collect(),
            ..Curve::default()
        };
        assert!(median(&[curve(1.0), curve(2.0)], (-5.0, 5.0)).is_none());
        let median = median(&[curve(1.0), curve(9.0), curve(2.0)], (-5.0, 5.0)).unwrap();
        assert!(median.points.iter().all(|p| p.1 == 2.0) && median.points.len() > 100);
    }
}
