//! What a condition says of keys: the one item it names, or the ranges of keys that hold whatever satisfies it.
//!
//! Ranges save reading and decide on the order of an answer; the whole condition is held against every item in any case.
//! Source: Developer Guide, "PartiQL select statements for DynamoDB"; what overlaps, the suite's captures.

use std::cmp::Ordering;

use crate::error::Error;
use crate::expression::{Condition, KeyCondition, KeyRange, SortCondition};
use crate::item::{AttributeValue, Item, Name};
use crate::partiql::Where;
use crate::store::{Key, KeySchema, Table};

use super::super::{keys, query};

/// The key attributes that a condition sets equal to values, and how many more conditions there are beside those.
pub struct Named {
    pub key: Item,
    pub others: usize,
}

/// The item that a condition names: equality on each attribute of the table's key, whatever else must hold.
pub fn named(table: &Table, condition: Option<&Where>) -> Option<Named> {
    let conjuncts = condition?.conjuncts();
    let mut key = Item::new();
    for attribute in table.key.attributes() {
        let value = conjuncts.iter().find_map(|conjunct| equal(conjunct, &attribute.name))?;
        key.insert(attribute.name.as_str().into(), value);
    }
    Some(Named { others: conjuncts.len() - key.len(), key })
}

pub const NO_KEY: &str = "Where clause does not contain a mandatory equality on all key attributes";

/// The value that a condition sets an attribute equal to.
fn equal(condition: &Condition, name: &str) -> Option<AttributeValue> {
    match of_key(condition, name)? {
        SortCondition::Equal(value) => Some(value),
        _ => None,
    }
}

fn of_key(condition: &Condition, name: &str) -> Option<SortCondition> {
    let (attribute, condition) = condition.test()?.of_key()?;
    (attribute == name).then_some(condition)
}

/// How a SELECT reads.
pub enum Access {
    /// One item of the table.
    Item(Key),
    Ranges {
        ranges: Vec<KeyRange>,
        /// Whether a list of partition keys gave them.
        by_list: bool,
    },
    Everything,
}

/// One side of a disjunction: the partition keys it is about, and what it asks of the sort key.
struct Side {
    partitions: Vec<AttributeValue>,
    by_list: bool,
    sort: Option<SortCondition>,
    /// Something is asked of the sort key that no range expresses.
    sort_otherwise: bool,
}

/// Whether the condition's own conjuncts name the partition keys, by equality or by a list.
pub fn is_keyed(schema: &KeySchema, condition: Option<&Where>) -> bool {
    condition.is_some_and(|condition| match condition.alternatives.as_slice() {
        [only] => side(schema, only).is_some(),
        _ => false,
    })
}

/// The way to read for `condition`, along a key of one partition attribute and at most one sort attribute. Only a table's items
/// are read one by one.
pub fn access(schema: &KeySchema, condition: Option<&Where>, is_table: bool) -> Result<Access, Error> {
    let Some(condition) = condition else { return Ok(Access::Everything) };
    let sides: Option<Vec<Side>> = condition.alternatives.iter().map(|conjuncts| side(schema, conjuncts)).collect();
    let Some(sides) = sides else { return Ok(Access::Everything) };
    let by_list = sides.iter().any(|side| side.by_list);
    let mut partitions: Vec<&AttributeValue> = Vec::new();
    for value in sides.iter().flat_map(|side| &side.partitions) {
        if !partitions.contains(&value) {
            partitions.push(value);
        }
    }
    let mut ranges = Vec::with_capacity(partitions.len());
    for value in partitions {
        let about: Vec<&Side> = sides.iter().filter(|side| side.partitions.contains(value)).collect();
        refuse_overlaps(&about)?;
        let sort = if let [only] = about.as_slice() { only.sort.clone() } else { None };
        ranges.push(range(schema, value.clone(), sort)?);
    }
    if let ([range], true) = (ranges.as_slice(), is_table && sides.len() == 1 && !by_list) {
        let sort = match &range.sort {
            Some(SortCondition::Equal(value)) => Some(value.clone()),
            _ => None,
        };
        if sort.is_some() != schema.sort.is_empty() {
            return Ok(Access::Item(Key { partition: range.partition.clone(), sort: sort.into_iter().collect() }));
        }
    }
    Ok(Access::Ranges { ranges, by_list })
}

fn side(schema: &KeySchema, conjuncts: &[Condition]) -> Option<Side> {
    let partition = schema.partition.first()?.name.as_str();
    let equality = conjuncts.iter().find_map(|conjunct| equal(conjunct, partition));
    let by_list = equality.is_none();
    let partitions = match equality {
        Some(value) => vec![value],
        None => conjuncts.iter().find_map(|conjunct| {
            let (name, values) = conjunct.test()?.members()?;
            (name == partition).then(|| values.into_iter().cloned().collect())
        })?,
    };
    let Some(sort_name) = schema.sort.first().map(|attribute| attribute.name.as_str()) else {
        return Some(Side { partitions, by_list, sort: None, sort_otherwise: false });
    };
    let sort = conjuncts.iter().find_map(|conjunct| of_key(conjunct, sort_name));
    let about_sort = |conjunct: &&Condition| conjunct.paths().any(|path| path.root == sort_name);
    let sort_otherwise = conjuncts.iter().filter(about_sort).any(|conjunct| of_key(conjunct, sort_name).is_none());
    Some(Side { partitions, by_list, sort, sort_otherwise })
}

fn range(schema: &KeySchema, partition: AttributeValue, sort: Option<SortCondition>) -> Result<KeyRange, Error> {
    let name = |attributes: &[crate::store::KeyAttribute]| attributes.first().map(|one| Name::from(one.name.as_str()));
    let mut conditions = Vec::with_capacity(2);
    conditions.extend(name(&schema.partition).map(|name| (name, SortCondition::Equal(partition))));
    conditions.extend(name(&schema.sort).zip(sort));
    KeyCondition::of(conditions).resolve(&query::attributes(&schema.partition), &query::attributes(&schema.sort))
}

/// Of the sides about one partition key, one that asks of its sort key may not overlap with another.
fn refuse_overlaps(sides: &[&Side]) -> Result<(), Error> {
    for (at, one) in sides.iter().enumerate() {
        for two in sides.iter().skip(at + 1) {
            if one.sort_otherwise || two.sort_otherwise {
                continue;
            }
            let overlap = match (&one.sort, &two.sort) {
                (None, None) => false,
                (Some(one), Some(two)) => overlap(one, two),
                _ => true,
            };
            if overlap {
                return Err(Error::validation(
                    "Overlapping conditions with range keys are not supported in where clause",
                ));
            }
        }
    }
    Ok(())
}

/// Whether a sort key certainly can satisfy both.
fn overlap(one: &SortCondition, two: &SortCondition) -> bool {
    if let (SortCondition::BeginsWith(one), SortCondition::BeginsWith(two)) = (one, two) {
        let holds = |bound: &AttributeValue, value| {
            query::holds(&query::sort_bound(SortCondition::BeginsWith(bound.clone())), value)
        };
        return holds(one, two) || holds(two, one);
    }
    match (bounds(one), bounds(two)) {
        (Some((low_one, high_one)), Some((low_two, high_two))) => {
            not_above(low_one, high_two) && not_above(low_two, high_one)
        }
        // A prefix and something else: they may, but both are held against each item anyhow.
        _ => false,
    }
}

/// A bound and whether it belongs to the range itself; `None` is no bound.
type Bound<'a> = Option<(&'a AttributeValue, bool)>;

fn bounds(condition: &SortCondition) -> Option<(Bound<'_>, Bound<'_>)> {
    Some(match condition {
        SortCondition::Equal(value) => (Some((value, true)), Some((value, true))),
        SortCondition::Less(value) => (None, Some((value, false))),
        SortCondition::LessOrEqual(value) => (None, Some((value, true))),
        SortCondition::Greater(value) => (Some((value, false)), None),
        SortCondition::GreaterOrEqual(value) => (Some((value, true)), None),
        SortCondition::Between(low, high) => (Some((low, true)), Some((high, true))),
        SortCondition::BeginsWith(_) => return None,
    })
}

fn not_above(low: Bound<'_>, high: Bound<'_>) -> bool {
    let (Some((low, with_low)), Some((high, with_high))) = (low, high) else { return true };
    match compare(low, high) {
        Ordering::Less => true,
        Ordering::Equal => with_low && with_high,
        Ordering::Greater => false,
    }
}

/// The order of two values of one key attribute.
pub fn compare(one: &AttributeValue, two: &AttributeValue) -> Ordering {
    match (one, two) {
        (AttributeValue::S(one), AttributeValue::S(two)) => one.cmp(two),
        (AttributeValue::N(one), AttributeValue::N(two)) => one.cmp(two),
        (AttributeValue::B(one), AttributeValue::B(two)) => one.cmp(two),
        _ => Ordering::Equal,
    }
}

/// The key that `named` gave, checked as the key of a request is.
pub fn key(table: &Table, named: &Named) -> Result<Key, Error> {
    keys::from_parameter(table, &named.key)
}
