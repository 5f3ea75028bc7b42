//! GetItem.

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use crate::api::parameters::{Given, Parameter, absent, done};
use crate::api::wire::{Attributes, Image};

use crate::error::Error;
use crate::store::Store;
use crate::store::table::Realm;

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("Key"),
    done("ConsistentRead"),
    done("ProjectionExpression"),
    done("ExpressionAttributeNames"),
    done("ReturnConsumedCapacity"),
    absent("AttributesToGet"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    pub table_name: Option<String>,
    pub key: Option<Attributes>,
    pub consistent_read: Option<bool>,
    pub projection_expression: Option<String>,
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    pub return_consumed_capacity: Option<String>,
    pub attributes_to_get: Option<Given>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Image>,
}

pub async fn run(_store: &Store, _realm: &Realm, _input: &Input) -> Result<Output, Error> {
    Err(Error::InternalServerError("unfinished".to_owned()))
}
