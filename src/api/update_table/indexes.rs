//! What UpdateTable does with global indexes: makes one, deletes one, changes the capacity of some. Of the making and deleting
//! of an index, a vector index included, there is one at a time.

use serde::Deserialize;

use super::Input;
use super::vectors::vector_changes;
use crate::api::constraints::Constraints;
use crate::api::create_table::{Indexes, MAX_GLOBAL_INDEXES};
use crate::api::table_definition::{self as definition, AttributeDefinition, IndexInput, KeyNames, ThroughputInput};
use crate::api::table_settings::{Of, OnDemandInput, WarmInput, check_maximum};
use crate::api::vector_indexes;
use crate::error::Error;
use crate::store::{BillingMode, Index, IndexDefinition, IndexKind, KeyAttribute, Table, TableChange, Throughput};

/// Exactly one of its members is given.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct IndexUpdate {
    pub(super) create: Option<IndexInput>,
    update: Option<IndexCapacity>,
    pub(super) delete: Option<IndexName>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct IndexCapacity {
    index_name: Option<String>,
    provisioned_throughput: Option<ThroughputInput>,
    on_demand_throughput: Option<OnDemandInput>,
    warm_throughput: Option<WarmInput>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct IndexName {
    pub(super) index_name: Option<String>,
}

impl IndexUpdate {
    pub(super) fn check(&self, constraints: &mut Constraints, path: &str) {
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

pub(super) fn index_changes(
    table: &Table,
    input: &Input,
    billing_mode: BillingMode,
    changes: &mut Vec<TableChange>,
) -> Result<(), Error> {
    let updates = input.global_secondary_index_updates.as_deref();
    if updates.is_some_and(<[_]>::is_empty) {
        return Err(invalid("List of GlobalSecondaryIndexUpdates is empty"));
    }
    let updates = updates.unwrap_or_default();
    let attributes = merged_attributes(table, input.attribute_definitions.as_deref().unwrap_or_default())?;
    let table_key = KeyNames::from(&table.key);
    let indexes = Indexes { realm: &table.realm, billing_mode, attributes: &attributes, table_key: &table_key };
    let mut made_or_deleted = 0;
    let mut seen: Vec<&str> = Vec::new();
    let mut index_changes = Vec::new();
    for update in updates {
        let name = index_change(table, &indexes, update, &mut index_changes)?;
        if seen.contains(&name) {
            return Err(invalid(&format!(
                "Only one global secondary index update per index is allowed simultaneously. Index: {name}"
            )));
        }
        seen.push(name);
        made_or_deleted += usize::from(update.update.is_none());
    }
    let vector_updates = input.vector_index_updates.as_deref();
    vector_changes(table, &indexes, vector_updates, &mut index_changes)?;
    made_or_deleted += vector_updates.map_or(0, <[_]>::len);
    if made_or_deleted > 1 {
        return Err(Error::LimitExceeded(
            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
                .to_owned(),
        ));
    }
    if billing_mode == BillingMode::Provisioned {
        if table.vector_indexes().next().is_some() {
            vector_indexes::check_billing(billing_mode)?;
        }
        check_all_provisioned(table, &index_changes)?;
    }
    if !index_changes.is_empty() {
        let kept = kept_attributes(table, attributes, &index_changes);
        if kept != table.attribute_definitions {
            changes.push(TableChange::AttributeDefinitions(kept));
        }
    }
    changes.extend(index_changes);
    Ok(())
}

/// A table that becomes provisioned says what each of its global indexes gets.
fn check_all_provisioned(table: &Table, changes: &[TableChange]) -> Result<(), Error> {
    let is_provisioned = |index: &&Index| {
        index.throughput.is_some()
            || changes.iter().any(|change| match change {
                TableChange::IndexThroughput(name, _) | TableChange::DeleteIndex(name) => *name == index.name,
                _ => false,
            })
    };
    match table.global_indexes().find(|index| !is_provisioned(index)) {
        Some(index) => Err(invalid(&format!("ProvisionedThroughput must be specified for index: {}", index.name))),
        None => Ok(()),
    }
}

/// Adds what becomes of one update's index; its name.
fn index_change<'a>(
    table: &Table,
    indexes: &Indexes<'_>,
    update: &'a IndexUpdate,
    changes: &mut Vec<TableChange>,
) -> Result<&'a str, Error> {
    match (&update.create, &update.update, &update.delete) {
        (Some(create), None, None) => {
            let name = create.index_name.as_deref().unwrap_or_default();
            if table.index(name).is_some() {
                return Err(Error::validation("Attempting to create an index which already exists"));
            }
            if table.global_indexes().count() >= MAX_GLOBAL_INDEXES {
                return Err(Error::LimitExceeded(format!(
                    "Subscriber limit exceeded: Number of global secondary indexes exceeds per-table limit of \
                     {MAX_GLOBAL_INDEXES}"
                )));
            }
            changes.push(TableChange::CreateIndex(Box::new(indexes.build_one(IndexKind::Global, create)?)));
            Ok(name)
        }
        (None, Some(change), None) => {
            let name = change.index_name.as_deref().unwrap_or_default();
            capacity_changes(table, global(table, name, "update")?, indexes.billing_mode, change, changes)?;
            Ok(name)
        }
        (None, None, Some(delete)) => {
            let name = delete.index_name.as_deref().unwrap_or_default();
            global(table, name, "delete")?;
            changes.push(TableChange::DeleteIndex(name.to_owned()));
            Ok(name)
        }
        (None, None, None) => Err(invalid(
            "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, \
             GlobalSecondaryIndexUpdate.Delete must not be null",
        )),
        _ => Err(invalid("Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object")),
    }
}

pub fn global<'t>(table: &'t Table, name: &str, action: &str) -> Result<&'t Index, Error> {
    match table.index(name) {
        Some(index) if index.kind == IndexKind::Global => Ok(index),
        Some(_) => {
            Err(Error::Validation(format!("Cannot {action} an index that is not a GlobalSecondaryIndex: {name}")))
        }
        None => {
            Err(Error::ResourceNotFound(format!("Requested resource not found: Index {name} for table {}", table.name)))
        }
    }
}

fn capacity_changes(
    table: &Table,
    index: &Index,
    billing_mode: BillingMode,
    change: &IndexCapacity,
    changes: &mut Vec<TableChange>,
) -> Result<(), Error> {
    let (name, of) = (index.name.as_str(), Of::Index(index.name.as_str()));
    let throughput = definition::throughput(change.provisioned_throughput.as_ref())?;
    check_maximum(&table.realm, of, change.provisioned_throughput.as_ref())?;
    let on_demand = change.on_demand_throughput.filter(|on_demand| !on_demand.is_empty());
    let warm = change.warm_throughput;
    if warm.is_some_and(|warm| warm.is_empty()) {
        return Err(invalid(&format!(
            "WarmThroughput must have at least one of ReadUnitsPerSecond or WriteUnitsPerSecond specified for index: {name}"
        )));
    }
    match (billing_mode, throughput) {
        (BillingMode::PayPerRequest, Some(_)) => {
            return Err(invalid(&format!(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: {name} when BillingMode is \
                 PAY_PER_REQUEST"
            )));
        }
        (BillingMode::PayPerRequest, None) if on_demand.is_none() && warm.is_none() => {
            return Err(invalid(&format!(
                "The only Updates for index: {name} when TableThroughputMode is PAY_PER_REQUEST can be to \
                 OnDemandThroughput, WarmThroughput"
            )));
        }
        (BillingMode::Provisioned, None) if on_demand.is_none() && warm.is_none() => {
            return Err(invalid(&format!("ProvisionedThroughput must be specified for index: {name}")));
        }
        (_, Some(throughput)) if index.throughput == Some(throughput) => return Err(unchanged(name, throughput)),
        (_, throughput) => {
            changes.extend(throughput.map(|throughput| TableChange::IndexThroughput(name.to_owned(), throughput)));
        }
    }
    if let Some(on_demand) = on_demand {
        let change = on_demand.change(&table.realm, of, billing_mode, true)?;
        changes.push(TableChange::IndexOnDemand(name.to_owned(), change));
    }
    if let Some(warm) = warm {
        let raised = warm.raised(&table.realm, of, table.warm_of(index))?;
        changes.push(TableChange::IndexWarm(name.to_owned(), raised));
    }
    Ok(())
}

fn unchanged(name: &str, throughput: Throughput) -> Error {
    let Throughput { read, write } = throughput;
    Error::Validation(format!(
        "The provisioned throughput for the index {name} will not change. The requested value equals the current value. \
         Current ReadCapacityUnits provisioned for the index: {read}. Requested ReadCapacityUnits: {read}. Current \
         WriteCapacityUnits provisioned for the index: {write}. Requested WriteCapacityUnits: {write}. Refer to the Amazon \
         DynamoDB Developer Guide for current limits and how to request higher limits."
    ))
}

/// The table's definitions and the request's new ones; a type never changes.
fn merged_attributes(table: &Table, definitions: &[AttributeDefinition]) -> Result<Vec<KeyAttribute>, Error> {
    let mut merged = table.attribute_definitions.clone();
    for attribute in definition::attributes(definitions)? {
        match merged.iter().find(|known| known.name == attribute.name) {
            None => merged.push(attribute),
            Some(known) if known.kind == attribute.kind => {}
            Some(known) => {
                return Err(invalid(&format!(
                    "The type of attribute {} cannot change from {} to {}",
                    known.name,
                    known.kind.name(),
                    attribute.kind.name()
                )));
            }
        }
    }
    Ok(merged)
}

/// Those of `attributes` that are part of a key, or searched by, once `changes` are made.
fn kept_attributes(table: &Table, attributes: Vec<KeyAttribute>, changes: &[TableChange]) -> Vec<KeyAttribute> {
    let deleted =
        |name: &str| changes.iter().any(|change| matches!(change, TableChange::DeleteIndex(other) if other == name));
    let created = |attribute: &str| {
        let is_used = |index: &IndexDefinition| index.typed_attributes().any(|used| used.name == attribute);
        changes.iter().any(|change| matches!(change, TableChange::CreateIndex(index) if is_used(index)))
    };
    let is_used = |name: &str| {
        table.key.contains(name)
            || table
                .indexes
                .iter()
                .any(|index| !deleted(&index.name) && index.typed_attributes().any(|attribute| attribute.name == name))
            || created(name)
    };
    attributes.into_iter().filter(|attribute| is_used(&attribute.name)).collect()
}

fn invalid(text: &str) -> Error {
    Error::Validation(format!("One or more parameter values were invalid: {text}"))
}
