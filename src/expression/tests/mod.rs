//! Tests of the whole language, through its public face; what concerns one file alone is tested there.

mod conditions;
mod hostile;
mod keys;
mod legacy;
mod messages;
mod projections;
mod properties;
mod updates;

use std::collections::BTreeMap;

use super::*;
use crate::error::Error;
use crate::item::{AttributeValue, Item, Number};

/// Short forms of values: `v(1)`, `v("text")`.
fn v(value: impl Into<Short>) -> AttributeValue {
    value.into().0
}

struct Short(AttributeValue);

impl From<i64> for Short {
    fn from(number: i64) -> Self {
        Self(AttributeValue::N(number.into()))
    }
}

impl From<&str> for Short {
    fn from(text: &str) -> Self {
        Self(AttributeValue::S(text.to_owned()))
    }
}

fn bytes(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(bytes.to_vec())
}

fn strings(set: &[&str]) -> AttributeValue {
    AttributeValue::SS(set.iter().map(|text| (*text).to_owned()).collect())
}

fn numbers(set: &[i64]) -> AttributeValue {
    AttributeValue::NS(set.iter().map(|number| Number::from(*number)).collect())
}

fn list(values: &[AttributeValue]) -> AttributeValue {
    AttributeValue::L(values.to_vec())
}

fn map(pairs: &[(&str, AttributeValue)]) -> AttributeValue {
    AttributeValue::M(item(pairs))
}

fn item(pairs: &[(&str, AttributeValue)]) -> Item {
    pairs.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
}

/// Placeholders `#a`, `#b`, … for themselves without `#`, `#n` for the reserved word `name`.
fn names() -> BTreeMap<String, String> {
    let mut names: BTreeMap<String, String> =
        ["a", "b", "c", "d"].iter().map(|name| (format!("#{name}"), (*name).to_owned())).collect();
    names.insert("#n".to_owned(), "name".to_owned());
    names.insert("#dots".to_owned(), "a.b".to_owned());
    names
}

/// One value of each type: `:s`, `:s2`, `:n`, `:n2`, `:b`, `:ss`, `:ns`, `:bs`, `:l`, `:m`, `:null`, `:bool`.
fn values() -> Item {
    item(&[
        (":s", v("text")),
        (":s2", v("zebra")),
        (":n", v(5)),
        (":n2", v(7)),
        (":b", bytes(b"\x01\x02")),
        (":ss", strings(&["x", "y"])),
        (":ns", numbers(&[1, 2])),
        (":bs", AttributeValue::BS(vec![b"x".to_vec()])),
        (":l", list(&[v(1)])),
        (":m", map(&[("x", v(1))])),
        (":null", AttributeValue::Null),
        (":bool", AttributeValue::Bool(true)),
    ])
}

fn condition(text: &str) -> Result<Condition, Error> {
    Condition::parse(Kind::Condition, text, &mut Substitutions::new(Some(&names()), Some(&values()))?)
}

fn key_condition(text: &str) -> Result<KeyCondition, Error> {
    KeyCondition::parse(text, &mut Substitutions::new(Some(&names()), Some(&values()))?)
}

fn projection(text: &str) -> Result<Projection, Error> {
    Projection::parse(text, &mut Substitutions::new(Some(&names()), Some(&values()))?)
}

fn update(text: &str) -> Result<Update, Error> {
    Update::parse(text, &mut Substitutions::new(Some(&names()), Some(&values()))?)
}

fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}
