//! Key conditions of a Query: first a set of conditions on single attributes, then, once the key schema is known, the
//! range of keys to read.
//!
//! The grammar is that of conditions, of which DynamoDB then refuses whatever a range of keys cannot express. Keys may
//! have several partition and several sort attributes, as those of indexes do.

use super::condition::{Comparator, Condition, Operand, Step, Test};
use super::operands::name;
use super::{Kind, Substitutions};
use crate::error::Error;
use crate::item::{AttributeValue, Name};

/// Largest partition key and sort key in bytes. Source: Developer Guide, "Service, account, and table quotas".
const MAX_PARTITION_BYTES: usize = 2048;
const MAX_SORT_BYTES: usize = 1024;

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

impl SortCondition {
    fn values(&self) -> impl Iterator<Item = &AttributeValue> {
        let (one, two) = match self {
            Self::Equal(value)
            | Self::Less(value)
            | Self::LessOrEqual(value)
            | Self::Greater(value)
            | Self::GreaterOrEqual(value)
            | Self::BeginsWith(value) => (value, None),
            Self::Between(low, high) => (low, Some(high)),
        };
        std::iter::once(one).chain(two)
    }
}

impl KeyAttribute<'_> {
    pub(super) fn check_type(&self, value: &AttributeValue) -> Result<(), Error> {
        match (self.key_type, value) {
            (KeyType::S, AttributeValue::S(_))
            | (KeyType::B, AttributeValue::B(_))
            | (KeyType::N, AttributeValue::N(_)) => Ok(()),
            _ => Err(Error::validation(
                "One or more parameter values were invalid: Condition parameter type does not match schema type",
            )),
        }
    }

    pub(super) fn check(&self, value: &AttributeValue) -> Result<(), Error> {
        self.check_type(value)?;
        let empty = match value {
            AttributeValue::S(text) if text.is_empty() => Some("string"),
            AttributeValue::B(bytes) if bytes.is_empty() => Some("binary"),
            _ => None,
        };
        empty.map_or(Ok(()), |kind| {
            Err(Error::validation(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
                 empty {kind} value. Key: {}",
                self.name
            )))
        })
    }
}

/// A parsed KeyConditionExpression that has not met a key schema yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCondition {
    /// In the order of the expression, each attribute once.
    pub(super) conditions: Vec<(Name, SortCondition)>,
}

impl KeyCondition {
    pub fn parse(text: &str, substitutions: &mut Substitutions<'_>) -> Result<Self, Error> {
        let condition = Condition::parse(Kind::KeyCondition, text, substitutions)?;
        let mut conditions: Vec<(Name, SortCondition)> = Vec::with_capacity(2);
        for step in condition.steps {
            let test = match step {
                Step::Test(test) => test,
                Step::UnlessTrue(_) => continue,
                Step::IfTrue(_) => return Err(invalid_operator("OR")),
                Step::Not => return Err(invalid_operator("NOT")),
            };
            let (attribute, condition) = single(test)?;
            if conditions.iter().any(|(other, _)| *other == attribute) {
                return Err(Error::validation(
                    "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key",
                ));
            }
            conditions.push((attribute, condition));
        }
        Ok(Self { conditions })
    }

    /// Checks the conditions against the key schema of the table or index that is queried. Every partition attribute
    /// needs an equality; sort attributes may follow from the first on, all but the last with equalities.
    pub fn resolve(&self, partition: &[KeyAttribute<'_>], sort: &[KeyAttribute<'_>]) -> Result<KeyRange, Error> {
        let of = |attribute: &KeyAttribute<'_>| {
            self.conditions.iter().find(|(name, _)| name == attribute.name).map(|(_, condition)| condition)
        };
        let (conditions, attributes) = (self.conditions.len(), partition.len() + sort.len());
        if conditions > attributes {
            return Err(Error::validation(format!(
                "The number of query conditions ({conditions}) exceeds the number of key attributes defined in the schema \
                 ({attributes})"
            )));
        }
        let mut range =
            KeyRange { partition: Vec::with_capacity(partition.len()), sort_prefix: Vec::new(), sort: None };
        for attribute in partition {
            match of(attribute).ok_or_else(|| missed(attribute))? {
                SortCondition::Equal(value) => {
                    attribute.check(value)?;
                    range.partition.push(value.clone());
                }
                _ => return Err(not_supported()),
            }
        }
        let mut left = self.conditions.len().saturating_sub(partition.len());
        for attribute in sort {
            if left == 0 {
                break;
            }
            let condition = of(attribute).ok_or_else(|| missed(attribute))?;
            condition.values().try_for_each(|value| attribute.check(value))?;
            match range.sort.replace(condition.clone()) {
                Some(SortCondition::Equal(value)) => range.sort_prefix.push(value),
                Some(_) => return Err(not_supported()),
                None => {}
            }
            left -= 1;
        }
        check_sizes(&range)?;
        Ok(range)
    }
}

fn check_sizes(range: &KeyRange) -> Result<(), Error> {
    let size = |values: &[AttributeValue]| values.iter().map(AttributeValue::size).sum::<usize>();
    if size(&range.partition) > MAX_PARTITION_BYTES {
        return Err(Error::validation(format!(
            // AWS has no blank before the number.
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit \
             of{MAX_PARTITION_BYTES} bytes"
        )));
    }
    let last = range.sort.iter().flat_map(SortCondition::values).map(AttributeValue::size).max().unwrap_or(0);
    if size(&range.sort_prefix) + last > MAX_SORT_BYTES {
        return Err(Error::validation(format!(
            "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit \
             of {MAX_SORT_BYTES} bytes"
        )));
    }
    Ok(())
}

/// The one attribute that `test` is about, and what it asks of it.
pub(super) fn single(test: Test) -> Result<(Name, SortCondition), Error> {
    let operator = name(&test);
    match test {
        Test::Compare(Comparator::NotEqual, ..)
        | Test::In(..)
        | Test::Exists(_)
        | Test::NotExists(_)
        | Test::HasType(..)
        | Test::Contains(..)
        | Test::Always => Err(invalid_operator(operator)),
        Test::Compare(comparator, one, two) => {
            let one = part(one)?;
            let two = part(two)?;
            let (attribute, comparator, value) = match (one, two) {
                (Part::Attribute(attribute), Part::Value(value)) => (attribute, comparator, value),
                (Part::Value(value), Part::Attribute(attribute)) => (attribute, comparator.mirrored(), value),
                (Part::Attribute(_), Part::Attribute(_)) => return Err(several_attributes()),
                (Part::Value(_), Part::Value(_)) => {
                    return Err(Error::validation(
                        "Invalid condition in KeyConditionExpression: No key attribute specified",
                    ));
                }
            };
            let condition = match comparator {
                Comparator::Equal => SortCondition::Equal(value),
                Comparator::Less => SortCondition::Less(value),
                Comparator::LessOrEqual => SortCondition::LessOrEqual(value),
                Comparator::Greater => SortCondition::Greater(value),
                Comparator::GreaterOrEqual => SortCondition::GreaterOrEqual(value),
                Comparator::NotEqual => return Err(invalid_operator(operator)),
            };
            Ok((attribute, condition))
        }
        Test::Between(one, low, high) => {
            let (attribute, [low, high]) = first_attribute(operator, one, [low, high])?;
            Ok((attribute, SortCondition::Between(low, high)))
        }
        Test::BeginsWith(one, prefix) => {
            let (attribute, [prefix]) = first_attribute(operator, one, [prefix])?;
            Ok((attribute, SortCondition::BeginsWith(prefix)))
        }
    }
}

enum Part {
    Attribute(Name),
    Value(AttributeValue),
}

fn part(operand: Operand) -> Result<Part, Error> {
    match operand {
        Operand::Value(value) => Ok(Part::Value(value)),
        Operand::Size(_) => Err(Error::validation("KeyConditionExpressions cannot contain nested operations")),
        Operand::Path(path) if path.is_top_level() => Ok(Part::Attribute(path.root)),
        Operand::Path(_) => {
            Err(Error::validation("KeyConditionExpressions cannot have conditions on nested attributes"))
        }
    }
}

fn first_attribute<const N: usize>(
    operator: &str,
    first: Operand,
    rest: [Operand; N],
) -> Result<(Name, [AttributeValue; N]), Error> {
    let Part::Attribute(attribute) = part(first)? else {
        return Err(Error::validation(format!(
            "Invalid condition in KeyConditionExpression: {operator} operator must have the key attribute as its first \
             operand"
        )));
    };
    let mut values = Vec::with_capacity(N);
    for operand in rest {
        match part(operand)? {
            Part::Value(value) => values.push(value),
            Part::Attribute(_) => return Err(several_attributes()),
        }
    }
    let values = values.try_into().map_err(|_| not_supported())?;
    Ok((attribute, values))
}

fn invalid_operator(operator: &str) -> Error {
    Error::validation(format!("Invalid operator used in KeyConditionExpression: {operator}"))
}

fn several_attributes() -> Error {
    Error::validation("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
}

fn missed(attribute: &KeyAttribute<'_>) -> Error {
    Error::validation(format!("Query condition missed key schema element: {}", attribute.name))
}

pub(super) fn not_supported() -> Error {
    Error::validation("Query key condition not supported")
}
