//! Restoring: a new table that is made like another one, or like the one a backup is of, and filled with its items.
//!
//! One transaction makes the table, marks it as not there yet, and leaves the job that fills it (`transfer`). Until that ends
//! it can only be described. It must not know what of a table is restored: callers make its definition.

use std::sync::Arc;

use super::backup::{BackupId, BackupStatus, no_such_backup};
use super::catalogue::new_table;
use super::history::no_recovery;
use super::schema::{no_such_table, read_any_table, read_table, write_table};
use super::transfer::{Target, TransferSource};
use super::{PointInTime, Realm, Restore, Store, Table, TableDefinition, Transaction};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::keyspace::{JobId, JobKind, TableId};
use crate::kv::Isolation;

/// Restores that are under way in one account at once, as measured on AWS (ack-api-quirks, findings DDB-TABLE-350 and 444,
/// October 2026).
const MOST_AT_ONCE: usize = 50;

/// What a table is restored from.
#[derive(Clone, Copy, Debug)]
pub enum RestoreFrom<'a> {
    /// A backup, by the name of its table and its id.
    Backup { realm: &'a Realm, table: &'a str, id: &'a str },
    /// A table as it was, at the latest moment that can be restored if none is given.
    Table { realm: &'a Realm, name: &'a str, at: Option<Timestamp> },
}

impl Store {
    /// Makes the table `name` of `realm` from another: complete when this returns; what is returned is what it was at its
    /// beginning. `define` is given the source's definition and says what the new one is.
    ///
    /// Errors: `BackupNotFound`, `BackupInUse`, `ResourceNotFound`, `PointInTimeRecoveryUnavailable`, `InvalidRestoreTime`,
    /// `TableAlreadyExists`, `TableInUse`, `LimitExceeded`, and those of `define`.
    pub async fn restore_table(
        &self,
        realm: &Realm,
        name: &str,
        from: RestoreFrom<'_>,
        define: impl Fn(&Table) -> Result<TableDefinition, Error> + Sync,
    ) -> Result<Arc<Table>, Error> {
        let (table, job) = self.begin_restore(realm, name, from, define).await?;
        let done = self.transfer(job).await;
        if let RestoreFrom::Table { realm, name, .. } = from {
            self.0.schemas.forget(realm, name);
        }
        self.0.schemas.forget(realm, name);
        done.map(|()| Arc::new(table))
    }

    pub(super) async fn begin_restore(
        &self,
        realm: &Realm,
        name: &str,
        from: RestoreFrom<'_>,
        define: impl Fn(&Table) -> Result<TableDefinition, Error> + Sync,
    ) -> Result<(Table, JobId), Error> {
        let (define, uuid) = (&define, &self.clock().random_uuid());
        let begun = self
            .transact(|transaction| async move {
                let place = Place { realm, name, uuid };
                match from {
                    RestoreFrom::Backup { realm, table, id } => {
                        let id = BackupId { realm: realm.clone(), table: table.to_owned(), id: id.to_owned() };
                        self.restore_from_backup(&transaction, place, id, define).await
                    }
                    RestoreFrom::Table { realm, name, at } => {
                        self.restore_from_past(&transaction, place, (realm, name, at), define).await
                    }
                }
            })
            .await?;
        if let RestoreFrom::Table { realm, name, .. } = from {
            self.0.schemas.forget(realm, name);
        }
        Ok(begun)
    }

    async fn restore_from_backup(
        &self,
        transaction: &Transaction,
        place: Place<'_>,
        id: BackupId,
        define: &(impl Fn(&Table) -> Result<TableDefinition, Error> + Sync),
    ) -> Result<(Table, JobId), Error> {
        let arn = id.realm.backup_arn(&id.table, &id.id);
        let mut backup = transaction.backup(&id).await?.ok_or_else(|| no_such_backup(&arn))?;
        let definition = define(&backup.table)?;
        self.check_free(transaction, place).await?;
        if backup.status == BackupStatus::Creating {
            return Err(Error::BackupInUse(format!("Backup is being created: {arn}")));
        }
        if backup.is_in_use() {
            return Err(Error::BackupInUse(format!("Backup is being used to restore another table: {arn}")));
        }
        let restore = Restore {
            source_table_arn: backup.table.arn(),
            source_backup_arn: Some(arn),
            at_millis: backup.created_millis,
        };
        let table = self.make(transaction, place, &definition, restore).await?;
        let source = backup.begin_restore(table.id);
        transaction.put_backup(&backup)?;
        let target = Target::Table(place.realm.clone(), place.name.to_owned(), Some(id));
        let job = transaction.leave_to_transfer(TableId(table.id), source, target)?;
        Ok((table, job))
    }

    async fn restore_from_past(
        &self,
        transaction: &Transaction,
        place: Place<'_>,
        (realm, name, at): (&Realm, &str, Option<Timestamp>),
        define: &(impl Fn(&Table) -> Result<TableDefinition, Error> + Sync),
    ) -> Result<(Table, JobId), Error> {
        let kv = transaction.kv();
        let source = read_table(self.keyspace(), kv, realm, name, Isolation::Serializable).await?;
        let mut source = source.ok_or_else(no_such_table)?;
        let recovery = source.settings.point_in_time.ok_or_else(|| no_recovery(name))?;
        let at = check_time(&recovery, at, self.clock().now())?;
        let definition = define(&source)?;
        self.check_free(transaction, place).await?;
        let before = self.place_in_past(kv, &source, Some(at)).await?;
        let restore = Restore { source_table_arn: source.arn(), source_backup_arn: None, at_millis: at.millis() };
        let table = self.make(transaction, place, &definition, restore).await?;
        transaction.hold(&mut source, TableId(table.id), Some(before))?;
        source.version += 1;
        write_table(self.keyspace(), kv, &source)?;
        let held = TransferSource { table: source.id, held: Some((realm.clone(), name.to_owned())) };
        let target = Target::Table(place.realm.clone(), place.name.to_owned(), None);
        let job = transaction.leave_to_transfer(TableId(table.id), held, target)?;
        Ok((table, job))
    }

    /// Whether the name is free, and no more is being restored than may be.
    async fn check_free(&self, transaction: &Transaction, place: Place<'_>) -> Result<(), Error> {
        let kv = transaction.kv();
        if let Some(found) =
            read_any_table(self.keyspace(), kv, place.realm, place.name, Isolation::Serializable).await?
        {
            // Messages as measured on AWS (ack-api-quirks, finding DDB-TABLE-219, October 2026).
            return Err(match found.restore {
                None => Error::TableAlreadyExists(format!("Table already exists: {}", place.name)),
                Some(restore) => Error::TableInUse(match restore.source_backup_arn {
                    Some(arn) => format!("Table: {} is already being restored from backup: {arn}", place.name),
                    None => format!("Table: {} is already being restored", place.name),
                }),
            });
        }
        let jobs = kv.range(&self.keyspace().all_jobs().into_read().snapshot()).await?;
        let mut restores = 0;
        for pair in &jobs.pairs {
            let job = self.keyspace().parse_job(&pair.key)?;
            restores += usize::from(job.kind == JobKind::Transfer && self.is_restore(&pair.value)?);
        }
        if restores >= MOST_AT_ONCE {
            return Err(Error::LimitExceeded(format!(
                "Subscriber limit exceeded: Only {MOST_AT_ONCE} restore operations can be done simultaneously"
            )));
        }
        Ok(())
    }

    /// The new table, which nobody can use yet.
    async fn make(
        &self,
        transaction: &Transaction,
        place: Place<'_>,
        definition: &TableDefinition,
        restore: Restore,
    ) -> Result<Table, Error> {
        let id = transaction.take_table_id().await?;
        transaction.kv().set(&self.keyspace().table_id(place.realm.names(), place.name), &id.encode()[..])?;
        let mut table = new_table(place.realm, definition, place.uuid, id, self.clock().now().millis());
        table.restore = Some(restore);
        write_table(self.keyspace(), transaction.kv(), &table)?;
        Ok(table)
    }
}

/// Where the new table is to be, and its UUID.
#[derive(Clone, Copy)]
struct Place<'a> {
    realm: &'a Realm,
    name: &'a str,
    uuid: &'a str,
}

/// The moment to be restored, if it can be.
fn check_time(recovery: &PointInTime, at: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Error> {
    let (earliest, latest) = (recovery.earliest(now), recovery.latest(now));
    let Some(at) = at else { return Ok(latest) };
    if (earliest..=latest).contains(&at) {
        return Ok(at);
    }
    // As measured on AWS (ack-api-quirks, findings DDB-TABLE-086 and 100, October 2026).
    Err(Error::InvalidRestoreTime(format!(
        "RestoreDateTime '{}' must be within EarliestRestorableDateTime '{}' and LatestRestorableDateTime '{}'",
        at.to_iso_seconds(),
        earliest.to_iso_seconds(),
        latest.to_iso_seconds()
    )))
}
