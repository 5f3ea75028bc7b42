//! Key conditions on sort keys as ranges of keys.

use super::range::{KeyRange, beyond};
use super::tuple::{KeyValue, put_escaped, put_ordered};
use crate::kv::after_prefix;

/// What a key condition asks of one sort key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortCondition<'a> {
    /// Nothing: everything under what is fixed already.
    Any,
    Equal(KeyValue<'a>),
    Less(KeyValue<'a>),
    LessOrEqual(KeyValue<'a>),
    Greater(KeyValue<'a>),
    GreaterOrEqual(KeyValue<'a>),
    /// Both ends belong to it.
    Between(KeyValue<'a>, KeyValue<'a>),
    /// Of a number no key begins with anything.
    BeginsWith(KeyValue<'a>),
}

impl SortCondition<'_> {
    /// The keys that begin with `stem`, which ends at a component's end, and whose next component satisfies the condition.
    pub(super) fn range_under(self, stem: &[u8]) -> KeyRange {
        let component = |value: KeyValue<'_>| {
            let mut key = stem.to_vec();
            put_ordered(&mut key, value);
            key
        };
        // The sort keys of one table have one type, so its tag bounds them.
        let tag = |value: KeyValue<'_>, step: u8| {
            let mut key = stem.to_vec();
            key.push(value.ordered_tag() + step);
            key
        };
        let (begin, end) = match self {
            Self::Any => return KeyRange::components_under(stem.to_vec()),
            Self::Equal(value) => (component(value), beyond(component(value))),
            Self::Less(value) => (tag(value, 0), component(value)),
            Self::LessOrEqual(value) => (tag(value, 0), beyond(component(value))),
            Self::Greater(value) => (beyond(component(value)), tag(value, 1)),
            Self::GreaterOrEqual(value) => (component(value), tag(value, 1)),
            Self::Between(low, high) => (component(low), beyond(component(high))),
            Self::BeginsWith(value) => {
                let mut begin = tag(value, 0);
                match value {
                    KeyValue::S(text) => put_escaped(&mut begin, text.as_bytes()),
                    KeyValue::B(bytes) => put_escaped(&mut begin, bytes),
                    KeyValue::N(_) => return KeyRange::new(begin.clone(), begin),
                }
                let end = after_prefix(&begin);
                (begin, end)
            }
        };
        // Between a high and a low value there is nothing, and engines refuse inverted ranges.
        let end = end.max(begin.clone());
        KeyRange::new(begin, end)
    }
}
