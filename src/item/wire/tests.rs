//! What requests may hold, and which error each fault becomes. Blobs stand as plain text here: serde_json hands a string's
//! bytes to whoever asks for bytes.

#![expect(clippy::unwrap_used, reason = "a test that fails here should say where")]

use serde::de::value::{Error, StrDeserializer};
use serde::de::{IntoDeserializer, SeqAccess};
use serde::forward_to_deserialize_any;
use serde_json::json;

use super::*;
use crate::item::MAX_DEPTH;

fn value(json: serde_json::Value) -> Result<AttributeValue, Invalid> {
    serde_json::from_str::<ValueInput>(&json.to_string()).unwrap().into_result()
}

fn refusal(json: serde_json::Value) -> String {
    value(json).unwrap_err().0
}

fn nested(levels: usize, around: &str) -> String {
    format!("{}{around}{}", "{\"L\":[".repeat(levels), "]}".repeat(levels))
}

#[test]
fn every_datatype_is_read() {
    let read = value(json!({"M": {
        "s": {"S": "x"}, "n": {"N": "1.50"}, "b": {"B": "raw"}, "ss": {"SS": ["b", "a"]}, "ns": {"NS": ["2", "1.0"]},
        "bs": {"BS": ["y", "x"]}, "l": {"L": [{"NULL": true}, {"BOOL": false}]}, "m": {"M": {}},
    }}))
    .unwrap();
    let AttributeValue::M(map) = read else { unreachable!("an M was written") };
    assert_eq!(map.get("s"), Some(&AttributeValue::S("x".to_owned())));
    assert_eq!(map.get("n"), Some(&AttributeValue::N("1.5".parse().unwrap())));
    assert_eq!(map.get("b"), Some(&AttributeValue::B(b"raw".to_vec())));
    assert_eq!(map.get("ss"), Some(&AttributeValue::SS(vec!["a".to_owned(), "b".to_owned()])));
    assert_eq!(map.get("ns"), Some(&AttributeValue::NS(vec![1.into(), 2.into()])));
    assert_eq!(map.get("bs"), Some(&AttributeValue::BS(vec![b"x".to_vec(), b"y".to_vec()])));
    assert_eq!(map.get("l"), Some(&AttributeValue::L(vec![AttributeValue::Null, AttributeValue::Bool(false)])));
    assert_eq!(map.get("m"), Some(&AttributeValue::M(Map::new())));
}

#[test]
fn broken_rules_are_data_with_words_of_aws() {
    let empty = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
    assert_eq!(refusal(json!({})), empty);
    assert_eq!(refusal(json!({"S": null})), empty);
    assert_eq!(
        refusal(json!({"S": "a", "BOOL": true})),
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
    );
    assert_eq!(
        refusal(json!({"NULL": false})),
        "One or more parameter values were invalid: Null attribute value types must have the value of true"
    );
    // A bad number speaks before the second datatype does.
    assert_eq!(refusal(json!({"S": "a", "N": "b"})), "The parameter cannot be converted to a numeric value: b");
    assert_eq!(refusal(json!({"NS": ["1", ""]})), "The parameter cannot be converted to a numeric value");
    assert!(refusal(json!({"L": [{"M": {"a": {"SS": []}}}]})).ends_with("An string set  may not be empty"));
    assert!(refusal(json!({"SS": ["a", "a"]})).ends_with("Input collection [a, a] contains duplicates."));
    assert_eq!(value(json!({"S": "a", "N": null})), Ok(AttributeValue::S("a".to_owned())));
}

#[test]
fn wrong_types_are_errors_of_the_deserializer() {
    for text in [
        r#"{"S": 1}"#,
        r#"{"N": 1}"#,
        r#"{"X": "a"}"#,
        r#"{"B": 5}"#,
        r#"{"SS": "a"}"#,
        r#"{"M": []}"#,
        r#"{"L": {}}"#,
        r#"{"NULL": "true"}"#,
        r#"{"BOOL": 1}"#,
        r#""S""#,
        "null",
        "[]",
    ] {
        assert!(serde_json::from_str::<ValueInput>(text).is_err(), "{text}");
    }
}

#[test]
fn an_item_names_the_attribute_that_is_at_fault() {
    let item: ItemInput = serde_json::from_str(r#"{"a": {"S": ""}, "b": {"L": [{"N": "x"}]}, "c": {}}"#).unwrap();
    let (name, invalid) = item.into_result_by_name().unwrap_err();
    assert_eq!((name.as_str(), invalid.0.as_str()), ("b", "The parameter cannot be converted to a numeric value: x"));
}

#[test]
fn of_equal_names_the_last_counts() {
    let item: ItemInput = serde_json::from_str(r#"{"a": {"S": "1"}, "b": {"S": "2"}, "a": {"S": "3"}}"#).unwrap();
    let item = item.into_result().unwrap();
    assert_eq!((item.len(), item.get("a")), (2, Some(&AttributeValue::S("3".to_owned()))));
}

#[test]
fn thirty_two_levels_are_accepted_and_no_more() {
    let read = |text: &str| serde_json::from_str::<ValueInput>(text).unwrap().into_result();
    assert_eq!(read(&nested(31, r#"{"S":"x"}"#)).unwrap().depth(), MAX_DEPTH);
    assert_eq!(read(&nested(32, r#"{"S":"x"}"#)), Err(Invalid::too_deep()));
    assert_eq!(read(&nested(40, r#"{"M":{"a":{"N":"1"}}}"#)), Err(Invalid::too_deep()));
}

#[test]
fn hostile_depth_is_an_error_on_a_small_stack() {
    let hostile = nested(100_000, "");
    let outcome = std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(move || {
            let mut json = serde_json::Deserializer::from_str(&hostile);
            ValueInput::deserialize(&mut json).is_err()
        })
        .unwrap()
        .join();
    assert!(outcome.unwrap());
}

/// A deserializer without a bottom and without a limit of its own: lists within lists within lists.
#[derive(Clone, Copy)]
enum Bottomless {
    Value,
    List,
}

impl<'de> Deserializer<'de> for Bottomless {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value => visitor.visit_map(Once(Some(Self::List))),
            Self::List => visitor.visit_seq(Once(Some(Self::Value))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Once(Option<Bottomless>);

impl<'de> MapAccess<'de> for Once {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let key: StrDeserializer<'_, Error> = "L".into_deserializer();
        self.0.map(|_| seed.deserialize(key)).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(self.0.take().unwrap())
    }
}

impl<'de> SeqAccess<'de> for Once {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.take().map(|inner| seed.deserialize(inner)).transpose()
    }
}

#[test]
fn a_transport_without_limits_cannot_exhaust_a_small_stack() {
    let outcome = std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(|| ValueInput::deserialize(Bottomless::Value).unwrap_err().to_string())
        .unwrap()
        .join();
    assert_eq!(outcome.unwrap(), "nested too deeply");
}

#[test]
fn what_is_written_can_be_read_again() {
    let text = json!({"M": {
        "s": {"S": "x"}, "n": {"N": "-0.001"}, "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2"]},
        "l": {"L": [{"NULL": true}, {"BOOL": false}, {"M": {}}]},
    }});
    let read = value(text.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), text);
    // Bytes are the serializer's to shape: serde_json knows only a list of numbers for them.
    assert_eq!(serde_json::to_string(&AttributeValue::BS(vec![vec![1]])).unwrap(), r#"{"BS":[[1]]}"#);
}
