//! Global tables of version 2017.11.29: a name, the regions of its replicas, and what its settings say of them.
//!
//! The tables of all regions lie in the same database, so a replica is a table that is there, as AWS documents it: of the
//! group's name and key, with a stream of both images, and empty. Nothing goes from one to another. AWS has made no new
//! groups of this version since 2026 (the notes published as ack-api-quirks, finding DDB-GLOBALTABLE-002); its API is as it was
//! documented, and so is this. Messages are AWS's where they are known (DDB-GLOBALTABLE-004), otherwise ours.

use serde::{Deserialize, Serialize};

use super::wire::Timestamp;
use crate::error::Error;
use crate::store::{GlobalTable, Realm, Store, StreamViewType, Table};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ReplicaInput {
    pub region_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Description {
    pub replication_group: Vec<ReplicaDescription>,
    pub global_table_arn: String,
    pub creation_date_time: Timestamp,
    pub global_table_status: &'static str,
    pub global_table_name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReplicaDescription {
    pub region_name: String,
    pub replica_status: &'static str,
}

impl Description {
    pub fn new(realm: &Realm, name: &str, table: &GlobalTable, status: &'static str) -> Self {
        let replica = |region: &String| ReplicaDescription { region_name: region.clone(), replica_status: "ACTIVE" };
        Self {
            replication_group: table.regions.iter().map(replica).collect(),
            global_table_arn: format!("arn:{}:dynamodb::{}:global-table/{name}", realm.partition(), realm.account),
            creation_date_time: Timestamp::from_millis(table.created_millis),
            global_table_status: status,
            global_table_name: name.to_owned(),
        }
    }
}

pub fn not_found(name: &str) -> Error {
    Error::GlobalTableNotFound(format!("Global table with name: '{name}' does not exist."))
}

/// The names of global tables have a message of their own where they are too short or too long.
pub fn check_name(name: &Option<String>) -> Result<&str, Error> {
    let mut constraints = super::constraints::Constraints::new();
    let name = constraints.required("globalTableName", name);
    if name.is_some_and(|name| !(3..=255).contains(&name.chars().count())) {
        return Err(Error::validation("TableName must be at least 3 characters long and at most 255 characters long"));
    }
    if let Some(name) = name {
        constraints.name("globalTableName", name);
    }
    Ok(constraints.finish(name)?)
}

/// The table that is to be a replica in `region`.
pub async fn replica(store: &Store, realm: &Realm, region: &str, name: &str) -> Result<Table, Error> {
    super::regions::check(region)?;
    let realm = Realm { account: realm.account.clone(), region: region.to_owned() };
    let table = store.current_table(&realm, name).await.map_err(|error| match error {
        Error::ResourceNotFound(_) => Error::TableNotFound(format!(
            "Table not found: Table with name: '{name}' does not exist in region: '{region}'"
        )),
        error => error,
    })?;
    if table.stream.as_ref().is_none_or(|stream| stream.view != StreamViewType::NewAndOldImages) {
        return Err(invalid(&format!(
            "Table with name: '{name}' in region: '{region}' must have a stream of NEW_AND_OLD_IMAGES to be part of a global \
             table"
        )));
    }
    if store.statistics(&table).await?.0.items > 0 {
        return Err(invalid(&format!(
            "Table with name: '{name}' in region: '{region}' must be empty to be part of a global table"
        )));
    }
    Ok((*table).clone())
}

/// All replicas have the same keys, their indexes included.
pub fn check_alike(tables: &[Table]) -> Result<(), Error> {
    let keys = |table: &Table| {
        let mut indexes: Vec<_> = table
            .indexes
            .iter()
            .map(|index| (index.name.clone(), format!("{:?} {:?}", index.key, index.vector)))
            .collect();
        indexes.sort_unstable();
        (format!("{:?}", table.key), indexes)
    };
    match tables.split_first() {
        Some((first, others)) if others.iter().any(|other| keys(other) != keys(first)) => {
            Err(invalid("All replicas of a global table must have the same key schema and the same indexes"))
        }
        _ => Ok(()),
    }
}

pub fn invalid(text: &str) -> Error {
    Error::Validation(format!("One or more parameter values were invalid: {text}"))
}
