//! SearchVectors: the items of a vector index whose vectors are nearest to one.
//!
//! Sources: botocore's model; Developer Guide, "Creating and searching vector indexes" and "Troubleshooting vector indexes"; the
//! messages as measured on DynamoDB (nubo-db/dynamodb-conformance, error-messages/searchVectors, 2026-08). DynamoDB's search is
//! approximate and its index follows the table; here the search is exact, and finds what was written at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::capacity::{Detail, VectorCapacity, vector_bytes};
use super::constraints::{Constraints, values};
use super::expressions::Texts;
use super::parameters::{Parameter, different, done};
use super::query;
use super::resource::TableName;
use super::wire::Attributes;
use crate::error::Error;
use crate::expression::{self, SearchRange};
use crate::item::wire::ValueInput;
use crate::item::{AttributeValue, Item};
use crate::store::{Index, IndexStatus, KeyAttribute, Realm, Search, Store, Table, VectorSettings};

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("IndexName"),
    done("SearchVector"),
    done("TopK"),
    done("SearchConditionExpression"),
    done("ProjectionExpression"),
    done("ExpressionAttributeNames"),
    done("ExpressionAttributeValues"),
    different(
        "ReturnConsumedCapacity",
        "the bytes of all vectors of the partition are counted, since all are compared; DynamoDB's approximate search reads fewer",
    ),
];

/// The longest vector that the model lets through.
const MAX_VECTOR: usize = 4096;
const MAX_TOP: i64 = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    index_name: Option<String>,
    search_vector: Option<Vec<ValueInput>>,
    top_k: Option<i64>,
    search_condition_expression: Option<String>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<BTreeMap<String, String>>,
    expression_attribute_values: Option<Attributes>,
    return_consumed_capacity: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub search_results: Vec<SearchResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<VectorCapacity>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SearchResult {
    pub item: Item,
    pub score: f64,
}

impl Input {
    fn texts(&self) -> Texts<'_> {
        Texts {
            names: self.expression_attribute_names.as_ref(),
            values: self.expression_attribute_values.as_ref(),
            search_condition: self.search_condition_expression.as_deref(),
            projection: self.projection_expression.as_deref(),
            ..Texts::default()
        }
    }
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let table_name = constraints.table("tableName", &input.table_name);
    let index_name = constraints.required("indexName", &input.index_name);
    constraints.optional_name("indexName", input.index_name.as_deref());
    let vector = constraints.required("searchVector", &input.search_vector);
    constraints.unquoted_size("SearchVector", vector.map_or(1, Vec::len), 1, MAX_VECTOR);
    let most = constraints.required("topK", &input.top_k);
    constraints.unquoted_least("TopK", input.top_k, 1);
    let consumed = input.return_consumed_capacity.as_deref();
    constraints.one_of("returnConsumedCapacity", consumed, values::RETURN_CONSUMED_CAPACITY);
    let ((table_name, index_name), (vector, most)) =
        constraints.finish((table_name.zip(index_name), vector.zip(most)))?;
    if *most > MAX_TOP {
        return Err(Error::Validation(format!(
            "Provided TopK value '{most}' is out of valid range. The value must be between 1 and {MAX_TOP} inclusive"
        )));
    }
    let expressions = input.texts().parse(&["SearchConditionExpression", "ProjectionExpression"])?;

    let name = TableName::parse(realm, table_name)?;
    let table = store.table(&name.realm, name.name).await?;
    let (index, settings) = vector_index(&table, index_name)?;
    let vector = search_vector(vector, settings)?;
    let range = match &expressions.search_condition {
        Some(condition) => {
            let filters: Vec<KeyAttribute> = settings.filters().cloned().collect();
            let partition = query::attributes(&index.key.partition).into_iter().next();
            condition.resolve(partition, &query::attributes(&filters))?
        }
        None if index.key.is_empty() => SearchRange::default(),
        None => return Err(expression::without_partition()),
    };
    let search = Search {
        table: &table,
        index,
        partition: range.partition.as_ref(),
        vector: &vector,
        most: usize::try_from(*most).unwrap_or_default(),
        with_vectors: expressions.projection.is_some(),
    };
    let keep = |item: &Item| Ok(range.filter.as_ref().is_none_or(|filter| filter.matches(Some(item))));
    let found = store.search(&search, range.filter.is_some().then_some(&keep)).await?;
    let result = |(item, score): (Item, f64)| match &expressions.projection {
        Some(projection) => SearchResult { item: projection.apply(&item), score },
        None => SearchResult { item, score },
    };
    let consumed_capacity = (Detail::of(consumed) != Detail::None).then(|| VectorCapacity {
        vector_search_request_bytes: Some(vector_bytes(found.bytes)),
        ..VectorCapacity::default()
    });
    Ok(Output { search_results: found.items.into_iter().map(result).collect(), consumed_capacity })
}

/// The vector index that is searched.
fn vector_index<'t>(table: &'t Table, name: &str) -> Result<(&'t Index, &'t VectorSettings), Error> {
    let found = table.vector_indexes().find(|(index, _)| index.name == name);
    match found {
        Some((index, _)) if index.status == IndexStatus::Creating => {
            Err(Error::Validation(format!("Cannot search backfilling vector index: {name}")))
        }
        Some((index, settings)) if index.status == IndexStatus::Active => Ok((index, settings)),
        _ => Err(Error::Validation(format!("The table does not have the specified index: {name}"))),
    }
}

fn search_vector(given: &[ValueInput], settings: &VectorSettings) -> Result<Vec<f32>, Error> {
    let mut vector = Vec::with_capacity(given.len());
    for component in given {
        let float = match component.clone().into_result()? {
            AttributeValue::N(number) => number.to_f32(),
            _ => None,
        };
        vector.push(float.ok_or_else(|| {
            Error::validation(
                "Search vector contains invalid values. All values in the search vector must be a 32-bit floating-point \
                 number attribute",
            )
        })?);
    }
    if vector.len() != settings.dimensions {
        return Err(Error::Validation(format!(
            "Input search vector dimension {} does not match vector index dimension {}",
            vector.len(),
            settings.dimensions
        )));
    }
    Ok(vector)
}
