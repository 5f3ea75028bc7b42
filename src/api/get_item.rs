//! GetItem: reads one item by its key.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::capacity::{Consumed, ConsumedCapacity, Detail};
use super::constraints::{Constraints, values};
use super::expressions::Texts;
use super::keys;
use super::legacy::Legacy;
use super::parameters::{Parameter, different, done};
use super::resource::TableName;
use super::wire::Attributes;
use crate::error::Error;
use crate::item::Item;
use crate::store::{Realm, Store};

pub const CONSISTENT_READ: Parameter =
    different("ConsistentRead", "every read is strongly consistent; the parameter only doubles the reported capacity");

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("Key"),
    CONSISTENT_READ,
    done("ProjectionExpression"),
    done("ExpressionAttributeNames"),
    done("ReturnConsumedCapacity"),
    done("AttributesToGet"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    key: Option<Attributes>,
    consistent_read: Option<bool>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<BTreeMap<String, String>>,
    return_consumed_capacity: Option<String>,
    attributes_to_get: Option<Vec<String>>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<ConsumedCapacity>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let table_name = constraints.table("tableName", &input.table_name);
    let key = constraints.required("key", &input.key);
    let asked_capacity = input.return_consumed_capacity.as_deref();
    let legacy = Legacy { attributes_to_get: input.attributes_to_get.as_deref(), ..Legacy::default() };
    legacy.check(&mut constraints);
    constraints.one_of("returnConsumedCapacity", asked_capacity, values::RETURN_CONSUMED_CAPACITY);
    let (table_name, key) = constraints.finish((table_name, key))?;
    let key = key.item()?;
    let texts = Texts {
        names: input.expression_attribute_names.as_ref(),
        projection: input.projection_expression.as_deref(),
        legacy,
        ..Texts::default()
    };
    let projection = texts.parse(&["ProjectionExpression"])?.projection;

    let name = TableName::parse(realm, table_name)?;
    let table = store.table(&name.realm, name.name).await?;
    let key = keys::from_parameter(&table, key)?;
    let found = store.get(&[(Arc::clone(&table), key)]).await?.pop().flatten();
    let consumed = Consumed::read(found.as_ref().map_or(0, Item::size), input.consistent_read == Some(true));
    let item = match (found, projection) {
        (Some(item), Some(projection)) => Some(projection.apply(&item)),
        (found, _) => found,
    };
    let consumed_capacity = consumed.report(name.given, Detail::of(asked_capacity), None);
    Ok(Output { item, consumed_capacity })
}
