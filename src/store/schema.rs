//! Schemas: the cache of table definitions and the fence that keeps a stale one from ever being used.
//!
//! A definition is cached for ever and checked at every use: the transaction that uses it reads the table's
//! version key, with conflict, and gives `Error::SchemaChanged` when it differs. Dispatch then runs the operation
//! again, and the cache, emptied of that table, reads the new definition.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::try_join;

use super::{Realm, Store, Table, corrupt};
use crate::error::Error;
use crate::fork::Lock;
use crate::keyspace::{self, Keyspace, TableId};
use crate::kv::{self, Isolation};

/// The form in which definitions are stored.
const FORMAT: u8 = 1;

/// Tables by realm and name.
#[derive(Default)]
pub(super) struct Cache(Lock<HashMap<Realm, HashMap<String, Cached>>>);

#[derive(Clone)]
struct Cached {
    table: Arc<Table>,
    /// How many changes of definitions there had been when it was read.
    changes: i64,
}

impl Cache {
    fn get(&self, realm: &Realm, name: &str) -> Option<Arc<Table>> {
        Some(Arc::clone(&self.0.lock().get(realm)?.get(name)?.table))
    }

    fn put(&self, table: Arc<Table>, changes: i64) {
        let mut realms = self.0.lock();
        realms.entry(table.realm.clone()).or_default().insert(table.name.clone(), Cached { table, changes });
    }

    /// Forgets what was read before the latest change of any definition; whether there was such a thing.
    fn forget_older(&self, changes: i64) -> bool {
        let mut any = false;
        for tables in self.0.lock().values_mut() {
            tables.retain(|_, cached| {
                any |= cached.changes < changes;
                cached.changes >= changes
            });
        }
        any
    }

    pub(super) fn forget(&self, realm: &Realm, name: &str) {
        if let Some(tables) = self.0.lock().get_mut(realm) {
            tables.remove(name);
        }
    }

    pub(super) fn copy(&self) -> Self {
        Self(Lock::new(self.0.lock().clone()))
    }

    /// Knows what `other` knew, and nothing else.
    pub(super) fn take_over(&self, other: Self) {
        let known = std::mem::take(&mut *other.0.lock());
        *self.0.lock() = known;
    }
}

/// AWS's error for a table that is not there.
pub(super) fn no_such_table() -> Error {
    Error::ResourceNotFound("Requested resource not found".to_owned())
}

impl Store {
    /// The definition of a table whose items may be read and written, cached; whoever uses it in a transaction fences it there.
    ///
    /// Errors: `ResourceNotFound`, also while its items are being imported, as on AWS while it is CREATING.
    pub async fn table(&self, realm: &Realm, name: &str) -> Result<Arc<Table>, Error> {
        let table = self.any_table(realm, name).await?;
        if !table.is_importing {
            return Ok(table);
        }
        // What is cached may be out of date: whoever has heard of the end of the import finds the table.
        let table = self.current_table(realm, name).await?;
        if table.is_importing { Err(no_such_table()) } else { Ok(table) }
    }

    /// The table's definition, cached, be it ready for use or not.
    async fn any_table(&self, realm: &Realm, name: &str) -> Result<Arc<Table>, Error> {
        if let Some(table) = self.0.schemas.get(realm, name) {
            return Ok(table);
        }
        let (table, changes) = self
            .snapshot(|transaction| async move {
                let table = read_table(self.keyspace(), &transaction, realm, name, Isolation::Snapshot);
                try_join!(table, self.changes_of_definitions(&transaction))
            })
            .await?;
        let table = Arc::new(table.ok_or_else(no_such_table)?);
        self.0.schemas.put(Arc::clone(&table), changes);
        Ok(table)
    }

    async fn changes_of_definitions(&self, transaction: &kv::Transaction) -> Result<i64, Error> {
        let counter = transaction.get(&self.keyspace().definitions(), Isolation::Snapshot).await?;
        Ok(counter.map_or(Ok(0), |counter| keyspace::decode_counter(&counter))?)
    }

    /// Forgets cached definitions that may be out of date; whether there were any. For an operation that was refused by
    /// a definition before any transaction had checked it.
    pub async fn forget_outdated_tables(&self) -> Result<bool, Error> {
        let changes =
            self.snapshot(|transaction| async move { self.changes_of_definitions(&transaction).await }).await?;
        Ok(self.0.schemas.forget_older(changes))
    }

    /// The table's definition as it is now, past the cache: what control-plane operations answer from.
    pub async fn current_table(&self, realm: &Realm, name: &str) -> Result<Arc<Table>, Error> {
        let table = self.any_table(realm, name).await?;
        let fenced = &table;
        let check = self
            .snapshot(|transaction| async move { self.fence(&transaction, fenced, Isolation::Snapshot).await })
            .await;
        match check {
            Ok(()) => Ok(table),
            Err(Error::SchemaChanged) => self.any_table(realm, name).await,
            Err(error) => Err(error),
        }
    }

    /// A table that is being restored, which nobody can use yet.
    pub async fn table_being_restored(&self, realm: &Realm, name: &str) -> Result<Option<Table>, Error> {
        let found = self
            .snapshot(|transaction| async move {
                read_any_table(self.keyspace(), &transaction, realm, name, Isolation::Snapshot).await
            })
            .await?;
        Ok(found.filter(|table| table.restore.is_some()))
    }

    /// Checks that `table` is what the database holds; a serializable check conflicts with every schema change.
    pub(super) async fn fence(
        &self,
        transaction: &kv::Transaction,
        table: &Table,
        isolation: Isolation,
    ) -> Result<(), Error> {
        let stored = transaction.get(&table.space(self).metadata_version(), isolation).await?;
        if stored.as_deref() == Some(&table.version.to_be_bytes()[..]) {
            return Ok(());
        }
        self.0.schemas.forget(&table.realm, &table.name);
        Err(Error::SchemaChanged)
    }
}

/// Reads a definition through the catalogue. A table that is still being restored is not there yet.
pub(super) async fn read_table(
    keyspace: &Keyspace,
    transaction: &kv::Transaction,
    realm: &Realm,
    name: &str,
    isolation: Isolation,
) -> Result<Option<Table>, Error> {
    let found = read_any_table(keyspace, transaction, realm, name, isolation).await?;
    Ok(found.filter(|table| table.restore.is_none()))
}

/// As [`read_table`], also of a table that is being restored.
pub(super) async fn read_any_table(
    keyspace: &Keyspace,
    transaction: &kv::Transaction,
    realm: &Realm,
    name: &str,
    isolation: Isolation,
) -> Result<Option<Table>, Error> {
    let catalogue = keyspace.table_id(realm.names(), name);
    let Some(id) = transaction.get(&catalogue, isolation).await? else { return Ok(None) };
    let found = read_definition(keyspace, transaction, TableId::decode(&id)?, isolation).await?;
    found.ok_or_else(|| corrupt("a table without a definition")).map(Some)
}

/// Reads the definition of a table that may have no name, or be gone.
pub(super) async fn read_definition(
    keyspace: &Keyspace,
    transaction: &kv::Transaction,
    id: TableId,
    isolation: Isolation,
) -> Result<Option<Table>, Error> {
    let definition = transaction.get(&keyspace.table(id).definition(), isolation).await?;
    Ok(definition.map(|definition| keyspace::decode_versioned_json(FORMAT, &definition)).transpose()?)
}

/// Writes a definition and its version key, which every writer of the table has read with conflict.
pub(super) fn write_table(keyspace: &Keyspace, transaction: &kv::Transaction, table: &Table) -> Result<(), Error> {
    let space = keyspace.table(TableId(table.id));
    transaction.set(&space.metadata_version(), &table.version.to_be_bytes()[..])?;
    transaction.set(&space.definition(), keyspace::encode_versioned_json(FORMAT, table)?)?;
    count_change(keyspace, transaction)
}

/// Tells every cache that some definition has changed: an atomic add, so changes of different tables do not conflict.
pub(super) fn count_change(keyspace: &Keyspace, transaction: &kv::Transaction) -> Result<(), Error> {
    Ok(transaction.add(&keyspace.definitions(), 1)?)
}
