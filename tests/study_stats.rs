//! Statistics against SciPy: the same data, the same figures to 1e-6.

mod common;

use std::process::Command;

use lmpcap::study::stats::{describe, holm, mann_whitney, regress, welch};
use serde_json::Value;

/// Tables with ties, with outliers, with groups of unequal size and spread.
const TABLES: &[(&[f64], &[f64])] = &[
    (&[19.0, 22.5, 31.0, 18.2, 27.7], &[44.0, 39.5, 51.2, 47.7, 40.1, 62.0]),
    (&[1.0, 2.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 2.0, 3.0, 6.0, 7.0]),
    (&[10.1, 10.2, 9.9, 10.0], &[10.05, 300.0, 9.0, 11.0]),
    (&[5.1, 6.3, 7.7, 8.2, 9.9, 4.4, 3.2, 5.9, 6.1, 7.0, 6.6], &[9.1, 8.3, 7.9, 12.2, 10.9, 11.4, 13.2, 8.9, 9.3, 10.0, 14.6, 9.95]),
];

const SCIPY: &str = r#"
import json, sys
import numpy as np
from scipy import stats
out = []
for a, b in json.load(sys.stdin):
    d = stats.t.interval(0.95, len(a) - 1, loc=np.mean(a), scale=stats.sem(a))
    w = stats.ttest_ind(a, b, equal_var=False)
    m = stats.mannwhitneyu(a, b, alternative="two-sided", method="auto")
    n = min(len(a), len(b))
    r = stats.linregress(a[:n], b[:n])
    out.append(dict(mean=np.mean(a), sd=np.std(a, ddof=1), median=np.median(a), q1=np.percentile(a, 25), q3=np.percentile(a, 75),
        ci=list(d), t=w.statistic, p=w.pvalue, df=w.df, wci=list(w.confidence_interval()), u=m.statistic, mp=m.pvalue,
        slope=r.slope, intercept=r.intercept, r2=r.rvalue ** 2, rp=r.pvalue, se=r.stderr))
json.dump(out, sys.stdout, default=float)
"#;

fn close(what: &str, ours: f64, theirs: &Value) {
    let theirs = theirs.as_f64().unwrap_or_else(|| panic!("{what}: SciPy gave {theirs}"));
    assert!((ours - theirs).abs() <= 1e-6 * theirs.abs().max(1.0), "{what}: {ours} here, {theirs} in SciPy");
}

#[test]
fn figures_equal_scipy() {
    if !common::has("python3", "python3") {
        return;
    }
    if !Command::new("python3").args(["-c", "import scipy"]).output().is_ok_and(|o| o.status.success()) {
        common::skip("SciPy is not installed (Debian and Ubuntu: apt install python3-scipy)");
        return;
    }
    let mut child = Command::new("python3")
        .args(["-c", SCIPY])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), TABLES).unwrap();
    let answer: Vec<Value> = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).expect("SciPy's answer");
    assert_eq!(answer.len(), TABLES.len());
    for ((a, b), theirs) in TABLES.iter().zip(&answer) {
        let d = describe(a);
        for (what, ours) in [("mean", d.mean), ("sd", d.sd), ("median", d.median), ("q1", d.q1), ("q3", d.q3)] {
            close(what, ours.unwrap(), &theirs[what]);
        }
        let ci = d.ci.unwrap();
        close("ci low", ci.0, &theirs["ci"][0]);
        close("ci high", ci.1, &theirs["ci"][1]);
        let w = welch(a, b).unwrap();
        for (what, ours) in [("t", w.t), ("p", w.p), ("df", w.df)] {
            close(what, ours, &theirs[what]);
        }
        close("difference low", w.ci.0, &theirs["wci"][0]);
        close("difference high", w.ci.1, &theirs["wci"][1]);
        let m = mann_whitney(a, b).unwrap();
        close("u", m.u, &theirs["u"]);
        close("mann-whitney p", m.p, &theirs["mp"]);
        let n = a.len().min(b.len());
        let r = regress(&a[..n], &b[..n]).unwrap();
        for (what, ours) in
            [("slope", r.slope), ("intercept", r.intercept), ("r2", r.r2), ("rp", r.p.unwrap()), ("se", r.slope_error.unwrap())]
        {
            close(what, ours, &theirs[what]);
        }
    }
}

#[test]
fn holm_equals_the_textbook() {
    // Holm 1979: sorted p times the number of hypotheses left, made monotone.
    assert_eq!(holm(&[0.04, 0.001, 0.02]), [0.04, 0.003, 0.04]);
}
