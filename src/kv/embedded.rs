//! The transaction of embedded engines: a snapshot, a buffer of writes and what was read, whatever holds the pairs.
//!
//! An engine gives views of its pairs at its newest version and counts their readers; this file reads through the own
//! writes, remembers what must not change, and hands over what is to be committed. How a commit is ordered,
//! checked and published is the engine's own.
//!
//! Invariants: the view is taken at the first read and given back before the commit is ordered; a snapshot older than
//! the age limit reads nothing. A transaction's own lock is used by its own threads only, so a fork need not wait for it.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::buffer::{Buffer, Read, sum};
use super::conflicts::{ReadSet, Ticket};
use super::merge::Pair;
use super::{Bytes, Error, Isolation, Page, RangeRead, Result, Version, limits};

/// What an embedded engine does for its transactions.
pub(super) trait Engine: Debug + Send + Sync + 'static {
    /// The pairs as they were at one version.
    type View: Debug + Send;

    /// The newest version's pairs, and a place among those who read it; `began` is the machine time.
    fn view(self: &Arc<Self>, began: u64) -> Result<(Self::View, Version, Ticket)>;

    /// Gives a place among the readers back.
    fn release(&self, ticket: Ticket);

    fn get(&self, view: &Self::View, key: &[u8]) -> Result<Option<Bytes>>;

    /// The pairs from `begin` (inclusive) to `end` (exclusive).
    fn pairs<'v>(
        &self,
        view: &'v Self::View,
        begin: &[u8],
        end: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<impl Pair + use<'v, Self>>> + use<'v, Self>;

    fn machine_time(&self) -> &MachineTime;
}

/// Time by the machine, which no database clock moves: snapshots age by it, and patience ends by it. It stands still in this crate's own tests, which
/// move it themselves, so that no test depends on how busy the machine is.
#[derive(Debug)]
pub(super) struct MachineTime {
    /// None if it stands still.
    origin: Option<Instant>,
    skipped: AtomicU64,
}

impl MachineTime {
    pub(super) fn new() -> Self {
        Self { origin: (!cfg!(test)).then(Instant::now), skipped: AtomicU64::new(0) }
    }

    pub(super) const fn standing_still() -> Self {
        Self { origin: None, skipped: AtomicU64::new(0) }
    }

    pub(super) fn millis(&self) -> u64 {
        let elapsed = self.origin.map_or(0, |origin| origin.elapsed().as_millis());
        u64::try_from(elapsed).unwrap_or(u64::MAX).saturating_add(self.skipped.load(Ordering::Relaxed))
    }

    /// As if so much time had passed.
    pub(super) fn skip(&self, millis: u64) {
        self.skipped.fetch_add(millis, Ordering::Relaxed);
    }
}

/// A place among the live readers, given back when dropped.
#[derive(Debug)]
pub(super) struct Reader<E: Engine> {
    engine: Arc<E>,
    ticket: Option<Ticket>,
    version: Version,
    /// Machine time at which the snapshot was taken.
    began: u64,
}

impl<E: Engine> Reader<E> {
    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn check_age(&self) -> Result<()> {
        let age = self.engine.machine_time().millis().saturating_sub(self.began);
        if age > limits::AGE_MILLIS { Err(Error::TooOld) } else { Ok(()) }
    }

    /// The place, for an engine that gives it back under a lock it already holds.
    pub(super) fn take_ticket(&mut self) -> Option<Ticket> {
        self.ticket.take()
    }
}

impl<E: Engine> Drop for Reader<E> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.engine.release(ticket);
        }
    }
}

/// What a transaction sees.
#[derive(Debug)]
struct Snapshot<E: Engine> {
    view: E::View,
    reader: Reader<E>,
}

/// What a transaction wants committed.
#[derive(Debug)]
pub(super) struct Pending<E: Engine> {
    /// None if nothing was read.
    pub(super) reader: Option<Reader<E>>,
    pub(super) reads: ReadSet,
    pub(super) buffer: Buffer,
}

impl<E: Engine> Pending<E> {
    /// The reader whose reads must still hold. Without such reads age does not matter either; as on a cluster.
    pub(super) fn conflicting_reader(&self) -> Result<Option<&Reader<E>>> {
        match &self.reader {
            Some(reader) if !self.reads.is_empty() => reader.check_age().map(|()| Some(reader)),
            _ => Ok(None),
        }
    }
}

/// A transaction on an embedded engine.
#[derive(Debug)]
pub(super) struct Transaction<E: Engine> {
    engine: Arc<E>,
    /// `None` once committed or cancelled.
    open: Mutex<Option<Open<E>>>,
}

#[derive(Debug)]
struct Open<E: Engine> {
    snapshot: Option<Snapshot<E>>,
    buffer: Buffer,
}

impl<E: Engine> Open<E> {
    /// The snapshot, taken now if this is the first read.
    fn snapshot(&mut self, engine: &Arc<E>) -> Result<(&Snapshot<E>, &mut Buffer)> {
        let snapshot = match self.snapshot.take() {
            Some(snapshot) => snapshot,
            None => {
                let began = engine.machine_time().millis();
                let (view, version, ticket) = engine.view(began)?;
                Snapshot { view, reader: Reader { engine: Arc::clone(engine), ticket: Some(ticket), version, began } }
            }
        };
        let snapshot = self.snapshot.insert(snapshot);
        snapshot.reader.check_age()?;
        Ok((snapshot, &mut self.buffer))
    }
}

impl<E: Engine> Transaction<E> {
    pub(super) fn new(engine: Arc<E>) -> Self {
        Self { engine, open: Mutex::new(Some(Open { snapshot: None, buffer: Buffer::default() })) }
    }

    pub(super) fn engine(&self) -> &Arc<E> {
        &self.engine
    }

    fn open(&self) -> MutexGuard<'_, Option<Open<E>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Open<E>) -> Result<T>) -> Result<T> {
        self.open().as_mut().map_or(Err(Error::UsedAfterCommit), work)
    }

    pub(super) fn read_version(&self) -> Result<Version> {
        self.with(|open| Ok(open.snapshot(&self.engine)?.0.reader.version))
    }

    pub(super) fn get(&self, key: &[u8], isolation: Isolation) -> Result<Option<Bytes>> {
        self.with(|open| {
            let read = open.buffer.read(key)?;
            if let Read::Own(value) = read {
                return Ok(value);
            }
            let (snapshot, buffer) = open.snapshot(&self.engine)?;
            buffer.add_key_read(key, isolation);
            let stored = self.engine.get(&snapshot.view, key)?;
            Ok(match read {
                Read::Added(delta) => Some(sum(stored.as_deref(), delta)),
                Read::Own(_) | Read::Stored => stored,
            })
        })
    }

    pub(super) fn range(&self, read: &RangeRead) -> Result<Page> {
        self.with(|open| {
            let (snapshot, buffer) = open.snapshot(&self.engine)?;
            buffer.read_range(read, |begin, end| self.engine.pairs(&snapshot.view, begin, end))
        })
    }

    pub(super) fn set(&self, key: &[u8], value: Bytes) -> Result<()> {
        self.with(|open| open.buffer.set(key, value))
    }

    pub(super) fn clear(&self, key: &[u8]) -> Result<()> {
        self.with(|open| open.buffer.clear(key))
    }

    pub(super) fn clear_range(&self, begin: &[u8], end: &[u8]) -> Result<()> {
        self.with(|open| open.buffer.clear_range(begin, end))
    }

    pub(super) fn add(&self, key: &[u8], delta: i64) -> Result<()> {
        self.with(|open| open.buffer.add(key, delta))
    }

    pub(super) fn set_versionstamped_key(&self, key: Vec<u8>, offset: usize, value: Bytes) -> Result<()> {
        self.with(|open| {
            let read_version = open.snapshot.as_ref().map(|snapshot| snapshot.reader.version);
            open.buffer.set_versionstamped_key(key, offset, value, read_version)
        })
    }

    pub(super) fn set_versionstamped_value(&self, key: &[u8], value: Vec<u8>, offset: usize) -> Result<()> {
        self.with(|open| open.buffer.set_versionstamped_value(key, value, offset))
    }

    pub(super) fn add_read_conflict_range(&self, begin: &[u8], end: &[u8]) -> Result<()> {
        self.with(|open| open.buffer.add_read_conflict_range(begin, end))
    }

    pub(super) fn add_read_conflict_key(&self, key: &[u8]) -> Result<()> {
        self.with(|open| open.buffer.add_read_conflict_key(key))
    }

    pub(super) fn add_write_conflict_range(&self, begin: &[u8], end: &[u8]) -> Result<()> {
        self.with(|open| open.buffer.add_write_conflict_range(begin, end))
    }

    pub(super) fn size(&self) -> usize {
        self.open().as_ref().map_or(0, |open| open.buffer.size())
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.open().as_ref().is_none_or(|open| open.buffer.is_read_only())
    }

    /// Ends the transaction without a commit.
    pub(super) fn cancel(&self) -> Result<()> {
        let open = self.open().take();
        open.map(drop).ok_or(Error::UsedAfterCommit)
    }

    /// Ends the transaction; what is to be committed, unless it is nothing.
    pub(super) fn end(&self) -> Result<Option<Pending<E>>> {
        let Open { snapshot, mut buffer } = self.open().take().ok_or(Error::UsedAfterCommit)?;
        // The view goes first: while it lives, an engine could not change its pairs in place.
        let reader = snapshot.map(|Snapshot { view: _, reader }| reader);
        if buffer.is_read_only() {
            return Ok(None);
        }
        if buffer.size() > limits::TRANSACTION {
            return Err(Error::TransactionTooLarge);
        }
        let reads = buffer.take_reads();
        Ok(Some(Pending { reader, reads, buffer }))
    }
}
