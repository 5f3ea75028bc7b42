//! Projections: which attributes and nested values a read returns.
//!
//! The paths of a projection form a tree, so that values are visited once however many paths lead below them, and
//! elements of a list come out in their order. The tree is at most `MAX_LEVELS` deep.

use super::parser::{Finding, Note, Parser};
use super::path::{Element, Path, clash};
use super::token::TokenKind;
use super::{Kind, Substitutions};
use crate::error::Error;
use crate::item::{AttributeValue, Item, Name};

/// The attributes and nested values that a read returns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    attributes: Vec<(Name, Node)>,
}

/// What is wanted of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Whole,
    /// Sorted by name.
    Attributes(Vec<(Name, Node)>),
    /// Sorted by index.
    Elements(Vec<(u32, Node)>),
}

impl Projection {
    pub fn parse(text: &str, substitutions: &mut Substitutions<'_>) -> Result<Self, Error> {
        let mut parser = Parser::new(Kind::Projection, text, substitutions)?;
        let mut paths = vec![parser.path()?];
        while parser.take(TokenKind::Comma) {
            paths.push(parser.path()?);
        }
        parser.expect(TokenKind::End)?;
        if let Some(message) = clash(&paths.iter().collect::<Vec<_>>()) {
            parser.note(Finding::Clash, || message);
        }
        parser.finish()?;
        Ok(Self::from_paths(&paths))
    }

    /// Top-level attributes only: AttributesToGet, or the attributes an index carries.
    pub fn from_names<I: IntoIterator<Item = T>, T: Into<Name>>(names: I) -> Self {
        let mut attributes: Vec<_> = names.into_iter().map(|name| (name.into(), Node::Whole)).collect();
        attributes.sort_unstable_by(|(one, _), (two, _)| one.cmp(two));
        attributes.dedup_by(|(one, _), (two, _)| one == two);
        Self { attributes }
    }

    /// The projection onto `paths`, none of which may clash with another.
    pub(super) fn from_paths<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let mut sorted: Vec<&Path> = paths.into_iter().collect();
        sorted.sort_unstable();
        let mut attributes: Vec<(Name, Node)> = Vec::with_capacity(sorted.len());
        for path in sorted {
            match attributes.last_mut() {
                Some((name, node)) if *name == path.root => node.add(&path.rest),
                _ => attributes.push((path.root.clone(), Node::of(&path.rest))),
            }
        }
        Self { attributes }
    }

    /// The part of `item` that the projection asks for. Lists and maps that hold nothing of it are left out.
    pub fn apply(&self, item: &Item) -> Item {
        pick_attributes(&self.attributes, item)
    }

    /// The names of the top-level attributes the projection reads, each once and sorted.
    pub fn roots(&self) -> impl Iterator<Item = &Name> {
        self.attributes.iter().map(|(name, _)| name)
    }
}

impl Node {
    fn of(rest: &[Element]) -> Self {
        match rest.split_first() {
            None => Self::Whole,
            Some((Element::Key(name), rest)) => Self::Attributes(vec![(name.clone(), Self::of(rest))]),
            Some((Element::Index(at), rest)) => Self::Elements(vec![(*at, Self::of(rest))]),
        }
    }

    /// Adds a path that comes after all those added before it.
    fn add(&mut self, rest: &[Element]) {
        match (self, rest.split_first()) {
            (Self::Attributes(attributes), Some((Element::Key(name), rest))) => match attributes.last_mut() {
                Some((last, node)) if last == name => node.add(rest),
                _ => attributes.push((name.clone(), Self::of(rest))),
            },
            (Self::Elements(elements), Some((Element::Index(at), rest))) => match elements.last_mut() {
                Some((last, node)) if last == at => node.add(rest),
                _ => elements.push((*at, Self::of(rest))),
            },
            // The whole is there already, or the path clashes: then what came first counts.
            _ => {}
        }
    }

    fn pick(&self, value: &AttributeValue) -> Option<AttributeValue> {
        match (self, value) {
            (Self::Whole, value) => Some(value.clone()),
            (Self::Attributes(attributes), AttributeValue::M(map)) => {
                let picked = pick_attributes(attributes, map);
                (!picked.is_empty()).then_some(AttributeValue::M(picked))
            }
            (Self::Elements(elements), AttributeValue::L(list)) => {
                let picked: Vec<_> =
                    elements.iter().filter_map(|(at, node)| node.pick(list.get(*at as usize)?)).collect();
                (!picked.is_empty()).then_some(AttributeValue::L(picked))
            }
            _ => None,
        }
    }
}

fn pick_attributes(attributes: &[(Name, Node)], map: &Item) -> Item {
    let mut picked = Item::with_capacity(attributes.len().min(map.len()));
    for (name, node) in attributes {
        if let Some(value) = map.get(name).and_then(|value| node.pick(value)) {
            picked.insert(name.clone(), value);
        }
    }
    picked
}
