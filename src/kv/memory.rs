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
//! Every lock here is a `fork::Lock`, so a forked child goes on with its private copy. Nothing here waits: no await, no
//! runtime.

use std::ops::Bound::{Excluded, Included};
use std::sync::Arc;

use imbl::OrdMap;

use super::buffer::{Change, Changes, sum};
use super::conflicts::{Footprint, Garbage, Log, ReadSet, Ticket};
use super::embedded::{self, Engine, MachineTime, Pending, Reader};
use super::merge::Pair;
use super::{Bytes, Error, Result, Version, Versionstamp};
use crate::clock::Clock;
use crate::fork::{Guard, Lock};

/// Commits compared with a read set in one go while the lock is held.
const COMMITS_PER_SLICE: usize = 512;

type Map = OrdMap<Bytes, Bytes>;

/// A transaction on the memory engine.
pub(super) type Transaction = embedded::Transaction<Shared>;

/// A database in memory. Clones are the same database.
#[derive(Clone, Debug)]
pub(super) struct Memory(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
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

impl Memory {
    pub(super) fn new(clock: Clock) -> Self {
        Self::with(Map::new(), Version::MIN, clock, MachineTime::new(), false)
    }

    pub(super) fn with_opaque_versions(clock: Clock) -> Self {
        Self::with(Map::new(), Version::MIN, clock, MachineTime::new(), true)
    }

    pub(super) fn ageless(clock: Clock) -> Self {
        Self::with(Map::new(), Version::MIN, clock, MachineTime::standing_still(), false)
    }

    fn with(map: Map, version: Version, clock: Clock, machine: MachineTime, opaque: bool) -> Self {
        let ordered_millis = clock.now().millis();
        let state = Lock::new(State { map, version, ordered_millis, log: Log::new(version) });
        Self(Arc::new(Shared { state, clock, machine, opaque }))
    }

    pub(super) fn begin(&self) -> Transaction {
        Transaction::new(Arc::clone(&self.0))
    }

    /// The twin has a log of its own: no transaction of one side can conflict with the other side.
    pub(super) fn fork(&self, clock: Clock) -> Self {
        let (map, version) = {
            let state = self.0.state.lock();
            (state.map.clone(), state.version)
        };
        Self::with(map, version, clock, MachineTime::new(), self.0.opaque)
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn machine_time(&self) -> &MachineTime {
        &self.0.machine
    }
}

impl Shared {
    /// Takes the lock at a moment at which nothing in `reads` was written since the reader's snapshot.
    fn lock_unless_conflict(&self, reader: &Reader<Self>, reads: &mut ReadSet) -> Result<Guard<'_, State>> {
        let mut checked = reader.version();
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

impl Engine for Shared {
    type View = Map;

    fn view(self: &Arc<Self>, began: u64) -> Result<(Map, Version, Ticket)> {
        let mut state = self.state.lock();
        let version = state.version;
        let ticket = state.log.register(version, began);
        Ok((state.map.clone(), version, ticket))
    }

    fn release(&self, ticket: Ticket) {
        let mut state = self.state.lock();
        let garbage = state.log.release(ticket);
        drop(state);
        drop(garbage);
    }

    fn get(&self, view: &Map, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(view.get(key).map(Arc::clone))
    }

    fn pairs<'v>(
        &self,
        view: &'v Map,
        begin: &[u8],
        end: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<impl Pair + use<'v>>> + use<'v> {
        pairs(view, begin, end).map(Ok)
    }

    fn machine_time(&self) -> &MachineTime {
        &self.machine
    }
}

impl Transaction {
    pub(super) fn commit(&self) -> Result<Option<Versionstamp>> {
        let Some(pending) = self.end()? else { return Ok(None) };
        let shared = self.engine();
        let checked = pending.conflicting_reader()?.is_some();
        let Pending { reader, mut reads, buffer } = pending;
        let mut state = match &reader {
            Some(reader) if checked => shared.lock_unless_conflict(reader, &mut reads)?,
            _ => shared.state.lock(),
        };
        let version = if shared.opaque {
            state.next_opaque_version(&shared.clock)
        } else {
            state.version.following(&shared.clock)?
        };
        let left = reader.and_then(|mut reader| reader.take_ticket()).map(|ticket| state.log.release(ticket));
        let stamp = Versionstamp::new(version, 0);
        let pruned = state.publish(version, buffer.into_changes(stamp), shared.machine.millis());
        drop(state);
        drop((left, pruned));
        Ok(Some(stamp))
    }
}
