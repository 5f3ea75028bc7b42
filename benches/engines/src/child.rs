//! Runs a task in a process of its own and reads the figures that it prints.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// What a task printed, by name.
pub type Figures = BTreeMap<String, f64>;

/// Longer than any damaged database takes to be read.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a Rust process that panicked exits with.
const PANICKED: i32 = 101;

/// How a task ended.
pub enum End {
    Told(Figures),
    Error(String),
    Panic,
    /// By a signal, or not at all.
    Crash,
}

fn start(task: &str, store: &str, directory: &Path, numbers: &[String]) -> Outcome<Child> {
    Ok(Command::new(std::env::current_exe()?)
        .args(["task", task, store])
        .arg(directory)
        .args(numbers)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?)
}

/// Runs a task that has to succeed.
pub fn run(task: &str, store: &str, directory: &Path, numbers: &[String]) -> Outcome<Figures> {
    let output = start(task, store, directory, numbers)?.wait_with_output()?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{task} of {store}: {told}").into());
    }
    Ok(figures(&String::from_utf8(output.stdout)?))
}

/// Runs a task that says when it is ready, and kills it then as `kill -9` does.
pub fn run_until_killed(task: &str, store: &str, directory: &Path, numbers: &[String]) -> Outcome<()> {
    let mut child = start(task, store, directory, numbers)?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    child.kill()?;
    child.wait()?;
    if line.trim() == "ready" { Ok(()) } else { Err(format!("{task} of {store} ended before it was killed").into()) }
}

/// Runs a task that may fail in any way.
pub fn try_to_run(task: &str, store: &str, directory: &Path, numbers: &[String]) -> Outcome<End> {
    // A few short lines fit the pipes, so nobody has to read while it runs; a long panic message is cut by the kill.
    let (mut child, begin) = (start(task, store, directory, numbers)?, Instant::now());
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(End::Crash);
        }
        thread::sleep(Duration::from_millis(2));
    };
    let (mut told, mut error) = (String::new(), String::new());
    if let (Some(stdout), Some(stderr)) = (&mut child.stdout, &mut child.stderr) {
        stdout.read_to_string(&mut told)?;
        stderr.read_to_string(&mut error)?;
    }
    Ok(match status.code() {
        Some(0) => End::Told(figures(&told)),
        Some(PANICKED) => End::Panic,
        Some(_) => End::Error(error),
        None => End::Crash,
    })
}

fn figures(told: &str) -> Figures {
    let figure = |line: &str| {
        let (name, figure) = line.split_once(' ')?;
        Some((name.to_owned(), figure.parse().ok()?))
    };
    told.lines().filter_map(figure).collect()
}
