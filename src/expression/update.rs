//! Updates.

use super::{Path, Substitutions};
use crate::error::Error;
use crate::item::{Item, Name};

/// A parsed UpdateExpression.
#[derive(Clone, Debug)]
pub struct Update {
    paths: Vec<Path>,
}

impl Update {
    pub fn parse(_text: &str, _substitutions: &mut Substitutions<'_>) -> Result<Self, Error> {
        todo!()
    }

    /// The item after the update. `old` is what is stored; without it the update starts from `key`, the key attributes.
    pub fn apply(&self, _old: Option<&Item>, _key: &Item) -> Result<Item, Error> {
        todo!()
    }

    /// The top-level attributes the update writes to.
    pub fn touched(&self) -> impl Iterator<Item = &Name> {
        self.paths.iter().map(|path| &path.root)
    }

    /// ReturnValues UPDATED_OLD: the updated paths as they were.
    pub fn updated_old(&self, _old: Option<&Item>, _new: &Item) -> Item {
        todo!()
    }

    /// ReturnValues UPDATED_NEW: the updated paths as they are now.
    pub fn updated_new(&self, _old: Option<&Item>, _new: &Item) -> Item {
        todo!()
    }
}
