//! BatchWriteItem: up to 25 puts and deletes of any tables, in the order of the request.
//!
//! DynamoDB promises each write alone, not the batch. Here the batch is written in as few transactions as the key-value
//! layer's size limit allows, nearly always one. If storage fails after some of them, what is left is unprocessed.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::capacity::{Consumed, ConsumedCapacity, Detail, PerTable};
use super::constraints::{Constraints, values};
use super::keys;
use super::parameters::{Parameter, done};
use super::resource::TableName;
use super::single_write::{
    COLLECTION_METRICS, ITEM_TOO_LARGE, ItemCollectionMetrics, MetricsPerTable, check_item_size,
};
use super::wire::{Attributes, Ordered};
use crate::error::Error;
use crate::item::Item;
use crate::store::{Actor, Change, Key, Realm, Store, Table};

pub const PARAMETERS: &[Parameter] = &[done("RequestItems"), done("ReturnConsumedCapacity"), COLLECTION_METRICS];

const MAX_WRITES: usize = 25;
const MAX_REQUEST: usize = 16 * 1024 * 1024;
/// Most that one transaction is given to write, by [`weight`].
const MAX_TRANSACTION_WEIGHT: usize = 8_000_000;
/// More than the row's own keys, its change record and conflict ranges weigh.
const WEIGHT_OF_ROW: usize = 64 * 1024;
/// More than one entry removed and one written weigh, with the longest keys.
const WEIGHT_OF_INDEX: usize = 32 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    request_items: Option<Ordered<Vec<WriteRequest>>>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct WriteRequest {
    put_request: Option<PutRequest>,
    delete_request: Option<DeleteRequest>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct PutRequest {
    item: Option<Attributes>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DeleteRequest {
    key: Option<Attributes>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// What storage failed to write after it had written other parts: by the tables' names as they were given.
    pub unprocessed_items: BTreeMap<String, Vec<Unprocessed>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_collection_metrics: Option<BTreeMap<String, Vec<ItemCollectionMetrics>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

/// A write that is still to be done: itself a valid request.
#[derive(Debug, Serialize)]
pub enum Unprocessed {
    #[serde(rename = "PutRequest")]
    Put {
        #[serde(rename = "Item")]
        item: Item,
    },
    #[serde(rename = "DeleteRequest")]
    Delete {
        #[serde(rename = "Key")]
        key: Item,
    },
}

/// One write, ready to be done.
struct Planned<'a> {
    given_name: &'a str,
    table: Arc<Table>,
    key: Key,
    /// The item to put; `None` deletes.
    item: Option<&'a Item>,
}

impl Planned<'_> {
    fn unprocessed(&self) -> Unprocessed {
        match self.item {
            Some(item) => Unprocessed::Put { item: item.clone() },
            None => Unprocessed::Delete { key: self.key.to_item(&self.table.key) },
        }
    }
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let requests = check(input)?;
    let mut planned = plan(store, realm, requests).await?;
    let mut capacity = PerTable::default();
    let mut metrics = MetricsPerTable::default();
    let mut unprocessed_items: BTreeMap<String, Vec<Unprocessed>> = BTreeMap::new();
    let mut written = 0;
    while let Some(chunk) = chunks(planned.get(written..).unwrap_or_default()).first().copied() {
        let mut outcome = write_chunk(store, chunk).await;
        if written > 0 && matches!(outcome, Err(Error::SchemaChanged)) {
            // Dispatch would write the earlier chunks again: only what is left is planned anew.
            match plan(store, realm, requests).await {
                Ok(again) => {
                    planned = again;
                    continue;
                }
                Err(error) => outcome = Err(error),
            }
        }
        let consumed = match outcome {
            // An error would say that nothing was written. Of a chunk whose outcome is unknown too: to write it again does no harm.
            Err(_) if written > 0 => {
                for planned in planned.get(written..).unwrap_or_default() {
                    unprocessed_items.entry(planned.given_name.to_owned()).or_default().push(planned.unprocessed());
                }
                break;
            }
            consumed => consumed?,
        };
        for (planned, consumed) in chunk.iter().zip(consumed) {
            capacity.add(planned.given_name, &consumed);
            metrics.add(planned.given_name, &planned.table, &planned.key);
        }
        written += chunk.len();
    }
    Ok(Output {
        unprocessed_items,
        item_collection_metrics: metrics.report(input.return_item_collection_metrics.as_deref()),
        consumed_capacity: capacity.report(Detail::of(input.return_consumed_capacity.as_deref()), None),
    })
}

fn check(input: &Input) -> Result<&[(String, Vec<WriteRequest>)], Error> {
    let mut constraints = Constraints::new();
    let requests = constraints.required("requestItems", &input.request_items);
    if let Some(Ordered(requests)) = requests {
        let shown = show(requests);
        constraints.value_sizes("requestItems", &shown, requests.iter().map(|(_, writes)| writes.len()), MAX_WRITES);
        for (name, writes) in requests {
            let path = format!("requestItems.{name}.member");
            for (at, write) in writes.iter().enumerate() {
                let path = format!("{path}.{}.member", at + 1);
                if let Some(put) = &write.put_request {
                    constraints.required(&format!("{path}.putRequest.item"), &put.item);
                }
                if let Some(delete) = &write.delete_request {
                    constraints.required(&format!("{path}.deleteRequest.key"), &delete.key);
                }
            }
        }
    }
    let asked_capacity = input.return_consumed_capacity.as_deref();
    constraints.one_of("returnConsumedCapacity", asked_capacity, values::RETURN_CONSUMED_CAPACITY);
    let asked_metrics = input.return_item_collection_metrics.as_deref();
    constraints.one_of("returnItemCollectionMetrics", asked_metrics, values::RETURN_ITEM_COLLECTION_METRICS);
    if let (true, Some(Ordered(requests))) = (constraints.is_empty(), requests) {
        // Told only when nothing else is wrong.
        constraints.table_keys("requestItems", &show(requests), requests.iter().map(|(name, _)| name.as_str()));
    }
    let Ordered(requests) = constraints.finish(requests)?;
    if requests.is_empty() {
        return Err(Error::validation("The requestItems parameter is required for BatchWriteItem"));
    }
    check_writes(requests)?;
    Ok(requests)
}

fn show(requests: &[(String, Vec<WriteRequest>)]) -> String {
    let show = |(name, writes): &(String, Vec<WriteRequest>)| match writes.len() {
        0 => format!("{name}=[]"),
        count => format!("{name}=[{count} writes]"),
    };
    format!("{{{}}}", requests.iter().map(show).collect::<Vec<_>>().join(", "))
}

fn check_writes(requests: &[(String, Vec<WriteRequest>)]) -> Result<(), Error> {
    let writes = requests.iter().flat_map(|(_, writes)| writes);
    if writes.clone().count() > MAX_WRITES {
        return Err(Error::validation("Too many items requested for the BatchWriteItem call"));
    }
    let mut bytes = 0;
    for write in writes {
        match (&write.put_request, &write.delete_request) {
            (Some(put), None) => {
                let item = put.item.as_ref().map(Attributes::item).transpose()?;
                if let Some(item) = item {
                    check_item_size(item, ITEM_TOO_LARGE)?;
                    bytes += item.size();
                }
            }
            (None, Some(delete)) => {
                delete.key.as_ref().map(Attributes::item).transpose()?;
            }
            (None, None) => {
                return Err(Error::validation(
                    "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(Error::validation(
                    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
                ));
            }
        }
    }
    if bytes > MAX_REQUEST {
        return Err(Error::validation("The total size of the items of a BatchWriteItem request exceeds 16 MB"));
    }
    Ok(())
}

async fn plan<'a>(
    store: &Store,
    realm: &Realm,
    requests: &'a [(String, Vec<WriteRequest>)],
) -> Result<Vec<Planned<'a>>, Error> {
    let mut planned = Vec::new();
    for (given_name, writes) in requests {
        let name = TableName::parse(realm, given_name)?;
        let table = store.table(&name.realm, name.name).await?;
        for write in writes {
            let item =
                write.put_request.as_ref().and_then(|put| put.item.as_ref()).map(Attributes::item).transpose()?;
            let key = write.delete_request.as_ref().and_then(|delete| delete.key.as_ref());
            let key = match (item, key) {
                (Some(item), _) => keys::from_batched_item(&table, item)?,
                (None, Some(key)) => keys::from_parameter(&table, key.item()?)?,
                (None, None) => continue,
            };
            planned.push(Planned { given_name, table: Arc::clone(&table), key, item });
        }
    }
    if keys::any_twice(planned.iter().map(|planned| (planned.table.id, &planned.key))) {
        return Err(Error::validation("Provided list of item keys contains duplicates"));
    }
    Ok(planned)
}

/// An upper bound of what a write adds to its transaction.
fn weight(planned: &Planned<'_>) -> usize {
    let size = planned.item.map_or(0, Item::size);
    let entries: usize = planned.table.indexes.iter().map(|index| WEIGHT_OF_INDEX + index.entry_bytes(size)).sum();
    size + WEIGHT_OF_ROW + entries
}

/// Runs of writes that fit a transaction each.
fn chunks<'a, 'b>(planned: &'a [Planned<'b>]) -> Vec<&'a [Planned<'b>]> {
    let mut chunks = Vec::new();
    let mut rest = planned;
    while !rest.is_empty() {
        let mut total = 0;
        let fitting = rest
            .iter()
            .take_while(|planned| {
                total += weight(planned);
                total <= MAX_TRANSACTION_WEIGHT
            })
            .count();
        let (chunk, later) = rest.split_at(fitting.max(1));
        chunks.push(chunk);
        rest = later;
    }
    chunks
}

async fn write_chunk(store: &Store, chunk: &[Planned<'_>]) -> Result<Vec<Consumed>, Error> {
    store
        .transact(move |transaction| async move {
            let rows = try_join_all(chunk.iter().map(|planned| transaction.row(&planned.table, &planned.key))).await?;
            let mut consumed = Vec::with_capacity(chunk.len());
            for (planned, row) in chunk.iter().zip(rows) {
                let change = planned.item.map_or(Change::Delete, |item| Change::Put(item.clone()));
                let written = transaction.write(&planned.table, row, change, Actor::User)?;
                consumed.push(Consumed::write(&planned.table, &written));
            }
            Ok(consumed)
        })
        .await
}
