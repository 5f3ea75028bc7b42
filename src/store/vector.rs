//! Indexes of vectors: which vector an item has in one, what its entry holds, and what is wrong with a vector.
//!
//! An entry holds the vector as 32-bit floats and the attributes that searches filter by, so that a search reads no rows but those of
//! its answer; what the index projects is taken from them. An item is in the index if it has a well-formed vector and, where the
//! index has a partition key, a value for that. Newer items whose vectors are malformed are refused by `api`; older ones are left out.

use serde::{Deserialize, Serialize};

use super::{DistanceFunction, Index, KeyAttribute};
use crate::item::{AttributeValue, Invalid, Item};
use crate::keyspace::VectorEntry;

/// Bytes of a vector's component in the index: what its size and a write to it are counted by.
const COMPONENT: usize = 4;

/// What makes an index one of vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorSettings {
    /// The attribute that holds the vector, a list of numbers.
    pub attribute: String,
    pub dimensions: usize,
    pub distance: DistanceFunction,
    /// The attributes a search is about, in the order in which they were given: the partition key among them.
    pub search_schema: Vec<SearchAttribute>,
}

/// An attribute of a search schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchAttribute {
    pub attribute: KeyAttribute,
    /// Whether it is the index's partition key; otherwise searches may filter by it.
    pub is_partition: bool,
}

/// Why a value is no vector of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorFault {
    NotAList,
    /// How many components there are.
    Dimensions(usize),
    /// The component at this place is of this type, or a number that is no 32-bit float.
    Component(usize, &'static str),
}

impl VectorSettings {
    /// The attributes that searches may filter by.
    pub fn filters(&self) -> impl Iterator<Item = &KeyAttribute> {
        self.search_schema.iter().filter(|found| !found.is_partition).map(|found| &found.attribute)
    }

    /// The vector that a value is.
    pub fn vector(&self, value: &AttributeValue) -> Result<Vec<f32>, VectorFault> {
        let AttributeValue::L(components) = value else { return Err(VectorFault::NotAList) };
        if components.len() != self.dimensions {
            return Err(VectorFault::Dimensions(components.len()));
        }
        let component = |(at, value): (usize, &AttributeValue)| {
            let float = if let AttributeValue::N(number) = value { number.to_f32() } else { None };
            float.ok_or(VectorFault::Component(at, value.type_name()))
        };
        components.iter().enumerate().map(component).collect()
    }

    /// What the entry of an item holds; `None` when it has no well-formed vector.
    pub(super) fn entry(&self, item: &Item) -> Result<Option<Vec<u8>>, Invalid> {
        match item.get(&self.attribute).map(|value| self.vector(value)) {
            Some(Ok(vector)) => VectorEntry::encode(&vector, &self.filtered(item)).map(Some),
            None | Some(Err(_)) => Ok(None),
        }
    }

    /// The attributes of an item that searches may filter by.
    pub(super) fn filtered(&self, item: &Item) -> Item {
        let value = |filter: &KeyAttribute| {
            let value = item.get(&filter.name).filter(|value| filter.kind.matches(value))?;
            Some((filter.name.as_str().into(), value.clone()))
        };
        self.filters().filter_map(value).collect()
    }

    /// Whether the index shows an attribute whatever it projects.
    pub(super) fn shows(&self, name: &str) -> bool {
        self.attribute == name || self.filters().any(|filter| filter.name == name)
    }

    /// Bytes that the vector counts in the index.
    pub(super) const fn size(&self) -> usize {
        COMPONENT * self.dimensions
    }

    /// The vector as the index has it: what its numbers lost in precision is not there.
    pub(super) fn as_indexed(&self, value: &AttributeValue) -> Option<AttributeValue> {
        let vector = self.vector(value).ok()?;
        let component = |component: f32| crate::item::Number::from_f32(component).map(AttributeValue::N);
        vector.into_iter().map(component).collect::<Option<_>>().map(AttributeValue::L)
    }
}

impl Index {
    /// Bytes of an entry's value, at most: of an item of so many bytes.
    pub fn entry_bytes(&self, item_size: usize) -> usize {
        self.vector.as_ref().map_or(0, |settings| settings.size() + item_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Number;
    use crate::store::KeyKind;

    fn settings() -> VectorSettings {
        let filter = KeyAttribute { name: "brand".to_owned(), kind: KeyKind::S };
        VectorSettings {
            attribute: "embedding".to_owned(),
            dimensions: 2,
            distance: DistanceFunction::Cosine,
            search_schema: vec![SearchAttribute { attribute: filter, is_partition: false }],
        }
    }

    fn number(text: &str) -> Result<AttributeValue, Invalid> {
        Number::parse(text).map(AttributeValue::N)
    }

    #[test]
    fn what_is_no_vector_is_told() -> Result<(), Invalid> {
        let settings = settings();
        let text = AttributeValue::S("1".to_owned());
        let list = |components: &[&AttributeValue]| {
            settings.vector(&AttributeValue::L(components.iter().map(|value| (*value).clone()).collect()))
        };
        let (one, large) = (number("0.1")?, number("1E39")?);
        assert_eq!(list(&[&one, &one]), Ok(vec![0.1, 0.1]));
        assert_eq!(settings.vector(&text), Err(VectorFault::NotAList));
        assert_eq!(list(&[&one]), Err(VectorFault::Dimensions(1)));
        assert_eq!(list(&[&one, &text]), Err(VectorFault::Component(1, "S")));
        assert_eq!(list(&[&large, &one]), Err(VectorFault::Component(0, "N")));
        Ok(())
    }

    #[test]
    fn an_entry_holds_what_can_be_filtered_by() -> Result<(), Box<dyn std::error::Error>> {
        let (settings, one) = (settings(), number("1")?);
        let mut item = Item::new();
        assert_eq!(settings.entry(&item)?, None);
        item.insert("embedding".into(), AttributeValue::L(vec![one.clone(), one.clone()]));
        item.insert("brand".into(), one);
        let filters = |item: &Item| -> Result<Item, Box<dyn std::error::Error>> {
            let entry = settings.entry(item)?.ok_or("no entry")?;
            Ok(VectorEntry::decode(&entry)?.filters()?.ok_or("in the row")?)
        };
        assert_eq!(filters(&item)?, Item::new(), "of another type");
        item.insert("brand".into(), AttributeValue::S("a".to_owned()));
        assert_eq!(filters(&item)?.get("brand"), item.get("brand"));
        Ok(())
    }
}
