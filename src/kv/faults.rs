//! The `faults` engine: the memory engine with failures that a seed decides, to test every layer above.
//!
//! Commits may be refused, or end unknown after they happened, or did not, or while they are still held back: a held
//! commit lands, or is refused by its own conflicts, during some later operation, as on a cluster. Reads may find their
//! snapshot too old; storage may fail. What a fault reports is always true of what was done: an unknown outcome is the only
//! uncertainty. With rates of zero it is the memory engine.
//!
//! Invariant: equal seeds and equal calls give equal faults. It must not know who calls it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::memory::{self, Memory};
use super::{Bytes, Error, Isolation, Page, RangeRead, Result, Version, Versionstamp};
use crate::clock::Clock;
use crate::fork::Lock;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $label:literal,)*) => {
        /// What can happen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

kinds! {
    /// A commit refused as if something it read had been written.
    Conflict: "conflict",
    /// `MaybeCommitted` of a commit that happened.
    UnknownDid: "unknown outcome, committed",
    /// `MaybeCommitted` of a commit that did not.
    UnknownDidNot: "unknown outcome, not committed",
    /// `MaybeCommitsLater` of a commit that already happened.
    LaterDid: "may commit later, had committed",
    /// `MaybeCommitsLater` of a commit that never will happen.
    LaterNever: "may commit later, never does",
    /// `MaybeCommitsLater` of a commit held back. Counted when it lands.
    LaterLands: "may commit later, does",
    /// A held commit that came too late: something it read was written meanwhile. Has no rate of its own.
    LateRefused: "may commit later, refused",
    /// A read whose snapshot is too old.
    TooOld: "read too old",
    /// A read that storage failed.
    ReadFailed: "read failed",
    /// A commit that storage failed, and that did not happen.
    CommitFailed: "commit failed",
}

const KINDS: usize = Kind::ALL.len();

/// The kinds that end a commit, one at most.
const AT_COMMIT: [Kind; 7] = [
    Kind::Conflict,
    Kind::UnknownDid,
    Kind::UnknownDidNot,
    Kind::LaterDid,
    Kind::LaterNever,
    Kind::LaterLands,
    Kind::CommitFailed,
];

/// The kinds that end a read, one at most.
const AT_READ: [Kind; 2] = [Kind::TooOld, Kind::ReadFailed];

/// A seed and how often each kind happens, from 0 (never) to 1.
#[derive(Clone, Debug)]
pub struct Plan {
    seed: u64,
    rates: [f64; KINDS],
    /// How likely each operation lets one held commit land.
    landing: f64,
    /// How likely storage is out after an unknown outcome, and how many reads then fail.
    outage: (f64, u32),
    opaque_versions: bool,
    /// Machine time that a commit with a fault takes.
    fault_millis: u64,
}

impl Plan {
    /// No faults.
    pub const fn none() -> Self {
        Self { seed: 0, rates: [0.0; KINDS], landing: 0.25, outage: (0.0, 0), opaque_versions: false, fault_millis: 0 }
    }

    /// Some of every kind: about a fifth of all commits and two in a hundred reads.
    pub fn seeded(seed: u64) -> Self {
        let plan = Self::none().with_seed(seed);
        let plan = AT_COMMIT.into_iter().fold(plan, |plan, kind| plan.with(kind, 0.03));
        AT_READ.into_iter().fold(plan, |plan, kind| plan.with(kind, 0.01))
    }

    /// The same plan with another seed.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same plan with another rate for one kind.
    #[must_use]
    pub fn with(mut self, kind: Kind, rate: f64) -> Self {
        if let Some(slot) = self.rates.get_mut(kind as usize) {
            *slot = rate;
        }
        self
    }

    /// The same plan with outages: as likely as `rate`, the next `reads` reads after an unknown outcome fail, so that whoever
    /// asks what became of the commit may have to give up.
    #[must_use]
    pub const fn with_outages(mut self, rate: f64, reads: u32) -> Self {
        self.outage = (rate, reads);
        self
    }

    /// The same plan with commit versions that do not tell the time, as a cluster's: about a million a second, more or
    /// fewer, and now and then a leap as after a recovery.
    #[must_use]
    pub const fn with_opaque_versions(mut self) -> Self {
        self.opaque_versions = true;
        self
    }

    /// The same plan with faults of commits that take so long by machine time: nobody waits for it, it is said to have passed.
    #[must_use]
    pub const fn with_slow_faults(mut self, millis: u64) -> Self {
        self.fault_millis = millis;
        self
    }

    pub(super) const fn has_opaque_versions(&self) -> bool {
        self.opaque_versions
    }

    fn rate(&self, kind: Kind) -> f64 {
        self.rates.get(kind as usize).copied().unwrap_or(0.0)
    }
}

/// A database with faults, and its controls. Clones are the same database.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Shared>, bool);

#[derive(Debug)]
struct Shared {
    memory: Memory,
    plan: Plan,
    paused: AtomicBool,
    fired: [AtomicU64; KINDS],
    state: Lock<State>,
}

#[derive(Debug)]
struct State {
    random: fastrand::Rng,
    held: Vec<Arc<memory::Transaction>>,
    /// Reads that are still to fail.
    outage: u32,
}

impl Faults {
    pub(super) fn new(memory: Memory, plan: Plan) -> Self {
        let state = Lock::new(State { random: fastrand::Rng::with_seed(plan.seed), held: Vec::new(), outage: 0 });
        let opaque = plan.opaque_versions;
        let shared = Shared { memory, plan, paused: AtomicBool::new(false), fired: Default::default(), state };
        Self(Arc::new(shared), opaque)
    }

    pub(super) const fn has_opaque_versions(&self) -> bool {
        self.1
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.0.memory
    }

    pub(super) fn begin(&self) -> Transaction {
        self.let_one_land();
        Transaction { faults: self.clone(), inner: Arc::new(self.0.memory.begin()), ended: AtomicBool::new(false) }
    }

    /// The twin goes on with the same plan and a seed of its own; commits held back stay with the original.
    pub(super) fn fork(&self, clock: Clock) -> Self {
        let seed = self.0.state.lock().random.u64(..);
        Self::new(self.0.memory.fork(clock), self.0.plan.clone().with_seed(seed))
    }

    /// No more faults; commits held back stay so until [`Faults::flush`].
    pub fn pause(&self) {
        self.0.paused.store(true, Ordering::SeqCst);
    }

    pub fn resume(&self) {
        self.0.paused.store(false, Ordering::SeqCst);
    }

    /// Lets every commit held back land, or be refused, now.
    pub fn flush(&self) {
        let held = std::mem::take(&mut self.0.state.lock().held);
        for transaction in held {
            self.land(&transaction);
        }
    }

    /// How often each kind happened.
    pub fn fired(&self) -> Vec<(&'static str, u64)> {
        Kind::ALL.iter().zip(&self.0.fired).map(|(kind, count)| (kind.name(), count.load(Ordering::Relaxed))).collect()
    }

    fn count(&self, kind: Kind) {
        if let Some(count) = self.0.fired.get(kind as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_paused(&self) -> bool {
        self.0.paused.load(Ordering::SeqCst)
    }

    /// One of `kinds`, or none, as their rates have it.
    fn draw(&self, kinds: &[Kind]) -> Option<Kind> {
        if self.is_paused() {
            return None;
        }
        let mut drawn = self.0.state.lock().random.f64();
        kinds.iter().copied().find(|kind| {
            drawn -= self.0.plan.rate(*kind);
            drawn < 0.0
        })
    }

    /// After an unknown outcome, storage may be out for a while.
    fn maybe_begin_outage(&self) {
        let (rate, reads) = self.0.plan.outage;
        // Where there are none, none is drawn: equal seeds give what they gave before there were any.
        if rate > 0.0 {
            let mut state = self.0.state.lock();
            if state.random.f64() < rate {
                state.outage = reads;
            }
        }
    }

    /// Whether this read falls into an outage.
    fn is_out(&self) -> bool {
        if self.0.plan.outage.1 == 0 || self.is_paused() {
            return false;
        }
        let mut state = self.0.state.lock();
        let is_out = state.outage > 0;
        state.outage = state.outage.saturating_sub(1);
        is_out
    }

    fn let_one_land(&self) {
        if self.is_paused() {
            return;
        }
        let mut state = self.0.state.lock();
        if state.held.is_empty() || state.random.f64() >= self.0.plan.landing {
            return;
        }
        let count = state.held.len();
        let chosen = state.random.usize(0..count);
        let transaction = state.held.swap_remove(chosen);
        drop(state);
        self.land(&transaction);
    }

    fn land(&self, transaction: &memory::Transaction) {
        self.count(if transaction.commit().is_ok() { Kind::LaterLands } else { Kind::LateRefused });
    }
}

/// A transaction on the faults engine.
pub(super) struct Transaction {
    faults: Faults,
    inner: Arc<memory::Transaction>,
    /// Committed as far as its user can tell, though the inner one may be held back.
    ended: AtomicBool,
}

impl Transaction {
    fn open(&self) -> Result<&memory::Transaction> {
        if self.ended.load(Ordering::SeqCst) { Err(Error::UsedAfterCommit) } else { Ok(&self.inner) }
    }

    /// The transaction, if the read it is needed for is to succeed.
    fn readable(&self) -> Result<&memory::Transaction> {
        let inner = self.open()?;
        self.faults.let_one_land();
        let drawn = if self.faults.is_out() { Some(Kind::ReadFailed) } else { self.faults.draw(&AT_READ) };
        let Some(kind) = drawn else { return Ok(inner) };
        self.faults.count(kind);
        Err(if kind == Kind::TooOld { Error::TooOld } else { Error::Io("injected: read failed".to_owned()) })
    }

    pub(super) fn read_version(&self) -> Result<Version> {
        self.readable()?.read_version()
    }

    pub(super) fn get(&self, key: &[u8], isolation: Isolation) -> Result<Option<Bytes>> {
        self.readable()?.get(key, isolation)
    }

    pub(super) fn range(&self, read: &RangeRead) -> Result<Page> {
        self.readable()?.range(read)
    }

    pub(super) fn set(&self, key: &[u8], value: Bytes) -> Result<()> {
        self.open()?.set(key, value)
    }

    pub(super) fn clear(&self, key: &[u8]) -> Result<()> {
        self.open()?.clear(key)
    }

    pub(super) fn clear_range(&self, begin: &[u8], end: &[u8]) -> Result<()> {
        self.open()?.clear_range(begin, end)
    }

    pub(super) fn add(&self, key: &[u8], delta: i64) -> Result<()> {
        self.open()?.add(key, delta)
    }

    pub(super) fn set_versionstamped_key(&self, key: Vec<u8>, offset: usize, value: Bytes) -> Result<()> {
        self.open()?.set_versionstamped_key(key, offset, value)
    }

    pub(super) fn set_versionstamped_value(&self, key: &[u8], value: Vec<u8>, offset: usize) -> Result<()> {
        self.open()?.set_versionstamped_value(key, value, offset)
    }

    pub(super) fn add_read_conflict_range(&self, begin: &[u8], end: &[u8]) -> Result<()> {
        self.open()?.add_read_conflict_range(begin, end)
    }

    pub(super) fn add_read_conflict_key(&self, key: &[u8]) -> Result<()> {
        self.open()?.add_read_conflict_key(key)
    }

    pub(super) fn add_write_conflict_range(&self, begin: &[u8], end: &[u8]) -> Result<()> {
        self.open()?.add_write_conflict_range(begin, end)
    }

    pub(super) fn size(&self) -> usize {
        self.open().map_or(0, memory::Transaction::size)
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.open().is_ok_and(memory::Transaction::is_read_only)
    }

    pub(super) fn commit(&self) -> Result<Option<Versionstamp>> {
        if self.ended.swap(true, Ordering::SeqCst) {
            return Err(Error::UsedAfterCommit);
        }
        if self.inner.is_read_only() {
            return self.inner.commit();
        }
        self.faults.let_one_land();
        let Some(kind) = self.faults.draw(&AT_COMMIT) else { return self.inner.commit() };
        self.faults.memory().machine_time().skip(self.faults.0.plan.fault_millis);
        if !matches!(kind, Kind::Conflict | Kind::CommitFailed) {
            self.faults.maybe_begin_outage();
        }
        match kind {
            Kind::LaterLands => {
                self.faults.0.state.lock().held.push(Arc::clone(&self.inner));
                return Err(Error::MaybeCommitsLater);
            }
            // A commit that fails by itself says so: only a success can be made to look unknown.
            Kind::UnknownDid | Kind::LaterDid => drop(self.inner.commit()?),
            _ => self.inner.cancel()?,
        }
        self.faults.count(kind);
        Err(match kind {
            Kind::UnknownDid | Kind::UnknownDidNot => Error::MaybeCommitted,
            Kind::LaterDid | Kind::LaterNever => Error::MaybeCommitsLater,
            Kind::CommitFailed => Error::Io("injected: commit failed".to_owned()),
            _ => Error::Conflict,
        })
    }
}
