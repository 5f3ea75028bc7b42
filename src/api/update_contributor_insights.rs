//! UpdateContributorInsights: switches them on or off. What is so already stays as it is.

use serde::Deserialize;

use super::constraints::{Constraints, values};
use super::describe_table::no_such_table;
use super::insights::{Summary, check_index_name, index_of, status};
use super::parameters::{Parameter, different, done};
use super::resource::TableName;
use crate::error::Error;
use crate::store::{Insights, InsightsMode, Realm, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("IndexName"),
    different("ContributorInsightsAction", "kept and shown; nothing is counted"),
    done("ContributorInsightsMode"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    index_name: Option<String>,
    contributor_insights_action: Option<String>,
    contributor_insights_mode: Option<String>,
}

pub type Output = Summary;

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let table_name = constraints.table("tableName", &input.table_name);
    let index_name = input.index_name.as_deref();
    let action = constraints.required("contributorInsightsAction", &input.contributor_insights_action);
    let asked = input.contributor_insights_mode.as_deref();
    constraints.one_of("contributorInsightsAction", action.map(String::as_str), values::INSIGHTS_ACTION);
    constraints.one_of("contributorInsightsMode", asked, values::INSIGHTS_MODE);
    check_index_name(&mut constraints, index_name)?;
    let (table_name, action) = constraints.finish((table_name, action))?;
    let enable = action == "ENABLE";
    let asked = match asked {
        Some("THROTTLED_KEYS") => InsightsMode::Throttled,
        _ => InsightsMode::AccessedAndThrottled,
    };
    let name = TableName::parse(realm, table_name)?;
    let now = store.clock().now().millis();
    let change = store.change_services(&name.realm, name.name, |table, services| {
        let index = index_of(table, index_name)?;
        let id = index.map(|index| index.id);
        let found = services.insights.iter_mut().find(|insights| insights.index == id);
        match found {
            Some(found) if found.enabled == enable && (!enable || found.mode == asked) => {
                Ok(Summary::new(table, index, status(enable), Some(found.mode)))
            }
            None if !enable => Ok(Summary::new(table, index, status(false), None)),
            Some(found) if !enable => {
                (found.enabled, found.changed_millis) = (false, now);
                Ok(Summary::new(table, index, "DISABLING", Some(found.mode)))
            }
            found => {
                let was_enabled = found.as_ref().filter(|found| found.enabled).map(|found| found.since_millis);
                let insights = Insights {
                    index: id,
                    enabled: true,
                    mode: asked,
                    changed_millis: now,
                    since_millis: was_enabled.unwrap_or(now),
                };
                match found {
                    Some(found) => *found = insights,
                    None => services.insights.push(insights),
                }
                Ok(Summary::new(table, index, "ENABLING", Some(asked)))
            }
        }
    });
    change.await.map_err(|error| match error {
        // An index that is not there has been named by its own message.
        Error::ResourceNotFound(text) if text.contains("Index: ") => Error::ResourceNotFound(text),
        error => no_such_table(error, name.name),
    })
}
