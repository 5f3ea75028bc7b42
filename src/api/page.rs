//! What Query and Scan share: the index that is read, what is selected, where the page starts, and its answer.

use serde::Serialize;

use super::capacity::{Consumed, ConsumedCapacity, Detail};
use super::constraints::{Constraints, values};
use super::expressions::Expressions;
use super::keys;
use super::wire::Attributes;
use crate::error::Error;
use crate::item::Item;
use crate::store::{Fetch, Index, IndexKind, IndexStatus, Key, KeySchema, Page, Projection, Start, Table};

/// The parameters that Query and Scan have in common.
#[derive(Clone, Copy, Debug)]
pub struct Common<'a> {
    pub is_query: bool,
    pub index_name: Option<&'a str>,
    pub select: Option<&'a str>,
    pub limit: Option<i64>,
    pub consistent_read: bool,
    pub start_key: Option<&'a Attributes>,
    /// The parameter that says which attributes are wanted.
    pub projected_by: Option<&'static str>,
    pub consumed_capacity: Option<&'a str>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<Item>>,
    pub count: usize,
    pub scanned_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_evaluated_key: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<ConsumedCapacity>,
}

/// What a page is read from, and how much of each item.
pub struct Source<'t> {
    pub table: &'t Table,
    pub index: Option<&'t Index>,
    pub fetch: Fetch,
}

impl<'a> Common<'a> {
    pub fn check(&self, constraints: &mut Constraints) {
        constraints.optional_name("indexName", self.index_name);
        constraints.one_of("select", self.select, values::SELECT);
        constraints.unquoted_least("Limit", self.limit, 1);
        constraints.one_of("returnConsumedCapacity", self.consumed_capacity, values::RETURN_CONSUMED_CAPACITY);
    }

    pub fn projected_by(expression: bool, attributes_to_get: bool) -> Option<&'static str> {
        let attributes_to_get = attributes_to_get.then_some("AttributesToGet");
        if expression { Some("ProjectionExpression") } else { attributes_to_get }
    }

    /// The rules among these parameters alone; gives the starting key.
    pub fn check_together(&self) -> Result<Option<&'a Item>, Error> {
        let start = self.start_key.map(Attributes::item).transpose().map_err(starting_key)?;
        match (self.select, self.projected_by) {
            (Some("SPECIFIC_ATTRIBUTES"), None) => {
                // Query answers in the envelope of constraints, Scan without (the conformance suite's captures, 2026).
                return Err(Error::Validation(format!(
                    "{}Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
                    if self.is_query { "1 validation error detected: " } else { "" }
                )));
            }
            (Some("COUNT"), Some(by)) => {
                return Err(Error::Validation(format!("Cannot specify the {by} when choosing to get only the Count")));
            }
            (Some(select @ ("ALL_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES")), Some(by)) => {
                return Err(Error::Validation(format!("Cannot specify the {by} when choosing to get {select}")));
            }
            _ => {}
        }
        if self.select == Some("ALL_PROJECTED_ATTRIBUTES") && self.index_name.is_none() {
            return Err(Error::validation(
                "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
            ));
        }
        Ok(start)
    }

    /// Most items that the page may evaluate.
    pub fn limit(&self) -> Option<usize> {
        self.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// The index, if one is named, and whether its projection suffices.
    pub fn source<'t>(&self, table: &'t Table, expressions: &Expressions) -> Result<Source<'t>, Error> {
        let Some(index_name) = self.index_name else { return Ok(Source { table, index: None, fetch: Fetch::Whole }) };
        let index = table
            .index(index_name)
            .ok_or_else(|| Error::Validation(format!("The table does not have the specified index: {index_name}")))?;
        if index.kind == IndexKind::Vector {
            return Err(not_searchable(if self.is_query { "Query" } else { "Scan" }));
        }
        if index.kind == IndexKind::Global && self.consistent_read {
            return Err(Error::validation("Consistent reads are not supported on global secondary indexes"));
        }
        match index.status {
            IndexStatus::Active => {}
            IndexStatus::Creating => {
                let message = format!("Cannot read from backfilling global secondary index: {index_name}");
                return Err(Error::Validation(message));
            }
            IndexStatus::Deleting => {
                let message = format!("The table does not have the specified index: {index_name}");
                return Err(Error::Validation(message));
            }
        }
        let missing = self.not_projected(table, index, expressions)?;
        let whole = !missing.is_empty() || self.select == Some("ALL_ATTRIBUTES");
        if index.kind == IndexKind::Global && !missing.is_empty() {
            return Err(Error::Validation(format!(
                "One or more parameter values were invalid: Global secondary index {index_name} does not project [{}]",
                missing.join(", ")
            )));
        }
        Ok(Source { table, index: Some(index), fetch: if whole { Fetch::Whole } else { Fetch::Projected } })
    }

    /// The attributes that are asked for and that the index does not hold.
    fn not_projected(&self, table: &Table, index: &Index, expressions: &Expressions) -> Result<Vec<String>, Error> {
        let included: &[String] = match &index.projection {
            Projection::All => return Ok(Vec::new()),
            Projection::KeysOnly => &[],
            Projection::Include(names) => names,
        };
        if self.select == Some("ALL_ATTRIBUTES") && index.kind == IndexKind::Global {
            return Err(Error::Validation(format!(
                "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global \
                 secondary index {} because its projection type is not ALL",
                index.name
            )));
        }
        let holds = |name: &str| {
            table.key.contains(name) || index.key.contains(name) || included.iter().any(|other| other == name)
        };
        let mut missing: Vec<String> = Vec::new();
        for name in expressions.projection.iter().flat_map(crate::expression::Projection::roots) {
            if !holds(name) && !missing.iter().any(|other| other == name.as_str()) {
                missing.push(name.to_string());
            }
        }
        Ok(missing)
    }

    /// The answer of a page.
    pub fn output(&self, source: &Source<'_>, expressions: &Expressions, given_name: &str, page: Page) -> Output {
        let consumed = match source.index {
            None => Consumed::read(page.scanned_bytes, self.consistent_read),
            Some(index) => Consumed::read_index(index.kind, &index.name, page.scanned_bytes, self.consistent_read),
        };
        let count = page.items.len();
        let items = match &expressions.projection {
            _ if self.select == Some("COUNT") => None,
            Some(projection) => Some(page.items.iter().map(|item| projection.apply(item)).collect()),
            None => Some(page.items),
        };
        Output {
            items,
            count,
            scanned_count: page.scanned_count,
            last_evaluated_key: page.last,
            consumed_capacity: consumed.report(given_name, Detail::of(self.consumed_capacity), None),
        }
    }
}

impl Source<'_> {
    /// The key schema that is read along.
    pub fn key(&self) -> &KeySchema {
        self.index.map_or(&self.table.key, |index| &index.key)
    }

    /// The place behind which a page starts: the table's key attributes and the index's, nothing else.
    pub fn start(&self, key: &Item) -> Result<Start, Error> {
        let mismatch = || Error::validation(keys::SCHEMA_MISMATCH);
        let own = self.index.map(|index| &index.key);
        let is_key = |name: &str| self.table.key.contains(name) || own.is_some_and(|schema| schema.contains(name));
        if key.iter().any(|(name, _)| !is_key(name)) {
            return Err(mismatch());
        }
        let part = |schema: &KeySchema| -> Result<Key, Error> {
            let named = key.iter().filter(|(name, _)| schema.contains(name));
            keys::exact(schema, &named.map(|(name, value)| (name.clone(), value.clone())).collect())
        };
        Ok(Start { table: part(&self.table.key)?, index: own.map(part).transpose()? })
    }
}

/// What DynamoDB says of an operation on a vector index that is not SearchVectors. Source: AWS's agent toolkit, skill
/// amazon-dynamodb, "Vector indexes and SearchVectors".
pub fn not_searchable(operation: &str) -> Error {
    Error::Validation(format!("{operation} operation not supported on this index type."))
}

/// How DynamoDB opens every message about an ExclusiveStartKey.
pub fn starting_key(error: Error) -> Error {
    match error {
        Error::Validation(message) => Error::Validation(format!("The provided starting key is invalid: {message}")),
        other => other,
    }
}
