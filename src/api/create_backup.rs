//! CreateBackup: the backup is complete when this answers, although, as on AWS, the answer still says CREATING.

use serde::{Deserialize, Serialize};

use super::backups::{self, Details};
use super::constraints::Constraints;
use super::continuous_backups::table_not_found;
use super::parameters::{Parameter, done};
use super::resource::TableName;
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("TableName"), done("BackupName")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    backup_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub backup_details: Details,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let table_name = constraints.table("tableName", &input.table_name);
    let backup_name = constraints.required("backupName", &input.backup_name);
    if let Some(backup_name) = backup_name {
        constraints.name("backupName", backup_name);
    }
    let (table_name, backup_name) = constraints.finish((table_name, backup_name))?;
    let name = TableName::parse(realm, table_name)?;
    let backup = store.create_backup(&name.realm, name.name, backup_name).await;
    let backup = backup.map_err(|error| table_not_found(error, name.name))?;
    Ok(Output { backup_details: Details::new(&backup, backup.arn(), backups::status(backup.status)) })
}
