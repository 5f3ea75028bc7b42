//! Conditions and filters.

use super::{Kind, Path, Substitutions};
use crate::error::Error;
use crate::item::Item;

/// A parsed ConditionExpression or FilterExpression.
#[derive(Clone, Debug)]
pub struct Condition {}

impl Condition {
    pub fn parse(_kind: Kind, _text: &str, _substitutions: &mut Substitutions<'_>) -> Result<Self, Error> {
        todo!()
    }

    /// Whether the condition holds for `item`; `None` is an item that does not exist, which has no attributes.
    pub fn matches(&self, _item: Option<&Item>) -> bool {
        todo!()
    }

    /// Every document path the condition reads, in order of appearance.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        std::iter::empty()
    }
}
