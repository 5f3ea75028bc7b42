//! The catalogue: creating, listing, counting and deleting tables.

use std::sync::Arc;

use futures_util::future::try_join_all;
use futures_util::try_join;

use super::backup::BackupKind;
use super::importing::refuse_importing;
use super::schema::{count_change, no_such_table, read_definition, read_table, write_table};
use super::stream::{close_stream, open_stream};
use super::sweep::Swept;
use super::table::Realm;
use super::{Index, IndexStatus, Statistics, Store, Table, TableDefinition, Transaction};
use crate::error::Error;
use crate::keyspace::{self, Counter, IndexId, JobId, TableId};
use crate::kv::{Isolation, RangeRead};

impl Transaction {
    /// A number for a new table.
    pub(super) async fn take_table_id(&self) -> Result<TableId, Error> {
        let key = self.store().keyspace().next_table_id();
        let id = match self.kv().get(&key, Isolation::Serializable).await? {
            None => TableId(1),
            Some(bytes) => TableId::decode(&bytes)?,
        };
        self.kv().set(&key, &id.following()?.encode()[..])?;
        Ok(id)
    }

    /// Creates a table, hidden from all but whoever imports its items if that `is_importing`. The cache is the caller's
    /// business, once the transaction is committed.
    ///
    /// Errors: `ResourceInUse` when the name is taken in this account and region.
    pub async fn create_table(
        &self,
        realm: &Realm,
        definition: &TableDefinition,
        uuid: &str,
        is_importing: bool,
    ) -> Result<Table, Error> {
        let (store, keyspace) = (self.store(), self.store().keyspace());
        let catalogue = keyspace.table_id(realm.names(), &definition.name);
        if let Some(found) = self.kv().get(&catalogue, Isolation::Serializable).await? {
            let id = TableId::decode(&found)?;
            let table = read_definition(keyspace, self.kv(), id, Isolation::Serializable).await?;
            let what = match table.is_some_and(|table| table.restore.is_some()) {
                true => "Table is being used",
                false => "Table already exists",
            };
            return Err(Error::ResourceInUse(format!("{what}: {}", definition.name)));
        }
        let id = self.take_table_id().await?;
        self.kv().set(&catalogue, &id.encode()[..])?;
        let mut table = new_table(realm, definition, uuid, id, store.clock().now().millis());
        table.is_importing = is_importing;
        if let Some(view) = definition.stream {
            open_stream(self, &mut table, view).await?;
        }
        write_table(keyspace, self.kv(), &table)?;
        self.put_tags(&table.space(store), &definition.tags)?;
        if let Some(policy) = &definition.policy {
            self.put_policy(&table.space(store), None, policy)?;
        }
        Ok(table)
    }
}

impl Store {
    /// Creates a table, ready at once.
    ///
    /// Errors: `ResourceInUse` when the name is taken in this account and region.
    pub async fn create_table(&self, realm: &Realm, definition: TableDefinition) -> Result<Arc<Table>, Error> {
        let uuid = self.clock().random_uuid();
        let created = self
            .transact(|transaction| {
                let (definition, uuid) = (&definition, &uuid);
                async move { transaction.create_table(realm, definition, uuid, false).await }
            })
            .await?;
        self.forget_table(realm, &created.name);
        Ok(Arc::new(created))
    }

    /// Has the definition read again when it is next asked for: for whoever changed it in a transaction of theirs.
    pub fn forget_table(&self, realm: &Realm, name: &str) {
        self.0.schemas.forget(realm, name);
    }

    /// Deletes a table and its items: gone at once, their space returned in steps. Its stream is closed and stays
    /// readable for 24 hours. Of one that recovers to a point in time a backup is made, which the service keeps for a time.
    ///
    /// Errors: `ResourceNotFound`.
    pub async fn delete_table(&self, realm: &Realm, name: &str) -> Result<Arc<Table>, Error> {
        let (deleted, swept, backup) = self.unlink_table(realm, name).await?;
        if let Some(job) = backup {
            // The table is deleted, whatever happens here: maintenance goes on with it.
            drop(self.go_on_with_transfer(job).await);
        }
        self.begin_sweeping(deleted.id, swept).await;
        Ok(Arc::new(deleted))
    }

    /// The one transaction that deletes a table; what is left to sweep, and the backup that is left to fill before.
    pub(super) async fn unlink_table(&self, realm: &Realm, name: &str) -> Result<(Table, Swept, Option<JobId>), Error> {
        let unlinked = self
            .transact(|transaction| async move {
                let keyspace = self.keyspace();
                let table = read_table(keyspace, transaction.kv(), realm, name, Isolation::Serializable).await?;
                let mut table = table.ok_or_else(no_such_table)?;
                refuse_importing(&table)?;
                let description = table.clone();
                transaction.kv().clear(&keyspace.table_id(realm.names(), name))?;
                // Records outlive their table, and point to blobs: both go when the last stream has expired.
                let swept = match table.latest_stream_label {
                    Some(_) => Swept::WithoutStream,
                    None => Swept::Everything,
                };
                if table.stream.is_some() {
                    close_stream(&transaction, &mut table).await?;
                }
                // Also who waits for a table without a stream to have one.
                transaction.tell_followers(table.id);
                let mut backup = None;
                if table.settings.point_in_time.is_some() {
                    let called = format!("{name}$DeletedTableBackup");
                    let (_, job) = transaction.begin_backup(&description, &called, BackupKind::System).await?;
                    transaction.hold_unlinked(table.id, job.table, None)?;
                    backup = Some(job);
                }
                transaction.kv().clear(&keyspace.logged_table(TableId(table.id)))?;
                // Without its version no writer that began earlier can commit. One job takes the place of all others.
                for range in [table.space(self).metadata(), keyspace.jobs_of_table(TableId(table.id))] {
                    transaction.kv().clear_range(&range.begin, &range.end)?;
                }
                if swept == Swept::Everything {
                    transaction.release_checkpoints(realm, name, table.id).await?;
                }
                transaction.leave_to_sweep(table.id, swept)?;
                transaction.forget_expiring(&table)?;
                count_change(keyspace, transaction.kv())?;
                Ok((description, swept, backup))
            })
            .await?;
        self.0.schemas.forget(realm, name);
        Ok(unlinked)
    }

    /// Up to `limit` names after `after`, in UTF-8 order, and whether there are more.
    pub async fn list_tables(
        &self,
        realm: &Realm,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<String>, bool), Error> {
        self.snapshot(|transaction| async move {
            let range = self.keyspace().tables(realm.names(), after);
            if range.is_empty() {
                return Ok((Vec::new(), false));
            }
            let read = RangeRead::new(range.begin, range.end).snapshot().limited(limit);
            let page = transaction.range(&read).await?;
            let names = page
                .pairs
                .iter()
                .map(|pair| Ok(self.keyspace().parse_table_id(&pair.key)?.table))
                .collect::<Result<Vec<_>, Error>>()?;
            Ok((names, page.more))
        })
        .await
    }

    /// Exact item counts and bytes of the table, and of each index by its id.
    pub async fn statistics(&self, table: &Table) -> Result<(Statistics, Vec<(u32, Statistics)>), Error> {
        self.snapshot(|transaction| async move {
            let space = table.space(self);
            let count = |counted: IndexId| {
                let (transaction, space) = (&transaction, &space);
                async move {
                    let read = |counter| async move {
                        let value = transaction.get(&space.counter(counted, counter), Isolation::Snapshot).await?;
                        Ok::<_, Error>(value.map_or(Ok(0), |value| keyspace::decode_counter(&value))?)
                    };
                    let (items, bytes) = try_join!(read(Counter::Items), read(Counter::Bytes))?;
                    Ok::<_, Error>(Statistics { items, bytes })
                }
            };
            let of_index = |index: &Index| {
                let (id, counts) = (index.id, count(IndexId(index.id)));
                async move { Ok::<_, Error>((id, counts.await?)) }
            };
            let (whole, indexes) = try_join!(count(IndexId::TABLE), try_join_all(table.indexes.iter().map(of_index)))?;
            Ok((whole, indexes))
        })
        .await
    }
}

pub(super) fn new_table(
    realm: &Realm,
    definition: &TableDefinition,
    uuid: &str,
    id: TableId,
    now_millis: i64,
) -> Table {
    let mut next_index_id = 1;
    let mut indexes = Vec::with_capacity(definition.indexes.len());
    for index in &definition.indexes {
        indexes.push(Index::new(next_index_id, index, IndexStatus::Active));
        next_index_id += 1;
    }
    Table {
        id: id.0,
        uuid: uuid.to_owned(),
        version: 1,
        realm: realm.clone(),
        name: definition.name.clone(),
        created_millis: now_millis,
        attribute_definitions: definition.attribute_definitions.clone(),
        key: definition.key.clone(),
        indexes,
        next_index_id,
        stream: None,
        latest_stream_label: None,
        billing_mode: definition.billing_mode,
        throughput: definition.throughput,
        on_demand_since_millis: (definition.billing_mode == super::BillingMode::PayPerRequest).then_some(now_millis),
        deletion_protection: definition.deletion_protection,
        time_to_live: None,
        time_to_live_changed_millis: None,
        settings: definition.settings.clone(),
        holders: Vec::new(),
        restore: None,
        is_importing: false,
    }
}
