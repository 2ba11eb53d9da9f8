//! What integration tests share: where the real captures lie, which outside tools there are.
//!
//! On a stranger's machine a test that lacks something is skipped with a notice; with `CI=true` nothing may be skipped.

#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// True where nothing may be skipped.
pub fn strict() -> bool {
    std::env::var("CI").is_ok_and(|v| v == "true")
}

/// Says that a test is skipped; fails where nothing may be.
pub fn skip(why: &str) {
    assert!(!strict(), "must not be skipped with CI=true: {why}");
    eprintln!("skipped: {why}");
}

/// The folder of shared captures: `$LMPCAP_SHARED`, or `shared` beside the checkout.
pub fn shared() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let given = std::env::var_os("LMPCAP_SHARED").map(PathBuf::from);
    let found = given.into_iter().chain([here.join("../shared"), here.join("../../shared")]).find(|p| p.join("captures").is_dir());
    if found.is_none() {
        skip("no folder of shared captures (set LMPCAP_SHARED)");
    }
    found
}

/// A folder of real migrations by name, under the shared captures.
pub fn capture(name: &str) -> Option<PathBuf> {
    Some(shared()?.join("captures").join(name))
}

/// A third-party capture by file name.
pub fn public(name: &str) -> Option<PathBuf> {
    Some(shared()?.join("public").join(name))
}

/// True if `tool` can be run; else says which package has it.
pub fn has(tool: &str, package: &str) -> bool {
    let found = std::env::var_os("PATH").is_some_and(|p| std::env::split_paths(&p).any(|d| d.join(tool).is_file()));
    if !found {
        skip(&format!("{tool} is not installed (Debian and Ubuntu: apt install {package})"));
    }
    found
}

/// True if the tests run as root.
pub fn root() -> bool {
    let uid = Command::new("id").arg("-u").output().ok().map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    let yes = uid.as_deref() == Some("0");
    if !yes {
        skip("needs root");
    }
    yes
}

/// The standard output of a command that must succeed.
pub fn stdout(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(out.status.success(), "{command:?}: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}
