//! The face of a transaction: the same methods on every engine, statically dispatched, and the work counted.
//!
//! A handle is cheap to clone and every method takes `&self`, so several reads can wait together. Reads and the
//! commit are async because a cluster's are; the embedded engines' futures are ready at their first poll.

use std::sync::{Arc, Mutex, PoisonError};

use super::work::Counters;
use super::{
    Bytes, Error, Isolation, Page, RangeRead, Result, Version, Versionstamp, disk, faults, foundationdb, memory,
};

/// A transaction. Clones are the same transaction. Dropping it without a commit leaves no trace.
#[derive(Clone)]
pub struct Transaction(Arc<Handle>);

struct Handle {
    engine: EngineTransaction,
    work: Arc<Counters>,
    after_commit: Mutex<AfterCommit>,
}

/// What is to be called once a transaction is known to be committed.
#[derive(Default)]
pub(super) struct AfterCommit(Vec<Box<dyn FnOnce() + Send>>);

impl AfterCommit {
    pub(super) fn call(self) {
        for hook in self.0 {
            hook();
        }
    }
}

impl std::fmt::Debug for AfterCommit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "AfterCommit({})", self.0.len())
    }
}

pub(super) enum EngineTransaction {
    Memory(memory::Transaction),
    Disk(disk::Transaction),
    Faults(faults::Transaction),
    FoundationDb(foundationdb::Transaction),
}

/// Calls the same method on whichever engine it is.
macro_rules! dispatch {
    ($self:ident . $method:ident ( $($argument:expr),* )) => {
        match &$self.0.engine {
            EngineTransaction::Memory(transaction) => transaction.$method($($argument),*),
            EngineTransaction::Disk(transaction) => transaction.$method($($argument),*),
            EngineTransaction::Faults(transaction) => transaction.$method($($argument),*),
            EngineTransaction::FoundationDb(transaction) => transaction.$method($($argument),*),
        }
    };
    // What waits on a cluster.
    ($self:ident . $method:ident ( $($argument:expr),* ) . await) => {
        match &$self.0.engine {
            EngineTransaction::Memory(transaction) => transaction.$method($($argument),*),
            EngineTransaction::Disk(transaction) => transaction.$method($($argument),*),
            EngineTransaction::Faults(transaction) => transaction.$method($($argument),*),
            EngineTransaction::FoundationDb(transaction) => transaction.$method($($argument),*).await,
        }
    };
}

impl Transaction {
    pub(super) fn new(engine: EngineTransaction, work: Arc<Counters>) -> Self {
        Self(Arc::new(Handle { engine, work, after_commit: Mutex::default() }))
    }

    /// Has `hook` called once when this transaction is known to be committed, before whoever waits for the outcome hears of
    /// it, and also if nobody waits for it any more. After any other outcome it is dropped. The thread that commits calls
    /// it, so it must neither wait nor fail.
    pub fn after_commit(&self, hook: impl FnOnce() + Send + 'static) {
        self.0.after_commit.lock().unwrap_or_else(PoisonError::into_inner).0.push(Box::new(hook));
    }

    fn take_after_commit(&self) -> AfterCommit {
        std::mem::take(&mut *self.0.after_commit.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The commit, whose outcome was unknown, turned out to have been made.
    pub(super) fn turned_out_committed(&self) {
        self.take_after_commit().call();
        self.0.work.commits.add(1);
    }

    /// The version of the snapshot this transaction reads: all commits up to it are seen, none after.
    pub async fn read_version(&self) -> Result<Version> {
        dispatch!(self.read_version().await)
    }

    /// The value of `key`, this transaction's own writes included.
    pub async fn get(&self, key: &[u8], isolation: Isolation) -> Result<Option<Bytes>> {
        let work = &self.0.work;
        work.round_trips.add(1);
        work.keys_read.add(1);
        #[cfg(test)]
        super::rounds::wait().await;
        let value = dispatch!(self.get(key, isolation).await)?;
        if let Some(value) = &value {
            work.bytes_read.add(key.len() + value.len());
        }
        Ok(value)
    }

    /// The pairs of a range, this transaction's own writes included. A read ended by a limit conflicts only as
    /// far as it went.
    pub async fn range(&self, read: &RangeRead) -> Result<Page> {
        let work = &self.0.work;
        work.round_trips.add(1);
        #[cfg(test)]
        super::rounds::wait().await;
        let page = dispatch!(self.range(read).await)?;
        work.pairs_read.add(page.pairs.len());
        work.bytes_read.add(page.pairs.iter().map(|pair| pair.key.len() + pair.value.len()).sum());
        Ok(page)
    }

    pub fn set(&self, key: &[u8], value: impl Into<Bytes>) -> Result<()> {
        let value = value.into();
        self.count_write(key.len() + value.len());
        dispatch!(self.set(key, value))
    }

    pub fn clear(&self, key: &[u8]) -> Result<()> {
        self.count_write(key.len());
        dispatch!(self.clear(key))
    }

    /// Clears the keys from `begin` (inclusive) to `end` (exclusive), at the cost of one mutation.
    pub fn clear_range(&self, begin: &[u8], end: &[u8]) -> Result<()> {
        self.count_write(begin.len() + end.len());
        dispatch!(self.clear_range(begin, end))
    }

    /// Adds to a little-endian two's complement number of eight bytes without reading it: an absent value counts
    /// as zero, a shorter one is extended by zeros, a longer one cut.
    pub fn add(&self, key: &[u8], delta: i64) -> Result<()> {
        self.count_write(key.len() + 8);
        dispatch!(self.add(key, delta))
    }

    /// Sets a key whose ten bytes from `offset` on become this commit's versionstamp. No other transaction can
    /// collide with it; until commit, no key it may become can be read by this transaction.
    pub fn set_versionstamped_key(&self, key: Vec<u8>, offset: usize, value: impl Into<Bytes>) -> Result<()> {
        let value = value.into();
        self.count_write(key.len() + value.len());
        dispatch!(self.set_versionstamped_key(key, offset, value))
    }

    /// Sets a value whose ten bytes from `offset` on become this commit's versionstamp. Unreadable until commit.
    pub fn set_versionstamped_value(&self, key: &[u8], value: Vec<u8>, offset: usize) -> Result<()> {
        self.count_write(key.len() + value.len());
        dispatch!(self.set_versionstamped_value(key, value, offset))
    }

    /// Makes this transaction conflict with writes to a range as if it had read it.
    pub fn add_read_conflict_range(&self, begin: &[u8], end: &[u8]) -> Result<()> {
        dispatch!(self.add_read_conflict_range(begin, end))
    }

    pub fn add_read_conflict_key(&self, key: &[u8]) -> Result<()> {
        dispatch!(self.add_read_conflict_key(key))
    }

    /// Makes others conflict with this transaction as if it had written a range.
    pub fn add_write_conflict_range(&self, begin: &[u8], end: &[u8]) -> Result<()> {
        dispatch!(self.add_write_conflict_range(begin, end))
    }

    /// Bytes counted against [`super::limits::TRANSACTION`] so far.
    pub fn size(&self) -> usize {
        dispatch!(self.size())
    }

    /// Whether a commit would write anything or conflict others: if not, it gets no version.
    pub fn is_read_only(&self) -> bool {
        dispatch!(self.is_read_only())
    }

    /// Commits, and returns the versionstamp that all stamped writes of this transaction share; a read-only
    /// transaction has none. The transaction cannot be used afterwards, whatever the outcome.
    ///
    /// # Errors
    /// `Conflict` and `TooOld` were not committed, `MaybeCommitted` and `MaybeCommitsLater` may have been.
    pub async fn commit(&self) -> Result<Option<Versionstamp>> {
        #[cfg(test)]
        super::rounds::wait().await;
        let outcome = match &self.0.engine {
            EngineTransaction::Memory(transaction) => transaction.commit(),
            // Its commits go on when nobody waits for them any more.
            EngineTransaction::Disk(transaction) => transaction.commit(self.take_after_commit()).await,
            EngineTransaction::Faults(transaction) => transaction.commit(),
            EngineTransaction::FoundationDb(transaction) => transaction.commit().await,
        };
        match &outcome {
            Ok(_) => {
                self.take_after_commit().call();
                self.0.work.commits.add(1);
            }
            Err(Error::Conflict) => self.0.work.conflicts.add(1),
            Err(_) => {}
        }
        outcome
    }

    fn count_write(&self, bytes: usize) {
        self.0.work.keys_written.add(1);
        self.0.work.bytes_written.add(bytes);
    }
}
