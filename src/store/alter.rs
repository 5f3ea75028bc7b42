//! Changing a table: streams and time to live on and off, indexes added and removed, settings.
//!
//! A change of the definition is one transaction that conflicts with every writer of the table. A new index is first
//! written by every mutation while `fill` adds the older rows; then it becomes active. What a removed index held is left
//! to `sweep`.

use std::sync::Arc;

use super::importing::refuse_importing;
use super::schema::{no_such_table, read_table, write_table};
use super::stream::{close_stream, open_stream};
use super::sweep::Swept;
use super::{
    BillingMode, Index, IndexKind, IndexStatus, OnDemand, PointInTime, Realm, Store, Table, TableChange, Throughput,
    Transaction,
};
use crate::error::Error;
use crate::keyspace::JobId;
use crate::kv::Isolation;

/// The indexes that applying changes added and removed.
#[derive(Default)]
pub(super) struct Changed {
    added: Vec<u32>,
    removed: Vec<u32>,
}

/// What the first transaction of a change did.
pub(super) struct Begun {
    pub(super) table: Table,
    changed: Changed,
    /// New indexes are still to be filled.
    pub(super) job: Option<JobId>,
}

impl Store {
    /// Applies all changes or none, and fills new indexes before it returns.
    ///
    /// New indexes come first, hidden as long as they are filled; all else is changed by the transaction that activates
    /// them. If that does not succeed, they are taken back.
    ///
    /// Errors: `ResourceNotFound`; `Validation` and `ResourceInUse` from a change that does not fit the table.
    pub async fn change_table(&self, realm: &Realm, name: &str, changes: &[TableChange]) -> Result<Arc<Table>, Error> {
        let Begun { table, changed, job } = self.begin_change(realm, name, changes).await?;
        let table = match job {
            None => table,
            Some(job) => match self.fill_indexes(job, &table).await {
                Ok(table) => table,
                Err(error) => {
                    self.abandon_filling(job, realm, name).await;
                    return Err(error);
                }
            },
        };
        for index in changed.removed {
            self.begin_sweeping(table.id, Swept::Index(index)).await;
        }
        Ok(Arc::new(table))
    }

    /// Applies all changes, or, if some of them add indexes, those, and leaves the others to the job that fills these.
    pub(super) async fn begin_change(
        &self,
        realm: &Realm,
        name: &str,
        changes: &[TableChange],
    ) -> Result<Begun, Error> {
        let is_new_index =
            |change: &&TableChange| matches!(change, TableChange::CreateIndex(_) | TableChange::EnableTimeToLive(_));
        let (created, others): (Vec<_>, Vec<_>) = changes.iter().partition(is_new_index);
        let later: Vec<TableChange> = others.iter().map(|change| (*change).clone()).collect();
        let at_once = if created.is_empty() { others } else { created };
        let begun = self
            .transact(|transaction| {
                let (at_once, later) = (&at_once, &later);
                async move {
                    let table = read_table(self.keyspace(), transaction.kv(), realm, name, Isolation::Serializable);
                    let mut table = table.await?.ok_or_else(no_such_table)?;
                    refuse_importing(&table)?;
                    let mut changed = Changed::default();
                    self.apply(&transaction, &mut table, at_once, &mut changed).await?;
                    table.version += 1;
                    write_table(self.keyspace(), transaction.kv(), &table)?;
                    let job = match changed.added.as_slice() {
                        [] => None,
                        added => Some(transaction.leave_to_fill(&table, added, later)?),
                    };
                    Ok(Begun { table, changed, job })
                }
            })
            .await?;
        self.0.schemas.forget(realm, name);
        self.note_expiring(&begun.table);
        Ok(begun)
    }

    /// Changes a definition, which the caller writes.
    pub(super) async fn apply(
        &self,
        transaction: &Transaction,
        table: &mut Table,
        changes: &[&TableChange],
        changed: &mut Changed,
    ) -> Result<(), Error> {
        for change in changes {
            self.apply_one(transaction, table, change, changed).await?;
        }
        Ok(())
    }

    async fn apply_one(
        &self,
        transaction: &Transaction,
        table: &mut Table,
        change: &TableChange,
        changed: &mut Changed,
    ) -> Result<(), Error> {
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
                changed.added.push(id);
            }
            TableChange::DeleteIndex(name) => {
                let id = table.index(name).ok_or_else(no_such_index)?.id;
                transaction.leave_to_sweep(table.id, Swept::Index(id))?;
                table.indexes.retain(|index| index.id != id);
                changed.removed.push(id);
            }
            TableChange::IndexThroughput(name, throughput) => self.change_index_throughput(table, name, *throughput)?,
            TableChange::AttributeDefinitions(definitions) => table.attribute_definitions.clone_from(definitions),
            TableChange::Billing(mode, throughput) => self.change_billing(table, *mode, *throughput)?,
            TableChange::DeletionProtection(on) => table.deletion_protection = *on,
            TableChange::EnableTimeToLive(attribute) => {
                changed.added.push(transaction.enable_time_to_live(table, attribute)?);
            }
            TableChange::DisableTimeToLive(attribute) => {
                changed.removed.push(transaction.disable_time_to_live(table, attribute)?);
            }
            TableChange::OnDemand(change) => table.settings.capacity.change_on_demand(*change),
            TableChange::Warm(asked) => table.settings.capacity.keep_warm(table.warm(), Some(*asked)),
            TableChange::IndexOnDemand(name, change) => index_of(table, name)?.capacity.change_on_demand(*change),
            TableChange::IndexWarm(name, asked) => {
                let mode = table.billing_mode;
                let index = index_of(table, name)?;
                index.capacity.keep_warm(index.capacity.warm(mode, index.throughput), Some(*asked));
            }
            TableChange::Class(class) => table.settings.class.change(*class, self.clock().now())?,
            TableChange::Encryption(key_arn) => {
                table.settings.encryption.change(key_arn.clone(), self.clock().now())?;
            }
            TableChange::PointInTime(days) => {
                // A clock that was set back shows less than commits do, by whose times the past is found.
                let now = self.clock().now().max(self.time_of_next(transaction.kv()).await?);
                let found = table.settings.point_in_time;
                table.settings.point_in_time = days.map(|days| {
                    let begun = PointInTime { since_millis: now.millis(), days };
                    found.map_or(begun, |found| found.changed(days, now))
                });
                if days.is_some() && found.is_none() {
                    transaction.begin_recovery(table)?;
                }
            }
            TableChange::Replication(replication) => table.settings.replication.clone_from(replication),
        }
        Ok(())
    }

    /// What has been served so far stays warm, whatever the mode and the throughput become.
    fn change_billing(
        &self,
        table: &mut Table,
        mode: BillingMode,
        throughput: Option<Throughput>,
    ) -> Result<(), Error> {
        let (now, before) = (self.clock().now(), table.warm());
        let capacity = &mut table.settings.capacity;
        if let (Some(from), Some(to)) = (table.throughput, throughput) {
            capacity.adjust(from, to, now)?;
        }
        capacity.keep_warm(before, None);
        if mode != table.billing_mode {
            for index in table.indexes.iter_mut().filter(|index| index.kind == IndexKind::Global) {
                let before = index.capacity.warm(table.billing_mode, index.throughput);
                index.capacity.keep_warm(before, None);
            }
        }
        match mode {
            BillingMode::PayPerRequest => {
                if table.billing_mode != mode {
                    table.on_demand_since_millis = Some(now.millis());
                }
                table.indexes.iter_mut().for_each(|index| index.throughput = None);
            }
            BillingMode::Provisioned => {
                table.settings.capacity.most_on_demand = OnDemand::default();
                table.indexes.iter_mut().for_each(|index| index.capacity.most_on_demand = OnDemand::default());
            }
        }
        table.billing_mode = mode;
        table.throughput = throughput;
        // What is on demand is warm from now on, whatever it becomes later.
        table.settings.capacity.keep_warm(table.warm(), None);
        Ok(())
    }

    fn change_index_throughput(&self, table: &mut Table, name: &str, throughput: Throughput) -> Result<(), Error> {
        let (mode, now) = (table.billing_mode, self.clock().now());
        let index = index_of(table, name)?;
        index.capacity.keep_warm(index.capacity.warm(mode, index.throughput), None);
        if let Some(from) = index.throughput {
            index.capacity.adjust(from, throughput, now)?;
        }
        index.throughput = Some(throughput);
        Ok(())
    }
}

fn index_of<'a>(table: &'a mut Table, name: &str) -> Result<&'a mut Index, Error> {
    table.indexes.iter_mut().find(|index| index.name == name).ok_or_else(no_such_index)
}

fn no_such_index() -> Error {
    Error::ResourceNotFound("Requested resource not found".to_owned())
}
