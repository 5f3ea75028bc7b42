//! The retry loop: runs a body in transactions until its outcome is known, and answers with the attempt that committed.
//!
//! On an engine whose commits may end unknown, each attempt that writes carries its own commit id: it conflicts
//! with writers of the id and writes it as committed. After an unknown outcome a fence transaction looks the id up: if
//! it is there, the attempt committed and its answer stands; if not, the fence writes the id itself, and since the
//! attempt conflicts with that, it can never land any more. Only then does the body run again. Ids are not kept for ever:
//! whoever removes some says up to where, and the outcome of an attempt whose id may be among them stays unknown.
//!
//! Invariants: no answer is returned of an attempt that did not commit, no body runs again while an earlier attempt may still
//! land, or may have, nobody waits much longer than [`PATIENCE_MILLIS`] for a body and as long again for a fence. It must not know what bodies
//! do, nor where commit ids lie.

use std::future::Future;

use super::{Bytes, Database, Error, Isolation, Result, Transaction, Versionstamp};

/// Attempts of a body, or of a fence, before the loop gives up.
const ATTEMPTS: u32 = 1_000;

/// Machine time after which no other attempt of a body, or of a fence, is begun. A cluster that is ill may let each of them wait
/// for half a minute, and whoever called has long given up by then; callers' own time limits are of this order.
const PATIENCE_MILLIS: u64 = 60_000;

/// Storage faults a fence endures; after that the outcome stays unknown.
const FENCE_FAULTS: u32 = 50;

/// Attempts that follow each other at once.
const EAGER_ATTEMPTS: u32 = 4;

/// Value of a commit id: the commit happened; its versionstamp follows.
const COMMITTED: u8 = 1;
/// Value of a commit id: the commit never will happen.
const FENCED: u8 = 0;

/// The ids that attempts carry. Where they lie is the caller's business; a closure gives ids that are never removed.
pub trait CommitIds {
    /// The key of a fresh id, for one attempt.
    fn fresh(&self) -> Vec<u8>;

    /// The key that says by its value which ids may have been removed: those before it. None have as long as it is not there.
    fn removed(&self) -> Option<Vec<u8>> {
        None
    }
}

impl<F: Fn() -> Vec<u8>> CommitIds for F {
    fn fresh(&self) -> Vec<u8> {
        self()
    }
}

/// An error of a body: the loop asks it whether the key-value layer caused it.
pub trait RetryDecision {
    /// The key-value error behind this one, if there is one.
    fn storage_error(&self) -> Option<&Error>;
}

impl RetryDecision for Error {
    fn storage_error(&self) -> Option<&Error> {
        Some(self)
    }
}

enum Attempt {
    Committed(Option<Versionstamp>),
    /// It did not commit and never will.
    Again(Error),
}

/// What a fence finds out.
enum Fate {
    Committed(Versionstamp),
    /// It did not commit and never will.
    Never,
    /// Its id may have been removed.
    Unknown,
}

/// How often, and how long, something has been tried.
struct Patience {
    began: u64,
    attempts: u32,
}

impl Patience {
    fn new(database: &Database) -> Self {
        Self { began: database.machine_millis(), attempts: 0 }
    }

    /// Counts an attempt that failed, and waits before the next one.
    ///
    /// # Errors
    /// `RetryLimit` when there is to be none.
    async fn wait(&mut self, database: &Database, last: Error) -> Result<()> {
        self.attempts += 1;
        if self.attempts >= ATTEMPTS || database.machine_millis().saturating_sub(self.began) >= PATIENCE_MILLIS {
            return Err(Error::RetryLimit { attempts: self.attempts, last: Box::new(last) });
        }
        database.back_off(self.attempts).await;
        Ok(())
    }
}

impl Database {
    /// Runs `body` in a transaction and commits it; after a conflict, a snapshot too old or an unknown outcome that
    /// turns out as not committed, runs it again in a new one. So the body may run more than once and must have no
    /// effect but through its transaction. If it returns an error of its own, nothing is committed.
    ///
    /// `ids` are asked only on engines whose outcome may be unknown.
    ///
    /// # Errors
    /// The body's own, or the first key-value error that cannot be retried; `RetryLimit` after many attempts or a minute.
    /// `MaybeCommitted` only if storage failed again and again while the outcome was looked up, or if that took so long that
    /// the attempt's id may have been removed.
    pub async fn run<T, E, F, Fut>(&self, ids: impl CommitIds, body: F) -> Result<T, E>
    where
        F: Fn(Transaction) -> Fut,
        Fut: Future<Output = Result<T, E>> + Send,
        E: RetryDecision + From<Error>,
    {
        let (answer, _) = self.run_stamped(ids, body).await?;
        Ok(answer)
    }

    /// As [`Database::run`], and tells the versionstamp of the commit: none if nothing was written.
    pub async fn run_stamped<T, E, F, Fut>(&self, ids: impl CommitIds, body: F) -> Result<(T, Option<Versionstamp>), E>
    where
        F: Fn(Transaction) -> Fut,
        Fut: Future<Output = Result<T, E>> + Send,
        E: RetryDecision + From<Error>,
    {
        let mut patience = Patience::new(self);
        loop {
            let transaction = self.begin();
            let failed = match body(transaction.clone()).await {
                Ok(answer) => {
                    let needs_id = self.outcome_may_be_unknown() && !transaction.is_read_only();
                    match self.finish(&transaction, needs_id.then_some(&ids)).await? {
                        Attempt::Committed(stamp) => return Ok((answer, stamp)),
                        Attempt::Again(error) => error,
                    }
                }
                Err(error) => retryable(error)?,
            };
            self.before_another_attempt(&mut patience, failed).await?;
        }
    }

    /// Runs a body that only reads: no commit, no commit id. What it writes is dropped.
    ///
    /// # Errors
    /// As [`Database::run`].
    pub async fn run_read_only<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: Fn(Transaction) -> Fut,
        Fut: Future<Output = Result<T, E>> + Send,
        E: RetryDecision + From<Error>,
    {
        let mut patience = Patience::new(self);
        loop {
            let failed = match body(self.begin()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => retryable(error)?,
            };
            self.before_another_attempt(&mut patience, failed).await?;
        }
    }

    async fn before_another_attempt(&self, patience: &mut Patience, failed: Error) -> Result<()> {
        patience.wait(self, failed).await?;
        self.work.retries.add(1);
        Ok(())
    }

    /// Commits one attempt and finds out what became of it.
    async fn finish(&self, transaction: &Transaction, ids: Option<&impl CommitIds>) -> Result<Attempt> {
        let id = ids.map(|ids| (ids.fresh(), ids.removed()));
        let outcome = match &id {
            None => transaction.commit().await,
            Some((id, _)) => commit_with_id(transaction, id).await,
        };
        match (outcome, &id) {
            (Ok(stamp), _) => Ok(Attempt::Committed(stamp)),
            (Err(error), Some((id, removed))) if error.is_maybe_committed() => {
                let settled = self.settle(id, removed.as_deref(), error).await?;
                if matches!(settled, Attempt::Committed(_)) {
                    transaction.turned_out_committed();
                }
                Ok(settled)
            }
            (Err(error), None) if error.is_maybe_committed() => Err(error),
            (Err(error), _) if error.is_retryable() => Ok(Attempt::Again(error)),
            (Err(error), _) => Err(error),
        }
    }

    /// Finds out whether the attempt with this commit id, which ended in `unknown`, committed, and if not, makes sure that it
    /// never will.
    async fn settle(&self, id: &[u8], removed: Option<&[u8]>, unknown: Error) -> Result<Attempt> {
        let mut patience = Patience::new(self);
        let mut faults = 0;
        loop {
            let failed = match self.fence(id, removed).await {
                Ok(Fate::Committed(stamp)) => return Ok(Attempt::Committed(Some(stamp))),
                Ok(Fate::Never) => return Ok(Attempt::Again(unknown)),
                Ok(Fate::Unknown) => return Err(Error::MaybeCommitted),
                Err(error @ Error::Corrupt(_)) => return Err(error),
                Err(error @ Error::Io(_)) if faults < FENCE_FAULTS => {
                    faults += 1;
                    error
                }
                Err(error) if error.is_retryable() => error,
                Err(_) => return Err(Error::MaybeCommitted),
            };
            if patience.wait(self, failed).await.is_err() {
                return Err(Error::MaybeCommitted);
            }
        }
    }

    /// What became of the attempt with this commit id; if it did not commit, it never will.
    async fn fence(&self, id: &[u8], removed: Option<&[u8]>) -> Result<Fate> {
        let transaction = self.begin();
        if let Some(value) = transaction.get(id, Isolation::Serializable).await? {
            return decode_outcome(&value);
        }
        if let Some(removed) = removed
            && let Some(end) = transaction.get(removed, Isolation::Serializable).await?
            && *id < *end
        {
            return Ok(Fate::Unknown);
        }
        transaction.set(id, [FENCED].as_slice())?;
        transaction.commit().await?;
        Ok(Fate::Never)
    }
}

async fn commit_with_id(transaction: &Transaction, id: &[u8]) -> Result<Option<Versionstamp>> {
    // Fresh by contract, so its value is of no interest, only that nothing writes it between the snapshot and the commit.
    // A body that has read anything has its snapshot, so this waits for nothing.
    transaction.read_version().await?;
    transaction.add_read_conflict_key(id)?;
    let mut value = vec![COMMITTED];
    value.extend_from_slice(Versionstamp::MIN.as_bytes());
    transaction.set_versionstamped_value(id, value, 1)?;
    transaction.commit().await
}

fn decode_outcome(value: &Bytes) -> Result<Fate> {
    match value.split_first() {
        Some((&FENCED, [])) => Ok(Fate::Never),
        Some((&COMMITTED, stamp)) => Versionstamp::from_slice(stamp)
            .map(Fate::Committed)
            .ok_or_else(|| Error::Corrupt("the stamp of a commit id".to_owned())),
        _ => Err(Error::Corrupt("the value of a commit id".to_owned())),
    }
}

/// The key-value error behind an error after which the body runs again; any other is handed back.
fn retryable<E: RetryDecision>(error: E) -> Result<Error, E> {
    match error.storage_error() {
        Some(cause) if cause.is_retryable() => Ok(cause.clone()),
        _ => Err(error),
    }
}

/// Gives other threads a turn, longer and at random with each failed attempt. Never sleeps: whoever won the
/// conflict is already done, and a future of an embedded engine must be ready at its first poll.
pub(super) fn yield_for_attempt(attempt: u32, seed: u64) {
    if attempt <= EAGER_ATTEMPTS {
        return;
    }
    let most = 1_u32 << (attempt - EAGER_ATTEMPTS).min(8);
    for _ in 0..fastrand::Rng::with_seed(seed).u32(1..=most) {
        std::thread::yield_now();
    }
}
