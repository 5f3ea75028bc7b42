//! DeleteTable: the table is gone when this answers. Its stream stays readable for a day, and, if it recovered to points in time,
//! a backup of it for 35.

use serde::{Deserialize, Serialize};

use super::describe_table::no_such_table;
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
    pub table_description: TableDescription,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let name = TableName::alone(realm, &input.table_name)?;
    let missing = |error| no_such_table(error, name.name);
    let table = match store.current_table(&name.realm, name.name).await {
        Ok(table) => table,
        Err(_) if store.table_being_restored(&name.realm, name.name).await?.is_some() => {
            return Err(Error::ResourceInUse(format!(
                "Attempt to change a resource which is still in use: Table is being created: {}",
                name.name
            )));
        }
        Err(error) => return Err(missing(error)),
    };
    if table.deletion_protection {
        return Err(Error::validation(
            "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
        ));
    }
    let replication = &table.settings.replication;
    if replication.is_strong {
        return Err(Error::validation(
            "Deletion of only one table replica is not supported for global tables with MultiRegionConsistency set to STRONG.",
        ));
    }
    if replication.is_source(store.clock().now()) {
        return Err(Error::validation(
            "Replica cannot be deleted because it has acted as a source region for new replica(s) being added to the table in \
             the last 24 hours.",
        ));
    }
    let statistics = store.statistics(&table).await?;
    let table = store.delete_table(&name.realm, name.name).await.map_err(missing)?;
    let shown = Shown { status: "DELETING", warm: None, ..Shown::ACTIVE };
    let description = TableDescription::new(&table, shown, &statistics, store.clock().now());
    Ok(Output { table_description: description.without_schema() })
}
