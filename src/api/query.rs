//! Query: the items of one partition of a table or an index, in the order of their sort key.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::constraints::Constraints;
use super::expressions::Texts;
use super::get_item::CONSISTENT_READ;
use super::legacy::{self, Legacy};
pub use super::page::Output;
use super::page::{Common, Source};
use super::parameters::{Parameter, done};
use super::resource::TableName;
use super::wire::Attributes;
use crate::error::Error;
use crate::expression::{self, Condition, KeyRange, KeyType, SortCondition};
use crate::item::{AttributeValue, Item};
use crate::store::{self, KeyAttribute, KeyKind, KeySchema, Realm, SortBound, Start, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("IndexName"),
    done("Select"),
    done("Limit"),
    CONSISTENT_READ,
    done("ScanIndexForward"),
    done("ExclusiveStartKey"),
    done("KeyConditionExpression"),
    done("FilterExpression"),
    done("ProjectionExpression"),
    done("ExpressionAttributeNames"),
    done("ExpressionAttributeValues"),
    done("ReturnConsumedCapacity"),
    done("AttributesToGet"),
    done("KeyConditions"),
    done("QueryFilter"),
    done("ConditionalOperator"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    index_name: Option<String>,
    select: Option<String>,
    limit: Option<i64>,
    consistent_read: Option<bool>,
    scan_index_forward: Option<bool>,
    exclusive_start_key: Option<Attributes>,
    key_condition_expression: Option<String>,
    filter_expression: Option<String>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<BTreeMap<String, String>>,
    expression_attribute_values: Option<Attributes>,
    return_consumed_capacity: Option<String>,
    attributes_to_get: Option<Vec<String>>,
    key_conditions: Option<BTreeMap<String, legacy::Condition>>,
    query_filter: Option<BTreeMap<String, legacy::Condition>>,
    conditional_operator: Option<String>,
}

impl Input {
    fn common(&self) -> Common<'_> {
        Common {
            is_query: true,
            index_name: self.index_name.as_deref(),
            select: self.select.as_deref(),
            limit: self.limit,
            consistent_read: self.consistent_read == Some(true),
            start_key: self.exclusive_start_key.as_ref(),
            projected_by: Common::projected_by(self.projection_expression.is_some(), self.attributes_to_get.is_some()),
            consumed_capacity: self.return_consumed_capacity.as_deref(),
        }
    }

    fn texts(&self) -> Texts<'_> {
        Texts {
            names: self.expression_attribute_names.as_ref(),
            values: self.expression_attribute_values.as_ref(),
            filter: self.filter_expression.as_deref(),
            key_condition: self.key_condition_expression.as_deref(),
            projection: self.projection_expression.as_deref(),
            legacy: Legacy {
                attributes_to_get: self.attributes_to_get.as_deref(),
                key_conditions: self.key_conditions.as_ref(),
                query_filter: self.query_filter.as_ref(),
                conditional_operator: self.conditional_operator.as_deref(),
                ..Legacy::default()
            },
            ..Texts::default()
        }
    }
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let common = input.common();
    let mut constraints = Constraints::new();
    let table_name = constraints.table("tableName", &input.table_name);
    common.check(&mut constraints);
    input.texts().legacy.check(&mut constraints);
    let table_name = constraints.finish(table_name)?;
    let start_key = common.check_together()?;
    let expressions = input.texts().parse(&["KeyConditionExpression", "FilterExpression", "ProjectionExpression"])?;
    let key_condition = expressions.key_condition.as_ref().ok_or_else(|| {
        Error::validation(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        )
    })?;

    let name = TableName::parse(realm, table_name)?;
    let table = store.table(&name.realm, name.name).await?;
    let source = common.source(&table, &expressions)?;
    let filter = expressions.filter.as_ref();
    let filter_name = if input.query_filter.is_some() { "QueryFilter" } else { "Filter Expression" };
    check_filter(source.key(), filter, filter_name)?;
    let range = key_condition.resolve(&attributes(&source.key().partition), &attributes(&source.key().sort))?;
    let sort = range.sort.clone().map_or(SortBound::Any, sort_bound);
    let start = start_key.map(|key| start(&source, key, &range, &sort)).transpose()?;
    let query = store::Query {
        table: &table,
        index: source.index,
        partition: &range.partition,
        sort_equal: &range.sort_prefix,
        sort: &sort,
        forward: input.scan_index_forward != Some(false),
        start: start.as_ref(),
        limit: common.limit(),
        fetch: source.fetch,
    };
    let keep = |item: &Item| Ok(filter.is_none_or(|filter| filter.matches(Some(item))));
    let page = store.query(&query, &keep).await?;
    Ok(common.output(&source, &expressions, name.given, page))
}

/// A filter is for attributes that no key condition could be about.
pub fn check_filter(key: &KeySchema, filter: Option<&Condition>, filter_name: &str) -> Result<(), Error> {
    let mut paths = filter.into_iter().flat_map(Condition::paths);
    match paths.find(|path| key.contains(&path.root)) {
        None => Ok(()),
        Some(path) => Err(Error::Validation(format!(
            "{filter_name} can only contain non-primary key attributes: Primary key attribute: {}",
            path.root
        ))),
    }
}

pub fn attributes(attributes: &[KeyAttribute]) -> Vec<expression::KeyAttribute<'_>> {
    attributes.iter().map(attribute).collect()
}

fn attribute(attribute: &KeyAttribute) -> expression::KeyAttribute<'_> {
    let key_type = match attribute.kind {
        KeyKind::S => KeyType::S,
        KeyKind::N => KeyType::N,
        KeyKind::B => KeyType::B,
    };
    expression::KeyAttribute { name: &attribute.name, key_type }
}

pub fn sort_bound(condition: SortCondition) -> SortBound {
    match condition {
        SortCondition::Equal(value) => SortBound::Equal(value),
        SortCondition::Less(value) => SortBound::Less(value),
        SortCondition::LessOrEqual(value) => SortBound::LessOrEqual(value),
        SortCondition::Greater(value) => SortBound::Greater(value),
        SortCondition::GreaterOrEqual(value) => SortBound::GreaterOrEqual(value),
        SortCondition::Between(low, high) => SortBound::Between(low, high),
        SortCondition::BeginsWith(prefix) => SortBound::BeginsWith(prefix),
    }
}

/// A page of a query starts within the query's own range.
fn start(source: &Source<'_>, key: &Item, range: &KeyRange, sort: &SortBound) -> Result<Start, Error> {
    let start = source.start(key).map_err(|_| Error::validation("The provided starting key is invalid"))?;
    let own = start.index.as_ref().unwrap_or(&start.table);
    if own.partition != range.partition || !own.sort.starts_with(&range.sort_prefix) {
        return Err(Error::validation(
            "The provided starting key is outside query boundaries based on provided conditions",
        ));
    }
    if own.sort.get(range.sort_prefix.len()).is_some_and(|value| !holds(sort, value)) {
        return Err(Error::validation("The provided starting key does not match the range key predicate"));
    }
    Ok(start)
}

pub fn holds(sort: &SortBound, value: &AttributeValue) -> bool {
    let order = |bound: &AttributeValue| match (value, bound) {
        (AttributeValue::S(one), AttributeValue::S(two)) => Some(one.cmp(two)),
        (AttributeValue::N(one), AttributeValue::N(two)) => Some(one.cmp(two)),
        (AttributeValue::B(one), AttributeValue::B(two)) => Some(one.cmp(two)),
        _ => None,
    };
    match sort {
        SortBound::Any => true,
        SortBound::Equal(bound) => value == bound,
        SortBound::Less(bound) => order(bound).is_some_and(std::cmp::Ordering::is_lt),
        SortBound::LessOrEqual(bound) => order(bound).is_some_and(std::cmp::Ordering::is_le),
        SortBound::Greater(bound) => order(bound).is_some_and(std::cmp::Ordering::is_gt),
        SortBound::GreaterOrEqual(bound) => order(bound).is_some_and(std::cmp::Ordering::is_ge),
        SortBound::Between(low, high) => {
            order(low).is_some_and(std::cmp::Ordering::is_ge) && order(high).is_some_and(std::cmp::Ordering::is_le)
        }
        SortBound::BeginsWith(prefix) => match (value, prefix) {
            (AttributeValue::S(value), AttributeValue::S(prefix)) => value.starts_with(prefix),
            (AttributeValue::B(value), AttributeValue::B(prefix)) => value.starts_with(prefix),
            _ => false,
        },
    }
}
