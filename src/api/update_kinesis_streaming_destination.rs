//! UpdateKinesisStreamingDestination: how exact the times are that an active Kinesis data stream would be told.

use serde::{Deserialize, Serialize};

use super::describe_table::no_such_table;
use super::destinations::{Configuration, ConfigurationInput, check, invalid_state, precision_name};
use super::parameters::{Parameter, done};
use super::resource::TableName;
use crate::error::Error;
use crate::store::{Precision, Realm, Store};

pub const PARAMETERS: &[Parameter] =
    &[done("TableName"), done("StreamArn"), done("UpdateKinesisStreamingConfiguration")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    stream_arn: Option<String>,
    update_kinesis_streaming_configuration: Option<ConfigurationInput>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub table_name: String,
    pub stream_arn: String,
    pub destination_status: &'static str,
    pub update_kinesis_streaming_configuration: Configuration,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let configuration = input.update_kinesis_streaming_configuration.as_ref();
    let path = "updateKinesisStreamingConfiguration";
    let (table_name, arn) = check(&input.table_name, &input.stream_arn, path, configuration)?;
    let precision = configuration.and_then(ConfigurationInput::precision).ok_or_else(|| {
        Error::validation(
            "Streaming destination cannot be updated with given parameters: UpdateKinesisStreamingConfiguration cannot be \
             null or contain only null values",
        )
    })?;
    let name = TableName::parse(realm, table_name)?;
    let change = store.change_services(&name.realm, name.name, |table, services| {
        let found = services.destinations.iter_mut().find(|destination| destination.stream_arn == *arn);
        let found = found.ok_or_else(|| invalid_state(&format!("No streaming destination with streamArn: {arn}")))?;
        if !found.active {
            return Err(invalid_state(&format!(
                "Kinesis streaming is not in ACTIVE state. Updates are only allowed in ACTIVE state. TableName: {}, \
                 kdsArn: {arn}",
                table.name
            )));
        }
        if found.precision.unwrap_or(Precision::Millisecond) == precision {
            return Err(Error::Validation(format!(
                "Invalid Request: Precision is already set to the desired value of {} for tableId: {}, kdsArn: {arn}",
                precision_name(precision),
                table.uuid
            )));
        }
        found.precision = Some(precision);
        Ok(())
    });
    change.await.map_err(|error| no_such_table(error, name.name))?;
    Ok(Output {
        table_name: name.name.to_owned(),
        stream_arn: arn.clone(),
        destination_status: "UPDATING",
        update_kinesis_streaming_configuration: Configuration::new(precision),
    })
}
