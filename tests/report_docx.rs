//! The DOCX report: sound XML, hostile text stays text, LibreOffice opens it.
#![cfg(feature = "testkit")]

mod common;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use lmpcap::model::Report;
use lmpcap::report::words::Words;
use lmpcap::report::{Lang, document, docx};
use lmpcap::testkit::sample;

fn bytes(report: &Report, lang: Lang) -> Vec<u8> {
    docx::render(&document::build(report, Words::new(lang)), Words::new(lang)).unwrap()
}

/// All parts of the archive that are XML.
fn parts(docx: &[u8]) -> Vec<(String, String)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(docx)).unwrap();
    let mut out = Vec::new();
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).unwrap();
        let name = file.name().unwrap().into_owned();
        if name.ends_with(".xml") || name.ends_with(".rels") {
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            out.push((name, text));
        }
    }
    out
}

/// The visible text of the document's body.
fn words_of(docx: &[u8]) -> String {
    let body = parts(docx).into_iter().find(|(name, _)| name == "word/document.xml").unwrap().1;
    let tree = roxmltree::Document::parse(&body).unwrap();
    tree.descendants()
        .filter(|node| node.has_tag_name(("http://schemas.openxmlformats.org/wordprocessingml/2006/main", "t")))
        .filter_map(|t| t.text())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The file as LibreOffice prints it; `None` without LibreOffice.
fn printed(docx: &[u8], dir: &Path) -> Option<PathBuf> {
    if !common::has("soffice", "libreoffice-writer-nogui") {
        return None;
    }
    let file = dir.join("report.docx");
    std::fs::write(&file, docx).unwrap();
    let status = Command::new("soffice")
        .args(["--headless", "--convert-to", "pdf", "--outdir"])
        .arg(dir)
        .arg(format!("-env:UserInstallation=file://{}", dir.join("profile").display()))
        .arg(&file)
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
    Some(dir.join("report.pdf"))
}

#[test]
fn every_part_is_sound_and_hostile_text_is_text() {
    for (name, report) in
        [("report", sample::report()), ("dead", sample::dead()), ("hostile", sample::hostile()), ("empty", sample::empty())]
    {
        let made = bytes(&report, Lang::Id);
        assert!(made == bytes(&report, Lang::Id), "{name}: other bytes");
        let parts = parts(&made);
        for (part, text) in &parts {
            roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{name}, {part}: {error}"));
        }
        let rels = &parts.iter().find(|(part, _)| part == "word/_rels/document.xml.rels").unwrap().1;
        assert!(!rels.contains("TargetMode=\"External\""), "{name}: the document fetches something");
        let body = words_of(&made);
        assert!(body.contains("Tabel 1: ") || name == "empty");
        assert!(!body.chars().any(|c| c.is_control() && c != '\n'), "{name}");
    }
}

#[test]
fn tables_and_figures_are_those_of_the_document() {
    let report = sample::several();
    let doc = document::build(&report, Words::new(Lang::En));
    let body = words_of(&bytes(&report, Lang::En));
    for block in doc.sections.iter().flat_map(|section| &section.blocks) {
        match block {
            document::Block::Table(table) => {
                assert!(body.contains(&format!("{}: ", table.number)), "{}", table.number);
                for cell in table.rows.iter().flat_map(|row| &row.cells) {
                    assert!(body.contains(&cell.text), "{:?} of {}", cell.text, table.number);
                }
            }
            document::Block::Figure(figure) => assert!(body.contains(&figure.caption), "{}", figure.caption),
            _ => {}
        }
    }
}

#[test]
fn libreoffice_opens_it() {
    for (name, report) in [("report", sample::report()), ("hostile", sample::hostile())] {
        let dir = tempfile::tempdir().unwrap();
        let Some(pdf) = printed(&bytes(&report, Lang::En), dir.path()) else { return };
        let pdf = std::fs::read(pdf).unwrap();
        assert!(pdf.starts_with(b"%PDF-") && pdf.len() > 20_000, "{name}: {} bytes", pdf.len());
    }
}
