//! UpdateTable: streams, global and vector indexes, capacity, class, encryption, protection, replication. Everything a request asks for
//! happens at once.
//!
//! Which changes go together, and what is wrong with a change, is as measured on AWS (the notes published as ack-api-quirks,
//! October 2026: findings DDB-TABLE-047, 057, 059, 137, 161, 382, 433, 442). Changes there take seconds to minutes, during
//! which others are refused; here a change is over when it answers.

mod combinations;
pub mod indexes;
mod replication;
mod vectors;

use serde::{Deserialize, Serialize};

use self::indexes::{IndexUpdate, index_changes};
use self::replication::{ReplicaUpdate, WitnessUpdate, already_exists, replication_changes};
use self::vectors::VectorUpdate;
use super::constraints::{Constraints, values};
use super::create_table::{billing_mode, check_billing};
use super::describe_table::no_such_table;
use super::parameters::{Parameter, different, done};
use super::resource::TableName;
use super::table_definition::{self as definition, AttributeDefinition, StreamSpecification, ThroughputInput};
use super::table_description::{Shown, TableDescription};
use super::table_settings::{EncryptionInput, Of, OnDemandInput, WarmInput, check_maximum};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::store::{BillingMode, Realm, Store, Table, TableChange, TableClass};

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("AttributeDefinitions"),
    done("BillingMode"),
    different("ProvisionedThroughput", "kept and shown, never enforced"),
    done("GlobalSecondaryIndexUpdates"),
    done("StreamSpecification"),
    done("DeletionProtectionEnabled"),
    different("SSESpecification", "kept and shown; nothing is encrypted, and a key need not exist"),
    different("TableClass", "kept and shown, without effect"),
    different("OnDemandThroughput", "kept and shown, never enforced"),
    different("WarmThroughput", "kept and shown, without effect"),
    different("ReplicaUpdates", "replicas are described as ACTIVE and are not there; nothing is replicated"),
    different("MultiRegionConsistency", "kept and shown"),
    different("GlobalTableWitnessUpdates", "witnesses are described as ACTIVE and are not there"),
    different("GlobalTableSettingsReplicationMode", "kept and shown; no settings are replicated"),
    done("DisassociationProtectionEnabled"),
    done("VectorIndexUpdates"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    attribute_definitions: Option<Vec<AttributeDefinition>>,
    billing_mode: Option<String>,
    provisioned_throughput: Option<ThroughputInput>,
    global_secondary_index_updates: Option<Vec<IndexUpdate>>,
    stream_specification: Option<StreamSpecification>,
    deletion_protection_enabled: Option<bool>,
    #[serde(rename = "SSESpecification")]
    sse_specification: Option<EncryptionInput>,
    table_class: Option<String>,
    on_demand_throughput: Option<OnDemandInput>,
    warm_throughput: Option<WarmInput>,
    replica_updates: Option<Vec<ReplicaUpdate>>,
    multi_region_consistency: Option<String>,
    global_table_witness_updates: Option<Vec<WitnessUpdate>>,
    global_table_settings_replication_mode: Option<String>,
    disassociation_protection_enabled: Option<bool>,
    vector_index_updates: Option<Vec<VectorUpdate>>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub table_description: TableDescription,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let table_name = input.check()?;
    let name = TableName::parse(realm, table_name)?;
    let table = store.current_table(&name.realm, name.name).await.map_err(|error| no_such_table(error, name.name))?;
    let changes = changes(&table, input, store.clock().now())?;
    check_new_regions(store, &table, &changes).await?;
    // Some changes take no time on AWS either, or are said to go on elsewhere than in the table's status.
    let is_quiet = |change: &TableChange| {
        matches!(
            change,
            TableChange::DeletionProtection(_)
                | TableChange::OnDemand(_)
                | TableChange::Warm(_)
                | TableChange::Encryption(_)
        )
    };
    let is_updating = |wanted: fn(&TableChange) -> bool| changes.iter().any(wanted);
    let shown = Shown {
        status: if changes.iter().all(is_quiet) && input.billing_mode.is_none() { "ACTIVE" } else { "UPDATING" },
        warm: Some(if is_updating(|change| matches!(change, TableChange::Warm(_))) { "UPDATING" } else { "ACTIVE" }),
        encryption: if is_updating(|change| matches!(change, TableChange::Encryption(_))) {
            "UPDATING"
        } else {
            "ENABLED"
        },
    };
    // Before the change: nothing may fail once it is done. What a new index holds, DescribeTable tells.
    let statistics = store.statistics(&table).await?;
    let table = store.change_table(&name.realm, name.name, &changes).await?;
    Ok(Output { table_description: TableDescription::new(&table, shown, &statistics, store.clock().now()) })
}

impl Input {
    fn check(&self) -> Result<&str, Error> {
        let mut constraints = Constraints::new();
        definition::check_attributes(&mut constraints, self.attribute_definitions.as_deref().unwrap_or_default());
        let table_name = constraints.table("tableName", &self.table_name);
        constraints.one_of("billingMode", self.billing_mode.as_deref(), values::BILLING_MODE);
        definition::check_throughput(&mut constraints, "provisionedThroughput", self.provisioned_throughput.as_ref());
        for (at, update) in self.global_secondary_index_updates.iter().flatten().enumerate() {
            update.check(&mut constraints, &format!("globalSecondaryIndexUpdates.{}.member", at + 1));
        }
        for (at, update) in self.vector_index_updates.iter().flatten().enumerate() {
            update.check(&mut constraints, &format!("vectorIndexUpdates.{}.member", at + 1));
        }
        definition::check_stream(&mut constraints, self.stream_specification.as_ref());
        definition::check_encryption(&mut constraints, self.sse_specification.as_ref());
        constraints.one_of("tableClass", self.table_class.as_deref(), values::TABLE_CLASS);
        self.check_replication(&mut constraints);
        let table_name = constraints.finish(table_name)?;
        self.check_combinations()?;
        Ok(table_name)
    }
}

/// What the request changes of `table`.
fn changes(table: &Table, input: &Input, now: Timestamp) -> Result<Vec<TableChange>, Error> {
    let mut changes = Vec::new();
    let billing_mode = billing_change(table, input, &mut changes)?;
    stream_change(table, input, &mut changes)?;
    if let Some(protect) = input.deletion_protection_enabled {
        changes.push(TableChange::DeletionProtection(protect));
    }
    capacity_changes(table, input, billing_mode, &mut changes)?;
    if let Some(class) = input.table_class.as_deref().and_then(TableClass::parse) {
        changes.push(TableChange::Class(class));
    }
    if let Some(encryption) = &input.sse_specification {
        let now = table.settings.encryption.key_arn.as_deref();
        changes.push(TableChange::Encryption(encryption.change(&table.realm, now)?));
    }
    index_changes(table, input, billing_mode, &mut changes)?;
    replication_changes(table, input, now, &mut changes)?;
    Ok(changes)
}

/// A replica is not made where a table of its name is.
async fn check_new_regions(store: &Store, table: &Table, changes: &[TableChange]) -> Result<(), Error> {
    for region in new_regions(table, changes) {
        let there = Realm { account: table.realm.account.clone(), region };
        match store.current_table(&there, &table.name).await {
            Ok(_) => return Err(already_exists(&table.name)),
            Err(Error::ResourceNotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn new_regions(table: &Table, changes: &[TableChange]) -> Vec<String> {
    let known = &table.settings.replication.replicas;
    let mut regions = Vec::new();
    for change in changes {
        if let TableChange::Replication(replication) = change {
            let added =
                replication.replicas.iter().filter(|replica| known.iter().all(|old| old.region != replica.region));
            regions.extend(added.map(|replica| replica.region.clone()));
        }
    }
    regions
}

/// The billing mode from now on.
fn billing_change(table: &Table, input: &Input, changes: &mut Vec<TableChange>) -> Result<BillingMode, Error> {
    let mode = billing_mode(input.billing_mode.as_deref()).unwrap_or(table.billing_mode);
    let given = definition::throughput(input.provisioned_throughput.as_ref())?;
    check_maximum(&table.realm, Of::Table, input.provisioned_throughput.as_ref())?;
    if mode == BillingMode::Provisioned && input.billing_mode.is_some() && given.is_none() {
        return Err(Error::validation(
            "One or more parameter values were invalid: ProvisionedThroughput must be specified when BillingMode is \
             PROVISIONED",
        ));
    }
    let kept = table.throughput.filter(|_| given.is_none() && mode == table.billing_mode);
    let throughput = check_billing(mode, given.or(kept))?;
    if mode == table.billing_mode
        && let (Some(now), Some(asked)) = (table.throughput, given)
        && now == asked
    {
        return Err(Error::Validation(format!(
            "The provisioned throughput for the table will not change. The requested value equals the current value. \
             Current ReadCapacityUnits provisioned for the table: {}. Requested ReadCapacityUnits: {}. Current \
             WriteCapacityUnits provisioned for the table: {}. Requested WriteCapacityUnits: {}. Refer to the Amazon \
             DynamoDB Developer Guide for current limits and how to request higher limits.",
            now.read, asked.read, now.write, asked.write
        )));
    }
    if mode != table.billing_mode || given.is_some() {
        changes.push(TableChange::Billing(mode, throughput));
    }
    Ok(mode)
}

fn stream_change(table: &Table, input: &Input, changes: &mut Vec<TableChange>) -> Result<(), Error> {
    let Some(specification) = &input.stream_specification else { return Ok(()) };
    match (definition::stream_view(Some(specification), &definition::STREAM_OF_TABLE)?, &table.stream) {
        (Some(_), Some(_)) => {
            Err(Error::Validation(format!("Table already has an enabled stream: TableName: {}", table.name)))
        }
        (None, None) => Err(Error::Validation(format!("Table has no stream to disable: TableName: {}", table.name))),
        (Some(view), None) => {
            changes.push(TableChange::EnableStream(view));
            Ok(())
        }
        (None, Some(_)) if !table.settings.replication.replicas.is_empty() => Err(Error::validation(
            "One or more parameter values were invalid: Disabling Stream is not allowed for a Global Table replica.",
        )),
        (None, Some(_)) => {
            changes.push(TableChange::DisableStream);
            Ok(())
        }
    }
}

/// Capacity on demand, and what is served at once.
fn capacity_changes(
    table: &Table,
    input: &Input,
    billing_mode: BillingMode,
    changes: &mut Vec<TableChange>,
) -> Result<(), Error> {
    if let Some(on_demand) = input.on_demand_throughput.filter(|on_demand| !on_demand.is_empty()) {
        let change = on_demand.change(&table.realm, Of::Table, billing_mode, true)?;
        changes.push(TableChange::OnDemand(change));
    }
    if let Some(warm) = input.warm_throughput.filter(|warm| !warm.is_empty()) {
        changes.push(TableChange::Warm(warm.raised(&table.realm, Of::Table, table.warm())?));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
