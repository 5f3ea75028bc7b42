//! The clusters of this process, one for each cluster file: a database in memory, its settings and its counters.
//!
//! Versions rise by about a million a second, as a cluster's do: the database's clock is frozen, and set before each
//! commit so that the version it gives is the age of the cluster in microseconds. Opening a cluster again reads its
//! settings anew, and writes what was counted so far to a file beside the cluster file, named `.counters`: faults by their
//! names, the most commits that were in flight at once, and the handles that are out.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use fdyno::clock::{Clock, Timestamp};
use fdyno::kv::{Database, Error, Transaction, Versionstamp};

use crate::codes::{self, Code};
use crate::network::{self, Job};
use crate::settings::{self, Fault, Settings};

static CLUSTERS: LazyLock<Mutex<HashMap<PathBuf, Arc<Cluster>>>> = LazyLock::new(Mutex::default);

/// How old a cluster is when it is first asked for.
const FIRST_MICROSECONDS: u128 = 1_000_000_000;

/// How often a commit that is held back lands while something else is done.
const LANDS: f64 = 0.3;

/// How long commits that are to be gathered wait for more of them.
const GATHERS_FOR: Duration = Duration::from_secs(10);

pub(crate) struct Cluster {
    pub(crate) database: Database,
    clock: Clock,
    made: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    settings: Settings,
    random: fastrand::Rng,
    held: Vec<Transaction>,
    counters: BTreeMap<String, u64>,
    in_flight: u64,
    /// Commits that wait for more of them, and what each still takes.
    gathering: Vec<(Duration, Job)>,
}

impl State {
    fn counter(&mut self, name: &str) -> &mut u64 {
        self.counters.entry(name.to_owned()).or_default()
    }
}

/// What a future of a database in memory has at its first poll.
pub(crate) fn at_once<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Code> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome.map_err(|error| codes::of(&error)),
        Poll::Pending => Err(codes::INTERNAL_ERROR),
    }
}

impl Cluster {
    /// The cluster that this file names.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>, Code> {
        if !path.exists() {
            return Err(codes::NO_CLUSTER_FILE);
        }
        let text = fs::read_to_string(path).map_err(|_| codes::FILE_NOT_READABLE)?;
        if !settings::names_cluster(&text) {
            return Err(codes::CONNECTION_STRING_INVALID);
        }
        let path = path.canonicalize().map_err(|_| codes::FILE_NOT_READABLE)?;
        let mut clusters = CLUSTERS.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = Arc::clone(clusters.entry(path.clone()).or_insert_with(|| Arc::new(Self::new())));
        drop(clusters);
        cluster.set(Settings::parse(&text));
        let mut counters = path.into_os_string();
        counters.push(".counters");
        fs::write(counters, cluster.counters()).map_err(|_| codes::FILE_NOT_READABLE)?;
        Ok(cluster)
    }

    fn new() -> Self {
        let clock = Clock::deterministic(Timestamp(0), 0);
        let database = Database::memory(clock.clone());
        let cluster = Self { database, clock, made: Instant::now(), state: Mutex::default() };
        // A cluster was written to before anybody sees it, so its versions are not the least there can be.
        for _ in 0..2 {
            let first = cluster.database.begin();
            let _ = first.add_write_conflict_range(b"", b"\0");
            let _ = cluster.commit(&first);
        }
        cluster
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, settings: Settings) {
        let mut state = self.state();
        state.random = fastrand::Rng::with_seed(settings.seed());
        let held = if settings.holds_back() { Vec::new() } else { std::mem::take(&mut state.held) };
        state.settings = settings;
        drop(state);
        for transaction in held {
            self.land(&transaction);
        }
    }

    fn counters(&self) -> String {
        self.state().counters.iter().fold(String::new(), |mut text, (name, count)| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name} {count}");
            text
        })
    }

    /// How long the next answer takes, at random around the latency, or for ever.
    pub(crate) fn latency(&self) -> Option<Duration> {
        let mut state = self.state();
        let jitter = 0.5 + state.random.f64();
        (!state.settings.is_unreachable()).then(|| state.settings.latency().mul_f64(jitter))
    }

    pub(crate) fn commit_fault(&self) -> Option<Fault> {
        let mut state = self.state();
        let State { settings, random, .. } = &mut *state;
        let fault = settings.commit_fault(random);
        if let Some(fault) = &fault {
            *state.counter(&fault.name) += 1;
        }
        fault
    }

    /// A moment before an operation: it may fail, and a commit that was held back may land.
    pub(crate) fn before_read(&self) -> Result<(), Code> {
        self.maybe_land();
        let mut state = self.state();
        let State { settings, random, .. } = &mut *state;
        let Some(fault) = settings.read_fault(random) else { return Ok(()) };
        *state.counter(&fault.name) += 1;
        Err(fault.code)
    }

    pub(crate) fn maybe_land(&self) {
        let mut state = self.state();
        if state.held.is_empty() || state.random.f64() >= LANDS {
            return;
        }
        let many = state.held.len();
        let place = state.random.usize(..many);
        let transaction = state.held.swap_remove(place);
        drop(state);
        self.land(&transaction);
    }

    fn land(&self, transaction: &Transaction) {
        let outcome = self.commit(transaction);
        *self.state().counter(if outcome.is_ok() { "landed" } else { "refused" }) += 1;
    }

    pub(crate) fn hold(&self, transaction: Transaction) {
        self.state().held.push(transaction);
    }

    /// Commits at the version that is due now.
    pub(crate) fn commit(&self, transaction: &Transaction) -> Result<Option<Versionstamp>, Code> {
        let microseconds = FIRST_MICROSECONDS + self.made.elapsed().as_micros();
        let millis = i64::try_from(microseconds >> 16).unwrap_or(i64::MAX);
        // Another thread may have set it further already; versions rise all the same.
        self.clock.travel_to(Timestamp(millis));
        at_once(transaction.commit())
    }

    /// Has a commit end by `finish` on the network thread after `delay`, or later, if more are to be under way by then.
    pub(crate) fn begin_commit(self: &Arc<Self>, delay: Duration, finish: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        state.in_flight += 1;
        let in_flight = state.in_flight;
        let most = state.counter("most_in_flight");
        *most = in_flight.max(*most);
        state.gathering.push((delay, Box::new(finish)));
        if state.gathering.len() >= state.settings.gather() {
            drop(state);
            self.let_go();
        } else if state.gathering.len() == 1 {
            let cluster = Arc::clone(self);
            network::after(GATHERS_FOR, move || cluster.let_go());
        }
    }

    fn let_go(&self) {
        let gathered = std::mem::take(&mut self.state().gathering);
        for (delay, finish) in gathered {
            network::after(delay, finish);
        }
    }

    /// A handle of this kind was given out.
    pub(crate) fn give_out(&self, kind: &str) {
        *self.state().counter(kind) += 1;
    }

    pub(crate) fn take_back(&self, kind: &str) {
        let mut state = self.state();
        let out = state.counter(kind);
        *out = out.saturating_sub(1);
    }

    pub(crate) fn commit_ends(&self) {
        self.state().in_flight -= 1;
    }
}
