//! UpdateTable: streams, global indexes, billing, deletion protection. Everything a request asks for happens at once.

use serde::{Deserialize, Serialize};

use super::constraints::{Constraints, refuse_absent, values};
use super::create_table::{Indexes, MAX_GLOBAL_INDEXES, NOT_KEPT, billing_mode, check_billing};
use super::describe_table::no_such_table;
use super::parameters::{Given, Parameter, absent, different, done};
use super::resource::TableName;
use super::table_definition::{
    self as definition, AttributeDefinition, IndexInput, KeyNames, StreamSpecification, ThroughputInput,
};
use super::table_description::TableDescription;
use crate::error::Error;
use crate::store::{BillingMode, IndexKind, KeyAttribute, Realm, Store, Table, TableChange};

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("AttributeDefinitions"),
    done("BillingMode"),
    different("ProvisionedThroughput", "kept and shown, never enforced"),
    done("GlobalSecondaryIndexUpdates"),
    done("StreamSpecification"),
    done("DeletionProtectionEnabled"),
    different("SSESpecification", NOT_KEPT),
    different("TableClass", NOT_KEPT),
    different("OnDemandThroughput", NOT_KEPT),
    different("WarmThroughput", NOT_KEPT),
    absent("ReplicaUpdates"),
    absent("MultiRegionConsistency"),
    absent("GlobalTableWitnessUpdates"),
    absent("GlobalTableSettingsReplicationMode"),
    absent("DisassociationProtectionEnabled"),
    absent("VectorIndexUpdates"),
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
    sse_specification: Option<Given>,
    table_class: Option<String>,
    on_demand_throughput: Option<Given>,
    warm_throughput: Option<Given>,
    replica_updates: Option<Given>,
    multi_region_consistency: Option<Given>,
    global_table_witness_updates: Option<Given>,
    global_table_settings_replication_mode: Option<Given>,
    disassociation_protection_enabled: Option<Given>,
    vector_index_updates: Option<Given>,
}

/// Exactly one of its members is given.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct IndexUpdate {
    create: Option<IndexInput>,
    update: Option<IndexThroughput>,
    delete: Option<IndexName>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct IndexThroughput {
    index_name: Option<String>,
    provisioned_throughput: Option<ThroughputInput>,
    on_demand_throughput: Option<Given>,
    warm_throughput: Option<Given>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct IndexName {
    index_name: Option<String>,
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
    let changes = changes(&table, input)?;
    let status = if changes.iter().all(|change| matches!(change, TableChange::DeletionProtection(_))) {
        "ACTIVE"
    } else {
        "UPDATING"
    };
    // Before the change: nothing may fail once it is done. What a new index holds, DescribeTable tells.
    let statistics = store.statistics(&table).await?;
    let table = store.change_table(&name.realm, name.name, &changes).await?;
    Ok(Output { table_description: TableDescription::new(&table, status, &statistics) })
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
        definition::check_stream(&mut constraints, self.stream_specification.as_ref());
        constraints.one_of("tableClass", self.table_class.as_deref(), values::TABLE_CLASS);
        let table_name = constraints.finish(table_name)?;
        self.refuse_absent()?;
        if !self.asks_for_anything() {
            return Err(Error::validation(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
                 SSESpecification or ReplicaUpdates is required",
            ));
        }
        Ok(table_name)
    }

    fn refuse_absent(&self) -> Result<(), Error> {
        refuse_absent(
            "UpdateTable",
            &[
                ("ReplicaUpdates", self.replica_updates.is_some()),
                ("MultiRegionConsistency", self.multi_region_consistency.is_some()),
                ("GlobalTableWitnessUpdates", self.global_table_witness_updates.is_some()),
                ("GlobalTableSettingsReplicationMode", self.global_table_settings_replication_mode.is_some()),
                ("DisassociationProtectionEnabled", self.disassociation_protection_enabled.is_some()),
                ("VectorIndexUpdates", self.vector_index_updates.is_some()),
            ],
        )
    }

    const fn asks_for_anything(&self) -> bool {
        self.billing_mode.is_some()
            || self.provisioned_throughput.is_some()
            || self.global_secondary_index_updates.is_some()
            || self.stream_specification.is_some()
            || self.deletion_protection_enabled.is_some()
            || self.sse_specification.is_some()
            || self.table_class.is_some()
            || self.on_demand_throughput.is_some()
            || self.warm_throughput.is_some()
    }
}

impl IndexUpdate {
    fn check(&self, constraints: &mut Constraints, path: &str) {
        if let Some(create) = &self.create {
            definition::check_index(constraints, &format!("{path}.create"), create, 8);
        }
        if let Some(update) = &self.update {
            let name_path = format!("{path}.update.indexName");
            if let Some(name) = constraints.required(&name_path, &update.index_name) {
                constraints.name(&name_path, name);
            }
            let throughput = update.provisioned_throughput.as_ref();
            definition::check_throughput(constraints, &format!("{path}.update.provisionedThroughput"), throughput);
        }
        if let Some(delete) = &self.delete {
            let name_path = format!("{path}.delete.indexName");
            if let Some(name) = constraints.required(&name_path, &delete.index_name) {
                constraints.name(&name_path, name);
            }
        }
    }
}

/// What the request changes of `table`.
fn changes(table: &Table, input: &Input) -> Result<Vec<TableChange>, Error> {
    let mut changes = Vec::new();
    let billing_mode = billing_change(table, input, &mut changes)?;
    stream_change(table, input, &mut changes)?;
    if let Some(protect) = input.deletion_protection_enabled {
        changes.push(TableChange::DeletionProtection(protect));
    }
    index_changes(table, input, billing_mode, &mut changes)?;
    Ok(changes)
}

/// The billing mode from now on.
fn billing_change(table: &Table, input: &Input, changes: &mut Vec<TableChange>) -> Result<BillingMode, Error> {
    let mode = billing_mode(input.billing_mode.as_deref()).unwrap_or(table.billing_mode);
    let given = definition::throughput(input.provisioned_throughput.as_ref())?;
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
        (None, Some(_)) => {
            changes.push(TableChange::DisableStream);
            Ok(())
        }
    }
}

fn index_changes(
    table: &Table,
    input: &Input,
    billing_mode: BillingMode,
    changes: &mut Vec<TableChange>,
) -> Result<(), Error> {
    let Some(updates) = &input.global_secondary_index_updates else { return Ok(()) };
    let attributes = merged_attributes(table, input.attribute_definitions.as_deref().unwrap_or_default())?;
    let table_key = KeyNames {
        partition: table.key.partition.iter().map(|attribute| attribute.name.clone()).collect(),
        sort: table.key.sort.iter().map(|attribute| attribute.name.clone()).collect(),
    };
    let indexes = Indexes { billing_mode, attributes: &attributes, table_key: &table_key };
    let mut made_or_deleted = 0;
    let mut seen: Vec<&str> = Vec::new();
    let mut index_changes = Vec::new();
    for update in updates {
        let (name, change) = index_change(table, &indexes, update)?;
        if seen.contains(&name) {
            return Err(Error::Validation(format!(
                "One or more parameter values were invalid: Only one global secondary index update per index is allowed \
                 simultaneously. Index: {name}"
            )));
        }
        seen.push(name);
        made_or_deleted += usize::from(!matches!(change, Some(TableChange::IndexThroughput(..))));
        index_changes.extend(change);
    }
    if made_or_deleted > 1 {
        return Err(Error::LimitExceeded(
            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
                .to_owned(),
        ));
    }
    let kept = kept_attributes(table, attributes, &index_changes);
    if kept != table.attribute_definitions {
        changes.push(TableChange::AttributeDefinitions(kept));
    }
    changes.extend(index_changes);
    Ok(())
}

/// One update's index and what becomes of it; nothing when it only sets what is accepted without effect.
fn index_change<'a>(
    table: &Table,
    indexes: &Indexes<'_>,
    update: &'a IndexUpdate,
) -> Result<(&'a str, Option<TableChange>), Error> {
    let global = |name: &str| table.global_indexes().find(|index| index.name == name);
    let missing = || Error::ResourceNotFound("Requested resource not found".to_owned());
    match (&update.create, &update.update, &update.delete) {
        (Some(create), None, None) => {
            let name = create.index_name.as_deref().unwrap_or_default();
            if table.index(name).is_some() {
                return Err(Error::validation("Attempting to create an index which already exists"));
            }
            if table.global_indexes().count() >= MAX_GLOBAL_INDEXES {
                return Err(Error::Validation(format!(
                    "One or more parameter values were invalid: GlobalSecondaryIndex count exceeds the per-table limit of \
                     {MAX_GLOBAL_INDEXES}"
                )));
            }
            Ok((name, Some(TableChange::CreateIndex(indexes.build_one(IndexKind::Global, create)?))))
        }
        (None, Some(change), None) => {
            let name = change.index_name.as_deref().unwrap_or_default();
            let index = global(name).ok_or_else(missing)?;
            let throughput = definition::throughput(change.provisioned_throughput.as_ref())?;
            let without_effect = change.on_demand_throughput.is_some() || change.warm_throughput.is_some();
            match throughput {
                None if without_effect => Ok((name, None)),
                None => Err(Error::validation(
                    "One or more parameter values were invalid: ProvisionedThroughput must be specified for index update",
                )),
                Some(_) if indexes.billing_mode == BillingMode::PayPerRequest => Err(Error::Validation(format!(
                    "One or more parameter values were invalid: ProvisionedThroughput should not be specified for index: \
                     {name} when BillingMode is PAY_PER_REQUEST"
                ))),
                Some(throughput) if index.throughput == Some(throughput) => Err(Error::Validation(format!(
                    "The provisioned throughput for the index {name} will not change. The requested value equals the \
                     current value. Current ReadCapacityUnits provisioned for the index: {}. Requested ReadCapacityUnits: \
                     {}. Current WriteCapacityUnits provisioned for the index: {}. Requested WriteCapacityUnits: {}. Refer \
                     to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
                    throughput.read, throughput.read, throughput.write, throughput.write
                ))),
                Some(throughput) => Ok((name, Some(TableChange::IndexThroughput(name.to_owned(), throughput)))),
            }
        }
        (None, None, Some(delete)) => {
            let name = delete.index_name.as_deref().unwrap_or_default();
            global(name).ok_or_else(missing)?;
            Ok((name, Some(TableChange::DeleteIndex(name.to_owned()))))
        }
        _ => Err(Error::validation(
            "One or more parameter values were invalid: One of GlobalSecondaryIndexUpdate's Create, Update and Delete must \
             be specified",
        )),
    }
}

/// The table's definitions and the request's new ones; a type never changes.
fn merged_attributes(table: &Table, definitions: &[AttributeDefinition]) -> Result<Vec<KeyAttribute>, Error> {
    let mut merged = table.attribute_definitions.clone();
    for attribute in definition::attributes(definitions)? {
        match merged.iter().find(|known| known.name == attribute.name) {
            None => merged.push(attribute),
            Some(known) if known.kind == attribute.kind => {}
            Some(known) => {
                return Err(Error::Validation(format!(
                    "One or more parameter values were invalid: The type of attribute {} cannot change from {} to {}",
                    known.name,
                    known.kind.name(),
                    attribute.kind.name()
                )));
            }
        }
    }
    Ok(merged)
}

/// Those of `attributes` that are part of a key once `changes` are made.
fn kept_attributes(table: &Table, attributes: Vec<KeyAttribute>, changes: &[TableChange]) -> Vec<KeyAttribute> {
    let deleted =
        |name: &str| changes.iter().any(|change| matches!(change, TableChange::DeleteIndex(other) if other == name));
    let created = |attribute: &str| {
        changes.iter().any(|change| matches!(change, TableChange::CreateIndex(index) if index.key.contains(attribute)))
    };
    let is_used = |name: &str| {
        table.key.contains(name)
            || table.indexes.iter().any(|index| !deleted(&index.name) && index.key.contains(name))
            || created(name)
    };
    attributes.into_iter().filter(|attribute| is_used(&attribute.name)).collect()
}

#[cfg(test)]
mod tests;
