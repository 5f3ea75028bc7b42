//! Query and Scan: pages of items in key order, of a table or an index.

use crate::item::{AttributeValue, Item};
use super::table::*;

/// A condition on the last sort attribute given; earlier ones are in `SortCondition::equal`.
#[derive(Clone, Debug, PartialEq)]
pub enum SortBound {
    Any,
    Equal(AttributeValue),
    Less(AttributeValue),
    LessOrEqual(AttributeValue),
    Greater(AttributeValue),
    GreaterOrEqual(AttributeValue),
    Between(AttributeValue, AttributeValue),
    BeginsWith(AttributeValue),
}

/// Where a page starts: just behind this item. `index` is the item's index key when an index is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Start { pub table: Key, pub index: Option<Key> }

/// What of an indexed item is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// What the index projects.
    Projected,
    /// The whole item (an LSI may ask for it).
    Whole,
}

#[derive(Clone, Debug)]
pub struct Query<'a> {
    pub table: &'a Table,
    pub index: Option<&'a Index>,
    pub partition: &'a [AttributeValue],
    /// Equal conditions on leading sort attributes (multi-attribute keys; empty on tables).
    pub sort_equal: &'a [AttributeValue],
    pub sort: &'a SortBound,
    pub forward: bool,
    pub start: Option<&'a Start>,
    /// Most items evaluated (before the filter).
    pub limit: Option<usize>,
    pub fetch: Fetch,
}

#[derive(Clone, Debug)]
pub struct Scan<'a> {
    pub table: &'a Table,
    pub index: Option<&'a Index>,
    /// (segment, total segments)
    pub segment: Option<(u32, u32)>,
    pub start: Option<&'a Start>,
    pub limit: Option<usize>,
    pub fetch: Fetch,
}

/// One page: at most 1 MB evaluated.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub items: Vec<Item>,
    /// Items evaluated, before the filter.
    pub scanned_count: usize,
    /// Their bytes: what capacity is charged for.
    pub scanned_bytes: usize,
    /// The key attributes to start the next page behind (table key, and index key for an index); `None` at the end.
    pub last: Option<Item>,
}
