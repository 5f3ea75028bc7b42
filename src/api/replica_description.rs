//! What a table's description says of its replicas and witnesses: all of them active, and what they have of their own.

use serde::Serialize;

use super::table_description::{ClassSummary, WarmDescription};
use crate::store::{Index, Replica, ReplicaCapacity, Table};

/// The only version of global tables that tables tell of.
pub const VERSION: &str = "2019.11.21";
pub const WITH_OVERRIDES: &str = "ENABLED_WITH_OVERRIDES";

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReplicaDescription {
    pub region_name: String,
    pub replica_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_arn: Option<String>,
    #[serde(rename = "KMSMasterKeyId", skip_serializing_if = "Option::is_none")]
    pub kms_master_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_throughput_override: Option<ProvisionedOverride>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput_override: Option<OnDemandOverride>,
    pub warm_throughput: WarmDescription,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub global_secondary_indexes: Vec<ReplicaIndexDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_table_class_summary: Option<ClassSummary>,
    pub global_table_settings_replication_mode: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReplicaIndexDescription {
    pub index_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_throughput_override: Option<ProvisionedOverride>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput_override: Option<OnDemandOverride>,
    pub warm_throughput: WarmDescription,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProvisionedOverride {
    pub read_capacity_units: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OnDemandOverride {
    pub max_read_request_units: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct WitnessDescription {
    pub region_name: String,
    pub witness_status: &'static str,
}

impl ReplicaDescription {
    pub fn new(table: &Table, replica: &Replica) -> Self {
        let index = |index: &Index| {
            let own = replica.indexes.iter().find(|(name, _)| *name == index.name).map(|(_, capacity)| *capacity);
            let (provisioned_throughput_override, on_demand_throughput_override) = overrides(own.unwrap_or_default());
            ReplicaIndexDescription {
                index_name: index.name.clone(),
                provisioned_throughput_override,
                on_demand_throughput_override,
                warm_throughput: WarmDescription::new(table.warm_of(index), "ACTIVE"),
            }
        };
        let (provisioned_throughput_override, on_demand_throughput_override) = overrides(replica.capacity);
        Self {
            region_name: replica.region.clone(),
            replica_status: "ACTIVE",
            replica_arn: replica.source_arn.clone(),
            kms_master_key_id: replica.key_arn.clone(),
            provisioned_throughput_override,
            on_demand_throughput_override,
            warm_throughput: WarmDescription::new(table.warm(), "ACTIVE"),
            global_secondary_indexes: table.global_indexes().map(index).collect(),
            replica_table_class_summary: replica
                .class
                .and_then(|(class, millis)| ClassSummary::new(class, Some(millis))),
            global_table_settings_replication_mode: if replica.source_arn.is_some() {
                "ENABLED"
            } else {
                WITH_OVERRIDES
            },
        }
    }
}

fn overrides(capacity: ReplicaCapacity) -> (Option<ProvisionedOverride>, Option<OnDemandOverride>) {
    (
        capacity.provisioned_read.map(|read_capacity_units| ProvisionedOverride { read_capacity_units }),
        capacity.on_demand_read.map(|max_read_request_units| OnDemandOverride { max_read_request_units }),
    )
}

/// How settings are shared, as the table itself says it.
pub fn settings_mode(table: &Table) -> Option<&'static str> {
    let replication = &table.settings.replication;
    match replication.replicas.first() {
        Some(replica) if replica.source_arn.is_some() => Some("ENABLED"),
        Some(_) => Some(WITH_OVERRIDES),
        None => replication.settings_mode.map(|on| if on { "ENABLED" } else { "DISABLED" }),
    }
}

pub fn witnesses(table: &Table) -> Vec<WitnessDescription> {
    let witness = |region: &String| WitnessDescription { region_name: region.clone(), witness_status: "ACTIVE" };
    table.settings.replication.witnesses.iter().map(witness).collect()
}
