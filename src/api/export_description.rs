//! ExportDescription and ExportSummary: what is told of an export.

use serde::{Deserialize, Serialize};

use super::exchanges::export::Export;
use super::exchanges::import::Status;
use super::exchanges::{FilterSpecification, arn};
use super::wire::Timestamp;
use crate::error::Error;
use crate::store::Exchange;

/// Which changes are exported, as requests and answers say it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct IncrementalExportSpecification {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_from_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_to_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_view_type: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExportDescription {
    pub export_arn: String,
    pub export_status: Status,
    pub start_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_manifest: Option<String>,
    pub table_arn: String,
    pub table_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    pub s3_bucket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_bucket_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_sse_algorithm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_sse_kms_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_message: Option<String>,
    pub export_format: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billed_size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_count: Option<u64>,
    pub export_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incremental_export_specification: Option<IncrementalExportSpecification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_specification: Option<FilterSpecification>,
}

impl ExportDescription {
    pub fn new(exchange: &Exchange, export: Export) -> Result<Self, Error> {
        let is_complete = export.status == Status::Completed;
        let manifest = is_complete.then(|| export.manifest(exchange));
        let filter_specification = export.specification()?;
        let export_type = export.kind();
        let at = Timestamp::from_millis(export.at_millis);
        let incremental = export.incremental.as_ref().map(|found| IncrementalExportSpecification {
            export_from_time: Some(Timestamp::from_millis(found.from_millis)),
            export_to_time: Some(at),
            export_view_type: Some(found.view.clone()),
        });
        let course = export.course;
        let (code, message) = course.failure.map(|failure| (failure.code, failure.message)).unzip();
        Ok(Self {
            export_arn: arn(exchange, &exchange.table),
            export_status: export.status,
            start_time: Timestamp::from_millis(course.started_millis),
            end_time: course.ended_millis.map(Timestamp::from_millis),
            export_manifest: manifest,
            table_arn: exchange.realm.table_arn(&export.table),
            table_id: export.table_uuid,
            export_time: incremental.is_none().then_some(at),
            client_token: course.token,
            s3_bucket: export.bucket,
            s3_bucket_owner: export.owner,
            s3_prefix: export.prefix,
            s3_sse_algorithm: export.sse_algorithm,
            s3_sse_kms_key_id: export.sse_key,
            failure_code: code,
            failure_message: message,
            export_format: export.format,
            billed_size_bytes: is_complete.then_some(export.bytes),
            item_count: is_complete.then_some(export.items),
            export_type,
            incremental_export_specification: incremental,
            filter_specification,
        })
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExportSummary {
    pub export_arn: String,
    pub export_status: Status,
    pub export_type: &'static str,
}

impl ExportSummary {
    pub fn new(exchange: &Exchange, export: &Export) -> Self {
        Self { export_arn: arn(exchange, &exchange.table), export_status: export.status, export_type: export.kind() }
    }
}
