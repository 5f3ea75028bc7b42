//! What a cluster holds: a database in memory, and commits that were held back. It lies in this process, or in one that
//! serves several (`server`).
//!
//! Versions rise by about a million a second, as a cluster's do: the database's clock is frozen, and set before each
//! commit so that the version it gives is the age of the cluster in microseconds. Snapshots do not grow too old by themselves:
//! settings say when they do. It must not know who asks.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use fdyno::clock::{Clock, Timestamp};
use fdyno::kv::{Database, Error, Isolation, RangeRead, Transaction, Versionstamp, limits};

use crate::codes::{self, Code};
use crate::message::{Answer, Ask, Outcome, Wanted};

/// How old a cluster is when it is first asked for.
const FIRST_MICROSECONDS: u128 = 1_000_000_000;

/// How often a commit that is held back lands while something else is done.
const LANDS: f64 = 0.3;

/// What the client counts of a pair besides its bytes.
const PAIR_OVERHEAD: usize = 8;

pub(crate) struct Data {
    database: Database,
    clock: Clock,
    made: Instant,
    held: Mutex<Held>,
}

struct Held {
    random: fastrand::Rng,
    transactions: Vec<Open>,
    /// What became of those that landed: committed, and refused.
    landed: [u64; 2],
}

/// A transaction.
#[derive(Clone)]
pub(crate) struct Open {
    stored: Transaction,
    /// Of a write that was refused: each later operation tells.
    refused: Option<Code>,
}

/// What a future of a database in memory has at its first poll.
fn at_once<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Code> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome.map_err(|error| codes::of(&error)),
        Poll::Pending => Err(codes::INTERNAL_ERROR),
    }
}

const fn isolation(is_snapshot: bool) -> Isolation {
    if is_snapshot { Isolation::Snapshot } else { Isolation::Serializable }
}

impl Data {
    pub(crate) fn new(seed: u64) -> Self {
        let clock = Clock::deterministic(Timestamp(0), 0);
        let database = Database::ageless(clock.clone());
        let held = Held { random: fastrand::Rng::with_seed(seed), transactions: Vec::new(), landed: [0; 2] };
        let data = Self { database, clock, made: Instant::now(), held: Mutex::new(held) };
        // A cluster was written to before anybody sees it, so its versions are not the least there can be.
        for _ in 0..2 {
            let first = data.database.begin();
            let _ = first.add_write_conflict_range(b"", b"\0");
            let _ = data.commit(&first);
        }
        data
    }

    pub(crate) fn begin(&self) -> Open {
        Open { stored: self.database.begin(), refused: None }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is asked. A commit that was held back may land before.
    pub(crate) fn perform(&self, open: &mut Open, ask: &Ask) -> Outcome {
        if ask.is_answered() {
            self.maybe_land();
        }
        if let Some(code) = open.refused {
            return Err(code);
        }
        if ask.is_answered() {
            return self.answer(&open.stored, ask);
        }
        let written = write(&open.stored, ask);
        open.refused = written.err();
        written.map(|()| Answer::Nothing)
    }

    fn answer(&self, stored: &Transaction, ask: &Ask) -> Outcome {
        match ask {
            Ask::ReadVersion => Ok(Answer::Version(at_once(stored.read_version())?.0)),
            Ask::Get { key, is_snapshot } => {
                let value = at_once(stored.get(&key.0, isolation(*is_snapshot)))?;
                Ok(Answer::Value(value.map(|value| (*value).into())))
            }
            Ask::Range { begin, end, wanted } => range(stored, &begin.0, &end.0, wanted),
            Ask::Commit => Ok(Answer::Stamp(self.commit(stored)?.map(|stamp| *stamp.as_bytes()))),
            _ => Err(codes::INVALID_OPERATION),
        }
    }

    /// Commits at the version that is due now.
    fn commit(&self, transaction: &Transaction) -> Result<Option<Versionstamp>, Code> {
        let microseconds = FIRST_MICROSECONDS + self.made.elapsed().as_micros();
        let millis = i64::try_from(microseconds >> 16).unwrap_or(i64::MAX);
        // Another thread may have set it further already; versions rise all the same.
        self.clock.travel_to(Timestamp(millis));
        at_once(transaction.commit())
    }

    /// Keeps a transaction that is to commit while something else is done.
    pub(crate) fn hold(&self, open: Open) {
        self.held().transactions.push(open);
    }

    pub(crate) fn land_all(&self) {
        let transactions = std::mem::take(&mut self.held().transactions);
        for open in transactions {
            self.land(open);
        }
    }

    fn maybe_land(&self) {
        let mut held = self.held();
        if held.transactions.is_empty() || held.random.f64() >= LANDS {
            return;
        }
        let many = held.transactions.len();
        let place = held.random.usize(..many);
        let open = held.transactions.swap_remove(place);
        drop(held);
        self.land(open);
    }

    fn land(&self, mut open: Open) {
        let is_refused = self.land_now(&mut open).is_err();
        self.held().landed[usize::from(is_refused)] += 1;
    }

    fn land_now(&self, open: &mut Open) -> Result<(), Code> {
        open.refused.map_or(Ok(()), Err)?;
        self.commit(&open.stored).map(|_| ())
    }

    /// How many that were held back have landed, and how many were refused then.
    pub(crate) fn landed(&self) -> [u64; 2] {
        self.held().landed
    }
}

fn range(stored: &Transaction, begin: &[u8], end: &[u8], wanted: &Wanted) -> Outcome {
    if begin >= end {
        return Ok(Answer::Pairs { pairs: Vec::new(), more: false });
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
    read.isolation = isolation(wanted.is_snapshot);
    let page = at_once(stored.range(&read))?;
    let pairs = page.pairs.iter().map(|pair| ((*pair.key).into(), (*pair.value).into()));
    Ok(Answer::Pairs { pairs: pairs.collect(), more: page.more })
}

fn write(stored: &Transaction, ask: &Ask) -> Result<(), Code> {
    let done = match ask {
        Ask::Set { key, value } => stored.set(&key.0, value.0.as_slice()),
        Ask::Clear { key } => stored.clear(&key.0),
        Ask::ClearRange { begin, end } => stored.clear_range(&begin.0, &end.0),
        Ask::Atomic { key, operand, operation } => return atomic(stored, &key.0, &operand.0, *operation),
        Ask::ReadConflict { begin, end } => stored.add_read_conflict_range(&begin.0, &end.0),
        Ask::WriteConflict { begin, end } => stored.add_write_conflict_range(&begin.0, &end.0),
        Ask::ReadVersion | Ask::Get { .. } | Ask::Range { .. } | Ask::Commit => return Err(codes::INVALID_OPERATION),
    };
    done.map_err(|error| codes::of(&error))
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
fn atomic(stored: &Transaction, key: &[u8], operand: &[u8], operation: u32) -> Result<(), Code> {
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
            stored.set_versionstamped_value(key, value.to_vec(), offset)
        }
        _ => return Err(codes::INVALID_MUTATION_TYPE),
    };
    done.map_err(|error| codes::of(&error))
}
