//! The `disk` engine: a directory that keeps its database, with the contract and the speed of an embedded engine.
//!
//! A log-structured merge tree holds the pairs (`tree`), a write-ahead log what the tree may lose (`log`, `frame`), a
//! committer orders and logs commits (`committer`), a thread flushes (`worker`), and one process at a time has the
//! directory (`directory`). An acknowledged commit survives the end of the process; with [`Durability::Fsync`]
//! it is synced first, and survives that of the machine as well (`tests/faults.rs`).
//!
//! Invariants: nothing is published before the log has it; versions rise over restarts, whatever the clock does; a
//! damaged file is an error and never a silent loss. A forked child cannot use what its parent has open: its calls are
//! refused and its copy is left alone.

mod committer;
mod directory;
mod frame;
mod log;
mod manifest;
#[cfg(test)]
mod tests;
mod tree;
mod unflushed;
mod worker;

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use self::committer::{Bench, Promise, Request, Waiting};
pub(super) use self::directory::let_go_after_fork;
use self::directory::{Directory, io, sync_directory};
use self::tree::Tree;
use self::worker::Desk;
use super::conflicts::{Footprint, Log as Commits, Ticket};
use super::embedded::{self, Engine, MachineTime, Pending};
use super::merge::Pair;
use super::transaction::AfterCommit;
use super::{Bytes, Error, Result, Version, Versionstamp};
use crate::clock::Clock;
use crate::fork::{self, Guard, Lock};

/// What a commit that was acknowledged survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, however it ends.
    #[default]
    Buffered,
    /// The end of the machine as well: every round of commits is synced.
    Fsync,
}

impl Durability {
    const fn is_synced(self) -> bool {
        matches!(self, Self::Fsync)
    }
}

/// How a database on disk is opened.
#[derive(Clone, Debug)]
pub struct DiskOptions {
    pub durability: Durability,
    /// Bytes applied to the tree before they are flushed to tables, and the log goes on in a new segment. Up to four times
    /// as much is held in memory, and read again when a database is opened that was not closed.
    pub flush_bytes: u64,
    /// Bytes of tables kept in memory.
    pub cache_bytes: u64,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self { durability: Durability::default(), flush_bytes: 32 * 1024 * 1024, cache_bytes: 64 * 1024 * 1024 }
    }
}

/// A transaction on the disk engine.
pub(super) type Transaction = embedded::Transaction<Shared>;

/// A database in a directory. Clones are the same database; it is closed when the last one goes.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
pub(super) struct Shared {
    directory: Directory,
    tree: Tree,
    state: Lock<State>,
    queue: Mutex<Queue>,
    /// Rings when as many are queued as the thread that commits waits for.
    queued: Condvar,
    bench: Mutex<Bench>,
    desk: Desk,
    options: DiskOptions,
    clock: Clock,
    machine: MachineTime,
    /// The process that opened it, by the forks before it.
    generation: u64,
    /// Bytes of an unfinished write that were cut off when it was opened.
    torn: u64,
}

/// The commits that wait for a round.
#[derive(Debug, Default)]
struct Queue {
    requests: VecDeque<Request>,
    /// How many of them the thread that commits waits for, where there is such a thread.
    wanted: usize,
}

#[derive(Debug)]
struct State {
    /// The last version published.
    version: Version,
    /// Where reads of it are made in the tree.
    sequence: u64,
    log: Commits,
    /// How many read at each place.
    reads: BTreeMap<u64, usize>,
    closed: bool,
}

/// The pairs at one place of the tree, which is kept as long as this lives.
#[derive(Debug)]
pub(super) struct View {
    shared: Arc<Shared>,
    sequence: u64,
}

impl Drop for View {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if let Some(count) = state.reads.get_mut(&self.sequence) {
            *count -= 1;
            if *count == 0 {
                state.reads.remove(&self.sequence);
            }
        }
    }
}

impl Disk {
    /// Opens the database in `path`, or makes a new one if there is none.
    ///
    /// # Errors
    /// `Locked` while another process (or this one) has it open; `Corrupt` for files that are not what was
    /// written; `Io`.
    pub(super) fn open(path: &Path, options: DiskOptions, clock: Clock) -> Result<Self> {
        let directory = Directory::acquire(path)?;
        // What is named here may have been so for a moment only; soon it is what the log is shortened by.
        sync_directory(&directory.tree())?;
        manifest::check(&directory.tree())?;
        // A log stands beside every tree, so that a tree without one is known to have lost it.
        if !directory.tree().join("current").exists() {
            log::Log::prepare(&directory.log())?;
        }
        let tree = Tree::open(&directory.tree(), options.cache_bytes, options.flush_bytes)?;
        let applied = tree.progress()?;
        let mut progress = applied;
        let recovered = log::Log::open(&directory.log(), applied, |round| {
            progress = round.progress;
            replay(&tree, round)
        })?;
        let state = State {
            version: progress.version,
            sequence: tree.newest(),
            log: Commits::new(progress.version),
            reads: BTreeMap::new(),
            closed: false,
        };
        let shared = Arc::new(Shared {
            directory,
            tree,
            state: Lock::new(state),
            queue: Mutex::default(),
            queued: Condvar::new(),
            bench: Mutex::new(Bench { log: recovered.log, progress, company: 0 }),
            desk: Desk::default(),
            options,
            clock,
            machine: MachineTime::new(),
            generation: fork::generation(),
            torn: recovered.torn,
        });
        let disk = Self(Arc::new(Handle { shared, threads: Mutex::default() }));
        disk.0.start("fdyno-flush", Shared::work)?;
        if disk.0.shared.options.durability.is_synced() {
            disk.0.start("fdyno-commit", Shared::commit_all)?;
        }
        let shared = &disk.0.shared;
        if !recovered.earlier.is_empty() {
            // All that was replayed: only when it is flushed may the segments go.
            shared.tree.set_aside();
            shared.desk.order(recovered.earlier);
        }
        shared.set_aside_if_large(&mut shared.bench());
        Ok(disk)
    }

    pub(super) fn begin(&self) -> Transaction {
        Transaction::new(Arc::clone(&self.0.shared))
    }

    /// Ends the use of the database, though others may still hold it: what they do from now on is refused.
    pub(super) fn close(&self) {
        self.0.close();
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.shared.clock
    }

    pub(super) fn path(&self) -> &Path {
        self.0.shared.directory.path()
    }

    /// Bytes of an unfinished write that were cut off when the database was opened.
    pub(super) fn torn_bytes(&self) -> u64 {
        self.0.shared.torn
    }

    pub(super) fn machine_time(&self) -> &MachineTime {
        &self.0.shared.machine
    }
}

/// Applies a round read from the log.
fn replay(tree: &Tree, round: log::Round) -> Result<()> {
    let mut result = BTreeMap::new();
    for step in round.steps {
        match step {
            frame::Step::Set(key, value) => drop(result.insert(key, Some(value))),
            frame::Step::Clear(key) => drop(result.insert(key, None)),
            frame::Step::ClearRange((begin, end)) => {
                for key in tree.keys(&begin, &end, tree.newest()) {
                    result.insert(key?, None);
                }
                for (_, value) in result.range_mut::<Bytes, _>(&begin..&end) {
                    *value = None;
                }
            }
        }
    }
    tree.apply(result.into_iter(), round.progress);
    Ok(())
}

impl Handle {
    fn start(&self, name: &str, life: fn(Arc<Shared>)) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || life(shared));
        let thread = thread.map_err(|error| io("start a thread for", self.shared.directory.path(), &error))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    fn close(&self) {
        if self.shared.generation != fork::generation() {
            return;
        }
        if std::mem::replace(&mut self.shared.state.lock().closed, true) {
            return;
        }
        self.shared.desk.stop();
        // Taken once, so that the thread that commits either sees the database closed or hears the bell.
        drop(self.shared.queue());
        self.shared.queued.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread that panicked has ended as well.
            let _ = thread.join();
        }
        let mut bench = self.shared.bench();
        let round = bench.progress.round;
        // Best effort: all that it says is that the log's end is no torn one.
        let _ = bench.log.close(round);
        self.shared.directory.release();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.shared.generation == fork::generation() {
            self.close();
        } else {
            // The parent's: its locks may be held for ever, and its files are not ours to tidy up. The copy stays.
            std::mem::forget(Arc::clone(&self.shared));
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bench(&self) -> MutexGuard<'_, Bench> {
        self.bench.lock().unwrap_or_else(|poisoned| {
            // A round broke off: what the log has and what the tree has may differ now.
            let mut bench = poisoned.into_inner();
            bench.log.give_up("a commit broke off in the middle because of a defect");
            bench
        })
    }

    /// The state of a database that is open, in the process that opened it.
    fn open_state(&self) -> Result<Guard<'_, State>> {
        if self.generation != fork::generation() {
            return Err(Error::Forked);
        }
        let state = self.state.lock();
        if state.closed { Err(Error::Closed) } else { Ok(state) }
    }

    fn check_open(&self) -> Result<()> {
        self.open_state().map(drop)
    }

    /// The commits since a version, oldest first.
    fn committed_since(&self, version: Version) -> Result<Vec<Arc<Footprint>>> {
        let state = self.state.lock();
        if state.log.has_forgotten(version) {
            return Err(Error::TooOld);
        }
        Ok(state.log.after(version).map(Arc::clone).collect())
    }

    fn give_back(&self, ticket: Option<Ticket>) {
        if let Some(ticket) = ticket {
            self.release(ticket);
        }
    }

    /// The earliest place at which anybody reads or will read.
    fn oldest_read(&self) -> u64 {
        let state = self.state.lock();
        state.reads.keys().next().map_or(state.sequence, |oldest| state.sequence.min(*oldest))
    }

    /// Lets later reads see the tree as the worker has left it, so that its earlier state can be forgotten.
    fn catch_up_with_the_tree(&self) {
        // With the bench held there is no round whose number is taken but which is not yet applied. If it is not to be
        // had, a round is under way, and reads catch up with it.
        if let Ok(_bench) = self.bench.try_lock() {
            self.state.lock().sequence = self.tree.newest();
        }
    }

    /// Queues a commit for the next round.
    fn queue_up(&self, pending: Pending<Self>, after_commit: AfterCommit) -> Result<Waiting> {
        // Before the queue's lock, which a thread of the parent may have held when this process was forked.
        if self.generation != fork::generation() {
            return Err(Error::Forked);
        }
        let mut queue = self.queue();
        // Under the lock that closing takes as well, or the thread that commits might have looked for the last time.
        self.check_open()?;
        let (promise, waiting) = Promise::new(after_commit);
        queue.requests.push_back(Request { pending, promise });
        if self.options.durability.is_synced() && queue.requests.len() >= queue.wanted {
            self.queued.notify_one();
        }
        Ok(waiting)
    }

    /// Sets aside what was applied, if it is much, and goes on in a new segment of the log. If there is no new segment to be
    /// had, it stays as it is, and is tried again after the next round.
    fn set_aside_if_large(&self, bench: &mut Bench) {
        if self.tree.unflushed_bytes() < self.options.flush_bytes {
            return;
        }
        if let Ok(left) = bench.log.rotate(bench.progress) {
            self.tree.set_aside();
            self.desk.order([left]);
        }
    }

    /// The life of the thread that commits, where commits wait for a sync.
    fn commit_all(self: Arc<Self>) {
        let (mut company, mut patience) = (1, Duration::ZERO);
        loop {
            let mut queue = self.queue();
            while queue.requests.is_empty() {
                if self.state.lock().closed {
                    return;
                }
                queue = self.queued.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            // Those who shared the last sync are just being told so: their next commits share the next one if they are
            // waited for, and miss it by a hair if not. Waiting costs at most what missing would: a sync.
            if queue.requests.len() < company {
                queue.wanted = company;
                let waited = self.queued.wait_timeout_while(queue, patience, |queue| queue.requests.len() < company);
                (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
                queue.wanted = 1;
            }
            drop(queue);
            // Those in a round that panics are told by their promises, and those behind them by the log.
            let round = catch_unwind(AssertUnwindSafe(|| {
                let mut bench = self.bench();
                self.make_next_round(&mut bench);
                (bench.company, bench.log.last_sync())
            }));
            (company, patience) = round.unwrap_or_default();
        }
    }
}

impl Engine for Shared {
    type View = View;

    fn view(self: &Arc<Self>, began: u64) -> Result<(View, Version, Ticket)> {
        let mut state = self.open_state()?;
        let (version, sequence) = (state.version, state.sequence);
        let ticket = state.log.register(version, began);
        *state.reads.entry(sequence).or_default() += 1;
        Ok((View { shared: Arc::clone(self), sequence }, version, ticket))
    }

    fn release(&self, ticket: Ticket) {
        let mut state = self.state.lock();
        let garbage = state.log.release(ticket);
        drop(state);
        drop(garbage);
    }

    fn get(&self, view: &View, key: &[u8]) -> Result<Option<Bytes>> {
        self.tree.get(key, view.sequence)
    }

    fn pairs<'v>(
        &self,
        view: &'v View,
        begin: &[u8],
        end: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<impl Pair + use<'v>>> + use<'v> {
        view.shared.tree.pairs(begin, end, view.sequence)
    }

    fn machine_time(&self) -> &MachineTime {
        &self.machine
    }
}

impl Transaction {
    pub(super) async fn commit(&self, after_commit: AfterCommit) -> Result<Option<Versionstamp>> {
        let Some(pending) = self.end()? else {
            after_commit.call();
            return Ok(None);
        };
        let shared = self.engine();
        let waiting = shared.queue_up(pending, after_commit)?;
        if !shared.options.durability.is_synced() {
            // Nothing here waits for a device, so the caller's own thread does it.
            shared.make_rounds();
        }
        waiting.await
    }
}
