//! Which items an export takes, and what of them: the expressions of its FilterSpecification.
//!
//! They are kept as they were given, and parsed again by every step. Source of the rules: botocore's model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::expressions::{Expressions, Texts};
use crate::api::query::{attributes, check_filter, holds, sort_bound};
use crate::api::wire::Attributes;
use crate::error::Error;
use crate::item::{AttributeValue, Item};
use crate::store::{Key, KeySchema, SortBound};

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct FilterSpecification {
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    projection_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_condition_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression_attribute_names: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression_attribute_values: Option<Attributes>,
}

/// A specification, ready to be asked about items.
pub struct Filter {
    expressions: Expressions,
    /// The partition, and what the sort key has to be.
    range: Option<(Vec<AttributeValue>, SortBound)>,
    key: KeySchema,
}

impl FilterSpecification {
    /// The filter for items of a table with this key.
    pub fn parse(&self, key: &KeySchema) -> Result<Filter, Error> {
        let texts = Texts {
            names: self.expression_attribute_names.as_ref(),
            values: self.expression_attribute_values.as_ref(),
            filter: self.filter_expression.as_deref(),
            key_condition: self.key_condition_expression.as_deref(),
            projection: self.projection_expression.as_deref(),
            ..Texts::default()
        };
        let expressions = texts.parse(&["KeyConditionExpression", "FilterExpression", "ProjectionExpression"])?;
        let range = match &expressions.key_condition {
            None => None,
            Some(condition) => {
                check_filter(key, expressions.filter.as_ref(), "Filter Expression")?;
                let range = condition.resolve(&attributes(&key.partition), &attributes(&key.sort))?;
                Some((range.partition, range.sort.map_or(SortBound::Any, sort_bound)))
            }
        };
        Ok(Filter { expressions, range, key: key.clone() })
    }
}

impl Filter {
    /// What is taken of an item, if it is taken.
    pub fn apply(&self, item: Item) -> Option<Item> {
        if let Some((partition, sort)) = &self.range {
            let key = Key::of(&self.key, &item)?;
            if key.partition != *partition || key.sort.first().is_some_and(|value| !holds(sort, value)) {
                return None;
            }
        }
        if self.expressions.filter.as_ref().is_some_and(|filter| !filter.matches(Some(&item))) {
            return None;
        }
        Some(self.expressions.projection.as_ref().map_or(item.clone(), |projection| projection.apply(&item)))
    }
}
