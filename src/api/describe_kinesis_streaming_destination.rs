//! DescribeKinesisStreamingDestination: the Kinesis data streams of a table, the active one and earlier ones, newest first.

use serde::{Deserialize, Serialize};

use super::describe_table::no_such_table;
use super::destinations::precision_name;
use super::parameters::{Parameter, done};
use super::resource::TableName;
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("TableName")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub table_name: String,
    pub kinesis_data_stream_destinations: Vec<Described>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Described {
    pub stream_arn: String,
    pub destination_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approximate_creation_date_time_precision: Option<&'static str>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let name = TableName::alone(realm, &input.table_name)?;
    let services = store.services(&name.realm, name.name).await;
    let (table, services) = services.map_err(|error| no_such_table(error, name.name))?;
    let described = services.destinations.into_iter().rev().map(|destination| Described {
        stream_arn: destination.stream_arn,
        destination_status: if destination.active { "ACTIVE" } else { "DISABLED" },
        approximate_creation_date_time_precision: destination.precision.map(precision_name),
    });
    Ok(Output { table_name: table.name.clone(), kinesis_data_stream_destinations: described.collect() })
}
