//! Settings of the replicas of a global table of the old version: those of the tables that they are.

use serde::Serialize;

use super::legacy_global_tables::not_found;
use super::scaling::{Dimension, SettingsDescription};
use super::table_description::{BillingModeSummary, ClassSummary};
use crate::error::Error;
use crate::store::{Capacity, Index, Realm, Services, Store, Table};

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub global_table_name: String,
    pub replica_settings: Vec<ReplicaSettings>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReplicaSettings {
    pub region_name: String,
    pub replica_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_billing_mode_summary: Option<BillingModeSummary>,
    pub replica_provisioned_read_capacity_units: u64,
    pub replica_provisioned_read_capacity_auto_scaling_settings: SettingsDescription,
    pub replica_provisioned_write_capacity_units: u64,
    pub replica_provisioned_write_capacity_auto_scaling_settings: SettingsDescription,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replica_global_secondary_index_settings: Vec<IndexSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_table_class_summary: Option<ClassSummary>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IndexSettings {
    pub index_name: String,
    pub index_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_read_capacity_units: Option<u64>,
    pub provisioned_read_capacity_auto_scaling_settings: SettingsDescription,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_write_capacity_units: Option<u64>,
    pub provisioned_write_capacity_auto_scaling_settings: SettingsDescription,
}

impl ReplicaSettings {
    fn new(table: &Table, services: &Services, status: &'static str) -> Self {
        let scaling = |index: Option<&Index>, capacity: Capacity| {
            let of = Dimension { region: &table.realm.region, index, capacity };
            SettingsDescription::new(&table.realm, services, of)
        };
        let index = |index: &Index| IndexSettings {
            index_name: index.name.clone(),
            index_status: "ACTIVE",
            provisioned_read_capacity_units: index.throughput.map(|throughput| throughput.read),
            provisioned_read_capacity_auto_scaling_settings: scaling(Some(index), Capacity::Read),
            provisioned_write_capacity_units: index.throughput.map(|throughput| throughput.write),
            provisioned_write_capacity_auto_scaling_settings: scaling(Some(index), Capacity::Write),
        };
        let class = &table.settings.class;
        Self {
            region_name: table.realm.region.clone(),
            replica_status: status,
            replica_billing_mode_summary: BillingModeSummary::new(table, "ACTIVE"),
            replica_provisioned_read_capacity_units: table.throughput.map_or(0, |throughput| throughput.read),
            replica_provisioned_read_capacity_auto_scaling_settings: scaling(None, Capacity::Read),
            replica_provisioned_write_capacity_units: table.throughput.map_or(0, |throughput| throughput.write),
            replica_provisioned_write_capacity_auto_scaling_settings: scaling(None, Capacity::Write),
            replica_global_secondary_index_settings: table.global_indexes().map(index).collect(),
            replica_table_class_summary: ClassSummary::new(class.class, class.changed_millis),
        }
    }
}

/// The settings of all replicas whose tables are there.
pub async fn describe(store: &Store, realm: &Realm, name: &str, status: &'static str) -> Result<Output, Error> {
    let group = store.global_table(&realm.account, name).await?.ok_or_else(|| not_found(name))?;
    let mut replica_settings = Vec::with_capacity(group.regions.len());
    for region in group.regions {
        let there = Realm { account: realm.account.clone(), region };
        match store.services(&there, name).await {
            Ok((table, services)) => replica_settings.push(ReplicaSettings::new(&table, &services, status)),
            Err(Error::ResourceNotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Output { global_table_name: name.to_owned(), replica_settings })
}
