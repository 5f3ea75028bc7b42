//! DescribeGlobalTable.

use serde::{Deserialize, Serialize};

use super::legacy_global_tables::{Description, check_name};
use super::parameters::{Parameter, done};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("GlobalTableName")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    global_table_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub global_table_description: Description,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let name = check_name(&input.global_table_name)?;
    let found = store.global_table(&realm.account, name).await?.ok_or_else(|| {
        Error::GlobalTableNotFound(format!("Global table not found: Global table with name: '{name}' does not exist."))
    })?;
    Ok(Output { global_table_description: Description::new(realm, name, &found, "ACTIVE") })
}
