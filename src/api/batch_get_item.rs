//! BatchGetItem: up to 100 items of any tables, by their keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::capacity::{Consumed, ConsumedCapacity, Detail, PerTable};
use super::constraints::{Constraints, values};
use super::expressions::Texts;
use super::get_item::CONSISTENT_READ;
use super::keys;
use super::legacy::Legacy;
use super::parameters::{Parameter, done};
use super::resource::TableName;
use super::wire::{Attributes, Ordered};
use crate::error::Error;
use crate::expression::Projection;
use crate::item::Item;
use crate::store::{Key, Realm, Store, Table};

pub const PARAMETERS: &[Parameter] = &[
    done("RequestItems"),
    done("RequestItems.Keys"),
    Parameter { name: "RequestItems.ConsistentRead", ..CONSISTENT_READ },
    done("RequestItems.ProjectionExpression"),
    done("RequestItems.ExpressionAttributeNames"),
    done("RequestItems.AttributesToGet"),
    done("ReturnConsumedCapacity"),
];

const MAX_KEYS: usize = 100;
/// One answer holds at most 16 MB of items; what is left over comes back as unprocessed keys.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    request_items: Option<Ordered<KeysAndAttributes>>,
    return_consumed_capacity: Option<String>,
}

/// Serialized as DynamoDB shows it in an error.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct KeysAndAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<Attributes>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consistent_read: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    projection_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression_attribute_names: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes_to_get: Option<Vec<String>>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub responses: BTreeMap<String, Vec<Item>>,
    pub unprocessed_keys: BTreeMap<String, Unprocessed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

/// The part of a table's request that is still to be done: itself a valid request.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Unprocessed {
    pub keys: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consistent_read: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes_to_get: Option<Vec<String>>,
}

/// The request about one table.
struct Wanted<'a> {
    given_name: &'a str,
    request: &'a KeysAndAttributes,
    projection: Option<Projection>,
    table: Arc<Table>,
    keys: Vec<Key>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let requests = check(input)?;
    // Every expression is read before any table is looked up.
    let mut projections = Vec::with_capacity(requests.len());
    for (_, request) in requests {
        let texts = Texts {
            names: request.expression_attribute_names.as_ref(),
            projection: request.projection_expression.as_deref(),
            legacy: Legacy { attributes_to_get: request.attributes_to_get.as_deref(), ..Legacy::default() },
            ..Texts::default()
        };
        projections.push(texts.parse(&["ProjectionExpression"])?.projection);
    }
    let mut wanted = Vec::with_capacity(requests.len());
    for ((given_name, request), projection) in requests.iter().zip(projections) {
        let name = TableName::parse(realm, given_name)?;
        let table = store.table(&name.realm, name.name).await?;
        let mut keys = Vec::new();
        for key in request.keys.iter().flatten() {
            keys.push(keys::from_parameter(&table, key.item()?)?);
        }
        wanted.push(Wanted { given_name, request, projection, table, keys });
    }
    let places = wanted.iter().flat_map(|wanted| wanted.keys.iter().map(|key| (wanted.table.id, key)));
    if keys::any_twice(places) {
        return Err(Error::validation("Provided list of item keys contains duplicates"));
    }
    read(store, &wanted, Detail::of(input.return_consumed_capacity.as_deref())).await
}

fn check(input: &Input) -> Result<&[(String, KeysAndAttributes)], Error> {
    let mut constraints = Constraints::new();
    let requests = constraints.required("requestItems", &input.request_items);
    if let Some(Ordered(requests)) = requests {
        constraints.unquoted_size("RequestItems", requests.len(), 1, MAX_KEYS);
        let shown = serde_json::to_string(&input.request_items).unwrap_or_default();
        constraints.table_keys("requestItems", &shown, requests.iter().map(|(name, _)| name.as_str()));
        for (name, request) in requests {
            let path = format!("requestItems.{name}.member.keys");
            if let Some(keys) = constraints.required(&path, &request.keys) {
                constraints.unquoted_size(&format!("RequestItems.{name}.member.Keys"), keys.len(), 1, MAX_KEYS);
            }
            if let Some(names) = &request.attributes_to_get {
                let path = format!("requestItems.{name}.member.attributesToGet");
                constraints.size(&path, &format!("[{}]", names.join(", ")), names.len(), 1, usize::MAX);
            }
        }
    }
    let asked_capacity = input.return_consumed_capacity.as_deref();
    constraints.one_of("returnConsumedCapacity", asked_capacity, values::RETURN_CONSUMED_CAPACITY);
    let Ordered(requests) = constraints.finish(requests)?;
    let keys = requests.iter().flat_map(|(_, request)| request.keys.iter().flatten());
    if keys.clone().count() > MAX_KEYS {
        return Err(Error::validation("Too many items requested for the BatchGetItem call"));
    }
    for key in keys {
        key.item()?;
    }
    // One table with an expression and another without it is refused like both in one.
    let mixed = requests.iter().any(|(_, request)| request.projection_expression.is_some())
        && requests.iter().any(|(_, request)| request.attributes_to_get.is_some());
    if mixed {
        return Err(Error::validation(
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: \
             {AttributesToGet} Expression parameters: {ProjectionExpression}",
        ));
    }
    Ok(requests)
}

/// Reads everything together, in the request's order as much as one answer holds.
async fn read(store: &Store, wanted: &[Wanted<'_>], detail: Detail) -> Result<Output, Error> {
    let mut output = Output::default();
    let mut capacity = PerTable::default();
    let keys_of = |wanted: &Wanted<'_>| {
        let table = Arc::clone(&wanted.table);
        wanted.keys.iter().map(|key| (Arc::clone(&table), key.clone())).collect::<Vec<_>>()
    };
    let places: Vec<_> = wanted.iter().flat_map(keys_of).collect();
    let mut items = store.get_within(&places, MAX_ANSWER).await?.into_iter();
    for wanted in wanted {
        let consistent = wanted.request.consistent_read == Some(true);
        let found = output.responses.entry(wanted.given_name.to_owned()).or_default();
        let (read, unread) = wanted.keys.split_at(items.len().min(wanted.keys.len()));
        for item in items.by_ref().take(read.len()) {
            let size = item.as_ref().map_or(0, Item::size);
            capacity.add(wanted.given_name, &Consumed::read(size, consistent));
            if let Some(item) = item {
                found.push(
                    wanted.projection.as_ref().map_or_else(|| item.clone(), |projection| projection.apply(&item)),
                );
            }
        }
        if !unread.is_empty() {
            let unprocessed = Unprocessed {
                keys: unread.iter().map(|key| key.to_item(&wanted.table.key)).collect(),
                consistent_read: wanted.request.consistent_read,
                projection_expression: wanted.request.projection_expression.clone(),
                expression_attribute_names: wanted.request.expression_attribute_names.clone(),
                attributes_to_get: wanted.request.attributes_to_get.clone(),
            };
            output.unprocessed_keys.insert(wanted.given_name.to_owned(), unprocessed);
        }
    }
    output.consumed_capacity = capacity.report(detail, None);
    Ok(output)
}
