//! UpdateGlobalTable: adds regions to a global table, or takes some out. The tables there stay as they are.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::legacy_global_tables::{Description, ReplicaInput, check_alike, check_name, invalid, not_found, replica};
use super::parameters::{Parameter, different, done};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("GlobalTableName"),
    different(
        "ReplicaUpdates",
        "each must be a table that is there, alike and empty; nothing is replicated between them",
    ),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    global_table_name: Option<String>,
    replica_updates: Option<Vec<Update>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Update {
    create: Option<ReplicaInput>,
    delete: Option<ReplicaInput>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub global_table_description: Description,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let name = check_name(&input.global_table_name)?;
    let (made, gone) = input.regions()?;
    let group = store.global_table(&realm.account, name).await?.ok_or_else(|| not_found(name))?;
    let mut tables = Vec::new();
    for region in &made {
        tables.push(replica(store, realm, region, name).await?);
    }
    if let Some(first) = group.regions.first().filter(|_| !tables.is_empty()) {
        let there = Realm { account: realm.account.clone(), region: first.clone() };
        if let Ok(table) = store.current_table(&there, name).await {
            tables.push((*table).clone());
        }
    }
    check_alike(&tables)?;
    let changed = store.change_global_table(realm, name, |found| {
        let mut group = found.ok_or_else(|| not_found(name))?;
        for region in &made {
            if group.regions.contains(region) {
                return Err(Error::ReplicaAlreadyExists(format!(
                    "Replica in region: '{region}' of global table with name: '{name}' already exists."
                )));
            }
            group.regions.push(region.clone());
        }
        for region in &gone {
            if !group.regions.contains(region) {
                return Err(Error::ReplicaNotFound(format!(
                    "Replica in region: '{region}' of global table with name: '{name}' does not exist."
                )));
            }
            group.regions.retain(|other| other != region);
        }
        Ok(group)
    });
    Ok(Output { global_table_description: Description::new(realm, name, &changed.await?, "UPDATING") })
}

impl Input {
    /// The regions that are added, and those that are taken out.
    fn regions(&self) -> Result<(Vec<String>, Vec<String>), Error> {
        let mut constraints = Constraints::new();
        let updates = constraints.required("replicaUpdates", &self.replica_updates);
        let mut regions = [Vec::new(), Vec::new()];
        for (at, update) in updates.into_iter().flatten().enumerate() {
            let actions = [("create", &update.create), ("delete", &update.delete)];
            for ((action, replica), regions) in actions.into_iter().zip(&mut regions) {
                let Some(replica) = replica else { continue };
                let path = format!("replicaUpdates.{}.member.{action}.regionName", at + 1);
                regions.extend(constraints.required(&path, &replica.region_name).cloned());
            }
        }
        constraints.finish(updates)?;
        let [made, gone] = regions;
        if made.is_empty() && gone.is_empty() {
            // AWS says no more.
            return Err(Error::validation("One or more parameter values were invalid"));
        }
        match made.iter().find(|region| gone.contains(region)) {
            Some(region) => {
                Err(invalid(&format!("ReplicaUpdates creates and deletes the replica in region: '{region}'")))
            }
            None => Ok((made, gone)),
        }
    }
}
