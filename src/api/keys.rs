//! The rules of keys: what a request's key must look like, and what an item's key attributes may be.

use crate::error::Error;
use crate::item::{AttributeValue, Item};
use crate::store::{Index, Key, KeyAttribute, KeySchema, Table, VectorFault, VectorSettings};

/// Largest partition key, in bytes; of an index of several partition attributes, their sum.
const MAX_PARTITION: usize = 2048;
/// Largest sort key, in bytes; of an index of several sort attributes, their sum.
const MAX_SORT: usize = 1024;

pub const SCHEMA_MISMATCH: &str = "The provided key element does not match the schema";

/// The key that a `Key` parameter names: exactly the table's key attributes, each of its type.
pub fn from_parameter(table: &Table, key: &Item) -> Result<Key, Error> {
    exact(&table.key, key)
}

/// The key made of exactly the attributes of `schema`.
pub fn exact(schema: &KeySchema, key: &Item) -> Result<Key, Error> {
    let found = if key.len() == schema.len() { Key::of(schema, key) } else { None };
    let found = found.ok_or_else(|| Error::validation(SCHEMA_MISMATCH))?;
    check_not_empty(schema, key)?;
    check_size(&found)?;
    Ok(found)
}

/// The key of a whole item that is to be put, after checking its index keys too.
pub fn from_item(table: &Table, item: &Item) -> Result<Key, Error> {
    for attribute in table.key.attributes() {
        let value = item.get(&attribute.name).ok_or_else(|| {
            let name = &attribute.name;
            Error::Validation(format!("One or more parameter values were invalid: Missing the key {name} in the item"))
        })?;
        if !attribute.kind.matches(value) {
            return Err(Error::Validation(format!(
                "One or more parameter values were invalid: Type mismatch for key {} expected: {} actual: {}",
                attribute.name,
                attribute.kind.name(),
                value.type_name()
            )));
        }
    }
    check_not_empty(&table.key, item)?;
    let key = Key::of(&table.key, item).ok_or_else(|| Error::validation(SCHEMA_MISMATCH))?;
    check_index_types(table, item)?;
    check_size(&key)?;
    check_index_values(table, item)?;
    check_vectors(table, item, |_| true)?;
    Ok(key)
}

/// The key of an item to be put by a batch, in which DynamoDB tells nothing of what is wrong with it.
pub fn from_batched_item(table: &Table, item: &Item) -> Result<Key, Error> {
    if Key::of(&table.key, item).is_none() {
        return Err(Error::validation(SCHEMA_MISMATCH));
    }
    from_item(table, item)
}

/// An empty value for a key attribute, of the table or of an index: in a transaction this is the request's error and not
/// its action's, which everything else that is wrong with a key is.
pub fn check_none_empty(table: &Table, attributes: &Item) -> Result<(), Error> {
    check_not_empty(&table.key, attributes)?;
    check_index_empty(table, attributes)
}

/// The index keys of an item as an update would leave it; only attributes that `is_touched` can be wrong.
pub fn check_updated(table: &Table, item: &Item, is_touched: impl Fn(&str) -> bool) -> Result<(), Error> {
    for index in &table.indexes {
        for attribute in index.typed_attributes().filter(|attribute| is_touched(&attribute.name)) {
            let Some(value) = item.get(&attribute.name) else { continue };
            if !attribute.kind.matches(value) {
                return Err(index_type_mismatch(index, attribute, value));
            }
            if let Some(kind) = empty_kind(value).filter(|_| index.key.contains(&attribute.name)) {
                return Err(Error::Validation(format!(
                    "One or more parameter values are not valid. The update expression attempted to update a secondary \
                     index key to a value that is not supported. The AttributeValue for a key attribute cannot contain \
                     an empty {kind} value."
                )));
            }
        }
        if let Some(key) = Key::of(&index.key, item) {
            check_size(&key)?;
        }
    }
    check_vectors(table, item, is_touched)
}

/// Whether two of the keys, each with its table's id, are the same. Requests hold at most a hundred.
pub fn any_twice<'a>(keys: impl Iterator<Item = (u64, &'a Key)>) -> bool {
    let mut seen: Vec<(u64, &Key)> = Vec::new();
    for place in keys {
        if seen.contains(&place) {
            return true;
        }
        seen.push(place);
    }
    false
}

fn check_index_types(table: &Table, item: &Item) -> Result<(), Error> {
    for index in &table.indexes {
        for attribute in index.typed_attributes() {
            if let Some(value) = item.get(&attribute.name)
                && !attribute.kind.matches(value)
            {
                return Err(index_type_mismatch(index, attribute, value));
            }
        }
    }
    Ok(())
}

/// The vectors of an item that is written: one that is malformed is an error (botocore's model, PutItem). Messages as measured on
/// DynamoDB (nubo-db/dynamodb-conformance, error-messages/vectorWrites, 2026-08); that of a number beyond 32-bit floats is ours.
fn check_vectors(table: &Table, item: &Item, is_touched: impl Fn(&str) -> bool) -> Result<(), Error> {
    for (index, settings) in table.vector_indexes().filter(|(_, settings)| is_touched(&settings.attribute)) {
        if let Some(value) = item.get(&settings.attribute) {
            settings.vector(value).map_err(|fault| not_a_vector(index, settings, fault))?;
        }
    }
    Ok(())
}

fn not_a_vector(index: &Index, settings: &VectorSettings, fault: VectorFault) -> Error {
    let (attribute, index) = (&settings.attribute, &index.name);
    let what = match fault {
        VectorFault::NotAList => {
            format!("type for parameter {attribute}, Expected: 32-bit floating point number list IndexName: {index}")
        }
        VectorFault::Dimensions(found) => format!(
            "size for parameter {attribute}, Expected: {}, Actual: {found} IndexName: {index}",
            settings.dimensions
        ),
        VectorFault::Component(at, "N") => {
            format!("value for parameter {attribute}[{at}], Expected: 32-bit floating point number. IndexName: {index}")
        }
        VectorFault::Component(at, found) => format!(
            "type for parameter {attribute}[{at}], Expected: 32-bit floating point number, Actual: {found}. IndexName: \
             {index}"
        ),
    };
    Error::Validation(format!("One or more parameter values were invalid. Invalid {what}"))
}

fn check_index_values(table: &Table, item: &Item) -> Result<(), Error> {
    check_index_empty(table, item)?;
    for index in &table.indexes {
        if let Some(key) = Key::of(&index.key, item) {
            check_size(&key)?;
        }
    }
    Ok(())
}

fn check_index_empty(table: &Table, item: &Item) -> Result<(), Error> {
    for index in &table.indexes {
        for attribute in index.key.attributes() {
            if let Some(kind) = item.get(&attribute.name).and_then(empty_kind) {
                return Err(Error::Validation(format!(
                    "One or more parameter values are not valid. A value specified for a secondary index key is not \
                     supported. The AttributeValue for a key attribute cannot contain an empty {kind} value. IndexName: \
                     {}, IndexKey: {}",
                    index.name, attribute.name
                )));
            }
        }
    }
    Ok(())
}

fn index_type_mismatch(index: &Index, attribute: &KeyAttribute, value: &AttributeValue) -> Error {
    Error::Validation(format!(
        "One or more parameter values were invalid: Type mismatch for Index Key {} Expected: {} Actual: {} IndexName: {}",
        attribute.name,
        attribute.kind.name(),
        value.type_name(),
        index.name
    ))
}

fn check_not_empty(schema: &KeySchema, item: &Item) -> Result<(), Error> {
    for attribute in schema.attributes() {
        if let Some(kind) = item.get(&attribute.name).and_then(empty_kind) {
            return Err(Error::Validation(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
                 empty {kind} value. Key: {}",
                attribute.name
            )));
        }
    }
    Ok(())
}

/// What DynamoDB calls an empty value that no key may have.
const fn empty_kind(value: &AttributeValue) -> Option<&'static str> {
    match value {
        AttributeValue::S(text) if text.is_empty() => Some("string"),
        AttributeValue::B(bytes) if bytes.is_empty() => Some("binary"),
        _ => None,
    }
}

/// The messages lack blanks where DynamoDB's do.
fn check_size(key: &Key) -> Result<(), Error> {
    let size = |values: &[AttributeValue]| values.iter().map(AttributeValue::size).sum::<usize>();
    if size(&key.partition) > MAX_PARTITION {
        return Err(Error::Validation(format!(
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of{MAX_PARTITION} bytes"
        )));
    }
    if size(&key.sort) > MAX_SORT {
        return Err(Error::Validation(format!(
            "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of {MAX_SORT} bytes"
        )));
    }
    Ok(())
}

#[cfg(test)]
pub mod tests;
