//! The retry loop: runs a body in transactions until its outcome is known, and answers with the attempt that committed.
//!
//! On an engine whose commits may end unknown, each attempt that writes carries its own commit id: it conflicts
//! with writers of the id and writes it as committed. After an unknown outcome a fence transaction looks the id up: if
//! it is there, the attempt committed and its answer stands; if not, the fence writes the id itself, and since the
//! attempt conflicts with that, it can never land any more. Only then does the body run again.
//!
//! Invariants: no answer is returned of an attempt that did not commit, no body runs again while an earlier attempt may still
//! land. It must not know what bodies do, nor where commit ids lie.

use std::future::Future;

use super::{Bytes, Database, Error, Isolation, Result, Transaction, Versionstamp};

/// Attempts of a body, or of a fence, before the loop gives up.
const ATTEMPTS: u32 = 1_000;

/// Storage faults a fence endures; after that the outcome stays unknown.
const FENCE_FAULTS: u32 = 50;

/// Attempts that follow each other at once.
const EAGER_ATTEMPTS: u32 = 4;

/// Value of a commit id: the commit happened; its versionstamp follows.
const COMMITTED: u8 = 1;
/// Value of a commit id: the commit never will happen.
const FENCED: u8 = 0;

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
    Again,
}

impl Database {
    /// Runs `body` in a transaction and commits it; after a conflict, a snapshot too old or an unknown outcome that
    /// turns out as not committed, runs it again in a new one. So the body may run more than once and must have no
    /// effect but through its transaction. If it returns an error of its own, nothing is committed.
    ///
    /// `commit_id` gives a fresh key for each attempt; it is asked only on engines whose outcome may be unknown.
    ///
    /// # Errors
    /// The body's own, or the first key-value error that cannot be retried; `RetryLimit` after many attempts.
    /// `MaybeCommitted` only if storage failed again and again while the outcome was looked up.
    pub async fn run<T, E, F, Fut>(&self, commit_id: impl Fn() -> Vec<u8>, body: F) -> Result<T, E>
    where
        F: Fn(Transaction) -> Fut,
        Fut: Future<Output = Result<T, E>> + Send,
        E: RetryDecision + From<Error>,
    {
        let (answer, _) = self.run_stamped(commit_id, body).await?;
        Ok(answer)
    }

    /// As [`Database::run`], and tells the versionstamp of the commit: none if nothing was written.
    pub async fn run_stamped<T, E, F, Fut>(
        &self,
        commit_id: impl Fn() -> Vec<u8>,
        body: F,
    ) -> Result<(T, Option<Versionstamp>), E>
    where
        F: Fn(Transaction) -> Fut,
        Fut: Future<Output = Result<T, E>> + Send,
        E: RetryDecision + From<Error>,
    {
        for attempt in 0..ATTEMPTS {
            self.before_attempt(attempt).await;
            let transaction = self.begin();
            let answer = match body(transaction.clone()).await {
                Ok(answer) => answer,
                Err(error) if is_retryable(&error) => continue,
                Err(error) => return Err(error),
            };
            let needs_id = self.outcome_may_be_unknown() && !transaction.is_read_only();
            match self.finish(&transaction, needs_id.then(&commit_id)).await? {
                Attempt::Committed(stamp) => return Ok((answer, stamp)),
                Attempt::Again => {}
            }
        }
        Err(E::from(Error::RetryLimit(ATTEMPTS)))
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
        for attempt in 0..ATTEMPTS {
            self.before_attempt(attempt).await;
            match body(self.begin()).await {
                Err(error) if is_retryable(&error) => {}
                outcome => return outcome,
            }
        }
        Err(E::from(Error::RetryLimit(ATTEMPTS)))
    }

    async fn before_attempt(&self, attempt: u32) {
        if attempt > 0 {
            self.work.retries.add(1);
            self.back_off(attempt).await;
        }
    }

    /// Commits one attempt and finds out what became of it.
    async fn finish(&self, transaction: &Transaction, commit_id: Option<Vec<u8>>) -> Result<Attempt> {
        let outcome = match &commit_id {
            None => transaction.commit().await,
            Some(id) => commit_with_id(transaction, id).await,
        };
        match (outcome, &commit_id) {
            (Ok(stamp), _) => Ok(Attempt::Committed(stamp)),
            (Err(error), Some(id)) if error.is_maybe_committed() => {
                let settled = self.settle(id).await?;
                if matches!(settled, Attempt::Committed(_)) {
                    transaction.turned_out_committed();
                }
                Ok(settled)
            }
            (Err(error), None) if error.is_maybe_committed() => Err(error),
            (Err(error), _) if error.is_retryable() => Ok(Attempt::Again),
            (Err(error), _) => Err(error),
        }
    }

    /// Finds out whether the attempt with this commit id committed, and if not, makes sure that it never will.
    async fn settle(&self, id: &[u8]) -> Result<Attempt> {
        let mut faults = 0;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                self.back_off(attempt).await;
            }
            match self.fence(id).await {
                Ok(attempt) => return Ok(attempt),
                Err(Error::Io(_)) if faults < FENCE_FAULTS => faults += 1,
                Err(error) if error.is_retryable() => {}
                Err(error @ Error::Corrupt(_)) => return Err(error),
                Err(_) => return Err(Error::MaybeCommitted),
            }
        }
        Err(Error::MaybeCommitted)
    }

    async fn fence(&self, id: &[u8]) -> Result<Attempt> {
        let transaction = self.begin();
        if let Some(value) = transaction.get(id, Isolation::Serializable).await? {
            return decode_outcome(&value);
        }
        transaction.set(id, [FENCED].as_slice())?;
        transaction.commit().await?;
        Ok(Attempt::Again)
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

fn decode_outcome(value: &Bytes) -> Result<Attempt> {
    match value.split_first() {
        Some((&FENCED, [])) => Ok(Attempt::Again),
        Some((&COMMITTED, stamp)) => Versionstamp::from_slice(stamp)
            .map(|stamp| Attempt::Committed(Some(stamp)))
            .ok_or_else(|| Error::Corrupt("the stamp of a commit id".to_owned())),
        _ => Err(Error::Corrupt("the value of a commit id".to_owned())),
    }
}

fn is_retryable<E: RetryDecision>(error: &E) -> bool {
    error.storage_error().is_some_and(Error::is_retryable)
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
