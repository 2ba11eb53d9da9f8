//! The statistics of a study: groups of migrations described, compared, and put into relation with what may drive them.
//!
//! Completed migrations of runs that could be analyzed enter; a figure that is unknown is left out and counted.

use std::collections::BTreeMap;

use serde::Serialize;

use super::figures::{METRICS, Metric, Migration, Run};
use super::stats::{self, bootstrap_mean, compare, describe, holm, regress};

/// Name of the factor that every study has.
pub const SCENARIO: &str = "scenario";
/// Name of the grouping into first and later migrations.
pub const ORDER: &str = "order";
/// Levels of [`ORDER`].
pub const FIRST_LATER: [&str; 2] = ["first", "later"];
/// Names of a factor that counts repetitions: no condition of the experiment, only an order.
const REPETITION: [&str; 8] = ["n", "run", "rep", "repeat", "repetition", "trial", "percobaan", "ulangan"];
/// Most levels of a factor that is described; one with more tells runs apart, not conditions.
pub const LEVELS: usize = 24;
/// Most levels of a factor that are compared with each other: 15 pairs.
pub const COMPARED: usize = 6;
/// Metrics that are compared and described by box plots: what a user of the VM feels.
pub const RESPONSES: [&str; 4] = ["total_ms", "downtime_ms", "network_downtime_ms", "service_downtime_ms"];
/// What is put into relation: over each of the second, each of the first.
const EXPLAINED: [&str; 3] = ["total_ms", "downtime_ms", "network_downtime_ms"];
const EXPLAINING: [&str; 3] = ["transferred_bytes", "ram_bytes", "dirty_bytes_per_s"];

/// A migration with the run that it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Its run.
    pub run: &'a Run,
    /// The migration.
    pub migration: &'a Migration,
    /// True if its run has several.
    several: bool,
}

impl Case<'_> {
    /// Its name for people: the run's, with the number where there are several.
    pub fn name(&self) -> String {
        if self.several { format!("{} #{}", self.run.id, self.migration.number) } else { self.run.id.clone() }
    }

    /// The level of a factor.
    pub fn level(&self, factor: &str) -> Option<&str> {
        if factor == SCENARIO { Some(&self.run.scenario) } else { self.run.factors.get(factor).map(String::as_str) }
    }

    /// A figure, if it is known.
    pub fn value(&self, metric: &Metric) -> Option<f64> {
        self.migration.figures.get(metric.key)?.value.filter(|v| v.is_finite())
    }
}

/// Completed migrations of all runs.
pub fn cases(runs: &[Run]) -> Vec<Case<'_>> {
    let all = runs.iter().flat_map(|run| run.migrations.iter().map(move |migration| (run, migration)));
    let completed = all.filter(|(_, migration)| migration.outcome == "completed");
    completed.map(|(run, migration)| Case { run, migration, several: run.migrations.len() > 1 }).collect()
}

/// The factors of a study, `scenario` first, each with its levels in order; those that count repetitions are left out.
pub fn factors(cases: &[Case<'_>]) -> Vec<(String, Vec<String>)> {
    let mut names: Vec<&str> = cases.iter().flat_map(|case| case.run.factors.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !is_repetition(name) && *name != SCENARIO);
    names.insert(0, SCENARIO);
    let with_levels = |name: &str| {
        let place = |case: &Case<'_>| case.run.places.get(name).copied().unwrap_or(usize::MAX);
        (name.to_owned(), levels(cases.iter().filter_map(|case| Some((place(case), case.level(name)?)))))
    };
    names.into_iter().map(with_levels).filter(|(_, levels)| !levels.is_empty()).collect()
}

fn is_repetition(name: &str) -> bool {
    REPETITION.contains(&name.to_ascii_lowercase().as_str())
}

/// Distinct levels: those with a place by it, then numbers by their size, then the others by their letters.
fn levels<'a>(values: impl Iterator<Item = (usize, &'a str)>) -> Vec<String> {
    let mut levels: Vec<(usize, &str)> = values.collect();
    // `2GiB` before `16GiB`: the leading number counts first.
    let leading = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        text[..end].parse::<f64>().ok()
    };
    let natural = |a: &str, b: &str| match (leading(a), leading(b)) {
        (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => a.cmp(b),
    };
    levels.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| natural(a.1, b.1)));
    levels.dedup();
    levels.into_iter().map(|(_, level)| level.to_owned()).collect()
}

/// A group of migrations: factors with their levels; without any, all of them.
pub type Group = Vec<(String, String)>;

fn in_group(case: &Case<'_>, group: &Group) -> bool {
    group.iter().all(|(factor, level)| case.level(factor) == Some(level))
}

/// One metric of one group.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Described {
    /// Name of the metric.
    pub metric: &'static str,
    /// Group.
    pub group: BTreeMap<String, String>,
    /// Completed migrations of the group.
    pub migrations: usize,
    /// Those with a known figure.
    pub n: usize,
    /// Those without.
    pub excluded: usize,
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Median.
    pub median: Option<f64>,
    /// Sample standard deviation.
    pub sd: Option<f64>,
    /// Least value.
    pub min: Option<f64>,
    /// Largest value.
    pub max: Option<f64>,
    /// First quartile.
    pub q1: Option<f64>,
    /// Third quartile.
    pub q3: Option<f64>,
    /// 95 % confidence interval of the mean after Student.
    pub ci_t: Option<(f64, f64)>,
    /// The same from the bootstrap.
    pub ci_bootstrap: Option<(f64, f64)>,
    /// Mean width of the intervals behind the values.
    pub interval_width: Option<f64>,
    /// Outliers by name, with their values.
    pub outliers: Vec<(String, f64)>,
    /// Places of the outliers among the values.
    #[serde(skip)]
    pub outlier_places: Vec<usize>,
    /// The values.
    pub values: Vec<f64>,
}

/// Two groups compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Compared {
    /// Name of the metric.
    pub metric: &'static str,
    /// Factor whose levels are compared.
    pub factor: String,
    /// Levels.
    pub levels: (String, String),
    /// Values in each.
    pub n: (usize, usize),
    /// Difference of the means, first less second.
    pub difference: Option<f64>,
    /// Its 95 % confidence interval.
    pub ci: Option<(f64, f64)>,
    /// Welch's t.
    pub t: Option<f64>,
    /// Its degrees of freedom.
    pub df: Option<f64>,
    /// Its p value.
    pub p_welch: Option<f64>,
    /// Corrected after Holm over all pairs of the same metric and factor.
    pub p_welch_holm: Option<f64>,
    /// Mann-Whitney's U of the first.
    pub u: Option<f64>,
    /// Its p value.
    pub p_mann_whitney: Option<f64>,
    /// Corrected after Holm.
    pub p_mann_whitney_holm: Option<f64>,
    /// Hedges' g.
    pub hedges_g: Option<f64>,
    /// Rank-biserial correlation.
    pub rank_biserial: Option<f64>,
    /// Why there is no test.
    pub why: Option<String>,
}

/// One figure over another.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Regressed {
    /// Name of the explained metric.
    pub y: &'static str,
    /// Name of the explaining metric.
    pub x: &'static str,
    /// Migrations with both figures.
    pub n: usize,
    /// Completed migrations that lack one.
    pub excluded: usize,
    /// Slope, in units of y per unit of x.
    pub slope: Option<f64>,
    /// Its 95 % confidence interval.
    pub slope_ci: Option<(f64, f64)>,
    /// Intercept.
    pub intercept: Option<f64>,
    /// Share of the variance that the line explains.
    pub r2: Option<f64>,
    /// p value of slope 0.
    pub p: Option<f64>,
    /// Corrected after Holm over all lines of the same y.
    pub p_holm: Option<f64>,
    /// Why something is missing.
    pub why: Option<String>,
    /// The line itself.
    #[serde(skip)]
    pub line: Option<stats::Regression>,
    /// x and y.
    pub points: Vec<(f64, f64)>,
}

/// Everything that is said of a study.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Statistics {
    /// Groups described.
    pub described: Vec<Described>,
    /// Levels of factors compared.
    pub compared: Vec<Compared>,
    /// First migrations compared with later ones.
    pub order: Vec<Compared>,
    /// Figures over others.
    pub regressed: Vec<Regressed>,
}

impl Statistics {
    /// Of all completed migrations of `runs`.
    pub fn of(runs: &[Run]) -> Self {
        let cases = cases(runs);
        let factors = factors(&cases);
        let mut out = Self::default();
        for metric in METRICS {
            // What is set or follows from it is not split further than by one factor.
            let split = if RESPONSES.contains(&metric.key) { 2 } else { 1 };
            for group in groups(&factors).into_iter().filter(|group| group.len() <= split) {
                let members: Vec<Case<'_>> = cases.iter().filter(|case| in_group(case, &group)).copied().collect();
                // Combinations that no migration has are no groups.
                if !members.is_empty() || group.is_empty() {
                    out.described.push(described(metric, &group, &members));
                }
            }
            if RESPONSES.contains(&metric.key) {
                for (factor, levels) in factors.iter().filter(|(_, levels)| (2..=COMPARED).contains(&levels.len())) {
                    let groups = levels.iter().map(|level| {
                        let members = cases.iter().filter(|case| case.level(factor) == Some(level));
                        (level.clone(), members.filter_map(|case| case.value(metric)).collect())
                    });
                    out.compared.extend(compared(metric, factor, &groups.collect::<Vec<_>>()));
                }
                out.order.extend(ordered(metric, &cases));
            }
        }
        for y in EXPLAINED.iter().filter_map(|key| super::figures::metric(key)) {
            let mut lines: Vec<Regressed> =
                EXPLAINING.iter().filter_map(|key| Some(regressed(y, super::figures::metric(key)?, &cases))).collect();
            let p: Vec<f64> = lines.iter().filter_map(|line| line.p).collect();
            let mut corrected = holm(&p).into_iter();
            lines.iter_mut().filter(|line| line.p.is_some()).for_each(|line| line.p_holm = corrected.next());
            out.regressed.extend(lines);
        }
        out
    }

    /// The description of one metric in one group.
    pub fn described(&self, metric: &str, group: &[(&str, &str)]) -> Option<&Described> {
        self.described.iter().find(|d| {
            d.metric == metric && d.group.len() == group.len() && group.iter().all(|(f, l)| d.group.get(*f).is_some_and(|v| v == l))
        })
    }
}

/// All, each level of each factor, and each scenario with each level of another factor.
fn groups(factors: &[(String, Vec<String>)]) -> Vec<Group> {
    let mut out = vec![Vec::new()];
    let told: Vec<&(String, Vec<String>)> = factors.iter().filter(|(_, levels)| levels.len() <= LEVELS).collect();
    for (factor, levels) in &told {
        out.extend(levels.iter().map(|level| vec![(factor.clone(), level.clone())]));
    }
    let scenarios = told.iter().find(|(factor, levels)| factor == SCENARIO && levels.len() > 1);
    if let Some((_, scenarios)) = scenarios {
        for (factor, levels) in told.iter().filter(|(factor, levels)| factor != SCENARIO && levels.len() > 1) {
            for scenario in scenarios {
                let with = |level: &String| vec![(SCENARIO.to_owned(), scenario.clone()), (factor.clone(), level.clone())];
                out.extend(levels.iter().map(with));
            }
        }
    }
    out
}

fn described(metric: &Metric, group: &Group, members: &[Case<'_>]) -> Described {
    let known: Vec<(&Case<'_>, f64)> = members.iter().filter_map(|case| Some((case, case.value(metric)?))).collect();
    let values: Vec<f64> = known.iter().map(|(_, value)| *value).collect();
    let widths: Vec<f64> = known.iter().filter_map(|(case, _)| case.migration.figures.get(metric.key)?.width()).collect();
    let d = describe(&values);
    Described {
        metric: metric.key,
        group: group.iter().cloned().collect(),
        migrations: members.len(),
        n: d.n,
        excluded: members.len() - d.n,
        mean: d.mean,
        median: d.median,
        sd: d.sd,
        min: d.min,
        max: d.max,
        q1: d.q1,
        q3: d.q3,
        ci_t: d.ci,
        ci_bootstrap: bootstrap_mean(&values),
        interval_width: (!widths.is_empty()).then(|| widths.iter().sum::<f64>() / widths.len() as f64),
        outliers: d.outliers.iter().map(|i| (known[*i].0.name(), known[*i].1)).collect(),
        outlier_places: d.outliers,
        values,
    }
}

/// All pairs of `groups`, with Holm's correction over them.
pub fn compared(metric: &Metric, factor: &str, groups: &[(String, Vec<f64>)]) -> Vec<Compared> {
    let mut pairs = Vec::new();
    for (i, (first, a)) in groups.iter().enumerate() {
        for (second, b) in &groups[i + 1..] {
            let c = compare(a, b);
            pairs.push(Compared {
                metric: metric.key,
                factor: factor.to_owned(),
                levels: (first.clone(), second.clone()),
                n: (a.len(), b.len()),
                difference: c.difference,
                ci: c.welch.map(|w| w.ci),
                t: c.welch.map(|w| w.t),
                df: c.welch.map(|w| w.df),
                p_welch: c.welch.map(|w| w.p),
                u: c.mann_whitney.map(|m| m.u),
                p_mann_whitney: c.mann_whitney.map(|m| m.p),
                hedges_g: c.hedges_g,
                rank_biserial: c.mann_whitney.map(|m| m.rank_biserial),
                why: c.why,
                ..Compared::default()
            });
        }
    }
    let welch: Vec<f64> = pairs.iter().filter_map(|pair| pair.p_welch).collect();
    let mut corrected = holm(&welch).into_iter();
    pairs.iter_mut().filter(|pair| pair.p_welch.is_some()).for_each(|pair| pair.p_welch_holm = corrected.next());
    let ranks: Vec<f64> = pairs.iter().filter_map(|pair| pair.p_mann_whitney).collect();
    let mut corrected = holm(&ranks).into_iter();
    pairs.iter_mut().filter(|pair| pair.p_mann_whitney.is_some()).for_each(|pair| pair.p_mann_whitney_holm = corrected.next());
    pairs
}

/// First against later: by the number of the migration in its run, else by the factor that counts repetitions.
fn ordered(metric: &Metric, cases: &[Case<'_>]) -> Vec<Compared> {
    let several = cases.iter().any(|case| case.several);
    let repetition = cases.iter().flat_map(|case| case.run.factors.keys()).find(|name| is_repetition(name));
    let place = |case: &Case<'_>| {
        if several {
            return Some(f64::from(case.migration.number));
        }
        case.level(repetition?)?.trim().parse::<f64>().ok()
    };
    let mut groups = FIRST_LATER.map(|level| (level.to_owned(), Vec::new()));
    let least = cases.iter().filter_map(place).reduce(f64::min);
    for case in cases {
        if let (Some(at), Some(value)) = (place(case), case.value(metric)) {
            groups[usize::from(Some(at) != least)].1.push(value);
        }
    }
    if groups.iter().any(|(_, values)| values.is_empty()) { Vec::new() } else { compared(metric, ORDER, &groups) }
}

fn regressed(y: &'static Metric, x: &'static Metric, cases: &[Case<'_>]) -> Regressed {
    let points: Vec<(f64, f64)> = cases.iter().filter_map(|case| Some((case.value(x)?, case.value(y)?))).collect();
    let (xs, ys): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    let line = regress(&xs, &ys);
    let why = match &line {
        Some(line) => line.why.clone(),
        None if points.len() < 2 => {
            Some(format!("too few runs for a claim: {}, at least {} are needed", points.len(), stats::LEAST_FOR_REGRESSION))
        }
        None => Some("it is the same in all runs".to_owned()),
    };
    // Two points lie on a line whatever they are.
    let told = line.as_ref().filter(|line| line.n >= stats::LEAST_FOR_REGRESSION);
    Regressed {
        y: y.key,
        x: x.key,
        n: points.len(),
        excluded: cases.len() - points.len(),
        slope: told.map(|line| line.slope),
        slope_ci: told.and_then(|line| line.slope_ci),
        intercept: told.map(|line| line.intercept),
        r2: told.map(|line| line.r2),
        p: told.and_then(|line| line.p),
        p_holm: None,
        why,
        line: told.cloned(),
        points,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_in_the_order_of_their_numbers() {
        let sorted = |places: [usize; 5]| levels(places.into_iter().zip(["16GiB", "2GiB", "idle", "2GiB", "0.5GiB"]));
        assert_eq!(sorted([usize::MAX; 5]), ["0.5GiB", "2GiB", "16GiB", "idle"]);
        assert_eq!(sorted([1, usize::MAX, 0, usize::MAX, usize::MAX]), ["idle", "16GiB", "0.5GiB", "2GiB"]);
    }

    #[test]
    fn holm_is_over_the_pairs_of_one_metric() {
        let metric = super::super::figures::metric("total_ms").unwrap();
        let groups = [("a", 0.0), ("b", 10.0), ("c", 20.0)]
            .map(|(name, base)| (name.to_owned(), [1.0, 2.0, 3.0, 4.5].iter().map(|v| v + base).collect::<Vec<_>>()));
        let pairs = compared(metric, SCENARIO, &groups);
        assert_eq!(pairs.len(), 3);
        assert!(pairs.iter().all(|pair| pair.p_welch_holm >= pair.p_welch && pair.p_mann_whitney_holm >= pair.p_mann_whitney));
        // Equal differences: the smallest of the three counts threefold.
        let far = &pairs[1];
        assert!((far.p_welch_holm.unwrap() - 3.0 * far.p_welch.unwrap()).abs() < 1e-12);
    }

    #[test]
    fn a_repetition_is_an_order_not_a_condition() {
        let run = |n: &str, total: f64| Run {
            id: n.to_owned(),
            scenario: "s".into(),
            factors: [("n".to_owned(), n.to_owned())].into(),
            migrations: vec![Migration {
                number: 1,
                outcome: "completed".into(),
                figures: [("total_ms".to_owned(), super::super::figures::Value { value: Some(total), ..Default::default() })].into(),
            }],
            ..Run::default()
        };
        let runs = [run("1", 9.0), run("2", 5.0), run("3", 6.0), run("10", 7.0)];
        let statistics = Statistics::of(&runs);
        assert_eq!(factors(&cases(&runs)).len(), 1);
        let total = statistics.order.iter().find(|c| c.metric == "total_ms").unwrap();
        assert_eq!((total.n, total.difference), ((1, 3), Some(3.0)));
        assert!(total.p_welch.is_none() && total.why.is_some());
    }
}
