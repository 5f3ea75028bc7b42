//! Backups: what is kept of a table's items and settings at one moment, whatever becomes of the table.
//!
//! A backup is a table that nobody sees: it has a number, a definition and rows of its own, but no name, no indexes and no
//! stream. It is filled from its table as that was when it was asked for (`transfer`), and then depends on it no more. Its entry
//! lies beside the catalogue, under the table's name, and says what the table was. Deleting a table with recovery to a point in
//! time makes one, too, which the service keeps for 35 days.

use serde::{Deserialize, Serialize};

use super::schema::{no_such_table, read_table, write_table};
use super::sweep::Swept;
use super::transfer::{Target, TransferSource};
use super::{BillingMode, Realm, Settings, Store, Table, Transaction, corrupt};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::keyspace::{self, Counter, IndexId, JobId, TableId};
use crate::kv::{self, Isolation};

const FORMAT: u8 = 1;
/// Entries read at once.
const PAGE: usize = 200;
/// How long what the service makes is kept (API reference, BackupDetails).
const SYSTEM_MILLIS: i64 = 35 * 24 * 60 * 60 * 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackupKind {
    User,
    /// Made when a table with recovery to a point in time was deleted.
    System,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackupStatus {
    /// It is still being filled.
    Creating,
    Available,
}

/// A backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// The last part of its ARN.
    pub id: String,
    pub name: String,
    pub kind: BackupKind,
    pub status: BackupStatus,
    pub created_millis: i64,
    /// When it goes by itself.
    pub expires_millis: Option<i64>,
    /// The table, as it was.
    pub table: Table,
    /// Items and bytes: of the table until it is filled, then its own.
    pub items: i64,
    pub bytes: i64,
    /// Under which number its rows lie.
    space: u64,
    /// The number of the table that is being restored from it.
    restoring: Option<u64>,
}

/// Where a backup is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BackupId {
    pub(super) realm: Realm,
    pub(super) table: String,
    pub(super) id: String,
}

impl Backup {
    pub fn arn(&self) -> String {
        self.table.realm.backup_arn(&self.table.name, &self.id)
    }

    fn full_id(&self) -> BackupId {
        BackupId { realm: self.table.realm.clone(), table: self.table.name.clone(), id: self.id.clone() }
    }

    /// Begins a restore from it to the table `target`.
    pub(super) fn begin_restore(&mut self, target: u64) -> TransferSource {
        self.restoring = Some(target);
        TransferSource { table: self.space, held: None }
    }

    /// Whether a table is being restored from it.
    pub(super) const fn is_in_use(&self) -> bool {
        self.restoring.is_some()
    }
}

pub(super) fn no_such_backup(arn: &str) -> Error {
    Error::BackupNotFound(format!("Backup not found: {arn}"))
}

impl Transaction {
    /// Begins a backup of a table, whose definition the caller writes, or deletes.
    pub(super) async fn begin_backup(
        &self,
        table: &Table,
        name: &str,
        kind: BackupKind,
    ) -> Result<(Backup, JobId), Error> {
        let (store, kv) = (self.store(), self.kv());
        let space = self.take_table_id().await?;
        let now = store.clock().now();
        let tail = match kind {
            // As measured on AWS (ack-api-quirks, finding DDB-BACKUP-015, October 2026).
            BackupKind::System => 0,
            BackupKind::User => (store.clock().random_u64() >> 32) as u32,
        };
        // Names are times. On a clock that stands still they move on until unused.
        let mut named = now.millis();
        let id = loop {
            let id = BackupId {
                realm: table.realm.clone(),
                table: table.name.clone(),
                id: format!("{named:014}-{tail:08x}"),
            };
            if kv.get(&store.backup_key(&id), Isolation::Serializable).await?.is_none() {
                break id;
            }
            named += 1;
        };
        let (items, bytes) = store.counts(kv, TableId(table.id)).await?;
        let mut described = table.clone();
        described.holders.clear();
        let backup = Backup {
            id: id.id.clone(),
            name: name.to_owned(),
            kind,
            status: BackupStatus::Creating,
            created_millis: now.millis(),
            expires_millis: (kind == BackupKind::System).then(|| now.millis() + SYSTEM_MILLIS),
            table: described,
            items,
            bytes,
            space: space.0,
            restoring: None,
        };
        self.put_backup(&backup)?;
        let hidden = Table {
            id: space.0,
            version: 1,
            attribute_definitions: Vec::new(),
            indexes: Vec::new(),
            stream: None,
            latest_stream_label: None,
            billing_mode: BillingMode::PayPerRequest,
            throughput: None,
            deletion_protection: false,
            time_to_live: None,
            time_to_live_changed_millis: None,
            settings: Settings::default(),
            holders: Vec::new(),
            ..table.clone()
        };
        write_table(store.keyspace(), kv, &hidden)?;
        let source = TransferSource { table: table.id, held: Some((table.realm.clone(), table.name.clone())) };
        let job = self.leave_to_transfer(space, source, Target::Backup(id))?;
        Ok((backup, job))
    }

    pub(super) fn put_backup(&self, backup: &Backup) -> Result<(), Error> {
        let key = self.store().backup_key(&backup.full_id());
        Ok(self.kv().set(&key, keyspace::encode_versioned_json(FORMAT, backup)?)?)
    }

    /// A backup, if there is one.
    pub(super) async fn backup(&self, id: &BackupId) -> Result<Option<Backup>, Error> {
        let value = self.kv().get(&self.store().backup_key(id), Isolation::Serializable).await?;
        Ok(value.map(|value| keyspace::decode_versioned_json(FORMAT, &value)).transpose()?)
    }

    fn drop_backup(&self, backup: &Backup) -> Result<(), Error> {
        self.kv().clear(&self.store().backup_key(&backup.full_id()))?;
        let metadata = self.store().keyspace().table(TableId(backup.space)).metadata();
        self.kv().clear_range(&metadata.begin, &metadata.end)?;
        self.leave_to_sweep(backup.space, Swept::Everything)
    }
}

impl Store {
    pub(super) fn backup_key(&self, id: &BackupId) -> Vec<u8> {
        self.keyspace().backup(id.realm.names(), &id.table, &id.id)
    }

    /// Items and bytes of a table, by its number.
    async fn counts(&self, kv: &kv::Transaction, table: TableId) -> Result<(i64, i64), Error> {
        let space = self.keyspace().table(table);
        let mut counts = [0; 2];
        for (count, counter) in counts.iter_mut().zip([Counter::Items, Counter::Bytes]) {
            if let Some(value) = kv.get(&space.counter(IndexId::TABLE, counter), Isolation::Snapshot).await? {
                *count = keyspace::decode_counter(&value)?;
            }
        }
        Ok((counts[0], counts[1]))
    }

    /// Makes a backup of a table as it is now: complete when this returns; what is returned is what it was at its beginning.
    ///
    /// Errors: `ResourceNotFound`.
    pub async fn create_backup(&self, realm: &Realm, table_name: &str, name: &str) -> Result<Backup, Error> {
        let (backup, job) = self.begin_user_backup(realm, table_name, name).await?;
        self.transfer(job).await?;
        self.0.schemas.forget(realm, table_name);
        Ok(backup)
    }

    pub(super) async fn begin_user_backup(
        &self,
        realm: &Realm,
        table_name: &str,
        name: &str,
    ) -> Result<(Backup, JobId), Error> {
        let begun = self
            .transact(|transaction| async move {
                let kv = transaction.kv();
                let table = read_table(self.keyspace(), kv, realm, table_name, Isolation::Serializable).await?;
                let mut table = table.ok_or_else(no_such_table)?;
                let (backup, job) = transaction.begin_backup(&table, name, BackupKind::User).await?;
                transaction.hold(&mut table, job.table, None)?;
                table.version += 1;
                write_table(self.keyspace(), kv, &table)?;
                Ok((backup, job))
            })
            .await?;
        self.0.schemas.forget(realm, table_name);
        Ok(begun)
    }

    /// A backup is filled: it can be restored from now on.
    pub(super) async fn finish_backup(
        &self,
        transaction: &Transaction,
        id: &BackupId,
        space: TableId,
    ) -> Result<(), Error> {
        let found = transaction.backup(id).await?;
        let mut backup = found.ok_or_else(|| corrupt("the entry of a backup that is being filled"))?;
        backup.status = BackupStatus::Available;
        (backup.items, backup.bytes) = self.counts(transaction.kv(), space).await?;
        transaction.put_backup(&backup)
    }

    /// A restore from a backup has ended.
    pub(super) async fn end_restore_from(&self, transaction: &Transaction, id: &BackupId) -> Result<(), Error> {
        let Some(mut backup) = transaction.backup(id).await? else { return Ok(()) };
        backup.restoring = None;
        transaction.put_backup(&backup)
    }

    /// A backup of a table of this name, there or not.
    ///
    /// Errors: `BackupNotFound`.
    pub async fn backup(&self, realm: &Realm, table_name: &str, id: &str) -> Result<Backup, Error> {
        let id = &BackupId { realm: realm.clone(), table: table_name.to_owned(), id: id.to_owned() };
        self.snapshot(|transaction| async move {
            let value = transaction.get(&self.backup_key(id), Isolation::Snapshot).await?;
            let value = value.ok_or_else(|| no_such_backup(&realm.backup_arn(table_name, &id.id)))?;
            Ok(keyspace::decode_versioned_json(FORMAT, &value)?)
        })
        .await
    }

    /// The backups that `keep` says, of tables of one name or of all, by the table's name and their time, behind `after`, which
    /// is a table's name and a backup's id; whether there are more.
    pub async fn list_backups(
        &self,
        realm: &Realm,
        table_name: Option<&str>,
        after: Option<(&str, &str)>,
        limit: usize,
        keep: impl Fn(&Backup) -> bool + Sync,
    ) -> Result<(Vec<Backup>, bool), Error> {
        let keep = &keep;
        self.snapshot(|transaction| async move {
            let mut range = self.keyspace().backups(realm.names(), table_name, after);
            let mut backups = Vec::new();
            while !range.is_empty() {
                let page = transaction.range(&range.clone().into_read().snapshot().limited(PAGE)).await?;
                for pair in &page.pairs {
                    let backup: Backup = keyspace::decode_versioned_json(FORMAT, &pair.value)?;
                    if !keep(&backup) {
                        continue;
                    }
                    if backups.len() == limit {
                        return Ok((backups, true));
                    }
                    backups.push(backup);
                }
                match page.pairs.last() {
                    Some(last) if page.more => range = range.after(&last.key),
                    _ => break,
                }
            }
            Ok((backups, false))
        })
        .await
    }

    /// Deletes a backup: gone at once, its space returned in steps. What it was.
    ///
    /// Errors: `BackupNotFound`; `BackupInUse` while it is being filled or restored; `Validation` for one of the service's.
    pub async fn delete_backup(&self, realm: &Realm, table_name: &str, id: &str) -> Result<Backup, Error> {
        let id = &BackupId { realm: realm.clone(), table: table_name.to_owned(), id: id.to_owned() };
        let deleted = self
            .transact(|transaction| async move {
                let backup = transaction.backup(id).await?;
                let backup = backup.ok_or_else(|| no_such_backup(&realm.backup_arn(table_name, &id.id)))?;
                if let Some(expires) = backup.expires_millis {
                    return Err(Error::Validation(format!(
                        "Invalid Request: User is not allowed to delete the system backup with arn {}. It will \
                         automatically expire on {}Z",
                        backup.arn(),
                        Timestamp(expires).to_iso_millis()
                    )));
                }
                if backup.status == BackupStatus::Creating {
                    return Err(Error::BackupInUse(format!("Backup is being created: {}", backup.arn())));
                }
                if backup.is_in_use() {
                    return Err(Error::BackupInUse(format!("Backup is being used to restore table: {}", backup.arn())));
                }
                transaction.drop_backup(&backup)?;
                Ok(backup)
            })
            .await?;
        self.begin_sweeping(deleted.space, Swept::Everything).await;
        Ok(deleted)
    }

    /// Removes the backups whose time is over, unless somebody is just restoring one.
    pub(super) async fn drop_expired_backups(&self) -> Result<(), Error> {
        let now = self.clock().now().millis();
        let expired = |backup: &Backup| backup.expires_millis.is_some_and(|expires| expires <= now);
        let found = self
            .snapshot(|transaction| async move {
                let mut range = self.keyspace().all_backups();
                let mut found = Vec::new();
                loop {
                    let page = transaction.range(&range.clone().into_read().snapshot().limited(PAGE)).await?;
                    for pair in &page.pairs {
                        let backup: Backup = keyspace::decode_versioned_json(FORMAT, &pair.value)?;
                        found.extend(expired(&backup).then(|| backup.full_id()));
                    }
                    match page.pairs.last() {
                        Some(last) if page.more => range = range.after(&last.key),
                        _ => return Ok::<_, Error>(found),
                    }
                }
            })
            .await?;
        for id in &found {
            let step = |transaction: Transaction| async move {
                let Some(backup) = transaction.backup(id).await? else { return Ok(()) };
                if !expired(&backup) || backup.is_in_use() || backup.status == BackupStatus::Creating {
                    return Ok(());
                }
                transaction.drop_backup(&backup)
            };
            self.step(step).await?;
        }
        Ok(())
    }
}
