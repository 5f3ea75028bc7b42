//! Attributes sorted by name in one vector: smaller and quicker than a tree at the sizes items have.

use super::{AttributeValue, Name};

/// Attribute names to values, sorted by the names' UTF-8 bytes, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map(Vec<(Name, AttributeValue)>);

impl Map {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }

    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.position(name).ok().and_then(|at| self.0.get(at)).map(|(_, value)| value)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut AttributeValue> {
        let at = self.position(name).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_ok()
    }

    /// Sets `name` to `value` and gives back what it replaced.
    pub fn insert(&mut self, name: Name, value: AttributeValue) -> Option<AttributeValue> {
        // Appending in order is the common case: a stored item and most requests arrive sorted.
        match self.0.last() {
            Some((last, _)) if last.as_str() >= name.as_str() => {}
            _ => {
                self.0.push((name, value));
                return None;
            }
        }
        match self.position(&name) {
            Ok(at) => self.0.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                self.0.insert(at, (name, value));
                None
            }
        }
    }

    pub fn remove(&mut self, name: &str) -> Option<AttributeValue> {
        let at = self.position(name).ok()?;
        Some(self.0.remove(at).1)
    }

    /// In order of the names' UTF-8 bytes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Name, &AttributeValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl IntoIterator for Map {
    type Item = (Name, AttributeValue);
    type IntoIter = std::vec::IntoIter<(Name, AttributeValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(Name, AttributeValue)> for Map {
    fn from_iter<T: IntoIterator<Item = (Name, AttributeValue)>>(pairs: T) -> Self {
        let mut map = Self::new();
        for (name, value) in pairs {
            map.insert(name, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_sorted_and_single_however_they_arrive() {
        let mut map = Map::new();
        for name in ["b", "a", "c", "b"] {
            map.insert(name.into(), AttributeValue::S(name.to_owned()));
        }
        let names: Vec<&str> = map.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(map.insert("a".into(), AttributeValue::Null).is_some());
        assert_eq!(map.remove("a"), Some(AttributeValue::Null));
        assert_eq!(map.get("a"), None);
    }
}
