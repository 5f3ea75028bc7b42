//! Schemas: the cache of table definitions and the fence that keeps a stale one from ever being used.
//!
//! A definition is cached for ever and checked at every use: the transaction that uses it reads the table's
//! version key, with conflict, and gives `Error::SchemaChanged` when it differs. Dispatch then runs the operation
//! again, and the cache, emptied of that table, reads the new definition.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Realm, Store, Table, corrupt};
use crate::error::Error;
use crate::fork::Lock;
use crate::keyspace::{self, Keyspace, TableId};
use crate::kv::{self, Isolation};

/// The form in which definitions are stored.
const FORMAT: u8 = 1;

/// Tables by realm and name.
#[derive(Default)]
pub(super) struct Cache(Lock<HashMap<Realm, HashMap<String, Arc<Table>>>>);

impl Cache {
    fn get(&self, realm: &Realm, name: &str) -> Option<Arc<Table>> {
        self.0.lock().get(realm)?.get(name).cloned()
    }

    fn put(&self, table: &Arc<Table>) {
        let mut realms = self.0.lock();
        realms.entry(table.realm.clone()).or_default().insert(table.name.clone(), Arc::clone(table));
    }

    pub(super) fn forget(&self, realm: &Realm, name: &str) {
        if let Some(tables) = self.0.lock().get_mut(realm) {
            tables.remove(name);
        }
    }

    pub(super) fn copy_from(&self, other: &Self) {
        let tables = other.0.lock().clone();
        *self.0.lock() = tables;
    }
}

/// AWS's error for a table that is not there.
pub(super) fn no_such_table() -> Error {
    Error::ResourceNotFound("Requested resource not found".to_owned())
}

impl Store {
    /// The table's definition, cached; whoever uses it in a transaction fences it there.
    ///
    /// Errors: `ResourceNotFound`.
    pub async fn table(&self, realm: &Realm, name: &str) -> Result<Arc<Table>, Error> {
        if let Some(table) = self.0.schemas.get(realm, name) {
            return Ok(table);
        }
        let table = self
            .snapshot(|transaction| async move {
                read_table(self.keyspace(), &transaction, realm, name, Isolation::Snapshot).await
            })
            .await?
            .ok_or_else(no_such_table)?;
        let table = Arc::new(table);
        self.0.schemas.put(&table);
        Ok(table)
    }

    /// The table's definition as it is now, past the cache: what control-plane operations answer from.
    pub async fn current_table(&self, realm: &Realm, name: &str) -> Result<Arc<Table>, Error> {
        let table = self.table(realm, name).await?;
        let fenced = &table;
        let check = self
            .snapshot(|transaction| async move { self.fence(&transaction, fenced, Isolation::Snapshot).await })
            .await;
        match check {
            Ok(()) => Ok(table),
            Err(Error::SchemaChanged) => self.table(realm, name).await,
            Err(error) => Err(error),
        }
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

/// Reads a definition through the catalogue.
pub(super) async fn read_table(
    keyspace: &Keyspace,
    transaction: &kv::Transaction,
    realm: &Realm,
    name: &str,
    isolation: Isolation,
) -> Result<Option<Table>, Error> {
    let catalogue = keyspace.table_id(realm.names(), name);
    let Some(id) = transaction.get(&catalogue, isolation).await? else { return Ok(None) };
    let id = TableId::decode(&id)?;
    let definition = transaction.get(&keyspace.table(id).definition(), isolation).await?;
    let definition = definition.ok_or_else(|| corrupt("a table without a definition"))?;
    Ok(Some(keyspace::decode_versioned_json(FORMAT, &definition)?))
}

/// Writes a definition and its version key, which every writer of the table has read with conflict.
pub(super) fn write_table(keyspace: &Keyspace, transaction: &kv::Transaction, table: &Table) -> Result<(), Error> {
    let space = keyspace.table(TableId(table.id));
    transaction.set(&space.metadata_version(), &table.version.to_be_bytes()[..])?;
    transaction.set(&space.definition(), keyspace::encode_versioned_json(FORMAT, table)?)?;
    Ok(())
}
