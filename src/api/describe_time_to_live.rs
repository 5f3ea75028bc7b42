//! DescribeTimeToLive: by which attribute a table's items expire, if they do.
//!
//! A table that never had a time to live and one whose time to live was switched off answer alike, as on AWS.

use serde::{Deserialize, Serialize};

use super::describe_table::no_such_table;
use super::parameters::{Parameter, done};
use super::resource::TableName;
use crate::error::Error;
use crate::store::{IndexStatus, Realm, Store, TimeToLive};

pub const PARAMETERS: &[Parameter] = &[done("TableName")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub time_to_live_description: Description,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Description {
    pub time_to_live_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute_name: Option<String>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let name = TableName::alone(realm, &input.table_name)?;
    let table = store.current_table(&name.realm, name.name).await.map_err(|error| no_such_table(error, name.name))?;
    Ok(Output { time_to_live_description: Description::new(table.time_to_live.as_ref()) })
}

impl Description {
    fn new(time_to_live: Option<&TimeToLive>) -> Self {
        Self {
            time_to_live_status: match time_to_live.map(|found| found.status) {
                None => "DISABLED",
                // Another call is still adding the items that were there before.
                Some(IndexStatus::Creating) => "ENABLING",
                Some(_) => "ENABLED",
            },
            attribute_name: time_to_live.map(|found| found.attribute.clone()),
        }
    }
}
