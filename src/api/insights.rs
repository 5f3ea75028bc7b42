//! Contributor insights: of which table or index a request speaks, and what is shown of them.
//!
//! They are switched on and off and shown; nobody counts keys here. States follow at once, so the answer to a change says that
//! it has begun, as on AWS, and the next description that it is done. As measured there (the notes published as
//! ack-api-quirks, findings DDB-TABLE-089 to 097, 161, 341 and 343, October 2026).

use serde::Serialize;

use super::constraints::Constraints;
use crate::error::Error;
use crate::store::{Index, IndexKind, Insights, InsightsMode, Services, Table};

/// An index as these operations name it: their message about a name's length is their own.
pub fn check_index_name(constraints: &mut Constraints, name: Option<&str>) -> Result<(), Error> {
    match name {
        Some(name) if !(3..=255).contains(&name.chars().count()) => {
            Err(Error::validation("IndexName must be at least 3 characters long and at most 255 characters long"))
        }
        name => {
            constraints.optional_name("indexName", name);
            Ok(())
        }
    }
}

/// The index that is named; none if the table itself is meant.
pub fn index_of<'t>(table: &'t Table, name: Option<&str>) -> Result<Option<&'t Index>, Error> {
    let Some(name) = name else { return Ok(None) };
    let index = table.index(name).filter(|index| index.kind == IndexKind::Global);
    index.map(Some).ok_or_else(|| {
        Error::ResourceNotFound(format!(
            "Requested resource not found: Index: {name} not found for table: {}",
            table.name
        ))
    })
}

pub fn of<'s>(services: &'s Services, index: Option<&Index>) -> Option<&'s Insights> {
    services.insights.iter().find(|insights| insights.index == index.map(|index| index.id))
}

pub const fn mode(mode: InsightsMode) -> &'static str {
    match mode {
        InsightsMode::AccessedAndThrottled => "ACCESSED_AND_THROTTLED_KEYS",
        InsightsMode::Throttled => "THROTTLED_KEYS",
    }
}

pub const fn status(enabled: bool) -> &'static str {
    if enabled { "ENABLED" } else { "DISABLED" }
}

/// Names of the rules that would count a table's or an index's keys: partition keys, and sort keys if there are any,
/// accessed and throttled.
pub fn rules(table: &Table, index: Option<&Index>, insights: &Insights) -> Vec<String> {
    let key = index.map_or(&table.key, |index| &index.key);
    let subject = index.map_or_else(|| table.name.clone(), |index| format!("{}-{}", table.name, index.name));
    let kinds = ["PKC", "PKT", "SKC", "SKT"].into_iter().filter(|kind| {
        let is_counted = insights.mode == InsightsMode::AccessedAndThrottled || kind.ends_with('T');
        is_counted && (kind.starts_with('P') || !key.sort.is_empty())
    });
    kinds.map(|kind| format!("DynamoDBContributorInsights-{kind}-{subject}-{}", insights.since_millis)).collect()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Summary {
    pub table_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_name: Option<String>,
    pub contributor_insights_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contributor_insights_mode: Option<&'static str>,
}

impl Summary {
    pub fn new(table: &Table, index: Option<&Index>, status: &'static str, shown: Option<InsightsMode>) -> Self {
        Self {
            table_name: table.name.clone(),
            index_name: index.map(|index| index.name.clone()),
            contributor_insights_status: status,
            contributor_insights_mode: shown.map(mode),
        }
    }
}
