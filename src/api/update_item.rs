//! UpdateItem: changes attributes of an item, which it creates when it is not there.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::constraints::Constraints;
use super::expressions::Texts;
use super::keys;
use super::legacy::{AttributeValueUpdate, ExpectedAttributeValue, Legacy};
use super::parameters::{Parameter, done};
use super::resource::TableName;
pub use super::single_write::Output;
use super::single_write::{self, Asked, UPDATED_ITEM_TOO_LARGE, check_item_size};
use super::wire::Attributes;
use crate::error::Error;
use crate::expression::Update;
use crate::item::Item;
use crate::store::{Change, Realm, Store, Table, Written};

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("Key"),
    done("UpdateExpression"),
    done("ConditionExpression"),
    done("ExpressionAttributeNames"),
    done("ExpressionAttributeValues"),
    done("ReturnValues"),
    done("ReturnConsumedCapacity"),
    single_write::COLLECTION_METRICS,
    done("ReturnValuesOnConditionCheckFailure"),
    done("AttributeUpdates"),
    done("Expected"),
    done("ConditionalOperator"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    key: Option<Attributes>,
    update_expression: Option<String>,
    condition_expression: Option<String>,
    expression_attribute_names: Option<BTreeMap<String, String>>,
    expression_attribute_values: Option<Attributes>,
    return_values: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
    attribute_updates: Option<BTreeMap<String, AttributeValueUpdate>>,
    expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    conditional_operator: Option<String>,
}

impl Input {
    fn asked(&self) -> Asked<'_> {
        Asked {
            return_values: self.return_values.as_deref(),
            consumed_capacity: self.return_consumed_capacity.as_deref(),
            item_collection_metrics: self.return_item_collection_metrics.as_deref(),
            on_condition_failure: self.return_values_on_condition_check_failure.as_deref(),
        }
    }

    fn texts(&self) -> Texts<'_> {
        Texts {
            names: self.expression_attribute_names.as_ref(),
            values: self.expression_attribute_values.as_ref(),
            condition: self.condition_expression.as_deref(),
            update: self.update_expression.as_deref(),
            legacy: Legacy {
                expected: self.expected.as_ref(),
                attribute_updates: self.attribute_updates.as_ref(),
                conditional_operator: self.conditional_operator.as_deref(),
                ..Legacy::default()
            },
            ..Texts::default()
        }
    }
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let asked = input.asked();
    let mut constraints = Constraints::new();
    let table_name = constraints.table("tableName", &input.table_name);
    let key = constraints.required("key", &input.key);
    asked.check(&mut constraints);
    input.texts().legacy.check(&mut constraints);
    let (table_name, key) = constraints.finish((table_name, key))?;
    let key_item = key.item()?;
    let expressions = input.texts().parse(&["UpdateExpression", "ConditionExpression"])?;
    let update = expressions.update.as_ref();

    let name = TableName::parse(realm, table_name)?;
    let table = store.table(&name.realm, name.name).await?;
    let key = keys::from_parameter(&table, key_item)?;
    check_touches_no_key(&table, update)?;
    let on_failure = asked.on_condition_failure == Some("ALL_OLD");
    let change = |old: Option<&Item>| updated(&table, key_item, update, old);
    let written = single_write::write(store, &table, &key, expressions.condition.as_ref(), on_failure, change).await?;
    let mut output = Output::new(&table, name.given, &key, &written, asked);
    output.attributes = attributes(asked.return_values, update, written);
    Ok(output)
}

/// No update may change the key of the item it updates.
pub fn check_touches_no_key(table: &Table, update: Option<&Update>) -> Result<(), Error> {
    let mut touched = update.into_iter().flat_map(Update::touched);
    match touched.find(|name| table.key.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Error::Validation(format!(
            "One or more parameter values were invalid: Cannot update attribute {name}. This attribute is part of the key"
        ))),
    }
}

/// What `update` makes of `old`; without an update the old item, or one of the key alone. One that only takes away makes no
/// item where there is none.
pub fn updated(table: &Table, key: &Item, update: Option<&Update>, old: Option<&Item>) -> Result<Change, Error> {
    let Some(update) = update else { return Ok(Change::Put(old.unwrap_or(key).clone())) };
    let item = update.apply(old, key)?;
    if old.is_none() && update.only_takes_away() {
        return Ok(Change::Keep);
    }
    keys::check_updated(table, &item, |name| update.touched().any(|touched| touched == name))?;
    check_item_size(&item, UPDATED_ITEM_TOO_LARGE)?;
    Ok(Change::Put(item))
}

/// What ReturnValues asks for; nothing at all where it would be empty.
fn attributes(return_values: Option<&str>, update: Option<&Update>, written: Written) -> Option<Item> {
    let Written { old, new, .. } = written;
    match (return_values, update, &new) {
        (Some("ALL_OLD"), ..) => old,
        (Some("ALL_NEW"), ..) => new,
        (Some("UPDATED_OLD"), Some(update), _) => Some(update.updated_old(old.as_ref())),
        (Some("UPDATED_NEW"), Some(update), Some(new)) => Some(update.updated_new(new)),
        _ => None,
    }
    .filter(|attributes| !attributes.is_empty())
}
