//! BulkOperationDescription and BulkOperationSummary: what is told of a bulk operation.

use std::collections::BTreeMap;

use serde::Serialize;

use super::exchanges::arn;
use super::exchanges::bulk::{BulkPut, InputConfiguration, OutputConfiguration, Status};
use super::wire::Timestamp;
use crate::store::{Exchange, IndexKind, Table};

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BulkOperationDescription {
    pub bulk_operation_arn: String,
    pub bulk_operation_status: Status,
    pub table_details: [TableDetail; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    pub input_s3_configuration: InputConfiguration,
    pub output_s3_configuration: OutputConfiguration,
    pub start_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    pub processed_item_count: u64,
    pub processed_input_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_input_bytes: Option<u64>,
    pub bulk_operation_usage: [Usage; 1],
    pub failed_item_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_write_request_units: Option<i64>,
    pub performance_tier: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableDetail {
    pub table_name: String,
    pub table_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Usage {
    pub table_name: String,
    pub bulk_put_bytes: u64,
    pub table: Bytes,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub local_secondary_indexes: BTreeMap<String, Bytes>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub global_secondary_indexes: BTreeMap<String, Bytes>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Bytes {
    pub bulk_put_bytes: u64,
}

impl BulkOperationDescription {
    /// `table` tells indexes apart; without it, because it is gone, they count as global ones.
    pub fn new(exchange: &Exchange, bulk: BulkPut, table: Option<&Table>) -> Self {
        let arn = arn(exchange, &bulk.table);
        let usage = Usage::new(&bulk, table);
        let course = bulk.course;
        let (code, message) = course.failure.map(|failure| (failure.code, failure.message)).unzip();
        Self {
            bulk_operation_arn: arn,
            bulk_operation_status: bulk.status,
            table_details: [TableDetail { table_name: bulk.given_table, table_id: bulk.table_uuid }],
            client_token: course.token,
            input_s3_configuration: bulk.input,
            output_s3_configuration: bulk.output,
            start_time: Timestamp::from_millis(course.started_millis),
            end_time: course.ended_millis.map(Timestamp::from_millis),
            processed_item_count: bulk.processed,
            processed_input_bytes: bulk.processed_bytes,
            total_input_bytes: bulk.total_bytes,
            bulk_operation_usage: [usage],
            failed_item_count: bulk.failed,
            failure_code: code,
            failure_message: message,
            max_write_request_units: bulk.max_write_request_units,
            performance_tier: bulk.performance_tier,
        }
    }
}

impl Usage {
    fn new(bulk: &BulkPut, table: Option<&Table>) -> Self {
        let is_local = |name: &str| {
            let index = table.and_then(|table| table.index(name));
            index.is_some_and(|index| index.kind == IndexKind::Local)
        };
        let of = |local: bool| {
            let indexes = bulk.index_usage.iter().filter(|(name, _)| is_local(name) == local);
            indexes.map(|(name, bytes)| (name.clone(), Bytes { bulk_put_bytes: *bytes })).collect()
        };
        Self {
            table_name: bulk.given_table.clone(),
            bulk_put_bytes: bulk.table_usage + bulk.index_usage.values().sum::<u64>(),
            table: Bytes { bulk_put_bytes: bulk.table_usage },
            local_secondary_indexes: of(true),
            global_secondary_indexes: of(false),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BulkOperationSummary {
    pub bulk_operation_arn: String,
    pub bulk_operation_status: Status,
    pub start_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
}

impl BulkOperationSummary {
    pub fn new(exchange: &Exchange, bulk: &BulkPut) -> Self {
        Self {
            bulk_operation_arn: arn(exchange, &bulk.table),
            bulk_operation_status: bulk.status,
            start_time: Timestamp::from_millis(bulk.course.started_millis),
            end_time: bulk.course.ended_millis.map(Timestamp::from_millis),
        }
    }
}
