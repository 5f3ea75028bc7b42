//! ListContributorInsights: the tables and indexes whose insights are on; of one table, or of all, in the order of their names.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::describe_table::no_such_table;
use super::insights::{Summary, of, status};
use super::parameters::{Parameter, done};
use super::resource::TableName;
use crate::error::Error;
use crate::store::{Realm, Services, Store, Table};

pub const PARAMETERS: &[Parameter] = &[done("TableName"), done("NextToken"), done("MaxResults")];

const MAX_RESULTS: i64 = 100;
/// Names of tables that are read at once.
const NAMES: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub contributor_insights_summaries: Vec<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// The last that was told: a table, and perhaps an index of it.
struct Place<'t> {
    table: &'t str,
    index: Option<&'t str>,
}

impl<'t> Place<'t> {
    /// Names have no slash.
    fn parse(token: &'t str) -> Self {
        let (table, index) = token.split_once('/').map_or((token, None), |(table, index)| (table, Some(index)));
        Self { table, index }
    }

    fn token(summary: &Summary) -> String {
        let table = &summary.table_name;
        summary.index_name.as_ref().map_or_else(|| table.clone(), |index| format!("{table}/{index}"))
    }
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    if input.table_name.is_some() {
        constraints.table("tableName", &input.table_name);
    }
    constraints.range("maxResults", input.max_results, 1, MAX_RESULTS);
    constraints.finish(())?;
    let limit = usize::try_from(input.max_results.unwrap_or(MAX_RESULTS)).unwrap_or_default();
    let place = input.next_token.as_deref().map(Place::parse);
    let mut found = Vec::new();
    if let Some(table_name) = &input.table_name {
        let name = TableName::parse(realm, table_name)?;
        let services = store.services(&name.realm, name.name).await;
        let (table, services) = services.map_err(|error| no_such_table(error, name.name))?;
        collect(&table, &services, place.as_ref(), &mut found);
    } else {
        // The table that was told last may have indexes that were not.
        if let Some(place) = &place
            && let Some((table, services)) = there(store.services(realm, place.table).await)?
        {
            collect(&table, &services, Some(place), &mut found);
        }
        let mut after = place.as_ref().map(|place| place.table.to_owned());
        while found.len() <= limit {
            let (names, more) = store.list_tables(realm, after.as_deref(), NAMES).await?;
            for name in &names {
                if let Some((table, services)) = there(store.services(realm, name).await)? {
                    collect(&table, &services, None, &mut found);
                }
            }
            if !more {
                break;
            }
            after = names.last().cloned();
        }
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let next_token = if more { found.last().map(Place::token) } else { None };
    Ok(Output { contributor_insights_summaries: found, next_token })
}

/// A table may go while its insights are looked for.
fn there<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::ResourceNotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Adds what is on of a table, the table first and then its indexes by their names, behind `place`.
fn collect(table: &Table, services: &Services, place: Option<&Place<'_>>, found: &mut Vec<Summary>) {
    let mut indexes: Vec<_> = table.global_indexes().collect();
    indexes.sort_unstable_by_key(|index| index.name.as_str());
    let subjects = std::iter::once(None).chain(indexes.into_iter().map(Some));
    for index in subjects {
        let name = index.map(|index| index.name.as_str());
        if place.is_some_and(|place| place.table == table.name && name <= place.index) {
            continue;
        }
        if let Some(insights) = of(services, index).filter(|insights| insights.enabled) {
            found.push(Summary::new(table, index, status(true), Some(insights.mode)));
        }
    }
}
