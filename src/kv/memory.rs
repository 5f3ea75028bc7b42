//! The `memory` engine: a persistent ordered map behind a short lock.
//!
//! A snapshot is a clone of the map in constant time, and so is a fork. A transaction buffers its writes and gives
//! its snapshot back before they are applied, so a commit that nobody else reads beside changes the map in place.
//! Commits are ordered by the lock: version, conflict check and publication are one critical section, so
//! what was acknowledged is visible to every later snapshot, and versions are published in order.
//!
//! Conflicts: see `conflicts`. A commit with no other commit since its snapshot checks nothing. A transaction that
//! many commits have passed scans them in slices outside the lock, and only the last slice inside.
//!
//! Every lock here but a transaction's own is a `fork::Lock`, so a forked child goes on with its private copy; a
//! transaction's own lock is used by its own threads only. Nothing here waits: no await, no runtime.

use std::ops::Bound::{Excluded, Included};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use imbl::OrdMap;

use super::buffer::{Buffer, Change, Changes, Read, sum};
use super::conflicts::{Footprint, Garbage, Log, ReadSet, Ticket};
use super::{Bytes, Error, Isolation, Page, RangeRead, Result, Version, Versionstamp, limits};
use crate::clock::Clock;
use crate::fork::{Guard, Lock};

/// Commits compared with a read set in one go while the lock is held.
const COMMITS_PER_SLICE: usize = 512;

type Map = OrdMap<Bytes, Bytes>;

/// A database in memory. Clones are the same database.
#[derive(Clone, Debug)]
pub(super) struct Memory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Lock<State>,
    clock: Clock,
    machine: MachineTime,
    /// Versions rise as a cluster's do, whatever the time: for tests.
    opaque: bool,
}

#[derive(Debug)]
struct State {
    map: Map,
    /// The last commit's version.
    version: Version,
    /// When the last commit got its version, where versions do not tell it.
    ordered_millis: i64,
    log: Log,
}

/// Time by the machine, which no database clock moves: snapshots age by it.
#[derive(Debug)]
struct MachineTime {
    origin: Instant,
    skipped: AtomicU64,
}

impl MachineTime {
    fn new() -> Self {
        Self { origin: Instant::now(), skipped: AtomicU64::new(0) }
    }

    fn millis(&self) -> u64 {
        let elapsed = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        elapsed.saturating_add(self.skipped.load(Ordering::Relaxed))
    }
}

impl Memory {
    pub(super) fn new(clock: Clock) -> Self {
        Self::with(Map::new(), Version::MIN, clock, false)
    }

    pub(super) fn with_opaque_versions(clock: Clock) -> Self {
        Self::with(Map::new(), Version::MIN, clock, true)
    }

    fn with(map: Map, version: Version, clock: Clock, opaque: bool) -> Self {
        let ordered_millis = clock.now().millis();
        let state = Lock::new(State { map, version, ordered_millis, log: Log::new(version) });
        Self(Arc::new(Shared { state, clock, machine: MachineTime::new(), opaque }))
    }

    pub(super) fn begin(&self) -> Transaction {
        let open = Open { snapshot: None, buffer: Buffer::default() };
        Transaction { shared: Arc::clone(&self.0), open: Mutex::new(Some(open)) }
    }

    /// The twin has a log of its own: no transaction of one side can conflict with the other side.
    pub(super) fn fork(&self, clock: Clock) -> Self {
        let (map, version) = {
            let state = self.0.state.lock();
            (state.map.clone(), state.version)
        };
        Self::with(map, version, clock, self.0.opaque)
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    #[cfg(test)]
    pub(super) fn skip_machine_time(&self, millis: u64) {
        self.0.machine.skipped.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Shared {
    fn snapshot(self: &Arc<Self>) -> Snapshot {
        let began = self.machine.millis();
        let mut state = self.state.lock();
        let version = state.version;
        let ticket = state.log.register(version, began);
        let map = state.map.clone();
        drop(state);
        Snapshot { map, reader: Reader { shared: Arc::clone(self), ticket: Some(ticket), version, began } }
    }

    /// Takes the lock at a moment at which nothing in `reads` was written since the reader's snapshot.
    fn lock_unless_conflict(&self, reader: &Reader, reads: &mut ReadSet) -> Result<Guard<'_, State>> {
        let mut checked = reader.version;
        loop {
            let state = self.state.lock();
            if state.version == checked {
                return Ok(state);
            }
            if !reads.is_settled() {
                drop(state);
                reads.settle();
                continue;
            }
            if state.log.has_forgotten(checked) {
                return Err(Error::TooOld);
            }
            if state.log.after(checked).len() <= COMMITS_PER_SLICE {
                let conflict = state.log.after(checked).any(|commit| reads.conflicts_with(commit));
                return if conflict { Err(Error::Conflict) } else { Ok(state) };
            }
            let slice: Vec<Arc<Footprint>> = state.log.after(checked).take(COMMITS_PER_SLICE).map(Arc::clone).collect();
            drop(state);
            for commit in slice {
                if reads.conflicts_with(&commit) {
                    return Err(Error::Conflict);
                }
                checked = commit.version();
            }
        }
    }
}

impl State {
    /// The version of the next commit: the clock's time, unless the clock stands still or went back.
    fn next_version(&self, clock: &Clock) -> Result<Version> {
        if self.version == Version::MAX {
            return Err(Error::Io("the commit versions are used up: the clock was moved to its end".to_owned()));
        }
        // The first commit only lays the database out. It gets the least version, whatever the time, so that a clock
        // that is set back before any use is believed: versions never go back afterwards.
        if self.version == Version::MIN {
            return Ok(self.version.next());
        }
        Ok(self.version.next().max(Version::at(clock.now(), 0)))
    }

    /// About a thousand versions a millisecond and some for the commit itself, seldom a hundred seconds' worth at once.
    fn next_opaque_version(&mut self, clock: &Clock) -> Version {
        let now = clock.now().millis();
        let passed = u64::try_from(now.saturating_sub(self.ordered_millis)).unwrap_or_default();
        self.ordered_millis = now;
        let mut random = fastrand::Rng::with_seed(self.version.0);
        let leap = if random.u8(..) == 0 { 100_000_000 } else { 0 };
        let step = passed.saturating_mul(random.u64(900..1_100)) + random.u64(1..20_000) + leap;
        Version(self.version.0.saturating_add(step))
    }

    fn publish(&mut self, version: Version, changes: Changes, now: u64) -> Garbage {
        let watched = self.log.is_watched(now);
        let mut keys = Vec::with_capacity(if watched { changes.writes.len() } else { 0 });
        for (begin, end) in &changes.cleared {
            clear_range(&mut self.map, begin, end);
        }
        for (key, change) in changes.writes {
            if watched {
                keys.push(Arc::clone(&key));
            }
            match change {
                Change::Clear => {
                    self.map.remove(&*key);
                }
                Change::Set(value) => {
                    self.map.insert(key, value);
                }
                Change::Add(delta) => {
                    let value = sum(self.map.get(&*key).map(|value| &**value), delta);
                    self.map.insert(key, value);
                }
            }
        }
        self.version = version;
        if !watched {
            return self.log.skip(version);
        }
        let mut ranges = changes.cleared;
        ranges.extend(changes.conflicts);
        self.log.push(Footprint::new(version, keys, ranges));
        Garbage::default()
    }
}

fn clear_range(map: &mut Map, begin: &[u8], end: &[u8]) {
    let keys: Vec<Bytes> = pairs(map, begin, end).map(|(key, _)| Arc::clone(key)).collect();
    if keys.len() == map.len() {
        *map = Map::new();
        return;
    }
    for key in keys {
        map.remove(&*key);
    }
}

fn pairs<'a>(
    map: &'a Map,
    begin: &[u8],
    end: &[u8],
) -> impl DoubleEndedIterator<Item = (&'a Bytes, &'a Bytes)> + use<'a> {
    map.range::<_, [u8]>((Included(begin), Excluded(end)))
}

/// A transaction's view of the map.
#[derive(Debug)]
struct Snapshot {
    map: Map,
    reader: Reader,
}

/// A place among the live readers, given back when dropped.
#[derive(Debug)]
struct Reader {
    shared: Arc<Shared>,
    ticket: Option<Ticket>,
    version: Version,
    /// Machine time at which the snapshot was taken.
    began: u64,
}

impl Reader {
    fn check_age(&self) -> Result<()> {
        let age = self.shared.machine.millis().saturating_sub(self.began);
        if age > limits::AGE_MILLIS { Err(Error::TooOld) } else { Ok(()) }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let mut state = self.shared.state.lock();
            let garbage = state.log.release(ticket);
            drop(state);
            drop(garbage);
        }
    }
}

/// A transaction on the memory engine.
#[derive(Debug)]
pub(super) struct Transaction {
    shared: Arc<Shared>,
    /// `None` once committed or cancelled.
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    snapshot: Option<Snapshot>,
    buffer: Buffer,
}

impl Open {
    /// The snapshot, taken now if this is the first read.
    fn snapshot(&mut self, shared: &Arc<Shared>) -> Result<(&Snapshot, &mut Buffer)> {
        let snapshot = self.snapshot.get_or_insert_with(|| shared.snapshot());
        snapshot.reader.check_age()?;
        Ok((snapshot, &mut self.buffer))
    }
}

impl Transaction {
    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
        self.open().as_mut().map_or(Err(Error::UsedAfterCommit), work)
    }

    pub(super) fn read_version(&self) -> Result<Version> {
        self.with(|open| Ok(open.snapshot(&self.shared)?.0.reader.version))
    }

    pub(super) fn get(&self, key: &[u8], isolation: Isolation) -> Result<Option<Bytes>> {
        self.with(|open| {
            let read = open.buffer.read(key)?;
            if let Read::Own(value) = read {
                return Ok(value);
            }
            let (snapshot, buffer) = open.snapshot(&self.shared)?;
            buffer.add_key_read(key, isolation);
            let stored = snapshot.map.get(key);
            Ok(match read {
                Read::Added(delta) => Some(sum(stored.map(|value| &**value), delta)),
                Read::Own(_) | Read::Stored => stored.map(Arc::clone),
            })
        })
    }

    pub(super) fn range(&self, read: &RangeRead) -> Result<Page> {
        self.with(|open| {
            let (snapshot, buffer) = open.snapshot(&self.shared)?;
            buffer.read_range(read, |begin, end| pairs(&snapshot.map, begin, end))
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

    pub(super) fn commit(&self) -> Result<Option<Versionstamp>> {
        let Open { snapshot, mut buffer } = self.open().take().ok_or(Error::UsedAfterCommit)?;
        // The map goes first: while this snapshot lives, the shared map could not be changed in place.
        let reader = snapshot.map(|Snapshot { map: _, reader }| reader);
        if buffer.is_read_only() {
            return Ok(None);
        }
        if buffer.size() > limits::TRANSACTION {
            return Err(Error::TransactionTooLarge);
        }
        let mut reads = buffer.take_reads();
        let mut state = match &reader {
            // Without conflicts to check, age does not matter either; as on a cluster.
            Some(reader) if !reads.is_empty() => {
                reader.check_age()?;
                self.shared.lock_unless_conflict(reader, &mut reads)?
            }
            _ => self.shared.state.lock(),
        };
        let version = if self.shared.opaque {
            state.next_opaque_version(&self.shared.clock)
        } else {
            state.next_version(&self.shared.clock)?
        };
        let left = reader.and_then(|mut reader| reader.ticket.take()).map(|ticket| state.log.release(ticket));
        let stamp = Versionstamp::new(version, 0);
        let pruned = state.publish(version, buffer.into_changes(stamp), self.shared.machine.millis());
        drop(state);
        drop((left, pruned));
        Ok(Some(stamp))
    }
}
