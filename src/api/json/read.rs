//! JSON read into a tree of its own, and the serde deserializer over it.
//!
//! The tree keeps the order of members, which serde_json's does not, and the deserializer words type errors as DynamoDB
//! does. Depth is measured before anything recurses. Source of the words: DynamoDB's answers to wrongly typed requests, as public issue threads quote them.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::error::Error;

/// Why a body is not the request it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(String);

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(_: de::Unexpected<'_>, _: &dyn de::Expected) -> Self {
        Self("Unexpected field type".to_owned())
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self(format!("Unknown parameter: {field}"))
    }
}

impl From<Fault> for Error {
    fn from(Fault(message): Fault) -> Self {
        Self::Serialization(message)
    }
}

/// One JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<'de> {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(Cow<'de, str>),
    List(Vec<Node<'de>>),
    Object(Vec<(Cow<'de, str>, Node<'de>)>),
}

/// Deepest nesting of a body. The deepest attribute value takes two levels for each of its 32.
const MAX_LEVELS: usize = 80;

pub fn parse(body: &[u8]) -> Result<Node<'_>, Error> {
    if levels(body) > MAX_LEVELS {
        return Err(Error::Serialization(format!("The request body is nested more than {MAX_LEVELS} levels deep")));
    }
    serde_json::from_slice(body)
        .map_err(|error| Error::Serialization(format!("The request body is not valid JSON: {error}")))
}

/// How deep the brackets of a JSON text nest. Of a text that is no JSON any number.
fn levels(body: &[u8]) -> usize {
    let (mut deepest, mut level) = (0_usize, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                level += 1;
                deepest = deepest.max(level);
            }
            b']' | b'}' if !in_text => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodeVisitor;

        impl<'de> Visitor<'de> for NodeVisitor {
            type Value = Node<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Node<'de>, E> {
                Ok(Node::Null)
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node<'de>, E> {
                Ok(Node::Bool(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node<'de>, E> {
                Ok(Node::Integer(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node<'de>, E> {
                #[expect(clippy::cast_precision_loss, reason = "no parameter holds a number beyond 63 bits")]
                Ok(i64::try_from(value).map_or(Node::Float(value as f64), Node::Integer))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node<'de>, E> {
                Ok(Node::Float(value))
            }

            fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Node<'de>, E> {
                Ok(Node::Text(Cow::Borrowed(value)))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Node<'de>, E> {
                Ok(Node::Text(Cow::Owned(value.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
                let mut list = Vec::new();
                while let Some(node) = access.next_element()? {
                    list.push(node);
                }
                Ok(Node::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), node)) = access.next_entry()? {
                    members.push((name, node));
                }
                Ok(Node::Object(members))
            }
        }

        deserializer.deserialize_any(NodeVisitor)
    }
}

/// A member's name, borrowed from the body unless it is escaped there.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Node::deserialize(deserializer)? {
            Node::Text(name) => Ok(Self(name)),
            _ => Err(de::Error::custom("a member's name is not a string")),
        }
    }
}

impl Node<'_> {
    /// The error of meeting this value where one of Java's `wanted` class belongs.
    fn instead_of(&self, wanted: &str) -> Fault {
        let token = match self {
            Self::Bool(true) => "TRUE_VALUE",
            Self::Bool(false) => "FALSE_VALUE",
            Self::Integer(_) | Self::Float(_) => "NUMBER_VALUE",
            Self::Text(_) => "STRING_VALUE",
            Self::Null => return Fault(format!("A null is not a {wanted}")),
            Self::List(_) => return Fault(format!("Unrecognized collection type class java.lang.{wanted}")),
            Self::Object(_) => return Fault("Start of structure or map found where not expected".to_owned()),
        };
        Fault(format!("{token} cannot be converted to {wanted}"))
    }

    fn integer(&self) -> Result<i64, Fault> {
        match self {
            Self::Integer(value) => Ok(*value),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole and within 53 bits, which the guard has checked"
            )]
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Ok(*value as i64),
            other => Err(other.instead_of("Integer")),
        }
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            visitor.visit_i64(self.integer()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Integer(value) => visitor.visit_i64(value),
            Self::Float(value) => visitor.visit_f64(value),
            Self::Text(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Self::Text(Cow::Owned(text)) => visitor.visit_string(text),
            Self::List(list) => visitor.visit_seq(SeqDeserializer::new(list.into_iter())),
            Self::Object(members) => visitor.visit_map(MapDeserializer::new(members.into_iter())),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Text(_) => Err(Fault("Unexpected token received from parser".to_owned())),
            other => Err(other.instead_of("Boolean")),
        }
    }

    integers!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64);
    integers!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64);

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "timestamps are far below 53 bits")]
            Self::Integer(value) => visitor.visit_f64(value as f64),
            Self::Float(value) => visitor.visit_f64(value),
            other => Err(other.instead_of("Double")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Text(_) => self.deserialize_any(visitor),
            other => Err(other.instead_of("String")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Text(text) if text.len() % 4 != 0 => {
                Err(Fault(format!("Base64 encoded length is expected a multiple of 4 bytes but found: {}", text.len())))
            }
            Self::Text(text) => {
                let bytes =
                    STANDARD.decode(text.as_bytes()).map_err(|error| Fault(format!("Invalid base64: {error}")))?;
                visitor.visit_byte_buf(bytes)
            }
            other => Err(other.instead_of("ByteBuffer")),
        }
    }

    /// A null member is one that was not given.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Null => visitor.visit_none(),
            other => visitor.visit_some(other),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::List(_) => self.deserialize_any(visitor),
            Self::Object(_) => Err(self.instead_of("List")),
            _ => Err(Fault("Unexpected field type".to_owned())),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Object(_) => self.deserialize_any(visitor),
            Self::List(_) => Err(Fault("Unrecognized collection type class java.util.Map".to_owned())),
            _ => Err(Fault("Unexpected value type in payload".to_owned())),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        i128 u128 char unit unit_struct tuple tuple_struct enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Fault> for Node<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
