//! Strategies for the property tests of this room: keys, numbers and nested items that favour the awkward bytes.

use proptest::prelude::*;

use crate::item::{AttributeValue, Item, Number};

pub fn any_number() -> impl Strategy<Value = Number> {
    let wide = (any::<bool>(), 0_u32..=38, any::<u128>(), -167_i16..=125)
        .prop_filter_map("in range", |(negative, digits, bits, exponent)| {
            Number::from_parts(negative, bits % 10_u128.pow(digits), exponent).ok()
        });
    let close = (any::<bool>(), 0_u128..1200, -3_i16..3)
        .prop_filter_map("in range", |(negative, value, exponent)| Number::from_parts(negative, value, exponent).ok());
    prop_oneof![wide, close]
}

pub fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let awkward = prop_oneof![Just(0_u8), Just(1), Just(0xFE), Just(0xFF), any::<u8>()];
    prop::collection::vec(awkward, 0..7)
}

pub fn any_text() -> impl Strategy<Value = String> {
    let awkward = prop_oneof![Just('\0'), Just('\u{1}'), Just('a'), Just('é'), Just('\u{10FFFF}'), any::<char>()];
    prop::collection::vec(awkward, 0..7).prop_map(|characters| characters.into_iter().collect())
}

/// A value that can be a key.
pub fn any_key() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        any_text().prop_map(AttributeValue::S),
        any_number().prop_map(AttributeValue::N),
        any_bytes().prop_map(AttributeValue::B),
    ]
}

pub fn any_value() -> impl Strategy<Value = AttributeValue> {
    let sets = prop_oneof![
        prop::collection::vec(any_text(), 1..4).prop_filter_map("a set", |set| AttributeValue::string_set(set).ok()),
        prop::collection::vec(any_number(), 1..4).prop_filter_map("a set", |set| AttributeValue::number_set(set).ok()),
        prop::collection::vec(any_bytes(), 1..4).prop_filter_map("a set", |set| AttributeValue::binary_set(set).ok()),
    ];
    let leaf = prop_oneof![any_key(), sets, Just(AttributeValue::Null), any::<bool>().prop_map(AttributeValue::Bool)];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(AttributeValue::L),
            attributes(inner, 4).prop_map(AttributeValue::M),
        ]
    })
}

pub fn any_item() -> impl Strategy<Value = Item> {
    attributes(any_value(), 6)
}

fn attributes(value: impl Strategy<Value = AttributeValue>, most: usize) -> impl Strategy<Value = Item> {
    prop::collection::vec((any_text(), value), 0..=most)
        .prop_map(|pairs| pairs.into_iter().map(|(name, value)| (name.into(), value)).collect())
}
