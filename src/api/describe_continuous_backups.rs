//! DescribeContinuousBackups.

use serde::{Deserialize, Serialize};

use super::continuous_backups::{Description, table_not_found};
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

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub continuous_backups_description: Description,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let name = TableName::alone(realm, &input.table_name)?;
    let table = store.current_table(&name.realm, name.name).await.map_err(|error| table_not_found(error, name.name))?;
    Ok(Output { continuous_backups_description: Description::new(&table, store.clock().now()) })
}
