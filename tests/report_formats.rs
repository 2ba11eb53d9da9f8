//! Every format: what it holds, that hostile text stays text, and that the same report gives the same bytes.
#![cfg(feature = "testkit")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use lmpcap::model::Report;
use lmpcap::report::words::Words;
use lmpcap::report::{self, FORMATS, Lang, WriteOptions, document, html, latex, markdown};
use lmpcap::testkit::sample;

fn all() -> [(&'static str, Report); 5] {
    [
        ("report", sample::report()),
        ("dead", sample::dead()),
        ("several", sample::several()),
        ("hostile", sample::hostile()),
        ("empty", sample::empty()),
    ]
}

fn read(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            out.extend(read(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            out.insert(name, fs::read(&path).unwrap());
        }
    }
    out
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    for (name, report) in all() {
        for lang in [Lang::En, Lang::Id] {
            // Pictures take long to draw in a build for tests: once is enough.
            let pictures = name == "several" && lang == Lang::Id;
            let slow = |name: &str| ["png", "pdf", "latex"].contains(&name);
            let formats: Vec<&str> = FORMATS.iter().map(|f| f.name).filter(|name| pictures || !slow(name)).collect();
            let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            for dir in &dirs {
                let files = report::write(&report, &formats, dir.path(), &WriteOptions { lang }).unwrap();
                assert!(files.iter().all(|file| file.is_file()), "{name}");
            }
            let [a, b] = dirs.map(|dir| read(dir.path()));
            assert!(a.keys().eq(b.keys()));
            for (file, bytes) in &a {
                assert!(bytes == &b[file], "{name}: {file} differs");
                assert!(!file.contains(".tmp"), "{file}");
            }
            assert!(a.len() > 40, "{name}: only {} files", a.len());
        }
    }
}

#[test]
fn an_unknown_format_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let error = report::write(&sample::report(), &["json", "docs"], &dir.path().join("new"), &WriteOptions::default()).unwrap_err();
    assert!(error.to_string().contains("\"docs\"") && error.to_string().contains("html"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn json_is_the_report() {
    for (name, report) in all() {
        let mut bytes = Vec::new();
        report::json::to_writer(&report, &mut bytes).unwrap();
        // Compared as values: the last digit of a float may differ after parsing.
        let back: Report = serde_json::from_slice(&bytes).unwrap();
        let (back, wanted) = (serde_json::to_value(&back).unwrap(), serde_json::to_value(&report).unwrap());
        assert!(same(&back, &wanted), "{name}");
        assert_eq!(wanted["schema"], "lmpcap.report/1");
    }
}

fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (a, b) {
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Object(a), Object(b)) => a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b))),
        (Number(a), Number(b)) if a.is_f64() => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
        }
        (a, b) => a == b,
    }
}

#[test]
fn every_unknown_says_why() {
    for (name, report) in all() {
        for lang in [Lang::En, Lang::Id] {
            let doc = document::build(&report, Words::new(lang));
            let mut unknown = 0;
            for section in &doc.sections {
                for block in &section.blocks {
                    let document::Block::Table(table) = block else { continue };
                    for cell in table.rows.iter().flat_map(|row| &row.cells) {
                        assert!(!cell.text.is_empty(), "{name}: an empty cell in {}", table.caption);
                        if cell.kind == document::Kind::Unknown {
                            unknown += 1;
                            let note = cell.note.as_ref().expect("a reason");
                            assert!(table.notes.iter().any(|(letter, text)| letter == note && !text.is_empty()));
                        }
                    }
                }
            }
            assert!(unknown > 0 || name == "empty", "{name} has unknown figures");
        }
    }
}

#[test]
fn figures_and_tables_are_numbered_in_order() {
    let doc = document::build(&sample::several(), Words::new(Lang::Id));
    let blocks = || doc.sections.iter().flat_map(|section| &section.blocks);
    let tables: Vec<&str> =
        blocks().filter_map(|b| if let document::Block::Table(t) = b { Some(t.number.as_str()) } else { None }).collect();
    let figures: Vec<&str> =
        blocks().filter_map(|b| if let document::Block::Figure(f) = b { Some(f.number.as_str()) } else { None }).collect();
    assert!(tables.iter().enumerate().all(|(i, number)| *number == format!("Tabel {}", i + 1)), "{tables:?}");
    assert!(figures.iter().enumerate().all(|(i, number)| *number == format!("Gambar {}", i + 1)), "{figures:?}");
    assert!(tables.len() > 20 && figures.len() >= 6, "{} tables, {} figures", tables.len(), figures.len());
}

/// Marks of a hostile text that is still active somewhere.
fn assert_no_controls(name: &str, text: &str) {
    for c in text.chars() {
        let acts =
            (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{200b}');
        assert!(!acts, "{name} holds {c:?}");
    }
}

/// Braces that TeX would find open at the end; `None` if one closes that was not open.
fn open_braces(tex: &str) -> Option<u32> {
    let mut open = 0u32;
    let mut chars = tex.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            '{' => open += 1,
            '}' => open = open.checked_sub(1)?,
            _ => {}
        }
    }
    Some(open)
}

#[test]
fn hostile_text_stays_text() {
    let words = Words::new(Lang::En);
    let report = sample::hostile();
    let page = html::page(&report, words).unwrap();
    assert_no_controls("html", &page);
    assert!(page.contains("&lt;script&gt;"));
    for markup in ["<script", "<img", "onerror=alert(2)>", "javascript:alert(3)\"", "href=\"javascript"] {
        assert!(!page.to_lowercase().contains(markup), "{markup} in the page");
    }
    assert!(page.contains("{{ 7*7 }}") || page.contains("{{ 7*7"), "template syntax of the capture is shown, not run");

    let doc = document::build(&report, words);
    let text = markdown::render(&doc, words);
    assert_no_controls("markdown", &text);
    // Out of code spans, which show everything as it is, nothing of the text may keep its meaning.
    let outside: String = text.lines().map(|line| line.split('`').step_by(2).collect::<String>()).collect();
    let outside = outside.replace("\\]", "");
    for markup in ["<script", "<img", "](javascript", "**bold**"] {
        assert!(!outside.contains(markup), "{markup} in the Markdown");
    }

    for section in &doc.sections {
        for block in &section.blocks {
            let document::Block::Table(table) = block else { continue };
            let tex = latex::table(table);
            assert_no_controls("latex", &tex);
            assert!(!tex.contains("\\input{/etc"), "{tex}");
            assert!(tex.chars().all(|c| c.is_ascii() || ('\u{a1}'..='\u{17f}').contains(&c)), "{tex}");
            assert_eq!(open_braces(&tex), Some(0), "{tex}");
        }
    }
}

#[test]
fn pages_read_well() {
    // Charts are looked at as pictures; their source would make these snapshots unreadable.
    for (name, report, lang) in
        [("report_en", sample::report(), Lang::En), ("dead_id", sample::dead(), Lang::Id), ("several_en", sample::several(), Lang::En)]
    {
        let words = Words::new(lang);
        let doc = document::build(&report, words);
        insta::assert_snapshot!(format!("markdown_{name}"), markdown::render(&doc, words));
    }
    let doc = document::build(&sample::report(), Words::new(Lang::Id));
    let tables: Vec<String> = doc
        .sections
        .iter()
        .flat_map(|section| &section.blocks)
        .filter_map(|block| if let document::Block::Table(t) = block { Some(t) } else { None })
        .filter(|t| ["grades", "passes-1", "evidence-1"].contains(&t.id.as_str()))
        .map(latex::table)
        .collect();
    insta::assert_snapshot!("latex_report_id", tables.join("\n"));
}

#[test]
fn the_latex_compiles() {
    if !common::has("pdflatex", "texlive-latex-recommended") {
        return;
    }
    for (name, report, lang) in [("report", sample::report(), Lang::Id), ("hostile", sample::hostile(), Lang::En)] {
        let dir = tempfile::tempdir().unwrap();
        report::write(&report, &["latex"], dir.path(), &WriteOptions { lang }).unwrap();
        let folder = dir.path().join("latex");
        let run = || {
            let args = ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"];
            Command::new("pdflatex").args(args).current_dir(&folder).stdin(Stdio::null()).output().unwrap()
        };
        let (first, second) = (run(), run());
        assert!(first.status.success() && second.status.success(), "{name}: {}", String::from_utf8_lossy(&second.stdout));
        let said = String::from_utf8_lossy(&second.stdout).into_owned();
        assert!(!said.contains("undefined"), "{name}: {said}");
        assert!(fs::metadata(folder.join("all.pdf")).unwrap().len() > 50_000);
    }
}

#[test]
fn charts_are_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let files = report::write(&sample::hostile(), &["png", "pdf", "svg"], dir.path(), &WriteOptions::default()).unwrap();
    assert!(files.len() >= 18, "{files:?}");
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let magic: &[u8] = match file.extension().unwrap().to_str().unwrap() {
            "png" => b"\x89PNG\r\n",
            "pdf" => b"%PDF-",
            _ => b"<svg ",
        };
        assert!(bytes.starts_with(magic) && bytes.len() > 1500, "{}: {} bytes", file.display(), bytes.len());
    }
}
