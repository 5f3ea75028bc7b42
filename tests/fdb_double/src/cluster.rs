//! The clusters of this process, one for each cluster file: where the data is, the settings and the counters.
//!
//! Opening a cluster again reads its settings anew, and writes what was counted so far to a file beside the cluster file, named
//! `.counters`: faults by their names, the most commits that were in flight at once, and the handles that are out. All of
//! that is this process's own, also where the data is not.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::codes::{self, Code};
use crate::connection::Connection;
use crate::data::Data;
use crate::home::{Home, Stored};
use crate::network::{self, Job};
use crate::settings::{self, Fault, Settings};

static CLUSTERS: LazyLock<Mutex<HashMap<PathBuf, Arc<Cluster>>>> = LazyLock::new(Mutex::default);

/// How long commits that are to be gathered wait for more of them.
const GATHERS_FOR: Duration = Duration::from_secs(10);

pub(crate) struct Cluster {
    home: Home,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    settings: Settings,
    random: fastrand::Rng,
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

impl Cluster {
    /// The cluster that this file names.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>, Code> {
        if !path.exists() {
            return Err(codes::NO_CLUSTER_FILE);
        }
        let text = fs::read_to_string(path).map_err(|_| codes::FILE_NOT_READABLE)?;
        let Some((name, addresses)) = settings::cluster(&text) else { return Err(codes::CONNECTION_STRING_INVALID) };
        let path = path.canonicalize().map_err(|_| codes::FILE_NOT_READABLE)?;
        let settings = Settings::parse(&text);
        let mut clusters = CLUSTERS.lock().unwrap_or_else(PoisonError::into_inner);
        let known = clusters.get(&path).filter(|cluster| !cluster.home.is_lost());
        let cluster = known.map_or_else(|| Arc::new(Self::new(name, addresses, &settings)), Arc::clone);
        clusters.insert(path.clone(), Arc::clone(&cluster));
        drop(clusters);
        cluster.set(settings);
        let mut counters = path.into_os_string();
        counters.push(".counters");
        fs::write(counters, cluster.counters()).map_err(|_| codes::FILE_NOT_READABLE)?;
        Ok(cluster)
    }

    fn new(name: &str, addresses: &str, settings: &Settings) -> Self {
        let home = if settings.is_served() {
            Home::There(Connection::open(addresses, name))
        } else {
            Home::Here(Arc::new(Data::new(settings.seed())))
        };
        Self { home, state: Mutex::default() }
    }

    pub(crate) fn begin(&self) -> Stored {
        self.home.begin()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, settings: Settings) {
        let mut state = self.state();
        state.random = fastrand::Rng::with_seed(settings.seed());
        let holds_back = settings.holds_back();
        state.settings = settings;
        drop(state);
        if !holds_back {
            self.home.land_all();
        }
    }

    fn counters(&self) -> String {
        let mut counters = self.state().counters.clone();
        if let Home::Here(data) = &self.home {
            let [landed, refused] = data.landed();
            let counted = [("landed", landed), ("refused", refused)].into_iter().filter(|(_, count)| *count > 0);
            counters.extend(counted.map(|(name, count)| (name.to_owned(), count)));
        }
        counters.iter().fold(String::new(), |mut text, (name, count)| {
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

    /// A moment before a read: it may fail.
    pub(crate) fn before_read(&self) -> Result<(), Code> {
        let mut state = self.state();
        let State { settings, random, .. } = &mut *state;
        let Some(fault) = settings.read_fault(random) else { return Ok(()) };
        *state.counter(&fault.name) += 1;
        Err(fault.code)
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
