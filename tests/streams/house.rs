//! The database under test: on which engine it lies, how it is called, how it is closed and opened in the midst of use, and
//! how its time is moved.
//!
//! Every call is told between two ticks of one counter, so that of two calls that did not overlap it is known which came
//! first; and with what the clock showed before and after. It knows nothing of what is written or read.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::task::Poll;

use fdyno::api::{Operation, dispatch, json as protocol};
use fdyno::clock::{Clock, Timestamp};
use fdyno::error::Error;
use fdyno::kv::faults::Plan;
use fdyno::kv::{Database, DiskOptions, Durability, Error as StorageError};
use fdyno::store::{Realm, Store};
use futures_executor::block_on;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::cluster;
use crate::cluster_file::ClusterFile;
use crate::place::place;

pub const START_MILLIS: i64 = 1_700_000_000_000;
pub const PREFIX: &[u8] = b"streams";
/// So little that a run flushes and merges several times.
const FLUSH_BYTES: u64 = 60_000;

/// A commit gets its version, and so its time, a moment before others see it.
const LONGEST_FLIGHT_MILLIS: i64 = 24 * 60 * 60 * 1000 - 60 * 1000;

/// What the database is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Memory, with faults that follow from the seed.
    Faults,
    Disk(Durability),
    /// The double of FoundationDB's client library, with faults that follow from the seed.
    Cluster,
}

enum Place {
    Memory(Database),
    Directory(TempDir),
    Cluster(ClusterFile),
}

/// When a call was made.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub invoked: u64,
    pub returned: u64,
    /// The least and the most that the clock showed meanwhile, in milliseconds.
    pub clock: (i64, i64),
    /// The most that the clock had shown by then: it may be set back, but what was trimmed stays so.
    pub latest: i64,
}

/// What became of a call.
#[derive(Debug)]
pub enum Answer {
    Done(Json),
    /// By the database itself, which changed nothing.
    Refused(Error),
    /// By an injected fault, and it is known that nothing was changed.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// A move of the clock through all that fell due on the way.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    pub invoked: u64,
    pub returned: u64,
    pub from: i64,
    pub to: i64,
}

/// What there is to know of a run's time when it is over.
#[derive(Debug)]
pub struct Chronicle {
    /// How far the clock was ever behind what it had shown.
    pub set_back: i64,
    /// What it showed in the end, when all that was due had been done.
    pub end: i64,
    pub passages: Vec<Passage>,
    /// Whether each call that writes first deletes all that has expired: one at a time, on an engine that none shares.
    pub calls_expire_all: bool,
}

/// What the clock has shown, and what it showed before it began the move that it makes now, if it does.
struct Shown {
    millis: Vec<i64>,
    settled: usize,
}

pub struct House {
    pub engine: Engine,
    pub clock: Clock,
    place: Place,
    /// Handles as several processes would have them, each with a cache of its own; one, where only one process can.
    handles: RwLock<Vec<Store>>,
    /// Held by whoever needs the clock to stand still.
    time: RwLock<()>,
    flights: Flights,
    ticks: AtomicU64,
    shown: Mutex<Shown>,
    /// Whether what processes share says how the clock is set.
    tells_clock: bool,
    passages: Mutex<Vec<Passage>>,
    restarts: AtomicUsize,
    seed: u64,
}

impl House {
    /// An empty database whose time stands still. `threads` says whether others may call while one does.
    pub fn new(seed: u64, engine: Engine, threads: bool) -> Self {
        let clock = Clock::deterministic(Timestamp(START_MILLIS), seed);
        let place = match engine {
            Engine::Faults => {
                // On some, versions do not tell the time, as on a cluster, and background work needs a lease.
                let plan = Plan::seeded(seed).with_outages(0.1, if threads { 150 } else { 55 });
                let plan = if seed % 3 == 1 { plan.with_opaque_versions() } else { plan };
                Place::Memory(Database::faults(clock.clone(), plan))
            }
            Engine::Disk(_) => Place::Directory(place()),
            Engine::Cluster => Place::Cluster(ClusterFile::new(&format!("seed={seed} {}", cluster::FAULTS))),
        };
        let house = Self {
            engine,
            clock,
            place,
            handles: RwLock::default(),
            time: RwLock::default(),
            flights: Flights::default(),
            ticks: AtomicU64::new(1),
            shown: Mutex::new(Shown { millis: vec![START_MILLIS], settled: 0 }),
            // On one thread nobody is about to write by a clock that leaps, of which the time of no record would tell.
            tells_clock: threads || seed.is_multiple_of(2),
            passages: Mutex::default(),
            restarts: AtomicUsize::new(0),
            seed,
        };
        let handles = if matches!(engine, Engine::Disk(_)) { 1 } else { 2 };
        let handles = (0..handles).map(|_| house.open()).collect();
        *house.handles.write().expect("nobody has it yet") = handles;
        house
    }

    fn open(&self) -> Store {
        let database = match (&self.place, self.engine) {
            (Place::Memory(database), _) => database.clone(),
            (Place::Directory(directory), Engine::Disk(durability)) => {
                let options = DiskOptions { durability, flush_bytes: FLUSH_BYTES, ..DiskOptions::default() };
                Database::disk(&directory.path().join("database"), options, self.clock.clone()).expect("it opens")
            }
            (Place::Cluster(file), _) => cluster::open(file, &self.clock),
            (Place::Directory(_), _) => unreachable!("only a disk lies in a directory"),
        };
        loop {
            match block_on(Store::open(database.clone(), PREFIX.to_vec())) {
                Ok(store) => return store,
                Err(error) => assert!(is_injected(&error) || is_unknown(&error), "opening: {error}"),
            }
        }
    }

    fn handles(&self) -> RwLockReadGuard<'_, Vec<Store>> {
        self.handles.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the database and opens it again, when all calls have returned; where others may have it open, one of them does.
    pub fn restart(&self) {
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        let number = self.restarts.fetch_add(1, Ordering::Relaxed);
        if matches!(self.place, Place::Directory(_)) {
            handles.clear();
            handles.push(self.open());
        } else {
            let at = number % handles.len();
            handles[at] = self.open();
        }
    }

    /// Keeps the clock where it is until what this returns goes.
    pub fn hold_time(&self) -> RwLockReadGuard<'_, ()> {
        self.time.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for calls under way that began so long ago that, `millis` from now, what they commit might be past its 24 hours
    /// before anybody can have read it.
    pub fn wait_for_old_calls(&self, millis: i64) {
        self.flights.wait_for_those_before(self.clock.now().millis() + millis - LONGEST_FLIGHT_MILLIS);
    }

    /// Whether a call that was given up may still be under way.
    pub fn has_forsaken_calls(&self) -> bool {
        !self.flights.lock().forsaken.is_empty()
    }

    /// Told of a commit that was acknowledged: what was given up before it began is over, since commits are made one after
    /// the other.
    pub fn has_committed(&self, span: Span) {
        let mut all = self.flights.lock();
        let later = all.forsaken.split_off(&span.invoked);
        for over in std::mem::replace(&mut all.forsaken, later) {
            all.began.remove(&over);
        }
        self.flights.landed.notify_all();
    }

    /// Moves the clock, when nobody holds it. Either it passes through all that falls due, in its order, or it leaps, and
    /// calls find what is due.
    pub fn advance(&self, millis: i64, passes: bool) {
        let _nobody_holds_it = self.time.write().unwrap_or_else(PoisonError::into_inner);
        let handles = self.handles();
        let from = self.clock.now();
        let to = from.plus_millis(millis);
        // From now on it may show any time up to this one.
        let moves = self.shown().begin(to.millis());
        let store = &handles[moves % handles.len()];
        let is_shared = store.database().is_shared();
        let invoked = self.tick();
        if passes && (self.tells_clock || !is_shared) {
            insist(|| store.travel_to(to));
            if millis >= 0 {
                let (from, to) = (from.millis(), to.millis());
                self.passages().push(Passage { invoked, returned: self.tick(), from, to });
            }
        } else if is_shared && self.tells_clock {
            insist(|| store.move_clock(|clock| clock.travel_to(to)));
        } else {
            self.clock.travel_to(to);
        }
        self.shown().settle();
    }

    /// Deletes all that has expired, with the clock where it is, when nothing fails any more.
    pub fn expire(&self) {
        let store = self.store();
        insist(|| store.travel_to(self.clock.now()));
    }

    pub fn chronicle(&self, threads: bool) -> Chronicle {
        let (shown, passages) = (self.shown(), self.passages().clone());
        let mut latest = i64::MIN;
        let behind = shown.millis.iter().map(|millis| {
            latest = latest.max(*millis);
            latest - millis
        });
        let set_back = behind.max().unwrap_or_default();
        let calls_expire_all = !threads && !self.store().database().is_shared();
        Chronicle { set_back, end: self.clock.now().millis(), passages, calls_expire_all }
    }

    fn passages(&self) -> MutexGuard<'_, Vec<Passage>> {
        self.passages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }

    fn timed<T>(&self, work: impl FnOnce() -> T) -> (Span, T) {
        let (before, invoked) = (self.shown().settled, self.tick());
        let done = work();
        let (returned, shown) = (self.tick(), self.shown());
        let most = |millis: &[i64]| millis.iter().copied().fold(i64::MIN, i64::max);
        let meanwhile = &shown.millis[before..];
        let least = meanwhile.iter().copied().fold(i64::MAX, i64::min);
        let span = Span { invoked, returned, clock: (least, most(meanwhile)), latest: most(&shown.millis) };
        drop(shown);
        (span, done)
    }

    /// Calls an operation on one of the handles.
    pub fn call(&self, handle: usize, operation: Operation, request: &Json) -> (Span, Answer) {
        let (span, answer) = self.call_for(handle, operation, request, usize::MAX);
        (span, answer.expect("it was waited for"))
    }

    /// Calls an operation and waits for it only so long: `None` if it was given up at its `polls`th poll, unanswered.
    pub fn call_for(
        &self,
        handle: usize,
        operation: Operation,
        request: &Json,
        polls: usize,
    ) -> (Span, Option<Answer>) {
        let realm = Realm { account: "000000000000".to_owned(), region: "eu-west-1".to_owned() };
        let request = protocol::request(operation, request.to_string().as_bytes()).expect("a request");
        let handles = self.handles();
        let store = &handles[handle % handles.len()];
        let mut flight = self.flights.begin(self.tick(), self.clock.now().millis());
        let (span, outcome) = self.timed(|| block_on(give_up_at(polls, dispatch(store, &realm, request))));
        flight.is_forsaken = outcome.is_none();
        drop(flight);
        let answer = outcome.map(|outcome| match outcome {
            Ok(response) => {
                Answer::Done(serde_json::from_slice(&protocol::response(&response)).expect("an answer is JSON"))
            }
            Err(error) if is_injected(&error) => Answer::Failed,
            Err(error) if is_unknown(&error) => Answer::Unknown,
            Err(error) => Answer::Refused(error),
        });
        (span, answer)
    }

    /// Calls again and again while injected faults surface: for what only reads, or may be done twice.
    pub fn insist(&self, handle: usize, operation: Operation, request: &Json) -> (Span, Result<Json, Error>) {
        loop {
            match self.call(handle, operation, request) {
                (span, Answer::Done(answer)) => return (span, Ok(answer)),
                (span, Answer::Refused(error)) => return (span, Err(error)),
                (_, Answer::Failed | Answer::Unknown) => {}
            }
        }
    }

    /// No more faults, and nothing left that could still land.
    pub fn calm(&self) {
        match &self.place {
            Place::Memory(database) => {
                let faults = database.injected_faults().expect("they are injected");
                faults.pause();
                faults.flush();
            }
            Place::Cluster(file) => {
                file.write(&format!("seed={}", self.seed));
                drop(cluster::open(file, &self.clock));
            }
            Place::Directory(_) => {}
        }
    }

    /// The faults of a cluster that have fired, once it is calm.
    pub fn fired(&self) -> Vec<&'static str> {
        let Place::Cluster(file) = &self.place else { return Vec::new() };
        let counters = file.counters();
        let names = cluster::FAULTS.split_whitespace().filter_map(|fault| fault.split_once('='));
        names.map(|(name, _)| name).filter(|name| counters.contains_key(*name)).collect()
    }

    /// A handle, for what no operation tells.
    pub fn store(&self) -> Store {
        self.handles()[0].clone()
    }

    pub fn realm() -> Realm {
        Realm { account: "000000000000".to_owned(), region: "eu-west-1".to_owned() }
    }
}

impl Shown {
    /// The clock is on its way to this time; how often it was moved before.
    fn begin(&mut self, to: i64) -> usize {
        self.millis.push(to);
        self.settled
    }

    /// It has come there.
    fn settle(&mut self) {
        self.settled = self.millis.len() - 1;
    }
}

/// Does what may be done twice until it is done.
fn insist<Fut: Future<Output = Result<(), Error>>>(work: impl Fn() -> Fut) {
    while let Err(error) = block_on(work()) {
        assert!(is_injected(&error) || is_unknown(&error), "moving the clock: {error}");
    }
}

/// The calls under way.
#[derive(Default)]
struct Flights {
    all: Mutex<UnderWay>,
    landed: Condvar,
}

#[derive(Default)]
struct UnderWay {
    /// When each began: its tick, and what the clock showed.
    began: BTreeMap<u64, i64>,
    /// Those that were given up.
    forsaken: BTreeSet<u64>,
}

struct Flight<'a> {
    flights: &'a Flights,
    number: u64,
    is_forsaken: bool,
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, number: u64, clock: i64) -> Flight<'_> {
        self.lock().began.insert(number, clock);
        Flight { flights: self, number, is_forsaken: false }
    }

    fn wait_for_those_before(&self, clock: i64) {
        let is_any = |all: &mut UnderWay| all.began.values().any(|began| *began < clock);
        drop(self.landed.wait_while(self.lock(), is_any).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut all = self.flights.lock();
        if self.is_forsaken {
            all.forsaken.insert(self.number);
            return;
        }
        all.began.remove(&self.number);
        self.flights.landed.notify_all();
    }
}

/// The future's output, or nothing if it still waits after so many polls; then it is dropped.
async fn give_up_at<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            left = left.saturating_sub(1);
            if left == 0 { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

/// Whether this is how a fault of storage surfaces; the call then has changed nothing.
fn is_injected(error: &Error) -> bool {
    matches!(error, Error::Storage(StorageError::Io(text)) if text.starts_with("injected"))
}

/// Whether nobody could find out what became of the call's commit.
fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::Storage(error) if error.is_maybe_committed())
}
