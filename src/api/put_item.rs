//! PutItem.

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use crate::api::parameters::{Given, Parameter, absent, done};
use crate::api::wire::{Attributes, Image};

use crate::error::Error;
use crate::store::Store;
use crate::store::table::Realm;

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("Item"),
    done("ConditionExpression"),
    done("ExpressionAttributeNames"),
    done("ExpressionAttributeValues"),
    done("ReturnValues"),
    done("ReturnConsumedCapacity"),
    done("ReturnItemCollectionMetrics"),
    done("ReturnValuesOnConditionCheckFailure"),
    absent("Expected"),
    absent("ConditionalOperator"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    pub table_name: Option<String>,
    pub item: Option<Attributes>,
    pub condition_expression: Option<String>,
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    pub expression_attribute_values: Option<Attributes>,
    pub return_values: Option<String>,
    pub return_consumed_capacity: Option<String>,
    pub return_item_collection_metrics: Option<String>,
    pub return_values_on_condition_check_failure: Option<String>,
    pub expected: Option<Given>,
    pub conditional_operator: Option<Given>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Image>,
}

pub async fn run(_store: &Store, _realm: &Realm, _input: &Input) -> Result<Output, Error> {
    Err(Error::InternalServerError("unfinished".to_owned()))
}
