//! A set of keys held as disjoint ranges: what a transaction cleared, and what it can no longer read.
//!
//! Invariant: ranges are not empty, do not touch each other, and are found by where they begin.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};

use super::Bytes;

/// A range of keys, from the first (inclusive) to the second (exclusive).
pub(super) type KeyRange = (Bytes, Bytes);

/// The first key after `key`.
pub(super) fn after_key(key: &[u8]) -> Bytes {
    key.iter().copied().chain([0]).collect()
}

#[derive(Debug, Default)]
pub(super) struct RangeSet(BTreeMap<Bytes, Bytes>);

impl RangeSet {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.0.iter()
    }

    pub(super) fn into_ranges(self) -> impl Iterator<Item = KeyRange> {
        self.0.into_iter()
    }

    /// The last range that begins before `key`.
    fn before(&self, key: &[u8]) -> Option<(&Bytes, &Bytes)> {
        self.0.range::<[u8], _>((Unbounded, Excluded(key))).next_back()
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        !self.is_empty() && (self.0.contains_key(key) || self.before(key).is_some_and(|(_, end)| **end > *key))
    }

    pub(super) fn intersects(&self, begin: &[u8], end: &[u8]) -> bool {
        begin < end && self.before(end).is_some_and(|(_, range_end)| **range_end > *begin)
    }

    pub(super) fn insert(&mut self, begin: &[u8], end: &[u8]) {
        if begin >= end {
            return;
        }
        let (mut low, mut high) = (Bytes::from(begin), Bytes::from(end));
        // Ranges that overlap or touch become part of the new one, from the last backwards.
        while let Some((range_begin, range_end)) = self.last_from(&low, &high) {
            self.0.remove(&range_begin);
            low = low.min(range_begin);
            high = high.max(range_end);
        }
        self.0.insert(low, high);
    }

    /// The last range that overlaps or touches the one from `low` to `high`.
    fn last_from(&self, low: &Bytes, high: &Bytes) -> Option<KeyRange> {
        let (begin, end) = self.0.range::<[u8], _>((Unbounded, Included(&**high))).next_back()?;
        (end >= low).then(|| (begin.clone(), end.clone()))
    }

    pub(super) fn remove(&mut self, begin: &[u8], end: &[u8]) {
        if begin >= end {
            return;
        }
        while let Some((range_begin, range_end)) = self.before(end).map(|(begin, end)| (begin.clone(), end.clone())) {
            if *range_end <= *begin {
                return;
            }
            self.0.remove(&range_begin);
            if *range_end > *end {
                self.0.insert(Bytes::from(end), range_end);
            }
            if *range_begin < *begin {
                self.0.insert(range_begin, Bytes::from(begin));
                return;
            }
        }
    }

    /// What lies from `begin` to `end` and in none of the ranges, in order.
    pub(super) fn gaps<'a>(&'a self, begin: &'a [u8], end: &'a [u8]) -> Vec<(&'a [u8], &'a [u8])> {
        let mut gaps = Vec::new();
        if begin >= end {
            return gaps;
        }
        let mut from = begin;
        if let Some((_, range_end)) = self.before(begin) {
            from = from.max(range_end);
        }
        if from < end {
            for (range_begin, range_end) in self.0.range::<[u8], _>((Included(begin), Excluded(end))) {
                if from < &**range_begin {
                    gaps.push((from, &**range_begin));
                }
                from = range_end;
            }
        }
        if from < end {
            gaps.push((from, end));
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Keys of one byte, so that a set of bytes is the model.
    #[test]
    fn a_range_set_behaves_as_the_set_of_its_keys() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut ranges, mut model) = (RangeSet::default(), BTreeSet::new());
            for _ in 0..60 {
                let (begin, end) = (random.u8(0..40), random.u8(0..40));
                if random.u8(0..3) > 0 {
                    ranges.insert(&[begin], &[end]);
                    model.extend(begin..end);
                } else {
                    ranges.remove(&[begin], &[end]);
                    model.retain(|key| !(begin..end).contains(key));
                }
                for key in 0..40 {
                    assert_eq!(ranges.contains(&[key]), model.contains(&key), "seed {seed}");
                }
                let (low, high) = (random.u8(0..40), random.u8(0..40));
                let any = (low..high).any(|key| model.contains(&key));
                assert_eq!(ranges.intersects(&[low], &[high]), any, "seed {seed}");
                let free: Vec<u8> =
                    ranges.gaps(&[low], &[high]).iter().flat_map(|(begin, end)| begin[0]..end[0]).collect();
                let expected: Vec<u8> = (low..high).filter(|key| !model.contains(key)).collect();
                assert_eq!(free, expected, "seed {seed}");
            }
            let kept: Vec<_> = ranges.iter().collect();
            assert!(kept.windows(2).all(|pair| pair[0].1 < pair[1].0), "ranges touch, seed {seed}");
        }
    }

    #[test]
    fn nothing_lies_between_a_key_and_the_key_after_it() {
        assert_eq!(&*after_key(b"a"), b"a\0");
        assert_eq!(&*after_key(b""), b"\0");
    }
}
