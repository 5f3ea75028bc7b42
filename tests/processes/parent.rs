//! The processes, as seen by who started them.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::child::{FILE, Handle, MARK, Refusal};
use crate::double;

/// The lines that a child says to its parent.
pub struct Said(Lines<BufReader<ChildStdout>>);

impl Iterator for Said {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        // The harness may have begun a line with its own words. A line that a kill cut short was not said.
        self.0.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, said) = line.split_once(MARK)?;
            Some(said.to_owned())
        })
    }
}

/// Starts this program as a child on the cluster of that file.
pub fn spawn(file: &Path, variables: &[(&str, &str)]) -> (Child, Said) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child::child", "--nocapture"]).env(FILE, file).envs(variables.iter().copied());
    command.env("FDB_LOCAL_CLIENT_LIBRARY_PATH", double::library("dev"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let said = Said(BufReader::new(child.stdout.take().unwrap()).lines());
    (child, said)
}

/// A process that does what it is told.
pub struct Process {
    child: Child,
    commands: ChildStdin,
    said: Said,
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that was killed already has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    pub fn start(file: &Path) -> Self {
        let (mut child, mut said) = spawn(file, &[]);
        let commands = child.stdin.take().unwrap();
        assert_eq!(said.next().as_deref(), Some("ready"));
        Self { child, commands, said }
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
    }

    fn answer(&mut self) -> Value {
        serde_json::from_str(&self.said.next().expect("the process lives")).unwrap()
    }

    pub fn begin_to_call(&mut self, name: &str, request: &Value) {
        self.tell(&format!("call {name} {request}"));
    }

    pub fn call(&mut self, name: &str, request: &Value) -> Result<Value, Refusal> {
        self.begin_to_call(name, request);
        let mut answer = self.answer();
        match answer.get_mut("answer") {
            Some(answer) => Ok(answer.take()),
            None => Err(serde_json::from_value(answer["refusal"].take()).unwrap()),
        }
    }

    /// Has it go by the clock as others have moved it.
    pub fn look_at_clock(&mut self) {
        self.tell("look");
        assert_eq!(self.answer(), true);
    }

    pub fn begin_to_maintain(&mut self) {
        self.tell("maintain");
    }

    /// How many keys it has written for that.
    pub fn maintained(&mut self) -> u64 {
        self.answer().as_u64().unwrap()
    }

    pub fn maintain(&mut self) -> u64 {
        self.begin_to_maintain();
        self.maintained()
    }

    /// As by `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        assert!(!self.child.wait().unwrap().success(), "it had ended by itself");
    }
}

pub fn sequence_numbers(records: &[Value]) -> Vec<String> {
    records.iter().map(|record| record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned()).collect()
}

/// Everything that the stream tells, in its order.
pub fn read_all(handle: &Handle) -> Vec<Value> {
    let (mut all, mut at) = (Vec::new(), handle.iterator());
    loop {
        let (page, next) = handle.page(&at, 1_000);
        if page.is_empty() {
            return all;
        }
        all.extend(page);
        at = next;
    }
}
