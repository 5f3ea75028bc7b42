//! Commit ids: by what an attempt whose commit ended unknown is found again, and how long they are kept.
//!
//! They lie in buckets of the clock's minutes and are removed an hour later. A clock may leap: in a test, or in another
//! process that uses the same database. So it is written down up to where they have been removed, whoever asks after one of
//! those is told that nobody knows (`kv::retry`), and new ids never get a bucket that is known to be one of them.

use std::sync::atomic::Ordering;

use super::maintenance::minute;
use super::{Store, Transaction};
use crate::clock::Clock;
use crate::error::Error;
use crate::keyspace::{CommitId, Keyspace};
use crate::kv::{self, Isolation};

/// How long the ids of commits with an unknown outcome are kept.
const RETENTION_MILLIS: i64 = 60 * 60 * 1000;

/// The ids of one caller's attempts.
pub(super) struct CommitIds<'a> {
    keyspace: &'a Keyspace,
    clock: &'a Clock,
    /// The first bucket that may be used.
    first: u64,
}

/// The ids of attempts of which no store knows yet what has been removed.
pub(super) fn commit_ids<'a>(keyspace: &'a Keyspace, clock: &'a Clock) -> CommitIds<'a> {
    CommitIds { keyspace, clock, first: 0 }
}

impl kv::CommitIds for CommitIds<'_> {
    fn fresh(&self) -> Vec<u8> {
        let bucket = minute(self.clock.now()).max(self.first);
        self.keyspace.commit_id(CommitId { bucket, id: self.clock.random_u128().to_be_bytes() })
    }

    fn removed(&self) -> Option<Vec<u8>> {
        Some(self.keyspace.removed_commit_ids())
    }
}

impl Store {
    pub(super) fn commit_ids(&self) -> CommitIds<'_> {
        let first = self.0.first_commit_bucket.load(Ordering::Relaxed);
        CommitIds { keyspace: self.keyspace(), clock: self.clock(), first }
    }

    /// Finds out up to where commit ids have been removed: after an outcome stayed unknown, perhaps for that.
    pub(super) async fn look_for_removed_commit_ids(&self) -> Result<(), Error> {
        let key = self.keyspace().removed_commit_ids();
        let read = |transaction: kv::Transaction| {
            let key = &key;
            async move { Ok::<_, Error>(transaction.get(key, Isolation::Snapshot).await?) }
        };
        if let Some(value) = self.snapshot(read).await? {
            let bucket = self.keyspace().parse_removed_commit_ids(&value)?;
            self.0.first_commit_bucket.fetch_max(bucket, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(super) async fn drop_commit_ids(&self) -> Result<(), Error> {
        // Elsewhere there are none.
        if !self.database().outcome_may_be_unknown() {
            return Ok(());
        }
        let bucket = minute(self.clock().now().plus_millis(-RETENTION_MILLIS));
        let step = |transaction: Transaction| async move {
            let (key, range) = (self.keyspace().removed_commit_ids(), self.keyspace().commit_ids_below(bucket));
            let before = transaction.kv().get(&key, Isolation::Serializable).await?;
            if before.is_none_or(|before| *before < *range.end) {
                transaction.kv().set(&key, range.end.clone())?;
            }
            Ok(transaction.kv().clear_range(&range.begin, &range.end)?)
        };
        if self.step(step).await?.is_some() {
            self.0.first_commit_bucket.fetch_max(bucket, Ordering::Relaxed);
        }
        Ok(())
    }
}
