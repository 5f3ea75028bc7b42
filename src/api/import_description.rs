//! ImportTableDescription and ImportSummary: what is told of an import.

use serde::Serialize;

use super::exchanges::import::{FormatOptions, Import, Status};
use super::exchanges::{BucketSource, arn};
use super::wire::Timestamp;
use crate::store::{Exchange, Realm};

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImportTableDescription {
    pub import_arn: String,
    pub import_status: Status,
    pub table_arn: String,
    pub table_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    pub s3_bucket_source: BucketSource,
    pub error_count: u64,
    pub cloud_watch_log_group_arn: String,
    pub input_format: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_format_options: Option<FormatOptions>,
    pub input_compression_type: String,
    pub table_creation_parameters: serde_json::Value,
    pub start_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    pub processed_size_bytes: u64,
    pub processed_item_count: u64,
    pub imported_item_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_message: Option<String>,
}

impl ImportTableDescription {
    pub fn new(exchange: &Exchange, import: Import) -> Self {
        let course = import.course;
        let (code, message) = course.failure.map(|failure| (failure.code, failure.message)).unzip();
        Self {
            import_arn: arn(exchange, &exchange.table),
            import_status: import.status,
            table_arn: exchange.realm.table_arn(&exchange.table),
            table_id: import.table_uuid,
            client_token: course.token,
            s3_bucket_source: import.source,
            error_count: import.errors,
            cloud_watch_log_group_arn: log_group_arn(&exchange.realm),
            input_format: import.format,
            input_format_options: import.options,
            input_compression_type: import.compression,
            table_creation_parameters: import.parameters,
            start_time: Timestamp::from_millis(course.started_millis),
            end_time: course.ended_millis.map(Timestamp::from_millis),
            processed_size_bytes: import.processed_bytes,
            processed_item_count: import.processed_items,
            imported_item_count: import.imported_items,
            failure_code: code,
            failure_message: message,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImportSummary {
    pub import_arn: String,
    pub import_status: Status,
    pub table_arn: String,
    pub s3_bucket_source: BucketSource,
    pub cloud_watch_log_group_arn: String,
    pub input_format: String,
    pub start_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
}

impl ImportSummary {
    pub fn new(exchange: &Exchange, import: Import) -> Self {
        Self {
            import_arn: arn(exchange, &exchange.table),
            import_status: import.status,
            table_arn: exchange.realm.table_arn(&exchange.table),
            s3_bucket_source: import.source,
            cloud_watch_log_group_arn: log_group_arn(&exchange.realm),
            input_format: import.format,
            start_time: Timestamp::from_millis(import.course.started_millis),
            end_time: import.course.ended_millis.map(Timestamp::from_millis),
        }
    }
}

/// Where AWS would have what is in the file of errors.
fn log_group_arn(realm: &Realm) -> String {
    let Realm { region, account } = realm;
    format!("arn:{}:logs:{region}:{account}:log-group:/aws-dynamodb/imports:*", realm.partition())
}
