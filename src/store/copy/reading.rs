//! Reading what a copy takes along, in bounded steps, and counting and hashing what was read.
//!
//! Both sides are read by the same rules, so equal readings are equal pairs. It must not know why anybody reads.

use super::{CopyError, STEP_BYTES, STEP_PAIRS, corrupt};
use crate::keyspace::{self, KeyRange, Keyspace};
use crate::kv::{self, RangeRead};

/// What was read of one side.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reading {
    pub pairs: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// BLAKE3 of lengths, keys and values in the order of the keys.
    pub checksum: [u8; 32],
    pub tables: u64,
}

impl std::fmt::Display for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} pairs with the checksum {}", self.pairs, self.checksum_text())
    }
}

impl Reading {
    /// The checksum in hexadecimal digits.
    pub fn checksum_text(&self) -> String {
        blake3::Hash::from_bytes(self.checksum).to_hex().to_string()
    }
}

/// What one step reads.
pub(super) struct Page {
    /// Keys are relative to the database.
    pub(super) pairs: Vec<(Vec<u8>, kv::Bytes)>,
    pub(super) bytes: u64,
    /// Where the next step begins, if there is more.
    pub(super) next: Option<Vec<u8>>,
}

/// Some of what a copy of this incarnation takes along, from `cursor` on.
pub(super) async fn read_step(
    keyspace: &Keyspace,
    incarnation: u16,
    transaction: &kv::Transaction,
    cursor: &[u8],
) -> Result<Page, kv::Error> {
    let begin = keyspace.absolute(cursor);
    let mut page = Page { pairs: Vec::new(), bytes: 0, next: None };
    let mut left = STEP_BYTES;
    for range in keyspace.copied(incarnation) {
        let range = KeyRange::new(range.begin.max(begin.clone()), range.end);
        if range.is_empty() {
            continue;
        }
        let (pairs, next) = (STEP_PAIRS.saturating_sub(page.pairs.len()), keyspace.relative(&range.begin)?.to_vec());
        if pairs == 0 || left == 0 {
            page.next = Some(next);
            return Ok(page);
        }
        let read = RangeRead::new(range.begin, range.end).snapshot().limited(pairs).byte_limited(left);
        let found = transaction.range(&read).await?;
        for pair in found.pairs {
            let key = keyspace.relative(&pair.key)?.to_vec();
            left = left.saturating_sub(pair.key.len() + pair.value.len());
            page.bytes += (key.len() + pair.value.len()) as u64;
            page.pairs.push((key, pair.value));
        }
        if found.more {
            let last = page.pairs.last().map(|(key, _)| keyspace::successor(key));
            page.next = Some(last.unwrap_or(next));
            return Ok(page);
        }
    }
    Ok(page)
}

/// One side while it is read a second time.
pub(super) struct Reader {
    /// Where reading goes on; none at the end.
    pub(super) cursor: Option<Vec<u8>>,
    /// Of a side that need not be read.
    known: Option<Reading>,
    hasher: blake3::Hasher,
    pairs: u64,
    bytes: u64,
    tables: u64,
}

impl Default for Reader {
    fn default() -> Self {
        Self { cursor: Some(Vec::new()), known: None, hasher: blake3::Hasher::new(), pairs: 0, bytes: 0, tables: 0 }
    }
}

impl Reader {
    /// Of a side of which it is known by other means that it is as it was read before.
    pub(super) fn known(reading: Reading) -> Self {
        Self { cursor: None, known: Some(reading), ..Self::default() }
    }

    pub(super) fn add(&mut self, keyspace: &Keyspace, page: Page) -> Result<(), CopyError> {
        let tables = keyspace.all_tables();
        for (key, value) in &page.pairs {
            for part in [&key[..], &value[..]] {
                let length = u32::try_from(part.len()).map_err(|_| corrupt("a pair beyond all limits"))?;
                self.hasher.update(&length.to_be_bytes());
                self.hasher.update(part);
            }
            self.tables += u64::from(tables.contains(&keyspace.absolute(key)));
        }
        self.pairs += page.pairs.len() as u64;
        self.bytes += page.bytes;
        self.cursor = page.next;
        Ok(())
    }

    pub(super) fn finish(self) -> Reading {
        if let Some(known) = self.known {
            return known;
        }
        let checksum = *self.hasher.finalize().as_bytes();
        Reading { pairs: self.pairs, bytes: self.bytes, checksum, tables: self.tables }
    }
}
