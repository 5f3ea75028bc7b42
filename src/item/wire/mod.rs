//! Attribute values as requests carry them, `{"S": "x"}`, read by serde in one pass without a second tree.
//!
//! Two kinds of error stay apart. A wrong type or an unknown datatype is the deserializer's error. A value that is
//! well typed but breaks a rule of the data model (a number of 39 digits, an empty set, two datatypes) is data: the
//! first such [`Invalid`] is kept beside the value and comes out of `into_result`.
//!
//! Blobs are asked for by `deserialize_byte_buf` and written by `serialize_bytes`: whether they are base64 or bytes is the
//! boundary's business, as is refusing a `None`; a null where a datatype's value belongs counts as the datatype being absent.
//! Recursion ends at `MAX_DEPTH` levels; what lies deeper is passed over, and beyond `SKIPPED_LEVELS` refused.

mod read;
mod skip;
mod write;

use std::fmt;

use read::{ValueSeed, capacity};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::{AttributeValue, Invalid, Item, Map, Name};

/// One attribute value of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueInput {
    value: AttributeValue,
    invalid: Option<Invalid>,
}

impl ValueInput {
    pub fn into_result(self) -> Result<AttributeValue, Invalid> {
        self.invalid.map_or(Ok(self.value), Err)
    }
}

impl From<AttributeValue> for ValueInput {
    fn from(value: AttributeValue) -> Self {
        Self { value, invalid: None }
    }
}

/// An item, a key or a set of expression values of a request: names to attribute values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemInput {
    item: Item,
    invalid: Option<(Name, Invalid)>,
}

impl ItemInput {
    pub fn into_result(self) -> Result<Item, Invalid> {
        self.into_result_by_name().map_err(|(_, invalid)| invalid)
    }

    /// Like `into_result`, with the name of the top-level attribute in which the rule was broken: AWS's message for
    /// expression values names it.
    pub fn into_result_by_name(self) -> Result<Item, (Name, Invalid)> {
        self.invalid.map_or(Ok(self.item), Err)
    }

    pub fn is_empty(&self) -> bool {
        self.item.is_empty()
    }

    pub fn len(&self) -> usize {
        self.item.len()
    }
}

impl From<Item> for ItemInput {
    fn from(item: Item) -> Self {
        Self { item, invalid: None }
    }
}

impl<'de> Deserialize<'de> for ValueInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut invalid = None;
        let value = ValueSeed { level: 1, invalid: &mut invalid }.deserialize(deserializer)?;
        Ok(Self { value, invalid })
    }
}

impl<'de> Deserialize<'de> for ItemInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;

        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = ItemInput;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of attribute values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<ItemInput, A::Error> {
                let mut attributes = Vec::with_capacity(capacity(access.size_hint()));
                let mut invalid = None;
                while let Some(name) = access.next_key::<Name>()? {
                    let mut fault = None;
                    let value = access.next_value_seed(ValueSeed { level: 1, invalid: &mut fault })?;
                    if let Some(fault) = fault {
                        invalid.get_or_insert_with(|| (name.clone(), fault));
                    }
                    attributes.push((name, value));
                }
                Ok(ItemInput { item: Map::from_unsorted(attributes), invalid })
            }
        }

        deserializer.deserialize_map(ItemVisitor)
    }
}

#[cfg(test)]
mod tests;
