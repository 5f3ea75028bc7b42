//! UpdateContinuousBackups: recovery to a point in time, on or off. In force when it answers.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::continuous_backups::{Description, table_not_found};
use super::parameters::{Parameter, done};
use super::resource::TableName;
use crate::error::Error;
use crate::store::{Realm, Store, TableChange};

pub const PARAMETERS: &[Parameter] = &[done("TableName"), done("PointInTimeRecoverySpecification")];

/// Of the recovery period, unless another is asked for; also the longest there is.
const DAYS: u16 = 35;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    point_in_time_recovery_specification: Option<Specification>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Specification {
    point_in_time_recovery_enabled: Option<bool>,
    recovery_period_in_days: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub continuous_backups_description: Description,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let table_name = constraints.table("tableName", &input.table_name);
    let given = constraints.required("pointInTimeRecoverySpecification", &input.point_in_time_recovery_specification);
    let (mut enabled, mut days) = (None, None);
    if let Some(given) = given {
        let path = "pointInTimeRecoverySpecification.pointInTimeRecoveryEnabled";
        enabled = constraints.required(path, &given.point_in_time_recovery_enabled);
        days = given.recovery_period_in_days;
        constraints.range("pointInTimeRecoverySpecification.recoveryPeriodInDays", days, 1, i64::from(DAYS));
    }
    let (table_name, enabled) = constraints.finish((table_name, enabled))?;
    if !enabled && days.is_some() {
        return Err(Error::validation(
            "Invalid Request: Cannot specify RecoveryPeriodInDays when disabling point-in-time recovery.",
        ));
    }
    let days = days.and_then(|days| u16::try_from(days).ok()).unwrap_or(DAYS);
    let name = TableName::parse(realm, table_name)?;
    let change = TableChange::PointInTime(enabled.then_some(days));
    let table = store.change_table(&name.realm, name.name, &[change]).await;
    let table = table.map_err(|error| table_not_found(error, name.name))?;
    Ok(Output { continuous_backups_description: Description::new(&table, store.clock().now()) })
}
