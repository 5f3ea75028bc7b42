//! Auto scaling of replicas: its settings, their rules, and how they are described.
//!
//! On AWS they stand for Application Auto Scaling, which changes capacity by itself; here they are kept and shown, and nothing
//! scales. Rules and messages as measured there (the notes published as ack-api-quirks, findings DDB-TABLE-187 to 195, 237 to
//! 243, 253 to 255, October 2026), without what names requests of that service.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use crate::error::Error;
use crate::store::{Capacity, Index, Realm, Scaling, ScalingPolicy, Services, Table};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SettingsUpdate {
    minimum_units: Option<i64>,
    maximum_units: Option<i64>,
    auto_scaling_disabled: Option<bool>,
    auto_scaling_role_arn: Option<String>,
    scaling_policy_update: Option<PolicyUpdate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PolicyUpdate {
    policy_name: Option<String>,
    target_tracking_scaling_policy_configuration: Option<TargetUpdate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TargetUpdate {
    disable_scale_in: Option<bool>,
    scale_in_cooldown: Option<i64>,
    scale_out_cooldown: Option<i64>,
    target_value: Option<f64>,
}

/// What is scaled: a capacity of a replica, or of one of its indexes.
#[derive(Clone, Copy)]
pub struct Dimension<'a> {
    pub region: &'a str,
    pub index: Option<&'a Index>,
    pub capacity: Capacity,
}

impl SettingsUpdate {
    pub fn check(&self, constraints: &mut Constraints, path: &str) {
        for (name, units) in [("minimumUnits", self.minimum_units), ("maximumUnits", self.maximum_units)] {
            constraints.range(&format!("{path}.{name}"), units, 1, i64::MAX);
        }
        if let Some(role) = &self.auto_scaling_role_arn {
            constraints.length(&format!("{path}.autoScalingRoleArn"), role, 1, 1600);
        }
        let Some(policy) = &self.scaling_policy_update else { return };
        let path = format!("{path}.scalingPolicyUpdate");
        if let Some(name) = &policy.policy_name {
            constraints.length(&format!("{path}.policyName"), name, 1, 256);
        }
        let path = format!("{path}.targetTrackingScalingPolicyConfiguration");
        if let Some(target) = constraints.required(&path, &policy.target_tracking_scaling_policy_configuration) {
            constraints.required(&format!("{path}.targetValue"), &target.target_value);
        }
    }

    pub fn disables(&self) -> bool {
        self.auto_scaling_disabled == Some(true)
    }

    /// That nothing is missing, or given in vain. Looked at before the table is.
    pub fn check_members(&self, table: &str, capacity: Capacity) -> Result<(), Error> {
        let members = [
            ("MaximumUnits", self.maximum_units.is_some()),
            ("ScalingPolicyUpdate", self.scaling_policy_update.is_some()),
            ("MinimumUnits", self.minimum_units.is_some()),
        ];
        let those = |given: bool| -> Vec<String> {
            members.iter().filter(|(_, is_given)| *is_given == given).map(|(name, _)| format!("'{name}'")).collect()
        };
        let (wrong, why) = if self.disables() {
            (those(true), "must be left blank when disabling auto scaling.")
        } else {
            (those(false), "are required unless auto scaling is being disabled.")
        };
        if !wrong.is_empty() {
            return Err(Error::Validation(format!(
                "Failed to update settings for global table with name: ‘{table}’: Parameters {} {why}",
                wrong.join(", ")
            )));
        }
        if self.minimum_units > self.maximum_units {
            return Err(Error::validation("Maximum capacity cannot be less than minimum capacity"));
        }
        let target = self.target().and_then(|target| target.target_value);
        if let Some(target) = target.filter(|target| !(10.0..=90.0).contains(target)) {
            return Err(Error::Validation(format!(
                "For predefined metric type DynamoDB{}CapacityUtilization, target value must be between '10.0' and '90.0', \
                 but was '{target:?}'.",
                capacity_name(capacity)
            )));
        }
        Ok(())
    }

    fn target(&self) -> Option<&TargetUpdate> {
        self.scaling_policy_update.as_ref()?.target_tracking_scaling_policy_configuration.as_ref()
    }

    /// Puts the settings in the place of those that were there.
    pub fn apply(&self, table: &Table, of: Dimension<'_>, services: &mut Services) {
        let index = of.index.map(|index| index.id);
        services
            .scaling
            .retain(|kept| !(kept.region == of.region && kept.index == index && kept.capacity == of.capacity));
        let (Some(minimum), Some(maximum), Some(target)) = (self.minimum_units, self.maximum_units, self.target())
        else {
            return;
        };
        let given = self.scaling_policy_update.as_ref().and_then(|policy| policy.policy_name.clone());
        let units = |units: i64| u64::try_from(units).unwrap_or(1);
        services.scaling.push(Scaling {
            region: of.region.to_owned(),
            index,
            capacity: of.capacity,
            minimum: units(minimum),
            maximum: units(maximum),
            policy: ScalingPolicy {
                name: given.unwrap_or_else(|| {
                    let below = of.index.map(|index| format!("/index/{}", index.name)).unwrap_or_default();
                    format!("DynamoDB{}CapacityUtilization:table/{}{below}", capacity_name(of.capacity), table.name)
                }),
                target: target.target_value.unwrap_or_default(),
                disable_scale_in: target.disable_scale_in,
                scale_in_cooldown: target.scale_in_cooldown,
                scale_out_cooldown: target.scale_out_cooldown,
            },
        });
    }
}

const fn capacity_name(capacity: Capacity) -> &'static str {
    match capacity {
        Capacity::Read => "Read",
        Capacity::Write => "Write",
    }
}

/// What was never set is described as switched off.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SettingsDescription {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_units: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_units: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_scaling_disabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_scaling_role_arn: Option<String>,
    pub scaling_policies: Vec<PolicyDescription>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDescription {
    pub policy_name: String,
    pub target_tracking_scaling_policy_configuration: TargetDescription,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TargetDescription {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_scale_in: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_in_cooldown: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_out_cooldown: Option<i64>,
    pub target_value: f64,
}

impl SettingsDescription {
    pub fn new(realm: &Realm, services: &Services, of: Dimension<'_>) -> Self {
        let index = of.index.map(|index| index.id);
        let found = services
            .scaling
            .iter()
            .find(|kept| kept.region == of.region && kept.index == index && kept.capacity == of.capacity);
        let Some(found) = found else {
            return Self {
                minimum_units: None,
                maximum_units: None,
                auto_scaling_disabled: Some(true),
                auto_scaling_role_arn: None,
                scaling_policies: Vec::new(),
            };
        };
        // The role is always the service's own, whichever is asked for.
        let role = "aws-service-role/dynamodb.application-autoscaling.amazonaws.com/\
                    AWSServiceRoleForApplicationAutoScaling_DynamoDBTable";
        let policy = &found.policy;
        Self {
            minimum_units: Some(found.minimum),
            maximum_units: Some(found.maximum),
            auto_scaling_disabled: None,
            auto_scaling_role_arn: Some(format!("arn:{}:iam::{}:role/{role}", realm.partition(), realm.account)),
            scaling_policies: vec![PolicyDescription {
                policy_name: policy.name.clone(),
                target_tracking_scaling_policy_configuration: TargetDescription {
                    disable_scale_in: policy.disable_scale_in,
                    scale_in_cooldown: policy.scale_in_cooldown,
                    scale_out_cooldown: policy.scale_out_cooldown,
                    target_value: policy.target,
                },
            }],
        }
    }
}

/// What both operations on replicas' auto scaling answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableDescription {
    pub table_name: String,
    pub table_status: &'static str,
    pub replicas: Vec<ReplicaDescription>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReplicaDescription {
    pub region_name: String,
    pub global_secondary_indexes: Vec<IndexDescription>,
    pub replica_provisioned_read_capacity_auto_scaling_settings: SettingsDescription,
    pub replica_provisioned_write_capacity_auto_scaling_settings: SettingsDescription,
    pub replica_status: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IndexDescription {
    pub index_name: String,
    pub index_status: &'static str,
    pub provisioned_read_capacity_auto_scaling_settings: SettingsDescription,
    pub provisioned_write_capacity_auto_scaling_settings: SettingsDescription,
}

/// The regions of a group, in order; only a table with replicas is one.
pub fn regions(table: &Table) -> Result<Vec<String>, Error> {
    let replicas = &table.settings.replication.replicas;
    if replicas.is_empty() {
        return Err(no_such_global_table(&table.name));
    }
    let mut regions: Vec<String> = replicas.iter().map(|replica| replica.region.clone()).collect();
    regions.push(table.realm.region.clone());
    regions.sort_unstable();
    Ok(regions)
}

pub fn no_such_global_table(name: &str) -> Error {
    Error::ResourceNotFound(format!("Global table with name: '{name}' does not exist."))
}

impl TableDescription {
    pub fn new(table: &Table, status: &'static str, services: &Services) -> Result<Self, Error> {
        let replica = |region: String| {
            let settings = |index: Option<&Index>, capacity: Capacity| {
                let of = Dimension { region: &region, index, capacity };
                SettingsDescription::new(&table.realm, services, of)
            };
            let indexes = table.global_indexes().map(|index| IndexDescription {
                index_name: index.name.clone(),
                index_status: "ACTIVE",
                provisioned_read_capacity_auto_scaling_settings: settings(Some(index), Capacity::Read),
                provisioned_write_capacity_auto_scaling_settings: settings(Some(index), Capacity::Write),
            });
            ReplicaDescription {
                global_secondary_indexes: indexes.collect(),
                replica_provisioned_read_capacity_auto_scaling_settings: settings(None, Capacity::Read),
                replica_provisioned_write_capacity_auto_scaling_settings: settings(None, Capacity::Write),
                replica_status: "ACTIVE",
                region_name: region.clone(),
            }
        };
        let replicas = regions(table)?.into_iter().map(replica).collect();
        Ok(Self { table_name: table.name.clone(), table_status: status, replicas })
    }
}
