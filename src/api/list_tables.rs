//! ListTables: the names of the realm's tables, in order, page by page.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::parameters::{Parameter, done};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("ExclusiveStartTableName"), done("Limit")];

const MAX_LIMIT: i64 = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    exclusive_start_table_name: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub table_names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_evaluated_table_name: Option<String>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let after = input.exclusive_start_table_name.as_deref();
    let mut constraints = Constraints::new();
    constraints.optional_name("exclusiveStartTableName", after);
    constraints.range("limit", input.limit, 1, MAX_LIMIT);
    constraints.finish(())?;
    let limit = usize::try_from(input.limit.unwrap_or(MAX_LIMIT)).unwrap_or_default();
    let (table_names, more) = store.list_tables(realm, after, limit).await?;
    let last_evaluated_table_name = if more { table_names.last().cloned() } else { None };
    Ok(Output { table_names, last_evaluated_table_name })
}
