//! UpdateGlobalTableSettings: sets the tables of a global table, of all regions alike, and what each has of its own.
//!
//! All is checked before anything is set; then table by table is set, each in a transaction of its own.

use serde::Deserialize;

use super::constraints::{Constraints, values};
use super::create_table::billing_mode;
use super::global_table_settings::{self as settings, describe};
use super::legacy_global_tables::{check_name, invalid, not_found};
use super::parameters::{Parameter, different, done};
use super::scaling::{Dimension, SettingsUpdate};
use super::update_table::indexes::global;
use crate::error::Error;
use crate::store::{BillingMode, Capacity, Realm, Services, Store, Table, TableChange, TableClass, Throughput};

const NOTHING_SCALES: &str = "kept and shown; nothing scales";

pub const PARAMETERS: &[Parameter] = &[
    done("GlobalTableName"),
    done("GlobalTableBillingMode"),
    done("GlobalTableProvisionedWriteCapacityUnits"),
    different("GlobalTableProvisionedWriteCapacityAutoScalingSettingsUpdate", NOTHING_SCALES),
    done("GlobalTableGlobalSecondaryIndexSettingsUpdate"),
    done("ReplicaSettingsUpdate"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    global_table_name: Option<String>,
    global_table_billing_mode: Option<String>,
    global_table_provisioned_write_capacity_units: Option<i64>,
    global_table_provisioned_write_capacity_auto_scaling_settings_update: Option<SettingsUpdate>,
    global_table_global_secondary_index_settings_update: Option<Vec<IndexUpdate>>,
    replica_settings_update: Option<Vec<ReplicaUpdate>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct IndexUpdate {
    index_name: Option<String>,
    provisioned_write_capacity_units: Option<i64>,
    provisioned_write_capacity_auto_scaling_settings_update: Option<SettingsUpdate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ReplicaUpdate {
    region_name: Option<String>,
    replica_provisioned_read_capacity_units: Option<i64>,
    replica_provisioned_read_capacity_auto_scaling_settings_update: Option<SettingsUpdate>,
    replica_global_secondary_index_settings_update: Option<Vec<ReplicaIndexUpdate>>,
    replica_table_class: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ReplicaIndexUpdate {
    index_name: Option<String>,
    provisioned_read_capacity_units: Option<i64>,
    provisioned_read_capacity_auto_scaling_settings_update: Option<SettingsUpdate>,
}

pub type Output = settings::Output;

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let name = check_name(&input.global_table_name)?;
    input.check()?;
    let group = store.global_table(&realm.account, name).await?.ok_or_else(|| not_found(name))?;
    for replica in input.replica_settings_update.iter().flatten() {
        let region = replica.region_name.as_deref().unwrap_or_default();
        if !group.regions.iter().any(|other| other == region) {
            return Err(Error::ReplicaNotFound(format!(
                "Replica in region: '{region}' of global table with name: '{name}' does not exist."
            )));
        }
    }
    let mut planned = Vec::with_capacity(group.regions.len());
    for region in group.regions {
        let there = Realm { account: realm.account.clone(), region };
        let table = store
            .current_table(&there, name)
            .await
            .map_err(|error| super::describe_table::no_such_table(error, name))?;
        planned.push((there, input.changes(&table)?));
    }
    for (there, changes) in planned {
        if !changes.is_empty() {
            store.change_table(&there, name, &changes).await?;
        }
        store.change_services(&there, name, |table, services| input.scale(table, services)).await?;
    }
    describe(store, realm, name, "UPDATING").await
}

impl Input {
    fn check(&self) -> Result<(), Error> {
        let name = self.global_table_name.as_deref().unwrap_or_default();
        let mut constraints = Constraints::new();
        constraints.one_of("globalTableBillingMode", self.global_table_billing_mode.as_deref(), values::BILLING_MODE);
        let write = self.global_table_provisioned_write_capacity_units;
        constraints.range("globalTableProvisionedWriteCapacityUnits", write, 1, i64::MAX);
        if let Some(updates) = &self.global_table_global_secondary_index_settings_update {
            constraints.unquoted_size("globalTableGlobalSecondaryIndexSettingsUpdate", updates.len(), 1, 20);
        }
        if let Some(updates) = &self.replica_settings_update {
            constraints.unquoted_size("replicaSettingsUpdate", updates.len(), 1, 50);
        }
        for (at, index) in self.indexes().enumerate() {
            let path = format!("globalTableGlobalSecondaryIndexSettingsUpdate.{}.member", at + 1);
            constraints.required(&format!("{path}.indexName"), &index.index_name);
            constraints.range(
                &format!("{path}.provisionedWriteCapacityUnits"),
                index.provisioned_write_capacity_units,
                1,
                i64::MAX,
            );
        }
        for (at, replica) in self.replica_settings_update.iter().flatten().enumerate() {
            let path = format!("replicaSettingsUpdate.{}.member", at + 1);
            constraints.required(&format!("{path}.regionName"), &replica.region_name);
            let read = replica.replica_provisioned_read_capacity_units;
            constraints.range(&format!("{path}.replicaProvisionedReadCapacityUnits"), read, 1, i64::MAX);
            let class = replica.replica_table_class.as_deref();
            constraints.one_of(&format!("{path}.replicaTableClass"), class, values::TABLE_CLASS);
            for (at, index) in replica.replica_global_secondary_index_settings_update.iter().flatten().enumerate() {
                let path = format!("{path}.replicaGlobalSecondaryIndexSettingsUpdate.{}.member", at + 1);
                constraints.required(&format!("{path}.indexName"), &index.index_name);
                constraints.range(
                    &format!("{path}.provisionedReadCapacityUnits"),
                    index.provisioned_read_capacity_units,
                    1,
                    i64::MAX,
                );
            }
        }
        for (path, _, update) in self.scalings() {
            update.check(&mut constraints, path);
        }
        constraints.finish(())?;
        self.scalings().try_for_each(|(_, capacity, update)| update.check_members(name, capacity))
    }

    fn indexes(&self) -> impl Iterator<Item = &IndexUpdate> {
        self.global_table_global_secondary_index_settings_update.iter().flatten()
    }

    fn replicas_of<'i>(&'i self, region: &'i str) -> impl Iterator<Item = &'i ReplicaUpdate> {
        let replicas = self.replica_settings_update.iter().flatten();
        replicas.filter(move |replica| replica.region_name.as_deref() == Some(region))
    }

    /// All settings of auto scaling, wherever they stand.
    fn scalings(&self) -> impl Iterator<Item = (&'static str, Capacity, &SettingsUpdate)> {
        let own = self.global_table_provisioned_write_capacity_auto_scaling_settings_update.iter();
        let own =
            own.map(|update| ("globalTableProvisionedWriteCapacityAutoScalingSettingsUpdate", Capacity::Write, update));
        let indexes = self.indexes().filter_map(|index| {
            let update = index.provisioned_write_capacity_auto_scaling_settings_update.as_ref()?;
            Some(("provisionedWriteCapacityAutoScalingSettingsUpdate", Capacity::Write, update))
        });
        let replicas = self.replica_settings_update.iter().flatten().flat_map(|replica| {
            let own = replica.replica_provisioned_read_capacity_auto_scaling_settings_update.iter();
            let own =
                own.map(|update| ("replicaProvisionedReadCapacityAutoScalingSettingsUpdate", Capacity::Read, update));
            let indexes = replica.replica_global_secondary_index_settings_update.iter().flatten().filter_map(|index| {
                let update = index.provisioned_read_capacity_auto_scaling_settings_update.as_ref()?;
                Some(("provisionedReadCapacityAutoScalingSettingsUpdate", Capacity::Read, update))
            });
            own.chain(indexes)
        });
        own.chain(indexes).chain(replicas)
    }

    /// What it changes of one region's table.
    fn changes(&self, table: &Table) -> Result<Vec<TableChange>, Error> {
        let mut changes = Vec::new();
        let mode = billing_mode(self.global_table_billing_mode.as_deref()).unwrap_or(table.billing_mode);
        let region = table.realm.region.as_str();
        let units = |given: Option<i64>| given.and_then(|given| u64::try_from(given).ok());
        let write = units(self.global_table_provisioned_write_capacity_units);
        let read = self.replicas_of(region).find_map(|replica| units(replica.replica_provisioned_read_capacity_units));
        if mode == BillingMode::PayPerRequest && (write.is_some() || read.is_some()) {
            return Err(invalid(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            ));
        }
        let own = table.throughput.filter(|_| mode == BillingMode::Provisioned);
        let throughput = match (mode, read.or(own.map(|own| own.read)), write.or(own.map(|own| own.write))) {
            (BillingMode::PayPerRequest, ..) => None,
            (BillingMode::Provisioned, Some(read), Some(write)) => Some(Throughput { read, write }),
            (BillingMode::Provisioned, ..) => {
                return Err(invalid(
                    "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
                ));
            }
        };
        if mode != table.billing_mode || throughput != table.throughput {
            changes.push(TableChange::Billing(mode, throughput));
        }
        self.index_changes(table, mode, &mut changes)?;
        let class = self.replicas_of(region).find_map(|replica| replica.replica_table_class.as_deref());
        changes.extend(class.and_then(TableClass::parse).map(TableChange::Class));
        Ok(changes)
    }

    fn index_changes(&self, table: &Table, mode: BillingMode, changes: &mut Vec<TableChange>) -> Result<(), Error> {
        let units = |given: Option<i64>| given.and_then(|given| u64::try_from(given).ok());
        let reads = || {
            let replicas = self.replicas_of(&table.realm.region);
            replicas.flat_map(|replica| replica.replica_global_secondary_index_settings_update.iter().flatten())
        };
        let named = self.indexes().map(|index| &index.index_name).chain(reads().map(|index| &index.index_name));
        for name in named.flatten() {
            if table.global_indexes().all(|index| index.name != *name) {
                return Err(Error::IndexNotFound(format!(
                    "Index with name: '{name}' of global table with name: '{}' does not exist in region: '{}'.",
                    table.name, table.realm.region
                )));
            }
        }
        for index in table.global_indexes() {
            let is_it = |name: &Option<String>| name.as_ref() == Some(&index.name);
            let write = self.indexes().find(|given| is_it(&given.index_name));
            let write = write.and_then(|given| units(given.provisioned_write_capacity_units));
            let read = reads().find(|given| is_it(&given.index_name));
            let read = read.and_then(|given| units(given.provisioned_read_capacity_units));
            let own = index.throughput;
            match (mode, read.or(own.map(|own| own.read)), write.or(own.map(|own| own.write))) {
                (BillingMode::PayPerRequest, ..) if read.is_some() || write.is_some() => {
                    return Err(invalid(&format!(
                        "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: {} when BillingMode \
                         is PAY_PER_REQUEST",
                        index.name
                    )));
                }
                (BillingMode::PayPerRequest, ..) => {}
                (BillingMode::Provisioned, Some(read), Some(write)) => {
                    let throughput = Throughput { read, write };
                    if own != Some(throughput) {
                        changes.push(TableChange::IndexThroughput(index.name.clone(), throughput));
                    }
                }
                (BillingMode::Provisioned, ..) => {
                    return Err(invalid(&format!("ProvisionedThroughput must be specified for index: {}", index.name)));
                }
            }
        }
        Ok(())
    }

    /// Keeps the settings of auto scaling that are given for one region's table.
    fn scale(&self, table: &Table, services: &mut Services) -> Result<(), Error> {
        let region = table.realm.region.as_str();
        let of = |index, capacity| Dimension { region, index, capacity };
        if let Some(update) = &self.global_table_provisioned_write_capacity_auto_scaling_settings_update {
            update.apply(table, of(None, Capacity::Write), services);
        }
        for index in self.indexes() {
            let name = index.index_name.as_deref().unwrap_or_default();
            if let Some(update) = &index.provisioned_write_capacity_auto_scaling_settings_update {
                update.apply(table, of(Some(global(table, name, "update")?), Capacity::Write), services);
            }
        }
        for replica in self.replicas_of(region) {
            if let Some(update) = &replica.replica_provisioned_read_capacity_auto_scaling_settings_update {
                update.apply(table, of(None, Capacity::Read), services);
            }
            for index in replica.replica_global_secondary_index_settings_update.iter().flatten() {
                let name = index.index_name.as_deref().unwrap_or_default();
                if let Some(update) = &index.provisioned_read_capacity_auto_scaling_settings_update {
                    update.apply(table, of(Some(global(table, name, "update")?), Capacity::Read), services);
                }
            }
        }
        Ok(())
    }
}
