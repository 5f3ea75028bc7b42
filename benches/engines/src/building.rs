//! What a store costs a build: an empty crate that depends on it alone, built from nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Outcome;

/// The crates a candidate brings, as they are depended on. Ours: what fdyno's disk engine depends on and nothing else does.
/// fjall is built without lz4, as it is measured.
fn crates(store: &str) -> &'static [(&'static str, &'static str)] {
    match store {
        "fdyno" => &[("lsm-tree", ""), ("sfa", ""), ("xxhash-rust", "\"xxh3\"")],
        "fjall" => &[("fjall", "")],
        "redb" => &[("redb", "")],
        "sqlite" => &[("rusqlite", "\"bundled\"")],
        _ => &[],
    }
}

/// The version of a crate that this binary was built with.
fn version(name: &str) -> Outcome<&'static str> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = include_str!("../Cargo.lock").split_once(&entry).ok_or("a crate that is not in the lock")?;
    Ok(rest.split_once('"').ok_or("a lock without quotes")?.0)
}

/// A candidate's crates with their versions.
pub fn named(store: &str) -> Outcome<String> {
    let mut names = Vec::new();
    for (name, _) in crates(store) {
        names.push(format!("{name} {}", version(name)?));
    }
    Ok(names.join(", "))
}

/// What a cold release build takes of the processors, in seconds, and how many crates it compiles. Not by the wall's clock,
/// since others may be compiling too.
pub fn measure(store: &str, scratch: &Path) -> Outcome<(f64, usize)> {
    fs::create_dir_all(scratch.join("src"))?;
    fs::write(scratch.join("src/lib.rs"), "")?;
    let mut manifest = "[package]\nname = \"cold\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n".to_owned();
    for (name, features) in crates(store) {
        let version = version(name)?;
        manifest.push_str(&format!(
            "{name} = {{ version = \"={version}\", default-features = {}, features = [{features}] }}\n",
            store != "fjall"
        ));
    }
    fs::write(scratch.join("Cargo.toml"), manifest)?;
    let cargo = |what: &[&str]| -> Outcome<String> {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(what)
            .current_dir(scratch)
            .env("CARGO_TARGET_DIR", scratch.join("target"))
            .output()?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(told) } else { Err(told.into()) }
    };
    // Not part of it: what comes over the network.
    cargo(&["fetch"])?;
    let before = seconds_of_children()?;
    let told = cargo(&["build", "--release", "--offline"])?;
    let seconds = seconds_of_children()? - before;
    fs::remove_dir_all(scratch)?;
    // Not counting the empty crate itself.
    Ok((seconds, told.matches("Compiling ").count().saturating_sub(1)))
}

/// Processor time of all children that have ended, and of theirs (Linux).
fn seconds_of_children() -> Outcome<f64> {
    const TICKS: f64 = 100.0;
    let text = fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything: the two figures are the 16th and 17th of all.
    let (_, fields) = text.rsplit_once(')').ok_or("stat")?;
    let ticks = fields.split_whitespace().skip(13).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS)
}
