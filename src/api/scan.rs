//! Scan: every item of a table or an index, or of one of the equal segments it is divided into.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::constraints::Constraints;
use super::expressions::Texts;
use super::get_item::CONSISTENT_READ;
use super::legacy::{Condition, Legacy};
pub use super::page::Output;
use super::page::{Common, starting_key};
use super::parameters::{Parameter, done};
use super::resource::TableName;
use super::wire::Attributes;
use crate::error::Error;
use crate::item::Item;
use crate::store::{Realm, Store, read};

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("IndexName"),
    done("Select"),
    done("Limit"),
    CONSISTENT_READ,
    done("Segment"),
    done("TotalSegments"),
    done("ExclusiveStartKey"),
    done("FilterExpression"),
    done("ProjectionExpression"),
    done("ExpressionAttributeNames"),
    done("ExpressionAttributeValues"),
    done("ReturnConsumedCapacity"),
    done("AttributesToGet"),
    done("ScanFilter"),
    done("ConditionalOperator"),
];

const MAX_SEGMENTS: i64 = 1_000_000;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    index_name: Option<String>,
    select: Option<String>,
    limit: Option<i64>,
    consistent_read: Option<bool>,
    segment: Option<i64>,
    total_segments: Option<i64>,
    exclusive_start_key: Option<Attributes>,
    filter_expression: Option<String>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<BTreeMap<String, String>>,
    expression_attribute_values: Option<Attributes>,
    return_consumed_capacity: Option<String>,
    attributes_to_get: Option<Vec<String>>,
    scan_filter: Option<BTreeMap<String, Condition>>,
    conditional_operator: Option<String>,
}

impl Input {
    fn common(&self) -> Common<'_> {
        Common {
            is_query: false,
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
            projection: self.projection_expression.as_deref(),
            legacy: Legacy {
                attributes_to_get: self.attributes_to_get.as_deref(),
                scan_filter: self.scan_filter.as_ref(),
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
    constraints.range("totalSegments", input.total_segments, 1, MAX_SEGMENTS);
    constraints.range("segment", input.segment, 0, MAX_SEGMENTS - 1);
    let table_name = constraints.finish(table_name)?;
    let start_key = common.check_together()?;
    let expressions = input.texts().parse(&["FilterExpression", "ProjectionExpression"])?;
    let segment = segment(input.segment, input.total_segments)?;

    let name = TableName::parse(realm, table_name)?;
    let table = store.table(&name.realm, name.name).await?;
    let source = common.source(&table, &expressions)?;
    let start = start_key.map(|key| source.start(key).map_err(starting_key)).transpose()?;
    let scan = read::Scan {
        table: &table,
        index: source.index,
        segment,
        start: start.as_ref(),
        limit: common.limit(),
        fetch: source.fetch,
    };
    let filter = expressions.filter.as_ref();
    let keep = |item: &Item| Ok(filter.is_none_or(|filter| filter.matches(Some(item))));
    let page = store.scan(&scan, &keep).await?;
    Ok(common.output(&source, &expressions, name.given, page))
}

/// Segment and TotalSegments come together or not at all; both have passed their constraints.
fn segment(segment: Option<i64>, total: Option<i64>) -> Result<Option<(u32, u32)>, Error> {
    match (segment, total) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(Error::validation(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        )),
        (None, Some(_)) => Err(Error::validation(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        )),
        (Some(segment), Some(total)) if segment >= total => Err(Error::Validation(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is not \
             less than TotalSegments: {total}"
        ))),
        (Some(segment), Some(total)) => Ok(u32::try_from(segment).ok().zip(u32::try_from(total).ok())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_come_in_pairs_and_count_from_zero() {
        assert_eq!(segment(None, None), Ok(None));
        assert_eq!(segment(Some(3), Some(4)), Ok(Some((3, 4))));
        for (one, two) in [(Some(4), Some(4)), (Some(0), None), (None, Some(2))] {
            assert!(segment(one, two).is_err());
        }
    }
}
