//! The second proof: a stream replayed into an empty database makes the same table, to the byte.
//!
//! Rows, index entries and counts are compared as they are stored, without the table's number, which another database may
//! give differently. A row that lies in chunks names them by a random id, so of such rows the content is compared. The hidden
//! index of a time to live is compared like the others. The replica lets nothing expire: it is told what did.

use std::collections::BTreeMap;

use fdyno::api::{Operation, dispatch, json as protocol};
use fdyno::clock::{Clock, Timestamp};
use fdyno::keyspace::{BlobPointer, KeyRange, Keyspace, Stored, TableId, TableSpace, reassemble};
use fdyno::kv::{Database, RangeRead};
use fdyno::store::{Options, Store};
use futures_executor::block_on;
use serde_json::{Value as Json, json};

use crate::expiry;
use crate::house::{House, PREFIX, START_MILLIS};
use crate::journal::{TABLES, Table, add_index, create_table};
use crate::reader::Number;

/// How soon a time to live may be changed again.
const CHANGE_INTERVAL_MILLIS: i64 = 60 * 60 * 1000;

/// A row as it is compared: its size by the item-size rule, and the encoded item.
#[derive(Debug, PartialEq)]
enum Value {
    Raw(Vec<u8>),
    Row { is_blob: bool, size: usize, item: Vec<u8> },
}

fn call(store: &Store, operation: Operation, request: &Json) {
    let request = protocol::request(operation, request.to_string().as_bytes()).expect("a request");
    block_on(dispatch(store, &House::realm(), request)).expect("an answer");
}

fn pairs(database: &Database, mut range: KeyRange) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs = Vec::new();
    loop {
        let read = RangeRead::new(range.begin.clone(), range.end.clone()).limited(500);
        let page = block_on(database.begin().range(&read)).expect("a page");
        pairs.extend(page.pairs.iter().map(|pair| (pair.key.to_vec(), pair.value.to_vec())));
        match page.pairs.last() {
            Some(last) if page.more => range = range.after(&last.key),
            _ => return pairs,
        }
    }
}

fn read_blob(database: &Database, space: &TableSpace, pointer: &BlobPointer) -> Vec<u8> {
    let chunks = pairs(database, space.blob(pointer.id));
    let chunks = chunks.iter().map(|(key, value)| (space.parse_chunk(key).expect("a chunk").1, value));
    reassemble(pointer, chunks).expect("all chunks")
}

/// Everything that is stored of a table and is not its stream, by keys relative to the table.
fn stored(store: &Store, table: Table) -> BTreeMap<Vec<u8>, Value> {
    let definition = block_on(store.current_table(&House::realm(), TABLES[table])).expect("a table");
    let findings = block_on(store.check(&definition)).expect("a check");
    assert!(findings.is_empty(), "{findings:#?}");
    let space = Keyspace::new(PREFIX).table(TableId(definition.id));
    let database = store.database();
    let [items, others @ ..] = space.without_stream();
    let relative = |key: &[u8]| space.relative(key).expect("a key of the table").to_vec();
    let rows = pairs(database, items).into_iter().map(|(key, value)| {
        let row = match Stored::decode(&value).expect("a row") {
            Stored::Inline { size, item } => Value::Row { is_blob: false, size, item: item.to_vec() },
            Stored::Blob(pointer) => {
                Value::Row { is_blob: true, size: pointer.size, item: read_blob(database, &space, &pointer) }
            }
        };
        (relative(&key), row)
    });
    let others = others.into_iter().flat_map(|range| pairs(database, range));
    rows.chain(others.map(|(key, value)| (relative(&key), Value::Raw(value)))).collect()
}

/// Switches the time to live on as often as was tried in `store`, where it may have failed and been taken back: so the
/// index has the same number.
fn enable_expiry(store: &Store, replica: &Store) {
    let index = |store: &Store| {
        let definition = block_on(store.current_table(&House::realm(), TABLES[expiry::TABLE])).expect("a table");
        definition.time_to_live.as_ref().expect("a time to live").index
    };
    call(replica, Operation::UpdateTimeToLive, &expiry::enable());
    while index(replica) < index(store) {
        for enabled in [false, true] {
            let mut request = expiry::enable();
            request["TimeToLiveSpecification"]["Enabled"] = enabled.into();
            replica.clock().advance(CHANGE_INTERVAL_MILLIS);
            call(replica, Operation::UpdateTimeToLive, &request);
        }
    }
}

/// Replays a stream of both images into an empty database, and compares what that has with what `store` has. `added` says
/// that the first table was given its index meanwhile.
pub fn check(store: &Store, table: Table, records: &BTreeMap<Number, Json>, added: bool) {
    let database = Database::memory(Clock::deterministic(Timestamp(START_MILLIS), 1));
    let options = Options { ttl_interval_millis: None, ..Options::default() };
    let replica = block_on(Store::open_with(database, PREFIX.to_vec(), options)).expect("an empty database");
    call(&replica, Operation::CreateTable, &create_table(table));
    if table == expiry::TABLE {
        enable_expiry(store, &replica);
    }
    if added && table == 0 {
        call(&replica, Operation::UpdateTable, &add_index());
    }
    let name = TABLES[table];
    for record in records.values() {
        match record["dynamodb"].get("NewImage") {
            Some(item) => call(&replica, Operation::PutItem, &json!({ "TableName": name, "Item": item })),
            None => {
                let key = &record["dynamodb"]["Keys"];
                call(&replica, Operation::DeleteItem, &json!({ "TableName": name, "Key": key }));
            }
        }
    }
    let (found, replayed) = (stored(store, table), stored(&replica, table));
    let keys: std::collections::BTreeSet<_> = found.keys().chain(replayed.keys()).collect();
    for key in keys {
        let (found, replayed) = (found.get(key), replayed.get(key));
        assert!(found == replayed, "{name}: {} holds {found:?}, replayed {replayed:?}", key.escape_ascii());
    }
}
