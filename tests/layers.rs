//! The direction of imports: bytes go from left to right through the layers, imports go left only. And each crate has its home.
//!
//! Works on the text of the sources, without comments, strings and what only tests compile. A path that leaves its layer
//! through `super` counts like one from `crate`.

use std::fs;
use std::path::{Path, PathBuf};

/// Layers from left to right. A layer may use itself and those before it.
const LAYERS: [&str; 14] =
    ["base", "model", "capture", "decode", "flow", "app", "join", "measure", "grade", "report", "run", "study", "engine", "cli"];
/// Layers that know only `base` and `model`.
const PURE: [&str; 2] = ["grade", "report"];
/// Modules that any layer may use.
const COMMON: [&str; 1] = ["error"];
/// Files at the top that belong to no layer.
const TOP: [&str; 3] = ["lib.rs", "main.rs", "error.rs"];
/// Crates, and where alone they may be named.
const HOMES: [(&str, &[&str]); 16] = [
    ("pcap", &["capture/bpf"]),
    ("flate2", &["capture/compressed", "capture/archive", "app/http"]),
    ("zstd", &["capture/compressed"]),
    ("liblzma", &["capture/compressed"]),
    ("tar", &["capture/archive"]),
    ("zip", &["capture/archive"]),
    ("lz4_flex", &["capture/compressed"]),
    ("bzip2", &["capture/compressed"]),
    ("etherparse", &["decode", "testkit"]),
    ("polars", &["report", "study"]),
    ("plotters", &["report", "study"]),
    ("docx_rs", &["report/docx.rs"]),
    ("chrono", &["base/time.rs"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("getrandom", &["cli"]),
];

/// Names of files below `src` with their code.
fn sources() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![src.clone()], Vec::<PathBuf>::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() > 100, "only {} sources", files.len());
    let name = |file: &Path| file.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/");
    files.iter().map(|file| (name(file), fs::read_to_string(file).unwrap())).filter(|(name, _)| !only_for_tests(name)).collect()
}

/// Modules of tests and of test data may use everything.
fn only_for_tests(name: &str) -> bool {
    let parts: Vec<_> = name.split(['/', '.']).collect();
    parts[0] == "testkit" || parts.iter().any(|part| matches!(*part, "tests" | "properties")) || declared_for_tests(&parts)
}

/// True if the parent module declares this one under `#[cfg(test)]`.
fn declared_for_tests(parts: &[&str]) -> bool {
    let [folders @ .., module, "rs"] = parts else { return false };
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let parent = folders.iter().fold(src.clone(), |path, part| path.join(part));
    let beside = parent.with_extension("rs");
    let text = [parent.join("mod.rs"), beside, src.join("lib.rs")].iter().find_map(|p| fs::read_to_string(p).ok()).unwrap_or_default();
    let squeezed: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    ["mod", "pub mod", "pub(crate) mod", "pub(super) mod"].iter().any(|word| squeezed.contains(&format!("#[cfg(test)] {word} {module};")))
}

/// The code without comments, the contents of strings, and items under `#[cfg(test)]`.
fn code(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(len) = char_literal(rest) {
            len
        } else if raw_string(rest).is_some() && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            raw_string(rest).unwrap_or_default()
        } else if c == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.push(' ');
        rest = &rest[skipped..];
    }
    without_test_items(&out)
}

/// The length of the character literal that starts here; a lifetime is none.
fn char_literal(text: &str) -> Option<usize> {
    let mut chars = text.strip_prefix('\'')?.chars();
    let escaped = chars.next()? == '\\';
    if escaped {
        chars.next()?;
    }
    let rest = chars.as_str();
    rest.starts_with('\'').then(|| text.len() - rest.len() + 1)
}

/// The length of the raw string that starts here.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inner = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(text.len() - inner.len() + inner.find(&end)? + end.len())
}

fn without_test_items(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let (mut out, mut rest) = (String::new(), code);
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        rest = &rest[at + MARK.len()..];
        let end = rest.find([';', '{']).unwrap_or(rest.len());
        // `use a::{b, c};` ends at its semicolon, an item with a body at its brace.
        let list = rest[..end].contains("use ");
        let end = if list {
            rest.find(';').unwrap_or(rest.len())
        } else if rest[end..].starts_with('{') {
            end + braces(&rest[end..])
        } else {
            end
        };
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    out + rest
}

/// Where the brace that opens `text` is closed.
fn braces(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len() - 1
}

/// What `code` in the file `name` takes from the root of the crate: first path segments.
fn imports(name: &str, code: &str) -> Vec<String> {
    // A module `a/b/c.rs` has depth 3, `a/b/mod.rs` depth 2: so many times `super` is the root.
    let depth = name.trim_end_matches("/mod.rs").split('/').count();
    let root = "super::".repeat(depth);
    let mut found = Vec::new();
    for prefix in ["crate::", &root] {
        for (at, _) in code.match_indices(prefix) {
            let before = &code[..at];
            if !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                found.extend(first_segments(&code[at + prefix.len()..]));
            }
        }
    }
    found
}

/// `a` of `a::b`; `a` and `c` of `{a::{b}, c::d}`.
fn first_segments(path: &str) -> Vec<String> {
    let Some(list) = path.strip_prefix('{') else {
        let name: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        // Types and functions of the root do not exist; macros and constants are no modules.
        return if name.starts_with(|c: char| c.is_lowercase()) { vec![name] } else { vec![] };
    };
    let list = &list[..braces(path).saturating_sub(1).min(list.len())];
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in list.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.iter().flat_map(|part| first_segments(part.trim_start().trim_start_matches("self::"))).collect()
}

fn wrong_import(name: &str, import: &str) -> Option<String> {
    let layer = name.split(['/', '.']).next().unwrap();
    if TOP.contains(&name) || COMMON.contains(&import) {
        return None;
    }
    let place = |layer: &str| LAYERS.iter().position(|l| *l == layer);
    let Some(mine) = place(layer) else { return Some(format!("{name} belongs to no layer: enter {layer} in tests/layers.rs")) };
    let Some(theirs) = place(import) else { return Some(format!("{name} uses crate::{import}, which is no layer")) };
    if PURE.contains(&layer) && import != layer && !["base", "model"].contains(&import) {
        return Some(format!("{name} uses crate::{import}: {layer} knows only base and model"));
    }
    (theirs > mine).then(|| format!("{name} uses crate::{import}, which lies to its right"))
}

/// True if `code` names the crate, and not a module of the same name.
fn names_crate(code: &str, krate: &str) -> bool {
    // `use krate::` and `::krate::` can only mean the crate where a module of that name stands beside, as `capture::pcap` does.
    let sure =
        [format!("use {krate}::"), format!("use {krate};"), format!("use ::{krate}"), format!(" ::{krate}::"), format!("(::{krate}::")];
    let module = krate == "pcap";
    if module {
        return sure.iter().any(|pattern| code.contains(pattern));
    }
    code.match_indices(krate).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + krate.len()..]);
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        let whole = !before.ends_with(inside) && !after.starts_with(inside);
        let of_module = ["self::", "super::", "crate::"].iter().any(|p| before.ends_with(p));
        whole && !of_module && (after.starts_with("::") || before.ends_with("use "))
    })
}

#[test]
fn imports_go_left_only() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        wrong.extend(imports(&name, &code(&text)).iter().filter_map(|import| wrong_import(&name, import)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_crate_has_its_home() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let code = code(&text);
        for (krate, homes) in HOMES {
            if names_crate(&code, krate) && !homes.iter().any(|home| name.starts_with(home)) {
                wrong.push(format!("{name} names {krate}, whose home is {}", homes.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_home_stands_empty() {
    let all: Vec<_> = sources().into_iter().map(|(name, text)| (name, code(&text))).collect();
    for (krate, homes) in HOMES {
        let used = all.iter().any(|(name, code)| homes.iter().any(|home| name.starts_with(home)) && names_crate(code, krate));
        assert!(used, "{krate} is used nowhere: either it is not needed or this test does not see it");
    }
}

#[test]
fn the_rules_can_be_broken() {
    let of = |text: &str| imports("flow/tcp/mod.rs", &code(text));
    assert_eq!(of("use crate::{base::net, flow};\nuse crate::app::x; // crate::engine"), ["base", "flow", "app"]);
    assert_eq!(of("use crate::{\n    base::{net, time},\n    engine::Run,\n};"), ["base", "engine"]);
    assert_eq!(of("fn f() -> crate::app::X { \"crate::cli\"; r#\"crate::run \" \"# }"), ["app"]);
    assert_eq!(of("use super::super::engine;\nuse super::table;"), ["engine"]);
    assert_eq!(of("#[cfg(test)]\nmod tests;\nuse crate::engine;"), ["engine"]);
    assert_eq!(of("#[cfg(test)]\nuse crate::{cli, run};\nuse crate::engine;"), ["engine"]);
    assert_eq!(of("#[cfg(test)]\nmod tests { fn f() { use crate::engine; } }\nuse crate::base;"), ["base"]);
    assert_eq!(of("#[cfg(test)]\nmod tests { fn f<'a>() { ['{', '\\'', '\"'] } }\nuse crate::base;"), ["base"]);
    assert!(wrong_import("flow/table.rs", "app").is_some());
    assert!(wrong_import("flow/table.rs", "decode").is_none());
    assert!(wrong_import("report/html.rs", "measure").is_some());
    assert!(wrong_import("report/html.rs", "model").is_none());
    assert!(wrong_import("unheard/of.rs", "base").is_some());
    assert!(names_crate("use polars::prelude::*;", "polars") && names_crate("let x = polars::df();", "polars"));
    assert!(!names_crate("use super::polars::x; my_polars::y()", "polars"));
    assert!(names_crate("use pcap::Capture;", "pcap") && !names_crate("pub use self::pcap::Writer; pcap::Parser", "pcap"));
}
