//! UpdateTableReplicaAutoScaling: sets the auto scaling of a global table: of writes for the whole group, of reads for each replica.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::parameters::{Parameter, different, done};
use super::resource::TableName;
use super::scaling::{Dimension, SettingsUpdate, TableDescription, no_such_global_table, regions};
use crate::error::Error;
use crate::store::{BillingMode, Capacity, Index, Realm, Services, Store, Table};

const NOTHING_SCALES: &str = "kept and shown; nothing scales";

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    different("GlobalSecondaryIndexUpdates", NOTHING_SCALES),
    different("ProvisionedWriteCapacityAutoScalingUpdate", NOTHING_SCALES),
    different("ReplicaUpdates", NOTHING_SCALES),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    global_secondary_index_updates: Option<Vec<IndexUpdate>>,
    provisioned_write_capacity_auto_scaling_update: Option<SettingsUpdate>,
    replica_updates: Option<Vec<ReplicaUpdate>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct IndexUpdate {
    index_name: Option<String>,
    provisioned_write_capacity_auto_scaling_update: Option<SettingsUpdate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ReplicaUpdate {
    region_name: Option<String>,
    replica_global_secondary_index_updates: Option<Vec<ReplicaIndexUpdate>>,
    replica_provisioned_read_capacity_auto_scaling_update: Option<SettingsUpdate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ReplicaIndexUpdate {
    index_name: Option<String>,
    provisioned_read_capacity_auto_scaling_update: Option<SettingsUpdate>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub table_auto_scaling_description: TableDescription,
}

/// One of the updates: of which region, or all, and of which index.
struct Update<'a> {
    region: Option<&'a str>,
    index: Option<&'a str>,
    settings: &'a SettingsUpdate,
    /// What the request calls it.
    member: &'static str,
}

impl Update<'_> {
    const fn capacity(&self) -> Capacity {
        if self.region.is_some() { Capacity::Read } else { Capacity::Write }
    }
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let name = TableName::parse(realm, input.check()?)?;
    let updates = &input.updates(name.name)?;
    let change = store.change_services(&name.realm, name.name, |table, services| {
        change(table, updates, services)?;
        TableDescription::new(table, "UPDATING", services)
    });
    let described = change.await.map_err(|error| match error {
        Error::ResourceNotFound(text) if text == "Requested resource not found" => no_such_global_table(name.name),
        error => error,
    })?;
    Ok(Output { table_auto_scaling_description: described })
}

impl Input {
    fn check(&self) -> Result<&str, Error> {
        let mut constraints = Constraints::new();
        let table_name = constraints.table("tableName", &self.table_name);
        if let Some(updates) = &self.global_secondary_index_updates {
            constraints.unquoted_size("globalSecondaryIndexUpdates", updates.len(), 1, usize::MAX);
        }
        if let Some(updates) = &self.replica_updates {
            constraints.unquoted_size("replicaUpdates", updates.len(), 1, usize::MAX);
        }
        if let Some(settings) = &self.provisioned_write_capacity_auto_scaling_update {
            settings.check(&mut constraints, "provisionedWriteCapacityAutoScalingUpdate");
        }
        for (at, update) in self.global_secondary_index_updates.iter().flatten().enumerate() {
            let path = format!("globalSecondaryIndexUpdates.{}.member", at + 1);
            constraints.optional_name(&format!("{path}.indexName"), update.index_name.as_deref());
            if let Some(settings) = &update.provisioned_write_capacity_auto_scaling_update {
                settings.check(&mut constraints, &format!("{path}.provisionedWriteCapacityAutoScalingUpdate"));
            }
        }
        for (at, update) in self.replica_updates.iter().flatten().enumerate() {
            let path = format!("replicaUpdates.{}.member", at + 1);
            constraints.required(&format!("{path}.regionName"), &update.region_name);
            if let Some(settings) = &update.replica_provisioned_read_capacity_auto_scaling_update {
                settings.check(&mut constraints, &format!("{path}.replicaProvisionedReadCapacityAutoScalingUpdate"));
            }
            for (at, index) in update.replica_global_secondary_index_updates.iter().flatten().enumerate() {
                let path = format!("{path}.replicaGlobalSecondaryIndexUpdates.{}.member", at + 1);
                constraints.optional_name(&format!("{path}.indexName"), index.index_name.as_deref());
                if let Some(settings) = &index.provisioned_read_capacity_auto_scaling_update {
                    settings.check(&mut constraints, &format!("{path}.provisionedReadCapacityAutoScalingUpdate"));
                }
            }
        }
        constraints.finish(table_name)
    }

    /// All that is asked for, each checked alone: before the table is looked for.
    fn updates(&self, table: &str) -> Result<Vec<Update<'_>>, Error> {
        let failed = |because: &str| {
            Err(Error::Validation(format!(
                "Failed to update settings for global table with name: ‘{table}’ because {because}"
            )))
        };
        let mut updates = Vec::new();
        let write = self.provisioned_write_capacity_auto_scaling_update.as_ref();
        let member = "ProvisionedWriteCapacityAutoScalingUpdate";
        updates.extend(write.map(|settings| Update { region: None, index: None, settings, member }));
        for update in self.global_secondary_index_updates.iter().flatten() {
            let settings = update.provisioned_write_capacity_auto_scaling_update.as_ref();
            let index = update.index_name.as_deref();
            updates.extend(settings.map(|settings| Update { region: None, index, settings, member }));
        }
        let mut seen: Vec<&str> = Vec::new();
        for update in self.replica_updates.iter().flatten() {
            let region = update.region_name.as_deref().unwrap_or_default();
            if seen.contains(&region) {
                return failed(&format!("the regions: ‘[{region}]’ were specified more than once."));
            }
            seen.push(region);
            let before = updates.len();
            let read = update.replica_provisioned_read_capacity_auto_scaling_update.as_ref();
            let member = "ReplicaProvisionedReadCapacityAutoScalingUpdate";
            updates.extend(read.map(|settings| Update { region: Some(region), index: None, settings, member }));
            for index in update.replica_global_secondary_index_updates.iter().flatten() {
                let settings = index.provisioned_read_capacity_auto_scaling_update.as_ref();
                let index = index.index_name.as_deref();
                let member = "ProvisionedReadCapacityAutoScalingUpdate";
                updates.extend(settings.map(|settings| Update { region: Some(region), index, settings, member }));
            }
            if updates.len() == before {
                return failed(&format!("at least one update parameter must be specified for region: ‘{region}’."));
            }
        }
        if updates.is_empty() {
            return failed("at least one update parameter must be specified.");
        }
        updates.iter().try_for_each(|update| update.settings.check_members(table, update.capacity()))?;
        Ok(updates)
    }
}

fn change(table: &Table, updates: &[Update<'_>], services: &mut Services) -> Result<(), Error> {
    let regions = regions(table)?;
    let missing = |because: String| {
        let name = &table.name;
        Error::ResourceNotFound(format!(
            "Failed to update settings for global table with name: ‘{name}’ because {because}"
        ))
    };
    for update in updates {
        if let Some(region) = update.region.filter(|region| !regions.iter().any(|other| other == region)) {
            return Err(missing(format!("a replica does not exist in regions: ‘[{region}]’.")));
        }
        let index = update.index.map(|name| {
            let found: Option<&Index> = table.global_indexes().find(|index| index.name == name);
            found.ok_or_else(|| missing(format!("the global secondary indexes with names: ‘[{name}]’ do not exist.")))
        });
        let index = index.transpose()?;
        if table.billing_mode == BillingMode::PayPerRequest && !update.settings.disables() {
            return Err(Error::Validation(format!(
                "Failed to update global table with name ‘{}‘. Replicas {} BillingMode is PayPerRequest. You must convert \
                 table's BillingMode to PROVISIONED to set parameters: '{}'.",
                table.name,
                regions.iter().map(|region| format!("'{region}'")).collect::<Vec<_>>().join(", "),
                update.member
            )));
        }
        for region in regions.iter().filter(|region| update.region.is_none_or(|asked| asked == region.as_str())) {
            update.settings.apply(table, Dimension { region, index, capacity: update.capacity() }, services);
        }
    }
    Ok(())
}
