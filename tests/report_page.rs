//! The page in a real browser: no error, no request, and every chart readable.
//!
//! Needs headless Chromium (Debian: `apt-get install chromium`).
#![cfg(feature = "testkit")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lmpcap::model::Report;
use lmpcap::report::words::Words;
use lmpcap::report::{Lang, html};
use lmpcap::testkit::sample;

/// Loads `page` in a window of that size; returns the DOM and what the browser logged.
fn load(dir: &Path, page: &Path, size: (u32, u32), more: &[&str]) -> (String, String) {
    let (dom, log) = (dir.join("dom"), dir.join("log"));
    let mut child = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-quic"])
        .args(["--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--v=0", "--dump-dom"])
        // The browser itself would look for updates: no name leads anywhere.
        .arg("--host-resolver-rules=MAP * ~NOTFOUND")
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .arg(format!("--window-size={},{}", size.0, size.1))
        .args(more)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(fs::File::create(&dom).unwrap())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the browser did not end within 120 s: {}", fs::read_to_string(&log).unwrap());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let read = |file| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
    (read(dom), read(log))
}

fn page(dir: &Path, report: &Report, lang: Lang) -> PathBuf {
    let file = dir.join("report.html");
    fs::write(&file, html::page(report, Words::new(lang)).unwrap()).unwrap();
    file
}

#[test]
fn it_loads_without_an_error_or_a_request() {
    if !common::has("chromium", "chromium") {
        return;
    }
    for report in [sample::several(), sample::hostile()] {
        let dir = tempfile::tempdir().unwrap();
        let file = page(dir.path(), &report, Lang::En);
        let net = dir.path().join("net.json");
        let (dom, log) = load(dir.path(), &file, (1200, 900), &[&format!("--log-net-log={}", net.display())]);
        assert!(dom.contains("</footer>") && dom.contains("<svg "), "the page is there: {log}");
        // What a page says on its console, a broken Content Security Policy too, is logged as CONSOLE.
        assert!(!log.contains("CONSOLE"), "{log}");
        let net = fs::read_to_string(net).unwrap();
        assert!(net.contains("constants"), "a log of the network");
        let asked: Vec<&str> = net.split("\"url\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        // What the browser asks for itself, for updates and its clock, goes to its maker.
        let own = |url: &str| {
            let host = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
            ["google.com", "googleapis.com", "gvt1.com", "gstatic.com"].iter().any(|maker| host.ends_with(maker))
        };
        let web = |url: &str| url.starts_with("http") || url.starts_with("ws");
        let asked: Vec<&str> = asked.into_iter().filter(|url| web(url) && !own(url)).collect();
        assert!(asked.is_empty(), "{asked:?}");
    }
}

#[test]
fn the_policy_stops_what_a_hostile_page_would_do() {
    // The other tests would pass if the policy allowed everything: this one puts in what it must stop.
    if !common::has("chromium", "chromium") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let text = html::page(&sample::report(), Words::new(Lang::En)).unwrap();
    let evil = "<script>document.title='owned'</script><img src=\"http://127.0.0.1:9/x\"><p style=\"color:red\">x</p>";
    let file = dir.path().join("evil.html");
    fs::write(&file, text.replacen("<body>", &format!("<body>{evil}"), 1)).unwrap();
    let (dom, log) = load(dir.path(), &file, (1200, 900), &[]);
    assert!(!dom.contains("<title>owned"), "a script ran");
    for stopped in ["inline script", "127.0.0.1:9", "inline style"] {
        assert!(log.contains("CONSOLE") && log.contains(stopped), "{stopped}: {log}");
    }
}

/// Measures the charts and the width of the page, and puts what it found into the title.
const MEASURE: &str = r"<script>
addEventListener('load', () => {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push('page is ' + document.documentElement.scrollWidth + ' wide, window ' + innerWidth);
  const charts = document.querySelectorAll('figure.chart svg');
  for (const svg of charts) {
    const name = svg.closest('figure').id, box = svg.getBoundingClientRect();
    if (box.width < 300 || box.height < 60) found.push(name + ' is ' + box.width + ' x ' + box.height);
    const texts = [...svg.querySelectorAll('text')].map(t => [t.textContent.trim(), t.getBoundingClientRect()]);
    for (const [text, b] of texts) {
      if (b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 1 || b.bottom > box.bottom + 1) found.push(name + ': outside: ' + text);
    }
    for (let i = 0; i < texts.length; i++) for (let k = i + 1; k < texts.length; k++) {
      const [a, b] = [texts[i][1], texts[k][1]];
      const x = Math.min(a.right, b.right) - Math.max(a.left, b.left), y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (x > 1 && y > a.height * 0.4) found.push(name + ': ' + texts[i][0] + ' over ' + texts[k][0]);
    }
  }
  document.title = 'MEASURED ' + charts.length + ' [' + found.join(' | ') + ']';
});
</script>";

#[test]
fn every_chart_has_room_and_no_text_covers_another() {
    if !common::has("chromium", "chromium") {
        return;
    }
    let reports = [("report", sample::report()), ("dead", sample::dead()), ("several", sample::several()), ("hostile", sample::hostile())];
    for (name, report) in reports {
        for (lang, size) in [(Lang::En, (1200, 900)), (Lang::Id, (1200, 900)), (Lang::Id, (500, 900))] {
            let dir = tempfile::tempdir().unwrap();
            let text = html::page(&report, Words::new(lang)).unwrap();
            // Only for measuring: the policy would not let the script run.
            let (before, policy) = text.split_once("<meta http-equiv=\"Content-Security-Policy\"").unwrap();
            let after = policy.split_once('>').unwrap().1.replacen("</body>", &format!("{MEASURE}</body>"), 1);
            let file = dir.path().join("measured.html");
            fs::write(&file, format!("{before}{after}")).unwrap();
            let (dom, log) = load(dir.path(), &file, size, &[]);
            let title = dom.split_once("<title>MEASURED ").and_then(|(_, rest)| rest.split_once("</title>")).expect(&log).0;
            let (charts, found) = title.split_once(' ').unwrap();
            assert!(charts.parse::<u32>().unwrap() >= 6, "{name}: {charts} charts");
            assert_eq!(found, "[]", "{name} in {lang:?} at {}", size.0);
        }
    }
}
