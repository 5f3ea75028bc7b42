//! Sweeping: what a deleted table or index leaves behind, returned in bounded steps.
//!
//! The transaction that makes something unreachable leaves a job. Whoever made it begins the job at once, maintenance
//! finishes it, in whichever process. Each step clears some keys and moves the job's cursor in one transaction, so a
//! process may die between any two. Nothing that is swept can be written any more: every writer has checked the table's
//! version in its transaction. It must not know why things were deleted.

use super::{Store, Transaction};
use crate::error::Error;
use crate::keyspace::{self, IndexId, JobId, JobKind, KeyRange, TableId, TableSpace};
use crate::kv::{Isolation, RangeRead};

const FORMAT: u8 = 1;
/// Pairs one step clears.
const STEP: usize = 1_000;
/// Bytes one step reads to find them.
const STEP_BYTES: usize = 2_000_000;
/// Steps the deleting call itself does before it leaves the rest to maintenance.
const STEPS_AT_ONCE: usize = 32;

/// What is to be swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Swept {
    /// All of a table.
    Everything,
    /// All of a table but its change records and the blobs they point to.
    WithoutStream,
    /// The entries and counters of an index.
    Index(u32),
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Job {
    swept: Swept,
    /// Everything before it is gone; relative to the table.
    cursor: Vec<u8>,
}

impl Swept {
    /// In the order of their keys.
    fn ranges(self, space: &TableSpace) -> Vec<KeyRange> {
        match self {
            Self::Everything => vec![space.everything()],
            Self::WithoutStream => space.without_stream().into(),
            Self::Index(index) => vec![space.counters(IndexId(index)), space.index_entries(IndexId(index))],
        }
    }

    const fn job(self, table: u64) -> JobId {
        let index = match self {
            Self::Everything | Self::WithoutStream => 0,
            Self::Index(index) => index,
        };
        JobId { table: TableId(table), kind: JobKind::Sweep, index }
    }
}

impl Transaction {
    /// Leaves the job of sweeping something that this transaction makes unreachable.
    pub(super) fn leave_to_sweep(&self, table: u64, swept: Swept) -> Result<(), Error> {
        let key = self.store().keyspace().job(swept.job(table));
        Ok(self.kv().set(&key, keyspace::encode_versioned_json(FORMAT, &Job { swept, cursor: Vec::new() })?)?)
    }
}

impl Store {
    /// Begins what was just left. What it does not finish, or storage keeps it from, maintenance does: the deletion
    /// itself is done, whatever happens here.
    pub(super) async fn begin_sweeping(&self, table: u64, swept: Swept) {
        for _ in 0..STEPS_AT_ONCE {
            let step = self.run(|transaction| async move { self.sweep_step(&transaction, swept.job(table)).await });
            if !matches!(step.await, Ok(true)) {
                return;
            }
        }
    }

    /// One step of a job; whether there may be more of it.
    pub(super) async fn sweep_step(&self, transaction: &Transaction, id: JobId) -> Result<bool, Error> {
        let (kv, key, space) = (transaction.kv(), self.keyspace().job(id), self.keyspace().table(id.table));
        let Some(value) = kv.get(&key, Isolation::Serializable).await? else { return Ok(false) };
        let job: Job = keyspace::decode_versioned_json(FORMAT, &value)?;
        if !matches!(job.swept, Swept::Index(_)) && self.is_held(kv, id.table).await? {
            // Something is still being filled from it.
            return Ok(false);
        }
        let (begin, mut pairs, mut bytes) = (space.absolute(&job.cursor), STEP, STEP_BYTES);
        for range in job.swept.ranges(&space) {
            let range = KeyRange::new(range.begin.max(begin.clone()), range.end);
            if range.is_empty() {
                continue;
            }
            if self.database().clears_ranges_at_once() {
                kv.clear_range(&range.begin, &range.end)?;
                continue;
            }
            let read = RangeRead::new(range.begin.clone(), range.end).snapshot().limited(pairs).byte_limited(bytes);
            let page = kv.range(&read).await?;
            let Some(last) = page.pairs.last() else { continue };
            let next = keyspace::successor(&last.key);
            kv.clear_range(&range.begin, &next)?;
            pairs = pairs.saturating_sub(page.pairs.len());
            bytes = bytes.saturating_sub(page.pairs.iter().map(|pair| pair.key.len() + pair.value.len()).sum());
            if page.more || pairs == 0 || bytes == 0 {
                let job = Job { swept: job.swept, cursor: space.relative(&next)?.to_vec() };
                kv.set(&key, keyspace::encode_versioned_json(FORMAT, &job)?)?;
                return Ok(true);
            }
        }
        kv.clear(&key)?;
        Ok(false)
    }
}
