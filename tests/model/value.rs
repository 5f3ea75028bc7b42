//! The model's own attribute values, written down once more and as simply as can be.
//!
//! Numbers are hundredths in an `i64`, sets are `BTreeSet`s, so `==` is DynamoDB's equality. On the way into a request
//! the same number is spelled in different ways and a set is shuffled: the database must see through both. Knows nothing
//! of the crate's own item types.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

pub type Item = BTreeMap<String, Value>;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    S(String),
    /// In hundredths.
    N(i64),
    B(Vec<u8>),
    Bool(bool),
    Null,
    SS(BTreeSet<String>),
    NS(BTreeSet<i64>),
    BS(BTreeSet<Vec<u8>>),
    L(Vec<Value>),
    M(Item),
}

/// Long texts and blobs are cut short: this is for traces.
impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S(text) if text.len() > 60 => write!(formatter, "S({} bytes)", text.len()),
            Self::S(text) => write!(formatter, "{text:?}"),
            Self::N(hundredths) => write!(formatter, "{}", plain(*hundredths)),
            Self::B(bytes) if bytes.len() > 20 => write!(formatter, "B({} bytes)", bytes.len()),
            Self::B(bytes) => write!(formatter, "B{bytes:?}"),
            Self::Bool(truth) => write!(formatter, "{truth}"),
            Self::Null => write!(formatter, "null"),
            Self::SS(set) => write!(formatter, "SS{set:?}"),
            Self::NS(set) => write!(formatter, "NS{set:?}/100"),
            Self::BS(set) => write!(formatter, "BS{set:?}"),
            Self::L(list) => write!(formatter, "{list:?}"),
            Self::M(map) => write!(formatter, "{map:?}"),
        }
    }
}

impl Value {
    pub fn text(text: &str) -> Self {
        Self::S(text.to_owned())
    }

    pub const fn whole(number: i64) -> Self {
        Self::N(number * 100)
    }

    /// As a request carries it, in one of its spellings.
    pub fn to_json(&self, random: &mut fastrand::Rng) -> Json {
        match self {
            Self::S(text) => json!({ "S": text }),
            Self::N(hundredths) => json!({ "N": spell(*hundredths, random) }),
            Self::B(bytes) => json!({ "B": STANDARD.encode(bytes) }),
            Self::Bool(truth) => json!({ "BOOL": truth }),
            Self::Null => json!({ "NULL": true }),
            Self::SS(set) => json!({ "SS": shuffled(set, random) }),
            Self::NS(set) => {
                let numbers = shuffled(set, random);
                json!({ "NS": numbers.into_iter().map(|number| spell(number, random)).collect::<Vec<_>>() })
            }
            Self::BS(set) => {
                json!({ "BS": shuffled(set, random).iter().map(|bytes| STANDARD.encode(bytes)).collect::<Vec<_>>() })
            }
            Self::L(list) => json!({ "L": list.iter().map(|value| value.to_json(random)).collect::<Vec<_>>() }),
            Self::M(map) => json!({ "M": item_to_json(map, random) }),
        }
    }

    /// From an answer.
    pub fn from_json(json: &Json) -> Self {
        let (kind, content) = json.as_object().and_then(|object| object.iter().next()).expect("an attribute value");
        let text = |json: &Json| json.as_str().expect("a text").to_owned();
        let bytes = |json: &Json| STANDARD.decode(text(json)).expect("base64");
        let list = || content.as_array().expect("a list").iter();
        match kind.as_str() {
            "S" => Self::S(text(content)),
            "N" => Self::N(parse(&text(content))),
            "B" => Self::B(bytes(content)),
            "BOOL" => Self::Bool(content == true),
            "NULL" => Self::Null,
            "SS" => Self::SS(list().map(text).collect()),
            "NS" => Self::NS(list().map(|number| parse(&text(number))).collect()),
            "BS" => Self::BS(list().map(bytes).collect()),
            "L" => Self::L(list().map(Self::from_json).collect()),
            "M" => Self::M(item_from_json(content)),
            other => panic!("an attribute value of the type {other}"),
        }
    }
}

pub fn item_to_json(item: &Item, random: &mut fastrand::Rng) -> Json {
    item.iter().map(|(name, value)| (name.clone(), value.to_json(random))).collect()
}

pub fn item_from_json(json: &Json) -> Item {
    let object = json.as_object().expect("an item");
    object.iter().map(|(name, value)| (name.clone(), Value::from_json(value))).collect()
}

pub fn items_from_json(json: &Json) -> Vec<Item> {
    json.as_array().expect("items").iter().map(item_from_json).collect()
}

fn shuffled<T: Clone>(set: &BTreeSet<T>, random: &mut fastrand::Rng) -> Vec<T> {
    let mut elements: Vec<T> = set.iter().cloned().collect();
    random.shuffle(&mut elements);
    elements
}

fn plain(hundredths: i64) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    let (whole, part) = (hundredths.abs() / 100, hundredths.abs() % 100);
    if part == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part:02}") }
}

fn spell(hundredths: i64, random: &mut fastrand::Rng) -> String {
    match random.u8(0..4) {
        0 => format!("{hundredths}e-2"),
        1 if hundredths % 100 == 0 => format!("{}.000", hundredths / 100),
        2 if hundredths % 1000 == 0 => format!("{}E1", hundredths / 1000),
        _ => plain(hundredths),
    }
}

fn parse(text: &str) -> i64 {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let part = format!("{part:0<2}");
    assert!(part.len() == 2, "a number of the answer with more than hundredths: {text}");
    let whole: i64 = whole.parse().expect("a whole number");
    sign * (whole * 100 + part.parse::<i64>().expect("hundredths"))
}
