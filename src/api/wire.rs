//! The parts of requests and answers that are not plain text or numbers.
//!
//! Blobs and timestamps are read and written through the serializer's own notion of them, so that Python gives bytes and
//! datetimes where JSON gives base64 and numbers. Broken attribute values are kept as data until validation comes to them.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::clock;
use crate::error::Error;
use crate::item::wire::ItemInput;
use crate::item::{Invalid, Item, Name, check_name};

/// The name under which timestamps cross a boundary: a newtype struct over seconds since the epoch.
pub const TIMESTAMP: &str = "Timestamp";

/// A moment as requests and answers carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(pub clock::Timestamp);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(clock::Timestamp(millis))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds fit 53 bits for 285,000 years")]
        serializer.serialize_newtype_struct(TIMESTAMP, &(self.0.millis() as f64 / 1000.0))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seconds;
        impl<'de> Visitor<'de> for Seconds {
            type Value = Timestamp;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a timestamp")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Timestamp, D::Error> {
                let seconds = f64::deserialize(deserializer)?;
                if !seconds.is_finite() {
                    return Err(serde::de::Error::custom("a timestamp is a finite number"));
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "a cast saturates; such times lie outside every stream"
                )]
                Ok(Timestamp::from_millis((seconds * 1000.0).round() as i64))
            }
        }
        deserializer.deserialize_newtype_struct(TIMESTAMP, Seconds)
    }
}

/// Attributes of a request: an item, or the first attribute that breaks a rule of the data model, and which.
#[derive(Clone, Debug)]
pub struct Attributes(Result<Item, (Name, Invalid)>);

impl Attributes {
    pub fn item(&self) -> Result<&Item, Error> {
        let item = self.0.as_ref().map_err(|(_, Invalid(message))| Error::Validation(message.clone()))?;
        item.iter().try_for_each(|(name, _)| check_name(name))?;
        Ok(item)
    }

    /// As ExpressionAttributeValues, about which DynamoDB names the placeholder.
    pub fn expression_values(&self) -> Result<&Item, Error> {
        self.0.as_ref().map_err(|(name, Invalid(message))| {
            Error::Validation(format!("ExpressionAttributeValues contains invalid value: {message} for key {name}"))
        })
    }
}

impl From<Item> for Attributes {
    fn from(item: Item) -> Self {
        Self(Ok(item))
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ItemInput::deserialize(deserializer).map(|input| Self(input.into_result_by_name()))
    }
}

/// What is hashed when a request's digest is taken: broken attributes never get that far.
impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().ok().serialize(serializer)
    }
}

/// The members of a JSON object in the order in which they were given.
#[derive(Clone, Debug)]
pub struct Ordered<V>(pub Vec<(String, V)>);

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V: Serialize> Serialize for Ordered<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Ordered<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Members<V> {
            type Value = Ordered<V>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Ordered<V>, A::Error> {
                let mut members: Vec<(String, V)> = Vec::new();
                while let Some((name, value)) = access.next_entry::<String, V>()? {
                    // A name given twice counts once, as in DynamoDB's own parser: the last wins.
                    members.retain(|(other, _)| *other != name);
                    members.push((name, value));
                }
                Ok(Ordered(members))
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}
