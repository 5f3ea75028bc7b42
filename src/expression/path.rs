//! Document paths: a top-level attribute and the steps below it.

use crate::item::{AttributeValue, Item, Name};

/// One step of a document path below its top-level attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    Key(Name),
    Index(usize),
}

/// A document path with its placeholders already replaced: `a.b[0].c`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    pub root: Name,
    pub rest: Vec<Element>,
}

impl Path {
    /// The path of a top-level attribute.
    pub fn top_level(name: impl Into<Name>) -> Self {
        Self { root: name.into(), rest: Vec::new() }
    }

    pub fn is_top_level(&self) -> bool {
        self.rest.is_empty()
    }

    /// The value the path leads to in `item`, if there is one.
    pub fn get<'i>(&self, item: &'i Item) -> Option<&'i AttributeValue> {
        self.rest.iter().try_fold(item.get(&self.root)?, |value, element| match (value, element) {
            (AttributeValue::M(map), Element::Key(name)) => map.get(name),
            (AttributeValue::L(list), Element::Index(at)) => list.get(*at),
            _ => None,
        })
    }
}
