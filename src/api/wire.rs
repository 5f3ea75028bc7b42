//! The scalar types of requests and answers that are not plain text or numbers.
//!
//! Blobs and timestamps are read and written through the serializer's own notion of them, so that Python gives bytes and
//! datetimes where JSON gives base64 and numbers.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::clock;
use crate::item::{Invalid, Item};

/// The name under which timestamps cross a boundary: a newtype struct over seconds since the epoch.
pub const TIMESTAMP: &str = "Timestamp";

/// A moment as requests and answers carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(pub clock::Timestamp);

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
                #[expect(clippy::cast_possible_truncation, reason = "a cast saturates; such times lie outside every stream")]
                Ok(Timestamp(clock::Timestamp((seconds * 1000.0).round() as i64)))
            }
        }
        deserializer.deserialize_newtype_struct(TIMESTAMP, Seconds)
    }
}

/// Attributes as a request gives them: an item, or the rule of the data model that it breaks.
#[derive(Clone, Debug)]
pub struct Attributes(pub Result<Item, Invalid>);

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self(Ok(Item::new())))
    }
}

/// Attributes of an answer.
#[derive(Clone, Debug)]
pub struct Image(pub Item);

impl Serialize for Image {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, _)| (name, ())))
    }
}
