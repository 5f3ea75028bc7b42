//! Document paths: a top-level attribute and the steps below it; how they read and change an item, and how two of
//! them get in each other's way.
//!
//! Paths come from the parser, which bounds their length by `MAX_LEVELS`.

use std::fmt;

use crate::error::Error;
use crate::item::{AttributeValue, Item, Name};

/// Longest path: its top-level attribute and 31 steps, as deep as an item can be.
pub(super) const MAX_LEVELS: usize = crate::item::MAX_DEPTH;

/// Largest list index that DynamoDB takes. Source: measured on DynamoDB in us-east-1, 2026-09-05 (floci issue 3073).
pub(super) const MAX_INDEX: u32 = u32::MAX - 1;

/// One step of a document path below its top-level attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    Key(Name),
    Index(u32),
}

/// A document path with its placeholders already replaced: `a.b[0].c`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    pub root: Name,
    pub rest: Vec<Element>,
}

/// As DynamoDB writes paths in its messages: `[a, b, [0], c]`.
impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}", self.root)?;
        for element in &self.rest {
            match element {
                Element::Key(name) => write!(formatter, ", {name}")?,
                Element::Index(at) => write!(formatter, ", [{at}]")?,
            }
        }
        formatter.write_str("]")
    }
}

impl Path {
    /// The path of a top-level attribute.
    pub fn top_level(name: impl Into<Name>) -> Self {
        Self { root: name.into(), rest: Vec::new() }
    }

    pub const fn is_top_level(&self) -> bool {
        self.rest.is_empty()
    }

    /// The value the path leads to in `item`, if there is one.
    pub fn get<'i>(&self, item: &'i Item) -> Option<&'i AttributeValue> {
        self.rest.iter().try_fold(item.get(&self.root)?, |value, element| match (value, element) {
            (AttributeValue::M(map), Element::Key(name)) => map.get(name),
            (AttributeValue::L(list), Element::Index(at)) => list.get(*at as usize),
            _ => None,
        })
    }

    /// The place the path leads to, which may be empty but whose parent must be there and fit: a map for a name, a
    /// list for an index.
    pub(super) fn place<'p, 'i>(&'p self, item: &'i mut Item) -> Option<Place<'p, 'i>> {
        let Some((last, parents)) = self.rest.split_last() else { return Some(Place::Attribute(item, &self.root)) };
        let parent = parents.iter().try_fold(item.get_mut(&self.root)?, |value, element| match (value, element) {
            (AttributeValue::M(map), Element::Key(name)) => map.get_mut(name),
            (AttributeValue::L(list), Element::Index(at)) => list.get_mut(*at as usize),
            _ => None,
        })?;
        match (parent, last) {
            (AttributeValue::M(map), Element::Key(name)) => Some(Place::Attribute(map, name)),
            (AttributeValue::L(list), Element::Index(at)) => Some(Place::Element(list, *at as usize)),
            _ => None,
        }
    }

    /// How `self` and `other` get in each other's way, if they do.
    fn clash(&self, other: &Self) -> Option<Clash> {
        if self.root != other.root {
            return None;
        }
        for pair in self.rest.iter().zip(&other.rest) {
            match pair {
                (Element::Key(_), Element::Index(_)) | (Element::Index(_), Element::Key(_)) => {
                    return Some(Clash::Conflict);
                }
                (one, two) if one != two => return None,
                _ => {}
            }
        }
        Some(Clash::Overlap)
    }
}

/// Where a path ends: an attribute of an item or map, or an element of a list.
pub(super) enum Place<'p, 'i> {
    Attribute(&'i mut Item, &'p Name),
    Element(&'i mut Vec<AttributeValue>, usize),
}

impl Place<'_, '_> {
    /// Puts `value` there, after the last element if the list is shorter.
    pub fn set(self, value: AttributeValue) {
        match self {
            Self::Attribute(map, name) => {
                map.insert(name.clone(), value);
            }
            Self::Element(list, at) => match list.get_mut(at) {
                Some(place) => *place = value,
                None => list.push(value),
            },
        }
    }

    /// Takes away what is there, if anything; later elements of a list move up.
    pub fn remove(self) {
        match self {
            Self::Attribute(map, name) => {
                map.remove(name);
            }
            Self::Element(list, at) => {
                if at < list.len() {
                    list.remove(at);
                }
            }
        }
    }

    /// Whether a value would be appended to a list.
    pub fn is_past_end(&self) -> bool {
        matches!(self, Self::Element(list, at) if *at >= list.len())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clash {
    /// One path is the other or leads through it.
    Overlap,
    /// One path takes for a list what the other takes for a map.
    Conflict,
}

/// The first two of `paths`, in the order of the expression, that get in each other's way, as DynamoDB reports them.
pub(super) fn clash(paths: &[&Path]) -> Option<String> {
    if paths.len() < 2 {
        return None;
    }
    // Among sorted paths, those that clash with any lie next to one another: a path comes right before what it leads
    // to, and below one parent names come before indexes. So the usual case needs no comparison of all with all.
    let mut sorted = paths.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().zip(sorted.iter().skip(1)).any(|(one, two)| one.clash(two).is_some()) {
        return None;
    }
    paths.iter().enumerate().find_map(|(at, two)| {
        paths.iter().take(at).find_map(|one| {
            let verb = match one.clash(two)? {
                Clash::Overlap => "overlap",
                Clash::Conflict => "conflict",
            };
            Some(format!(
                "Two document paths {verb} with each other; must remove or rewrite one of these paths; path one: {one}, \
                 path two: {two}"
            ))
        })
    })
}

/// DynamoDB's refusal to update below something that is not there or not of the right kind.
pub(super) fn invalid_for_update() -> Error {
    Error::validation("The document path provided in the update expression is invalid for update")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(root: &str, rest: &[&str]) -> Path {
        let element = |text: &&str| text.parse().map_or_else(|_| Element::Key((*text).into()), Element::Index);
        Path { root: root.into(), rest: rest.iter().map(element).collect() }
    }

    #[test]
    fn paths_print_as_in_messages() {
        assert_eq!(path("a", &["b", "0", "c"]).to_string(), "[a, b, [0], c]");
    }

    #[test]
    fn clashes_are_found_in_the_order_of_the_expression() {
        let report = |paths: &[Path]| clash(&paths.iter().collect::<Vec<_>>());
        let overlap = |one: &str, two: &str| {
            Some(format!(
                "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: {one}, \
                 path two: {two}"
            ))
        };
        assert_eq!(report(&[path("a", &["b"]), path("a", &["c"]), path("b", &[]), path("a", &["bb"])]), None);
        assert_eq!(report(&[path("z", &[]), path("a", &["b"]), path("a", &[])]), overlap("[a, b]", "[a]"));
        assert_eq!(report(&[path("a", &["0"]), path("b", &[]), path("a", &["0"])]), overlap("[a, [0]]", "[a, [0]]"));
        assert_eq!(
            report(&[path("a", &["b", "x"]), path("a", &["c"]), path("a", &["0"]), path("a", &["1"])]).as_deref(),
            Some(
                "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: \
                 [a, b, x], path two: [a, [0]]"
            )
        );
    }
}
