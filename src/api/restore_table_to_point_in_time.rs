//! RestoreTableToPointInTime: the new table is there when this answers, although, as on AWS, the answer still says CREATING.
//!
//! Order and messages as measured on AWS (the notes published as ack-api-quirks, findings DDB-TABLE-100, 272, 274, 442 and 447,
//! October 2026).

use serde::Deserialize;

use super::constraints::Constraints;
use super::continuous_backups::table_not_found;
use super::parameters::{Parameter, different, done};
use super::resource::{ResourceArn, ResourceKind};
pub use super::restored_table::Output;
use super::restored_table::Overrides;
use super::table_definition::{IndexInput, ThroughputInput};
use super::table_settings::{EncryptionInput, OnDemandInput};
use super::vector_indexes::VectorIndexInput;
use super::wire::Timestamp;
use crate::error::Error;
use crate::store::{Realm, RestoreFrom, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("SourceTableArn"),
    done("SourceTableName"),
    done("TargetTableName"),
    done("UseLatestRestorableTime"),
    done("RestoreDateTime"),
    done("BillingModeOverride"),
    done("GlobalSecondaryIndexOverride"),
    done("LocalSecondaryIndexOverride"),
    different("ProvisionedThroughputOverride", "kept and shown, never enforced"),
    different("OnDemandThroughputOverride", "kept and shown, never enforced"),
    different("SSESpecificationOverride", "kept and shown; nothing is encrypted, and a key need not exist"),
    done("VectorIndexOverride"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    source_table_arn: Option<String>,
    source_table_name: Option<String>,
    target_table_name: Option<String>,
    use_latest_restorable_time: Option<bool>,
    restore_date_time: Option<Timestamp>,
    billing_mode_override: Option<String>,
    global_secondary_index_override: Option<Vec<IndexInput>>,
    local_secondary_index_override: Option<Vec<IndexInput>>,
    provisioned_throughput_override: Option<ThroughputInput>,
    on_demand_throughput_override: Option<OnDemandInput>,
    #[serde(rename = "SSESpecificationOverride")]
    sse_specification_override: Option<EncryptionInput>,
    vector_index_override: Option<Vec<VectorIndexInput>>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    if let Some(arn) = &input.source_table_arn {
        constraints.length("sourceTableArn", arn, 1, 1024);
    }
    constraints.optional_name("sourceTableName", input.source_table_name.as_deref());
    let target = constraints.required("targetTableName", &input.target_table_name);
    if let Some(target) = target {
        constraints.name("targetTableName", target);
    }
    let overrides = Overrides {
        billing_mode: input.billing_mode_override.as_deref(),
        global_indexes: input.global_secondary_index_override.as_deref(),
        local_indexes: input.local_secondary_index_override.as_deref(),
        vector_indexes: input.vector_index_override.as_deref(),
        throughput: input.provisioned_throughput_override.as_ref(),
        on_demand: input.on_demand_throughput_override,
        encryption: input.sse_specification_override.as_ref(),
    };
    overrides.check(&mut constraints);
    let target = constraints.finish(target)?;
    let at = input.time()?;
    let (there, source) = input.source(realm)?;
    overrides.check_region(realm, &there.region)?;
    let from = RestoreFrom::Table { realm: &there, name: source, at };
    let define = |source: &_| overrides.define(realm, target, source);
    let table = store.restore_table(realm, target, from, define).await.map_err(|error| match error {
        Error::ResourceNotFound(_) if input.source_table_arn.is_some() => {
            Error::TableNotFound("Table not found".to_owned())
        }
        error => table_not_found(error, source),
    })?;
    Ok(Output::of(store, &table))
}

impl Input {
    /// The moment, or the latest one.
    fn time(&self) -> Result<Option<crate::clock::Timestamp>, Error> {
        match (self.restore_date_time, self.use_latest_restorable_time == Some(true)) {
            (Some(_), true) => Err(Error::validation(
                "Invalid Request: Both RestoreDateTime and UseLatestRestorableTime cannot be set for point-in-time restore \
                 request.",
            )),
            (None, false) => Err(Error::validation(
                "Invalid Request: Either one of RestoreDateTime or UseLatestRestorableTime must be specified, but not both",
            )),
            (at, _) => Ok(at.map(|at| at.0)),
        }
    }

    fn source<'a>(&'a self, realm: &Realm) -> Result<(Realm, &'a str), Error> {
        let arn = match (&self.source_table_arn, &self.source_table_name) {
            (None, Some(name)) => return Ok((realm.clone(), name)),
            (Some(arn), None) => arn,
            (Some(_), Some(_)) => {
                return Err(Error::validation(
                    "Invalid Request: Must provide exactly one of: sourceTableArn, sourceTableName",
                ));
            }
            (None, None) => {
                return Err(Error::validation(
                    "Invalid Request: The parameter 'TableName' is required but was not present in the request",
                ));
            }
        };
        if !arn.starts_with("arn:") {
            ResourceArn::parse(arn)?;
        }
        let invalid = || Error::validation("sourceTableArn is not a valid ARN");
        let resource = ResourceArn::parse(arn).map_err(|_| invalid())?;
        let (there, partition) = (resource.realm, arn.split(':').nth(1));
        if resource.kind != ResourceKind::Table || partition != Some(there.partition()) {
            return Err(invalid());
        }
        if there.account != realm.account {
            return Err(Error::validation(
                "This action is only supported by accounts that match the resource owner\u{2019}s account.",
            ));
        }
        Ok((there, resource.table))
    }
}
