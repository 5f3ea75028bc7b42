//! ListGlobalTables: the account's global tables, of all regions or of one, in the order of their names, page by page.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::parameters::{Parameter, done};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("ExclusiveStartGlobalTableName"), done("Limit"), done("RegionName")];

/// As documented, when no limit is asked for.
const LIMIT: i64 = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    exclusive_start_global_table_name: Option<String>,
    limit: Option<i64>,
    region_name: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub global_tables: Vec<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_evaluated_global_table_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Summary {
    pub global_table_name: String,
    pub replication_group: Vec<Replica>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Replica {
    pub region_name: String,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    constraints.optional_name("exclusiveStartGlobalTableName", input.exclusive_start_global_table_name.as_deref());
    constraints.range("limit", input.limit, 1, i64::MAX);
    constraints.finish(())?;
    let limit = usize::try_from(input.limit.unwrap_or(LIMIT).min(LIMIT)).unwrap_or_default();
    let mut after = input.exclusive_start_global_table_name.clone();
    let mut global_tables = Vec::new();
    loop {
        let (page, more) = store.list_global_tables(&realm.account, after.as_deref(), limit).await?;
        after = page.last().map(|(name, _)| name.clone());
        for (name, table) in page {
            if input.region_name.as_ref().is_none_or(|region| table.regions.contains(region)) {
                let replication_group = table.regions.into_iter().map(|region_name| Replica { region_name }).collect();
                global_tables.push(Summary { global_table_name: name, replication_group });
            }
        }
        if !more || global_tables.len() >= limit {
            // One page more may have been looked through than fits.
            let more = more || global_tables.len() > limit;
            global_tables.truncate(limit);
            let last = global_tables.last().map(|table| table.global_table_name.clone());
            return Ok(Output { global_tables, last_evaluated_global_table_name: last.filter(|_| more) });
        }
    }
}
