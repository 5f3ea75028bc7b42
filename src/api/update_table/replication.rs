//! What UpdateTable says of replicas in other regions, of witnesses, and of how they follow.
//!
//! Replicas are kept and described, as ACTIVE at once; there are none, and nothing goes there. Rules and messages as measured
//! on AWS (the notes published as ack-api-quirks, findings DDB-TABLE-048, 203, 222 to 224, 250 to 265, 294, 305 and 307,
//! October 2026). A provisioned table gets replicas without the auto scaling that AWS asks for, which another service would
//! have to set up. Ours is the wording for leaving a group and for its protection, and for a replica's other key.

use serde::Deserialize;

use super::Input;
use crate::api::constraints::{Constraints, values};
use crate::api::regions;
use crate::api::table_settings::{MANAGED_KEY, key_arn};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::store::{
    BillingMode, Realm, Replica, ReplicaCapacity, Replication, StreamViewType, Table, TableChange, TableClass,
};

/// Exactly one of its members is given.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ReplicaUpdate {
    create: Option<ReplicaInput>,
    update: Option<ReplicaInput>,
    delete: Option<RegionInput>,
    disassociate: Option<DisassociationInput>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ReplicaInput {
    region_name: Option<String>,
    #[serde(rename = "KMSMasterKeyId")]
    kms_master_key_id: Option<String>,
    provisioned_throughput_override: Option<ProvisionedOverride>,
    on_demand_throughput_override: Option<OnDemandOverride>,
    global_secondary_indexes: Option<Vec<ReplicaIndexInput>>,
    table_class_override: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ReplicaIndexInput {
    index_name: Option<String>,
    provisioned_throughput_override: Option<ProvisionedOverride>,
    on_demand_throughput_override: Option<OnDemandOverride>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ProvisionedOverride {
    read_capacity_units: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct OnDemandOverride {
    max_read_request_units: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RegionInput {
    region_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DisassociationInput {
    region_name: Option<String>,
    disassociation_mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct WitnessUpdate {
    create: Option<RegionInput>,
    delete: Option<RegionInput>,
}

impl ReplicaUpdate {
    fn check(&self, constraints: &mut Constraints, path: &str) {
        for (action, replica) in [("create", &self.create), ("update", &self.update)] {
            let Some(replica) = replica else { continue };
            let path = format!("{path}.{action}");
            constraints.required(&format!("{path}.regionName"), &replica.region_name);
            check_units(constraints, &path, replica.provisioned_throughput_override);
            for (at, index) in replica.global_secondary_indexes.iter().flatten().enumerate() {
                let path = format!("{path}.globalSecondaryIndexes.{}.member", at + 1);
                let name_path = format!("{path}.indexName");
                if let Some(name) = constraints.required(&name_path, &index.index_name) {
                    constraints.name(&name_path, name);
                }
                check_units(constraints, &path, index.provisioned_throughput_override);
            }
            let class = replica.table_class_override.as_deref();
            constraints.one_of(&format!("{path}.tableClassOverride"), class, values::TABLE_CLASS);
        }
        if let Some(delete) = &self.delete {
            constraints.required(&format!("{path}.delete.regionName"), &delete.region_name);
        }
        if let Some(leave) = &self.disassociate {
            constraints.required(&format!("{path}.disassociate.regionName"), &leave.region_name);
            let mode_path = format!("{path}.disassociate.disassociationMode");
            let mode = constraints.required(&mode_path, &leave.disassociation_mode);
            constraints.one_of(&mode_path, mode.map(String::as_str), values::DISASSOCIATION_MODE);
        }
    }

    const fn actions(&self) -> usize {
        self.create.is_some() as usize
            + self.update.is_some() as usize
            + self.delete.is_some() as usize
            + self.disassociate.is_some() as usize
    }
}

fn check_units(constraints: &mut Constraints, path: &str, units: Option<ProvisionedOverride>) {
    let units = units.and_then(|units| units.read_capacity_units);
    constraints.range(&format!("{path}.provisionedThroughputOverride.readCapacityUnits"), units, 1, i64::MAX);
}

impl Input {
    pub(super) fn check_replication(&self, constraints: &mut Constraints) {
        if let Some(updates) = &self.replica_updates {
            constraints.unquoted_size("replicaUpdates", updates.len(), 1, usize::MAX);
        }
        for (at, update) in self.replica_updates.iter().flatten().enumerate() {
            update.check(constraints, &format!("replicaUpdates.{}.member", at + 1));
        }
        constraints.one_of("multiRegionConsistency", self.multi_region_consistency.as_deref(), values::CONSISTENCY);
        if let Some(updates) = &self.global_table_witness_updates {
            constraints.unquoted_size("globalTableWitnessUpdates", updates.len(), 1, 1);
        }
        let mode = self.global_table_settings_replication_mode.as_deref();
        constraints.one_of("globalTableSettingsReplicationMode", mode, values::SETTINGS_REPLICATION_MODE);
    }

    /// The regions that witnesses are made in, and those where they are taken from.
    fn witnesses(&self) -> (Vec<&str>, Vec<&str>) {
        let regions = |action: fn(&WitnessUpdate) -> &Option<RegionInput>| {
            let updates = self.global_table_witness_updates.iter().flatten();
            updates.filter_map(|update| action(update).as_ref()?.region_name.as_deref()).collect()
        };
        (regions(|update| &update.create), regions(|update| &update.delete))
    }
}

/// What replicas are asked for, by their actions.
#[derive(Default)]
struct Asked<'a> {
    created: Vec<(&'a str, &'a ReplicaInput)>,
    updated: Vec<(&'a str, &'a ReplicaInput)>,
    deleted: Vec<&'a str>,
    left: Vec<&'a str>,
}

impl<'a> Asked<'a> {
    fn of(table: &Table, updates: &'a [ReplicaUpdate]) -> Result<Self, Error> {
        let mut asked = Self::default();
        for update in updates {
            match update.actions() {
                0 => return Err(no_actions()),
                1 => {}
                _ => {
                    return Err(Error::validation(
                        "Update table operation with more than one type of replica actions not allowed",
                    ));
                }
            }
            if let Some(replica) = &update.create {
                let region = replica.region_name.as_deref().unwrap_or_default();
                // The same again is the same.
                if !asked.created.iter().any(|(other, _)| *other == region) {
                    asked.created.push((region, replica));
                }
            }
            if let Some(replica) = &update.update {
                asked.updated.push((replica.region_name.as_deref().unwrap_or_default(), replica));
            }
            if let Some(delete) = &update.delete {
                asked.deleted.push(delete.region_name.as_deref().unwrap_or_default());
            }
            if let Some(leave) = &update.disassociate {
                asked.left.push(leave.region_name.as_deref().unwrap_or_default());
            }
        }
        let named = asked.created.iter().chain(&asked.updated).map(|(region, _)| *region).chain(asked.deleted.clone());
        for region in named {
            regions::check(region)?;
            if region == table.realm.region {
                return Err(Error::validation(
                    "Cannot add or delete the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or \
                     UpdateTable as required.",
                ));
            }
        }
        Ok(asked)
    }
}

pub(super) fn replication_changes(
    table: &Table,
    input: &Input,
    now: Timestamp,
    changes: &mut Vec<TableChange>,
) -> Result<(), Error> {
    let mut replication = table.settings.replication.clone();
    settings_mode(input, &mut replication)?;
    if let Some(protected) = input.disassociation_protection_enabled {
        if replication.replicas.is_empty() {
            return Err(invalid("DisassociationProtectionEnabled can only be set for a global table replica"));
        }
        replication.may_disassociate = !protected;
    }
    if let Some(updates) = &input.replica_updates {
        let asked = Asked::of(table, updates)?;
        check_group(table, input, &asked)?;
        apply(table, input, &asked, now, &mut replication)?;
        if !asked.created.is_empty() && table.stream.is_none() {
            changes.push(TableChange::EnableStream(StreamViewType::NewAndOldImages));
        }
    }
    let is_asked = input.replica_updates.is_some()
        || input.disassociation_protection_enabled.is_some()
        || input.global_table_settings_replication_mode.is_some();
    if is_asked {
        changes.push(TableChange::Replication(replication));
    }
    Ok(())
}

fn settings_mode(input: &Input, replication: &mut Replication) -> Result<(), Error> {
    let Some(mode) = input.global_table_settings_replication_mode.as_deref() else { return Ok(()) };
    if mode == "ENABLED_WITH_OVERRIDES" || !replication.replicas.is_empty() {
        return Err(Error::Validation(format!(
            "Value '{mode}' at 'GlobalTableSettingsReplicationMode' failed to satisfy constraint: Only ENABLED and DISABLED \
             settings replication are supported for a Regional Table."
        )));
    }
    replication.settings_mode = Some(mode == "ENABLED");
    Ok(())
}

/// What the consistency of the group allows.
fn check_group(table: &Table, input: &Input, asked: &Asked<'_>) -> Result<(), Error> {
    let replication = &table.settings.replication;
    let strong = "global tables with MultiRegionConsistency set to STRONG";
    let (witnesses_made, witnesses_deleted) = input.witnesses();
    let is_group = !replication.replicas.is_empty();
    match input.multi_region_consistency.as_deref() {
        Some(_) if asked.created.len() < input.replica_updates.iter().flatten().count().min(1) => {
            Err(Error::validation(
                "Only Replica Create actions are supported when MultiRegionConsistency parameter is provided.",
            ))
        }
        Some("STRONG") => {
            let made = || asked.created.iter().map(|(region, _)| *region).chain(witnesses_made.iter().copied());
            let unsupported: Vec<&str> = made().filter(|region| !regions::is_strong(region)).collect();
            if !unsupported.is_empty() {
                return Err(Error::Validation(format!(
                    "Unsupported Region(s) specified for {strong}: [{}].",
                    unsupported.join(", ")
                )));
            }
            if witnesses_made.iter().any(|witness| asked.created.iter().any(|(region, _)| region == witness)) {
                return Err(Error::validation("Cannot target multiple regions with the same action"));
            }
            if witnesses_made.contains(&table.realm.region.as_str()) {
                return Err(Error::validation(
                    "Cannot add a witness in the same region as an existing replica when creating a global table with \
                     MultiRegionConsistency set to STRONG.",
                ));
            }
            if is_group || made().count() != 2 {
                return Err(Error::Validation(format!("Unsupported replica count for {strong}.")));
            }
            Ok(())
        }
        Some(_) if is_group => {
            Err(Error::validation("MultiRegionConsistency parameter is unsupported on existing global table"))
        }
        _ if !witnesses_made.is_empty() => Err(Error::validation(
            "MultiRegionConsistency must be set as STRONG when GlobalTableWitnessUpdates parameter is present.",
        )),
        _ if replication.is_strong => {
            if !asked.created.is_empty() {
                return Err(Error::validation(
                    "Cannot add replicas to a global table with strong MultiRegionConsistency",
                ));
            }
            let strangers: Vec<&str> = witnesses_deleted
                .iter()
                .copied()
                .filter(|witness| !replication.witnesses.iter().any(|other| other == witness))
                .collect();
            if !strangers.is_empty() {
                return Err(not_members("witnesses", &strangers));
            }
            if asked.deleted.is_empty() {
                return Ok(());
            }
            if replication.witnesses.iter().any(|witness| !witnesses_deleted.contains(&witness.as_str())) {
                return Err(Error::validation("Update table delete operation does not include all witnesses."));
            }
            if replication.replicas.iter().any(|replica| !asked.deleted.contains(&replica.region.as_str())) {
                return Err(Error::Validation(format!(
                    "Deletion of only one table replica is not supported for {strong}."
                )));
            }
            Ok(())
        }
        _ if asked.created.len() + asked.deleted.len() > 1 => Err(Error::validation(
            "Update table operation with more than one create or delete replica actions not allowed",
        )),
        _ => Ok(()),
    }
}

fn apply(
    table: &Table,
    input: &Input,
    asked: &Asked<'_>,
    now: Timestamp,
    replication: &mut Replication,
) -> Result<(), Error> {
    let is_member =
        |replication: &Replication, region: &str| replication.replicas.iter().any(|other| other.region == region);
    let named = asked.updated.iter().map(|(region, _)| *region).chain(asked.deleted.iter().copied());
    let strangers: Vec<&str> = named.filter(|region| !is_member(replication, region)).collect();
    if !strangers.is_empty() {
        return Err(not_members("replicas", &strangers));
    }
    for (region, given) in &asked.created {
        if is_member(replication, region) {
            return Err(already_exists(&table.name));
        }
        let mut replica = Replica {
            region: (*region).to_owned(),
            key_arn: replica_key(table, region, given.kms_master_key_id.as_deref())?,
            added_millis: now.millis(),
            ..Replica::default()
        };
        change_replica(table, given, now, &mut replica)?;
        replication.replicas.push(replica);
    }
    for (region, given) in &asked.updated {
        if given.kms_master_key_id.is_some() {
            return Err(invalid("KMSMasterKeyId of a replica is changed by SSESpecification in the replica's region"));
        }
        if !change_allowed(table, given)? {
            return Err(no_actions());
        }
        for replica in replication.replicas.iter_mut().filter(|replica| replica.region == **region) {
            change_replica(table, given, now, replica)?;
        }
    }
    replication.replicas.retain(|replica| !asked.deleted.contains(&replica.region.as_str()));
    let (made, deleted) = input.witnesses();
    replication.witnesses.extend(made.into_iter().map(str::to_owned));
    replication.witnesses.retain(|witness| !deleted.contains(&witness.as_str()));
    replication.is_strong |= input.multi_region_consistency.as_deref() == Some("STRONG");
    for region in &asked.left {
        if *region != table.realm.region || replication.replicas.is_empty() {
            return Err(invalid("Only the local replica of a global table can be disassociated"));
        }
        if !replication.may_disassociate {
            return Err(invalid(
                "Replica cannot be disassociated as it is currently protected against disassociation. Disable \
                 disassociation protection first.",
            ));
        }
        replication.replicas.clear();
    }
    if replication.replicas.is_empty() {
        // A table of its own again.
        *replication = Replication { settings_mode: replication.settings_mode, ..Replication::default() };
    }
    Ok(())
}

/// Whether something is to be changed of a replica, and all of it may be.
fn change_allowed(table: &Table, given: &ReplicaInput) -> Result<bool, Error> {
    let is_some = |provisioned: Option<ProvisionedOverride>, on_demand: Option<OnDemandOverride>| {
        let provisioned = provisioned.is_some_and(|given| given.read_capacity_units.is_some());
        (provisioned, on_demand.is_some_and(|given| given.max_read_request_units.is_some()))
    };
    let (mut provisioned, mut on_demand) =
        is_some(given.provisioned_throughput_override, given.on_demand_throughput_override);
    for index in given.global_secondary_indexes.iter().flatten() {
        let of_index = is_some(index.provisioned_throughput_override, index.on_demand_throughput_override);
        if of_index == (false, false) {
            return Err(no_actions());
        }
        (provisioned, on_demand) = (provisioned || of_index.0, on_demand || of_index.1);
    }
    match table.billing_mode {
        BillingMode::PayPerRequest if provisioned => Err(Error::validation(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        BillingMode::Provisioned if on_demand => Err(Error::validation(
            "MaxReadRequestUnits for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED",
        )),
        _ => Ok(provisioned || on_demand || given.table_class_override.is_some()),
    }
}

/// Sets what is given; what equals the table's own is not kept.
fn change_replica(table: &Table, given: &ReplicaInput, now: Timestamp, replica: &mut Replica) -> Result<(), Error> {
    let own = (table.throughput.map(|own| own.read), table.settings.capacity.most_on_demand.read);
    set_capacity(
        own,
        given.provisioned_throughput_override,
        given.on_demand_throughput_override,
        &mut replica.capacity,
    );
    for index in given.global_secondary_indexes.iter().flatten() {
        let name = index.index_name.as_deref().unwrap_or_default();
        // One that the table has not got is passed over, as on AWS.
        let Some(found) = table.global_indexes().find(|found| found.name == name) else { continue };
        let own = (found.throughput.map(|own| own.read), found.capacity.most_on_demand.read);
        let mut capacity = ReplicaCapacity::default();
        if let Some((_, kept)) = replica.indexes.iter().find(|(other, _)| other == name) {
            capacity = *kept;
        }
        set_capacity(own, index.provisioned_throughput_override, index.on_demand_throughput_override, &mut capacity);
        replica.indexes.retain(|(other, _)| other != name);
        replica.indexes.push((name.to_owned(), capacity));
    }
    if let Some(class) = given.table_class_override.as_deref().and_then(TableClass::parse) {
        replica.class = Some((class, now.millis()));
    }
    Ok(())
}

fn set_capacity(
    (own_provisioned, own_on_demand): (Option<u64>, Option<u64>),
    provisioned: Option<ProvisionedOverride>,
    on_demand: Option<OnDemandOverride>,
    capacity: &mut ReplicaCapacity,
) {
    let units = |given: Option<i64>| given.and_then(|given| u64::try_from(given).ok());
    if let Some(given) = provisioned {
        capacity.provisioned_read = units(given.read_capacity_units).filter(|read| own_provisioned != Some(*read));
    }
    if let Some(given) = on_demand {
        capacity.on_demand_read = units(given.max_read_request_units).filter(|read| own_on_demand != Some(*read));
    }
}

/// Each replica of a table with a key of its owner's needs one; others must not be given any.
fn replica_key(table: &Table, region: &str, given: Option<&str>) -> Result<Option<String>, Error> {
    let realm = Realm { account: table.realm.account.clone(), region: region.to_owned() };
    let managed = key_arn(&table.realm, MANAGED_KEY)?;
    match (table.settings.encryption.key_arn.as_deref(), given) {
        (None, None) => Ok(None),
        (Some(own), None) if own == managed => key_arn(&realm, MANAGED_KEY).map(Some),
        (Some(own), Some(given)) if own != managed => key_arn(&realm, given).map(Some),
        (Some(own), Some(MANAGED_KEY)) if own == managed => key_arn(&realm, MANAGED_KEY).map(Some),
        _ => Err(invalid("KMSMasterKeyId must be specified for each replica.")),
    }
}

pub(super) fn already_exists(table: &str) -> Error {
    Error::Validation(format!(
        "Failed to create a the new replica of table with name: ‘{table}’ because one or more replicas already existed as \
         tables."
    ))
}

fn not_members(what: &str, regions: &[&str]) -> Error {
    Error::Validation(format!(
        "Update global table operation failed because one or more {what} were not part of the global table. Please retry the \
         request without these {what}: [{}].",
        regions.join(", ")
    ))
}

fn no_actions() -> Error {
    Error::validation("There are no actions specified in the Replica Update Action of the request.")
}

fn invalid(text: &str) -> Error {
    Error::Validation(format!("One or more parameter values were invalid: {text}"))
}
