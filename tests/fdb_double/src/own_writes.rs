//! Where a transaction's own writes answer reads, whatever is stored: explicit read conflicts leave that out, as the
//! real client does.
//!
//! Invariant: the ranges neither meet nor overlap.

use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct OwnWrites(BTreeMap<Vec<u8>, Vec<u8>>);

pub(crate) fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

impl OwnWrites {
    pub(crate) fn insert(&mut self, begin: &[u8], end: &[u8]) {
        let (mut begin, mut end) = (begin.to_vec(), end.to_vec());
        // From the last range that begins within or before, back to the first that reaches it.
        while let Some((low, high)) = self.0.range(..=end.clone()).next_back() {
            if *high < begin {
                break;
            }
            let low = low.clone();
            if let Some(high) = self.0.remove(&low) {
                end = end.max(high);
            }
            begin = begin.min(low);
        }
        self.0.insert(begin, end);
    }

    /// The parts of a range that are not in here.
    pub(crate) fn gaps(&self, begin: &[u8], end: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut gaps = Vec::new();
        let mut from = begin.to_vec();
        let before = self.0.range(..begin.to_vec()).next_back();
        for (low, high) in before.into_iter().chain(self.0.range(begin.to_vec()..end.to_vec())) {
            if *low > from {
                gaps.push((from.clone(), low.clone()));
            }
            from = from.max(high.clone());
        }
        if from.as_slice() < end {
            gaps.push((from, end.to_vec()));
        }
        gaps
    }
}
