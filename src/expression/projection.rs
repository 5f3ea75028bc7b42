//! Projections.

use super::{Path, Substitutions};
use crate::error::Error;
use crate::item::{Item, Name};

/// The attributes and nested values that a read returns.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    paths: Vec<Path>,
}

impl Projection {
    pub fn parse(_text: &str, _substitutions: &mut Substitutions<'_>) -> Result<Self, Error> {
        todo!()
    }

    /// Top-level attributes only: AttributesToGet, or the attributes an index carries.
    pub fn from_names<I: IntoIterator<Item = T>, T: Into<Name>>(_names: I) -> Self {
        todo!()
    }

    pub fn apply(&self, _item: &Item) -> Item {
        todo!()
    }

    /// The names of the top-level attributes the projection reads, each once.
    pub fn roots(&self) -> impl Iterator<Item = &Name> {
        self.paths.iter().map(|path| &path.root)
    }
}
