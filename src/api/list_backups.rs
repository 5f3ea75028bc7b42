//! ListBackups: the backups of the tables of one name, there or not, or of all, by the table's name and their time.
//!
//! As measured on AWS (the notes published as ack-api-quirks, finding DDB-BACKUP-014, October 2026): only those of users unless
//! others are asked for; the beginning of the range of times belongs to it, its end does not; where to go on is a place, and there need
//! be no backup.

use serde::{Deserialize, Serialize};

use super::backups::{BackupArn, Details, status};
use super::constraints::{Constraints, values};
use super::parameters::{Parameter, done};
use super::resource::TableName;
use super::wire::Timestamp;
use crate::error::Error;
use crate::store::{Backup, BackupKind, Realm, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("Limit"),
    done("TimeRangeLowerBound"),
    done("TimeRangeUpperBound"),
    done("ExclusiveStartBackupArn"),
    done("BackupType"),
];

const MAX_LIMIT: i64 = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    limit: Option<i64>,
    time_range_lower_bound: Option<Timestamp>,
    time_range_upper_bound: Option<Timestamp>,
    exclusive_start_backup_arn: Option<String>,
    backup_type: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub backup_summaries: Vec<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_evaluated_backup_arn: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Summary {
    pub table_name: String,
    pub table_id: String,
    pub table_arn: String,
    #[serde(flatten)]
    pub details: Details,
}

impl Summary {
    fn new(backup: &Backup) -> Self {
        Self {
            table_name: backup.table.name.clone(),
            table_id: backup.table.uuid.clone(),
            table_arn: backup.table.arn(),
            details: Details::new(backup, backup.arn(), status(backup.status)),
        }
    }
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    if input.table_name.is_some() {
        constraints.table("tableName", &input.table_name);
    }
    constraints.range("limit", input.limit, 1, MAX_LIMIT);
    if let Some(arn) = &input.exclusive_start_backup_arn {
        BackupArn::check(&mut constraints, "exclusiveStartBackupArn", arn);
    }
    constraints.one_of("backupType", input.backup_type.as_deref(), values::BACKUP_TYPE_FILTER);
    constraints.finish(())?;
    let (from, until) = (input.time_range_lower_bound, input.time_range_upper_bound);
    if let (Some(from), Some(until)) = (from, until)
        && from.0 > until.0
    {
        return Err(Error::validation(
            "One or more parameter values were invalid: Time range lower bound must be less than or equal to upper bound",
        ));
    }
    let name = input.table_name.as_deref().map(|table| TableName::parse(realm, table)).transpose()?;
    let after = input.exclusive_start_backup_arn.as_deref().map(|arn| BackupArn::parse(realm, arn)).transpose()?;
    if after.as_ref().is_some_and(|after| after.region != realm.region) {
        return Err(Error::validation(
            "Invalid Request: The supplied ExclusiveStartBackupArn does not match the region",
        ));
    }
    let limit = usize::try_from(input.limit.unwrap_or(MAX_LIMIT)).unwrap_or_default();
    let wanted = input.backup_type.as_deref().unwrap_or("USER");
    let keep = |backup: &Backup| {
        let is_wanted = match backup.kind {
            BackupKind::User => matches!(wanted, "USER" | "ALL"),
            BackupKind::System => matches!(wanted, "SYSTEM" | "ALL"),
        };
        let created = backup.created_millis;
        is_wanted
            && from.is_none_or(|from| created >= from.0.millis())
            && until.is_none_or(|until| created < until.0.millis())
    };
    let there = name.as_ref().map_or(realm, |name| &*name.realm);
    let table = name.as_ref().map(|name| name.name);
    let after = after.as_ref().map(|after| (after.table, after.id));
    let (backups, more) = store.list_backups(there, table, after, limit, keep).await?;
    let last_evaluated_backup_arn = backups.last().filter(|_| more).map(Backup::arn);
    Ok(Output { backup_summaries: backups.iter().map(Summary::new).collect(), last_evaluated_backup_arn })
}
