//! A large database on disk is whole when it is opened again: after it was closed, and after its process was killed.
//!
//! The child is this test program itself. It fills a table in batches, then puts items one by one and reports each after its
//! acknowledgement, until it is killed; a second life opens what the first left, goes on, and ends in the same way. What an
//! item holds follows from its number. Every day there are 8,000 items, with tables so small that the tree has as many of
//! them as a large one has; `FDYNO_SEEDS` of 200 or more asks for 1,000,000 under the options that users get.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use fdyno::api::{self, Operation};
use fdyno::clock::Clock;
use fdyno::kv::{Database, DiskOptions};
use fdyno::store::{Realm, Store};
use futures_executor::block_on as wait;
use serde_json::{Value, json};

const DIRECTORY: &str = "FDYNO_REOPEN_DIRECTORY";
/// Acknowledged puts after which a life ends.
const PUTS: u64 = 500;
const SAMPLES: u64 = 1_000;
const BATCH: u64 = 25;

fn is_long_run() -> bool {
    std::env::var("FDYNO_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).is_some_and(|seeds: u64| seeds >= 200)
}

fn filled() -> u64 {
    if is_long_run() { 1_000_000 } else { 8_000 }
}

fn open(directory: &Path) -> Store {
    let options = DiskOptions::default();
    let flush_bytes = if is_long_run() { options.flush_bytes } else { 250_000 };
    let database = Database::disk(directory, DiskOptions { flush_bytes, ..options }, Clock::system());
    wait(Store::open(database.expect("the directory opens"), Vec::new())).expect("the database opens")
}

fn call(store: &Store, name: &str, request: &Value) -> Value {
    let realm = Realm { account: "000000000000".into(), region: "eu-west-1".into() };
    let request = api::json::request(Operation::find("dynamodb", name).unwrap(), request.to_string().as_bytes());
    let answer = wait(api::dispatch(store, &realm, request.unwrap())).expect("the operation succeeds");
    serde_json::from_slice(&api::json::response(&answer)).unwrap()
}

fn key(number: u64) -> Value {
    json!({"pk": {"S": format!("item-{number}")}})
}

fn item(number: u64) -> Value {
    let mut random = fastrand::Rng::with_seed(number);
    let note: String = std::iter::repeat_with(|| random.alphanumeric()).take(100).collect();
    json!({"pk": {"S": format!("item-{number}")}, "number": {"N": number.to_string()}, "note": {"S": note}})
}

/// How many items the table has by its own count, which every put keeps up.
fn counted(store: &Store) -> u64 {
    call(store, "DescribeTable", &json!({"TableName": "large"}))["Table"]["ItemCount"].as_u64().unwrap()
}

/// How many items a scan meets.
fn scanned(store: &Store) -> u64 {
    let mut request = json!({"TableName": "large", "Select": "COUNT"});
    let mut count = 0;
    loop {
        let page = call(store, "Scan", &request);
        count += page["Count"].as_u64().unwrap();
        match page.get("LastEvaluatedKey") {
            Some(last) => request["ExclusiveStartKey"] = last.clone(),
            None => return count,
        }
    }
}

fn create_and_fill(store: &Store) {
    let table = json!({
        "TableName": "large", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]
    });
    call(store, "CreateTable", &table);
    for first in (0..filled()).step_by(usize::try_from(BATCH).unwrap()) {
        let puts: Vec<Value> =
            (first..first + BATCH).map(|number| json!({"PutRequest": {"Item": item(number)}})).collect();
        let answer = call(store, "BatchWriteItem", &json!({"RequestItems": {"large": puts}}));
        assert_eq!(answer["UnprocessedItems"], json!({}));
    }
}

/// Not a test by itself: the life of the process that is killed. It ends only so.
#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let store = open(Path::new(&directory));
    if call(&store, "ListTables", &json!({}))["TableNames"] == json!([]) {
        create_and_fill(&store);
    }
    for number in counted(&store).. {
        call(&store, "PutItem", &json!({"TableName": "large", "Item": item(number)}));
        writeln!(std::io::stdout().lock(), "acknowledged {number}").unwrap();
    }
}

/// One life, killed after some acknowledgements; how many items were acknowledged.
fn live_and_die(directory: &Path) -> u64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env(DIRECTORY, directory);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let acknowledged = |line: &str| line.strip_prefix("acknowledged ").map(|number| number.parse().unwrap());
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut last, mut seen) = (None, 0);
    for line in lines.map_while(Result::ok) {
        if let Some(number) = acknowledged(&line) {
            last = Some(number);
            seen += 1;
            if seen == PUTS {
                child.kill().unwrap();
            }
        }
    }
    let status = child.wait().unwrap();
    assert!(seen >= PUTS && !status.success(), "the child died by itself: {status}");
    last.map(|number: u64| number + 1).unwrap()
}

/// Looks at some items, the last ones and others anywhere.
fn sample(store: &Store, items: u64) {
    let mut random = fastrand::Rng::with_seed(items);
    let anywhere: Vec<u64> = (0..SAMPLES).map(|_| random.u64(..items)).collect();
    for number in anywhere.into_iter().chain(items - PUTS..items) {
        let answer = call(store, "GetItem", &json!({"TableName": "large", "Key": key(number)}));
        assert_eq!(answer["Item"], item(number), "item {number} of {items}");
    }
    for number in items..items + 10 {
        assert_eq!(call(store, "GetItem", &json!({"TableName": "large", "Key": key(number)})), json!({}));
    }
}

#[test]
fn a_large_database_is_whole_when_it_is_opened_again_whether_it_was_closed_or_killed() {
    let directory = tempfile::tempdir().unwrap();
    let mut items = filled();
    for life in 1..=2 {
        let acknowledged = live_and_die(directory.path());
        assert!(acknowledged >= items + PUTS);
        let store = open(directory.path());
        items = counted(&store);
        // One that was done and not yet reported.
        assert!(
            (acknowledged..=acknowledged + 1).contains(&items),
            "life {life}: {acknowledged} reported, {items} there"
        );
        sample(&store, items);
        drop(store);
        let store = open(directory.path());
        assert_eq!((counted(&store), scanned(&store)), (items, items), "life {life}, closed and opened");
        sample(&store, items);
    }
}
