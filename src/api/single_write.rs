//! What PutItem, UpdateItem and DeleteItem share: read the row, check the condition, write, report.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::capacity::{Consumed, ConsumedCapacity, Detail};
use super::constraints::{Constraints, values};
use super::parameters::{Parameter, different};
use crate::error::Error;
use crate::expression::Condition;
use crate::item::Item;
use crate::store::{Actor, Change, Key, Store, Table, Written};

pub const COLLECTION_METRICS: Parameter =
    different("ReturnItemCollectionMetrics", "the estimate is always between 0 and 1 GB");

/// The parameters that ask for parts of the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub return_values: Option<&'a str>,
    pub consumed_capacity: Option<&'a str>,
    pub item_collection_metrics: Option<&'a str>,
    pub on_condition_failure: Option<&'a str>,
}

impl Asked<'_> {
    pub fn check(&self, constraints: &mut Constraints) {
        constraints.one_of("returnConsumedCapacity", self.consumed_capacity, values::RETURN_CONSUMED_CAPACITY);
        constraints.one_of("returnValues", self.return_values, values::RETURN_VALUES);
        constraints.one_of(
            "returnItemCollectionMetrics",
            self.item_collection_metrics,
            values::RETURN_ITEM_COLLECTION_METRICS,
        );
        constraints.one_of("returnValuesOnConditionCheckFailure", self.on_condition_failure, values::RETURN_ON_FAILURE);
    }

    /// PutItem and DeleteItem know two of the five values.
    pub fn check_all_old_or_none(&self) -> Result<(), Error> {
        match self.return_values {
            None | Some("ALL_OLD" | "NONE") => Ok(()),
            Some(_) => Err(Error::validation("Return values set to invalid value")),
        }
    }
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<ConsumedCapacity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_collection_metrics: Option<ItemCollectionMetrics>,
}

impl Output {
    /// The answer without its attributes.
    pub fn new(table: &Table, given_name: &str, key: &Key, written: &Written, asked: Asked<'_>) -> Self {
        let detail = Detail::of(asked.consumed_capacity);
        let consumed_capacity = (detail != Detail::None)
            .then(|| Consumed::write(table, written).report(given_name, detail, None))
            .flatten();
        let item_collection_metrics = match asked.item_collection_metrics {
            Some("SIZE") => ItemCollectionMetrics::of(table, key),
            _ => None,
        };
        Self { attributes: None, consumed_capacity, item_collection_metrics }
    }
}

/// The size of the items that share a partition key, of tables with local indexes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ItemCollectionMetrics {
    pub item_collection_key: Item,
    #[serde(rename = "SizeEstimateRangeGB")]
    pub size_estimate_range_gb: [f64; 2],
}

impl ItemCollectionMetrics {
    pub fn of(table: &Table, key: &Key) -> Option<Self> {
        table.local_indexes().next()?;
        let names = table.key.partition.iter().map(|attribute| attribute.name.as_str().into());
        let item_collection_key = names.zip(key.partition.iter().cloned()).collect();
        Some(Self { item_collection_key, size_estimate_range_gb: [0.0, 1.0] })
    }
}

/// Metrics by table, as batches and transactions report them; each item collection once.
#[derive(Debug, Default)]
pub struct MetricsPerTable(BTreeMap<String, Vec<ItemCollectionMetrics>>);

impl MetricsPerTable {
    pub fn add(&mut self, given_name: &str, table: &Table, key: &Key) {
        let Some(metrics) = ItemCollectionMetrics::of(table, key) else { return };
        let collections = self.0.entry(given_name.to_owned()).or_default();
        if !collections.contains(&metrics) {
            collections.push(metrics);
        }
    }

    pub fn report(self, asked: Option<&str>) -> Option<BTreeMap<String, Vec<ItemCollectionMetrics>>> {
        (asked == Some("SIZE")).then_some(self.0)
    }
}

/// Writes one item in its own transaction, if `condition` holds. `change` decides on the item that was read, and may be asked
/// several times.
pub async fn write<F>(
    store: &Store,
    table: &Arc<Table>,
    key: &Key,
    condition: Option<&Condition>,
    return_item_on_failure: bool,
    change: F,
) -> Result<Written, Error>
where
    F: Fn(Option<&Item>) -> Result<Change, Error> + Send + Sync,
{
    let change = &change;
    store
        .transact(move |transaction| async move {
            let row = transaction.row(table, key).await?;
            if condition.is_some_and(|condition| !condition.matches(row.item())) {
                let item = if return_item_on_failure { row.item().cloned().map(Box::new) } else { None };
                return Err(Error::ConditionalCheckFailed { item });
            }
            let change = change(row.item())?;
            transaction.write(table, row, change, Actor::User)
        })
        .await
}

/// The table's own limit, and the message when an item is over it.
pub fn check_item_size(item: &Item, message: &'static str) -> Result<(), Error> {
    if item.size() > crate::item::MAX_ITEM_SIZE { Err(Error::validation(message)) } else { Ok(()) }
}

pub const ITEM_TOO_LARGE: &str = "Item size has exceeded the maximum allowed size";
pub const UPDATED_ITEM_TOO_LARGE: &str = "Item size to update has exceeded the maximum allowed size";
