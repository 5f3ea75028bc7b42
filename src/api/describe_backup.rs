//! DescribeBackup.

use serde::{Deserialize, Serialize};

use super::backups::{self, BackupArn, Description};
use super::constraints::Constraints;
use super::parameters::{Parameter, done};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("BackupArn")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    backup_arn: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub backup_description: Description,
}

impl Input {
    /// The backup of a request that names one, and has nothing else that could be wrong.
    pub fn arn(&self, realm: &Realm) -> Result<BackupArn<'_>, Error> {
        let mut constraints = Constraints::new();
        let arn = BackupArn::required(&mut constraints, "backupArn", &self.backup_arn);
        BackupArn::parse(realm, constraints.finish(arn)?)
    }
}

/// As given: another region's ARN is told as it came.
pub fn not_found(error: Error, arn: &BackupArn<'_>) -> Error {
    match error {
        Error::BackupNotFound(_) => Error::BackupNotFound(format!("Backup not found: {}", arn.given)),
        error => error,
    }
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let arn = input.arn(realm)?;
    let backup = store.backup(realm, arn.table, arn.id).await.map_err(|error| not_found(error, &arn))?;
    Ok(Output { backup_description: Description::new(&backup, &arn, backups::status(backup.status)) })
}
