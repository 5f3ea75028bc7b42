//! The keys of one table.
//!
//! ```text
//! <table> m 00                                               metadata version, 8 bytes
//! <table> m 01                                               definition, JSON
//! <table> m 02                                               what other services keep of the table, JSON
//! <table> m 03 <tag key>                                     tag: its value
//! <table> m 04 [<stream label>]                              resource policy of the table or of a stream, JSON
//! <table> n <index id u32> 00|01                             items, bytes: i64, little-endian, for atomic addition
//! <table> i <hash u64> <partition> [<sort>]                  row: see stored.rs
//! <table> x <index id u32> <hash u64> <partition>{0,4} <sort>{0,4} 30 <base partition> [<base sort>]     empty; of vectors: see vector.rs
//! <table> c <blob id 16> <chunk u16>                         up to 90,000 bytes of an item
//! <table> v <incarnation u16> <versionstamp 10> <user version u16>       change record: see record.rs
//! <table> l, o, s, m 05, m 06                                what is kept of the table's past: see history.rs
//!
//! partition, base partition, base sort     raw components          sort     ordered components     (tuple.rs)
//! hash                                     XXH3, 64 bits, of the partition components
//! ```
//!
//! The hash makes a Scan unordered, as on AWS, and its segments equal ranges. Tags tell partition from sort attributes,
//! so a key decodes without its schema. Raw components are not escaped: the worst entry (2048 + 1024 + 2048 + 1024 zeros)
//! stays far below FoundationDB's 10,000 bytes. Entries of equal index keys are ordered by the base key's bytes. The index of
//! a table's time to live has no partition and one sort key, the number that says when the item expires; one of vectors has at most one
//! partition attribute and no sort key.

use xxhash_rust::xxh3::xxh3_64;

use super::bytes::{Reader, corrupt};
use super::range::KeyRange;
use super::sort::SortCondition;
use super::tuple::{self, KeyValue, put_ordered, put_raw};
use super::{BlobId, IndexId, Position};
use crate::item::{AttributeValue, Number};
use crate::kv::{self, after_prefix};

pub(super) const METADATA: u8 = b'm';
const COUNTERS: u8 = b'n';
pub(super) const ITEMS: u8 = b'i';
pub(super) const LOG: u8 = b'l';
pub(super) const LOG_OF_ITEMS: u8 = b'o';
pub(super) const CHUNKS_OWNED_TWICE: u8 = b's';
const INDEXES: u8 = b'x';
const CHUNKS: u8 = b'c';
const RECORDS: u8 = b'v';

/// The primary key of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrimaryKey<'a> {
    pub partition: KeyValue<'a>,
    pub sort: Option<KeyValue<'a>>,
}

/// An entry of an index: the index's own key, and the item it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexKey<'a> {
    /// One to four values; none in the index of a time to live, and in one of vectors without a partition key.
    pub partition: &'a [KeyValue<'a>],
    /// None to four values.
    pub sort: &'a [KeyValue<'a>],
    pub base: PrimaryKey<'a>,
}

/// A primary key read back from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedPrimaryKey {
    pub partition: AttributeValue,
    pub sort: Option<AttributeValue>,
}

/// An index entry read back from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedIndexKey {
    pub partition: Vec<AttributeValue>,
    pub sort: Vec<AttributeValue>,
    pub base: OwnedPrimaryKey,
}

impl OwnedPrimaryKey {
    /// The key, to build bytes from again.
    pub fn as_key(&self) -> kv::Result<PrimaryKey<'_>> {
        let scalar = |value| KeyValue::of(value).ok_or_else(|| corrupt("not a key's datatype"));
        Ok(PrimaryKey { partition: scalar(&self.partition)?, sort: self.sort.as_ref().map(scalar).transpose()? })
    }
}

/// What is counted per table and per index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    Items = 0,
    Bytes = 1,
}

/// A key that the store completes at commit: the ten bytes at `offset` become the versionstamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StampedKey {
    pub key: Vec<u8>,
    pub offset: usize,
}

/// The keys of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpace {
    prefix: Vec<u8>,
}

impl TableSpace {
    pub(super) const fn new(prefix: Vec<u8>) -> Self {
        Self { prefix }
    }

    pub(super) fn family(&self, family: u8, room: usize) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + 1 + room);
        key.extend_from_slice(&self.prefix);
        key.push(family);
        key
    }

    pub(super) fn open<'a>(&self, family: u8, key: &'a [u8]) -> kv::Result<Reader<'a>> {
        let mut reader = Reader::new(key);
        reader.expect(&self.prefix, "key outside its table")?;
        reader.expect(&[family], "key of another family")?;
        Ok(reader)
    }

    /// Everything, records and blobs included.
    pub fn everything(&self) -> KeyRange {
        KeyRange::prefix(self.prefix.clone())
    }

    /// What is swept of a deleted table while its stream lives on: all but change records and the blobs they point to, and
    /// the metadata, which goes at once. In the order of the keys.
    pub fn without_stream(&self) -> [KeyRange; 5] {
        [ITEMS, LOG, COUNTERS, LOG_OF_ITEMS, INDEXES].map(|family| KeyRange::prefix(self.family(family, 0)))
    }

    /// A key of this table without what all of them begin with: how a job remembers where it was.
    pub fn relative<'a>(&self, key: &'a [u8]) -> kv::Result<&'a [u8]> {
        key.strip_prefix(self.prefix.as_slice()).ok_or_else(|| corrupt("key outside its table"))
    }

    /// Inverse of [`TableSpace::relative`].
    pub fn absolute(&self, relative: &[u8]) -> Vec<u8> {
        [&self.prefix, relative].concat()
    }

    // Metadata and counters.

    /// Everything that is known of the table, and nothing that it holds.
    pub fn metadata(&self) -> KeyRange {
        KeyRange::prefix(self.family(METADATA, 0))
    }

    /// Read with conflict by every write: it changes whenever the definition does.
    pub fn metadata_version(&self) -> Vec<u8> {
        let mut key = self.family(METADATA, 1);
        key.push(0);
        key
    }

    pub fn definition(&self) -> Vec<u8> {
        let mut key = self.family(METADATA, 1);
        key.push(1);
        key
    }

    /// What other services keep of the table. It changes without the definition's version.
    pub fn services(&self) -> Vec<u8> {
        let mut key = self.family(METADATA, 1);
        key.push(2);
        key
    }

    /// Where the value of the tag called `name` lies.
    pub fn tag(&self, name: &str) -> Vec<u8> {
        let mut key = self.family(METADATA, 1 + name.len());
        key.push(3);
        key.extend_from_slice(name.as_bytes());
        key
    }

    /// All tags, in the order of their keys.
    pub fn tags(&self) -> KeyRange {
        KeyRange::prefix(self.tag(""))
    }

    pub fn parse_tag(&self, key: &[u8]) -> kv::Result<String> {
        let mut reader = self.open(METADATA, key)?;
        reader.expect(&[3], "not a tag")?;
        String::from_utf8(reader.rest().to_vec()).map_err(|_| corrupt("a tag's key is not UTF-8"))
    }

    /// The resource policy of the table, or of its stream called `label`.
    pub fn policy(&self, label: Option<&str>) -> Vec<u8> {
        let label = label.unwrap_or_default();
        let mut key = self.family(METADATA, 1 + label.len());
        key.push(4);
        key.extend_from_slice(label.as_bytes());
        key
    }

    pub fn counter(&self, index: IndexId, counter: Counter) -> Vec<u8> {
        let mut key = self.family(COUNTERS, 5);
        key.extend_from_slice(&index.0.to_be_bytes());
        key.push(counter as u8);
        key
    }

    /// Both counters of one index, or of the table.
    pub fn counters(&self, index: IndexId) -> KeyRange {
        let mut prefix = self.family(COUNTERS, 5);
        prefix.extend_from_slice(&index.0.to_be_bytes());
        KeyRange::prefix(prefix)
    }

    // Items.

    /// Where an item's row lies.
    pub fn item(&self, primary: PrimaryKey<'_>) -> Vec<u8> {
        let mut key = self.family(ITEMS, 96);
        put_partition(&mut key, &[primary.partition]);
        if let Some(sort) = primary.sort {
            put_ordered(&mut key, sort);
        }
        key
    }

    pub fn parse_item(&self, key: &[u8]) -> kv::Result<OwnedPrimaryKey> {
        let mut reader = self.open(ITEMS, key)?;
        reader.u64()?;
        let partition = tuple::read_raw(&mut reader)?;
        let sort = if reader.is_empty() { None } else { Some(tuple::read_ordered(&mut reader)?) };
        reader.finish()?;
        Ok(OwnedPrimaryKey { partition, sort })
    }

    pub fn items(&self) -> KeyRange {
        KeyRange::prefix(self.family(ITEMS, 0))
    }

    /// The items of one of `total` equal parts of the hashes; `segment` counts from 0.
    pub fn items_of_segment(&self, segment: u32, total: u32) -> KeyRange {
        segment_of(self.family(ITEMS, 8), segment, total)
    }

    /// The items of one partition whose sort key satisfies `condition`.
    pub fn items_of_partition(&self, partition: KeyValue<'_>, condition: SortCondition<'_>) -> KeyRange {
        let mut stem = self.family(ITEMS, 96);
        put_partition(&mut stem, &[partition]);
        condition.range_under(&stem)
    }

    // Index entries.

    fn index_family(&self, index: IndexId, room: usize) -> Vec<u8> {
        let mut key = self.family(INDEXES, 4 + room);
        key.extend_from_slice(&index.0.to_be_bytes());
        key
    }

    /// Where an index entry lies.
    pub fn index_entry(&self, index: IndexId, entry: IndexKey<'_>) -> Vec<u8> {
        let mut key = self.index_family(index, 160);
        put_partition(&mut key, entry.partition);
        for value in entry.sort {
            put_ordered(&mut key, *value);
        }
        key.push(tuple::BASE_KEY);
        put_raw(&mut key, entry.base.partition);
        if let Some(sort) = entry.base.sort {
            put_raw(&mut key, sort);
        }
        key
    }

    pub fn parse_index_entry(&self, key: &[u8]) -> kv::Result<(IndexId, OwnedIndexKey)> {
        let mut reader = self.open(INDEXES, key)?;
        let index = IndexId(reader.u32()?);
        reader.u64()?;
        let mut partition = Vec::with_capacity(1);
        while tuple::is_raw(&reader) {
            partition.push(tuple::read_raw(&mut reader)?);
        }
        let mut sort = Vec::with_capacity(1);
        while tuple::is_ordered(&reader) {
            sort.push(tuple::read_ordered(&mut reader)?);
        }
        reader.expect(&[tuple::BASE_KEY], "index entry without base key")?;
        let base_partition = tuple::read_raw(&mut reader)?;
        let base_sort = if reader.is_empty() { None } else { Some(tuple::read_raw(&mut reader)?) };
        reader.finish()?;
        let base = OwnedPrimaryKey { partition: base_partition, sort: base_sort };
        Ok((index, OwnedIndexKey { partition, sort, base }))
    }

    /// Every entry of every index.
    pub fn indexes(&self) -> KeyRange {
        KeyRange::prefix(self.family(INDEXES, 0))
    }

    pub fn index_entries(&self, index: IndexId) -> KeyRange {
        KeyRange::prefix(self.index_family(index, 0))
    }

    /// The entries of one of `total` equal parts of the hashes; `segment` counts from 0.
    pub fn index_entries_of_segment(&self, index: IndexId, segment: u32, total: u32) -> KeyRange {
        segment_of(self.index_family(index, 8), segment, total)
    }

    /// The entries of one index partition whose first sort attributes equal `equal` and whose next one satisfies
    /// `condition`.
    pub fn index_entries_of_partition(
        &self,
        index: IndexId,
        partition: &[KeyValue<'_>],
        equal: &[KeyValue<'_>],
        condition: SortCondition<'_>,
    ) -> KeyRange {
        let mut stem = self.index_family(index, 96);
        put_partition(&mut stem, partition);
        for value in equal {
            put_ordered(&mut stem, *value);
        }
        condition.range_under(&stem)
    }

    /// The entry of an item that expires at `expires`, in the index of a time to live.
    pub fn expiry(&self, index: IndexId, expires: Number, base: PrimaryKey<'_>) -> Vec<u8> {
        self.index_entry(index, IndexKey { partition: &[], sort: &[KeyValue::N(expires)], base })
    }

    /// The entries of the items that expire after `after` and no later than `until`, in that order.
    pub fn expiries(&self, index: IndexId, after: Number, until: Number) -> KeyRange {
        let of = |condition| self.index_entries_of_partition(index, &[], &[], condition);
        let begin = of(SortCondition::Greater(KeyValue::N(after))).begin;
        KeyRange::new(begin, of(SortCondition::LessOrEqual(KeyValue::N(until))).end)
    }

    // Chunks of large items.

    pub fn chunk(&self, blob: BlobId, chunk: u16) -> Vec<u8> {
        let mut key = self.family(CHUNKS, 18);
        key.extend_from_slice(&blob.0);
        key.extend_from_slice(&chunk.to_be_bytes());
        key
    }

    /// All chunks of one blob, in order.
    pub fn blob(&self, blob: BlobId) -> KeyRange {
        let mut prefix = self.family(CHUNKS, 18);
        prefix.extend_from_slice(&blob.0);
        KeyRange::prefix(prefix)
    }

    pub fn blobs(&self) -> KeyRange {
        KeyRange::prefix(self.family(CHUNKS, 0))
    }

    pub fn parse_chunk(&self, key: &[u8]) -> kv::Result<(BlobId, u16)> {
        let mut reader = self.open(CHUNKS, key)?;
        let parsed = (BlobId(reader.array()?), reader.u16()?);
        reader.finish()?;
        Ok(parsed)
    }

    // Change records.

    /// The key under which a commit writes a record: the store puts its versionstamp in.
    pub fn stamped_record(&self, incarnation: u16, user_version: u16) -> StampedKey {
        let mut key = self.family(RECORDS, Position::BYTES);
        key.extend_from_slice(&incarnation.to_be_bytes());
        let offset = key.len();
        key.extend_from_slice(&[0xFF; 10]);
        key.extend_from_slice(&user_version.to_be_bytes());
        StampedKey { key, offset }
    }

    pub fn record(&self, position: Position) -> Vec<u8> {
        let mut key = self.family(RECORDS, Position::BYTES);
        key.extend_from_slice(&position.to_bytes());
        key
    }

    pub fn parse_record(&self, key: &[u8]) -> kv::Result<Position> {
        let mut reader = self.open(RECORDS, key)?;
        let position = Position::from_bytes(reader.array()?);
        reader.finish()?;
        Ok(position)
    }

    /// The records from `from` on and, if `until` is given, before it.
    pub fn records(&self, from: Position, until: Option<Position>) -> KeyRange {
        let end = until.map_or_else(|| after_prefix(&self.family(RECORDS, 0)), |until| self.record(until));
        let begin = self.record(from);
        KeyRange::new(begin.clone(), end.max(begin))
    }

    pub fn all_records(&self) -> KeyRange {
        KeyRange::prefix(self.family(RECORDS, 0))
    }
}

/// Appends the hash of the partition's components, and the components.
fn put_partition(key: &mut Vec<u8>, partition: &[KeyValue<'_>]) {
    let start = key.len();
    key.extend_from_slice(&[0; 8]);
    for value in partition {
        put_raw(key, *value);
    }
    let hash = xxh3_64(key.get(start + 8..).unwrap_or_default());
    if let Some(place) = key.get_mut(start..start + 8) {
        place.copy_from_slice(&hash.to_be_bytes());
    }
}

/// The part of the keys under `stem` whose hashes lie in one of `total` equal parts.
fn segment_of(stem: Vec<u8>, segment: u32, total: u32) -> KeyRange {
    // The bound below segment n of N is n × 2^64 / N; the one above the last is the end of all hashes.
    let bound = |segment: u32| -> Option<u64> {
        let scaled = u128::from(segment) << 64;
        u64::try_from(scaled.checked_div(u128::from(total))?).ok()
    };
    let key = |hash: u64| {
        let mut key = stem.clone();
        key.extend_from_slice(&hash.to_be_bytes());
        key
    };
    let end = after_prefix(&stem);
    let begin = bound(segment).map_or_else(|| end.clone(), key);
    let until = bound(segment.saturating_add(1)).map_or(end, key);
    KeyRange::new(begin, until)
}

/// A counter's value, or a step to add to it.
pub fn encode_counter(value: i64) -> [u8; 8] {
    value.to_le_bytes()
}

pub fn decode_counter(value: &[u8]) -> kv::Result<i64> {
    value.try_into().map(i64::from_le_bytes).map_err(|_| corrupt("counter of another length"))
}

#[cfg(test)]
mod tests;
