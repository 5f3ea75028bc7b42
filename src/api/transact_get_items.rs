//! TransactGetItems: up to 100 items of any tables from one snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::capacity::{Consumed, ConsumedCapacity, Detail, Direction, PerTable};
use super::constraints::{Constraints, values};
use super::expressions::Texts;
use super::keys;
use super::parameters::{Parameter, done};
use super::resource::TableName;
use super::transact_write_items::{MAX_ACTIONS, MAX_BYTES, SAME_ITEM_TWICE, cancelled, validation_reason};
use super::wire::Attributes;
use crate::error::{CancellationReason, Error};
use crate::expression::Projection;
use crate::item::Item;
use crate::store::{Key, Realm, Store, Table};

pub const PARAMETERS: &[Parameter] = &[done("TransactItems"), done("ReturnConsumedCapacity")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    transact_items: Option<Vec<TransactGetItem>>,
    return_consumed_capacity: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TransactGetItem {
    get: Option<Get>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Get {
    key: Option<Attributes>,
    table_name: Option<String>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
    pub responses: Vec<ItemResponse>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ItemResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
}

/// One read, ready to be done.
struct Planned<'a> {
    given_name: &'a str,
    projection: Option<Projection>,
    table: Arc<Table>,
    key: Result<Key, Error>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let gets = check(input)?;
    let planned = plan(store, realm, &gets).await?;
    let keys = || planned.iter().filter_map(|planned| Some((planned, planned.key.as_ref().ok()?)));
    if keys::any_twice(keys().map(|(planned, key)| (planned.table.id, key))) {
        return Err(Error::validation(SAME_ITEM_TWICE));
    }
    let reasons: Vec<CancellationReason> =
        planned.iter().map(|planned| validation_reason(planned.key.as_ref().err())).collect();
    cancelled(reasons)?;

    let places: Vec<_> = keys().map(|(planned, key)| (Arc::clone(&planned.table), key.clone())).collect();
    let found = store.get(&places).await?;
    if found.iter().flatten().map(Item::size).sum::<usize>() > MAX_BYTES {
        return Err(Error::validation("The total size of the items of a TransactGetItems request exceeds 4 MB"));
    }
    let mut capacity = PerTable::default();
    let mut responses = Vec::with_capacity(found.len());
    for (planned, item) in planned.iter().zip(found) {
        let consumed = Consumed::read(item.as_ref().map_or(0, Item::size), true).doubled();
        capacity.add(planned.given_name, &consumed);
        let item = match (item, &planned.projection) {
            (Some(item), Some(projection)) => Some(projection.apply(&item)),
            (item, _) => item,
        };
        responses.push(ItemResponse { item });
    }
    let detail = Detail::of(input.return_consumed_capacity.as_deref());
    Ok(Output { consumed_capacity: capacity.report(detail, Some(Direction::Read)), responses })
}

/// Each get with its table's name and its key.
fn check(input: &Input) -> Result<Vec<(&Get, &str, &Attributes)>, Error> {
    let mut constraints = Constraints::new();
    let items = constraints.required("transactItems", &input.transact_items);
    let mut gets = Vec::new();
    if let Some(items) = items {
        constraints.size("transactItems", &format!("[{} gets]", items.len()), items.len(), 1, MAX_ACTIONS);
        for (at, item) in items.iter().enumerate() {
            let path = format!("transactItems.{}.member.get", at + 1);
            let Some(get) = constraints.required(&path, &item.get) else { continue };
            let key = constraints.required(&format!("{path}.key"), &get.key);
            let table_name = constraints.table(&format!("{path}.tableName"), &get.table_name);
            gets.extend(table_name.zip(key).map(|(table_name, key)| (get, table_name, key)));
        }
    }
    let asked_capacity = input.return_consumed_capacity.as_deref();
    constraints.one_of("returnConsumedCapacity", asked_capacity, values::RETURN_CONSUMED_CAPACITY);
    constraints.finish(items)?;
    Ok(gets)
}

async fn plan<'a>(
    store: &Store,
    realm: &Realm,
    gets: &[(&'a Get, &'a str, &'a Attributes)],
) -> Result<Vec<Planned<'a>>, Error> {
    // Every expression is read before any table is looked up.
    let mut read = Vec::with_capacity(gets.len());
    for (get, _, key) in gets {
        let key = key.item()?;
        let texts = Texts {
            names: get.expression_attribute_names.as_ref(),
            projection: get.projection_expression.as_deref(),
            ..Texts::default()
        };
        read.push((key, texts.parse(&["ProjectionExpression"])?.projection));
    }
    let mut planned = Vec::with_capacity(gets.len());
    for ((_, given_name, _), (key, projection)) in gets.iter().zip(read) {
        let name = TableName::parse(realm, given_name)?;
        let table = store.table(&name.realm, name.name).await?;
        keys::check_none_empty(&table, key)?;
        let key = keys::from_parameter(&table, key);
        planned.push(Planned { given_name, projection, table, key });
    }
    Ok(planned)
}
