//! The direction of imports: bytes go from left to right through the layers, imports go left only. And each crate has its home.

use std::fs;
use std::path::{Path, PathBuf};

/// Layers from left to right. A layer may use itself and those before it.
const LAYERS: [&str; 13] =
    ["base", "model", "capture", "decode", "flow", "app", "join", "measure", "grade", "report", "run", "study", "engine"];
/// Layers that know only `base` and `model`.
const PURE: [&str; 2] = ["grade", "report"];
/// Modules that any layer may use.
const COMMON: [&str; 1] = ["error"];
/// Crates, and where alone they may be named.
const HOMES: [(&str, &[&str]); 7] = [
    ("pcap", &["capture/bpf"]),
    ("etherparse", &["decode", "testkit"]),
    ("polars", &["report", "study"]),
    ("plotters", &["report", "study"]),
    ("chrono", &["base/time.rs"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
];

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

fn all() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    files.sort();
    files
        .into_iter()
        .map(|f| {
            let name = f.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/");
            (name, fs::read_to_string(&f).unwrap())
        })
        .collect()
}

/// The first path segments after `crate::`, also inside `use crate::{a, b::c}`; comments and what only tests compile left out.
fn imports(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for line in code.lines().map(|l| l.split("//").next().unwrap_or_default()) {
        for (at, _) in line.match_indices("crate::") {
            if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &line[at + "crate::".len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.split([',', '}']).map(str::trim).collect(),
                None => vec![rest],
            };
            for name in names {
                let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if name.chars().next().is_some_and(char::is_lowercase) {
                    found.push(name);
                }
            }
        }
    }
    found
}

/// Modules of tests and of test data may use everything.
fn only_for_tests(name: &str) -> bool {
    name.starts_with("testkit") || name.split('/').any(|p| matches!(p, "tests.rs" | "tests" | "properties.rs"))
}

fn wrong_import(name: &str, import: &str) -> Option<String> {
    let layer = name.split(['/', '.']).next().unwrap();
    let Some(mine) = LAYERS.iter().position(|l| *l == layer) else { return None };
    if COMMON.contains(&import) {
        return None;
    }
    let Some(theirs) = LAYERS.iter().position(|l| *l == import) else {
        return Some(format!("{name} uses crate::{import}, which is no layer below it"));
    };
    if PURE.contains(&layer) && import != layer && !["base", "model"].contains(&import) {
        return Some(format!("{name} uses crate::{import}: {layer} knows only base and model"));
    }
    (theirs > mine).then(|| format!("{name} uses crate::{import}, which lies to its right"))
}

#[test]
fn imports_go_left_only() {
    let mut wrong = Vec::new();
    for (name, text) in all() {
        if !only_for_tests(&name) {
            wrong.extend(imports(&text).iter().filter_map(|i| wrong_import(&name, i)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_crate_has_its_home() {
    let mut wrong = Vec::new();
    for (name, text) in all() {
        for (number, line) in text.lines().map(|l| l.split("//").next().unwrap_or_default()).enumerate() {
            for (krate, homes) in HOMES {
                let pattern = format!("{krate}::");
                let named = line.match_indices(&pattern).any(|(at, _)| {
                    let before = &line[..at];
                    !before.ends_with(|c: char| c.is_alphanumeric() || c == '_') && !before.ends_with("::")
                });
                let used = named && !line.contains(&format!("self::{krate}")) && !line.contains(&format!("super::{krate}"));
                let own_module = krate == "pcap" && name.starts_with("capture");
                if used && !own_module && !homes.iter().any(|h| name.starts_with(h)) {
                    wrong.push(format!("{name}:{} names {krate}, whose home is {}", number + 1, homes.join(", ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_rule_can_be_broken() {
    assert_eq!(imports("use crate::{base::net, flow};\nuse crate::app::x; // crate::engine"), ["base", "flow", "app"]);
    assert!(wrong_import("flow/table.rs", "app").is_some());
    assert!(wrong_import("flow/table.rs", "decode").is_none());
    assert!(wrong_import("report/html.rs", "measure").is_some());
    assert!(wrong_import("report/html.rs", "model").is_none());
    assert!(imports("#[cfg(test)]\nmod tests { use crate::engine; }").is_empty());
}
