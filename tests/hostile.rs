//! Names in a capture that want to be markup, formulas or commands: from the packet to every format, text stays text.
#![cfg(feature = "testkit")]

mod common;

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Command;

use lmpcap::base::net::Side;
use lmpcap::base::time::Timestamp;
use lmpcap::capture::write::{ByteOrder, Precision};
use lmpcap::testkit::fuzz::seeds;
use lmpcap::testkit::talk::Talk;

/// Hosts as requests may name them: what a parser of heads lets through.
const HOSTS: [&str; 8] = [
    "<script>document.title='owned'</script>",
    "\"><img/src=x/onerror=document.title='owned'>",
    "=cmd|'/c_calc'!A1",
    "@SUM(1+1)*cmd",
    "\\input{/etc/passwd}",
    "[click](javascript:alert(1))|x|",
    "\u{202e}moc.elpmaxe",
    "]]></w:t><w:t>{{7*7}}",
];

fn capture() -> Vec<u8> {
    let mut frames: Vec<(Timestamp, Vec<u8>)> = Vec::new();
    for (n, host) in HOSTS.iter().enumerate() {
        let mut talk = Talk::between(&format!("192.0.2.10:{}", 40_000 + n), "192.0.2.50:80");
        talk.now = Timestamp(1_700_000_000_000_000_000 + n as i64 * 50_000_000);
        talk.open();
        let request = format!("GET /{host}/a.m3u8 HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {host}\x1b[2J\r\n\r\n");
        let list = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,{host}\n{host}.ts\n#EXT-X-ENDLIST\n");
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\nContent-Length: {}\r\n\r\n{list}", list.len());
        talk.say(Side::Client, request.as_bytes()).ack(Side::Server).say(Side::Server, answer.as_bytes()).ack(Side::Client).close();
        frames.extend(talk.frames());
    }
    frames.sort_by_key(|f| f.0);
    seeds::pcap(&frames, Precision::Nanoseconds, ByteOrder::Little)
}

fn analyzed(dir: &Path) -> String {
    // The name of the file is hostile too.
    let name = "<b>=1+1 $(id) \u{1b}[31m.pcap";
    fs::write(dir.join(name), capture()).unwrap();
    let formats = lmpcap::report::FORMATS.iter().map(|f| f.name).collect::<Vec<_>>().join(",");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmpcap"));
    let out = command.args(["analyze", name, "-o", "out", "--format", &formats]).current_dir(dir).output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn text_of_a_capture_stays_text_in_every_format() {
    let dir = tempfile::tempdir().unwrap();
    let screen = analyzed(dir.path());
    let out = dir.path().join("out");
    let json: serde_json::Value = serde_json::from_str(&read(&out.join("report.json"))).unwrap();
    let hosts: Vec<&str> = json["flows"].as_array().unwrap().iter().filter_map(|f| f["host"].as_str()).collect();
    assert!(hosts.len() >= 6, "the capture's hosts are in the report: {hosts:?}");

    for (what, text) in [("the screen", screen), ("text", read(&out.join("report.txt"))), ("markdown", read(&out.join("report.md")))] {
        let acts = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(acts), "{what}: {:?}", text.chars().find(|c| acts(*c)));
    }
    let markdown = read(&out.join("report.md"));
    // Code spans show everything as it is.
    let outside: String = markdown.lines().map(|line| line.split('`').step_by(2).collect::<String>()).collect();
    let outside = outside.replace("\\]", "");
    for markup in ["<script", "<img", "](javascript"] {
        assert!(!outside.contains(markup), "{markup} in the Markdown");
    }
    let page = read(&out.join("report.html"));
    for markup in ["<script", "<img", "onerror=document.title='owned'>", "\u{202e}"] {
        assert!(!page.contains(markup), "{markup} in the page");
    }
    assert!(page.contains("&lt;script&gt;") && page.contains("default-src 'none'"));

    let mut cells = 0;
    for file in fs::read_dir(out.join("csv")).unwrap().map(|f| f.unwrap().path()) {
        for record in read(&file).lines().skip(1) {
            for cell in record.split(',').map(|c| c.trim_matches('"')) {
                let number = cell.parse::<f64>().is_ok();
                assert!(number || !cell.starts_with(['=', '+', '@']), "{}: {cell}", file.display());
                cells += usize::from(cell.starts_with("'=cmd") || cell.starts_with("'@SUM"));
            }
        }
    }
    assert!(cells >= 2, "{cells} formulas were met and defused");
    let latex: String = fs::read_dir(out.join("latex"))
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "tex"))
        .map(|p| read(&p))
        .collect();
    assert!(!latex.contains("\\input{/etc"), "LaTeX would read a file");

    let mut archive = zip::ZipArchive::new(Cursor::new(fs::read(out.join("report.docx")).unwrap())).unwrap();
    let mut met = false;
    for i in 0..archive.len() {
        let mut part = archive.by_index(i).unwrap();
        let name = part.name().unwrap().into_owned();
        if name.ends_with(".xml") || name.ends_with(".rels") {
            let mut text = String::new();
            part.read_to_string(&mut text).unwrap();
            roxmltree::Document::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!text.contains("<script") && !text.contains("\u{202e}"), "{name}");
            met |= text.contains("&lt;script&gt;") || text.contains("&lt;script>");
        }
    }
    assert!(met, "the capture's text is in the document");
}

#[test]
fn a_browser_shows_it_and_runs_nothing() {
    if !common::has("chromium", "chromium") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    analyzed(dir.path());
    let url = format!("file://{}", dir.path().join("out/report.html").display());
    let data = format!("--user-data-dir={}", dir.path().join("browser").display());
    let mut browser = Command::new("chromium");
    browser.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--virtual-time-budget=5000",
        "--dump-dom",
        &data,
        &url,
    ]);
    let out = browser.output().unwrap();
    let (page, log) = (String::from_utf8_lossy(&out.stdout).into_owned(), String::from_utf8_lossy(&out.stderr).into_owned());
    assert!(page.contains("</footer>"), "the page is there: {log}");
    assert!(!page.contains("<title>owned"), "a script of the capture ran");
    // The policy reports on the console what it stops: there must be nothing to stop.
    assert!(!log.contains("CONSOLE"), "{log}");
    assert!(page.contains("&lt;script&gt;document.title="), "the host is shown");
}
