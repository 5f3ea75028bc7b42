//! The face of a database: begins transactions on one of the engines, statically dispatched.
//!
//! Adding an engine is one more variant here and in `transaction`. It must not know how any engine works.

use std::path::Path;
use std::sync::Arc;

use super::disk::{self, Disk, DiskOptions};
use super::embedded::MachineTime;
use super::faults::{self, Faults};
use super::foundationdb::{self, Cluster};
use super::memory::Memory;
use super::transaction::{EngineTransaction, Transaction};
use super::work::Counters;
use super::{Error, Result, Work};
use crate::clock::Clock;

/// A database. Clones are the same database.
#[derive(Clone, Debug)]
pub struct Database {
    engine: Engine,
    pub(super) work: Arc<Counters>,
}

#[derive(Clone, Debug)]
enum Engine {
    Memory(Memory),
    Disk(Disk),
    Faults(Faults),
    FoundationDb(Cluster),
}

impl Database {
    /// An empty database in memory, whose commit versions tell the time of `clock`.
    pub fn memory(clock: Clock) -> Self {
        Self::on(Engine::Memory(Memory::new(clock)))
    }

    /// As [`Database::memory`], but no snapshot is ever too old: for the double of a cluster's client, whose tests must not
    /// depend on how busy the machine is, and fail as they ask to.
    pub fn ageless(clock: Clock) -> Self {
        Self::on(Engine::Memory(Memory::ageless(clock)))
    }

    /// The database in the directory `path`, a new one if there is none; its commit versions tell the time of `clock`, but
    /// never fall behind those of earlier openings.
    ///
    /// # Errors
    /// `Locked` while it is open elsewhere, `Corrupt` when a file is not what was written, `Io`.
    pub fn disk(path: &Path, options: DiskOptions, clock: Clock) -> Result<Self> {
        Ok(Self::on(Engine::Disk(Disk::open(path, options, clock)?)))
    }

    /// An empty database in memory that fails as `plan` says.
    pub fn faults(clock: Clock, plan: faults::Plan) -> Self {
        let memory = if plan.has_opaque_versions() { Memory::with_opaque_versions(clock) } else { Memory::new(clock) };
        Self::on(Engine::Faults(Faults::new(memory, plan)))
    }

    /// The database on a cluster, reached before this returns: it waits on this thread, for as long as `options` say.
    /// `clock` is time and randomness for who asks; the commit versions are the cluster's own.
    ///
    /// # Errors
    /// `Cluster`, which says what is missing.
    pub fn foundationdb(options: &foundationdb::Options, clock: Clock) -> Result<Self> {
        Ok(Self::on(Engine::FoundationDb(Cluster::open(options, clock)?)))
    }

    fn on(engine: Engine) -> Self {
        Self { engine, work: Arc::default() }
    }

    /// Begins a transaction. Its snapshot is taken at its first read, and shows every commit acknowledged before.
    pub fn begin(&self) -> Transaction {
        let engine = match &self.engine {
            Engine::Memory(memory) => EngineTransaction::Memory(memory.begin()),
            Engine::Disk(disk) => EngineTransaction::Disk(disk.begin()),
            Engine::Faults(faults) => EngineTransaction::Faults(faults.begin()),
            Engine::FoundationDb(cluster) => EngineTransaction::FoundationDb(cluster.begin()),
        };
        self.work.transactions.add(1);
        Transaction::new(engine, Arc::clone(&self.work))
    }

    /// A copy of its own, made in constant time, that shares what is stored until either side writes.
    ///
    /// # Errors
    /// `Unsupported` where the engine cannot.
    pub fn fork(&self, clock: Clock) -> Result<Self> {
        Ok(Self::on(match &self.engine {
            Engine::Memory(memory) => Engine::Memory(memory.fork(clock)),
            Engine::Disk(_) => return Err(Error::Unsupported("a fork of a database on disk")),
            Engine::Faults(faults) => Engine::Faults(faults.fork(clock)),
            Engine::FoundationDb(_) => return Err(Error::Unsupported("a cluster cannot be forked")),
        }))
    }

    /// Whether commit versions tell the time, as [`Version::time`](super::Version::time) reads it: if not, whoever needs times keeps a map from versions
    /// to them.
    pub const fn versions_tell_time(&self) -> bool {
        match &self.engine {
            Engine::Memory(_) | Engine::Disk(_) => true,
            Engine::Faults(faults) => !faults.has_opaque_versions(),
            Engine::FoundationDb(_) => false,
        }
    }

    /// Whether several processes may have this database open, so that work nobody asked for needs a lease.
    pub const fn is_shared(&self) -> bool {
        match &self.engine {
            Engine::Memory(_) | Engine::Disk(_) => false,
            Engine::Faults(faults) => faults.has_opaque_versions(),
            Engine::FoundationDb(_) => true,
        }
    }

    /// Whether clearing a range costs the same however much it holds. Where it does not, large ranges are cleared in
    /// bounded steps.
    pub const fn clears_ranges_at_once(&self) -> bool {
        match &self.engine {
            Engine::Memory(_) | Engine::Disk(_) | Engine::Faults(_) => false,
            Engine::FoundationDb(_) => true,
        }
    }

    /// Whether a commit may leave its outcome unknown, so that writers need commit ids.
    pub const fn outcome_may_be_unknown(&self) -> bool {
        match &self.engine {
            Engine::Memory(_) | Engine::Disk(_) => false,
            Engine::Faults(_) | Engine::FoundationDb(_) => true,
        }
    }

    /// The engine's name.
    pub const fn engine(&self) -> &'static str {
        match &self.engine {
            Engine::Memory(_) => "memory",
            Engine::Disk(_) => "disk",
            Engine::Faults(_) => "faults",
            Engine::FoundationDb(_) => "foundationdb",
        }
    }

    /// Where a database outside of the process is found: the directory of one on disk, the cluster file of one on a cluster.
    pub fn path(&self) -> Option<&Path> {
        match &self.engine {
            Engine::Disk(disk) => Some(disk.path()),
            Engine::FoundationDb(cluster) => Some(cluster.file()),
            Engine::Memory(_) | Engine::Faults(_) => None,
        }
    }

    /// Bytes of an unfinished write, left by a crash, that were cut off when a database on disk was opened.
    pub fn torn_bytes(&self) -> Option<u64> {
        match &self.engine {
            Engine::Disk(disk) => Some(disk.torn_bytes()),
            Engine::Memory(_) | Engine::Faults(_) | Engine::FoundationDb(_) => None,
        }
    }

    /// Ends the use of what lies outside the process; further transactions on disk are refused with `Closed`. A database in
    /// memory has nothing to close, and a cluster's client goes on for all its handles until `foundationdb::shut_down`.
    pub fn close(&self) {
        match &self.engine {
            Engine::Disk(disk) => disk.close(),
            Engine::Memory(_) | Engine::Faults(_) | Engine::FoundationDb(_) => {}
        }
    }

    pub fn clock(&self) -> &Clock {
        match &self.engine {
            Engine::Memory(memory) => memory.clock(),
            Engine::Disk(disk) => disk.clock(),
            Engine::Faults(faults) => faults.memory().clock(),
            Engine::FoundationDb(cluster) => cluster.clock(),
        }
    }

    /// What this database did so far. A fork counts from zero.
    pub fn work(&self) -> Work {
        self.work.read()
    }

    /// The controls of a database made by [`Database::faults`].
    pub const fn injected_faults(&self) -> Option<&Faults> {
        match &self.engine {
            Engine::Memory(_) | Engine::Disk(_) | Engine::FoundationDb(_) => None,
            Engine::Faults(faults) => Some(faults),
        }
    }

    /// Waits a little before attempt number `attempt`; embedded engines never leave the thread.
    pub(super) async fn back_off(&self, attempt: u32) {
        match &self.engine {
            Engine::Memory(_) | Engine::Disk(_) | Engine::Faults(_) => {
                // Threads that collided count different retries, so they draw different turns.
                super::retry::yield_for_attempt(attempt, self.work.read().retries);
            }
            Engine::FoundationDb(cluster) => cluster.back_off(attempt).await,
        }
    }

    fn machine_time(&self) -> &MachineTime {
        match &self.engine {
            Engine::Memory(memory) => memory.machine_time(),
            Engine::Disk(disk) => disk.machine_time(),
            Engine::Faults(faults) => faults.memory().machine_time(),
            Engine::FoundationDb(cluster) => cluster.machine_time(),
        }
    }

    /// Machine time in milliseconds since some moment: for durations.
    pub(crate) fn machine_millis(&self) -> u64 {
        self.machine_time().millis()
    }

    /// Lets machine time, by which snapshots age, pass without waiting for it.
    #[cfg(test)]
    pub(crate) fn skip_machine_time(&self, millis: u64) {
        self.machine_time().skip(millis);
    }
}

/// In a forked child: lets go of what belongs to its parent.
pub fn let_go_after_fork() {
    disk::let_go_after_fork();
}
