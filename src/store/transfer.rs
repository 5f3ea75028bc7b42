//! Filling a new table, or a backup, with the items of another, as a job that any process can go on with.
//!
//! The transaction that makes the new one leaves the job. Each step reads a page of the source as it was at the job's
//! beginning, writes its items through the one write path and moves the cursor, in one transaction; the last one shows what was
//! filled and ends the job. A source that goes on being written to is *held*: its changes are logged, and not trimmed, and
//! nothing of it is swept, until the job ends; the hold's key says up to where the source's commits belong to what is read. A
//! backup is written to by nobody and needs no hold. The caller does the steps and waits; if its process dies, maintenance goes on once it
//! has been silent for a while. Two workers are harmless: their steps conflict over the job.

use serde::{Deserialize, Serialize};

use futures_util::future::try_join_all;

use super::backup::BackupId;
use super::fill::{Pace, SILENCE_MILLIS};
use super::history::read_place;
use super::past::read_past;
use super::schema::{count_change, read_any_table, read_definition, write_table};
use super::sweep::Swept;
use super::turn::give_turn;
use super::{Actor, Change, Key, Realm, Store, Table, Transaction, corrupt};
use crate::error::Error;
use crate::keyspace::{self, JobId, JobKind, Position, TableId};
use crate::kv::{self, Isolation};

const FORMAT: u8 = 1;
/// Items of one step, and their bytes.
const ITEMS: usize = 200;
const BYTES: usize = 1_000_000;
/// Items that are read and written together.
const TOGETHER: usize = 10;
/// A step that has written so much ends: with all index entries and conflicts, ten more items still fit into a transaction.
const STEP_BYTES: usize = 3_000_000;
/// Steps after which whoever waits is given a turn, to look at signals.
const STEPS_OF_TURN: usize = 16;
/// Storage faults endured while what could not be filled is taken back.
const ABANDON_ATTEMPTS: usize = 50;

/// What a new table or a backup is filled from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TransferSource {
    pub(super) table: u64,
    /// The realm and the name of one that is held.
    pub(super) held: Option<(Realm, String)>,
}

/// What is filled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Target {
    Backup(BackupId),
    /// By its name, and the backup that it is restored from.
    Table(Realm, String, Option<BackupId>),
}

#[derive(Serialize, Deserialize)]
struct Job {
    source: TransferSource,
    target: Target,
    /// Everything before it has been written; relative to the table, and none at the beginning.
    cursor: Option<Vec<u8>>,
    /// There is nothing more to write.
    is_filled: bool,
    /// When the last step was made.
    stepped_millis: i64,
}

impl Transaction {
    /// Leaves the job of filling `target`, whose definition lies under `id`, which this transaction makes.
    pub(super) fn leave_to_transfer(
        &self,
        id: TableId,
        source: TransferSource,
        target: Target,
    ) -> Result<JobId, Error> {
        let id = JobId { table: id, kind: JobKind::Transfer, index: 0 };
        let stepped_millis = self.store().clock().now().millis();
        self.put_transfer(id, &Job { source, target, cursor: None, is_filled: false, stepped_millis })?;
        Ok(id)
    }

    fn put_transfer(&self, id: JobId, job: &Job) -> Result<(), Error> {
        Ok(self.kv().set(&self.store().keyspace().job(id), keyspace::encode_versioned_json(FORMAT, job)?)?)
    }

    /// Holds a table's past for the table `holder`: everything before `place`, or before this commit if there is none. The
    /// caller writes the definition.
    pub(super) fn hold(&self, table: &mut Table, holder: TableId, place: Option<Position>) -> Result<(), Error> {
        self.hold_unlinked(table.id, holder, place)?;
        table.holders.push(holder.0);
        self.note_log(table.id)
    }

    /// As [`Transaction::hold`], of a table that this transaction deletes.
    pub(super) fn hold_unlinked(&self, table: u64, holder: TableId, place: Option<Position>) -> Result<(), Error> {
        let key = self.store().keyspace().hold(TableId(table), holder);
        match place {
            Some(place) => Ok(self.kv().set(&key, &place.previous().to_bytes()[..])?),
            None => {
                let (value, offset) = Position::to_be_stamped(self.store().0.incarnation);
                Ok(self.kv().set_versionstamped_value(&key, value, offset)?)
            }
        }
    }
}

impl Store {
    /// Whether the job with this value restores a table.
    pub(super) fn is_restore(&self, value: &[u8]) -> Result<bool, Error> {
        let job: Job = keyspace::decode_versioned_json(FORMAT, value)?;
        Ok(matches!(job.target, Target::Table(..)))
    }

    /// Whether something is being filled from a table as it was.
    pub(super) async fn is_held(&self, kv: &kv::Transaction, table: TableId) -> Result<bool, Error> {
        Ok(!kv.range(&self.keyspace().holds(table).into_read().limited(1)).await?.pairs.is_empty())
    }

    /// Does all of a job. If that does not succeed, what was to be filled is taken back.
    pub(super) async fn transfer(&self, id: JobId) -> Result<(), Error> {
        let done = self.go_on_with_transfer(id).await;
        if done.is_err() {
            self.abandon_transfer(id).await;
        }
        done
    }

    /// Does all of a job, or leaves it to maintenance.
    pub(super) async fn go_on_with_transfer(&self, id: JobId) -> Result<(), Error> {
        let (pace, mut steps) = (&Pace::of(ITEMS), 0_usize);
        while self.run(|transaction| async move { self.transfer_step(&transaction, id, pace).await }).await? {
            pace.got_through();
            steps += 1;
            if steps.is_multiple_of(STEPS_OF_TURN) {
                give_turn().await;
            }
        }
        Ok(())
    }

    /// Goes on with a job whose worker has fallen silent, by at most `steps` steps; whether more is to be done.
    pub(super) async fn resume_transfer(&self, id: JobId, steps: usize) -> Result<bool, Error> {
        let Some(job) = self
            .snapshot(|transaction| async move { self.read_transfer(&transaction, id, Isolation::Snapshot).await })
            .await?
        else {
            return Ok(false);
        };
        if (self.clock().now().millis() - job.stepped_millis).abs() < SILENCE_MILLIS {
            return Ok(false);
        }
        let pace = &Pace::of(ITEMS);
        for _ in 0..steps {
            match self.step(|transaction| async move { self.transfer_step(&transaction, id, pace).await }).await {
                Ok(Some(true)) => pace.got_through(),
                Ok(Some(false) | None) => return Ok(false),
                // Storage may do better another time; anything else never will.
                Err(error @ Error::Storage(_)) => return Err(error),
                Err(_) => {
                    self.abandon_transfer(id).await;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    async fn read_transfer(&self, kv: &kv::Transaction, id: JobId, isolation: Isolation) -> Result<Option<Job>, Error> {
        let value = kv.get(&self.keyspace().job(id), isolation).await?;
        Ok(value.map(|value| keyspace::decode_versioned_json(FORMAT, &value)).transpose()?)
    }

    /// One bounded step; whether there is more to do.
    pub(super) async fn transfer_step(&self, transaction: &Transaction, id: JobId, pace: &Pace) -> Result<bool, Error> {
        let kv = transaction.kv();
        let Some(mut job) = self.read_transfer(kv, id, Isolation::Serializable).await? else { return Ok(false) };
        let target = read_definition(self.keyspace(), kv, id.table, Isolation::Serializable).await?;
        let target = target.ok_or_else(|| corrupt("the definition of what is being filled"))?;
        if job.is_filled {
            self.finish_transfer(transaction, id, &job, target).await?;
            return Ok(false);
        }
        let source = TableId(job.source.table);
        let before = match &job.source.held {
            None => None,
            Some(_) => {
                let held = read_place(kv, &self.keyspace().hold(source, id.table), Isolation::Serializable).await?;
                Some(held.ok_or_else(|| corrupt("a hold"))?.next())
            }
        };
        let (space, bounds) = (self.keyspace().table(source), (pace.rows_of_attempt(), BYTES));
        let mut page = read_past(kv, &space, before, job.cursor.as_deref(), bounds).await?;
        for group in page.items.chunks(TOGETHER) {
            let keys = group
                .iter()
                .map(|past| Key::of(&target.key, &past.item).ok_or_else(|| corrupt("an item without its key")));
            let keys = keys.collect::<Result<Vec<Key>, Error>>()?;
            let rows = try_join_all(keys.iter().map(|key| transaction.row(&target, key))).await?;
            for (past, row) in group.iter().zip(rows) {
                transaction.write(&target, row, Change::Put(past.item.clone()), Actor::User)?;
            }
            if kv.size() > STEP_BYTES {
                page.next = group.last().map(|past| past.behind.clone());
                break;
            }
        }
        job.is_filled = page.next.is_none();
        job.cursor = page.next;
        job.stepped_millis = self.clock().now().millis();
        transaction.put_transfer(id, &job)?;
        Ok(true)
    }

    async fn finish_transfer(
        &self,
        transaction: &Transaction,
        id: JobId,
        job: &Job,
        mut target: Table,
    ) -> Result<(), Error> {
        match &job.target {
            Target::Backup(backup) => self.finish_backup(transaction, backup, id.table).await?,
            Target::Table(_, _, backup) => {
                target.restore = None;
                target.version += 1;
                write_table(self.keyspace(), transaction.kv(), &target)?;
                if let Some(backup) = backup {
                    self.end_restore_from(transaction, backup).await?;
                }
            }
        }
        self.let_go(transaction, id.table, &job.source).await?;
        Ok(transaction.kv().clear(&self.keyspace().job(id))?)
    }

    /// Ends the hold on a source.
    async fn let_go(&self, transaction: &Transaction, holder: TableId, source: &TransferSource) -> Result<(), Error> {
        let Some((realm, name)) = &source.held else { return Ok(()) };
        let kv = transaction.kv();
        kv.clear(&self.keyspace().hold(TableId(source.table), holder))?;
        let found = read_any_table(self.keyspace(), kv, realm, name, Isolation::Serializable).await?;
        if let Some(mut table) = found.filter(|table| table.id == source.table) {
            table.holders.retain(|held_by| *held_by != holder.0);
            table.version += 1;
            write_table(self.keyspace(), kv, &table)?;
        }
        Ok(())
    }

    /// Takes back what could not be filled, as if it had never been. If storage fails again and again, the job stays, and
    /// maintenance goes on with it.
    async fn abandon_transfer(&self, id: JobId) {
        for _ in 0..ABANDON_ATTEMPTS {
            match self.run(|transaction| async move { self.take_back(&transaction, id).await }).await {
                Err(Error::Storage(kv::Error::Io(_))) => {}
                Err(_) => return,
                Ok(()) => return self.begin_sweeping(id.table.0, Swept::Everything).await,
            }
        }
    }

    async fn take_back(&self, transaction: &Transaction, id: JobId) -> Result<(), Error> {
        let kv = transaction.kv();
        let Some(job) = self.read_transfer(kv, id, Isolation::Serializable).await? else { return Ok(()) };
        match &job.target {
            Target::Backup(backup) => kv.clear(&self.backup_key(backup))?,
            Target::Table(realm, name, backup) => {
                kv.clear(&self.keyspace().table_id(realm.names(), name))?;
                count_change(self.keyspace(), kv)?;
                if let Some(backup) = backup {
                    self.end_restore_from(transaction, backup).await?;
                }
            }
        }
        self.let_go(transaction, id.table, &job.source).await?;
        kv.clear(&self.keyspace().job(id))?;
        let metadata = self.keyspace().table(id.table).metadata();
        kv.clear_range(&metadata.begin, &metadata.end)?;
        transaction.leave_to_sweep(id.table.0, Swept::Everything)
    }
}
