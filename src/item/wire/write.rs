//! Attribute values as answers carry them.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::item::{AttributeValue, Map, Number};

impl Serialize for AttributeValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tagged = serializer.serialize_map(Some(1))?;
        tagged.serialize_key(self.type_name())?;
        match self {
            Self::S(text) => tagged.serialize_value(text)?,
            Self::N(number) => tagged.serialize_value(&NumberOut(number))?,
            Self::B(bytes) => tagged.serialize_value(&BlobOut(bytes))?,
            Self::SS(texts) => tagged.serialize_value(texts)?,
            Self::NS(numbers) => tagged.serialize_value(&NumbersOut(numbers))?,
            Self::BS(blobs) => tagged.serialize_value(&BlobsOut(blobs))?,
            Self::M(map) => tagged.serialize_value(map)?,
            Self::L(list) => tagged.serialize_value(list)?,
            Self::Null => tagged.serialize_value(&true)?,
            Self::Bool(value) => tagged.serialize_value(value)?,
        }
        tagged.end()
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self {
            map.serialize_entry(name.as_str(), value)?;
        }
        map.end()
    }
}

struct NumberOut<'a>(&'a Number);

impl Serialize for NumberOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

struct BlobOut<'a>(&'a [u8]);

impl Serialize for BlobOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct NumbersOut<'a>(&'a [Number]);

impl Serialize for NumbersOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(NumberOut))
    }
}

struct BlobsOut<'a>(&'a [Vec<u8>]);

impl Serialize for BlobsOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|blob| BlobOut(blob)))
    }
}
