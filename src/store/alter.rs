//! Changing a table: streams on and off, indexes added, filled and removed, settings.
//!
//! A change of the definition is one transaction that conflicts with every writer of the table. A new index is first
//! written by every mutation while it is filled with older rows in bounded steps, each a transaction that conflicts
//! with writers of the very rows it reads; then it becomes active.

use std::sync::Arc;

use super::blob::Loaded;
use super::schema::{no_such_table, read_table, write_table};
use super::stream::{close_stream, open_stream};
use super::{BillingMode, Index, IndexStatus, Key, Realm, Store, Table, TableChange, Transaction};
use crate::error::Error;
use crate::keyspace::{self, IndexId};
use crate::kv::{self, Isolation, RangeRead};

/// Rows one backfill transaction looks at: well within five seconds and ten megabytes.
const BACKFILL_ROWS: usize = 200;
/// Bytes of rows one backfill transaction reads.
const BACKFILL_BYTES: usize = 1_000_000;
/// Storage faults endured while an index that could not be filled is taken back.
const ABANDON_ATTEMPTS: usize = 50;

impl Store {
    /// Applies all changes or none, and fills new indexes before it returns.
    ///
    /// New indexes come first, hidden as long as they are filled; all else is changed by the transaction that activates
    /// them. If that does not succeed, they are taken back.
    ///
    /// Errors: `ResourceNotFound`; `Validation` and `ResourceInUse` from a change that does not fit the table.
    pub async fn change_table(&self, realm: &Realm, name: &str, changes: &[TableChange]) -> Result<Arc<Table>, Error> {
        let (created, others): (Vec<_>, Vec<_>) =
            changes.iter().partition(|change| matches!(change, TableChange::CreateIndex(_)));
        if created.is_empty() {
            return Ok(Arc::new(self.apply_all(realm, name, &others, None).await?));
        }
        let building = Arc::new(self.apply_all(realm, name, &created, None).await?);
        let own: Vec<u32> = building.indexes.iter().rev().take(created.len()).map(|index| index.id).collect();
        match self.fill_indexes(&building, &own, &others).await {
            Ok(table) => Ok(Arc::new(table)),
            Err(error) => {
                self.abandon_indexes(&building, &own).await;
                Err(error)
            }
        }
    }

    /// One transaction that applies `changes` and makes the indexes `filled`, of that very table, active.
    async fn apply_all(
        &self,
        realm: &Realm,
        name: &str,
        changes: &[&TableChange],
        filled: Option<(&Table, &[u32])>,
    ) -> Result<Table, Error> {
        let changed = self
            .transact(|transaction| async move {
                let table = read_table(self.keyspace(), transaction.kv(), realm, name, Isolation::Serializable).await?;
                let is_it = |table: &Table| filled.is_none_or(|(of, _)| of.id == table.id);
                let mut table = table.filter(is_it).ok_or_else(no_such_table)?;
                for change in changes {
                    self.apply(&transaction, &mut table, change).await?;
                }
                let filled = filled.map_or(&[][..], |(_, indexes)| indexes);
                for index in table.indexes.iter_mut().filter(|index| filled.contains(&index.id)) {
                    index.status = IndexStatus::Active;
                }
                table.version += 1;
                write_table(self.keyspace(), transaction.kv(), &table)?;
                Ok(table)
            })
            .await?;
        self.0.schemas.forget(realm, name);
        Ok(changed)
    }

    async fn apply(&self, transaction: &Transaction, table: &mut Table, change: &TableChange) -> Result<(), Error> {
        match change {
            TableChange::EnableStream(view) => {
                if table.stream.is_some() {
                    return Err(Error::validation(format!(
                        "Table already has an enabled stream: TableName: {}",
                        table.name
                    )));
                }
                open_stream(transaction, table, *view).await?;
            }
            TableChange::DisableStream => {
                if table.stream.is_none() {
                    return Err(Error::validation(format!(
                        "Table has no stream to disable: TableName: {}",
                        table.name
                    )));
                }
                close_stream(transaction, table).await?;
            }
            TableChange::CreateIndex(definition) => {
                if table.index(&definition.name).is_some() {
                    return Err(Error::validation(format!(
                        "Attempting to create an index which already exists: {}",
                        definition.name
                    )));
                }
                let id = table.next_index_id;
                table.next_index_id += 1;
                table.indexes.push(Index::new(id, definition, IndexStatus::Creating));
            }
            TableChange::DeleteIndex(name) => {
                self.clear_index(transaction, table, table.index(name).ok_or_else(no_such_index)?)?;
                table.indexes.retain(|index| index.name != *name);
            }
            TableChange::IndexThroughput(name, throughput) => {
                let index = table.indexes.iter_mut().find(|index| index.name == *name).ok_or_else(no_such_index)?;
                index.throughput = Some(*throughput);
            }
            TableChange::AttributeDefinitions(definitions) => table.attribute_definitions.clone_from(definitions),
            TableChange::Billing(mode, throughput) => {
                if *mode == BillingMode::PayPerRequest && table.billing_mode != BillingMode::PayPerRequest {
                    table.on_demand_since_millis = Some(self.clock().now().millis());
                }
                table.billing_mode = *mode;
                table.throughput = *throughput;
            }
            TableChange::DeletionProtection(on) => table.deletion_protection = *on,
        }
        Ok(())
    }

    /// Gives an entry in each index to every row that existed before it did, then makes them active with `changes`.
    async fn fill_indexes(
        &self,
        table: &Arc<Table>,
        indexes: &[u32],
        changes: &[&TableChange],
    ) -> Result<Table, Error> {
        for index_id in indexes {
            let mut cursor: Option<Vec<u8>> = Some(table.space(self).items().begin);
            while let Some(begin) = cursor {
                cursor = self
                    .transact(|transaction| {
                        let (begin, table) = (begin.clone(), Arc::clone(table));
                        async move { self.fill_step(&transaction, &table, *index_id, begin).await }
                    })
                    .await?;
            }
        }
        self.apply_all(&table.realm, &table.name, changes, Some((table, indexes))).await
    }

    /// Takes back indexes that could not be filled, as if they had never been. If storage fails again and again, they
    /// stay as they are, never active, until they are deleted.
    async fn abandon_indexes(&self, table: &Arc<Table>, indexes: &[u32]) {
        for _ in 0..ABANDON_ATTEMPTS {
            let outcome = self
                .transact(|transaction| {
                    let table = Arc::clone(table);
                    async move { self.abandon(&transaction, &table, indexes).await }
                })
                .await;
            self.0.schemas.forget(&table.realm, &table.name);
            if !matches!(outcome, Err(Error::Storage(kv::Error::Io(_)))) {
                return;
            }
        }
    }

    async fn abandon(&self, transaction: &Transaction, table: &Table, indexes: &[u32]) -> Result<(), Error> {
        let current =
            read_table(self.keyspace(), transaction.kv(), &table.realm, &table.name, Isolation::Serializable).await?;
        let Some(mut current) = current.filter(|current| current.id == table.id) else { return Ok(()) };
        let is_unfilled = |index: &Index| indexes.contains(&index.id) && index.status == IndexStatus::Creating;
        for index in current.indexes.iter().filter(|index| is_unfilled(index)) {
            self.clear_index(transaction, &current, index)?;
        }
        current.indexes.retain(|index| !is_unfilled(index));
        current.version += 1;
        write_table(self.keyspace(), transaction.kv(), &current)
    }

    fn clear_index(&self, transaction: &Transaction, table: &Table, index: &Index) -> Result<(), Error> {
        let (space, id) = (table.space(self), IndexId(index.id));
        for range in [space.index_entries(id), space.counters(id)] {
            transaction.kv().clear_range(&range.begin, &range.end)?;
        }
        Ok(())
    }

    /// One bounded step; where the next begins, or `None` at the end.
    async fn fill_step(
        &self,
        transaction: &Transaction,
        table: &Table,
        index_id: u32,
        begin: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, Error> {
        // The definition may change meanwhile (another index, a deletion): what counts is that this index is still there.
        let current =
            read_table(self.keyspace(), transaction.kv(), &table.realm, &table.name, Isolation::Serializable).await?;
        let Some(current) = current.filter(|current| current.id == table.id) else { return Ok(None) };
        let Some(index) = current.indexes.iter().find(|index| index.id == index_id) else { return Ok(None) };
        let space = table.space(self);
        let read = RangeRead::new(begin, space.items().end).limited(BACKFILL_ROWS).byte_limited(BACKFILL_BYTES);
        let page = transaction.kv().range(&read).await?;
        for pair in &page.pairs {
            let stored = Loaded::read(transaction.kv(), &space, pair.value.clone(), Isolation::Serializable).await?;
            let key = Key::of(&current.key, &stored.item).ok_or_else(|| super::corrupt("a row without its key"))?;
            transaction.backfill_entry(&current, &space, index, &key, &stored).await?;
        }
        Ok(page.pairs.last().filter(|_| page.more).map(|pair| keyspace::successor(&pair.key)))
    }
}

fn no_such_index() -> Error {
    Error::ResourceNotFound("Requested resource not found".to_owned())
}
