//! The visitors that read one attribute value, level by level.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::skip::Skip;
use crate::item::{AttributeValue, Invalid, MAX_DEPTH, Map, Name, Number};

const DATATYPES: &[&str] = &["S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL"];

/// Never trusts a hint with more memory than a page.
pub fn capacity(hint: Option<usize>) -> usize {
    hint.unwrap_or(0).min(64)
}

/// Reads one attribute value at nesting `level`; a broken rule goes to `invalid`, and `Null` stands for the value.
pub struct ValueSeed<'a> {
    pub level: usize,
    pub invalid: &'a mut Option<Invalid>,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = AttributeValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<AttributeValue, D::Error> {
        if self.level > MAX_DEPTH {
            self.invalid.get_or_insert_with(Invalid::too_deep);
            Skip::default().deserialize(deserializer)?;
            return Ok(AttributeValue::Null);
        }
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = AttributeValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attribute value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<AttributeValue, A::Error> {
        let mut found = None;
        let mut datatypes = 0_usize;
        while let Some(datatype) = access.next_key::<Datatype>()? {
            let content = ContentSeed { datatype, level: self.level, invalid: self.invalid };
            if let Some(value) = access.next_value_seed(content)? {
                datatypes += 1;
                found = Some(value);
            }
        }
        let fault = match datatypes {
            1 => None,
            0 => Some("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
            _ => Some(
                "Supplied AttributeValue has more than one datatypes set, \
                 must contain exactly one of the supported datatypes",
            ),
        };
        if let Some(message) = fault {
            self.invalid.get_or_insert_with(|| Invalid::new(message));
        }
        Ok(found.unwrap_or(AttributeValue::Null))
    }
}

#[derive(Clone, Copy)]
enum Datatype {
    S,
    N,
    B,
    SS,
    NS,
    BS,
    M,
    L,
    Null,
    Bool,
}

impl<'de> Deserialize<'de> for Datatype {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DatatypeVisitor;

        impl Visitor<'_> for DatatypeVisitor {
            type Value = Datatype;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a datatype")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Datatype, E> {
                Ok(match name {
                    "S" => Datatype::S,
                    "N" => Datatype::N,
                    "B" => Datatype::B,
                    "SS" => Datatype::SS,
                    "NS" => Datatype::NS,
                    "BS" => Datatype::BS,
                    "M" => Datatype::M,
                    "L" => Datatype::L,
                    "NULL" => Datatype::Null,
                    "BOOL" => Datatype::Bool,
                    other => return Err(E::unknown_field(other, DATATYPES)),
                })
            }
        }

        deserializer.deserialize_identifier(DatatypeVisitor)
    }
}

/// Reads what stands behind a datatype's name; `None` for a null.
struct ContentSeed<'a> {
    datatype: Datatype,
    level: usize,
    invalid: &'a mut Option<Invalid>,
}

impl ContentSeed<'_> {
    fn settle(&mut self, result: Result<AttributeValue, Invalid>) -> AttributeValue {
        result.unwrap_or_else(|invalid| {
            self.invalid.get_or_insert(invalid);
            AttributeValue::Null
        })
    }
}

impl<'de> DeserializeSeed<'de> for ContentSeed<'_> {
    type Value = Option<AttributeValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for ContentSeed<'_> {
    type Value = Option<AttributeValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attribute's content")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<Self::Value, D::Error> {
        let value = match self.datatype {
            Datatype::S => AttributeValue::S(String::deserialize(deserializer)?),
            Datatype::N => {
                let parsed = deserializer.deserialize_str(NumberVisitor)?;
                self.settle(parsed.map(AttributeValue::N))
            }
            Datatype::B => AttributeValue::B(Blob::deserialize(deserializer)?.0),
            Datatype::SS => {
                let members = Vec::<String>::deserialize(deserializer)?;
                self.settle(AttributeValue::string_set(members))
            }
            Datatype::NS => {
                let members = deserializer.deserialize_seq(NumbersVisitor)?;
                self.settle(members.and_then(AttributeValue::number_set))
            }
            Datatype::BS => {
                let members = Vec::<Blob>::deserialize(deserializer)?;
                self.settle(AttributeValue::binary_set(members.into_iter().map(|blob| blob.0).collect()))
            }
            Datatype::M => AttributeValue::M(deserializer.deserialize_map(MapVisitor(self))?),
            Datatype::L => AttributeValue::L(deserializer.deserialize_seq(ListVisitor(self))?),
            Datatype::Null => {
                let is_true = bool::deserialize(deserializer)?;
                let refusal = "One or more parameter values were invalid: \
                               Null attribute value types must have the value of true";
                self.settle(if is_true { Ok(AttributeValue::Null) } else { Err(Invalid::new(refusal)) })
            }
            Datatype::Bool => AttributeValue::Bool(bool::deserialize(deserializer)?),
        };
        Ok(Some(value))
    }
}

struct MapVisitor<'a>(ContentSeed<'a>);

impl<'de> Visitor<'de> for MapVisitor<'_> {
    type Value = Map;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of attribute values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Map, A::Error> {
        let mut attributes = Vec::with_capacity(capacity(access.size_hint()));
        while let Some(name) = access.next_key::<Name>()? {
            let value = access.next_value_seed(ValueSeed { level: self.0.level + 1, invalid: self.0.invalid })?;
            attributes.push((name, value));
        }
        Ok(Map::from_unsorted(attributes))
    }
}

struct ListVisitor<'a>(ContentSeed<'a>);

impl<'de> Visitor<'de> for ListVisitor<'_> {
    type Value = Vec<AttributeValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of attribute values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::with_capacity(capacity(access.size_hint()));
        while let Some(value) =
            access.next_element_seed(ValueSeed { level: self.0.level + 1, invalid: self.0.invalid })?
        {
            list.push(value);
        }
        Ok(list)
    }
}

/// A number's text, parsed where it lies.
struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Result<Number, Invalid>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number written as a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Number::parse(text))
    }
}

struct NumberText(Result<Number, Invalid>);

impl<'de> Deserialize<'de> for NumberText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NumberVisitor).map(Self)
    }
}

struct NumbersVisitor;

impl<'de> Visitor<'de> for NumbersVisitor {
    type Value = Result<Vec<Number>, Invalid>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers written as strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut numbers = Ok(Vec::new());
        while let Some(NumberText(parsed)) = access.next_element()? {
            match (&mut numbers, parsed) {
                (Ok(numbers), Ok(number)) => numbers.push(number),
                (Ok(_), Err(invalid)) => numbers = Err(invalid),
                (Err(_), _) => {}
            }
        }
        Ok(numbers)
    }
}

struct Blob(Vec<u8>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BlobVisitor;

        impl Visitor<'_> for BlobVisitor {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a blob")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(Blob(bytes))
            }
        }

        deserializer.deserialize_byte_buf(BlobVisitor)
    }
}
