//! One call as an SDK makes it: JSON in, JSON out, through the same dispatch as every boundary.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use fdyno::api::{Operation, dispatch, json as protocol};
use fdyno::clock::{Clock, Timestamp};
use fdyno::error::Error;
use fdyno::kv::{self, Database, faults};
use fdyno::store::{CopyError, Place, Realm, Store, copy};
use serde_json::Value as Json;

use super::cluster;
use super::cluster_file::ClusterFile;

pub const START_MILLIS: i64 = 1_700_000_000_000;

/// What the database is on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Memory,
    /// Memory, with faults that follow from the seed.
    Faults,
    /// A cluster, on the double of its client library, with all the faults of which the outcome is found out in the end.
    Cluster,
}

impl Engine {
    /// Embedded engines' futures are ready at their first poll; a cluster's are answered by another thread.
    fn now<T>(self, future: impl Future<Output = T>) -> T {
        if self == Self::Cluster {
            return futures_executor::block_on(future);
        }
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("a future of an embedded engine waited"),
        }
    }

    /// Another handle on the same database.
    fn another(self, store: &Store) -> Store {
        self.another_at(&store.place())
    }

    fn another_at(self, place: &Place) -> Store {
        loop {
            if let Ok(store) = self.now(Store::open(place.database.clone(), place.prefix.clone())) {
                return store;
            }
        }
    }
}

pub struct Client {
    pub store: Store,
    /// A second handle on the same database, whose cache of definitions knows nothing of what the first one changes: as
    /// if it were another process on a cluster.
    other: Store,
    /// The kinds of fault that have fired, on whichever database.
    fired: BTreeSet<&'static str>,
    calls: AtomicU64,
    pub realm: Realm,
    engine: Engine,
    cluster: ClusterFile,
    seed: u64,
}

impl Client {
    /// A database whose time stands still and whose faults, if it is to have any, follow from `seed`.
    pub fn new(seed: u64, engine: Engine) -> Self {
        let clock = Clock::deterministic(Timestamp(START_MILLIS), seed);
        let opaque = seed % 3 == 1;
        let cluster = ClusterFile::new(&format!("seed={seed} {}", cluster::FAULTS));
        let store = loop {
            let database = match engine {
                Engine::Faults => {
                    // Another seed for each attempt to open, should a fault meet the first.
                    let seed = seed.wrapping_mul(1_000_003) ^ clock.random_u64();
                    let plan = faults::Plan::seeded(seed);
                    // On some, versions do not tell the time, as on a cluster, and background work needs a lease.
                    Database::faults(clock.clone(), if opaque { plan.with_opaque_versions() } else { plan })
                }
                Engine::Memory => Database::memory(clock.clone()),
                Engine::Cluster => cluster::open(&cluster, &clock),
            };
            if let Ok(store) = engine.now(Store::open(database, b"model".to_vec())) {
                break store;
            }
        };
        Self {
            other: engine.another(&store),
            fired: BTreeSet::new(),
            store,
            calls: AtomicU64::new(seed),
            realm: Realm { account: "000000000000".to_owned(), region: "eu-west-1".to_owned() },
            engine,
            cluster,
            seed,
        }
    }

    /// Goes on in a copy, on an engine of another kind as likely as not, whose clock shows the same time.
    pub fn move_house(&mut self, random: &mut fastrand::Rng) {
        let source = self.store.place();
        let Some(faults) = source.database.injected_faults() else { return };
        // What was held back would land meanwhile, and a source that is written to cannot be copied.
        faults.pause();
        faults.flush();
        let plan = faults::Plan::seeded(random.u64(..));
        let plan = if random.bool() { plan.with_opaque_versions() } else { plan };
        let database = Database::faults(self.store.clock().clone(), plan);
        let place = Place { database, prefix: b"model".to_vec() };
        loop {
            match self.now(copy(source.clone(), place.clone())) {
                Ok(_) => break,
                Err(CopyError::Failed(error)) if is_injected(&error) => {}
                Err(error) => panic!("{error}"),
            }
        }
        self.store = self.engine.another_at(&place);
        self.other = self.engine.another(&self.store);
    }

    pub fn now<T>(&self, future: impl Future<Output = T>) -> T {
        self.engine.now(future)
    }

    /// The kinds of fault that have not fired yet, on whichever database; of a cluster's it is known only at the end.
    pub fn quiet_faults(&mut self) -> Vec<&'static str> {
        let faults = self.store.database().injected_faults();
        let fired = faults.map(faults::Faults::fired).unwrap_or_default();
        self.fired.extend(fired.iter().filter(|(_, count)| *count > 0).map(|(name, _)| *name));
        fired.into_iter().map(|(name, _)| name).filter(|name| !self.fired.contains(name)).collect()
    }

    /// No more faults, and nothing left that could still land.
    pub fn calm(&self) {
        if let Some(faults) = self.store.database().injected_faults() {
            faults.pause();
            faults.flush();
        } else if self.engine == Engine::Cluster {
            self.behave(&format!("seed={}", self.seed));
        }
    }

    /// Faults again.
    pub fn resume(&self) {
        if let Some(faults) = self.store.database().injected_faults() {
            faults.resume();
        } else if self.engine == Engine::Cluster {
            let seed = self.calls.load(Ordering::Relaxed);
            self.behave(&format!("seed={seed} {}", cluster::FAULTS));
        }
    }

    fn behave(&self, settings: &str) {
        self.cluster.write(settings);
        cluster::open(&self.cluster, self.store.clock());
    }

    /// Each of a cluster's faults must have fired by the end of a long run.
    pub fn check_cluster(&self) {
        if self.engine != Engine::Cluster {
            return;
        }
        let fired = self.cluster.counters();
        let names = cluster::FAULTS.split_whitespace().filter_map(|fault| fault.split_once('='));
        let quiet: Vec<&str> = names.map(|(name, _)| name).filter(|name| !fired.contains_key(*name)).collect();
        assert!(quiet.is_empty(), "faults of the cluster that never fired: {quiet:?}");
    }

    pub fn call(&self, operation: Operation, request: &Json) -> Result<Json, Error> {
        let request = protocol::request(operation, request.to_string().as_bytes())?;
        // Any mixture that follows from the seed will do.
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let store = if call.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 63 == 0 { &self.store } else { &self.other };
        let response = self.now(dispatch(store, &self.realm, request))?;
        Ok(serde_json::from_slice(&protocol::response(&response)).expect("an answer is JSON"))
    }

    /// Calls again and again while injected faults surface: for what must succeed in the end.
    pub fn insist(&self, operation: Operation, request: &Json) -> Result<Json, Error> {
        loop {
            match self.call(operation, request) {
                Err(error) if is_injected(&error) => {}
                outcome => return outcome,
            }
        }
    }
}

/// Whether this is how a fault of storage surfaces; the call then has changed nothing.
pub fn is_injected(error: &Error) -> bool {
    matches!(error, Error::Storage(kv::Error::Io(text)) if text.starts_with("injected"))
        && error.shape().code == "InternalServerError"
        && error.shape().status == 500
}
