//! The report of a study: its statistics against SciPy, studies of few runs, hostile names, every format in its own judge.
#![cfg(feature = "testkit")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use lmpcap::report::document::{Block, Document, Kind};
use lmpcap::report::words::Words;
use lmpcap::report::{Lang, docx, html, latex, markdown};
use lmpcap::study::figures::Run;
use lmpcap::study::report;
use lmpcap::study::statistics::Statistics;
use lmpcap::testkit::study;
use serde_json::Value;

fn document(runs: &[Run], lang: Lang) -> Document {
    report::build("a study", runs, &Statistics::of(runs), Words::new(lang))
}

fn written(runs: &[Run], lang: Lang) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let files = report::write("a study", runs, dir.path(), &report::FORMATS, lang).unwrap();
    assert!(files.iter().all(|file| file.is_file()));
    dir
}

/// All sentences, captions, notes and cells.
fn texts(doc: &Document) -> Vec<String> {
    let mut out = vec![doc.banner.text.clone()];
    out.extend(doc.banner.warnings.clone());
    for block in doc.sections.iter().flat_map(|section| &section.blocks) {
        match block {
            Block::Heading { text } | Block::Text { text } => out.push(text.clone()),
            Block::List { items } => out.extend(items.clone()),
            Block::Table(table) => {
                out.push(table.caption.clone());
                out.extend(table.notes.iter().map(|note| note.1.clone()));
                out.extend(table.rows.iter().flat_map(|row| &row.cells).flat_map(|cell| [cell.text.clone(), cell.detail.clone()]));
            }
            Block::Figure(figure) => out.push(figure.caption.clone()),
        }
    }
    out
}

const SCIPY: &str = r#"
import json, sys
import numpy as np
from scipy import stats
file = json.load(open(sys.argv[1]))
bad, checked = [], 0
def close(what, ours, theirs):
    global checked
    checked += 1
    if ours is None or not abs(ours - theirs) <= 1e-6 * max(1.0, abs(theirs)):
        bad.append(f"{what}: {ours} here, {theirs} in SciPy")
def holm(p):
    order, out, least = np.argsort(p), [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, p[i] * (len(p) - rank)))
        out[i] = least
    return out
# The values come from the figures of the runs, not from what the statistics say of themselves.
values, both = {}, []
for run in file["runs"]:
    for m in run["migrations"]:
        if m["outcome"] != "completed":
            continue
        f = {k: v["value"] for k, v in m["figures"].items()}
        both.append(f)
        for metric, value in f.items():
            if value is None:
                continue
            factors = {**run["factors"], "scenario": run["scenario"]}
            values.setdefault((metric, ()), []).append(value)
            for name, level in factors.items():
                values.setdefault((metric, ((name, level),)), []).append(value)
s = file["statistics"]
for d in s["described"]:
    if len(d["group"]) > 1:
        continue
    v = values.get((d["metric"], tuple(d["group"].items())), [])
    what = f"{d['metric']} {d['group']}"
    close(what + " n", d["n"], len(v))
    if not v:
        continue
    close(what + " mean", d["mean"], np.mean(v))
    close(what + " median", d["median"], np.median(v))
    if len(v) > 1:
        close(what + " sd", d["sd"], np.std(v, ddof=1))
        if np.std(v) > 0:
            low, high = stats.t.interval(0.95, len(v) - 1, loc=np.mean(v), scale=stats.sem(v))
            close(what + " ci low", d["ci_t"][0], low)
            close(what + " ci high", d["ci_t"][1], high)
        b = stats.bootstrap((v,), np.mean, method="percentile", n_resamples=1999, random_state=1)
        if d["ci_bootstrap"] and np.std(v) > 0:
            # Another generator: the same interval within the noise of its resamples.
            if abs(d["ci_bootstrap"][0] - b.confidence_interval.low) > 0.1 * np.std(v):
                bad.append(f"{what}: bootstrap {d['ci_bootstrap']} here, {b.confidence_interval} in SciPy")
families = {}
for c in s["compared"]:
    a, b = (values.get((c["metric"], ((c["factor"], level),)), []) for level in c["levels"])
    what = f"{c['metric']} {c['levels']}"
    if c["p_welch"] is None:
        assert c["why"], what
        continue
    w = stats.ttest_ind(a, b, equal_var=False)
    m = stats.mannwhitneyu(a, b, alternative="two-sided")
    ci = w.confidence_interval()
    for name, ours, theirs in [("t", c["t"], w.statistic), ("df", c["df"], w.df), ("p", c["p_welch"], w.pvalue), ("u", c["u"], m.statistic),
            ("p of u", c["p_mann_whitney"], m.pvalue), ("low", c["ci"][0], ci.low), ("high", c["ci"][1], ci.high)]:
        close(what + " " + name, ours, theirs)
    families.setdefault((c["metric"], c["factor"]), []).append((c, w.pvalue, m.pvalue))
for family in families.values():
    for i, corrected in enumerate(holm([p for _, p, _ in family])):
        close("holm", family[i][0]["p_welch_holm"], corrected)
    for i, corrected in enumerate(holm([p for _, _, p in family])):
        close("holm of u", family[i][0]["p_mann_whitney_holm"], corrected)
for r in s["regressed"]:
    pairs = [(f[r["x"]], f[r["y"]]) for f in both if f[r["x"]] is not None and f[r["y"]] is not None]
    close("pairs", r["n"], len(pairs))
    if r["slope"] is None:
        continue
    x, y = zip(*pairs)
    fit = stats.linregress(x, y)
    # A slope of ms per byte is small: it is compared in parts of itself.
    close("slope", r["slope"] / fit.slope, 1.0)
    for name, ours, theirs in [("intercept", r["intercept"], fit.intercept), ("r2", r["r2"], fit.rvalue ** 2), ("p", r["p"], fit.pvalue)]:
        close(f"{r['y']} over {r['x']} {name}", ours, theirs)
    t = stats.t.ppf(0.975, len(x) - 2)
    close("slope low", r["slope_ci"][0] / (fit.slope - t * fit.stderr), 1.0)
json.dump(dict(bad=bad, checked=checked), sys.stdout)
"#;

#[test]
fn every_statistic_of_the_report_equals_scipy() {
    if !common::has("python3", "python3") {
        return;
    }
    if !Command::new("python3").args(["-c", "import scipy"]).output().is_ok_and(|o| o.status.success()) {
        common::skip("SciPy is not installed (Debian and Ubuntu: apt install python3-scipy)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let runs = study::mixed();
    report::write_statistics("a study", &runs, &Statistics::of(&runs), dir.path()).unwrap();
    let said = common::stdout(Command::new("python3").args(["-c", SCIPY]).arg(dir.path().join(report::STATISTICS_FILE)));
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["bad"].as_array().unwrap().len(), 0, "{:#}", said["bad"]);
    assert!(said["checked"].as_u64().unwrap() > 500, "only {} figures were compared", said["checked"]);
}

#[test]
fn what_the_report_shows_is_what_the_statistics_say() {
    let runs = study::mixed();
    let statistics = Statistics::of(&runs);
    let doc = document(&runs, Lang::Id);
    let all = statistics.described("total_ms", &[]).unwrap();
    assert_eq!((all.n, all.excluded, all.migrations), (32, 0, 32));
    // Unknown for one, cancelled another, two failed; the outage without an end counts for the network alone.
    assert_eq!(statistics.described("downtime_ms", &[]).map(|d| (d.n, d.excluded)), Some((31, 1)));
    assert_eq!(statistics.described("network_downtime_ms", &[]).map(|d| (d.n, d.excluded)), Some((31, 1)));
    let texts = texts(&doc);
    assert!(texts.iter().any(|t| t == "32 migrasi selesai dalam 35 percobaan; 2 percobaan tidak dapat dianalisis"), "{:?}", texts[0]);
    // The largest is above 20 s: the table is in seconds.
    let mean = Words::new(Lang::Id).fixed(all.mean.unwrap() / 1000.0, 2);
    assert!(mean.contains(',') && texts.contains(&mean), "{mean}");
    // The outliers bear their names.
    assert!(texts.iter().any(|t| t.contains("pencilan: online-video/2048/run3")), "no outlier is named");
    assert!(texts.iter().any(|t| t.contains("the stop") || t.contains("saat tamu berhenti tidak diketahui (1)")));
}

#[test]
fn every_word_is_in_the_language_of_the_report() {
    for (lang, foreign) in [(Lang::Id, [" the ", " runs ", " of ", "mean "]), (Lang::En, [" dan ", " yang ", " percobaan", "rata-rata"])] {
        for runs in [study::mixed(), study::runs(1), study::runs(2), Vec::new()] {
            let doc = document(&runs, lang);
            for text in texts(&doc) {
                // Errors of a run are the program's own words, and stay as they were said.
                let quoted = runs.iter().any(|run| run.error.as_deref() == Some(text.as_str()));
                assert!(quoted || !foreign.iter().any(|word| text.contains(word)), "{text}");
                assert!(!text.contains("study.") && !text.contains('{'), "{text}");
            }
        }
    }
}

#[test]
fn few_runs_get_no_p_value() {
    for each in [1, 2] {
        for lang in [Lang::En, Lang::Id] {
            let mut runs = study::runs(each);
            runs.retain(|run| run.factors["ram_mib"] == "1024");
            let doc = document(&runs, lang);
            let why = if lang == Lang::En { "too few runs" } else { "percobaan terlalu sedikit" };
            let texts = texts(&doc);
            assert!(texts.iter().any(|text| text.contains(why)), "{each}: {texts:#?}");
            for block in doc.sections.iter().flat_map(|s| &s.blocks) {
                let Block::Table(table) = block else { continue };
                if table.id.starts_with("compare-") {
                    let p: Vec<usize> =
                        (0..table.columns.len()).filter(|i| table.columns[*i].head.to_lowercase().starts_with('p')).collect();
                    let cells = table.rows.iter().filter(|row| !row.group).flat_map(|row| p[1..].iter().map(|i| &row.cells[*i]));
                    cells.for_each(|cell| assert!(cell.kind == Kind::None && cell.note.is_some(), "{}: {cell:?}", table.caption));
                }
            }
        }
    }
}

#[test]
fn one_scenario_and_nothing_at_all_are_sensible() {
    let mut one = study::runs(5);
    one.retain(|run| run.scenario == "no-video" && run.factors["ram_mib"] == "1024");
    let doc = document(&one, Lang::En);
    assert!(doc.sections.iter().all(|section| section.id != "comparisons"));
    assert!(texts(&doc).iter().any(|text| text.contains("one scenario")));
    assert!(texts(&doc).iter().any(|text| text.contains("RAM of the VM: nothing is claimed, it is the same in all runs")));
    let failed: Vec<Run> = (0..3).map(|i| Run::failed(format!("run{i}"), "no capture", &BTreeMap::new())).collect();
    let doc = document(&failed, Lang::En);
    assert_eq!((doc.banner.severity, doc.banner.text.as_str()), ("bad", "None of the 3 runs could be analyzed"));
    assert!(texts(&doc).iter().filter(|text| *text == "no capture").count() == 3);
    assert_eq!(document(&[], Lang::En).banner.severity, "bad");
    for runs in [failed, Vec::new()] {
        written(&runs, Lang::Id);
    }
}

fn read(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        if entry.is_dir() {
            out.extend(read(&entry).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            out.insert(name, fs::read(&entry).unwrap());
        }
    }
    out
}

#[test]
fn the_same_study_gives_the_same_bytes() {
    let runs = study::runs(2);
    let [a, b] = [written(&runs, Lang::Id), written(&runs, Lang::Id)].map(|dir| read(dir.path()));
    assert!(a.keys().eq(b.keys()) && a.len() > 40, "{} files", a.len());
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{name} differs");
    }
}

#[test]
fn hostile_names_stay_text() {
    let words = Words::new(Lang::En);
    let doc = document(&study::hostile(), Lang::En);
    let page = html::render(&doc, "study", "study", words).unwrap();
    assert!(page.contains("Content-Security-Policy") && !page.contains("<script") && !page.contains("<img src"));
    let mut all = vec![("page".to_owned(), page), ("markdown".to_owned(), markdown::render(&doc, words))];
    let dir = tempfile::tempdir().unwrap();
    latex::write_document(&doc, dir.path()).unwrap();
    let tex = read(dir.path()).into_iter().filter(|(name, _)| name.ends_with(".tex"));
    all.extend(tex.map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())));
    for (name, text) in all {
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}')), "{name}");
    }
    compiles(dir.path(), "hostile");
}

/// The LaTeX document with all tables compiles.
fn compiles(dir: &Path, what: &str) {
    if !common::has("pdflatex", "texlive-latex-recommended") {
        return;
    }
    let folder = dir.join("latex");
    let out =
        Command::new("pdflatex").args(["-interaction=nonstopmode", "-halt-on-error", "all.tex"]).current_dir(&folder).output().unwrap();
    let log = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && folder.join("all.pdf").is_file(), "{what}: {log}");
    assert!(!log.contains("Missing character"), "{what}: {log}");
}

#[test]
fn tables_compile_in_both_languages() {
    for (what, runs, lang) in [("mixed", study::mixed(), Lang::Id), ("few", study::runs(1), Lang::En)] {
        let dir = tempfile::tempdir().unwrap();
        latex::write_document(&document(&runs, lang), dir.path()).unwrap();
        compiles(dir.path(), what);
    }
}

#[test]
fn the_page_loads_in_a_browser_without_an_error() {
    if !common::has("chromium", "chromium") {
        return;
    }
    for (runs, lang) in [(study::mixed(), Lang::En), (study::mixed(), Lang::Id), (study::hostile(), Lang::Id), (Vec::new(), Lang::En)] {
        let dir = tempfile::tempdir().unwrap();
        let words = Words::new(lang);
        let file = dir.path().join("report.html");
        fs::write(&file, html::render(&document(&runs, lang), words.t("study.kicker"), words.t("study.report"), words).unwrap()).unwrap();
        let out = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
            .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0", "--dump-dom", "--window-size=1280,900"])
            .arg(format!("--user-data-dir={}", dir.path().join("profile").display()))
            .arg(format!("file://{}", file.display()))
            .output()
            .unwrap();
        let (dom, log) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(dom.contains("</footer>") && dom.contains(&format!("<html lang=\"{}\">", lang.code())), "{log}");
        assert!(runs.is_empty() || dom.contains("<svg "), "no chart");
        assert!(!log.contains("CONSOLE"), "{log}");
    }
}

#[test]
fn the_docx_opens_in_libreoffice() {
    if !common::has("soffice", "libreoffice-writer-nogui") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let words = Words::new(Lang::Id);
    let file = dir.path().join("report.docx");
    // Few charts: pictures take long to draw in a build for tests.
    let mut runs = study::hostile();
    runs.truncate(6);
    fs::write(&file, docx::render(&document(&runs, Lang::Id), words).unwrap()).unwrap();
    let out = Command::new("soffice")
        .args(["--headless", "--convert-to", "txt:Text", "--outdir"])
        .arg(dir.path())
        .arg(format!("-env:UserInstallation=file://{}", dir.path().join("profile").display()))
        .arg(&file)
        .output()
        .unwrap();
    assert!(out.status.success(), "{out:?}");
    let text = fs::read_to_string(dir.path().join("report.txt")).unwrap();
    assert!(text.contains("Tabel 1:") && text.contains("Gambar 1:") && text.contains("<script>"), "{text}");
}
