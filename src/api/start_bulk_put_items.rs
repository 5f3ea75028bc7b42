//! StartBulkPutItems: begins to put the items of a bucket's objects into a table. What the steps do is in `exchanges::bulk`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bulk_operation_description::BulkOperationDescription;
use super::constraints::{Constraints, values};
use super::describe_table::no_such_table;
use super::exchanges::bulk::{BulkPut, InputConfiguration, OutputConfiguration, Status};
use super::exchanges::{self, Course, Kind};
use super::parameters::{Parameter, different, done};
use super::resource::TableName;
use super::transact_write_items::digest;
use crate::error::Error;
use crate::store::{Exchange, IndexStatus, Realm, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("ClientToken"),
    different(
        "InputS3Configuration",
        "the bucket is a folder, its owner is kept and shown; ION in its text form, a struct a line",
    ),
    different("OutputS3Configuration", "the bucket is a folder; owner and encryption are kept and shown"),
    done("TableName"),
    different("MaxWriteRequestUnits", "kept and shown, never enforced"),
    different("PerformanceTier", "kept and shown, without effect"),
];

/// The slowest rate that can be asked for. Source: botocore's model.
const LEAST_UNITS: i64 = 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    client_token: Option<String>,
    input_s3_configuration: Option<InputConfiguration>,
    output_s3_configuration: Option<OutputConfiguration>,
    table_name: Option<String>,
    max_write_request_units: Option<i64>,
    performance_tier: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub bulk_operation_description: BulkOperationDescription,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let (given, from, to) = input.check()?;
    exchanges::buckets(store)?;
    exchanges::check_writable(to.s3_key_prefix.as_deref())?;
    let name = TableName::parse(realm, given)?;
    let table = store.current_table(&name.realm, name.name).await.map_err(|error| no_such_table(error, name.name))?;
    if table.is_importing || table.indexes.iter().any(|index| index.status != IndexStatus::Active) {
        return Err(Error::ResourceInUse(format!(
            "Attempt to change a resource which is still in use: Table: {} is being created or updated",
            name.name
        )));
    }
    if !table.settings.replication.replicas.is_empty() {
        return Err(Error::validation("Bulk operations are not supported on tables that are part of a global table"));
    }
    exchanges::check_quota(store, &name.realm, Kind::BulkPut).await?;

    let exchange = Kind::BulkPut.new_exchange(store, &name.realm, name.name);
    let bulk = BulkPut {
        course: Course::begin(store, input.client_token.as_deref()),
        given_table: given.to_owned(),
        table: name.name.to_owned(),
        table_uuid: table.uuid.clone(),
        input: InputConfiguration {
            input_compression_type: Some(from.input_compression_type.clone().unwrap_or_else(|| "NONE".to_owned())),
            ..from.clone()
        },
        output: to.clone(),
        max_write_request_units: input.max_write_request_units,
        performance_tier: input.performance_tier.clone().unwrap_or_else(|| "STANDARD".to_owned()),
        status: Status::InProgress,
        place: exchanges::Place::default(),
        total_bytes: None,
        processed_bytes: 0,
        processed: 0,
        failed: 0,
        error_bytes: 0,
        condition_bytes: 0,
        table_usage: 0,
        index_usage: BTreeMap::new(),
    };
    let asked = (given, &bulk.input, &bulk.output, bulk.max_write_request_units, &bulk.performance_tier);
    let (digest, token) = (&digest(&asked)?, input.client_token.as_deref());
    let (realm, exchange, bulk) = (&*name.realm, &exchange, &bulk);
    let (exchange, bulk): (Exchange, BulkPut) = store
        .transact(|transaction| async move {
            if let Some(earlier) = exchanges::repeated(&transaction, realm, token, digest).await? {
                return Ok(earlier);
            }
            exchanges::begin(&transaction, exchange, bulk, digest)?;
            Ok((exchange.clone(), bulk.clone()))
        })
        .await?;
    exchanges::keep_working(store)?;
    Ok(Output { bulk_operation_description: BulkOperationDescription::new(&exchange, bulk, Some(&table)) })
}

impl Input {
    fn check(&self) -> Result<(&str, &InputConfiguration, &OutputConfiguration), Error> {
        let mut constraints = Constraints::new();
        exchanges::check_token(&mut constraints, self.client_token.as_deref());
        let from = constraints.required("inputS3Configuration", &self.input_s3_configuration);
        if let Some(from) = from {
            from.source().check(&mut constraints, "inputS3Configuration");
            let format = constraints.required("inputS3Configuration.inputFormat", &from.input_format);
            let format = format.map(String::as_str);
            constraints.one_of("inputS3Configuration.inputFormat", format, values::BULK_INPUT_FORMAT);
            let compression = from.input_compression_type.as_deref();
            constraints.one_of("inputS3Configuration.inputCompressionType", compression, values::COMPRESSION);
        }
        let to = constraints.required("outputS3Configuration", &self.output_s3_configuration);
        if let Some(to) = to {
            to.source().check(&mut constraints, "outputS3Configuration");
            let algorithm = to.s3_sse_algorithm.as_deref();
            constraints.one_of("outputS3Configuration.s3SseAlgorithm", algorithm, values::SSE_TYPE);
            if let Some(key) = &to.s3_sse_kms_key_id {
                constraints.length("outputS3Configuration.s3SseKmsKeyId", key, 1, 2048);
            }
            let kinds = constraints.required("outputS3Configuration.outputType", &to.output_type);
            for (at, kind) in kinds.into_iter().flatten().enumerate() {
                let path = format!("outputS3Configuration.outputType.{}.member", at + 1);
                constraints.one_of(&path, Some(kind), values::OUTPUT_TYPE);
            }
        }
        let table = constraints.table("tableName", &self.table_name);
        constraints.range("maxWriteRequestUnits", self.max_write_request_units, LEAST_UNITS, i64::MAX);
        constraints.one_of("performanceTier", self.performance_tier.as_deref(), values::PERFORMANCE_TIER);
        constraints.finish((table, from, to))
    }
}
