//! DeleteBackup: the backup is gone when this answers.

use super::backups::Description;
use super::describe_backup::not_found;
pub use super::describe_backup::{Input, Output};
use super::parameters::{Parameter, done};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("BackupArn")];

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let arn = input.arn(realm)?;
    let backup = store.delete_backup(realm, arn.table, arn.id).await.map_err(|error| not_found(error, &arn))?;
    Ok(Output { backup_description: Description::new(&backup, &arn, "DELETED") })
}
