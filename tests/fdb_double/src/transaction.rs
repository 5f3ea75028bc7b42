//! What an `FDBTransaction` points to: a transaction where the cluster's data is, and what the client keeps beside it.
//!
//! Operations take effect as they are asked for, and are answered after the cluster's latency; a commit takes effect just
//! before its answer, so that others come in between. Invariant: after the commit began, nothing else is taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foundationdb_sys::{self as sys, FDBTransaction};

use crate::cluster::Cluster;
use crate::codes::{self, Code};
use crate::future::{Blob, Future, Pairs, Value};
use crate::home::Stored;
use crate::message::{Answer, Ask, Bytes, Outcome, Wanted};
use crate::network;
use crate::own_writes::{OwnWrites, after};
use crate::settings::Fate;

/// What its handles are counted by.
const KIND: &str = "transactions";

/// The first delay of `on_error`, and the longest.
const FIRST_DELAY: Duration = Duration::from_micros(50);
const LONGEST_DELAY: Duration = Duration::from_millis(5);

enum Phase {
    Open,
    Committing,
    Cancelled,
}

struct State {
    stored: Arc<Stored>,
    own: OwnWrites,
    /// Whether a commit has anything to do.
    writes: bool,
    phase: Phase,
    /// Futures that wait for the stamp of the commit.
    stamps: Vec<Arc<Future>>,
    timeout: Option<Duration>,
    began: Instant,
    delay: Duration,
}

pub(crate) struct Transaction {
    cluster: Arc<Cluster>,
    state: Mutex<State>,
}

impl Transaction {
    pub(crate) fn new(cluster: Arc<Cluster>, timeout: Option<Duration>) -> Self {
        let state = State {
            stored: Arc::new(cluster.begin()),
            own: OwnWrites::default(),
            writes: false,
            phase: Phase::Open,
            stamps: Vec::new(),
            timeout,
            began: Instant::now(),
            delay: FIRST_DELAY,
        };
        Self { cluster, state: Mutex::new(state) }
    }

    /// What the API calls it; given back by `take`.
    pub(crate) fn into_handle(self) -> *mut FDBTransaction {
        self.cluster.give_out(KIND);
        Arc::into_raw(Arc::new(self)).cast_mut().cast()
    }

    /// # Safety
    /// `handle` comes from `into_handle` and was not taken; afterwards it is.
    pub(crate) unsafe fn take(handle: *mut FDBTransaction) {
        network::check(KIND);
        // SAFETY: as above.
        let transaction = unsafe { Arc::from_raw(handle.cast::<Self>()) };
        transaction.cluster.take_back(KIND);
    }

    /// A future that fails.
    pub(crate) fn failed(&self, code: Code) -> Arc<Future> {
        let future = Future::new(&self.cluster);
        future.resolve_after(Duration::ZERO, Err(code));
        future
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_timeout(&self, timeout: Option<Duration>) {
        self.state().timeout = timeout;
    }

    /// When an answer comes that is `latency` away, and whether in time; none at all if never.
    fn due(state: &State, latency: Option<Duration>) -> Option<(Duration, bool)> {
        let left = state.timeout.map(|timeout| timeout.saturating_sub(state.began.elapsed()));
        match (latency, left) {
            (Some(latency), Some(left)) if latency > left => Some((left, false)),
            (Some(latency), _) => Some((latency, true)),
            (None, Some(left)) => Some((left, false)),
            (None, None) => None,
        }
    }

    const fn check(state: &State) -> Result<(), Code> {
        match state.phase {
            Phase::Open => Ok(()),
            Phase::Committing => Err(codes::USED_DURING_COMMIT),
            Phase::Cancelled => Err(codes::TRANSACTION_CANCELLED),
        }
    }

    pub(crate) fn read(&self, ask: Ask) -> Arc<Future> {
        let state = self.state();
        let future = Future::new(&self.cluster);
        let Some((delay, in_time)) = Self::due(&state, self.cluster.latency()) else { return future };
        if let Err(code) = Self::check(&state).and_then(|()| self.cluster.before_read()) {
            future.resolve_after(delay, Err(code));
            return future;
        }
        let waiting = Arc::clone(&future);
        state.stored.ask(ask, move |outcome| {
            waiting.resolve_after(delay, if in_time { outcome.map(value) } else { Err(codes::TIMED_OUT) });
        });
        future
    }

    pub(crate) fn range(&self, begin: &[u8], end: &[u8], wanted: Wanted) -> Arc<Future> {
        self.read(Ask::Range { begin: begin.into(), end: end.into(), wanted })
    }

    /// Takes a write; one that is refused spoils the transaction, as does one that comes too late.
    pub(crate) fn write(&self, ask: Ask) {
        let mut state = self.state();
        if Self::check(&state).is_err() {
            return;
        }
        match &ask {
            Ask::Set { key, .. } | Ask::Clear { key } => state.own.insert(&key.0, &after(&key.0)),
            Ask::ClearRange { begin, end } if begin.0 < end.0 => state.own.insert(&begin.0, &end.0),
            Ask::Atomic { key, operation: sys::FDBMutationType_FDB_MUTATION_TYPE_SET_VERSIONSTAMPED_VALUE, .. } => {
                state.own.insert(&key.0, &after(&key.0));
            }
            _ => {}
        }
        // An empty range writes nothing, and one that is inverted is refused where the data is.
        state.writes |= !matches!(&ask, Ask::ClearRange { begin, end } if begin.0 == end.0);
        // Each later operation tells.
        let _ = state.stored.tell(ask);
    }

    pub(crate) fn add_read_conflict(&self, begin: &[u8], end: &[u8]) -> Result<(), Code> {
        let state = self.state();
        Self::check(&state)?;
        for (begin, end) in state.own.gaps(begin, end) {
            state.stored.tell(Ask::ReadConflict { begin: Bytes(begin), end: Bytes(end) })?;
        }
        Ok(())
    }

    pub(crate) fn add_write_conflict(&self, begin: &[u8], end: &[u8]) -> Result<(), Code> {
        let mut state = self.state();
        Self::check(&state)?;
        state.writes |= begin != end;
        state.stored.tell(Ask::WriteConflict { begin: begin.into(), end: end.into() })
    }

    pub(crate) fn versionstamp(&self) -> Arc<Future> {
        let future = Future::new(&self.cluster);
        let mut state = self.state();
        match Self::check(&state) {
            Ok(()) => state.stamps.push(Arc::clone(&future)),
            Err(code) => future.resolve_after(Duration::ZERO, Err(code)),
        }
        future
    }

    pub(crate) fn commit(&self) -> Arc<Future> {
        let future = Future::new(&self.cluster);
        let mut state = self.state();
        if let Err(code) = Self::check(&state) {
            future.resolve_after(Duration::ZERO, Err(code));
            return future;
        }
        state.phase = Phase::Committing;
        let stored = Arc::clone(&state.stored);
        let stamps = std::mem::take(&mut state.stamps);
        if !state.writes {
            for stamp in stamps {
                stamp.resolve_after(Duration::ZERO, Err(codes::NO_COMMIT_VERSION));
            }
            future.resolve_after(Duration::ZERO, Ok(Value::Nothing));
            return future;
        }
        let due = Self::due(&state, self.cluster.latency());
        drop(state);
        if let Some((delay, in_time)) = due {
            let (cluster, future) = (Arc::clone(&self.cluster), Arc::clone(&future));
            self.cluster.begin_commit(delay, move || finish(cluster, &stored, in_time, future, stamps));
        }
        future
    }

    /// Waits if `code` asks for another try, and begins anew.
    pub(crate) fn on_error(self: &Arc<Self>, code: Code) -> Arc<Future> {
        let future = Future::new(&self.cluster);
        if !codes::is_retryable(code) {
            future.resolve_after(Duration::ZERO, Err(code));
            return future;
        }
        let delay = {
            let mut state = self.state();
            let delay = state.delay;
            state.delay = (delay * 2).min(LONGEST_DELAY);
            delay
        };
        let (transaction, waiting) = (Arc::clone(self), Arc::clone(&future));
        network::after(delay, move || {
            transaction.reset();
            waiting.resolve(Ok(Value::Nothing));
        });
        future
    }

    pub(crate) fn reset(&self) {
        self.end(Phase::Open);
    }

    pub(crate) fn cancel(&self) {
        self.end(Phase::Cancelled);
    }

    fn end(&self, phase: Phase) {
        let mut state = self.state();
        let ended = std::mem::replace(&mut state.stored, Arc::new(self.cluster.begin()));
        state.own = OwnWrites::default();
        state.writes = false;
        state.phase = phase;
        state.began = Instant::now();
        let stamps = std::mem::take(&mut state.stamps);
        drop(state);
        drop(ended);
        for stamp in stamps {
            stamp.resolve_after(Duration::ZERO, Err(codes::TRANSACTION_CANCELLED));
        }
    }
}

/// Ends a commit, as the faults want it.
fn finish(cluster: Arc<Cluster>, stored: &Stored, in_time: bool, future: Arc<Future>, stamps: Vec<Arc<Future>>) {
    let fault = cluster.commit_fault();
    // Whatever the commit's own outcome: what is told instead.
    let told = fault.as_ref().map(|fault| fault.code).or_else(|| (!in_time).then_some(codes::TIMED_OUT));
    let end = move |outcome: Outcome| tell(&cluster, told.map_or(outcome, Err), future, stamps);
    match fault.map(|fault| fault.fate) {
        None | Some(Fate::Done) => stored.ask(Ask::Commit, end),
        Some(Fate::Later) => {
            stored.hold();
            end(Ok(Answer::Nothing));
        }
        Some(Fate::Never) => end(Ok(Answer::Nothing)),
    }
}

/// Answers a commit on the network thread.
fn tell(cluster: &Arc<Cluster>, outcome: Outcome, future: Arc<Future>, stamps: Vec<Arc<Future>>) {
    let cluster = Arc::clone(cluster);
    network::after(Duration::ZERO, move || {
        cluster.commit_ends();
        let stamp = outcome.map(|answer| match answer {
            Answer::Stamp(Some(stamp)) => stamp,
            _ => [0; 10],
        });
        for waiting in stamps {
            let stamp = stamp.map_err(|_| codes::TRANSACTION_INVALID_VERSION);
            waiting.resolve(stamp.map(|stamp| Value::Key(Blob::new(&stamp))));
        }
        future.resolve(stamp.map(|_| Value::Nothing));
    });
}

/// What a future gives of an answer.
fn value(answer: Answer) -> Value {
    match answer {
        Answer::Version(version) => Value::Number(version.cast_signed()),
        Answer::Value(value) => Value::Stored(value.map(|value| Blob::new(&value.0))),
        Answer::Pairs { pairs, more } => {
            Value::Pairs(Pairs::new(pairs.iter().map(|(key, value)| (key.0.as_slice(), value.0.as_slice())), more))
        }
        Answer::Nothing | Answer::Stamp(_) => Value::Nothing,
    }
}
