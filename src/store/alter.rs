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
use crate::kv::{Isolation, RangeRead};

/// Rows one backfill transaction looks at: well within five seconds and ten megabytes.
const BACKFILL_ROWS: usize = 200;
/// Bytes of rows one backfill transaction reads.
const BACKFILL_BYTES: usize = 1_000_000;

impl Store {
    /// Applies all changes or none, and fills new indexes before it returns.
    ///
    /// Errors: `ResourceNotFound`; `Validation` and `ResourceInUse` from a change that does not fit the table.
    pub async fn change_table(&self, realm: &Realm, name: &str, changes: &[TableChange]) -> Result<Arc<Table>, Error> {
        let mut changed = self
            .transact(|transaction| async move {
                let table = read_table(self.keyspace(), transaction.kv(), realm, name, Isolation::Serializable).await?;
                let mut table = table.ok_or_else(no_such_table)?;
                for change in changes {
                    self.apply(&transaction, &mut table, change).await?;
                }
                table.version += 1;
                write_table(self.keyspace(), transaction.kv(), &table)?;
                Ok(table)
            })
            .await?;
        self.0.schemas.forget(realm, name);
        let creating: Vec<u32> = changed
            .indexes
            .iter()
            .filter(|index| index.status == IndexStatus::Creating)
            .map(|index| index.id)
            .collect();
        for index_id in creating {
            changed = self.fill_index(&changed, index_id).await?;
        }
        Ok(Arc::new(changed))
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
                let index = table.index(name).ok_or_else(no_such_index)?;
                let (space, id) = (table.space(self), IndexId(index.id));
                for range in [space.index_entries(id), space.counters(id)] {
                    transaction.kv().clear_range(&range.begin, &range.end)?;
                }
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

    /// Gives an entry to every row that existed before the index did, then makes the index active.
    async fn fill_index(&self, table: &Table, index_id: u32) -> Result<Table, Error> {
        let table = Arc::new(table.clone());
        let mut cursor: Option<Vec<u8>> = Some(table.space(self).items().begin);
        while let Some(begin) = cursor {
            cursor = self
                .transact(|transaction| {
                    let (begin, table) = (begin.clone(), Arc::clone(&table));
                    async move { self.fill_step(&transaction, &table, index_id, begin).await }
                })
                .await?;
        }
        let active = self
            .transact(|transaction| {
                let table = Arc::clone(&table);
                async move {
                    let current = read_table(
                        self.keyspace(),
                        transaction.kv(),
                        &table.realm,
                        &table.name,
                        Isolation::Serializable,
                    )
                    .await?;
                    let mut current = current.filter(|current| current.id == table.id).ok_or_else(no_such_table)?;
                    if let Some(index) = current.indexes.iter_mut().find(|index| index.id == index_id) {
                        index.status = IndexStatus::Active;
                        current.version += 1;
                        write_table(self.keyspace(), transaction.kv(), &current)?;
                    }
                    Ok(current)
                }
            })
            .await?;
        self.0.schemas.forget(&table.realm, &table.name);
        Ok(active)
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
