//! What an `FDBTransaction` points to: a transaction in memory, and what the client keeps beside it.
//!
//! Operations take effect as they are asked for, and are answered after the cluster's latency; a commit takes effect just
//! before its answer, so that others come in between. Invariant: after the commit began, nothing else is taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fdyno::kv::{Isolation, RangeRead, Transaction as Stored, Versionstamp, limits};
use foundationdb_sys::FDBTransaction;

use crate::cluster::{Cluster, at_once};
use crate::codes::{self, Code};
use crate::future::{Blob, Future, Pairs, Value};
use crate::network;
use crate::own_writes::{OwnWrites, after};
use crate::settings::Fate;

/// What its handles are counted by.
const KIND: &str = "transactions";

/// What the client counts of a pair besides its bytes.
const PAIR_OVERHEAD: usize = 8;

/// The first delay of `on_error`, and the longest.
const FIRST_DELAY: Duration = Duration::from_micros(50);
const LONGEST_DELAY: Duration = Duration::from_millis(5);

enum Phase {
    Open,
    Committing,
    Cancelled,
}

struct State {
    stored: Stored,
    own: OwnWrites,
    phase: Phase,
    /// Of a write that was refused: each later operation tells.
    refused: Option<Code>,
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

/// How much of a range is wanted.
pub(crate) struct Wanted {
    pub(crate) rows: Option<usize>,
    pub(crate) bytes: Option<usize>,
    pub(crate) is_reverse: bool,
    pub(crate) isolation: Isolation,
}

impl Transaction {
    pub(crate) fn new(cluster: Arc<Cluster>, timeout: Option<Duration>) -> Self {
        let state = State {
            stored: cluster.database.begin(),
            own: OwnWrites::default(),
            phase: Phase::Open,
            refused: None,
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

    fn check(state: &State) -> Result<(), Code> {
        match state.phase {
            Phase::Open => state.refused.map_or(Ok(()), Err),
            Phase::Committing => Err(codes::USED_DURING_COMMIT),
            Phase::Cancelled => Err(codes::TRANSACTION_CANCELLED),
        }
    }

    fn answer(&self, read: impl FnOnce(&Stored) -> Result<Value, Code>) -> Arc<Future> {
        let state = self.state();
        let outcome = Self::check(&state).and_then(|()| self.cluster.before_read()).and_then(|()| read(&state.stored));
        let future = Future::new(&self.cluster);
        if let Some((delay, in_time)) = Self::due(&state, self.cluster.latency()) {
            future.resolve_after(delay, if in_time { outcome } else { Err(codes::TIMED_OUT) });
        }
        future
    }

    pub(crate) fn read_version(&self) -> Arc<Future> {
        self.answer(|stored| Ok(Value::Number(at_once(stored.read_version())?.0.cast_signed())))
    }

    pub(crate) fn get(&self, key: &[u8], isolation: Isolation) -> Arc<Future> {
        self.answer(|stored| Ok(Value::Stored(at_once(stored.get(key, isolation))?.map(|value| Blob::new(&value)))))
    }

    pub(crate) fn range(&self, begin: &[u8], end: &[u8], wanted: &Wanted) -> Arc<Future> {
        self.answer(|stored| {
            if begin >= end {
                return Ok(Value::Pairs(Pairs::new(std::iter::empty(), false)));
            }
            // First without a conflict, to see how many pairs the bytes are enough for.
            let mut read = RangeRead {
                reverse: wanted.is_reverse,
                limit: wanted.rows,
                isolation: Isolation::Snapshot,
                byte_limit: wanted.bytes,
                ..RangeRead::new(begin, end)
            };
            let page = at_once(stored.range(&read))?;
            let mut bytes = 0;
            let fitting = page.pairs.iter().take_while(|pair| {
                let before = bytes;
                bytes += pair.key.len() + pair.value.len() + PAIR_OVERHEAD;
                wanted.bytes.is_none_or(|most| before < most)
            });
            let rows = fitting.count();
            if page.more || rows < page.pairs.len() {
                read.limit = Some(rows);
                read.byte_limit = None;
            }
            read.isolation = wanted.isolation;
            let page = at_once(stored.range(&read))?;
            let more = page.more;
            Ok(Value::Pairs(Pairs::new(page.pairs.iter().map(|pair| (&*pair.key, &*pair.value)), more)))
        })
    }

    /// Takes a write; one that is refused spoils the transaction.
    pub(crate) fn write(&self, write: impl FnOnce(&Stored, &mut OwnWrites) -> Result<(), Code>) {
        let mut state = self.state();
        let State { stored, own, phase, .. } = &mut *state;
        if let Err(code) = Self::check_phase(phase).and_then(|()| write(stored, own)) {
            state.refused = state.refused.or(Some(code));
        }
    }

    const fn check_phase(phase: &Phase) -> Result<(), Code> {
        match phase {
            Phase::Open => Ok(()),
            Phase::Committing => Err(codes::USED_DURING_COMMIT),
            Phase::Cancelled => Err(codes::TRANSACTION_CANCELLED),
        }
    }

    pub(crate) fn add_read_conflict(&self, begin: &[u8], end: &[u8]) -> Result<(), Code> {
        let state = self.state();
        Self::check(&state)?;
        for (begin, end) in state.own.gaps(begin, end) {
            state.stored.add_read_conflict_range(&begin, &end).map_err(|error| codes::of(&error))?;
        }
        Ok(())
    }

    pub(crate) fn add_write_conflict(&self, begin: &[u8], end: &[u8]) -> Result<(), Code> {
        let state = self.state();
        Self::check(&state)?;
        state.stored.add_write_conflict_range(begin, end).map_err(|error| codes::of(&error))
    }

    pub(crate) fn versionstamp(&self) -> Arc<Future> {
        let future = Future::new(&self.cluster);
        let mut state = self.state();
        match Self::check_phase(&state.phase) {
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
        let stored = state.stored.clone();
        let stamps = std::mem::take(&mut state.stamps);
        self.cluster.maybe_land();
        if stored.is_read_only() {
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
            self.cluster.begin_commit(delay, move || finish(&cluster, stored, in_time, &future, &stamps));
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
        state.stored = self.cluster.database.begin();
        state.own = OwnWrites::default();
        state.phase = phase;
        state.refused = None;
        state.began = Instant::now();
        let stamps = std::mem::take(&mut state.stamps);
        drop(state);
        for stamp in stamps {
            stamp.resolve_after(Duration::ZERO, Err(codes::TRANSACTION_CANCELLED));
        }
    }
}

/// Ends a commit on the network thread.
fn finish(cluster: &Cluster, stored: Stored, in_time: bool, future: &Arc<Future>, stamps: &[Arc<Future>]) {
    let outcome = match cluster.commit_fault() {
        None if in_time => cluster.commit(&stored),
        None => cluster.commit(&stored).and(Err(codes::TIMED_OUT)),
        Some(fault) => {
            match fault.fate {
                Fate::Never => drop(stored),
                Fate::Later => cluster.hold(stored),
                Fate::Done => drop(cluster.commit(&stored)),
            }
            Err(fault.code)
        }
    };
    cluster.commit_ends();
    let stamp = outcome.map(Option::unwrap_or_default);
    for waiting in stamps {
        let stamp = stamp.map_err(|_| codes::TRANSACTION_INVALID_VERSION);
        waiting.resolve(stamp.map(|stamp| Value::Key(Blob::new(stamp.as_bytes()))));
    }
    future.resolve(stamp.map(|_| Value::Nothing));
}

/// A stamped key or value without the place of its stamp, which its last four bytes say.
fn split_offset(bytes: &[u8]) -> Result<(&[u8], usize), Code> {
    let (bytes, offset) = bytes.split_last_chunk::<4>().ok_or(codes::INVALID_OPERATION)?;
    let offset = usize::try_from(u32::from_le_bytes(*offset)).map_err(|_| codes::INVALID_OPERATION)?;
    match offset.checked_add(Versionstamp::LENGTH) {
        Some(end) if end <= bytes.len() => Ok((bytes, offset)),
        _ => Err(codes::INVALID_OPERATION),
    }
}

/// Takes an atomic operation; the client checks sizes with the place of a stamp counted in.
pub(crate) fn atomic(
    stored: &Stored,
    own: &mut OwnWrites,
    key: &[u8],
    operand: &[u8],
    operation: u32,
) -> Result<(), Code> {
    use foundationdb_sys as sys;
    if key.len() > limits::KEY {
        return Err(codes::KEY_TOO_LARGE);
    }
    if operand.len() > limits::VALUE {
        return Err(codes::VALUE_TOO_LARGE);
    }
    let done = match operation {
        sys::FDBMutationType_FDB_MUTATION_TYPE_ADD => {
            let number = i64::from_le_bytes(operand.try_into().map_err(|_| codes::INVALID_OPERATION)?);
            stored.add(key, number)
        }
        sys::FDBMutationType_FDB_MUTATION_TYPE_SET_VERSIONSTAMPED_KEY => {
            let (key, offset) = split_offset(key)?;
            stored.set_versionstamped_key(key.to_vec(), offset, operand)
        }
        sys::FDBMutationType_FDB_MUTATION_TYPE_SET_VERSIONSTAMPED_VALUE => {
            let (value, offset) = split_offset(operand)?;
            own.insert(key, &after(key));
            stored.set_versionstamped_value(key, value.to_vec(), offset)
        }
        _ => return Err(codes::INVALID_MUTATION_TYPE),
    };
    done.map_err(|error| codes::of(&error))
}
