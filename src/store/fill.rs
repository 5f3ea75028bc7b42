//! Filling new indexes, that of a time to live among them, with the rows that existed before them, as a job that any process
//! can go on with.
//!
//! The transaction that adds the indexes leaves the job; each step gives some rows their entries and moves the cursor in
//! one transaction; the last one makes the indexes active, applies the other changes of the request and ends the job. The
//! caller does the steps and waits. If its process dies, maintenance finishes the job once the caller has been silent
//! for a while. Two workers are harmless: their steps conflict over the job. If the changes turn out impossible, the
//! indexes are taken back.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::alter::Changed;
use super::blob::Loaded;
use super::schema::{no_such_table, read_table, write_table};
use super::sweep::Swept;
use super::turn::give_turn;
use super::{Index, IndexStatus, Key, Realm, Store, Table, TableChange, TimeToLive, Transaction};
use crate::error::Error;
use crate::keyspace::{self, JobId, JobKind, TableId};
use crate::kv::{self, Isolation, RangeRead};

const FORMAT: u8 = 1;
/// Rows one step looks at: well within five seconds and ten megabytes.
const ROWS: usize = 200;
/// Steps after which whoever waits for the job is given a turn, to look at signals.
const STEPS_OF_TURN: usize = 16;
/// Bytes of rows one step reads.
const BYTES: usize = 1_000_000;
/// Storage faults endured while an index that could not be filled is taken back.
const ABANDON_ATTEMPTS: usize = 50;
/// How long a worker may be silent, by the database's clock, before maintenance takes over.
pub(super) const SILENCE_MILLIS: i64 = 60_000;

#[derive(serde::Serialize, serde::Deserialize)]
struct Job {
    realm: Realm,
    name: String,
    /// The ids of the indexes to fill, in this order.
    indexes: Vec<u32>,
    /// Which of them is being filled.
    at: usize,
    /// Every row before it has its entry; relative to the table, and none at the beginning.
    cursor: Option<Vec<u8>>,
    /// What else is changed when all are filled.
    changes: Vec<TableChange>,
    /// When the last step was made.
    stepped_millis: i64,
}

/// How many rows an attempt at a step looks at. Where others write much, a large step meets one of their writes every time:
/// each attempt that does halves the next, until one gets through.
pub(super) struct Pace {
    rows: AtomicUsize,
    most: usize,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self::of(ROWS)
    }

    /// At most `most` rows.
    pub(super) const fn of(most: usize) -> Self {
        Self { rows: AtomicUsize::new(most), most }
    }

    pub(super) fn rows_of_attempt(&self) -> usize {
        let rows = self.rows.load(Ordering::Relaxed);
        self.rows.store((rows / 2).max(1), Ordering::Relaxed);
        rows
    }

    /// The last attempt got through: the next step may be twice as large.
    pub(super) fn got_through(&self) {
        let half = self.rows.load(Ordering::Relaxed);
        self.rows.store((half * 4).min(self.most), Ordering::Relaxed);
    }
}

/// What a step left.
pub(super) enum Filling {
    More,
    /// All of it is done, with the definition this made, or as it was found.
    Done(Option<Box<Table>>),
}

/// What one index is filled with.
#[derive(Clone, Copy)]
enum Filled<'a> {
    Index(&'a Index),
    TimeToLive(&'a TimeToLive),
}

impl<'a> Filled<'a> {
    fn of(table: &'a Table, id: u32) -> Option<Self> {
        let index = table.indexes.iter().find(|index| index.id == id).map(Self::Index);
        index.or_else(|| table.time_to_live.as_ref().filter(|found| found.index == id).map(Self::TimeToLive))
    }
}

impl Transaction {
    /// Leaves the job of filling new indexes, which this transaction adds, and of applying `changes` afterwards.
    pub(super) fn leave_to_fill(
        &self,
        table: &Table,
        indexes: &[u32],
        changes: &[TableChange],
    ) -> Result<JobId, Error> {
        let id = JobId { table: TableId(table.id), kind: JobKind::Fill, index: indexes.first().copied().unwrap_or(0) };
        let job = Job {
            realm: table.realm.clone(),
            name: table.name.clone(),
            indexes: indexes.to_vec(),
            at: 0,
            cursor: None,
            changes: changes.to_vec(),
            stepped_millis: self.store().clock().now().millis(),
        };
        self.put_fill_job(id, &job)?;
        Ok(id)
    }

    fn put_fill_job(&self, id: JobId, job: &Job) -> Result<(), Error> {
        Ok(self.kv().set(&self.store().keyspace().job(id), keyspace::encode_versioned_json(FORMAT, job)?)?)
    }
}

impl Store {
    /// Does all of a job; the definition it ends in.
    pub(super) async fn fill_indexes(&self, id: JobId, building: &Table) -> Result<Table, Error> {
        let (realm, name, pace) = (&building.realm, building.name.as_str(), &Pace::new());
        let mut steps = 0_usize;
        loop {
            steps += 1;
            if steps.is_multiple_of(STEPS_OF_TURN) {
                give_turn().await;
            }
            let filling = self.run(|transaction| async move { self.fill_step(&transaction, id, pace).await }).await?;
            pace.got_through();
            match filling {
                Filling::More => {}
                Filling::Done(Some(table)) => {
                    self.0.schemas.forget(realm, name);
                    return Ok(*table);
                }
                // Another worker was faster, or the table has been deleted.
                Filling::Done(None) => {
                    self.0.schemas.forget(realm, name);
                    let table = self.current_table(realm, name).await?;
                    return if table.id == building.id { Ok((*table).clone()) } else { Err(no_such_table()) };
                }
            }
        }
    }

    /// Goes on with a job whose worker has fallen silent, by at most `steps` steps; whether more is to be done.
    pub(super) async fn resume_filling(&self, id: JobId, steps: usize) -> Result<bool, Error> {
        let key = self.keyspace().job(id);
        let Some(value) = self
            .snapshot(|transaction| {
                let key = &key;
                async move { Ok::<_, Error>(transaction.get(key, Isolation::Snapshot).await?) }
            })
            .await?
        else {
            return Ok(false);
        };
        let job: Job = keyspace::decode_versioned_json(FORMAT, &value)?;
        if (self.clock().now().millis() - job.stepped_millis).abs() < SILENCE_MILLIS {
            return Ok(false);
        }
        let pace = &Pace::new();
        for _ in 0..steps {
            match self.step(|transaction| async move { self.fill_step(&transaction, id, pace).await }).await {
                Ok(Some(Filling::More)) => pace.got_through(),
                Ok(Some(Filling::Done(_)) | None) => {
                    self.0.schemas.forget(&job.realm, &job.name);
                    return Ok(false);
                }
                // Storage may do better another time; anything else never will.
                Err(error @ Error::Storage(_)) => return Err(error),
                Err(_) => {
                    self.abandon_filling(id, &job.realm, &job.name).await;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// One bounded step.
    pub(super) async fn fill_step(&self, transaction: &Transaction, id: JobId, pace: &Pace) -> Result<Filling, Error> {
        let key = self.keyspace().job(id);
        let Some(value) = transaction.kv().get(&key, Isolation::Serializable).await? else {
            return Ok(Filling::Done(None));
        };
        let mut job: Job = keyspace::decode_versioned_json(FORMAT, &value)?;
        // The definition may have changed meanwhile (another index, a deletion): what counts is which indexes are there.
        let current =
            read_table(self.keyspace(), transaction.kv(), &job.realm, &job.name, Isolation::Serializable).await?;
        let Some(table) = current.filter(|table| table.id == id.table.0) else {
            transaction.kv().clear(&key)?;
            return Ok(Filling::Done(None));
        };
        let Some(index_id) = job.indexes.get(job.at) else {
            return self
                .finish_filling(transaction, &key, table, &job)
                .await
                .map(|table| Filling::Done(Some(Box::new(table))));
        };
        let next = match Filled::of(&table, *index_id) {
            None => None,
            Some(filled) => {
                self.fill_rows(transaction, &table, filled, job.cursor.as_deref(), pace.rows_of_attempt()).await?
            }
        };
        if next.is_none() {
            job.at += 1;
        }
        job.cursor = next;
        job.stepped_millis = self.clock().now().millis();
        transaction.put_fill_job(id, &job)?;
        Ok(Filling::More)
    }

    /// Gives some rows their entries; where the next step begins, relative to the table, or `None` at the end.
    async fn fill_rows(
        &self,
        transaction: &Transaction,
        table: &Table,
        filled: Filled<'_>,
        cursor: Option<&[u8]>,
        rows: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let space = table.space(self);
        let items = space.items();
        let begin = cursor.map_or(items.begin, |cursor| space.absolute(cursor));
        let page = transaction.kv().range(&RangeRead::new(begin, items.end).limited(rows).byte_limited(BYTES)).await?;
        for group in page.pairs.chunks(super::READS_AT_ONCE) {
            let rows = group.iter().map(|pair| {
                let space = &space;
                async move {
                    let kv = transaction.kv();
                    let stored = Loaded::read(kv, space, pair.value.clone(), Isolation::Serializable).await?;
                    let key =
                        Key::of(&table.key, &stored.item).ok_or_else(|| super::corrupt("a row without its key"))?;
                    match filled {
                        Filled::Index(index) => transaction.backfill_entry(table, space, index, &key, &stored).await,
                        // It is counted nowhere, so that writing it twice does no harm.
                        Filled::TimeToLive(time_to_live) => {
                            transaction.write_expiry(space, time_to_live, &key, None, Some(&stored.item))
                        }
                    }
                }
            });
            futures_util::future::try_join_all(rows).await?;
        }
        let last = page.pairs.last().filter(|_| page.more);
        Ok(last
            .map(|pair| Ok::<_, kv::Error>(space.relative(&keyspace::successor(&pair.key))?.to_vec()))
            .transpose()?)
    }

    async fn finish_filling(
        &self,
        transaction: &Transaction,
        key: &[u8],
        mut table: Table,
        job: &Job,
    ) -> Result<Table, Error> {
        let changed: Vec<&TableChange> = job.changes.iter().collect();
        let mut filled = Changed::default();
        self.apply(transaction, &mut table, &changed, &mut filled).await?;
        for index in table.indexes.iter_mut().filter(|index| job.indexes.contains(&index.id)) {
            index.status = IndexStatus::Active;
        }
        if let Some(time_to_live) = table.time_to_live.as_mut().filter(|found| job.indexes.contains(&found.index)) {
            time_to_live.status = IndexStatus::Active;
        }
        table.version += 1;
        write_table(self.keyspace(), transaction.kv(), &table)?;
        transaction.kv().clear(key)?;
        Ok(table)
    }

    /// Takes back indexes that could not be filled, as if they had never been. If storage fails again and again, the job
    /// stays, and maintenance goes on with it.
    pub(super) async fn abandon_filling(&self, id: JobId, realm: &Realm, name: &str) {
        for _ in 0..ABANDON_ATTEMPTS {
            let outcome =
                self.run(|transaction| async move { self.abandon(&transaction, id, realm, name).await }).await;
            self.0.schemas.forget(realm, name);
            match outcome {
                Err(Error::Storage(kv::Error::Io(_))) => {}
                Err(_) => return,
                Ok(swept) => {
                    for index in swept {
                        self.begin_sweeping(id.table.0, Swept::Index(index)).await;
                    }
                    return;
                }
            }
        }
    }

    /// The indexes taken back.
    async fn abandon(
        &self,
        transaction: &Transaction,
        id: JobId,
        realm: &Realm,
        name: &str,
    ) -> Result<Vec<u32>, Error> {
        let key = self.keyspace().job(id);
        let Some(value) = transaction.kv().get(&key, Isolation::Serializable).await? else { return Ok(Vec::new()) };
        let job: Job = keyspace::decode_versioned_json(FORMAT, &value)?;
        transaction.kv().clear(&key)?;
        let current = read_table(self.keyspace(), transaction.kv(), realm, name, Isolation::Serializable).await?;
        let Some(mut current) = current.filter(|current| current.id == id.table.0) else { return Ok(Vec::new()) };
        let is_unfilled = |index: &Index| job.indexes.contains(&index.id) && index.status == IndexStatus::Creating;
        let mut unfilled: Vec<u32> =
            current.indexes.iter().filter(|index| is_unfilled(index)).map(|index| index.id).collect();
        let is_unfilled_too =
            |found: &TimeToLive| job.indexes.contains(&found.index) && found.status == IndexStatus::Creating;
        if current.time_to_live.as_ref().is_some_and(is_unfilled_too) {
            unfilled.extend(transaction.take_back_time_to_live(&mut current)?);
        }
        for index in &unfilled {
            transaction.leave_to_sweep(current.id, Swept::Index(*index))?;
        }
        current.indexes.retain(|index| !is_unfilled(index));
        current.version += 1;
        write_table(self.keyspace(), transaction.kv(), &current)?;
        Ok(unfilled)
    }
}
