//! Tables whose items are being imported: hidden from everybody else, until they are shown or taken back.
//!
//! Such a table has neither stream nor time to live nor recovery, since nothing of it can be changed. Its definition says that
//! it is one: items of it are written by the one write path, by whoever has the definition.

use super::schema::{count_change, write_table};
use super::sweep::Swept;
use super::{Table, Transaction};
use crate::error::Error;
use crate::keyspace::TableId;

/// AWS's error for a table that may not be changed yet.
pub(super) fn refuse_importing(table: &Table) -> Result<(), Error> {
    if table.is_importing {
        let name = &table.name;
        return Err(Error::ResourceInUse(format!(
            "Attempt to change a resource which is still in use: Table is being created: {name}"
        )));
    }
    Ok(())
}

impl Transaction {
    /// Shows a table whose import this transaction ends to everybody.
    pub async fn open_imported_table(&self, table: &Table) -> Result<(), Error> {
        self.fence(table).await?;
        let opened = Table { version: table.version + 1, is_importing: false, ..table.clone() };
        write_table(self.store().keyspace(), self.kv(), &opened)
    }

    /// Takes back a table whose import this transaction ends without an item, as if it had never been.
    pub async fn drop_imported_table(&self, table: &Table) -> Result<(), Error> {
        self.fence(table).await?;
        let (keyspace, id) = (self.store().keyspace(), TableId(table.id));
        self.kv().clear(&keyspace.table_id(table.realm.names(), &table.name))?;
        self.tell_followers(table.id);
        for range in [table.space(self.store()).metadata(), keyspace.jobs_of_table(id)] {
            self.kv().clear_range(&range.begin, &range.end)?;
        }
        self.release_checkpoints(&table.realm, &table.name, table.id).await?;
        self.leave_to_sweep(table.id, Swept::Everything)?;
        count_change(keyspace, self.kv())
    }
}
