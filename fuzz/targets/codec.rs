//! Any bytes as a stored item, a stored value and a change record: nothing panics, and equal values have one encoding, so that what
//! can be read is written as it was.

#![no_main]

use fdyno::keyspace::{ItemReader, Record, decode_counter, decode_item, encode_item};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(item) = decode_item(bytes) {
        assert_eq!(encode_item(&item).expect("what was read"), bytes);
        let reader = ItemReader::new(bytes).expect("what was read");
        assert_eq!(reader.len(), item.len());
        for (name, value) in &item {
            assert_eq!(reader.get(name.as_str()).expect("what was read").as_ref(), Some(value));
        }
        assert_eq!(reader.decode_some(|_| true).expect("what was read"), item);
    }
    if let Ok(reader) = ItemReader::new(bytes) {
        drop(reader.get("a"));
        drop(reader.decode_some(|name| name.len() == 1));
    }
    if let Ok(record) = Record::decode(bytes) {
        let written = record.encode();
        let again = Record::decode(&written).expect("what was written");
        assert_eq!(again.encode(), written);
    }
    drop(decode_counter(bytes));
});
