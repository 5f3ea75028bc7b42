//! Key conditions of a Query.

use super::Substitutions;
use crate::error::Error;
use crate::item::AttributeValue;

/// The type of a key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    S,
    N,
    B,
}

/// One attribute of a key schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAttribute<'a> {
    pub name: &'a str,
    pub key_type: KeyType,
}

/// What a condition asks of a sort key attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortCondition {
    Equal(AttributeValue),
    Less(AttributeValue),
    LessOrEqual(AttributeValue),
    Greater(AttributeValue),
    GreaterOrEqual(AttributeValue),
    /// Both bounds included; the lower is never above the upper.
    Between(AttributeValue, AttributeValue),
    /// Never a number.
    BeginsWith(AttributeValue),
}

/// The part of a table or index that a Query reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// One value for each partition key attribute, in the schema's order.
    pub partition: Vec<AttributeValue>,
    /// Values of the leading sort key attributes before the one `sort` is about: empty when the sort key is one attribute.
    pub sort_prefix: Vec<AttributeValue>,
    /// The condition on the sort key attribute at position `sort_prefix.len()`.
    pub sort: Option<SortCondition>,
}

/// A parsed KeyConditionExpression that has not met a key schema yet.
#[derive(Clone, Debug)]
pub struct KeyCondition {}

impl KeyCondition {
    pub fn parse(_text: &str, _substitutions: &mut Substitutions<'_>) -> Result<Self, Error> {
        todo!()
    }

    /// Checks the conditions against the key schema of the table or index that is queried.
    pub fn resolve(&self, _partition: &[KeyAttribute<'_>], _sort: &[KeyAttribute<'_>]) -> Result<KeyRange, Error> {
        todo!()
    }
}
