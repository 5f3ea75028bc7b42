//! The double of FoundationDB's client library, built once by whoever runs tests on it.
//!
//! Knows nothing of the crate, so that tests and benches beside it use this file too.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The library's path. The first call builds it, with the profile named here, as cargo builds whatever it lies beside.
pub fn library(profile: &str) -> PathBuf {
    built(profile, "fdb_double")
}

/// The file that cargo makes of `target`, one of the double's.
pub fn built(profile: &str, target: &str) -> PathBuf {
    static MADE: OnceLock<Vec<serde_json::Value>> = OnceLock::new();
    let made = MADE.get_or_init(|| build(profile)).iter().rfind(|made| made["target"]["name"] == target).unwrap();
    let mut files = made["filenames"].as_array().unwrap().iter().map(|file| PathBuf::from(file.as_str().unwrap()));
    // The library is made for C and for Rust, whose files end in this.
    files.find(|file| file.extension().is_none_or(|end| end != "rlib")).unwrap()
}

/// What cargo says it made. It says where it put things: the target directory may lie anywhere, and its folders have names
/// of their own.
fn build(profile: &str) -> Vec<serde_json::Value> {
    // Cargo names itself to what it runs; a test that was started by hand finds it as a shell does.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let built = Command::new(cargo)
        .args(["build", "--locked", "--package", "fdyno-fdb-double", "--message-format", "json", "--profile", profile])
        .arg("--manifest-path")
        .arg(manifest)
        .output()
        .unwrap();
    assert!(built.status.success(), "building the double: {}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8(built.stdout).unwrap();
    messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
