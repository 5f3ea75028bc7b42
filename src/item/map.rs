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

    /// A map from attributes in any order; of those with one name the last is kept.
    ///
    /// Sorts once, so that hostile orders cost no more than others.
    pub fn from_unsorted(mut attributes: Vec<(Name, AttributeValue)>) -> Self {
        let sorted = attributes.is_sorted_by(|(one, _), (two, _)| one < two);
        if !sorted {
            // Reversed, the last of each name comes first, and that is the one which `dedup` keeps.
            attributes.reverse();
            attributes.sort_by(|(one, _), (two, _)| one.cmp(two));
            attributes.dedup_by(|(later, _), (kept, _)| later == kept);
        }
        Self(attributes)
    }

    /// A map from attributes in the order of their names, each once; none from any others.
    pub fn from_sorted(attributes: Vec<(Name, AttributeValue)>) -> Option<Self> {
        attributes.is_sorted_by(|(one, _), (two, _)| one < two).then_some(Self(attributes))
    }

    pub fn remove(&mut self, name: &str) -> Option<AttributeValue> {
        let at = self.position(name).ok()?;
        Some(self.0.remove(at).1)
    }

    /// Keeps the attributes that `keep` says yes to.
    pub fn retain(&mut self, mut keep: impl FnMut(&Name, &mut AttributeValue) -> bool) {
        self.0.retain_mut(|(name, value)| keep(name, value));
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

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a Name, &'a AttributeValue);
    type IntoIter = std::iter::Map<
        std::slice::Iter<'a, (Name, AttributeValue)>,
        fn(&'a (Name, AttributeValue)) -> (&'a Name, &'a AttributeValue),
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl FromIterator<(Name, AttributeValue)> for Map {
    fn from_iter<T: IntoIterator<Item = (Name, AttributeValue)>>(pairs: T) -> Self {
        Self::from_unsorted(pairs.into_iter().collect())
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

    #[test]
    fn of_equal_names_the_last_is_kept() {
        let number = |value: i64| AttributeValue::N(value.into());
        let map: Map = [("b", 1), ("a", 2), ("b", 3), ("c", 4), ("b", 5)]
            .map(|(name, value)| (name.into(), number(value)))
            .into_iter()
            .collect();
        let found: Vec<_> = map.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(found, [("a", number(2)), ("b", number(5)), ("c", number(4))]);
    }

    #[test]
    fn retain_drops_the_others() {
        let mut map: Map = ["a", "b"].map(|name| (name.into(), AttributeValue::Null)).into_iter().collect();
        map.retain(|name, _| name == "b");
        assert_eq!(map.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b"]);
    }
}
