//! What falls due as time passes: records past their 24 hours, streams, tokens and commit ids that have expired.
//!
//! Readers judge by the clock, so nothing they see depends on when this runs: it only returns space. It runs from
//! the calls that find that a minute of database time has passed, in bounded transactions, so no thread is needed.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::blob::free;
use super::token::{self, ClientToken};
use super::{RECORD_RETENTION_MILLIS, Realm, Store, Stream};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::keyspace::{self, ChangeKind, Position, Record, TableId};
use crate::kv::{Isolation, RangeRead};

/// How often maintenance falls due, in database time.
const INTERVAL_MILLIS: i64 = 60_000;
/// Pairs one maintenance transaction looks at.
const STEP: usize = 1_000;
/// Bytes one maintenance transaction reads.
const STEP_BYTES: usize = 2_000_000;
/// How long the ids of commits with an unknown outcome are kept.
const COMMIT_ID_RETENTION_MILLIS: i64 = 60 * 60 * 1000;

impl Store {
    /// Does what has fallen due, if a minute of database time has passed since the last time. One caller does the
    /// work; others go on.
    pub async fn maintain(&self) -> Result<(), Error> {
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
        let done = self.maintain_now().await;
        if done.is_err() {
            // Due again at the next call, not a minute later.
            self.0.maintained_millis.store(last, Ordering::Relaxed);
        }
        done
    }

    async fn maintain_now(&self) -> Result<(), Error> {
        self.trim_streams().await?;
        self.drop_expired_tokens().await?;
        self.drop_commit_ids().await
    }

    async fn trim_streams(&self) -> Result<(), Error> {
        let oldest = self.clock().now().plus_millis(-RECORD_RETENTION_MILLIS);
        let horizon = self.position_of(self.database().version_at(oldest).await?);
        let mut by_table: BTreeMap<u64, Vec<Stream>> = BTreeMap::new();
        for stream in self.all_streams().await? {
            by_table.entry(stream.table_id).or_default().push(stream);
        }
        for (table_id, streams) in by_table {
            let mut more = true;
            while more {
                more = self
                    .run(|transaction| async move { self.trim_step(&transaction, table_id, horizon).await })
                    .await?;
            }
            let (gone, left): (Vec<_>, Vec<_>) =
                streams.into_iter().partition(|stream| self.is_gone(stream, horizon.version()));
            if !gone.is_empty() {
                self.drop_streams(table_id, &gone, left.is_empty()).await?;
            }
        }
        Ok(())
    }

    async fn all_streams(&self) -> Result<Vec<Stream>, Error> {
        self.snapshot(|transaction| async move {
            let mut range = self.keyspace().all_streams();
            let mut streams = Vec::new();
            loop {
                let read = RangeRead::new(range.begin.clone(), range.end.clone()).snapshot().limited(STEP);
                let page = transaction.range(&read).await?;
                for pair in &page.pairs {
                    let named = self.keyspace().parse_stream(&pair.key)?;
                    let realm = Realm { account: named.account, region: named.region };
                    streams.push(self.decode_stream(&realm, named.table, named.label, &pair.value)?);
                }
                match page.pairs.last() {
                    Some(last) if page.more => range = range.after(&last.key),
                    _ => return Ok(streams),
                }
            }
        })
        .await
    }

    /// Removes some records before `horizon`, and the blobs they own. Whether there may be more.
    async fn trim_step(
        &self,
        transaction: &super::Transaction,
        table_id: u64,
        horizon: Position,
    ) -> Result<bool, Error> {
        let space = self.keyspace().table(TableId(table_id));
        let range = space.records(Position::default(), Some(horizon));
        let read = RangeRead::new(range.begin.clone(), range.end).limited(STEP).byte_limited(STEP_BYTES);
        let page = transaction.kv().range(&read).await?;
        let Some(last) = page.pairs.last() else { return Ok(false) };
        let mut told_last = None;
        for pair in &page.pairs {
            let record = Record::decode(&pair.value)?;
            if let Some(blob) = record.frees {
                free(transaction.kv(), &space, blob)?;
            }
            if record.kind != ChangeKind::Release {
                told_last = Some(space.parse_record(&pair.key)?);
            }
        }
        transaction.kv().clear_range(&range.begin, &keyspace::successor(&last.key))?;
        if let Some(position) = told_last {
            transaction.kv().set(&self.keyspace().trim_mark(TableId(table_id)), &position.to_bytes()[..])?;
        }
        Ok(page.more)
    }

    /// Removes expired streams; with the last one of a deleted table, all that was kept for it.
    async fn drop_streams(&self, table_id: u64, gone: &[Stream], none_left: bool) -> Result<(), Error> {
        self.run(|transaction| async move {
            let space = self.keyspace().table(TableId(table_id));
            let table = transaction.kv().get(&space.metadata_version(), Isolation::Serializable).await?;
            // A table that is still there keeps its last one, which readers no longer see: the releases it writes from now on
            // are found by it, and trimmed.
            let kept = usize::from(table.is_some() && none_left);
            for stream in gone.iter().rev().skip(kept) {
                transaction.kv().clear(&self.stream_key(&stream.realm, &stream.table_name, &stream.label))?;
            }
            if table.is_none() && none_left {
                let range = space.everything();
                transaction.kv().clear_range(&range.begin, &range.end)?;
                transaction.kv().clear(&self.keyspace().trim_mark(TableId(table_id)))?;
            }
            Ok(())
        })
        .await
    }

    async fn drop_expired_tokens(&self) -> Result<(), Error> {
        let now = self.clock().now();
        let mut next = Some(self.keyspace().all_tokens().begin);
        while let Some(begin) = next {
            next = self
                .run(|transaction| {
                    let begin = begin.clone();
                    async move {
                        let read = RangeRead::new(begin, self.keyspace().all_tokens().end).limited(STEP);
                        let page = transaction.kv().range(&read).await?;
                        for pair in &page.pairs {
                            let stored: ClientToken = keyspace::decode_versioned_json(token::FORMAT, &pair.value)?;
                            if stored.is_expired(now) {
                                transaction.kv().clear(&pair.key)?;
                            }
                        }
                        Ok(page.pairs.last().filter(|_| page.more).map(|pair| keyspace::successor(&pair.key)))
                    }
                })
                .await?;
        }
        Ok(())
    }

    async fn drop_commit_ids(&self) -> Result<(), Error> {
        let before = self.clock().now().plus_millis(-COMMIT_ID_RETENTION_MILLIS);
        self.run(|transaction| async move {
            let range = self.keyspace().commit_ids_below(commit_bucket(before));
            Ok(transaction.kv().clear_range(&range.begin, &range.end)?)
        })
        .await
    }
}

/// Commit ids are kept by the minute in which they were made.
pub(super) fn commit_bucket(time: Timestamp) -> u64 {
    u64::try_from(time.millis() / 60_000).unwrap_or_default()
}
