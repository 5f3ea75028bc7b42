//! What falls due as time passes: records past their 24 hours, streams, tokens and commit ids that have expired, logged changes
//! that no restore can ask for, backups that were to be kept for a time.
//!
//! And the jobs that somebody began and did not finish. Readers judge by the clock, so nothing they see depends on when
//! this runs: it only returns space. It runs from the calls that find that a minute of database time has passed, in
//! bounded transactions, each under the lease where processes share the database, so no thread is needed. `trim` is about
//! records and streams, `expire` about items.

use std::pin::Pin;
use std::sync::atomic::Ordering;

use futures_util::future::try_join_all;

use super::history::LONGEST_KEPT_MILLIS;
use super::token::{self, ClientToken};
use super::{Store, Transaction};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::keyspace::{self, JobId, JobKind};
use crate::kv::{Isolation, RangeRead};

/// How often maintenance falls due, in database time.
const INTERVAL_MILLIS: i64 = 60_000;
/// Jobs one call looks at.
const STEP: usize = 1_000;
/// Tokens one maintenance transaction looks at.
const TOKENS_OF_STEP: usize = 200;
/// Steps of one job that one caller does.
const STEPS_OF_JOB: usize = 32;
/// How much longer samples of the time are kept than the records that ask for them.
const SAMPLES_LONGER_MILLIS: i64 = 60 * 60 * 1000;

impl Store {
    /// Does what has fallen due: items expire once the interval has passed since the last time, everything else once a
    /// minute of database time has. One caller does the work; others go on.
    pub async fn maintain(&self) -> Result<(), Error> {
        self.expire_if_due().await?;
        let now = self.clock().now().millis();
        let last = self.0.maintained_millis.load(Ordering::Relaxed);
        // A clock that was moved back makes maintenance due as well: its next minute counts from there.
        if (now - last).abs() < INTERVAL_MILLIS {
            return Ok(());
        }
        let claimed = self.0.maintained_millis.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        if claimed.is_err() {
            return Ok(());
        }
        let done = apart(|| self.maintain_now()).await;
        if !matches!(done, Ok(true)) {
            // Due again at the next call, not a minute later.
            self.0.maintained_millis.store(last, Ordering::Relaxed);
        }
        done.map(|_| ())
    }

    /// Whether all that was due is done.
    pub(super) async fn maintain_now(&self) -> Result<bool, Error> {
        // Another process's business.
        if self.database().is_shared() && self.step(|_| async { Ok(()) }).await?.is_none() {
            return Ok(true);
        }
        self.trim_streams().await?;
        self.trim_logs().await?;
        self.drop_expired_backups().await?;
        self.drop_expired_tokens().await?;
        self.drop_expired_exchanges().await?;
        self.drop_commit_ids().await?;
        let of_logs = if self.has_logs().await? { LONGEST_KEPT_MILLIS } else { 0 };
        let kept = self.0.options.record_retention_millis.max(of_logs).saturating_add(SAMPLES_LONGER_MILLIS);
        self.drop_samples(self.clock().now().plus_millis(-kept)).await?;
        self.go_on_with_jobs().await
    }

    /// Some steps of the jobs that are left; whether there are none any more.
    async fn go_on_with_jobs(&self) -> Result<bool, Error> {
        let jobs = self
            .snapshot(|transaction| async move {
                let range = self.keyspace().all_jobs();
                let page = transaction.range(&RangeRead::new(range.begin, range.end).snapshot().limited(STEP)).await?;
                Ok::<_, Error>(page.pairs)
            })
            .await?;
        let mut all_done = true;
        for pair in jobs {
            let job = self.keyspace().parse_job(&pair.key)?;
            let more = match job.kind {
                JobKind::Fill => apart(|| self.resume_filling(job, STEPS_OF_JOB)).await?,
                JobKind::Sweep => apart(|| self.go_on_sweeping(job)).await?,
                JobKind::Transfer => apart(|| self.resume_transfer(job, STEPS_OF_JOB)).await?,
            };
            all_done &= !more;
        }
        Ok(all_done)
    }

    async fn go_on_sweeping(&self, job: JobId) -> Result<bool, Error> {
        for _ in 0..STEPS_OF_JOB {
            let step = self.step(|transaction| async move { self.sweep_step(&transaction, job).await }).await?;
            if step != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn drop_expired_tokens(&self) -> Result<(), Error> {
        let now = self.clock().now();
        let step = |transaction: Transaction| async move {
            let range = self.keyspace().token_expiries_before(minute(now));
            let read = RangeRead::new(range.begin.clone(), range.end).limited(TOKENS_OF_STEP);
            let page = transaction.kv().range(&read).await?;
            let Some(last) = page.pairs.last() else { return Ok(false) };
            let expired = page.pairs.iter().map(|pair| {
                let transaction = &transaction;
                async move {
                    let key = self.keyspace().token_of_expiry(&pair.key)?;
                    let Some(value) = transaction.kv().get(&key, Isolation::Serializable).await? else { return Ok(()) };
                    // It may have been used again since, which has left another note.
                    let stored: ClientToken = keyspace::decode_versioned_json(token::FORMAT, &value)?;
                    if stored.is_expired(now) {
                        transaction.kv().clear(&key)?;
                    }
                    Ok::<_, Error>(())
                }
            });
            try_join_all(expired).await?;
            transaction.kv().clear_range(&range.begin, &keyspace::successor(&last.key))?;
            Ok(page.more)
        };
        while self.step(step).await? == Some(true) {}
        Ok(())
    }
}

/// A future on the heap, made there by a function of its own: every operation may come to do what is due, and should neither carry
/// the room for that nor have it on its stack.
#[inline(never)]
fn apart<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}

/// The minute of a time: commit ids and the expiry of tokens are kept by it.
pub(super) fn minute(time: Timestamp) -> u64 {
    u64::try_from(time.millis() / 60_000).unwrap_or_default()
}
