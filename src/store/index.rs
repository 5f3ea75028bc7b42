//! Secondary indexes: which entry an item has in an index, what the index shows of it, what changes when it changes.
//!
//! Entries hold keys only, those of vector indexes the vector, too (`vector`). What an index projects is taken from the row when
//! it is read, in the same snapshot, so an item with twenty indexes costs twenty small entries and not twenty copies.

use super::{Index, IndexDefinition, IndexStatus, Key, KeySchema, Projection, Table};
use crate::item::{AttributeValue, Item, Name};

/// Longest partition key value, in bytes.
pub const MAX_PARTITION_KEY: usize = 2048;
/// Longest sort key value, in bytes.
pub const MAX_SORT_KEY: usize = 1024;

impl Index {
    pub(super) fn new(id: u32, definition: &IndexDefinition, status: IndexStatus) -> Self {
        Self {
            id,
            name: definition.name.clone(),
            kind: definition.kind,
            key: definition.key.clone(),
            projection: definition.projection.clone(),
            status,
            throughput: definition.throughput,
            capacity: definition.capacity.clone(),
            vector: definition.vector.clone(),
        }
    }

    /// The item's key in this index; `None` when the item is not in it: an attribute is missing, of another type,
    /// empty, or longer than a key may be (such items can predate the index; newer ones are refused by `api`).
    pub(super) fn key_of(&self, item: &Item) -> Option<Key> {
        let key = Key::of(&self.key, item)?;
        let fits = |values: &[AttributeValue], most: usize| {
            let lengths = values.iter().map(key_length);
            lengths.clone().all(|length| length > 0) && lengths.sum::<usize>() <= most
        };
        (fits(&key.partition, MAX_PARTITION_KEY) && fits(&key.sort, MAX_SORT_KEY)).then_some(key)
    }

    /// What the index shows of an item.
    pub(super) fn project(&self, table_key: &KeySchema, item: Item) -> Item {
        match &self.projection {
            Projection::All => item,
            Projection::KeysOnly => self.pick(table_key, &[], item),
            Projection::Include(names) => self.pick(table_key, names, item),
        }
    }

    fn pick(&self, table_key: &KeySchema, included: &[String], item: Item) -> Item {
        item.into_iter().filter(|(name, _)| self.shows(table_key, included, name)).collect()
    }

    fn shows(&self, table_key: &KeySchema, included: &[String], name: &str) -> bool {
        self.key.contains(name)
            || table_key.contains(name)
            || included.iter().any(|other| other == name)
            || self.vector.as_ref().is_some_and(|settings| settings.shows(name))
    }

    /// Whether the index shows the same of both items.
    pub(super) fn shows_same(&self, table_key: &KeySchema, old: &Item, new: &Item) -> bool {
        let included: &[String] = match &self.projection {
            Projection::All => return old == new,
            Projection::KeysOnly => &[],
            Projection::Include(names) => names,
        };
        let shown = |(name, _): &(&Name, &AttributeValue)| self.shows(table_key, included, name);
        old.iter().filter(shown).eq(new.iter().filter(shown))
    }

    /// Bytes, by the item-size rule, of what the index shows of `item`, whose own size is `item_size`; a vector counts as the
    /// 32-bit floats it is here.
    pub(super) fn projected_size(&self, table_key: &KeySchema, item: &Item, item_size: usize) -> usize {
        let size = match &self.projection {
            Projection::All => item_size,
            Projection::KeysOnly => self.picked_size(table_key, &[], item),
            Projection::Include(names) => self.picked_size(table_key, names, item),
        };
        match &self.vector {
            None => size,
            Some(settings) => {
                let own = item.get(&settings.attribute).map_or(0, AttributeValue::size);
                size.saturating_sub(own) + settings.size()
            }
        }
    }

    fn picked_size(&self, table_key: &KeySchema, included: &[String], item: &Item) -> usize {
        item.iter()
            .filter(|(name, _)| self.shows(table_key, included, name))
            .map(|(name, value)| name.len() + value.size())
            .sum()
    }
}

impl Table {
    /// The key attributes that name an item of `index` (or of the table) to a page's next request.
    pub(super) fn start_key(&self, index: Option<&Index>, item: &Item) -> Item {
        let mut names: Vec<&str> = self.key.attributes().map(|attribute| attribute.name.as_str()).collect();
        if let Some(index) = index {
            names.extend(index.key.attributes().map(|attribute| attribute.name.as_str()));
        }
        names.into_iter().filter_map(|name| item.get(name).map(|value| (name.into(), value.clone()))).collect()
    }
}

fn key_length(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.len(),
        other => other.size(),
    }
}
