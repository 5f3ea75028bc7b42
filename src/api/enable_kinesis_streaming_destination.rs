//! EnableKinesisStreamingDestination: names the Kinesis data stream of a table. One at a time is active.

use serde::{Deserialize, Serialize};

use super::describe_table::no_such_table;
use super::destinations::{Configuration, ConfigurationInput, check, invalid_state};
use super::parameters::{Parameter, different, done};
use super::resource::TableName;
use crate::error::Error;
use crate::store::{Destination, Realm, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    different("StreamArn", "kept and shown; nothing is sent there, and it need not exist"),
    done("EnableKinesisStreamingConfiguration"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    stream_arn: Option<String>,
    enable_kinesis_streaming_configuration: Option<ConfigurationInput>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub table_name: String,
    pub stream_arn: String,
    pub destination_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_kinesis_streaming_configuration: Option<Configuration>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let configuration = input.enable_kinesis_streaming_configuration.as_ref();
    let path = "enableKinesisStreamingConfiguration";
    let (table_name, arn) = check(&input.table_name, &input.stream_arn, path, configuration)?;
    let name = TableName::parse(realm, table_name)?;
    let precision = configuration.and_then(ConfigurationInput::precision);
    let change = store.change_services(&name.realm, name.name, |_, services| {
        if services.destinations.iter().any(|destination| destination.active) {
            return Err(invalid_state(
                "EnableKinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE operation.",
            ));
        }
        services.destinations.retain(|destination| destination.stream_arn != *arn);
        services.destinations.push(Destination { stream_arn: arn.clone(), active: true, precision });
        Ok(())
    });
    change.await.map_err(|error| no_such_table(error, name.name))?;
    Ok(Output {
        table_name: name.name.to_owned(),
        stream_arn: arn.clone(),
        destination_status: "ENABLING",
        enable_kinesis_streaming_configuration: precision.map(Configuration::new),
    })
}
