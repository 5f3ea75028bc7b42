//! Half-open ranges of keys, and the positions "just after this key" in both directions.

use crate::kv::{RangeRead, after_prefix};

/// The keys from `begin` on and before `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    pub begin: Vec<u8>,
    pub end: Vec<u8>,
}

impl KeyRange {
    pub const fn new(begin: Vec<u8>, end: Vec<u8>) -> Self {
        Self { begin, end }
    }

    /// Every key that begins with `prefix`; of an empty prefix, every key of FoundationDB's user space.
    pub fn prefix(prefix: Vec<u8>) -> Self {
        let end = after_prefix(&prefix);
        Self { begin: prefix, end }
    }

    /// Every key that continues `stem`, which ends at a component's end, with more components or not at all. A prefix
    /// range would also hold keys whose last component is longer; see [`super::tuple`] for why 0xFF parts them.
    pub(super) fn components_under(stem: Vec<u8>) -> Self {
        let end = beyond(stem.clone());
        Self { begin: stem, end }
    }

    /// What is left for a reader going forward that has seen `key`, whether or not `key` still exists.
    #[must_use]
    pub fn after(mut self, key: &[u8]) -> Self {
        if self.begin.as_slice() <= key {
            self.begin = successor(key);
        }
        self
    }

    /// What is left for a reader going backward that has seen `key`, whether or not `key` still exists.
    #[must_use]
    pub fn before(mut self, key: &[u8]) -> Self {
        if self.end.as_slice() > key {
            self.end = key.to_vec();
        }
        self
    }

    /// The range as a read: serializable, forward and unlimited until told otherwise.
    pub fn into_read(self) -> RangeRead {
        RangeRead::new(self.begin, self.end)
    }

    /// Whether no key can lie in the range. Engines refuse a begin behind the end, so ask before reading.
    pub fn is_empty(&self) -> bool {
        self.begin >= self.end
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        self.begin.as_slice() <= key && key < self.end.as_slice()
    }
}

/// Above every key that continues `stem` with another component or not at all.
pub fn beyond(mut stem: Vec<u8>) -> Vec<u8> {
    stem.push(0xFF);
    stem
}

/// The least key above `key`.
pub fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xFE), Just(0xFF)], 0..5)
    }

    proptest! {
        #[test]
        fn a_prefix_range_holds_exactly_its_prefix(prefix in key(), other in key()) {
            // Nothing but 0xFF is the cluster's own.
            let prefix = [&[7], &prefix[..]].concat();
            let other = [&[7], &other[..]].concat();
            prop_assert_eq!(KeyRange::prefix(prefix.clone()).contains(&other), other.starts_with(&prefix));
        }

        #[test]
        fn after_and_before_leave_out_just_what_was_seen(seen in key(), other in key()) {
            let all = KeyRange::new(vec![], vec![0xFF; 9]);
            prop_assert_eq!(all.clone().after(&seen).contains(&other), other > seen);
            prop_assert_eq!(all.before(&seen).contains(&other), other < seen);
        }
    }

    #[test]
    fn a_start_outside_the_range_changes_nothing_in_front_and_empties_it_behind() {
        let range = KeyRange::new(vec![5], vec![9]);
        assert_eq!(range.clone().after(&[1]), range);
        assert!(range.clone().after(&[9]).is_empty());
        assert_eq!(range.clone().before(&[9, 9]), range);
        assert!(range.before(&[5]).is_empty());
    }
}
