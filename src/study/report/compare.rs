//! Scenarios, levels of factors, and first and later migrations against each other.

use super::Builder;
use super::form::{Form, level, name, p_said, p_value, slug, title};
use crate::report::document::{Cell, Section, Table, capital};
use crate::report::words::Words;
use crate::study::figures::metric;
use crate::study::statistics::{COMPARED, Compared, RESPONSES, SCENARIO, factors};

/// The level below which a difference is called one.
pub(super) const ALPHA: f64 = 0.05;

pub(super) fn section(b: &Builder<'_>) -> Option<Section> {
    let words = b.words;
    if b.statistics.compared.is_empty() {
        return None;
    }
    let mut section = Section::new("comparisons", words.t("study.section.comparisons"));
    section.text(words.fill("study.comparisons-intro", &[("alpha", &words.fixed(ALPHA, 2))]));
    for key in RESPONSES {
        let pairs: Vec<&Compared> = b.statistics.compared.iter().filter(|pair| pair.metric == key).collect();
        add(&mut section, key, "compare", &pairs, words);
    }
    for (factor, levels) in factors(&b.cases).iter().filter(|(_, levels)| levels.len() > COMPARED) {
        let name = if factor == SCENARIO { words.t("doc.scenario").to_owned() } else { super::form::factor(factor) };
        let holes = [("factor", capital(&name)), ("n", words.count(levels.len() as u64)), ("most", COMPARED.to_string())];
        section.text(words.fill("study.too-many-levels", &holes.each_ref().map(|(k, v)| (*k, v.as_str()))));
    }
    Some(section)
}

pub(super) fn order(b: &Builder<'_>) -> Option<Section> {
    let words = b.words;
    if b.statistics.order.is_empty() {
        return None;
    }
    let mut section = Section::new("order", words.t("study.section.order"));
    section.text(words.t("study.order-intro"));
    for key in RESPONSES {
        let pairs: Vec<&Compared> = b.statistics.order.iter().filter(|pair| pair.metric == key).collect();
        add(&mut section, key, "order", &pairs, words);
    }
    Some(section)
}

/// The sentences and the table of one metric.
fn add(section: &mut Section, key: &str, kind: &str, pairs: &[&Compared], words: Words) {
    let Some(metric) = metric(key) else { return };
    if pairs.iter().all(|pair| pair.difference.is_none()) {
        return;
    }
    let bounds = pairs.iter().flat_map(|pair| [pair.ci.map(|ci| ci.0), pair.ci.map(|ci| ci.1), pair.difference]).flatten();
    let form = Form::of(metric, bounds.fold(0.0, |most: f64, v| most.max(v.abs())));
    section.heading(title(metric, words));
    section.list(pairs.iter().filter(|pair| pair.difference.is_some()).map(|pair| sentence(pair, &form, words)).collect());
    let columns = [
        (words.t("study.pair"), "", false),
        ("n", "", true),
        (words.t("study.difference"), form.unit, true),
        ("t", "", true),
        ("p", "", true),
        (words.t("study.p-holm"), "", true),
        ("U", "", true),
        ("p", "", true),
        (words.t("study.p-holm"), "", true),
        ("g", "", true),
        ("r", "", true),
    ];
    let caption = words.fill(if kind == "order" { "study.table.order" } else { "study.table.compare" }, &[("metric", name(metric, words))]);
    let mut table = Table::new(format!("{kind}-{}", slug(metric)), caption, &columns);
    let several = pairs.iter().any(|pair| pair.factor != pairs[0].factor);
    let mut factor = "";
    for pair in pairs {
        if several && pair.factor != factor {
            factor = &pair.factor;
            table.group(&if factor == SCENARIO {
                words.t("study.by-scenario").to_owned()
            } else {
                words.fill("study.by-factor", &[("factor", &super::form::factor(factor))])
            });
        }
        row(&mut table, pair, &form, words);
    }
    table.remark(words.t("study.note.compare"));
    section.table(table);
}

fn levels(pair: &Compared, words: Words) -> (String, String) {
    (level(&pair.factor, &pair.levels.0, words), level(&pair.factor, &pair.levels.1, words))
}

fn row(table: &mut Table, pair: &Compared, form: &Form, words: Words) {
    let (a, b) = levels(pair, words);
    let mut cells = vec![Cell::text(format!("{a} − {b}")), Cell::number(format!("{}; {}", pair.n.0, pair.n.1))];
    let mut difference = match pair.difference {
        Some(difference) => Cell::number(form.number(difference, words)),
        None => table.unknown(Some(words.t("study.no-value")), words),
    };
    difference.detail = pair.ci.map(|ci| form.bounds(ci, words)).unwrap_or_default();
    cells.push(difference);
    // Too few runs: one reason stands for all tests.
    let missing = pair.why.as_deref().map(|why| table.note(&words.sentence(why)));
    let number = |value: Option<String>| value.map_or_else(|| Cell::none().noted(missing.clone()), Cell::number);
    let fixed = |value: Option<f64>, decimals| number(value.map(|v| words.fixed(v, decimals)));
    let p = |value: Option<f64>| number(value.map(|p| p_value(p, words)));
    let mut t = fixed(pair.t, 2);
    t.detail = pair.df.map(|df| format!("df {}", words.fixed(df, 1))).unwrap_or_default();
    cells.extend([t, p(pair.p_welch), p(pair.p_welch_holm), fixed(pair.u, 1), p(pair.p_mann_whitney), p(pair.p_mann_whitney_holm)]);
    cells.extend([fixed(pair.hedges_g, 2), fixed(pair.rank_biserial, 2)]);
    table.row(cells);
}

fn sentence(pair: &Compared, form: &Form, words: Words) -> String {
    let (a, b) = levels(pair, words);
    let (a, b) = (format!("“{a}”"), format!("“{b}”"));
    let text = |value: f64| form.text(value, words);
    let mut holes = vec![("a", a), ("b", b), ("na", pair.n.0.to_string()), ("nb", pair.n.1.to_string())];
    let key = match (pair.difference, pair.p_welch_holm, pair.ci) {
        (Some(difference), Some(p), Some(ci)) => {
            holes.push(("p", p_said(p, words)));
            holes.push(("ci", format!("{} {}", form.bounds(ci, words), form.unit)));
            holes.push(("difference", text(difference.abs())));
            match (p < ALPHA, difference > 0.0) {
                (true, true) => "study.say.longer",
                (true, false) => "study.say.shorter",
                (false, _) => "study.say.no-difference",
            }
        }
        (Some(difference), ..) => {
            holes.push(("difference", format!("{}{}", if difference > 0.0 { "+" } else { "" }, text(difference))));
            holes.push(("why", pair.why.as_deref().map(|why| words.sentence(why).into_owned()).unwrap_or_default()));
            "study.say.too-few"
        }
        _ => "study.no-value",
    };
    fill(key, &holes, words)
}

fn fill(key: &'static str, holes: &[(&str, String)], words: Words) -> String {
    words.fill(key, &holes.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
}
