//! How a cluster behaves: from lines in its cluster file that are comments to everybody else.
//!
//! `# double: seed=3 latency_ms=1 1021did=0.05 unreachable=1` — names and numbers. Commit faults are named by their code
//! and what is done; those of reads begin with `read`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::codes::{self, Code};

/// What becomes of a commit that is answered with an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    Never,
    /// Held back, to land while something else is done.
    Later,
}

/// A way to fail a commit: its name, its code and what is done.
pub(crate) type CommitFault = (&'static str, Code, Fate);

pub(crate) const COMMIT_FAULTS: &[CommitFault] = &[
    ("1007", codes::TOO_OLD, Fate::Never),
    ("1020", codes::NOT_COMMITTED, Fate::Never),
    ("1037", codes::PROCESS_BEHIND, Fate::Never),
    ("1021did", codes::COMMIT_UNKNOWN, Fate::Done),
    ("1021not", codes::COMMIT_UNKNOWN, Fate::Never),
    ("1031did", codes::TIMED_OUT, Fate::Done),
    ("1031not", codes::TIMED_OUT, Fate::Never),
    ("1031later", codes::TIMED_OUT, Fate::Later),
    ("1039did", codes::CLUSTER_VERSION_CHANGED, Fate::Done),
    ("1039not", codes::CLUSTER_VERSION_CHANGED, Fate::Never),
    ("1039later", codes::CLUSTER_VERSION_CHANGED, Fate::Later),
];

pub(crate) const READ_FAULTS: &[(&str, Code)] =
    &[("read1007", codes::TOO_OLD), ("read1037", codes::PROCESS_BEHIND), ("read1039", codes::CLUSTER_VERSION_CHANGED)];

const MARK: &str = "# double:";

#[derive(Default)]
pub(crate) struct Settings(BTreeMap<String, f64>);

impl Settings {
    pub(crate) fn parse(text: &str) -> Self {
        let settings = text.lines().filter_map(|line| line.trim().strip_prefix(MARK)).flat_map(str::split_whitespace);
        let pairs = settings.filter_map(|setting| setting.split_once('='));
        Self(pairs.filter_map(|(name, number)| Some((name.to_owned(), number.parse().ok()?))).collect())
    }

    fn number(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn seed(&self) -> u64 {
        self.number("seed").to_bits()
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_secs_f64(self.number("latency_ms").clamp(0.0, 60_000.0) / 1_000.0)
    }

    /// Whether nothing is ever answered.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.number("unreachable") > 0.0
    }

    /// Whether commits that were held back land now and then; without such faults they all land at once.
    pub(crate) fn holds_back(&self) -> bool {
        COMMIT_FAULTS.iter().any(|(name, _, fate)| *fate == Fate::Later && self.number(name) > 0.0)
    }

    pub(crate) fn commit_fault(&self, random: &mut fastrand::Rng) -> Option<CommitFault> {
        let mut drawn = random.f64();
        COMMIT_FAULTS.iter().copied().find(|(name, ..)| {
            drawn -= self.number(name);
            drawn < 0.0
        })
    }

    pub(crate) fn read_fault(&self, random: &mut fastrand::Rng) -> Option<(&'static str, Code)> {
        let mut drawn = random.f64();
        READ_FAULTS.iter().copied().find(|(name, _)| {
            drawn -= self.number(name);
            drawn < 0.0
        })
    }
}

/// Whether `text` has a line that names a cluster, as the client reads it.
pub(crate) fn names_cluster(text: &str) -> bool {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).any(|line| {
        line.split_once('@').is_some_and(|(name, hosts)| {
            name.split_once(':').is_some_and(|(_, id)| !id.is_empty()) && !hosts.is_empty()
        })
    })
}
