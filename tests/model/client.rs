//! One call as an SDK makes it: JSON in, JSON out, through the same dispatch as every boundary.

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

pub const START_MILLIS: i64 = 1_700_000_000_000;

/// Embedded engines' futures are ready at their first poll.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a future of an embedded engine waited"),
    }
}

pub struct Client {
    pub store: Store,
    /// A second handle on the same database, whose cache of definitions knows nothing of what the first one changes: as
    /// if it were another process on a cluster.
    other: Store,
    calls: AtomicU64,
    pub realm: Realm,
}

impl Client {
    /// A database whose time stands still and whose faults, if it is to have any, follow from `seed`.
    pub fn new(seed: u64, with_faults: bool) -> Self {
        let clock = Clock::deterministic(Timestamp(START_MILLIS), seed);
        let opaque = seed % 3 == 1;
        let store = loop {
            let database = if with_faults {
                // Another seed for each attempt to open, should a fault meet the first.
                let seed = seed.wrapping_mul(1_000_003) ^ clock.random_u64();
                let plan = faults::Plan::seeded(seed);
                // On some, versions do not tell the time, as on a cluster, and background work needs a lease.
                Database::faults(clock.clone(), if opaque { plan.with_opaque_versions() } else { plan })
            } else {
                Database::memory(clock.clone())
            };
            if let Ok(store) = now(Store::open(database, b"model".to_vec())) {
                break store;
            }
        };
        Self {
            other: another(&store),
            store,
            calls: AtomicU64::new(seed),
            realm: Realm { account: "000000000000".to_owned(), region: "eu-west-1".to_owned() },
        }
    }

    /// Goes on in a copy, on an engine of another kind as likely as not, whose clock shows the same time.
    pub fn move_house(&mut self, random: &mut fastrand::Rng) {
        let source = self.store.place();
        let faults = source.database.injected_faults().expect("a database with faults");
        // What was held back would land meanwhile, and a source that is written to cannot be copied.
        faults.pause();
        faults.flush();
        let plan = faults::Plan::seeded(random.u64(..));
        let plan = if random.bool() { plan.with_opaque_versions() } else { plan };
        let database = Database::faults(self.store.clock().clone(), plan);
        let place = Place { database, prefix: b"model".to_vec() };
        loop {
            match now(copy(source.clone(), place.clone())) {
                Ok(_) => break,
                Err(CopyError::Failed(error)) if is_injected(&error) => {}
                Err(error) => panic!("{error}"),
            }
        }
        self.store = another_at(&place);
        self.other = another(&self.store);
    }

    pub fn call(&self, operation: Operation, request: &Json) -> Result<Json, Error> {
        let request = protocol::request(operation, request.to_string().as_bytes())?;
        // Any mixture that follows from the seed will do.
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let store = if call.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 63 == 0 { &self.store } else { &self.other };
        let response = now(dispatch(store, &self.realm, request))?;
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

/// Another handle on the same database.
fn another(store: &Store) -> Store {
    another_at(&store.place())
}

fn another_at(place: &Place) -> Store {
    loop {
        if let Ok(store) = now(Store::open(place.database.clone(), place.prefix.clone())) {
            return store;
        }
    }
}

/// Whether this is how a fault of storage surfaces; the call then has changed nothing.
pub fn is_injected(error: &Error) -> bool {
    matches!(error, Error::Storage(kv::Error::Io(text)) if text.starts_with("injected"))
        && error.shape().code == "InternalServerError"
        && error.shape().status == 500
}
