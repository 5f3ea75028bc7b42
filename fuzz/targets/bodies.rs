//! Any bytes as the body of any operation, over a database with a table, an index and a stream.
//!
//! The first line names the operation, or its first byte chooses one. Nothing panics, what comes is an answer or an error of AWS's that is not the server's
//! fault, and both can be written as JSON. Each body finds the same database.

#![no_main]

use std::sync::LazyLock;

use fdyno::api::{self, Operation};
use fdyno::clock::{Clock, Timestamp};
use fdyno::error::Error;
use fdyno::kv::Database;
use fdyno::store::{Realm, Store};
use futures_executor::block_on;
use libfuzzer_sys::fuzz_target;

const TABLE: &[u8] = br#"{"TableName": "tab", "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "s", "AttributeType": "N"}],
    "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [{"IndexName": "idx", "KeySchema": [{"AttributeName": "s", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"}}],
    "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}}"#;

const ITEMS: &[u8] = br#"{"RequestItems": {"tab": [
    {"PutRequest": {"Item": {"p": {"S": "a"}, "s": {"N": "1"}, "n": {"N": "7"}}}},
    {"PutRequest": {"Item": {"p": {"S": "a"}, "s": {"N": "2"}, "l": {"L": [{"S": "x"}]}}}},
    {"PutRequest": {"Item": {"p": {"S": "b"}, "s": {"N": "1"}, "m": {"M": {"k": {"BOOL": true}}}}}}]}}"#;

fn realm() -> Realm {
    Realm { account: "000000000000".to_owned(), region: "us-east-1".to_owned() }
}

fn call(store: &Store, operation: Operation, body: &[u8]) -> Result<Vec<u8>, Error> {
    let request = api::json::request(operation, body)?;
    let response = block_on(api::dispatch(store, &realm(), request))?;
    Ok(api::json::response(&response))
}

static STORE: LazyLock<Store> = LazyLock::new(|| {
    let clock = Clock::deterministic(Timestamp(1_700_000_000_000), 7);
    let store = block_on(Store::open(Database::memory(clock), b"fuzz".to_vec())).expect("a database");
    for (name, body) in [("CreateTable", TABLE), ("BatchWriteItem", ITEMS)] {
        let operation = Operation::find("dynamodb", name).expect("an operation");
        call(&store, operation, body).expect("an answer");
    }
    store
});

fn operation(line: &[u8]) -> Operation {
    let name = std::str::from_utf8(line).unwrap_or_default();
    let all = Operation::all();
    let number = line.first().map_or(0, |byte| usize::from(*byte));
    all.iter().copied().find(|operation| operation.name() == name).unwrap_or(all[number % all.len()])
}

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (operation, body) = (operation(&input[..end]), &input[end..]);
    let store = block_on(STORE.fork()).expect("a copy");
    let body = match call(&store, operation, body) {
        Ok(answer) => answer,
        Err(error) => {
            assert!(!matches!(error, Error::InternalServerError(_)), "{operation:?}: {error}");
            api::json::error(&error)
        }
    };
    serde_json::from_slice::<serde_json::Value>(&body).expect("JSON");
});
