//! DescribeTableReplicaAutoScaling: the auto scaling of every replica of a global table, its own region's included.

use serde::{Deserialize, Serialize};

use super::parameters::{Parameter, done};
use super::resource::TableName;
use super::scaling::{TableDescription, no_such_global_table};
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
    pub table_auto_scaling_description: TableDescription,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let name = TableName::alone(realm, &input.table_name)?;
    let (table, services) = store.services(&name.realm, name.name).await.map_err(|error| match error {
        Error::ResourceNotFound(_) => no_such_global_table(name.name),
        error => error,
    })?;
    Ok(Output { table_auto_scaling_description: TableDescription::new(&table, "ACTIVE", &services)? })
}
