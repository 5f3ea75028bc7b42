//! A database on disk that an earlier version wrote must be readable for ever: the first format's is in `tests/golden`.
//!
//! It holds what every part of the format has: items inline and large, index entries, counters, change records of
//! a stream that is open and of one that is closed, a client token, rows in tables of the tree and in the log. The second is a
//! copy of the first, with what copies add: two incarnations, the seam between them, entries of streams in both forms. The
//! third is the first with a time to live: its definition, its index, the note of it, an owner mark. To
//! add one for a new format, name its directory here and run `cargo test --test golden -- --ignored <its test>`; never write
//! an old one anew.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use fdyno::api::{self, Operation};
use fdyno::clock::{Clock, Timestamp};
use fdyno::kv::{Database, DiskOptions};
use fdyno::store::{Place, Realm, Store};
use serde_json::{Value, json};

const WRITTEN: Timestamp = Timestamp(1_764_000_000_000);

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/disk-1")
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("buffered commits are made by the caller"),
    }
}

fn realm() -> Realm {
    Realm { account: "000000000000".into(), region: "eu-west-1".into() }
}

fn database(directory: &Path, seed: u64) -> Database {
    let options = DiskOptions { flush_bytes: 20_000, ..DiskOptions::default() };
    Database::disk(directory, options, Clock::deterministic(WRITTEN, seed)).unwrap()
}

fn open(directory: &Path) -> Store {
    now(Store::open(database(directory, 11), Vec::new())).unwrap()
}

fn call(store: &Store, name: &str, request: &Value) -> Value {
    let operation = Operation::find("dynamodb", name).or_else(|| Operation::find("dynamodbstreams", name)).unwrap();
    let request = api::json::request(operation, request.to_string().as_bytes()).unwrap();
    serde_json::from_slice(&api::json::response(&now(api::dispatch(store, &realm(), request)).unwrap())).unwrap()
}

fn item(number: usize) -> Value {
    let note = if number == 3 { "large ".repeat(4_000) } else { format!("note {number}") };
    json!({
        "pk": {"S": format!("item-{number:02}")}, "rank": {"N": format!("{number}.5")}, "group": {"S": "g"},
        "note": {"S": note}, "tags": {"SS": ["a", "b"]}, "more": {"M": {"flag": {"BOOL": true}, "nothing": {"NULL": true}}}
    })
}

fn transaction() -> Value {
    json!({
        "ClientRequestToken": "golden-token",
        "TransactItems": [{"Put": {"TableName": "golden", "Item": item(20)}}, {"Put": {"TableName": "golden", "Item": item(21)}}]
    })
}

fn stream(on: bool) -> Value {
    let view = if on { json!("NEW_AND_OLD_IMAGES") } else { Value::Null };
    let mut specification = json!({"StreamEnabled": on});
    if on {
        specification["StreamViewType"] = view;
    }
    json!({"TableName": "golden", "StreamSpecification": specification})
}

/// Writes the directory. Not for a format that has been released.
#[test]
#[ignore = "writes tests/golden anew"]
fn write_the_golden_directory() {
    let directory = golden();
    let _ = fs::remove_dir_all(&directory);
    let store = open(&directory);
    call(
        &store,
        "CreateTable",
        &json!({
            "TableName": "golden", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "group", "AttributeType": "S"},
                {"AttributeName": "rank", "AttributeType": "N"}
            ],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-rank", "Projection": {"ProjectionType": "ALL"},
                "KeySchema": [{"AttributeName": "group", "KeyType": "HASH"}, {"AttributeName": "rank", "KeyType": "RANGE"}]
            }],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        }),
    );
    for number in 0..10 {
        call(&store, "PutItem", &json!({"TableName": "golden", "Item": item(number)}));
    }
    call(&store, "UpdateTable", &stream(false));
    call(&store, "UpdateTable", &stream(true));
    for number in 0..3 {
        call(&store, "DeleteItem", &json!({"TableName": "golden", "Key": {"pk": {"S": format!("item-{number:02}")}}}));
    }
    // Over what is inline and in the log, so that some of it lies in tables.
    let filler = json!({"TableName": "golden", "Item": {"pk": {"S": "filler"}, "note": {"S": "x".repeat(25_000)}}});
    call(&store, "PutItem", &filler);
    call(&store, "DeleteItem", &json!({"TableName": "golden", "Key": {"pk": {"S": "filler"}}}));
    call(&store, "TransactWriteItems", &transaction());
    drop(store);
    settle(&directory);
}

/// Opened and closed once more, until the thread that flushes has left no segment but the last.
fn settle(directory: &Path) {
    let is_segment = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "log");
    while fs::read_dir(directory.join("log")).unwrap().map(Result::unwrap).filter(is_segment).count() > 1 {
        drop(open(directory));
    }
    fs::write(directory.join("LOCK"), "").unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn the_first_format_is_still_read() {
    let directory = tempfile::tempdir().unwrap();
    copy(&golden(), directory.path());
    let store = open(directory.path());
    let query = json!({
        "TableName": "golden", "IndexName": "by-rank", "KeyConditionExpression": "#g = :g",
        "ExpressionAttributeNames": {"#g": "group"}, "ExpressionAttributeValues": {":g": {"S": "g"}}
    });
    let expected: Vec<Value> = (3..10).chain([20, 21]).map(item).collect();
    assert_eq!(call(&store, "Query", &query)["Items"], Value::Array(expected));
    let table = call(&store, "DescribeTable", &json!({"TableName": "golden"}));
    assert_eq!(table["Table"]["ItemCount"], 9);
    let definition = now(store.table(&realm(), "golden")).unwrap();
    assert_eq!(now(store.check(&definition)).unwrap(), Vec::<String>::new());

    assert_eq!(kinds(&store), "IIIIIIIIIIRRRIRII");
    // The token is remembered: the same request again changes nothing.
    call(&store, "TransactWriteItems", &transaction());
    assert_eq!(call(&store, "Query", &query)["Count"], 9);
    call(&store, "PutItem", &json!({"TableName": "golden", "Item": item(30)}));
    assert_eq!(call(&store, "Query", &query)["Count"], 10);
}

/// The first letters of what the streams tell, in their order.
fn kinds(store: &Store) -> String {
    let streams = call(store, "ListStreams", &json!({"TableName": "golden"}));
    let mut kinds = String::new();
    let mut last = String::new();
    for stream in streams["Streams"].as_array().unwrap() {
        let arn = &stream["StreamArn"];
        let described = call(store, "DescribeStream", &json!({"StreamArn": arn}));
        let shard = &described["StreamDescription"]["Shards"][0]["ShardId"];
        let start = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        let iterator = &call(store, "GetShardIterator", &start)["ShardIterator"];
        let page = call(store, "GetRecords", &json!({"ShardIterator": iterator}));
        for record in page["Records"].as_array().unwrap() {
            let number = record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned();
            assert!(number > last);
            last = number;
            kinds.push(record["eventName"].as_str().unwrap().chars().next().unwrap());
        }
        assert_eq!(
            page.get("NextShardIterator").is_some(),
            described["StreamDescription"]["StreamStatus"] == "ENABLED"
        );
    }
    kinds
}

fn golden_copy() -> PathBuf {
    golden().with_file_name("disk-2")
}

/// Writes the directory of a database that was copied. Not for a format that has been released.
#[test]
#[ignore = "writes tests/golden anew"]
fn write_the_golden_copy() {
    let source = tempfile::tempdir().unwrap();
    copy(&golden(), source.path());
    let directory = golden_copy();
    let _ = fs::remove_dir_all(&directory);
    let [from, to] = [(source.path(), 11), (directory.as_path(), 12)]
        .map(|(path, seed)| Place { database: database(path, seed), prefix: Vec::new() });
    now(fdyno::store::copy(from, to.clone())).unwrap();
    let store = now(Store::open(to.database, to.prefix)).unwrap();
    call(&store, "PutItem", &json!({"TableName": "golden", "Item": item(40)}));
    call(&store, "UpdateTable", &stream(false));
    call(&store, "UpdateTable", &stream(true));
    call(&store, "DeleteItem", &json!({"TableName": "golden", "Key": {"pk": {"S": "item-03"}}}));
    drop(store);
    settle(&directory);
}

#[test]
fn a_copied_database_is_still_read() {
    let directory = tempfile::tempdir().unwrap();
    copy(&golden_copy(), directory.path());
    let store = open(directory.path());
    assert_eq!(kinds(&store), "IIIIIIIIIIRRRIRIIIR");
    call(&store, "PutItem", &json!({"TableName": "golden", "Item": item(41)}));
    assert_eq!(kinds(&store), "IIIIIIIIIIRRRIRIIIRI");
    let definition = now(store.table(&realm(), "golden")).unwrap();
    assert_eq!(now(store.check(&definition)).unwrap(), Vec::<String>::new());
}

fn golden_expiring() -> PathBuf {
    golden().with_file_name("disk-3")
}

fn expiring(number: usize, seconds: i64) -> Value {
    let mut item = item(number);
    item["expires"] = json!({"N": (WRITTEN.seconds() + seconds).to_string()});
    json!({"TableName": "golden", "Item": item})
}

/// Writes the directory of a database with a time to live. Not for a format that has been released.
#[test]
#[ignore = "writes tests/golden anew"]
fn write_the_golden_time_to_live() {
    let directory = golden_expiring();
    let _ = fs::remove_dir_all(&directory);
    copy(&golden(), &directory);
    let store = open(&directory);
    call(&store, "PutItem", &expiring(50, 60));
    let specification = json!({"Enabled": true, "AttributeName": "expires"});
    call(&store, "UpdateTimeToLive", &json!({"TableName": "golden", "TimeToLiveSpecification": specification}));
    call(&store, "PutItem", &expiring(51, 120));
    // Its record frees a large item.
    call(&store, "PutItem", &expiring(3, 3_600));
    call(&store, "PutItem", &json!({"TableName": "golden", "Item": item(4)}));
    drop(store);
    settle(&directory);
}

#[test]
fn a_time_to_live_is_still_read() {
    let directory = tempfile::tempdir().unwrap();
    copy(&golden_expiring(), directory.path());
    let store = open(directory.path());
    let sound = || {
        let definition = now(store.table(&realm(), "golden")).unwrap();
        assert_eq!(now(store.check(&definition)).unwrap(), Vec::<String>::new());
    };
    sound();
    let described = call(&store, "DescribeTimeToLive", &json!({"TableName": "golden"}));
    let expected = json!({"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"});
    assert_eq!(described["TimeToLiveDescription"], expected);
    let count = || call(&store, "Scan", &json!({"TableName": "golden", "Select": "COUNT"}))["Count"].clone();
    assert_eq!(count(), 11);
    now(store.advance(90_000)).unwrap();
    assert_eq!(count(), 10);
    assert!(kinds(&store).ends_with('R'));
    now(store.advance(3_600_000)).unwrap();
    assert_eq!(count(), 8);
    sound();
    now(store.advance(25 * 3_600_000)).unwrap();
    assert_eq!(kinds(&store), "");
    sound();
}
