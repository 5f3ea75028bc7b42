//! How a cluster behaves: from lines in its cluster file that are comments to everybody else.
//!
//! `# double: seed=3 latency_ms=1 1021did=0.05 unreachable=1` — names and numbers. A commit's fault is named by its code
//! and what is done all the same (`did`, `not`, which may be left out, or `later`), a read's by `read` and its code;
//! their numbers are probabilities. `served=1` says that the data is held by the process
//! that serves at the cluster's address, under its name.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::codes::Code;

/// What becomes of a commit that is answered with an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    Never,
    /// Held back, to land while something else is done.
    Later,
}

/// A way to fail: its name and its code, and for commits what is done.
#[derive(Clone)]
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) code: Code,
    pub(crate) fate: Fate,
    probability: f64,
}

const MARK: &str = "# double:";

#[derive(Default)]
pub(crate) struct Settings {
    numbers: BTreeMap<String, f64>,
    commits: Vec<Fault>,
    reads: Vec<Fault>,
}

/// The faults of which `names` are the settings' names without what says whose they are.
fn faults<'a>(names: impl Iterator<Item = (&'a str, &'a str, f64)>) -> Vec<Fault> {
    let fault = |(name, rest, probability): (&str, &str, f64)| {
        let (code, fate) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len()));
        let fate = match fate {
            "did" => Fate::Done,
            "" | "not" => Fate::Never,
            "later" => Fate::Later,
            _ => return None,
        };
        Some(Fault { name: name.to_owned(), code: code.parse().ok()?, fate, probability })
    };
    names.filter_map(fault).collect()
}

fn draw(faults: &[Fault], random: &mut fastrand::Rng) -> Option<Fault> {
    let mut drawn = random.f64();
    let found = faults.iter().find(|fault| {
        drawn -= fault.probability;
        drawn < 0.0
    });
    found.cloned()
}

impl Settings {
    pub(crate) fn parse(text: &str) -> Self {
        let settings = text.lines().filter_map(|line| line.trim().strip_prefix(MARK)).flat_map(str::split_whitespace);
        let pairs = settings.filter_map(|setting| setting.split_once('='));
        let numbers: BTreeMap<String, f64> =
            pairs.filter_map(|(name, number)| Some((name.to_owned(), number.parse().ok()?))).collect();
        let named = || numbers.iter().map(|(name, number)| (name.as_str(), *number));
        Self {
            commits: faults(named().map(|(name, number)| (name, name, number))),
            reads: faults(named().filter_map(|(name, number)| Some((name, name.strip_prefix("read")?, number)))),
            numbers,
        }
    }

    fn number(&self, name: &str) -> f64 {
        self.numbers.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn seed(&self) -> u64 {
        self.number("seed").to_bits()
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_secs_f64(self.number("latency_ms").clamp(0.0, 60_000.0) / 1_000.0)
    }

    /// Whether another process holds the data.
    pub(crate) fn is_served(&self) -> bool {
        self.number("served") > 0.0
    }

    /// Whether nothing is ever answered.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.number("unreachable") > 0.0
    }

    /// How many commits must be under way before any of them goes on.
    pub(crate) fn gather(&self) -> usize {
        self.number("gather") as usize
    }

    /// Whether commits that were held back land now and then; without such faults they all land at once.
    pub(crate) fn holds_back(&self) -> bool {
        self.commits.iter().any(|fault| fault.fate == Fate::Later && fault.probability > 0.0)
    }

    pub(crate) fn commit_fault(&self, random: &mut fastrand::Rng) -> Option<Fault> {
        draw(&self.commits, random)
    }

    pub(crate) fn read_fault(&self, random: &mut fastrand::Rng) -> Option<Fault> {
        draw(&self.reads, random)
    }
}

/// The cluster that `text` names, as the client reads it: what it is called, and its addresses.
pub(crate) fn cluster(text: &str) -> Option<(&str, &str)> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).find_map(|line| {
        let (name, addresses) = line.split_once('@')?;
        let (_, id) = name.split_once(':')?;
        (!id.is_empty() && !addresses.is_empty()).then_some((name, addresses))
    })
}
