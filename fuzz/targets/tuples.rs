//! Any bytes as the keys of items, index entries, chunks and records: nothing panics, what can be read is written as it was, and
//! numbers and texts order as their keys do.

#![no_main]

use std::cmp::Ordering;
use std::sync::LazyLock;

use fdyno::item::AttributeValue;
use fdyno::keyspace::{IndexKey, KeyValue, Keyspace, OwnedPrimaryKey, TableId, TableSpace};
use libfuzzer_sys::fuzz_target;

static TABLE: LazyLock<TableSpace> = LazyLock::new(|| Keyspace::new(b"fuzz".to_vec()).table(TableId(7)));

/// What the keys of items, index entries, chunks and change records begin with, behind the table's prefix.
const FAMILIES: [u8; 4] = [b'i', b'x', b'c', b'v'];

fn item_key(rest: &[u8]) -> Vec<u8> {
    TABLE.absolute(&[b"i", rest].concat())
}

fn order(one: &AttributeValue, two: &AttributeValue) -> Option<Ordering> {
    match (one, two) {
        (AttributeValue::S(one), AttributeValue::S(two)) => Some(one.as_bytes().cmp(two.as_bytes())),
        (AttributeValue::N(one), AttributeValue::N(two)) => Some(one.cmp(two)),
        (AttributeValue::B(one), AttributeValue::B(two)) => Some(one.cmp(two)),
        _ => None,
    }
}

fn values(values: &[AttributeValue]) -> Vec<KeyValue<'_>> {
    values.iter().map(|value| KeyValue::of(value).expect("a key's value")).collect()
}

/// Keys of one partition order as their sort keys.
fn check_order(one: &OwnedPrimaryKey, two: &OwnedPrimaryKey) {
    let (Some(low), Some(high)) = (&one.sort, &two.sort) else { return };
    let Some(order) = order(low, high) else { return };
    let here = OwnedPrimaryKey { partition: one.partition.clone(), sort: Some(high.clone()) };
    let key = |primary: &OwnedPrimaryKey| TABLE.item(primary.as_key().expect("a key"));
    assert_eq!(key(one).cmp(&key(&here)), order, "{low:?} {high:?}");
}

fuzz_target!(|bytes: &[u8]| {
    for family in FAMILIES {
        let key = TABLE.absolute(&[&[family], bytes].concat());
        if let Ok(primary) = TABLE.parse_item(&key) {
            let written = TABLE.item(primary.as_key().expect("what was read"));
            // The hash is not read: it is what it must be in what is written.
            assert_eq!(TABLE.parse_item(&written).expect("what was written"), primary);
            assert_eq!(written.len(), key.len());
        }
        if let Ok((index, entry)) = TABLE.parse_index_entry(&key) {
            let (partition, sort) = (values(&entry.partition), values(&entry.sort));
            let base = entry.base.as_key().expect("what was read");
            let written = TABLE.index_entry(index, IndexKey { partition: &partition, sort: &sort, base });
            assert_eq!(TABLE.parse_index_entry(&written).expect("what was written"), (index, entry.clone()));
            assert_eq!(written.len(), key.len());
        }
        if let Ok((blob, chunk)) = TABLE.parse_chunk(&key) {
            assert_eq!(TABLE.chunk(blob, chunk), key);
        }
        if let Ok(position) = TABLE.parse_record(&key) {
            assert_eq!(TABLE.record(position), key);
        }
    }
    let (one, two) = bytes.split_at(bytes.len() / 2);
    if let (Ok(one), Ok(two)) = (TABLE.parse_item(&item_key(one)), TABLE.parse_item(&item_key(two))) {
        check_order(&one, &two);
        check_order(&two, &one);
    }
});
