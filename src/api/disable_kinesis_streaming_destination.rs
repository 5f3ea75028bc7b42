//! DisableKinesisStreamingDestination: the Kinesis data stream of a table is its destination no more, and is shown as that.

use serde::Deserialize;

use super::describe_table::no_such_table;
use super::destinations::{ConfigurationInput, check, invalid_state};
use super::enable_kinesis_streaming_destination as enable;
use super::parameters::{Parameter, different, done};
use super::resource::TableName;
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] =
    &[done("TableName"), done("StreamArn"), different("EnableKinesisStreamingConfiguration", "refused, as on AWS")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    stream_arn: Option<String>,
    enable_kinesis_streaming_configuration: Option<ConfigurationInput>,
}

pub type Output = enable::Output;

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let configuration = input.enable_kinesis_streaming_configuration.as_ref();
    let path = "enableKinesisStreamingConfiguration";
    let (table_name, arn) = check(&input.table_name, &input.stream_arn, path, configuration)?;
    if configuration.is_some() {
        return Err(Error::validation(
            "Stream cannot be disabled using EnableKinesisStreamingConfiguration parameters",
        ));
    }
    let name = TableName::parse(realm, table_name)?;
    let change = store.change_services(&name.realm, name.name, |_, services| {
        let mut destinations = services.destinations.iter_mut();
        match destinations.find(|destination| destination.stream_arn == *arn && destination.active) {
            Some(found) => {
                // The precision goes with what it was given for.
                (found.active, found.precision) = (false, None);
                Ok(())
            }
            None => Err(invalid_state("KinesisStreamingDestination must be ACTIVE to perform DISABLE operation.")),
        }
    });
    change.await.map_err(|error| no_such_table(error, name.name))?;
    Ok(Output {
        table_name: name.name.to_owned(),
        stream_arn: arn.clone(),
        destination_status: "DISABLING",
        enable_kinesis_streaming_configuration: None,
    })
}
