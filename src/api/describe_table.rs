//! DescribeTable.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::parameters::{Parameter, done};
use super::resource::TableName;
use super::table_description::{Shown, TableDescription};
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
    pub table: TableDescription,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let name = TableName::alone(realm, &input.table_name)?;
    let (table, shown) = match store.current_table(&name.realm, name.name).await {
        Ok(table) => {
            let shown = Shown::of(&table);
            (table, shown)
        }
        Err(error) => match store.table_being_restored(&name.realm, name.name).await? {
            Some(table) => (Arc::new(table), Shown::RESTORING),
            None => return Err(no_such_table(error, name.name)),
        },
    };
    let statistics = store.statistics(&table).await?;
    Ok(Output { table: TableDescription::new(&table, shown, &statistics, store.clock().now()) })
}

/// The operations on tables name the table that is not there; those on items do not.
pub fn no_such_table(error: Error, name: &str) -> Error {
    match error {
        Error::ResourceNotFound(_) => {
            Error::ResourceNotFound(format!("Requested resource not found: Table: {name} not found"))
        }
        other => other,
    }
}
