//! Scan.

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use crate::api::parameters::{Given, Parameter, absent, done};
use crate::api::wire::{Attributes, Image};

use crate::error::Error;
use crate::store::Store;
use crate::store::table::Realm;

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("IndexName"),
    done("Select"),
    done("Limit"),
    done("ConsistentRead"),
    done("Segment"),
    done("TotalSegments"),
    done("ExclusiveStartKey"),
    done("FilterExpression"),
    done("ProjectionExpression"),
    done("ExpressionAttributeNames"),
    done("ExpressionAttributeValues"),
    done("ReturnConsumedCapacity"),
    absent("AttributesToGet"),
    absent("ScanFilter"),
    absent("ConditionalOperator"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    pub table_name: Option<String>,
    pub index_name: Option<String>,
    pub select: Option<String>,
    pub limit: Option<i64>,
    pub consistent_read: Option<bool>,
    pub segment: Option<i64>,
    pub total_segments: Option<i64>,
    pub exclusive_start_key: Option<Attributes>,
    pub filter_expression: Option<String>,
    pub projection_expression: Option<String>,
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    pub expression_attribute_values: Option<Attributes>,
    pub return_consumed_capacity: Option<String>,
    pub attributes_to_get: Option<Given>,
    pub scan_filter: Option<Given>,
    pub conditional_operator: Option<Given>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<Image>>,
    pub count: u64,
    pub scanned_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_evaluated_key: Option<Image>,
}

pub async fn run(_store: &Store, _realm: &Realm, _input: &Input) -> Result<Output, Error> {
    Err(Error::InternalServerError("unfinished".to_owned()))
}
