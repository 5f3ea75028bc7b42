//! Children of this test program whose system calls go through the library in `tests/preload`, and how they steer it.
//!
//! The library is built by the first test that needs it. A child is this program again, told by `ROLE` what it is; it says
//! on its output how far it is, and is killed when it says nothing for a long time: whatever happens, nothing may hang.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

pub const ROLE: &str = "FDYNO_FAULTS_ROLE";
pub const BELOW: &str = "FDYNO_FAULTS_BELOW";
const JOURNAL: &str = "FDYNO_FAULTS_JOURNAL";

/// Far more than any step of a child takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("preload");
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/preload/Cargo.toml");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--offline", "--manifest-path"]).arg(manifest);
        let status = build.arg("--target-dir").arg(&target).env_remove("CARGO_BUILD_TARGET").status();
        assert!(status.expect("cargo").success(), "tests/preload does not build");
        target.join("debug/libfdyno_preload.so")
    })
}

/// This program again, as a child with a role, whose calls below a directory are watched.
pub fn child(role: &str, below: &Path, journal: Option<&Path>) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "child_of_these_tests", "--nocapture"]);
    command.env("LD_PRELOAD", library()).env(BELOW, below).env(ROLE, role);
    if let Some(journal) = journal {
        command.env(JOURNAL, journal);
    }
    command
}

/// Runs a child to its end, which must be a good one; the lines it says for its parent.
pub fn run(mut command: Command) -> Vec<String> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a child");
    let (say, heard) = channel();
    let out = BufReader::new(child.stdout.take().expect("its output"));
    let errors = BufReader::new(child.stderr.take().expect("its errors"));
    let listeners = [
        std::thread::spawn({
            let say = say.clone();
            move || out.lines().map_while(Result::ok).for_each(|line| drop(say.send((true, line))))
        }),
        std::thread::spawn(move || errors.lines().map_while(Result::ok).for_each(|line| drop(say.send((false, line))))),
    ];
    let (mut lines, mut errors) = (Vec::new(), Vec::new());
    loop {
        match heard.recv_timeout(PATIENCE) {
            Ok((true, line)) => lines.push(line),
            Ok((false, line)) => errors.push(line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                child.kill().expect("an end");
                panic!("the child hangs after {:?}\n{}", lines.last(), errors.join("\n"));
            }
        }
    }
    for listener in listeners {
        listener.join().expect("a listener");
    }
    let status = child.wait().expect("its end");
    let said: Vec<&String> = lines.iter().rev().filter(|line| !line.is_empty()).take(5).collect();
    assert!(status.success(), "{status} after {said:?}\n{}", errors.join("\n"));
    lines
}

/// An order to the library; whether it says yes.
fn order(order: &str) -> bool {
    fs::create_dir(Path::new("/fdyno-faults").join(order)).is_ok()
}

/// What a child asks the library for.
pub fn fail(errno: i32, nth: u64, how: &str, kinds: &str) {
    assert!(order(&format!("fail/{errno}/{nth}/{how}/{kinds}")), "the library is not there");
}

pub fn room(bytes: u64) {
    assert!(order(&format!("room/{bytes}")), "the library is not there");
}

pub fn shorten(seed: u64) {
    assert!(order(&format!("short/{seed}")), "the library is not there");
}

pub fn stop_failing() {
    assert!(order("off"), "the library is not there");
}

/// Whether a call of these kinds was made to fail.
pub fn has_failed(kinds: &str) -> bool {
    order(&format!("fired/{kinds}"))
}

pub fn mark(text: &str) {
    assert!(order(&format!("mark/{text}")), "the library is not there");
}
