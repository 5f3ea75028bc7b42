//! PutItem: creates an item or replaces the one of the same key.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::constraints::Constraints;
use super::expressions::Texts;
use super::keys;
use super::legacy::{ExpectedAttributeValue, Legacy};
use super::parameters::{Parameter, done};
use super::resource::TableName;
pub use super::single_write::Output;
use super::single_write::{self, Asked, ITEM_TOO_LARGE, check_item_size};
use super::wire::Attributes;
use crate::error::Error;
use crate::store::{Change, Realm, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("Item"),
    done("ConditionExpression"),
    done("ExpressionAttributeNames"),
    done("ExpressionAttributeValues"),
    done("ReturnValues"),
    done("ReturnConsumedCapacity"),
    single_write::COLLECTION_METRICS,
    done("ReturnValuesOnConditionCheckFailure"),
    done("Expected"),
    done("ConditionalOperator"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    item: Option<Attributes>,
    condition_expression: Option<String>,
    expression_attribute_names: Option<BTreeMap<String, String>>,
    expression_attribute_values: Option<Attributes>,
    return_values: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
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
            legacy: Legacy {
                expected: self.expected.as_ref(),
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
    let item = constraints.required("item", &input.item);
    asked.check(&mut constraints);
    input.texts().legacy.check(&mut constraints);
    let (table_name, item) = constraints.finish((table_name, item))?;
    let item = item.item()?;
    asked.check_all_old_or_none()?;
    check_item_size(item, ITEM_TOO_LARGE)?;
    let expressions = input.texts().parse(&["ConditionExpression"])?;

    let name = TableName::parse(realm, table_name)?;
    let table = store.table(&name.realm, name.name).await?;
    let key = keys::from_item(&table, item)?;
    let on_failure = asked.on_condition_failure == Some("ALL_OLD");
    let change = |_: Option<&_>| Ok(Change::Put(item.clone()));
    let mut written =
        single_write::write(store, &table, &key, expressions.condition.as_ref(), on_failure, change).await?;
    let mut output = Output::new(&table, name.given, &key, &written, asked);
    output.attributes = if asked.return_values == Some("ALL_OLD") { written.old.take() } else { None };
    Ok(output)
}
