//! What the tests of a condition mean for an item.
//!
//! Values of different types never compare, except as unequal; an attribute that is not there makes every test false
//! but `<>` and `attribute_not_exists`.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::condition::{Comparator, Operand, Test};
use crate::item::{AttributeValue, Item, Number};

impl Operand {
    fn value<'v>(&'v self, item: &'v Item) -> Option<Cow<'v, AttributeValue>> {
        match self {
            Self::Path(path) => path.get(item).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(path) => path.get(item).and_then(size).map(Cow::Owned),
        }
    }
}

impl Test {
    pub(super) fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Exists(path) => path.get(item).is_some(),
            Self::NotExists(path) => path.get(item).is_none(),
            // A missing attribute is unequal to everything.
            Self::Compare(Comparator::NotEqual, one, two) => match (one.value(item), two.value(item)) {
                (Some(one), Some(two)) => one != two,
                _ => true,
            },
            Self::Always => true,
            _ => self.holds_for_values(item).unwrap_or(false),
        }
    }

    /// The tests that are false, here `None`, as soon as one of their operands is missing.
    fn holds_for_values(&self, item: &Item) -> Option<bool> {
        Some(match self {
            Self::Compare(comparator, one, two) => {
                let (one, two) = (one.value(item)?, two.value(item)?);
                match comparator {
                    Comparator::Equal => one == two,
                    Comparator::NotEqual => one != two,
                    Comparator::Less => compare(&one, &two)?.is_lt(),
                    Comparator::LessOrEqual => compare(&one, &two)?.is_le(),
                    Comparator::Greater => compare(&one, &two)?.is_gt(),
                    Comparator::GreaterOrEqual => compare(&one, &two)?.is_ge(),
                }
            }
            Self::Between(value, low, high) => {
                let (value, low, high) = (value.value(item)?, low.value(item)?, high.value(item)?);
                compare(&low, &value)?.is_le() && compare(&value, &high)?.is_le()
            }
            Self::In(value, list) => {
                let value = value.value(item)?;
                list.iter().any(|other| other.value(item).is_some_and(|other| other == value))
            }
            Self::HasType(value, name) => {
                let value = value.value(item)?;
                matches!(&*name.value(item)?, AttributeValue::S(name) if name == value.type_name())
            }
            Self::BeginsWith(value, prefix) => match (&*value.value(item)?, &*prefix.value(item)?) {
                (AttributeValue::S(value), AttributeValue::S(prefix)) => value.starts_with(prefix.as_str()),
                (AttributeValue::B(value), AttributeValue::B(prefix)) => value.starts_with(prefix),
                _ => false,
            },
            Self::Contains(whole, part) => {
                let (whole, part) = (whole.value(item)?, part.value(item)?);
                contains(&whole, &part)
            }
            Self::Exists(_) | Self::NotExists(_) | Self::Always => return None,
        })
    }
}

/// The order of two values, if they are both strings, numbers or binary.
pub(super) fn compare(one: &AttributeValue, two: &AttributeValue) -> Option<Ordering> {
    match (one, two) {
        (AttributeValue::S(one), AttributeValue::S(two)) => Some(one.cmp(two)),
        (AttributeValue::N(one), AttributeValue::N(two)) => Some(one.cmp(two)),
        (AttributeValue::B(one), AttributeValue::B(two)) => Some(one.cmp(two)),
        _ => None,
    }
}

/// What `size` gives for a value; numbers, booleans and null have no size.
///
/// A string's size is its number of UTF-16 code units, as measured on DynamoDB (ExtendDB issue 60, 2026-05-21).
pub(super) fn size(value: &AttributeValue) -> Option<AttributeValue> {
    let size = match value {
        AttributeValue::S(text) => text.encode_utf16().count(),
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::SS(set) => set.len(),
        AttributeValue::NS(set) => set.len(),
        AttributeValue::BS(set) => set.len(),
        AttributeValue::M(map) => map.len(),
        AttributeValue::L(list) => list.len(),
        AttributeValue::N(_) | AttributeValue::Null | AttributeValue::Bool(_) => return None,
    };
    Some(AttributeValue::N(Number::from(i64::try_from(size).unwrap_or(i64::MAX))))
}

/// Whether `whole` has `part` as its element, or within its text or bytes.
pub(super) fn contains(whole: &AttributeValue, part: &AttributeValue) -> bool {
    match (whole, part) {
        (AttributeValue::S(whole), AttributeValue::S(part)) => whole.contains(part.as_str()),
        (AttributeValue::B(whole), AttributeValue::B(part)) => {
            part.is_empty() || whole.windows(part.len()).any(|window| window == part.as_slice())
        }
        (AttributeValue::SS(set), AttributeValue::S(element)) => set.binary_search(element).is_ok(),
        (AttributeValue::NS(set), AttributeValue::N(element)) => set.binary_search(element).is_ok(),
        (AttributeValue::BS(set), AttributeValue::B(element)) => set.binary_search(element).is_ok(),
        (AttributeValue::L(list), element) => list.contains(element),
        _ => false,
    }
}
