//! What lmpcap is built from: licences, sources and versions of crates, the stated Rust, the fuzz crate.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// The Rust that `Cargo.toml` promises to build with.
fn stated_rust() -> String {
    let manifest: toml::Value = toml::from_str(&fs::read_to_string(root().join("Cargo.toml")).unwrap()).unwrap();
    manifest["package"]["rust-version"].as_str().unwrap().to_owned()
}

#[test]
fn crates_have_known_sources_and_permissive_licences() {
    if !common::has("cargo-deny", "none; cargo install cargo-deny --locked") {
        return;
    }
    // Advisories need a database from the network: `cargo deny check advisories` where there is one.
    let out =
        cargo().args(["deny", "--locked", "--offline", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}");
    assert!(said.contains("bans ok, licenses ok, sources ok"), "{said}");
}

#[test]
fn the_stated_rust_is_one_and_the_same() {
    let stated = stated_rust();
    for file in ["README.md", "tools/setup.sh"] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(&format!("{stated} or newer")), "{file} does not say {stated} or newer");
    }
}

#[test]
fn no_dependency_needs_a_newer_rust() {
    let version = |text: &str| -> Vec<u32> { text.split('.').map(|n| n.parse().unwrap_or(0)).collect() };
    let stated = version(&stated_rust());
    let metadata = common::stdout(cargo().args(["metadata", "--format-version", "1", "--locked", "--offline", "--all-features"]));
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let needing: Vec<(&str, Vec<u32>)> =
        packages.iter().filter_map(|p| Some((p["name"].as_str()?, version(p["rust_version"].as_str()?)))).collect();
    assert!(needing.len() > 50, "{} of {} packages state their Rust", needing.len(), packages.len());
    for (name, needs) in needing {
        assert!(needs <= stated, "{name} needs {needs:?}, lmpcap promises {stated:?}");
    }
}

#[test]
fn the_fuzz_targets_compile() {
    // libFuzzer is C++. On a person's machine this would add minutes to a first test run.
    if !common::strict() || !common::has("c++", "g++") {
        return;
    }
    let out = cargo()
        .args(["check", "--quiet", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", "target/fuzz"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}
