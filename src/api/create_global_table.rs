//! CreateGlobalTable: a group of tables of one name, a table in each of its regions.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::legacy_global_tables::{Description, ReplicaInput, check_alike, check_name, invalid, replica};
use super::parameters::{Parameter, different, done};
use crate::error::Error;
use crate::store::{GlobalTable, Realm, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("GlobalTableName"),
    different(
        "ReplicationGroup",
        "each must be a table that is there, alike and empty; nothing is replicated between them",
    ),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    global_table_name: Option<String>,
    replication_group: Option<Vec<ReplicaInput>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub global_table_description: Description,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let name = check_name(&input.global_table_name)?;
    let mut constraints = Constraints::new();
    let group = constraints.required("replicationGroup", &input.replication_group);
    let group = constraints.finish(group)?;
    let mut regions: Vec<String> = Vec::new();
    for member in group {
        let region =
            member.region_name.as_deref().ok_or_else(|| invalid("RegionName must be specified for each replica"))?;
        if regions.iter().any(|other| other == region) {
            return Err(invalid(&format!("ReplicationGroup names the region '{region}' more than once")));
        }
        regions.push(region.to_owned());
    }
    if !regions.contains(&realm.region) {
        return Err(invalid(&format!("ReplicationGroup must include the region of the request: '{}'", realm.region)));
    }
    let mut tables = Vec::with_capacity(regions.len());
    for region in &regions {
        tables.push(replica(store, realm, region, name).await?);
    }
    check_alike(&tables)?;
    let created = &GlobalTable { created_millis: store.clock().now().millis(), regions };
    let made = store.change_global_table(realm, name, |found| match found {
        None => Ok(created.clone()),
        Some(_) => Err(Error::GlobalTableAlreadyExists(format!("Global table with name: '{name}' already exists."))),
    });
    Ok(Output { global_table_description: Description::new(realm, name, &made.await?, "CREATING") })
}
