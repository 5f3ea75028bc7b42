//! Writes that the commit stamps, kept until then.
//!
//! The client would take them at once, and then call more unreadable than the contract does: also the keys stamped with
//! the transaction's own read version. So they wait here, while the buffer says what is unreadable, and go to the client
//! last, unless something written after them covers them.
//!
//! Invariant: offsets were checked. It must not know what was read.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};

use ::foundationdb as client;
use client::options::MutationType;

use crate::kv::ranges::{KeyRange, RangeSet, after_key};
use crate::kv::{Bytes, Versionstamp};

struct StampedKey {
    key: Vec<u8>,
    offset: usize,
    value: Bytes,
    /// Every key that it may become.
    range: KeyRange,
    /// What was written after it.
    covered: RangeSet,
}

struct StampedValue {
    value: Vec<u8>,
    offset: usize,
    added: Option<i64>,
}

/// The stamped writes of one transaction.
#[derive(Default)]
pub(super) struct StampedWrites {
    keys: Vec<StampedKey>,
    values: BTreeMap<Bytes, StampedValue>,
}

fn stamped_with(key: &[u8], offset: usize, stamp: Versionstamp) -> Vec<u8> {
    let mut key = key.to_vec();
    for (place, byte) in key.iter_mut().skip(offset).zip(stamp.as_bytes()) {
        *place = *byte;
    }
    key
}

/// What the C API takes: the bytes, then the place of the stamp in four.
fn with_offset(mut bytes: Vec<u8>, offset: usize) -> Vec<u8> {
    // No key or value is so long that its offset would not fit.
    bytes.extend_from_slice(&u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes());
    bytes
}

impl StampedWrites {
    pub(super) fn set_key(&mut self, key: Vec<u8>, offset: usize, value: Bytes) {
        let begin = Bytes::from(stamped_with(&key, offset, Versionstamp::MIN));
        let end = after_key(&stamped_with(&key, offset, Versionstamp::MAX));
        self.keys.push(StampedKey { key, offset, value, range: (begin, end), covered: RangeSet::default() });
    }

    pub(super) fn set_value(&mut self, key: &[u8], value: Vec<u8>, offset: usize) {
        self.values.insert(Bytes::from(key), StampedValue { value, offset, added: None });
    }

    /// Adds to a stamped value, if `key` has one.
    pub(super) fn add(&mut self, key: &[u8], delta: i64) -> bool {
        let Some(stamped) = self.values.get_mut(key) else { return false };
        stamped.added = Some(stamped.added.unwrap_or(0).wrapping_add(delta));
        true
    }

    /// Notes that `key` was written by other means.
    pub(super) fn cover_key(&mut self, key: &[u8]) {
        self.values.remove(key);
    }

    /// Notes that a range was cleared.
    pub(super) fn cover(&mut self, begin: &[u8], end: &[u8]) {
        let gone: Vec<Bytes> =
            self.values.range::<[u8], _>((Included(begin), Excluded(end))).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.values.remove(&key);
        }
        for stamped in &mut self.keys {
            stamped.covered.insert(begin, end);
        }
    }

    /// Hands everything to the client. A stamped key stays away if wherever it may fall was cleared after it; where only
    /// a part was, nobody knows before the commit, and it is written.
    pub(super) fn write_to(self, transaction: &client::Transaction) {
        for (key, stamped) in self.values {
            let value = with_offset(stamped.value, stamped.offset);
            transaction.atomic_op(&key, &value, MutationType::SetVersionstampedValue);
            if let Some(added) = stamped.added {
                transaction.atomic_op(&key, &added.to_le_bytes(), MutationType::Add);
            }
        }
        for stamped in self.keys {
            let (begin, end) = &stamped.range;
            if !stamped.covered.gaps(begin, end).is_empty() {
                let key = with_offset(stamped.key, stamped.offset);
                transaction.atomic_op(&key, &stamped.value, MutationType::SetVersionstampedKey);
            }
        }
    }
}
