//! RestoreTableFromBackup: the new table is there when this answers, although, as on AWS, the answer still says CREATING.

use serde::Deserialize;

use super::backups::BackupArn;
use super::constraints::Constraints;
use super::describe_backup::not_found;
use super::parameters::{Parameter, different, done};
pub use super::restored_table::Output;
use super::restored_table::Overrides;
use super::table_definition::{IndexInput, ThroughputInput};
use super::table_settings::{EncryptionInput, OnDemandInput};
use super::vector_indexes::VectorIndexInput;
use crate::error::Error;
use crate::store::{Realm, RestoreFrom, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("TargetTableName"),
    done("BackupArn"),
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
    target_table_name: Option<String>,
    backup_arn: Option<String>,
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
    let target = constraints.required("targetTableName", &input.target_table_name);
    if let Some(target) = target {
        constraints.name("targetTableName", target);
    }
    let arn = BackupArn::required(&mut constraints, "backupArn", &input.backup_arn);
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
    let (target, arn) = constraints.finish((target, arn))?;
    let arn = BackupArn::parse(realm, arn)?;
    overrides.check_region(realm, arn.region)?;
    let there = &Realm { account: realm.account.clone(), region: arn.region.to_owned() };
    let from = RestoreFrom::Backup { realm: there, table: arn.table, id: arn.id };
    let define = |source: &_| overrides.define(realm, target, source);
    let table = store.restore_table(realm, target, from, define).await.map_err(|error| not_found(error, &arn))?;
    Ok(Output::of(store, &table))
}
