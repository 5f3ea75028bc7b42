//! Continuous backups of a table as they are described: always on, as on AWS; recovery to a point in time once switched on.
//!
//! As measured on AWS (the notes published as ack-api-quirks, findings DDB-TABLE-083 to 085 and 447, October 2026).

use serde::Serialize;

use super::wire::Timestamp;
use crate::clock;
use crate::error::Error;
use crate::store::Table;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Description {
    pub continuous_backups_status: &'static str,
    pub point_in_time_recovery_description: Recovery,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Recovery {
    pub point_in_time_recovery_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_period_in_days: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earliest_restorable_date_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_restorable_date_time: Option<Timestamp>,
}

impl Description {
    pub fn new(table: &Table, now: clock::Timestamp) -> Self {
        let recovery = table.settings.point_in_time;
        Self {
            continuous_backups_status: "ENABLED",
            point_in_time_recovery_description: Recovery {
                point_in_time_recovery_status: if recovery.is_some() { "ENABLED" } else { "DISABLED" },
                recovery_period_in_days: recovery.map(|recovery| recovery.days),
                earliest_restorable_date_time: recovery.map(|recovery| Timestamp(recovery.earliest(now))),
                latest_restorable_date_time: recovery.map(|recovery| Timestamp(recovery.latest(now))),
            },
        }
    }
}

/// The operations on backups have an error of their own for a table that is not there.
pub fn table_not_found(error: Error, name: &str) -> Error {
    match error {
        Error::ResourceNotFound(_) => Error::TableNotFound(format!("Table not found: {name}")),
        error => error,
    }
}
