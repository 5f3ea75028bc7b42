//! DescribeContributorInsights: whether they are on, since when, and what their rules would be called.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::describe_table::no_such_table;
use super::insights::{check_index_name, index_of, mode, of, rules, status};
use super::parameters::{Parameter, done};
use super::resource::TableName;
use super::wire::Timestamp;
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("TableName"), done("IndexName")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    index_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub table_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contributor_insights_rule_list: Option<Vec<String>>,
    pub contributor_insights_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_date_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contributor_insights_mode: Option<&'static str>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let table_name = constraints.table("tableName", &input.table_name);
    let index_name = input.index_name.as_deref();
    check_index_name(&mut constraints, index_name)?;
    let table_name = constraints.finish(table_name)?;
    let name = TableName::parse(realm, table_name)?;
    let services = store.services(&name.realm, name.name).await;
    let (table, services) = services.map_err(|error| no_such_table(error, name.name))?;
    let index = index_of(&table, index_name)?;
    let insights = of(&services, index);
    let enabled = insights.filter(|insights| insights.enabled);
    Ok(Output {
        table_name: table.name.clone(),
        index_name: index_name.map(str::to_owned),
        contributor_insights_rule_list: enabled.map(|insights| rules(&table, index, insights)),
        contributor_insights_status: status(enabled.is_some()),
        last_update_date_time: insights.map(|insights| Timestamp::from_millis(insights.changed_millis)),
        contributor_insights_mode: insights.map(|insights| mode(insights.mode)),
    })
}
